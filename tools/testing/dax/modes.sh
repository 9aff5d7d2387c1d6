#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every way from one mode of a dax device to another
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

listed_mode() {
	daxctl list -d "$DEV" | jq -r 'if type == "array" then .[0] else . end |
				       .mode'
}

need_daxctl() {
	command -v daxctl >/dev/null || skip "no daxctl"
	command -v jq >/dev/null || skip "no jq"
	daxctl reconfigure-device --help 2>&1 | grep -q famfs ||
		daxctl --version | awk '$1 < 85 { exit 1 }' ||
		skip "this daxctl knows no famfs mode"
}

reconfigure() {
	daxctl reconfigure-device --force --mode="$1" "$DEV"
	is "$1" mode_of "$DEV"
}

daxctl_devdax_famfs_devdax() {
	need_daxctl
	reconfigure devdax
	is devdax listed_mode
	reconfigure famfs
	is famfs listed_mode
	reconfigure devdax
	is devdax listed_mode
}

daxctl_famfs_system_ram_devdax_famfs() {
	need_daxctl
	mode "$DEV" famfs
	modprobe kmem
	reconfigure system-ram
	is system-ram listed_mode
	# daxctl goes there only by way of devdax
	fails daxctl reconfigure-device --force --mode=famfs "$DEV"
	reconfigure devdax
	reconfigure famfs
	is famfs listed_mode
	check_pages "$DEV"
}

daxctl_devdax_system_ram_devdax() {
	need_daxctl
	reconfigure devdax
	modprobe kmem
	reconfigure system-ram
	reconfigure devdax
	is devdax listed_mode
}

sysfs_every_mode_to_every_other() {
	local from to

	modprobe kmem
	for from in devdax famfs system-ram; do
		for to in devdax famfs system-ram; do
			[ $from != $to ] || continue
			mode "$DEV" $from
			mode "$DEV" $to
			echo "$from to $to"
		done
	done
}

system_ram_is_used_and_comes_back() {
	local before

	modprobe kmem
	mode "$DEV" famfs
	before=$(awk '/MemTotal/ { print $2 }' /proc/meminfo)
	mode "$DEV" system-ram
	daxctl online-memory "$DEV" >/dev/null 2>&1 || :
	[ "$(awk '/MemTotal/ { print $2 }' /proc/meminfo)" -gt "$before" ] ||
		fail "no more memory than before"
	mode "$DEV" famfs
	is "$before" awk '/MemTotal/ { print $2 }' /proc/meminfo
	check_pages "$DEV"
}

bind_and_unbind_files() {
	local drv=$BUS/drivers/fsdev_dax i

	mode "$DEV" famfs
	for i in 1 2 3; do
		store $drv/unbind "$DEV"
		is none mode_of "$DEV"
		store $drv/bind "$DEV"
		is famfs mode_of "$DEV"
	done
	store $drv/remove_id "$DEV"
	# the id only counts for what comes next
	is famfs mode_of "$DEV"
	store $drv/unbind "$DEV"
	is ENODEV put $drv/bind "$DEV"
}

twenty_binds_and_unbinds() {
	local i

	for i in $(seq 10); do
		mode "$DEV" famfs
		mode "$DEV" devdax
	done
	mode "$DEV" none
}

never_bound_without_being_told() {
	unbind "$DEV"
	rmmod fsdev_dax
	modprobe fsdev_dax
	is none mode_of "$DEV"
	store $BUS/drivers_probe "$DEV"
	is none mode_of "$DEV"
}

load_order() {
	local first second

	# which would load whatever the devices could need
	if command -v udevadm >/dev/null; then
		trap 'udevadm control --start-exec-queue || :' EXIT
		udevadm control --stop-exec-queue || :
	fi
	for first in fsdev_dax device_dax; do
		second=fsdev_dax
		[ $first = device_dax ] || second=device_dax
		unbind "$DEV"
		rmmod device_dax fsdev_dax dax_hmem
		modprobe $first
		# devices of an idle region are for device_dax by default
		modprobe dax_hmem region_idle=1
		retry test -e "$BUS/devices/$DEV"
		store "$BUS/devices/$DEV/size" $SIZE
		# with fsdev_dax alone there is nobody who would take it
		store $BUS/drivers_probe "$DEV"
		if [ $first = fsdev_dax ]; then
			is none mode_of "$DEV"
		else
			is devdax mode_of "$DEV"
		fi
		modprobe $second
		store $BUS/drivers_probe "$DEV"
		is devdax mode_of "$DEV"
		mode "$DEV" famfs
	done
	unbind "$DEV"
}

# back to a region that is not idle
load_order_undone() {
	unbind "$DEV"
	rmmod dax_hmem
	modprobe dax_hmem region_idle=0
	retry test -e "$BUS/devices/$DEV"
	resize "$DEV" $SIZE
	is none mode_of "$DEV"
}

rmmod_while_nothing_holds() {
	mode "$DEV" famfs
	mnt "$DEV"
	umount "$MNT"
	rmmod fsdev_dax
	is none mode_of "$DEV"
	modprobe fsdev_dax
	mode "$DEV" famfs
	mode "$DEV" devdax
	rmmod device_dax
	is none mode_of "$DEV"
	modprobe device_dax
}

mount_after_each_transition() {
	local from

	modprobe kmem
	for from in devdax system-ram famfs; do
		mode "$DEV" $from
		famfs_mount
		mkfile f 4M 0:0:4M
		"$DT" fill "$MNT/f" 1
		"$DT" mcheck "$MNT/f" 1
		umount "$MNT"
	done
}

run_tests \
	sysfs_every_mode_to_every_other \
	system_ram_is_used_and_comes_back \
	bind_and_unbind_files \
	twenty_binds_and_unbinds \
	never_bound_without_being_told \
	load_order \
	load_order_undone \
	rmmod_while_nothing_holds \
	mount_after_each_transition \
	daxctl_devdax_famfs_devdax \
	daxctl_devdax_system_ram_devdax \
	daxctl_famfs_system_ram_devdax_famfs
