#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The filesystem that Documentation/driver-api/dax-famfs-mode.rst shows to authors
# does what the documentation says of it.
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/revoke.bash"

example_mount() {
	modprobe daxexample
	mode "$DEV" famfs
	mount -t daxexample "/dev/$DEV" "$MNT"
}

has_all_of_the_device() {
	example_mount
	is "$SIZE" stat -c %s "$MNT/memory"
	"$DT" fill "$MNT/memory" 1 0 16M
	"$DT" mcheck "$MNT/memory" 1 0 16M
	"$DT" mfill "$MNT/memory" 2 0 16M
	is OK "$DT" try fsync "$MNT/memory"
	"$DT" check "$MNT/memory" 2 0 16M
	is OK "$DT" touch "$MNT/memory" 2M rwh
	is "held daxexample $DEV" cat "$BUS/devices/$DEV/holder"
	is EBUSY "$DT" try mount "/dev/$DEV" "$MNT"
	umount "$MNT"
	is free cat "$BUS/devices/$DEV/holder"
}

loses_the_device() {
	example_mount
	"$DT" fill "$MNT/memory" 1 0 16M
	start h "$DT" hold "$MNT/memory" 2M rwh
	is 'ready *' echo "$HEARD"
	unbind "$DEV"
	tell h r
	is 'BUS_ADRERR *' echo "$HEARD"
	is EIO "$DT" try pread "$MNT/memory" 0 4096
	stop h
	umount "$MNT"
	mode "$DEV" devdax
	"$DT" mcheck "/dev/$DEV" 1 0 2M
}

refuses_other_devices() {
	modprobe daxexample
	mode "$DEV" devdax
	fails mount -t daxexample "/dev/$DEV" "$MNT"
	fails mount -t daxexample /dev/null "$MNT"
	fails mount -t daxexample "$T/nothing" "$MNT"
	mode "$DEV" famfs
}

# Nobody may write the memory, so the filesystem is not mounted for writing
read_only_device() {
	local ro=$BUS/devices/$DEV/ro

	# shellcheck disable=SC2064
	trap "unmount_all; unbind $DEV; echo 0 >$ro" EXIT
	unbind "$DEV"
	store "$ro" 1
	modprobe daxexample
	mode "$DEV" famfs
	fails mount -w -t daxexample "/dev/$DEV" "$MNT"
	is free cat "$BUS/devices/$DEV/holder"
	# mount(8) tries again without writing
	mount -t daxexample "/dev/$DEV" "$MNT"
	is 4096 eval 'head -c 4096 "$MNT/memory" | wc -c'
	is EROFS "$DT" try pwrite "$MNT/memory" 0 4096
	fails mount -o remount,rw "$MNT"
	is EROFS "$DT" try pwrite "$MNT/memory" 0 4096
	mount -o remount,ro "$MNT"
	umount "$MNT"
}

run_tests \
	has_all_of_the_device \
	read_only_device \
	loses_the_device \
	refuses_other_devices
