#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Files that share their blocks: xfs with dax on persistent memory, and the
# filesystem of the tests.
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/trace.bash"
. "$(dirname "$0")/pmem.bash"
. "$(dirname "$0")/absent.bash"

M=$((1 << 20))
K4=4096
HUGE_BLOCKS="-d su=2m,sw=1,cowextsize=512"

# xfs [OPTIONS OF MKFS]: made, and mounted at $MNT
xfs() {
	command -v mkfs.xfs >/dev/null || skip "no mkfs.xfs"
	modprobe -q xfs || grep -qw xfs /proc/filesystems || skip "no xfs"
	namespace fsdax
	retry test -e "/dev/$PMEM"
	mkfs.xfs -q -f -m reflink=1 "$@" "/dev/$PMEM" >/dev/null
	mount -t xfs -o dax "/dev/$PMEM" "$MNT"
}

# two_files [OPTIONS OF MKFS]: f and g of 12 MiB share all their blocks; $T has
# files that are what they must be
two_files() {
	xfs "$@"
	fallocate -l 12M "$MNT/f"
	"$DT" isdax "$MNT/f"
	truncate -s 12M "$T/f"
	in_both fill f 1
	copies f g
}

again() {
	umount "$MNT"
	mount -t xfs -o dax "/dev/$PMEM" "$MNT"
}

# told NAME LINE: and it can
told() {
	tell "$1" "$2"
	is OK echo "$HEARD"
}

# written FILE OFFSET ACCESS: a word in both
written() {
	is OK "$DT" touch "$MNT/$1" "$2" "$3"
	is OK "$DT" touch "$T/$1" "$2" rw
}

# A file that has a huge page keeps it when a page of that is mapped by itself
base_page_of_a_huge_one() {
	# shellcheck disable=SC2086
	two_files $HUGE_BLOCKS
	trace_start fs_dax/dax_pmd_fault_done
	holds h f 2M rh
	is 1 pmd_faults
	is OK "$DT" touch "$MNT/f" $((2 * M + K4)) r
	is OK "$DT" touch "$MNT/f" 2M r
	told h r
	same_in_both f
	stop h
	# nothing is left when it is gone, or clear_inode() stops right there
	rm "$MNT/f"
	same_in_both g
	again
	same_in_both g
}

# The file gives up its huge entry when one page of that is written, because the
# file then gets a copy of that page only
base_page_of_a_huge_one_is_copied() {
	local off

	# shellcheck disable=SC2086
	two_files $HUGE_BLOCKS
	trace_start fs_dax/dax_pmd_fault_done
	holds h f 2M rh
	holds i g 4M rh
	is 2 pmd_faults
	for off in 0 $K4 $((2 * M - K4)); do
		in_both mfill f 2 $((2 * M + off)) 4K
		in_both mfill g 3 $((4 * M + off)) 100
	done
	told h r
	told i r
	same_in_both f g
	is OK "$DT" try fsync "$MNT/f"
	is OK "$DT" try fsync "$MNT/g"
	in_both mfill f 4 0 6M
	same_in_both f g
	stop h
	stop i
	again
	same_in_both f g
	rm "$MNT/f"
	same_in_both g
}

# One file has a huge page where the other has small ones, whichever file was
# first; and one of the files goes away
pages_of_two_sizes() {
	local who

	# shellcheck disable=SC2086
	two_files $HUGE_BLOCKS
	trace_start fs_dax/dax_pmd_fault_done
	holds h f 2M rh
	holds i g $((2 * M + K4)) r
	holds j g 4M r
	is 1 pmd_faults
	holds k f $((4 * M + K4)) rh
	is 1 pmd_faults
	holds l g 6M rh
	holds m f $((6 * M + K4)) r
	is 2 pmd_faults
	same_in_both f g
	for who in h i j k l m; do
		told $who r
		stop $who
	done
	rm "$MNT/g"
	# it is not shared any more
	in_both mfill f 2 $((6 * M + 2 * K4)) 8K
	written f $((6 * M + K4)) rws
	written f $((2 * M + K4)) rws
	in_both mfill f 3 4M 4M
	same_in_both f
	is OK "$DT" try fsync "$MNT/f"
	again
	same_in_both f
	rm "$MNT/f"
}

# Faults of both sizes in both files, while one of them is made and removed
faults_of_two_sizes() {
	local i off

	# shellcheck disable=SC2086
	two_files $HUGE_BLOCKS
	for i in {1..8}; do
		copies f e
		"$DT" mcheck "$MNT/e" 1 4096 4M &
		for off in 1 2 3 4 5; do
			is OK "$DT" touch "$MNT/f" $((off * M + off * K4)) r
		done
		"$DT" mcheck "$MNT/f" 1
		wait $!
		rm "$MNT/e" "$T/e"
	done
	same_in_both f g
}

# block_of FILE PAGE: in the disk
block_of() {
	command -v filefrag >/dev/null || skip "no filefrag"
	filefrag -e -b4096 "$MNT/$1" | awk -v page="$2" '$1 ~ /^[0-9]+:$/ {
		gsub(/[.:]/, " ")
		if ($2 <= page && page <= $3)
			print $4 + page - $2
	}'
}

# bad_block FILE PAGE: the driver knows that it is
bad_block() {
	store "/sys/block/$PMEM/badblocks" "$(($(block_of "$1" "$2") * 8)) 8"
	is EIO "$DT" try pread "$MNT/$1" $(($2 * K4)) 4096
}

