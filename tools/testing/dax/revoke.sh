#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The device goes away under a filesystem, whatever that thinks of it
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

try() { "$DT" try "$@"; }
devt() { cat "$BUS/devices/$DEV/dev"; }

M1=$((1 << 20))

held_file() {
	famfs_mount "$@"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
}

# unbind_now: nothing may keep it waiting for long
unbind_now() {
	unbind "$DEV" &
	echo $! >"$T/unbind.pid"
	wait_for "$T/unbind.pid" 60
}

# wait_for PIDFILE SECONDS
wait_for() {
	local i pid
	pid=$(cat "$1")
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
	try fsync "$MNT/f"
	ls "$MNT" >/dev/null
}

# revoke_mapped OPTIONS HOW: one mapping of this kind
revoke_mapped() {
	held_file "$1"
	start h "$DT" hold "$MNT/f" 2M "$2"
	is 'ready OK' echo "$HEARD"
	unbind_now
	is 1 stat_of pre_remove
	tell h r
	is 'BUS_ADRERR *' echo "$HEARD"
	nothing_works_any_more
	tell h u
	is OK echo "$HEARD"
	stop h
	umount "$MNT"
	# data and pages are as they were
	famfs_mount
	check_pages "$DEV"
	mkfile f 16M 0:0:16M
	"$DT" check "$MNT/f" 1 0 2M
	"$DT" check "$MNT/f" 1 4M 12M
	"$DT" mcheck "$MNT/f" 1 4M 12M
}

careful_4K_mapping() { revoke_mapped revoke=careful rw; }
careful_2M_mapping() { revoke_mapped revoke=careful rwh; }
careful_read_only_mapping() { revoke_mapped revoke=careful rh; }
ignoring_4K_mapping() { revoke_mapped revoke=ignore rw; }
ignoring_2M_mapping() { revoke_mapped revoke=ignore rwh; }
pretending_2M_mapping() { revoke_mapped revoke=return0 rwh; }
late_2M_mapping() { revoke_mapped revoke=delay:2000 rwh; }

nothing_mapped() {
	local how

	for how in careful ignore return0 delay:1; do
		held_file revoke=$how
		unbind_now
		is 1 stat_of pre_remove
		nothing_works_any_more
		umount "$MNT"
	done
}

many_mappings() {
	local i

	held_file revoke=ignore
	for i in 0 1 2 3 4 5; do
		start p$i "$DT" hold "$MNT/f" $((i * M1)) rw
		start h$i "$DT" hold "$MNT/f" $((i * 2 * M1)) rwh
		start r$i "$DT" hold "$MNT/f" $((i * M1)) r
	done
	unbind_now
	for i in 0 1 2 3 4 5; do
		tell p$i r
		is 'BUS_ADRERR *' echo "$HEARD"
		tell h$i w
		is 'BUS_ADRERR *' echo "$HEARD"
		stop r$i
	done
	umount_busy_then_free
}

umount_busy_then_free() {
	local i

	for i in 0 1 2 3 4 5; do
		stop p$i
		stop h$i
	done
	umount "$MNT"
}

# what was copied on write is the process's own
private_mappings() {
	local how

	for how in careful ignore; do
		held_file revoke=$how
		start copied "$DT" hold "$MNT/f" 0 rwp
		start clean "$DT" hold "$MNT/f" 2M rph
		unbind_now
		tell copied r
		is OK echo "$HEARD"
		tell clean r
		is 'BUS_ADRERR *' echo "$HEARD"
		stop copied
		stop clean
		umount "$MNT"
	done
}

# The next owner's memory is out of reach for old mappings
stale_mapping_and_devdax() {
	held_file revoke=ignore
	start h "$DT" hold "$MNT/f" 0 rwh
	unbind_now
	mode "$DEV" devdax
	"$DT" mfill "/dev/$DEV" 7 0 16M
	tell h w
	is 'BUS_ADRERR *' echo "$HEARD"
	"$DT" mcheck "/dev/$DEV" 7 0 16M
	is 'E@(IO|NXIO|OPNOTSUPP)' try pwrite "$MNT/f" 0 4096
	stop h
	umount "$MNT"
	"$DT" mcheck "/dev/$DEV" 7 0 16M
}

stale_mapping_and_system_ram() {
	local mb=$((SIZE / M1 * 3 / 4)) total

	modprobe kmem
	held_file revoke=ignore
	start h "$DT" hold "$MNT/f" 0 rwh
	start i "$DT" hold "$MNT/f" 2M rw
	unbind_now
	total=$(awk '/MemFree/ { print $2 }' /proc/meminfo)
	mode "$DEV" system-ram
	daxctl online-memory "$DEV" >/dev/null 2>&1 || :
	total=$(awk -v t="$total" '/MemFree/ { print $2 + 0 }' /proc/meminfo)
	mkdir "$T/ram"
	# more than there was without the device, as far as that is sane
	[ $((total / 1024 - 256)) -lt $mb ] || mb=$((total / 1024 - 256))
	mount -t tmpfs -o size=$((mb + 16))m tmpfs "$T/ram"
	truncate -s ${mb}M "$T/ram/f"
	"$DT" fill "$T/ram/f" 9
	tell h w
	is 'BUS_ADRERR *' echo "$HEARD"
	tell i w
	is 'BUS_ADRERR *' echo "$HEARD"
	"$DT" check "$T/ram/f" 9
	stop h
	stop i
	umount "$MNT"
	"$DT" check "$T/ram/f" 9
	umount "$T/ram"
	mode "$DEV" famfs
	check_pages "$DEV"
}

