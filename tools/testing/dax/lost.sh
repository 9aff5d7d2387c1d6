#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Pmem goes away under a filesystem that does not take part in it: nothing of
# the filesystem reaches the memory any more, whoever has it then
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/trace.bash"
. "$(dirname "$0")/pmem.bash"
. "$(dirname "$0")/absent.bash"

# disk FS [OPTIONS OF MKFS]: made on pmem, with a file, and mounted with dax
disk() {
	local fs=$1
	shift
	modprobe -q "$fs" || skip "no $fs"
	namespace fsdax
	retry test -e "/dev/$PMEM"
	DISK=$(readlink -f "/sys/block/$PMEM/device")
	[ "$fs" != erofs ] || { erofs_image "$@"; return; }
	"mkfs.$fs" "$@" "/dev/$PMEM" >"$T/mkfs" 2>&1
	mount -t "$fs" -o dax "/dev/$PMEM" "$MNT"
	fallocate -l 64M "$MNT/f"
	"$DT" isdax "$MNT/f"
	"$DT" fill "$MNT/f" 1
	sync
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

# Processes that have mapped the file get SIGBUS, and do no harm; those of which
# the name begins with an r only read
mappings_are_dead() {
	local name

	for name; do
		tell "$name" r
		is 'BUS_ADRERR*' echo "$HEARD"
		[[ $name = r* ]] || {
			tell "$name" w
			is 'BUS_ADRERR*' echo "$HEARD"
		}
	done
	cannot_be_read
}

# daxtest opens for writing, too, which is not what erofs is for. A disk that is
# gone has a size of 0, and erofs reads zeroes where it wants an inode.
cannot_be_read() {
	local errors='Input/output error|No such device|Structure needs cleaning'

	fails dd if="$MNT/f" of=/dev/null bs=4096 count=1 2>"$T/dd"
	grep -qE "$errors" "$T/dd" || fail "$(<"$T/dd")"
}

# under_mappings FS [OPTIONS OF MKFS]
under_mappings() {
	disk "$@"
	start r "$DT" hold "$MNT/f" 1M r
	start a "$DT" hold "$MNT/f" 40M rw
	start h "$DT" hold "$MNT/f" 4M rwh
	start rp "$DT" hold "$MNT/f" 12M rp
	start s "$DT" hold "$MNT/f" 8M rwp
	take_disk
	new_owner mappings_are_dead r a h rp
	copy_stays s
	for name in r a h rp s; do stop $name; done
	umount "$MNT"
}

# copy_stays NAME: what this one wrote to a private mapping is its own
copy_stays() {
	tell "$1" r
	is OK echo "$HEARD"
}

# read_only FS: there is nothing to write to
read_only() {
	disk "$@"
	start r "$DT" hold "$MNT/f" 1M r
	start rh "$DT" hold "$MNT/f" 4M rh
	start rp "$DT" hold "$MNT/f" 12M rp
	start rhp "$DT" hold "$MNT/f" 16M rhp
	start s "$DT" hold "$MNT/f" 8M rwp
	take_disk
	new_owner mappings_are_dead r rh rp rhp
	copy_stays s
	for name in r rh rp rhp s; do stop $name; done
	umount "$MNT"
}

# pinned FS [OPTIONS OF MKFS]: the new owner has to wait, nobody else does
pinned() {
	local how=rw ino

	[ "$1" != erofs ] || how=r
	disk "$@"
	pin_seconds 1
	ino=$(stat -c %i "$MNT/f")
	start p "$DT" pin "$MNT/f" 2M $how
	take_disk
	is "*pinned 1 for * s, inode $ino on $PMEM" cat $PARKED
	cannot_be_read
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

# mkfs wants two groups, but of a test
xfs_of_one_group_pinned() {
	TEST_DIR=- TEST_DEV=- QA_CHECK_FS=- \
		pinned xfs -q -f -m reflink=0,rmapbt=1 -d agcount=1
}

erofs_pinned() { pinned erofs; }

# waited_for read|write FS [OPTIONS OF MKFS]: I/O to pmem whose buffer does not
# come keeps nobody waiting, neither another device nor the pmem itself
waited_for() {
	local how=$1

	shift
	disk "$@"
	resize "$DEV" $((SIZE / 2))
	absent_io "$how" "$MNT/f"
	others_go_on
	in_time take_disk
	serve '@(ENXIO|EIO|[1-9]*)'
	cannot_be_read
	umount "$MNT"
	new_owner true
}

ext4_read_waits() { waited_for read ext4 -q -F -b 4096; }
ext4_write_waits() { waited_for write ext4 -q -F -b 4096; }
xfs_read_waits() { waited_for read xfs -q -f -m reflink=0,rmapbt=0; }
xfs_write_waits() { waited_for write xfs -q -f -m reflink=0,rmapbt=0; }
xfs_rmapbt_read_waits() { waited_for read xfs -q -f -m reflink=0,rmapbt=1; }
xfs_rmapbt_write_waits() { waited_for write xfs -q -f -m reflink=0,rmapbt=1; }

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

# shared_unsaid: f and g share all of their memory, the filesystem does not say so
# and has no claim on the disk. Both lose it all the same, by pages of both sizes.
shared_unsaid() {
	local name

	pin_seconds 1
	trace_start fs_dax/dax_pmd_fault_done
	holds r f 1M r
	holds rg g 1M r
	holds rh f 4M rh
	# the second file gets small pages of the huge one
	holds rhg g 4M rh
	is 1 pmd_faults
	trace_stop
	cmp "$MNT/f" "$MNT/g"
	in_time take_disk
	is '' cat $PARKED
	new_owner mappings_are_dead r rg rh rhg
	for name in r rg rh rhg; do stop $name; done
	umount "$MNT"
}

erofs_shared() {
	disk erofs g
	shared_unsaid
}

ext4_shared() {
	disk ext4 -q -F -b 4096 -E stride=512,stripe_width=512
	ext4_shares
	shared_unsaid
}

# Files that share pages are searched while unmount evicts them: whoever comes
# first, both have an end
umount_while_erofs_loses_its_disk() {
	local i pid drv=/sys/bus/nd/drivers/nd_pmem

	disk erofs g
	for i in {0..11}; do
		[ "$i" = 0 ] || mount -t erofs -o dax "/dev/$PMEM" "$MNT"
		"$DT" touch "$MNT/f" 1M r
		"$DT" touch "$MNT/g" 1M r
		# which of them is to be late, and how much
		if [ $((i % 2)) = 0 ]; then
			umount "$MNT" &
			pid=$!
			sleep "0.0$((i / 2))"
			in_time take_disk
			wait $pid
		else
			put "$DISK/driver/unbind" "${DISK##*/}" >"$T/unbound" &
			pid=$!
			sleep "0.0$((i / 2))"
			umount "$MNT"
			wait $pid
			is OK cat "$T/unbound"
		fi
		is '' cat $PARKED
		store $drv/bind "${DISK##*/}"
		retry test -e "/dev/$PMEM"
	done
}

# shared_and_lost linear|stripe: pages that files share, on a mapped disk that does
# not go
shared_and_lost() {
	shared_on "$1"
	DISK=$(readlink -f "/sys/block/$PMEM/device")
	pin_seconds 1
	start r "$DT" hold "$MNT/f" 1M r
	start rg "$DT" hold "$MNT/g" 1M r
	start rh "$DT" hold "$MNT/g" 33M r
	in_time take_disk
	is '' cat $PARKED
	new_owner mappings_are_dead r rg rh
	stop r
	stop rg
	stop rh
	umount "$MNT"
}

xfs_shared_on_linear() { shared_and_lost linear; }
xfs_shared_on_stripes() { shared_and_lost stripe; }

is_called() { [ "$(<"$CALLS")" -gt 0 ]; }

end_of_a_search() {
	rmmod daxtest_instead 2>/dev/null || :
	no_disk
}

# searched_and_unmounted COMMAND...: unmount succeeds when the filesystem is gone, and
# not before, even if somebody looks through its files just then. COMMAND runs
# before all that.
searched_and_unmounted() {
	local disk

	CALLS=/sys/module/daxtest_instead/parameters/calls
	shared_on linear
	disk=$(basename "$(readlink -f "$MAPPED")")
	"$DT" mcheck "$MNT/f" 1
	"$DT" mcheck "$MNT/g" 1
	"$@"
	DISK=$(readlink -f "/sys/block/$PMEM/device")
	pin_seconds 30
	instead unmap_mapping_range wait=1
	trap end_of_a_search EXIT
	take_disk &
	echo $! >"$T/take.pid"
	retry is_called
	umount "$MNT" &
	echo $! >"$T/umount.pid"
	sleep 3
	kill -0 "$(<"$T/umount.pid")" ||
		fail "unmount has returned before the filesystem is gone"
	rmmod daxtest_instead
	retry gone "$(<"$T/umount.pid")"
	wait "$(<"$T/umount.pid")"
	[ ! -e "/sys/fs/xfs/$disk" ] || fail "the filesystem is there still"
	retry gone "$(<"$T/take.pid")"
	wait "$(<"$T/take.pid")"
	dmsetup remove daxtest
}

unmount_waits_for_a_search() { searched_and_unmounted true; }

# And if nobody but the search has the inodes, as their names are not cached any more
unmount_waits_for_a_search_without_names() {
	searched_and_unmounted store /proc/sys/vm/drop_caches 2
}

# quota_that_waits get|set RESULT: the umount has the lock, or waits for it
quota_that_waits() {
	disk xfs -q -f -m reflink=0,rmapbt=0
	umount "$MNT"
	mount -t xfs -o dax,uquota "/dev/$PMEM" "$MNT" || skip "no quotas"
	start io "$DIR/daxabsent" "$1quota" "/dev/$PMEM"
	[[ $HEARD != quotactl:* ]] || skip "no quotas: $HEARD"
	is absent echo "$HEARD"
	in_time umount "$MNT" &
	echo $! >"$T/umount.pid"
	sleep 1
	in_time take_disk
	wait "$(<"$T/umount.pid")"
	serve "$2"
	new_owner true
}

xfs_and_quotas_that_wait() {
	quota_that_waits get OK
	quota_that_waits set '@(ENODEV|ENOENT)'
}

unmounted() { [ ! -e "/sys/fs/$FS/$PMEM" ]; }

# frozen FS [OPTIONS OF MKFS]: its memory goes all the same, and so does it
frozen() {
	FS=$1
	command -v fsfreeze >/dev/null || skip "no fsfreeze"
	disk "$@"
	start r "$DT" hold "$MNT/f" 1M r
	fsfreeze -f "$MNT"
	in_time take_disk
	new_owner mappings_are_dead r
	stop r
	# xfs has heard that its memory goes, and is not frozen any more
	[ "$FS" = xfs ] || fsfreeze -u "$MNT"
	umount "$MNT"
	retry unmounted
}

served_too_late() {
	serve '@(ENXIO|EIO|[1-9]*)'
	mappings_are_dead r
}

# unserved_write FS [OPTIONS OF MKFS]: it has locked the file, and waits for a
# page of its buffer
unserved_write() {
	disk "$@"
	start r "$DT" hold "$MNT/f" 1M r
	absent_io write "$MNT/f"
	in_time take_disk
	new_owner served_too_late
	stop r
	umount "$MNT"
}

# The memory of a frozen filesystem goes while somebody has the lock that the thaw
# waits for
xfs_frozen_and_a_sync_that_waits() {
	local wait=/sys/module/daxtest_instead/parameters/wait

	FS=xfs
	command -v fsfreeze >/dev/null || skip "no fsfreeze"
	disk xfs -q -f -m reflink=0,rmapbt=0
	start r "$DT" hold "$MNT/f" 1M r
	fsfreeze -f "$MNT"
	instead xfs_fs_sync_fs wait=1
	trap 'rmmod daxtest_instead' EXIT
	sync -f "$MNT" &
	echo $! >"$T/sync.pid"
	retry is 1 cat "${wait%/*}/calls"
	mark
	SECONDS=0
	in_time take_disk
	[ $SECONDS -lt 60 ] || fail "unbind took $SECONDS s"
	log_says "$PMEM: not all data could be written" ||
		fail "the log does not say that data is lost"
	new_owner mappings_are_dead r
	store "$wait" 0
	wait "$(<"$T/sync.pid")" || :
	rmmod daxtest_instead
	trap - EXIT
	stop r
	umount "$MNT"
	retry unmounted
}

# take_locked_disk: the unbind waits for the filesystem, for a while
take_locked_disk() {
	mark
	SECONDS=0
	in_time take_disk
	[ $SECONDS -lt 90 ] || fail "unbind took $SECONDS s"
	log_says "$PMEM is locked after .* unmount it" ||
		fail "the log does not say what to do"
}

# A remount waits for a sync that does not end, and all others wait behind it
xfs_and_a_remount_that_waits() {
	disk xfs -q -f -m reflink=0,rmapbt=0
	start r "$DT" hold "$MNT/f" 1M r
	CALLS=/sys/module/daxtest_instead/parameters/calls
	instead xfs_fs_sync_fs wait=1
	trap 'rmmod daxtest_instead' EXIT
	sync -f "$MNT" &
	echo $! >"$T/sync.pid"
	retry is_called
	mount -o remount,noatime "$MNT" &
	echo $! >"$T/remount.pid"
	sleep 3
	take_locked_disk
	new_owner mappings_are_dead r
	rmmod daxtest_instead
	trap - EXIT
	wait "$(<"$T/sync.pid")" || :
	wait "$(<"$T/remount.pid")" || :
	stop r
	umount "$MNT"
	FS=xfs retry unmounted
}

no_other_device() {
	kill -KILL "$(<"$T/p.pid")" 2>/dev/null || :
	unmount_all
	ndctl destroy-namespace -f "$OTHER" >/dev/null 2>&1 || :
}

# Anybody can have a page pinned of the device that stays, and the file that has
# the page cannot be evicted
xfs_and_a_pin_on_the_other_device() {
	local rt

	modprobe -qa virtio_pmem xfs || skip "no virtio_pmem or xfs"
	OTHER=$(namespace_on virtio) || skip "no virtio-pmem device"
	namespace fsdax
	retry test -e "/dev/$PMEM"
	DISK=$(readlink -f "/sys/block/$PMEM/device")
	ndctl create-namespace -f -e "$OTHER" -m fsdax >"$T/other"
	rt=$(jq -r '[.. | objects | .blockdev // empty][0]' "$T/other")
	retry test -e "/dev/$rt"
	trap no_other_device EXIT
	mkfs.xfs -q -f -m reflink=0,rmapbt=0 -r "rtdev=/dev/$rt" \
		-d rtinherit=1 "/dev/$PMEM"
	mount -t xfs -o "dax,rtdev=/dev/$rt" "/dev/$PMEM" "$MNT"
	fallocate -l 8M "$MNT/f"
	"$DT" isdax "$MNT/f"
	"$DT" fill "$MNT/f" 1
	start p "$DT" pin "$MNT/f" 0 rw
	take_locked_disk
	is '' cat $PARKED
	new_owner true
	stop p
	umount "$MNT"
	FS=xfs retry unmounted
}

ext4_frozen() { frozen ext4 -q -F -b 4096; }
xfs_frozen() { frozen xfs -q -f -m reflink=0,rmapbt=0; }
ext4_and_a_write_that_waits() { unserved_write ext4 -q -F -b 4096; }
xfs_and_a_write_that_waits() { unserved_write xfs -q -f -m reflink=1,rmapbt=1; }

no_log() {
	dmsetup resume daxtest-log 2>/dev/null || :
	kill -KILL "$(<"$T/r.pid")" 2>/dev/null || :
	unmount_all
	dmsetup remove --retry daxtest-log 2>/dev/null || :
	losetup -d "$LOOP" 2>/dev/null || :
}

# The log of xfs is on another disk, which does not answer
xfs_and_a_log_that_waits() {
	local log=/dev/mapper/daxtest-log

	command -v dmsetup >/dev/null || skip "no dmsetup"
	modprobe -qa dm-mod loop xfs ||
		skip "no device mapper, loop devices or xfs"
	namespace fsdax
	retry test -e "/dev/$PMEM"
	DISK=$(readlink -f "/sys/block/$PMEM/device")
	truncate -s 128M "$T/log"
	trap no_log EXIT
	LOOP=$(losetup -f --show "$T/log")
	dmsetup create daxtest-log --table "0 $((128 * 2048)) linear $LOOP 0"
	mkfs.xfs -q -f -m reflink=0,rmapbt=0 -l logdev=$log "/dev/$PMEM"
	mount -t xfs -o dax,logdev=$log "/dev/$PMEM" "$MNT"
	fallocate -l 64M "$MNT/f"
	"$DT" fill "$MNT/f" 1
	sync
	start r "$DT" hold "$MNT/f" 1M r
	dmsetup suspend --nolockfs --noflush daxtest-log
	: >"$MNT/g"
	mark
	SECONDS=0
	in_time take_disk
	[ $SECONDS -lt 60 ] || fail "unbind took $SECONDS s"
	log_says "$PMEM: not all data could be written" ||
		fail "the log does not say that data is lost"
	new_owner mappings_are_dead r
	dmsetup resume daxtest-log
	stop r
	umount "$MNT"
}

run_tests \
	ext4_mapped \
	xfs_mapped \
	xfs_rmapbt_mapped \
	xfs_reflink_mapped \
	erofs_mapped \
	xfs_shared \
	erofs_shared \
	ext4_shared \
	umount_while_erofs_loses_its_disk \
	xfs_shared_on_linear \
	xfs_shared_on_stripes \
	unmount_waits_for_a_search \
	unmount_waits_for_a_search_without_names \
	xfs_and_quotas_that_wait \
	ext4_pinned \
	xfs_pinned \
	xfs_rmapbt_pinned \
	xfs_of_one_group_pinned \
	ext4_frozen \
	xfs_frozen \
	xfs_frozen_and_a_sync_that_waits \
	ext4_and_a_write_that_waits \
	xfs_and_a_write_that_waits \
	xfs_and_a_log_that_waits \
	xfs_and_a_remount_that_waits \
	xfs_and_a_pin_on_the_other_device \
	erofs_pinned \
	ext4_read_waits \
	ext4_write_waits \
	xfs_read_waits \
	xfs_write_waits \
	xfs_rmapbt_read_waits \
	xfs_rmapbt_write_waits