# all_that_is_free: files named c.1 and so on have it
all_that_is_free() {
	local len n=0

	sync
	for len in 16M 1M 64K 4K; do
		while fallocate -l $len "$MNT/c.$n" 2>/dev/null; do
			n=$((n + 1))
		done
	done
	rm -f "$MNT/c.$n"
}

# each_free COMMAND SEED
each_free() {
	local file

	for file in "$MNT"/c.*; do
		"$DT" "$1" "$file" "$2"
	done
}

# The page that was to become a copy is somebody else's when that has failed
copy_that_cannot_be_made() {
	local small huge

	two_files -d size=300m
	bad_block f 256
	small=$("$DT" touch "$MNT/g" 1M rw) || :
	huge=$("$DT" touch "$MNT/g" 1M rwh) || :
	# its new owner shows whether something is wrong with the page
	all_that_is_free
	each_free mfill 2
	"$DT" mcheck "$MNT/g" 1 0 1M
	rm "$MNT/g"
	each_free mcheck 2
	rm "$MNT"/c.*
	"$DT" mcheck "$MNT/f" 1 2M 2M
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$small"
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$huge"
}

# The filesystem cannot make copies a part of the file that was to get them: the
# file stays as it is, and those who write are told
copy_that_does_not_get_into_the_file() {
	# shellcheck disable=SC2086
	two_files $HUGE_BLOCKS
	holds h g 1M r
	instead xfs_reflink_end_cow result=-5
	trap 'rmmod daxtest_instead' EXIT
	is 'BUS_* offset 0x100000 *' "$DT" touch "$MNT/g" 1M rw
	is 'BUS_* offset 0x200000 *' "$DT" touch "$MNT/g" 2M rwh
	is 'BUS_* offset 0x101000 *' "$DT" touch "$MNT/g" $((M + K4)) rws
	is EIO "$DT" try pwrite "$MNT/g" 4M 8192
	is EIO "$DT" try pwrite "$MNT/g" $((4 * M + 100)) 8
	is EIO "$DT" fallocate zero "$MNT/g" $((6 * M + 1024)) 1024
	is '*Input/output error*' xfs_io -c 'funshare 8m 64k' "$MNT/g"
	rmmod daxtest_instead
	trap - EXIT
	told h r
	same_in_both f g
	in_both mfill g 2 1M 2M
	in_both fill g 3 4M 64K
	same_in_both f g

	# what is in the file already is counted
	instead xfs_reflink_end_cow result=-5 after=1
	trap 'rmmod daxtest_instead' EXIT
	is 65536 "$DT" try pwrite "$MNT/g" 4M 131072
	is EIO "$DT" try pwrite "$MNT/g" $((4 * M + 65536)) 4096
	rmmod daxtest_instead
	trap - EXIT
	is 65536 "$DT" try pwrite "$T/g" 4M 65536
	same_in_both f g
	told h r
	stop h
	again
	same_in_both f g
}

# share_64K OFFSET: f and g of 12 MiB share 64 KiB from there on. The rest of g is
# its own, but xfs also copies blocks within 4 MiB of one that is shared, as soon as
# any of these is written.
share_64K() {
	local name

	xfs -d su=2m,sw=1,cowextsize=1024
	for name in f g; do
		fallocate -l 12M "$MNT/$name"
		truncate -s 12M "$T/$name"
		in_both fill $name 1
	done
	"$DT" isdax "$MNT/g"
	xfs_io -c "reflink $MNT/f $1 $1 64k" "$MNT/g"
}

# beside_shared: the first 64 KiB, and a trace of what is flushed
beside_shared() {
	share_64K 0
	store "/sys/block/$PMEM/dax/write_cache" 1
	# shellcheck disable=SC2016
	trace_start fs_dax/dax_pmd_fault_done \
		'flush arch_wb_cache_pmem size=$arg2:u64'
}

# fails_with FUNCTION=RESULT OFFSET LENGTH: a write to g does, because the function
# returns that
fails_with() {
	instead "${1%=*}" result="${1#*=}"
	trap 'rmmod daxtest_instead' EXIT
	is EIO "$DT" try pwrite "$MNT/g" "$2" "$3"
	rmmod daxtest_instead
	trap - EXIT
}

# What is dirty is written back in the end, whatever becomes of a copy
failed_copy_loses_nothing() {
	beside_shared
	in_both mfill g 2 1M 64K
	in_both fill g 3 0 4K
	trace_again
	is 4096 "$DIR/halfbuf" "$MNT/g" $((M + 2 * K4)) 16384 7 4096
	# all of it is in the new blocks, which the file does not get
	fails_with xfs_reflink_end_cow=-5 $((M + 8 * K4)) 16384
	# nothing is
	fails_with dax_copy_from_iter=0 1M 8192
	is OK "$DT" try fsync "$MNT/g"
	# but for the page that has been written anew
	[ "$(bytes_flushed)" -ge $((15 * K4)) ] ||
		fail "$(bytes_flushed) bytes are written back"
	"$DT" check "$MNT/g" 2 1M 8192
	"$DT" check "$MNT/g" 2 $((M + 3 * K4)) $((13 * K4))
	same_in_both f
}

# The file keeps a page that is pinned, and truncation waits for the pin
pinned_page_stays_if_the_copy_fails() {
	local pid

	beside_shared
	start p "$DT" pin "$MNT/g" $((M + K4)) rw
	in_both fill g 3 0 4K
	fails_with xfs_reflink_end_cow=-5 $((M + K4)) 4096
	truncate -s 1M "$MNT/g" &
	pid=$!
	sleep 2
	! gone $pid || fail "somebody else can get a page that is pinned"
	stop p
	wait $pid
	truncate -s 1M "$T/g"
	same_in_both f g
}

