#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes the root filesystem of the guest, a squashfs image of Debian forky
# packages, in the cache, and prints its path. Nothing is installed on the
# machine itself.
#
# usage: vm/rootfs.sh [--update]	(--update: with today's packages)

. "$(dirname "$0")/../scripts/lib.sh"

packages=(
	daxctl ndctl cxl kexec-tools kmod udev procps util-linux mount dmsetup		# the system
	e2fsprogs xfsprogs erofs-utils fdisk				# filesystems
	jq fio stress-ng strace libcap2-bin busybox		# test tools
)

# The init of the image: the real one comes with the tests (vm/guest/init),
# so that it can change without a new image.
# shellcheck disable=SC2016
init='#!/bin/sh
mount -t devtmpfs none /dev
n=0
until mount -t squashfs -o ro /dev/vdc /tests 2>/dev/null; do
	n=$((n + 1))
	[ $n -lt 20 ] || { echo "fsdev: no disk with tests"; exit 1; }
	sleep 0.1
done
exec /tests/init
'

key=$(printf '%s\n' "${packages[@]}" "$init" | sha256sum | cut -c1-16)
image=$CACHE/rootfs/$key.sqfs
update=
[ "${1:-}" != --update ] || update=y

if [ -z "$update" ] && [ -f "$image" ]; then
	echo "$image"
	exit 0
fi
lock "$CACHE/rootfs.lock"
if [ -z "$update" ] && [ -f "$image" ]; then
	echo "$image"
	exit 0
fi
need_tool mmdebstrap mmdebstrap
need_tool mksquashfs squashfs-tools
need_disk "$CACHE" 3000 "the guest's root filesystem"
scratch
mirror=$("$TOP/scripts/apt.sh" --mirror)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f "$keyring" ] || die "$keyring is missing" "run: apt-get install debian-archive-keyring"

say "making the guest's root filesystem: Debian forky with ${packages[*]}"
# shellcheck disable=SC2016
args=(--variant=essential --architectures=amd64 --keyring="$keyring"
	--include="$(IFS=,; echo "${packages[*]}")"
	--aptopt='Acquire::Check-Valid-Until "false"'
	--aptopt='Acquire::Retries "2"'
	--aptopt='Apt::Install-Recommends "false"'
	--dpkgopt='path-exclude=/usr/share/man/*'
	--dpkgopt='path-exclude=/usr/share/locale/*'
	--dpkgopt='path-exclude=/usr/share/doc/*'
	--dpkgopt='path-include=/usr/share/doc/*/copyright'
	--customize-hook='mkdir -p "$1/tests" "$1/lib/modules" "$1/overlay"'
	--customize-hook="cat >\"\$1/usr/sbin/init\" <<'END' && chmod 755 \"\$1/usr/sbin/init\"
$init
END"
	--customize-hook='echo fsdev >"$1/etc/hostname"')
while read -r line; do
	args+=(--aptopt="$line")
done < <(apt-config dump 2>/dev/null | grep -iE '^Acquire::[a-z]+::Proxy' || true)

# To stdout: without root, mmdebstrap runs as a user who may not enter $SCRATCH.
if ! mmdebstrap "${args[@]}" --format=tar forky - "deb $mirror forky main" \
	>"$SCRATCH/root.tar" 2>"$SCRATCH/log"; then
	tail -n 15 "$SCRATCH/log" >&2
	why="see the lines above"
	if grep -qE 'Could not (resolve|connect)|Failed to fetch|Temporary failure' "$SCRATCH/log"; then
		why="check the network and try again; FSDEV_MIRROR sets another mirror"
	elif [ "$(id -u)" != 0 ]; then
		why="without root it needs user namespaces and uidmap; see the lines above, or run as root once"
	fi
	die "cannot make the guest's root filesystem" "$why"
fi
mksquashfs - "$SCRATCH/root.sqfs" -tar -comp zstd -Xcompression-level 6 -quiet -no-progress \
	<"$SCRATCH/root.tar" >"$SCRATCH/log" 2>&1 ||
	die "cannot pack the guest's root filesystem: $(tail -n 1 "$SCRATCH/log")" "a full disk is the usual reason"
mkdir -p "$CACHE/rootfs"
mv -T "$SCRATCH/root.sqfs" "$image"
say "root filesystem: $(du -m "$image" | cut -f1) MiB"
echo "$image"
