#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Memory errors: recorded, reported, kept away from users, and healed
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/trace.bash"
. "$(dirname "$0")/poison.bash"
. "$(dirname "$0")/mce.bash"

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

# The buffer of the write is at fault, and not the page
written_from_no_buffer() {
	healthy_file
	inject $M1
	is EFAULT "$DIR/halfbuf" "$MNT/f" $M1 4096 7 0
	is '@(EFAULT|EIO)' "$DIR/halfbuf" "$MNT/f" $M1 4096 7 100
	is EIO try pread "$MNT/f" 1M 4096
	is '2048 8' badblocks
	is 4096 "$DIR/halfbuf" "$MNT/f" $M1 4096 7 4096
	is '' badblocks
	is 4096 try pread "$MNT/f" 1M 4096
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
	# so much is lost, however much it took out of the page table
	is 'BUS_MCEERR_AO offset 0x300000 lsb 12' echo "$HEARD"
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

while_nobody_has_it() {
	healthy_file
	umount "$MNT"
	inject $M1
	is EIO try pread "/dev/$DEV" 1M 4096
	is 1000 try pread "/dev/$DEV" $((M1 - 1000)) 4096
	is 4096 try pread "/dev/$DEV" $((M1 + 4096)) 4096
	heal_all
	is 4096 try pread "/dev/$DEV" 1M 4096
}

# Nobody knows of it before a tool reads the page
found_by_a_look() {
	local pfn

	modinfo daxtest_badread >/dev/null 2>&1 || skip "no daxtest_badread"
	healthy_file
	pfn=$(device_pfn 256)
	umount "$MNT"
	modprobe daxtest_badread pfn="$pfn"
	trap 'rmmod daxtest_badread' EXIT
	is EIO try pread "/dev/$DEV" 1M 4096
	retry is '2048 8' badblocks
	rmmod daxtest_badread
	trap - EXIT
	is EIO try pread "/dev/$DEV" 1M 4096
	heal_all
	is 4096 try pread "/dev/$DEV" 1M 4096
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

# As memory that anyone gets, which is the kernel's to find whom it hits. A free
# page, of which there is one among these: nobody dies of it.
in_system_ram_mode() {
	local start pfn before

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
	before=$(corrupted)
	store $HWPOISON/corrupt-pfn $pfn
	kpageflag $pfn 19 || fail "the page is not marked"
	is $((before + 1)) corrupted
	is "$((pfn * 8 - start / 512)) 8" badblocks
	# taking it offline needs nobody's help
	mode "$DEV" famfs
	is "$((pfn * 8 - start / 512)) 8" badblocks
	is $((before + 1)) corrupted
	# a return to that mode gives a warning, and nobody gets the page there
	mark
	mode "$DEV" system-ram
	log_says "$DEV: becomes System RAM with known memory errors" ||
		fail "the log does not warn"
	log_says "$DEV: 1 pages with memory errors are kept out of System RAM" ||
		fail "the log does not say how many pages are kept out"
	kpageflag $pfn 19 || fail "the bad page is not marked"
	is $((before + 1)) corrupted
	fails kpageflag $pfn 10
	kpageflag $((pfn - 1)) 10 || kpageflag $((pfn + 1)) 10 ||
		fail "the pages beside it are not free"
	is EBUSY put "$BUS/devices/$DEV/badblocks" "-$((pfn * 8 - start / 512)) 8"
	mode "$DEV" famfs
	is "$((pfn * 8 - start / 512)) 8" badblocks
	mnt "$DEV"
	mkfile f 128M 0:0:128M
	is EIO try pread "$MNT/f" $((pfn * 4096 - start)) 4096
	"$DT" fill "$MNT/f" 1 $((pfn * 4096 - start)) 4096
	is '' badblocks
	"$DT" mcheck "$MNT/f" 1 $((pfn * 4096 - start)) 4096
	umount "$MNT"
	check_pages "$DEV"
	is "$before" corrupted
	mode "$DEV" system-ram
	fails kpageflag $pfn 19
	is "$before" corrupted
	mode "$DEV" famfs
	is '' badblocks
	check_pages "$DEV"
}

# ignored HOW ACCESS: the page is gone from page tables all the same
ignored() {
	healthy_file "mf=$1"
	start h "$DT" hold "$MNT/f" 1M "$2"
	start early "$DT" hold "$MNT/f" 1M "${2}e"
	start near "$DT" hold "$MNT/f" $((M1 + 4096)) "${2}e"
	is 'ready OK' echo "$HEARD"
	inject $M1
	is EIO try pread "$MNT/f" 1M 4096
	# the kernel tells processes that want to know, and nobody else
	tell early b
	is 'BUS_MCEERR_AO offset 0x100000 lsb 12' echo "$HEARD"
	tell h b
	is OK echo "$HEARD"
	tell near b
	is '@(OK|BUS_MCEERR_AO offset 0x100000 lsb 12)' echo "$HEARD"
	tell h r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
	tell near r
	is OK echo "$HEARD"
	heal_all
	tell h w
	is OK echo "$HEARD"
	stop h
	stop early
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

# sharing_files [OPTIONS]: a, and the second half of b
sharing_files() {
	mode "$DEV" famfs
	DEVT=$(<"$BUS/devices/$DEV/dev")
	heal_all
	mnt "$DEV" "$@"
	is OK "$DT" mkfile -s "$MNT/a" 1M 0:0:1M
	is OK "$DT" mkfile -s "$MNT/b" 2M 0:1M:1M,0:0:1M
}

# shared HOW ACCESS: nobody has the page, by either of two files that share it
shared() {
	local who

	sharing_files "mf=$1"
	start a "$DT" hold "$MNT/a" 64K "$2"
	start early "$DT" hold "$MNT/b" $((M1 + 65536)) "${2}e"
	start b "$DT" hold "$MNT/b" $((M1 + 65536)) "$2"
	start near "$DT" hold "$MNT/b" $((M1 + 65536 + 4096)) "$2"
	inject 65536
	is EIO try pread "$MNT/a" 64K 4096
	is EIO try pread "$MNT/b" $((M1 + 65536)) 4096
	tell early b
	is 'BUS_MCEERR_AO offset 0x110000 lsb 12' echo "$HEARD"
	tell a r
	is 'BUS_MCEERR_AR offset 0x10000 lsb 12' echo "$HEARD"
	tell b r
	is 'BUS_MCEERR_AR offset 0x110000 lsb 12' echo "$HEARD"
	tell near r
	is OK echo "$HEARD"
	heal_all
	for who in a b early near; do
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

stalled() { [ "$(probe stalled)" = "$1" ]; }

# Of two files that share the page, one is about to map it when it becomes bad
shared_page_in_a_fault() {
	local how pid

	for how in '' mf=ignore0 mf=eopnotsupp; do
		sharing_files "$how"
		start a "$DT" hold "$MNT/a" 64K r
		start b "$DT" hold "$MNT/b" $((M1 + 65536)) r
		start h "$DT" stall pte "$MNT/b" $((M1 + 65536)) r
		retry stalled there
		inject 65536 &
		pid=$!
		sleep 1
		stalled there || fail "the fault did not wait"
		probe go
		wait $pid
		hear h
		# the page was mapped for a moment, and is not any more
		tell h r
		is 'BUS_MCEERR_AR offset 0x110000 lsb 12' echo "$HEARD"
		tell a r
		is 'BUS_MCEERR_AR offset 0x10000 lsb 12' echo "$HEARD"
		stop h
		stop a
		stop b
		heal_all
		umount "$MNT"
		check_pages "$DEV"
	done
}

# unserved NAME OFFSET: a fault whose filesystem does not answer has that page of
# a file when it becomes bad. Neither the error nor an unbind waits for the fault.
unserved() {
	local at

	pin_seconds 2
	printf -v at %#x "$2"
	start early "$DT" hold "$MNT/$1" "$2" re
	start h "$DT" hold "$MNT/$1" "$2" r
	start s "$DT" stall begin "$MNT/$1" "$2" r
	retry stalled there
	inject 65536
	stalled there || fail "the error waited for the fault"
	tell early b
	is "BUS_MCEERR_AO offset $at lsb 12" echo "$HEARD"
	unbind "$DEV"
	stalled there || fail "the unbind waited for the fault"
	# a second access waits for the first
	echo r >&"${FD[h]}"
	probe go
	hear s
	is 'ready BUS_ADRERR *' echo "$HEARD"
	hear h
	is "BUS_@(ADRERR|MCEERR_AR) *" echo "$HEARD"
	stop s
	stop h
	stop early
}

back_after_the_unbind() {
	umount "$MNT"
	retry is "" cat $PARKED
	mode "$DEV" famfs
	heal_all
	check_pages "$DEV"
}

page_in_a_fault_that_is_not_served() {
	local how

	for how in '' mf=ignore0 mf=eopnotsupp; do
		healthy_file "$how"
		unserved f 65536
		back_after_the_unbind
	done
}

shared_page_in_a_fault_that_is_not_served() {
	local how

	for how in '' mf=eopnotsupp; do
		sharing_files "$how"
		start a "$DT" hold "$MNT/a" 64K r
		start b "$DT" hold "$MNT/b" $((M1 + 65536)) r
		stop a
		unserved b $((M1 + 65536))
		stop b
		back_after_the_unbind
	done
}

# lost_dirty NAME OFFSET: of the file of that name, whose fsync says so once
lost_dirty() {
	is EIO try fsync "$MNT/$1"
	is OK try fsync "$MNT/$1"
	is OK "$DT" fallocate zero "$MNT/$1" "$2" 4K
	is OK try fsync "$MNT/$1"
}

# Data that was written by a mapping, and not written back
dirty_data_is_lost() {
	local how

	for how in '' mf=ignore0 mf=eopnotsupp; do
		healthy_file "$how"
		put "$BUS/devices/$DEV/write_cache" 1
		# data that was written back can be lost without a word to fsync
		"$DT" mfill "$MNT/f" 2 4M 4M
		is OK try fsync "$MNT/f"
		inject $((5 * M1))
		is OK try fsync "$MNT/f"
		# mapped still, and not
		start h "$DT" hold "$MNT/f" 1M rw
		inject $M1
		lost_dirty f 1M
		"$DT" touch "$MNT/f" 2M rwh
		inject $((2 * M1 + 4096))
		lost_dirty f $((2 * M1 + 4096))
		stop h
		# by syncfs, for all files
		"$DT" touch "$MNT/f" 3M rw
		inject $((3 * M1))
		fails sync -f "$MNT/f"
		sync -f "$MNT/f"
		put "$BUS/devices/$DEV/write_cache" 0
		heal_all
		umount "$MNT"
	done
}

# told_once FD: by fsync(2)
told_once() {
	is EIO try fsync - <&"$1"
	is OK try fsync - <&"$1"
}

# Each open file, and each that is opened before anybody was told, says once that
# data was lost. close(2) does not, as on all filesystems of a disk, and nothing
# is forgotten for that.
each_open_file_tells_of_lost_data() {
	local how a b c g s

	for how in '' mf=ignore0 mf=eopnotsupp; do
		healthy_file "$how"
		mkfile g 1M 0:32M:1M
		put "$BUS/devices/$DEV/write_cache" 1
		exec {a}<>"$MNT/f" {b}<>"$MNT/f" {s}<>"$MNT/f" {g}<>"$MNT/g"
		# nobody has the page mapped any more
		"$DT" touch "$MNT/f" 1M rw
		inject $M1
		is OK try close - <&"$a"
		exec {c}<>"$MNT/f"
		told_once "$a"
		told_once "$b"
		told_once "$c"
		exec {c}<&-
		is OK try close - <&"$b"
		# whoever comes now has lost nothing
		is OK try fsync "$MNT/f"
		# of the filesystem, by any of its files
		is OK try fsync - <&"$g"
		is EIO try syncfs - <&"$g"
		is OK try syncfs - <&"$g"
		is EIO try syncfs - <&"$s"
		is OK try syncfs - <&"$s"
		# which is not what the file has to say
		told_once "$s"
		exec {a}<&- {b}<&- {s}<&- {g}<&-
		put "$BUS/devices/$DEV/write_cache" 0
		heal_all
		umount "$MNT"
	done
}

# of a part of the file that has nothing to do with it, too
msync_tells_of_lost_data() {
	healthy_file
	put "$BUS/devices/$DEV/write_cache" 1
	"$DT" touch "$MNT/f" 1M rw
	inject $M1
	is EIO "$DT" msync "$MNT/f" 4M 4K
	is OK "$DT" msync "$MNT/f" 4M 4K
	"$DT" touch "$MNT/f" 2M rwh
	inject $((2 * M1 + 4096))
	is EIO "$DT" msync "$MNT/f" 2M 4K
	is OK "$DT" msync "$MNT/f" 2M 4K
	put "$BUS/devices/$DEV/write_cache" 0
	heal_all
}

counted_once_and_no_more_when_healed() {
	local before

	healthy_file
	before=$(corrupted)
	inject $M1
	is $((before + 1)) corrupted
	inject $M1
	is $((before + 1)) corrupted
	inject $((M1 + 4096))
	is $((before + 2)) corrupted
	"$DT" fill "$MNT/f" 2 1M 4K
	is $((before + 1)) corrupted
	is OK "$DT" fallocate zero "$MNT/f" 1M 8K
	is "$before" corrupted
	# not memory of this kernel any more
	inject $M1
	umount "$MNT"
	unbind "$DEV"
	is "$before" corrupted
	mode "$DEV" devdax
	is "@($before|$((before + 1)))" corrupted
	mode "$DEV" famfs
	heal_all
	is "$before" corrupted
}

no_filter() {
	local number

	for number in major minor; do
		store $HWPOISON/corrupt-filter-dev-$number $((0xffffffff))
	done
	store $HWPOISON/corrupt-filter-enable 0
}

# Of those who test the machine in use, and want to hit their own files only
filtered() {
	healthy_file
	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	[ -e $HWPOISON/corrupt-filter-enable ] || skip "no filter"
	# pages of the filesystem 0:1, which this is not
	trap no_filter EXIT
	store $HWPOISON/corrupt-filter-dev-major 0
	store $HWPOISON/corrupt-filter-dev-minor 1
	store $HWPOISON/corrupt-filter-enable 1
	start h "$DT" hold "$MNT/f" 1M re
	# by the device: the filter of the injection knows only page cache
	is EOPNOTSUPP probe poison "$DEVT" 256
	is '' badblocks
	is 0 stat_of memory_failure
	tell h b
	is OK echo "$HEARD"
	no_filter
	is OK probe poison "$DEVT" 256
	is '2048 8' badblocks
	stop h
	heal_all
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
	# truncation writes back, too, and would tell of what is lost
	is EIO try fsync "$MNT/f"
	is OK try truncate "$MNT/f" 2M
	rm "$MNT/f"
	mkfile g 16M 0:0:16M
	is EIO try pread "$MNT/g" 3M 4096
	"$DT" fill "$MNT/g" 1
	is '' badblocks
	umount "$MNT"
	check_pages "$DEV"
}

# With a machine check comes what injected errors lack: the page is no longer
# in the direct map. Before it is healed it cannot be read there, as the probes
# do ("(fault)"), and then it can.
machine_check() {
	local pfn heal

	can_check_machine
	healthy_file
	start early "$DT" hold "$MNT/f" 1M rwe	# which makes it dirty
	pfn=$(device_pfn 256)
	# shellcheck disable=SC2016
	trace_machine_checks \
		'touch dax_poison_touch page=+0($arg3):string' \
		'heal dax_poison_heal page=+0($arg3):string'
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
		# it is dirty, and nothing that could be written back
		is EIO try fsync "$MNT/f"
		is OK try fsync "$MNT/f"

		# shellcheck disable=SC2086
		(cd "$MNT" && "$DT" $heal)
		is '' badblocks
		is "pfn=$pfn" traced in
		hidden_once
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
	written_from_no_buffer \
	healed_by_a_large_write \
	healed_by_zeroing \
	mapped_with_4K \
	mapped_with_2M \
	by_madvise \
	in_nobodys_memory \
	several_owners \
	in_a_stripe \
	remembered_over_umount_and_rebind \
	while_nobody_has_it \
	found_by_a_look \
	between_two_holders \
	in_devdax_mode \
	in_system_ram_mode \
	holder_that_ignores_it \
	shared_page_of_a_holder_that_ignores_it \
	shared_page_in_a_fault \
	page_in_a_fault_that_is_not_served \
	shared_page_in_a_fault_that_is_not_served \
	dirty_data_is_lost \
	each_open_file_tells_of_lost_data \
	msync_tells_of_lost_data \
	counted_once_and_no_more_when_healed \
	filtered \
	while_others_fault \
	on_every_range \
	truncate_and_unlink_a_bad_page \
	poll_of_badblocks \
	machine_check
