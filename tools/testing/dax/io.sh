#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Files of the test filesystem: data, mappings, sizes of faults
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

try() { "$DT" try "$@"; }

TRACE=/sys/kernel/tracing

trace_on() {
	[ -d $TRACE/events ] || mount -t tracefs tracefs $TRACE
	[ -d $TRACE/events/fs_dax ] || skip "no fs_dax tracepoints"
	echo >$TRACE/trace
	echo 1 >$TRACE/events/fs_dax/enable
	echo 1 >$TRACE/tracing_on
}

# traced EVENT RESULT: how many
traced() {
	echo 0 >$TRACE/events/fs_dax/enable
	grep -c " $1: .*$2" $TRACE/trace || :
}

dd_write_read_compare() {
	famfs_mount
	mkfile f 8M 0:0:8M
	dd if=/dev/urandom of="$T/ref" bs=1M count=8 status=none
	dd if="$T/ref" of="$MNT/f" bs=64k conv=notrunc,fsync status=none
	cmp "$T/ref" "$MNT/f"
	dd if="$MNT/f" of="$T/back" bs=3000 status=none
	cmp "$T/ref" "$T/back"
	"$DT" mmapcmp "$MNT/f" "$T/ref"
}

# 4000 bytes at a time is never a whole page
sub_page_and_across_extents() {
	famfs_mount
	mkfile f 64K 0:1M:4K,0:3M:8K,0:2M:16K,0:8M:36K
	dd if=/dev/urandom of="$T/ref" bs=4000 count=16 status=none
	truncate -s 64K "$T/ref"
	dd if="$T/ref" of="$MNT/f" bs=4000 conv=notrunc status=none
	cmp "$T/ref" "$MNT/f"
	"$DT" mmapcmp "$MNT/f" "$T/ref"
	mkfile g 16K 0:4M:16K
	"$DT" fill "$MNT/g" 5 1 10000
	"$DT" check "$MNT/g" 5 1 10000
	"$DT" mcheck "$MNT/g" 5 1 10000
}

data_is_where_the_layout_says() {
	famfs_mount
	mkfile f 4M 0:6M:4M
	"$DT" fill "$MNT/f" 9
	rm "$MNT/f"
	mkfile whole 16M 0:0:16M
	dd if="$MNT/whole" of="$T/part" bs=1M skip=6 count=4 status=none
	mkfile f2 4M 0:16M:4M
	"$DT" fill "$MNT/f2" 9
	cmp "$T/part" "$MNT/f2"
}

# it outlives the umount, as the tree does not
data_stays_over_umount() {
	famfs_mount
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 3
	umount "$MNT"
	famfs_mount
	mkfile g 4M 0:0:4M
	"$DT" check "$MNT/g" 3
}

reads_and_writes_see_mappings() {
	famfs_mount
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 1
	"$DT" mcheck "$MNT/f" 1
	"$DT" mfill "$MNT/f" 2
	"$DT" check "$MNT/f" 2
	start h "$DT" hold "$MNT/f" 0 rw
	"$DT" fill "$MNT/f" 3
	tell h r
	tell h w
	fails "$DT" check "$MNT/f" 3 0 8
	"$DT" check "$MNT/f" 3 8 4088
	stop h
}

faults_of_2M() {
	famfs_mount
	mkfile f 4M 0:2M:4M
	trace_on
	is OK "$DT" touch "$MNT/f" 0 rwh
	is OK "$DT" touch "$MNT/f" 3M rh
	[ "$(traced dax_pmd_fault_done NOPAGE)" -ge 2 ] ||
		fail "no PMD faults traced"
	[ "$(traced dax_pte_fault_done NOPAGE)" = 0 ] || fail "PTE faults"
	[ "$(stat_of fault_pmd)" -ge 2 ] || fail "no PMD faults counted"
	is 0 stat_of fault_pte
}

faults_of_4K() {
	famfs_mount
	# memory that is not aligned, a file that is too short, a short mapping
	mkfile a 4M 0:1M:4M
	mkfile b 1M 0:6M:1M
	mkfile c 2M 0:8M:2M
	trace_on
	is OK "$DT" touch "$MNT/a" 0 rwh
	is OK "$DT" touch "$MNT/b" 0 rwh
	is OK "$DT" touch "$MNT/c" 4K rw
	[ "$(traced dax_pte_fault_done NOPAGE)" -ge 3 ] ||
		fail "no PTE faults traced"
	[ "$(traced dax_pmd_fault_done NOPAGE)" = 0 ] || fail "PMD faults"
	is 0 stat_of fault_pmd
}