# The rest of a huge page is as dirty as before
copy_of_a_part_of_a_huge_page() {
	beside_shared
	in_both mfill g 2 2M 2M
	is 1 pmd_faults
	in_both fill g 3 0 4K
	trace_again
	in_both fill g 4 3M 4K
	is OK "$DT" try fsync "$MNT/g"
	[ "$(bytes_flushed)" -ge $((2 * M - K4)) ] ||
		fail "$(bytes_flushed) bytes are written back"
	same_in_both f g
	again
	same_in_both f g
}

# A write beyond the end of a file zeroes the rest of the last page, and copies
# that for it: the file does not have the old page afterwards, nor does anybody who
# has mapped the file. It can be a page of another file.
copy_of_the_last_page() {
	beside_shared
	# the less is free, the less there is to fill
	fallocate -l 600M "$MNT/rest"
	truncate -s $((M + 100)) "$MNT/g"
	truncate -s $((M + 100)) "$T/g"
	holds h g 1M rw
	"$DT" touch "$T/g" 1M rw
	in_both fill g 3 0 4K
	in_both fill g 4 $((M + 2 * K4)) 4K
	in_both fill g 5 1M 100
	all_that_is_free
	each_free mfill 6
	told h w
	"$DT" touch "$T/g" 1M rw
	same_in_both f g
	each_free mcheck 6
	stop h
	again
	same_in_both f g
}

# rss_of PID FILE: KiB of it that the process has mapped
rss_of() {
	awk -v file="$2" '/^[0-9a-f]+-/ { on = $NF == file }
		on && /^Rss:/ { n += $2 } END { print n + 0 }' "/proc/$1/smaps"
}

# The filesystem has not got that far. Threads of the process could write to the
# copy, or pin it, while it may still become somebody else's.
copy_is_mapped_when_the_file_has_it() {
	local calls=/sys/module/daxtest_instead/parameters

	two_files
	instead xfs_reflink_end_cow result=-5 wait=1
	trap 'rmmod daxtest_instead' EXIT
	"$DT" touch "$MNT/g" 1M rw >"$T/touch.out" 2>&1 &
	echo $! >"$T/touch.pid"
	retry is 1 cat "$calls/calls"
	is 0 rss_of "$(<"$T/touch.pid")" "$MNT/g"
	store "$calls/wait" 0
	fails wait "$(<"$T/touch.pid")"
	is 'BUS_* offset 0x100000 *' cat "$T/touch.out"
	rmmod daxtest_instead
	trap - EXIT
	same_in_both f g
	in_both mfill g 2 1M 64K
	same_in_both f g
}

# Nobody can say before the copy is made that it changes the file
copy_in_a_synchronous_mapping() {
	# shellcheck disable=SC2086
	two_files $HUGE_BLOCKS
	# xfs sets aside blocks for the pages beside, and logs that now
	written g 1M rw
	sync
	trace_start fs_dax/dax_insert_pfn_mkwrite
	written g $((M + K4)) rws
	is 1 times dax_insert_pfn_mkwrite
	trace_again
	written g 2M rwsh
	is 1 times dax_insert_pfn_mkwrite
	same_in_both f g
	again
	same_in_both f g
}

# The handler of an error waits for a page that a fault has, and the fault for
# the group of blocks, which must not be locked meanwhile
fault_beside_an_error() {
	local calls=/sys/module/daxtest_instead/parameters/calls

	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	two_files -m rmapbt=1
	sync
	instead mf_dax_kill_procs wait=1
	trap 'rmmod daxtest_instead' EXIT
	# the driver knows first, as it would from a machine check
	store "/sys/block/$PMEM/badblocks" "$(($(block_of f 256) * 8)) 8"
	put /sys/kernel/debug/hwpoison/corrupt-pfn "$(pfn_of f 256)" \
		>"$T/put.out" &
	echo $! >"$T/put.pid"
	retry is 1 cat "$calls"
	# its old block is in the group, and so is its new one
	PATIENCE=60 in_time "$DT" touch "$MNT/g" 2M rw
	rmmod daxtest_instead
	trap - EXIT
	wait "$(<"$T/put.pid")"
	is OK cat "$T/put.out"
	"$DT" touch "$T/g" 2M rw
	cmp -i 2M "$MNT/g" "$T/g"
}

# A page that is written as a whole need not be readable
bad_page_is_overwritten() {
	two_files
	bad_block f 256
	is EIO "$DT" try pwrite "$MNT/g" $((M + 100)) 8
	is EIO "$DT" try pwrite "$MNT/g" $((M - 100)) 200
	is EIO "$DT" try pread "$MNT/g" 1M 4096
	in_both fill g 2 1M 4K
	in_both fill f 3 $((M - 100)) 64K
	same_in_both g f
	copies g e
	again
	same_in_both e f g
}

# A page is written from a mapping of itself, which shows afterwards what was
# written last
written_from_its_own_mapping() {
	two_files
	is OK "$DT" try own "$MNT/g" 1M
	"$DT" check "$MNT/f" 1
	"$DT" mcheck "$MNT/f" 1
}

# pfn_of FILE PAGE
pfn_of() { pfn_of_block "$(block_of "$1" "$2")"; }

