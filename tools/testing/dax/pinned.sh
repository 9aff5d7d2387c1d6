#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Has the machine go down while memory is pinned that is parked, or that an
# unbind just waits for
#
# usage: pinned.sh reboot|poweroff|kexec parked|waiting
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

go_down() {
	case $1 in
	kexec)
		# the new kernel finds no root, panics, and that ends the guest
		kexec -l "$DIR/bzImage" \
			--command-line="console=ttyS0 panic=-1 root=/dev/none"
		kexec -e
		;;
	*)
		# not every Debian has these without a whole init system
		busybox "$1" -f
		;;
	esac
}

setup
set -e
mode "$DEV" devdax
start p "$DT" pin "/dev/$DEV" 0 rwh
case $2 in
parked)
	store $PIN_TIMEOUT 0
	unbind "$DEV"
	grep -q "$DEV" /sys/kernel/mm/parked_memory
	;;
waiting)
	mark
	unbind "$DEV" &
	retry log_says "waiting for 1 pinned"
	;;
esac
go_down "$1"
sleep 1000
