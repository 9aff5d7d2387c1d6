#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The driver that gets a device, and the error for a user who asked for another
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

FSDEV=$BUS/drivers/fsdev_dax

# override DRIVER: "" for none
override() { echo "$1" >"$BUS/devices/$DEV/driver_override"; }
overridden_by() { cat "$BUS/devices/$DEV/driver_override"; }

udev_queue() {
	! command -v udevadm >/dev/null || udevadm control --$1-exec-queue || :
}

# Without udev, which would load whatever a new device could need; and with no
# driver_override in the end
quiet() {
	trap 'override ""; udev_queue start' EXIT
	udev_queue stop
}

# region_again: the region goes, and comes back
region_again() {
	[ -e "$HMEM/$PARENT" ] || skip "the device is not of dax_hmem"
	store $HMEM/unbind "$PARENT"
	store $HMEM/bind "$PARENT"
	retry test -e "$BUS/devices/$DEV"
}

# The rule for boot: it is said of the device, before a driver comes
override_keeps_others_away() {
	quiet
	unbind "$DEV"
	override fsdev_dax
	is fsdev_dax overridden_by
	modprobe kmem
	is none mode_of "$DEV"
	is ENODEV put $BUS/drivers/kmem/bind "$DEV"
	is ENODEV put $BUS/drivers/device_dax/new_id "$DEV"
	store $BUS/drivers/device_dax/remove_id "$DEV"
	is none mode_of "$DEV"
	rmmod kmem
	# no name is needed
	store $FSDEV/bind "$DEV"
	is famfs mode_of "$DEV"
	store $FSDEV/unbind "$DEV"
	store $BUS/drivers_probe "$DEV"
	is famfs mode_of "$DEV"
}

override_and_loading_the_driver() {
	quiet
	unbind "$DEV"
	override fsdev_dax
	rmmod fsdev_dax
	modprobe kmem
	is none mode_of "$DEV"
	modprobe fsdev_dax
	is famfs mode_of "$DEV"
	store $FSDEV/unbind "$DEV"
	override ""
	is '(null)' overridden_by
	store $BUS/drivers_probe "$DEV"
	is system-ram mode_of "$DEV"
}

override_goes_with_the_device() {
	quiet
	mode "$DEV" none
	override fsdev_dax
	region_again
	is '(null)' overridden_by
	is none mode_of "$DEV"
	is ENODEV put $FSDEV/bind "$DEV"
}

# lost_claim: $DEV without a driver, and still mounted
lost_claim() {
	famfs_mount
	store $FSDEV/unbind "$DEV"
	store $FSDEV/remove_id "$DEV"
}

# The error of new_id is that of the bind that follows, as daxctl writes both
the_same_error_twice() {
	lost_claim
	is EBUSY put $FSDEV/new_id "$DEV"
	is EBUSY put $FSDEV/bind "$DEV"
	umount "$MNT"
	is none mode_of "$DEV"
	store $FSDEV/bind "$DEV"
	is famfs mode_of "$DEV"
	store $FSDEV/new_id "$DEV"
	is famfs mode_of "$DEV"
}

daxctl_says_what_is_wrong() {
	command -v daxctl >/dev/null || skip "no daxctl"
	lost_claim
	is '*Device or resource busy*' \
		daxctl reconfigure-device --mode=famfs "$DEV"
	fails daxctl reconfigure-device --mode=famfs "$DEV"
	is none mode_of "$DEV"
	umount "$MNT"
	daxctl reconfigure-device --mode=famfs "$DEV"
	is famfs mode_of "$DEV"
	# an older claim is no reason against the other modes
	mnt "$DEV"
	store $FSDEV/unbind "$DEV"
	daxctl reconfigure-device --mode=devdax "$DEV"
	is devdax mode_of "$DEV"
}

new_id_of_a_device_that_another_driver_has() {
	mode "$DEV" devdax
	is EBUSY put $FSDEV/new_id "$DEV"
	is devdax mode_of "$DEV"
	store $BUS/drivers/device_dax/unbind "$DEV"
	is none mode_of "$DEV"
	store $FSDEV/bind "$DEV"
	is EBUSY put $BUS/drivers/device_dax/new_id "$DEV"
	is famfs mode_of "$DEV"
}

# The write neither reports success nor waits for the other driver
new_id_during_an_unbind() {
	famfs_mount revoke=delay:3000
	store $FSDEV/unbind "$DEV" &
	retry is 1 stat_of pre_remove
	is EBUSY put $BUS/drivers/device_dax/new_id "$DEV"
	# fsdev_dax waits for its own unbind, and cannot have it again then
	is EBUSY put $FSDEV/new_id "$DEV"
	wait
	is none mode_of "$DEV"
	store $BUS/drivers/device_dax/bind "$DEV"
	is devdax mode_of "$DEV"
}

