#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# CXL memory in famfs mode: a region that cxl makes, and what becomes of mounts
# and pins when the region, its driver or the card goes away
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/revoke.bash"
. "$(dirname "$0")/park.bash"
. "$(dirname "$0")/poison.bash"
. "$(dirname "$0")/trace.bash"

CXL=/sys/bus/cxl
PCI=/sys/bus/pci
CXL_DEBUG=/sys/kernel/debug/cxl
RULE=/run/udev/rules.d/61-dax-by-id.rules

# The card with volatile memory, its memdev, and the region

# find_card: in $CARD, the first one
find_card() {
	local dir

	for dir in $CXL/devices/mem*; do
		[ -e "$dir/ram/size" ] && [ $(($(<"$dir/ram/size"))) != 0 ] ||
			continue
		dir=$(readlink -f "$dir/..")
		CARD=${dir##*/}
		return 0
	done
	return 1
}

# The number can be another one each time that the card is found
memdev() {
	local dir

	for dir in "$PCI/devices/$CARD"/mem[0-9]*; do
		[ ! -e "$dir" ] || echo "${dir##*/}"
	done
}

memdev_is_active() {
	local mem

	mem=$(memdev)
	[ -n "$mem" ] && [ -e "$CXL/devices/$mem/driver" ] &&
		cxl list -E -m "$mem" | grep -q '"endpoint'
}

# region: its name, and nothing if there is none
region() {
	local dir

	for dir in $CXL/devices/region*; do
		[ ! -e "$dir" ] || echo "${dir##*/}"
	done
}

# root_decoder: a window of the host that reaches the card
root_decoder() {
	cxl list -D -d root -m "$(memdev)" |
		jq -r '[.. | objects | select(.volatile_capable) | .decoder][0]'
}

# quietly COMMAND...: its output is shown if the command fails
quietly() {
	local out

	out=$("$@" 2>&1) || fail "$* says: $out"
}

new_region() {
	quietly cxl create-region -t ram -d "$(root_decoder)" -m "$(memdev)"
}

destroy_region() {
	quietly cxl disable-region "$(region)"
	quietly cxl destroy-region "$(region)"
	is '' region
}

# take_away region|driver|memdev|card|host: with $DEV
take_away() {
	SECONDS=0
	case $1 in
	region) destroy_region ;;
	driver) rmmod dax_cxl ;;
	memdev) quietly cxl disable-memdev --force "$(memdev)" ;;
	card) store "$PCI/devices/$CARD/remove" 1 ;;
	host) rmmod cxl_acpi ;;
	esac
	[ $SECONDS -lt 60 ] || fail "it took $SECONDS s"
	fails test -e "$BUS/devices/$DEV"
}

# bring_back: $DEV, whatever of all this is there
bring_back() {
	local mem

	modprobe -a cxl_acpi dax_cxl
	[ -e "$PCI/devices/$CARD" ] || store $PCI/rescan 1
	retry eval '[ -n "$(memdev)" ]'
	mem=$(memdev)
	memdev_is_active || {
		[ -e "$CXL/devices/$mem/driver" ] || quietly cxl enable-memdev "$mem"
		retry memdev_is_active
	}
	# A region that has lost its memdev is of no use any more, but still
	# there, and cxl does not destroy it
	[ -z "$(region)" ] || [ -e "$CXL/devices/$(region)/driver" ] ||
		store "$CXL/devices/$(region)/../delete_region" "$(region)"
	[ -n "$(region)" ] || new_region
	retry test -e "$BUS/devices/$DEV"
}

# The function that lib.sh calls, to have the device as it was, knows no CXL
eval "part_$(declare -f whole)"
whole() {
	bring_back
	part_whole
}

# The tests

region_attribute() { cat "$CXL/devices/$(region)/$1"; }

# A region of volatile memory has no driver that wants it by itself, but kmem
region_becomes_a_device() {
	destroy_region
	fails test -e "$BUS/devices/$DEV"
	new_region
	retry test -e "$BUS/devices/$DEV"
	is none mode_of "$DEV"
	is free holder
	is "$(($(region_attribute size)))" dev_size "$DEV"
	is "$(region_attribute resource)" cat "$BUS/devices/$DEV/resource"
	[ "$BUS/devices/$DEV/../.." -ef "$CXL/devices/$(region)" ] ||
		fail "$DEV is not below $(region)"
}

