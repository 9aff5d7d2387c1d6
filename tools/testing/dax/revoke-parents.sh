#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The device goes away with its parent, or with a driver
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/revoke.bash"

rmmod_under_a_mount() {
	local how

	for how in careful ignore; do
		held_file revoke=$how
		start h "$DT" hold "$MNT/f" 0 rwh
		rmmod fsdev_dax
		is none mode_of "$DEV"
		is 1 stat_of pre_remove
		tell h r
		is 'BUS_ADRERR *' echo "$HEARD"
		stop h
		nothing_works_any_more
		umount "$MNT"
		modprobe fsdev_dax
	done
}

# parent unbind|bind region|platform|module: takes the device away, and gives it
# back
parent() {
	case $2 in
	region) echo "$PARENT" >"$HMEM/$1" ;;
	platform) echo hmem_platform.0 >"$PLATFORM/hmem_platform/$1" ;;
	module) if [ "$1" = bind ]; then modprobe dax_hmem; else rmmod dax_hmem; fi ;;
	esac
}

# removed_with region|platform|module
removed_with() {
	local how

	PLATFORM=/sys/bus/platform/drivers
	[ -e "$HMEM/$PARENT" ] || skip "not an hmem device"
	# shellcheck disable=SC2064
	trap "parent bind $1 2>/dev/null || :" EXIT
	for how in ignore careful; do
		held_file revoke=$how
		start h "$DT" hold "$MNT/f" 0 rwh
		parent unbind "$1"
		fails test -e "$BUS/devices/$DEV"
		is 1 stat_of pre_remove
		tell h r
		is 'BUS_ADRERR *' echo "$HEARD"
		nothing_works_any_more
		# the new one has nothing to do with it
		parent bind "$1"
		retry test -e "$BUS/devices/$DEV"
		resize "$DEV" "$SIZE"
		new_owner_is_safe h
		stop h
		nothing_works_any_more
		umount "$MNT"
		"$DT" mcheck "/dev/$DEV" 7 0 16M
		famfs_mount
		umount "$MNT"
	done
}

removal_of_the_region() { removed_with region; }
removal_of_the_platform_device() { removed_with platform; }
removal_of_the_region_driver() { removed_with module; }

# while_going COMMAND...: again and again, until the file is gone
while_going() {
	local times=0
	while [ -e "$T/go" ]; do
		! "$@" || times=$((times + 1))
	done 2>/dev/null
	echo $times >"$T/$1.times"
}

create_and_delete() {
	printf 1 >"$REGION/create" && read -r NEW <"$REGION/create" &&
		printf %s "$NEW" >"$REGION/delete"
}

shrink_and_grow() {
	printf 0 >"$BUS/devices/$DEV/size" &&
		printf %s "$SIZE" >"$BUS/devices/$DEV/size"
}

read_mappings() {
	local file
	for file in "$BUS/devices/$DEV"/mapping*/{start,end,page_offset}; do
		read -r _ <"$file"
	done
}

# Nothing is left in between, and nobody waits for another who waits for him
devices_come_while_the_region_goes() {
	local i times

	REGION=$(region_of "$DEV")
	[ -e "$HMEM/$PARENT" ] || skip "$PARENT is not bound to hmem"
	mode "$DEV" none
	touch "$T/go"
	set +e
	while_going create_and_delete &
	while_going shrink_and_grow &
	while_going read_mappings &
	set -e
	for i in {1..20}; do
		sleep "0.0$((RANDOM % 10))"
		store $HMEM/unbind "$PARENT"
		store $HMEM/bind "$PARENT"
	done
	rm "$T/go"
	wait
	for i in create_and_delete shrink_and_grow read_mappings; do
		read -r times <"$T/$i.times"
		[ "$times" -gt 0 ] || fail "$i never worked"
	done
	# as it was at boot
	store $HMEM/unbind "$PARENT"
	store $HMEM/bind "$PARENT"
	resize "$DEV" "$SIZE"
	famfs_mount
	check_pages "$DEV"
}

size_of_the_new_one() { printf 0 >"$BUS/devices/$NEXT/size"; }

# beside COMMAND: again and again, until no_more
beside() {
	touch "$T/go"
	set +e
	while_going "$1" &
	set -e
}

no_more() {
	rm "$T/go"
	wait
}

# A device goes while its size is written
deleting_while_sizes_are_written() {
	REGION=$(region_of "$DEV")
	resize "$DEV" $((SIZE / 2))
	NEXT=$(new_device 0)
	store "$REGION/delete" "$NEXT"
	: >"$T/created"
	beside size_of_the_new_one
	for _ in {1..100}; do
		create_and_delete
		is "$NEXT" echo "$NEW"
	done
	no_more
}

# A range goes while its attributes are read
shrinking_while_mappings_are_read() {
	mode "$DEV" none
	beside read_mappings
	for _ in {1..100}; do
		shrink_and_grow
	done
	no_more
}

# A region goes while its devices are deleted
deleting_while_the_region_goes() {
	local i dev

	REGION=$(region_of "$DEV")
	[ -e "$HMEM/$PARENT" ] || skip "$PARENT is not bound to hmem"
	for i in 1 2 3; do
		resize "$DEV" $((SIZE / 2))
		for dev in {1..20}; do
			store "$REGION/create" 1
		done
		for dev in "$BUS"/devices/"${DEV%.*}".[1-9]*; do
			printf %s "${dev##*/}" >"$REGION/delete" || :
		done 2>/dev/null &
		sleep 0.05
		store $HMEM/unbind "$PARENT"
		wait
		store $HMEM/bind "$PARENT"
	done
}

create_one() { printf 1 >"$REGION/create"; }

# A region goes while it gets more devices
creating_while_the_region_goes() {
	local i

	REGION=$(region_of "$DEV")
	[ -e "$HMEM/$PARENT" ] || skip "$PARENT is not bound to hmem"
	for i in {1..10}; do
		resize "$DEV" $((SIZE / 2))
		beside create_one
		sleep 0.05
		store $HMEM/unbind "$PARENT"
		no_more
		store $HMEM/bind "$PARENT"
	done
}

run_tests \
	rmmod_under_a_mount \
	removal_of_the_region \
	removal_of_the_platform_device \
	removal_of_the_region_driver \
	deleting_while_sizes_are_written \
	shrinking_while_mappings_are_read \
	deleting_while_the_region_goes \
	creating_while_the_region_goes \
	devices_come_while_the_region_goes
