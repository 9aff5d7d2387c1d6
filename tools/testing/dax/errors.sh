#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Refused operations, and their errors
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

devt() { cat "$BUS/devices/$DEV/dev"; }
try() { "$DT" try "$@"; }

raw_access_in_famfs_mode() {
	mode "$DEV" famfs
	is OK try open "/dev/$DEV"
	is OK try read "/dev/$DEV"
	is EINVAL try write "/dev/$DEV"
	is ENODEV try mmap "/dev/$DEV"
}

# dd_fails WORDS FD: a read of an open file fails, and this is why
dd_fails() {
	fails dd of=/dev/null bs=4k count=1 <&"$2" 2>"$T/said"
	grep "$1" "$T/said"
}

# before a mount, a tool may look at what is there
a_look_at_the_memory() {
	local fd end=$((SIZE - 1000))

	mode "$DEV" devdax
	"$DT" mfill "/dev/$DEV" 7 0 4M
	mode "$DEV" famfs
	dd if="/dev/$DEV" of="$T/all" bs=1M count=4 status=none
	"$DT" check "$T/all" 7
	# over the ends of pages and of the device
	dd if="/dev/$DEV" of="$T/part" bs=5000 count=3 status=none
	cmp -n 15000 "$T/all" "$T/part"
	is 1000 try pread "/dev/$DEV" $end 4096
	is 0 try pread "/dev/$DEV" "$SIZE" 4096
	exec {fd}<"/dev/$DEV"
	mnt "$DEV"
	is EBUSY try read "/dev/$DEV"
	dd_fails busy "$fd"
	umount "$MNT"
	is OK try read "/dev/$DEV"
	mode "$DEV" devdax
	# as a file of the driver that is gone
	dd_fails 'No such device or address' "$fd"
	exec {fd}<&-
}

raw_access_without_a_driver() {
	mknod "$T/node" c "$(devt | cut -d: -f1)" "$(devt | cut -d: -f2)"
	mode "$DEV" none
	is ENXIO try open "$T/node"
}

raw_access_in_devdax_mode_still_works() {
	mode "$DEV" devdax
	is OK try open "/dev/$DEV"
	is OK try mmap "/dev/$DEV"
	is OK "$DT" touch "/dev/$DEV" 0 rwh
}

mount_of_what_is_no_dax_device() {
	is ENOENT try mount "$T/nothing" "$MNT"
	is ENODEV try mount /dev/null "$MNT"
	is ENODEV try mount /dev/zero "$MNT"
	is ENODEV try mount /etc "$MNT"
	: >"$T/file"
	is ENODEV try mount "$T/file" "$MNT"
	mknod "$T/block" b 7 0
	is ENODEV try mount "$T/block" "$MNT"
	mknod "$T/unused" c "$(devt | cut -d: -f1)" 4242
	is ENODEV try mount "$T/unused" "$MNT"
}

mount_in_every_mode() {
	mknod "$T/node" c "$(devt | cut -d: -f1)" "$(devt | cut -d: -f2)"
	mode "$DEV" none
	is ENODEV try mount "$T/node" "$MNT"
	mode "$DEV" devdax
	is EOPNOTSUPP try mount "/dev/$DEV" "$MNT"
	modprobe kmem
	mode "$DEV" system-ram
	is EOPNOTSUPP try mount "$T/node" "$MNT"
	mode "$DEV" famfs
	is OK try mount "/dev/$DEV" "$MNT"
}

mount_twice() {
	famfs_mount
	mkdir "$T/second"
	is EBUSY try mount "/dev/$DEV" "$T/second"
	umount "$MNT"
	is OK try mount "/dev/$DEV" "$T/second"
	umount "$T/second"
}

mount_options() {
	local second

	second=$(new_device 32M)
	mode "$DEV" famfs
	is EINVAL try mount "/dev/$DEV" "$MNT" nonsense
	is EINVAL try mount "/dev/$DEV" "$MNT" revoke=never
	is EINVAL try mount "/dev/$DEV" "$MNT" revoke=delay:x
	is EINVAL try mount "/dev/$DEV" "$MNT" mf=0
	is EINVAL try mount "/dev/$DEV" "$MNT" "daxdev=/dev/$DEV"
	is ENODEV try mount "/dev/$DEV" "$MNT" daxdev=/dev/null
	mode "$second" devdax
	is EOPNOTSUPP try mount "/dev/$DEV" "$MNT" "daxdev=/dev/$second"
	# a failed mount holds nothing
	mode "$second" famfs
	is OK try mount "/dev/$DEV" "$MNT" "daxdev=/dev/$second"
	umount "$MNT"
	is EINVAL try mount "/dev/$DEV" "$MNT" \
		"daxdev=/dev/$second,daxdev=/dev/$second"
}

