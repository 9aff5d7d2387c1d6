// SPDX-License-Identifier: GPL-2.0
/*
 * The record of memory errors of a character dax device.
 *
 * It belongs to the device, not to its driver or holder: what was found in one
 * mode is known in the next. It is kept by offset into the device, in sectors
 * of 512 bytes as for block devices, but always covers whole pages.
 */
#include <kunit/visibility.h>
#include <linux/badblocks.h>
#include <linux/blkdev.h>
#include <linux/cleanup.h>
#include <linux/dax.h>
#include <linux/libnvdimm.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/set_memory.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>
#include "dax-private.h"

static sector_t dax_sectors(unsigned long nr_pages)
{
	return (sector_t)nr_pages << PAGE_SECTORS_SHIFT;
}

static ssize_t badblocks_attr_show(struct device *dev,
				   struct device_attribute *attr, char *buf)
{
	return badblocks_show(&to_dev_dax(dev)->bb, buf, 0);
}

struct device_attribute dev_attr_badblocks =
	__ATTR(badblocks, 0444, badblocks_attr_show, NULL);

/* Return: 0 or %-ENOMEM. */
int dax_poison_init(struct dev_dax *dev_dax)
{
	return badblocks_init(&dev_dax->bb, 1);
}
EXPORT_SYMBOL_IF_KUNIT(dax_poison_init);

void dax_poison_exit(struct dev_dax *dev_dax)
{
	badblocks_exit(&dev_dax->bb);
}
EXPORT_SYMBOL_IF_KUNIT(dax_poison_exit);

/* The device is in sysfs now: find whom to tell of changes. */
void dax_poison_show(struct dev_dax *dev_dax)
{
	dev_dax->bb_state = sysfs_get_dirent(dev_dax->dev.kobj.sd, "badblocks");
	if (!dev_dax->bb_state)
		dev_warn(&dev_dax->dev, "'badblocks' notification disabled\n");
}

/* The device is gone from sysfs, and has no driver. */
void dax_poison_hide(struct dev_dax *dev_dax)
{
	sysfs_put(dev_dax->bb_state);
	dev_dax->bb_state = NULL;
}

/**
 * dax_poison_changed() - tell those who poll the record
 * @dev_dax: device whose badblocks are not what they were
 */
void dax_poison_changed(struct dev_dax *dev_dax)
{
	if (dev_dax->bb_state)
		sysfs_notify_dirent(dev_dax->bb_state);
}
EXPORT_SYMBOL_GPL(dax_poison_changed);

/**
 * dax_poison_add() - record a memory error
 * @dev_dax: device that a driver is bound to
 * @pfn: first bad page frame
 * @nr_pages: how many
 * @offset: set to where that is, in bytes from the start of the device
 *
 * Context: process context.
 * Return: 0, or %-ENXIO if @pfn is not in the device.
 */
int dax_poison_add(struct dev_dax *dev_dax, unsigned long pfn,
		   unsigned long nr_pages, u64 *offset)
{
	if (!dax_phys_to_offset(dev_dax, PFN_PHYS(pfn), offset))
		return -ENXIO;

	if (!badblocks_set(&dev_dax->bb, *offset >> SECTOR_SHIFT,
			   dax_sectors(nr_pages), 1))
		dev_err(&dev_dax->dev,
			"too many memory errors to record that at %#llx\n",
			*offset);
	dax_set_failed(dev_dax->dax_dev);
	dax_poison_changed(dev_dax);
	return 0;
}
EXPORT_SYMBOL_GPL(dax_poison_add);

/**
 * dax_poison_span() - divide a range by what the record says of it
 * @dev_dax: the device
 * @pgoff: first page, from the start of the device
 * @nr_pages: how many pages, at least one
 * @bad: set to whether the first page is bad
 *
 * Return: how many pages from @pgoff on are like the first, at most @nr_pages.
 */
long dax_poison_span(struct dev_dax *dev_dax, pgoff_t pgoff, long nr_pages,
		     bool *bad)
{
	sector_t sector = dax_sectors(pgoff), first, len;
	long nr;

	*bad = false;
	if (likely(!READ_ONCE(dev_dax->bb.count)))
		return nr_pages;

	/* badblocks_check() counts sectors in an int */
	nr_pages = min(nr_pages, INT_MAX >> PAGE_SECTORS_SHIFT);
	if (!badblocks_check(&dev_dax->bb, sector, dax_sectors(nr_pages),
			     &first, &len))
		return nr_pages;

	/* a part of a page makes all of it bad */
	*bad = first >> PAGE_SECTORS_SHIFT <= pgoff;
	if (*bad)
		nr = DIV_ROUND_UP(first + len, PAGE_SECTORS) - pgoff;
	else
		nr = (first >> PAGE_SECTORS_SHIFT) - pgoff;
	return min(nr, nr_pages);
}
EXPORT_SYMBOL_GPL(dax_poison_span);

