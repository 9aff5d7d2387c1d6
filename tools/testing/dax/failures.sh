#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A bind, a mount, or a write to an attribute, during which an allocation fails,
# for each of its allocations in turn. The number of allocations is compared with
# that of failures.known: one that is new has to be looked at, and one that is
# gone may be one that the test has lost.
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

# Only slab: the memory map's own allocator writes a trace when it has no page
arm() {
	local dir=/sys/kernel/debug/failslab

	[ -e /proc/self/fail-nth ] || skip "no CONFIG_FAULT_INJECTION"
	[ -d $dir ] || skip "no CONFIG_FAILSLAB"
	echo 0 >$dir/verbose
	echo N >$dir/ignore-gfp-wait
	if [ -d /sys/kernel/debug/fail_page_alloc ]; then
		echo 64 >/sys/kernel/debug/fail_page_alloc/min-order
	fi
}

# known NAME POINTS: as many as were known, but for a few, since slab may need a
# page for itself
known() {
	local want

	echo "# $1: $2 allocations that can fail" >&"$REPORT"
	want=$(awk -v name="$1" '$1 == name { print $2 }' "$DIR/failures.known")
	[ -n "$want" ] || fail "failures.known has no line for $1"
	[ "$2" -ge $((want * 8 / 10)) ] && [ "$2" -le $((want * 12 / 10 + 1)) ] ||
		fail "$1 has $2 allocations that can fail, and failures.known says $want"
}

# every_step MODE: nothing that a failed bind leaves hinders any driver
every_step() {
	local driver n failed=0 answer other

	driver=$(driver_for "$1")
	other=$([ "$1" = devdax ] && echo famfs || echo devdax)
	arm
	# mm does not clean up after it could not add all sections: a
	# neighbour keeps the one that there is
	resize "$DEV" $((32 << 20))
	SECOND=$(new_device 32M)
	mode "$SECOND" famfs
	# the id stays, so that the bind file takes the device
	mode "$DEV" "$1"
	store "$BUS/drivers/$driver/unbind" "$DEV"
	for ((n = 1; n < 500; n++)); do
		answer=$("$DT" failnth $n "$BUS/drivers/$driver/bind" "$DEV")
		case $answer in
		'OK unharmed') break ;;
		'OK injected')
			store "$BUS/drivers/$driver/unbind" "$DEV" ;;
		# that of request_mem_region() cannot be told from a conflict
		'ENOMEM injected'|'EBUSY injected')
			failed=$((failed + 1))
			is none driver_of "$DEV"
			;;
		*) fail "with allocation $n failing: $answer" ;;
		esac
		# now and then, that the others still can have it
		if [ $((n % 16)) = 0 ]; then
			mode "$DEV" "$other"
			mode "$DEV" "$1"
			store "$BUS/drivers/$driver/unbind" "$DEV"
		fi
	done
	[ "$answer" = 'OK unharmed' ] || fail "no end of allocations"
	[ $failed -ge 5 ] || fail "only $failed of $n binds failed"
	known "bind_$1" "$failed"
	is "$1" mode_of "$DEV"
	# which wants blocks of memory for itself
	delete_device "$SECOND"
	: >"$T/created"
	mode "$DEV" none
	resize "$DEV" "$SIZE"
	modprobe kmem
	mode "$DEV" system-ram
	mode "$DEV" famfs
	check_pages "$DEV"
	mnt "$DEV"
	mkfile f 4M 0:0:4M
	"$DT" mfill "$MNT/f" 1
	"$DT" check "$MNT/f" 1
}

# region_state: devices of the region, by name and in bytes. Starts no process.
region_state() {
	local f lines

	STATE=
	for f in "$REGION/available_size" $BUS/devices/*/{size,mapping*/{start,end}}; do
		[ -e "$f" ] || continue
		read -r lines <"$f"
		STATE+="$f $lines"$'\n'
	done
	mapfile -t lines </proc/iomem
	for f in "${lines[@]}"; do
		[[ $f != *[Dd]ax* ]] || STATE+=$f$'\n'
	done
}

# every_write FILE STRING UNDO: a write that fails has changed nothing, and one
# that does not can be undone
every_write() {
	local n answer='' failed=0 before

	arm
	REGION=$(region_of "$DEV")
	region_state
	before=$STATE
	for ((n = 1; n < 500; n++)); do
		answer=$("$DT" failnth $n "$1" "$2")
		case $answer in
		OK*)	$3 ;;
		# device_add() says EINVAL of a device without a name
		'ENOMEM injected'|'EINVAL injected')
			failed=$((failed + 1)) ;;
		*)	fail "with allocation $n failing: $answer" ;;
		esac
		region_state
		[ "$STATE" = "$before" ] || {
			diff <(echo "$before") <(echo "$STATE") || :
			fail "with allocation $n failing: $answer"
		}
		[ "$answer" != 'OK unharmed' ] || break
	done
	[ "$answer" = 'OK unharmed' ] || fail "no end of allocations"
	[ $failed -ge 1 ] || fail "none of $n failed"
	known "${1##*/}" "$failed"
}

undo_create() { store "$REGION/delete" "$(<"$REGION/create")"; }

create() {
	every_write "$(region_of "$DEV")/create" 1 undo_create
	new_device 4M
}

undo_size() { store "$BUS/devices/$SECOND/size" 0; }

size() {
	SECOND=$(new_device 4M)
	undo_size
	every_write "$BUS/devices/$SECOND/size" $((64 << 20)) undo_size
	store "$BUS/devices/$SECOND/size" $((4 << 20))
	mode "$SECOND" famfs
	check_pages "$SECOND"
}

mapping() {
	local start

	SECOND=$(new_device 4M)
	read -r start _ <<<"$(ranges "$SECOND")"
	undo_size
	every_write "$BUS/devices/$SECOND/mapping" \
		"$(printf '%x-%x' "$start" $((start + (64 << 20) - 1)))" \
		undo_size
	store "$BUS/devices/$SECOND/size" $((4 << 20))
	mode "$SECOND" famfs
	check_pages "$SECOND"
}

undo_override() { store "$BUS/devices/$DEV/driver_override" $'\n'; }

override() {
	every_write "$BUS/devices/$DEV/driver_override" none undo_override
	is '(null)' cat "$BUS/devices/$DEV/driver_override"
}

undo_badblocks() { is OK put "$BUS/devices/$DEV/badblocks" '-2048 8'; }

bad_pages() {
	mode "$DEV" famfs
	every_write "$BUS/devices/$DEV/badblocks" '2048 8' undo_badblocks
	is '' cat "$BUS/devices/$DEV/badblocks"
	carries_a_file
}

# A mount that fails has no claim, and nothing is in the way of the next one.
mounted() {
	local n answer='' failed=0

	arm
	mode "$DEV" famfs
	for ((n = 1; n < 2000; n++)); do
		answer=$("$DT" failnth $n "/dev/$DEV" mount "$MNT")
		case $answer in
		OK*)	umount "$MNT" ;;
		*injected)
			failed=$((failed + 1)) ;;
		*)	fail "with allocation $n failing: $answer" ;;
		esac
		is free cat "$BUS/devices/$DEV/holder"
		[ "$answer" != 'OK unharmed' ] || break
	done
	[ "$answer" = 'OK unharmed' ] || fail "no end of allocations"
	known mount "$failed"
	carries_a_file
}

famfs_bind() { every_step famfs; }
devdax_bind() { every_step devdax; }

exec {REPORT}>&1
run_tests famfs_bind devdax_bind create size mapping override bad_pages mounted
