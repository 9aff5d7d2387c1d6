#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A driver lets go of memory that somebody has pinned: the unbind ends, and the
# memory is parked until the last pin is gone
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/park.bash"
. "$(dirname "$0")/trace.bash"

HWPOISON=/sys/kernel/debug/hwpoison
# of many_rounds; a soak wants a thousand
ROUNDS=${ROUNDS:-50}

# pinned_device: $DEV in devdax mode, with a pin that unbind does not wait for
pinned_device() {
	pin_seconds 1
	mode "$DEV" devdax
	pin_page "/dev/$DEV" rwh
}

# in_no_file: the pages of $DEV, which is parked. A page that is pinned would
# lead to an inode that may be gone when the pin goes.
in_no_file() {
	local start end

	while read -r start end; do
		is '* no_pgmap 0 * in_file 0 *' probe pages "$start" "$end"
	done <<<"$(ranges "$DEV")"
}

unbind_and_park() {
	mark
	unbind "$DEV"
	parked "$DEV"
	in_no_file
	log_says "of $DEV is parked: 1 folio(s) still pinned" ||
		fail "the log does not say that it is parked"
}

pinned_in_devdax_mode() {
	pinned_device
	is '' cat $PARKED
	is free holder
	unbind_and_park
	is '*'"$DEV pinned 1 for * s" cat $PARKED
	is parked holder
	refused fsdev_dax
	refused device_dax
	unpin
	is free holder
	works_again
}

# The events that an administrator can see
events_of_a_pin() {
	pinned_device
	trace_start pgmap/pgmap_wait pgmap/pgmap_park pgmap/pgmap_reap
	unbind_and_park
	is 1 times pgmap_wait
	is 1 times pgmap_park
	is 0 times pgmap_reap
	unpin
	retry is 1 times pgmap_reap
	is 1 times pgmap_wait
	grep -q "pgmap_wait: .* of $DEV: 1 folios pinned" $TRACE/trace ||
		fail "the event does not say who waits for what"
	works_again
}

# A process that has the page pinned could read and write data of the next
# owner, so there is no next owner
pinned_and_wanted_by_the_next() {
	pinned_device
	unbind "$DEV"
	refused fsdev_dax
	refused device_dax
	unpin
	works_again
}

pinned_and_wanted_as_memory() {
	modprobe -q kmem || skip "no kmem"
	pinned_device
	unbind_and_park
	refused kmem
	unpin
	mode "$DEV" system-ram
	mode "$DEV" none
	works_again
}

buffers_of_a_ring() {
	pin_seconds 1
	mode "$DEV" devdax
	start r "$DT" ring "/dev/$DEV"
	is ready echo "$HEARD"
	unbind "$DEV"
	parked "$DEV"
	stop r
	retry parked
	works_again
}

# pinned_file OPTIONS HOW: the filesystem loses the file, and the pin stays
pinned_file() {
	pin_seconds 1
	famfs_mount "$1"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	pin_page "$MNT/f" "$2"
	unbind_and_park
	is 'E@(IO|NXIO)' "$DT" try pread "$MNT/f" 0 4096
	is 'lost *' holder
	# nobody waits for the pin any more
	rm "$MNT/f"
	umount "$MNT"
	is parked holder
	refused fsdev_dax
	unpin
	is 4096 tail -n 1 "$T/p.out"
	works_again
}

file_4K_careful() { pinned_file revoke=careful rw; }
file_4K_ignoring() { pinned_file revoke=ignore rw; }
file_2M_careful() { pinned_file revoke=careful rwh; }
file_2M_ignoring() { pinned_file revoke=ignore rwh; }

# The administrator can tell which file the memory was part of
file_that_is_named() {
	local ino

	pin_seconds 1
	famfs_mount revoke=ignore
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 1
	ino=$(stat -c %i "$MNT/f")
	pin_page "$MNT/f" rw
	trace_start pgmap/pgmap_pin
	unbind_and_park
	is "*$DEV pinned 1 for * s, inode $ino on daxtest" cat $PARKED
	is 1 times pgmap_pin
	grep -q "pgmap_pin: .* of $DEV: .*, page 0x0 of inode $ino on daxtest" \
		$TRACE/trace || fail "the event does not say which file"
	umount "$MNT"
	# also when the file is gone
	is "*, inode $ino on daxtest" cat $PARKED
	unpin
	works_again
}

