#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Removes what the other scripts keep in the cache: downloads, trees, builds,
# images and logs.

. "$(dirname "$0")/lib.sh"

[ -d "$CACHE" ] || exit 0
say "removing what is ours in $CACHE"
cd "$CACHE"
rm -rf -- apt src base.git trees tests rootfs emulator ccache logs tmp kvm-* results.* ./*.lock
rmdir --ignore-fail-on-non-empty -- "$CACHE"
