#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The device goes away under a filesystem, whatever that thinks of it
# shellcheck disable=SC2317,SC2329

. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034
TEST_TIMEOUT=${TEST_TIMEOUT:-600}

try() { "$DT" try "$@"; }
devt() { cat "$BUS/devices/$DEV/dev"; }

M1=$((1 << 20))

held_file() {
	famfs_mount "$@"
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
}

# unbind_later: in the background
unbind_later() {
	mark
	unbind "$DEV" &
	echo $! >"$T/unbind.pid"
}

# unbind_now: nothing may keep it waiting for long
unbind_now() {
	unbind_later
	wait_for "$T/unbind.pid" 60
}

# wait_for PIDFILE SECONDS
wait_for() {
	local i pid
	pid=$(<"$1")
	for ((i = 0; i < $2 * 5; i++)); do
		kill -0 "$pid" 2>/dev/null || { wait "$pid"; return; }
		sleep 0.2
	done
	fail "$1 still runs after $2 s"
}

nothing_works_any_more() {
	is 'E@(IO|NXIO)' try pread "$MNT/f" 0 4096
	is 'E@(IO|NXIO)' try pwrite "$MNT/f" 0 4096
	is 'BUS_ADRERR *' "$DT" touch "$MNT/f" 8M r
	is 'BUS_ADRERR *' "$DT" touch "$MNT/f" 8M rwh
	is 'E@(IO|NXIO)' "$DT" fallocate zero "$MNT/f" 0 4096
	# whatever was dirty is no longer the file's
	is OK try fsync "$MNT/f"
	is f ls "$MNT"
}

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

# what was copied on write is the process's own
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
	store $BUS/drivers/fsdev_dax/new_id "$DEV"
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

rmmod_under_a_mount() {
	local how

	for how in careful ignore; do
		held_file revoke=$how
		start h "$DT" hold "$MNT/f" 0 rwh
		rmmod fsdev_dax
		is none mode_of "$DEV"
		is 1 stat_of pre_remove
		tell h r
		is 'BUS_ADRERR *' echo "$HEARD"
		stop h
		nothing_works_any_more
		umount "$MNT"
		modprobe fsdev_dax
	done
}

# The parent goes, and takes the device with it

take_away() {
	case $1 in
	region) echo "$PARENT" >$HMEM/unbind ;;
	platform) echo hmem_platform.0 >$PLATFORM/hmem_platform/unbind ;;
	module) rmmod dax_hmem ;;
	esac
}

give_back() {
	case $1 in
	region) echo "$PARENT" >$HMEM/bind ;;
	platform) echo hmem_platform.0 >$PLATFORM/hmem_platform/bind ;;
	module) modprobe dax_hmem ;;
	esac
}

# removed_with region|platform|module
removed_with() {
	local how

	PLATFORM=/sys/bus/platform/drivers
	[ -e "$HMEM/$PARENT" ] || skip "not an hmem device"
	# shellcheck disable=SC2064
	trap "give_back $1 2>/dev/null || :" EXIT
	for how in ignore careful; do
		held_file revoke=$how
		start h "$DT" hold "$MNT/f" 0 rwh
		take_away "$1"
		fails test -e "$BUS/devices/$DEV"
		is 1 stat_of pre_remove
		tell h r
		is 'BUS_ADRERR *' echo "$HEARD"
		nothing_works_any_more
		# the new one has nothing to do with it
		give_back "$1"
		retry test -e "$BUS/devices/$DEV"
		resize "$DEV" "$SIZE"
		mode "$DEV" famfs
		mode "$DEV" devdax
		"$DT" mfill "/dev/$DEV" 7 0 16M
		tell h w
		is 'BUS_ADRERR *' echo "$HEARD"
		stop h
		nothing_works_any_more
		umount "$MNT"
		"$DT" mcheck "/dev/$DEV" 7 0 16M
		famfs_mount
		umount "$MNT"
	done
}

removal_of_the_region() { removed_with region; }
removal_of_the_platform_device() { removed_with platform; }
removal_of_the_region_driver() { removed_with module; }

# while_going COMMAND...: again and again, until the file is gone
while_going() {
	local times=0
	while [ -e "$T/go" ]; do
		! "$@" || times=$((times + 1))
	done 2>/dev/null
	echo $times >"$T/$1.times"
}

create_and_delete() {
	printf 1 >"$REGION/create" && read -r NEW <"$REGION/create" &&
		printf %s "$NEW" >"$REGION/delete"
}

