#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The suites of vm/suites.soak over and over, for that many minutes or until a
# round fails; then what the stress tests counted, summed over the rounds.
#
# usage: vm/soak.sh [MINUTES]	(default: 30)

. "$(dirname "$0")/../scripts/lib.sh"

minutes=${1:-30}
[[ $minutes =~ ^[0-9]+$ ]] || die "MINUTES=$minutes is not a number"
[ -f "$TOP/vm/suites.soak" ] || die "there is no vm/suites.soak"
scratch

one_round() {
	"$TOP/vm/test.sh" -f "$TOP/vm/suites.soak" | tee -a "$SCRATCH/out"
}

round=0
failed=
while [ -z "$failed" ] && { [ $round = 0 ] || [ $SECONDS -lt $((minutes * 60)) ]; }; do
	round=$((round + 1))
	say "round $round"
	start one_round
	wait $! || failed=y
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
[ -z "$failed" ] || die "round $round failed, after $((SECONDS / 60)) minutes" "see above for what; the logs: $CACHE/logs/test-*"
say "$round rounds in $((SECONDS / 60)) minutes, no failure"