# Volatile memory has no uuid: the memory is known by the card that has it
names_that_last() {
	local serial

	fails test -e "$BUS/devices/$DEV/uuid"
	serial=$(($(<"$CXL/devices/$(memdev)/serial")))
	is "$serial" eval 'cxl list -M -r "$(region)" |
			   jq ".. | objects | .serial // empty"'
	command -v udevadm >/dev/null &&
		udevadm control --ping --timeout=5 || return 0
	trap 'rm -f $RULE' EXIT
	mkdir -p "${RULE%/*}"
	cp "$DIR/61-dax-by-id.rules" $RULE
	udevadm control --reload
	udevadm trigger --action=change --settle "$BUS/devices/$DEV"
	is 0 eval 'readlink -f /dev/dax/by-id/* | grep -cx "/dev/$DEV"'
}

listed_mode() {
	daxctl list -d "$DEV" | jq -r '.. | objects | .mode // empty'
}

# reconfigure MODE: by daxctl
reconfigure() {
	quietly daxctl reconfigure-device --force --mode="$1" "$DEV"
	is "$1" mode_of "$DEV"
	is "$1" listed_mode
}

files() {
	reconfigure famfs
	mnt "$DEV"
	mkfile f 64M 0:0:64M
	"$DT" fill "$MNT/f" 1
	"$DT" mcheck "$MNT/f" 1
	"$DT" mfill "$MNT/f" 2
	is OK try fsync "$MNT/f"
	"$DT" check "$MNT/f" 2
	[ "$(stat_of fault_pmd)" -gt 0 ] || fail "no faults of 2 MiB"
	# data that other programs compute, before and after a mount
	head -c 16M /dev/urandom >"$T/f"
	mkfile g 16M 0:64M:16M
	dd if="$T/f" of="$MNT/g" bs=1M conv=notrunc status=none
	cmp "$T/f" "$MNT/g"
	umount "$MNT"
	mnt "$DEV"
	mkfile g 16M 0:64M:16M
	is "$(sha256sum <"$T/f")" eval 'sha256sum <"$MNT/g"'
	umount "$MNT"
	check_pages "$DEV"
}

fio_verifies() {
	local engine

	command -v fio >/dev/null || skip "no fio"
	famfs_mount
	mkfile f 12M 0:2M:5M,0:33M:7M
	for engine in psync mmap libaio; do
		fio --name=v --filename="$MNT/f" --size=12M --bsrange=1k-64k \
			--rw=randwrite --ioengine=$engine --verify=crc32c \
			--allow_file_create=0 --overwrite=0 --fallocate=none \
			--iodepth=8 --thread --minimal >"$T/fio" 2>&1 ||
			fail "$engine: $(<"$T/fio")"
	done
}

mem_total() { awk '/MemTotal/ { print $2 }' /proc/meminfo; }

modes_by_daxctl() {
	local before

	reconfigure famfs
	mnt "$DEV"
	mkfile f 64M 0:0:64M
	"$DT" fill "$MNT/f" 3
	umount "$MNT"
	# the same memory
	reconfigure devdax
	"$DT" mcheck "/dev/$DEV" 3 0 64M
	"$DT" mfill "/dev/$DEV" 4 0 64M
	reconfigure famfs
	mnt "$DEV"
	mkfile f 64M 0:0:64M
	"$DT" check "$MNT/f" 4
	umount "$MNT"
	before=$(mem_total)
	modprobe kmem
	reconfigure system-ram
	[ "$(mem_total)" -gt $((before + SIZE / 2048)) ] ||
		fail "no more memory than before"
	# daxctl goes there by way of devdax only
	fails daxctl reconfigure-device --force --mode=famfs "$DEV"
	reconfigure devdax
	is "$before" mem_total
	reconfigure famfs
	check_pages "$DEV"
	carries_a_file
}

# kmem takes CXL memory as it comes, and gives it back
made_while_kmem_waits() {
	local before

	destroy_region
	before=$(mem_total)
	modprobe kmem
	new_region
	retry bound_to "$DEV" kmem
	retry eval '[ "$(mem_total)" -gt '"$before"' ]'
	reconfigure devdax
	is "$before" mem_total
	reconfigure famfs
	carries_a_file
}