# An unknown option is refused, whatever its length, and nothing is held then
mount_option_garbage() {
	local n garbage second

	second=$(new_device 32M)
	mode "$second" famfs
	mode "$DEV" famfs
	garbage=$(head -c 3000 /dev/urandom | tr -dc 'a-z0-9=:/,' | head -c 300)
	for n in 1 2 3 7 8 31 64 255 256 300; do
		is 'E*' try mount "/dev/$DEV" "$MNT" "x${garbage:0:$n}"
		is 'E*' try mount "/dev/$DEV" "$MNT" \
			"daxdev=/dev/$second,daxdev=/${garbage:0:$n}"
		is EINVAL try mount "/dev/$DEV" "$MNT" "revoke=x${garbage:0:$n}"
	done
	is 'E*' try mount "/dev/$DEV" "$MNT" "daxdev=$(printf %04000d 0)"
	for n in 0 1 4095 x 4Kx -1 0xfffffffffffff000; do
		is EINVAL try mount "/dev/$DEV" "$MNT" "alloc=$n"
	done
	# more than there can be
	is EINVAL try mount "/dev/$DEV" "$MNT" \
		"$(seq -s, -f 'daxdev=/%.0f' 40)"
	is OK try mount "/dev/$DEV" "$MNT" "daxdev=/dev/$second"
}

# Two mount at the same moment: one of them does, the other is told so
mount_by_two_at_once() {
	local race first second

	mode "$DEV" famfs
	mkdir "$T/other"
	race=$("$DT" mountrace 50 "/dev/$DEV" "$MNT" "" "/dev/$DEV" "$T/other" "")
	read -r _ first _ second _ <<<"$race"
	[ $((first + second)) = 50 ] || fail "not always one: $race"
	is OK try mount "/dev/$DEV" "$MNT"
}

# Each may get the one that the other wants next. Then neither has both, and
# nothing stays held.
mount_of_two_devices_by_two_at_once() {
	local second a="/dev/$DEV" b

	second=$(new_device 32M)
	b=/dev/$second
	mode "$DEV" famfs
	mode "$second" famfs
	mkdir "$T/other"
	"$DT" mountrace 50 "$a" "$MNT" "daxdev=$b" "$b" "$T/other" "daxdev=$a"
	is OK try mount "$b" "$MNT" "daxdev=$a"
}

fs_dax_get_refuses() {
	local mode

	mode "$DEV" famfs
	is EINVAL probe get 0 "$(devt)" nullholder
	is ENODEV probe get 0 "$(devt)" nulldev
	mode "$DEV" none
	is ENODEV probe get 0 "$(devt)"
	modprobe kmem
	for mode in devdax system-ram; do
		mode "$DEV" $mode
		is EOPNOTSUPP probe get 0 "$(devt)"
		is EINVAL probe get 0 "$(devt)" nullholder
	done
	mode "$DEV" famfs
	is OK probe get 0 "$(devt)"
	is EBUSY probe get 1 "$(devt)"
	is EBUSY try mount "/dev/$DEV" "$MNT"
	is EINVAL probe get 1 "$(devt)" nullholder
	is OK probe put 0
	is OK probe get 1 "$(devt)"
	is OK probe put 1
}

# A lookup that made the device it looks for would hand out a live device that
# nobody drives, and give its minor away twice
lookup_never_creates() {
	local major minor

	major=$(devt | cut -d: -f1)
	is ENOENT probe lookup 1:3
	is ENOENT probe lookup 0:0
	for minor in $(seq 100 120) 1048575; do
		is ENOENT probe lookup "$major:$minor"
		is ENOENT probe get 0 "$major:$minor"
	done
	is OK probe lookup "$(devt)"
	delete_device "$(new_device 16M)"
}

