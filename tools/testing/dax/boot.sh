#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The mode of a device at boot, by a rule of udev, with kmem in the system. The
# test repeats the steps of a boot: all drivers are unloaded, and udev hears of
# the platform devices.
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

RULE=/run/udev/rules.d/75-dax-famfs.rules

# rule ADDRESS: as it is shipped, but for the address and the program's place
rule() {
	command -v udevadm >/dev/null || skip "no udev"
	udevadm control --ping --timeout=5 || skip "udev does not run"
	trap 'rm -f $RULE; udevadm control --reload' EXIT
	mkdir -p "${RULE%/*}"
	sed "s,0x100000000,$1,; s,/usr/local/sbin,$DIR," \
		"$DIR/75-dax-famfs.rules" >$RULE
	grep -q "$1.*$DIR/dax-famfs-mode" $RULE
	udevadm control --reload
}

unload_all() {
	unbind "$DEV"
	store "$BUS/devices/$DEV/size" 0
	[ ! -d /sys/module/kmem ] || rmmod kmem
	rmmod fsdev_dax device_dax dax_hmem
}

boot() {
	udevadm trigger --type=devices --action=add --subsystem-match=platform
	udevadm settle --timeout=60
	retry test -e "$BUS/devices/$DEV"
	udevadm settle --timeout=60
	if grep -q "modprobe.blacklist=.*kmem" /proc/cmdline; then
		modprobe kmem
	fi
	retry test -d /sys/module/kmem
}

usable() {
	is famfs mode_of "$DEV"
	is '(null)' cat "$BUS/devices/$DEV/driver_override"
	carries_a_file
	daxctl reconfigure-device --mode=devdax "$DEV"
	is devdax mode_of "$DEV"
}

address() { printf %#x "$(region_start "$DEV")"; }

# So it was without
no_rule() {
	rule 0x123456789000
	unload_all
	boot
	retry is system-ram mode_of "$DEV"
}

by_a_rule() {
	rule "$(address)"
	unload_all
	boot
	retry is famfs mode_of "$DEV"
	usable
}

# as if it were built in: the memory is System RAM before udev hears of it
kmem_was_first() {
	local before

	rule "$(address)"
	before=$(awk '/MemTotal/ { print $2 }' /proc/meminfo)
	modprobe kmem
	mode "$DEV" system-ram
	[ "$(awk '/MemTotal/ { print $2 }' /proc/meminfo)" -gt "$before" ] ||
		daxctl online-memory "$DEV"
	udevadm trigger --action=add --settle "$BUS/devices/$DEV"
	is famfs mode_of "$DEV"
	is "$before" awk '/MemTotal/ { print $2 }' /proc/meminfo
	usable
}

device_dax_was_first() {
	rule "$(address)"
	mode "$DEV" devdax
	udevadm trigger --action=add --settle "$BUS/devices/$DEV"
	usable
}

# A new device has no memory yet, and is not the device that the rule is for,
# though it shows the address of the region
new_device_is_left_alone() {
	local region new

	rule "$(address)"
	region=$(region_of "$DEV")
	mark
	store "$region/create" 1
	new=$(<"$region/create")
	echo "$new" >>"$T/created"
	udevadm settle --timeout=60
	is "$(address)" cat "$BUS/devices/$new/resource"
	is '(null)' cat "$BUS/devices/$new/driver_override"
	is none mode_of "$new"
	# the program clears driver_override, and complains if nothing is bound
	! log_says "dax-famfs-mode: $new" || fail "the rule took $new"
}

run_tests \
	no_rule \
	by_a_rule \
	new_device_is_left_alone \
	kmem_was_first \
	device_dax_was_first