# pfn_of_block BLOCK: of the pmem
pfn_of_block() {
	local disk
	disk=$(readlink -f "/sys/block/$PMEM/device")
	echo $(($(<"$disk/resource") / 4096 + $1))
}

# Nobody has noticed that a page is bad until the kernel reads it
page_is_bad_when_read() {
	local pfn

	modinfo daxtest_badread >/dev/null 2>&1 || skip "no daxtest_badread"
	trap 'rmmod daxtest_badread' EXIT
	two_files
	# e is equal and not the same
	cp --reflink=never "$MNT/f" "$MNT/e"
	pfn=$(pfn_of f 256)
	mark
	modprobe daxtest_badread pfn="$pfn"
	is $M "$DT" try pread "$MNT/f" 0 2M
	is EIO "$DT" try pread "$MNT/f" 1M 100
	retry log_says "$(printf 'Memory failure: %#lx' "$pfn")"
	is EIO "$DT" try pread "$MNT/f" $((M + 100)) 8
	is $K4 "$DT" try pread "$MNT/f" $((M + K4)) 4K
	rmmod daxtest_badread

	# each of them says so by itself
	pfn=$(pfn_of f 512)
	mark
	modprobe daxtest_badread pfn="$pfn"
	is 'BUS_MCEERR_AR offset 0x200000 lsb 12' \
		"$DT" touch "$MNT/f" 2M rwp
	retry log_says "$(printf 'Memory failure: %#lx' "$pfn")"
	rmmod daxtest_badread

	pfn=$(pfn_of g 768)
	mark
	modprobe daxtest_badread pfn="$pfn"
	is '*Input/output error*' \
		xfs_io -c "dedupe $MNT/g 3m 3m 64k" "$MNT/e"
	retry log_says "$(printf 'Memory failure: %#lx' "$pfn")"
	is EIO "$DT" try pwrite "$MNT/g" $((3 * M + 5)) 100
	trap - EXIT
	rmmod daxtest_badread
}

# unread PAGE COMMAND...: that page of f turns out to be bad while the command
# reads it, is recorded, and good again when both files have been written
unread() {
	local page=$1 block pfn

	shift
	block=$(block_of f "$page")
	pfn=$(pfn_of_block "$block")
	mark
	modprobe daxtest_badread pfn="$pfn"
	"$@"
	retry log_says "$(printf 'Memory failure: %#lx' "$pfn")"
	rmmod daxtest_badread
	is "$((block * 8)) 8" cat "/sys/block/$PMEM/badblocks"
	# for others, too, who do not read it
	is EIO "$DT" try pread "$MNT/f" $((page * K4)) 100
	in_both fill g 2 $((page * K4)) 4K
	in_both fill f 3 $((page * K4)) 4K
	is '' cat "/sys/block/$PMEM/badblocks"
	same_in_both f g
}

# All that copy the page of a shared extent; g is the one that is to have the copy
page_is_bad_when_copied() {
	modinfo daxtest_badread >/dev/null 2>&1 || skip "no daxtest_badread"
	trap 'rmmod daxtest_badread 2>/dev/null || :' EXIT
	two_files
	unread 256 is 'BUS_MCEERR_AR offset 0x100000 lsb 12' \
		"$DT" touch "$MNT/g" 1M rw
	unread 257 is 'BUS_MCEERR_AR offset 0x101000 lsb 12' \
		"$DT" touch "$MNT/g" $((M + K4)) rws
	unread 258 is 'BUS_MCEERR_AR offset 0x102000 lsb 12' \
		"$DT" touch "$MNT/g" $((M + 2 * K4)) rwp
	unread 512 is EIO "$DT" try pwrite "$MNT/g" $((2 * M + 100)) 8
	unread 768 is EIO "$DT" fallocate zero "$MNT/g" $((3 * M + 100)) 8
	unread 1024 is '*Input/output error*' \
		xfs_io -c 'funshare 4m 64k' "$MNT/g"
	again
	same_in_both f g
}

# One page of the 2 MiB that would become a copy: the others can be written
page_of_a_huge_one_is_bad_when_copied() {
	modinfo daxtest_badread >/dev/null 2>&1 || skip "no daxtest_badread"
	trap 'rmmod daxtest_badread 2>/dev/null || :' EXIT
	# shellcheck disable=SC2086
	two_files $HUGE_BLOCKS
	"$DT" touch "$T/g" 2M rw
	unread 700 is OK "$DT" touch "$MNT/g" 2M rwh
	again
	same_in_both f g
}

# not_compared: e and f, which are equal but for a bad page of one of them. They
# share nothing afterwards.
not_compared() {
	is '*Input/output error*' xfs_io -c "dedupe $MNT/f 1m 1m 64k" "$MNT/e"
	is '*Input/output error*' xfs_io -c "dedupe $MNT/e 1m 1m 64k" "$MNT/f"
	[ "$(block_of f 256)" != "$(block_of e 256)" ] ||
		fail "the files share a page that cannot be read"
	[ "$(block_of f 257)" != "$(block_of e 257)" ] ||
		fail "the files share what was not compared"
}

# The source and the destination of a dedupe
bad_page_is_not_compared() {
	local name pfn

	modinfo daxtest_badread >/dev/null 2>&1 || skip "no daxtest_badread"
	trap 'rmmod daxtest_badread 2>/dev/null || :' EXIT
	for name in f e; do
		two_files
		cp --reflink=never "$MNT/f" "$MNT/e"
		cp "$T/f" "$T/e"
		# first when nobody knows of it
		pfn=$(pfn_of $name 256)
		mark
		modprobe daxtest_badread pfn="$pfn"
		not_compared
		retry log_says "$(printf 'Memory failure: %#lx' "$pfn")"
		rmmod daxtest_badread
		not_compared
		in_both fill $name 1 1M 4K
		is '*deduped*' xfs_io -c "dedupe $MNT/e 1m 1m 64k" "$MNT/f"
		same_in_both e f
		umount "$MNT"
	done
}

