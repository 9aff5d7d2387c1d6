# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Helpers of the scripts in which the device goes away under a filesystem

# shellcheck disable=SC2034
TEST_TIMEOUT=${TEST_TIMEOUT:-600}

try() { "$DT" try "$@"; }
devt() { cat "$BUS/devices/$DEV/dev"; }

held_file() {
	famfs_mount "$@"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
}

# unbind_later: in the background
unbind_later() {
	mark
	unbind "$DEV" &
	echo $! >"$T/unbind.pid"
}

# unbind_now: nothing may keep it waiting for long
unbind_now() {
	unbind_later
	wait_for "$T/unbind.pid" 60
}

# wait_for PIDFILE SECONDS
wait_for() {
	local i pid
	pid=$(<"$1")
	for ((i = 0; i < $2 * 5; i++)); do
		kill -0 "$pid" 2>/dev/null || { wait "$pid"; return; }
		sleep 0.2
	done
	fail "$1 still runs after $2 s"
}

nothing_works_any_more() {
	is 'E@(IO|NXIO)' try pread "$MNT/f" 0 4096
	is 'E@(IO|NXIO)' try pwrite "$MNT/f" 0 4096
	is 'BUS_ADRERR *' "$DT" touch "$MNT/f" 8M r
	is 'BUS_ADRERR *' "$DT" touch "$MNT/f" 8M rwh
	is 'E@(IO|NXIO)' "$DT" fallocate zero "$MNT/f" 0 4096
	# whatever was dirty is no longer the file's
	is OK try fsync "$MNT/f"
	is f ls "$MNT"
}

# the filesystem has heard of it
told() { [ "$(stat_of pre_remove)" = 1 ]; }

# new_owner_is_safe NAME: the program with that name has $DEV mapped from before
# it was taken away, and writes nothing to what the next owner fills it with, 7
new_owner_is_safe() {
	mode "$DEV" famfs
	mode "$DEV" devdax
	"$DT" mfill "/dev/$DEV" 7 0 16M
	tell "$1" w
	is 'BUS_ADRERR *' echo "$HEARD"
}
