#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What things may cost at most, in instructions: only where the clock counts
# them (COUNTS=instructions), on a device of 4 GiB.
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

MB=$((1 << 20))

# at_most LIMIT WHAT COST
at_most() {
	echo "# $2: $3 of $1" >&"$REPORT"
	[ "${3%.*}" -le "$1" ] || fail "$2 takes $3 instructions, not $1"
}

# least_of COMMAND...: of some times
least_of() { least "$("$@")" "$("$@")" "$("$@")" "$("$@")" "$("$@")"; }

# lookup RANGES: a translation of the last page of a device of so many ranges
lookup() {
	local start n=$1 i devt ranges=()

	start=$(region_start "$DEV")
	for ((i = 0; i < n; i++)); do
		ranges+=("$(printf '%x-%x' $((start + i * 4 * MB)) \
			$((start + (i * 4 + 2) * MB - 1)))")
	done
	remap "$DEV" "${ranges[@]}"
	mode "$DEV" famfs
	devt=$(<"$BUS/devices/$DEV/dev")
	probe bench "$devt" 0 1 1000 >/dev/null
	COST=$(least_of probe bench "$devt" $((n * 512 - 1)) 1 20000)
	mode "$DEV" none
}

translation() {
	local one

	lookup 1
	one=$COST
	at_most 120 "translation with 1 range" "$one"
	lookup 512
	at_most $((2 * one)) "translation with 512 ranges" "$COST"
	resize "$DEV" "$SIZE"
}

# rebind TIMES: what it takes, in BOUND and UNBOUND; the least of some times, as
# a wait for a grace period counts, too
rebind() {
	local i bind=() unbind=() drv=$BUS/drivers/fsdev_dax

	for ((i = 0; i < $1; i++)); do
		unbind+=("$("$DIR/daxbench" write $drv/unbind "$DEV")")
		bind+=("$("$DIR/daxbench" write $drv/bind "$DEV")")
	done
	UNBOUND=$(least "${unbind[@]}")
	BOUND=$(least "${bind[@]}")
}

bind_and_unbind() {
	resize "$DEV" $((4096 * MB))
	mode "$DEV" famfs
	rebind 4
	resize "$DEV" "$SIZE"
	# as fs-dax on pmem takes without the series
	at_most 14600000 "unbinding 4 GiB that nobody held" "$UNBOUND"
	at_most 32000000 "binding 4 GiB" "$BOUND"
}

# All of it was mapped, by huge pages, and is free again
unbind_after_a_mount() {
	local i unbind=()

	resize "$DEV" $((4096 * MB))
	mode "$DEV" famfs
	for i in 1 2 3; do
		mnt "$DEV"
		mkfile f 4G 0:0:4G
		"$DT" scan "$MNT/f" </dev/null >"$T/scan"
		is 'ready good 1048576 bad 0' cat "$T/scan"
		is 2048 stat_of fault_pmd
		umount "$MNT"
		rebind 1
		unbind+=("$UNBOUND")
	done
	resize "$DEV" "$SIZE"
	at_most 150000000 "unbinding 4 GiB after a mount" \
		"$(least "${unbind[@]}")"
}

# no worse than without the series, on the same filesystem
files() {
	famfs_mount
	mkfile f 64M 0:0:64M
	at_most 2900 "writing 4 KiB" "$(least_of "$DIR/daxbench" rw "$MNT/f" w)"
	at_most 5400 "reading 4 KiB" "$(least_of "$DIR/daxbench" rw "$MNT/f" r)"
	at_most 4100 "a fault of 2 MiB" "$(least_of "$DIR/daxbench" fault "$MNT/f")"
	[ "$(stat_of fault_pmd)" -ge 64 ] || fail "not mapped by 2 MiB"
}


exec {REPORT}>&1
[ "$COUNTS" = instructions ] || {
	ktap_print_header
	skip_all "the clock does not count instructions"
}
run_tests translation bind_and_unbind unbind_after_a_mount files
