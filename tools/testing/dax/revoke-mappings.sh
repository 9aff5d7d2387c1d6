#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The device goes away under mappings, whatever the filesystem thinks of it
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/revoke.bash"

M1=$((1 << 20))

# revoke_mapped OPTIONS HOW: one mapping of this kind
revoke_mapped() {
	held_file "$1"
	start h "$DT" hold "$MNT/f" 2M "$2"
	is 'ready OK' echo "$HEARD"
	unbind_now
	is 1 stat_of pre_remove
	tell h r
	is 'BUS_ADRERR *' echo "$HEARD"
	nothing_works_any_more
	tell h u
	is OK echo "$HEARD"
	stop h
	umount "$MNT"
	# data and pages are as they were
	famfs_mount
	check_pages "$DEV"
	mkfile f 16M 0:0:16M
	"$DT" check "$MNT/f" 1 0 2M
	"$DT" check "$MNT/f" 1 4M 12M
	"$DT" mcheck "$MNT/f" 1 4M 12M
}

careful_4K_mapping() { revoke_mapped revoke=careful rw; }
careful_2M_mapping() { revoke_mapped revoke=careful rwh; }
careful_read_only_mapping() { revoke_mapped revoke=careful rh; }
ignoring_4K_mapping() { revoke_mapped revoke=ignore rw; }
ignoring_2M_mapping() { revoke_mapped revoke=ignore rwh; }
pretending_2M_mapping() { revoke_mapped revoke=return0 rwh; }
late_2M_mapping() { revoke_mapped revoke=delay:2000 rwh; }

nothing_mapped() {
	local how

	for how in careful ignore return0 delay:1; do
		held_file revoke=$how
		unbind_now
		is 1 stat_of pre_remove
		nothing_works_any_more
		umount "$MNT"
	done
}

many_mappings() {
	local i

	held_file revoke=ignore
	for i in 0 1 2 3 4 5; do
		start p$i "$DT" hold "$MNT/f" $((i * M1)) rw
		start h$i "$DT" hold "$MNT/f" $((i * 2 * M1)) rwh
		start r$i "$DT" hold "$MNT/f" $((i * M1)) r
	done
	unbind_now
	for i in 0 1 2 3 4 5; do
		tell p$i r
		is 'BUS_ADRERR *' echo "$HEARD"
		tell h$i w
		is 'BUS_ADRERR *' echo "$HEARD"
		stop r$i
	done
	umount_busy_then_free
}

umount_busy_then_free() {
	local i

	for i in 0 1 2 3 4 5; do
		stop p$i
		stop h$i
	done
	umount "$MNT"
}

# a page that was copied on write is the process's own
private_mappings() {
	local how

	for how in careful ignore; do
		held_file revoke=$how
		start copied "$DT" hold "$MNT/f" 0 rwp
		start clean "$DT" hold "$MNT/f" 2M rph
		unbind_now
		tell copied r
		is OK echo "$HEARD"
		tell clean r
		is 'BUS_ADRERR *' echo "$HEARD"
		stop copied
		stop clean
		umount "$MNT"
	done
}

# both_lose_it: the files "a" and "b", which somebody of the same name maps
both_lose_it() {
	local who

	unbind_now
	mode "$DEV" devdax
	"$DT" mfill "/dev/$DEV" 7 0 4M
	for who in a b; do
		tell $who r
		is 'BUS_ADRERR *' echo "$HEARD"
		is 'E@(IO|NXIO|OPNOTSUPP)' try pread "$MNT/$who" 0 4096
		stop $who
	done
	umount "$MNT"
	"$DT" mcheck "/dev/$DEV" 7 0 4M
	famfs_mount
	check_pages "$DEV"
	umount "$MNT"
}

