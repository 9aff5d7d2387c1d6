#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the models of this folder by spin(1): each holds for all interleavings, and
# each of its mutations does not.
#
# usage: check.sh [MODEL]...

cd "$(dirname "$0")" || exit 1
dir=$PWD
[ $# -gt 0 ] || set -- *.pml
command -v spin >/dev/null && command -v cc >/dev/null || {
	echo "the models need spin and a C compiler: apt-get install spin gcc" >&2
	exit 1
}
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
cd "$T" || exit 1

# search MODEL MUTATION: prints the errors that were found, and the states
search() {
	spin -DMUTATION="$2" -a "$dir/$1" >spin.log 2>&1 &&
		cc -O2 -DSAFETY -o pan pan.c 2>cc.log ||
		{ cat spin.log cc.log >&2; return 1; }
	rm -f ./*.trail
	# a search that is cut short has found nothing out
	./pan -m1000000 >pan.log
	! grep -q "max search depth too small\|out of memory" pan.log || return 1
	sed -n -e 's/.*errors: \([0-9]*\).*/\1/p' \
		-e 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log | tr '\n' ' '
}

# mutations MODEL: their numbers
mutations() {
	grep -o 'MUTATION [!=]= [0-9]*' "$dir/$1" | grep -o '[1-9][0-9]*$' | sort -nu
}

bad=0
for model; do
	read -r errors states < <(search "$model" 0)
	if [ "$errors" = 0 ]; then
		echo "ok - $model: $states states"
	else
		echo "not ok - $model: ${errors:-no} errors"
		./pan -r 2>/dev/null | tail -n 40
		bad=1
	fi
	for mutation in $(mutations "$model"); do
		read -r errors states < <(search "$model" "$mutation")
		if [ "${errors:-0}" -gt 0 ]; then
			echo "ok - $model fails with mutation $mutation"
		else
			echo "not ok - $model holds with mutation $mutation, which proves nothing"
			bad=1
		fi
	done
done
exit $bad
