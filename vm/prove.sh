#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the tests that vm/prove.table names on the pristine base, which has
# mainline's driver, and on the series, in the same guests, and prints a Markdown
# table of what each did.
#
# usage: vm/prove.sh [-t TREE] [-b TREE] [-j COUNT] [-r] [PATTERN]
#
#   -t TREE	a kernel tree with the series (default: one made from patches/)
#   -b TREE	one without it (default: the pristine base)
#   -j COUNT	that many guests at a time (default: 2, or 1 where memory is short)
#   -r	write the table into README.md and patches/cover-letter.txt, in the
#	place of the one that is there
#   PATTERN	only the rows whose test matches it, or whose number
#
# On mainline a guest runs some tests as far as it survives them, and leaves what
# they need whole; there is another guest for the rest. On the series the tests
# of a script share one. It is an error if a test passes on mainline, if it fails
# there for another reason than the one the table gives, if it could not be tried,
# or if it does not pass on the series.

. "$(dirname "$0")/../scripts/lib.sh"

table=$TOP/vm/prove.table
# A test that hangs ends the guest, not the run, and so does a task that waits in
# the kernel for long. Both are much longer than any test takes on the series.
test_limit=150 task_limit=100 guest_limit=900
tree='' base='' write='' guests=''
while getopts t:b:j:r o; do
	case $o in
	t) tree=$(realpath "$OPTARG") ;;
	b) base=$(realpath "$OPTARG") ;;
	j) guests=$OPTARG ;;
	r) write=y ;;
	*) die "usage: $0 [-t TREE] [-b TREE] [-j COUNT] [-r] [PATTERN]" ;;
	esac
done
shift $((OPTIND - 1))
want=${1:-*}
[ -z "$write" ] || [ $# = 0 ] || die "-r needs all rows, so no pattern"

"$TOP/scripts/deps.sh"
lock "$CACHE/prove.lock"
scratch
if [ -z "$tree" ]; then
	tree=$WORK_TREE
	start_and_wait "$TOP/scripts/tree.sh" --internal "$tree"
fi
if [ -z "$base" ]; then
	base=$BASE_TREE
	start_and_wait "$TOP/scripts/tree.sh" --internal "$base" 0
fi
start_and_wait "$TOP/vm/rootfs.sh" >/dev/null
export TEST_MODULES=$tree/tools/testing/dax/modules
ours=$("$TOP/vm/kernel.sh" lean "$tree")
theirs=$(TEST_HEADER=$TOP/vm/mainline-compat.h "$TOP/vm/kernel.sh" lean "$base")
tests=$("$TOP/vm/tests.sh" "$tree")
mkdir -p "$CACHE/logs"

# said NAME TEST: what the test printed in that guest, and the kernel meanwhile
said() {
	awk -v name="${2//_/ }" '
	/^(not )?ok [0-9]+ / {
		if (index($0, " " name " #") || index($0, " - " name) || $0 ~ name "$") exit
		n = 0
		next
	}
	{ line[n++] = $0 }
	END { for (i = 0; i < n; i++) print line[i] }' < <(tr -d '\r' <"$CACHE/logs/$1.out")
	tr -d '\r' <"$CACHE/logs/$1/console.log" | sed 's/^\[[^]]*\] *//' |
		awk -v name="$2" '/^daxtest: / { mine = $2 == name } mine'
}

# started NAME: the tests that this guest came to, in order
started() {
	tr -d '\r' <"$CACHE/logs/$1/console.log" | sed -n 's/^\[[^]]*\] *daxtest: \([a-zA-Z0-9_]*\)$/\1/p'
}

# what nobody can go on after; and the decisive words of that, or of less
fatal='BUG: |Oops|general protection|Kernel panic|kernel BUG at|still running after|is not what it was'
splat() {
	awk '
	/WARNING: ([^ ]* )?at / { sub(/.*WARNING: ([^ ]* )?at /, "WARNING at "); sub(/[+,].*/, ""); warning = warning ? warning : $0 }
	/INFO: task .* blocked for/ { blocked = "a task is blocked" }
	bug == "" && /BUG: |kernel BUG at |general protection fault/ {
		bug = $0
		sub(/.*(BUG: |kernel BUG at )/, "BUG: ", bug)
		sub(/.*general protection fault.*/, "general protection fault", bug)
		sub(/( for address|, address|[,!]).*/, "", bug)
	}
	bug != "" && place == "" && /RIP: [0-9]*:[^ ]*\+0x/ { place = $0; sub(/.*RIP: [0-9]*:/, "", place); sub(/\+.*/, "", place) }
	END {
		if (bug != "") print bug (place == "" ? "" : " in " place)
		else if (warning != "") print warning
		else if (blocked != "") print blocked
	}'
}

# judge TEST NAME RC: to what the test came in this guest, for its rows
judge() {
	local v words
	said "$2" "$1" >"$SCRATCH/said.$1"
	v=$(verdict "$CACHE/logs/$2.out" "$1")
	words=$(splat <"$SCRATCH/said.$1")
	case $v.$3 in
	ok.*|skip.*) ;;
	'not ok'.*) v=FAIL ;;
	.124) v=hang ;;
	*) v=oops ;;
	esac
	case $v in
	FAIL|oops)
		if grep -qE 'still running after|task .* blocked .*for more' "$SCRATCH/said.$1" &&
		   [[ $words != BUG:* ]]; then v=hang; fi
		;;
	esac
	printf '%s|%s|%s\n' "$v" "$words" "$2" >"$SCRATCH/mainline.$1"
	say "mainline: ${1//_/ }: $v${words:+ ($words)}"
}

