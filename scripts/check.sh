#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The checks of a maintainer before taking a series: checkpatch, kernel-doc,
# the pages of the documentation, sparse, coccicheck, the objects concerned after each patch with W=1, and whole
# kernels without some of the options. Messages that the base gives as well do
# not count.
#
# usage: scripts/check.sh [CHECK]...	(default: all)
#
#   CHECK	shell complaints models series refresh files checkpatch doc htmldocs sparse
#		cocci nvdimm steps configs machines boots
#
# "boots" builds a kernel from each commit that changes drivers/dax/fsdev.c, boots
# it, and puts a device through the modes, with a mount and data in famfs mode
# each time. The tests are those of the last commit; what an early one lacks for
# them is in vm/mainline-compat.h. From the environment: BOOTS, a pattern for the
# titles of the commits to boot (default: *, all of them).

. "$(dirname "$0")/lib.sh"

checks="shell complaints models series refresh files checkpatch doc htmldocs sparse cocci nvdimm steps configs machines boots"
for c; do
	case " $checks " in
	*" $c "*) ;;
	*) die "no check is called $c" "there are: $checks" ;;
	esac
done
[ $# -gt 0 ] || eval "set -- $checks"

"$TOP/scripts/deps.sh" build guest check
lock "$CACHE/check.lock"
lock "$CACHE/test.lock"
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
		if grep -qE '^#!.*sh' < <(head -n 1 "$TOP/$f"); then files+=("$TOP/$f"); fi
	done < <(cd "$TOP" && find scripts vm .ci tools -type f)
	# Now and then a grep, head or awk that has seen enough ends before the command that
	# writes to it, which then fails, and the pipeline with it: scripts/lib.sh sets pipefail.
	if grep -nE '\| *(grep +-[a-zA-Z]*q|h[e]ad\b)' "$TOP"/.ci/run "$TOP"/scripts/*.sh "$TOP"/vm/*.sh; then
		echo 'take "grep -q PATTERN < <(COMMAND)", or sed -n'
		return 1
	fi
	if grep -lPzo "\| *awk [^'\n]*'[^']*\bexit *[;}\n]" "$TOP"/.ci/run "$TOP"/scripts/*.sh "$TOP"/vm/*.sh; then
		echo "take \"awk '... exit ...' < <(COMMAND)\""
		return 1
	fi
	# variables are there for the scripts that source, or are sourced by, this one
	shellcheck -S warning -e SC2034 "${files[@]}"
}

# The complaints that kernel logs can have are found.
check_complaints() {
	"$TOP/tools/testing/dax/complaints" --test
}

# The protocols of the claim and of the end of the memory, in all interleavings.
check_models() {
	"$TOP/tools/testing/dax/model/check.sh"
}

check_series() {
	"$TOP/scripts/series.sh" --check
}

# The output of refresh.sh makes the same commits again, also of files that grow.
check_refresh() {
	local tree=$SCRATCH/refresh.tree copy=$SCRATCH/refresh.copy file=drivers/dax/claim.c back
	export GIT_AUTHOR_NAME=fsdev GIT_AUTHOR_EMAIL=fsdev@localhost
	export GIT_COMMITTER_NAME=fsdev GIT_COMMITTER_EMAIL=fsdev@localhost
	mkdir "$copy" && cd "$TOP" && git ls-files -z | xargs -0 cp --parents -t "$copy" &&
	git clone -q --shared --no-checkout "$WORK_TREE" "$tree" && cd "$tree" &&
	git config core.sparseCheckout true &&
	printf '/%s\n' "$file" .gitignore >.git/info/sparse-checkout && git read-tree -mu HEAD &&
	"$copy/scripts/refresh.sh" . "$base" && diff -r "$TOP/patches" "$copy/patches" || return 1

	# lines that come, go and change, and what ed(1) takes for the end of a text
	sed -i -e '10,19d' -e '30s/^/./' -e '31s/.*/./' "$file" && git commit -q -a -m "dax: one" &&
	sed -i -e '5a\' -e '..' -e '40d' "$file" && git commit -q -a -m "dax: two" &&
	"$copy/scripts/refresh.sh" . "$base" && "$copy/scripts/tree.sh" --bare "$SCRATCH/refresh.git" || return 1
	for back in "" ~1 ~2; do
		[ "$(git rev-parse "HEAD$back^{tree}")" = \
			"$(git -C "$SCRATCH/refresh.git" rev-parse "fsdev$back^{tree}")" ] ||
			{ echo "the patches do not make the tree of HEAD$back"; return 1; }
	done
}

