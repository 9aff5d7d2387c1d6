#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Names of devices that last: the uuid of persistent memory
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

RULE=/run/udev/rules.d/61-dax-by-id.rules

# namespace: $NS is in devdax mode, $UUID is that, and $PMEM the device
namespace() {
	local dir

	command -v ndctl >/dev/null || skip "no ndctl"
	modprobe -q nd_e820
	modprobe -q dax_pmem || skip "no dax_pmem"
	[ -e /sys/devices/platform/e820_pmem ] ||
		skip "no pmem: boot with memmap=1G!6G, say"
	NS=
	for dir in /sys/bus/nd/devices/namespace*; do
		[[ $(readlink -f "$dir") != */e820_pmem/* ]] || NS=${dir##*/}
	done
	umount /dev/pmem* 2>/dev/null || :
	# shellcheck disable=SC2064
	trap "ndctl destroy-namespace -f $NS; rm -f $RULE" EXIT
	ndctl create-namespace -f -e "$NS" -m devdax >"$T/ns"
	UUID=$(jq -r '[.. | objects | .uuid // empty][0]' "$T/ns")
	PMEM=dax${NS#namespace}
	retry test -e "$BUS/devices/$PMEM"
}

uuid_of_persistent_memory() {
	namespace
	is "$UUID" cat "$BUS/devices/$PMEM/uuid"
	ndctl disable-namespace "$NS"
	ndctl enable-namespace "$NS"
	retry test -e "$BUS/devices/$PMEM"
	is "$UUID" cat "$BUS/devices/$PMEM/uuid"
}

no_uuid() {
	[ ! -e "$BUS/devices/$DEV/uuid" ] || fail "$(<"$BUS/devices/$DEV/uuid")"
}

link_by_id() {
	command -v udevadm >/dev/null || skip "no udev"
	udevadm control --ping --timeout=5 || skip "udev does not run"
	mkdir -p "${RULE%/*}"
	cp "$DIR/61-dax-by-id.rules" $RULE
	udevadm control --reload
	namespace
	retry test "/dev/dax/by-id/$UUID" -ef "/dev/$PMEM"
	# memory that has no uuid gets no link
	udevadm trigger --action=change --settle "$BUS/devices/$DEV"
	is 0 eval 'readlink -f /dev/dax/by-id/* | grep -cx "/dev/$DEV"'
}

run_tests \
	uuid_of_persistent_memory \
	no_uuid \
	link_by_id
