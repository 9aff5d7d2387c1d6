// SPDX-License-Identifier: GPL-2.0
/*
 * daxtest_instead - a function of the kernel that fails, or takes its time
 *
 * The function in the parameter "function" is not called any more, but for the
 * first "after" times: each call returns "result", and waits before that for as
 * long as "wait" is set. The function has to return a number.
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

static int calls;
module_param(calls, int, 0400);
MODULE_PARM_DESC(calls, "how many calls were not left alone");

static atomic_t seen, inside;

/* Runs with the arguments of the function, and in its context. */
static noinline long instead(void)
{
	while (READ_ONCE(wait))
		msleep(20);
	atomic_dec(&inside);
	return result;
}

static int instead_entry(struct kprobe *p, struct pt_regs *regs)
{
	if (atomic_inc_return(&seen) <= after)
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

static struct kprobe probe = {
	.pre_handler	= instead_entry,
	.post_handler	= instead_after,
};

static int __init instead_init(void)
{
	if (!function)
		return -EINVAL;
	probe.symbol_name = function;
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