shrink_and_grow() {
	printf 0 >"$BUS/devices/$DEV/size" &&
		printf %s "$SIZE" >"$BUS/devices/$DEV/size"
}

read_mappings() {
	local file
	for file in "$BUS/devices/$DEV"/mapping*/{start,end,page_offset}; do
		read -r _ <"$file"
	done
}

# Nothing is left in between, and nobody waits for another who waits for him
devices_come_while_the_region_goes() {
	local i times

	REGION=$(region_of "$DEV")
	[ -e "$HMEM/$PARENT" ] || skip "$PARENT is not bound to hmem"
	mode "$DEV" none
	touch "$T/go"
	set +e
	while_going create_and_delete &
	while_going shrink_and_grow &
	while_going read_mappings &
	set -e
	for i in {1..20}; do
		sleep "0.0$((RANDOM % 10))"
		store $HMEM/unbind "$PARENT"
		store $HMEM/bind "$PARENT"
	done
	rm "$T/go"
	wait
	for i in create_and_delete shrink_and_grow read_mappings; do
		read -r times <"$T/$i.times"
		[ "$times" -gt 0 ] || fail "$i never worked"
	done
	# as it was at boot
	store $HMEM/unbind "$PARENT"
	store $HMEM/bind "$PARENT"
	resize "$DEV" "$SIZE"
	famfs_mount
	check_pages "$DEV"
}

# it_waits [-]: the unbind does, and says for whom, which takes it a while
it_waits() {
	if [ "$1" = - ]; then
		retry told
		sleep 1
	else
		retry log_says "$DEV.*waiting for pfn"
	fi
	kill -0 "$(<"$T/unbind.pid")" || fail "did not wait for the pin"
	is 'E@(IO|NXIO)' try pread "$MNT/f" 0 4096
}

# pinned_and OPTIONS HOW [-]: unbind waits for the pin, says so, then finishes
pinned_and() {
	held_file "$1"
	start p "$DT" pin "$MNT/f" 2M "$2"
	unbind_later
	it_waits "$3"
	stop p
	wait_for "$T/unbind.pid" 60
	umount "$MNT"
	famfs_mount
	check_pages "$DEV"
}

pinned_careful_4K() { pinned_and revoke=careful rw; }
pinned_careful_2M() { pinned_and revoke=careful rwh -; }
pinned_ignoring_4K() { pinned_and revoke=ignore rw -; }
pinned_ignoring_2M() { pinned_and revoke=ignore rwh; }

# One who waits for the pin before it, with the locks of the file
pinned_and_being_truncated() {
	local how

	for how in careful ignore; do
		held_file revoke=$how
		start p "$DT" pin "$MNT/f" 2M rw
		"$DT" try truncate "$MNT/f" 0 >"$T/truncated" &
		echo $! >"$T/truncate.pid"
		sleep 1
		# now everybody else waits for the file
		unbind_later
		retry told
		sleep 1
		kill -0 "$(<"$T/unbind.pid")" || fail "overtook the pin"
		kill -0 "$(<"$T/truncate.pid")" || fail "truncated it"
		stop p
		wait_for "$T/unbind.pid" 60
		wait_for "$T/truncate.pid" 60
		is OK cat "$T/truncated"
		is 0 stat -c %s "$MNT/f"
		umount "$MNT"
		famfs_mount
		check_pages "$DEV"
		umount "$MNT"
	done
}

asleep() { grep -qs '^State:.D' "/proc/$(<"$T/$1.pid")/status"; }

no_slow_disk() {
	if [ -e /dev/mapper/slow ]; then
		dmsetup resume slow
		dmsetup remove --retry slow
	fi
	losetup -d "$LOOP"
}

slow_disk() {
	command -v dmsetup losetup >/dev/null || skip "no dmsetup, no losetup"
	modprobe -q -a loop dm_mod || skip "no loop or dm_mod"
	truncate -s 4M "$T/disk"
	"$DT" fill "$T/disk" 5
	LOOP=$(losetup -f --show "$T/disk")
	trap 'no_slow_disk || :' EXIT
	dmsetup create slow --table "0 8192 linear $LOOP 0"
	retry test -b /dev/mapper/slow
}

