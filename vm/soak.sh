#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The suites of vm/suites.soak over and over, for that many minutes, and the
# last line of each round's count.
#
# usage: vm/soak.sh [MINUTES]	(default: 30)

. "$(dirname "$0")/../scripts/lib.sh"

minutes=${1:-30}
[[ $minutes =~ ^[0-9]+$ ]] || die "MINUTES=$minutes is not a number"
[ -f "$TOP/vm/suites.soak" ] || die "there is no vm/suites.soak"
round=0
while [ $round = 0 ] || [ $SECONDS -lt $((minutes * 60)) ]; do
	round=$((round + 1))
	say "round $round"
	"$TOP/vm/test.sh" -f "$TOP/vm/suites.soak"
done
say "$round rounds in $((SECONDS / 60)) minutes, no failure"
