# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Trace the kernel during a test: the functions that it calls, and their
# arguments. To be sourced after lib.sh.

TRACEFS=/sys/kernel/tracing
TRACE=$TRACEFS/instances/daxtest

# trace_start EVENT...: from now on. An event is one that the kernel has, by
# its path, or "NAME FUNCTION [ARGUMENT]...", see Documentation/trace/kprobetrace
trace_start() {
	local event

	[ -d $TRACEFS/events ] || mount -t tracefs tracefs $TRACEFS || :
	[ -e $TRACEFS/kprobe_events ] || skip "no events of kernel functions"
	trace_stop
	trap trace_stop EXIT
	mkdir $TRACE
	for event; do
		case $event in
		*' '*)
			echo "p:daxtest/$event" >>$TRACEFS/kprobe_events
			event=daxtest/${event%% *}
			;;
		esac
		echo 1 >"$TRACE/events/$event/enable"
	done
}

# trace_again: forget what was seen
trace_again() { echo >$TRACE/trace; }

trace_stop() {
	[ ! -d $TRACE ] || rmdir $TRACE
	! grep -q daxtest/ $TRACEFS/kprobe_events ||
		echo '-:daxtest/' >>$TRACEFS/kprobe_events
}

# traced NAME: its arguments, of all times in a line
traced() { sed -n "s/^.* $1: ([^)]*) *//p" $TRACE/trace | paste -sd ' '; }

# times NAME: how often
times() { grep -ac " $1: " $TRACE/trace || :; }

# bytes_flushed: by events "flush" that say so, in pieces of any size
bytes_flushed() {
	traced flush | tr ' ' '\n' | awk -F= '{ n += $2 } END { print n + 0 }'
}
