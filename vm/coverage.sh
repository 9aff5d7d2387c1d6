#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the KUnit tests and the suites on a kernel that counts how often each line
# and branch is executed, and prints the counts: of whole files of the series, and
# of the lines that the series changes in other files.
#
# usage: vm/coverage.sh [SUITE]...	(default: all of vm/suites)
#
# The report of each line is in the folder that is printed at the end.

. "$(dirname "$0")/../scripts/lib.sh"

"$TOP/scripts/deps.sh" build guest coverage
lock "$CACHE/coverage.lock"
scratch
out=$CACHE/coverage
rm -rf -- "$out"
mkdir -p "$out" "$SCRATCH/counts"
export GCOV=$SCRATCH/counts

# ---- what the tests execute; whether they pass is for "make test" to say

start_and_wait "$TOP/scripts/tree.sh" --internal "$WORK_TREE"
kernel=$("$TOP/vm/kernel.sh" gcov "$WORK_TREE")
"$TOP/vm/qemu.sh" -k "$kernel" -n coverage-kunit -m 3G \
	-q "$(gcov_port "$GCOV/kunit.tar")" -- /tests/kunit >"$out/kunit.out" 2>&1 || warn "the KUnit tests did not pass: see $out/kunit.out"
if [ $# -eq 0 ]; then
	mapfile -t suites < <(sed -n 's/^\([^#	][^	]*\)	.*/\1/p' "$TOP/vm/suites")
	set -- "${suites[@]}"
fi
"$TOP/vm/test.sh" "$@" >"$out/suites.out" 2>&1 || warn "a suite did not pass: see $out/suites.out"

# ---- one file of counts, by lcov

traces=()
for tar in "$GCOV"/*.tar; do
	name=$(basename "$tar" .tar)
	[ -s "$tar" ] || { warn "no counts of $name"; continue; }
	mkdir "$SCRATCH/$name"
	tar -C "$SCRATCH/$name" -xf "$tar"
	# gcov wants the notes of the compiler beside the counts
	while read -r counts; do
		notes=/${counts#"$SCRATCH/$name/"}
		cp "${notes%.gcda}.gcno" "${counts%.gcda}.gcno"
	done < <(find "$SCRATCH/$name" -name '*.gcda')
	lcov --quiet --rc lcov_branch_coverage=1 --capture --directory "$SCRATCH/$name" \
		--base-directory "$kernel/obj" --test-name "$name" --output-file "$SCRATCH/$name.info" >>"$out/lcov.log" 2>&1 ||
		die "lcov cannot read the counts of $name" "see $out/lcov.log"
	traces+=(--add-tracefile "$SCRATCH/$name.info")
done
[ ${#traces[@]} -gt 0 ] || die "no guest has sent its counts" "see $out/*.out"
lcov --quiet --rc lcov_branch_coverage=1 "${traces[@]}" --output-file "$SCRATCH/all.info" >>"$out/lcov.log" 2>&1

# changed: "FILE LINE" of each line that the series brings
changed() {
	git -C "$WORK_TREE" diff -U0 "$(git -C "$WORK_TREE" config fsdev.base)" HEAD -- '*.c' '*.h' | awk '
	/^\+\+\+ / { file = substr($2, 3) }
	/^@@ / {
		n = split(substr($3, 2), a, ",")
		for (i = 0; i < (n > 1 ? a[2] : 1); i++) print file, a[1] + i
	}'
}

# of those only the counts
changed | awk -v tree="$WORK_TREE/" '
FILENAME == "-" { line[$1, $2]; next }
/^SF:/ { file = substr($0, 4); sub(tree, "", file) }
/^(DA|BRDA):/ { split($0, a, /[:,]/); if (!((file, a[2]) in line)) next }
/^(LF|LH|BRF|BRH|FN|FNDA|FNF|FNH):/ { next }
{ print }' - "$SCRATCH/all.info" >"$out/changed.info"
genhtml --quiet --branch-coverage --output-directory "$out/html" --prefix "$WORK_TREE" "$out/changed.info" >>"$out/lcov.log" 2>&1
lcov --rc lcov_branch_coverage=1 --list "$out/changed.info" 2>/dev/null
say "line by line: $out/html/index.html"
