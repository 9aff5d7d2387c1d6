// SPDX-License-Identifier: GPL-2.0
/*
 * daxtest_badread - a page that turns out to be bad when the kernel reads it
 *
 * The copies that survive a machine check do not get further than the page with
 * the number in the parameter "pfn". There is no real error, so all other reads
 * of the page work.
 */
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>

static unsigned long pfn;
module_param(pfn, ulong, 0400);
MODULE_PARM_DESC(pfn, "page that cannot be read");

static unsigned int tries;
module_param(tries, uint, 0400);
MODULE_PARM_DESC(tries, "how often that was tried");

/* Note how much a copy from the page leaves undone; skip all other copies */
static int bad_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned long src = regs_get_kernel_argument(regs, 1);
	unsigned long len = regs_get_kernel_argument(regs, 2);
	unsigned long page = (unsigned long)page_address(pfn_to_page(pfn));
	unsigned long *left = (unsigned long *)ri->data;

	if (src >= page + PAGE_SIZE || src + len <= page)
		return 1;
	WRITE_ONCE(tries, tries + 1);
	*left = src >= page ? len : src + len - page;
	return 0;
}
NOKPROBE_SYMBOL(bad_entry);

static int bad_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	regs_set_return_value(regs, *(unsigned long *)ri->data);
	return 0;
}
NOKPROBE_SYMBOL(bad_return);

static struct kretprobe to_kernel = {
	.kp.symbol_name	= "copy_mc_to_kernel",
	.entry_handler	= bad_entry,
	.handler	= bad_return,
	.data_size	= sizeof(unsigned long),
};

static struct kretprobe to_user = {
	.kp.symbol_name	= "copy_mc_to_user",
	.entry_handler	= bad_entry,
	.handler	= bad_return,
	.data_size	= sizeof(unsigned long),
};

static struct kretprobe *probes[] = { &to_kernel, &to_user };

static int __init badread_init(void)
{
	if (!pfn_valid(pfn))
		return -EINVAL;
	return register_kretprobes(probes, ARRAY_SIZE(probes));
}
module_init(badread_init);

static void __exit badread_exit(void)
{
	unregister_kretprobes(probes, ARRAY_SIZE(probes));
}
module_exit(badread_exit);

MODULE_DESCRIPTION("A page of memory that copies cannot read");
MODULE_LICENSE("GPL");
