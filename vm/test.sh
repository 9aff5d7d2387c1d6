#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds all that the tests need, boots the guests that a table of suites
# names, runs the tests in them, the KUnit tests and those of two hosts, holds
# what things cost against what they cost on the base, and counts. The last line is "N passed, N failed", with ", N skipped" if there
# were any.
#
# usage: vm/test.sh [-x] [-f FILE] [NAME]...
#
#   -x		all but "costs", which wants the kernel of the base as well, and
#		"reboot"
#   -f FILE	the table (default: vm/suites)
#   NAME	these suites only; "kunit", "hosts", "costs" and "reboot" are some, and
#		so are "kunit-arm64" and "kunit-arm64-64k" (pages of 64 KiB), which
#		run only if they are named
#
# From the environment: GCOV=DIR has lean suites run on the kernel that counts
# what is executed, and leaves the counts in DIR/NAME.tar.
#
# A test that was skipped has failed, unless vm/skips names it and the reason.

. "$(dirname "$0")/../scripts/lib.sh"

table=$TOP/vm/suites
kunit=y hosts=y costs=y reboot=y arm64=()
while getopts f:x o; do
	case $o in
	x) costs='' reboot='' ;;
	f) table=$OPTARG kunit='' hosts='' costs='' reboot='' ;;
	*) die "usage: $0 [-x] [-f FILE] [NAME]..." ;;
	esac
done
shift $((OPTIND - 1))
want=" $* "
if [ $# -gt 0 ]; then
	kunit='' hosts='' costs='' reboot=''
	case $want in *" kunit "*) kunit=y ;; esac
	case $want in *" hosts "*) hosts=y ;; esac
	case $want in *" costs "*) costs=y ;; esac
	case $want in *" reboot "*) reboot=y ;; esac
fi
for name; do
	case $name in
	kunit|hosts|costs|reboot) continue ;;
	kunit-arm64|kunit-arm64-64k) arm64+=("$name"); continue ;;
	esac
	grep -q "^$name	" "$table" ||
		die "no suite is called $name" "there are: kunit kunit-arm64 kunit-arm64-64k hosts costs reboot $(sed -n 's/^\([^#	][^	]*\)	.*/\1/p' "$table" | tr '\n' ' ')"
done

need_machine
"$TOP/scripts/deps.sh"
if [ ${#arm64[@]} -gt 0 ]; then "$TOP/scripts/deps.sh" arm64; fi
lock "$CACHE/test.lock"
scratch
start_and_wait "$TOP/scripts/tree.sh" --internal "$WORK_TREE"
start_and_wait "$TOP/vm/rootfs.sh" >/dev/null
start_and_wait "$TOP/vm/emulator.sh" >/dev/null
tests=$("$TOP/vm/tests.sh" "$WORK_TREE")

results=$SCRATCH/results
words=$SCRATCH/words
: >"$results"
: >"$words.all"

# result pass|fail|skip SUITE NAME [REASON]: one of our own
result() {
	local number
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}" >>"$results"
	number=$(wc -l <"$results")
	case $1 in
	pass) echo "ok $number - $2: $3" ;;
	skip) echo "ok $number - $2: $3 # SKIP ${4:-}" ;;
	fail) echo "not ok $number - $2: $3${4:+ # $4}" ;;
	esac
}

