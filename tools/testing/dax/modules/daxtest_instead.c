// SPDX-License-Identifier: GPL-2.0
/*
 * daxtest_instead - a function of the kernel that fails, or takes its time
 *
 * The function in the parameter "function" is not called any more, but for the
 * first "after" times: each call returns "result", and waits before that for as
 * long as "wait" is set. The function has to return a number. If "late" is set, the
 * function is called when the wait is over, and can be any that has its arguments
 * in registers; it must not call itself, and runs once.
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

static char *function;
module_param(function, charp, 0400);
MODULE_PARM_DESC(function, "name of the function");

static int result;
module_param(result, int, 0400);
MODULE_PARM_DESC(result, "what the function returns");

static int after;
module_param(after, int, 0400);
MODULE_PARM_DESC(after, "how many calls are left alone");

static bool wait;
module_param(wait, bool, 0600);
MODULE_PARM_DESC(wait, "whether calls wait");

static bool late;
module_param(late, bool, 0400);
MODULE_PARM_DESC(late, "whether the function is called after the wait");

static int calls;
module_param(calls, int, 0400);
MODULE_PARM_DESC(calls, "how many calls were not left alone");

static atomic_t seen, inside;

static struct kprobe probe;

typedef long (*any_function)(unsigned long a, unsigned long b, unsigned long c,
			     unsigned long d, unsigned long e, unsigned long f);

/* Runs with the arguments of the function, and in its context. */
static noinline long instead(unsigned long a, unsigned long b, unsigned long c,
			     unsigned long d, unsigned long e, unsigned long f)
{
	long rc = result;

	while (READ_ONCE(wait))
		msleep(20);
	if (late)
		rc = ((any_function)probe.addr)(a, b, c, d, e, f);
	atomic_dec(&inside);
	return rc;
}

static int instead_entry(struct kprobe *p, struct pt_regs *regs)
{
	if (atomic_inc_return(&seen) <= after || (late && calls))
		return 0;
	atomic_inc(&inside);
	WRITE_ONCE(calls, calls + 1);
	instruction_pointer_set(regs, (unsigned long)instead);
	return 1;
}
NOKPROBE_SYMBOL(instead_entry);

/* Without one the probe may become a jump, which goes back to the function. */
static void instead_after(struct kprobe *p, struct pt_regs *regs,
			  unsigned long flags)
{
}
NOKPROBE_SYMBOL(instead_after);

static int __init instead_init(void)
{
	if (!function)
		return -EINVAL;
	probe.symbol_name = function;
	probe.pre_handler = instead_entry;
	probe.post_handler = instead_after;
	return register_kprobe(&probe);
}
module_init(instead_init);

static void __exit instead_exit(void)
{
	unregister_kprobe(&probe);
	WRITE_ONCE(wait, false);
	while (atomic_read(&inside))
		msleep(20);
	/* the last one may still be about to return */
	synchronize_rcu_tasks();
}
module_exit(instead_exit);

MODULE_DESCRIPTION("A function that is replaced, for tests");
MODULE_LICENSE("GPL");
