#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Memory errors: recorded, reported, kept away from users, and healed
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/trace.bash"

try() { "$DT" try "$@"; }

HWPOISON=/sys/kernel/debug/hwpoison

badblocks() { cat "$BUS/devices/$DEV/badblocks"; }

# inject OFFSET: into this page of the device
inject() {
	local pgoff=$(($1 / 4096)) start end pages

	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	while read -r start end; do
		pages=$(((end + 1 - start) / 4096))
		if [ $pgoff -lt $pages ]; then
			store $HWPOISON/corrupt-pfn $((start / 4096 + pgoff))
			return
		fi
		pgoff=$((pgoff - pages))
	done <<<"$(ranges "$DEV")"
	fail "no page at $1"
}

heal_all() {
	local sector count

	# a kernel that keeps no record has nothing to heal, and another result
	[ -e "$BUS/devices/$DEV/badblocks" ] || return 0
	while read -r sector count; do
		probe zero "$DEVT" $((sector / 8)) $((count / 8)) >/dev/null
	done <<<"$(badblocks)"
	is '' badblocks
}

# A healthy device, mounted, one file over its first 16 MiB
healthy_file() {
	mode "$DEV" famfs
	DEVT=$(<"$BUS/devices/$DEV/dev")
	heal_all
	mnt "$DEV" "$@"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
}

M1=$((1 << 20))

recorded_and_reported() {
	healthy_file
	inject $M1
	is '2048 8' badblocks
	is 1 stat_of memory_failure
	is 1 stat_of mf_owned
	is $M1 stat_of mf_offset
	inject $((M1 + 4096))
	is '2048 16' badblocks
	is 2 stat_of memory_failure
	heal_all
}

kept_away_from_users() {
	healthy_file
	inject $M1
	is EIO try pread "$MNT/f" 1M 4096
	is EIO try pread "$MNT/f" 1M 1
	is 4096 try pread "$MNT/f" $((M1 - 4096)) 4096
	is 4096 try pread "$MNT/f" $((M1 + 4096)) 4096
	# a read that runs into it gets what is before it
	is 1000 try pread "$MNT/f" $((M1 - 1000)) 4096
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' "$DT" touch "$MNT/f" 1M r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' "$DT" touch "$MNT/f" 1M rw
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' "$DT" touch "$MNT/f" 1M rh
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' "$DT" touch "$MNT/f" 1M rp
	is OK "$DT" touch "$MNT/f" $((M1 - 4096)) rw
	is OK "$DT" touch "$MNT/f" $((M1 + 4096)) rwh
	"$DT" check "$MNT/f" 1 $((M1 + 4096 + 8)) 1M
	heal_all
}

direct_access_tells() {
	healthy_file
	inject $M1
	is EHWPOISON probe access "$DEVT" 256 1
	is EHWPOISON probe access "$DEVT" 256 16
	is '6 pfn *' probe access "$DEVT" 250 16
	is '16 pfn *' probe access "$DEVT" 257 16
	is '1 pfn *' probe access "$DEVT" 256 16 recovery
	heal_all
	is '16 pfn *' probe access "$DEVT" 250 16
}

healed_by_writing() {
	healthy_file
	inject $M1
	# not by a part of a page
	is EIO try pwrite "$MNT/f" 1M 100
	is EIO try pread "$MNT/f" 1M 4096
	is '2048 8' badblocks
	"$DT" fill "$MNT/f" 2 1M 4K
	is '' badblocks
	"$DT" check "$MNT/f" 2 1M 4K
	"$DT" mcheck "$MNT/f" 2 1M 4K
	"$DT" check "$MNT/f" 1 0 1M
	umount "$MNT"
	check_pages "$DEV"
}

healed_by_a_large_write() {
	healthy_file
	inject $M1
	inject $((M1 + 5 * 4096))
	"$DT" fill "$MNT/f" 3
	is '' badblocks
	"$DT" check "$MNT/f" 3
	"$DT" mcheck "$MNT/f" 3
}

healed_by_zeroing() {
	healthy_file
	inject $M1
	is OK "$DT" fallocate zero "$MNT/f" 1M 4K
	is '' badblocks
	"$DT" iszero "$MNT/f" 1M 4K
	is OK "$DT" touch "$MNT/f" 1M rw
	inject $M1
	is OK probe zero "$DEVT" 0 1024
	is '' badblocks
	umount "$MNT"
	check_pages "$DEV"
}