# count SUITE SCRIPTS OUTPUT: reads the KTAP of a guest's scripts
count() {
	tr -d '\r' <"$3" | awk -v suite="$1" -v scripts="$2" -v words="$words.$1" '
	function put(what, name, reason,    i) {
		printf "%s\t%s\t%s\t%s\n", what, suite "/" script, name, reason
		if (what != "fail") return
		# where one has failed, others often do for no reason of their own
		if (++failures[script] <= 2 && saying) {
			print "" >>words
			for (i = saying > 12 ? saying - 11 : 1; i <= saying; i++)
				print suite "/" script ": " said[i] >>words
		}
		saying = 0
	}
	function finish() {
		if (script == "") return
		if (whole) put("fail", "the script", "it skipped all of it: " whole)
		else if (plan == "") put("fail", "the script", "it printed no plan")
		else if (plan == 0) put("fail", "the script", "it had no test to run")
		else if (seen != plan) put("fail", "the script", "it planned " plan " tests and reported " seen)
		if (!ended) put("fail", "the script", "it did not end")
		else if (status != 0 && status != 4 && !failed && seen == plan)
			put("fail", "the script", "its exit status was " status)
		script = ""
	}
	BEGIN { n = split(scripts, all, ",") }
	/^# script [^ ]+$/ {
		finish()
		script = $3; ran[script] = 1
		plan = ""; seen = 0; ended = 0; status = 0; failed = 0; whole = ""; why = ""
		saying = 0
		next
	}
	script == "" { next }
	# what a test said, in case it fails
	{ said[++saying] = $0 }
	/^# script [^ ]+ ended: / { ended = 1; status = $5; finish(); next }
	/^1\.\.[0-9]+/ {
		plan = substr($1, 4) + 0
		if (toupper($0) ~ /# SKIP/) {
			whole = $0
			sub(/^.*# *[Ss][Kk][Ii][Pp] */, "", whole)
			if (whole == "") whole = "no reason given"
		}
		next
	}
	/^# skipped: / { why = substr($0, 12); next }
	/^(not )?ok [0-9]+/ {
		seen++
		name = $0
		sub(/^(not )?ok [0-9]+ *-? */, "", name)
		reason = ""
		directive = ""
		if (match(name, / *# *[A-Za-z]+/)) {
			directive = toupper(substr(name, RSTART, RLENGTH))
			gsub(/[ #]/, "", directive)
			reason = substr(name, RSTART + RLENGTH)
			sub(/^ */, "", reason)
			name = substr(name, 1, RSTART - 1)
		}
		if (reason == "") reason = why
		why = ""
		if ($1 == "not") { failed = 1; put("fail", name, "") }
		else if (directive == "SKIP") put("skip", name, reason == "" ? "no reason given" : reason)
		else put("pass", name, "")
		saying = 0
	}
	END {
		finish()
		for (i = 1; i <= n; i++)
			if (!(all[i] in ran)) { script = all[i]; put("fail", "the script", "the guest never came to it") }
	}' >"$results.$1"
	# at once, as others do so too
	cat "$results.$1" >>"$results"
}

# suite NAME FLAVOUR MEMORY CPUS SECONDS SCRIPTS ENVIRONMENT ARGUMENTS DEVICES
suite() {
	run_suite "$@" 2>&1 | sed -u "s/^/[$1] /"
}

run_suite() {
	local name=$1 kernel out rc log env='' cpus devices=$9
	kernel=$("$TOP/vm/kernel.sh" "$2" "$WORK_TREE")
	if [ -n "${GCOV:-}" ]; then
		devices+=" $(gcov_port "$GCOV/$name.tar")"
	fi
	if [ "$7" != - ]; then env="${7//,/ } "; fi
	out=$CACHE/logs/test-$name.out
	log=$CACHE/logs/test-$name/console.log
	mkdir -p "$CACHE/logs"
	echo "# suite $name: $2 kernel, $3, $4 processors"
	rc=0
	case $4 in
	i) cpus=(-i) ;;
	*) cpus=(-c "$4") ;;
	esac
	"$TOP/vm/qemu.sh" -k "$kernel" -s "$tests" -m "$3" "${cpus[@]}" -t "$5" -a "$8" -q "$devices" \
		-n "test-$name" -- \
		"$env/tests/run-suite ${6//,/ }" 2>&1 | tee "$out" || rc=${PIPESTATUS[0]}
	mkdir -p "${log%/*}"
	count "$name" "$6" "$out"
	echo "# suite $name ended after $(cat "$CACHE/logs/test-$name/seconds" 2>/dev/null || echo ?) s"
	case $rc in
	0) result pass "$name" "the guest ended normally" ;;
	124) result fail "$name" "the guest ended normally" "it hung" ;;
	125) result fail "$name" "the guest ended normally" "it did not boot" ;;
	126) result fail "$name" "the guest ended normally" "it ended early" ;;
	*) result fail "$name" "the guest ended normally" "exit status $rc" ;;
	esac
	if "$TOP/vm/splat.sh" "$log" >"$CACHE/logs/test-$name/splat" 2>&1; then
		result pass "$name" "no complaint in the kernel log"
	else
		sed 's/^/# /' "$CACHE/logs/test-$name/splat" | tee -a "$words.$name"
		result fail "$name" "no complaint in the kernel log"
	fi
}

