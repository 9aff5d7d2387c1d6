#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The cost of binding, lookups, I/O and faults: lines of "bench NAME VALUE
# UNIT". Meant for an emulator whose clock counts instructions. Needs a dax
# device of 4 GiB in a dynamic region, and for comparison as much legacy pmem.
#
# usage: bench.sh [large]
#
#   large	only what depends on the size of a device, with the largest region of
#		an nvdimm, whose struct pages are to lie in it

. "$(dirname "$0")/lib.sh"

set -e
DEV=${DEV:-dax0.0}
T=$(mktemp -d)
MNT=$T/mnt
mkdir "$MNT"
# output on the console is paid for in instructions
dmesg -n 5
modprobe -a dax_hmem device_dax fsdev_dax nd_e820 nd_pmem daxtest_fs daxtest_probe

bench() { echo "bench $1 $2 $3"; }
cost() { "$DIR/daxbench" "$@"; }

ROUNDS=15

# drive NAME DRIVER DEVICE: bind and unbind
drive() {
	local i unbind=() bind=()

	for ((i = 0; i < ROUNDS; i++)); do
		unbind+=("$(cost write "$2/unbind" "$3")")
		bind+=("$(cost write "$2/bind" "$3")")
	done
	bench "unbind_$1" "$(least "${unbind[@]}")" instructions
	bench "bind_$1" "$(least "${bind[@]}")" instructions
}

# lookup N: the last page of a device of N ranges
lookup() {
	local start=$1 n=$2 i cost devt ranges=()

	for ((i = 0; i < n; i++)); do
		ranges+=("$(printf '%x-%x' $((start + i * (8 << 20))) \
			$((start + i * (8 << 20) + (2 << 20) - 1)))")
	done
	remap "$DEV" "${ranges[@]}"
	mode "$DEV" famfs
	devt=$(<"$BUS/devices/$DEV/dev")
	probe bench "$devt" 0 1 1000 >/dev/null
	cost=$(probe bench "$devt" $((n * 512 - 1)) 1 100000)
	bench "direct_access_${n}_ranges" "${cost%% *}" instructions
}

# map_all BYTES: a file of the device in $MNT, all of it mapped by huge pages
map_all() {
	mount -t daxtest "/dev/$DEV" "$MNT"
	"$DT" mkfile "$MNT/f" "$1" "0:0:$1" >/dev/null
	cost map "$MNT/f" >/dev/null
	[ "$(stat_of fault_pmd)" = $(($1 >> 21)) ]
}

# after_a_mount [SUFFIX]: all of the device was mapped, and is free again
after_a_mount() {
	local i size unbind=()

	mode "$DEV" famfs
	size=$(<"$BUS/devices/$DEV/size")
	for ((i = 0; i < ROUNDS; i++)); do
		map_all "$size"
		umount "$MNT"
		unbind+=("$(cost write "$BUS/drivers/fsdev_dax/unbind" "$DEV")")
		store "$BUS/drivers/fsdev_dax/bind" "$DEV"
	done
	bench "unbind_famfs_after_a_mount$1" "$(least "${unbind[@]}")" instructions
}

# under_a_mount FOLIOS: so many are in a file
under_a_mount() {
	local i unbind=()

	mode "$DEV" famfs
	for ((i = 0; i < ROUNDS; i++)); do
		map_all $(($1 << 21))
		unbind+=("$(cost write "$BUS/drivers/fsdev_dax/unbind" "$DEV")")
		umount "$MNT"
		store "$BUS/drivers/fsdev_dax/bind" "$DEV"
	done
	bench "unbind_famfs_under_${1}_folios" "$(least "${unbind[@]}")" instructions
}

if [ "${1:-}" = large ]; then
	modprobe -a nfit nd_pmem dax_pmem
	udevadm settle
	# without labels the region is one namespace, which is there from the start
	ndctl create-namespace -f -e namespace0.0 -m devdax -M dev -a 2M >"$T/namespace"
	DEV=$(jq -r '.daxregion.devices[0].chardev' "$T/namespace")
	ROUNDS=3
	size=$(<"$BUS/devices/$DEV/size")
	echo "# $DEV has $((size >> 30)) GiB"
	mode "$DEV" famfs
	drive famfs_large "$BUS/drivers/fsdev_dax" "$DEV"
	after_a_mount _large
	under_a_mount 512
	under_a_mount 2048
	exit
fi

mode "$DEV" devdax
drive device_dax "$BUS/drivers/device_dax" "$DEV"
mode "$DEV" famfs
drive famfs "$BUS/drivers/fsdev_dax" "$DEV"
ns=$(cd /sys/bus/nd/devices && ls -d namespace*)
drive nd_pmem /sys/bus/nd/drivers/nd_pmem "${ns%%$'\n'*}"

# file [SUFFIX]: I/O and faults of a file of 64 MiB in $MNT. Written first: a
# file that is only allocated has no data to read.
file() {
	bench "pwrite_4K$1" "$(cost rw "$MNT/f" w)" instructions
	bench "pread_4K$1" "$(cost rw "$MNT/f" r)" instructions
	bench "fault_2M$1" "$(cost fault "$MNT/f")" instructions
	# another file, as pages that were mapped by 2 MiB have no entries of their own
	cost rw "$MNT/g" w >/dev/null
	bench "truncate_4K$1" "$(cost truncate "$MNT/g")" instructions
	umount "$MNT"
}

mount -t daxtest "/dev/$DEV" "$MNT"
"$DT" mkfile "$MNT/f" 64M 0:0:64M >/dev/null
"$DT" mkfile "$MNT/g" 64M 0:64M:64M >/dev/null
file

# extents that begin at 2 MiB, as those of the other file do
modprobe ext4
pmem=/dev/$(cd "/sys/bus/nd/devices/${ns%%$'\n'*}/block" && echo *)
mkfs.ext4 -q -F -b 4096 -E stride=512,stripe-width=512 "$pmem"
mount -t ext4 -o dax "$pmem" "$MNT"
fallocate -l 64M "$MNT/f"
fallocate -l 64M "$MNT/g"
"$DT" isdax "$MNT/f"
file _ext4_on_pmem

# none of the blocks is shared any more, but the file may share some
modprobe xfs
mkfs.xfs -q -f -m reflink=1 "$pmem"
mount -t xfs -o dax "$pmem" "$MNT"
fallocate -l 64M "$MNT/f"
cost rw "$MNT/f" w >/dev/null
cp --reflink=always "$MNT/f" "$MNT/g"
rm "$MNT/g"
umount "$MNT"
mount -t xfs -o dax "$pmem" "$MNT"
"$DT" isdax "$MNT/f"
bench pwrite_4K_xfs_reflink_on_pmem "$(cost rw "$MNT/f" w)" instructions
umount "$MNT"

after_a_mount

start=$(region_start "$DEV")
for n in 1 2 16 512; do
	lookup "$start" $n
done