lookup_of_other_dax_devices() {
	local major minor found=0

	mode "$DEV" famfs
	modprobe -q nd_e820 && modprobe -q nd_pmem || skip "no pmem driver"
	ls /dev/pmem* >/dev/null 2>&1 || skip "no pmem device"
	major=$(devt | cut -d: -f1)
	for minor in $(seq 0 15); do
		[ "$major:$minor" != "$(devt)" ] || continue
		[ "$(probe lookup "$major:$minor")" = OK ] || continue
		[ ! -e "/sys/dev/char/$major:$minor" ] || continue
		found=$((found + 1))
		is EOPNOTSUPP probe get 0 "$major:$minor"
	done
	[ $found -gt 0 ] || fail "no dax device behind the pmem device"
}

access_outside_the_device() {
	local pages

	mode "$DEV" famfs
	pages=$((SIZE / 4096))
	is "$SIZE" probe size "$(devt)"
	is "1 pfn *" probe access "$(devt)" $((pages - 1)) 1
	is "1 pfn *" probe access "$(devt)" $((pages - 1)) 16
	is "E*" probe access "$(devt)" $pages 1
	is "E*" probe access "$(devt)" 0xfffffffffffff 1
	is "E*" probe zero "$(devt)" $pages 1
	is "E*" probe zero "$(devt)" $((pages - 1)) 2
}

access_of_a_dead_device() {
	mode "$DEV" none
	is ENXIO probe access "$(devt)" 0 1
	is ENXIO probe zero "$(devt)" 0 1
	is 0 probe size "$(devt)"
}

ranges_cannot_change_while_bound() {
	local start mode dev=$BUS/devices/$DEV

	start=$(region_start "$DEV")
	modprobe kmem
	for mode in famfs devdax system-ram; do
		mode "$DEV" $mode
		is EBUSY put "$dev/size" $((SIZE * 2))
		is EBUSY put "$dev/size" 0
		is EBUSY put "$dev/align" 4096
		is EBUSY put "$dev/mapping" \
			"$(printf %x-%x $((start + SIZE)) \
			$((start + SIZE + (2 << 20) - 1)))"
		is "$SIZE" dev_size "$DEV"
	done
	# and the device is none the worse for it
	mode "$DEV" famfs
	mode "$DEV" none
}

bad_ranges() {
	local dev=$BUS/devices/$DEV second start end free bad

	unbind "$DEV"
	start=$(region_start "$DEV")
	end=$((start + $(<"$(region_of "$DEV")/size")))
	second=$(new_device 32M)
	for bad in nonsense 1- -1 1 1-x 1-2-3; do
		is EINVAL put "$dev/mapping" "$bad"
		is EINVAL put "$dev/size" "$bad"
		is EINVAL put "$dev/align" "x$bad"
	done
	is EINVAL put "$dev/mapping" 200000-1
	for bad in 0 1 2048 4097 8192 0x180000; do
		is EINVAL put "$dev/align" $bad
	done
	# memory of another device, or of this one
	is EBUSY put "$dev/mapping" "$(range "$(start_of "$second")" $M2)"
	is EBUSY put "$BUS/devices/$second/mapping" "$(range "$start" $M2)"
	is EBUSY put "$dev/mapping" "$(range "$start" $M2)"
	# memory that no device of this region can have
	is ERANGE put "$dev/mapping" 0-1fffff
	is ERANGE put "$dev/mapping" "$(range $((start - M2)) $M2)"
	is ERANGE put "$dev/mapping" "$(range $((end - M2)) $((2 * M2)))"
	is ERANGE put "$dev/mapping" "$(range "$end" $M2)"
	is ERANGE put "$dev/mapping" ffffffffffe00000-ffffffffffffffff
	# more memory than there is
	free=$(<"$(region_of "$DEV")/available_size")
	is ENOSPC put "$dev/size" $((SIZE + free + M2))
	is "$free" cat "$(region_of "$DEV")/available_size"
	is "$SIZE" dev_size "$DEV"
	is 33554432 dev_size "$second"
}