# under_a_mount region|driver|memdev|card: a mapping is no pin that anybody
# waits for
under_a_mount() {
	local how

	pin_seconds 100
	for how in ignore careful; do
		held_file revoke=$how
		start h "$DT" hold "$MNT/f" 0 rwh
		start a "$DT" hold "$MNT/f" 4M rw
		take_away "$1"
		parked
		is 1 stat_of pre_remove
		tell h r
		is 'BUS_ADRERR *' echo "$HEARD"
		tell a w
		is 'BUS_ADRERR *' echo "$HEARD"
		nothing_works_any_more
		# the old claim does not concern the next user of the memory
		whole
		is free holder
		new_owner_is_safe h
		stop h
		stop a
		nothing_works_any_more
		umount "$MNT"
		"$DT" mcheck "/dev/$DEV" 7 0 16M
		works_again
	done
}

region_destroyed_under_a_mount() { under_a_mount region; }
driver_unloaded_under_a_mount() { under_a_mount driver; }
memdev_disabled_under_a_mount() { under_a_mount memdev; }
card_removed_under_a_mount() { under_a_mount card; }
host_driver_unloaded_under_a_mount() { under_a_mount host; }

# The users write to the memory until they have let go of it, and all of that
# reaches the memory
memory_goes_last() {
	local what

	for what in region memdev card; do
		held_file revoke=careful
		trace_start 'unmap memunmap_pages' 'reset cxl_decoder_reset'
		take_away $what
		is 'unmap reset' eval "sed -n 's/^.* \([a-z]*\): (.*/\1/p' \
			$TRACE/trace | uniq | paste -sd ' '"
		trace_stop
		umount "$MNT"
		whole
	done
}

# while_pinned region|driver|memdev|card [MODULE]...: the removal waits as long
# as it was told to, and a new region over the memory is nobody's until the pin
# is gone
while_pinned() {
	local what=$1 driver start
	shift

	pin_seconds 2
	held_file revoke=ignore
	start=$(<"$BUS/devices/$DEV/resource")
	pin_page "$MNT/f" rwh
	mark
	take_away "$what"
	[ $SECONDS -ge 2 ] || fail "it waited $SECONDS s only"
	parked "$DEV"
	is "$start-*$DEV pinned 1 for * s, inode [0-9]* on daxtest" cat $PARKED
	log_says "of $DEV is parked: 1 folio(s) still pinned" ||
		fail "the log does not say that it is parked"
	nothing_works_any_more
	rm "$MNT/f"
	umount "$MNT"
	# the kernel has no reason to put it elsewhere
	bring_back
	is "$start" cat "$BUS/devices/$DEV/resource"
	is parked holder
	for driver in fsdev_dax device_dax "$@"; do
		refused $driver
	done
	# nor is there another way to the memory, and the rest can be used
	store "$BUS/devices/$DEV/size" 0
	is EBUSY put "$BUS/devices/$DEV/mapping" \
		"$(printf '%x-%x' "$start" $((start + SIZE - 1)))"
	[ $(($(region_attribute size))) -lt $((2 * SIZE)) ] || {
		remap "$DEV" "$(printf '%x-%x' $((start + SIZE)) \
			$((start + 2 * SIZE - 1)))"
		mode "$DEV" famfs
		carries_a_file
	}
	parked "$DEV"
	unpin
	is 4096 tail -n 1 "$T/p.out"
	resize "$DEV" 0
	whole
	is free holder
	works_again
}

region_destroyed_while_pinned() { while_pinned region; }
driver_unloaded_while_pinned() { while_pinned driver; }
memdev_disabled_while_pinned() { while_pinned memdev; }
card_removed_while_pinned() { while_pinned card; }

# The pages go, though there is no memory any more
pin_goes_after_the_card() {
	pin_seconds 1
	held_file revoke=careful
	pin_page "$MNT/f"
	take_away card
	parked "$DEV"
	unpin
	nothing_works_any_more
	umount "$MNT"
	whole
	works_again
}

# kmem is asked as soon as there is a new region, and gets it no more than others
pinned_and_wanted_as_memory() {
	local before

	pin_seconds 1
	mode "$DEV" devdax
	pin_page "/dev/$DEV" rwh
	take_away region
	parked "$DEV"
	before=$(mem_total)
	modprobe kmem
	mark
	bring_back
	retry log_says "$DEV: memory is pinned"
	is none mode_of "$DEV"
	is "$before" mem_total
	unpin
	whole
	mode "$DEV" system-ram
	[ "$(mem_total)" -gt "$before" ] || fail "no more memory than before"
	mode "$DEV" none
	works_again
}

