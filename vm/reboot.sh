#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A machine goes down while memory is pinned that its driver has let go of, or
# is just letting go of. Prints KTAP.
#
# usage: vm/reboot.sh -k KERNEL -s DIR
#
#   -k DIR	a folder made by vm/kernel.sh
#   -s DIR	the one printed by vm/tests.sh
#
# shellcheck disable=SC2317

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
[ -f "$tests/pinned.sh" ] || die "no pinned.sh in ${tests:-(none given)}" "vm/tests.sh TREE prints the folder that has it"
scratch

# The guest goes down within this many seconds of being told to, on a machine
# that is busy; it would hang for ever otherwise.
LIMIT=300

# goes_down HOW STATE PATTERN: the guest does, and its console has PATTERN
goes_down() {
	local log=$CACHE/logs/reboot-$1-$2/console.log rc=0
	# kexec needs the kernel in the guest
	cp -R "$tests/." "$SCRATCH/tests" && cp "$kernel/bzImage" "$SCRATCH/tests/"
	"$TOP/vm/qemu.sh" -k "$kernel" -s "$SCRATCH/tests" -n "reboot-$1-$2" -m 3G -c 2 -t $LIMIT -b kmem \
		-a "memmap=1G%4G-1+4026531839" -- "SIZE=$((128 << 20)) /tests/pinned.sh $1 $2" \
		>"$SCRATCH/out" 2>"$SCRATCH/err" || rc=$?
	# 126: the guest ended, and not because its command had
	if [ $rc != 126 ]; then
		echo "it did not go down: $rc"
		cat "$SCRATCH/out" "$SCRATCH/err"
		return 1
	fi
	grep -q "$3" < <(tr -d '\r' <"$log") || { echo "no $3 in $log"; return 1; }
	# the kernel that kexec starts has no root, and panics
	sed '/Starting new kernel/q' "$log" >"$SCRATCH/log"
	"$TOP/vm/splat.sh" "$SCRATCH/log"
}

reboot_parked() { goes_down reboot parked 'reboot: Restarting system'; }
reboot_waiting() { goes_down reboot waiting 'reboot: Restarting system'; }
poweroff_parked() { goes_down poweroff parked 'reboot: Power down'; }
kexec_parked() { goes_down kexec parked 'Starting new kernel'; }
kexec_waiting() { goes_down kexec waiting 'Starting new kernel'; }

names="reboot_parked reboot_waiting poweroff_parked kexec_parked kexec_waiting"
n=0 failed=0
echo "TAP version 13"
echo "1..$(wc -w <<<"$names")"
for name in $names; do
	n=$((n + 1))
	if "$name" >"$SCRATCH/said" 2>&1; then
		echo "ok $n ${name//_/ }"
	else
		sed 's/^/# /' "$SCRATCH/said"
		echo "not ok $n ${name//_/ }"
		failed=$((failed + 1))
	fi
done
[ $failed = 0 ]