# The pmem does not know the filesystem on a mapped disk
bad_page_below_a_mapped_disk() {
	local block who

	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	shared_on linear
	# the halves of the disk are the other way round on the pmem
	block=$((($(block_of f 256) + SECTORS / 16) % (SECTORS / 8)))
	holds h f 1M r
	holds i g 1M r
	holds j g $((M + K4)) r
	# the driver knows first, as it would from a machine check
	store "/sys/block/$PMEM/badblocks" "$((block * 8)) 8"
	is OK put /sys/kernel/debug/hwpoison/corrupt-pfn \
		"$(pfn_of_block $block)"
	tell h r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
	tell i r
	is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
	told j r
	is EIO "$DT" try pread "$MNT/g" 1M 4096
	for who in h i j; do
		stop $who
	done
	# Good again, when the only file that has it overwrites it. A removed file
	# has its blocks for a while, but not over an unmount.
	rm "$MNT/g"
	umount "$MNT"
	mount -t xfs -o dax $MAPPED "$MNT"
	"$DT" fill "$MNT/f" 2 1M 4K
	is '' cat "/sys/block/$PMEM/badblocks"
}

# shared_unsaid erofs|ext4: mounted, with f and g, which share all of their blocks.
# The filesystem does not say so, and has no claim on the disk.
shared_unsaid() {
	command -v "mkfs.$1" >/dev/null || skip "no mkfs.$1"
	modprobe -q "$1" || grep -qw "$1" /proc/filesystems || skip "no $1"
	namespace fsdax
	retry test -e "/dev/$PMEM"
	[ "$1" != erofs ] || { erofs_image g; return; }
	mkfs.ext4 -q -F -b 4096 "/dev/$PMEM" >/dev/null
	mount -t ext4 -o dax "/dev/$PMEM" "$MNT"
	fallocate -l 12M "$MNT/f"
	"$DT" isdax "$MNT/f"
	"$DT" fill "$MNT/f" 1
	ext4_shares
}

# bad_page_unsaid erofs|ext4: each of the files loses it
bad_page_unsaid() {
	local block name

	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	shared_unsaid "$1"
	block=$(block_of f 256)
	is "$block" block_of g 256
	holds r f 1M r
	holds e f 1M re
	holds rg g 1M r
	holds eg g 1M re
	holds next g $((M + K4)) r
	# the driver knows first, as it would from a machine check
	store "/sys/block/$PMEM/badblocks" "$((block * 8)) 8"
	is OK put /sys/kernel/debug/hwpoison/corrupt-pfn \
		"$(pfn_of_block "$block")"
	for name in e eg; do
		tell $name b
		is 'BUS_MCEERR_AO offset 0x100000 lsb 12' echo "$HEARD"
	done
	for name in r rg; do
		tell $name r
		is 'BUS_MCEERR_AR offset 0x100000 lsb 12' echo "$HEARD"
	done
	told next r
	for name in r e rg eg next; do
		stop $name
	done
	umount "$MNT"
	# good again for the next test
	dd if=/dev/zero of="/dev/$PMEM" bs=4096 count=1 seek="$block" \
		oflag=direct status=none
	is '' cat "/sys/block/$PMEM/badblocks"
}

bad_page_that_erofs_shares() { bad_page_unsaid erofs; }
bad_page_that_ext4_shares() { bad_page_unsaid ext4; }

# A page that files share, without rmapbt, is taken from each of them, also while
# somebody waits for s_umount behind somebody who does not let go of it
shared_page_fails_beside_a_sync() {
	local pfn calls=/sys/module/daxtest_instead/parameters/calls

	command -v fsfreeze >/dev/null || skip "no fsfreeze"
	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	two_files -m rmapbt=0
	holds h f 1M re
	holds i g 1M re
	holds j g $((M + K4)) re
	pfn=$(pfn_of f 256)
	instead xfs_fs_sync_fs wait=1
	trap 'rmmod daxtest_instead' EXIT
	sync -f "$MNT" &
	echo $! >"$T/sync.pid"
	retry is 1 cat "$calls"
	fsfreeze -f "$MNT" &
	echo $! >"$T/freeze.pid"
	sleep 1
	in_time store /sys/kernel/debug/hwpoison/corrupt-pfn "$pfn"
	! gone "$(<"$T/freeze.pid")" || fail "the freeze did not wait"
	tell h b
	is 'BUS_MCEERR_AO offset 0x100000 lsb 12' echo "$HEARD"
	tell i b
	is 'BUS_MCEERR_AO offset 0x100000 lsb 12' echo "$HEARD"
	told j r
	trap - EXIT
	rmmod daxtest_instead
	wait "$(<"$T/sync.pid")" "$(<"$T/freeze.pid")" || :
	fsfreeze -u "$MNT"
	stop h
	stop i
	stop j
}

# stale_blocks FILE: has blocks, of which none is written and all hold 0xff
stale_blocks() {
	local free

	free=$(($(stat -f -c %a "$MNT") * 4096 - 8 * M))
	xfs_io -fc "pwrite -q -S 0xff -b 4m 0 $free" "$MNT/all"
	sync
	rm "$MNT/all"
	sync
	xfs_io -fc 'falloc 0 1m' "$MNT/$1"
	truncate -s 1M "$MNT/$1"
	sync
}

