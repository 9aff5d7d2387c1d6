#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Breaks the series in many small ways, one at a time, as vm/mutate.table says,
# and runs the test that should notice each. Prints "killed N: WORDS" if the test
# fails, the guest crashes or hangs, or its log has a complaint; "SURVIVED N:
# WORDS" if nothing of that happens: then a test is missing. The last line is
# "N killed, N survived".
#
# usage: vm/mutate.sh [-n] [-t TREE] [PATTERN]
#
#   -n		only see that each line changes its file, once
#   -t TREE	a kernel tree with the series, of which the commit that is checked
#		out counts (default: one made from patches/)
#   PATTERN	only the lines whose number, file, suite or test matches it
#
# First the tests run on the series as it is, and it is an error if any does not
# pass there. It is an error, too, if a line changes nothing, or if the result
# does not compile.

. "$(dirname "$0")/../scripts/lib.sh"

table=$TOP/vm/mutate.table
# A test that hangs ends the guest, and so does a task that waits in the kernel
# for long. All of these are much longer than a test takes on the series.
kunit_limit=180 test_limit=150 task_limit=100 guest_limit=480
from='' check=''
while getopts nt: o; do
	case $o in
	n) check=y ;;
	t) from=$(realpath "$OPTARG") ;;
	*) die "usage: $0 [-n] [-t TREE] [PATTERN]" ;;
	esac
done
shift $((OPTIND - 1))
want=${1:-*}

