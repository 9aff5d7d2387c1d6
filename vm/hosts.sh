#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two guests as two hosts on one memory: 1 GiB that QEMU maps from the same
# file for both, and that is soft-reserved in both. They have no network; what
# each is to do it reads from a virtio-serial port (host.sh of
# tools/testing/dax). Prints KTAP.
#
# usage: vm/hosts.sh -k KERNEL -s DIR
#
#   -k DIR	a folder made by vm/kernel.sh
#   -s DIR	the one printed by vm/tests.sh
#
# shellcheck disable=SC2016,SC2317

. "$(dirname "$0")/../scripts/lib.sh"

kernel='' tests=''
while getopts k:s: o; do
	case $o in
	k) kernel=$OPTARG ;;
	s) tests=$OPTARG ;;
	*) die "usage: $0 -k KERNEL -s DIR" ;;
	esac
done
[ -f "$kernel/bzImage" ] || die "no kernel in ${kernel:-(none given)}" "make one with: vm/kernel.sh FLAVOUR TREE"
[ -f "$tests/host.sh" ] || die "no host.sh in ${tests:-(none given)}" "vm/tests.sh TREE prints the folder that has it"
kernel=$(cd "$kernel" && pwd -P)
tests=$(cd "$tests" && pwd -P)

ANSWER_LIMIT=300
BOOT_LIMIT=${FSDEV_BOOT_LIMIT:-300}

scratch
mkdir -p "$CACHE/logs"
need_disk "$CACHE" 400 "the memory of the two guests"
truncate -s 1G "$SCRATCH/memory"

# By host: the process that runs its guest, where to write commands, how many
# of them it was given, how many it has answered, and the names of its logs.
declare -A RUNNER FEED ASKED HEARD LOG
LOGS=()
SAID=''		# what the last answer had to say
FAILED=''	# the rest of a test that failed is left out

end_guests() {
	local host
	for host in "${!RUNNER[@]}"; do kill "${RUNNER[$host]}" 2>/dev/null || :; done
	wait
}
trap 'end_guests; rm -rf -- "$SCRATCH"' EXIT

problem() {
	printf '%s\n' "$@" | sed 's/^/# /'
	FAILED=y
}

# lose HOST WHY: no more commands for it
lose() {
	problem "host $1 $2; its console is $CACHE/logs/${LOG[$1]}/console.log"
	kill "${RUNNER[$1]}" 2>/dev/null || :
	unset "RUNNER[$1]"
}

# boot HOST [AGAIN]: and later, answer HOST when it is ready
boot() {
	local host=$1 fd
	[ -z "$FAILED" ] || return 0
	if [ -n "${RUNNER[$host]:-}" ]; then
		problem "host $host is still there"
		return 0
	fi
	LOG[$host]=hosts-$host${2:-}
	LOGS+=("${LOG[$host]}")
	ASKED[$host]=1
	HEARD[$host]=0
	rm -f "$SCRATCH/$host".*
	mkfifo "$SCRATCH/$host.in" "$SCRATCH/$host.out"
	# for reading too: then neither side sees an end, and no write waits
	exec {fd}<>"$SCRATCH/$host.in"
	FEED[$host]=$fd
	: >"$SCRATCH/$host.said"
	(
		# short names: qemu.sh splits its argument at each blank
		cd "$SCRATCH"
		exec "$TOP/vm/qemu.sh" -k "$kernel" -s "$tests" -n "${LOG[$host]}" -m 3G -c 1 -t 1800 -b kmem \
			-a "memmap=1G%4G-1+4026531839" -q "-pidfile $host.pid \
				-object memory-backend-ram,id=own,size=2G -numa node,memdev=own \
				-object memory-backend-file,id=both,size=1G,share=on,mem-path=memory -numa node,memdev=both \
				-chardev pipe,id=host,path=$host -device virtserialport,chardev=host,name=fsdev.host" \
			-- "/tests/host.sh </dev/virtio-ports/fsdev.host"
	) >"$SCRATCH/$host.said" 2>"$CACHE/logs/${LOG[$host]}.err" &
	RUNNER[$host]=$!
}

