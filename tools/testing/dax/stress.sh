#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Everything at once, for so many seconds: stress.sh [SECONDS]
#
# Workers change drivers, claim and release, mount, read, write, fault, pin pages
# in each mode, inject errors, and load and unload the driver, all on one device,
# with nobody in charge. Another makes devices beside it, and deletes them while
# they are held; and now and then the system takes the memory, or the whole region
# goes away and comes back. If there is pmem, its namespace changes its mode all
# the time, and goes away under ext4 and xfs, storms and pins. Each counts what it
# did; the quick ones are in daxtest, "churn". After that, errors of all kinds and
# heals of all kinds meet on one file, while the driver of the device changes, and
# the record of errors has to be true; then the same on pmem, with scrubs, and the
# namespace goes away and comes back. A run in which something never happened has
# shown nothing about it, and fails.
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pmem.bash"
. "$(dirname "$0")/poison.bash"
. "$(dirname "$0")/mce.bash"

# shellcheck disable=SC2034
PIN_SECONDS=1

SECS=${1:-${SECS:-60}}
TEST_TIMEOUT=$((5 * (SECS + 120) + 60))

# count NAME...: one more of each
count() {
	local name
	for name; do
		echo . >>"$T/count.$name"
	done
}

# What a test has changed is put back when it ends
AT_EXIT=:

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

# The device may be gone for a while, and have another number afterwards
until_end() {
	while [ $SECONDS -lt "$END" ]; do
		if { read -r DEVT <"$BUS/devices/$DEV/dev"; } 2>/dev/null; then
			"$@"
		else
			sleep 0.1
		fi
	done
}

rnd() { echo $((RANDOM % $1)); }

# try_unbind DRIVER: memory that the system uses it must give back before
try_unbind() {
	if [ "$1" = kmem ] &&
	   ! daxctl offline-memory "$DEV" >/dev/null 2>&1; then
		count offline_failed
		sleep 0.5
		return 1
	fi
	did "unbind_$1" try store "$BUS/drivers/$1/unbind" "$DEV"
}

# quick WORKER [NICE]: one of daxtest, for as long as there is
quick() {
	[ $SECONDS -ge "$END" ] ||
		nice -n "${2:-0}" "$DT" churn "$1" "$DEV" $((END - SECONDS)) \
			"$T/lock" "$MNT/f" >>"$T/churned" || count worker_died
}

# alone COMMAND...: while nobody changes drivers or injects errors
alone() {
	local lock gate rc=0

	exec {gate}>"$T/lock.gate" {lock}>"$T/lock"
	flock -x "$gate"
	flock -x "$lock"
	"$@" || rc=$?
	exec {gate}>&- {lock}>&-
	return $rc
}

# The system takes the memory, and gives it back
ram() {
	local old

	old=$(driver_of "$DEV")
	[ "$old" = none ] || try_unbind "$old" || return 0
	# it may take the device by itself
	modprobe kmem
	"$DT" try store "$BUS/drivers/kmem/new_id" "$DEV" >/dev/null 2>&1
	! bound_to "$DEV" kmem || count bind_kmem
	sleep "0.$(rnd 10)"
	until ! bound_to "$DEV" kmem || try_unbind kmem; do
		[ $SECONDS -lt $((END + 60)) ] || break
	done
	did remove_id try store "$BUS/drivers/kmem/remove_id" "$DEV"
}

# seldom COMMAND...: alone, and for a small part of the time, on any machine
NEXT=0
seldom() {
	local start=$SECONDS

	if [ "$start" -lt "$NEXT" ]; then
		sleep 1
		return 0
	fi
	alone "$@"
	NEXT=$((SECONDS + 10 + RANDOM % 5 + 4 * (SECONDS - start)))
}

ram_user() { seldom ram; }

# unlocked COMMAND...: for the background, where it must not keep the lock
unlocked() {
	[ -z "${lock:-}" ] || exec {lock}>&- {gate}>&-
	exec "$@"
}

