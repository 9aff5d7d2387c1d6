#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Installs the Debian packages that building and testing need, those that are
# missing only.
#
# usage: scripts/deps.sh [build|guest|check|coverage|machines|arm64]...	(default: build guest)

. "$(dirname "$0")/lib.sh"

# The packages of each set; NAME=COMMAND where a package's command has another name,
# NAME= where it has none.
packages() {
	case $1 in
	build)
		echo "git make gcc libc6-dev= bc flex bison libelf-dev= libssl-dev= ccache cpio kmod"
		echo "ed rsync xz-utils=xz zstd perl python3 ca-certificates= debian-archive-keyring="
		;;
	guest)
		echo "mmdebstrap squashfs-tools=mksquashfs"
		[ "$(id -u)" = 0 ] || echo "uidmap=newuidmap"
		;;
	check)
		echo "sparse coccinelle=spatch codespell shellcheck spin python3-ply= python3-git= python3-sphinx=sphinx-build"
		;;
	coverage)
		echo "lcov"
		;;
	machines)
		echo "gcc-aarch64-linux-gnu gcc-riscv64-linux-gnu gcc-powerpc64le-linux-gnu gcc-s390x-linux-gnu"
		echo "gcc-i686-linux-gnu clang-19 lld-19=ld.lld-19 llvm-19=llvm-nm-19"
		;;
	arm64)
		echo "gcc-aarch64-linux-gnu"
		;;
	*)
		die "no such set of packages: $1" "usage: $0 [build|guest|check|coverage|machines|arm64]..."
		;;
	esac
}

# there PACKAGE COMMAND: elsewhere than on Debian the command has to do
there() {
	if command -v dpkg-query >/dev/null; then
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
	else
		[ -z "$2" ] || command -v "$2" >/dev/null
	fi
}

[ $# -gt 0 ] || set -- build guest
missing=()
for set; do
	for p in $(packages "$set"); do
		there "${p%=*}" "${p#*=}" || missing+=("${p%=*}")
	done
done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null ||
	die "these packages are missing: ${missing[*]}" \
		"without apt-get (Debian) install what has these programs here, by hand"
[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
	die "these packages are missing: ${missing[*]}" \
		"have them installed, as root: apt-get install ${missing[*]}"

say "installing ${missing[*]}"
install=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq
	--no-install-recommends "${missing[@]}")
# With package lists of some age a file may be gone from the mirror: once
# more with new lists, then.
as_root "${install[@]}" >/dev/null 2>&1 && exit 0
say "updating the package lists"
as_root apt-get -o DPkg::Lock::Timeout=600 update -qq || warn "apt-get update failed, trying with the lists that there are"
as_root "${install[@]}" >/dev/null ||
	die "cannot install: ${missing[*]}" \
		"see apt-get's message above; if another program has dpkg's lock, let it end" \
		"without a network, install these packages by hand first"
