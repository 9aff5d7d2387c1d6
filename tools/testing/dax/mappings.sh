#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Mappings of files: system calls that change them, the sizes in which they come,
# the control group that pays for them, programs that run from them
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

MB=$((1 << 20))
TRACE=/sys/kernel/tracing

# vma WHAT: to a file in huge pages, in base pages, in both, and to stripes
vma() {
	famfs_mount
	mkfile huge 10M 0:0:10M
	mkfile base 10M 0:11M:10M
	mkfile both 10M 0:22M:2M,0:25M:5M,0:32M:3M
	is OK "$DT" mkstripe "$MNT/stripes" 8M 64K 0:36M:4M,0:40M:4M
	is OK "$DT" vma "$1" "$MNT/huge"
	[ "$(stat_of fault_pmd)" -gt 0 ] || fail "no huge pages"
	is OK "$DT" vma "$1" "$MNT/base"
	is OK "$DT" vma "$1" "$MNT/both"
	is OK "$DT" vma "$1" "$MNT/stripes"
	umount "$MNT"
	check_pages "$DEV"
}

mprotect() { vma mprotect; }
munmap_of_a_part() { vma munmap; }
madvise() { vma madvise; }
mremap() { vma mremap; }
fork() { vma fork; }
mlock_and_msync() { vma mlock; }

trace_on() {
	[ -d $TRACE/events ] || mount -t tracefs tracefs $TRACE
	[ -d $TRACE/events/fs_dax ] || skip "no fs_dax tracepoints"
	echo 1 >$TRACE/events/fs_dax/enable
	echo 1 >$TRACE/tracing_on
	echo >$TRACE/trace
	: >"$T/wanted"
	COUNTED="0 0"
}

counted_faults() {
	awk '$1 == "fault_pmd" { pmd = $2 } $1 == "fault_pte" { pte = $2 }
	     END { print pmd, pte }' "$STATS/$FSID/stats"
}

# faults SIZE COMMAND...: COMMAND writes with one fault, of SIZE pmd or pte
faults() {
	local size=$1 pmd pte now
	shift
	read -r pmd pte <<<"$COUNTED"
	is OK "$@"
	now=$(counted_faults)
	COUNTED="$((pmd + 1)) $pte"
	[ "$size" = pmd ] || COUNTED="$pmd $((pte + 1))"
	[ "$now" = "$COUNTED" ] ||
		fail "$*: wanted $size: faults were $pmd $pte, are $now"
	echo "$size" >>"$T/wanted"
}

# The tracepoints have seen the same faults as the filesystem
traced_the_same() {
	echo 0 >$TRACE/events/fs_dax/enable
	sed -n 's/.* dax_\(p[mt][de]\)_fault_done: .*WRITE.* NOPAGE.*/\1/p' \
		$TRACE/trace >"$T/traced"
	diff "$T/wanted" "$T/traced" || fail "wanted <, traced >"
}

# A huge page needs: memory aligned like the file, all of it in one piece and
# in the file, and a mapping that is aligned like both
sizes_of_faults() {
	local f=$MNT/f chunk

	famfs_mount
	FSID=$(mountpoint -d "$MNT")
	trace_on
	mkfile f 8M 0:2M:4M,0:7M:2M,0:10M:2M
	faults pmd "$DT" place "$f" 3M 0
	faults pmd "$DT" touch "$f" 7M wh
	faults pte "$DT" touch "$f" 5M wh
	faults pte "$DT" touch "$f" 0 w
	faults pte "$DT" place "$f" 0 4K
	faults pte "$DT" place "$f" 0 1M
	faults pte "$DT" place "$f" 0 0 nohuge
	rm "$f"
	# the end of the file in the middle of a huge page
	mkfile f 3M 0:2M:4M
	faults pmd "$DT" touch "$f" 1M wh
	faults pte "$DT" touch "$f" 2M wh
	rm "$f"
	# the same, by truncate, and undone
	mkfile f 4M 0:2M:4M
	faults pmd "$DT" touch "$f" 3M wh
	is OK "$DT" try truncate "$f" 3M
	faults pte "$DT" touch "$f" 2M wh
	is OK "$DT" try truncate "$f" 4M
	rm "$f"
	# an extent that begins in the middle of one
	mkfile f 6M 0:2M:1M,0:33M:5M
	faults pte "$DT" touch "$f" 0 wh
	faults pmd "$DT" touch "$f" 2M wh
	faults pmd "$DT" touch "$f" 4M wh
	rm "$f"
	for chunk in 1M 2M 4M; do
		is OK "$DT" mkstripe "$f" 16M $chunk 0:32M:8M,0:40M:8M
		faults "$([ $chunk = 1M ] && echo pte || echo pmd)" \
			"$DT" touch "$f" 6M wh
		rm "$f"
	done
	traced_the_same
}