mapped_with_4K() {
	healthy_file
	start h "$DT" hold "$MNT/f" 1M rw
	start early "$DT" hold "$MNT/f" 1M rwe
	start other "$DT" hold "$MNT/f" $((M1 + 4096)) rwe
	inject $M1
	tell early b
	is 'BUS_MCEERR_AO offset 0x100000 lsb 12' echo "$HEARD"
	tell early r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
	tell h b
	is OK echo "$HEARD"
	tell h r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
	tell other b
	is OK echo "$HEARD"
	tell other w
	is OK echo "$HEARD"
	"$DT" fill "$MNT/f" 1 1M 4K
	tell h r
	is OK echo "$HEARD"
	stop h
	stop early
	stop other
}

mapped_with_2M() {
	healthy_file
	start h "$DT" hold "$MNT/f" 3M rwhe
	start i "$DT" hold "$MNT/f" $((3 * M1 + 4096)) rwh
	[ "$(stat_of fault_pmd)" -ge 1 ] || fail "not mapped by 2 MiB"
	inject $((3 * M1))
	tell h b
	# the kernel says how much it took out of the page table
	is 'BUS_MCEERR_AO offset 0x300000 lsb 21' echo "$HEARD"
	tell h r
	is 'BUS_MCEERR_AR offset 0x300000 lsb 12' echo "$HEARD"
	# the rest of the huge page goes on
	tell i w
	is OK echo "$HEARD"
	is '6144 8' badblocks
	heal_all
	tell h w
	is OK echo "$HEARD"
	stop h
	stop i
	umount "$MNT"
	check_pages "$DEV"
}

by_madvise() {
	healthy_file
	is 'BUS_MCEERR_AR offset 0x200000 lsb 12' "$DT" poison "$MNT/f" 2M
	is '4096 8' badblocks
	is 1 stat_of memory_failure
	is $((2 * M1)) stat_of mf_offset
	heal_all
}

in_nobodys_memory() {
	healthy_file
	inject $((64 * M1))
	is 1 stat_of mf_unowned
	is 4096 try pread "$MNT/f" 0 4096
	mkfile g 1M 0:64M:1M
	is EIO try pread "$MNT/g" 0 4096
	is 'BUS_MCEERR_AR offset 0 lsb 12' "$DT" touch "$MNT/g" 0 r
	"$DT" fill "$MNT/g" 1
	"$DT" check "$MNT/g" 1
}

several_owners() {
	mode "$DEV" famfs
	DEVT=$(<"$BUS/devices/$DEV/dev")
	heal_all
	mnt "$DEV"
	is OK "$DT" mkfile -s "$MNT/a" 1M 0:0:1M
	is OK "$DT" mkfile -s "$MNT/b" 2M 0:1M:1M,0:0:1M
	start h "$DT" hold "$MNT/a" 64K r
	start i "$DT" hold "$MNT/b" $((M1 + 65536)) r
	inject 65536
	is 2 stat_of mf_owned
	tell h r
	is 'BUS_MCEERR_AR offset 0x10000 lsb 12' echo "$HEARD"
	tell i r
	is 'BUS_MCEERR_AR offset 0x110000 lsb 12' echo "$HEARD"
	stop h
	stop i
	heal_all
}

in_a_stripe() {
	healthy_file
	is OK "$DT" mkstripe "$MNT/s" 8M 64K 0:32M:4M,0:64M:4M
	"$DT" fill "$MNT/s" 1
	# the third chunk of the second strip: the sixth of the file
	start h "$DT" hold "$MNT/s" $((5 * 65536 + 8192)) rw
	inject $((64 * M1 + 2 * 65536 + 8192))
	tell h r
	is 'BUS_MCEERR_AR offset 0x52000 lsb 12' echo "$HEARD"
	stop h
	is EIO try pread "$MNT/s" $((5 * 65536 + 8192)) 4096
	heal_all
}

# still_bad: the page at 1M, for a filesystem that mounts the device only now
still_bad() {
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	is EIO try pread "$MNT/f" 1M 4096
	is '2048 8' badblocks
}

