#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The device goes away, and another driver or filesystem gets it
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/revoke.bash"

# The next owner's memory is out of reach for old mappings
stale_mapping_and_devdax() {
	held_file revoke=ignore
	start h "$DT" hold "$MNT/f" 0 rwh
	unbind_now
	mode "$DEV" devdax
	"$DT" mfill "/dev/$DEV" 7 0 16M
	tell h w
	is 'BUS_ADRERR *' echo "$HEARD"
	"$DT" mcheck "/dev/$DEV" 7 0 16M
	is 'E@(IO|NXIO|OPNOTSUPP)' try pwrite "$MNT/f" 0 4096
	stop h
	umount "$MNT"
	"$DT" mcheck "/dev/$DEV" 7 0 16M
}

# in_use DEV: as "N of N", how many pages some file or process has
in_use() {
	local start end
	while read -r start end; do
		"$DT" inuse "$start" "$end"
	done <<<"$(ranges "$1")" |
		awk '{ n += $1; all += $3 } END { print n, "of", all }'
}

# fill_ram DEV: files in $T/ram until they have 9 of 10 pages of it
fill_ram() {
	local n used all node

	node=$(<"$BUS/devices/$1/target_node")
	mkdir "$T/ram"
	trap 'umount -l "$T/ram" 2>/dev/null || :' EXIT
	mount -t tmpfs -o "size=100%,mpol=prefer:$node" tmpfs "$T/ram" ||
		mount -t tmpfs -o size=100% tmpfs "$T/ram"
	for n in $(seq 1000); do
		[ "$(awk '/MemAvailable/ { print $2 }' /proc/meminfo)" -gt \
			300000 ] || break
		truncate -s 32M "$T/ram/$n"
		"$DT" fill "$T/ram/$n" "$n"
		read -r used _ all <<<"$(in_use "$1")"
		[ $((used * 10)) -lt $((all * 9)) ] || break
	done
	echo "$used of $all pages are in use"
	[ $((used * 10)) -ge $((all * 9)) ] || fail "which is not enough"
}

check_ram() {
	local file
	for file in "$T/ram"/*; do
		"$DT" check "$file" "${file##*/}"
	done
}

stale_mapping_and_system_ram() {
	modprobe kmem
	held_file revoke=ignore
	start h "$DT" hold "$MNT/f" 0 rwh
	start i "$DT" hold "$MNT/f" 2M rw
	unbind_now
	mode "$DEV" system-ram
	daxctl online-memory "$DEV" >/dev/null 2>&1 || :
	fill_ram "$DEV"
	tell h w
	is 'BUS_ADRERR *' echo "$HEARD"
	tell i w
	is 'BUS_ADRERR *' echo "$HEARD"
	tell i r
	is 'BUS_ADRERR *' echo "$HEARD"
	is 'E@(IO|NXIO|OPNOTSUPP)' try pwrite "$MNT/f" 0 4096
	check_ram
	stop h
	stop i
	umount "$MNT"
	check_ram
	umount "$T/ram"
	mode "$DEV" famfs
	check_pages "$DEV"
}

# A claim that was lost must not reach the data of the next bind
famfs_again_only_after_umount() {
	held_file revoke=careful
	unbind_now
	is EBUSY put $BUS/drivers/fsdev_dax/new_id "$DEV"
	is none mode_of "$DEV"
	# others need not wait
	mode "$DEV" devdax
	is EBUSY put $BUS/drivers/fsdev_dax/new_id "$DEV"
	store $BUS/drivers/device_dax/unbind "$DEV"
	is EBUSY put $BUS/drivers/fsdev_dax/bind "$DEV"
	store $BUS/drivers/fsdev_dax/remove_id "$DEV"
	is none mode_of "$DEV"
	umount "$MNT"
	mode "$DEV" famfs
	mnt "$DEV"
}

# reconfigure MODE: forced, for memory that comes online by itself
reconfigure() { daxctl reconfigure-device --force --mode="$1" "$DEV"; }

daxctl_and_a_lost_claim() {
	local from

	command -v daxctl >/dev/null || skip "no daxctl"
	modprobe kmem
	held_file revoke=careful
	unbind_now
	for from in none devdax none; do
		mode "$DEV" $from
		mark
		if reconfigure famfs; then
			is none mode_of "$DEV"
		fi
		fails test "$(mode_of "$DEV")" = famfs
		log_says "$DEV.*still mounted" || fail "the log does not say why"
	done
	# others need not wait
	mark
	reconfigure devdax
	is devdax mode_of "$DEV"
	reconfigure system-ram
	is system-ram mode_of "$DEV"
	mode "$DEV" none
	fails log_says "still mounted"
	umount "$MNT"
	reconfigure famfs
	is famfs mode_of "$DEV"
	mnt "$DEV"
}

umount_after_another_driver_came() {
	local how

	for how in careful ignore; do
		held_file revoke=$how
		"$DT" mfill "$MNT/f" 3
		start h "$DT" hold "$MNT/f" 0 rwh
		unbind_now
		mode "$DEV" devdax
		is OK "$DT" touch "/dev/$DEV" 0 rwh
		stop h
		timeout 60 umount "$MNT"
		is OK "$DT" touch "/dev/$DEV" 0 rwh
		mode "$DEV" none
	done
}