# A mount with a file, and processes that have begun to use it
storms_on_a_mount() {
	local start=${EPOCHREALTIME/./} t

	if ! mnt "$DEV" "revoke=$1" 2>/dev/null; then
		count mount_refused
		sleep 0.1
		return 1
	fi
	count mount
	did mkfile mkfile "$MNT/f" 16M 0:0:16M || :
	unlocked "$DT" iostorm "$MNT/f" "${STORM:-2}" 1 >"$T/storm.io" 2>/dev/null &
	IO=$!
	unlocked "$DT" faultstorm "$MNT/f" "${STORM:-2}" 1 >"$T/storm.fault" 2>/dev/null &
	FAULT=$!
	# the more time it took, the longer will these take to begin
	t=$((${EPOCHREALTIME/./} - start))
	sleep "$((t / 1000000)).$(printf %06d $((t % 1000000)))"
}

mounter() {
	local how alone IO FAULT

	how=$(shuf -n 1 -e careful ignore return0 delay:20)
	# where it takes long to start a program it would be too late each time
	alone=$(shuf -n 1 -e alone '')
	$alone storms_on_a_mount "$how" || return 0
	wait $IO && tally io
	wait $FAULT && tally fault
	[ "$(stat_of lost)" = 0 ] || count mount_lost
	until umount "$MNT" 2>/dev/null; do
		sleep 0.1
	done
	count umount
}

# tally KIND [WHERE]: the counts of a storm there
tally() {
	read -r _ _ ok _ failed <"$T/storm.${2:-}$1"
	echo "${2:-}$1_ok $ok" >>"$T/churned"
	echo "${2:-}$1_failed $failed" >>"$T/churned"
}

# has_pmem: there is some, in NS, and what it takes to use it
has_pmem() {
	local what

	for what in ndctl jq unshare mkfs.ext4 mkfs.xfs; do
		command -v $what >/dev/null || return 1
	done
	for what in nd_e820 nd_pmem ext4 xfs; do
		modprobe -q $what || return 1
	done
	[ -e /sys/devices/platform/e820_pmem ] || return 1
	NS=$(retry namespace_on e820_pmem)
}

# ndctl_now ...: does not wait for udev, which does nothing meanwhile
ndctl_now() {
	unshare -m sh -c 'mount -t tmpfs none /run/udev && exec ndctl "$@"' \
		ndctl "$@"
}

# namespace_as fsdax|devdax: what it was before is gone, whoever had it
namespace_as() {
	local key=blockdev

	[ "$1" != devdax ] || key=chardev
	if ! ndctl_now create-namespace -f -e "$NS" -m "$1" \
		>"$T/ns" 2>"$T/ns.err"; then
		# what is pinned still, say
		count namespace_refused
		sleep 0.5
		return 1
	fi
	PMEM=$(jq -r "[.. | objects | .$key // empty][0]" "$T/ns")
	[ -e "/dev/$PMEM" ] && count "namespace_$1"
}

# pin_of WHAT FILE HOW: for up to four seconds, which may be longer than an unbind
# waits
pin_of() {
	sleep "$(rnd 4).$(rnd 10)" |
		"$DT" pin "$2" 0 "$3" >"$T/pin.$1" 2>/dev/null
	! grep -q ready "$T/pin.$1" || count "pin_$1"
}

# make_fs ext4|xfs: the latter wants more memory than there may be
make_fs() {
	case $1 in
	ext4) mkfs.ext4 -q -F -b 4096 "/dev/$PMEM" ;;
	xfs) mkfs.xfs -q -f --unsupported -m "reflink=0,rmapbt=$(rnd 2)" \
		"/dev/$PMEM" ;;
	esac >/dev/null 2>"$T/mkfs.err"
}

# used_by ext4|xfs unmounted|lost: a mount with storms and a pin, and its end
used_by() {
	local disk io fault dir=$T/pmem.mnt

	mount -t "$1" -o dax "/dev/$PMEM" "$dir" 2>/dev/null || {
		count "$1_mount_failed"
		return 1
	}
	count "$1_mount"
	fallocate -l 16M "$dir/f"
	"$DT" isdax "$dir/f" || count "$1_no_dax"
	"$DT" iostorm "$dir/f" 2 1 >"$T/storm.$1_io" 2>/dev/null &
	io=$!
	"$DT" faultstorm "$dir/f" 2 1 >"$T/storm.$1_fault" 2>/dev/null &
	fault=$!
	pin_of "$1" "$dir/f" rw &
	sleep "0.$(rnd 10)"
	if [ "$2" = lost ]; then
		disk=$(readlink -f "/sys/block/$PMEM/device")
		! did "$1_lost" try store "$disk/driver/unbind" \
			"${disk##*/}" || ! grep -q ' pfn' $PARKED ||
			count pmem_parked
	fi
	wait $io && tally io "$1_"
	wait $fault && tally fault "$1_"
	until umount "$dir" 2>/dev/null; do
		sleep 0.1
	done
	count "$1_umount"
	wait
}