faults_of_both_sizes_in_one_file() {
	famfs_mount
	mkfile f 6M 0:2M:2M,0:5M:2M,0:8M:2M
	"$DT" mfill "$MNT/f" 7
	"$DT" check "$MNT/f" 7
	[ "$(stat_of fault_pmd)" = 2 ] || fail "$(stat_of fault_pmd) PMD faults"
	[ "$(stat_of fault_pte)" = 512 ] ||
		fail "$(stat_of fault_pte) PTE faults"
}

private_mappings() {
	famfs_mount
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 1
	is OK "$DT" touch "$MNT/f" 0 rwp
	is OK "$DT" touch "$MNT/f" 0 rwph
	"$DT" check "$MNT/f" 1
}

map_sync() {
	famfs_mount
	mkfile f 4M 0:0:4M
	# the layout has not been committed yet, so the fault has to do it
	is OK "$DT" touch "$MNT/f" 0 rws
	is OK "$DT" touch "$MNT/f" 2M rwsh
	[ "$(stat_of fault_sync)" -ge 1 ] || fail "no synchronous fault"
}

end_of_file() {
	famfs_mount
	mkfile f 10000 0:0:12K
	is 1808 try pread "$MNT/f" 8K 4096
	is 0 try pread "$MNT/f" 10000 4096
	is 0 try pread "$MNT/f" 1M 4096
	is 1808 try pwrite "$MNT/f" 8K 4096
	is ENOSPC try pwrite "$MNT/f" 10000 1
	is ENOSPC try pwrite "$MNT/f" 1G 1
	is OK "$DT" touch "$MNT/f" 11K rw
	is "BUS_ADRERR*" "$DT" touch "$MNT/f" 12K r
	: >"$MNT/empty"
	is 0 try pread "$MNT/empty" 0 1
	is ENOSPC try pwrite "$MNT/empty" 0 1
	is "BUS_ADRERR*" "$DT" touch "$MNT/empty" 0 r
}

truncate_down_and_up() {
	famfs_mount
	mkfile f 8M 0:0:8M
	"$DT" mfill "$MNT/f" 1
	start h "$DT" hold "$MNT/f" 5M rwh
	is OK try truncate "$MNT/f" 2500000
	tell h r
	[[ $HEARD == BUS_ADRERR* ]] || fail "past the end: $HEARD"
	"$DT" check "$MNT/f" 1
	is OK try truncate "$MNT/f" 8M
	tell h r
	is OK echo "$HEARD"
	"$DT" check "$MNT/f" 1 0 2500000
	"$DT" iszero "$MNT/f" 2500000 $(((8 << 20) - 2500000))
	is EFBIG try truncate "$MNT/f" 8193K
	stop h
}

truncate_waits_for_pins() {
	famfs_mount
	mkfile f 4M 0:0:4M
	start p "$DT" pin "$MNT/f" 0 rw
	"$DT" try truncate "$MNT/f" 0 >"$T/out" &
	sleep 1
	[ ! -s "$T/out" ] || fail "did not wait"
	stop p
	wait
	is OK cat "$T/out"
}

zero_ranges() {
	local f=$MNT/f

	famfs_mount
	mkfile f 8M 0:1M:3M,0:8M:5M
	"$DT" fill $f 1
	is OK "$DT" fallocate zero $f 1000 5000
	"$DT" check $f 1 0 1000
	"$DT" iszero $f 1000 5000
	"$DT" check $f 1 6000 4096
	# across the extents
	is OK "$DT" fallocate punch $f 2M 2M
	"$DT" iszero $f 2M 2M
	"$DT" check $f 1 4M 4M
	is OK "$DT" fallocate keep $f 7M 4M
	"$DT" check $f 1 4M 3M
	"$DT" iszero $f 7M 1M
	is ENOSPC "$DT" fallocate zero $f 7M 4M
	is EOPNOTSUPP "$DT" fallocate collapse $f 0 4K
}

fsync_and_sync() {
	famfs_mount
	mkfile f 8M 0:0:8M
	"$DT" mfill "$MNT/f" 1
	is OK try fsync "$MNT/f"
	"$DT" mfill "$MNT/f" 2
	sync
	sync -f "$MNT/f"
	"$DT" check "$MNT/f" 2
}