# kunit NAME: the KUnit tests, by the kernel's own runner.
kunit() {
	local name=$1 out=$CACHE/logs/$1.out build=$CACHE/trees/work/$1 prefix='' args o
	case $name in
	kunit)
		args=(--arch=x86_64 --kconfig_add CONFIG_CPU_MITIGATIONS=n)
		;;
	*)
		prefix=aarch64-linux-gnu-
		args=(--arch=arm64 --cross_compile="$prefix")
		# what the tests do without, to build less
		for o in ARM64_PTR_AUTH EFI INPUT_MOUSE SUSPEND; do args+=(--kconfig_add "CONFIG_$o=n"); done
		;;
	esac
	case $name in
	*-64k) args+=(--kconfig_add CONFIG_ARM64_64K_PAGES=y) ;;
	esac
	need_disk "$build" 500 "the KUnit kernel"
	mkdir -p "$CACHE/logs"
	rm -f "$build/results.json"
	echo "# suite $name"
	(
		build_env
		cd "$WORK_TREE"
		PATH=$TOP/vm/kunit:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 nice -n 5 \
			python3 tools/testing/kunit/kunit.py run --kunitconfig=drivers/dax/tests \
			--build_dir="$build" --jobs="$JOBS" --make_options="CC=ccache ${prefix}gcc" --timeout=900 \
			--json="$build/results.json" "${args[@]}"
	) </dev/null 2>&1 | tee "$out" || :
	if ! [ -f "$build/results.json" ] ||
	   ! "$TOP/vm/kunit/results.py" "$build/results.json" "$name" "$build/test.log" >"$results.$name"; then
		result fail "$name" "KUnit tests" "they did not run to the end: $out"
		return
	fi
	cat "$results.$name" >>"$results"
	if "$TOP/vm/splat.sh" "$build/test.log" >"$CACHE/logs/$name.splat" 2>&1; then
		result pass "$name" "no complaint in the kernel log"
	else
		sed 's/^/# /' "$CACHE/logs/$name.splat"
		result fail "$name" "no complaint in the kernel log"
	fi
}

# Guests that go down while memory is pinned.
reboot() {
	local out=$CACHE/logs/reboot.out kernel rc=0
	kernel=$("$TOP/vm/kernel.sh" lean "$WORK_TREE")
	mkdir -p "$CACHE/logs"
	echo "# suite reboot: lean kernel"
	{
		echo "# script reboot.sh"
		"$TOP/vm/reboot.sh" -k "$kernel" -s "$tests" || rc=$?
		echo "# script reboot.sh ended: $rc"
	} 2>&1 | tee "$out"
	count reboot reboot.sh "$out"
}

# Two guests on one memory.
hosts() {
	local out=$CACHE/logs/hosts.out kernel rc=0
	kernel=$("$TOP/vm/kernel.sh" lean "$WORK_TREE")
	mkdir -p "$CACHE/logs"
	echo "# suite hosts: lean kernel, two guests"
	{
		echo "# script hosts.sh"
		"$TOP/vm/hosts.sh" -k "$kernel" -s "$tests" || rc=$?
		echo "# script hosts.sh ended: $rc"
	} 2>&1 | tee "$out"
	count hosts hosts.sh "$out"
}

# A guest with the series and one without, whose clocks count instructions.
costs() {
	local out=$CACHE/logs/costs.out rc=0
	mkdir -p "$CACHE/logs"
	echo "# suite costs: lean kernels, with the series and without"
	{
		echo "# script bench.sh"
		"$TOP/vm/bench.sh" -l || rc=$?
		echo "# script bench.sh ended: $rc"
	} 2>&1 | tee "$out"
	count costs bench.sh "$out"
}

# A script that no suite runs is one that someone thinks is run.
if [ "$table" = "$TOP/vm/suites" ]; then
	for s in "$tests"/*.sh; do
		s=${s##*/}
		case $s in
		'*.sh'|lib.sh|bench.sh|host.sh|pinned.sh|ktap_helpers.sh) continue ;;
		esac
		grep -qx "$s" < <(cat "$table" "$table.more" | grep -v '^#' | cut -f6 | tr ',' '\n') ||
			result fail harness "a suite runs $s" "none in $table and $table.more does"
	done
