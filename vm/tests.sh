#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the user-space part of the tests of a kernel tree, and prints the
# folder that has all that a guest needs to run them.
#
# usage: vm/tests.sh TREE

. "$(dirname "$0")/../scripts/lib.sh"

tree=${1:-}
[ -n "$tree" ] || die "usage: $0 TREE"
tree=$(cd "$tree" && pwd -P)
dir=$tree/tools/testing/dax
out=$CACHE/tests/$(printf %s "$tree" | sha1sum | cut -c1-12)
build_env
lock "$out.lock"
scratch
mkdir "$SCRATCH/build" "$SCRATCH/tests"
if [ -f "$dir/Makefile" ]; then
	need_tool rsync rsync
	# the modules are built with the kernel (vm/kernel.sh); what is started so
	# often is linked statically, which in an emulated guest is three times as fast
	make -C "$dir" LDFLAGS=-static OUTPUT="$SCRATCH/build" TEST_GEN_MODS_DIR= \
		INSTALL_PATH="$SCRATCH/tests" install >"$SCRATCH/log" 2>&1 || {
		tail -n 30 "$SCRATCH/log" >&2
		die "the programs of tools/testing/dax did not build" "see the lines above"
	}
fi
rm -rf -- "$out"
mv -T "$SCRATCH/tests" "$out"
echo "$out"