# dedupe YES|NO SOURCE FILE: the first MiB
dedupe() {
	local says='*deduped*'

	[ "$1" = yes ] || says='*did not match*'
	is "$says" xfs_io -c "dedupe $MNT/$2 0 0 1m" "$MNT/$3"
}

# Blocks that are not written and holes are zeroes, whatever blocks hold
what_is_the_same() {
	local file

	xfs -d size=300m
	stale_blocks s
	cmp -n $M "$MNT/s" /dev/zero
	xfs_io -fc 'pwrite -q -S 0xff 0 1m' "$MNT/d"
	xfs_io -fc 'pwrite -q -S 0 0 1m' "$MNT/z"
	xfs_io -fc 'pwrite -q -S 0 0 1m' -c 'pwrite -q -S 1 1048575 1' "$MNT/y"
	truncate -s 1M "$MNT/hole"
	cp "$MNT/d" "$T/d"
	# data on one side
	dedupe no s d
	dedupe no d s
	dedupe no hole d
	dedupe no d hole
	dedupe no y s
	dedupe no y hole
	dedupe no s y
	cmp "$MNT/d" "$T/d"
	cmp -n $M "$MNT/s" /dev/zero
	cmp -n $M "$MNT/hole" /dev/zero
	# and none
	dedupe yes z s
	dedupe yes s z
	dedupe yes z hole
	dedupe yes hole z
	xfs_io -fc 'falloc 0 1m' "$MNT/t"
	dedupe yes hole t
	for file in s z hole t; do
		cmp -n $M "$MNT/$file" /dev/zero
	done
	# some of each
	xfs_io -fc 'truncate 1m' -c 'pwrite -q -S 0 64k 64k' \
		-c 'falloc 256k 64k' -c 'pwrite -q -S 5 512k 64k' "$MNT/u"
	xfs_io -fc 'falloc 0 1m' -c 'pwrite -q -S 0 200k 64k' \
		-c 'pwrite -q -S 5 512k 64k' "$MNT/v"
	dedupe yes u v
	xfs_io -c 'pwrite -q -S 1 700k 1' "$MNT/v"
	dedupe no u v
}

# strange_bytes FILE: are neither 0x55, of the file, nor 7, which was written
strange_bytes() { tr -d '\125\7' <"$MNT/$1" | wc -c; }

# A write that comes to an end within a page has not written any of that page
write_that_ends_in_a_page() {
	local off

	xfs -d size=300m
	xfs_io -fc 'pwrite -q -S 0x55 -b 1m 0 4m' "$MNT/f"
	stale_blocks s
	rm "$MNT/s"
	cp --reflink=always "$MNT/f" "$MNT/g"
	for off in 0 100 $K4 $((M + 5)); do
		# how much could be written is up to it
		"$DIR/halfbuf" "$MNT/g" $off 20000 7 50 5000 13000 >"$T/n"
		is 3 grep -cE '^([0-9]+|EFAULT)$' "$T/n"
		is 0 strange_bytes g
		cp --reflink=always "$MNT/f" "$MNT/g"
	done
	is 20000 "$DIR/halfbuf" "$MNT/g" 100 20000 7 20000
	is 0 strange_bytes g
	cmp -n 100 "$MNT/f" "$MNT/g"
	cmp -i 20100 "$MNT/f" "$MNT/g"
	xfs_io -c 'pwrite -q -S 7 0 4m' "$MNT/f"
	cmp -n 20000 -i 0:100 "$MNT/f" "$MNT/g"
}

# Data that a write copies is on the medium after it, as the data that it writes
# is
copies_are_written_back() {
	two_files
	store "/sys/block/$PMEM/dax/write_cache" 1
	# shellcheck disable=SC2016
	trace_start 'flush arch_wb_cache_pmem size=$arg2:u64'
	# around it: the user's data is written back otherwise
	in_both fill g 2 $((M + 1024)) 2048
	is "size=1024 size=1024" traced flush
	trace_again
	in_both fill g 2 2M 4K
	is "" traced flush
	is OK "$DT" fallocate zero "$MNT/g" $((3 * M + 1024)) 1024
	# tmpfs cannot do that
	xfs_io -c "pwrite -q -S 0 $((3 * M + 1024)) 1024" "$T/g"
	is "size=1024 size=1024 size=2048" traced flush
	trace_again
	xfs_io -c 'funshare 4m 64k' "$MNT/g"
	is size=65536 traced flush
	trace_again
	in_both touch g 5M rw
	is size=4096 traced flush
	same_in_both f g
}

# The data of two files changes its owner, and mappings see the data of the
# other file
files_that_swap() {
	xfs
	in_both_new p 11
	in_both_new q 12
	holds h p 1M r
	xfs_io -c "swapext $MNT/q" "$MNT/p"
	cmp "$MNT/p" "$T/q"
	cmp "$MNT/q" "$T/p"
	told h r
	"$DT" mmapcmp "$MNT/p" "$T/q"
	stop h
}

# in_both_new NAME SEED: of 4 MiB
in_both_new() {
	fallocate -l 4M "$MNT/$1"
	truncate -s 4M "$T/$1"
	in_both fill "$1" "$2"
}

