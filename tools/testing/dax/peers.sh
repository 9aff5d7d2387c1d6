#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Test programs of others, on files of the filesystem; README says which others
# there are, and why they are not run here
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

# on_it COMMAND...: with its working directory and /tmp on the filesystem
on_it() {
	mkdir -p "$MNT/tmp"
	# shellcheck disable=SC2016
	timeout -k 5 120 unshare -m sh -c \
		'cd "$0" && mount --bind . /tmp && exec "$@"' "$MNT/tmp" "$@"
}

faults_on_it() {
	[ $(($(stat_of fault_pte) + $(stat_of fault_pmd))) -ge "$1" ] ||
		fail "only $(stat_of fault_pte) and $(stat_of fault_pmd) faults"
}

# stressors OPTIONS...: stress-ng with these stressors, at once. Each has to
# do its work and to end in time. Few of them look at their data; that is what
# exercise.sh is for.
stressors() {
	command -v stress-ng >/dev/null || skip "no stress-ng"
	on_it stress-ng --temp-path /tmp --timeout "${PEER_SECS:-5}" --verify \
		--no-rand-seed --oomable "$@" >"$T/stress" 2>&1 ||
		fail "$(<"$T/stress")"
	grep -q 'skipped: 0' "$T/stress" || fail "$(<"$T/stress")"
	is 0 sh -c "ls -A $MNT/tmp | wc -l"
}

more_room() {
	local second

	second=$(new_device 512M)
	mode "$second" famfs
	famfs_mount "alloc=$1,daxdev=/dev/$second"
}

stress_ng_mappings() {
	more_room 16M
	stressors --mmap 1 --mmap-file --mmap-bytes 8M --mmap-write-check \
		--mmaphuge 1 --mmaphuge-file --mmaphuge-mmaps 2 \
		--msync 1 --msync-bytes 8M --mmaprandom 1 --mmaptorture 1 \
		--fault 1 --metamix 1
	faults_on_it 1000
	[ "$(stat_of fault_pmd)" -gt 0 ] || fail "no huge pages"
}

stress_ng_file_data() {
	more_room 16M
	stressors --fallocate 1 --fallocate-bytes 8M --fpunch 1 \
		--hdd 1 --hdd-bytes 8M --hdd-opts direct,fsync \
		--revio 1 --revio-bytes 8M --iomix 1 --iomix-bytes 8M \
		--io-uring 1 --aio 1 \
		--sendfile 1 --sendfile-size 1M --splice 1 --sync-file 1 \
		--sync-file-bytes 8M
}

stress_ng_names() {
	more_room 4M
	stressors --dentry 1 --dir 1 --link 1 --rename 1 --symlink 1 \
		--unlink 1 --touch 1 --dirmany 1 --getdent 1 --filerace 1
}

# kselftest NAME [ARGUMENTS]: one of the kernel's own
kselftest() {
	[ -x "$DIR/$1" ] || skip "$1 is not built"
	on_it "$DIR/$1" "${@:2}" >"$T/out" 2>&1 || :
	grep -q '^# Totals: ' "$T/out" || fail "$(<"$T/out")"
}

not_ok() { sed -n 's/^not ok [0-9]* //p' "$T/out"; }

# mlock(2) leaves dax mappings unlocked, on all filesystems, and then there can
# be guards in them
guard_regions() {
	famfs_mount alloc=4M
	kselftest guard-regions -v file
	is guard_regions.file.mlock not_ok
	[ "$(grep -c '^ok .* guard_regions.file' "$T/out")" -ge 20 ] ||
		fail "$(<"$T/out")"
	faults_on_it 50
}

map_populate() {
	famfs_mount alloc=4M
	kselftest map_populate
	is '' not_ok
	faults_on_it 1
}

# the same device as memory; the result of the script is all of the result
dax_kmem_hotplug() {
	local script=$DIR/dax-kmem-hotplug dir

	[ -e "$script" ] || skip "no dax-kmem-hotplug"
	for dir in "$DIR/../selftests/kselftest" "$DIR/../kselftest" \
		   "$DIR/kselftest" "$DIR"; do
		[ -e "$T/kselftest" ] || [ ! -e "$dir/ktap_helpers.sh" ] ||
			ln -s "$dir" "$T/kselftest"
	done
	mkdir "$T/dax"
	cp "$script" "$T/dax"
	modprobe kmem
	mode "$DEV" system-ram
	DAX_KMEM_TEST_DEV=$DEV bash "$T/dax/${script##*/}" >"$T/out" 2>&1 || :
	grep -q '^# Totals: .*fail:0 ' "$T/out" || fail "$(<"$T/out")"
	[ "$(grep -c '^ok ' "$T/out")" -ge 5 ] || fail "$(<"$T/out")"
	cat "$T/out"
	mode "$DEV" famfs
	check_pages "$DEV"
}

run_tests \
	stress_ng_mappings \
	stress_ng_file_data \
	stress_ng_names \
	guard_regions \
	map_populate \
	dax_kmem_hotplug
