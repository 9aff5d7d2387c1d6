#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Looks through a guest's console log for what a healthy kernel does not print:
# warnings, oopses, reports of the run-time checkers; tools/testing/dax/complaints
# has the list. Prints what it finds and fails if that is anything.
#
# usage: vm/splat.sh LOG

. "$(dirname "$0")/../scripts/lib.sh"

log=${1:-}
[ -f "$log" ] || die "no console log ${log:-given}" "usage: $0 LOG"
grep -q 'Linux version' "$log" || die "$log is not the log of a kernel that booted"

scratch
"$TOP/tools/testing/dax/complaints" -n <"$log" >"$SCRATCH/found" || :
[ -s "$SCRATCH/found" ] || exit 0

n=$(wc -l <"$SCRATCH/found")
echo "the kernel complained ($n lines; the whole log: $log):"
first=$(sed 's/:.*//;q' "$SCRATCH/found")
sed -n 1,20p "$SCRATCH/found"
echo "the first of them, with what follows:"
tr -d '\r' <"$log" | sed -n "$first,$((first + 59))p"
exit 1
