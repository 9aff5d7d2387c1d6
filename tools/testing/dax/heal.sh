#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The fate of pages with memory errors: users who may still get at them, writes
# that heal them, and writes that do not
# shellcheck disable=SC2119,SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/trace.bash"
. "$(dirname "$0")/poison.bash"
. "$(dirname "$0")/pmem.bash"
. "$(dirname "$0")/mce.bash"

# tell_badblocks TEXT: by a write to the attribute
tell_badblocks() { put "$BUS/devices/$DEV/badblocks" "$1"; }

# A page that is in no huge page of the first file
M64=$((64 * M1))

devdax_maps_no_bad_page() {
	healthy_file
	umount "$MNT"
	mode "$DEV" devdax
	start h "$DT" hold "/dev/$DEV" 1M rwh
	is 'ready OK' echo "$HEARD"
	start near "$DT" hold "/dev/$DEV" 0 rwh
	start far "$DT" hold "/dev/$DEV" 2M rwh
	inject $M1
	# those who had it, and what came with it
	tell h r
	is 'BUS_MCEERR_A* offset 0x100000 lsb *' echo "$HEARD"
	tell h r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
	tell near r
	is 'BUS_MCEERR_AR offset 0 lsb *' echo "$HEARD"
	tell far r
	is OK echo "$HEARD"
	# and those who come later
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' \
		"$DT" touch "/dev/$DEV" 1M rwh
	is 'BUS_MCEERR_AR offset 0 lsb 12' "$DT" touch "/dev/$DEV" 0 rh
	is OK "$DT" touch "/dev/$DEV" 2M rwh
	stop h
	stop near
	stop far
	unbind "$DEV"
	mode "$DEV" devdax
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' \
		"$DT" touch "/dev/$DEV" 1M rwh
	is OK tell_badblocks '-2048 8'
	is '' badblocks
	is OK "$DT" touch "/dev/$DEV" 1M rwh
	unbind "$DEV"
	mode "$DEV" devdax
	is OK "$DT" touch "/dev/$DEV" 1M rwh
}

devdax_maps_no_bad_page_of_4K() {
	local align

	healthy_file
	umount "$MNT"
	unbind "$DEV"
	align=$(<"$BUS/devices/$DEV/align")
	store "$BUS/devices/$DEV/size" 0
	store "$BUS/devices/$DEV/align" 4096
	store "$BUS/devices/$DEV/size" "$SIZE"
	mode "$DEV" devdax
	inject $M1
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' "$DT" touch "/dev/$DEV" 1M rw
	is OK "$DT" touch "/dev/$DEV" $((M1 - 4096)) rw
	is OK "$DT" touch "/dev/$DEV" $((M1 + 4096)) rw
	is OK tell_badblocks '-2048 8'
	is OK "$DT" touch "/dev/$DEV" 1M rw
	unbind "$DEV"
	store "$BUS/devices/$DEV/size" 0
	store "$BUS/devices/$DEV/align" "$align"
	store "$BUS/devices/$DEV/size" "$SIZE"
}

# Faults of all of the memory, by several, while errors come
devdax_faults_while_errors_come() {
	local i start pids=()

	healthy_file
	umount "$MNT"
	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	mode "$DEV" devdax
	read -r start _ <<<"$(ranges "$DEV")"
	for i in $(seq 0 2 30); do
		start "h$i" "$DT" hold "/dev/$DEV" $((i * M1)) rwh
	done
	for i in $(seq 0 2 30); do
		echo $((start / 4096 + i * 256 + 7)) >$HWPOISON/corrupt-pfn &
		pids+=($!)
		tell "h$i" r
		tell "h$i" w
	done
	wait "${pids[@]}" || :
	for i in $(seq 0 2 30); do
		tell "h$i" r
		is "BUS_MCEERR_AR offset $(printf %#x $((i * M1))) lsb *" \
			echo "$HEARD"
		stop "h$i"
	done
	is 16 sh -c "wc -l <$BUS/devices/$DEV/badblocks"
	is OK tell_badblocks "-0 $((32 * M1 / 512))"
	is '' badblocks
	is OK "$DT" touch "/dev/$DEV" 0 rwh
}