several_devices() {
	local second

	second=$(new_device 64M)
	mode "$second" famfs
	famfs_mount "daxdev=/dev/$second"
	mkfile f 8M 0:0:3M,1:2M:5M
	"$DT" fill "$MNT/f" 1
	"$DT" mcheck "$MNT/f" 1
	"$DT" mfill "$MNT/f" 2
	is OK try fsync "$MNT/f"
	"$DT" check "$MNT/f" 2
	grep -q "daxtest .*daxdev=/dev/$second" /proc/mounts
	umount "$MNT"
	mnt "$second"
	mkfile g 5M 0:2M:5M
	# the same bytes, 3M further to the front
	"$DT" mfill "$MNT/g" 2 0 8
	fails "$DT" check "$MNT/g" 2
}

stripes() {
	local second chunk

	second=$(new_device 64M)
	mode "$second" famfs
	famfs_mount "daxdev=/dev/$second"
	for chunk in 4K 64K 2M; do
		is OK "$DT" mkstripe "$MNT/f" 12M $chunk 0:0:4M,1:2M:4M,0:8M:4M
		"$DT" fill "$MNT/f" 1
		"$DT" mcheck "$MNT/f" 1
		"$DT" mfill "$MNT/f" 2
		is OK try fsync "$MNT/f"
		"$DT" check "$MNT/f" 2
		is "stripe size 12582912 chunk *" "$DT" layout "$MNT/f"
		rm "$MNT/f"
	done
	# an odd size, whose last row is not full
	is OK "$DT" mkstripe "$MNT/f" 200001 64K 0:0:128K,1:0:128K
	"$DT" fill "$MNT/f" 4
	"$DT" mcheck "$MNT/f" 4
}

directories_and_names() {
	famfs_mount
	mkdir -p "$MNT/a/b"
	mkfile a/b/f 4M 0:0:4M
	"$DT" fill "$MNT/a/b/f" 1
	mv "$MNT/a/b/f" "$MNT/g"
	ln "$MNT/g" "$MNT/a/link"
	ln -s ../g "$MNT/a/symlink"
	rm "$MNT/g"
	"$DT" check "$MNT/a/link" 1
	fails test -e "$MNT/a/symlink"
	fails rmdir "$MNT/a"
	rm -r "$MNT/a"
	is 0 sh -c "ls -A $MNT | wc -l"
}

deleted_but_mapped() {
	famfs_mount
	mkfile f 4M 0:0:4M
	start h "$DT" hold "$MNT/f" 0 rwh
	rm "$MNT/f"
	# its memory is not free as long as it is mapped
	is EBUSY "$DT" mkfile "$MNT/g" 4M 0:0:4M
	tell h w
	is OK echo "$HEARD"
	stop h
	retry "$DT" mkfile "$MNT/g" 4M 0:0:4M
}

statfs_counts() {
	famfs_mount
	is "$((SIZE / 4096)) $((SIZE / 4096))" stat -f -c '%b %f' "$MNT"
	mkfile f 4M 0:0:4M
	is "$((SIZE / 4096)) $((SIZE / 4096 - 1024))" stat -f -c '%b %f' "$MNT"
	rm "$MNT/f"
	is "$((SIZE / 4096)) $((SIZE / 4096))" stat -f -c '%b %f' "$MNT"
}

read_only() {
	famfs_mount
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 1
	mount -o remount,ro "$MNT"
	"$DT" mcheck "$MNT/f" 1
	is EROFS try pwrite "$MNT/f" 0 1
	is OK "$DT" touch "$MNT/f" 0 rwp
	mount -o remount,rw "$MNT"
	"$DT" fill "$MNT/f" 2
	umount "$MNT"
	is OK try mount "/dev/$DEV" "$MNT" "" ro
	fails mkdir "$MNT/d"
}

a_program_on_it() {
	local prog size

	prog=$(type -P sleep)
	size=$(stat -L -c %s "$prog")
	famfs_mount
	mkfile sleep "$size" "0:0:$(((size + 4095) / 4096 * 4))K"
	dd if="$prog" of="$MNT/sleep" conv=notrunc status=none
	chmod +x "$MNT/sleep"
	"$MNT/sleep" 0
	"$MNT/sleep" 100 &
	echo $! >"$T/sleep.pid"
	retry is "$MNT/sleep" readlink "/proc/$!/exe"
	is ETXTBSY try store "$MNT/sleep" x
	cmp "$prog" "$MNT/sleep"
	kill $!
	wait $! || :
	retry is OK try store "$MNT/sleep" x
}

splice_and_direct_io() {
	famfs_mount
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 1
	# shellcheck disable=SC2002
	cat "$MNT/f" | cmp - "$MNT/f"
	dd if="$MNT/f" of="$T/copy" bs=1M iflag=direct status=none
	cmp "$T/copy" "$MNT/f"
	"$DT" mfill "$MNT/f" 2
	dd if="$T/copy" of="$MNT/f" bs=1M oflag=direct conv=notrunc status=none
	"$DT" mcheck "$MNT/f" 1
}