# ask HOST COMMAND: without waiting for the answer
ask() {
	[ -z "$FAILED" ] || return 0
	if [ -z "${RUNNER[$1]:-}" ]; then
		problem "there is no host $1"
		return 0
	fi
	echo "$2" >&"${FEED[$1]}"
	ASKED[$1]=$((ASKED[$1] + 1))
}

# answer HOST [SECONDS]: the next one; its status must be 0
answer() {
	local host=$1 n deadline=$((SECONDS + ${2:-$ANSWER_LIMIT})) status
	[ -z "$FAILED" ] && [ -n "${RUNNER[$host]:-}" ] || return 0
	HEARD[$host]=$((HEARD[$host] + 1))
	n=${HEARD[$host]}
	until [ "$(grep -c '^answer ' "$SCRATCH/$host.said")" -ge "$n" ]; do
		if ! kill -0 "${RUNNER[$host]}" 2>/dev/null; then
			lose "$host" "has ended"
			sed 's/^/# /' "$SCRATCH/$host.said" "$CACHE/logs/${LOG[$host]}.err"
			return 0
		elif [ "$SECONDS" -ge "$deadline" ]; then
			lose "$host" "gives no answer"
			return 0
		fi
		sleep 0.1
	done
	SAID=$(awk -v n="$n" '$1 == "answer" { i++; next } i == n - 1' "$SCRATCH/$host.said")
	status=$(awk -v n="$n" '$1 == "answer" && ++i == n { print $2 }' "$SCRATCH/$host.said")
	[ "$status" = 0 ] || problem "host $host: status $status" "$SAID"
}

# on HOST COMMAND
on() {
	ask "$1" "$2"
	answer "$1"
}

# gone HOST SECONDS STATUS: by then its guest has ended, vm/qemu.sh with STATUS
gone() {
	local deadline=$((SECONDS + $2)) status=0
	while kill -0 "${RUNNER[$1]}" 2>/dev/null; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			lose "$1" "does not end"
			return 0
		fi
		sleep 0.1
	done
	wait "${RUNNER[$1]}" || status=$?
	unset "RUNNER[$1]"
	ASKED[$1]=${HEARD[$1]}
	[ "$status" = "$3" ] || problem "the guest of host $1 ended with status $status"
}

# power_off HOST: at once, as if somebody had pulled the plug
power_off() {
	[ -z "$FAILED" ] || return 0
	kill -KILL "$(cat "$SCRATCH/$1.pid")"
	gone "$1" 30 126
}

# ---- the tests

both_take_the_memory() {
	local first
	boot a
	boot b
	answer a "$BOOT_LIMIT"
	answer b "$BOOT_LIMIT"
	on a join
	on b join
	on a layouts
	first=$SAID
	on b layouts
	[ "$first" = "$SAID" ] || problem "the files differ:" "$first" "$SAID"
}

# from WRITER READER SEED
from() {
	on "$2" "differs $3"
	on "$1" "write_all $3"
	on "$2" "verify_all $3"
}

one_writes_and_the_other_verifies() { from a b 1; }
the_roles_swapped() { from b a 2; }

# hand_over WRITER READER FILE ROUNDS FLUSHES
hand_over() {
	on "$1" "clear_flags $3"
	ask "$2" "\$DT flagreader \$MNT/$3 $4 60"
	on "$1" "write_flags $3 $4 $5"
	answer "$2"
}

data_then_flag() { hand_over a b pages 5000 4; }
data_then_flag_swapped() { hand_over b a pages 5000 4; }
data_then_flag_in_huge_pages() { hand_over a b huge 1000 1; }