fi

# Beside the guests, once it is built: what little there is to build then is
# not worth a wait.
kunit_pid='' kunit_died=''
if [ -n "$kunit" ] && ! [ -f "$WORK_TREE/drivers/dax/tests/.kunitconfig" ]; then
	result fail kunit "KUnit tests" "the tree has none: no drivers/dax/tests/.kunitconfig"
elif [ -n "$kunit" ]; then
	built=$(compgen -G "$CACHE/trees/work/kunit/arch/*/boot/bzImage" || :)
	start kunit kunit
	kunit_pid=$!
	if [ -z "$built" ]; then
		wait $kunit_pid || kunit_died=y
		kunit_pid=
	fi
fi

# Three guests at a time, as far as there is memory: now and then one waits.
mib=$(awk -F '\t' '!/^#/ && NF { m = $3 * ($3 ~ /G$/ ? 1024 : 1); if (m > max) max = m } END { print max + 300 }' "$table")
guests=$(($(available_mem) / mib))
if [ $guests -lt 1 ]; then guests=1; elif [ $guests -gt 3 ]; then guests=3; fi
started=()

while IFS=$'\t' read -r -u 3 name flavour mem cpus limit scripts env args devices || [ -n "$name" ]; do
	case $name in ''|'#'*) continue ;; esac
	case $want in
	'  '|*" $name "*) ;;
	*) continue ;;
	esac
	[ -n "$args" ] || die "$table: the line of $name has fewer than 8 columns"
	if [ -n "${GCOV:-}" ] && [ "$flavour" = lean ]; then flavour=gcov; fi
	start_and_wait "$TOP/vm/kernel.sh" "$flavour" "$WORK_TREE" >/dev/null
	while [ "$(jobs -rp | wc -l)" -ge $guests ]; do wait -n || :; done
	started+=("$name")
	start suite "$name" "$flavour" "$mem" "$cpus" "$limit" "$scripts" "$env" "$args" "$devices" 3<&-
done 3<"$table"
if [ -n "$kunit_pid" ]; then wait "$kunit_pid" || kunit_died=y; fi
[ -z "$kunit_died" ] || result fail kunit "it ran" "it died before its verdict: see above"
wait
for name in "${started[@]}"; do
	grep -qxF "$name	the guest ended normally" < <(cut -f 2,3 "$results") ||
		result fail "$name" "it ran" "it died before its verdict: see above"
done
for name in "${arm64[@]}"; do
	start kunit "$name"
	wait $! || result fail "$name" "it ran" "it died before its verdict: see above"
done
# nothing beside it: each of its guests is to run while the other does
if [ -n "$hosts" ]; then
	start hosts
	wait $! || result fail hosts "it ran" "it died before its verdict: see above"
fi
# nor here: its guests take the memory of three
if [ -n "$reboot" ]; then
	start reboot
	wait $! || result fail reboot "it ran" "it died before its verdict: see above"
fi
if [ -n "$costs" ]; then
	start costs
	wait $! || result fail costs "it ran" "it died before its verdict: see above"
fi

# ---- the sum

awk -F '\t' -v OFS='\t' '
FILENAME != "-" { if ($0 !~ /^#/ && NF) allowed[$1, $2]; next }
{ script = $2; sub(/^[^\/]*\//, "", script) }
$1 == "skip" && !((script "/" $3, $4) in allowed) { $1 = "fail"; $4 = "skipped: " $4 }
{ print }' "$TOP/vm/skips" - <"$results" >"$SCRATCH/sum"
results=$SCRATCH/sum
passed=$(grep -c '^pass' "$results" || :)
failed=$(grep -c '^fail' "$results" || :)
skipped=$(grep -c '^skip' "$results" || :)
awk -F '\t' '
$1 == "fail" { f[++n] = $2 ": " $3 ($4 == "" ? "" : " (" $4 ")") }
$1 == "skip" { s[++m] = $2 ": " $3 " (" $4 ")" }
END {
	for (i = 1; i <= m; i++) print "skipped: " s[i]
	for (i = 1; i <= n; i++) print "failed: " f[i]
}' "$results"
# the end of a long log is what one gets to see
cat "$words".*
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
