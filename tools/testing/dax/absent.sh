#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317 # run_tests calls the tests
#
# Reads and writes whose buffer is not there, and does not come: nobody else
# may have to wait for that, be it with this device or with another one.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=absent.bash
. "$(dirname "${BASH_SOURCE[0]}")/absent.bash"

# waiting_io read|write: a file whose I/O waits for the user's page
waiting_io() {
	famfs_mount
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	absent_io "$1" "$MNT/f"
}

served() {
	waiting_io "$1"
	serve OK
}

another_device() {
	resize "$DEV" $((SIZE / 2))
	waiting_io "$1"
	others_go_on
	serve OK
}

# some of it may have been copied before the page was missed
same_device() {
	waiting_io "$1"
	in_time unbind "$DEV"
	serve '@(ENXIO|EIO|[1-9]*)'
	umount "$MNT"
}

raw_read() {
	mode "$DEV" famfs
	absent_io read "/dev/$DEV"
	in_time unbind "$DEV"
	serve '@(ENXIO|[1-9]*)'
}

served_read() { served read; }
served_write() { served write; }
other_device_and_read() { another_device read; }
other_device_and_write() { another_device write; }
same_device_and_read() { same_device read; }
same_device_and_write() { same_device write; }

# The part of the buffer that is present is used
edges() {
	famfs_mount
	mkfile f 16M 0:0:16M
	"$DT" fill "$MNT/f" 1
	is OK "$DIR/daxabsent" edges read "$MNT/f"
	is OK "$DIR/daxabsent" edges write "$MNT/f"
}

run_tests served_read served_write edges \
	same_device_and_read same_device_and_write raw_read \
	other_device_and_read other_device_and_write
