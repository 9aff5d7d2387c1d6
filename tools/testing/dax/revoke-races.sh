#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The device goes away in the middle of faults, calls and notifications
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/revoke.bash"

stalled() { [ "$(probe stalled)" = "$1" ]; }

# stalled_fault POINT HOW OPTIONS [-]: the device goes away while a fault is at
# this point. Unless it may overtake that, unbind waits.
stalled_fault() {
	local i

	held_file "$3"
	start h "$DT" stall "$1" "$MNT/f" 2M "$2"
	is armed echo "$HEARD"
	retry stalled there
	unbind_later
	retry told
	for i in 1 2 3 4 5; do
		sleep 0.2
		[ "$4" = - ] || kill -0 "$(<"$T/unbind.pid")" ||
			fail "unbind overtook a fault at: $1 $2"
	done
	stalled there || fail "the fault did not wait"
	probe go
	wait_for "$T/unbind.pid" 60
	hear h
	is 'ready @(OK|BUS_ADRERR *)' echo "$HEARD"
	tell h r
	is 'BUS_ADRERR *' echo "$HEARD"
	# nothing of it can reach the next owner's data
	mode "$DEV" devdax
	"$DT" mfill "/dev/$DEV" 7 0 16M
	tell h "${2:0:1}"
	is 'BUS_ADRERR *' echo "$HEARD"
	"$DT" mcheck "/dev/$DEV" 7 0 16M
	stop h
	umount "$MNT"
	"$DT" mcheck "/dev/$DEV" 7 0 16M
}

# the device's pages are about to enter the file
fault_before_the_file_has_it() {
	stalled_fault entry w revoke=ignore
	stalled_fault entry wh revoke=careful
}

# they are in the file and are about to enter the page table
fault_before_it_is_mapped() {
	stalled_fault pte r revoke=ignore
	stalled_fault pte w revoke=careful
	stalled_fault pmd wh revoke=ignore
	stalled_fault pmd wh revoke=careful
}

# there, a mapping with MAP_SYNC writes the file back in between
fault_with_map_sync() {
	stalled_fault sync ws revoke=ignore -
	stalled_fault sync wsh revoke=careful -
	stalled_fault pte ws revoke=careful
	stalled_fault pmd wsh revoke=ignore
}

# comes_and_goes TIMES KIND...: calls of these kinds without end meanwhile, each
# of which gets what it wants or ENXIO. All of them together do so each time, but
# one of them may be late on a busy machine.
comes_and_goes() {
	local i kind times=$1 answer good=0
	shift
	local kinds=("$@")

	mode "$DEV" famfs
	for i in "${!kinds[@]}"; do
		start "k$i" "$DT" probe storm "${kinds[i]}" "$(devt)"
	done
	is OK "$DT" rebind $BUS/drivers/fsdev_dax "$DEV" "$times"
	for i in "${!kinds[@]}"; do
		kind=${kinds[i]}
		stop "k$i"
		answer=$(tail -n 1 "$T/k$i.out")
		echo "$kind: $answer"
		[[ $answer =~ ^good\ ([0-9]+)\ ENXIO\ ([0-9]+)$ ]] ||
			fail "what else is there to say?"
		[ "${BASH_REMATCH[1]}" != 0 ] &&
			[ "${BASH_REMATCH[2]}" -ge "$times" ] || fail "too few"
		good=$((good + BASH_REMATCH[1]))
	done
	[ $good -ge "$times" ] || fail "too few"
}

calls_while_it_comes_and_goes() {
	comes_and_goes 50 access access zero recover size
}

errors_while_it_comes_and_goes() {
	comes_and_goes 50 poison poison
}

# getputs PATTERN NAMES: each of the storms g0 and g1 says this in the end, and
# one of them that there were some of each of these
getputs() {
	local i name got

	for i in 0 1; do
		stop g$i
		got=$(tail -n 1 "$T/g$i.out")
		echo "$got"
		is "$1" echo "$got"
	done
	for name in $2; do
		cat "$T"/g?.out | grep -q " $name [1-9]" ||
			fail "neither had any $name"
	done
}

# A holder may free itself as soon as it has put the device, whoever is just
# going to tell it something
gone_while_errors_are_told() {
	local i

	mode "$DEV" famfs
	for i in 0 1; do
		start "g$i" "$DT" probe storm getput "$(devt)"
	done
	start poison "$DT" probe storm poison "$(devt)"
	sleep 5
	stop poison
	is 'good [1-9]*([0-9])' tail -n 1 "$T/poison.out"
	getputs 'good [1-9]*([0-9])?( EBUSY +([0-9])) failures * removals 0 *' \
		'EBUSY failures meanwhile'
}

gone_while_it_comes_and_goes() {
	local i

	mode "$DEV" famfs
	for i in 0 1; do
		start "g$i" "$DT" probe storm getput "$(devt)"
	done
	is OK "$DT" rebind $BUS/drivers/fsdev_dax "$DEV" 40 held
	getputs 'good [1-9]*([0-9])?( EBUSY +([0-9])) ENODEV +([0-9]) failures 0 *' \
		'EBUSY ENODEV removals meanwhile'
}

# storm_and OPTIONS: faults and I/O on all CPUs while it goes away
storm_and() {
	local i

	for i in 1 2; do
		held_file "$1"
		"$DT" faultstorm "$MNT/f" 600 2 >"$T/faults" &
		echo $! >"$T/faults.pid"
		"$DT" iostorm "$MNT/f" 600 2 >"$T/io" &
		echo $! >"$T/io.pid"
		sleep 2
		unbind_now
		is 1 stat_of pre_remove
		sleep 1
		kill "$(<"$T/faults.pid")" "$(<"$T/io.pid")"
		wait_for "$T/faults.pid" 30
		wait_for "$T/io.pid" 30
		cat "$T/faults" "$T/io"
		# they got to work before, and got errors after
		grep -q 'ok [1-9].* failed [1-9]' "$T/faults"
		grep -q 'ok [1-9].* failed [1-9]' "$T/io"
		umount "$MNT"
		famfs_mount
		check_pages "$DEV"
		umount "$MNT"
	done
}

storm_careful() { storm_and revoke=careful; }
storm_ignoring() { storm_and revoke=ignore; }
storm_late() { storm_and revoke=delay:1000; }

run_tests \
	fault_before_the_file_has_it \
	fault_before_it_is_mapped \
	fault_with_map_sync \
	calls_while_it_comes_and_goes \
	errors_while_it_comes_and_goes \
	gone_while_errors_are_told \
	gone_while_it_comes_and_goes \
	storm_careful \
	storm_ignoring \
	storm_late
