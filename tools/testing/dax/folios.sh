#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The state of every struct page of a device in famfs mode: a filesystem must
# find order-0 folios that nobody uses, whatever the device was used for before
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

# count NAME: the pages of that kind that the last walk found
count() {
	sed -n "s/.*\<$1 \([0-9]*\).*/\1/p" "$T/pages"
}

walk() {
	local start end

	: >"$T/pages"
	while read -r start end; do
		probe pages "$start" "$end" >>"$T/pages" || :
	done <<<"$(ranges "$DEV")"
}

after_devdax_mapped_with_2M() {
	mode "$DEV" devdax
	is OK "$DT" touch "/dev/$DEV" 0 rwh
	is OK "$DT" touch "/dev/$DEV" $((SIZE - (2 << 20))) rwh
	mode "$DEV" famfs
	walk
	is $((SIZE / 4096)) count seen
	check_pages "$DEV"
}

devdax_after_famfs() {
	famfs_mount
	mkfile f 4M 0:0:4M
	"$DT" mfill "$MNT/f" 1
	umount "$MNT"
	mode "$DEV" devdax
	is OK "$DT" touch "/dev/$DEV" 0 rwh
	is OK "$DT" touch "/dev/$DEV" 2M rwh
	# device_dax has large folios, so the walk can tell
	walk
	[ "$(count large)" -gt 0 ] || fail "no large folios: $(<"$T/pages")"
	[ "$(count not_fsdax)" = $((SIZE / 4096)) ] || fail "fsdax pages"
	mode "$DEV" famfs
	check_pages "$DEV"
}

after_system_ram() {
	modprobe kmem
	mode "$DEV" system-ram
	mode "$DEV" famfs
	check_pages "$DEV"
}

mapped_files_and_after_umount() {
	famfs_mount
	mkfile f 8M 0:2M:8M
	mkfile g 4M 0:11M:4M
	start h "$DT" hold "$MNT/f" 2M rwh
	start i "$DT" hold "$MNT/g" 0 rw
	walk
	is 512 count large
	is 1 count ref
	stop h
	stop i
	umount "$MNT"
	check_pages "$DEV"
}

after_truncate_and_unlink() {
	famfs_mount
	mkfile f 8M 0:0:8M
	mkfile g 8M 0:8M:8M
	"$DT" mfill "$MNT/f" 1
	"$DT" mfill "$MNT/g" 1
	is OK "$DT" try truncate "$MNT/f" 0
	rm "$MNT/g"
	check_pages "$DEV"
}

split_huge_mappings() {
	famfs_mount
	mkfile f 8M 0:0:8M
	"$DT" faultstorm "$MNT/f" 5 2
	is OK "$DT" try truncate "$MNT/f" 3M
	"$DT" faultstorm "$MNT/f" 3 2
	umount "$MNT"
	check_pages "$DEV"
}

# unmap_super: the filesystem acts as if it had lost the device, but has it
unmap_super() {
	store "$STATS/$(mountpoint -d "$MNT")/stats" unmap
}

# dax_unmap_super() takes the pages from the files, which can have them again
unmapped_by_the_filesystem() {
	local who

	famfs_mount
	mkfile f 8M 0:2M:8M
	mkfile g 4M 0:11M:4M
	start h "$DT" hold "$MNT/f" 2M rh
	start i "$DT" hold "$MNT/g" 4K r
	start j "$DT" hold "$MNT/g" 8K rp
	walk
	is 512 count large
	is 2 count ref
	is 1 stat_of fault_pmd
	is 2 stat_of fault_pte
	is EINVAL put "$STATS/$(mountpoint -d "$MNT")/stats" map
	unmap_super
	check_pages "$DEV"
	for who in h i j; do
		tell $who r
		is OK echo "$HEARD"
	done
	is 2 stat_of fault_pmd
	is 4 stat_of fault_pte
	walk
	is 512 count large
	is 2 count ref
	for who in h i j; do
		stop $who
	done
	# nobody has them, but the files
	unmap_super
	check_pages "$DEV"
}

# A page that has to be written back stays in its file, and only there; a pinned
# page stays, too
dirty_or_pinned_when_unmapped() {
	famfs_mount
	mkfile f 4M 0:2M:4M
	mkfile g 4M 0:8M:4M
	start h "$DT" hold "$MNT/f" 4K rw
	start p "$DT" pin "$MNT/g" 4K r
	walk
	is 2 count ref
	unmap_super
	walk
	is 1 count ref
	is 1 count mapping
	is 0 count mapcount
	store "$BUS/devices/$DEV/write_cache" 1
	is OK "$DT" try fsync "$MNT/f"
	unmap_super
	walk
	is 1 count ref
	is 0 count mapping
	stop p
	unmap_super
	check_pages "$DEV"
	store "$BUS/devices/$DEV/write_cache" 0
	tell h w
	is OK echo "$HEARD"
	stop h
}

# unbinding does not need the umount; revoke-mappings.sh has what is mapped
after_unbind_under_a_mount() {
	famfs_mount
	mkfile f 8M 0:0:8M
	"$DT" mfill "$MNT/f" 1
	unbind "$DEV"
	umount "$MNT"
	mode "$DEV" famfs
	check_pages "$DEV"
}

shared_folios() {
	famfs_mount
	is OK "$DT" mkfile -s "$MNT/a" 1M 0:0:1M
	is OK "$DT" mkfile -s "$MNT/b" 1M 0:0:1M
	start h "$DT" hold "$MNT/a" 0 r
	start i "$DT" hold "$MNT/b" 0 r
	stop h
	stop i
	umount "$MNT"
	check_pages "$DEV"
}

several_ranges() {
	local start

	start=$(region_start "$DEV")
	remap "$DEV" \
		"$(printf %x-%x $((start + (64 << 20))) $((start + (96 << 20) - 1)))" \
		"$(printf %x-%x "$start" $((start + (32 << 20) - 1)))"
	mode "$DEV" devdax
	is OK "$DT" touch "/dev/$DEV" 0 rwh
	is OK "$DT" touch "/dev/$DEV" 32M rwh
	famfs_mount
	check_pages "$DEV"
	mkfile f 8M 0:28M:8M
	"$DT" mfill "$MNT/f" 1
	umount "$MNT"
	check_pages "$DEV"
	resize "$DEV" "$SIZE"
}

run_tests \
	after_devdax_mapped_with_2M \
	devdax_after_famfs \
	after_system_ram \
	mapped_files_and_after_umount \
	after_truncate_and_unlink \
	split_huge_mappings \
	unmapped_by_the_filesystem \
	dirty_or_pinned_when_unmapped \
	after_unbind_under_a_mount \
	shared_folios \
	several_ranges