# The memory has a new direct map in every mode
bind_takes_bad_pages_out_of_the_direct_map() {
	local pfn mode

	healthy_file
	pfn=$(device_pfn 256)
	umount "$MNT"
	inject $M1
	# shellcheck disable=SC2016
	trace_start 'out set_mce_nospec pfn=$arg1' \
		'in clear_mce_nospec pfn=$arg1'
	for mode in devdax famfs; do
		unbind "$DEV"
		trace_again
		mark
		mode "$DEV" "$mode"
		is "pfn=$pfn" traced out
		is '' traced in
		log_says "$DEV: 1 pages have memory errors" ||
			fail "the log does not say so"
		trace_again
		unbind "$DEV"
		is "pfn=$pfn" traced in
		is '' traced out
	done
	mode "$DEV" famfs
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	is EIO "$DT" try pread "$MNT/f" 1M 4096
	"$DT" fill "$MNT/f" 3
	"$DT" mcheck "$MNT/f" 3
	umount "$MNT"
	check_pages "$DEV"
	unbind "$DEV"
	trace_again
	mode "$DEV" famfs
	is '' traced out
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	"$DT" check "$MNT/f" 3
}

TRIES=/sys/module/daxtest_badread/parameters/tries

# The page cannot be read back, as the module has it
heal_that_fails() {
	local pfn i

	modinfo daxtest_badread >/dev/null 2>&1 || skip "no daxtest_badread"
	healthy_file
	start h "$DT" hold "$MNT/f" 1M r
	pfn=$(device_pfn 256)
	is OK tell_badblocks '2048 8'
	# shellcheck disable=SC2016
	trace_start 'out set_mce_nospec pfn=$arg1'
	modprobe daxtest_badread pfn="$pfn"
	trap 'rmmod daxtest_badread; trace_stop' EXIT
	mark
	is EIO "$DT" try pwrite "$MNT/f" 1M 4096
	is "*pfn=$pfn" traced out
	is 1 cat $TRIES
	log_says 'still has a memory error after a write' ||
		fail "the log does not say so"
	is '2048 8' badblocks
	tell h r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
	# nobody makes more machine checks of it, by any means
	for i in 1 2 3; do
		is EIO "$DT" try pwrite "$MNT/f" 1M 4096
		is EIO "$DT" fallocate zero "$MNT/f" 1M 4K
		is E* probe zero "$DEVT" 256 1
	done
	is 1 cat $TRIES
	# which the administrator may
	is EIO tell_badblocks '-2048 8'
	is 2 cat $TRIES
	is EIO "$DT" try pwrite "$MNT/f" 1M 4096
	is 2 cat $TRIES
	rmmod daxtest_badread
	is EIO "$DT" try pwrite "$MNT/f" 1M 4096
	is OK tell_badblocks '-2048 8'
	is '' badblocks
	"$DT" iszero "$MNT/f" 1M 4K
	tell h r
	is OK echo "$HEARD"
	stop h

	# or a bind
	is OK tell_badblocks '2048 8'
	modprobe daxtest_badread pfn="$pfn"
	is EIO "$DT" try pwrite "$MNT/f" 1M 4096
	rmmod daxtest_badread
	trap trace_stop EXIT
	is EIO "$DT" try pwrite "$MNT/f" 1M 4096
	umount "$MNT"
	unbind "$DEV"
	mode "$DEV" famfs
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	is 4096 "$DT" try pwrite "$MNT/f" 1M 4096
	is '' badblocks
}

administrator_adds_errors() {
	healthy_file
	start h "$DT" hold "$MNT/f" 1M rwe
	is OK tell_badblocks '2048 8'
	is '2048 8' badblocks
	tell h b
	is 'BUS_MCEERR_AO offset 0x100000 lsb 12' echo "$HEARD"
	is EIO "$DT" try pread "$MNT/f" 1M 4096
	"$DT" fill "$MNT/f" 1 1M 4K
	is '' badblocks
	stop h
	# a part of a page is all of it
	is OK tell_badblocks '2055 2'
	is '2048 16' badblocks
	heal_all
	umount "$MNT"
	# without a driver
	mode "$DEV" none
	is OK tell_badblocks '2048 8'
	is '2048 8' badblocks
	is ENODEV tell_badblocks '-2048 8'
	mode "$DEV" famfs
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	is EIO "$DT" try pread "$MNT/f" 1M 4096
	heal_all
}

administrator_clears_errors() {
	healthy_file
	start h "$DT" hold "$MNT/f" 1M r
	inject $M1
	inject $((M1 + 8192))
	is OK tell_badblocks '-2048 16'
	is '2064 8' badblocks
	"$DT" iszero "$MNT/f" 1M 4K
	"$DT" check "$MNT/f" 1 $((M1 + 4096)) 4K
	tell h r
	is OK echo "$HEARD"
	stop h
	# good pages are left alone
	is OK tell_badblocks "-0 $((SIZE / 512))"
	is '' badblocks
	"$DT" check "$MNT/f" 1 0 1M
	"$DT" check "$MNT/f" 1 $((M1 + 12288)) 1M
	umount "$MNT"
	check_pages "$DEV"
}

