#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An interactive guest on this terminal, with a 4 GiB soft-reserved dax device
# and the tests in /tests.
#
# usage: vm/shell.sh [FLAVOUR]	(default: lean)

. "$(dirname "$0")/../scripts/lib.sh"

"$TOP/scripts/deps.sh"
"$TOP/scripts/tree.sh" --internal "$WORK_TREE"
kernel=$("$TOP/vm/kernel.sh" "${1:-lean}" "$WORK_TREE")
tests=$("$TOP/vm/tests.sh" "$WORK_TREE")
exec "$TOP/vm/qemu.sh" -x -k "$kernel" -s "$tests" -n shell -b kmem \
	-a "memmap=4G%4G-1+4026531839 loglevel=4"
