# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Filesystems of others, with dax on persistent memory (boot with memmap=1G!6G,
# say). To be sourced after lib.sh and trace.bash.

# namespace_on BUS: the first one of that kind of memory
namespace_on() {
	local dir
	for dir in /sys/bus/nd/devices/namespace*; do
		case $(readlink -f "$dir") in
		*/"$1"*) ;;
		*) continue ;;
		esac
		echo "${dir##*/}"
		return 0
	done
	return 1
}

# namespace MODE [OPTIONS]: the output of ndctl is in $T/ns
namespace() {
	local mode=$1
	shift
	command -v ndctl >/dev/null || skip "no ndctl"
	modprobe -q nd_e820
	modprobe -q nd_pmem
	[ -e /sys/devices/platform/e820_pmem ] ||
		skip "no pmem: boot with memmap=1G!6G, say"
	NS=$(retry namespace_on e820_pmem)
	umount /dev/pmem* 2>/dev/null || :
	ndctl create-namespace -f -e "$NS" -m "$mode" "$@" >"$T/ns"
	PMEM=$(jq -r '[.. | objects | .chardev // .blockdev // empty][0]' \
		"$T/ns")
	[ "$mode" != devdax ] || PMEM=dax${NS#namespace}
}

# famfs_on_pmem: from now on $DEV is persistent memory, without a bad page. On the
# bus of that it is $ND, a folder in that of the region, and begins at $START.
# Needs poison.bash.
famfs_on_pmem() {
	modprobe -q dax_pmem || skip "no dax_pmem"
	namespace devdax
	DEV=$PMEM
	retry test -e "$BUS/devices/$DEV"
	mode "$DEV" famfs
	DEVT=$(<"$BUS/devices/$DEV/dev")
	heal_all
	ND=$(dirname "$(readlink -f "$BUS/devices/$DEV")")
	read -r START _ <<<"$(ranges "$DEV")"
}

# no_famfs_on_pmem: the end of that
no_famfs_on_pmem() {
	unbind "$DEV"
	ndctl destroy-namespace -f "$NS" >/dev/null
}

# namespace_again: $PMEM comes back, as after a reboot that forgets nothing
namespace_again() {
	ndctl disable-namespace "$NS" >/dev/null
	ndctl enable-namespace "$NS" >/dev/null
	retry test -e "/dev/$PMEM"
}

# scrub_finds OFFSET [LENGTH]: an error there in the persistent memory, which may be
# gone just now
scrub_finds() {
	modprobe --first-time daxtest_scrub region="${ND%/*}" \
		addr=$((START + $1)) ${2:+len="$2"} && rmmod daxtest_scrub
}

# fs_on_pmem TYPE OPTIONS OF MKFS
fs_on_pmem() {
	local fs=$1
	shift
	command -v "mkfs.$fs" >/dev/null || skip "no mkfs.$fs"
	modprobe -q "$fs" || grep -qw "$fs" /proc/filesystems || skip "no $fs"
	namespace fsdax
	retry test -e "/dev/$PMEM"
	"mkfs.$fs" "$@" "/dev/$PMEM" >/dev/null 2>&1
	mount -t "$fs" -o dax "/dev/$PMEM" "$MNT"
	truncate -s 8M "$MNT/f"
	fallocate -l 8M "$MNT/f"
	# mount(8) does not tell of a filesystem that goes on without
	"$DT" isdax "$MNT/f"
	"$DT" mfill "$MNT/f" 1
	"$DT" check "$MNT/f" 1
	"$DT" fill "$MNT/f" 2
	"$DT" mcheck "$MNT/f" 2
	is OK "$DT" fallocate zero "$MNT/f" 1M 3M
	"$DT" iszero "$MNT/f" 1M 3M
	is OK "$DT" try fsync "$MNT/f"
	rm "$MNT/f"
	umount "$MNT"
}

# erofs_image [NAME]...: of these files, which have the same data, and of f
erofs_image() {
	local name options=()

	command -v mkfs.erofs >/dev/null || skip "no mkfs.erofs"
	mkdir "$T/image"
	truncate -s 64M "$T/image/f"
	"$DT" fill "$T/image/f" 1
	for name; do
		cp "$T/image/f" "$T/image/$name"
		# each chunk is there once, where it can be a huge page
		options=(--chunksize=$((2 << 20)) --dsunit=512)
	done
	mkfs.erofs "${options[@]}" "$T/erofs" "$T/image" >"$T/mkfs" 2>&1
	dd if="$T/erofs" of="/dev/$PMEM" bs=1M status=none
	sync
	mount -t erofs -o dax "/dev/$PMEM" "$MNT"
	"$DT" isdax "$MNT/f"
}

# ext4_shares: the file f, which is there, and g have the same blocks from now on,
# as in an image whose equal blocks were merged. Nobody can write to it.
ext4_shares() {
	command -v debugfs >/dev/null || skip "no debugfs"
	: >"$MNT/g"
	umount "$MNT"
	printf '%s\n' 'copy_inode f g' 'feature shared_blocks' |
		debugfs -w -f - "/dev/$PMEM" >"$T/debugfs" 2>&1
	mount -t ext4 -o ro,dax "/dev/$PMEM" "$MNT"
	"$DT" isdax "$MNT/g"
}

SECTORS=$((400 * 2048))

# no_disk: that map_disk has made, whoever has it still
no_disk() {
	local pid name

	for pid in "$T"/*.pid; do
		[ ! -e "$pid" ] || kill -KILL "$(<"$pid")" 2>/dev/null || :
	done
	unmount_all
	for name in daxtest daxtest-{rt,0,1}; do
		[ ! -e "/dev/mapper/$name" ] ||
			dmsetup remove --retry "$name"
	done
}

# map_disk linear|stripe: $MAPPED, of persistent memory, and $RT beside it for
# the first: in pieces that are not where they seem to be. The stripes are on
# two disks: if all are on one, the device mapper of Linux 7.3, with dax and
# without, sends writes that ask for a flush to the sector of that number on the
# disk, as if there were no stripes. The log of a filesystem is lost in this way.
map_disk() {
	local half

	command -v dmsetup >/dev/null || skip "no dmsetup"
	modprobe -q dm-mod || skip "no device mapper"
	trap no_disk EXIT
	MAPPED=/dev/mapper/daxtest
	# shellcheck disable=SC2034
	RT=/dev/mapper/daxtest-rt
	case $1 in
	linear)
		dmsetup create daxtest <<-END
		0 $((SECTORS / 2)) linear /dev/$PMEM $((SECTORS / 2))
		$((SECTORS / 2)) $((SECTORS / 2)) linear /dev/$PMEM 0
		END
		dmsetup create daxtest-rt --table \
			"0 $SECTORS linear /dev/$PMEM $SECTORS"
		;;
	stripe)
		for half in 0 1; do
			dmsetup create daxtest-$half --table \
				"0 $SECTORS linear /dev/$PMEM $((half * SECTORS))"
		done
		dmsetup create daxtest --table \
			"0 $SECTORS striped 2 1024 $MAPPED-0 0 $MAPPED-1 0"
		;;
	esac
}

# shared_on linear|stripe: xfs without rmapbt on a mapped disk, mounted, with the
# files f and g of 64 MiB, which share all of it
shared_on() {
	modprobe -q xfs || skip "no xfs"
	namespace fsdax
	retry test -e "/dev/$PMEM"
	map_disk "$1"
	mkfs.xfs -q -f -m reflink=1,rmapbt=0 $MAPPED
	mount -t xfs -o dax $MAPPED "$MNT"
	fallocate -l 64M "$MNT/f"
	"$DT" isdax "$MNT/f"
	"$DT" fill "$MNT/f" 1
	cp --reflink=always "$MNT/f" "$MNT/g"
	sync
}

# in_both COMMAND NAME [ARGUMENT]...: on a file of the filesystem, and on one
# that shares nothing and shows what is to come of it
in_both() {
	"$DT" "$1" "$MNT/$2" "${@:3}"
	"$DT" "$1" "$T/$2" "${@:3}"
}

# holds NAME FILE OFFSET ACCESS
holds() {
	start "$1" "$DT" hold "$MNT/$2" "$3" "$4"
	is 'ready OK' echo "$HEARD"
}

# copies FROM TO
copies() {
	cp --reflink=always "$MNT/$1" "$MNT/$2"
	cp "$T/$1" "$T/$2"
}

# same_in_both NAME...: by read(2), and in mappings
same_in_both() {
	local name

	for name; do
		cmp "$MNT/$name" "$T/$name"
		"$DT" mmapcmp "$MNT/$name" "$T/$name" >/dev/null
	done
}

pmd_faults() { grep -c 'dax_pmd_fault_done: .*NOPAGE' "$TRACE/trace" || :; }

# reflinked [OPTIONS OF MKFS]: f and g share all of their blocks, until one of
# them is written
reflinked() {
	fs_on_pmem xfs -q -f -m reflink=1 "$@"
	mount -t xfs -o dax "/dev/$PMEM" "$MNT"
	fallocate -l 12M "$MNT/f"
	"$DT" isdax "$MNT/f"
	truncate -s 12M "$T/f"
	in_both fill f 1
	copies f g
	"$DT" isdax "$MNT/g"
}
