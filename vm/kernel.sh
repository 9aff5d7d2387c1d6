#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds a kernel for the guest, with its modules and those of the tests.
#
# usage: vm/kernel.sh FLAVOUR TREE [OUT]
#
#   FLAVOUR	lean (as in production), debug (lean and the run-time checkers),
#		kcsan (lean and the data race detector), gcov (lean, and it counts
#		what is executed), ...; see vm/config
#   TREE	the kernel source
#   OUT		where the results go; default: a folder of the cache, named after
#		TREE and FLAVOUR. Printed at the end.
#
# From the environment: TEST_MODULES, the folder with the modules of the tests
# (default: TREE/tools/testing/dax/modules); TEST_HEADER, a file that these
# include before all else; CONFIG_LAX=y, for a tree without some of the options.
#
# OUT then has bzImage, System.map, config, release, modules.sqfs, and obj, the
# kernel's build folder.

. "$(dirname "$0")/../scripts/lib.sh"

flavour=${1:-}
tree=${2:-}
[ -n "$tree" ] || die "usage: $0 FLAVOUR TREE [OUT]"
[ -f "$TOP/vm/config/$flavour.config" ] || die "no such flavour of kernel: $flavour" \
	"there are: $(cd "$TOP/vm/config" && echo *.config | sed 's/\.config//g')"
version=$(kernel_version "$tree") || die "$tree is not a kernel source tree"
tree=$(cd "$tree" && pwd -P)
if [ -n "${3:-}" ]; then
	mkdir -p "$3"
	out=$(cd "$3" && pwd -P)
elif [ "${tree%/*/src}" = "$CACHE/trees" ]; then
	out=${tree%/src}/$flavour
else
	out=$CACHE/trees/of-$(printf %s "$tree" | sha1sum | cut -c1-12)/$flavour
fi
obj=$out/obj
tests=${TEST_MODULES:-$tree/tools/testing/dax/modules}
fragments=("$TOP/vm/config/lean.config")
[ "$flavour" = lean ] || fragments+=("$TOP/vm/config/$flavour.config")

for tool in gcc make bc flex bison ccache; do need_tool "$tool" "$tool"; done
need_tool mksquashfs squashfs-tools

build_env
unset KERNEL_SRC

lock "$out.lock"
mkdir -p "$out"
# tree.sh must not change the tree under the build
if [ "${tree%/*/src}" = "$CACHE/trees" ]; then lock "$tree.lock" -s; fi

# Nothing to do if this was built from just that. Only our own trees are known
# to hold what their commit says.
stamp=
if [ "${tree%/*/src}" = "$CACHE/trees" ]; then
	stamp=$({
		git -C "$tree" ls-tree HEAD | grep -vE "	(Documentation|tools|MAINTAINERS)$"
		git -C "$tree" ls-tree HEAD tools/ | grep -v '	tools/testing$'
		[ ! -d "$tests" ] || find "$tests" "$tests/../daxtest.h" -type f -exec sha256sum {} +
		cat "${fragments[@]}" "$0" ${TEST_HEADER:+"$TEST_HEADER"}
		gcc --version | sed -n 1p
	} | sha256sum)
	if [ -f "$out/stamp" ] && [ "$(cat "$out/stamp")" = "$stamp" ]; then
		echo "$out"
		exit 0
	fi
fi
rm -f "$out/stamp"
need_disk "$out" 3000 "a kernel build"
need_mem 1500 "a kernel build"
scratch

# run STEP COMMAND...: with the output in a log; a count of its lines shows
# that it goes on
run() {
	local step=$1 log=$out/build.log pid started=$SECONDS shown=0
	shift
	nice -n 5 "$@" >>"$log" 2>&1 &
	pid=$!
	# shellcheck disable=SC2064
	trap "kill -TERM $pid 2>/dev/null || :; wait $pid 2>/dev/null || :; rm -rf -- '$SCRATCH'" EXIT
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		if [ $((SECONDS - started - shown)) -ge 30 ]; then
			shown=$((SECONDS - started))
			say "  $step: $shown s, $(wc -l <"$log") files"
		fi
	done
	trap 'rm -rf -- "$SCRATCH"' EXIT
	if ! wait "$pid"; then
		grep -nE -B1 -A6 ' (error|fatal error):|^ERROR|\*\*\*|undefined reference' "$log" | sed -n 1,40p >&2 || true
		die "the $flavour kernel of $tree did not build ($step)" "the whole log: $log"
	fi
}

