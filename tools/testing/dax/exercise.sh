#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Whether files keep what they are given, whatever their layout: an exerciser,
# fio with checksums, and what comes from and goes to another filesystem
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

MB=$((1 << 20))
OPS=${OPS:-600}

two_devices() {
	SECOND=$(new_device 64M)
	mode "$SECOND" famfs
	famfs_mount "daxdev=/dev/$SECOND"
}

# $DEV of three ranges, that lie apart and in another order than memory
ranges_apart() {
	local start at

	start=$(region_start "$DEV")
	set --
	for at in 64 0 32; do
		set -- "$@" "$(printf %x-%x $((start + at * MB)) \
			$((start + (at + 16) * MB - 1)))"
	done
	remap "$DEV" "$@"
	famfs_mount
}

undo_ranges() {
	unmount_all
	resize "$DEV" "$SIZE"
}

# The files: each is of 12 MiB

plain() { mkfile f 12M 0:2M:12M; }
unaligned() { mkfile f 12M 0:1M:12M; }
pieces() { mkfile f 12M 0:4M:2M,0:33M:3M,0:20K:12K,0:64M:4M,0:9M:3060K; }
devices() { mkfile f 12M 0:0:3M,1:2M:5M,0:8M:4M; }
# over both gaps between ranges, aligned there and not
gaps() { mkfile f 12M 0:14M:4M,0:31M:8M; }

# stripes CHUNK: over extents of two devices
stripes() {
	is OK "$DT" mkstripe "$MNT/f" 12M "$1" 0:0:4M,1:2M:4M,0:8M:4M
}

# exercise MAKE_FILE...
exercise() {
	"$@"
	"$DT" exercise "$MNT/f" "$OPS" 1
	"$DT" exercise "$MNT/f" "$OPS" 2
	is OK "$DT" try fsync "$MNT/f"
	rm "$MNT/f"
}

exercise_simple_files() {
	famfs_mount
	exercise plain
	exercise unaligned
	exercise pieces
}

exercise_stripes() {
	two_devices
	exercise stripes 4K
	exercise stripes 64K
	exercise stripes 2M
}

exercise_files_on_two_devices() {
	two_devices
	exercise devices
}

exercise_files_over_several_ranges() {
	ranges_apart
	exercise gaps
	undo_ranges
}

exercise_growing_files() {
	famfs_mount alloc=12M
	"$DT" exercise "$MNT/f" "$OPS" 1 12M
	"$DT" exercise "$MNT/g" "$OPS" 2 12M
}

# several at once must not know of each other
exercise_side_by_side() {
	local i

	two_devices
	mkfile a 8M 0:0:3M,1:0:5M
	mkfile b 8M 0:3M:5M,1:5M:3M
	is OK "$DT" mkstripe "$MNT/c" 8M 64K 0:16M:4M,1:16M:4M
	is OK "$DT" mkstripe "$MNT/d" 8M 4K 0:20M:4M,1:20M:4M
	for i in a b c d; do
		("$DT" exercise "$MNT/$i" "$OPS" $((16#$i)) || echo $i >>"$T/bad") &
	done
	wait
	fails test -e "$T/bad"
}

# verify ENGINE MAKE_FILE...: fio writes, checksums and all, and reads it back
verify() {
	local engine=$1
	shift
	"$@"
	fio --name=v --filename="$MNT/f" --size=12M --bsrange=1k-64k \
		--rw=randwrite --ioengine="$engine" --verify=crc32c \
		--allow_file_create=0 --overwrite=0 --fallocate=none \
		--iodepth=8 --thread --minimal >"$T/fio" 2>&1 ||
		fail "$engine on $*: $(<"$T/fio")"
	rm "$MNT/f"
}

fio_on_every_layout() {
	command -v fio >/dev/null || skip "no fio"
	two_devices
	verify psync pieces
	verify mmap pieces
	verify psync stripes 4K
	verify mmap stripes 64K
	verify mmap stripes 2M
	verify libaio devices
	verify mmap devices
	umount "$MNT"
	ranges_apart
	verify psync gaps
	verify mmap gaps
	undo_ranges
}

# an ext4 on a loop device at $T/ext4, until the test ends
ext4() {
	command -v mkfs.ext4 >/dev/null || skip "no mkfs.ext4"
	modprobe -q loop && modprobe -q ext4 || skip "no loop or no ext4"
	truncate -s 64M "$T/image"
	mkfs.ext4 -q "$T/image"
	mkdir "$T/ext4"
	trap 'umount "$T/ext4"' EXIT
	mount -o loop "$T/image" "$T/ext4"
}

# copied HOW FROM TO
copied() {
	"$DT" fill "$2" 5
	"$DT" fill "$3" 6
	"$DT" copy "$1" "$2" "$3"
	"$DT" check "$3" 5
	"$DT" mcheck "$3" 5
}

# a size that is no number of pages, but one of sectors
to_and_from_ext4() {
	local how size=7000064 e=$T/ext4/f

	famfs_mount
	ext4
	truncate -s $size "$e"
	mkfile f $size 0:3M:4M,0:33M:4M
	mkfile g $size 0:10M:8M
	for how in sendfile splice; do
		copied $how "$e" "$MNT/f"
		copied $how "$MNT/f" "$e"
		copied $how "$MNT/f" "$MNT/g"
	done
	# into a mapping here, or from one, with no page cache on the way
	copied directto "$e" "$MNT/f"
	copied directto "$MNT/g" "$MNT/f"
	copied directfrom "$MNT/f" "$e"
	copied directfrom "$MNT/f" "$MNT/g"
	copied copyrange "$MNT/f" "$MNT/g"
	cp "$MNT/g" "$e"
	cmp "$MNT/g" "$e"
}

run_tests \
	exercise_simple_files \
	exercise_stripes \
	exercise_files_on_two_devices \
	exercise_files_over_several_ranges \
	exercise_growing_files \
	exercise_side_by_side \
	fio_on_every_layout \
	to_and_from_ext4