what_is_no_memory_error() {
	local text

	healthy_file
	inject $M1
	for text in x '1' '-' '- 1 1' '1 x' '1 1 1' '+1 1' '--1 1' '1 -1' \
		    '1 0' '-2048 0' '-2048 4' '-2052 8' '-2047 9'; do
		is EINVAL tell_badblocks "$text"
	done
	is ERANGE tell_badblocks "$((SIZE / 512)) 8"
	is ERANGE tell_badblocks "-$((SIZE / 512)) 8"
	is ERANGE tell_badblocks "0 $((SIZE / 512 + 1))"
	is '2048 8' badblocks
	is EPERM setpriv --bounding-set -sys_admin --inh-caps -sys_admin \
		"$DT" try store "$BUS/devices/$DEV/badblocks" '2048 8'
	umount "$MNT"
	unbind "$DEV"
	store "$BUS/devices/$DEV/ro" 1
	mode "$DEV" famfs
	is EROFS tell_badblocks '-2048 8'
	is OK tell_badblocks '0 8'
	unbind "$DEV"
	store "$BUS/devices/$DEV/ro" 0
	mode "$DEV" famfs
	is OK tell_badblocks '-0 2056'
	is '' badblocks
}

# 600 errors, which are more than the record has entries, and one long run
more_errors_than_the_record_has_entries() {
	local i

	healthy_file
	is OK tell_badblocks "$((8 * 3000)) $((8 * 64))"
	for i in $(seq 0 2 1198); do
		store "$BUS/devices/$DEV/badblocks" "$((8 * i)) 8"
	done
	for i in 0 600 1198; do
		is EIO "$DT" try pread "$MNT/f" $((4096 * i)) 4096
		is 4096 "$DT" try pread "$MNT/f" $((4096 * (i + 1))) 4096
	done
	# in the middle of the run
	"$DT" fill "$MNT/f" 1 $((4096 * 3030)) 4K
	is EIO "$DT" try pread "$MNT/f" $((4096 * 3029)) 4096
	"$DT" check "$MNT/f" 1 $((4096 * 3030)) 4K
	is EIO "$DT" try pread "$MNT/f" $((4096 * 3031)) 4096
	"$DT" fill "$MNT/f" 1
	is '' badblocks
	"$DT" mcheck "$MNT/f" 1
	umount "$MNT"
	check_pages "$DEV"
}

# The bus of persistent memory and the device know the same errors
pmem_remembers_what_is_bad() {
	local again

	famfs_on_pmem
	inject $M1
	inject $M64
	is '2048 8
131072 8' badblocks
	for again in 1 2; do
		namespace_again
		is '2048 8
131072 8' badblocks
	done
	mode "$DEV" famfs
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	is EIO "$DT" try pread "$MNT/f" 1M 4096
	"$DT" fill "$MNT/f" 1
	umount "$MNT"
	is '131072 8' badblocks
	namespace_again
	is '131072 8' badblocks
	mode "$DEV" famfs
	DEVT=$(<"$BUS/devices/$DEV/dev")
	heal_all
	namespace_again
	is '' badblocks
	no_famfs_on_pmem
}

# scanned GOOD BAD: pages of the first 16 MiB, by a mapping of $MNT/f
scanned() {
	mode "$DEV" famfs
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	start scan "$DT" scan "$MNT/f"
	is "ready good $1 bad $2" echo "$HEARD"
	stop scan
}

# Errors that only memory_failure() saw, and more than a record has entries: 600
pmem_remembers_more_errors_than_the_record_has_entries() {
	local start i again

	famfs_on_pmem
	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	read -r start _ <<<"$(ranges "$DEV")"
	for i in $(seq 0 2 1198); do
		echo $((start / 4096 + i)) >$HWPOISON/corrupt-pfn
	done
	scanned 3496 600
	umount "$MNT"
	for again in 1 2; do
		namespace_again
		scanned 3496 600
		is EIO "$DT" try pread "$MNT/f" $((4096 * 1198)) 4096
		umount "$MNT"
	done
	# the last ones are those that did not fit
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1 $((4096 * 1000)) 12M
	umount "$MNT"
	namespace_again
	scanned 3596 500
	"$DT" fill "$MNT/f" 2
	is '' badblocks
	umount "$MNT"
	namespace_again
	is '' badblocks
	scanned 4096 0
	"$DT" check "$MNT/f" 2
	umount "$MNT"
	check_pages "$DEV"
	no_famfs_on_pmem
}