# A device that was asked to write into the memory cannot be told to stop
direct_io_in_flight() {
	local how size said=

	slow_disk
	for how in careful ignore; do
		[ $how = careful ] && size=w || size=wh
		held_file revoke=$how
		dmsetup suspend --noflush --nolockfs slow
		start d "$DT" dio "$MNT/f" 2M /dev/mapper/slow $size
		retry asleep d
		unbind_later
		it_waits $said
		said=-
		asleep d
		dmsetup resume slow
		hear d
		is 4096 echo "$HEARD"
		wait "$(<"$T/d.pid")"
		wait_for "$T/unbind.pid" 60
		umount "$MNT"
		# it is where it should be, and nowhere else
		famfs_mount
		check_pages "$DEV"
		mkfile f 16M 0:0:16M
		cmp -n 4096 -i 0:2M "$T/disk" "$MNT/f"
		"$DT" check "$MNT/f" 1 0 2M
		"$DT" check "$MNT/f" 1 2052K 2M
		umount "$MNT"
	done
}

# long_io read|write: one big call after the other. The extents are in reverse,
# so that each is a step of its own.
long_io() {
	local i list='' short=0

	for ((i = 31; i >= 0; i--)); do
		list+=",0:$((i * 4))M:4M"
	done
	for i in $(seq 20); do
		famfs_mount "revoke=$([ $((i % 2)) = 0 ] && echo careful ||
				      echo ignore)"
		mkfile f 128M "${list#,}"
		start io "$DT" longio "$1" "$MNT/f" 128M
		unbind_now
		hear io
		case $HEARD in
		EIO|ENXIO) ;;
		[1-9]*) short=$((short + 1)) ;;
		*) fail "ended with $HEARD" ;;
		esac
		wait "$(<"$T/io.pid")"
		umount "$MNT"
		[ $i = 1 ] || [ $short = 0 ] || return 0
	done
	fail "never in the middle of a $1"
}

long_read() { long_io read; }
long_write() { long_io write; }

stalled() { [ "$(probe stalled)" = "$1" ]; }
told() { [ "$(stat_of pre_remove)" = 1 ]; }

# stalled_fault POINT HOW OPTIONS [-]: the device goes away while a fault is at
# this point. Unless it may overtake that, unbind waits.
stalled_fault() {
	local i

	held_file "$3"
	start h "$DT" stall "$1" "$MNT/f" 2M "$2"
	is armed echo "$HEARD"
	retry stalled there
	unbind_later
	retry told
	for i in 1 2 3 4 5; do
		sleep 0.2
		[ "$4" = - ] || kill -0 "$(<"$T/unbind.pid")" ||
			fail "unbind overtook a fault at: $1 $2"
	done
	stalled there || fail "the fault did not wait"
	probe go
	wait_for "$T/unbind.pid" 60
	hear h
	is 'ready @(OK|BUS_ADRERR *)' echo "$HEARD"
	tell h r
	is 'BUS_ADRERR *' echo "$HEARD"
	# nothing of it can reach the next owner's data
	mode "$DEV" devdax
	"$DT" mfill "/dev/$DEV" 7 0 16M
	tell h "${2:0:1}"
	is 'BUS_ADRERR *' echo "$HEARD"
	"$DT" mcheck "/dev/$DEV" 7 0 16M
	stop h
	umount "$MNT"
	"$DT" mcheck "/dev/$DEV" 7 0 16M
}

# the device's pages are about to enter the file
fault_before_the_file_has_it() {
	stalled_fault entry w revoke=ignore
	stalled_fault entry wh revoke=careful
}

# they are in the file and are about to enter the page table
fault_before_it_is_mapped() {
	stalled_fault pte r revoke=ignore
	stalled_fault pte w revoke=careful
	stalled_fault pmd wh revoke=ignore
	stalled_fault pmd wh revoke=careful
}

# there, a mapping with MAP_SYNC writes the file back in between
fault_with_map_sync() {
	stalled_fault sync ws revoke=ignore -
	stalled_fault sync wsh revoke=careful -
	stalled_fault pte ws revoke=careful
	stalled_fault pmd wsh revoke=ignore
}

# comes_and_goes TIMES KIND...: calls of these kinds without end meanwhile, each
# of which gets what it wants or ENXIO
comes_and_goes() {
	local i kind times=$1 answer
	shift
	local kinds=("$@")

	mode "$DEV" famfs
	for i in "${!kinds[@]}"; do
		start "k$i" "$DT" probe storm "${kinds[i]}" "$(devt)"
	done
	is OK "$DT" rebind $BUS/drivers/fsdev_dax "$DEV" "$times"
	for i in "${!kinds[@]}"; do
		kind=${kinds[i]}
		stop "k$i"
		answer=$(tail -n 1 "$T/k$i.out")
		echo "$kind: $answer"
		[[ $answer =~ ^good\ ([0-9]+)\ ENXIO\ ([0-9]+)$ ]] ||
			fail "what else is there to say?"
		[ "${BASH_REMATCH[1]}" -ge "$times" ] &&
			[ "${BASH_REMATCH[2]}" -ge "$times" ] || fail "too few"
	done
}

