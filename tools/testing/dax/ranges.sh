#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Devices of several ranges that lie apart, and in another order than memory
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

MB=$((1 << 20))

# cut_up NUMBER MB_EACH: $DEV of so many ranges, with gaps, in a wild order
cut_up() {
	local n=$1 each=$2 start size i slot
	local -a list=()

	start=$(region_start "$DEV")
	size=$(<"$(region_of "$DEV")/size")
	[ $((n * each * 2 * MB)) -le "$size" ] ||
		skip "the region is too small for $n ranges"
	for ((i = 0; i < n; i++)); do
		# 5 is prime to every power of two: each slot once
		slot=$(((i * 5 + n / 2) % n * 2 * each * MB + start))
		printf -v slot %x-%x $slot $((slot + each * MB - 1))
		list+=("$slot")
	done
	remap "$DEV" "${list[@]}"
	is $((n * each * MB)) dev_size "$DEV"
	mode "$DEV" famfs
	DEVT=$(<"$BUS/devices/$DEV/dev")
}

undo() {
	unmount_all
	resize "$DEV" "$SIZE"
}

# translate: every range is found, from its first to its last page
translate() {
	local start end pgoff=0 pages

	while read -r start end; do
		pages=$(((end + 1 - start) / 4096))
		is "1 pfn $(printf %#x $((start / 4096)))" \
			probe access "$DEVT" $pgoff 1
		is "$pages pfn $(printf %#x $((start / 4096)))" \
			probe access "$DEVT" $pgoff $pages
		is "1 pfn $(printf %#x $((end / 4096)))" \
			probe access "$DEVT" $((pgoff + pages - 1)) 1
		pgoff=$((pgoff + pages))
	done <<<"$(ranges "$DEV")"
	is ERANGE probe access "$DEVT" $pgoff 1
}

# A request across a gap gets the part before it
short_at_a_gap() {
	cut_up 2 4
	is '1 pfn *' probe access "$DEVT" 1023 512
	is '512 pfn *' probe access "$DEVT" 512 1024
	undo
}

# one file over the whole device
file_over_all_ranges() {
	local size

	mnt "$DEV"
	size=$(dev_size "$DEV")
	mkfile all "$size" "0:0:$size"
	"$DT" fill "$MNT/all" 1
	"$DT" check "$MNT/all" 1
	"$DT" mcheck "$MNT/all" 1
	"$DT" mfill "$MNT/all" 2
	"$DT" check "$MNT/all" 2
	[ "$(stat_of fault_pmd)" -ge $((size / MB / 2)) ] ||
		fail "only $(stat_of fault_pmd) faults of 2 MiB"
	umount "$MNT"
	check_pages "$DEV"
}

two_ranges() {
	cut_up 2 8
	translate
	file_over_all_ranges
	undo
}

sixteen_ranges() {
	cut_up 16 4
	translate
	file_over_all_ranges
	undo
}

# A GiB; once over it has to do
five_hundred_and_twelve_ranges() {
	cut_up 512 2
	is '512 pfn *' probe access "$DEVT" $((511 * 512)) 513
	is ERANGE probe access "$DEVT" $((512 * 512)) 1
	mnt "$DEV"
	mkfile all 1G 0:0:1G
	"$DT" mfill "$MNT/all" 1
	is 512 stat_of fault_pmd
	"$DT" check "$MNT/all" 1
	umount "$MNT"
	check_pages "$DEV"
	undo
}

bytes_across_a_gap() {
	cut_up 4 4
	mnt "$DEV"
	mkfile f 8M 0:1M:8M
	dd if=/dev/urandom of="$T/ref" bs=1M count=8 status=none
	# 3000 bytes at a time, some of which end in the next range
	dd if="$T/ref" of="$MNT/f" bs=3000 conv=notrunc status=none
	cmp "$T/ref" "$MNT/f"
	"$DT" mmapcmp "$MNT/f" "$T/ref"
	# one write over two gaps
	dd if="$T/ref" of="$MNT/f" bs=8M conv=notrunc status=none
	dd if="$MNT/f" of="$T/back" bs=8M status=none
	cmp "$T/ref" "$T/back"
	undo
}

