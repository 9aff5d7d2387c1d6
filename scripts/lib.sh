# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Common to all scripts, to be sourced: where things are, messages, locks.

set -euo pipefail
umask 022

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# a folder of its own wherever it is: "make clean" empties it
CACHE=$(realpath -m "${FSDEV_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set: set it, or FSDEV_CACHE}/.cache}}/fsdev")
JOBS=${JOBS:-$(nproc)}

export LC_ALL=C.UTF-8

# say TEXT...: progress, on stderr so that stdout can carry results
say() { printf '== %s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }

# die TEXT...: what went wrong and what to do; one line per argument
die() {
	printf 'error: %s\n' "$1" >&2
	shift
	if [ $# -gt 0 ]; then printf '       %s\n' "$@" >&2; fi
	exit 1
}

# as_root COMMAND...
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "need root to run: $*" "run this as root, or install sudo"
	fi
}

# The tree with the series that our own builds are made from.
WORK_TREE=$CACHE/trees/work/src
BASE_TREE=$CACHE/trees/base/src

# need_tool COMMAND PACKAGE
need_tool() {
	command -v "$1" >/dev/null ||
		die "$1 is not installed" "run scripts/deps.sh, or: apt-get install $2"
}

# need_disk DIR MIB WHAT
need_disk() {
	local have
	mkdir -p "$1" || die "cannot create $1" "set FSDEV_CACHE to a folder that you can write to"
	have=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$have" -ge "$2" ] ||
		die "$3 needs $2 MiB of disk, $1 has $have MiB free" \
			"free some space, or set FSDEV_CACHE to a folder on a larger disk"
}

# available_mem: in MiB
available_mem() {
	awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo
}

# need_mem MIB WHAT
need_mem() {
	local have
	have=$(available_mem)
	[ "$have" -ge "$1" ] ||
		die "$2 needs $1 MiB of memory, this machine has $have MiB available" \
			"end other programs, or use a machine with more memory"
}

# need_machine: early, what "make demo" and "make test" take from nothing
need_machine() {
	need_mem 6144 "a guest"
	[ -f "$CACHE/trees/work/lean/bzImage" ] || need_disk "$CACHE" 10000 "the first run"
}

# lock FILE [-s]: holds an exclusive (-s: shared) lock until the script ends
lock() {
	local fd mode=${2:--x}
	mkdir -p "$(dirname "$1")" || die "cannot create $(dirname "$1")" \
		"set FSDEV_CACHE to a folder that you can write to"
	exec {fd}>"$1" || die "cannot write $1" "set FSDEV_CACHE to a folder that you can write to"
	if ! flock -n "$mode" "$fd"; then
		say "waiting for another run to finish ($1)"
		flock "$mode" "$fd"
	fi
}

# start COMMAND...: in the background, in a process group of its own, so that
# all of it can be ended (scratch does that when the script ends)
start() {
	set -m
	"$@" </dev/null &
	set +m
}

# start_and_wait COMMAND...: a signal ends the script at once, and COMMAND
start_and_wait() {
	start "$@"
	wait $!
}

# in_guest KERNEL NAME SECONDS SUITE SCRIPTS ENVIRONMENT ARGUMENTS: runs scripts of
# the folder $tests in the guest that the tables give to a suite; the output is in
# the logs, as NAME.out
in_guest() {
	local line mem env args devices
	line=$(cat "$TOP/vm/suites" "$TOP/vm/suites.more" | grep "^$4	") || die "no suite is called $4"
	IFS=$'\t' read -r _ _ mem _ _ _ env args devices <<<"$line"
	[ "$env" != - ] || env=
	# shellcheck disable=SC2154 # the script that calls has the folder
	"$TOP/vm/qemu.sh" -k "$1" -s "$tests" -m "$mem" -c 2 -t "$3" -a "$args $7" -q "$devices" \
		-n "$2" -- "${env//,/ } $6 /tests/run-suite $5" >"$CACHE/logs/$2.out" 2>&1
}

# verdict OUTPUT TEST: ok, not ok or skip; nothing if it came to none
verdict() {
	awk -v name="${2//_/ }" '
	/^(not )?ok [0-9]+ / {
		line = $0
		sub(/^(not )?ok [0-9]+ *-? */, "", line)
		skip = toupper(line) ~ /# *SKIP/
		sub(/ *#.*/, "", line)
		if (line != name) next
		print skip ? "skip" : $1 == "not" ? "not ok" : "ok"
		exit
	}' < <(tr -d '\r' <"$1")
}

# gcov_port FILE: arguments of QEMU; vm/guest/coverage writes its counts there
gcov_port() {
	echo "-chardev file,id=gcov,path=$1 -device virtserialport,chardev=gcov,name=fsdev.gcov"
}

# Programs that were started end with the script, and its scratch folder goes.
clean_up() {
	local pid n
	trap '' HUP INT TERM PIPE
	for pid in $(jobs -p); do
		kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null || :
		for n in {1..50}; do
			kill -0 -- "-$pid" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL -- "-$pid" 2>/dev/null || :
	done
	wait 2>/dev/null
	rm -rf -- "$SCRATCH"
}

# A scratch folder in the cache, removed when the script ends however it ends;
# SIGKILL leaves it to a run on another day.
SCRATCH=
scratch() {
	[ -z "$SCRATCH" ] || return 0
	mkdir -p "$CACHE/tmp" || die "cannot create $CACHE/tmp" \
		"set FSDEV_CACHE to a folder that you can write to"
	find "$CACHE/tmp" -mindepth 1 -maxdepth 1 -mtime +0 -exec rm -rf -- {} + 2>/dev/null || :
	SCRATCH=$(mktemp -d "$CACHE/tmp/XXXXXXXX")
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# kernel_version TREE: prints VERSION.PATCHLEVEL.SUBLEVEL, or fails
kernel_version() {
	awk '
	/^VERSION = /    { v = $3 }
	/^PATCHLEVEL = / { p = $3 }
	/^SUBLEVEL = /   { s = $3 }
	/^NAME = /       { exit }
	END { if (v == "" || p == "") exit 1; print v "." p "." (s == "" ? 0 : s) }' "$1/Makefile"
}

# For everything that compiles kernels: same input, same objects, and ccache
# serves every tree and configuration.
build_env() {
	export CCACHE_DIR=$CACHE/ccache CCACHE_BASEDIR=$CACHE CCACHE_NOHASHDIR=1
	# the kernel has the compiler name what it reads: no second preprocessor run
	export CCACHE_DEPEND=1
	export CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G} CCACHE_COMPRESS=1
	export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026'
	export KBUILD_BUILD_USER=fsdev KBUILD_BUILD_HOST=localhost KBUILD_BUILD_VERSION=1
	export LOCALVERSION=
	unset KBUILD_OUTPUT MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES
}
