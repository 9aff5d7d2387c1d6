#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The device goes away under pins and long I/O
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/revoke.bash"

# it_waits [-]: the unbind does, and says for whom, which takes it a while
it_waits() {
	if [ "$1" = - ]; then
		retry told
		sleep 1
	else
		retry log_says "waiting for .* pinned folio(s) of $DEV"
	fi
	kill -0 "$(<"$T/unbind.pid")" || fail "did not wait for the pin"
	is 'E@(IO|NXIO)' try pread "$MNT/f" 0 4096
}

# pinned_and OPTIONS HOW [-]: unbind waits for the pin, says so, then finishes
pinned_and() {
	held_file "$1"
	start p "$DT" pin "$MNT/f" 2M "$2"
	unbind_later
	it_waits "$3"
	stop p
	wait_for "$T/unbind.pid" 60
	umount "$MNT"
	famfs_mount
	check_pages "$DEV"
}

pinned_careful_4K() { pinned_and revoke=careful rw; }
pinned_careful_2M() { pinned_and revoke=careful rwh -; }
pinned_ignoring_4K() { pinned_and revoke=ignore rw -; }
pinned_ignoring_2M() { pinned_and revoke=ignore rwh; }

# Somebody waits for the pin before it, with the locks of the file; he does so no
# longer when the memory goes away, and the unbind still does
pinned_and_being_truncated() {
	local how

	for how in careful ignore; do
		held_file revoke=$how
		start p "$DT" pin "$MNT/f" 2M rw
		"$DT" try truncate "$MNT/f" 0 >"$T/truncated" &
		echo $! >"$T/truncate.pid"
		sleep 1
		# now everybody else waits for the file
		unbind_later
		retry told
		wait_for "$T/truncate.pid" 60
		is OK cat "$T/truncated"
		kill -0 "$(<"$T/unbind.pid")" || fail "overtook the pin"
		stop p
		wait_for "$T/unbind.pid" 60
		is 0 stat -c %s "$MNT/f"
		umount "$MNT"
		famfs_mount
		check_pages "$DEV"
		umount "$MNT"
	done
}

asleep() { grep -qs '^State:.D' "/proc/$(<"$T/$1.pid")/status"; }

no_slow_disk() {
	if [ -e /dev/mapper/slow ]; then
		dmsetup resume slow
		dmsetup remove --retry slow
	fi
	losetup -d "$LOOP"
}

slow_disk() {
	command -v dmsetup losetup >/dev/null || skip "no dmsetup, no losetup"
	modprobe -q -a loop dm_mod || skip "no loop or dm_mod"
	truncate -s 4M "$T/disk"
	"$DT" fill "$T/disk" 5
	LOOP=$(losetup -f --show "$T/disk")
	trap 'no_slow_disk || :' EXIT
	dmsetup create slow --table "0 8192 linear $LOOP 0"
	retry test -b /dev/mapper/slow
}

# A device that was asked to write into the memory cannot be told to stop
direct_io_in_flight() {
	local how size said=

	slow_disk
	for how in careful ignore; do
		[ $how = careful ] && size=w || size=wh
		held_file revoke=$how
		dmsetup suspend --noflush --nolockfs slow
		start d "$DT" dio "$MNT/f" 2M /dev/mapper/slow $size
		retry asleep d
		unbind_later
		it_waits $said
		said=-
		asleep d
		dmsetup resume slow
		hear d
		is 4096 echo "$HEARD"
		wait "$(<"$T/d.pid")"
		wait_for "$T/unbind.pid" 60
		umount "$MNT"
		# it is where it should be, and nowhere else
		famfs_mount
		check_pages "$DEV"
		mkfile f 16M 0:0:16M
		cmp -n 4096 -i 0:2M "$T/disk" "$MNT/f"
		"$DT" check "$MNT/f" 1 0 2M
		"$DT" check "$MNT/f" 1 2052K 2M
		umount "$MNT"
	done
}

# long_io read|write: one big call after the other. The extents are in reverse,
# so that each is a step of its own.
long_io() {
	local i list='' short=0

	for ((i = 31; i >= 0; i--)); do
		list+=",0:$((i * 4))M:4M"
	done
	for i in $(seq 20); do
		famfs_mount "revoke=$([ $((i % 2)) = 0 ] && echo careful ||
				      echo ignore)"
		mkfile f 128M "${list#,}"
		start io "$DT" longio "$1" "$MNT/f" 128M
		unbind_now
		hear io
		case $HEARD in
		EIO|ENXIO) ;;
		[1-9]*) short=$((short + 1)) ;;
		*) fail "ended with $HEARD" ;;
		esac
		wait "$(<"$T/io.pid")"
		umount "$MNT"
		[ $i = 1 ] || [ $short = 0 ] || return 0
	done
	fail "never in the middle of a $1"
}

long_read() { long_io read; }
long_write() { long_io write; }

# the pins here are all waited for; park.sh has those that are not
# shellcheck disable=SC2034
PIN_SECONDS=300
run_tests \
	pinned_careful_4K \
	pinned_careful_2M \
	pinned_ignoring_4K \
	pinned_ignoring_2M \
	pinned_and_being_truncated \
	direct_io_in_flight \
	long_read \
	long_write
