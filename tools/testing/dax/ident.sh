#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Names of devices that last: the uuid of persistent memory
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pmem.bash"

RULE=/run/udev/rules.d/61-dax-by-id.rules

# devdax_with_uuid: $UUID is that of $PMEM, for as long as the test runs
devdax_with_uuid() {
	modprobe -q dax_pmem || skip "no dax_pmem"
	namespace devdax
	# shellcheck disable=SC2064
	trap "ndctl destroy-namespace -f $NS; rm -f $RULE" EXIT
	UUID=$(jq -r '[.. | objects | .uuid // empty][0]' "$T/ns")
	retry test -e "$BUS/devices/$PMEM"
}

uuid_of_persistent_memory() {
	devdax_with_uuid
	is "$UUID" cat "$BUS/devices/$PMEM/uuid"
	namespace_again
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
	devdax_with_uuid
	retry test "/dev/dax/by-id/$UUID" -ef "/dev/$PMEM"
	# memory that has no uuid gets no link
	udevadm trigger --action=change --settle "$BUS/devices/$DEV"
	is 0 eval 'readlink -f /dev/dax/by-id/* | grep -cx "/dev/$DEV"'
}

run_tests \
	uuid_of_persistent_memory \
	no_uuid \
	link_by_id
