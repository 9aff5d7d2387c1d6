#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gets the kernel source that the series is for, and prints the folder where
# it stands: $KERNEL_SRC if that is set, else Debian's linux-source-7.3, which
# is downloaded once and kept in the cache.
#
# usage: scripts/fetch.sh [--update]	(--update: look for a newer 7.3.x)
#
# The package comes from suites that the machine itself need not use. So apt
# gets a configuration of its own in the cache; the machine's is only asked
# for the address of its mirror (or FSDEV_MIRROR gives one).

. "$(dirname "$0")/lib.sh"

PACKAGE=linux-source-7.3

if [ -n "${KERNEL_SRC:-}" ]; then
	if ! [ -f "$KERNEL_SRC/Makefile" ] || ! [ -f "$KERNEL_SRC/Kconfig" ] ||
	   ! v=$(kernel_version "$KERNEL_SRC"); then
		die "KERNEL_SRC=$KERNEL_SRC is not a kernel source tree" \
			"set it to the top folder of a Linux 7.3 source tree, or leave it out to fetch one"
	fi
	case $v in
	7.3.*) ;;
	*) warn "KERNEL_SRC is Linux $v; the series is made for 7.3, trying anyway" ;;
	esac
	(cd "$KERNEL_SRC" && pwd -P)
	exit 0
fi

# The version in use, as the link "current" says; nothing is asked of the
# network while there is one.
current=$CACHE/src/current
if [ "${1:-}" != --update ] && [ -f "$current/Makefile" ]; then
	(cd "$current" && pwd -P)
	exit 0
fi

lock "$CACHE/src/.lock"
if [ "${1:-}" != --update ] && [ -f "$current/Makefile" ]; then
	(cd "$current" && pwd -P)
	exit 0
fi
need_tool apt-get apt
need_disk "$CACHE" 5000 "the kernel source"
scratch

"$TOP/scripts/apt.sh" --refresh
version=$("$TOP/scripts/apt.sh" cache madison "$PACKAGE" | awk -F ' *[|] *' 'NR == 1 { print $2 }')
[ -n "$version" ] || die "the mirror has no $PACKAGE" \
	"set FSDEV_MIRROR to the address of a complete Debian mirror," \
	"or KERNEL_SRC to a Linux 7.3 source tree"

dir=$CACHE/src/$PACKAGE-$version
if ! [ -f "$dir/Makefile" ]; then
	say "downloading $PACKAGE $version (160 MB)"
	(cd "$SCRATCH" && "$TOP/scripts/apt.sh" get download "$PACKAGE=$version" >&2) ||
		die "cannot download $PACKAGE $version" \
			"check the network and try again, or set KERNEL_SRC to a Linux 7.3 source tree"
	say "unpacking it"
	mkdir "$SCRATCH/deb" "$SCRATCH/src"
	dpkg-deb --extract "$SCRATCH"/*.deb "$SCRATCH/deb" &&
	tar -C "$SCRATCH/src" --strip-components=1 --no-same-owner \
		-xJf "$SCRATCH/deb/usr/src/$PACKAGE.tar.xz" ||
		die "cannot unpack $PACKAGE $version" "see the message above; a full disk is the usual reason"
	rm -rf -- "$dir"
	mv -T "$SCRATCH/src" "$dir"
fi
ln -sfn "$PACKAGE-$version" "$CACHE/src/current.new"
mv -T "$CACHE/src/current.new" "$current"
say "kernel source: Linux $(kernel_version "$dir") ($PACKAGE $version)"
echo "$dir"
