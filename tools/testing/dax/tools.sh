#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Sixteen processes use daxctl, ndctl and sysfs at once, and udev reads what it
# likes. Each of them may be refused; none may hang, and none spoil the devices.
#
# usage: tools.sh [SECONDS]
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pmem.bash"

LIMIT=${1:-${TOOLS_SECONDS:-60}}
# what has begun ends after that, which takes many minutes under KASAN
[ "${TEST_TIMEOUT:-300}" -gt $((2 * LIMIT + 300)) ] ||
	TEST_TIMEOUT=$((2 * LIMIT + 300))

# again NAME COMMAND...: in the background until the time is over; how often
# that went well is in $T/NAME
again() {
	local name=$1 n=0 failed=0
	shift
	while [ $SECONDS -lt "$LIMIT" ]; do
		if "$@" >/dev/null 2>&1; then
			n=$((n + 1))
		else
			failed=$((failed + 1))
		fi
		echo "$n $failed" >"$T/$name.count"
	done
}

list_daxctl() { daxctl list -R -D -M; }
list_ndctl() { ndctl list -R -N -D; }

read_attributes() {
	local dev

	cat "$BUS"/devices/*/* "$BUS"/devices/*/mapping*/* \
		"$BUS"/devices/*/../dax_region/*
	for dev in "$BUS"/devices/*; do
		udevadm info -a "$dev"
	done
	[ -e "$BUS" ]
}

trigger() { udevadm trigger --action=change --subsystem-match=dax; }

# change DEV: from mode to mode, with a mount in between
change() {
	daxctl reconfigure-device --mode=famfs "$1" || return
	mount -t daxtest "/dev/$1" "$T/mnt-$1" && umount "$T/mnt-$1"
	daxctl reconfigure-device --mode=devdax "$1"
}

# Several tools use one device
fight() {
	daxctl reconfigure-device --mode=famfs "$DEV"
	daxctl disable-device "$DEV"
	daxctl reconfigure-device --mode=devdax "$DEV"
}

create_and_destroy() {
	local dev
	dev=$(daxctl create-device -r "$REGION" -s 32M | jq -r '.[0].chardev')
	[ -n "$dev" ] || return 1
	daxctl disable-device "$dev"
	daxctl destroy-device "$dev"
}

use_namespace() {
	ndctl create-namespace -f -e "$NS" -m devdax || return
	ndctl disable-namespace "$NS"
	ndctl enable-namespace "$NS"
	ndctl destroy-namespace -f "$NS"
}

sixteen_at_once() {
	local i n failed name
	local -a names=() devs=()

	command -v daxctl >/dev/null && command -v ndctl >/dev/null ||
		skip "no daxctl or no ndctl"
	command -v jq >/dev/null || skip "no jq"
	REGION=${DEV%.*}
	REGION=${REGION#dax}
	command -v udevadm >/dev/null || skip "no udev"
	modprobe -q nd_e820 && modprobe -q nd_pmem && modprobe -q dax_pmem ||
		skip "no persistent memory"
	[ -e /sys/devices/platform/e820_pmem ] || skip "no namespace"
	NS=$(retry namespace_on e820_pmem)
	# before others create devices: "create" shows the youngest one
	for i in 0 1 2 3; do
		devs+=("$(new_device 32M)")
	done
	SECONDS=0
	bg() {
		names+=("$1")
		again "$@" &
	}
	for i in 1 2; do
		bg daxctl$i list_daxctl
		bg ndctl$i list_ndctl
		bg sysfs$i read_attributes
		bg create$i create_and_destroy
		bg fight$i fight
	done
	for i in 0 1 2 3; do
		mkdir "$T/mnt-${devs[i]}"
		bg change$i change "${devs[i]}"
	done
	bg namespace use_namespace
	bg udev trigger
	[ ${#names[@]} = 16 ]
	wait
	for name in "${names[@]}"; do
		read -r n failed <"$T/$name.count"
		echo "# $name: $n of $((n + failed))" >/dev/kmsg
		case $name in
		fight*) ;;
		*) [ "$n" -gt 0 ] || fail "$name never succeeded" ;;
		esac
	done
	# all is as usable as before
	mode "$DEV" famfs
	carries_a_file
	check_pages "$DEV"
}

run_tests sixteen_at_once