remount_of_a_lost_device() {
	held_file
	unbind_now
	fails mount -o remount,ro "$MNT"
	fails mount -o remount,revoke=ignore "$MNT"
	umount "$MNT"
}

holder_hears_it_once() {
	mode "$DEV" famfs
	is OK probe get 0 "$(devt)"
	unbind_now
	is 'failures 0 removals 0x1 others 0 *' probe stat 0
	is ENXIO probe access s0 0 1
	is 0 probe size s0
	mode "$DEV" devdax
	mode "$DEV" none
	is 'failures 0 removals 0x1 others 0 *' probe stat 0
	is EBUSY put $BUS/drivers/fsdev_dax/new_id "$DEV"
	is EBUSY put $BUS/drivers/fsdev_dax/bind "$DEV"
	is OK probe put 0
	mode "$DEV" famfs
	is OK probe get 0 "$(devt)"
	is 'failures 0 removals 0 others 0 *' probe stat 0
	is OK probe put 0
}

# A late put, when another driver has the device, neither disturbs that driver
# nor silences the next holder
late_put_and_the_next_holder() {
	mode "$DEV" famfs
	is OK probe get 0 "$(devt)"
	unbind_now
	mode "$DEV" devdax
	start h "$DT" hold "/dev/$DEV" 2M rwh
	is OK probe put 0
	tell h w
	is OK echo "$HEARD"
	is EOPNOTSUPP probe get 1 "$(devt)"
	stop h
	mode "$DEV" famfs
	is OK probe get 1 "$(devt)"
	is ENOENT probe put 0
	is OK probe poison s1 5
	is 'failures 0x1 *' probe stat 1
	is OK probe zero s1 5 1
	unbind_now
	is 'failures 0x1 removals 0x1 *' probe stat 1
	is OK probe put 1
}

# The same where a driver lets the next holder have the device before the put,
# which fsdev_dax does not
late_put_beside_the_next_holder() {
	mode "$DEV" famfs
	is OK probe get 0 "$(devt)"
	unbind_now
	put $BUS/drivers/fsdev_dax/new_id "$DEV"
	probe get 1 "$(devt)"
	is OK probe put 0
	mode "$DEV" famfs
	[[ $(probe stat 1) == failures* ]] || is OK probe get 1 "$(devt)"
	is OK probe poison s1 5
	is 'failures 0x1 *' probe stat 1
	is OK probe zero s1 5 1
	is OK probe put 1
}

# The events that an administrator can see
tracepoints() {
	local tr=/sys/kernel/tracing region

	mountpoint -q $tr || mount -t tracefs tracefs $tr || skip "no tracefs"
	[ -d $tr/events/sched ] || skip "no tracepoints at all"
	[ -d $tr/events/dax ]
	tr+=/instances/daxtest
	mkdir $tr
	# shellcheck disable=SC2064
	trap "echo 0 >$tr/events/dax/enable; rmdir $tr || :" EXIT
	mode "$DEV" famfs
	echo 1 >$tr/events/dax/enable
	held_file revoke=careful
	is OK probe poison "$(devt)" 5000
	unbind_now
	umount "$MNT"
	mode "$DEV" famfs
	is OK probe zero "$(devt)" 5000 1
	sed -n "s/^.* \(dax_[a-z_]*: \(dev $(devt)\|region\) \)/\1/p" \
		$tr/trace >"$T/events"
	cat "$T/events"
	# one holder in all of them
	[ "$(grep -o 'holder [^ ]*' "$T/events" | sort -u |
	     grep -c ' .*[1-9a-f]')" = 1 ]
	sed "s/dev $(devt) //; s/holder [^ ]* //" "$T/events" >"$T/have"
	region=${DEV#dax}
	region="region ${region%.*} $(printf 'pfn %#x' \
		$(($(<"$BUS/devices/$DEV/resource") / 4096 + 5000))) pages 1"
	cat >"$T/want" <<-END
	dax_claim: free -> held
	dax_poison: $region bad
	dax_notify_start: offset 0x1388000 length 0x1000 flags 0x20
	dax_notify: offset 0x1388000 length 0x1000 flags 0x20 returns 0
	dax_state: live -> dying
	dax_claim: held -> lost
	dax_notify_start: offset 0x0 length 0xffffffffffffffff flags 0x80
	dax_notify: offset 0x0 length 0xffffffffffffffff flags 0x80 returns 0
	dax_state: dying -> dead
	dax_claim: lost -> leaving
	dax_claim: leaving -> free
	dax_state: dead -> live
	dax_poison: $region good
	END
	diff "$T/want" "$T/have"
}

run_tests \
	stale_mapping_and_devdax \
	stale_mapping_and_system_ram \
	famfs_again_only_after_umount \
	daxctl_and_a_lost_claim \
	umount_after_another_driver_came \
	remount_of_a_lost_device \
	holder_hears_it_once \
	late_put_and_the_next_holder \
	late_put_beside_the_next_holder \
	tracepoints