# before_the_size MODE: create, new_id, size, bind, in the order that scripts
# did it. The type of no device matches fsdev_dax, and that of hmem memory does
# not match device_dax: without the name, bind would say ENODEV.
before_the_size() {
	local driver

	driver=$BUS/drivers/$(driver_for "$1")
	unbind "$DEV"
	store "$driver/remove_id" "$DEV"
	store "$BUS/devices/$DEV/size" 0
	is ENXIO put "$driver/new_id" "$DEV"
	is ENXIO put "$driver/bind" "$DEV"
	store "$BUS/devices/$DEV/size" "$SIZE"
	store "$driver/bind" "$DEV"
	is "$1" mode_of "$DEV"
}

new_id_before_the_size() { before_the_size famfs; }
device_dax_before_the_size() { before_the_size devdax; }

# new_id_when_told: without a process that would have to start first
new_id_when_told() {
	until [ -e "$T/go" ]; do :; done
	echo "$DEV" >$FSDEV/new_id
}

# Both writers asked for the same, and got it
new_id_twice_at_once() {
	local i first second

	mode "$DEV" famfs
	for i in $(seq 10); do
		unbind "$DEV"
		rm -f "$T/go"
		new_id_when_told &
		first=$!
		new_id_when_told &
		second=$!
		sleep 0.1
		: >"$T/go"
		wait $first && wait $second || fail "round $i: one was refused"
		is famfs mode_of "$DEV"
	done
}

# Writers who wait for an unbind to end find no driver, and all of them bind the
# device then: the first one does so, and the others get what they want
new_id_of_many_after_an_unbind() {
	local i pid drv=$BUS/drivers/device_dax
	local -a pids=()

	pin_seconds 100
	mode "$DEV" devdax
	start p "$DT" pin "/dev/$DEV" 0 rwh
	mark
	store "$drv/unbind" "$DEV" &
	retry log_says "waiting for 1 pinned folio(s) of $DEV"
	for i in 1 2 3 4 5 6; do
		"$DT" try store "$drv/new_id" "$DEV" >"$T/writer$i" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		retry grep -q id_store "/proc/$pid/stack"
	done
	stop p
	wait
	for i in 1 2 3 4 5 6; do
		is OK cat "$T/writer$i"
	done
	is devdax mode_of "$DEV"
}

# A device to come can have any memory, so that fsdev_dax keeps no name for it
name_without_a_device() {
	local name

	quiet
	is ENODEV put $FSDEV/new_id dax99.99
	name=$(new_device 32M)
	delete_device "$name"
	is ENODEV put $FSDEV/new_id "$name"
	is "$name" new_device 32M
	is none mode_of "$name"
	store $BUS/drivers_probe "$name"
	is none mode_of "$name"
	is ENODEV put $FSDEV/bind "$name"
}

# A refused bind does not come about by itself
refused_and_left_alone() {
	quiet
	lost_claim
	is EBUSY put $FSDEV/new_id "$DEV"
	umount "$MNT"
	rmmod device_dax
	modprobe device_dax
	is none mode_of "$DEV"
	override fsdev_dax
	modprobe kmem
	is none mode_of "$DEV"
}

# The next device of this name is another one, with other memory
name_goes_with_the_region() {
	quiet
	unbind "$DEV"
	rmmod device_dax fsdev_dax
	modprobe fsdev_dax
	modprobe device_dax
	store $FSDEV/new_id "$DEV"
	is famfs mode_of "$DEV"
	region_again
	is none mode_of "$DEV"
	store $BUS/drivers_probe "$DEV"
	is none mode_of "$DEV"
	is ENODEV put $FSDEV/bind "$DEV"
}

name_goes_with_the_device() {
	local first second region

	region=$(region_of "$DEV")
	first=$(new_device 32M)
	store $FSDEV/new_id "$first"
	store $FSDEV/unbind "$first"
	store "$BUS/devices/$first/size" 0
	store "$region/delete" "$first"
	second=$(new_device 32M)
	is "$first" echo "$second"
	is ENODEV put $FSDEV/bind "$second"
	is none mode_of "$second"
}

run_tests \
	override_keeps_others_away \
	override_and_loading_the_driver \
	override_goes_with_the_device \
	the_same_error_twice \
	daxctl_says_what_is_wrong \
	new_id_of_a_device_that_another_driver_has \
	new_id_during_an_unbind \
	new_id_before_the_size \
	device_dax_before_the_size \
	new_id_twice_at_once \
	new_id_of_many_after_an_unbind \
	name_without_a_device \
	refused_and_left_alone \
	name_goes_with_the_region \
	name_goes_with_the_device
