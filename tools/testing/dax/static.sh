#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A static device: a pmem namespace in devdax mode, whose data starts at an
# offset into its pages. And pmem as it was: ext4 and xfs with dax.
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/trace.bash"
. "$(dirname "$0")/pmem.bash"
. "$(dirname "$0")/mce.bash"
. "$(dirname "$0")/park.bash"

# static_famfs [OPTIONS OF NDCTL]: $PMEM is a dax device in famfs mode
static_famfs() {
	modprobe -q dax_pmem || skip "no dax_pmem"
	namespace devdax "$@"
	retry test -e "$BUS/devices/$PMEM"
	mode "$PMEM" devdax	# a test that failed may have left an id
	PSIZE=$(dev_size "$PMEM")
	mode "$PMEM" famfs
	DEVT=$(<"$BUS/devices/$PMEM/dev")
}

back() {
	mountpoint -q "$MNT" && umount "$MNT"
	mode "$PMEM" devdax
}

the_kernel_picks_devdax() {
	unbind "$DEV"
	rmmod device_dax fsdev_dax
	modprobe fsdev_dax
	modprobe -q dax_pmem
	namespace devdax
	retry test -e "$BUS/devices/$PMEM"
	# udev may have loaded device_dax meanwhile
	is '@(none|devdax)' mode_of "$PMEM"
	modprobe device_dax
	is devdax mode_of "$PMEM"
}

data_offset() {
	local start

	static_famfs
	start=$(<"$BUS/devices/$PMEM/resource")
	is "1 pfn $(printf %#x $((start / 4096)))" probe access "$DEVT" 0 1
	is "$((PSIZE / 4096)) pfn *" probe access "$DEVT" 0 $((PSIZE / 4096))
	is ERANGE probe access "$DEVT" $((PSIZE / 4096)) 1
	is "$PSIZE" probe size "$DEVT"
	check_pages "$PMEM"
	back
}

files_on_it() {
	static_famfs
	mnt "$PMEM"
	mkfile all "$PSIZE" "0:0:$PSIZE"
	"$DT" fill "$MNT/all" 1
	"$DT" mcheck "$MNT/all" 1
	"$DT" mfill "$MNT/all" 2
	is OK "$DT" try fsync "$MNT/all"
	"$DT" check "$MNT/all" 2
	[ "$(stat_of fault_pmd)" -gt 0 ] || fail "no faults of 2 MiB"
	umount "$MNT"
	check_pages "$PMEM"
	# the metadata of the namespace has not been touched
	mode "$PMEM" devdax
	"$DT" mcheck "/dev/$PMEM" 2 0 16M
	namespace_again
	"$DT" mcheck "/dev/$PMEM" 2 0 16M
}

struct_pages_on_the_device() {
	static_famfs --map=dev
	check_pages "$PMEM"
	mnt "$PMEM"
	mkfile f 8M 0:0:8M
	"$DT" mfill "$MNT/f" 1
	umount "$MNT"
	check_pages "$PMEM"
	back
}

base_pages() {
	static_famfs --align=4096
	check_pages "$PMEM"
	mnt "$PMEM"
	mkfile f 8M 0:0:8M
	"$DT" fill "$MNT/f" 1
	"$DT" mcheck "$MNT/f" 1
	back
}