: >"$out/build.log"
say "building the $flavour kernel of Linux $version in $obj"
mkdir -p "$obj"

# ---- configuration: all of the fragments, or an error

(cd "$tree" && ./scripts/kconfig/merge_config.sh -m -Q -O "$SCRATCH" "${fragments[@]}") >"$out/build.log" 2>&1 ||
	die "cannot merge the configuration" "see $out/build.log"
run configuration make -C "$tree" O="$obj" CC="ccache gcc" KCONFIG_ALLCONFIG="$SCRATCH/.config" \
	KCONFIG_CONFIG="$SCRATCH/config" allnoconfig
cmp -s "$SCRATCH/config" "$obj/.config" || cp "$SCRATCH/config" "$obj/.config"
bad=$(awk '
/^CONFIG_[A-Z0-9_a-z]*=/ {
	split($0, a, "=")
	if (FILENAME ~ /\/config$/) have[a[1]] = a[2]
	else want[a[1]] = a[2]
}
END {
	for (o in want)
		if ((o in have ? have[o] : "n") != want[o])
			print o " should be " want[o] " and is " (o in have ? have[o] : "n")
}' "$SCRATCH/config" "${fragments[@]}" | sort)
if [ -n "$bad" ] && [ -z "${CONFIG_LAX:-}" ]; then
	die "the $flavour configuration does not hold in $tree:" "$bad" \
		"make vm/config/$flavour.config agree with the Kconfig files"
fi

# ---- kernel and modules

variables=()
if [ -f "$TOP/vm/config/$flavour.make" ]; then mapfile -t variables <"$TOP/vm/config/$flavour.make"; fi
run kernel make -C "$tree" O="$obj" CC="ccache gcc" -j"$JOBS" "${variables[@]}" bzImage modules
root=$SCRATCH/root
run "installing modules" make -C "$tree" O="$obj" INSTALL_MOD_PATH="$root" DEPMOD=true modules_install
release=$(cat "$obj/include/config/kernel.release")
if [ -f "$tests/Kbuild" ]; then
	say "building the modules of the tests"
	mkdir -p "$out/obj-tests"
	for target in modules modules_install; do
		run "modules of the tests" make -C "$tree" O="$obj" CC="ccache gcc" -j"$JOBS" \
			M="$tests" MO="$out/obj-tests" KCFLAGS="${TEST_HEADER:+-include $TEST_HEADER}" \
			INSTALL_MOD_PATH="$root" DEPMOD=true "$target"
	done
fi
/sbin/depmod -b "$root" -F "$obj/System.map" "$release" >>"$out/build.log" 2>&1 ||
	die "depmod failed" "see $out/build.log"
rm -f "$root/lib/modules/$release/build" "$root/lib/modules/$release/source"
mksquashfs "$root/lib/modules" "$SCRATCH/modules.sqfs" -comp zstd -Xcompression-level 3 -all-root \
	-quiet -no-progress >>"$out/build.log" 2>&1 || die "cannot pack the modules" "see $out/build.log"

cp "$obj/arch/x86/boot/bzImage" "$SCRATCH/bzImage"
cp "$obj/System.map" "$SCRATCH/System.map"
echo "$release" >"$SCRATCH/release"
for f in bzImage System.map modules.sqfs config release; do
	mv -T "$SCRATCH/$f" "$out/$f"
done
if [ -n "$stamp" ]; then echo "$stamp" >"$out/stamp"; fi
say "$flavour kernel $release: $((SECONDS / 60)) min $((SECONDS % 60)) s, $(
	awk '/^  Hits:|cache hit rate/ { print "ccache " $0; exit }' < <(ccache -s 2>/dev/null) | tr -s ' ')"
echo "$out"
