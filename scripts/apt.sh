#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# apt with a configuration of the project's own: the machine's mirror, but the
# suites that the project needs, lists and downloads in the cache. Neither
# needs root nor touches the machine's own apt.
#
# usage: scripts/apt.sh --refresh		gets the package lists anew
#	 scripts/apt.sh --mirror		prints the mirror's address
#	 scripts/apt.sh get|cache ARGUMENT...	apt-get or apt-cache

. "$(dirname "$0")/lib.sh"

dir=$CACHE/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The address of the mirror the machine uses for Debian itself.
mirror() {
	if [ -n "${FSDEV_MIRROR:-}" ]; then
		echo "$FSDEV_MIRROR"
		return
	fi
	list() {
		# shellcheck disable=SC2016
		apt-get indextargets --format '$(LABEL) $(CREATED_BY) $(REPO_URI)' 2>/dev/null |
			awk '$1 == "Debian" && $2 == "Packages" { print $3; exit }'
	}
	if [ -z "$(list)" ]; then
		say "updating the package lists"
		as_root apt-get update -qq >&2 || true
	fi
	list | grep . || die "apt knows no Debian mirror on this machine" \
		"check the network and run apt-get update, or set FSDEV_MIRROR to a mirror's address"
}

options() {
	cat <<-END
	Dir::Etc "$dir/etc";
	Dir::Etc::sourcelist "$dir/etc/sources.list";
	Dir::Etc::sourceparts "/dev/null";
	Dir::Etc::main "/dev/null";
	Dir::Etc::parts "/dev/null";
	Dir::Etc::preferences "/dev/null";
	Dir::Etc::preferencesparts "/dev/null";
	Dir::State "$dir/state";
	Dir::State::lists "$dir/lists";
	Dir::State::status "$dir/status";
	Dir::Cache "$dir/cache";
	APT::Get::List-Cleanup "true";
	APT::Sandbox::User "";
	Acquire::Languages "none";
	Acquire::Retries "2";
	END
	# how the machine reaches its mirror holds for us too
	apt-config dump 2>/dev/null | grep -iE '^Acquire::[a-z]+::Proxy' || true
}

refresh() {
	local mirror
	lock "$CACHE/apt.lock"
	[ -f "$keyring" ] || die "$keyring is missing" "run: apt-get install debian-archive-keyring"
	mirror=$(mirror)
	mkdir -p "$dir/etc" "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/state"
	: >"$dir/status"
	options >"$dir/apt.conf"
	for suite in trixie-backports forky; do
		echo "deb [check-valid-until=no signed-by=$keyring] $mirror $suite main"
	done >"$dir/etc/sources.list"
	say "getting the package lists of trixie-backports and forky"
	# apt-get update only warns when it gets nothing: make it an error
	APT_CONFIG=$dir/apt.conf apt-get update -qq -o APT::Update::Error-Mode=any >&2 ||
		die "cannot get the package lists from the Debian mirror" \
			"check the network and try again; FSDEV_MIRROR sets another mirror." \
			"Without a network, set KERNEL_SRC to a Linux 7.3 source tree."
}

case ${1:-} in
--refresh) refresh ;;
--mirror) mirror ;;
get|cache)
	[ -f "$dir/apt.conf" ] || refresh
	tool=apt-$1
	shift
	APT_CONFIG=$dir/apt.conf "$tool" "$@"
	;;
*) die "usage: $0 --refresh | --mirror | get|cache ARGUMENT..." ;;
esac
