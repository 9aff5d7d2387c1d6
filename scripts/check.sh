#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a maintainer runs on a series before taking it: checkpatch, a build of
# each patch on its own, sparse, W=1, coccicheck, kernel-doc. Messages that the
# base gives as well do not count.
#
# usage: scripts/check.sh [CHECK]...	(default: all)
#
#   CHECK	shell series files checkpatch doc sparse cocci nvdimm steps

. "$(dirname "$0")/lib.sh"

checks="shell series files checkpatch doc sparse cocci nvdimm steps"
for c; do
	case " $checks " in
	*" $c "*) ;;
	*) die "no check is called $c" "there are: $checks" ;;
	esac
done
[ $# -gt 0 ] || eval "set -- $checks"

"$TOP/scripts/deps.sh" build guest check
lock "$CACHE/check.lock"
scratch
build_env
# the system's python has the modules that scripts/deps.sh installs
PATH=/usr/sbin:/usr/bin:/sbin:/bin
logs=$CACHE/logs/check
mkdir -p "$logs"
"$TOP/scripts/tree.sh" --internal "$WORK_TREE"
base=$(git -C "$WORK_TREE" config fsdev.base)
[ "$base" != "$(git -C "$WORK_TREE" rev-parse HEAD)" ] || die "there are no patches in patches/"

# changed FILTER [PATTERN]...: the files that differ from the base
changed() {
	local filter=$1
	shift
	git -C "$WORK_TREE" diff-tree -r --name-only --no-renames --diff-filter="$filter" "$base" HEAD -- "$@"
}

# news BASE-FILE OUR-FILE: prints the messages that the base has not, with line
# numbers for the reader, and fails if there are any
news() {
	awk -v ours="$2" '
	{
		line = $0
		gsub(/^[^ ]*\/trees\/[^\/]*\/src\/|(\.\.\/)+src\//, "", line)
		key = line
		gsub(/:[0-9]+(:[0-9]+)?/, "", key)
	}
	FILENAME != ours { had[key]; next }
	!(key in had) && !seen[line]++ { print line; bad = 1 }
	END { exit bad }' "$1" "$2"
}

check_shell() {
	local f files=()
	while read -r f; do
		if head -c 40 "$TOP/$f" | grep -qE '^#!.*sh'; then files+=("$TOP/$f"); fi
	done < <(cd "$TOP" && find scripts vm .ci tools -type f)
	# variables are there for the scripts that source, or are sourced by, this one
	shellcheck -S warning -e SC2034 "${files[@]}"
}

check_series() {
	"$TOP/scripts/series.sh" --check
}

# Each kernel file of the repository belongs to a patch.
check_files() {
	local bad
	bad=$(cd "$TOP" && for d in drivers fs include mm lib kernel tools Documentation; do
		[ ! -d "$d" ] || find "$d" -type f ! -name '*.o' ! -name '*.ko' ! -name '*.cmd' ! -name '*.mod*'
	done | sort | comm -23 - <(for p in patches/[0-9]*.patch; do
		sed -n '/^$/q; s/^New-file: //p' "$p"
	done | sort))
	[ -z "$bad" ] || {
		echo "no patch brings these files:"
		echo "$bad"
		return 1
	}
}

check_checkpatch() {
	local m f rc=0
	mkdir -p "$SCRATCH/mails"
	"$TOP/scripts/series.sh" "$SCRATCH/mails/all" || return 1
	cd "$WORK_TREE"
	for m in "$SCRATCH/mails/all"/*.patch; do
		# whether MAINTAINERS has the new files is looked up below
		perl scripts/checkpatch.pl --quiet --strict --no-summary --show-types \
			--ignore FILE_PATH_CHANGES "$m" 2>&1 || { echo "in ${m##*/}"; rc=1; }
	done
	while read -r f; do
		perl scripts/get_maintainer.pl --nogit --nogit-fallback --nol --noroles -f "$f" | grep -q . ||
			{ echo "MAINTAINERS has no entry for $f"; rc=1; }
	done < <(changed A)
	return $rc
}

check_doc() {
	local files ours=$logs/doc-ours theirs=$logs/doc-base f rc=0
	"$TOP/scripts/tree.sh" --internal "$BASE_TREE" 0 || return 1
	mapfile -t files < <(changed AM '*.c' '*.h')
	(cd "$WORK_TREE" && PYTHONDONTWRITEBYTECODE=1 ./scripts/kernel-doc -none -Wall "${files[@]}") >"$ours" 2>&1 || rc=1
	mapfile -t files < <(changed M '*.c' '*.h')
	(cd "$BASE_TREE" && PYTHONDONTWRITEBYTECODE=1 ./scripts/kernel-doc -none -Wall "${files[@]}") >"$theirs" 2>&1 || :
	news "$theirs" "$ours" || rc=1
	return $rc
}

# analyse TREE OUT TARGET...: W=1 and sparse
analyse() {
	local tree=$1 out=$2 obj=${1%/src}/check/obj frag=("$TOP/vm/config/lean.config")
	shift 2
	mkdir -p "$obj"
	if [ -f "$tree/drivers/dax/tests/.kunitconfig" ]; then frag+=("$tree/drivers/dax/tests/.kunitconfig"); fi
	(
		cd "$tree"
		./scripts/kconfig/merge_config.sh -m -Q -O "$SCRATCH" "${frag[@]}"
		make O="$obj" CC="ccache gcc" KCONFIG_ALLCONFIG="$SCRATCH/.config" allnoconfig
		nice -n 5 make O="$obj" CC="ccache gcc" -j"$JOBS" modules_prepare
	) >"$out.prepare" 2>&1 || { tail -n 20 "$out.prepare"; return 1; }
	# objects that are there already are checked as well
	(cd "$tree" && nice -n 5 make O="$obj" CC="ccache gcc" -k -j"$JOBS" W=1 C=2 "$@") >"$out.all" 2>&1 || {
		grep -E -A5 'error:|\*\*\*' "$out.all" | head -n 40
		return 1
	}
	grep -E 'warning:|error:' "$out.all" >"$out" || :
}

check_sparse() {
	local f targets=(drivers/dax/ fs/dax.o mm/memory-failure.o) theirs=() rc=0
	"$TOP/scripts/tree.sh" --internal "$BASE_TREE" 0 || return 1
	while read -r f; do
		case $f in
		drivers/dax/*|fs/dax.c|mm/memory-failure.c|tools/*) ;;
		*) targets+=("${f%.c}.o") ;;
		esac
	done < <(changed AM '*.c')
	for f in "${targets[@]}"; do
		if [ -e "$BASE_TREE/$f" ] || [ -e "$BASE_TREE/${f%.o}.c" ]; then theirs+=("$f"); fi
	done
	analyse "$BASE_TREE" "$logs/sparse-base" "${theirs[@]}" || return 1
	analyse "$WORK_TREE" "$logs/sparse-ours" "${targets[@]}" || return 1
	news "$logs/sparse-base" "$logs/sparse-ours" || rc=1
	if [ -f "$WORK_TREE/tools/testing/dax/modules/Kbuild" ]; then
		local kernel
		kernel=$("$TOP/vm/kernel.sh" lean "$WORK_TREE") || return 1
		rm -rf "$kernel/obj-sparse"
		make -C "$WORK_TREE" O="$kernel/obj" W=1 C=2 M="$WORK_TREE/tools/testing/dax/modules" \
			MO="$kernel/obj-sparse" modules >"$logs/sparse-tests" 2>&1 || rc=1
		if grep -E 'warning:|error:' "$logs/sparse-tests"; then rc=1; fi
	fi
	return $rc
}

check_cocci() {
	local tree name rc=0 obj
	"$TOP/scripts/tree.sh" --internal "$BASE_TREE" 0 || return 1
	for name in base work; do
		tree=$CACHE/trees/$name/src
		obj=$CACHE/trees/$name/check/obj
		if ! [ -f "$obj/.config" ]; then
			analyse "$tree" "$logs/cocci-prepare" fs/dax.o || return 1
		fi
		for f in drivers/dax fs/dax.c; do
			say "  coccicheck of $f in $name"
			if [ -d "$tree/$f" ]; then
				(cd "$tree" && nice -n 5 make O="$obj" coccicheck MODE=report M="$tree/$f" J="$JOBS")
			else
				(cd "$tree" && nice -n 5 make O="$obj" C=2 CHECK="$tree/scripts/coccicheck" "${f%.c}.o")
			fi
		done >"$logs/cocci-$name.all" 2>"$logs/cocci-$name.err" || {
			tail -n 5 "$logs/cocci-$name.err"
			rc=1
		}
		grep -E '^[^ ]*\.[ch]:[0-9]+' "$logs/cocci-$name.all" >"$logs/cocci-$name" || :
	done
	news "$logs/cocci-base" "$logs/cocci-work" || rc=1
	return $rc
}

# The emulated NVDIMMs wrap the dax core: they have to build with it. Their
# objects land in the source tree, so this has a tree of its own.
check_nvdimm() {
	local kernel
	kernel=$("$TOP/vm/kernel.sh" lean "$WORK_TREE") || return 1
	"$TOP/scripts/tree.sh" --internal "$CACHE/trees/nvdimm/src" || return 1
	make -C "$WORK_TREE" O="$kernel/obj" CC="ccache gcc" -j"$JOBS" \
		M="$CACHE/trees/nvdimm/src/tools/testing/nvdimm" modules >"$logs/nvdimm.all" 2>&1 || {
		grep -E -A5 'error:|ERROR|\*\*\*' "$logs/nvdimm.all" | head -n 30
		return 1
	}
	! grep -E 'warning:|WARNING:' "$logs/nvdimm.all"
}

# Each patch builds on its own, without a warning.
check_steps() {
	local n=0 p out rc=0
	for p in "$TOP"/patches/[0-9]*.patch; do
		n=$((n + 1))
		say "  ${p##*/}"
		"$TOP/scripts/tree.sh" --internal "$CACHE/trees/steps/src" "$n" || return 1
		if ! out=$(CONFIG_LAX=y "$TOP/vm/kernel.sh" lean "$CACHE/trees/steps/src"); then
			echo "${p##*/} does not build"
			return 1
		fi
		if [ -f "$out/build.log" ] && grep -E 'warning:|WARNING:' "$out/build.log"; then
			echo "with ${p##*/}"
			rc=1
		fi
	done
	return $rc
}

failed=()
for c; do
	say "check: $c"
	if ("check_$c" >"$logs/$c"); then
		echo "ok - $c"
	else
		sed 's/^/  /' "$logs/$c"
		echo "not ok - $c"
		failed+=("$c")
	fi
done
[ ${#failed[@]} = 0 ] || die "failed: ${failed[*]}" "the logs: $logs"
