#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Filesystems of others with dax, on persistent memory by itself and below the
# device mapper, and operations of which it is known what comes of them: the
# same is done to plain files at $T. From the environment: OPS, how much each file
# is exercised.
#
# These fail on Linux 7.3 without the patches to dax:
#
#   xfs_on_pmem		WARNING in truncate_folio_batch_exceptionals() below
#			xfs_swap_extents(): once, so in the first test only
#   xfs_of_huge_blocks_on_pmem
#			WARNING in dax_insert_entry() and vmf_insert_folio_pmd(),
#			and SIGBUS for a process that has mapped the file
#   xfs_on_stripes	zeroing past the end of a stripe leaves old data
#
# And with them as well: xfs on stripes that are all on one disk, see map_disk().
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/trace.bash"
. "$(dirname "$0")/pmem.bash"

M=$((1 << 20))
OPS=${OPS:-200}

# disk plain|linear|stripe: $DISK, of persistent memory; see map_disk for the
# others
disk() {
	namespace fsdax
	retry test -e "/dev/$PMEM"
	DISK=/dev/$PMEM
	[ "$1" != plain ] || return 0
	map_disk "$1"
	DISK=$MAPPED
}

# filesystem TYPE [OPTIONS OF MKFS]: made on $DISK, and mounted
filesystem() {
	FS=$1
	shift
	command -v "mkfs.$FS" >/dev/null || skip "no mkfs.$FS"
	modprobe -q "$FS" || grep -qw "$FS" /proc/filesystems || skip "no $FS"
	"mkfs.$FS" "$@" "$DISK" >/dev/null 2>"$T/mkfs" ||
		skip "mkfs.$FS $*: $(<"$T/mkfs")"
	MOUNT_OPTIONS=dax
	[[ $* != *rtdev* ]] || MOUNT_OPTIONS=dax,rtdev=$RT
	mounted
}

mounted() { mount -t "$FS" -o "$MOUNT_OPTIONS" "$DISK" "$MNT"; }

# whole_filesystem: it is, says who knows, and mounted again
whole_filesystem() {
	umount "$MNT"
	# a process that had it open meanwhile, udev say, may have old data of it
	blockdev --flushbufs "$DISK"
	case $FS in
	xfs)
		if [[ $MOUNT_OPTIONS = *rtdev* ]]; then
			xfs_repair -n -r "$RT" "$DISK"
		else
			xfs_repair -n "$DISK"
		fi >"$T/repair" 2>&1 || fail "$(tail -n 20 "$T/repair")"
		;;
	ext4)
		e2fsck -fn "$DISK" >"$T/repair" 2>&1 ||
			fail "$(tail -n 20 "$T/repair")"
		;;
	esac
	mounted
}

# Each of these does something to a file of the filesystem, and to its model

new() {
	fallocate -l "$2" "$MNT/$1"
	truncate -s "$2" "$T/$1"
	"$DT" isdax "$MNT/$1"
	in_both fill "$1" "$3"
}

bytes() { numfmt --from=iec "$1"; }

# model FILE: becomes what comes on standard input
model() {
	cat >"$T/new"
	mv "$T/new" "$T/$1"
}

# span FILE OFFSET LENGTH: of the model
span() {
	dd if="$T/$1" bs=64k iflag=skip_bytes,count_bytes skip="$2" \
		count="$3" status=none
}

# overlay FILE OFFSET: standard input replaces what the model has from there on
overlay() {
	dd of="$T/$1" bs=64k oflag=seek_bytes seek="$2" conv=notrunc \
		iflag=fullblock status=none
}

punch() {
	xfs_io -c "fpunch $2 $3" "$MNT/$1"
	head -c "$3" /dev/zero | overlay "$1" "$2"
}

zero() {
	xfs_io -c "fzero $2 $3" "$MNT/$1"
	head -c "$3" /dev/zero | overlay "$1" "$2"
}

collapse() {
	xfs_io -c "fcollapse $2 $3" "$MNT/$1"
	{
		span "$1" 0 "$2"
		span "$1" $(($(bytes "$2") + $(bytes "$3"))) $((1 << 40))
	} | model "$1"
}

insert() {
	xfs_io -c "finsert $2 $3" "$MNT/$1"
	{
		span "$1" 0 "$2"
		head -c "$3" /dev/zero
		span "$1" "$2" $((1 << 40))
	} | model "$1"
}

# clone FROM OFFSET TO OFFSET LENGTH
clone() {
	xfs_io -c "reflink $MNT/$1 $2 $4 $5" "$MNT/$3" >/dev/null
	span "$1" "$2" "$5" >"$T/span"
	overlay "$3" "$4" <"$T/span"
}

# dedupe FROM OFFSET TO OFFSET LENGTH: they are equal
dedupe() {
	is '*deduped*' xfs_io -c "dedupe $MNT/$1 $2 $4 $5" "$MNT/$3"
}

unshare() { xfs_io -c "funshare $2 $3" "$MNT/$1"; }

# SWAP, if set, is what xfs_io has for it: the older one, swapext, does not do
# with what knows the owners of realtime blocks
swapped() {
	xfs_io -c "${SWAP:-swapext} $MNT/$2" "$MNT/$1"
	mv "$T/$1" "$T/new"
	mv "$T/$2" "$T/$1"
	mv "$T/new" "$T/$2"
}

