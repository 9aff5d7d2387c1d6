#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Everything at once, for so many seconds: stress.sh [SECONDS]
#
# Workers change drivers, claim and release, mount, read, write, fault, inject
# errors, and load and unload the driver, all on one device, with nobody in
# charge. Each counts what it did. A run in which something never happened has
# shown nothing about it, and fails.
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

SECS=${1:-${SECS:-60}}
TEST_TIMEOUT=$((5 * SECS + 300))

# count NAME...: one more of each
count() {
	local name
	for name; do
		echo . >>"$T/count.$name"
	done
}

counted() { cat "$T/count.$1" 2>/dev/null | wc -l; }

# quietly tries; the winner counts
did() {
	local name=$1
	shift
	if [ "$("$DT" "$@" 2>/dev/null)" = OK ]; then
		count "$name"
		return 0
	fi
	return 1
}

until_end() {
	while [ $SECONDS -lt "$END" ]; do
		"$@"
	done
}

rnd() { echo $((RANDOM % $1)); }

binder() {
	local drv old

	drv=$(driver_for "$([ "$(rnd 3)" = 0 ] && echo devdax || echo famfs)")
	if did "bind_$drv" try store "$BUS/drivers/$drv/new_id" "$DEV" &&
	   [ "$(driver_of "$DEV")" != "$drv" ]; then
		count bind_refused
	fi
	sleep "0.$(rnd 10)"
	old=$(driver_of "$DEV")
	if [ "$old" != none ]; then
		did "unbind_$old" try store "$BUS/drivers/$old/unbind" "$DEV"
	fi
	did remove_id try store "$BUS/drivers/$drv/remove_id" "$DEV"
}

# one of several would-be filesystems
holder() {
	local slot=$1 answer

	answer=$(probe get "$slot" "$DEVT")
	case $answer in
	OK) count claim_won ;;
	*) count claim_refused "refused_$answer"; sleep 0.05; return 0 ;;
	esac
	probe access "s$slot" "$(rnd 1000)" 16 >/dev/null && count access
	sleep "0.0$(rnd 10)"
	case $(probe stat "$slot") in
	*' removals 0x1 '*) count claim_lost ;;
	*' removals 0 '*) ;;
	*) count removal_told_twice ;;
	esac
	[ "$(probe put "$slot")" = OK ] && count put
}

mounter() {
	local how

	how=$(shuf -n 1 -e careful ignore return0 delay:20)
	if ! mnt "$DEV" "revoke=$how" 2>/dev/null; then
		count mount_refused
		sleep 0.05
		return 0
	fi
	count mount
	did mkfile mkfile "$MNT/f" 16M 0:0:16M || :
	"$DT" iostorm "$MNT/f" 1 1 >"$T/storm.io" 2>/dev/null &
	if "$DT" faultstorm "$MNT/f" 1 1 >"$T/storm.fault" 2>/dev/null; then
		tally fault
	fi
	wait $! && tally io
	[ "$(stat_of lost)" = 0 ] || count mount_lost
	until umount "$MNT" 2>/dev/null; do
		sleep 0.1
	done
	count umount
}

# tally KIND: what a storm of a second did
tally() {
	read -r _ _ ok _ failed <"$T/storm.$1"
	echo "$ok" >>"$T/sum.$1_ok"
	echo "$failed" >>"$T/sum.$1_failed"
}

poisoner() {
	local page
	page=$(rnd 4096)
	did poison probe poison "$DEVT" "$page"
	sleep "0.0$(rnd 10)"
	did heal probe zero "$DEVT" "$page" 1
	sleep 0.1
}

looker() {
	probe lookup "$DEVT" >/dev/null && count lookup
	probe lookup "${DEVT%:*}:$((1000 + RANDOM))" >/dev/null && count lookup
	probe size "$DEVT" >/dev/null && count size
	probe access "$DEVT" "$(rnd 1000)" 8 >/dev/null && count access
	"$DT" try open "/dev/$DEV" >/dev/null && count open
}

reloader() {
	sleep 3
	rmmod fsdev_dax 2>/dev/null && count rmmod
	modprobe fsdev_dax && count modprobe
}

# All of it for a while; adds up in $T/counts
storm() {
	local name pids=()

	END=$((SECONDS + SECS))
	set +e
	trap - ERR
	until_end binder & pids+=($!)
	until_end holder 0 & pids+=($!)
	until_end holder 1 & pids+=($!)
	until_end mounter & pids+=($!)
	until_end poisoner & pids+=($!)
	until_end looker & pids+=($!)
	until_end reloader & pids+=($!)
	wait "${pids[@]}"
	for name in "$T"/count.*; do
		name=${name##*/count.}
		echo "$name $(counted "$name")"
	done | tee "$T/counts"
	for name in "$T"/sum.*; do
		echo "${name##*/sum.} $(awk '{ s += $1 } END { print s + 0 }' "$name")"
	done | tee -a "$T/counts"
	set -e
}

everything_at_once() {
	local name round missing=()

	DEVT=$(cat "$BUS/devices/$DEV/dev")
	# on a slow machine it takes longer until everything has happened once
	for round in 1 2 3 4 5; do
		storm
		missing=()
		for name in bind_fsdev_dax bind_device_dax unbind_device_dax \
			    claim_won claim_lost claim_refused put mount \
			    mount_refused poison heal lookup access \
			    open rmmod fault_ok io_ok; do
			grep -q "^$name [1-9]" "$T/counts" || missing+=("$name")
		done
		[ ${#missing[@]} != 0 ] || break
		echo "not yet after round $round: ${missing[*]}"
	done
	sed 's/^/# /' "$T/counts" >&"$REPORT"
	[ ${#missing[@]} = 0 ] || fail "never happened: ${missing[*]}"
	[ "$(counted removal_told_twice)" = 0 ] || fail "told twice"
	awk '$1 == "late_notify" && $2 > 0 { exit 1 }' "$STATS/totals" ||
		fail "notified after the put"
}

# And then it works as if nothing had been
afterwards() {
	mode "$DEV" none
	mode "$DEV" famfs
	DEVT=$(cat "$BUS/devices/$DEV/dev")
	is OK probe zero "$DEVT" 0 $((SIZE / 4096))
	check_pages "$DEV"
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	"$DT" mcheck "$MNT/f" 1
}

exec {REPORT}>&1
run_tests everything_at_once afterwards