# A filesystem may call blocks new that a file has had for long, and has mapped
writes_of_new_blocks() {
	local i

	famfs_mount new
	mkfile f 8M 0:0:8M
	"$DT" fill "$MNT/f" 1
	holds h f 0 rh
	holds i f $((2 * M + K4)) r
	start p "$DT" pin "$MNT/f" 4M r
	"$DT" fill "$MNT/f" 2
	told h r
	told i r
	"$DT" mcheck "$MNT/f" 2
	# dirty pages stay dirty
	holds j f 6M rwh
	"$DT" fill "$MNT/f" 3
	told j r
	stop p
	for i in h i j; do
		stop $i
	done
	"$DT" faultstorm "$MNT/f" 5 2 &
	for i in {1..20}; do
		"$DT" fill "$MNT/f" "$i"
	done
	wait $!
	"$DT" fill "$MNT/f" 4
	"$DT" mcheck "$MNT/f" 4
	umount "$MNT"
	check_pages "$DEV"
}

# A device is lost to files that share its pages by huge pages and by small ones
huge_pages_of_the_test_filesystem() {
	local how who

	for how in careful ignore; do
		famfs_mount revoke=$how
		is OK "$DT" mkfile -s "$MNT/a" 4M 0:0:4M
		is OK "$DT" mkfile -s "$MNT/b" 4M 0:0:4M
		is OK "$DT" mkfile -s "$MNT/c" 2M 0:1M:2M
		holds h a 2M rh
		holds i b 2M rh
		holds j c 1M r
		holds k c 0 r
		holds l a 0 rh
		is 3 stat_of fault_pte
		is 2 stat_of fault_pmd
		unbind "$DEV"
		for who in h i j k l; do
			tell $who r
			is 'BUS_ADRERR *' echo "$HEARD"
			stop $who
		done
		umount "$MNT"
		famfs_mount
		check_pages "$DEV"
		mkfile f 4M 0:0:4M
		"$DT" mfill "$MNT/f" 1
		umount "$MNT"
	done
}

# cow_of_pinned HOW: a pinned page leaves the file that is written, and belongs
# to the other one alone, which has not mapped it yet
cow_of_pinned() {
	# shellcheck disable=SC2086
	two_files $HUGE_BLOCKS
	start p "$DT" pin "$MNT/f" 2M "$1"
	in_both fill f 2 2M 2M
	holds i g $((2 * M + K4)) r
	holds j g 2M "$1"
	same_in_both f g
	told i r
	told j r
	in_both mfill g 3 2M 2M
	same_in_both f g
	stop p
	is 4096 tail -n 1 "$T/p.out"
	stop i
	stop j
	# all of the memory can be used again
	rm "$MNT/g"
	copies f g
	same_in_both g
	holds h g 2M rh
	stop h
	again
	same_in_both f g
}

cow_of_a_pinned_page() { cow_of_pinned r; }
cow_of_a_pinned_huge_page() { cow_of_pinned rh; }

# pin_beside_a_copy COMMAND...: makes a copy of another page of a huge one. The
# file keeps the page that is pinned, and truncation waits for the pin.
pin_beside_a_copy() {
	local pid

	# shellcheck disable=SC2086
	two_files $HUGE_BLOCKS
	start p "$DT" pin "$MNT/f" 2M rh
	"$@"
	# nothing is mapped for that
	cmp "$MNT/f" "$T/f"
	truncate -s 0 "$MNT/f" &
	pid=$!
	sleep 2
	! gone $pid || fail "somebody else can get a page that is pinned"
	stop p
	wait $pid
	same_in_both g
	# the memory can be used as a whole again
	rm "$MNT/f" "$T/f"
	copies g f
	trace_start fs_dax/dax_pmd_fault_done
	holds h f 2M rh
	is 1 pmd_faults
	stop h
	again
	same_in_both f g
}

write_beside_a_pinned_page() { pin_beside_a_copy in_both fill f 2 3M 4K; }
store_beside_a_pinned_page() { pin_beside_a_copy in_both mfill f 2 3M 4K; }

# A write waits for its buffer while others store to the pages that it is to
# copy: nothing of either is lost
write_beside_stores() {
	local file

	two_files
	for file in "$MNT/g" "$T/g"; do
		# from 512 to 12800
		absent_io write "$file"
		is OK in_time "$DT" touch "$file" 0 rw
		is OK in_time "$DT" touch "$file" 13312 rw
		serve OK
	done
	same_in_both f g
	again
	same_in_both f g
}

# The same for blocks that are not shared: xfs also copies blocks within 4 MiB of
# one that is, and frees the old ones
write_beside_copies() {
	local name

	share_64K 1m
	for name in "$MNT/g" "$T/g"; do
		absent_io write "$name"
		is OK in_time "$DT" touch "$name" 1M rw
		# the last page of the write, beyond its end
		is OK in_time "$DT" touch "$name" 13312 rw
		serve OK
	done
	same_in_both f g
	again
	same_in_both f g
}

# Faults come in between, also if no buffer is there for the last part
write_goes_by_2M() {
	two_files
	trace_start 'begin xfs_direct_write_iomap_begin length=$arg3:u64'
	is $((7 * M)) "$DIR/halfbuf" "$MNT/g" $M $((7 * M)) 7 $((7 * M))
	is $((3 * M)) "$DIR/halfbuf" "$MNT/g" $((8 * M)) $((4 * M)) 7 \
		$((3 * M))
	[ "$(times begin)" -ge 6 ] || fail "$(times begin) steps"
	[ "$(traced begin | tr ' ' '\n' | cut -d = -f 2 | sort -n |
		tail -n 1)" -le $((2 * M)) ] || fail "$(traced begin)"
	umount "$MNT"
}