#ifdef CONFIG_MEMORY_FAILURE
static bool dax_poison_has(struct dev_dax *dev_dax, struct page *page)
{
	u64 offset;
	bool bad;

	if (!dax_phys_to_offset(dev_dax, page_to_phys(page), &offset))
		return false;
	dax_poison_span(dev_dax, PHYS_PFN(offset), 1, &bad);
	return bad;
}

/**
 * dax_poison_mark() - flag a page that is in the record
 * @dev_dax: the device
 * @page: the page
 *
 * Who looks for processes may know the folio only, and have flagged the first
 * page for the one that is bad.
 */
void dax_poison_mark(struct dev_dax *dev_dax, struct page *page)
{
	struct page *head = compound_head(page);

	SetPageHWPoison(page);
	if (!dax_poison_has(dev_dax, head))
		ClearPageHWPoison(head);
}
#else
void dax_poison_mark(struct dev_dax *dev_dax, struct page *page)
{
}
#endif
EXPORT_SYMBOL_GPL(dax_poison_mark);

/* Undo what memory_failure() and the machine check handler did to a page. */
static void dax_poison_unmark(unsigned long pfn)
{
#ifdef CONFIG_MEMORY_FAILURE
	ClearPageHWPoison(pfn_to_page(pfn));
#endif
	/* mapped or not: the flag above does not tell */
	clear_mce_nospec(pfn);
}

/**
 * dax_poison_touch() - make bad pages accessible for a write that may heal them
 * @addr: address of the first page in the direct map
 * @nr_pages: how many pages
 *
 * They stay in the record, and out of reach for everybody else.
 */
void dax_poison_touch(void *addr, long nr_pages)
{
	unsigned long pfn = PHYS_PFN(__pa(addr));

	for (long i = 0; i < nr_pages; i++)
		dax_poison_unmark(pfn + i);
}
EXPORT_SYMBOL_GPL(dax_poison_touch);

/**
 * dax_poison_heal() - forget the errors of pages that were written
 * @dev_dax: the device
 * @pgoff: first page, from the start of the device
 * @addr: address of that page in the direct map
 * @nr_pages: how many pages
 *
 * Only pages that can be read back leave the record.
 *
 * Context: process context, may sleep.
 * Return: how many pages from @pgoff on are good.
 */
long dax_poison_heal(struct dev_dax *dev_dax, pgoff_t pgoff, void *addr,
		     long nr_pages)
{
	void *buf __free(kfree) = kmalloc(PAGE_SIZE, GFP_KERNEL);
	long nr = 0;

	if (!buf)
		return 0;

	arch_invalidate_pmem(addr, PFN_PHYS(nr_pages));
	while (nr < nr_pages &&
	       !copy_mc_to_kernel(buf, addr + PFN_PHYS(nr), PAGE_SIZE))
		nr++;

	if (nr) {
		badblocks_clear(&dev_dax->bb, dax_sectors(pgoff),
				dax_sectors(nr));
		dax_poison_changed(dev_dax);
	}
	if (nr < nr_pages) {
		dev_err(&dev_dax->dev, "page %#lx is bad still after a write\n",
			pgoff + nr);
		for (long i = nr; i < nr_pages; i++)
			dax_poison_mark(dev_dax, virt_to_page(addr) + i);
	}
	return nr;
}
EXPORT_SYMBOL_GPL(dax_poison_heal);

/* The mark on a page is all there is about it, and goes when it goes offline. */
static int dax_poison_going_offline(struct notifier_block *nb,
				    unsigned long action, void *arg)
{
	struct dev_dax *dev_dax = container_of(nb, struct dev_dax, ram_nb);
	struct memory_notify *mem = arg;
	u64 offset;

	if (action != MEM_GOING_OFFLINE)
		return NOTIFY_OK;

	/* whose page it is turns out when it is recorded, or not */
	for (unsigned long i = 0; i < mem->nr_pages; i++)
		if (PageHWPoison(pfn_to_page(mem->start_pfn + i)))
			dax_poison_add(dev_dax, mem->start_pfn + i, 1, &offset);
	return NOTIFY_OK;
}

static void dax_poison_unwatch_ram(void *data)
{
	struct dev_dax *dev_dax = data;

	unregister_memory_notifier(&dev_dax->ram_nb);
}

/**
 * devm_dax_poison_watch_ram() - record what happens to a device as System RAM
 * @dev_dax: device that a driver probes, to add it to the System RAM
 *
 * Undone when the driver is unbound.
 *
 * Return: 0 or a negative errno.
 */
int devm_dax_poison_watch_ram(struct dev_dax *dev_dax)
{
	int rc;

	dev_dax->ram_nb.notifier_call = dax_poison_going_offline;
	rc = register_memory_notifier(&dev_dax->ram_nb);
	if (rc)
		return rc;
	return devm_add_action_or_reset(&dev_dax->dev, dax_poison_unwatch_ram,
					dev_dax);
}
EXPORT_SYMBOL_GPL(devm_dax_poison_watch_ram);
