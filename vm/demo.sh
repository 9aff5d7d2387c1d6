#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Famfs mode of a dax device, shown in a guest: installs and builds what is
# missing, then runs vm/demo-guest.sh there. Its exit status is ours.

. "$(dirname "$0")/../scripts/lib.sh"

need_machine
"$TOP/scripts/deps.sh"
lock "$CACHE/test.lock"
"$TOP/scripts/tree.sh" --internal "$WORK_TREE"
"$TOP/vm/rootfs.sh" >/dev/null
"$TOP/vm/emulator.sh" >/dev/null
scratch
start_and_wait "$TOP/vm/kernel.sh" lean "$WORK_TREE" >/dev/null
kernel=$("$TOP/vm/kernel.sh" lean "$WORK_TREE")
tests=$("$TOP/vm/tests.sh" "$WORK_TREE")
cp -R "$tests" "$SCRATCH/guest"
cp "$TOP/vm/demo-guest.sh" "$SCRATCH/guest/demo.sh"

say "booting the guest"
rc=0
start_and_wait "$TOP/vm/qemu.sh" -k "$kernel" -s "$SCRATCH/guest" -n demo -t 900 -b kmem \
	-a "memmap=4G%4G-1+4026531839" -- \
	TESTS=/tests bash /tests/demo.sh || rc=$?
"$TOP/vm/splat.sh" "$CACHE/logs/demo/console.log" >&2 || [ $rc != 0 ] || rc=1
exit $rc