# raw_pmem: in devdax mode, and gone while it is pinned
raw_pmem() {
	namespace_as devdax || return 0
	"$DT" mfill "/dev/$PMEM" 1 0 4M 2>/dev/null && count pmem_mfill
	pin_of pmem "/dev/$PMEM" rwh &
	sleep 0.3
	did pmem_unbind try store "$BUS/drivers/device_dax/unbind" "$PMEM"
	wait
}

# One after the other has the only namespace
pmem_user() {
	local fs

	for fs in ext4 xfs; do
		[ $SECONDS -lt "$END" ] || return 0
		namespace_as fsdax || continue
		make_fs $fs || {
			count "mkfs_${fs}_failed"
			continue
		}
		used_by $fs unmounted && used_by $fs lost
		raw_pmem
	done
}

# A device of its own, too small for kmem, and gone while somebody has it
creator() {
	local region dev dir drv held=

	region=$(region_of "$DEV")
	sleep 1
	did created try store "$region/create" 1 || return 0
	dev=$(cat "$region/create" 2>/dev/null)
	if [ -z "$dev" ] || [ "$dev" = "$DEV" ]; then
		return 0
	fi
	dir=$BUS/devices/$dev
	did created_sized try store "$dir/size" 16777216
	did created_bound try store "$BUS/drivers/fsdev_dax/new_id" "$dev"
	if [ "$(rnd 2)" = 0 ]; then
		[ "$(probe get 2 "$(<"$dir/dev")" 2>/dev/null)" = OK ] &&
			held='get'
	else
		mount -t daxtest -o "revoke=$(shuf -n 1 -e careful ignore)" \
			"/dev/$dev" "$T/created.mnt" 2>/dev/null && held='mount'
	fi
	[ -z "$held" ] || count "created_$held"
	if [ "$held" = mount ]; then
		"$DT" mkfile "$T/created.mnt/f" 4M 0:0:4M >/dev/null 2>&1
		"$DT" faultstorm "$T/created.mnt/f" 1 1 >/dev/null 2>&1 &
	fi
	sleep "0.$(rnd 10)"
	# any of these fails if the region is just going, or gone
	drv=$(driver_of "$dev")
	[ "$drv" = none ] || did created_unbound try store \
		"$BUS/drivers/$drv/unbind" "$dev"
	"$DT" try store "$BUS/drivers/fsdev_dax/remove_id" "$dev" \
		>/dev/null 2>&1
	"$DT" try store "$dir/size" 0 >/dev/null 2>&1
	if did deleted try store "$region/delete" "$dev"; then
		[ -z "$held" ] || count deleted_held
	elif [ -e "$dir" ]; then
		count delete_failed
	else
		count deleted_by_others
	fi
	wait
	[ "$held" != get ] || [ "$(probe put 2)" = OK ] || count put_failed
	[ "$held" != mount ] || until umount "$T/created.mnt" 2>/dev/null; do
		sleep 0.1
	done
}

# The region comes back with one device of all its memory, unless the creator is
# faster. kmem would take that device at once.
reload_region() {
	local old

	# not before it has given back all memory
	bound_to "$DEV" kmem || rmmod kmem 2>/dev/null
	[ ! -d /sys/module/kmem ] || return 0
	did region_gone try store $HMEM/unbind "$PARENT"
	sleep "0.$(rnd 10)"
	until [ "$(dev_size "$DEV" 2>/dev/null)" = "$SIZE" ]; do
		[ -e "$BUS/devices/$DEV" ] ||
			did region_back try store $HMEM/bind "$PARENT"
		old=$(driver_of "$DEV")
		[ "$old" = none ] || try_unbind "$old"
		"$DT" try store "$BUS/devices/$DEV/size" 0
		# the creator's has its name, and another the memory
		[ "$("$DT" try store "$BUS/devices/$DEV/size" \
			"$SIZE")" != ENOSPC ] ||
			did region_gone try store $HMEM/unbind "$PARENT"
	done >/dev/null 2>&1
}