a_huge_page_of_the_file_across_a_gap() {
	cut_up 4 2
	mnt "$DEV"
	mkfile f 6M 0:1M:6M
	"$DT" mfill "$MNT/f" 1
	is 0 stat_of fault_pmd
	"$DT" check "$MNT/f" 1
	undo
}

zero_across_a_gap() {
	cut_up 4 4
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	is OK probe zero "$DEVT" 1000 2100
	"$DT" check "$MNT/f" 1 0 $((1000 * 4096))
	"$DT" iszero "$MNT/f" $((1000 * 4096)) $((2100 * 4096))
	"$DT" check "$MNT/f" 1 $((3100 * 4096)) $((996 * 4096))
	"$DT" fill "$MNT/f" 2
	is OK "$DT" fallocate zero "$MNT/f" 3M 6M
	"$DT" check "$MNT/f" 2 0 3M
	"$DT" iszero "$MNT/f" 3M 6M
	"$DT" check "$MNT/f" 2 9M 7M
	undo
}

# The last range is as small as it can be, which is 2 MiB whatever the alignment:
# less would share a section of struct pages with others, and is refused. A last
# range of one page is dax_range_test.c's.
small_last_range() {
	local start

	start=$(region_start "$DEV")
	unbind "$DEV"
	store "$BUS/devices/$DEV/size" 0
	store "$BUS/devices/$DEV/align" 4096
	remap "$DEV" \
		"$(printf %x-%x $((start + 16 * MB)) $((start + 20 * MB - 1)))" \
		"$(printf %x-%x "$start" $((start + 4 * MB - 1)))"
	is EINVAL put "$BUS/devices/$DEV/mapping" \
		"$(printf %x-%x $((start + 8 * MB)) $((start + 8 * MB + 4095)))"
	is EINVAL put "$BUS/devices/$DEV/mapping" \
		"$(printf %x-%x $((start + 8 * MB)) $((start + 9 * MB - 1)))"
	store "$BUS/devices/$DEV/mapping" \
		"$(printf %x-%x $((start + 8 * MB)) $((start + 10 * MB - 1)))"
	mode "$DEV" famfs
	DEVT=$(<"$BUS/devices/$DEV/dev")
	translate
	file_over_all_ranges
	unbind "$DEV"
	store "$BUS/devices/$DEV/size" 0
	store "$BUS/devices/$DEV/align" $((2 * MB))
	resize "$DEV" "$SIZE"
}

# the same lookup as device_dax's
devdax_sees_the_same() {
	cut_up 4 4
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	umount "$MNT"
	mode "$DEV" devdax
	"$DT" mcheck "/dev/$DEV" 1 0 16M
	"$DT" mfill "/dev/$DEV" 2 6M 4M
	mode "$DEV" famfs
	mnt "$DEV"
	mkfile f 16M 0:0:16M
	"$DT" check "$MNT/f" 1 0 6M
	"$DT" check "$MNT/f" 2 6M 4M
	"$DT" check "$MNT/f" 1 10M 6M
	undo
}

neighbouring_ranges() {
	local start

	start=$(region_start "$DEV")
	remap "$DEV" \
		"$(printf %x-%x $((start + 8 * MB)) $((start + 12 * MB - 1)))" \
		"$(printf %x-%x $((start + 12 * MB)) $((start + 16 * MB - 1)))" \
		"$(printf %x-%x $((start + 4 * MB)) $((start + 8 * MB - 1)))"
	mode "$DEV" famfs
	file_over_all_ranges
	undo
}

run_tests \
	short_at_a_gap \
	two_ranges \
	sixteen_ranges \
	five_hundred_and_twelve_ranges \
	bytes_across_a_gap \
	a_huge_page_of_the_file_across_a_gap \
	zero_across_a_gap \
	small_last_range \
	devdax_sees_the_same \
	neighbouring_ranges