sizes_of_faults_at_gaps() {
	local start

	start=$(region_start "$DEV")
	# aligned there, and with a file that is not
	remap "$DEV" \
		"$(printf %x-%x $start $((start + 4 * MB - 1)))" \
		"$(printf %x-%x $((start + 8 * MB)) $((start + 16 * MB - 1)))"
	famfs_mount
	FSID=$(mountpoint -d "$MNT")
	trace_on
	mkfile f 12M 0:0:12M
	faults pmd "$DT" touch "$MNT/f" 2M wh
	faults pmd "$DT" touch "$MNT/f" 4M wh
	rm "$MNT/f"
	mkfile f 10M 0:1M:10M
	faults pte "$DT" touch "$MNT/f" 2M wh
	faults pte "$DT" touch "$MNT/f" 4M wh
	traced_the_same
	unmount_all
	resize "$DEV" "$SIZE"
}

# A read-only mapping becomes writable where it is
from_read_to_write() {
	famfs_mount
	mkfile f 4M 0:2M:4M
	start h "$DT" hold "$MNT/f" 0 rh
	is 'ready OK' echo "$HEARD"
	is OK "$DT" touch "$MNT/f" 0 wh
	tell h r
	is OK echo "$HEARD"
	stop h
	# first the whole page for reading, then the same for writing
	"$DT" mcheck "$MNT/f" 0 8 0
	"$DT" fill "$MNT/f" 4
	"$DT" mcheck "$MNT/f" 4
	"$DT" mfill "$MNT/f" 5
	"$DT" check "$MNT/f" 5
}

CG=/sys/fs/cgroup/daxtest

# limited COMMAND...: in a control group that has 8 MiB
limited() { sh -c "echo \$\$ >$CG/cgroup.procs && exec \"\$@\"" sh "$@"; }

event() { awk -v k="$1" '$1 == k { print $2 }' $CG/memory.events; }

# Files are not of the memory that a control group pays for
memory_cgroup() {
	grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null ||
		skip "no memory controller"
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	rmdir $CG 2>/dev/null || :
	mkdir $CG
	trap 'rmdir $CG' EXIT
	echo 8M >$CG/memory.max
	famfs_mount
	mkfile huge 32M 0:0:32M
	mkfile base 16M 0:33M:16M
	for f in huge base; do
		limited "$DT" mfill "$MNT/$f" 1
		limited "$DT" mcheck "$MNT/$f" 1
		limited "$DT" fill "$MNT/$f" 2
		limited "$DT" check "$MNT/$f" 2
		limited "$DT" touch "$MNT/$f" 0 wh
	done
	is 0 event oom_kill
	is 0 event max
	[ "$(<$CG/memory.current)" -lt $((4 * MB)) ] ||
		fail "charged: $(<$CG/memory.current)"
	# which other files are
	limited head -c 6M /dev/zero >"$T/file"
	[ "$(<$CG/memory.current)" -gt $((6 * MB)) ] ||
		fail "nothing is charged"
	rm "$T/file"
}

# copy_in PROGRAM NAME OFFSET: as a file of the filesystem
copy_in() {
	local size
	size=$(stat -L -c %s "$1")
	mkfile "$2" "$size" "0:$3:$(((size + 4095) / 4096 * 4))K"
	"$DT" copy sendfile "$1" "$MNT/$2"
	chmod +x "$MNT/$2"
}

# a program with relocations and data, and a library; both can be replaced
# only once nobody runs them
programs_and_libraries() {
	local libc

	libc=$(ldd "$(type -P bash)" | awk '$1 ~ /^libc\.so/ { print $3 }')
	[ -n "$libc" ] || skip "no libc to copy"
	famfs_mount
	copy_in "$(type -P bash)" bash 2M
	copy_in "$libc" "${libc##*/}" 33M
	# shellcheck disable=SC2016
	is "$MNT/${libc##*/}" env LD_LIBRARY_PATH="$MNT" "$MNT/bash" -c \
		'while read -r _ _ _ _ _ name; do
			[[ $name != */libc.so* ]] || { echo "$name"; break; }
		 done </proc/self/maps'
	is 4950 env LD_LIBRARY_PATH="$MNT" "$MNT/bash" -c \
		's=0; for i in {1..99}; do s=$((s + i)); done; (echo $s)'
	start b env LD_LIBRARY_PATH="$MNT" "$MNT/bash" -c 'echo runs; read -r'
	is ETXTBSY "$DT" try pwrite "$MNT/bash" 0 1
	fails umount "$MNT" 2>/dev/null
	stop b
	is 1 "$DT" try pwrite "$MNT/bash" 0 1
	is '*cannot execute*' "$MNT/bash" -c :
	cmp "$MNT/${libc##*/}" "$libc"
	umount "$MNT"
}

run_tests \
	mprotect \
	munmap_of_a_part \
	madvise \
	mremap \
	fork \
	mlock_and_msync \
	sizes_of_faults \
	sizes_of_faults_at_gaps \
	from_read_to_write \
	memory_cgroup \
	programs_and_libraries
