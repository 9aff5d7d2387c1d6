#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The costs of operations, in instructions (the guest's clock counts them), with the
# series and without: bench.sh of tools/testing/dax in one guest each.
#
# usage: vm/bench.sh [-l]
#
#   -l	a part of "make test": holds the figures against vm/limits, each of which
#	is a test
#
# bench.sh prints lines of "bench NAME VALUE UNIT"; all others are comments.

. "$(dirname "$0")/../scripts/lib.sh"

limits=
case ${1:-} in
'') ;;
-l) limits=y ;;
*) die "usage: $0 [-l]" ;;
esac

"$TOP/scripts/deps.sh"
# "make test" has it
[ -n "$limits" ] || lock "$CACHE/test.lock"
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
		-a "memmap=4G%4G-1+4026531839 memmap=4G!8G" -m ${mem}G \
		-- /tests/bench.sh >"$CACHE/logs/$2.out"
}

# A device whose size is seen in what takes time for each page of it. The
# memory is there once it is written, as the 4 GiB for its struct pages are.
large_guest() {
	"$TOP/vm/qemu.sh" -i -k "$ours" -s "$tests" -n bench-large -t 1800 -b kmem \
		-m 2G -q "-machine nvdimm=on -m 2G,slots=1,maxmem=268G \
-object memory-backend-memfd,id=large,size=264G -device nvdimm,memdev=large" \
		-- /tests/bench.sh large >"$CACHE/logs/bench-large.out"
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
say "measuring a device of 264 GiB, at least 256 of which are for data"
large_guest || rc=1
for name in ours large; do
	"$TOP/vm/splat.sh" "$CACHE/logs/bench-$name/console.log" >&2 || rc=1
done
for name in ours mainline; do
	grep '^bench ' "$CACHE/logs/bench-$name.out" >"$CACHE/logs/bench-$name.lines" ||
		die "no figures from the guest \"$name\"" "see $CACHE/logs/bench-$name.out"
done
grep '^bench ' "$CACHE/logs/bench-large.out" >>"$CACHE/logs/bench-ours.lines" ||
	warn "no figures from the guest \"large\"" "see $CACHE/logs/bench-large.out"
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
}' "$CACHE/logs/bench-ours.lines" "$CACHE/logs/bench-mainline.lines" | sed "s/^/${limits:+# }/"
[ -n "$limits" ] || exit $rc

# ---- the limits

# a line that cannot be read must not be one that holds
awk -F '\t' '!/^#/ && NF && !(NF == 3 && $2 ~ /^(series|mainline):./ && $3 + 0 > 0) {
	print FILENAME ": " $0; bad = 1
} END { exit bad }' "$TOP/vm/limits" >&2 || die "vm/limits has lines that are no limits"
awk -F '\t' '
FILENAME ~ /ours.lines$/ { split($0, f, " "); value["series:" f[2]] = f[3]; next }
FILENAME ~ /mainline.lines$/ { split($0, f, " "); value["mainline:" f[2]] = f[3]; next }
!/^#/ && NF { name[++n] = $1; other[n] = $2; limit[n] = $3 }
END {
	print "1.." n
	for (i = 1; i <= n; i++) {
		mine = value["series:" name[i]]
		its = value[other[i]]
		good = mine > 0 && its > 0 && mine <= limit[i] * its
		what = other[i]
		sub(/:/, "\047s ", what)
		printf "# %s is %s, %s is %s: %.3f of at most %s\n", name[i], mine, what, its, (its > 0 ? mine / its : 0), limit[i]
		printf "%s %d - %s beside %s\n", (good ? "ok" : "not ok"), i, name[i], what
	}
}' "$CACHE/logs/bench-ours.lines" "$CACHE/logs/bench-mainline.lines" "$TOP/vm/limits"
exit $rc