# Somebody waited for the pin before the device went
file_being_truncated() {
	pin_seconds 1
	famfs_mount revoke=ignore
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	pin_page "$MNT/f" rw
	"$DT" try truncate "$MNT/f" 0 >"$T/truncated" &
	echo $! >"$T/truncate.pid"
	retry grep -q dax_break_layout "/proc/$(<"$T/truncate.pid")/stack"
	unbind_and_park
	wait "$(<"$T/truncate.pid")"
	is OK cat "$T/truncated"
	umount "$MNT"
	unpin
	works_again
}

# A pin that goes in time is waited for
short_pin() {
	pin_seconds 100
	mode "$DEV" devdax
	pin_page "/dev/$DEV" rwh
	mark
	unbind "$DEV" &
	echo $! >"$T/unbind.pid"
	retry log_says "waiting for 1 pinned folio(s) of $DEV"
	kill -0 "$(<"$T/unbind.pid")" || fail "did not wait"
	stop p
	wait "$(<"$T/unbind.pid")"
	parked
	works_again
}

# A fault has the page locked, and its filesystem does not answer
unserved_fault() {
	store $PIN_TIMEOUT 2
	famfs_mount "$@"
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 1
	start h "$DT" hold "$MNT/f" 0 rw
	start s "$DT" stall begin "$MNT/f" 0 r
	retry is there probe stalled
	mark
	SECONDS=0
	unbind "$DEV"
	[ $SECONDS -lt 30 ] || fail "unbind took $SECONDS s"
	is there probe stalled
	parked "$DEV"
	# who had the page has it no more: the next access waits for the fault
	echo r >&"${FD[h]}"
	probe go
	hear s
	is 'ready BUS_ADRERR *' echo "$HEARD"
	hear h
	is 'BUS_ADRERR *' echo "$HEARD"
	stop s
	stop h
	umount "$MNT"
	retry parked
	works_again
}

fault_that_is_not_served() { unserved_fault revoke=ignore; }

# A filesystem that takes its pages back finds the entry of the fault locked
fault_that_a_holder_finds() { unserved_fault; }

# region_goes unbind|rmmod: the device, its region and the drivers do not wait
region_goes() {
	pin_seconds 1
	modprobe dax_hmem
	pinned_device
	unbind_and_park
	SECONDS=0
	rmmod device_dax
	rmmod fsdev_dax
	case $1 in
	unbind) store $HMEM/unbind "$PARENT" ;;
	rmmod) rmmod dax_hmem ;;
	esac
	[ $SECONDS -lt 30 ] || fail "it took $SECONDS s"
	[ ! -e "$BUS/devices/$DEV" ] || fail "$DEV is there still"
	parked "$DEV"
	case $1 in
	unbind) store $HMEM/bind "$PARENT" ;;
	rmmod) modprobe dax_hmem ;;
	esac
	modprobe device_dax
	modprobe fsdev_dax
	retry test -e "$BUS/devices/$DEV"
	refused fsdev_dax
	unpin
	whole
	works_again
}

# too_large SIZE: $DEV cannot have as much, and the log says why
too_large() {
	mark
	is EBUSY put "$BUS/devices/$DEV/size" "$1"
	log_says "$DEV: size: cannot grow by .* pinned still: .*parked_memory" ||
		fail "the log does not say why"
}

removal() { region_goes unbind; }

removal_of_the_region_driver() {
	[ -e "$HMEM/$PARENT" ] || skip "not an hmem device"
	region_goes rmmod
}

# The module of the driver is not kept by what it has parked
rmmod_of_the_driver() {
	pin_seconds 1
	famfs_mount revoke=ignore
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 1
	pin_page "$MNT/f" rwh
	SECONDS=0
	rmmod fsdev_dax
	[ $SECONDS -lt 30 ] || fail "it took $SECONDS s"
	parked "$DEV"
	in_no_file
	umount "$MNT"
	modprobe fsdev_dax
	refused fsdev_dax
	unpin
	is 4096 tail -n 1 "$T/p.out"
	works_again
}

# A device is deleted at once, and nobody gets its memory before the pin goes
deletion() {
	local other range start

	resize "$DEV" $((SIZE / 2))
	other=$(new_device 64M)
	start=$(<"$BUS/devices/$other/resource")
	range=$(printf '%x-%x' "$start" $((start + (64 << 20) - 1)))
	pin_seconds 1
	mode "$other" devdax
	start p "$DT" pin "/dev/$other" 0 rwh
	unbind "$other"
	parked "$other"
	SECONDS=0
	delete_device "$other"
	[ $SECONDS -lt 30 ] || fail "it took $SECONDS s"
	: >"$T/created"
	fails test -e "$BUS/devices/$other"
	parked "$other"
	store "$BUS/devices/$DEV/size" 0
	is EBUSY put "$BUS/devices/$DEV/mapping" "$range"
	unpin
	store "$BUS/devices/$DEV/mapping" "$range"
	whole
	works_again
}