# Part of a page, and pages that are not as large as they should be
misaligned_ranges() {
	local dev=$BUS/devices/$DEV start end

	unbind "$DEV"
	start=$(region_start "$DEV")
	end=$((start + $(<"$(region_of "$DEV")/size")))
	is EINVAL put "$dev/size" $((SIZE + 1))
	is EINVAL put "$dev/size" $((SIZE + 4096))
	is EINVAL put "$dev/mapping" "$(range $((end - M2)) 4096)"
	is EINVAL put "$dev/mapping" "$(range $((end - M2 + 4096)) $M2)"
	is "$SIZE" dev_size "$DEV"
}

M2=$((2 << 20))

# range START LENGTH: as a mapping is written
range() { printf %x-%x "$1" $(($1 + $2 - 1)); }

# start_of DEV: of its first range
start_of() { ranges "$1" | sed 's/ .*//;q'; }

# says WORDS ERRNO FILE VALUE: the write is refused, and the log says why
says() {
	is "$2" put "$3" "$4"
	dmesg | tail -n 3 | grep -qE "$1" ||
		fail "no word of '$1' in: $(dmesg | tail -n 3)"
}

refusals_in_words() {
	local dev=$BUS/devices/$DEV region second start
	local control=/sys/kernel/debug/dynamic_debug/control

	[ -w $control ] || skip "no CONFIG_DYNAMIC_DEBUG"
	region=$(region_of "$DEV")
	start=$(region_start "$DEV")
	second=$(new_device 32M)
	# shellcheck disable=SC2064
	trap "echo 'file drivers/dax/bus.c -p' >$control" EXIT
	echo 'file drivers/dax/bus.c +p' >$control

	mode "$DEV" famfs
	says 'size: bound to a driver, unbind it' EBUSY "$dev/size" 0
	says 'align: bound to a driver, unbind it' EBUSY "$dev/align" 4096
	says 'mapping: bound to a driver, unbind it' EBUSY "$dev/mapping" \
		"$(range "$start" $M2)"
	says "write_cache: want 0 or 1, and not '2'" EINVAL "$dev/write_cache" 2
	says 'unbind it and set its size to 0' EBUSY "$region/delete" "$second"
	mode "$DEV" none
	says "want a number of bytes, and not 'much'" EINVAL "$dev/size" much
	says 'misaligned' EINVAL "$dev/size" 4097
	says 'only .* bytes are free' ENOSPC "$dev/size" $((1 << 50))
	says "want <start>-<end>, .* not 'there'" EINVAL "$dev/mapping" there
	says 'is in use' EBUSY "$dev/mapping" "$(range "$start" $M2)"
	says 'not within the region' ERANGE "$dev/mapping" 0-1fffff
	says "size of a page or a huge page, and not '3'" EINVAL "$dev/align" 3
	says "create: want 1, and not '2'" EINVAL "$region/create" 2
	says "no such device: 'dax99.99'" ENXIO "$region/delete" dax99.99
	store "$dev/size" 0
	says 'has no memory' ENXIO "$BUS/drivers/fsdev_dax/new_id" "$DEV"
	[ "${DEV#*.}" != 0 ] ||
		says 'the first device stays' EBUSY "$region/delete" "$DEV"
	store "$dev/size" "$SIZE"
}

bind_refused() {
	local drv=$BUS/drivers/fsdev_dax

	mode "$DEV" none
	is ENODEV put $drv/bind "$DEV"
	is ENODEV put $drv/bind dax99.99
	is ENODEV put $drv/unbind "$DEV"
	is EINVAL put $drv/new_id nonsense
	is EINVAL put $drv/new_id dax1
	is EINVAL put $drv/new_id "dax0.0x"
	mode "$DEV" devdax
	is ENODEV put $drv/bind "$DEV"
	is EBUSY put $drv/new_id "$DEV"
	is devdax mode_of "$DEV"
	is EBUSY put $drv/bind "$DEV"
	store $drv/remove_id "$DEV"
	# nothing to bind to
	unbind "$DEV"
	store "$BUS/devices/$DEV/size" 0
	is ENXIO put $drv/new_id "$DEV"
	is none mode_of "$DEV"
	# the name is kept, and so has the bind that follows the reason
	is ENXIO put $drv/bind "$DEV"
	store $drv/remove_id "$DEV"
	is ENODEV put $drv/bind "$DEV"
	store "$BUS/devices/$DEV/size" "$SIZE"
}

