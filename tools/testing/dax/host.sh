#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# One of several hosts that share the memory of a dax device.
#
# The script runs the lines of its standard input, shell commands that may use
# the functions of lib.sh and those below, until a line says "end". Each line
# runs in a shell of its own and ends with the first command that fails; its
# output comes back with "| " in front, and then a line "answer STATUS". A
# first such line says that the host is ready.
#
# The hosts tell each other about no file: each lays out the same ones, as a
# host does that replays the log of famfs.
# shellcheck disable=SC2317,SC2329

SIZE=${SIZE:-$((128 << 20))}
. "$(dirname "$0")/lib.sh"

TRACE=/sys/kernel/tracing

# The data of all.
#   plain	memory that is aligned for huge pages
#   pieces	and some that is not
#   stripe	two strips
#   big		what is being written while a host is killed
#   busy	what one host uses while the other unbinds
#   stop	tells that host that it may stop
#   pages, huge	for flagwriter and flagreader, in base pages and in huge ones
files="plain pieces stripe big busy stop pages huge"

# join: the device in famfs mode, written back by fsync, mounted, with all files
join() {
	mode "$DEV" famfs
	check_pages "$DEV"
	store "$BUS/devices/$DEV/write_cache" 1
	mnt "$DEV"
	mkfile plain 8M 0:0:8M
	mkfile pieces 4M 0:9M:1M,0:17M:3M
	is OK "$DT" mkstripe "$MNT/stripe" 8M 64K 0:32M:4M,0:48M:4M
	mkfile big 16M 0:64M:16M
	mkfile busy 4M 0:80M:4M
	mkfile stop 4K 0:127M:4K
	mkfile pages 48K 0:21M:48K
	mkfile huge 6M 0:96M:6M
}

leave() {
	umount "$MNT"
	mode "$DEV" none
}

layouts() {
	local f
	"$DT" probe size "$(<"$BUS/devices/$DEV/dev")"
	for f in $files; do
		echo "$f"
		"$DT" layout "$MNT/$f"
	done
}

# write_all SEED: by write(2), and through a mapping
write_all() {
	local f
	"$DT" fill "$MNT/plain" "$1"
	"$DT" mfill "$MNT/pieces" "$1"
	"$DT" fill "$MNT/stripe" "$1" 0 4M
	"$DT" mfill "$MNT/stripe" "$1" 4M 4M
	for f in plain pieces stripe; do
		is OK "$DT" try fsync "$MNT/$f"
	done
}

# verify_all SEED: through a mapping, and by read(2)
verify_all() {
	local f
	for f in plain pieces stripe; do
		"$DT" mcheck "$MNT/$f" "$1"
		"$DT" check "$MNT/$f" "$1"
	done
}

# differs SEED: not yet
differs() {
	local f
	for f in plain pieces stripe; do
		fails "$DT" check "$MNT/$f" "$1"
	done
}

clear_flags() {
	is OK "$DT" fallocate zero "$MNT/$1" 0 \
		"$(stat -c %s "$MNT/$1")"
	is OK "$DT" try fsync "$MNT/$1"
}

# write_flags FILE ROUNDS FLUSHES: and all that leaves the caches meanwhile is
# in each round the FLUSHES pages of its record, and then its flag
write_flags() {
	mountpoint -q $TRACE || mount -t tracefs tracefs $TRACE
	# shellcheck disable=SC2016
	echo 'p:written_back arch_wb_cache_pmem at=$arg1 word=+0($arg1):u64' \
		>$TRACE/kprobe_events
	echo >$TRACE/trace
	echo 8192 >$TRACE/buffer_size_kb
	echo 1 >$TRACE/events/kprobes/written_back/enable
	# however it ends
	trap 'echo 0 >$TRACE/events/kprobes/written_back/enable
	      echo >$TRACE/kprobe_events' EXIT
	"$DT" flagwriter "$MNT/$1" "$2" 30
	echo 0 >$TRACE/events/kprobes/written_back/enable
	sed -n 's/.* written_back: .* at=\(.*\) word=\(.*\)/\1 \2/p' \
		$TRACE/trace >"$T/flushes"
	awk -v rounds="$2" -v flushes="$3" '
	function bad(what) {
		print "flush " NR ", of round " round ": " what
		failed = 1
		exit 1
	}
	BEGIN { round = 1 }
	NR == 1 + flushes { flag = $1 }
	$2 != round { bad("has the data of round " $2) }
	n++ == flushes {
		if ($1 != flag) bad("is not that of the flag")
		round++
		n = 0
		next
	}
	$1 == flag { bad("is that of the flag") }
	END {
		if (!failed && round != rounds + 1)
			bad("is the last one")
		exit failed
	}' "$T/flushes" >"$T/order" || fail "$(<"$T/order")"
}

# follow FILE: reads records until no more come
follow() {
	is 'silent after [1-9]* rounds' "$DT" flagreader "$MNT/$1" 1000000 5
}

# write_for_ever FILE: records, and something large beside them
write_for_ever() {
	local i=0
	while :; do "$DT" fill "$MNT/big" $((++i)); done &
	# shellcheck disable=SC2064
	trap "kill $!" EXIT
	"$DT" flagwriter "$MNT/$1" 1000000 60
}

# keep_busy SEED: writes and verifies, with a mapping that stays, until another
# host writes to the file stop; SEED is that of the data which nobody changes
keep_busy() {
	local i=0 end=$((SECONDS + 240))
	start h "$DT" hold "$MNT/plain" 2M rh
	until "$DT" check "$MNT/stop" 1 0 8 2>/dev/null; do
		i=$((i + 1))
		"$DT" fill "$MNT/busy" $i
		"$DT" mcheck "$MNT/busy" $i
		"$DT" mfill "$MNT/busy" $i
		"$DT" check "$MNT/busy" $i
		tell h r
		is OK echo "$HEARD"
		[ $SECONDS -lt $end ] || fail "nobody says stop"
	done
	stop h
	verify_all "$1"
	is 0 stat_of pre_remove
	echo "$i rounds"
}

# unbind_in_use FILE: the filesystem and a mapping lose the device
unbind_in_use() {
	start h "$DT" hold "$MNT/$1" 0 rwh
	unbind "$DEV"
	is 1 stat_of pre_remove
	tell h w
	is 'BUS_ADRERR *' echo "$HEARD"
	is EIO "$DT" try pwrite "$MNT/$1" 0 4096
	stop h
	umount "$MNT"
}

setup
echo "answer 0"
while read -r line && [ "$line" != end ]; do
	(
		set -eE
		trap 'echo "failed: $BASH_COMMAND" >&2' ERR
		eval "$line"
	) </dev/null >"$T/log" 2>&1
	rc=$?
	[ -z "$(tail -c 1 "$T/log")" ] || echo >>"$T/log"
	sed 's/^/| /' "$T/log"
	echo "answer $rc"
done