# mapped NAME FILE OFFSET ACCESS: by a process, until the end
mapped() {
	start "$1" "$DT" hold "$MNT/$2" "$3" "$4"
	is 'ready OK' echo "$HEARD"
	[[ $4 != *w* ]] || is OK "$DT" touch "$T/$2" "$3" rw
	HELD+=" $1"
}

# right FILE...: as the model has it, and whoever has it mapped can go on
right() {
	local who

	for who in $HELD; do
		tell "$who" r
		is OK echo "$HEARD"
	done
	same_in_both "$@"
}

# Operations of every filesystem
common_operations() {
	new f 12M 1
	mapped a f 0 r
	mapped b f 4096 rw
	mapped c f 2M rh
	mapped d f 2M rwh
	right f
	punch f $((M + 100)) $((2 * M))
	right f
	zero f $((4 * M - 5)) $((M + 10))
	right f
	in_both mfill f 2 $((M + 4096)) 3M
	collapse f 2M 1M
	right f
	insert f 4M 64K
	right f
	in_both fill f 3 $((4 * M - 10)) 100K
	right f
	insert f 0 2M
	right f
	in_both mfill f 4 0 3M
	collapse f 64K 64K
	punch f 0 8M
	right f
	in_both mfill f 5 0 8M
	right f
	is OK "$DT" try fsync "$MNT/f"
}

# Operations of filesystems that share extents
sharing_operations() {
	copies f g
	right f g
	mapped e g 3M rw
	mapped f g 8K r
	clone f 1M g 5M $((3 * M))
	right f g
	in_both mfill g 6 6M 64K
	in_both fill f 7 $((M + 77)) 200K
	right f g
	# within a file, and with base pages where the other one has huge ones
	clone g 4K g 8M 2M
	in_both touch g $((8 * M + 4096)) rw
	right f g
	clone g 0 f 0 4M
	unshare f 1M 1M
	right f g
	in_both mfill g 8 0 2M
	right f g
	punch f 3M 100K
	insert g 1M 1M
	collapse f 1M 64K
	right f g
	copies g h
	unshare h 0 8M
	right g h
	dedupe g 2M h 2M 4M
	right g h
	in_both mfill h 9 3M 1M
	right f g h
}

# each_operation common|sharing: on what is mounted
each_operation() {
	local who

	HELD=
	common_operations
	[ "$1" != sharing ] || sharing_operations
	"$DT" exercise "$MNT/x" "$OPS" 1 8M
	"$DT" exercise "$MNT/y" "$OPS" 2 8M
	for who in $HELD; do
		stop "$who"
	done
	HELD=
	whole_filesystem
	right f
	[ "$1" != sharing ] || right g h
}

exchange() {
	new p 4M 11
	new q 4M 12
	mapped p p 1M r
	swapped p q
	right p q
	in_both mfill p 13 1M 1M
	right p q
	stop p
	HELD=
	whole_filesystem
	right p q
}

xfs_on_pmem() {
	disk plain
	filesystem xfs -q -f -m reflink=1,rmapbt=0
	each_operation sharing
	exchange
}

xfs_with_rmapbt_on_pmem() {
	disk plain
	filesystem xfs -q -f -m reflink=1,rmapbt=1
	each_operation sharing
	exchange
}

xfs_of_huge_blocks_on_pmem() {
	disk plain
	filesystem xfs -q -f -m reflink=1,rmapbt=1 \
		-d su=2m,sw=1,cowextsize=512,extszinherit=512
	each_operation sharing
	exchange
}

xfs_on_linear() {
	disk linear
	filesystem xfs -q -f -m reflink=1,rmapbt=0
	each_operation sharing
	exchange
}

xfs_on_stripes() {
	disk stripe
	filesystem xfs -q -f -m reflink=1,rmapbt=1
	each_operation sharing
	exchange
}

xfs_with_a_realtime_device() {
	disk linear
	filesystem xfs -q -f -m reflink=0,rmapbt=0 -d rtinherit=1 \
		-r "rtdev=$RT,extsize=4k"
	each_operation common
	exchange
}

xfs_with_reflink_on_a_realtime_device() {
	disk linear
	filesystem xfs -q -f -m reflink=1,rmapbt=1,metadir=1 -d rtinherit=1 \
		-i exchange=1 -r "rtdev=$RT"
	each_operation sharing
	SWAP=exchangerange exchange
}

ext4_on_pmem() {
	disk plain
	filesystem ext4 -q -F -b 4096
	each_operation common
}

ext4_on_linear() {
	disk linear
	filesystem ext4 -q -F -b 4096
	each_operation common
}

ext4_on_stripes() {
	disk stripe
	filesystem ext4 -q -F -b 4096
	each_operation common
}

run_tests \
	xfs_on_pmem \
	xfs_with_rmapbt_on_pmem \
	xfs_of_huge_blocks_on_pmem \
	xfs_on_linear \
	xfs_on_stripes \
	xfs_with_a_realtime_device \
	xfs_with_reflink_on_a_realtime_device \
	ext4_on_pmem \
	ext4_on_linear \
	ext4_on_stripes