# what the tests before would see
a_flag_before_its_data_is_seen() {
	on a "clear_flags pages"
	ask b "fails \$DT flagreader \$MNT/pages 5000 60"
	on a "fails \$DT flagwriter \$MNT/pages 5000 30 early"
	answer b
	case $SAID in
	*" is of round "*) ;;
	*) problem "the reader stopped for another reason: $SAID" ;;
	esac
}

one_unbinds_and_the_other_goes_on() {
	on a "write_all 3"
	on a "is OK \$DT fallocate zero \$MNT/stop 0 4K"
	ask a "keep_busy 3"
	on b "unbind_in_use big"
	# another driver, which writes nothing, and no driver
	on b 'mode $DEV devdax'
	on b '$DT mcheck /dev/$DEV 3 0 8M'
	on b 'mode $DEV none'
	on b join
	on b "verify_all 3"
	on b '$DT fill $MNT/stop 1 0 8'
	answer a
	# what one has written meanwhile, the other has now
	on a '$DT fill $MNT/busy 77'
	on b '$DT mcheck $MNT/busy 77'
}

# dies WRITER READER: the writer, while it writes
dies() {
	on "$2" "clear_flags pages"
	ask "$1" "write_for_ever pages"
	# it does write, and both files
	on "$2" '$DT flagreader $MNT/pages 50 60'
	on "$2" 'cp $MNT/big $T/big; retry fails cmp $T/big $MNT/big >/dev/null'
	ask "$2" "follow pages"
	sleep 1
	power_off "$1"
	answer "$2"
}

one_is_killed_while_it_writes() {
	on a "write_all 4"
	dies a b
	on b "verify_all 4"
	on b "write_all 5"
	on b '$DT fill $MNT/big 6'
	on b '$DT mcheck $MNT/big 6'
	on b leave
	on b join
	on b "verify_all 5"
}

it_comes_back() {
	boot a -again
	answer a "$BOOT_LIMIT"
	on a join
	on a "verify_all 5"
	on a '$DT mcheck $MNT/big 6'
	from a b 7
	from b a 8
	hand_over a b pages 1000 4
}

the_other_is_killed_while_it_writes() {
	dies b a
	on a "verify_all 8"
	on a "write_all 9"
	on a "verify_all 9"
}

the_one_that_is_left_ends_normally() {
	on a leave
	ask a end
	[ -n "$FAILED" ] || gone a 120 0
}

nothing_in_the_kernel_logs() {
	local log
	for log in "${LOGS[@]}"; do
		"$TOP/vm/splat.sh" "$CACHE/logs/$log/console.log" >"$SCRATCH/splat" 2>&1 ||
			problem "$log:" "$(cat "$SCRATCH/splat")"
	done
}

all=(
	both_take_the_memory
	one_writes_and_the_other_verifies
	the_roles_swapped
	data_then_flag
	data_then_flag_swapped
	data_then_flag_in_huge_pages
	a_flag_before_its_data_is_seen
	one_unbinds_and_the_other_goes_on
	one_is_killed_while_it_writes
	it_comes_back
	the_other_is_killed_while_it_writes
	the_one_that_is_left_ends_normally
	nothing_in_the_kernel_logs
)

# settle: no answer is left over for the next test
settle() {
	local host failed=$FAILED
	for host in "${!RUNNER[@]}"; do
		while [ -n "${RUNNER[$host]:-}" ] && [ "${HEARD[$host]}" -lt "${ASKED[$host]}" ]; do
			FAILED=
			answer "$host"
		done
	done
	FAILED=$failed
}

echo "TAP version 13"
echo "1..${#all[@]}"
number=0 bad=0
for t in "${all[@]}"; do
	number=$((number + 1))
	FAILED=
	started=$SECONDS
	"$t" || problem "$t did not come to its end"
	settle
	if [ -z "$FAILED" ]; then
		echo "ok $number ${t//_/ } # $((SECONDS - started)) s"
	else
		echo "not ok $number ${t//_/ }"
		bad=1
	fi
done
exit $bad
