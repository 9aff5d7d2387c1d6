# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Memory errors, injected by number of page. To be sourced after lib.sh.

try() { "$DT" try "$@"; }

HWPOISON=/sys/kernel/debug/hwpoison

badblocks() { cat "$BUS/devices/$DEV/badblocks"; }

# inject OFFSET: into this page of the device
inject() {
	local pgoff=$(($1 / 4096)) start end pages

	modprobe -q hwpoison-inject || skip "no hwpoison-inject"
	while read -r start end; do
		pages=$(((end + 1 - start) / 4096))
		if [ $pgoff -lt $pages ]; then
			store $HWPOISON/corrupt-pfn $((start / 4096 + pgoff))
			return
		fi
		pgoff=$((pgoff - pages))
	done <<<"$(ranges "$DEV")"
	fail "no page at $1"
}

# device_pfn PAGE: of this page of the device
device_pfn() {
	local answer
	answer=$(probe access "$DEVT" "$1" 1)
	echo "${answer##*pfn }"
}

heal_all() {
	local sector count

	# a kernel that keeps no record has nothing to heal, and another result
	[ -e "$BUS/devices/$DEV/badblocks" ] || return 0
	while read -r sector count; do
		probe zero "$DEVT" $((sector / 8)) $((count / 8)) >/dev/null
	done <<<"$(badblocks)"
	is '' badblocks
}

# A healthy device, mounted, one file over its first 16 MiB
healthy_file() {
	# a bind lets heals be tried again, should a test have left such a page
	[ -z "$(badblocks 2>/dev/null)" ] || unbind "$DEV"
	mode "$DEV" famfs
	DEVT=$(<"$BUS/devices/$DEV/dev")
	heal_all
	mnt "$DEV" "$@"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
}

M1=$((1 << 20))

# corrupted: so many pages the kernel itself takes for bad
corrupted() { awk '/^HardwareCorrupted:/ { kb = $2 } END { print kb / 4 }' /proc/meminfo; }

# kpageflag PFN BIT
kpageflag() {
	local flags

	flags=$(od -An -tu8 -j $(($1 * 8)) -N 8 /proc/kpageflags)
	[ $((flags >> $2 & 1)) = 1 ]
}
