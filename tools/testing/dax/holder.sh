#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The holder of a device: the "holder" attribute, and the warning when the
# device is taken away
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

FSDEV=$BUS/drivers/fsdev_dax

holder() { cat "$BUS/devices/${1:-$DEV}/holder"; }

# warnings: how many the kernel gave since mark
warnings() { dmesg | sed "1,/$MARK/d" | grep -c 'taken away from' || :; }

# watch_holder: says "ready", and a line whenever it changed
watch_holder() {
	command -v python3 >/dev/null || skip "no python3"
	start w python3 -uc '
import select, sys
f = open(sys.argv[1])
f.read()
print("ready")
p = select.poll()
p.register(f, select.POLLPRI | select.POLLERR)
while True:
    if not p.poll(50000):
        print("nothing")
    f.seek(0)
    print(f.read().strip())' "$BUS/devices/$DEV/holder"
}

in_every_state() {
	mode "$DEV" famfs
	is free holder
	mnt "$DEV"
	is "held daxtest /dev/$DEV" holder
	store $FSDEV/unbind "$DEV"
	is "lost daxtest /dev/$DEV" holder
	mode "$DEV" devdax
	is "lost daxtest /dev/$DEV" holder
	umount "$MNT"
	is free holder
	# mainline's filesystems do not say who they are
	mode "$DEV" famfs
	is OK probe get 0 "$(cat "$BUS/devices/$DEV/dev")"
	is held holder
	store $FSDEV/unbind "$DEV"
	is lost holder
	is OK probe put 0
	is free holder
}

of_each_device_of_a_mount() {
	local second

	second=$(new_device 32M)
	mode "$second" famfs
	famfs_mount "daxdev=/dev/$second"
	is "held daxtest /dev/$DEV" holder "$second"
	store $FSDEV/unbind "$second"
	is "lost daxtest /dev/$DEV" holder "$second"
	is "held daxtest /dev/$DEV" holder
	umount "$MNT"
	is free holder "$second"
	is free holder
}

# A source may be called anything: the line stays one
of_a_strange_source() {
	mode "$DEV" famfs
	ln -s "/dev/$DEV" "$T/a"$'\n'"held b"
	mount -c -t daxtest "$T/a"$'\n'"held b" "$MNT"
	is 1 eval 'holder | wc -l'
	is 'held daxtest *[?]held b' holder
}

can_be_polled() {
	mode "$DEV" famfs
	watch_holder
	mnt "$DEV"
	hear w
	is "held daxtest /dev/$DEV" echo "$HEARD"
	store $FSDEV/unbind "$DEV"
	hear w
	is "lost daxtest /dev/$DEV" echo "$HEARD"
	umount "$MNT"
	hear w
	is free echo "$HEARD"
}

# taken_away_by COMMAND...: it succeeds, and the log says who suffers
taken_away_by() {
	famfs_mount
	mark
	"$@"
	is 1 warnings
	log_says "$DEV: taken away from daxtest /dev/$DEV: .* unmount it" ||
		fail "the log does not say from whom"
	umount "$MNT"
	is 1 warnings
}

warning_of_unbind() { taken_away_by store $FSDEV/unbind "$DEV"; }

warning_of_the_region() {
	[ -e "$HMEM/$PARENT" ] || skip "the device is not of dax_hmem"
	taken_away_by store $HMEM/unbind "$PARENT"
}

# daxctl 85 looks for no mounts, and ends with 0
warning_of_daxctl() {
	command -v daxctl >/dev/null || skip "no daxctl"
	taken_away_by daxctl reconfigure-device --force --mode=devdax "$DEV"
	is devdax mode_of "$DEV"
	taken_away_by daxctl disable-device "$DEV"
	# it unbinds and binds again even if the mode is right
	taken_away_by_the_same_mode
}

taken_away_by_the_same_mode() {
	famfs_mount
	mark
	is '*Device or resource busy*' \
		daxctl reconfigure-device --mode=famfs "$DEV"
	is 1 warnings
	is none mode_of "$DEV"
	is "lost daxtest /dev/$DEV" holder
}

# destroy DEV: as an administrator who does not take no for an answer
destroy() {
	daxctl destroy-device -f "$1"
	[ ! -e "$BUS/devices/$1" ] || fail "$1 is there still"
}

warning_of_destroying() {
	local second

	command -v daxctl >/dev/null || skip "no daxctl"
	second=$(new_device 32M)
	DEV=$second taken_away_by destroy "$second"
}

# Nobody needs to be told
no_warning() {
	mark
	famfs_mount
	umount "$MNT"
	store $FSDEV/unbind "$DEV"
	mode "$DEV" devdax
	mode "$DEV" none
	is 0 warnings
}

run_tests \
	in_every_state \
	of_each_device_of_a_mount \
	of_a_strange_source \
	can_be_polled \
	warning_of_unbind \
	warning_of_the_region \
	warning_of_daxctl \
	warning_of_destroying \
	no_warning
