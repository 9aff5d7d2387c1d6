# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Helpers of the dax tests. A script sources this file, defines a function for
# each test and calls run_tests with their names, which is also how it is
# reported.
#
# A test passes if every command in it succeeds, and the kernel log has no
# complaint that was not there before. It may call skip. It finds the device
# $DEV of $SIZE bytes in any mode, nothing mounted, and all drivers but kmem
# loaded; it may leave a mess, as long as the device can be made what it was. $T
# is a directory of its own. A function that the script does not use fails, too:
# it may be a test that somebody forgot to list.
#
# A script may set PIN_SECONDS, how long an unbind waits for pins.
#
# From the environment: DEV, SIZE, TEST_TIMEOUT (seconds for one test), ONLY
# (a pattern: the tests to run).

DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BUS=/sys/bus/dax
STATS=/sys/kernel/debug/daxtest
AUTO_ONLINE=/sys/devices/system/memory/auto_online_blocks
HMEM=/sys/bus/platform/drivers/hmem
PARKED=/sys/kernel/mm/parked_memory
PIN_TIMEOUT=/sys/module/kernel/parameters/memremap_pin_timeout
DT=$DIR/daxtest
SIZE=${SIZE:-$((512 << 20))}
# a second of work can take minutes on an emulator of a busy machine
PATIENCE=240
MNT=
declare -A FD

for helpers in "$DIR/../selftests/kselftest" "$DIR/../kselftest" \
	       "$DIR/kselftest" "$DIR"; do
	if [ -e "$helpers/ktap_helpers.sh" ]; then
		# shellcheck disable=SC1091
		. "$helpers/ktap_helpers.sh"
		break
	fi
done
command -v ktap_print_header >/dev/null || {
	echo "no ktap_helpers.sh: copy it here from tools/testing/selftests/kselftest" >&2
	exit 1
}

complaints=$("$DIR/complaints" --pattern)

# Tests say with these what they want

skip() {
	echo "skipped: $*" >&2
	exit "$KSFT_SKIP"
}

fail() {
	echo "$*" >&2
	exit 1
}

# is WANT COMMAND...: COMMAND prints WANT, a pattern
is() {
	local want=$1 got
	shift
	got=$("$@" 2>&1) || :
	# shellcheck disable=SC2053
	[[ $got == $want ]] || fail "wanted '$want', got '$got' from: $*"
}

# fails COMMAND...: by itself, and not because it crashed, is not there, or
# (daxtest, 3) could not even try
fails() {
	local rc=0
	"$@" || rc=$?
	case $rc in
	0|3|126|127|12[89]|1[345]?)
		fail "wanted it to fail, and not with status $rc: $*"
		;;
	esac
}

# retry COMMAND...: until it succeeds, or what is slow should have happened
retry() {
	local end=$((SECONDS + PATIENCE))
	while [ $SECONDS -lt $end ]; do
		# "is" and "fails" end the process that they are in
		! ("$@") || return 0
		sleep 0.2
	done
	fail "never came true: $*"
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# in_time COMMAND...: it ends, and well, which cannot be said of one that waits
# without being able to be killed
in_time() {
	("$@") &
	retry gone $!
	wait $!
}

# put FILE VALUE: one write(2); says the name of its error
put() { "$DT" try store "$1" "$2"; }

# instead FUNCTION [PARAMETER=VALUE]...: of the kernel, until rmmod daxtest_instead
instead() {
	modinfo daxtest_instead >/dev/null 2>&1 || skip "no daxtest_instead"
	modprobe daxtest_instead function="$1" "${@:2}"
}

# pin_seconds N: how long an unbind waits for pins, on a kernel where it does
pin_seconds() { [ ! -e $PIN_TIMEOUT ] || store $PIN_TIMEOUT "$1"; }

# store FILE VALUE: one that works. It starts no process, as it is done often.
store() {
	{ printf %s "$2" >"$1"; } || fail "cannot write $2 to $1"
}

# least NUMBER...: whole numbers; others may have run in between
least() { printf '%s\n' "$@" | cut -d . -f 1 | sort -n | head -n 1; }

# The kernel's log

# mark: log_says looks at what comes after it
mark() {
	MARK="mark $RANDOM$RANDOM"
	echo "$MARK" >/dev/kmsg
}

log_says() { dmesg | sed "1,/$MARK/d" | grep -qi "$1"; }

# Devices

# bound_to DEV DRIVER
bound_to() { [ "$BUS/devices/$1/driver" -ef "$BUS/drivers/$2" ]; }

driver_of() {
	local driver
	for driver in "$BUS"/drivers/*; do
		driver=${driver##*/}
		! bound_to "$1" "$driver" || { echo "$driver"; return; }
	done
	echo none
}

