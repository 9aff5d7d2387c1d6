// SPDX-License-Identifier: GPL-2.0
/*
 * The record of memory errors of character dax devices.
 *
 * It belongs to the region, by address: what was found in one device is known
 * in the next one that gets the memory, whatever its mode. It is in sectors of
 * 512 bytes as for block devices, but always covers whole pages.
 */
#include <kunit/static_stub.h>
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

/* Where the region has a page of the device; the pages up to where it breaks. */
static sector_t dax_page_sector(struct dev_dax *dev_dax, pgoff_t pgoff,
				long *nr_pages)
{
	const struct dev_dax_range *dax_range = dax_find_range(dev_dax, pgoff);
	u64 offset = dax_range->range.start - dev_dax->region->res.start;

	pgoff -= dax_range->pgoff;
	*nr_pages = min_t(u64, *nr_pages,
			  PHYS_PFN(range_len(&dax_range->range)) - pgoff);
	return PHYS_PFN(offset) * PAGE_SECTORS + dax_sectors(pgoff);
}

static unsigned long dax_sector_pfn(struct dax_region *dax_region,
				    sector_t sector)
{
	return PHYS_PFN(dax_region->res.start) + (sector >> PAGE_SECTORS_SHIFT);
}

/* Room for a line: no half of one may end what is shown. */
#define DAX_BADBLOCKS_LINE	sizeof("18446744073709551615 18446744073709551615\n")

/* The lines of one range, by offset into the device. */
static ssize_t dax_show_badblocks(struct dev_dax *dev_dax,
				  const struct dev_dax_range *dax_range,
				  char *buf, ssize_t at)
{
	const struct range *range = &dax_range->range;
	u64 start = range->start - dev_dax->region->res.start;
	sector_t sector = start >> SECTOR_SHIFT;
	sector_t end = (start + range_len(range)) >> SECTOR_SHIFT;
	sector_t base = sector - dax_sectors(dax_range->pgoff);

	while (sector < end && at + DAX_BADBLOCKS_LINE <= PAGE_SIZE) {
		sector_t nr = min_t(sector_t, end - sector, INT_MAX), bad, len;

		if (!badblocks_check(&dev_dax->region->bb, sector, nr, &bad,
				     &len)) {
			sector += nr;
			continue;
		}
		/* an entry may begin before the range and end behind it */
		nr = min(bad + len, end);
		bad = max(bad, sector);
		sector = nr;
		at += sysfs_emit_at(buf, at, "%llu %llu\n", bad - base,
				    sector - bad);
	}
	return at;
}

static ssize_t badblocks_show_device(struct device *dev,
				     struct device_attribute *attr, char *buf)
{
	struct dev_dax *dev_dax = to_dev_dax(dev);
	ssize_t at = 0;
	int rc;

	ACQUIRE(rwsem_read_intr, sem)(&dax_dev_rwsem);
	rc = ACQUIRE_ERR(rwsem_read_intr, &sem);
	if (rc)
		return rc;

	for (int i = 0; i < dev_dax->nr_range; i++)
		at = dax_show_badblocks(dev_dax, &dev_dax->ranges[i], buf, at);
	return at;
}

struct device_attribute dax_attr_badblocks =
	__ATTR(badblocks, 0444, badblocks_show_device, NULL);

/* Return: 0 or %-ENOMEM. */
int dax_poison_init(struct dax_region *dax_region)
{
	xa_init(&dax_region->bb_more);
	return badblocks_init(&dax_region->bb, 1);
}
EXPORT_SYMBOL_IF_KUNIT(dax_poison_init);

void dax_poison_exit(struct dax_region *dax_region)
{
	xa_destroy(&dax_region->bb_more);
	badblocks_exit(&dax_region->bb);
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

/* Tell those who poll the record. */
static void dax_poison_changed(struct dev_dax *dev_dax)
{
	if (dev_dax->bb_state)
		sysfs_notify_dirent(dev_dax->bb_state);
}

static int dax_poison_reread(struct device *dev, void *data)
{
	struct dev_dax *dev_dax = to_dev_dax(dev);

	if (!is_dev_dax(dev))
		return 0;
	dax_set_failed(dev_dax->dax_dev);
	dax_poison_changed(dev_dax);
	return 0;
}

/**
 * dax_region_poison_changed() - somebody has changed the record of a region
 * @dax_region: region whose parent device is locked and has its driver
 */
void dax_region_poison_changed(struct dax_region *dax_region)
{
	device_for_each_child(dax_region->dev, NULL, dax_poison_reread);
}
EXPORT_SYMBOL_GPL(dax_region_poison_changed);

/* The record is full: what is not in it goes beside it. */
static void dax_poison_overflow(struct dev_dax *dev_dax, unsigned long pfn,
				unsigned long nr_pages)
{
	struct xarray *more = &dev_dax->region->bb_more;

	dev_err_ratelimited(&dev_dax->dev,
			    "more memory errors than badblocks can show\n");
	for (unsigned long i = 0; i < nr_pages; i++)
		if (xa_err(xa_store(more, pfn + i, xa_mk_value(1), GFP_KERNEL)))
			dev_err(&dev_dax->dev, "no memory to remember pfn %#lx\n",
				pfn + i);
}

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
	struct dax_region *dax_region = dev_dax->region;
	sector_t sector;

	if (!dax_phys_to_offset(dev_dax, PFN_PHYS(pfn), offset))
		return -ENXIO;

	sector = (PFN_PHYS(pfn) - dax_region->res.start) >> SECTOR_SHIFT;
	if (!badblocks_set(&dax_region->bb, sector, dax_sectors(nr_pages), 1))
		dax_poison_overflow(dev_dax, pfn, nr_pages);
	dax_set_failed(dev_dax->dax_dev);
	dax_poison_changed(dev_dax);
	return 0;
}
EXPORT_SYMBOL_GPL(dax_poison_add);