remembered_over_umount_and_rebind() {
	healthy_file
	inject $M1
	umount "$MNT"
	still_bad
	umount "$MNT"
	unbind "$DEV"
	mode "$DEV" famfs
	still_bad
	heal_all
	"$DT" fill "$MNT/f" 1
}

between_two_holders() {
	healthy_file
	umount "$MNT"
	inject $M1
	still_bad
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' "$DT" touch "$MNT/f" 1M r
	heal_all
}

in_devdax_mode() {
	healthy_file
	umount "$MNT"
	mode "$DEV" devdax
	inject $M1
	mode "$DEV" famfs
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	is EIO try pread "$MNT/f" 1M 4096
	is '2048 8' badblocks
	heal_all
}

# kpageflag PFN BIT
kpageflag() {
	local flags

	flags=$(od -An -tu8 -j $(($1 * 8)) -N 8 /proc/kpageflags)
	[ $((flags >> $2 & 1)) = 1 ]
}

# As memory that anyone gets, which is the kernel's to find whom it hits. A free
# page, of which there is one among these: nobody dies of it.
in_system_ram_mode() {
	local start pfn

	[ -e /proc/kpageflags ] || skip "no /proc/kpageflags"
	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	healthy_file
	umount "$MNT"
	read -r start _ <<<"$(ranges "$DEV")"
	modprobe -q kmem || skip "no kmem"
	mode "$DEV" system-ram
	for ((pfn = (start + 64 * M1) / 4096; ; pfn++)); do
		[ $pfn -lt $(((start + 128 * M1) / 4096)) ] ||
			skip "all of the memory is in use"
		! kpageflag $pfn 10 || break		# in the buddy allocator
	done
	store $HWPOISON/corrupt-pfn $pfn
	kpageflag $pfn 19 || fail "the page is not marked"
	# taking it offline needs nobody's help
	mode "$DEV" famfs
	is "$((pfn * 8 - start / 512)) 8" badblocks
	# who goes back there is warned, and it is not forgotten
	mark
	mode "$DEV" system-ram
	log_says "$DEV: becomes System RAM with known memory errors" ||
		fail "the log does not warn"
	mode "$DEV" famfs
	mnt "$DEV"
	mkfile f 128M 0:0:128M
	is EIO try pread "$MNT/f" $((pfn * 4096 - start)) 4096
	"$DT" fill "$MNT/f" 1 $((pfn * 4096 - start)) 4096
	is '' badblocks
	"$DT" mcheck "$MNT/f" 1 $((pfn * 4096 - start)) 4096
	umount "$MNT"
	check_pages "$DEV"
	mode "$DEV" system-ram
	fails kpageflag $pfn 19
	mode "$DEV" famfs
	is '' badblocks
	check_pages "$DEV"
}

# ignored HOW ACCESS: the page is gone from page tables all the same
ignored() {
	healthy_file "mf=$1"
	start h "$DT" hold "$MNT/f" 1M "$2"
	start near "$DT" hold "$MNT/f" $((M1 + 4096)) "$2"
	is 'ready OK' echo "$HEARD"
	inject $M1
	is EIO try pread "$MNT/f" 1M 4096
	tell h r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
	tell near r
	is OK echo "$HEARD"
	heal_all
	tell h w
	is OK echo "$HEARD"
	stop h
	stop near
	umount "$MNT"
	check_pages "$DEV"
}

holder_that_ignores_it() {
	local how access

	for how in ignore0 eopnotsupp; do
		for access in rw rwh rws rwsh; do
			ignored $how $access
		done
	done
}

# shared HOW ACCESS: nobody has the page, by either of two files that share it
shared() {
	local who

	mode "$DEV" famfs
	DEVT=$(<"$BUS/devices/$DEV/dev")
	heal_all
	mnt "$DEV" "mf=$1"
	is OK "$DT" mkfile -s "$MNT/a" 1M 0:0:1M
	is OK "$DT" mkfile -s "$MNT/b" 2M 0:1M:1M,0:0:1M
	start a "$DT" hold "$MNT/a" 64K "$2"
	start b "$DT" hold "$MNT/b" $((M1 + 65536)) "$2"
	start near "$DT" hold "$MNT/b" $((M1 + 65536 + 4096)) "$2"
	inject 65536
	is EIO try pread "$MNT/a" 64K 4096
	is EIO try pread "$MNT/b" $((M1 + 65536)) 4096
	tell a r
	is 'BUS_MCEERR_AR offset 0x10000 lsb 12' echo "$HEARD"
	tell b r
	is 'BUS_MCEERR_AR offset 0x110000 lsb 12' echo "$HEARD"
	tell near r
	is OK echo "$HEARD"
	heal_all
	for who in a b near; do
		tell $who r
		is OK echo "$HEARD"
		stop $who
	done
	umount "$MNT"
	check_pages "$DEV"
}