# on_mainline NAME SUITE SCRIPT TESTS: in one guest, as far as it survives. After
# an oops, which ends the guest, or a hang there is another one for the rest.
on_mainline() {
	local name t rc judged run=0 todo=$4
	while [ -n "$todo" ]; do
		run=$((run + 1)) rc=0 judged=
		name=prove-mainline-$1-$run
		in_guest "$theirs" "$name" $guest_limit "$2" "$3" \
			"TEST_TIMEOUT=$test_limit ONLY='@(${todo// /|})'" \
			"oops=panic hung_task_panic=1 sysctl.kernel.hung_task_timeout_secs=$task_limit" || rc=$?
		for t in $(started "$name"); do
			judge "$t" "$name" $rc
			judged+=" $t"
			! grep -qE "$fatal" "$SCRATCH/said.$t" || break
		done
		[ -n "$judged" ] || return 0
		todo=$(for t in $todo; do [[ " $judged " == *" $t "* ]] || echo "$t"; done | paste -sd ' ')
	done
}

# on_series SUITE SCRIPT TESTS: all of them in one guest; see verdict
on_series() {
	local name=prove-series-${2%.sh} rc=0
	in_guest "$ours" "$name" 1800 "$1" "$2" "ONLY='@(${3// /|})'" '' || rc=$?
	"$TOP/vm/splat.sh" "$CACHE/logs/$name/console.log" >"$CACHE/logs/$name.splat" 2>&1 || rc=1
	echo "$rc" >"$CACHE/logs/$name.rc"
}

# ---- the runs, two guests at a time

mapfile -t rows < <(awk -F '\t' '!/^#/ && NF' "$table" |
	while IFS= read -r row; do
		# shellcheck disable=SC2053
		[[ $(cut -f 3 <<<"$row") == $want || $(cut -f 6 <<<"$row") == $want:* ]] && echo "$row" || :
	done)