# Pages that are in two files at once belong to neither, and go all the same
shared_files() {
	local how who

	for how in careful ignore; do
		famfs_mount revoke=$how
		is OK "$DT" mkfile -s "$MNT/a" 4M 0:0:4M
		is OK "$DT" mkfile -s "$MNT/b" 4M 0:0:4M
		for who in a b; do
			start $who "$DT" hold "$MNT/$who" 2M r
			is 'ready OK' echo "$HEARD"
		done
		both_lose_it
	done
}

# The same with what a file has written, and the filesystem not written back
shared_and_dirty() {
	local how

	for how in careful ignore; do
		famfs_mount revoke=$how
		mkfile a 1M 0:0:1M
		"$DT" mfill "$MNT/a" 1
		start a "$DT" hold "$MNT/a" 8K rw
		is OK "$DT" mkfile -l "$MNT/b" 1M 0:0:1M
		"$DT" mcheck "$MNT/b" 1 64K 64K
		start b "$DT" hold "$MNT/b" 8K r
		is 'ready OK' echo "$HEARD"
		both_lose_it
	done
}

# refused NAME FILE OFFSET ACCESS: the log names a page that another file has
refused() {
	mark
	start "$1" "$DT" hold "$MNT/$2" "$3" "$4"
	is 'ready BUS_ADRERR *' echo "$HEARD"
	log_says 'page .* of inode .* on .*: is the filesystem corrupt' ||
		fail "the log does not say why"
}

# Two files have a block, and do not know of each other, as after corruption of
# metadata: the first one that maps it has it
overlapping_files() {
	local how who

	for how in careful ignore; do
		famfs_mount "revoke=$how,overlap"
		mkfile a 4M 0:0:4M
		mkfile b 4M 0:0:4M
		start a "$DT" hold "$MNT/a" 2M rwh
		is 'ready OK' echo "$HEARD"
		refused b b 2M rwh
		refused c b $((2 * M1 + 4096)) r
		start d "$DT" hold "$MNT/b" 4096 rw
		is 'ready OK' echo "$HEARD"
		refused e a 4096 rh
		# the rest of what would be a huge page is free
		is OK "$DT" touch "$MNT/a" 8192 rwh
		tell a w
		is OK echo "$HEARD"
		is 4096 try pread "$MNT/b" 2M 4096
		unbind_now
		mode "$DEV" devdax
		"$DT" mfill "/dev/$DEV" 7 0 4M
		for who in a b c d e; do
			tell $who r
			is 'BUS_ADRERR *' echo "$HEARD"
			stop $who || :
		done
		umount "$MNT"
		"$DT" mcheck "/dev/$DEV" 7 0 4M
		famfs_mount
		check_pages "$DEV"
		umount "$MNT"
	done
}

one_of_two_devices() {
	local second

	second=$(new_device 32M)
	mode "$second" famfs
	famfs_mount "daxdev=/dev/$second"
	mkfile a 4M 0:0:4M
	mkfile b 4M 1:0:4M
	mkfile c 8M 0:8M:4M,1:8M:4M
	start a "$DT" hold "$MNT/a" 0 rw
	start b "$DT" hold "$MNT/b" 0 rwh
	unbind "$second"
	tell a w
	is OK echo "$HEARD"
	tell b w
	is 'BUS_ADRERR *' echo "$HEARD"
	is 4096 try pwrite "$MNT/a" 0 4096
	is EIO try pwrite "$MNT/b" 0 4096
	is 4096 try pread "$MNT/c" 0 4096
	is EIO try pread "$MNT/c" 4M 4096
	is EIO "$DT" mkfile "$MNT/d" 4K 1:16M:4K
	mkfile e 4K 0:16M:4K
	stop a
	stop b
	umount "$MNT"
}

run_tests \
	nothing_mapped \
	careful_4K_mapping \
	careful_2M_mapping \
	careful_read_only_mapping \
	ignoring_4K_mapping \
	ignoring_2M_mapping \
	pretending_2M_mapping \
	late_2M_mapping \
	many_mappings \
	private_mappings \
	shared_files \
	shared_and_dirty \
	overlapping_files \
	one_of_two_devices