calls_while_it_comes_and_goes() {
	comes_and_goes 50 access access zero recover size
}

errors_while_it_comes_and_goes() {
	comes_and_goes 50 poison poison
}

# getputs PATTERN NAMES: each of the storms g0 and g1 says this in the end, and
# one of them that there were some of each of these
getputs() {
	local i name got

	for i in 0 1; do
		stop g$i
		got=$(tail -n 1 "$T/g$i.out")
		echo "$got"
		is "$1" echo "$got"
	done
	for name in $2; do
		cat "$T"/g?.out | grep -q " $name [1-9]" ||
			fail "neither had any $name"
	done
}

# A holder may free itself as soon as it has put the device, whoever is just
# going to tell it something
gone_while_errors_are_told() {
	local i

	mode "$DEV" famfs
	for i in 0 1; do
		start "g$i" "$DT" probe storm getput "$(devt)"
	done
	start poison "$DT" probe storm poison "$(devt)"
	sleep 5
	stop poison
	is 'good [1-9]*([0-9])' tail -n 1 "$T/poison.out"
	getputs 'good [1-9]*([0-9])?( EBUSY +([0-9])) failures * removals 0 *' \
		'EBUSY failures meanwhile'
}

gone_while_it_comes_and_goes() {
	local i

	mode "$DEV" famfs
	for i in 0 1; do
		start "g$i" "$DT" probe storm getput "$(devt)"
	done
	is OK "$DT" rebind $BUS/drivers/fsdev_dax "$DEV" 40 held
	getputs 'good [1-9]*([0-9])?( EBUSY +([0-9])) ENODEV +([0-9]) failures 0 *' \
		'EBUSY ENODEV removals meanwhile'
}

# storm_and OPTIONS: faults and I/O on all CPUs while it goes away
storm_and() {
	local i

	for i in 1 2; do
		held_file "$1"
		"$DT" faultstorm "$MNT/f" 60 2 >"$T/faults" &
		echo $! >"$T/faults.pid"
		"$DT" iostorm "$MNT/f" 60 2 >"$T/io" &
		echo $! >"$T/io.pid"
		sleep 2
		unbind_now
		is 1 stat_of pre_remove
		sleep 1
		kill "$(<"$T/faults.pid")" "$(<"$T/io.pid")"
		wait_for "$T/faults.pid" 30
		wait_for "$T/io.pid" 30
		cat "$T/faults" "$T/io"
		# they got to work before, and got errors after
		grep -q 'ok [1-9].* failed [1-9]' "$T/faults"
		grep -q 'ok [1-9].* failed [1-9]' "$T/io"
		umount "$MNT"
		famfs_mount
		check_pages "$DEV"
		umount "$MNT"
	done
}

storm_careful() { storm_and revoke=careful; }
storm_ignoring() { storm_and revoke=ignore; }
storm_late() { storm_and revoke=delay:1000; }

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
	is ENODEV put $BUS/drivers/fsdev_dax/bind "$DEV"
	is OK probe put 0
	mode "$DEV" famfs
	is OK probe get 0 "$(devt)"
	is 'failures 0 removals 0 others 0 *' probe stat 0
	is OK probe put 0
}

# Whoever comes late with its put, when another driver has the device, neither
# disturbs that one nor silences the next holder
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

# An open file of /dev/daxX.Y, over everything that can happen to the device
open_fd_of_the_device() {
	mode "$DEV" devdax
	exec {FDD}<"/dev/$DEV"
	mode "$DEV" famfs
	exec {FDF}<"/dev/$DEV"
	is EINVAL try read - <&"$FDF"
	is ENODEV try mmap - <&"$FDF"
	is ENXIO try mmap - <&"$FDD"
	unbind_now
	is EINVAL try read - <&"$FDF"
	is ENODEV try mmap - <&"$FDF"
	is ENXIO try mmap - <&"$FDD"
	# a file pins the module that opened it, and nothing else
	fails rmmod fsdev_dax
	fails rmmod device_dax
	mode "$DEV" famfs
	is EINVAL try read - <&"$FDF"
	mode "$DEV" devdax
	is OK try mmap - <&"$FDD"
	is ENODEV try mmap - <&"$FDF"
	exec {FDD}<&-
	mode "$DEV" famfs
	exec {FDF}<&-
	is OK try open "/dev/$DEV"
	unbind_now
	rmmod fsdev_dax
	rmmod device_dax
	modprobe device_dax
	modprobe fsdev_dax
}