# The page stays bad, here and for the next driver of the memory, although it has
# been written
pmem_that_does_not_clear_an_error() {
	famfs_on_pmem
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	inject $M1
	instead nvdimm_clear_poison result=-5
	trap 'rmmod daxtest_instead' EXIT
	is EIO "$DT" try pwrite "$MNT/f" 1M 4096
	is '2048 8' badblocks
	is EIO "$DT" try pread "$MNT/f" 1M 4096
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' "$DT" touch "$MNT/f" 1M r
	is EIO tell_badblocks '-2048 8'
	rmmod daxtest_instead
	trap - EXIT
	umount "$MNT"
	namespace_again
	is '2048 8' badblocks
	scanned 4095 1
	# a bind lets it be tried again
	"$DT" fill "$MNT/f" 2 1M 4K
	is '' badblocks
	umount "$MNT"
	namespace_again
	is '' badblocks
	no_famfs_on_pmem
}

# The medium forgets an error only when there is something to write
pmem_has_no_buffer_to_heal_from() {
	famfs_on_pmem
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	inject $M1
	is EFAULT "$DIR/halfbuf" "$MNT/f" $M1 4096 7 0
	is '@(EFAULT|EIO)' "$DIR/halfbuf" "$MNT/f" $M1 4096 7 100
	is '2048 8' badblocks
	umount "$MNT"
	namespace_again
	is '2048 8' badblocks
	scanned 4095 1
	is 4096 "$DIR/halfbuf" "$MNT/f" $M1 4096 7 4096
	umount "$MNT"
	namespace_again
	is '' badblocks
	no_famfs_on_pmem
}

# The page behind the one that is healed stays bad: the caller learns how much was
# written, and has the rest
recovery_ends_before_a_bad_page() {
	local pfn

	modinfo daxtest_badread >/dev/null 2>&1 || skip "no daxtest_badread"
	healthy_file
	pfn=$(device_pfn 256)
	is OK tell_badblocks '2048 16'
	modprobe daxtest_badread pfn=$((pfn + 1))
	trap 'rmmod daxtest_badread' EXIT
	is 4096 probe recover "$DEVT" 256 8192 7 0
	is '2056 8' badblocks
	rmmod daxtest_badread
	trap - EXIT
	is OK tell_badblocks '-2056 8'
	is '' badblocks
	umount "$MNT"
	check_pages "$DEV"
}

# taken OFFSET: the users of the page there have lost it, says the log since "mark"
taken() {
	local start

	read -r start _ <<<"$(ranges "$DEV")"
	log_says "$(printf %#x $(((start + $1) / 4096))): recovery action"
}

# times_taken PFN: how often, since "mark"
times_taken() {
	dmesg | sed "1,/$MARK/d" |
		grep -c "$(printf %#x "$1"): recovery action" || :
}

# lost_page NAME ACCESS: what this process sees of the page at 1M
lost_page() {
	tell "$1" "$2"
	is 'BUS_MCEERR_A* offset 0x100000 lsb *' echo "$HEARD"
}

# Users of the page hear of it as of a machine check, in both modes
found_by_a_scrub() {
	modinfo daxtest_scrub >/dev/null 2>&1 || skip "no daxtest_scrub"
	famfs_on_pmem
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	put "$BUS/devices/$DEV/write_cache" 1
	start early "$DT" hold "$MNT/f" 1M rwe	# which makes it dirty
	start h "$DT" hold "$MNT/f" 1M r
	start near "$DT" hold "$MNT/f" $((M1 + 4096)) r
	mark
	scrub_finds $((M1 + 512))
	is '2048 8' badblocks
	is EIO "$DT" try pread "$MNT/f" 1M 4096
	retry taken $M1
	lost_page early b
	lost_page h r
	tell near r
	is OK echo "$HEARD"
	is EIO "$DT" try fsync "$MNT/f"
	is OK "$DT" try fsync "$MNT/f"
	"$DT" fill "$MNT/f" 2 1M 4K
	is '' badblocks
	# a scrub that ends when the page is good again reports it no more
	scrub_finds $((2 * M1))
	is '4096 8' badblocks
	tell h r
	is OK echo "$HEARD"
	stop early
	stop h
	stop near
	put "$BUS/devices/$DEV/write_cache" 0
	heal_all
	umount "$MNT"
	check_pages "$DEV"

	mode "$DEV" devdax
	start h "$DT" hold "/dev/$DEV" 1M rwh
	mark
	scrub_finds $((M1 + 512))
	retry taken $M1
	lost_page h r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' "$DT" touch "/dev/$DEV" 1M rwh
	stop h
	is OK tell_badblocks '-2048 8'
	is OK "$DT" touch "/dev/$DEV" 1M rwh
	# and without anybody to take it from
	unbind "$DEV"
	scrub_finds $M1
	sleep 1.5
	mode "$DEV" famfs
	is '2048 8' badblocks
	heal_all
	check_pages "$DEV"
	no_famfs_on_pmem
}

