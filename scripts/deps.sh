#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Installs the Debian packages that building and testing need, those that are
# missing only.
#
# usage: scripts/deps.sh [build|guest|check]...	(default: build guest)

. "$(dirname "$0")/lib.sh"

packages() {
	case $1 in
	build)
		echo "git make gcc libc6-dev bc flex bison libelf-dev libssl-dev ccache cpio kmod"
		echo "rsync xz-utils zstd perl python3 ca-certificates debian-archive-keyring"
		;;
	guest)
		echo "qemu-system-x86 mmdebstrap squashfs-tools"
		[ "$(id -u)" = 0 ] || echo "uidmap"
		;;
	check)
		echo "sparse coccinelle codespell shellcheck python3-ply python3-git"
		;;
	*)
		die "no such set of packages: $1" "usage: $0 [build|guest|check]..."
		;;
	esac
}

command -v apt-get >/dev/null ||
	die "this machine has no apt-get: only Debian 12 or later can install what is missing by itself" \
		"elsewhere, install these: $(packages build | tr '\n' ' ')$(packages guest | tr '\n' ' ')"

[ $# -gt 0 ] || set -- build guest
missing=()
for set; do
	for p in $(packages "$set"); do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] ||
			missing+=("$p")
	done
done
[ ${#missing[@]} -gt 0 ] || exit 0

say "installing ${missing[*]}"
install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}")
# With package lists of some age a file may be gone from the mirror: once
# more with new lists, then.
as_root "${install[@]}" >/dev/null 2>&1 && exit 0
say "updating the package lists"
as_root apt-get update -qq || warn "apt-get update failed, trying with the lists that there are"
as_root "${install[@]}" >/dev/null ||
	die "cannot install: ${missing[*]}" \
		"see apt-get's message above; without a network, install these packages by hand first"