# In devdax mode a file can be mapped; whenever else, not, however old it is
old_mapping_of_the_device() {
	mode "$DEV" devdax
	start h "$DT" hold "/dev/$DEV" 2M rwh
	held_file
	tell h w
	is 'BUS_ADRERR *' echo "$HEARD"
	tell h m
	is ENXIO echo "$HEARD"
	"$DT" mcheck "$MNT/f" 1
	umount "$MNT"
	unbind_now
	tell h m
	is ENXIO echo "$HEARD"
	mode "$DEV" devdax
	tell h m
	is OK echo "$HEARD"
	tell h w
	is OK echo "$HEARD"
	unbind_now
	tell h r
	is 'BUS_ADRERR *' echo "$HEARD"
	stop h
}

open_fd_of_a_deleted_device() {
	local second fd

	second=$(new_device 32M)
	mode "$second" famfs
	retry test -e "/dev/$second"
	exec {fd}<"/dev/$second"
	mode "$second" devdax
	start h "$DT" hold "/dev/$second" 0 rwh
	delete_device "$second"
	: >"$T/created"
	exec {fd}<&-
	tell h r
	is 'BUS_ADRERR *' echo "$HEARD"
	tell h m
	is ENXIO echo "$HEARD"
	# the next one of that name is another device
	new_device 32M
	mode "$second" devdax
	tell h m
	is ENXIO echo "$HEARD"
	stop h
}

# What somebody had set for a device is not for the next one of its name
write_cache_of_a_new_device() {
	local second file default

	second=$(new_device 32M)
	file=$BUS/devices/$second/write_cache
	default=$(<"$file")
	store "$file" $((!default))
	is $((!default)) cat "$file"
	delete_device "$second"
	: >"$T/created"
	is "$second" new_device 32M
	is "$default" cat "$file"
}

# What an administrator can see of it
tracepoints() {
	local tr=/sys/kernel/tracing

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
	sed -n "s/^.* \(dax_[a-z]*: dev $(devt) holder\)/\1/p" $tr/trace \
		>"$T/events"
	cat "$T/events"
	# one holder in all of them
	[ "$(cut -d' ' -f5 "$T/events" | sort -u | grep -c '[1-9a-f]')" = 1 ]
	cut -d' ' -f1,6- "$T/events" >"$T/have"
	cat >"$T/want" <<-END
	dax_claim: free -> held
	dax_notify: offset 0x1388000 length 0x1000 flags 0x20 returns 0
	dax_claim: held -> lost
	dax_notify: offset 0x0 length 0xffffffffffffffff flags 0x80 returns 0
	dax_claim: lost -> leaving
	dax_claim: leaving -> free
	END
	diff "$T/want" "$T/have"
	mode "$DEV" famfs
	is OK probe zero "$(devt)" 5000 1
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
	stale_mapping_and_devdax \
	stale_mapping_and_system_ram \
	famfs_again_only_after_umount \
	daxctl_and_a_lost_claim \
	umount_after_another_driver_came \
	remount_of_a_lost_device \
	rmmod_under_a_mount \
	removal_of_the_region \
	removal_of_the_platform_device \
	removal_of_the_region_driver \
	devices_come_while_the_region_goes \
	pinned_careful_4K \
	pinned_careful_2M \
	pinned_ignoring_4K \
	pinned_ignoring_2M \
	pinned_and_being_truncated \
	direct_io_in_flight \
	long_read \
	long_write \
	fault_before_the_file_has_it \
	fault_before_it_is_mapped \
	fault_with_map_sync \
	calls_while_it_comes_and_goes \
	errors_while_it_comes_and_goes \
	gone_while_errors_are_told \
	gone_while_it_comes_and_goes \
	storm_careful \
	storm_ignoring \
	storm_late \
	holder_hears_it_once \
	late_put_and_the_next_holder \
	open_fd_of_the_device \
	old_mapping_of_the_device \
	open_fd_of_a_deleted_device \
	write_cache_of_a_new_device \
	tracepoints \
	one_of_two_devices
