#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A machine that has booted with 75-dax-famfs.rules in /etc, and with kmem, which
# may be built in: the device is in famfs mode, and its memory is not System RAM.
#
# usage: booted.sh [prepare]
#
#   prepare	puts the rule and its program in their places, before udev starts
# shellcheck disable=SC2317,SC2329

if [ "${1:-}" = prepare ]; then
	cd "$(dirname "$0")" || exit 1
	mkdir -p /etc/udev/rules.d /usr/local/sbin
	cp 75-dax-famfs.rules /etc/udev/rules.d
	cp dax-famfs-mode /usr/local/sbin
	exit
fi

. "$(dirname "$0")/lib.sh"

memory() { awk '/MemTotal/ { print $2 }' /proc/meminfo; }

# before the tests touch anything
found=$(basename "$(readlink "/sys/bus/dax/devices/${DEV:=dax0.0}/driver")")
memory=$(memory)

in_famfs_mode() {
	[ -e /etc/udev/rules.d/75-dax-famfs.rules ] || skip "the rule was not there at boot"
	[ -d /sys/module/kmem ] || skip "kmem was not there at boot"
	is fsdev_dax echo "$found"
	is '(null)' cat "$BUS/devices/$DEV/driver_override"
}

memory_is_kept() {
	local size

	size=$(($(dev_size "$DEV") >> 10))
	# the test before has put it away
	modprobe kmem
	mode "$DEV" system-ram
	daxctl online-memory "$DEV" >/dev/null 2>&1 || :
	[ $(($(memory) - memory)) -gt $((size / 2)) ] ||
		fail "$((memory >> 10)) MiB were System RAM after the boot"
	mode "$DEV" famfs
}

has_a_filesystem() {
	mode "$DEV" famfs
	carries_a_file
}

changes_mode() {
	local mode

	for mode in devdax famfs; do
		daxctl reconfigure-device --mode=$mode "$DEV"
		is $mode mode_of "$DEV"
	done
}

run_tests \
	in_famfs_mode \
	memory_is_kept \
	has_a_filesystem \
	changes_mode
