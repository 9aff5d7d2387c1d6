#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Pmem goes away under a filesystem that does not take part in it: nothing of
# the filesystem reaches the memory any more, whoever has it then
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pmem.bash"

# disk FS [OPTIONS OF MKFS]: made on pmem, with a file, and mounted with dax
disk() {
	local fs=$1
	shift
	modprobe -q "$fs" || skip "no $fs"
	namespace fsdax
	retry test -e "/dev/$PMEM"
	DISK=$(readlink -f "/sys/block/$PMEM/device")
	[ "$fs" != erofs ] || { erofs_image; return; }
	"mkfs.$fs" "$@" "/dev/$PMEM" >"$T/mkfs" 2>&1
	mount -t "$fs" -o dax "/dev/$PMEM" "$MNT"
	fallocate -l 64M "$MNT/f"
	"$DT" isdax "$MNT/f"
	"$DT" fill "$MNT/f" 1
	sync
}

erofs_image() {
	command -v mkfs.erofs >/dev/null || skip "no mkfs.erofs"
	mkdir "$T/image"
	truncate -s 64M "$T/image/f"
	"$DT" fill "$T/image/f" 1
	mkfs.erofs "$T/erofs" "$T/image" >"$T/mkfs" 2>&1
	dd if="$T/erofs" of="/dev/$PMEM" bs=1M status=none
	sync
	mount -t erofs -o dax "/dev/$PMEM" "$MNT"
	"$DT" isdax "$MNT/f"
}

take_disk() {
	store "$DISK/driver/unbind" "${DISK##*/}"
}

# new_owner: another one has the memory, and all of it is his
new_owner() {
	local dax=dax${NS#namespace}

	ndctl create-namespace -f -e "$NS" -m devdax >"$T/ns"
	retry test -e "$BUS/devices/$dax"
	mode "$dax" devdax
	"$DT" mfill "/dev/$dax" 7 0 128M
	"$@"
	"$DT" mcheck "/dev/$dax" 7 0 128M
}

# Processes that have mapped the file get SIGBUS, and do no harm
mappings_are_dead() {
	local name

	for name; do
		tell "$name" r
		is 'BUS_ADRERR*' echo "$HEARD"
		[ "$name" = r ] || {
			tell "$name" w
			is 'BUS_ADRERR*' echo "$HEARD"
		}
	done
	# daxtest opens for writing, too, which is not what erofs is for
	fails dd if="$MNT/f" of=/dev/null bs=4096 count=1 2>"$T/dd"
	grep -qE 'Input/output error|No such device' "$T/dd" || fail "$(<"$T/dd")"
}

# under_mappings FS [OPTIONS OF MKFS]
under_mappings() {
	disk "$@"
	start r "$DT" hold "$MNT/f" 1M r
	start a "$DT" hold "$MNT/f" 40M rw
	start h "$DT" hold "$MNT/f" 4M rwh
	start s "$DT" hold "$MNT/f" 8M rwp
	take_disk
	new_owner mappings_are_dead r a h
	# a copy of its own stays
	tell s r
	is OK echo "$HEARD"
	for name in r a h s; do stop $name; done
	umount "$MNT"
}

# read_only FS: there is nothing to write to
read_only() {
	disk "$@"
	start r "$DT" hold "$MNT/f" 1M r
	start h "$DT" hold "$MNT/f" 4M rh
	take_disk
	new_owner mappings_are_dead r
	stop r
	stop h
	umount "$MNT"
}

# pinned FS [OPTIONS OF MKFS]: the new owner has to wait, nobody else does
pinned() {
	disk "$@"
	pin_seconds 1
	start p "$DT" pin "$MNT/f" 2M rw
	take_disk
	is "*pinned 1 for*" cat $PARKED
	is 'E@(IO|NXIO)' "$DT" try pread "$MNT/f" 0 4096
	umount "$MNT"
	fails ndctl create-namespace -f -e "$NS" -m fsdax >"$T/ns" 2>&1
	stop p
	retry is '' cat $PARKED
	new_owner true
}

ext4_mapped() { under_mappings ext4 -q -F -b 4096; }
xfs_mapped() { under_mappings xfs -q -f -m reflink=0,rmapbt=0; }
xfs_rmapbt_mapped() { under_mappings xfs -q -f -m reflink=0,rmapbt=1; }
xfs_reflink_mapped() { under_mappings xfs -q -f -m reflink=1,rmapbt=0; }
erofs_mapped() { read_only erofs; }
ext4_pinned() { pinned ext4 -q -F -b 4096; }
xfs_pinned() { pinned xfs -q -f -m reflink=0,rmapbt=0; }
xfs_rmapbt_pinned() { pinned xfs -q -f -m reflink=0,rmapbt=1; }

# Pages that files share, of which each has to let go
xfs_shared() {
	disk xfs -q -f -m reflink=1,rmapbt=0
	cp --reflink=always "$MNT/f" "$MNT/g"
	start r "$DT" hold "$MNT/f" 1M r
	start a "$DT" hold "$MNT/g" 1M r
	take_disk
	new_owner mappings_are_dead r
	tell a r
	is 'BUS_ADRERR*' echo "$HEARD"
	stop r
	stop a
	umount "$MNT"
}

run_tests \
	ext4_mapped \
	xfs_mapped \
	xfs_rmapbt_mapped \
	xfs_reflink_mapped \
	erofs_mapped \
	xfs_shared \
	ext4_pinned \
	xfs_pinned \
	xfs_rmapbt_pinned