# Operations that would reuse the memory are refused, and the rest of the region
# works
resize_and_the_others() {
	local other start

	store "$BUS/devices/$DEV/size" 0
	store "$BUS/devices/$DEV/size" $((SIZE / 2))
	other=$(new_device 64M)
	start=$(<"$BUS/devices/$DEV/resource")
	pinned_device
	unbind_and_park
	store "$BUS/devices/$DEV/size" 0
	too_large $((SIZE / 2))
	mark
	is EBUSY put "$BUS/devices/$DEV/mapping" \
		"$(printf '%x-%x' "$start" $((start + (64 << 20) - 1)))"
	log_says "$DEV: cannot have .mem .* pinned still" ||
		fail "the log does not say why"
	is 0 dev_size "$DEV"
	mode "$other" famfs
	mnt "$other"
	mkfile f 4M 0:0:4M
	"$DT" mfill "$MNT/f" 3
	"$DT" check "$MNT/f" 3
	umount "$MNT"
	unpin
	whole
	works_again
}

no_reference() { probe refer 0 >/dev/null; }

# An unbind that waits for somebody who looks at the memory is the only one that
# waits
reference_while_it_is_parked() {
	local other

	store "$BUS/devices/$DEV/size" 0
	store "$BUS/devices/$DEV/size" $((SIZE / 2))
	other=$(new_device 64M)
	pin_seconds 1
	pinned_device
	trap no_reference EXIT
	is OK probe refer $(($(<"$BUS/devices/$DEV/resource") / 4096))
	unbind "$DEV" &
	echo $! >"$T/unbind.pid"
	in_time retry parked "$DEV"
	in_time mode "$other" famfs
	in_time is free cat "$BUS/devices/$other/holder"
	in_time mode "$other" devdax
	kill -0 "$(<"$T/unbind.pid")" || fail "the unbind did not wait"
	is OK probe refer 0
	wait "$(<"$T/unbind.pid")"
	parked "$DEV"
	unpin
	whole
	works_again
}

memory_error() {
	local pfn

	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	pinned_device
	pfn=$(($(<"$BUS/devices/$DEV/resource") / 4096))
	unbind_and_park
	mark
	store $HWPOISON/corrupt-pfn $pfn
	retry log_says "$(printf %#x $pfn).*recover"
	parked "$DEV"
	unpin
	# the next driver knows
	mode "$DEV" famfs
	is '0 8' cat "$BUS/devices/$DEV/badblocks"
	is OK put "$BUS/devices/$DEV/badblocks" '-0 8'
	is '' cat "$BUS/devices/$DEV/badblocks"
	unbind "$DEV"
	works_again
}

# The system goes to sleep as far as the test lets it: all devices would
sleeps() {
	load daxtest_sleep
	mark
	is EBUSY put /sys/power/state freeze
	rmmod daxtest_sleep
	log_says 'daxtest: all devices would sleep' ||
		fail "the system does not sleep"
}

sleep_while_parked() {
	[ -e /sys/power/state ] || skip "no suspend"
	pinned_device
	unbind_and_park
	sleeps
	parked "$DEV"
	unpin
	works_again
}

# No longer than the unbind waits, which is no task that freezes
sleep_while_an_unbind_waits() {
	[ -e /sys/power/state ] || skip "no suspend"
	pinned_device
	store $PIN_TIMEOUT 5
	mark
	unbind "$DEV" &
	echo $! >"$T/unbind.pid"
	retry log_says "waiting for 1 pinned folio(s) of $DEV"
	sleeps
	wait "$(<"$T/unbind.pid")"
	parked "$DEV"
	unpin
	works_again
}

many_rounds() {
	store $PIN_TIMEOUT 0
	mode "$DEV" none
	is "$ROUNDS rounds" "$DT" pinrounds "$DEV" "$ROUNDS"
	works_again
}

run_tests \
	pinned_in_devdax_mode \
	events_of_a_pin \
	pinned_and_wanted_by_the_next \
	pinned_and_wanted_as_memory \
	buffers_of_a_ring \
	file_4K_careful \
	file_4K_ignoring \
	file_2M_careful \
	file_2M_ignoring \
	file_that_is_named \
	file_being_truncated \
	short_pin \
	fault_that_is_not_served \
	fault_that_a_holder_finds \
	removal \
	removal_of_the_region_driver \
	rmmod_of_the_driver \
	deletion \
	resize_and_the_others \
	reference_while_it_is_parked \
	memory_error \
	sleep_while_parked \
	sleep_while_an_unbind_waits \
	many_rounds