# Data that the host holds in a cache of its own is not safe after fsync(2)
memory_that_needs_a_command() {
	local ns

	modprobe -q virtio_pmem || skip "no virtio_pmem"
	ns=$(namespace_on virtio) || skip "no virtio-pmem device"
	modprobe -q dax_pmem || skip "no dax_pmem"
	ndctl create-namespace -f -e "$ns" -m devdax >"$T/ns"
	PMEM=dax${ns#namespace}
	retry test -e "$BUS/devices/$PMEM"
	mode "$PMEM" devdax
	"$DT" mfill "/dev/$PMEM" 1 0 4M
	unbind "$PMEM"
	mark
	is EOPNOTSUPP put "$BUS/drivers/fsdev_dax/new_id" "$PMEM"
	log_says "$PMEM.*only safe after" || fail "the log does not say why"
	is '*Operation not supported*' \
		daxctl reconfigure-device --mode=famfs "$PMEM"
	mode "$PMEM" devdax
	"$DT" mcheck "/dev/$PMEM" 1 0 4M
	ndctl destroy-namespace -f "$ns"
}

write_cache() {
	local wc

	static_famfs
	wc=$BUS/devices/$PMEM/write_cache
	is 1 cat "$wc"
	is EINVAL put "$wc" maybe
	store "$wc" 0
	is 0 cat "$wc"
	store "$wc" 1
	back
	# and it is there for volatile memory too, off
	mode "$DEV" famfs
	is 0 cat "$BUS/devices/$DEV/write_cache"
}

# Count what is written back: files as the filesystem has them, and memory
watch_flushing() {
	# shellcheck disable=SC2016
	trace_start fs_dax/dax_writeback_one \
		'flush arch_wb_cache_pmem size=$arg2:u64'
}

# flushed SIZE...: since the last time, and each as an entry of a file
flushed() {
	local size sum=0

	for size; do
		sum=$((sum + size))
	done
	is $sum bytes_flushed
	is $# times dax_writeback_one
	trace_again
}

# write_back_by fsync|msync: of $MNT/f and $MNT/g, each on its own
write_back_by() {
	local m2=2097152

	"$DT" mfill "$MNT/f" 1
	tell h w
	is OK echo "$HEARD"
	trace_again

	put "$WC" 0 >/dev/null
	sync_file "$1" f
	sync_file "$1" g
	flushed
	# nothing is forgotten meanwhile
	put "$WC" 1 >/dev/null
	sync_file "$1" f
	flushed $m2 $m2 $m2 $m2
	sync_file "$1" g
	flushed 4096
	# once is enough
	sync_file "$1" f
	sync_file "$1" g
	flushed
	# reading does not make it dirty, and writing does so again
	tell h r
	sync_file "$1" g
	flushed
	tell h w
	is OK echo "$HEARD"
	sync_file "$1" g
	flushed 4096
}

# sync_file fsync|msync NAME
sync_file() {
	if [ "$1" = fsync ]; then
		is OK "$DT" try fsync "$MNT/$2"
	else
		is OK "$DT" msync "$MNT/$2" 0 "$(stat -c %s "$MNT/$2")"
	fi
}

# files_to_sync DEV
files_to_sync() {
	WC=$BUS/devices/$1/write_cache
	mnt "$1"
	mkfile f 8M 0:0:8M
	mkfile g 1M 0:9M:1M
	start h "$DT" hold "$MNT/g" 8K rw
	watch_flushing
}

fsync_and_msync_write_back() {
	static_famfs
	files_to_sync "$PMEM"
	write_back_by fsync
	write_back_by msync
	# no more than was asked for, but huge pages as a whole
	"$DT" mfill "$MNT/f" 2
	is OK "$DT" msync "$MNT/f" 3M 4K
	flushed 2097152
	is OK "$DT" msync "$MNT/f" 1M 2M
	flushed 2097152
	sync_file fsync f
	flushed 2097152 2097152
	stop h
	umount "$MNT"
	back

	# volatile memory, which other hosts may share, does not by itself
	mode "$DEV" famfs
	files_to_sync "$DEV"
	is 0 cat "$WC"
	"$DT" mfill "$MNT/f" 1
	sync_file fsync f
	sync_file msync g
	flushed
	write_back_by fsync
	write_back_by msync
	put "$WC" 0
}

# with_interrupts NAME: of the processor, at each call that was traced by that
# name, with its flags: of that there is one at least
with_interrupts() {
	local flags

	[ "$(times "$1")" -gt 0 ] || fail "nothing was written back"
	for flags in $(traced "$1"); do
		((${flags#*=} & 0x200)) ||
			fail "memory was written back with interrupts off"
	done
	trace_again
}

# A huge page takes long to write back. While it is locked nobody needs the xarray
# of the file, which is locked with interrupts off.
interrupts_come_while_memory_is_written_back() {
	local revoke

	[ "$(uname -m)" = x86_64 ] || skip "no idea where interrupts are off"
	for revoke in careful ignore; do
		static_famfs
		WC=$BUS/devices/$PMEM/write_cache
		mnt "$PMEM" "revoke=$revoke"
		mkfile f 8M 0:0:8M
		trace_start 'at arch_wb_cache_pmem flags=%flags:x64'
		"$DT" mfill "$MNT/f" 1
		is OK "$DT" try fsync "$MNT/f"
		with_interrupts at
		"$DT" mfill "$MNT/f" 2
		# pages that files share are found by way of each file
		is OK "$DT" mkfile -l "$MNT/g" 2M 0:0:2M
		is OK "$DT" touch "$MNT/g" 0 r
		trace_again
		unbind "$PMEM"
		with_interrupts at
		umount "$MNT"
	done
	mode "$PMEM" famfs
	back

	# what a write replaces or copies, and what truncate takes away
	reflinked -d su=2m,sw=1,cowextsize=512
	put "/sys/block/$PMEM/dax/write_cache" 1
	trace_start 'at arch_wb_cache_pmem flags=%flags:x64'
	in_both mfill g 2 2M 2M
	in_both fill g 3 4M 4K
	in_both mfill g 4 $((4 * 1048576 + 8192)) 4K
	copies g h
	with_interrupts at
	in_both mfill h 5
	trace_again
	in_both fill h 6 3M 4K
	is OK "$DT" fallocate punch "$MNT/h" 6M 4K
	is OK "$DT" fallocate punch "$T/h" 6M 4K
	is OK "$DT" try fsync "$MNT/h"
	with_interrupts at
	same_in_both f g h
	umount "$MNT"
}

# The last one to know what is dirty is the driver
unbinding_writes_back() {
	static_famfs
	files_to_sync "$PMEM"
	"$DT" mfill "$MNT/f" 1 0 2M
	unbind "$PMEM"
	is $((2097152 + 4096)) bytes_flushed
	stop h
	umount "$MNT"
	mode "$PMEM" famfs
	back
}

# Nor does a filesystem know that does not hear of the end of its disk, when the
# disk goes
unbinding_a_disk_writes_back() {
	local disk

	fs_on_pmem ext4 -q -F -b 4096
	mount -t ext4 -o dax "/dev/$PMEM" "$MNT"
	fallocate -l 8M "$MNT/f"
	"$DT" isdax "$MNT/f"
	"$DT" fill "$MNT/f" 1
	sync
	put "/sys/block/$PMEM/dax/write_cache" 1
	watch_flushing
	start h "$DT" hold "$MNT/f" 1M rw
	tell h w
	is OK echo "$HEARD"
	disk=$(readlink -f "/sys/block/$PMEM/device")
	store "$disk/driver/unbind" "${disk##*/}"
	is 4096 bytes_flushed
	stop h
	umount "$MNT"
}

memory_errors_at_the_right_offset() {
	static_famfs
	mnt "$PMEM"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	is OK probe poison "$DEVT" 0
	is 0 stat_of mf_offset
	is OK probe poison "$DEVT" 256
	is $((1 << 20)) stat_of mf_offset
	is 2 stat_of mf_owned
	is EIO "$DT" try pread "$MNT/f" 0 4096
	is EIO "$DT" try pread "$MNT/f" 1M 4096
	"$DT" fill "$MNT/f" 2
	"$DT" check "$MNT/f" 2
	back
}

# ndctl succeeds, and looks for no mount of a dax device
says_who_lost_it() {
	log_says "$PMEM: taken away from daxtest /dev/$PMEM: .* unmount it" ||
		fail "the log does not say from whom"
}

# namespace_lost REVOKE: under mappings of both sizes
namespace_lost() {
	static_famfs
	mnt "$PMEM" "revoke=$1"
	mkfile f 4M 0:0:4M
	mkfile g 1M 0:5M:1M
	start h "$DT" hold "$MNT/f" 0 rwh
	start i "$DT" hold "$MNT/g" 4K rw
	is 1 stat_of fault_pmd
	is 1 stat_of fault_pte
	mark
	ndctl disable-namespace "$NS"
	is 1 stat_of pre_remove
	says_who_lost_it
	for who in h i; do
		tell $who r
		is 'BUS_ADRERR *' echo "$HEARD"
		tell $who w
		is 'BUS_ADRERR *' echo "$HEARD"
	done
	is '@(EIO|ENXIO)' "$DT" try pread "$MNT/f" 0 4096
	stop h
	stop i
	umount "$MNT"
	ndctl enable-namespace "$NS"
	retry test -e "$BUS/devices/$PMEM"
	back
}

namespace_goes_away_under_a_mount() {
	local who

	namespace_lost ignore
	namespace_lost careful
}

namespace_is_destroyed_under_a_mount() {
	static_famfs
	mnt "$PMEM"
	mkfile f 4M 0:0:4M
	mark
	ndctl destroy-namespace -f "$NS"
	says_who_lost_it
	[ ! -e "$BUS/devices/$PMEM" ] || fail "$PMEM is there still"
	is '@(EIO|ENXIO)' "$DT" try pread "$MNT/f" 0 4096
	umount "$MNT"
}

# destroyed_while_pinned MODE: nobody has the memory before the pin is gone
destroyed_while_pinned() {
	static_famfs
	pin_seconds 1
	if [ "$1" = famfs ]; then
		mnt "$PMEM" revoke=ignore
		mkfile f 4M 0:0:4M
		"$DT" fill "$MNT/f" 1
		pin_page "$MNT/f" rwh
	else
		mode "$PMEM" "$1"
		pin_page "/dev/$PMEM" rwh
	fi
	SECONDS=0
	in_time ndctl destroy-namespace -f "$NS"
	[ $SECONDS -lt 60 ] || fail "it took $SECONDS s"
	[ ! -e "$BUS/devices/$PMEM" ] || fail "$PMEM is there still"
	parked "$PMEM"
	[ "$1" != famfs ] || umount "$MNT"
	fails ndctl create-namespace -f -e "$NS" -m devdax >"$T/ns" 2>&1
	fails ndctl create-namespace -f -e "$NS" -m fsdax >"$T/ns" 2>&1
	unpin
	is 4096 tail -n 1 "$T/p.out"
	static_famfs
	check_pages "$PMEM"
	back
}

namespace_is_destroyed_while_pinned() {
	destroyed_while_pinned famfs
	destroyed_while_pinned devdax
}

# A holder that does it right, on pmem, with files in several groups
xfs_loses_its_device() {
	local disk

	fs_on_pmem xfs -q -f -m reflink=0,rmapbt=1
	mount -t xfs -o dax "/dev/$PMEM" "$MNT"
	fallocate -l 8M "$MNT/f"
	"$DT" isdax "$MNT/f"
	"$DT" mfill "$MNT/f" 1
	start h "$DT" hold "$MNT/f" 0 rwh
	# ndctl does not dare to while it is mounted
	disk=$(readlink -f "/sys/block/$PMEM/device")
	store "$disk/driver/unbind" "${disk##*/}"
	# it is shut down, and does not have to find out by itself
	fails mkdir "$MNT/d" 2>/dev/null
	tell h r
	is 'BUS_ADRERR *' echo "$HEARD"
	stop h
	is EIO "$DT" try pread "$MNT/f" 0 4096
	umount "$MNT"
	namespace_again
	mount -t xfs -o dax "/dev/$PMEM" "$MNT"
	umount "$MNT"
}

# xfs_file: f, whose page at 1 MiB can have a memory error
xfs_file() {
	command -v filefrag >/dev/null || skip "no filefrag"
	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	fs_on_pmem xfs -q -f -m reflink=0,rmapbt=1
	mount -t xfs -o dax "/dev/$PMEM" "$MNT"
	fallocate -l 8M "$MNT/f"
	"$DT" isdax "$MNT/f"
	"$DT" fill "$MNT/f" 1
}

# xfs_page_goes_bad: that one. The driver, whose record comes from the platform,
# knows first, as it would from a machine check.
xfs_page_goes_bad() {
	local block disk

	block=$(filefrag -e -b4096 "$MNT/f" |
		awk '$1 == "0:" { print $4 + 256 }')
	store "/sys/block/$PMEM/badblocks" "$((block * 8)) 8"
	disk=$(readlink -f "/sys/block/$PMEM/device")
	is OK put /sys/kernel/debug/hwpoison/corrupt-pfn \
		$(($(<"$disk/resource") / 4096 + block))
}

# Another filesystem that handles them
xfs_with_a_memory_error() {
	xfs_file
	start h "$DT" hold "$MNT/f" 1M r
	start early "$DT" hold "$MNT/f" 1M rwhe
	start near "$DT" hold "$MNT/f" $((4096 + (1 << 20))) rwhe
	xfs_page_goes_bad
	tell early b
	is 'BUS_MCEERR_AO offset 0x100000 lsb 12' echo "$HEARD"
	tell h b
	is OK echo "$HEARD"
	tell h r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
	tell early r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
	is EIO "$DT" try pread "$MNT/f" 1M 4096
	tell near b
	is OK echo "$HEARD"
	tell near w
	is OK echo "$HEARD"
	is 4096 "$DT" try pread "$MNT/f" $((4096 + (1 << 20))) 4096
	stop h
	stop early
	stop near
}

# file_on FS [OPTIONS OF MKFS]: $MNT/f, of 8 MiB; $BLOCK is that at 1 MiB, and
# $PFN its page
file_on() {
	command -v filefrag >/dev/null || skip "no filefrag"
	fs_on_pmem "$@"
	mount -t "$1" -o dax "/dev/$PMEM" "$MNT"
	fallocate -l 8M "$MNT/f"
	"$DT" isdax "$MNT/f"
	"$DT" fill "$MNT/f" 1
	sync
	BLOCK=$(filefrag -e -b4096 "$MNT/f" |
		awk '$1 == "0:" { print $4 + 256 }')
	PFN=$(<"$(readlink -f "/sys/block/$PMEM/device")/resource")
	PFN=$(printf %#x $((PFN / 4096 + BLOCK)))
}

ext4_file() { file_on ext4 -q -F -b 4096; }

# ext4_machine_check platform|nobody: who tells pmem, besides the kernel
ext4_machine_check() {
	can_check_machine
	ext4_file
	start early "$DT" hold "$MNT/f" 1M rwe
	[ "$1" = nobody ] ||
		store "/sys/block/$PMEM/badblocks" "$((BLOCK * 8)) 8"
	trace_machine_checks
	scrubbed "$PFN"
	is "$((BLOCK * 8)) 8" cat "/sys/block/$PMEM/badblocks"
	tell early b
	is 'BUS_MCEERR_AO offset 0x100000 lsb 12' echo "$HEARD"
	is EIO "$DT" try pread "$MNT/f" 1M 4096
	is EIO "$DT" try fsync "$MNT/f"
	is OK "$DT" try fsync "$MNT/f"
	"$DT" fill "$MNT/f" 2 1M 4K
	is '' cat "/sys/block/$PMEM/badblocks"
	hidden_once
	is "pfn=$PFN" traced in
	"$DT" check "$MNT/f" 2 1M 4K
	tell early w
	is OK echo "$HEARD"
	is OK "$DT" try fsync "$MNT/f"
	stop early
	umount "$MNT"
}

# A filesystem that does not hear of errors, and what happens to the page all
# the same. As before, the platform knows.
ext4_with_a_machine_check() { ext4_machine_check platform; }

# As on pmem that no firmware describes
ext4_with_an_error_that_nobody_reports() { ext4_machine_check nobody; }

# What is dirty in a page that left the direct map cannot be written back
fsync_after_a_machine_check() {
	can_check_machine
	ext4_file
	put "/sys/block/$PMEM/dax/write_cache" 1
	"$DT" touch "$MNT/f" 1M rw
	# shellcheck disable=SC2016
	trace_machine_checks 'flush arch_wb_cache_pmem size=$arg2:u64'
	found_bad "$PFN"
	retry is "pfn=$PFN" traced out
	for_all_cpus 1
	"$DT" try fsync "$MNT/f" >"$T/fsync"
	is 0 bytes_flushed
	is EIO cat "$T/fsync"
	is OK "$DT" try fsync "$MNT/f"
	store "/sys/block/$PMEM/badblocks" "$((BLOCK * 8)) 8"
	"$DT" fill "$MNT/f" 2 1M 4K
	is OK "$DT" try fsync "$MNT/f"
	umount "$MNT"
}

# A page that cannot become good, as the write is to a part of it
ext4_with_a_bad_page_written_in_part() {
	ext4_file
	store "/sys/block/$PMEM/badblocks" "$((BLOCK * 8)) 8"
	is EIO "$DT" try pread "$MNT/f" 1M 4096
	is EIO "$DT" try pwrite "$MNT/f" $(((1 << 20) + 100)) 8
	is 4096 "$DT" try pwrite "$MNT/f" 1M 4096
	is '' cat "/sys/block/$PMEM/badblocks"
	umount "$MNT"
}

# Of a write that ends in a bad page, the whole pages before that are written
ext4_with_a_bad_page_at_the_end_of_a_write() {
	local m=$((1 << 20)) badblocks sectors

	ext4_file
	badblocks=/sys/block/$PMEM/badblocks
	# all of the three pages are bad, or the last one from its middle on
	for sectors in "$((BLOCK * 8)) 24" "$((BLOCK * 8 + 20)) 4"; do
		store "$badblocks" "$sectors"
		is EIO "$DIR/halfbuf" "$MNT/f" $((m + 8192)) 1808 2 1808
		is 8192 "$DIR/halfbuf" "$MNT/f" $m 10000 2 10000
		is EIO "$DT" try pread "$MNT/f" $((m + 8192)) 4096
		"$DT" fill "$MNT/f" 1 1M 12288
		is '' cat "$badblocks"
		# the end of a write needs no heal if its page is good
		store "$badblocks" "$((BLOCK * 8)) 8"
		is 10000 "$DIR/halfbuf" "$MNT/f" $m 10000 2 10000
		is '' cat "$badblocks"
		"$DT" fill "$MNT/f" 1 1M 12288
	done
	"$DT" mcheck "$MNT/f" 1
	umount "$MNT"
}

# injected_error FS [OPTIONS OF MKFS]: of which pmem has no record, since no
# machine has told of it
injected_error() {
	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	file_on "$@"
	# somebody else reports what ext4 does not know, of a page that is in use
	start h "$DT" hold "$MNT/f" 1M r
	start errors "$DT" fserror "$MNT"
	is OK put /sys/kernel/debug/hwpoison/corrupt-pfn "$PFN"
	hear errors
	is 'EIO 1' echo "$HEARD"
	is 4096 "$DT" try pwrite "$MNT/f" 1M 4096
	put "/sys/block/$PMEM/dax/write_cache" 1
	watch_flushing
	"$DT" touch "$MNT/f" 1M rw
	"$DT" touch "$MNT/f" 2M rw
	"$DT" touch "$MNT/f" 3M rw
	trace_again
	is OK "$DT" try fsync "$MNT/f"
	flushed 4096 4096 4096
	stop h
	umount "$MNT"
}

ext4_with_an_error_that_was_injected() { injected_error ext4 -q -F -b 4096; }

xfs_with_an_error_that_was_injected() {
	injected_error xfs -q -f -m reflink=0,rmapbt=1
	injected_error xfs -q -f -m reflink=0,rmapbt=0
	injected_error xfs -q -f -m reflink=1,rmapbt=0
}

# lost_on_disk FS [OPTIONS OF MKFS]: data that was not written back
lost_on_disk() {
	local fd

	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	file_on "$@"
	put "/sys/block/$PMEM/dax/write_cache" 1
	exec {fd}<>"$MNT/f"
	"$DT" touch "$MNT/f" 1M rw
	store "/sys/block/$PMEM/badblocks" "$((BLOCK * 8)) 8"
	is OK put /sys/kernel/debug/hwpoison/corrupt-pfn "$PFN"
	is OK "$DT" try close - <&"$fd"
	is EIO "$DT" try fsync - <&"$fd"
	is OK "$DT" try fsync - <&"$fd"
	is EIO "$DT" try syncfs - <&"$fd"
	is OK "$DT" try syncfs - <&"$fd"
	exec {fd}<&-
	"$DT" fill "$MNT/f" 2 1M 4K
	"$DT" touch "$MNT/f" 1M rw
	is OK "$DT" try fsync "$MNT/f"
	umount "$MNT"
}

ext4_tells_of_lost_data() { lost_on_disk ext4 -q -F -b 4096; }

xfs_tells_of_lost_data() {
	lost_on_disk xfs -q -f -m reflink=0,rmapbt=1
	lost_on_disk xfs -q -f -m reflink=1,rmapbt=0
}

# disk_again ERRORS: what the disk knows when it comes back
disk_again() {
	namespace_again
	is "$1" cat "/sys/block/$PMEM/badblocks"
}

# An error that only memory_failure() saw: the bus of persistent memory knows it
# for the next driver
disk_with_an_error_comes_back() {
	can_check_machine
	ext4_file
	start early "$DT" hold "$MNT/f" 1M re
	trace_machine_checks
	scrubbed "$PFN"
	hidden_once
	trace_stop
	is "$((BLOCK * 8)) 8" cat "/sys/block/$PMEM/badblocks"
	stop early
	umount "$MNT"
	disk_again "$((BLOCK * 8)) 8"
	disk_again "$((BLOCK * 8)) 8"
	mount -t ext4 -o dax "/dev/$PMEM" "$MNT"
	is EIO "$DT" try pread "$MNT/f" 1M 4096
	"$DT" fill "$MNT/f" 2 1M 4K
	is '' cat "/sys/block/$PMEM/badblocks"
	umount "$MNT"
	disk_again ''
}

# Nobody wants to hear of it early, and nobody reads it all the same
xfs_with_a_memory_error_that_nobody_hears_of() {
	xfs_file
	start h "$DT" hold "$MNT/f" 1M r
	xfs_page_goes_bad
	tell h b
	is OK echo "$HEARD"
	tell h r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
	stop h
}

# Both want the superblock: whoever comes first, the other one has an end, too
umount_while_xfs_loses_its_device() {
	local disk i pid drv=/sys/bus/nd/drivers/nd_pmem

	fs_on_pmem xfs -q -f -m reflink=0,rmapbt=1
	disk=$(readlink -f "/sys/block/$PMEM/device")
	disk=${disk##*/}
	for i in $(seq 0 11); do
		mount -t xfs -o dax "/dev/$PMEM" "$MNT"
		fallocate -l 8M "$MNT/f"
		"$DT" mfill "$MNT/f" "$i"
		# which of them is to be late, and how much
		if [ $((i % 2)) = 0 ]; then
			umount "$MNT" &
			pid=$!
			sleep "0.0$((i / 2))"
			store $drv/unbind "$disk"
			wait $pid
		else
			put $drv/unbind "$disk" >"$T/unbound" &
			pid=$!
			sleep "0.0$((i / 2))"
			umount "$MNT"
			wait $pid
			is OK cat "$T/unbound"
		fi
		store $drv/bind "$disk"
		retry test -e "/dev/$PMEM"
	done
	mount -t xfs -o dax "/dev/$PMEM" "$MNT"
	"$DT" mfill "$MNT/f" 1
	"$DT" check "$MNT/f" 1
	umount "$MNT"
}

# Unmount takes apart what a memory error is looked up in
umount_while_xfs_has_memory_errors() {
	local disk first i

	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	fs_on_pmem xfs -q -f -m reflink=0,rmapbt=1
	disk=$(readlink -f "/sys/block/$PMEM/device")
	first=$(($(<"$disk/resource") / 4096))
	mount -t xfs -o dax "/dev/$PMEM" "$MNT"
	fallocate -l 64M "$MNT/f"
	umount "$MNT"
	for i in {1..30}; do
		mount -t xfs -o dax "/dev/$PMEM" "$MNT"
		"$DT" touch "$MNT/f" $((i * 65536)) r
		put /sys/kernel/debug/hwpoison/corrupt-pfn \
			$((first + 60000 + i)) >"$T/put" &
		umount "$MNT"
		wait $!
	done
}

# Extents that begin anywhere, and pages that are copied one by one
xfs_with_reflink() {
	local m=$((1 << 20))

	reflinked
	same_in_both f g

	# a page, a part of some, and more than a huge page
	in_both fill f 2 1M 4K
	in_both fill g 3 $((m + 100)) 5000
	in_both fill g 4 $((3 * m - 10)) $((4 * m))
	same_in_both f g
	in_both mfill f 5 2M 2M
	in_both mfill g 6 10M 2M
	in_both mfill f 7 $((8 * m + 4096 - 8)) 16
	in_both mfill g 8 $((8 * m + 100)) $((m + 5000))
	same_in_both f g

	# a page mapped for writing becomes shared, and both are written again
	start h "$DT" hold "$MNT/f" 5M rw
	start i "$DT" hold "$MNT/f" 6M rwh
	in_both fill f 9
	copies f e
	same_in_both f e
	tell h w
	is OK echo "$HEARD"
	tell i w
	is OK echo "$HEARD"
	"$DT" touch "$T/f" 5M rw
	"$DT" touch "$T/f" 6M rw
	same_in_both e f g
	stop h
	stop i
	# and it is the same on the medium
	umount "$MNT"
	mount -t xfs -o dax "/dev/$PMEM" "$MNT"
	same_in_both e f g
	umount "$MNT"
}

# Extents at which a huge page can be mapped. It stays one if it is copied as a
# whole.
xfs_with_reflink_of_huge_pages() {
	reflinked -d su=2m,sw=1,cowextsize=512
	trace_start fs_dax/dax_pmd_fault_done
	same_in_both f g
	is 12 pmd_faults
	trace_again
	in_both mfill f 2 2M 2M
	in_both mfill g 3 8M 4M
	is 3 pmd_faults
	same_in_both f g
	in_both fill f 4 4M 2M
	in_both fill g 5 4M 4M
	same_in_both f g
	copies g e
	in_both mfill g 6 2M 4M
	same_in_both e f g
	umount "$MNT"
	mount -t xfs -o dax "/dev/$PMEM" "$MNT"
	same_in_both e f g
	umount "$MNT"
}

# minors MAJOR: of the dax devices there are, with no character device of their own
minors() {
	local major=$1 minor

	for minor in $(seq 0 31); do
		[ ! -e "/sys/dev/char/$major:$minor" ] || continue
		[ "$(probe lookup "$major:$minor")" != OK ] || echo "$minor"
	done
}

# Two pieces of the disk, each a target, the second one from before the first
device_mapper() {
	local major minor dm=/dev/mapper/daxtest

	command -v dmsetup >/dev/null || skip "no dmsetup"
	modprobe -q dm-mod || skip "no device mapper"
	namespace fsdax
	retry test -e "/dev/$PMEM"
	major=$(cut -d: -f1 "$BUS/devices/$DEV/dev")
	minors "$major" >"$T/minors"
	trap 'unmount_all; dmsetup remove --retry daxtest' EXIT
	dmsetup create daxtest <<-END
	0 65536 linear /dev/$PMEM 131072
	65536 65536 linear /dev/$PMEM 0
	END
	minor=$(minors "$major" | grep -vxFf "$T/minors")

	# pages 8190 and 8191 of the first, 0 to 2 of the second
	tr '\0' x </dev/zero | dd of=$dm bs=1M count=64 iflag=fullblock \
		oflag=direct status=none
	is OK probe zero "$major:$minor" 8190 5
	blockdev --flushbufs $dm
	cmp -n $((5 * 4096)) -i $((8190 * 4096)):0 $dm /dev/zero
	is x dd if=$dm bs=1 skip=$((8190 * 4096 - 1)) count=1 status=none
	is x dd if=$dm bs=1 skip=$((8195 * 4096)) count=1 status=none
	blockdev --flushbufs "/dev/$PMEM"
	cmp -n $((3 * 4096)) "/dev/$PMEM" /dev/zero
	is EIO probe zero "$major:$minor" 16383 2

	mkfs.ext4 -q -F -b 4096 $dm
	mount -t ext4 -o dax $dm "$MNT"
	grep -q "$dm.*dax" /proc/mounts
	fallocate -l 8M "$MNT/f"
	"$DT" isdax "$MNT/f"
	"$DT" mfill "$MNT/f" 1
	"$DT" check "$MNT/f" 1
}

map_and_remove_copies() {
	local n

	for n in {1..15}; do
		cp --reflink=always "$MNT/f" "$MNT/$1"
		"$DT" mcheck "$MNT/$1" 1
		rm "$MNT/$1"
	done
}

# Each has a file of its own, and the pages in common
xfs_with_reflink_by_two() {
	reflinked
	map_and_remove_copies a &
	map_and_remove_copies b
	wait $!
	rm "$MNT/g"
	"$DT" mcheck "$MNT/f" 1
	umount "$MNT"
}

# The pieces of a device that a mapper makes have another order than its blocks,
# and so files that share blocks have their copies in other pieces
xfs_with_reflink_in_pieces() {
	local m=$((1 << 20)) piece=192 n i
	local dm=/dev/mapper/daxtest

	command -v dmsetup >/dev/null || skip "no dmsetup"
	command -v mkfs.xfs >/dev/null || skip "no mkfs.xfs"
	modprobe -q dm-mod || skip "no device mapper"
	modprobe -q xfs || grep -qw xfs /proc/filesystems || skip "no xfs"
	namespace fsdax
	retry test -e "/dev/$PMEM"
	trap 'unmount_all; dmsetup remove --retry daxtest' EXIT
	# 384 MiB of 96 KiB each; 5 is prime to their number
	n=4096
	for ((i = 0; i < n; i++)); do
		echo $((i * piece)) $piece linear "/dev/$PMEM" \
			$((i * 5 % n * piece))
	done | dmsetup create daxtest
	mkfs.xfs -q -f -m reflink=1 $dm >/dev/null
	mount -t xfs -o dax $dm "$MNT"
	fallocate -l 8200K "$MNT/f"
	"$DT" isdax "$MNT/f"
	truncate -s 8200K "$T/f"
	in_both fill f 1
	copies f g
	# whole pages, and parts of them
	in_both fill g 2 1M 2M
	in_both fill g 3 $((4 * m + 100)) 1M
	in_both mfill g 4 $((6 * m - 100)) 300K
	same_in_both f g
	copies f h
	xfs_io -c 'funshare 0 8200K' "$MNT/h"
	same_in_both f h
	# equal they are, and then not
	is '*deduped*' xfs_io -c "dedupe $MNT/h 0 0 8200K" "$MNT/f"
	in_both fill h 5 8M 4K
	is '*did not match*' xfs_io -c "dedupe $MNT/h 0 0 8200K" "$MNT/f"
	same_in_both f g h
	umount "$MNT"
}

# The lowest number that no dax device has, those of disks included
next_minor() {
	local region dev
	region=$(region_of "$DEV")
	store "$region/create" 1
	dev=$(<"$region/create")
	cut -d : -f 2 "$BUS/devices/$dev/dev"
	store "$region/delete" "$dev"
}

# A target that logs what is written, the log on the other half of the disk
zeroing_through_dm_log_writes() {
	local major minor

	command -v dmsetup >/dev/null || skip "no dmsetup"
	modprobe -q dm-mod || skip "no device mapper"
	modprobe -q dm-log-writes || skip "no dm-log-writes"
	namespace fsdax
	retry test -e "/dev/$PMEM"
	major=$(cut -d: -f1 "$BUS/devices/$DEV/dev")
	trap no_disk EXIT
	dmsetup create daxtest-0 --table "0 65536 linear /dev/$PMEM 0"
	dmsetup create daxtest-1 --table "0 65536 linear /dev/$PMEM 65536"
	minor=$(next_minor)
	dmsetup create daxtest --table \
		"0 65536 log-writes /dev/mapper/daxtest-0 /dev/mapper/daxtest-1"
	# the number that was free then, or one more if it was not free again yet
	for minor in $(seq "$minor" 63); do
		[ -e "/sys/dev/char/$major:$minor" ] ||
			[ "$(probe lookup "$major:$minor")" != OK ] || break
	done
	is OK probe zero "$major:$minor" 0 1
	is OK probe zero "$major:$minor" 0 5
}

# Of two filesystems on a disk the first has dax, and the second leaves nothing
a_second_filesystem_on_the_disk() {
	local second=$T/second minor i lock

	command -v sfdisk >/dev/null || skip "no sfdisk"
	command -v mkfs.xfs >/dev/null || skip "no mkfs.xfs"
	modprobe -q xfs || grep -qw xfs /proc/filesystems || skip "no xfs"
	mkdir "$second"
	namespace fsdax
	ndctl disable-namespace "$NS"
	# the number of a device that has just gone is free a moment later
	minor=$(for i in {1..10}; do
		next_minor
		sleep 0.2
	done | sort -n | head -n 1)
	ndctl enable-namespace "$NS"
	retry test -e "/dev/$PMEM"
	# udev reads the table again, and its partitions are gone meanwhile,
	# unless somebody has the lock
	exec {lock}<"/dev/$PMEM"
	flock $lock
	printf ',350M\n,350M\n' | sfdisk -q "/dev/$PMEM"
	for i in 1 2; do
		retry test -e "/dev/${PMEM}p$i"
		mkfs.xfs -q -f -m reflink=0 "/dev/${PMEM}p$i"
	done
	mount -t xfs -o dax "/dev/${PMEM}p1" "$MNT"
	exec {lock}<&-
	touch "$MNT/f"
	"$DT" isdax "$MNT/f"
	for i in 1 2 3; do
		mount -t xfs -o dax "/dev/${PMEM}p2" "$second"
		touch "$second/f"
		fails "$DT" isdax "$second/f"
		umount "$second"
	done
	umount "$MNT"
	ndctl disable-namespace "$NS"
	# its number is free when the last reader is gone
	retry is "$minor" next_minor
	ndctl enable-namespace "$NS"
}

# Filesystems that claim nothing, on other partitions of the disk, are not taken for
# the one that has the claim
files_that_share_on_other_partitions() {
	local i lock name

	command -v sfdisk >/dev/null || skip "no sfdisk"
	command -v mkfs.xfs >/dev/null || skip "no mkfs.xfs"
	command -v mkfs.erofs >/dev/null || skip "no mkfs.erofs"
	modprobe -q xfs || grep -qw xfs /proc/filesystems || skip "no xfs"
	modprobe -q erofs || grep -qw erofs /proc/filesystems || skip "no erofs"
	mkdir "$T/2" "$T/3" "$T/image"
	truncate -s 2M "$T/image/a"
	"$DT" fill "$T/image/a" 1
	cp "$T/image/a" "$T/image/b"
	mkfs.erofs --chunksize=4096 "$T/erofs" "$T/image" >"$T/mkfs" 2>&1
	namespace fsdax
	retry test -e "/dev/$PMEM"
	# as above
	exec {lock}<"/dev/$PMEM"
	flock $lock
	printf ',350M\n,100M\n,100M\n' | sfdisk -q "/dev/$PMEM"
	for i in 1 2 3; do
		retry test -e "/dev/${PMEM}p$i"
	done
	mkfs.xfs -q -f -m reflink=0 "/dev/${PMEM}p1"
	mount -t xfs -o dax "/dev/${PMEM}p1" "$MNT"
	touch "$MNT/f"
	"$DT" isdax "$MNT/f"
	for i in 2 3; do
		dd if="$T/erofs" of="/dev/${PMEM}p$i" bs=1M conv=fsync \
			status=none
		mount -t erofs -o dax "/dev/${PMEM}p$i" "$T/$i"
		"$DT" isdax "$T/$i/a"
		for name in a b; do
			start $name$i "$DT" hold "$T/$i/$name" 1M r
			is 'ready OK' echo "$HEARD"
		done
	done
	exec {lock}<&-
	for i in 2 3; do
		stop a$i
		stop b$i
		umount "$T/$i"
	done
	umount "$MNT"
}

# what_stays_is_written_back TYPE OPTIONS OF MKFS: of a file that changes
# elsewhere
what_stays_is_written_back() {
	fs_on_pmem "$@"
	mount -t "$1" -o dax "/dev/$PMEM" "$MNT"
	fallocate -l 8M "$MNT/f"
	"$DT" isdax "$MNT/f"
	"$DT" fill "$MNT/f" 1
	is OK "$DT" try fsync "$MNT/f"
	store "/sys/block/$PMEM/dax/write_cache" 1
	watch_flushing

	stored_and_changed "$DT" fallocate punch "$MNT/f" 4M 4K
	stored_and_changed truncate -s $((8 * 1048576 - 4096)) "$MNT/f"
	[ "$1" != xfs ] ||
		stored_and_changed cp --reflink=always "$MNT/f" "$MNT/g"
	umount "$MNT"
}

# stored_and_changed COMMAND...: no more than a MiB of the file
stored_and_changed() {
	"$DT" mfill "$MNT/f" 2
	trace_again
	"$@" >/dev/null
	is OK "$DT" try fsync "$MNT/f"
	[ "$(bytes_flushed)" -ge $((7 << 20)) ] ||
		fail "$(bytes_flushed) bytes are written back after: $*"
}

what_stays_is_written_back_on_ext4() {
	what_stays_is_written_back ext4 -q -F -b 4096
}

what_stays_is_written_back_on_xfs() {
	what_stays_is_written_back xfs -q -f -m reflink=1
}

# truncated_beside_a_mapping TYPE OPTIONS OF MKFS: the file is mapped anew while
# truncate waits for a pin, and the end of the pin is not that of the page's use
truncated_beside_a_mapping() {
	local pid

	fs_on_pmem "$@"
	mount -t "$1" -o dax "/dev/$PMEM" "$MNT"
	fallocate -l 8M "$MNT/f"
	"$DT" fill "$MNT/f" 1
	start h "$DT" hold "$MNT/f" 2M rw
	start p "$DT" pin "$MNT/f" 2M rw
	truncate -s 0 "$MNT/f" &
	pid=$!
	sleep 2
	! gone $pid || fail "truncate did not wait for the pin"
	tell h r
	is OK echo "$HEARD"
	stop p
	retry gone $pid
	wait $pid
	tell h r
	is 'BUS_ADRERR *' echo "$HEARD"
	stop h
	umount "$MNT"
}

truncated_beside_a_mapping_on_ext4() {
	truncated_beside_a_mapping ext4 -q -F -b 4096
}

truncated_beside_a_mapping_on_xfs() {
	truncated_beside_a_mapping xfs -q -f -m reflink=1
}

ext4_with_dax() { fs_on_pmem ext4 -q -F -b 4096; }
xfs_with_dax() { fs_on_pmem xfs -q -f -m reflink=0; }

run_tests \
	the_kernel_picks_devdax \
	data_offset \
	files_on_it \
	struct_pages_on_the_device \
	base_pages \
	memory_that_needs_a_command \
	write_cache \
	fsync_and_msync_write_back \
	interrupts_come_while_memory_is_written_back \
	unbinding_writes_back \
	unbinding_a_disk_writes_back \
	memory_errors_at_the_right_offset \
	namespace_goes_away_under_a_mount \
	namespace_is_destroyed_under_a_mount \
	namespace_is_destroyed_while_pinned \
	device_mapper \
	zeroing_through_dm_log_writes \
	ext4_with_dax \
	xfs_with_dax \
	what_stays_is_written_back_on_ext4 \
	what_stays_is_written_back_on_xfs \
	truncated_beside_a_mapping_on_ext4 \
	truncated_beside_a_mapping_on_xfs \
	a_second_filesystem_on_the_disk \
	files_that_share_on_other_partitions \
	xfs_with_reflink \
	xfs_with_reflink_of_huge_pages \
	xfs_with_reflink_by_two \
	xfs_with_reflink_in_pieces \
	ext4_with_a_bad_page_written_in_part \
	ext4_with_a_bad_page_at_the_end_of_a_write \
	xfs_loses_its_device \
	umount_while_xfs_loses_its_device \
	xfs_with_a_memory_error \
	ext4_with_an_error_that_was_injected \
	xfs_with_an_error_that_was_injected \
	ext4_tells_of_lost_data \
	xfs_tells_of_lost_data \
	disk_with_an_error_comes_back \
	xfs_with_a_memory_error_that_nobody_hears_of \
	umount_while_xfs_has_memory_errors \
	ext4_with_a_machine_check \
	ext4_with_an_error_that_nobody_reports \
	fsync_after_a_machine_check
