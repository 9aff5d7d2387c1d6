#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What things cost, in instructions (the guest's clock counts them), with the
# series and without: bench.sh of tools/testing/dax in one guest each.
#
# usage: vm/bench.sh
#
# bench.sh prints lines of "bench NAME VALUE UNIT"; all others are comments.

. "$(dirname "$0")/../scripts/lib.sh"

"$TOP/scripts/deps.sh"
lock "$CACHE/test.lock"
"$TOP/scripts/tree.sh" --internal "$WORK_TREE"
"$TOP/scripts/tree.sh" --internal "$BASE_TREE" 0
"$TOP/vm/rootfs.sh" >/dev/null
"$TOP/vm/emulator.sh" >/dev/null
export TEST_MODULES=$WORK_TREE/tools/testing/dax/modules
ours=$("$TOP/vm/kernel.sh" lean "$WORK_TREE")
theirs=$(TEST_HEADER=$TOP/vm/mainline-compat.h "$TOP/vm/kernel.sh" lean "$BASE_TREE")
tests=$("$TOP/vm/tests.sh" "$WORK_TREE")
[ -f "$tests/bench.sh" ] || die "tools/testing/dax has no bench.sh"

# guest KERNEL NAME: the clock counts instructions, so that two guests at once
# do not disturb each other's figures
guest() {
	"$TOP/vm/qemu.sh" -i -k "$1" -s "$tests" -n "$2" -t 1800 -b kmem \
		-a "memmap=4G%4G-1+4026531839 memmap=4G!8G loglevel=5" -m ${mem}G \
		-- /tests/bench.sh >"$CACHE/logs/$2.out"
}

mkdir -p "$CACHE/logs"
mem=11
# as vm/qemu.sh counts, which looks at one guest only
each=$((mem * 1024 * 3 / 4 + 300))
need_mem $each "a guest of ${mem}G"
rc=0
if [ "$(available_mem)" -ge $((2 * each)) ]; then
	say "measuring, both at once (some minutes)"
	guest "$ours" bench-ours &
	pid=$!
	guest "$theirs" bench-mainline || rc=1
	wait "$pid" || rc=1
else
	say "measuring, one after the other for want of memory (some minutes)"
	guest "$ours" bench-ours || rc=1
	guest "$theirs" bench-mainline || rc=1
fi
"$TOP/vm/splat.sh" "$CACHE/logs/bench-ours/console.log" >&2 || rc=1
for name in ours mainline; do
	grep '^bench ' "$CACHE/logs/bench-$name.out" >"$CACHE/logs/bench-$name.lines" ||
		die "no figures from the guest \"$name\"" "see $CACHE/logs/bench-$name.out"
done
awk '
FILENAME ~ /ours/ { ours[$2] = $3; unit[$2] = $4; order[++n] = $2; next }
{ theirs[$2] = $3; if (!($2 in unit)) { unit[$2] = $4; order[++n] = $2 } }
END {
	printf "%-36s %14s %14s %8s  %s\n", "", "this series", "mainline", "ratio", "unit"
	for (i = 1; i <= n; i++) {
		o = order[i]
		r = (o in ours) && (o in theirs) && theirs[o] > 0 ? sprintf("%.2f", ours[o] / theirs[o]) : "-"
		printf "%-36s %14s %14s %8s  %s\n", o, (o in ours) ? ours[o] : "-", \
			(o in theirs) ? theirs[o] : "-", r, unit[o]
	}
}' "$CACHE/logs/bench-ours.lines" "$CACHE/logs/bench-mainline.lines"
exit $rc
