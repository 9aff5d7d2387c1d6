#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# dax_zero_page_range() and dax_recovery_write(), called directly
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/trace.bash"

# One file over the first 16 MiB, full of data
filled_file() {
	famfs_mount
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	DEVT=$(<"$BUS/devices/$DEV/dev")
}

one_page() {
	filled_file
	is OK probe zero "$DEVT" 3 1
	"$DT" check "$MNT/f" 1 0 12K
	"$DT" iszero "$MNT/f" 12K 4K
	"$DT" check "$MNT/f" 1 16K 1M
}

no_pages() {
	filled_file
	is OK probe zero "$DEVT" 3 0
	"$DT" check "$MNT/f" 1
}

many_pages() {
	filled_file
	is OK probe zero "$DEVT" 511 1026
	"$DT" check "$MNT/f" 1 0 $((511 * 4096))
	"$DT" iszero "$MNT/f" $((511 * 4096)) $((1026 * 4096))
	"$DT" check "$MNT/f" 1 $((1537 * 4096)) 4M
}

the_whole_device() {
	filled_file
	is OK probe zero "$DEVT" 0 $((SIZE / 4096))
	"$DT" iszero "$MNT/f" 0 16M
}

too_many_pages() {
	filled_file
	is ERANGE probe zero "$DEVT" 0 $((SIZE / 4096 + 1))
	is ERANGE probe zero "$DEVT" $((SIZE / 4096)) 1
	is ERANGE probe zero "$DEVT" 1 0xffffffffffffffff
}

# Count the work of zeroing: calls of the driver, and memsets, each of them
# flushed
watch_zeroing() {
	# shellcheck disable=SC2016
	trace_start 'zero dax_zero_page_range nr=$arg3:u64' \
		'driver fsdev_dax:fsdev_zero_page_range nr=$arg3:u64' \
		'piece dax_flush size=$arg3:u64'
}

a_huge_page_takes_one_call() {
	filled_file
	watch_zeroing
	is OK "$DT" fallocate zero "$MNT/f" 2M 2M
	is nr=512 traced zero
	is nr=512 traced driver
	is size=2097152 traced piece
	# and the rest of a page by itself, which is no call
	trace_again
	is OK "$DT" fallocate zero "$MNT/f" $(((6 << 20) - 100)) \
		$(((2 << 20) + 200))
	is nr=512 traced zero
	is nr=512 traced driver
	"$DT" iszero "$MNT/f" $(((6 << 20) - 100)) $(((2 << 20) + 200))
	"$DT" check "$MNT/f" 1 4M $(((2 << 20) - 100))
	"$DT" check "$MNT/f" 1 $(((8 << 20) + 100)) 1M
}

# whichever are next to each other in memory
each_range_is_one_piece() {
	local start m=$((1 << 20))

	start=$(region_start "$DEV")
	remap "$DEV" \
		"$(printf %x-%x $((start + 32 * m)) $((start + 36 * m - 1)))" \
		"$(printf %x-%x "$start" $((start + 4 * m - 1)))" \
		"$(printf %x-%x $((start + 16 * m)) $((start + 24 * m - 1)))"
	filled_file
	watch_zeroing
	is OK "$DT" fallocate zero "$MNT/f" 3M 6M
	is nr=1536 traced zero
	is nr=1536 traced driver
	is "size=$m size=$((4 * m)) size=$m" traced piece
	"$DT" check "$MNT/f" 1 0 3M
	"$DT" iszero "$MNT/f" 3M 6M
	"$DT" check "$MNT/f" 1 9M 7M
	trace_again
	is OK probe zero "$DEVT" 0 4096
	is nr=4096 traced driver
	is "size=$((4 * m)) size=$((4 * m)) size=$((8 * m))" traced piece
	trace_stop
	umount "$MNT"
	resize "$DEV" "$SIZE"
}

zeroes_show_in_mappings() {
	filled_file
	start h "$DT" hold "$MNT/f" 0 rwh
	is OK probe zero "$DEVT" 0 512
	"$DT" iszero "$MNT/f" 0 2M
	stop h
}

recovery_write() {
	filled_file
	is 4096 probe recover "$DEVT" 2 4096 7 8192
	"$DT" check "$MNT/f" 1 0 8K
	"$DT" check "$MNT/f" 7 8K 4K
	"$DT" check "$MNT/f" 1 12K 1M
	is 2097152 probe recover "$DEVT" 512 2M 8 2M
	"$DT" check "$MNT/f" 8 2M 2M
	"$DT" check "$MNT/f" 1 4M 12M
}

recovery_access() {
	filled_file
	is '16 pfn *' probe access "$DEVT" 0 16 recovery
}

after_unbind() {
	filled_file
	umount "$MNT"
	mode "$DEV" none
	is ENXIO probe zero "$DEVT" 0 1
	is ENXIO probe recover "$DEVT" 0 4096 7 0
}

run_tests \
	one_page \
	no_pages \
	many_pages \
	the_whole_device \
	too_many_pages \
	a_huge_page_takes_one_call \
	each_range_is_one_piece \
	zeroes_show_in_mappings \
	recovery_write \
	recovery_access \
	after_unbind
