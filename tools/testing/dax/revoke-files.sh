#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The device goes away while its own character device is open
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/revoke.bash"

# An open file of /dev/daxX.Y, over everything that can happen to the device
open_fd_of_the_device() {
	mode "$DEV" devdax
	exec {FDD}<"/dev/$DEV"
	mode "$DEV" famfs
	exec {FDF}<"/dev/$DEV"
	is ENXIO try mmap - <&"$FDD"
	is ENODEV try mmap - <&"$FDF"
	is OK try read - <&"$FDF"
	unbind_now
	is ENXIO try read - <&"$FDF"
	is ENODEV try mmap - <&"$FDF"
	is ENXIO try mmap - <&"$FDD"
	# a file pins the module that opened it, and nothing else
	fails rmmod fsdev_dax
	fails rmmod device_dax
	mode "$DEV" famfs
	is OK try read - <&"$FDF"
	mode "$DEV" devdax
	is OK try mmap - <&"$FDD"
	is ENODEV try mmap - <&"$FDF"
	exec {FDD}<&-
	mode "$DEV" famfs
	exec {FDF}<&-
	is OK try open "/dev/$DEV"
	unbind_now
	rmmod fsdev_dax
	rmmod device_dax
	modprobe device_dax
	modprobe fsdev_dax
}

# In devdax mode a file can be mapped; whenever else, not, however old it is
old_mapping_of_the_device() {
	mode "$DEV" devdax
	start h "$DT" hold "/dev/$DEV" 2M rwh
	held_file
	tell h w
	is 'BUS_ADRERR *' echo "$HEARD"
	tell h m
	is ENXIO echo "$HEARD"
	"$DT" mcheck "$MNT/f" 1
	umount "$MNT"
	unbind_now
	tell h m
	is ENXIO echo "$HEARD"
	mode "$DEV" devdax
	tell h m
	is OK echo "$HEARD"
	tell h w
	is OK echo "$HEARD"
	unbind_now
	tell h r
	is 'BUS_ADRERR *' echo "$HEARD"
	stop h
}

open_fd_of_a_deleted_device() {
	local second fd

	second=$(new_device 32M)
	mode "$second" famfs
	# on mainline the first open can find no device behind the name
	retry head -c 0 "/dev/$second"
	exec {fd}<"/dev/$second"
	mode "$second" devdax
	start h "$DT" hold "/dev/$second" 0 rwh
	delete_device "$second"
	: >"$T/created"
	exec {fd}<&-
	tell h r
	is 'BUS_ADRERR *' echo "$HEARD"
	tell h m
	is ENXIO echo "$HEARD"
	# the next one of that name is another device
	new_device 32M
	mode "$second" devdax
	tell h m
	is ENXIO echo "$HEARD"
	stop h
}

# A setting of a device does not count for the next one of its name
write_cache_of_a_new_device() {
	local second file default

	second=$(new_device 32M)
	file=$BUS/devices/$second/write_cache
	default=$(<"$file")
	store "$file" $((!default))
	is $((!default)) cat "$file"
	delete_device "$second"
	: >"$T/created"
	is "$second" new_device 32M
	is "$default" cat "$file"
}

run_tests \
	open_fd_of_the_device \
	old_mapping_of_the_device \
	open_fd_of_a_deleted_device \
	write_cache_of_a_new_device