# A claim that was lost must not reach the data of the next bind
famfs_again_only_after_umount() {
	held_file revoke=careful
	unbind_now
	put $BUS/drivers/fsdev_dax/new_id "$DEV"
	is none mode_of "$DEV"
	is EBUSY put $BUS/drivers/fsdev_dax/bind "$DEV"
	is OK put $BUS/drivers/fsdev_dax/remove_id "$DEV"
	# others need not wait
	mode "$DEV" devdax
	mode "$DEV" none
	umount "$MNT"
	mode "$DEV" famfs
	mnt "$DEV"
}

umount_after_another_driver_came() {
	local how

	for how in careful ignore; do
		held_file revoke=$how
		"$DT" mfill "$MNT/f" 3
		start h "$DT" hold "$MNT/f" 0 rwh
		unbind_now
		mode "$DEV" devdax
		is OK "$DT" touch "/dev/$DEV" 0 rwh
		stop h
		timeout 60 umount "$MNT"
		is OK "$DT" touch "/dev/$DEV" 0 rwh
		mode "$DEV" none
	done
}

remount_of_a_lost_device() {
	held_file
	unbind_now
	fails mount -o remount,ro "$MNT"
	fails mount -o remount,revoke=ignore "$MNT"
	umount "$MNT"
}

rmmod_under_a_mount() {
	local how

	for how in careful ignore; do
		held_file revoke=$how
		start h "$DT" hold "$MNT/f" 0 rwh
		rmmod fsdev_dax
		is none mode_of "$DEV"
		is 1 stat_of pre_remove
		tell h r
		is 'BUS_ADRERR *' echo "$HEARD"
		stop h
		nothing_works_any_more
		umount "$MNT"
		modprobe fsdev_dax
	done
}

# The parent goes, and takes the device with it
removal_of_the_region() {
	local parent pdrv

	parent=$(basename "$(dirname "$(readlink -f "$BUS/devices/$DEV")")")
	pdrv=/sys/bus/platform/drivers/hmem
	[ -e "$pdrv/$parent" ] || skip "not an hmem device"
	held_file revoke=ignore
	start h "$DT" hold "$MNT/f" 0 rwh
	echo "$parent" >$pdrv/unbind
	fails test -e "$BUS/devices/$DEV"
	is 1 stat_of pre_remove
	tell h r
	is 'BUS_ADRERR *' echo "$HEARD"
	stop h
	nothing_works_any_more
	umount "$MNT"
	echo "$parent" >$pdrv/bind
	retry test -e "$BUS/devices/$DEV"
	resize "$DEV" "$SIZE"
	famfs_mount
}

# pinned_and OPTIONS HOW: unbind waits for the pin, says so, then finishes
pinned_and() {
	held_file "$1"
	start p "$DT" pin "$MNT/f" 2M "$2"
	unbind "$DEV" &
	echo $! >"$T/unbind.pid"
	sleep 8
	kill -0 "$(cat "$T/unbind.pid")" || fail "did not wait for the pin"
	is 'E@(IO|NXIO)' try pread "$MNT/f" 0 4096
	dmesg | tail -n 50 | grep -i "$DEV.*\(wait\|pin\)" ||
		fail "the log does not say who is waited for"
	stop p
	wait_for "$T/unbind.pid" 60
	umount "$MNT"
	famfs_mount
	check_pages "$DEV"
}

pinned_careful_4K() { pinned_and revoke=careful rw; }
pinned_careful_2M() { pinned_and revoke=careful rwh; }
pinned_ignoring_4K() { pinned_and revoke=ignore rw; }
pinned_ignoring_2M() { pinned_and revoke=ignore rwh; }

# storm_and OPTIONS: faults and I/O on all CPUs while it goes away
storm_and() {
	local i

	for i in 1 2 3; do
		held_file "$1"
		"$DT" faultstorm "$MNT/f" 12 2 >"$T/faults" &
		echo $! >"$T/faults.pid"
		"$DT" iostorm "$MNT/f" 12 2 >"$T/io" &
		echo $! >"$T/io.pid"
		sleep 2
		unbind_now
		is 1 stat_of pre_remove
		wait_for "$T/faults.pid" 30
		wait_for "$T/io.pid" 30
		cat "$T/faults" "$T/io"
		# they got to work before, and got errors after
		grep -q 'ok [1-9].* failed [1-9]' "$T/faults"
		grep -q 'ok [1-9].* failed [1-9]' "$T/io"
		umount "$MNT"
		famfs_mount
		check_pages "$DEV"
		umount "$MNT"
	done
}