# A store by a mapping of 2 MiB to blocks that cannot be mapped like that
store_copies_one_page() {
	local free

	two_files
	sync
	free=$(stat -f -c %f "$MNT")
	written g 2M rwh
	sync
	free=$((free - $(stat -f -c %f "$MNT")))
	[ $free -lt 256 ] || fail "$free blocks for a word"
	same_in_both f g
}

# The file that goes waits for the pin, and not for a mapping of the other one
removed_beside_a_mapping() {
	local pid

	two_files
	holds h g 2M r
	start p "$DT" pin "$MNT/f" 2M r
	rm "$MNT/f" &
	pid=$!
	sleep 2
	! gone $pid || fail "rm did not wait for the pin"
	stop p
	retry gone $pid
	wait $pid
	told h r
	stop h
	"$DT" check "$MNT/g" 1
	umount "$MNT"
}

# A fault keeps a write waiting, but not for longer than somebody kills it
killed_write() {
	local pid

	two_files
	store "/sys/block/$PMEM/dax/write_cache" 1
	instead arch_wb_cache_pmem wait=1
	trap 'rmmod daxtest_instead' EXIT
	"$DT" touch "$MNT/g" 1M rw >"$T/touch.out" 2>&1 &
	echo $! >"$T/touch.pid"
	retry is 1 cat /sys/module/daxtest_instead/parameters/calls
	"$DT" try pwrite "$MNT/g" 1M 8192 &
	pid=$!
	sleep 1
	! gone $pid || fail "the write did not wait"
	kill -KILL $pid
	retry gone $pid
	rmmod daxtest_instead
	trap - EXIT
	wait "$(<"$T/touch.pid")"
	is OK cat "$T/touch.out"
	"$DT" touch "$T/g" 1M rw
	same_in_both f g
	again
	same_in_both f g
}

# The same for a write that needs no copy, and waits for the entry itself
killed_write_of_new_blocks() {
	local pid

	famfs_mount new
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 1
	start h "$DT" stall pte "$MNT/f" 0 w
	is armed echo "$HEARD"
	retry is there probe stalled
	"$DT" try pwrite "$MNT/f" 0 8192 &
	pid=$!
	sleep 1
	! gone $pid || fail "the write did not wait"
	kill -KILL $pid
	retry gone $pid
	is there probe stalled
	probe go
	hear h
	is 'ready OK' echo "$HEARD"
	"$DT" fill "$MNT/f" 2
	told h r
	"$DT" mcheck "$MNT/f" 2
	stop h
	umount "$MNT"
	check_pages "$DEV"
}

# mapped_beside_a_copy COPIED OTHER OFFSET [h]: a store to COPIED replaces the page
# by a copy, and OTHER has the block for itself. It is mapped before the copy is.
mapped_beside_a_copy() {
	start s "$DT" stall entry "$MNT/$1" "$3" "w${4:-}"
	is armed echo "$HEARD"
	retry is there probe stalled
	is OK timeout 60 "$DT" touch "$MNT/$2" "$3" "r${4:-}"
	is there probe stalled
	probe go
	hear s
	is 'ready OK' echo "$HEARD"
	stop s
	is OK "$DT" touch "$T/$1" "$3" rw
	same_in_both f g
}

# The other file maps a page whose file is about to lose it
page_beside_its_copy() {
	# shellcheck disable=SC2086
	two_files $HUGE_BLOCKS
	is OK "$DT" touch "$MNT/g" 1M r
	mapped_beside_a_copy g f 1M
	trace_start fs_dax/dax_pmd_fault_done
	holds h g 2M rh
	is 1 pmd_faults
	mapped_beside_a_copy g f 2M h
	told h r
	stop h
	holds h f 4M rh
	mapped_beside_a_copy f g 4M h
	told h r
	stop h
	again
	same_in_both f g
	rm "$MNT/g"
	same_in_both f
}

run_tests \
	base_page_of_a_huge_one \
	base_page_of_a_huge_one_is_copied \
	pages_of_two_sizes \
	faults_of_two_sizes \
	copy_that_cannot_be_made \
	copy_that_does_not_get_into_the_file \
	copy_is_mapped_when_the_file_has_it \
	copy_in_a_synchronous_mapping \
	failed_copy_loses_nothing \
	pinned_page_stays_if_the_copy_fails \
	copy_of_a_part_of_a_huge_page \
	copy_of_the_last_page \
	page_beside_its_copy \
	bad_page_is_overwritten \
	page_is_bad_when_read \
	page_is_bad_when_copied \
	page_of_a_huge_one_is_bad_when_copied \
	bad_page_is_not_compared \
	bad_page_below_a_mapped_disk \
	bad_page_that_erofs_shares \
	bad_page_that_ext4_shares \
	shared_page_fails_beside_a_sync \
	fault_beside_an_error \
	copies_are_written_back \
	what_is_the_same \
	write_that_ends_in_a_page \
	written_from_its_own_mapping \
	cow_of_a_pinned_page \
	cow_of_a_pinned_huge_page \
	write_beside_a_pinned_page \
	store_beside_a_pinned_page \
	write_beside_stores \
	write_beside_copies \
	killed_write \
	write_goes_by_2M \
	store_copies_one_page \
	removed_beside_a_mapping \
	killed_write_of_new_blocks \
	files_that_swap \
	huge_pages_of_the_test_filesystem \
	writes_of_new_blocks