mode_of() {
	case $(driver_of "$1") in
	device_dax) echo devdax ;;
	fsdev_dax) echo famfs ;;
	kmem) echo system-ram ;;
	*) echo none ;;
	esac
}

driver_for() {
	case $1 in
	devdax) echo device_dax ;;
	famfs) echo fsdev_dax ;;
	system-ram) echo kmem ;;
	none) echo none ;;
	esac
}

# Unbinding memory that is in use would leave it there until reboot
offline_memory() {
	daxctl offline-memory "$1" >/dev/null 2>&1 ||
		daxctl offline-memory "$1" 2>&1 ||
		fail "cannot take the memory of $1 offline"
}

# unbind DEV
unbind() {
	local driver
	driver=$(driver_of "$1")
	[ "$driver" != none ] || return 0
	[ "$driver" != kmem ] || offline_memory "$1"
	store "$BUS/drivers/$driver/unbind" "$1"
	# drop the id also where there is none: then it does nothing
	store "$BUS/drivers/$driver/remove_id" "$1"
}

# mode DEV devdax|famfs|system-ram|none: by sysfs
mode() {
	local driver
	driver=$(driver_for "$2")
	! bound_to "$1" "$driver" || return 0
	unbind "$1"
	[ "$2" != none ] || return 0
	store "$BUS/drivers/$driver/new_id" "$1"
	bound_to "$1" "$driver" || fail "$1 is in mode $(mode_of "$1")"
}

region_of() {
	(cd -P "$BUS/devices/$1/.." && echo "$PWD/dax_region")
}

is_static() {
	[ ! -e "$(region_of "$1")/available_size" ]
}

dev_size() { echo "$(<"$BUS/devices/$1/size")"; }

# resize DEV BYTES: to one range, or what the kernel finds
resize() {
	[ "$(dev_size "$1")" != "$2" ] || return 0
	unbind "$1"
	store "$BUS/devices/$1/size" 0
	store "$BUS/devices/$1/size" "$2"
}

# remap DEV START-END...: exactly these ranges, in this order
remap() {
	local dev=$1 range
	shift
	unbind "$dev"
	store "$BUS/devices/$dev/size" 0
	for range; do
		echo "$range" >"$BUS/devices/$dev/mapping"
	done
}

# region_start DEV: where the region begins
region_start() {
	local size
	size=$(dev_size "$1")
	unbind "$1"
	[ "$size" = 0 ] || store "$BUS/devices/$1/size" 0
	cat "$BUS/devices/$1/resource"
	[ "$size" = 0 ] || store "$BUS/devices/$1/size" "$size"
}

# new_device SIZE: one more in the region of $DEV; says its name
new_device() {
	local region dev
	region=$(region_of "$DEV")
	store "$region/create" 1
	dev=$(<"$region/create")
	echo "$dev" >>"$T/created"
	store "$BUS/devices/$dev/size" "$(numfmt --from=iec "$1")"
	echo "$dev"
}

# delete_device DEV
delete_device() {
	unbind "$1"
	store "$BUS/devices/$1/size" 0
	store "$(region_of "$1")/delete" "$1"
}

