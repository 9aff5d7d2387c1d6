#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Prints the path of the QEMU that runs the guests, which are x86-64 unless
# another machine is named: that of Debian forky, unpacked into the cache with
# the libraries it needs, their C library included. Nothing is installed on the
# machine itself, and nothing of it is used but its kernel. Debian 12's own QEMU,
# 7.2, goes on executing code that the kernel of the guest has changed ("Oops:
# int3"), and knows no volatile memory on CXL.
#
# usage: vm/emulator.sh [--update] [x86_64|aarch64]	(--update: with today's packages)

. "$(dirname "$0")/../scripts/lib.sh"

SUITE=forky
update=
if [ "${1:-}" = --update ]; then
	update=y
	shift
fi
machine=${1:-x86_64}
case $machine in
x86_64) PACKAGE=qemu-system-x86 ;;
aarch64) PACKAGE=qemu-system-arm ;;
*) die "no such machine: $machine" "usage: $0 [--update] [x86_64|aarch64]" ;;
esac

# Paths that stand for the program: the loader, the libraries, the modules and the
# firmware are all those that came with it.
# shellcheck disable=SC2016
launcher='#!/bin/sh
dir=$(dirname "$0")
export QEMU_MODULE_DIR="$dir/usr/lib/x86_64-linux-gnu/qemu"
exec "$dir/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --library-path "$dir/usr/lib/x86_64-linux-gnu" \
	--argv0 qemu-system-x86_64 "$dir/usr/bin/qemu-system-x86_64" \
	-L "$dir/usr/share/seabios" -L "$dir/usr/share/qemu" "$@"
'
launcher=${launcher//qemu-system-x86_64/qemu-system-$machine}

key=$(printf '%s\n' "$SUITE" "$PACKAGE" "$launcher" | sha256sum | cut -c1-16)
dir=$CACHE/emulator/$key
program=$dir/qemu-system-$machine

if [ -z "$update" ] && [ -x "$program" ]; then
	echo "$program"
	exit 0
fi
lock "$CACHE/emulator.lock"
if [ -z "$update" ] && [ -x "$program" ]; then
	echo "$program"
	exit 0
fi
need_tool apt-get apt
need_disk "$CACHE" 1000 "the emulator"
scratch
mkdir -p "$SCRATCH/debs/partial" "$SCRATCH/new"

# The status file of this apt is empty: what the package depends on is all
# there, down to the C library.
download() {
	"$TOP/scripts/apt.sh" get install --download-only -y -qq --no-install-recommends \
		-o Dir::Cache::archives="$SCRATCH/debs/" -t "$SUITE" "$PACKAGE" >"$SCRATCH/log" 2>&1
}

say "downloading QEMU of Debian $SUITE for $machine with its libraries (43 MB)"
if [ -n "$update" ] || ! download; then
	"$TOP/scripts/apt.sh" --refresh
	download || {
		tail -n 15 "$SCRATCH/log" >&2
		die "cannot download $PACKAGE of Debian $SUITE" \
			"check the network and try again; FSDEV_MIRROR sets another mirror"
	}
fi
say "unpacking it"
for deb in "$SCRATCH"/debs/*.deb; do
	case ${deb##*/} in
	# needed to install it, and not to run it
	systemd_*|libsystemd-shared_*|*-gconv-modules-extra_*) continue ;;
	esac
	dpkg-deb --extract "$deb" "$SCRATCH/new" ||
		die "cannot unpack ${deb##*/}" "see the message above; a full disk is the usual reason"
done
rm -rf -- "$SCRATCH/new/usr/share"/{man,locale,bug,lintian}
printf %s "$launcher" >"$SCRATCH/new/qemu-system-$machine"
chmod 755 "$SCRATCH/new/qemu-system-$machine"
version=$("$SCRATCH/new/qemu-system-$machine" -accel tcg --version 2>"$SCRATCH/log" | sed -n 's/^QEMU emulator version //p')
[ -n "$version" ] ||
	die "the QEMU of Debian $SUITE does not run on this machine: $(tail -n 1 "$SCRATCH/log")" \
		"it is built for amd64; on such a machine, remove $CACHE/apt and try again"
mkdir -p "$CACHE/emulator"
[ ! -d "$dir" ] || mv -T "$dir" "$SCRATCH/old"
mv -T "$SCRATCH/new" "$dir"
say "emulator: QEMU $version, $(du -sm "$dir" | cut -f1) MiB"
echo "$program"