# wanted ROW: whether the pattern has it
wanted() {
	local number file where suite
	IFS=$'\t' read -r number file _ where _ <<<"$1"
	suite=${where%%:*}
	if [ "$suite" = kunit ]; then suite=${where#kunit:}; fi
	# shellcheck disable=SC2053
	[[ $number == $want || $file == $want || $suite == $want || ${where##*:} == $want ]]
}

kunit_rows=() guest_rows=()
while IFS= read -r row; do
	wanted "$row" || continue
	[ "$(awk -F '\t' '{ print NF }' <<<"$row")" = 5 ] || die "$table: five columns are wanted: $row"
	case $(cut -f 4 <<<"$row") in
	kunit:*.*) kunit_rows+=("$row") ;;
	*:*.sh:*) guest_rows+=("$row") ;;
	*) die "$table: neither kunit:SUITE.TEST nor SUITE:SCRIPT:TEST: $row" ;;
	esac
done < <(grep -vE '^(#|$)' "$table")
[ $((${#kunit_rows[@]} + ${#guest_rows[@]})) -gt 0 ] || die "no line of $table is like $want"
twice=$(printf '%s\n' "${kunit_rows[@]}" "${guest_rows[@]}" | cut -f 1 | sort | uniq -d)
[ -z "$twice" ] || die "$table: two lines have the number $twice"

"$TOP/scripts/deps.sh"
lock "$CACHE/mutate.lock"
scratch
if [ -z "$from" ]; then
	from=$WORK_TREE
	start_and_wait "$TOP/scripts/tree.sh" --internal "$from"
fi
mkdir -p "$CACHE/logs"

# ---- the tree that is broken, and mended again

tree=$CACHE/trees/mutate/src
head=$(git -C "$from" rev-parse HEAD)

# mend: the series as it is; what did not change keeps its time stamp
mend() {
	git -C "$tree" checkout -q -f --detach "$head" ||
		die "cannot check out $tree" "see git's message above; a full disk is the usual reason"
}

# repository TREE: where its commits are
repository() { git -C "$1" rev-parse --path-format=absolute --git-common-dir 2>/dev/null; }

if [ "$(repository "$tree")" != "$(repository "$from")" ]; then
	need_disk "$CACHE" 8000 "another tree and its builds"
	rm -rf -- "$tree"
	git -C "$from" worktree prune
	git -C "$from" worktree add -q --detach "$tree" "$head"
fi
mend

# mutate ROW: breaks the tree and commits that, as vm/kernel.sh builds a commit
mutate() {
	local number file change
	IFS=$'\t' read -r number file change _ <<<"$1"
	perl -0pi -e "$change" "$tree/$file"
	git -C "$tree" -c user.name=fsdev -c user.email=fsdev@localhost -c commit.gpgSign=false \
		commit -q -m "mutation $number" -- "$file"
}

killed=0 survived=0 invalid=0

# judged killed|SURVIVED ROW HOW
judged() {
	printf '%s %s: %s\n' "$1" "$(cut -f 1 <<<"$2")" "$(cut -f 5 <<<"$2")"
	say "  $(cut -f 4 <<<"$2"): $3"
	case $1 in
	killed) killed=$((killed + 1)) ;;
	*) survived=$((survived + 1)) ;;
	esac
}

# no_mutation ROW WHY
no_mutation() {
	printf 'INVALID %s: %s: %s\n' "$(cut -f 1 <<<"$1")" "$(cut -f 2 <<<"$1")" "$2"
	invalid=$((invalid + 1))
}

# proves ROW VERDICT WANTED: into ROWS, if its test passes without the mutation
proves() {
	if [ "$2" = "$3" ]; then
		ROWS+=("$1")
	else
		no_mutation "$1" "$(cut -f 4 <<<"$1"): ${2:-no result} without it, too: mend the test, or name another"
	fi
}

# All of them, before anything is built.
usable=()
for row in "${kunit_rows[@]}" "${guest_rows[@]}"; do
	IFS=$'\t' read -r _ file change _ <<<"$row"
	if perl -0pe "$change" "$tree/$file" >"$SCRATCH/changed" && ! cmp -s "$SCRATCH/changed" "$tree/$file"; then
		usable+=("$row")
	else
		no_mutation "$row" "the substitution changes nothing"
	fi
done
say "${#usable[@]} lines change their file"
[ -z "$check" ] || exit $((invalid > 0))

# still ROW...: those of them that can be used, in ROWS
still() {
	local row
	ROWS=()
	for row; do
		if grep -qxF -- "$row" < <(printf '%s\n' "${usable[@]}"); then ROWS+=("$row"); fi
	done
}

# ---- KUnit

kunit=$CACHE/trees/mutate/kunit

# kunit_py COMMAND ARGUMENT...: as vm/test.sh has it
kunit_py() {
	(
		build_env
		cd "$tree"
		PATH=$TOP/vm/kunit:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 nice -n 5 \
			python3 tools/testing/kunit/kunit.py "$1" --arch=x86_64 --kconfig_add CONFIG_CPU_MITIGATIONS=n \
			--kunitconfig=drivers/dax/tests --build_dir="$kunit" "${@:2}"
	) </dev/null >"$CACHE/logs/mutate-kunit-$1.out" 2>&1
}

kunit_build() { kunit_py build --jobs="$JOBS" --make_options="CC=ccache gcc"; }

# kunit_run SECONDS [FILTER]: into $SCRATCH/results, and what the kernel complains
# of into $SCRATCH/splat
kunit_run() {
	rm -f "$kunit/results.json" "$kunit/test.log"
	: >"$SCRATCH/results"
	start_and_wait kunit_py exec --timeout="$1" --json="$kunit/results.json" "${@:2}" || :
	grep -q 'Linux version' "$kunit/test.log" 2>/dev/null ||
		die "the KUnit kernel did not boot" "see $CACHE/logs/mutate-kunit-exec.out"
	if [ -f "$kunit/results.json" ]; then
		"$TOP/vm/kunit/results.py" "$kunit/results.json" >"$SCRATCH/results" || :
	fi
	"$TOP/vm/splat.sh" "$kunit/test.log" >"$SCRATCH/splat" 2>&1
}

# kunit_says ROW: prints pass or fail for each of its tests that has a result
kunit_says() {
	local verdict name filter
	filter=$(cut -f 4 <<<"$1")
	while IFS=$'\t' read -r verdict _ name _; do
		name=${name/: /.}
		# shellcheck disable=SC2053
		[[ ${name%%: *} != ${filter#kunit:} ]] || echo "$verdict"
	done <"$SCRATCH/results"
}

# kunit_baseline ROW...: leaves in ROWS those whose test passes
kunit_baseline() {
	local row says
	say "KUnit: all tests on the series as it is"
	start_and_wait kunit_build ||
		die "the KUnit kernel does not build" "see $CACHE/logs/mutate-kunit-build.out"
	kunit_run 900 || die "KUnit: the kernel complains without any mutation" "$(sed -n 1,5p "$SCRATCH/splat")"
	ROWS=()
	for row; do
		says=$(kunit_says "$row" | sort -u | paste -sd ' ')
		proves "$row" "$says" pass
	done
}

kunit_mutation() {
	local filter says
	filter=$(cut -f 4 <<<"$1")
	mutate "$1"
	if ! start_and_wait kunit_build; then
		cp "$CACHE/logs/mutate-kunit-build.out" "$CACHE/logs/mutate-$(cut -f 1 <<<"$1").out"
		no_mutation "$1" "it does not compile, see $CACHE/logs/mutate-$(cut -f 1 <<<"$1").out"
	elif ! kunit_run $kunit_limit "${filter#kunit:}"; then
		judged killed "$1" "the kernel complains"
	else
		says=$(kunit_says "$1" | sort -u | paste -sd ' ')
		case $says in
		'') judged killed "$1" "it came to no end" ;;
		pass) judged SURVIVED "$1" "it passes" ;;
		*) judged killed "$1" "it fails" ;;
		esac
	fi
	mend
}

still "${kunit_rows[@]}"
if [ ${#ROWS[@]} -gt 0 ]; then
	kunit_baseline "${ROWS[@]}"
	for row in "${ROWS[@]}"; do kunit_mutation "$row"; done
fi

# ---- guests

# only ROW...: scripts and tests of these, for in_guest, in SCRIPTS and ONLY
only() {
	SCRIPTS=$(printf '%s\n' "$@" | cut -f 4 | cut -d : -f 2 | sort -u | paste -sd ' ')
	ONLY="@($(printf '%s\n' "$@" | cut -f 4 | cut -d : -f 3 | sort -u | paste -sd '|'))"
}

# guest_baseline ROW...: all tests of a suite in one guest; leaves in ROWS those
# whose test passes
guest_baseline() {
	local suite row v rc
	local -a rows
	ROWS=()
	kernel=$("$TOP/vm/kernel.sh" lean "$tree")
	for suite in $(printf '%s\n' "$@" | cut -f 4 | cut -d : -f 1 | sort -u); do
		rows=()
		for row; do
			if [[ $(cut -f 4 <<<"$row") == "$suite":* ]]; then rows+=("$row"); fi
		done
		only "${rows[@]}"
		say "$suite: $SCRIPTS on the series as it is"
		rc=0
		start_and_wait in_guest "$kernel" "mutate-base-$suite" 1800 "$suite" "$SCRIPTS" "ONLY='$ONLY'" '' || rc=$?
		[ $rc = 0 ] || die "$suite: the guest ended with status $rc without any mutation" \
			"see $CACHE/logs/mutate-base-$suite.out"
		"$TOP/vm/splat.sh" "$CACHE/logs/mutate-base-$suite/console.log" >"$SCRATCH/splat" 2>&1 ||
			die "$suite: the kernel complains without any mutation" "$(sed -n 1,5p "$SCRATCH/splat")"
		for row in "${rows[@]}"; do
			v=$(verdict "$CACHE/logs/mutate-base-$suite.out" "$(cut -f 4 <<<"$row" | cut -d : -f 3)")
			proves "$row" "$v" ok
		done
	done
}

guest_mutation() {
	local name suite test rc=0 v
	name=mutate-$(cut -f 1 <<<"$1")
	suite=$(cut -f 4 <<<"$1" | cut -d : -f 1)
	test=$(cut -f 4 <<<"$1" | cut -d : -f 3)
	mutate "$1"
	if ! kernel=$("$TOP/vm/kernel.sh" lean "$tree" 2>"$CACHE/logs/$name.build"); then
		no_mutation "$1" "it does not compile, see $CACHE/logs/$name.build"
		mend
		return
	fi
	only "$1"
	start_and_wait in_guest "$kernel" "$name" $guest_limit "$suite" "$SCRIPTS" "TEST_TIMEOUT=$test_limit ONLY='$ONLY'" \
		"oops=panic hung_task_panic=1 sysctl.kernel.hung_task_timeout_secs=$task_limit" || rc=$?
	v=$(verdict "$CACHE/logs/$name.out" "$test")
	case $rc.$v in
	125.*) die "$name: the guest did not boot" "see $CACHE/logs/$name.out" ;;
	124.*) judged killed "$1" "the guest hangs" ;;
	*.'not ok') judged killed "$1" "it fails" ;;
	*.) judged killed "$1" "the guest ends early" ;;
	*)
		if "$TOP/vm/splat.sh" "$CACHE/logs/$name/console.log" >"$SCRATCH/splat" 2>&1; then
			judged SURVIVED "$1" "$v"
		else
			judged killed "$1" "the kernel complains"
		fi
		;;
	esac
	mend
}

still "${guest_rows[@]}"
if [ ${#ROWS[@]} -gt 0 ]; then
	need_machine
	start_and_wait "$TOP/vm/rootfs.sh" >/dev/null
	start_and_wait "$TOP/vm/emulator.sh" >/dev/null
	tests=$("$TOP/vm/tests.sh" "$from")
	guest_baseline "${ROWS[@]}"
	for row in "${ROWS[@]}"; do guest_mutation "$row"; done
fi

if [ $invalid -gt 0 ]; then
	echo "$killed killed, $survived survived, $invalid not valid"
else
	echo "$killed killed, $survived survived"
fi
[ $((survived + invalid)) = 0 ]