shared_page_of_a_holder_that_ignores_it() {
	local how

	for how in ignore0 eopnotsupp; do
		shared $how r
		shared $how rp
	done
}

# 200 errors, every 20th page, while all is mapped and unmapped by others. Half
# of them are healed, by turns by writing and by zeroing.
while_others_fault() {
	local start i page

	healthy_file
	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	start all "$DT" scan "$MNT/f"
	is 'ready good 4096 bad 0' echo "$HEARD"
	read -r start _ <<<"$(ranges "$DEV")"
	"$DT" faultstorm "$MNT/f" 600 2 >"$T/storm" &
	echo $! >"$T/storm.pid"
	for i in $(seq 0 199); do
		# the second and the third of a huge page are made for a surprise
		page=$((20 * i + 1 + i / 100))
		echo $((start / 4096 + page)) >$HWPOISON/corrupt-pfn
		case $((i % 4)) in
		1) is 4096 try pwrite "$MNT/f" $((4096 * page)) 4096 ;;
		3) is OK probe zero "$DEVT" $page 1 ;;
		esac
	done
	is 100 sh -c "wc -l <$BUS/devices/$DEV/badblocks"
	# by mappings that were there, and by one that comes now
	tell all r
	is 'good 3996 bad 100' echo "$HEARD"
	start new "$DT" scan "$MNT/f"
	is 'ready good 3996 bad 100' echo "$HEARD"
	for i in 0 2 100 198; do
		is EIO try pread "$MNT/f" \
			$((4096 * (20 * i + 1 + i / 100))) 4096
	done
	kill -KILL "$(<"$T/storm.pid")"
	heal_all
	tell all r
	is 'good 4096 bad 0' echo "$HEARD"
	tell new r
	is 'good 4096 bad 0' echo "$HEARD"
	stop all
	stop new
	retry umount "$MNT"
	check_pages "$DEV"
}

on_every_range() {
	local start i

	start=$(region_start "$DEV")
	remap "$DEV" \
		"$(printf %x-%x $((start + 64 * M1)) $((start + 72 * M1 - 1)))" \
		"$(printf %x-%x "$start" $((start + 4 * M1 - 1)))" \
		"$(printf %x-%x $((start + 32 * M1)) $((start + 36 * M1 - 1)))"
	mode "$DEV" famfs
	DEVT=$(<"$BUS/devices/$DEV/dev")
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	for i in 0 5 8 11 12 15; do
		inject $((i * M1))
		is $((i * M1)) stat_of mf_offset
		is EIO try pread "$MNT/f" $((i * M1)) 4096
	done
	is 6 stat_of memory_failure
	is 6 sh -c "wc -l <$BUS/devices/$DEV/badblocks"
	"$DT" fill "$MNT/f" 2
	is '' badblocks
	umount "$MNT"
	check_pages "$DEV"
	resize "$DEV" "$SIZE"
}

truncate_and_unlink_a_bad_page() {
	healthy_file
	"$DT" mfill "$MNT/f" 1
	inject $((3 * M1))
	is OK try truncate "$MNT/f" 2M
	rm "$MNT/f"
	mkfile g 16M 0:0:16M
	is EIO try pread "$MNT/g" 3M 4096
	"$DT" fill "$MNT/g" 1
	is '' badblocks
	umount "$MNT"
	check_pages "$DEV"
}