# Each kernel file of the repository belongs to a patch, and README.md says to which.
check_files() {
	local bad
	# where vm/prove.table has the title of a patch, there is one of that title
	bad=$(sed -nE 's/.*\tK[0-9]+: ([a-z][^ ]*: .*)/\1/p' "$TOP/vm/prove.table" |
		grep -vxFf <(awk 'FNR == 1 && sub(/^Subject: /, "")' "$TOP"/patches/[0-9]*.patch) || :)
	[ -z "$bad" ] || {
		echo "no patch has these titles of vm/prove.table:"
		echo "$bad"
		return 1
	}
	# git and the maintainers of stable look at the beginning of a line only
	bad=$(awk 'FNR == 1 { message = 1 } /^---$/ { message = 0 }
		message && /.(Fixes: [0-9a-f]+ |Cc: stable@|Signed-off-by:)|^Signed-off-by:/ {
			print FILENAME ": " $0
		}' "$TOP"/patches/[0-9]*.patch)
	[ -z "$bad" ] || {
		echo "these are no trailers of the message, or are added by the tool:"
		echo "$bad"
		return 1
	}
	"$TOP/scripts/files.sh" --check || return 1
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

# Lines that checkpatch takes for something else: the macros of trace headers, shell
# for C, user space for the kernel, a macro before a definition, programs
# without a suffix for sources, the guards of a lock, flags of pages, a function
# as an argument, and a structure as one; stubs and flags that are written as those
# beside them are; prototypes in the KUnit tests of what the core shows to them
# only; a message that is aligned as its neighbours are; how xfs is written; and
# commits that mainline has, and our tree, which begins with a release, has not.
known_better() {
	awk -v RS= '
	/^CHECK:.*FILE: [^ ]*\/(trace|trace\/events\/[a-z]*)\.h:/ { next }
	/^ERROR:EXECUTE_PERMISSIONS:.*FILE: tools\/testing\/dax\/[a-z-]*(\n|$)/ { next }
	/^WARNING:UNKNOWN_COMMIT_ID:/ { next }
	/^WARNING:REPEATED_WORD:.*FILE: [^ ]*\.(ba)?sh:/ { next }
	/^CHECK:(OPEN_ENDED_LINE|PARENTHESIS_ALIGNMENT):.*FILE: fs\/xfs\// { next }
	/^WARNING:(VOLATILE|PREFER_DEFINED_ATTRIBUTE_MACRO):.*FILE: tools\/testing\/dax\/[^\/]*\.c:/ { next }
	/^WARNING:AVOID_EXTERNS:.*\n\+VISIBLE_IF_KUNIT / { next }
	/^WARNING:AVOID_EXTERNS:.*FILE: drivers\/dax\/tests\// { next }
	/^CHECK:PARENTHESIS_ALIGNMENT:.*FILE: drivers\/dax\/device\.c:.*\tdev_info_ratelimited\(/ { next }
	/^WARNING:SUSPECT_COMMA_SEMICOLON:.*\n\+[ 	]*_T->/ { next }
	/^CHECK:CAMELCASE:.*<__ClearPage/ { next }
	/^CHECK:BIT_MACRO:.*\n\+#define PGMAP_/ { next }
	/^CHECK:LINE_SPACING:.*\n[ +]\}\n\+static inline / { next }
	/^ERROR:OPEN_BRACE:.*void \(\*/ { next }
	/^ERROR:ASSIGN_IN_IF:.*&\(struct / { next }
	{ print $0 "\n" }'
}

check_checkpatch() {
	local m f out rc=0
	mkdir -p "$SCRATCH/mails"
	"$TOP/scripts/series.sh" "$SCRATCH/mails/all" || return 1
	cd "$WORK_TREE"
	for m in "$SCRATCH/mails/all"/*/*.patch; do
		# Whether MAINTAINERS has the new files is looked up below. The base has no
		# history in which the commits of Fixes: could be found; where an id cannot
		# be had, the message says which version brought the bug.
		out=$(perl scripts/checkpatch.pl --quiet --strict --no-summary --show-types \
			--ignore FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID,MISSING_FIXES_TAG "$m" 2>&1 | known_better) || :
		[ -z "$out" ] || { echo "in ${m##*/}:"; echo "$out"; rc=1; }
	done
	# a list of their own is enough: our documentation and tests have no maintainer yet
	while read -r f; do
		grep -qv '^linux-kernel@' < <(perl scripts/get_maintainer.pl --nogit --nogit-fallback --nom --no-rolestats -f "$f") ||
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

# render TREE LOG PAGE...: those pages of Documentation/ that TREE has, and what
# the series changes in Documentation/ABI, as a book of their own
render() {
	local tree=$1 log=$2 book f
	shift 2
	# beside it what the extensions of Sphinx look for, MAINTAINERS for one
	book=$(mktemp -d "$SCRATCH/book.XXXXXX")/Documentation
	ln -s "$tree"/* "${book%/*}" && rm "$book" && mkdir "$book"
	{
		printf 'Pages\n=====\n\n.. toctree::\n\n   abi\n'
		for f; do
			[ -f "$tree/Documentation/$f" ] || continue
			mkdir -p "$book/$(dirname "$f")"
			cp "$tree/Documentation/$f" "$book/$f"
			echo "   ${f%.rst}"
		done
	} >"$book/index.rst"
	mkdir "$book/ABI"
	while read -r f; do
		[ ! -f "$tree/$f" ] || (cd "$tree" && cp --parents "$f" "${book%/*}")
	done < <(changed AM Documentation/ABI)
	cd "$tree"
	{
		printf 'Interfaces\n==========\n\n'
		tools/docs/get_abi.py --dir "$book/ABI" rest
	} >"$book/abi.rst" 2>"$log.abi"
	srctree=${book%/*} KERNELVERSION=7 sphinx-build -q -j "$JOBS" -b html -c "$tree/Documentation" \
		-D kerneldoc_srctree="$tree" "$book" "${book%/*}/out" >"$log.all" 2>&1 ||
		{ tail -n 20 "$log.all"; return 1; }
	# the source files are named as in the tree, whichever it is
	cat "$log.abi" "$log.all" | sed "s,${book%/*}/,,g; s,$tree/,,g" >"$log"
}

# The pages that the series brings or changes, and those that take text from the
# same comments in the code.
check_htmldocs() {
	local pages ours
	export PYTHONDONTWRITEBYTECODE=1
	"$TOP/scripts/tree.sh" --internal "$BASE_TREE" 0 || return 1
	mapfile -t ours < <(changed AM 'Documentation/*.rst' | grep -v '/index\.rst$')
	mapfile -t pages < <({
		printf '%s\n' "${ours[@]}"
		cd "$WORK_TREE"
		grep -h '^\.\. kernel-doc:: ' "${ours[@]}" |
			grep -rlxFf - --include='*.rst' --exclude-dir=translations Documentation
	} | sed 's,^Documentation/,,' | sort -u)
	render "$BASE_TREE" "$logs/htmldocs-base" "${pages[@]}" &&
	render "$WORK_TREE" "$logs/htmldocs-ours" "${pages[@]}" &&
	news "$logs/htmldocs-base" "$logs/htmldocs-ours"
}

# configure TREE OBJ [OPTION=VALUE]...: as in the guest, with all that the series
# touches, and these
configure() {
	local tree=$1 obj=$2
	shift 2
	mkdir -p "$obj"
	printf 'CONFIG_%s\n' KUNIT=y DAX_KUNIT_TEST=m FUSE_FS=m FUSE_DAX=y VIRTIO_FS=m DM_LOG_WRITES=m \
		CXL_BUS=m CXL_PCI=m CXL_ACPI=m CXL_REGION=y DEV_DAX_CXL=m "$@" >"$SCRATCH/more.config"
	(
		cd "$tree"
		./scripts/kconfig/merge_config.sh -m -Q -O "$SCRATCH" "$TOP/vm/config/lean.config" "$SCRATCH/more.config" &&
		make O="$obj" CC="ccache gcc" KCONFIG_ALLCONFIG="$SCRATCH/.config" allnoconfig
	) >"$obj.log" 2>&1 || { tail -n 20 "$obj.log"; return 1; }
}

# compile TREE OBJ LOG ARGUMENT...: make, showing its errors if it fails
compile() {
	local tree=$1 obj=$2 log=$3
	shift 3
	nice -n 5 make -C "$tree" O="$obj" CC="ccache gcc" -k -j"$JOBS" "$@" >"$log" 2>&1 || {
		grep -E -A5 'error:|undefined|ERROR|\*\*\*' "$log" | sed -n 1,40p
		return 1
	}
}

# Debian 12's sparse does not know __typeof_unqual__, and then the kernel's
# Makefile leaves the whole check out, saying so in its output; nor the length of
# a string as a constant, as each MODULE_LICENSE() has one.
SPARSE="CHECK=sparse -D__typeof_unqual__=__typeof__ '-D__builtin_strlen(s)=(sizeof(s)-1)'"

# analyse TREE LOG TARGET...: W=1 and sparse; objects that are there already
# are checked as well
analyse() {
	local tree=$1 log=$2 obj=${1%/src}/check/obj
	shift 2
	configure "$tree" "$obj" &&
	compile "$tree" "$obj" "$log.prepare" modules_prepare &&
	compile "$tree" "$obj" "$log.all" W=1 C=2 "$SPARSE" "$@" || return 1
	if grep 'not available or not up to date' "$log.all"; then return 1; fi
	grep -E 'warning:|error:' "$log.all" >"$log" || :
}

check_sparse() {
	local f targets=(drivers/dax/) theirs=() rc=0 kernel
	"$TOP/scripts/tree.sh" --internal "$BASE_TREE" 0 || return 1
	while read -r f; do
		case $f in
		# of another architecture, or below
		drivers/dax/*|drivers/s390/*|tools/*) ;;
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
		kernel=$("$TOP/vm/kernel.sh" lean "$WORK_TREE") || return 1
		rm -rf "$kernel/obj-sparse"
		compile "$WORK_TREE" "$kernel/obj" "$logs/sparse-tests" W=1 C=2 "$SPARSE" \
			M="$WORK_TREE/tools/testing/dax/modules" MO="$kernel/obj-sparse" modules || rc=1
		if grep -E 'warning:|error:|not up to date' "$logs/sparse-tests"; then rc=1; fi
	fi
	return $rc
}

# One semantic patch at a time: coccicheck ends with the first that this
# version of spatch cannot do.
check_cocci() {
	local tree name f c
	"$TOP/scripts/tree.sh" --internal "$BASE_TREE" 0 || return 1
	for name in base work; do
		tree=$CACHE/trees/$name/src
		for f in drivers/dax fs/dax.c tools/testing/dax/modules; do
			[ -e "$tree/$f" ] || continue
			say "  coccicheck of $f in $name"
			find "$tree/scripts/coccinelle" -name '*.cocci' | sort | while read -r c; do
				env srctree="$tree" srcroot="$tree/$f" objtree="$tree" KBUILD_EXTMOD="$tree/$f" \
					LINUXINCLUDE="-I$tree/arch/x86/include -I$tree/include -I$tree/include/uapi" \
					MODE=report COCCI="$c" J="$JOBS" nice -n 5 bash "$tree/scripts/coccicheck" </dev/null 2>&1 ||
					echo "failed: ${c#"$tree/"} on $f"
			done
		done >"$logs/cocci-$name.all"
		grep -E '^[^ ]*\.[ch]:[0-9]+|^failed: ' "$logs/cocci-$name.all" >"$logs/cocci-$name" || :
	done
	if ! grep -q '^/.*spatch ' "$logs/cocci-work.all"; then
		tail -n 5 "$logs/cocci-work.all"
		return 1
	fi
	news "$logs/cocci-base" "$logs/cocci-work"
}

# The emulated NVDIMMs wrap the dax core: they have to build with it. Their
# objects land in the source tree, so this has a tree of its own.
check_nvdimm() {
	local kernel
	kernel=$("$TOP/vm/kernel.sh" lean "$WORK_TREE") || return 1
	"$TOP/scripts/tree.sh" --internal "$CACHE/trees/nvdimm/src" || return 1
	compile "$WORK_TREE" "$kernel/obj" "$logs/nvdimm.all" \
		M="$CACHE/trees/nvdimm/src/tools/testing/nvdimm" modules || return 1
	! grep -E 'warning:|WARNING:' "$logs/nvdimm.all"
}

# concerned: what the patches touch, as targets of make: the folders of drivers
# and filesystems, which use the headers that change, and objects elsewhere
concerned() {
	echo fs/ext4/	# uses dax, and is not changed
	git -C "$WORK_TREE" log --format= --name-only --no-renames "$base..HEAD" -- '*.c' '*.h' | sed -nE '
		# of another architecture, or built by other checks
		/^(drivers\/s390|include|tools)\//d
		s,^((drivers|fs)/[^/]*/).*,\1,p
		t
		s,\.c$,.o,p' | sort -u
}

# undefined OBJ: the dax functions that objects want and none of them has
undefined() {
	(cd "$1" && find arch block drivers fs mm -name '*.o' -exec "${NM:-nm}" -A {} + 2>/dev/null) | awk '
	$NF !~ /dax/ || $NF ~ /cxl/ { next }
	$(NF - 1) == "U" { wanted[$NF] = $1; next }
	{ have[$NF] }
	END { for (s in wanted) if (!(s in have)) print s " is not defined, wanted by " wanted[s] }'
}

# After each patch, what the series concerns compiles without a warning, and no
# object wants a dax function that is not there (yet, or any more).
check_steps() {
	local n=0 p tree=$CACHE/trees/steps/src obj=$CACHE/trees/steps/obj log=$logs/steps rc=0 missing
	local t all=() targets=()
	mapfile -t all < <(concerned)
	rm -rf "$obj"
	for p in base "$TOP"/patches/[0-9]*.patch; do
		say "  ${p##*/}"
		"$TOP/scripts/tree.sh" --internal "$tree" "$n" || return 1
		n=$((n + 1))
		targets=()
		for t in "${all[@]}"; do
			if [ -e "$tree/${t%.o}.c" ] || [ -d "$tree/$t" ]; then targets+=("$t"); fi
		done
		configure "$tree" "$obj" &&
		compile "$tree" "$obj" "$log.prepare" modules_prepare &&
		compile "$tree" "$obj" "$log.all" W=1 "${targets[@]}" || { echo "with ${p##*/}"; return 1; }
		grep -E 'warning:|error:' "$log.all" >"$log.ours" || :
		[ "$p" != base ] || cp "$log.ours" "$log.base"
		missing=$(undefined "$obj")
		[ -z "$missing" ] || echo "$missing"
		news "$log.base" "$log.ours" && [ -z "$missing" ] || { echo "with ${p##*/}"; rc=1; }
	done
	return $rc
}

# Whole kernels without options that the code has to do without.
check_configs() {
	local options option value obj=$CACHE/trees/work/check/configs rc=0 c
	for c in FS_DAX=n "FS_DAX=n DAX=m" DEV_DAX=n MEMORY_FAILURE=n BLOCK=n ZONE_DEVICE=n; do
		say "  $c"
		read -ra options <<<"$c"
		configure "$WORK_TREE" "$obj" "${options[@]}" || return 1
		for option in "${options[@]}"; do
			value=$(sed -n "s/^CONFIG_${option%=*}=//p" "$obj/.config")
			[ "${value:-n}" = "${option#*=}" ] || { echo "no such kernel: $option is ${value:-n}"; rc=1; }
		done
		compile "$WORK_TREE" "$obj" "$logs/configs.all" vmlinux modules || { echo "with $c"; rc=1; continue; }
		if grep -E 'warning:|WARNING:' "$logs/configs.all"; then echo "with $c"; rc=1; fi
	done
	return $rc
}

# The machines that dax is for, and one that has no such memory: architecture,
# prefix of the tools, configuration to begin with, and options.
machines() {
	cat <<-'END'
	arm64	aarch64-linux-gnu-	defconfig	ARM64_4K_PAGES=y
	arm64	aarch64-linux-gnu-	defconfig	ARM64_64K_PAGES=y
	riscv	riscv64-linux-gnu-	defconfig	64BIT=y
	powerpc	powerpc64le-linux-gnu-	ppc64le_defconfig	PPC_RADIX_MMU=y
	s390	s390x-linux-gnu-	defconfig	DCSSBLK=m
	i386	i686-linux-gnu-	i386_defconfig	HIGHMEM4G=y
	END
}

# configured CONFIG: what the series changes, as targets of make, as far as it is
# configured: make builds an object by name whether it is or not
configured() {
	local f option
	while read -r f; do
		case $f in
		drivers/dax/tests/*) ;;
		drivers/acpi/nfit/*|drivers/cxl/*/*|drivers/dax/*|drivers/nvdimm/*) echo "${f%/*}/" ;;
		esac
		case $f in
		arch/x86/*)				option=X86_MCE ;;
		block/badblocks.c)			option=BLOCK ;;
		drivers/base/memory.c|mm/memory_hotplug.c) option=MEMORY_HOTPLUG ;;
		drivers/md/dm.c)			option=BLK_DEV_DM ;;
		drivers/md/dm-log-writes.c)		option=DM_LOG_WRITES ;;
		drivers/s390/*)				option=DCSSBLK ;;
		fs/dax.c)				option=FS_DAX ;;
		fs/fuse/*)				option=VIRTIO_FS ;;
		fs/xfs/*)				option=XFS_FS ;;
		mm/memory-failure.c|mm/mf_device.c)	option=MEMORY_FAILURE ;;
		mm/memremap.c|mm/pgmap_use.c)		option=ZONE_DEVICE ;;
		fs/*|mm/*)				option=MMU ;;
		*)					continue ;;
		esac
		if [ -e "$f" ] && grep -q "^CONFIG_$option=" "$1"; then echo "${f%.c}.o"; fi
	done < <(changed AM '*.c') | sort -u
}

# for_machine TREE OBJ LOG ARCH PREFIX COMPILER DEFCONFIG OPTION=VALUE...: compiles
# what the series changes; prints what is wrong, and leaves warnings in LOG
for_machine() {
	local tree=$1 obj=$2 log=$3 arch=$4 prefix=$5 compiler=$6 begin=$7 targets vars
	shift 7
	vars=(ARCH="$arch")
	case $compiler in
	gcc) vars+=(CROSS_COMPILE="$prefix" CC="ccache ${prefix}gcc") ;;
	clang) vars+=(LLVM=-19 CC="ccache clang-19") ;;
	esac
	mkdir -p "$obj"
	printf 'CONFIG_%s\n' "$@" >"$SCRATCH/machine.config"
	(
		cd "$tree"
		[ -f "$obj/.config.begin" ] || {
			make O="$obj" "${vars[@]}" "$begin" && cp "$obj/.config" "$obj/.config.begin"
		}
		./scripts/kconfig/merge_config.sh -m -Q -O "$obj" "$obj/.config.begin" "$TOP/vm/config/machines.config" \
			"$SCRATCH/machine.config" && make O="$obj" "${vars[@]}" olddefconfig
	) >"$obj.log" 2>&1 || { tail -n 20 "$obj.log"; return 1; }
	mapfile -t targets < <(cd "$tree" && configured "$obj/.config")
	# nothing of the configuration before must be taken for this one's
	: >"$log.all"
	nice -n 5 make -C "$tree" O="$obj" "${vars[@]}" -j"$JOBS" modules_prepare >"$log.prepare" 2>&1 &&
	nice -n 5 make -C "$tree" O="$obj" "${vars[@]}" -k -j"$JOBS" W=1 "${targets[@]}" >"$log.all" 2>&1 || :
	grep -E 'warning:|error:|undefined|No rule to make' "$log.prepare" "$log.all" | cut -d: -f2- >"$log" || :
	if ! grep -qE '^  (CC|AR) ' "$log.all"; then
		tail -n 5 "$log.prepare" "$log.all"
		return 1
	fi
}

# Cross-built for each of them by gcc and clang, with each of the options on, off
# and as a module where there is such a thing.
check_machines() {
	local arch prefix begin always compiler options more o rc=0 name obj log missing
	"$TOP/scripts/deps.sh" machines
	"$TOP/scripts/tree.sh" --internal "$BASE_TREE" 0 || return 1
	while read -r -u 4 arch prefix begin always; do
		# shellcheck disable=SC2053
		[[ $arch == ${MACHINES:-*} ]] || continue
		for compiler in gcc clang; do
			name=$arch-${always%=*}-$compiler
			obj=$CACHE/trees/work/check/machine log=$logs/machines-$name
			rm -rf "$obj" "$obj-base"
			for options in "" "DAX=y DEV_DAX=y DEV_DAX_KMEM=y" FS_DAX=n "FS_DAX=n DEV_DAX=n" \
				DEV_DAX=n DEV_DAX_KMEM=n BLOCK=n MEMORY_FAILURE=n; do
				read -ra more <<<"$always $options"
				for_machine "$WORK_TREE" "$obj" "$log" "$arch" "$prefix" "$compiler" "$begin" \
					"${more[@]}" || { echo "for $name with $options"; rc=1; continue; }
				# what kconfig made of it is said, and need not be what was asked for
				say "  $name${options:+ with $options}: $(cd "$obj" && find block drivers fs mm -name '*.o' |
					wc -l) objects,$(for o in DAX FS_DAX DEV_DAX DEV_DAX_KMEM BLOCK MEMORY_FAILURE; do
						sed -n "s/^CONFIG_\($o=.*\)/ \1/p" "$obj/.config"
					done | tr -d '\n')"
				missing=$(NM=${prefix}nm undefined "$obj")
				[ -z "$missing" ] || { echo "$missing"; echo "for $name with $options"; rc=1; }
				[ -s "$log" ] || continue
				: >"$log-base"
				for_machine "$BASE_TREE" "$obj-base" "$log-base" "$arch" "$prefix" "$compiler" "$begin" \
					"${more[@]}" >/dev/null || :
				news "$log-base" "$log" || { echo "for $name with $options"; rc=1; }
			done
		done
	done 4< <(machines)
	return $rc
}

# compat TREE: a header with what the modules of the tests need and TREE has not
compat() {
	local f header=$1/include/linux/dax.h has=()
	for f in dax_dev_size dax_unmap_super; do
		if grep -qw "$f" "$header"; then has+=("$f"); fi
	done
	echo '#if defined(__KERNEL__) && !defined(__ASSEMBLY__)'
	printf '#include <linux/%s.h>\n' dax fs
	# nobody calls these by such names
	for f in "${has[@]}"; do echo "#define $f compat_$f"; done
	cat "$TOP/vm/mainline-compat.h"
	if grep -qF '(*name)' "$header"; then has+=(dax_holder_operations fs_dax_get); fi
	for f in "${has[@]}"; do echo "#undef $f"; done
	echo '#endif'
}

# boot N: the series as far as its patch N, through the modes of a device
boot() {
	local tree=$CACHE/trees/boots/src tests kernel name=boots-$1
	"$TOP/scripts/tree.sh" --internal "$tree" "$1" || return 1
	tests=$("$TOP/vm/tests.sh" "$WORK_TREE") || return 1
	compat "$tree" >"$SCRATCH/compat.h"
	kernel=$(TEST_MODULES=$WORK_TREE/tools/testing/dax/modules TEST_HEADER=$SCRATCH/compat.h \
		"$TOP/vm/kernel.sh" lean "$tree") || return 1
	in_guest "$kernel" "$name" 900 modes modes.sh ONLY=mount_after_each_transition '' || :
	[ "$(verdict "$CACHE/logs/$name.out" mount_after_each_transition)" != ok ] || return 0
	tail -n 20 "$CACHE/logs/$name.out"
	return 1
}

# Famfs mode works with each commit that changes its driver.
check_boots() {
	local n=0 id title count=0 rc=0
	"$TOP/vm/rootfs.sh" >/dev/null || return 1
	while read -r id title; do
		n=$((n + 1))
		git -C "$WORK_TREE" diff-tree --quiet "$id~1" "$id" -- drivers/dax/fsdev.c && continue
		# shellcheck disable=SC2053
		[[ $title == ${BOOTS:-*} ]] || continue
		say "  $title"
		count=$((count + 1))
		boot "$n" </dev/null || { echo "with $title"; rc=1; }
	done < <(git -C "$WORK_TREE" log --reverse --format='%H %s' "$base..HEAD")
	[ $count -gt 0 ] || { echo "no commit that changes the driver has a title like $BOOTS"; return 1; }
	return $rc
}

failed=()
for c; do
	say "check: $c"
	started=$SECONDS
	if ("check_$c" >"$logs/$c"); then
		echo "ok - $c # $((SECONDS - started)) s"
	else
		sed 's/^/  /' "$logs/$c"
		echo "not ok - $c"
		failed+=("$c")
	fi
done
[ ${#failed[@]} = 0 ] || die "failed: ${failed[*]}" "the logs: $logs"