fio_verify() {
	local engine

	command -v fio >/dev/null || skip "no fio"
	famfs_mount
	for engine in psync mmap; do
		mkfile f 16M 0:1M:7M,0:16M:9M
		fio --name=v --filename="$MNT/f" --size=16M --bsrange=1k-64k \
			--rw=randwrite --ioengine=$engine --verify=crc32c \
			--allow_file_create=0 --overwrite=0 --fallocate=none \
			--thread --minimal >"$T/fio" 2>&1 ||
			fail "$(<"$T/fio")"
		rm "$MNT/f"
	done
}

storms() {
	famfs_mount
	mkfile f 8M 0:0:8M
	"$DT" faultstorm "$MNT/f" 5 2
	"$DT" iostorm "$MNT/f" 5 2
	"$DT" mfill "$MNT/f" 1
	"$DT" check "$MNT/f" 1
}

# Files that grow by being written, where the mount says so
files_that_grow() {
	famfs_mount alloc=4M
	head -c 3000000 /dev/urandom >"$T/ref"
	cp "$T/ref" "$MNT/f"
	cmp "$T/ref" "$MNT/f"
	cat "$T/ref" >>"$T/two" && cat "$T/ref" >>"$T/two"
	# as much as there is room for
	fails dd if="$T/ref" of="$MNT/f" bs=1M oflag=append conv=notrunc \
		2>"$T/err"
	grep -q "No space left" "$T/err"
	is 4194304 stat -c %s "$MNT/f"
	cmp -n 4194304 "$T/two" "$MNT/f"
	is 'simple size 4194304*' "$DT" layout "$MNT/f"
	# a hole, and the rest of the last page, are of zeroes
	: >"$MNT/f"
	is 1 try pwrite "$MNT/f" 10000 1
	"$DT" iszero "$MNT/f" 0 10001
	# next to files with a layout, which stay where they are
	mkfile g 2M 0:4M:2M
	cp "$T/ref" "$MNT/h"
	is "simple size 4194304
0:0x600000:0x400000" "$DT" layout "$MNT/h"
	rm "$MNT/f"
	cp "$T/ref" "$MNT/i"
	is "simple size 4194304
0:0:0x400000" "$DT" layout "$MNT/i"
}

# An administrator can do anything with a mounted device, but the filesystem
# loses the device, and must be unmounted before it can be in famfs mode again
other_modes_under_a_mount() {
	local via

	command -v daxctl >/dev/null || skip "no daxctl"
	modprobe kmem
	for via in devdax system-ram; do
		famfs_mount
		mkfile f 4M 0:0:4M
		"$DT" fill "$MNT/f" 1
		start h "$DT" hold "$MNT/f" 0 rwh
		daxctl reconfigure-device --force --mode=$via "$DEV"
		is $via mode_of "$DEV"
		tell h w
		is 'BUS_ADRERR *' echo "$HEARD"
		is EIO try pread "$MNT/f" 0 4096
		is EIO try pwrite "$MNT/f" 0 4096
		fails mount -o remount,mf=ignore0 "$MNT"
		[ $via = devdax ] ||
			daxctl reconfigure-device --force --mode=devdax "$DEV"
		fails daxctl reconfigure-device --force --mode=famfs "$DEV"
		stop h
		umount "$MNT"
		mode "$DEV" none
		daxctl reconfigure-device --force --mode=famfs "$DEV"
		is famfs mode_of "$DEV"
		check_pages "$DEV"
		mnt "$DEV"
		umount "$MNT"
	done
}

a_hundred_mounts() {
	local i

	mode "$DEV" famfs
	for i in $(seq 100); do
		mnt "$DEV"
		umount "$MNT"
	done
}

run_tests \
	dd_write_read_compare \
	sub_page_and_across_extents \
	data_is_where_the_layout_says \
	data_stays_over_umount \
	reads_and_writes_see_mappings \
	faults_of_2M \
	faults_of_4K \
	faults_of_both_sizes_in_one_file \
	private_mappings \
	map_sync \
	end_of_file \
	truncate_down_and_up \
	truncate_waits_for_pins \
	zero_ranges \
	fsync_and_sync \
	several_devices \
	stripes \
	directories_and_names \
	deleted_but_mapped \
	statfs_counts \
	read_only \
	a_program_on_it \
	splice_and_direct_io \
	fio_verify \
	storms \
	files_that_grow \
	other_modes_under_a_mount \
	a_hundred_mounts
