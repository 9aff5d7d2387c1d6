#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Devices whose memory must not be written: the "ro" attribute
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

# read_only: $DEV has pattern 5 in a file of 4M, and cannot be written from here
read_only() {
	RO=$BUS/devices/$DEV/ro
	trap 'unmount_all; unbind "$DEV"; echo 0 >$RO' EXIT
	famfs_mount
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 5
	umount "$MNT"
	unbind "$DEV"
	is 0 cat "$RO"
	store "$RO" 1
	is 1 cat "$RO"
}

# unchanged: nobody wrote to it
unchanged() {
	"$DT" check "$MNT/f" 5
	"$DT" mcheck "$MNT/f" 5
}

files() {
	read_only
	famfs_mount
	mkfile f 4M 0:0:4M
	unchanged
	is EROFS "$DT" try pwrite "$MNT/f" 0 4096
	is EROFS "$DT" try pwrite "$MNT/f" 100 10
	is 'BUS_ADRERR*' "$DT" touch "$MNT/f" 0 rw
	is 'BUS_ADRERR*' "$DT" touch "$MNT/f" 2M rwh
	is 'BUS_ADRERR*' "$DT" touch "$MNT/f" 4K rws
	# a page that was read first
	start h "$DT" hold "$MNT/f" 8K rw
	tell h r
	is OK echo "$HEARD"
	tell h w
	is 'BUS_ADRERR*' echo "$HEARD"
	stop h
	# a copy of its own is the program's
	is OK "$DT" touch "$MNT/f" 0 rwp
	unchanged
}

calls_of_a_filesystem() {
	local devt

	read_only
	mode "$DEV" famfs
	devt=$(<"$BUS/devices/$DEV/dev")
	is OK probe get 0 "$devt"
	is EROFS probe zero "$devt" 0 1
	# none of the bytes is written
	is OK probe recover "$devt" 1 4096 6 4096
	is '1 pfn *' probe access "$devt" 0 1
	is OK probe put 0
	mnt "$DEV"
	mkfile f 4M 0:0:4M
	unchanged
}

devdax() {
	read_only
	mode "$DEV" devdax
	is OK "$DT" touch "/dev/$DEV" 0 rh
	is '*EROFS*' "$DT" touch "/dev/$DEV" 0 rwh
	mode "$DEV" famfs
	mnt "$DEV"
	mkfile f 4M 0:0:4M
	unchanged
}

system_ram() {
	read_only
	modprobe kmem
	is EROFS put $BUS/drivers/kmem/new_id "$DEV"
	is none mode_of "$DEV"
	store $BUS/drivers/kmem/remove_id "$DEV"
	store "$RO" 0
	mode "$DEV" system-ram
}

only_while_unbound() {
	read_only
	mode "$DEV" famfs
	is EBUSY put "$RO" 0
	is 1 cat "$RO"
	mode "$DEV" none
	is EINVAL put "$RO" maybe
	store "$RO" 0
	famfs_mount
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 6
	"$DT" mcheck "$MNT/f" 6
}

run_tests \
	files \
	calls_of_a_filesystem \
	devdax \
	system_ram \
	only_while_unbound