# A page of System RAM goes out of use
found_by_a_scrub_in_system_ram() {
	local start end block pfn sector

	[ -e /proc/kpageflags ] || skip "no /proc/kpageflags"
	modinfo daxtest_scrub >/dev/null 2>&1 || skip "no daxtest_scrub"
	famfs_on_pmem
	modprobe -q kmem || skip "no kmem"
	read -r start end <<<"$(ranges "$DEV")"
	block=$((0x$(</sys/devices/system/memory/block_size_bytes)))
	mode "$DEV" system-ram
	# the end of the memory is the last that a process gets, this one for example
	for ((pfn = (end + 1) / block * (block / 4096) - 1; ; pfn--)); do
		[ $pfn -ge $((start / 4096)) ] || skip "all of the memory is in use"
		! kpageflag $pfn 10 || break		# in the buddy allocator
	done
	sector=$((pfn * 8 - start / 512))
	mark
	scrub_finds $((pfn * 4096 - start))
	is "$sector 8" badblocks
	retry kpageflag $pfn 19
	fails kpageflag $pfn 10
	is "$sector 8" badblocks
	# once
	scrub_finds $((pfn * 4096 - start))
	sleep 1.5
	is 1 times_taken $pfn
	mode "$DEV" famfs
	is "$sector 8" badblocks
	heal_all
	check_pages "$DEV"
	no_famfs_on_pmem
}

# bus_and_signal: whether the bus hears of an error before memory_failure() does
bus_and_signal() {
	sed -n 's/.* \(bus\|mf\): .*/\1/p' $TRACE/trace | paste -sd ' '
}