/* Like dax_poison_span(), for what the record has no room for. */
static long dax_poison_more(struct dev_dax *dev_dax, unsigned long pfn,
			    long nr_pages, bool *bad)
{
	unsigned long index = pfn;

	if (!xa_find(&dev_dax->region->bb_more, &index, pfn + nr_pages - 1,
		     XA_PRESENT))
		return nr_pages;
	*bad = index == pfn;
	return *bad ? 1 : index - pfn;
}

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
	struct dax_region *dax_region = dev_dax->region;
	sector_t sector, first, len;

	*bad = false;
	if (likely(!dax_poison_any(dev_dax)))
		return nr_pages;

	/* badblocks_check() counts sectors in an int */
	nr_pages = min(nr_pages, INT_MAX >> PAGE_SECTORS_SHIFT);
	sector = dax_page_sector(dev_dax, pgoff, &nr_pages);
	if (badblocks_check(&dax_region->bb, sector, dax_sectors(nr_pages),
			    &first, &len)) {
		/* a part of a page makes all of it bad */
		*bad = first < sector + PAGE_SECTORS;
		if (*bad)
			return min_t(u64, nr_pages,
				     DIV_ROUND_UP(first + len - sector,
						  PAGE_SECTORS));
		nr_pages = (first - sector) >> PAGE_SECTORS_SHIFT;
	}
	if (likely(xa_empty(&dax_region->bb_more)))
		return nr_pages;

	return dax_poison_more(dev_dax, dax_sector_pfn(dax_region, sector),
			       nr_pages, bad);
}
EXPORT_SYMBOL_GPL(dax_poison_span);

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
 * Unless it was healed meanwhile.
 */
void dax_poison_mark(struct dev_dax *dev_dax, struct page *page)
{
	SetPageHWPoison(page);
	/* pairs with dax_poison_forget() */
	smp_mb__after_atomic();
	if (!dax_poison_has(dev_dax, page))
		ClearPageHWPoison(page);
}
EXPORT_SYMBOL_GPL(dax_poison_mark);

/* Undo what memory_failure() and the machine check handler did to a page. */
static void dax_poison_unmark(unsigned long pfn)
{
	ClearPageHWPoison(pfn_to_page(pfn));
	/* mapped or not: the flag above does not tell */
	clear_mce_nospec(pfn);
}

/**
 * dax_poison_touch() - make bad pages accessible for a write that may heal them
 * @dev_dax: the device
 * @pgoff: first page, from the start of the device
 * @addr: address of that page in the direct map
 * @nr_pages: how many pages, in one range
 *
 * They stay in the record, and out of reach for everybody else.
 */
void dax_poison_touch(struct dev_dax *dev_dax, pgoff_t pgoff, void *addr,
		      long nr_pages)
{
	struct dax_region *dax_region = dev_dax->region;
	sector_t sector = dax_page_sector(dev_dax, pgoff, &nr_pages);
	phys_addr_t phys = dax_region->res.start + (sector << SECTOR_SHIFT);
	unsigned long pfn = PHYS_PFN(__pa(addr));

	for (long i = 0; i < nr_pages; i++) {
		if (dax_region->clear_poison)
			dax_region->clear_poison(dax_region, phys + PFN_PHYS(i),
						 PAGE_SIZE);
		dax_poison_unmark(pfn + i);
	}
}
EXPORT_SYMBOL_GPL(dax_poison_touch);

VISIBLE_IF_KUNIT bool dax_poison_readable(void *addr, void *buf);

VISIBLE_IF_KUNIT bool dax_poison_readable(void *addr, void *buf)
{
	KUNIT_STATIC_STUB_REDIRECT(dax_poison_readable, addr, buf);
	return !copy_mc_to_kernel(buf, addr, PAGE_SIZE);
}
EXPORT_SYMBOL_IF_KUNIT(dax_poison_readable);