# removed_under_load region|memdev|card
removed_under_load() {
	local name

	held_file revoke=careful
	"$DT" faultstorm "$MNT/f" 600 2 >"$T/faults" &
	echo $! >"$T/faults.pid"
	"$DT" iostorm "$MNT/f" 600 2 >"$T/io" &
	echo $! >"$T/io.pid"
	sleep 2
	take_away "$1"
	nothing_works_any_more
	for name in faults io; do
		kill "$(<"$T/$name.pid")"
		wait_for "$T/$name.pid" 30
		# they got to work before, and got errors after
		grep -q 'ok [1-9].* failed [1-9]' "$T/$name" ||
			fail "$(<"$T/$name")"
	done
	umount "$MNT"
	parked
	whole
	works_again
}

region_destroyed_under_load() { removed_under_load region; }
memdev_disabled_under_load() { removed_under_load memdev; }
card_removed_under_load() { removed_under_load card; }

# media_errors: OFFSET LENGTH in the region of each that the card lists
media_errors() {
	cxl list -R -r "$(region)" --media-errors |
		jq -r '.. | objects | .media_errors // empty | .[] |
		       "\(.offset) \(.length)"'
}

# An administrator tells the device of the errors that the card lists
media_errors_by_hand() {
	local inject offset length

	inject=$CXL_DEBUG/$(region)/inject_poison
	[ -e "$inject" ] || skip "the card takes no poison"
	healthy_file
	is '' media_errors
	trap 'put "${inject%/*}/clear_poison" $((M1 + 64)) >/dev/null' EXIT
	store "$inject" $((M1 + 64))
	is "$((M1 + 64)) 64" media_errors
	while read -r offset length; do
		is OK put "$BUS/devices/$DEV/badblocks" "$((offset / 512)) \
$(((offset + length - 1) / 512 - offset / 512 + 1))"
	done < <(media_errors)
	is '2048 8' badblocks
	is 1 stat_of mf_owned
	is EIO try pread "$MNT/f" 1M 4096
	is 'BUS_MCEERR_AR *' "$DT" touch "$MNT/f" 1M r
	"$DT" check "$MNT/f" 1 0 1M
	"$DT" check "$MNT/f" 1 1028K 1M
	# a write of the page has the card forget the error, too
	"$DT" fill "$MNT/f" 2 1M 4K
	is '' badblocks
	is '' media_errors
	"$DT" mcheck "$MNT/f" 2 1M 4K
}

# Before it is known which device the tests are of

has_cxl_memory() {
	modprobe -qa cxl_acpi cxl_pci cxl_mem cxl_port dax_cxl || return
	command -v udevadm >/dev/null && udevadm settle
	find_card
}

no_tests() {
	ktap_print_header
	skip_all "$*"
}

command -v cxl >/dev/null && command -v jq >/dev/null || no_tests "no cxl or no jq"
command -v daxctl >/dev/null || no_tests "no daxctl"
has_cxl_memory || no_tests "no card with volatile CXL memory"
[ -n "$(region)" ] || (new_region) || no_tests "no region can be made"
retry eval 'compgen -G "$CXL/devices/$(region)/dax_region*/dax*.*" >/dev/null'
DEV=$(basename "$CXL/devices/$(region)"/dax_region*/dax*.*)

run_tests \
	region_becomes_a_device \
	names_that_last \
	files \
	fio_verifies \
	modes_by_daxctl \
	made_while_kmem_waits \
	region_destroyed_under_a_mount \
	driver_unloaded_under_a_mount \
	memdev_disabled_under_a_mount \
	card_removed_under_a_mount \
	host_driver_unloaded_under_a_mount \
	memory_goes_last \
	region_destroyed_while_pinned \
	driver_unloaded_while_pinned \
	memdev_disabled_while_pinned \
	card_removed_while_pinned \
	pin_goes_after_the_card \
	pinned_and_wanted_as_memory \
	region_destroyed_under_load \
	memdev_disabled_under_load \
	card_removed_under_load \
	media_errors_by_hand