# scrubbed PFN: a machine check says that it found this page bad by itself
# ("action optional"). Only where injection is to one processor.
scrubbed() {
	local mce=/sys/kernel/debug/mce-inject

	for_all_cpus 0
	echo hw >$mce/flags
	echo 0 >$mce/cpu
	echo $(($1 * 4096)) >$mce/addr
	echo 0x8c >$mce/misc			# a physical address, of a page
	echo 0xbd000000000000c0 >$mce/status	# uncorrected, found by scrubbing
	echo 1 >$mce/bank
	retry recorded '2048 8'
	for_all_cpus 1
}

# With a machine check comes what injected errors lack: the page is no longer
# in the direct map. Before it is healed it cannot be read there, as the probes
# do ("(fault)"), and then it can.
machine_check() {
	local pfn heal

	grep -q GenuineIntel /proc/cpuinfo || skip "injects Intel's only"
	modprobe -q mce-inject && [ -d /sys/kernel/debug/mce-inject ] ||
		skip "no mce-inject"
	healthy_file
	start early "$DT" hold "$MNT/f" 1M rwe	# which makes it dirty
	pfn=$(probe access "$DEVT" 256 1)
	pfn=${pfn##*pfn }
	# shellcheck disable=SC2016
	trace_start 'out set_mce_nospec pfn=$arg1' \
		'touch dax_poison_touch page=+0($arg3):string' \
		'in clear_mce_nospec pfn=$arg1' \
		'heal dax_poison_heal page=+0($arg3):string'
	trap 'trace_stop; for_all_cpus 1' EXIT
	put "$BUS/devices/$DEV/write_cache" 1
	for heal in 'fill f 2 1M 4K' 'fallocate zero f 1M 4K'; do
		trace_again
		scrubbed "$pfn"
		tell early b
		is 'BUS_MCEERR_AO offset 0x100000 lsb 12' echo "$HEARD"
		tell early r
		is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
		is EIO try pread "$MNT/f" 1M 4096
		is EHWPOISON probe access "$DEVT" 256 1
		retry is 1 times out
		is "pfn=$pfn" traced out
		# it is dirty, and nothing that could be written back
		is OK try fsync "$MNT/f"

		# shellcheck disable=SC2086
		(cd "$MNT" && "$DT" $heal)
		is '' badblocks
		is "pfn=$pfn" traced in
		[[ $(traced touch) == 'page=(fault)' ]] ||
			fail "the page was in the direct map"
		[[ $(traced heal) == 'page="'*'"' ]] ||
			fail "the page is not in the direct map"
		tell early r
		is OK echo "$HEARD"
		tell early w
		is OK echo "$HEARD"
	done
	"$DT" iszero "$MNT/f" $((M1 + 8)) 4088
	"$DT" check "$MNT/f" 1 0 1M
	"$DT" check "$MNT/f" 1 $((M1 + 4096)) 1M
	put "$BUS/devices/$DEV/write_cache" 0
	stop early
	umount "$MNT"
	check_pages "$DEV"
}

recorded() { [ "$(badblocks)" = "$1" ]; }

# for_all_cpus 0|1: offline or online, but the first
for_all_cpus() {
	local cpu
	for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do
		[ "$(<"$cpu")" = "$1" ] || echo "$1" >"$cpu"
	done
}

poll_of_badblocks() {
	healthy_file
	command -v python3 >/dev/null || skip "no python3"
	# it says "ready", and then what came
	start p python3 -uc '
import select, sys
f = open(sys.argv[1])
f.read()
print("ready")
p = select.poll()
p.register(f, select.POLLPRI | select.POLLERR)
print("changed" if p.poll(50000) else "nothing")' "$BUS/devices/$DEV/badblocks"
	inject $M1
	hear p
	is changed echo "$HEARD"
	heal_all
}

run_tests \
	recorded_and_reported \
	kept_away_from_users \
	direct_access_tells \
	healed_by_writing \
	healed_by_a_large_write \
	healed_by_zeroing \
	mapped_with_4K \
	mapped_with_2M \
	by_madvise \
	in_nobodys_memory \
	several_owners \
	in_a_stripe \
	remembered_over_umount_and_rebind \
	between_two_holders \
	in_devdax_mode \
	in_system_ram_mode \
	holder_that_ignores_it \
	shared_page_of_a_holder_that_ignores_it \
	while_others_fault \
	on_every_range \
	truncate_and_unlink_a_bad_page \
	poll_of_badblocks \
	machine_check