/* How many pages can be read, @buf has room for one. */
static long dax_poison_read_back(void *addr, long nr_pages, void *buf)
{
	long nr = 0;

	while (nr < nr_pages && dax_poison_readable(addr + PFN_PHYS(nr), buf))
		nr++;
	return nr;
}

/* Return: false if the record is full, and they are in the middle of a run. */
static bool dax_poison_forget(struct dev_dax *dev_dax, sector_t sector,
			      struct page *page, long nr_pages)
{
	struct dax_region *dax_region = dev_dax->region;
	unsigned long pfn = dax_sector_pfn(dax_region, sector);

	if (!badblocks_clear(&dax_region->bb, sector, dax_sectors(nr_pages)))
		return false;
	for (long i = 0; i < nr_pages; i++)
		xa_erase(&dax_region->bb_more, pfn + i);
	/* forget, then clear; dax_poison_mark() flags, then looks */
	smp_mb();
	for (long i = 0; i < nr_pages; i++)
		ClearPageHWPoison(page + i);
	return true;
}

/**
 * dax_poison_heal() - forget the errors of pages that were written
 * @dev_dax: the device
 * @pgoff: first page, from the start of the device
 * @addr: address of that page in the direct map
 * @nr_pages: how many pages, in one range
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
	sector_t sector = dax_page_sector(dev_dax, pgoff, &nr_pages);
	struct page *page = virt_to_page(addr);
	unsigned int failures;
	u64 offset;
	long nr;

	/* invalidating drops what was not written back */
	arch_wb_cache_pmem(addr, PFN_PHYS(nr_pages));
	arch_invalidate_pmem(addr, PFN_PHYS(nr_pages));
	for (;;) {
		failures = dax_failures(dev_dax->dax_dev);
		nr = buf ? dax_poison_read_back(addr, nr_pages, buf) : 0;
		if (!nr || !dax_poison_forget(dev_dax, sector, page, nr))
			nr = 0;
		/* pairs with dax_set_failed() */
		smp_mb();
		if (!nr || dax_failures(dev_dax->dax_dev) == failures)
			break;
		/* a new error may be one of these pages: look again */
		dax_poison_add(dev_dax, dax_sector_pfn(dev_dax->region, sector),
			       nr, &offset);
	}

	if (nr)
		dax_poison_changed(dev_dax);
	if (nr < nr_pages)
		dev_err(&dev_dax->dev, "page %#lx is bad still after a write\n",
			pgoff + nr);
	for (long i = nr; i < nr_pages; i++)
		dax_poison_mark(dev_dax, page + i);
	return nr;
}
EXPORT_SYMBOL_GPL(dax_poison_heal);

/* Record the flagged pages of what is both in @range and in these pages. */
static void dax_poison_read_flags(struct dev_dax *dev_dax,
				  const struct range *range, unsigned long pfn,
				  unsigned long nr_pages)
{
	unsigned long end = min(PHYS_PFN(range->end) + 1, pfn + nr_pages);
	u64 offset;

	for (pfn = max(PHYS_PFN(range->start), pfn); pfn < end; pfn++)
		if (PageHWPoison(pfn_to_page(pfn)))
			dax_poison_add(dev_dax, pfn, 1, &offset);
}

/* The mark on a page is all there is about it, and goes with the struct page. */
static int dax_poison_offline(struct notifier_block *nb, unsigned long action,
			      void *arg)
{
	struct dev_dax *dev_dax = container_of(nb, struct dev_dax, ram_nb);
	struct memory_notify *mem = arg;

	if (action != MEM_OFFLINE)
		return NOTIFY_OK;

	for (int i = 0; i < dev_dax->nr_range; i++)
		dax_poison_read_flags(dev_dax, &dev_dax->ranges[i].range,
				      mem->start_pfn, mem->nr_pages);
	return NOTIFY_OK;
}

static void dax_poison_unwatch_ram(void *data)
{
	struct dev_dax *dev_dax = data;

	unregister_memory_notifier(&dev_dax->ram_nb);
}

static bool dax_poison_known(struct dev_dax *dev_dax)
{
	for (int i = 0; i < dev_dax->nr_range; i++) {
		const struct dev_dax_range *dax_range = &dev_dax->ranges[i];
		long nr_pages = PHYS_PFN(range_len(&dax_range->range));
		bool bad;

		if (dax_poison_span(dev_dax, dax_range->pgoff, nr_pages,
				    &bad) < nr_pages || bad)
			return true;
	}
	return false;
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

	if (dax_poison_known(dev_dax))
		dev_warn(&dev_dax->dev,
			 "becomes System RAM with known memory errors, see its 'badblocks'\n");

	dev_dax->ram_nb.notifier_call = dax_poison_offline;
	rc = register_memory_notifier(&dev_dax->ram_nb);
	if (rc)
		return rc;
	return devm_add_action_or_reset(&dev_dax->dev, dax_poison_unwatch_ram,
					dev_dax);
}
EXPORT_SYMBOL_GPL(devm_dax_poison_watch_ram);
