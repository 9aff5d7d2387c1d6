# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Machine checks, and what the kernel does about them. To be sourced after lib.sh
# and trace.bash.

MCE_INJECT=/sys/kernel/debug/mce-inject

can_check_machine() {
	grep -q GenuineIntel /proc/cpuinfo || skip "injects Intel's only"
	modprobe -q mce-inject && [ -d $MCE_INJECT ] || skip "no mce-inject"
}

# for_all_cpus 0|1: offline or online, but the first
for_all_cpus() {
	local cpu
	for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do
		[ "$(<"$cpu")" = "$1" ] || echo "$1" >"$cpu"
	done
}

# trace_machine_checks [EVENT]...: see trace_start
trace_machine_checks() {
	# which a kernel without the series has not
	! grep -qw memory_failure_hide /proc/kallsyms ||
		# shellcheck disable=SC2016
		set -- 'done memory_failure_hide pfn=$arg1' "$@"
	# shellcheck disable=SC2016
	trace_start signal/signal_generate 'out set_mce_nospec pfn=$arg1' \
		'in clear_mce_nospec pfn=$arg1' "$@"
	trap 'trace_stop; for_all_cpus 1' EXIT
}

# hidden_and_told: in which order, by what was traced
hidden_and_told() {
	sed -n 's/.* out: .*/out/p; s/.* signal_generate: sig=7 .*/signal/p' \
		$TRACE/trace | paste -sd ' '
}

# check_machine PFN: on the first processor, which has taken the machine check on
# return: asked by another one it would do so later, by what is written here then.
check_machine() {
	echo 0 >$MCE_INJECT/cpu
	echo $(($1 * 4096)) >$MCE_INJECT/addr
	echo 0x8c >$MCE_INJECT/misc		# a physical address, of a page
	echo 0xbd000000000000c0 >$MCE_INJECT/status # uncorrected, by scrubbing
	taskset -c 0 sh -c "echo 1 >$MCE_INJECT/bank"
}

# found_bad PFN: a machine check says that it found this page bad by itself
# ("action optional"). Only where injection is to one processor.
found_bad() {
	for_all_cpus 0
	echo hw >$MCE_INJECT/flags
	check_machine "$1"
}

# scrubbed PFN: found_bad, and returns when somebody was told, and that is after
# the page has left the direct map.
scrubbed() {
	found_bad "$1"
	retry is 'out signal*' hidden_and_told
	is "pfn=$1" traced out
	for_all_cpus 1
}

# hidden_once: the handler of the machine check is through with it, and has left
# the page alone after the heal
hidden_once() {
	retry is 1 times 'done'
	is 1 times out
}
