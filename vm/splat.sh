#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Looks through a guest's console log for what a healthy kernel does not print:
# warnings, oopses, reports of the run-time checkers. Prints what it finds and
# fails if that is anything.
#
# usage: vm/splat.sh LOG

. "$(dirname "$0")/../scripts/lib.sh"

log=${1:-}
[ -f "$log" ] || die "no console log ${log:-given}" "usage: $0 LOG"
grep -q 'Linux version' "$log" || die "$log is not the log of a kernel that booted"

patterns='WARNING:|BUG:|\bBUG at |Oops|Kernel panic|kernel NULL pointer|general protection|KASAN|KCSAN:|KFENCE'
patterns+='|UBSAN|possible circular locking|possible recursive locking|inconsistent lock state'
patterns+='|suspicious RCU|held lock freed|bad unlock balance|lock held when returning'
patterns+='|possible irq lock inversion|HARDIRQ-safe|SOFTIRQ-safe|Invalid wait context|DEBUG_LOCKS_WARN'
patterns+='|hung task|blocked for more than|soft lockup|hard LOCKUP|rcu: .*(detected stalls|self-detected stall)|rcu: .*kthread.*starved'
patterns+='|unreferenced object|refcount_t:|list_(add|del) corruption'
patterns+='|Bad page state|Bad rss-counter|bad page map|ODEBUG:|sleeping function called'
patterns+='|scheduling while atomic|invalid opcode|double fault|Unable to handle|Call Trace'
patterns+='|workqueue: .* hogged|BUG kmalloc|Object .* corrupt|Slab corruption'
# what the checkers say of themselves at boot
self='ommand line: |kasan: KernelAddressSanitizer initialized|kcsan: (enabled|strict|selftest)|KASAN_|ODEBUG: (selftest|[0-9]+ of)'

scratch
tr -d '\r' <"$log" | grep -nE "$patterns" | grep -vE "$self" >"$SCRATCH/found" || :
[ -s "$SCRATCH/found" ] || exit 0

n=$(wc -l <"$SCRATCH/found")
echo "the kernel complained ($n lines; the whole log: $log):"
first=$(head -n 1 "$SCRATCH/found" | cut -d: -f1)
head -n 20 "$SCRATCH/found"
echo "the first of them, with what follows:"
tr -d '\r' <"$log" | tail -n +"$first" | head -n 60
exit 1