# ranges DEV: START END of its physical ranges, a line each, in device order
ranges() {
	local map="$BUS/devices/$1/mapping[0-9]*" pgoff start end
	# shellcheck disable=SC2086
	paste -d ' ' <(cat $map/page_offset) <(cat $map/start) \
		<(cat $map/end) |
	while read -r pgoff start end; do
		echo "$((pgoff)) $start $end"
	done | sort -n | cut -d' ' -f2-
}

# check_pages DEV: all struct pages are as a filesystem wants to find them
check_pages() {
	# shellcheck disable=SC2046
	"$DT" probe pages $(ranges "$1")
}

# probe ...
probe() { "$DT" probe "$@"; }

# The filesystem

# mnt DEV [OPTIONS]
mnt() {
	mount -t daxtest ${2:+-o "$2"} "/dev/$1" "$MNT"
}

# stat_of NAME: a counter of the mounted filesystem
stat_of() {
	awk -v k="$1" '$1 == k { print $2 }' \
		"$STATS/$(mountpoint -d "$MNT")/stats"
}

# carries_a_file: $DEV, which is in famfs mode, can be mounted, and keeps data
carries_a_file() {
	mnt "$DEV"
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 1
	"$DT" mcheck "$MNT/f" 1
	umount "$MNT"
}

# mkfile NAME SIZE EXTENTS: must work
mkfile() {
	is OK "$DT" mkfile "$MNT/$1" "$2" "$3"
}

# famfs_mount [OPTIONS]: $DEV in famfs mode and mounted
famfs_mount() {
	mode "$DEV" famfs
	mnt "$DEV" "$@"
}

# Programs in the background, that end with the test

# start NAME COMMAND...: its input is for tell, and the line it says at first
# is awaited
start() {
	local name=$1 fd
	shift
	rm -f "$T/$name.in"
	mkfifo "$T/$name.in"
	# what an earlier one of that name has said is not to be heard again
	: >"$T/$name.out"
	"$@" <"$T/$name.in" >"$T/$name.out" 2>&1 &
	echo $! >"$T/$name.pid"
	exec {fd}>"$T/$name.in"
	FD[$name]=$fd
	LINES_SEEN[$name]=0
	hear "$name"
}
declare -A LINES_SEEN

# hear NAME: the next line it says
hear() {
	local n=$((LINES_SEEN[$1] + 1)) end=$((SECONDS + PATIENCE))
	while [ $SECONDS -lt $end ]; do
		if [ "$(wc -l <"$T/$1.out")" -ge "$n" ]; then
			LINES_SEEN[$1]=$n
			HEARD=$(sed -n "${n}p" "$T/$1.out")
			return 0
		fi
		sleep 0.1
	done
	fail "$1 says nothing more than: $(<"$T/$1.out")"
}

# tell NAME LINE: and hear the answer, in HEARD
tell() {
	echo "$2" >&"${FD[$1]}"
	hear "$1"
}

# stop NAME: ends it, and waits for it; its exit status
stop() {
	local fd=${FD[$1]}
	# others in the background may have the pipe, so it has no end
	echo q >&"$fd"
	exec {fd}>&-
	wait "$(<"$T/$1.pid")"
}

# Running tests

load() {
	local mod=$1
	[ ! -d "/sys/module/$mod" ] || return 0
	if [ -e "$DIR/modules/$mod.ko" ]; then
		insmod "$DIR/modules/$mod.ko"
	else
		modprobe "$mod"
	fi
}