storm_careful() { storm_and revoke=careful; }
storm_ignoring() { storm_and revoke=ignore; }
storm_late() { storm_and revoke=delay:1000; }

holder_hears_it_once() {
	mode "$DEV" famfs
	is OK probe get 0 "$(devt)"
	unbind_now
	is 'failures 0 removals 0x1 others 0 *' probe stat 0
	is ENXIO probe access s0 0 1
	is 0 probe size s0
	mode "$DEV" devdax
	mode "$DEV" none
	is 'failures 0 removals 0x1 others 0 *' probe stat 0
	is EBUSY put_famfs_bind
	is OK probe put 0
	mode "$DEV" famfs
	is OK probe get 0 "$(devt)"
	is 'failures 0 removals 0 others 0 *' probe stat 0
	is OK probe put 0
}

put_famfs_bind() {
	put $BUS/drivers/fsdev_dax/new_id "$DEV" >/dev/null
	put $BUS/drivers/fsdev_dax/bind "$DEV"
	put $BUS/drivers/fsdev_dax/remove_id "$DEV" >/dev/null
}

# Whoever came too late with its put must not silence the next one
late_put_and_the_next_holder() {
	mode "$DEV" famfs
	is OK probe get 0 "$(devt)"
	unbind_now
	is OK probe put 0
	mode "$DEV" famfs
	is OK probe get 1 "$(devt)"
	is ENOENT probe put 0
	is OK probe poison s1 5
	is 'failures 0x1 *' probe stat 1
	is OK probe zero s1 5 1
	unbind_now
	is 'failures 0x1 removals 0x1 *' probe stat 1
	is OK probe put 1
}

# An open file of /dev/daxX.Y, over everything that can happen to the device
open_fd_of_the_device() {
	mode "$DEV" devdax
	exec {FDD}<"/dev/$DEV"
	mode "$DEV" famfs
	exec {FDF}<"/dev/$DEV"
	is EINVAL try read "/proc/self/fd/$FDF" || :
	unbind_now
	# a file pins the module that opened it, and nothing else
	fails rmmod fsdev_dax
	fails rmmod device_dax
	mode "$DEV" famfs
	mode "$DEV" devdax
	exec {FDD}<&-
	mode "$DEV" famfs
	exec {FDF}<&-
	is OK try open "/dev/$DEV"
	unbind_now
	rmmod fsdev_dax
	rmmod device_dax
	modprobe device_dax
	modprobe fsdev_dax
}

open_fd_of_a_deleted_device() {
	local second fd

	second=$(new_device 32M)
	mode "$second" famfs
	retry test -e "/dev/$second"
	exec {fd}<"/dev/$second"
	delete_device "$second"
	: >"$T/created"
	exec {fd}<&-
}

one_of_two_devices() {
	local second

	second=$(new_device 32M)
	mode "$second" famfs
	famfs_mount "daxdev=/dev/$second"
	mkfile a 4M 0:0:4M
	mkfile b 4M 1:0:4M
	mkfile c 8M 0:8M:4M,1:8M:4M
	start a "$DT" hold "$MNT/a" 0 rw
	start b "$DT" hold "$MNT/b" 0 rwh
	unbind "$second"
	tell a w
	is OK echo "$HEARD"
	tell b w
	is 'BUS_ADRERR *' echo "$HEARD"
	is 4096 try pwrite "$MNT/a" 0 4096
	is EIO try pwrite "$MNT/b" 0 4096
	is 4096 try pread "$MNT/c" 0 4096
	is EIO try pread "$MNT/c" 4M 4096
	is EIO "$DT" mkfile "$MNT/d" 4K 1:16M:4K
	mkfile e 4K 0:16M:4K
	stop a
	stop b
	umount "$MNT"
}

run_tests \
	nothing_mapped \
	careful_4K_mapping \
	careful_2M_mapping \
	careful_read_only_mapping \
	ignoring_4K_mapping \
	ignoring_2M_mapping \
	pretending_2M_mapping \
	late_2M_mapping \
	many_mappings \
	private_mappings \
	stale_mapping_and_devdax \
	stale_mapping_and_system_ram \
	famfs_again_only_after_umount \
	umount_after_another_driver_came \
	remount_of_a_lost_device \
	rmmod_under_a_mount \
	removal_of_the_region \
	pinned_careful_4K \
	pinned_careful_2M \
	pinned_ignoring_4K \
	pinned_ignoring_2M \
	storm_careful \
	storm_ignoring \
	storm_late \
	holder_hears_it_once \
	late_put_and_the_next_holder \
	open_fd_of_the_device \
	open_fd_of_a_deleted_device \
	one_of_two_devices
