#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demo, inside the guest: famfs mode from the administrator's chair. Every
# line after a "#" prompt is a command as it would be typed, followed by what
# it really says; after "=>" stands what was expected of it and whether it
# held. Exit status 0 only if all of it held.
#
# TESTS: where tools/testing/dax is, built

TESTS=${TESTS:-$(cd "$(dirname "$0")/../tools/testing/dax" && pwd)}
PATH=$TESTS:$PATH
MNT=/mnt
held=0 failed=()

title() {
	printf '\n== %s\n\n' "$*"
}

# run COMMAND: as one string; its output is also in $out, its status in $rc
run() {
	printf '# %s\n' "$1"
	out=$(eval "$1" 2>&1)
	rc=$?
	[ -z "$out" ] || printf '%s\n' "$out"
}

# expect WHAT COMMAND...: COMMAND tells whether it holds
expect() {
	local what=$1
	shift
	if "$@"; then
		printf '=> %s: yes\n' "$what"
		held=$((held + 1))
	else
		printf '=> %s: NO (exit status %s)\n' "$what" "$rc"
		failed+=("$what")
	fi
}

ok() { [ "$rc" = 0 ]; }
refused() { [ "$rc" != 0 ]; }
says() { [[ $out == *"$1"* ]]; }
ok_and_says() { ok && says "$1"; }
refused_and_says() { refused && says "$1"; }

# mode_is MODE: what daxctl says now
mode_is() {
	[ "$(daxctl list -d "$DEV" |
	     jq -r 'if type == "array" then .[0] else . end | .mode')" = "$1" ]
}

reconfigure() {
	run "daxctl reconfigure-device --force --mode=$1 $DEV"
	expect "$DEV is in $1 mode" mode_is "$1"
}

number_of() {
	sed -n "s/^$1 //p" <<<"$out"
}

prepare() {
	local mod dev

	modprobe dax_hmem && modprobe device_dax || return
	for mod in daxtest_fs daxtest_probe; do
		modprobe -q $mod || insmod "$TESTS/modules/$mod.ko" || return
	done
	modprobe hwpoison-inject || return
	mountpoint -q /sys/kernel/debug ||
		mount -t debugfs debugfs /sys/kernel/debug || return
	for dev in /sys/bus/dax/devices/*; do
		[ -e "$(readlink -f "$dev")/../dax_region/available_size" ] ||
			continue
		DEV=${dev##*/}
		break
	done
	[ -n "$DEV" ]
}

first_steps() {
	title "A dax device, as it is used so far"
	run "uname -r; daxctl --version"
	reconfigure devdax
	run "daxctl list -d $DEV"
	expect "daxctl lists it in devdax mode" ok_and_says '"devdax"'

	title "Famfs mode"
	reconfigure famfs
	run "daxctl list -d $DEV"
	expect "daxctl lists it in famfs mode" ok_and_says '"famfs"'
	run "readlink /sys/bus/dax/devices/$DEV/driver"
	expect "its driver is fsdev_dax" ok_and_says /fsdev_dax
}

filesystem() {
	title "A filesystem on it"
	run "mount -t daxtest /dev/$DEV $MNT"
	expect "it mounts" ok
	run "daxtest mkfile $MNT/file 8M 0:0:8M"
	expect "there is a file, which is 8 MiB of the device" ok
	run "dd if=/dev/urandom of=/tmp/data bs=1M count=8 status=none"
	run "dd if=/tmp/data of=$MNT/file bs=1M conv=notrunc"
	expect "dd writes it" ok
	run "cmp /tmp/data $MNT/file && echo same"
	expect "it reads back" ok_and_says same
	run "daxtest mmapcmp $MNT/file /tmp/data"
	expect "a program maps it and sees the same" ok_and_says compared
	run "grep fault_p /sys/kernel/debug/daxtest/*/stats"
	expect "by faults of 2 MiB" \
		[ "$(awk '$1 == "fault_pmd" { print $2 }' <<<"$out")" -ge 4 ]
}

refusals() {
	title "What is refused while a filesystem has the device"
	mkdir -p /tmp/other
	run "mount -t daxtest /dev/$DEV /tmp/other"
	expect "a second mount" refused_and_says "cannot claim"
	run "daxtest try mount /dev/$DEV /tmp/other"
	expect "by the errno EBUSY" says EBUSY
	run "daxtest try mmap /dev/$DEV"
	expect "a raw mapping of the device" says ENODEV
	run "dd if=/dev/$DEV of=/dev/null bs=4k count=1"
	expect "a raw read of the device" refused_and_says "busy"
	run "echo \$((1 << 30)) > /sys/bus/dax/devices/$DEV/size"
	expect "another size" refused_and_says busy
}

memory_error() {
	local start offset=$((1 << 20))

	title "A memory error in the file"
	start=$(cat "/sys/bus/dax/devices/$DEV/mapping0/start")
	run "echo $(printf '%#x' $(((start + offset) >> 12))) > /sys/kernel/debug/hwpoison/corrupt-pfn"
	expect "it is injected, 1 MiB into the device" ok
	run "cat /sys/kernel/debug/daxtest/*/stats"
	expect "the filesystem was told" [ "$(number_of memory_failure)" = 1 ]
	expect "at the right offset" [ "$(number_of mf_offset)" = $offset ]
	run "cat /sys/bus/dax/devices/$DEV/badblocks"
	expect "the device remembers it" ok_and_says "2048 8"
	run "dd if=$MNT/file of=/dev/null bs=4k skip=256 count=1"
	expect "the page cannot be read" refused_and_says "Input/output error"
	run "daxtest touch $MNT/file 1M"
	expect "a process that maps it gets SIGBUS" says "BUS_MCEERR_AR"
	run "dd if=$MNT/file of=/dev/null bs=4k skip=257 count=255 status=none"
	expect "its neighbours are well" ok
	run "dd if=/tmp/data of=$MNT/file bs=4k skip=256 seek=256 count=1 conv=notrunc status=none"
	expect "writing the page anew heals it" ok
	run "cmp /tmp/data $MNT/file && echo same"
	expect "the file is whole" ok_and_says same
	run "cat /sys/bus/dax/devices/$DEV/badblocks"
	expect "the device has no bad blocks" [ -z "$out" ]
}

last_steps() {
	title "Back to the other modes"
	run "umount $MNT"
	expect "it unmounts" ok
	reconfigure devdax
	run "daxtest try mmap /dev/$DEV"
	expect "the device can be mapped again" says OK
	run "grep MemTotal /proc/meminfo"
	local before=$out
	reconfigure system-ram
	run "grep MemTotal /proc/meminfo"
	expect "there is more memory" [ "$out" != "$before" ]
	reconfigure devdax
	reconfigure famfs
	run "mount -t daxtest /dev/$DEV $MNT && umount $MNT"
	expect "and it mounts again" ok

	title "The kernel's opinion"
	run "dmesg | complaints"
	expect "no complaints in the log" [ -z "$out" ]
}

prepare || { echo "cannot start: no dax device, or modules missing"; exit 1; }
first_steps
filesystem
refusals
memory_error
last_steps

title "Summary"
printf '%s held, %s did not\n' "$held" "${#failed[@]}"
[ ${#failed[@]} = 0 ] || printf 'did not hold: %s\n' "${failed[@]}"
[ ${#failed[@]} = 0 ]