# The first device of a region that can be divided
find_device() {
	local dev
	for dev in "$BUS"/devices/dax*; do
		dev=${dev##*/}
		[ -e "$BUS/devices/$dev" ] || continue
		is_static "$dev" || { echo "$dev"; return 0; }
	done
	return 1
}

skip_all() {
	ktap_skip_all "$*"
	exit "$KSFT_SKIP"
}

setup() {
	local mod
	[ "$(id -u)" = 0 ] || skip_all "must be root"
	[ -x "$DT" ] || skip_all "$DT is not built"
	for mod in dax_hmem device_dax fsdev_dax; do
		modprobe -q "$mod" || skip_all "no module $mod"
	done
	load daxtest_fs && load daxtest_probe || skip_all "no test modules"
	mountpoint -q /sys/kernel/debug ||
		mount -t debugfs debugfs /sys/kernel/debug
	# so that it can be taken offline again
	read -r ONLINE <$AUTO_ONLINE
	echo online_movable >$AUTO_ONLINE
	pin_seconds "${PIN_SECONDS:-10}"
	T=$(mktemp -d)
	MNT=$T/mnt
	mkdir "$MNT"
	trap 'tidy; rm -rf "$T"; echo "$ONLINE" >$AUTO_ONLINE' EXIT
	DEV=${DEV:-$(find_device)} || skip_all "no dynamic dax device"
	PARENT=$(basename "$(dirname "$(readlink -f "$BUS/devices/$DEV")")")
	ALIGN=$(<"$BUS/devices/$DEV/align")
	# not left of ||, where bash ignores -e
	(set -e; resize "$DEV" "$SIZE")
	[ $? = 0 ] || skip_all "$DEV cannot be of $SIZE bytes"
}

# last_mount: in LAST, of those below $T, and nothing if there are none
last_mount() {
	local dir
	LAST=
	while read -r _ dir _; do
		[[ $dir != "$T"/* ]] || LAST=$dir
	done </proc/self/mounts
}

unmount_all() {
	local end=$((SECONDS + 10)) LAST
	while last_mount; [ -n "$LAST" ]; do
		umount "$LAST" 2>/dev/null && continue
		[ $SECONDS -lt $end ] || { umount -l "$LAST" || return; }
		sleep 0.1
	done
}

# whole: the device as setup left it, whatever a test did to it
whole() {
	local dir=$BUS/devices/$DEV align size mappings
	[ -e "$dir" ] || {
		[ ! -e "$HMEM/$PARENT" ] || store $HMEM/unbind "$PARENT"
		store $HMEM/bind "$PARENT"
	}
	read -r align <"$dir/align"
	read -r size <"$dir/size"
	mappings=("$dir"/mapping[0-9]*)
	[ "$align $size ${#mappings[@]}" != "$ALIGN $SIZE 1" ] || return 0
	unbind "$DEV"
	store "$dir/size" 0
	store "$dir/align" "$ALIGN"
	store "$dir/size" "$SIZE"
}

# forget_names: of $DEV, which drivers keep if they cannot bind it. The one that
# has it keeps it: mode() has nothing to do then, and what binds it again needs
# the name.
forget_names() {
	local list
	for list in "$BUS"/drivers/*/remove_id; do
		[ -e "${list%/*}/$DEV" ] || echo "$DEV" >"$list"
	done
}

# tidy: fails if the device cannot be made what it was. Not to be called where
# bash ignores -e.
tidy() {
	local pid dev rc
	pin_seconds "${PIN_SECONDS:-10}"
	for pid in "$T"/*.pid; do
		[ ! -e "$pid" ] || kill -KILL "$(<"$pid")" 2>/dev/null
	done
	unmount_all
	probe put all
	[ ! -e "$T/created" ] || while read -r dev; do
		(delete_device "$dev") >/dev/null
	done <"$T/created"
	[ ! -d /sys/module/kmem ] || {
		(unbind "$DEV")
		rmmod kmem 2>/dev/null
	}
	forget_names
	# not left of ||, where bash ignores -e
	(set -e; whole)
	rc=$?
	[ $rc = 0 ] || echo "# $DEV is not what it was, and what follows may fail for that"
	find "$T" -xdev -mindepth 1 -maxdepth 1 ! -name mnt \
		-exec rm -rf --one-file-system {} +
	return $rc
}

# over: in time, no process of group $1 is left
over() {
	local i

	for ((i = 0; i < 100; i++)); do
		kill -0 -- "-$1" 2>/dev/null || return 0
		read -rt 0.1 -u "$TICK"
	done
	return 1
}

# The test is a process, so that one that hangs is not the end of the others,
# unless it cannot be killed: then there is nothing to tidy up, and STUCK is set
run_test() {
	local log=$T/log rc pid i limit=${TEST_TIMEOUT:-600}

	echo "daxtest: $1" >/dev/kmsg
	# a process group, to be ended with all that it has started
	set -m
	(
		set -eE
		trap 'echo "failed: $BASH_COMMAND" >&2' ERR
		"$1"
	) >"$log" 2>&1 &
	pid=$!
	set +m
	for ((i = 0; i < limit * 10; i++)); do
		kill -0 $pid 2>/dev/null || break
		# a sleep without a process
		read -rt 0.1 -u "$TICK"
	done
	if kill -0 $pid 2>/dev/null; then
		echo "still running after $limit s" >>"$log"
		echo w >/proc/sysrq-trigger
		rc=1
	else
		wait $pid
		rc=$?
	fi
	# processes that the test left running, too
	kill -KILL -- -$pid 2>/dev/null
	STUCK=
	if [ "$i" = $((limit * 10)) ]; then
		for i in "$T"/*.pid; do
			[ ! -e "$i" ] || kill -KILL "$(<"$i")" 2>/dev/null
		done
		over $pid || STUCK=y
	fi
	# the new lines of the kernel log, all of it if the buffer has wrapped
	dmesg | awk -v mark="daxtest: $1" '
		substr($0, length() - length(mark) + 1) == mark { n = 0; next }
		{ line[n++] = $0 }
		END { for (i = 0; i < n; i++) print line[i] }' >"$T/new"
	if grep -qE "$complaints" "$T/new"; then
		echo "the kernel complains:" >>"$log"
		grep -E -A40 "$complaints" "$T/new" | head -n 60 >>"$log"
		rc=1
	fi
	[ $rc = 0 ] || sed 's/^/# /' "$log"
	[ -z "$STUCK" ] || return 1
	tidy
	[ $? = 0 ] || rc=1
	return $rc
}

# forgotten: the functions of the script that it names nowhere else. A test that
# is in no list would never run, and nobody would know.
forgotten() {
	awk '
	/^[ \t]*#/ { next }
	match($0, /^[A-Za-z_0-9]+\(\)/) {
		defined[substr($0, 1, RLENGTH - 2)]
	}
	{
		n = split($0, word, /[^A-Za-z_0-9]+/)
		for (i = 1; i <= n; i++)
			seen[word[i]]++
	}
	END {
		for (name in defined)
			if (seen[name] == 1)
				print name
	}' "$0"
}

run_tests() {
	local name rc never

	ktap_print_header
	setup
	exec {TICK}<> <(:)
	mapfile -t never < <(forgotten)
	# shellcheck disable=SC2046,SC2053
	[ -z "$ONLY" ] ||
		set -- $(for name; do [[ $name == $ONLY ]] && echo "$name"; done)
	ktap_set_plan $(($# + ${#never[@]}))
	for name in "${never[@]}"; do
		echo "# $0 has a function $name and uses it nowhere: list it, or drop it"
		ktap_test_fail "${name//_/ } never runs"
	done
	for name; do
		SECONDS=0
		run_test "$name"
		rc=$?
		name="${name//_/ } # $SECONDS s"
		case $rc in
		0) ktap_test_pass "$name" ;;
		"$KSFT_SKIP") ktap_test_skip "${name% #*}" ;;
		*) ktap_test_fail "$name" ;;
		esac
		if [ -n "$STUCK" ]; then
			trap - EXIT
			echo "Bail out! ${name% #*} cannot be ended, not even by SIGKILL"
			exit "$KSFT_FAIL"
		fi
	done
	ktap_finished
}