region_reloader() { seldom reload_region; }

reloader() {
	local mod
	mod=$(shuf -n 1 -e fsdev_dax fsdev_dax device_dax)
	sleep 2
	rmmod "$mod" 2>/dev/null && count "rmmod_$mod"
	modprobe "$mod" && count "modprobe_$mod"
}

# what_runs PID: the programs that it waits for
what_runs() {
	local pid

	for pid in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		tr '\0' ' ' <"/proc/$pid/cmdline"
		echo "($(sed -n 's/^State:[[:space:]]*//p' "/proc/$pid/status"))"
		what_runs "$pid"
	done 2>/dev/null
}

# storm WORKER...: all of them for a while; adds up in $T/counts. Each has some
# time to come to its end.
storm() {
	local name stuck=''
	local -A pids=()

	END=$((SECONDS + SECS))
	set +e
	trap - ERR
	for name; do
		# shellcheck disable=SC2086
		case $name in
		quick*) $name & ;;
		*) until_end $name & ;;
		esac
		pids[$name$RANDOM]=$!
	done
	for name in "${!pids[@]}"; do
		while kill -0 "${pids[$name]}" 2>/dev/null; do
			if [ $SECONDS -ge $((END + 120)) ]; then
				stuck+=" ${name%%[0-9]*}"
				what_runs "${pids[$name]}"
				break
			fi
			sleep 0.5
		done
	done
	{
		for name in "$T"/count.*; do
			echo "${name##*/count.} $(wc -l <"$name")"
		done
		cat "$T/churned"
	} | awk '{ s[$1] += $2 } END { for (n in s) print n, s[n] }' |
		sort | tee "$T/counts"
	set -e
	[ -z "$stuck" ] || {
		(cd "$BUS/devices" && ls -l -- */driver)
		grep -i -A3 dax /proc/iomem
		fail "two minutes late:$stuck"
	}
}

# ready_to_storm: with udev out of the way, which would do little else than start
# programs for each change
ready_to_storm() {
	! udevadm control --stop-exec-queue 2>/dev/null ||
		AT_EXIT+='; udevadm control --start-exec-queue; udevadm settle'
	# shellcheck disable=SC2064
	trap "$AT_EXIT" EXIT
	: >"$T/lock"
	: >"$T/lock.gate"
	: >"$T/churned"
}

