#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The memory of a device is aligned to its "align", at both ends of each range.
# Without the alignment, writes to a device could end up in its neighbour.
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

M=$((1 << 20))
G=$((1 << 30))

# empty_device ALIGN: one more in the region of $DEV; in NEW
empty_device() {
	local region
	region=$(region_of "$DEV")
	store "$region/create" 1
	NEW=$(<"$region/create")
	echo "$NEW" >>"$T/created"
	store "$BUS/devices/$NEW/align" "$1"
}

# aligned DEV: all of its ranges are
aligned() {
	local align start end
	[ "$(dev_size "$1")" != 0 ] || return 0
	align=$(<"$BUS/devices/$1/align")
	while read -r start end; do
		[ $((start % align)) = 0 ] && [ $(((end + 1) % align)) = 0 ] ||
			fail "$1: $start-$end is not aligned to $align"
	done < <(ranges "$1")
}

region_size() { cat "$(region_of "$DEV")/size"; }
available() { cat "$(region_of "$DEV")/available_size"; }

# but_512M: $DEV has all of the region but 512M at each end
but_512M() {
	local start
	start=$(region_start "$DEV")
	remap "$DEV" "$(printf %x-%x $((start + 512 * M)) \
			$((start + $(region_size) - 512 * M - 1)))"
}

# A device that daxctl makes has its own memory: the data of others stays as it
# is
daxctl_create_device() {
	local region=${DEV%.*}

	command -v daxctl >/dev/null || skip "no daxctl"
	command -v jq >/dev/null || skip "no jq"
	[ -r /sys/kernel/mm/transparent_hugepage/enabled ] ||
		skip "no huge pages"
	resize "$DEV" $((512 * M))
	mode "$DEV" devdax
	"$DT" mfill "/dev/$DEV" 9 0 64M
	daxctl create-device -r "${region#dax}" -s 1G -a 1G
	NEW=$(daxctl list | jq -r ".[] | select(.align == $G) | .chardev")
	echo "$NEW" >>"$T/created"
	is $G dev_size "$NEW"
	aligned "$NEW"
	is devdax mode_of "$NEW"
	"$DT" mfill "/dev/$NEW" 1 0 1G
	"$DT" mcheck "/dev/$NEW" 1 0 1G
	"$DT" mcheck "/dev/$DEV" 9 0 64M
}

# A region may begin anywhere: the memory before it can be System RAM
whole_region() {
	local dev=$BUS/devices/$DEV

	unbind "$DEV"
	store "$dev/size" 0
	store "$dev/align" $G
	store "$dev/size" $G
	aligned "$DEV"
	mode "$DEV" devdax
	"$DT" mfill "/dev/$DEV" 3 0 1G
	"$DT" mcheck "/dev/$DEV" 3 0 1G
}

# Enough memory is free, but not a gigabyte in one piece
no_room_for_1G() {
	local dev free

	but_512M
	free=$(available)
	is $G echo "$free"
	empty_device $G
	dev=$BUS/devices/$NEW
	is ENOSPC put "$dev/size" $G
	is 0 dev_size "$NEW"
	is "$free" available
	store "$dev/align" $((2 * M))
	store "$dev/size" $G
	is 2 eval 'ranges "$NEW" | wc -l'
	aligned "$NEW"
	is EINVAL put "$dev/align" $G
	is $((2 * M)) cat "$dev/align"
	mode "$NEW" devdax
	is OK "$DT" touch "/dev/$NEW" 512M rwh
}

# The device has the right size in the wrong place
align_after_size() {
	local start

	start=$(region_start "$DEV")
	start=$(((start + G - 1) / G * G))
	remap "$DEV" "$(printf %x-%x $((start + 512 * M)) \
			$((start + 512 * M + G - 1)))"
	is EINVAL put "$BUS/devices/$DEV/align" $G
	is "$ALIGN" cat "$BUS/devices/$DEV/align"
	remap "$DEV" "$(printf %x-%x "$start" $((start + G - 1)))"
	is OK put "$BUS/devices/$DEV/align" $G
	mode "$DEV" devdax
}

growing_and_shrinking() {
	[ "$(region_size)" -ge $((4 * G)) ] || skip "the region has less than 4G"
	resize "$DEV" $((512 * M))
	empty_device $G
	store "$BUS/devices/$NEW/size" $G
	aligned "$NEW"
	store "$BUS/devices/$NEW/size" $((2 * G))
	aligned "$NEW"
	is 1 eval 'ranges "$NEW" | wc -l'
	is ENOSPC put "$BUS/devices/$NEW/size" $((4 * G))
	is $((2 * G)) dev_size "$NEW"
	is EINVAL put "$BUS/devices/$NEW/size" $((G + 512 * M))
	store "$BUS/devices/$NEW/size" $G
	aligned "$NEW"
}

# Ranges are aligned in whatever order sizes change, and a refusal changes
# nothing
random_sizes() {
	local -a devs=("$DEV")
	local i dev file old want got aligns=(4096 $((2 * M)) "$G")

	unbind "$DEV"
	for i in 1 2 3 4; do
		empty_device $((2 * M))
		devs+=("$NEW")
	done
	RANDOM=${SEED:-7}
	for ((i = 0; i < 60; i++)); do
		dev=${devs[RANDOM % 5]}
		file=$BUS/devices/$dev/size
		old=$(<"$file")
		if [ $((RANDOM % 3)) = 0 ]; then
			file=$BUS/devices/$dev/align
			want=${aligns[RANDOM % 3]}
		elif [ $((RANDOM % 3)) = 0 ]; then
			want=$((RANDOM % 4 * G))
		else
			want=$((RANDOM % 800 * 2 * M))
		fi
		got=$(put "$file" $want)
		case ${file##*/}-$got in
		size-OK) is $want dev_size "$dev" ;;
		align-OK) is $want cat "$file" ;;
		*-ENOSPC|*-EINVAL) is "$old" dev_size "$dev" ;;
		*) fail "$file: $want: $got" ;;
		esac
		aligned "$dev"
	done
	for dev in "${devs[@]}"; do
		store "$BUS/devices/$dev/size" 0
	done
	is "$(region_size)" available
}

run_tests \
	daxctl_create_device \
	whole_region \
	no_room_for_1G \
	align_after_size \
	growing_and_shrinking \
	random_sizes