[ ${#rows[@]} -gt 0 ] || die "no row of $table has a test or a number like $want"
if [ -z "$guests" ]; then
	guests=$(($(available_mem) / 5700))
	if [ $guests -lt 1 ]; then guests=1; elif [ $guests -gt 2 ]; then guests=2; fi
fi
say "${#rows[@]} rows, $guests guests at a time"

slot() { while [ "$(jobs -rp | wc -l)" -ge "$guests" ]; do wait -n || :; done; }

# by_script COUNT: the tests of each script, in groups of at most that many
by_script() {
	printf '%s\n' "${rows[@]}" | awk -F '\t' -v most="$1" '$1 != "symbol" && !seen[$3]++ {
		k = $1 "\t" $2
		if (!(k in t)) { order[++n] = k; t[k] = $3; count[k] = 1; next }
		if (count[k] == most) { print k "\t" t[k]; t[k] = $3; count[k] = 1; next }
		t[k] = t[k] " " $3
		count[k]++
	} END { for (i = 1; i <= n; i++) print order[i] "\t" t[order[i]] }'
}

n=0
while IFS=$'\t' read -r suite script list; do
	slot
	n=$((n + 1))
	start on_mainline "$n" "$suite" "$script" "$list"
done < <(by_script 6)
while IFS=$'\t' read -r suite script list; do
	slot
	start on_series "$suite" "$script" "$list"
done < <(by_script 100)
wait

# mainline_of ROW: prints "fine" or "bad", a tab, and what mainline did
mainline_of() {
	local suite test kind proof state words name found
	IFS=$'\t' read -r suite _ test kind proof _ <<<"$1"
	if [ "$suite" = symbol ]; then
		if grep -qw "$test" "$theirs/System.map"; then
			printf 'bad\tthere\n'
		else
			printf 'fine\tnot there\n'
		fi
		return
	fi
	[ -e "$SCRATCH/mainline.$test" ] || { printf 'bad\tnever tried\n'; return; }
	IFS='|' read -r state words name <"$SCRATCH/mainline.$test"
	case $state in
	ok|skip) printf 'bad\t%s (%s)\n' "$state" "$name"; return ;;
	esac
	found=$(grep -m 1 -oE -- "$proof" "$SCRATCH/said.$test" || :)
	if [ -z "$found" ]; then
		printf 'bad\t%s, but not for the reason given: no "%s" in "%s" (%s)\n' \
			"$state${words:+: $words}" "$proof" \
			"$(grep -m 1 . "$SCRATCH/said.$test" | tr '|' /)" "$name"
	elif [ "$kind" = 'not there' ]; then
		printf 'fine\tnot there\n'
	elif [[ $found =~ ^(BUG|WARNING): ]]; then
		# addresses are others each time
		printf 'fine\t%s: %s\n' "$state" "$words"
	else
		printf 'fine\t%s: %s\n' "$state" "$found${words:+; $words}"
	fi
}

# ---- the table

errors=0
{
	echo '| what is claimed | test | mainline | series |'
	echo '| --- | --- | --- | --- |'
	for i in "${!rows[@]}"; do
		IFS=$'\t' read -r suite script test _ _ claim <<<"${rows[$i]}"
		IFS=$'\t' read -r state mainline < <(mainline_of "${rows[$i]}")
		if [ "$suite" = symbol ]; then
			v=missing
			! grep -qw "$test" "$ours/System.map" || v=ok
			where="\`$test()\`"
		else
			name=prove-series-${script%.sh}
			v=$(verdict "$CACHE/logs/$name.out" "$test")
			[ "$(cat "$CACHE/logs/$name.rc" 2>/dev/null)" = 0 ] || [ "$v" != ok ] ||
				v="passes, but the guest complains: $name.splat"
			where="$script: ${test//_/ }"
		fi
		case $v in ok) v=passes ;; '') v="no result" ;; esac
		[ "$state" = fine ] && [ "$v" = passes ] || {
			errors=$((errors + 1))
			printf 'error: %s: mainline: %s; series: %s\n' "$test" "$mainline" "$v" >&2
		}
		printf '| %s | %s | %s | %s |\n' "$claim" "$where" "${mainline//|/\\|}" "$v"
	done
} >"$SCRATCH/table"
cat "$SCRATCH/table"
[ $errors = 0 ] || die "$errors of ${#rows[@]} rows prove nothing" \
	"logs: $CACHE/logs/prove-mainline-* and $CACHE/logs/prove-series-*"
[ -n "$write" ] || exit 0

for file in "$TOP/README.md" "$TOP/patches/cover-letter.txt"; do
	grep -q '^| what is claimed ' "$file" ||
		die "$file has no line that begins with \"| what is claimed |\"" "add one where the table is to be"
	awk -v table="$SCRATCH/table" '
	/^\| what is claimed / { while ((getline line <table) > 0) print line; inside = 1; next }
	inside && /^\|/ { next }
	{ inside = 0; print }' "$file" >"$SCRATCH/new"
	cat "$SCRATCH/new" >"$file"
done