layouts_refused() {
	local f=$MNT/f end=$((SIZE - 4096)) many

	famfs_mount
	is EINVAL "$DT" mkfile $f 0 0:0:4K
	is EINVAL "$DT" mkfile $f 8K 0:0:4K
	is EINVAL "$DT" mkfile $f 4K 0:0:0
	is EINVAL "$DT" mkfile $f 4K 0:512:4K
	is EINVAL "$DT" mkfile $f 4K 0:0:5000
	is ENODEV "$DT" mkfile $f 4K 1:0:4K
	is ERANGE "$DT" mkfile $f 4K 0:$SIZE:4K
	is ERANGE "$DT" mkfile $f 8K 0:$end:8K
	is ERANGE "$DT" mkfile $f 4K 0:0xfffffffffffff000:8K
	is ERANGE "$DT" mkfile $f 4K 0:8K:0xfffffffffffff000
	is EBUSY "$DT" mkfile $f 8K 0:0:4K,0:0:4K
	many=$(seq -s, -f '0:%.0f' 0 4096 $((4095 * 4096)) | sed 's/,/:4K,/g'):4K
	is E2BIG "$DT" mkfile $f 4K "$many,0:32M:4K"
	is OK "$DT" mkfile $f 16M "$many"
	is EEXIST "$DT" mkfile $f 4K 0:64M:4K
	is EBUSY "$DT" mkfile $MNT/g 4K 0:4K:4K
	is OK "$DT" mkfile $MNT/g 4K 0:16M:4K
	rm $f $MNT/g
	# files that are gone have given their memory back
	is OK "$DT" mkfile $f 4K 0:0:4K
}

stripes_refused() {
	local f=$MNT/f two=0:0:4M,0:8M:4M

	famfs_mount
	is EINVAL "$DT" mkstripe $f 8M 0 $two
	is EINVAL "$DT" mkstripe $f 8M 1K $two
	is EINVAL "$DT" mkstripe $f 8M 12K $two
	is EINVAL "$DT" mkstripe $f 8M 0x8000000000000000 $two
	is EINVAL "$DT" mkstripe $f 8193K 64K $two
	is EINVAL "$DT" mkstripe $f 8M 4M 0:0:4M,0:8M:2M
	is EBUSY "$DT" mkstripe $f 8M 64K 0:0:4M,0:2M:4M
	is OK "$DT" mkstripe $f 8M 64K $two
}

shared_extents() {
	famfs_mount
	is OK "$DT" mkfile -s $MNT/a 4M 0:0:4M
	is OK "$DT" mkfile -s $MNT/b 4M 0:0:4M
	is EBUSY "$DT" mkfile $MNT/c 4M 0:0:4M
	is EPERM try pwrite $MNT/a 0 4096
	"$DT" mmapcmp $MNT/a $MNT/b
	is OK "$DT" touch $MNT/a 0 r
	is "BUS_ADRERR*" "$DT" touch $MNT/a 0 rw
	rm $MNT/a $MNT/b
	is OK "$DT" mkfile $MNT/c 4M 0:0:4M
}

layout_garbage() {
	famfs_mount
	is OK "$DT" cut $MNT/cut
	rm $MNT/cut
	"$DT" fuzz $MNT/f 3000 1
	"$DT" fuzz $MNT/f 3000 77
	is OK "$DT" mkfile $MNT/f "$SIZE" "0:0:$SIZE"
}

run_tests \
	raw_access_in_famfs_mode \
	a_look_at_the_memory \
	raw_access_without_a_driver \
	raw_access_in_devdax_mode_still_works \
	mount_of_what_is_no_dax_device \
	mount_in_every_mode \
	mount_twice \
	mount_options \
	mount_option_garbage \
	mount_by_two_at_once \
	mount_of_two_devices_by_two_at_once \
	fs_dax_get_refuses \
	lookup_never_creates \
	lookup_of_other_dax_devices \
	access_outside_the_device \
	access_of_a_dead_device \
	ranges_cannot_change_while_bound \
	bad_ranges \
	misaligned_ranges \
	refusals_in_words \
	bind_refused \
	layouts_refused \
	stripes_refused \
	shared_extents \
	layout_garbage