# A process that hears of it may heal the page, and the bus would not know why
error_is_known_before_it_is_told() {
	local start

	can_check_machine
	modprobe -q nfit || skip "no nfit"
	NS=$(retry namespace_on ACPI0012) ||
		skip "no NVDIMM (QEMU: -machine nvdimm=on -device nvdimm,...)"
	modprobe -q dax_pmem || skip "no dax_pmem"
	ndctl create-namespace -f -e "$NS" -m devdax >"$T/ns"
	DEV=dax${NS#namespace}
	retry test -e "$BUS/devices/$DEV"
	mode "$DEV" devdax
	read -r start _ <<<"$(ranges "$DEV")"
	start early "$DT" hold "/dev/$DEV" 0 rwhe
	trace_machine_checks 'bus nvdimm_bus_add_badrange' 'mf memory_failure'
	found_bad "$(printf %#x $((start / 4096)))"
	retry is 1 times mf
	is 'bus mf*' bus_and_signal
	for_all_cpus 1
	retry is '0 8' badblocks
	stop early
	trace_stop
	no_famfs_on_pmem
}

# Errors of the same pages as heals by two ways, for a while. In the end nothing
# is bad, all can be read, and nothing is missing from the direct map.
errors_and_heals_at_once() {
	local start i end

	healthy_file
	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	read -r start _ <<<"$(ranges "$DEV")"
	end=$((SECONDS + 20))
	for i in 1 2; do
		while [ $SECONDS -lt $end ]; do
			"$DT" try pwrite "$MNT/f" $((i * 4096)) 8192 >/dev/null
		done &
		echo $! >"$T/write$i.pid"
	done
	while [ $SECONDS -lt $end ]; do
		for i in 1 2 3; do
			echo $((start / 4096 + i)) >$HWPOISON/corrupt-pfn
			tell_badblocks "$((8 * i)) 8" >/dev/null
		done
	done &
	echo $! >"$T/inject.pid"
	while [ $SECONDS -lt $end ]; do
		probe zero "$DEVT" 1 3 >/dev/null || :
	done
	for i in write1 write2 inject; do
		wait "$(<"$T/$i.pid")" || :
	done
	"$DT" fill "$MNT/f" 2
	is '' badblocks
	"$DT" check "$MNT/f" 2
	"$DT" mcheck "$MNT/f" 2
	put "$BUS/devices/$DEV/write_cache" 1
	"$DT" mfill "$MNT/f" 3 0 1M
	is OK "$DT" try fsync "$MNT/f"
	put "$BUS/devices/$DEV/write_cache" 0
	is OK "$DT" fallocate zero "$MNT/f" 0 1M
	umount "$MNT"
	check_pages "$DEV"
}

# An error while the memory has no driver: the next one knows of it
while_no_driver_has_the_memory() {
	check_while 256 true
	mode "$DEV" devdax
	known_and_cleared 2048
}

# check_while PAGE COMMAND...: there is a machine check of the page after COMMAND,
# before which nobody has the device, and what has begun then goes on
check_while() {
	local page=$1 start GOING=

	shift
	can_check_machine
	mode "$DEV" none
	read -r start _ <<<"$(ranges "$DEV")"
	trace_machine_checks 'mf memory_failure'
	# what COMMAND starts may keep processors from going offline
	for_all_cpus 0
	"$@"
	found_bad "$(printf %#x $((start / 4096 + page)))"
	retry is 1 times mf
	[ -z "$GOING" ] || gone_on
	for_all_cpus 1
	trace_stop
}

# known_and_cleared SECTOR: the error is in the record, also of the driver that comes
# next
known_and_cleared() {
	is "$1 8" badblocks
	unbind "$DEV"
	mode "$DEV" famfs
	is "$1 8" badblocks
	is OK tell_badblocks "-$1 8"
	is '' badblocks
	carries_a_file
}

# going FUNCTION COMMAND...: in the background, as far as this function of the kernel
going() {
	local calls=/sys/module/daxtest_instead/parameters/calls

	instead "$1" wait=1 late=1
	trap 'rmmod daxtest_instead; trace_stop; for_all_cpus 1' EXIT
	shift
	"$@" >"$T/going" &
	GOING=$!
	retry is 1 cat $calls
}

# gone_on: and then to its end
gone_on() {
	rmmod daxtest_instead
	trap 'trace_stop; for_all_cpus 1' EXIT
	wait $GOING
	is '?(OK)' cat "$T/going"
}

# An error while a driver gets the memory, and nobody has all of its pages yet
while_the_pages_are_made() {
	local mode

	for mode in famfs devdax; do
		check_while 256 going memmap_init_zone_device mode "$DEV" $mode
		known_and_cleared 2048
	done
}

# error_before_it_is_online FUNCTION [retry]: an error while kmem is there. The end of
# the memory is the last that a process gets.
error_before_it_is_online() {
	local start page=$((SIZE / 4096 - 1))

	check_while $page going "$1" mode "$DEV" system-ram
	${2:-} is "$((page * 8)) 8" badblocks
	read -r start _ <<<"$(ranges "$DEV")"
	${2:-} kpageflag $((start / 4096 + page)) 19
	fails kpageflag $((start / 4096 + page)) 10
	known_and_cleared $((page * 8))
}

# After kmem has asked for errors first, and then while the page goes online
while_memory_goes_online() {
	[ -e /proc/kpageflags ] || skip "no /proc/kpageflags"
	modprobe -q kmem || skip "no kmem"
	error_before_it_is_online memory_group_register_static
	error_before_it_is_online __free_pages_core retry
}

# mixed_namespace: of memory in a section that has System RAM, too
mixed_namespace() {
	local dir start

	for dir in /sys/bus/nd/devices/namespace*; do
		start=$(cat "$dir/resource" 2>/dev/null) &&
			[ $((start % (128 << 20))) != 0 ] || continue
		echo "${dir##*/}"
		return 0
	done
	return 1
}

# A driver lets go of such memory: a page is not taken for one of System RAM
section_shared_with_ram() {
	local dir=/sys/bus/nd/drivers/nd_pmem start before ns disk

	can_check_machine
	modprobe -q nd_e820 && modprobe -q nd_pmem || skip "no nd_pmem"
	ns=$(mixed_namespace) ||
		skip "no section is shared: boot with memmap=64M!8640M, say"
	retry test -e "$dir/$ns/block"
	disk=$(ls "$dir/$ns/block")
	start=$(<"$dir/$ns/resource")
	before=$(corrupted)
	trace_machine_checks 'mf memory_failure'
	for_all_cpus 0
	going arch_remove_memory put $dir/unbind "$ns"
	found_bad "$(printf %#x $((start / 4096 + 8192)))"
	retry is 1 times mf
	gone_on
	for_all_cpus 1
	trace_stop
	is "$before" corrupted
	store $dir/bind "$ns"
	is '65536 8' cat "/sys/block/$disk/badblocks"
	is "$before" corrupted
}

# Disks of persistent memory. Pages and sectors are those of the disk.

# pmem_disk: $PMEM, whose data begins with page frame $FIRST
pmem_disk() {
	namespace fsdax
	retry test -e "/dev/$PMEM"
	ND=$(readlink -f "/sys/block/$PMEM/device")
	START=$(<"$ND/resource")
	FIRST=$((START / 4096))
}

no_pmem_disk() { ndctl destroy-namespace -f "$NS" >/dev/null; }

disk_badblocks() { cat "/sys/block/$PMEM/badblocks"; }

# disk_write OFFSET LENGTH: one write, of random data, past the page cache
disk_write() {
	head -c "$2" /dev/urandom >"$T/written"
	dd if="$T/written" of="/dev/$PMEM" bs="$2" count=1 seek="$1" \
		oflag=direct,seek_bytes conv=notrunc status=none
}

# disk_read OFFSET LENGTH: one read
disk_read() {
	dd if="/dev/$PMEM" of="$T/read" bs="$2" count=1 skip="$1" \
		iflag=direct,skip_bytes status=none
}

# writes OFFSET LENGTH: and finds it there
writes() {
	disk_write "$@"
	disk_read "$@"
	cmp "$T/written" "$T/read"
}

# frame PAGE: as the trace has it
frame() { printf %#x $((FIRST + $1)); }

# page_is_hidden PAGE: by a machine check that nobody hears of
page_is_hidden() {
	mark
	trace_machine_checks
	found_bad "$(frame "$1")"
	retry is "pfn=$(frame "$1")" traced out
	retry log_says "$(frame "$1"): recovery action"
	for_all_cpus 1
	trace_stop
}

# A sector cannot be written if the page is not in the direct map
block_writes_of_parts_of_bad_pages() {
	local was

	can_check_machine
	pmem_disk
	was=$(corrupted)
	page_is_hidden 256
	# other kernels know of it from the platform only
	store "/sys/block/$PMEM/badblocks" '2048 8'
	mark
	fails disk_write $M1 512
	log_says 'write whole pages' || fail "the log does not say why"
	fails disk_write $((M1 + 3584)) 512
	fails disk_write $((M1 + 512)) 4096
	fails disk_write $((M1 - 512)) 4096
	fails disk_read $M1 512
	is '2048 8' disk_badblocks
	is $((was + 1)) corrupted
	# all of it, by two segments
	writes $((M1 - 512)) 8704
	is '' disk_badblocks
	is "$was" corrupted
	# and one by one, if only the platform has told of them
	store "/sys/block/$PMEM/badblocks" '4096 8'
	writes $((2 * M1)) 512
	is '4097 7' disk_badblocks
	writes $((2 * M1)) 4096
	is '' disk_badblocks
	no_pmem_disk
}

# The list has 512 entries, and the bus knows all errors: every second page of 1200
more_errors_than_the_disk_can_list() {
	local i again

	can_check_machine
	famfs_on_pmem
	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	for i in $(seq 256 2 1454); do
		echo $((START / 4096 + i)) >$HWPOISON/corrupt-pfn
	done
	no_famfs_on_pmem
	pmem_disk
	for again in 1 2; do
		is 512 sh -c "wc -l </sys/block/$PMEM/badblocks"
		for i in 256 1300 1454; do
			fails disk_read $((i * 4096)) 4096
			disk_read $((i * 4096 + 4096)) 4096
		done
		namespace_again
	done
	# one more, with all that nobody else knows of it
	page_is_hidden 100
	log_says 'badblocks.* is full' || fail "the log does not say so"
	fails disk_read $((100 * 4096)) 4096
	fails disk_write $((100 * 4096)) 512
	writes $((100 * 4096)) 4096
	writes $((1454 * 4096)) 4096
	namespace_again
	disk_read $((1454 * 4096)) 4096
	fails disk_read $((1452 * 4096)) 4096
	dd if=/dev/zero of="/dev/$PMEM" bs=1M count=8 oflag=direct status=none
	is '' disk_badblocks
	namespace_again
	is '' disk_badblocks
	disk_read 0 8M
	no_pmem_disk
}

# A page that is good when the write begins, as the metadata of filesystems is
# written
machine_check_while_a_block_is_written() {
	local GOING

	can_check_machine
	pmem_disk
	trace_machine_checks
	for_all_cpus 0
	going __memcpy_flushcache disk_write $M1 4096
	found_bad "$(frame 256)"
	retry is '2048 8' disk_badblocks
	sleep 2
	is '' traced out
	gone_on
	retry is "pfn=$(frame 256)" traced out
	for_all_cpus 1
	trace_stop
	fails disk_read $M1 4096
	writes $M1 4096
	is '' disk_badblocks
	no_pmem_disk
}

# An error when the disk has its pages, and is no dax device yet
while_a_disk_is_set_up() {
	local GOING

	can_check_machine
	pmem_disk
	ndctl disable-namespace "$NS" >/dev/null
	trace_machine_checks
	for_all_cpus 0
	going alloc_dax ndctl enable-namespace "$NS"
	found_bad "$(frame 256)"
	retry is "pfn=$(frame 256)" traced out
	gone_on
	for_all_cpus 1
	trace_stop
	retry test -e "/dev/$PMEM"
	is '2048 8' disk_badblocks
	namespace_again
	is '2048 8' disk_badblocks
	writes $M1 4096
	is '' disk_badblocks
	namespace_again
	is '' disk_badblocks
	no_pmem_disk
}

# pages_in_ram: for all of the namespace, which ndctl makes only if it has a label
pages_in_ram() {
	local pfn

	namespace raw
	ndctl disable-namespace "$NS" >/dev/null
	ND=/sys/bus/nd/devices
	pfn=$(<"$ND/$NS/../pfn_seed")
	store "$ND/$pfn/uuid" "$(</proc/sys/kernel/random/uuid)"
	store "$ND/$pfn/mode" ram
	store "$ND/$pfn/namespace" "$NS"
	store /sys/bus/nd/drivers/nd_pmem/bind "$pfn"
	retry test -e "/dev/$PMEM"
	FIRST=$(($(<"$ND/$pfn/resource") / 4096))
}

# There are struct pages for what lies before the data
error_in_the_info_block() {
	local was

	can_check_machine
	pages_in_ram
	was=$(corrupted)
	page_is_hidden -1
	is '' disk_badblocks
	log_says 'in the metadata of the namespace' || fail "the log does not say so"
	is $((was + 1)) corrupted
	namespace_again
	is '' disk_badblocks
	is "$was" corrupted
	no_pmem_disk
}

# The bus learns of a part of what it knows
part_of_an_error_is_reported() {
	modinfo daxtest_scrub >/dev/null 2>&1 || skip "no daxtest_scrub"
	pmem_disk
	scrub_finds $M1 8192
	is '2048 16' disk_badblocks
	scrub_finds $M1 512
	namespace_again
	is '2048 16' disk_badblocks
	writes $M1 8192
	namespace_again
	is '' disk_badblocks
	no_pmem_disk
}

FAILSLAB=/sys/kernel/debug/failslab

# without_reserves COMMAND...: it gets no memory that it would not wait for
without_reserves() {
	echo 0 >$FAILSLAB/verbose
	echo Y >$FAILSLAB/ignore-gfp-wait
	echo Y >$FAILSLAB/task-filter
	echo -1 >$FAILSLAB/times
	echo 100 >$FAILSLAB/probability
	sh -c 'echo 1 >/proc/self/make-it-fail && exec "$@"' sh "$@"
	echo 0 >$FAILSLAB/probability
	echo N >$FAILSLAB/task-filter
}

# What is written is in the middle of what the bus knows
errors_behind_a_heal_without_memory() {
	modinfo daxtest_scrub >/dev/null 2>&1 || skip "no daxtest_scrub"
	[ -d $FAILSLAB ] || skip "no CONFIG_FAILSLAB"
	pmem_disk
	scrub_finds $M1 12288
	is '2048 24' disk_badblocks
	without_reserves dd if=/dev/zero of="/dev/$PMEM" bs=4096 count=1 \
		seek=257 oflag=direct status=none
	is '2048 8
2064 8' disk_badblocks
	namespace_again
	# the heal is forgotten, and no error
	is '2048 24' disk_badblocks
	writes $M1 12288
	namespace_again
	is '' disk_badblocks
	no_pmem_disk
}

run_tests \
	devdax_maps_no_bad_page \
	devdax_maps_no_bad_page_of_4K \
	devdax_faults_while_errors_come \
	bind_takes_bad_pages_out_of_the_direct_map \
	heal_that_fails \
	recovery_ends_before_a_bad_page \
	administrator_adds_errors \
	administrator_clears_errors \
	what_is_no_memory_error \
	more_errors_than_the_record_has_entries \
	pmem_remembers_what_is_bad \
	pmem_remembers_more_errors_than_the_record_has_entries \
	pmem_that_does_not_clear_an_error \
	pmem_has_no_buffer_to_heal_from \
	found_by_a_scrub \
	found_by_a_scrub_in_system_ram \
	error_is_known_before_it_is_told \
	while_no_driver_has_the_memory \
	while_the_pages_are_made \
	while_memory_goes_online \
	block_writes_of_parts_of_bad_pages \
	more_errors_than_the_disk_can_list \
	machine_check_while_a_block_is_written \
	while_a_disk_is_set_up \
	error_in_the_info_block \
	part_of_an_error_is_reported \
	errors_behind_a_heal_without_memory \
	section_shared_with_ram \
	errors_and_heals_at_once