everything_at_once() {
	local name round missing=() region=() pmem=() workers=(mounter reloader
		creator ram_user "quick bind" "quick hold" "quick hold"
		"quick poison 5" "quick pin 5" "quick look 10")

	[ ! -e "$HMEM/$PARENT" ] || {
		region=(region_{gone,back})
		workers+=(region_reloader)
	}
	if has_pmem; then
		workers+=(pmem_user)
		pmem=(namespace_{fsdax,devdax} pmem_{mfill,unbind}
		      {ext4,xfs}_{mount,lost,umount,{io,fault}_{ok,failed}}
		      pin_{ext4,xfs,pmem} pmem_parked)
		mkdir "$T/pmem.mnt"
	else
		echo "# no pmem, or no ndctl, jq, unshare, ext4 or xfs: none of that" >&"$REPORT"
	fi
	ready_to_storm
	mkdir "$T/created.mnt"
	# on a slow machine it takes longer until everything has happened once
	for round in 1 2 3 4 5; do
		storm "${workers[@]}"
		missing=()
		for name in {bind,unbind}_{fsdev_dax,device_dax,kmem} \
			    bind_refused remove_id \
			    {rmmod,modprobe}_{fsdev_dax,device_dax} \
			    claim_{won,lost,refused} put \
			    refused_{EBUSY,ENODEV,EOPNOTSUPP} \
			    mount{,_lost,_refused} umount mkfile \
			    {fault,io}_{ok,failed} \
			    poison heal lookup lookup_of_none access size open \
			    created{,_sized,_bound,_get,_mount,_unbound} \
			    deleted{,_held} pin_{file,device,parked} \
			    "${region[@]}" "${pmem[@]}"; do
			grep -q "^$name [1-9]" "$T/counts" || missing+=("$name")
		done
		[ ${#missing[@]} != 0 ] || break
		echo "# not yet after round $round: ${missing[*]}" >&"$REPORT"
	done
	echo "# in $round rounds of $SECS s:" >&"$REPORT"
	sed 's/^/# /' "$T/counts" >&"$REPORT"
	[ ${#missing[@]} = 0 ] || fail "never happened: ${missing[*]}"
	! grep -q '^worker_died ' "$T/counts" || fail "a worker died"
	! grep -q '^removal_told_twice ' "$T/counts" || fail "told twice"
	awk '$1 == "late_notify" && $2 > 0 { exit 1 }' "$STATS/totals" ||
		fail "notified after the put"
}

MONARCH=/sys/devices/system/machinecheck/machinecheck0/monarch_timeout

# machine_checks: can be made here. Of several processors only one gets each of
# them, and it is not to wait for the others.
machine_checks() {
	(can_check_machine) 2>/dev/null && [ -e $MONARCH ] || return 1
	AT_EXIT+="; echo $(<$MONARCH) >$MONARCH"
	echo 0 >$MONARCH
	echo hw >$MCE_INJECT/flags
}

# The pages of the file that is stormed, and others behind it, which nobody heals
FILE_PAGES=4096
KEPT_PAGES=128

# bad_page [kept] COMMAND...: it makes the page in its last argument bad, and the
# kernel has heard of that when it succeeds. The page is remembered if nobody heals
# it before the record is looked at.
bad_page() {
	local page kept=

	page=$(rnd $FILE_PAGES)
	if [ "$1" = kept ]; then
		kept=y
		shift
	elif [ "$(rnd 8)" = 0 ]; then
		kept=y
		page=$((FILE_PAGES + page % KEPT_PAGES))
	fi
	"$@" "$page" && { [ -z "$kept" ] || echo "$page" >>"$T/kept"; }
	sleep 0.1
}

# check_page PAGE: the machine finds it bad by itself, and the kernel no longer
# maps it; the other ways to inject an error leave that out. If there is no driver,
# the next one hears of that.
check_page() { check_machine $((PFN + $1)) && count machine_check; }

checker() { bad_page check_page; }

# record_page PAGE: the administrator adds an error to the record
record_page() {
	did record try store "$BUS/devices/$DEV/badblocks" "$(($1 * 8)) 8"
}

# And clears one
clerk() {
	local first _

	bad_page record_page
	read -r first _ < <(badblocks) &&
		[ "$first" -lt $((FILE_PAGES * 8)) ] || return 0
	did clear try store "$BUS/devices/$DEV/badblocks" "-$first 8"
	sleep 0.1
}

# leave_errors [COMMAND]...: that nobody heals before the record is looked at
leave_errors() {
	local i how

	for i in {1..10}; do
		for how; do
			bad_page kept "$how"
		done
	done
}

# compare_record: BAD pages are in the record. Those of them that can be read
# are GOOD, and so are those that are not in it and that somebody has made bad, or
# the kernel takes for bad. Others that cannot be read are LOST.
compare_record() {
	badblocks | awk '{ for (s = $1; s < $1 + $2; s += 8) print s / 8 }' |
		sort >"$T/recorded"
	"$DT" unreadable "$MNT/f" | sort >"$T/unreadable"
	FLAGGED=$(($(corrupted) - BEFORE))
	BAD=$(wc -l <"$T/recorded")
	GOOD=$(comm -23 "$T/recorded" "$T/unreadable" | wc -l)
	GOOD=$((GOOD + $(sort -u "$T/kept" | comm -23 - "$T/recorded" | wc -l)))
	[ "$FLAGGED" -le "$BAD" ] || GOOD=$((GOOD + FLAGGED - BAD))
	LOST=$(comm -13 "$T/recorded" "$T/unreadable" | wc -l)
}

# The record tells the truth, once all machine checks and scrubs have been dealt
# with: then no page that is in it has users
record_is_true() {
	local end=$((SECONDS + 60))

	while compare_record
	      [ $((LOST + GOOD)) != 0 ] || [ "$FLAGGED" != "$BAD" ]; do
		[ $SECONDS -lt $end ] || break
		sleep 1
	done
	echo "# $1: $BAD bad, $FLAGGED flagged, $(sort -u "$T/kept" | wc -l) kept," \
		"good while bad $GOOD, lost while good $LOST" >&"$REPORT"
	if [ $((LOST + GOOD)) != 0 ]; then
		fail "recorded only: $(comm -23 "$T/recorded" "$T/unreadable" | xargs)," \
			"unreadable only: $(comm -13 "$T/recorded" "$T/unreadable" | xargs)," \
			"made bad only: $(sort -u "$T/kept" | comm -23 - "$T/recorded" | xargs)"
	fi
	[ "$BAD" != 0 ] || fail "no page was left bad"
	[ "$FLAGGED" = "$BAD" ] ||
		fail "$((BAD - FLAGGED)) bad pages were not taken from their users"
}

# scrub_page PAGE: a scrub of persistent memory ends, and has found it
scrub_page() { scrub_finds $(($1 * 4096)) && count scrub; }

scrubber() { bad_page scrub_page; }

# The namespace goes away and comes back, as a device of devdax mode
namespace_reloader() {
	local dir=/sys/bus/nd/drivers/dax_pmem

	sleep "$((2 + $(rnd 4))).$(rnd 10)"
	did namespace_gone try store $dir/unbind "${ND##*/}"
	did namespace_back try store $dir/bind "${ND##*/}"
}

# Errors of all kinds, heals of all kinds, faults and I/O, on one file of a device
# that changes its mode
everything_about_errors() { errors_and_heals; }

# The same, and errors that come by the bus, which has a record of its own
everything_about_errors_of_pmem() {
	modinfo daxtest_scrub >/dev/null 2>&1 || skip "no daxtest_scrub"
	famfs_on_pmem
	# and after that udev works again, for which ndctl waits
	(errors_and_heals scrub namespace_{gone,back})
	# nor does the bus know of any
	unbind "$DEV"
	namespace_again
	is '' badblocks
	no_famfs_on_pmem
}

# errors_and_heals [scrub ...]: and what else has to happen on pmem
errors_and_heals() {
	local name round secs=$(((SECS + 2) / 3)) missing checks=() BEFORE PFN STORM=6
	local workers=("quick poison" "quick mend" "quick mend" clerk mounter
		"quick bind" ${1:+scrubber namespace_reloader})

	healthy_file
	BEFORE=$(corrupted)
	PFN=$(device_pfn 0)
	umount "$MNT"
	if machine_checks; then
		workers+=(checker)
		checks=(machine_check)
	else
		echo "# no machine checks: this machine cannot inject them" >&"$REPORT"
	fi
	ready_to_storm
	for round in {1..6}; do
		: >"$T/kept"
		SECS=$secs storm "${workers[@]}"
		famfs_mount
		DEVT=$(<"$BUS/devices/$DEV/dev")
		mkfile f $(((FILE_PAGES + KEPT_PAGES) * 4))K \
			0:0:$(((FILE_PAGES + KEPT_PAGES) * 4))K
		leave_errors record_page ${checks:+check_page} ${1:+scrub_page}
		record_is_true "round $round"
		"$DT" fill "$MNT/f" 1
		"$DT" mcheck "$MNT/f" 1
		is '' badblocks
		is "$BEFORE" corrupted
		umount "$MNT"
		check_pages "$DEV"
		missing=()
		for name in poison heal mend record clear {fault,io}_{ok,failed} \
			    {bind,unbind}_fsdev_dax mount_lost "${checks[@]}" "$@"; do
			grep -q "^$name [1-9]" "$T/counts" || missing+=("$name")
		done
		[ "$round" -lt 3 ] || [ ${#missing[@]} != 0 ] || break
	done
	sed 's/^/# /' "$T/counts" >&"$REPORT"
	[ ${#missing[@]} = 0 ] || fail "never happened: ${missing[*]}"
	! grep -q '^worker_died ' "$T/counts" || fail "a worker died"
}

# And then it works as if nothing had been
afterwards() {
	retry is '' cat $PARKED
	mode "$DEV" none
	mode "$DEV" famfs
	DEVT=$(<"$BUS/devices/$DEV/dev")
	is OK probe zero "$DEVT" 0 $((SIZE / 4096))
	check_pages "$DEV"
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	"$DT" mcheck "$MNT/f" 1
}

exec {REPORT}>&1
run_tests \
	everything_at_once \
	everything_about_errors \
	everything_about_errors_of_pmem \
	afterwards
