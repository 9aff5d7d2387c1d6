// SPDX-License-Identifier: GPL-2.0
/*
 * Famfs mode: a filesystem owns a character dax device.
 *
 * The memory gets pages which fs-dax can build folios of, and dax operations.
 * A filesystem claims the device with fs_dax_get() and maps its files straight
 * onto the memory. /dev/daxX.Y is the name to mount. Until a filesystem claims
 * the device, tools that look for a superblock can read it.
 *
 * This driver owns the memory from probe to unbind. Unbinding is never refused
 * because a filesystem has the device; kill_dax() takes the device away from the
 * filesystem, and memunmap_pages() takes the pages out of its files.
 */
#include <linux/dax.h>
#include <linux/io.h>
#include <linux/memory-failure.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>
#include "bus.h"
#include "dax-private.h"

/*
 * Return: how many pages from @pgoff on are contiguous, at most @nr_pages;
 * %-ERANGE if @pgoff is outside the device.
 */
static long fsdev_translate(struct dev_dax *dev_dax, pgoff_t pgoff,
			    unsigned long nr_pages, void **kaddr,
			    unsigned long *pfn)
{
	phys_addr_t phys = dax_pgoff_to_phys(dev_dax, pgoff, &nr_pages);

	if (phys == PHYS_ADDR_MAX) {
		dev_dbg(&dev_dax->dev, "page %#lx is outside the device\n",
			pgoff);
		return -ERANGE;
	}

	if (kaddr)
		*kaddr = __va(phys);
	if (pfn)
		*pfn = PHYS_PFN(phys);
	return nr_pages;
}

/*
 * Return: how many of @nr_pages are as good or bad as the first; %-EHWPOISON if
 * the first page is bad and @mode does not allow bad pages.
 */
static noinline long fsdev_good_pages(struct dev_dax *dev_dax, pgoff_t pgoff,
				      long nr_pages, enum dax_access_mode mode)
{
	bool bad;
	long nr = dax_poison_span(dev_dax, pgoff, nr_pages, &bad);

	return bad && mode != DAX_RECOVERY_WRITE ? -EHWPOISON : nr;
}

static long fsdev_direct_access(struct dax_device *dax_dev, pgoff_t pgoff,
				long nr_pages, enum dax_access_mode mode,
				void **kaddr, unsigned long *pfn)
{
	struct dev_dax *dev_dax = dax_dev->private;
	long nr;

	nr = fsdev_translate(dev_dax, pgoff, nr_pages, kaddr, pfn);
	if (nr < 0 || likely(!dax_poison_any(dev_dax)))
		return nr;
	return fsdev_good_pages(dev_dax, pgoff, nr, mode);
}

static int fsdev_zero_page_range(struct dax_device *dax_dev, pgoff_t pgoff,
				 size_t nr_pages)
{
	struct dev_dax *dev_dax = dax_dev->private;

	while (nr_pages) {
		void *kaddr;
		long nr;

		nr = fsdev_translate(dev_dax, pgoff, nr_pages, &kaddr, NULL);
		if (nr < 0)
			return nr;
		nr = dax_poison_zero(dev_dax, pgoff, kaddr, nr);
		if (nr < 0)
			return nr;
		pgoff += nr;
		nr_pages -= nr;
	}
	return 0;
}

static size_t fsdev_recovery_write(struct dax_device *dax_dev, pgoff_t pgoff,
				   void *addr, size_t bytes,
				   struct iov_iter *iter)
{
	struct dev_dax *dev_dax = dax_dev->private;
	long nr = PHYS_PFN(bytes);
	size_t done;

	if (!PAGE_ALIGNED(addr) || !nr) {
		dev_dbg(&dev_dax->dev,
			"page %#lx: only whole pages can be recovered\n", pgoff);
		return 0;
	}

	nr = dax_poison_touch(dev_dax, pgoff, addr, nr);
	if (nr < 0)
		return 0;
	done = _copy_from_iter_flushcache(addr, PFN_PHYS(nr), iter);
	nr = dax_poison_heal(dev_dax, pgoff, addr, PHYS_PFN(done));
	iov_iter_revert(iter, done - PFN_PHYS(nr));
	return PFN_PHYS(nr);
}

static const struct dax_operations fsdev_dax_ops = {
	.direct_access = fsdev_direct_access,
	.zero_page_range = fsdev_zero_page_range,
	.recovery_write = fsdev_recovery_write,
};

/* Record the error first, so that nothing maps the page again. */
static int fsdev_memory_failure(struct dev_pagemap *pgmap, unsigned long pfn,
				unsigned long nr_pages, int mf_flags)
{
	struct dev_dax *dev_dax = pgmap->owner;
	u64 offset;
	int rc;

	rc = dax_poison_failure(dev_dax, pfn, nr_pages, mf_flags, &offset);
	if (rc)
		return min(rc, 0);
	return mf_dax_failure(dev_dax->dax_dev, offset, pfn, nr_pages,
			      mf_flags);
}

static const struct dev_pagemap_ops fsdev_pagemap_ops = {
	.memory_failure = fsdev_memory_failure,
};

