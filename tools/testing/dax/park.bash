# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Memory that is pinned when its driver lets go of it. To be sourced after
# lib.sh.

# pin_page FILE [HOW]: until "stop p"
pin_page() { start p "$DT" pin "$1" 0 "${2:-rw}"; }

holder() { cat "$BUS/devices/$DEV/holder"; }

# parked DEVICE...: the memory of these is, and of no others
# shellcheck disable=SC2120
parked() {
	# shellcheck disable=SC2046
	is "$*" echo $(sort $PARKED | cut -d ' ' -f 2)
}

# refused DRIVER: to bind $DEV, and says why
refused() {
	mark
	is EBUSY put "$BUS/drivers/$1/new_id" "$DEV"
	log_says "$DEV: memory is pinned" || fail "the log does not say why"
	put "$BUS/drivers/$1/remove_id" "$DEV" >/dev/null
	is none mode_of "$DEV"
}

unpin() {
	stop p
	retry parked
}

works_again() {
	famfs_mount
	check_pages "$DEV"
	mkfile f 4M 0:0:4M
	"$DT" fill "$MNT/f" 7
	"$DT" mcheck "$MNT/f" 7
	umount "$MNT"
	unbind "$DEV"
	parked
}
