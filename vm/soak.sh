#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Each suite of vm/suites.soak once, with stress tests of such a length that these
# take about so many minutes, not counting what there is to build, nor a thousand
# rounds with pins; then what the stress tests counted, summed over the suites.
#
# usage: vm/soak.sh [MINUTES]	(default: 30)

. "$(dirname "$0")/../scripts/lib.sh"

# what else a suite does: it boots, has the stress test end and look at what is
# left, and runs some others
OTHER=360

minutes=${1:-30}
[[ $minutes =~ ^[0-9]+$ ]] || die "MINUTES=$minutes is not a number"
table=$TOP/vm/suites.soak
[ -f "$table" ] || die "there is no vm/suites.soak"
mapfile -t suites < <(sed -n 's/^\([^#	][^	]*\)	.*/\1/p' "$table")
[ ${#suites[@]} -gt 0 ] || die "vm/suites.soak names no suites"
scratch

stress=$(awk '!/^#/ && /@SECS@/' "$table" | wc -l)
secs=$((minutes * 60 / stress - OTHER))
[ $secs -ge 60 ] || secs=60
# it may take five rounds until everything has happened once
limit=$((5 * (secs + 90) + 5 * OTHER))
sed "s/@SECS@/$secs/g; s/@LIMIT@/$limit/g" "$table" >"$SCRATCH/suites"

one_suite() {
	"$TOP/vm/test.sh" -f "$SCRATCH/suites" "$1" | tee -a "$SCRATCH/out"
}

failed=()
for name in "${suites[@]}"; do
	say "$name: stress for $secs s"
	start one_suite "$name"
	wait $! || failed+=("$name")
done

# lines of "[suite] # name count"; refused_ERRNO is a part of claim_refused
tr -d '\r' <"$SCRATCH/out" | awk '
NF == 4 && $1 ~ /^\[.*\]$/ && $2 == "#" && $3 ~ /^[a-z_]+$/ && $4 ~ /^[0-9]+$/ {
	sum[$3] += $4
	operations += $4
	if ($3 == "claim_won" || $3 == "mount") claims += $4
}
END {
	for (name in sum) printf "%-24s %14d\n", name, sum[name] | "sort"
	close("sort")
	printf "%d operations, %d claims\n", operations, claims
}'
[ ${#failed[@]} = 0 ] || die "failed, after $((SECONDS / 60)) minutes: ${failed[*]}" "see above for what; the logs: $CACHE/logs/test-*"
say "${#suites[@]} suites in $((SECONDS / 60)) minutes, no failure"
