# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# I/O that waits for a page of its buffer. To be sourced after lib.sh.

# absent_io read|write FILE: until "serve"
absent_io() {
	start io "$DIR/daxabsent" "$1" "$2"
	is absent echo "$HEARD"
}

# serve PATTERN: the page comes now, and this comes of the I/O
serve() {
	tell io go
	is "$1" echo "$HEARD"
	wait "$(<"$T/io.pid")"
}

# others_go_on: a device comes and goes while that I/O waits
others_go_on() {
	local dev

	in_time new_device 16M >"$T/name"
	dev=$(<"$T/name")
	in_time mode "$dev" famfs
	in_time mode "$dev" devdax
	in_time delete_device "$dev"
	: >"$T/created"
}