/* An open file pins this module, and not the device. */
static int fsdev_open(struct inode *inode, struct file *filp)
{
	return 0;
}

static const struct file_operations fsdev_fops;

/* Within a page, while nobody has claimed the device. */
static int fsdev_read_page(struct dax_device *dax_dev, loff_t pos, void *to,
			   size_t len)
{
	unsigned long left;
	void *kaddr;
	long nr;

	guard(dax_dev_read)(dax_dev);
	if (!dax_alive_as(dax_dev, &fsdev_fops))
		return -ENXIO;
	if (dax_holder(dax_dev))
		return -EBUSY;
	nr = dax_direct_access(dax_dev, PHYS_PFN(pos), 1, DAX_ACCESS, &kaddr,
			       NULL);
	if (nr == -EHWPOISON)
		return -EIO;
	if (nr < 0)
		return nr;
	kaddr += offset_in_page(pos);
	left = copy_mc_to_kernel(to, kaddr, len);
	if (!left)
		return 0;
	/* nobody else may have noticed the error */
	memory_failure_queue(PHYS_PFN(virt_to_phys(kaddr + len - left)), 0);
	return -EIO;
}

/*
 * The data goes through a kernel buffer: a page fault of the user's buffer may
 * take for ever, and unbinding waits for readers of the device.
 */
static ssize_t fsdev_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct dev_dax *dev_dax = iocb->ki_filp->private_data;
	struct dax_device *dax_dev = dev_dax->dax_dev;
	loff_t size = dax_dev_size(dax_dev);
	size_t done = 0;
	int rc = size ? 0 : -ENXIO;

	void *page __free(free_page) = (void *)__get_free_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;

	while (!rc && iov_iter_count(to) && iocb->ki_pos < size) {
		size_t copied, len = min3(PAGE_SIZE - offset_in_page(iocb->ki_pos),
					  iov_iter_count(to),
					  (size_t)(size - iocb->ki_pos));

		rc = fatal_signal_pending(current) ? -EINTR :
		     fsdev_read_page(dax_dev, iocb->ki_pos, page, len);
		if (rc)
			break;
		copied = copy_to_iter(page, len, to);
		if (copied < len)
			rc = -EFAULT;
		iocb->ki_pos += copied;
		done += copied;
		cond_resched();
	}
	return done ?: rc;
}

static loff_t fsdev_llseek(struct file *filp, loff_t offset, int whence)
{
	struct dev_dax *dev_dax = filp->private_data;

	return fixed_size_llseek(filp, offset, whence,
				 dax_dev_size(dev_dax->dax_dev));
}

static const struct file_operations fsdev_fops = {
	.owner = THIS_MODULE,
	.open = fsdev_open,
	.llseek = fsdev_llseek,
	.read_iter = fsdev_read_iter,
};

static void fsdev_stop(void *data)
{
	struct dev_dax *dev_dax = data;

	kill_dax(dev_dax->dax_dev);
}

static void fsdev_drop_ops(void *dax_dev)
{
	dax_set_ops(dax_dev, NULL);
}

static int fsdev_probe(struct dev_dax *dev_dax)
{
	struct dax_device *dax_dev = dev_dax->dax_dev;
	struct device *dev = &dev_dax->dev;
	int rc;

	/* an old claim must never reach the data of a new one */
	if (dax_claim_outstanding(dax_dev)) {
		dev_warn(dev, "a filesystem that lost the device is still mounted, unmount it first\n");
		return -EBUSY;
	}
	if (!dax_synchronous(dax_dev)) {
		dev_warn(dev, "writes are only safe after a command to the host of the memory, which fsync(2) would not send: use devdax mode\n");
		return -EOPNOTSUPP;
	}

	rc = devm_dax_map_pages(dev_dax, MEMORY_DEVICE_FS_DAX, 0,
				&fsdev_pagemap_ops);
	if (rc)
		return rc;
	dax_poison_bind(dev_dax);

	rc = dax_set_ops(dax_dev, &fsdev_dax_ops);
	if (rc) {
		dev_warn(dev, "cannot set dax operations: %d\n", rc);
		return rc;
	}
	rc = devm_add_action_or_reset(dev, fsdev_drop_ops, dax_dev);
	if (rc)
		return rc;

	run_dax(dax_dev, &fsdev_fops);
	return devm_add_action_or_reset(dev, fsdev_stop, dev_dax);
}

static struct dax_device_driver fsdev_dax_driver = {
	.probe = fsdev_probe,
	.type = DAXDRV_FSDEV_TYPE,
};

static int __init fsdev_init(void)
{
	return dax_driver_register(&fsdev_dax_driver);
}

static void __exit fsdev_exit(void)
{
	dax_driver_unregister(&fsdev_dax_driver);
}

MODULE_DESCRIPTION("Famfs mode: character dax devices owned by a filesystem");
MODULE_LICENSE("GPL");
module_init(fsdev_init);
module_exit(fsdev_exit);
MODULE_ALIAS_DAX_DEVICE(0);
