// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Memory errors of character dax devices
 *
 * The record of errors belongs to the region, by address: an error that was
 * found in one device is known in the next one that gets the memory, whatever
 * its mode. The record is in sectors of 512 bytes as for block devices, but
 * always covers whole pages. Errors that do not fit into the record are kept
 * beside it, page by page.
 *
 * Four things say of a page that it is bad: the record, its flag
 * (PageHWPoison()), that it is not in the direct map, and that nobody has it
 * mapped. An error takes these steps in order, and a heal goes back::
 *
 *	error					heal
 *	1. it is in the record			5. it is good, and can be mapped
 *	2. it is counted (dax_count_failure())	   the record forgets it
 *	3. the page is flagged			4. the flag goes
 *	4. it leaves the direct map		3. it can be read back
 *	5. page tables lose it			2. it is written
 *	6. its users get a signal		1. the direct map has it again;
 *						   the medium forgets the error
 *
 * Errors that the medium reports by itself, after a scrub for example, are only
 * recorded at once. A work item takes the other steps, because they
 * may have to wait for users of the page.
 *
 * A fault looks at the count, then at the record, makes the page known as
 * mapped, and looks at the count again, with full barriers in between. Either
 * the fault sees a new count, or the error, which looks for mappings after it
 * has counted, sees the mapping. A flush leaves out the flagged pages that are
 * not in the direct map: a page is flagged before the page leaves the direct
 * map, and has come back when the flag goes.
 *
 * Locking: dax_region::heal_lock is held from dax_poison_touch() to
 * dax_poison_heal(), so that no page is healed by two at once, one of whom
 * fails. An error does not wait for it. dax_region::poison_lock is what both
 * take to change any of 1 to 3; mm/mf_device.c has a lock of its own for the
 * direct map, which the page leaves when those who found it good have done with
 * it. A heal notes its pages in the region, under poison_lock, and an error in
 * one of these pages shortens the heal (heal_good) under the same lock. Hence
 * when a heal ends, under poison_lock, the heal knows of each page whether an
 * error came after the heal began. Such a page stays bad: the record never had
 * the page as good. An error that comes after the end of the heal finds a good
 * page, and takes all steps from the first one on.
 * Between two holders of the lock, and but for pages that are being healed, the
 * record and the flag of a page say the same.
 *
 * Both locks are taken under those of filesystems, and in read sections of the
 * device. heal_lock is outside of poison_lock, and no memory is allocated under
 * either in a way that waits for a filesystem.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/badblocks.h>
#include <linux/blkdev.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/ctype.h>
#include <linux/dax.h>
#include <linux/jiffies.h>
#include <linux/libnvdimm.h>
#include <linux/memory-failure.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pfn.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/set_memory.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include "dax-private.h"
#include "trace.h"

DEFINE_LOCK_GUARD_1(dax_poison, struct dax_region,
		    mutex_lock(&_T->lock->poison_lock);
		    _T->nofs = memalloc_nofs_save(),
		    memalloc_nofs_restore(_T->nofs);
		    mutex_unlock(&_T->lock->poison_lock),
		    unsigned int nofs)

static sector_t dax_sectors(unsigned long nr_pages)
{
	return (sector_t)nr_pages << PAGE_SECTORS_SHIFT;
}

/* The sector of a page in the region; the pages until the range ends. */
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

/* Longest possible line: stop early rather than truncate one. */
#define DAX_BADBLOCKS_LINE	sizeof("18446744073709551615 18446744073709551615\n")

/* Errors that the record has no room for, one line for each page. */
static ssize_t dax_show_more(struct dev_dax *dev_dax,
			     const struct dev_dax_range *dax_range, char *buf,
			     ssize_t at)
{
	unsigned long start = PHYS_PFN(dax_range->range.start), pfn;
	void *entry;

	xa_for_each_range(&dev_dax->region->bb_more, pfn, entry, start,
			  PHYS_PFN(dax_range->range.end)) {
		if (at + DAX_BADBLOCKS_LINE > PAGE_SIZE)
			break;
		at += sysfs_emit_at(buf, at, "%llu %llu\n",
				    dax_sectors(dax_range->pgoff + pfn - start),
				    dax_sectors(1));
	}
	return at;
}

/* The lines of one range, by offset in the device. */
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
		sector_t next, bad, len;

		if (!badblocks_check(&dev_dax->region->bb, sector, end - sector,
				     &bad, &len))
			break;
		/* an entry may begin before the range and end behind it */
		next = min(bad + len, end);
		bad = max(bad, sector);
		sector = next;
		at += sysfs_emit_at(buf, at, "%llu %llu\n", bad - base,
				    sector - bad);
	}
	return dax_show_more(dev_dax, dax_range, buf, at);
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

static ssize_t badblocks_store_device(struct device *dev,
				      struct device_attribute *attr,
				      const char *buf, size_t len);

struct device_attribute dax_attr_badblocks =
	__ATTR(badblocks, 0644, badblocks_show_device, badblocks_store_device);

static void dax_poison_take_found(struct work_struct *work);

/* Return: 0 or %-ENOMEM. */
int dax_poison_init(struct dax_region *dax_region)
{
	mutex_init(&dax_region->heal_lock);
	mutex_init(&dax_region->poison_lock);
	xa_init(&dax_region->bb_more);
	xa_init(&dax_region->bb_found);
	INIT_DELAYED_WORK(&dax_region->found_work, dax_poison_take_found);
	xa_init(&dax_region->bb_stuck);
	return badblocks_init(&dax_region->bb, 1);
}
EXPORT_SYMBOL_IF_KUNIT(dax_poison_init);

void dax_poison_exit(struct dax_region *dax_region)
{
	xa_destroy(&dax_region->bb_stuck);
	xa_destroy(&dax_region->bb_found);
	xa_destroy(&dax_region->bb_more);
	badblocks_exit(&dax_region->bb);
}
EXPORT_SYMBOL_IF_KUNIT(dax_poison_exit);

/* The device is in sysfs now: find the attribute whose pollers are told. */
void dax_poison_attach(struct dev_dax *dev_dax)
{
	dev_dax->bb_state = sysfs_get_dirent(dev_dax->dev.kobj.sd, "badblocks");
	if (!dev_dax->bb_state)
		dev_warn(&dev_dax->dev,
			 "poll(2) of 'badblocks' will not tell of changes: read the attribute from time to time\n");
}

/* The device is gone from sysfs, and has no driver. */
void dax_poison_detach(struct dev_dax *dev_dax)
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
	dax_count_failure(dev_dax->dax_dev);
	dax_poison_changed(dev_dax);
	return 0;
}

/*
 * The record is full: keep the other errors beside it. None may get lost, and
 * only nodes of the tree are allocated.
 */
static void dax_poison_overflow(struct dax_region *dax_region,
				unsigned long pfn, unsigned long nr_pages)
{
	struct xarray *more = &dax_region->bb_more;

	dev_err_ratelimited(dax_region->dev,
			    "the record of memory errors is full, %lu pages from pfn %#lx on are kept one by one: repair pages, or replace the memory\n",
			    nr_pages, pfn);
	for (unsigned long i = 0; i < nr_pages; i++)
		xa_store(more, pfn + i, xa_mk_value(1),
			 GFP_KERNEL | __GFP_NOFAIL);
}

/* The current heal ends before the first page with a new error. */
static void dax_poison_interrupt(struct dax_region *dax_region,
				 unsigned long pfn, unsigned long nr_pages)
{
	unsigned long start = dax_region->heal_pfn;
	unsigned long end = start + dax_region->heal_good;

	if (pfn < end && pfn + nr_pages > start)
		dax_region->heal_good = pfn > start ? pfn - start : 0;
}

/* The one place where a page becomes bad. */
static void dax_poison_record(struct dax_region *dax_region, unsigned long pfn,
			      unsigned long nr_pages)
{
	sector_t sector = (PFN_PHYS(pfn) - dax_region->res.start) >>
			  SECTOR_SHIFT;

	lockdep_assert_held(&dax_region->poison_lock);

	trace_dax_poison(dax_region, pfn, nr_pages, true);
	if (!badblocks_set(&dax_region->bb, sector, dax_sectors(nr_pages), 1))
		dax_poison_overflow(dax_region, pfn, nr_pages);
	dax_poison_interrupt(dax_region, pfn, nr_pages);
}

static bool dax_region_is_bad(struct dax_region *dax_region, unsigned long pfn)
{
	sector_t sector = (PFN_PHYS(pfn) - dax_region->res.start) >>
			  SECTOR_SHIFT;
	sector_t first, len;

	return badblocks_check(&dax_region->bb, sector, PAGE_SECTORS, &first,
			       &len) || xa_load(&dax_region->bb_more, pfn);
}

/**
 * dax_region_poison_add() - record an error that the medium knows of
 * @dax_region: the region
 * @bad: physical addresses; a page is bad if a byte of it is
 *
 * Nobody is told before dax_region_poison_changed().
 *
 * Context: process context, sleeps.
 */
void dax_region_poison_add(struct dax_region *dax_region,
			   const struct range *bad)
{
	unsigned long pfn = PHYS_PFN(bad->start);
	unsigned long end = PHYS_PFN(bad->end) + 1;

	guard(dax_poison)(dax_region);
	/* nobody has pages that are in the record, or somebody takes them away */
	for (unsigned long i = pfn; i < end; i++)
		if (!dax_region_is_bad(dax_region, i))
			xa_store(&dax_region->bb_found, i, xa_mk_value(1),
				 GFP_KERNEL | __GFP_NOFAIL);
	dax_poison_record(dax_region, pfn, end - pfn);
}
EXPORT_SYMBOL_FOR_MODULES(dax_region_poison_add, "dax_pmem,dax_poison_test");

/*
 * After a machine check the platform reports the error, and memory_failure()
 * handles it, at about the same time. So the work item waits for a while, in
 * jiffies.
 */
#define DAX_FOUND_DELAY	HZ

/**
 * dax_region_poison_changed() - errors were added to a region that is in use
 * @dax_region: region whose parent device is locked and has its driver
 *
 * The pages are taken from their users by a work item, DAX_FOUND_DELAY later.
 *
 * Context: process context, sleeps.
 */
void dax_region_poison_changed(struct dax_region *dax_region)
{
	device_for_each_child(dax_region->dev, NULL, dax_poison_reread);
	queue_delayed_work(system_dfl_wq, &dax_region->found_work,
			   DAX_FOUND_DELAY);
}
EXPORT_SYMBOL_FOR_MODULES(dax_region_poison_changed, "dax_pmem");

/**
 * dax_region_poison_stop() - the region goes away
 * @dax_region: region that is not live any more
 *
 * Context: process context, waits for the handling of one page at most.
 */
void dax_region_poison_stop(struct dax_region *dax_region)
{
	cancel_delayed_work_sync(&dax_region->found_work);
}

/*
 * The medium remembers the error for the next user of the memory. A heal asks
 * the medium to forget errors, so both happen under the same lock.
 */
static void dax_poison_note(struct dax_region *dax_region, unsigned long pfn,
			    unsigned long nr_pages)
{
	lockdep_assert_held(&dax_region->poison_lock);

	if (dax_region->note_poison)
		dax_region->note_poison(dax_region, PFN_PHYS(pfn),
					PFN_PHYS(nr_pages));
}

VISIBLE_IF_KUNIT bool dax_poison_has_page(struct dev_dax *dev_dax,
					  unsigned long pfn);

/*
 * Whether the device has struct pages just now. Those of parked memory are not
 * the device's any more, and the handler for parked memory flags them.
 */
VISIBLE_IF_KUNIT bool dax_poison_has_page(struct dev_dax *dev_dax,
					  unsigned long pfn)
{
	struct dev_pagemap *pgmap;
	bool has;

	KUNIT_STATIC_STUB_REDIRECT(dax_poison_has_page, dev_dax, pfn);
	pgmap = get_dev_pagemap(pfn);
	has = pgmap && pgmap->owner == dev_dax;
	put_dev_pagemap(pgmap);
	return has;
}
EXPORT_SYMBOL_IF_KUNIT(dax_poison_has_page);

static void dax_poison_flag(struct dev_dax *dev_dax, unsigned long pfn,
			    unsigned long nr_pages)
{
	for (unsigned long end = pfn + nr_pages; pfn < end; pfn++)
		if (dax_poison_has_page(dev_dax, pfn))
			mf_dev_mark_page(pfn_to_page(pfn));
}

/**
 * dax_poison_add() - record a memory error
 * @dev_dax: device that a driver is bound to
 * @pfn: first bad page frame
 * @nr_pages: how many
 * @offset: set to the offset of @pfn, in bytes from the start of the device
 *
 * Pages that are being healed stay bad.
 *
 * Context: process context, sleeps.
 * Return: 0, or %-ENXIO if @pfn is not in the device.
 */
int dax_poison_add(struct dev_dax *dev_dax, unsigned long pfn,
		   unsigned long nr_pages, u64 *offset)
{
	if (!dax_phys_to_offset(dev_dax, PFN_PHYS(pfn), offset))
		return -ENXIO;

	scoped_guard(dax_poison, dev_dax->region) {
		dax_poison_record(dev_dax->region, pfn, nr_pages);
		dax_count_failure(dev_dax->dax_dev);
		dax_poison_note(dev_dax->region, pfn, nr_pages);
		dax_poison_flag(dev_dax, pfn, nr_pages);
	}
	dax_poison_changed(dev_dax);
	return 0;
}
EXPORT_SYMBOL_GPL(dax_poison_add);

/**
 * dax_poison_failure() - record an error, unless it is in the record
 * @dev_dax: device that a driver is bound to
 * @pfn: first bad page frame
 * @nr_pages: how many
 * @mf_flags: the MF_* flags of memory_failure(); with MF_RECORDED for one page,
 *	which was recorded earlier
 * @offset: set to the offset of @pfn, in bytes from the start of the device
 *
 * Context: process context, sleeps.
 * Return: 0; 1 if the page was recorded, and has been healed or handled since; or
 * %-ENXIO if @pfn is not in the device.
 */
int dax_poison_failure(struct dev_dax *dev_dax, unsigned long pfn,
		       unsigned long nr_pages, int mf_flags, u64 *offset)
{
	unsigned long bad = pfn;

	if (!(mf_flags & MF_RECORDED))
		return dax_poison_add(dev_dax, pfn, nr_pages, offset);
	if (!dax_phys_to_offset(dev_dax, PFN_PHYS(pfn), offset))
		return -ENXIO;

	guard(dax_poison)(dev_dax->region);
	/*
	 * A machine check of the same page may have come first. The flag does
	 * not tell, as pages of a huge folio can share their struct pages.
	 */
	if (!dax_region_is_bad(dev_dax->region, pfn) ||
	    mf_dev_find_bad(&bad, pfn))
		return 1;
	dax_count_failure(dev_dax->dax_dev);
	dax_poison_flag(dev_dax, pfn, nr_pages);
	return 0;
}
EXPORT_SYMBOL_GPL(dax_poison_failure);

static int dax_poison_take_page(struct device *dev, void *data)
{
	unsigned long pfn = *(unsigned long *)data;

	if (!is_dev_dax(dev) || !dax_poison_has_page(to_dev_dax(dev), pfn))
		return 0;
	if (IS_ENABLED(CONFIG_MEMORY_FAILURE))
		memory_failure(pfn, MF_RECORDED);
	return 1;
}

/*
 * A page that has become System RAM is taken out of use as after a machine
 * check. The memory may go offline meanwhile, so the struct page is left to
 * memory_failure(). A page that has failed by itself is not among those found,
 * see dax_poison_watch_page().
 */
static void dax_poison_take_ram(unsigned long pfn)
{
	if (!memory_failure(pfn, MF_RECORDED))
		memory_failure_hide(pfn);
}

/*
 * Errors of pages that went online just then. Other drivers than kmem ask when
 * they have their pages.
 */
static void dax_poison_find_left(struct dax_region *dax_region)
{
	unsigned long last = PHYS_PFN(dax_region->res.end);
	unsigned long pfn = PHYS_PFN(dax_region->res.start);
	bool found = false;

	memory_failure_wait();
	while (READ_ONCE(dax_region->live) && mf_dev_take_left(&pfn, last)) {
		guard(dax_poison)(dax_region);
		xa_store(&dax_region->bb_found, pfn, xa_mk_value(1),
			 GFP_KERNEL | __GFP_NOFAIL);
		dax_poison_record(dax_region, pfn, 1);
		dax_poison_note(dax_region, pfn, 1);
		found = true;
	}
	if (found)
		device_for_each_child(dax_region->dev, NULL, dax_poison_reread);
}

/*
 * Those who use a page have to do without, as after a machine check. They may
 * take their time, so this is done without a lock on any device.
 */
static void dax_poison_take_found(struct work_struct *work)
{
	struct dax_region *dax_region = container_of(work, struct dax_region,
						     found_work.work);
	unsigned long pfn;
	void *entry;

	dax_poison_find_left(dax_region);
	xa_for_each(&dax_region->bb_found, pfn, entry) {
		if (!READ_ONCE(dax_region->live))
			break;
		/* first, as the page may be found again */
		xa_erase(&dax_region->bb_found, pfn);
		if (IS_ENABLED(CONFIG_MEMORY_FAILURE) && pfn_to_online_page(pfn))
			dax_poison_take_ram(pfn);
		else
			device_for_each_child(dax_region->dev, &pfn,
					      dax_poison_take_page);
		cond_resched();
	}
}

/* Like dax_poison_span(), for errors that the record has no room for. */
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

/*
 * Limit on failed heals, as each costs a machine check or a call of the
 * firmware: count, and time.
 */
#define DAX_HEAL_FAILURES	10
#define DAX_HEAL_SECONDS	5

VISIBLE_IF_KUNIT bool dax_poison_can_read(void);

/* Whether reading a bad page is an error and not the end of the machine. */
VISIBLE_IF_KUNIT bool dax_poison_can_read(void)
{
	KUNIT_STATIC_STUB_REDIRECT(dax_poison_can_read);
	return IS_ENABLED(CONFIG_ARCH_HAS_COPY_MC);
}
EXPORT_SYMBOL_IF_KUNIT(dax_poison_can_read);

static void dax_poison_count_failed(struct dax_region *dax_region)
{
	if (!dax_region->heal_failed ||
	    time_after(jiffies, dax_region->heal_window +
				DAX_HEAL_SECONDS * HZ)) {
		dax_region->heal_window = jiffies;
		dax_region->heal_failed = 0;
	}
	dax_region->heal_failed++;
}

/* The page is still bad after a write: do not try the next write. */
static void dax_poison_heal_failed(struct dax_region *dax_region,
				   unsigned long pfn)
{
	dax_poison_count_failed(dax_region);
	xa_store(&dax_region->bb_stuck, pfn, xa_mk_value(1),
		 GFP_NOFS | __GFP_NOFAIL);
}

static bool dax_poison_heal_throttled(struct dax_region *dax_region)
{
	return dax_region->heal_failed >= DAX_HEAL_FAILURES &&
	       time_before_eq(jiffies, dax_region->heal_window +
				       DAX_HEAL_SECONDS * HZ);
}

/* Return: for how many of the pages a heal may be tried. */
static long dax_poison_heal_allowed(struct dax_region *dax_region,
				    unsigned long pfn, long nr_pages)
{
	unsigned long stuck = pfn;

	/* neither a read nor the medium could tell whether a heal worked */
	if (!dax_poison_can_read() && !dax_region->clear_poison)
		return 0;
	if (dax_poison_heal_throttled(dax_region))
		return 0;
	if (xa_find(&dax_region->bb_stuck, &stuck, pfn + nr_pages - 1,
		    XA_PRESENT))
		return stuck - pfn;
	return nr_pages;
}

/**
 * dax_poison_retry() - pages that could not be healed may be tried again
 * @dax_region: the region
 * @pfn: first page frame
 * @nr_pages: how many
 */
void dax_poison_retry(struct dax_region *dax_region, unsigned long pfn,
		      unsigned long nr_pages)
{
	unsigned long stuck;
	void *entry;

	guard(mutex)(&dax_region->heal_lock);
	dax_region->heal_failed = 0;
	xa_for_each_range(&dax_region->bb_stuck, stuck, entry, pfn,
			  pfn + nr_pages - 1)
		xa_erase(&dax_region->bb_stuck, stuck);
}
EXPORT_SYMBOL_IF_KUNIT(dax_poison_retry);

/*
 * Make the medium forget errors. The medium may want to do so in larger units
 * than pages, or page by page.
 * Return: in how many of these pages the medium has no error.
 */
static long dax_poison_ask_medium(struct dax_region *dax_region,
				  unsigned long pfn, long nr_pages)
{
	long rc;

	if (!dax_region->clear_poison)
		return nr_pages;

	nr_pages = min_t(long, nr_pages, PHYS_PFN(SZ_1G));
	rc = dax_region->clear_poison(dax_region, PFN_PHYS(pfn),
				      PFN_PHYS(nr_pages));
	if (rc < (long)PAGE_SIZE && nr_pages > 1)
		rc = dax_region->clear_poison(dax_region, PFN_PHYS(pfn),
					      PAGE_SIZE);
	return rc < 0 ? 0 : min_t(long, nr_pages, PHYS_PFN(rc));
}

/* From now on an error is a new one. */
static void dax_poison_heal_begin(struct dax_region *dax_region,
				  unsigned long pfn, long nr_pages)
{
	guard(dax_poison)(dax_region);
	dax_region->heal_pfn = pfn;
	dax_region->heal_nr = nr_pages;
	dax_region->heal_good = nr_pages;
}

/* The heal covers fewer pages than it began with. */
static void dax_poison_heal_trim(struct dax_region *dax_region, long nr_pages)
{
	guard(dax_poison)(dax_region);
	dax_region->heal_nr = nr_pages;
	dax_region->heal_good = min_t(unsigned long, nr_pages,
				      dax_region->heal_good);
}

/**
 * dax_poison_touch() - make bad pages accessible for a write that may heal them
 * @dev_dax: the device
 * @pgoff: first page, from the start of the device
 * @addr: address of that page in the direct map
 * @nr_pages: how many pages
 *
 * The pages stay in the record, and out of reach for everybody else. Unless
 * this function fails, the caller has to call dax_poison_heal(), whether the
 * write succeeds or not, and before the caller waits for any user.
 *
 * Context: process context, sleeps.
 * Return: how many pages may be written, at least one; %-EHWPOISON if the first
 * cannot be healed, if an earlier heal of it failed (see dax_poison_retry()),
 * or if too many heals have failed of late.
 */
long dax_poison_touch(struct dev_dax *dev_dax, pgoff_t pgoff, void *addr,
		      long nr_pages)
{
	struct dax_region *dax_region = dev_dax->region;
	sector_t sector = dax_page_sector(dev_dax, pgoff, &nr_pages);
	unsigned long pfn = dax_sector_pfn(dax_region, sector);

	mutex_lock(&dax_region->heal_lock);
	nr_pages = dax_poison_heal_allowed(dax_region, pfn, nr_pages);
	if (!nr_pages) {
		mutex_unlock(&dax_region->heal_lock);
		dev_dbg(&dev_dax->dev,
			"page %#lx: not healed, as earlier heals failed or none can be verified\n",
			pgoff);
		return -EHWPOISON;
	}
	dax_poison_heal_begin(dax_region, pfn, nr_pages);
	nr_pages = dax_poison_ask_medium(dax_region, pfn, nr_pages);
	dax_poison_heal_trim(dax_region, nr_pages);
	if (!nr_pages) {
		/* the medium may only be busy, so the page may be tried again */
		dax_poison_count_failed(dax_region);
		mutex_unlock(&dax_region->heal_lock);
		dev_err_ratelimited(&dev_dax->dev,
				    "page %#lx: the medium keeps the error: write the page again, or replace the memory\n",
				    pgoff);
		return -EHWPOISON;
	}

	for (long i = 0; i < nr_pages; i++)
		mf_dev_begin_heal(virt_to_page(addr) + i);
	return nr_pages;
}
EXPORT_SYMBOL_FOR_MODULES(dax_poison_touch, "fsdev_dax,dax_poison_test");

VISIBLE_IF_KUNIT bool dax_poison_readable(void *addr, void *buf);

VISIBLE_IF_KUNIT bool dax_poison_readable(void *addr, void *buf)
{
	KUNIT_STATIC_STUB_REDIRECT(dax_poison_readable, addr, buf);
	return !copy_mc_to_kernel(buf, addr, PAGE_SIZE);
}
EXPORT_SYMBOL_IF_KUNIT(dax_poison_readable);

/* Return: how many pages of the heal that is under way can be read. */
static long dax_poison_read_back(struct dax_region *dax_region, void *addr,
				 long nr_pages)
{
	void *buf __free(kfree) = NULL;

	/* the medium has said that they are good */
	if (!dax_poison_can_read())
		return nr_pages;

	buf = kmalloc(PAGE_SIZE, GFP_NOFS);
	if (!buf)
		return 0;
	for (long nr = 0; nr < nr_pages; nr++) {
		if (dax_poison_readable(addr + PFN_PHYS(nr), buf))
			continue;
		dax_poison_heal_failed(dax_region, dax_region->heal_pfn + nr);
		return nr;
	}
	return nr_pages;
}

/*
 * The record is full, and the pages are in the middle of a run: note the pages
 * behind them beside the record first, and then end the run earlier.
 */
static void dax_poison_split(struct dax_region *dax_region, sector_t sector,
			     long nr_pages)
{
	sector_t at = sector + dax_sectors(nr_pages), end, first, len;

	if (!badblocks_check(&dax_region->bb, at, 1, &first, &len))
		return;
	for (end = first + len; at < end; at += PAGE_SECTORS)
		xa_store(&dax_region->bb_more, dax_sector_pfn(dax_region, at),
			 xa_mk_value(1), GFP_KERNEL | __GFP_NOFAIL);
	badblocks_clear(&dax_region->bb, sector, end - sector);
}

static void dax_poison_forget(struct dax_region *dax_region, unsigned long pfn,
			      long nr_pages)
{
	sector_t sector = (PFN_PHYS(pfn) - dax_region->res.start) >>
			  SECTOR_SHIFT;

	lockdep_assert_held(&dax_region->poison_lock);

	if (!badblocks_clear(&dax_region->bb, sector, dax_sectors(nr_pages)))
		dax_poison_split(dax_region, sector, nr_pages);
	for (long i = 0; i < nr_pages; i++)
		xa_erase(&dax_region->bb_more, pfn + i);
	trace_dax_poison(dax_region, pfn, nr_pages, false);
}

/* These pages are good, but nobody knows so before they leave the record. */
static void dax_poison_make_good(struct dax_region *dax_region,
				 struct page *page, long nr_pages)
{
	for (long i = 0; i < nr_pages; i++)
		mf_dev_end_heal(page + i, true);
	/* the flag goes first, as a flush leaves out flagged pages */
	smp_wmb();
	dax_poison_forget(dax_region, dax_region->heal_pfn, nr_pages);
}

/* As memory_failure() leaves bad pages, or is about to. */
static void dax_poison_keep_bad(struct page *page, long nr_pages)
{
	for (long i = 0; i < nr_pages; i++)
		mf_dev_end_heal(page + i, false);
}

/*
 * The end of the heal that is under way, @nr_pages of which could be read back.
 * Return: how many pages are good.
 */
static long dax_poison_heal_end(struct dev_dax *dev_dax, struct page *page,
				long nr_pages)
{
	struct dax_region *dax_region = dev_dax->region;

	guard(dax_poison)(dax_region);
	nr_pages = min_t(long, nr_pages, dax_region->heal_good);
	if (nr_pages)
		dax_poison_make_good(dax_region, page, nr_pages);
	dax_poison_keep_bad(page + nr_pages, dax_region->heal_nr - nr_pages);
	if (nr_pages < dax_region->heal_nr)
		dax_poison_note(dax_region, dax_region->heal_pfn + nr_pages,
				dax_region->heal_nr - nr_pages);
	dax_region->heal_nr = 0;
	dax_region->heal_good = 0;
	return nr_pages;
}

/**
 * dax_poison_heal() - forget the errors of pages that were written
 * @dev_dax: the device, after dax_poison_touch()
 * @pgoff: first page of what was touched, from the start of the device
 * @addr: address of that page in the direct map
 * @nr_pages: how many pages were written, none to all that were touched
 *
 * Only pages that can be read back, and have had no new error, leave the
 * record. Where reading a bad page would end the machine, the answer of the
 * medium in dax_poison_touch() decides.
 *
 * Context: process context, sleeps.
 * Return: how many pages from @pgoff on are good.
 */
long dax_poison_heal(struct dev_dax *dev_dax, pgoff_t pgoff, void *addr,
		     long nr_pages)
{
	struct dax_region *dax_region = dev_dax->region;
	long nr;

	/* invalidating drops what was not written back */
	arch_wb_cache_pmem(addr, PFN_PHYS(nr_pages));
	arch_invalidate_pmem(addr, PFN_PHYS(nr_pages));
	nr = dax_poison_read_back(dax_region, addr, nr_pages);
	nr = dax_poison_heal_end(dev_dax, virt_to_page(addr), nr);
	mutex_unlock(&dax_region->heal_lock);

	if (nr)
		dax_poison_changed(dev_dax);
	if (nr < nr_pages)
		dev_err_ratelimited(&dev_dax->dev,
				    "page %#lx still has a memory error after a write: clear the error by 'badblocks', or replace the memory\n",
				    pgoff + nr);
	return nr;
}
EXPORT_SYMBOL_FOR_MODULES(dax_poison_heal, "fsdev_dax,dax_poison_test");

VISIBLE_IF_KUNIT void dax_poison_zero_page(void *addr);

VISIBLE_IF_KUNIT void dax_poison_zero_page(void *addr)
{
	KUNIT_STATIC_STUB_REDIRECT(dax_poison_zero_page, addr);
	memset(addr, 0, PAGE_SIZE);
}
EXPORT_SYMBOL_IF_KUNIT(dax_poison_zero_page);

static long dax_poison_zero_bad(struct dev_dax *dev_dax, pgoff_t pgoff,
				void *addr, long nr_pages)
{
	nr_pages = dax_poison_touch(dev_dax, pgoff, addr, nr_pages);
	if (nr_pages < 0)
		return nr_pages;
	memset(addr, 0, PFN_PHYS(nr_pages));
	if (dax_poison_heal(dev_dax, pgoff, addr, nr_pages) < nr_pages)
		return -EHWPOISON;
	return nr_pages;
}

/*
 * Look for new errors before each page, so that no bad page is overwritten
 * without a heal, and so that the handler of an error need not wait for all of
 * the pages. A new error may be in the page that is just being written; such a
 * page is no worse off than one that fails right after it was written.
 */
static long dax_poison_zero_good(struct dax_device *dax_dev, void *addr,
				 long nr_pages, unsigned int failures)
{
	long nr = 0;

	while (nr < nr_pages && dax_failures(dax_dev) == failures)
		dax_poison_zero_page(addr + PFN_PHYS(nr++));
	if (nr)
		dax_flush(dax_dev, addr, PFN_PHYS(nr));
	return nr;
}

/**
 * dax_poison_zero() - zero pages, and heal bad ones by that
 * @dev_dax: the device
 * @pgoff: first page, from the start of the device
 * @addr: address of that page in the direct map
 * @nr_pages: how many pages, in one range
 *
 * Stops where good pages end or bad ones do, and when an error comes.
 *
 * Context: process context, sleeps; in a read section of the device.
 * Return: how many pages are zero; %-EHWPOISON if the first page, or a bad one
 * right behind it, could not be healed.
 */
long dax_poison_zero(struct dev_dax *dev_dax, pgoff_t pgoff, void *addr,
		     long nr_pages)
{
	unsigned int failures = dax_failures(dev_dax->dax_dev);
	bool bad;

	nr_pages = dax_poison_span(dev_dax, pgoff, nr_pages, &bad);
	if (bad)
		return dax_poison_zero_bad(dev_dax, pgoff, addr, nr_pages);
	return dax_poison_zero_good(dev_dax->dax_dev, addr, nr_pages, failures);
}
EXPORT_SYMBOL_FOR_MODULES(dax_poison_zero, "fsdev_dax,dax_poison_test");

/* Forget the errors of pages, whose contents are lost, if they can be written. */
static int dax_poison_clear(struct dev_dax *dev_dax, pgoff_t pgoff, long nr_pages)
{
	while (nr_pages) {
		/* small steps, after each of which the task can be killed */
		unsigned long there = min_t(u64, nr_pages, PHYS_PFN(SZ_32M));
		phys_addr_t phys = dax_pgoff_to_phys(dev_dax, pgoff, &there);
		long nr = there;
		bool bad;

		if (!dax_poison_has_page(dev_dax, PHYS_PFN(phys)))
			return dev_dax->dev.driver ? -EBUSY : -ENODEV;
		nr = dax_poison_span(dev_dax, pgoff, nr, &bad);
		if (bad) {
			dax_poison_retry(dev_dax->region, PHYS_PFN(phys), nr);
			nr = dax_poison_zero_bad(dev_dax, pgoff, __va(phys), nr);
		}
		if (nr < 0)
			return -EIO;
		pgoff += nr;
		nr_pages -= nr;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* For pages in use, memory_failure() tells the processes that use them. */
static int dax_poison_report(struct dev_dax *dev_dax, pgoff_t pgoff,
			     long nr_pages)
{
	for (; nr_pages; pgoff++, nr_pages--) {
		unsigned long there = 1;
		phys_addr_t phys = dax_pgoff_to_phys(dev_dax, pgoff, &there);
		u64 offset;
		int rc;

		/* the struct pages of System RAM do not belong to the device */
		if (!dax_poison_has_page(dev_dax, PHYS_PFN(phys)) &&
		    dev_dax->dev.driver)
			return -EBUSY;
		/* which records it: not before, as it hides what is marked */
		if (IS_ENABLED(CONFIG_MEMORY_FAILURE) && dev_dax->dev.driver) {
			rc = memory_failure(PHYS_PFN(phys), 0);
			/* a filter of hwpoison-inject leaves the page out */
			if (rc == -EOPNOTSUPP)
				return rc;
		} else {
			rc = dax_poison_add(dev_dax, PHYS_PFN(phys), 1, &offset);
			if (rc)
				return rc;
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* With a driver, or with dax_dev_rwsem held. */
static int dax_poison_set(struct dev_dax *dev_dax, u64 first, u64 nr, bool clear)
{
	u64 end, size = 0;

	for (int i = 0; i < dev_dax->nr_range; i++)
		size += range_len(&dev_dax->ranges[i].range) >> SECTOR_SHIFT;
	if (!nr || check_add_overflow(first, nr, &end))
		return -EINVAL;
	if (end > size)
		return -ERANGE;
	if (dax_dev_is_ro(dev_dax->dax_dev) && clear)
		return -EROFS;

	/* an error covers whole pages; only whole pages can be cleared */
	if (clear && !IS_ALIGNED(first | nr, PAGE_SECTORS))
		return -EINVAL;
	end = DIV_ROUND_UP(end, PAGE_SECTORS);
	first /= PAGE_SECTORS;
	return clear ? dax_poison_clear(dev_dax, first, end - first) :
		       dax_poison_report(dev_dax, first, end - first);
}

/* "FIRST COUNT" adds an error, "-FIRST COUNT" clears one. */
static ssize_t badblocks_store_device(struct device *dev,
				      struct device_attribute *attr,
				      const char *buf, size_t len)
{
	struct dev_dax *dev_dax = to_dev_dax(dev);
	bool clear = *buf == '-';
	u64 first, nr;
	char end;
	int rc;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	rc = sscanf(buf + clear, "%llu %llu%c", &first, &nr, &end);
	if (rc < 2 || (rc == 3 && end != '\n') || !isdigit(buf[clear]))
		return -EINVAL;

	ACQUIRE(device_intr, lock)(dev);
	rc = ACQUIRE_ERR(device_intr, &lock);
	if (rc)
		return rc;
	/* the ranges of a device with a driver do not change */
	if (dev->driver) {
		rc = dax_poison_set(dev_dax, first, nr, clear);
	} else {
		guard(rwsem_read)(&dax_dev_rwsem);
		rc = dax_poison_set(dev_dax, first, nr, clear);
	}
	if (rc)
		dev_dbg(dev, "badblocks: %d for '%s'\n", rc, buf);
	return rc ?: len;
}

/* Call something for each bad page; return how many there are. */
static unsigned long dax_poison_for_each(struct dev_dax *dev_dax,
					 void (*fn)(struct dev_dax *dev_dax,
						    unsigned long pfn,
						    void *data), void *data)
{
	unsigned long nr_bad = 0;

	for (int i = 0; i < dev_dax->nr_range; i++) {
		const struct dev_dax_range *dax_range = &dev_dax->ranges[i];
		unsigned long pfn = PHYS_PFN(dax_range->range.start);
		long left = PHYS_PFN(range_len(&dax_range->range)), nr;
		pgoff_t pgoff = dax_range->pgoff;
		bool bad;

		for (; left; left -= nr, pgoff += nr, pfn += nr) {
			nr = dax_poison_span(dev_dax, pgoff, left, &bad);
			if (!bad)
				continue;
			nr_bad += nr;
			for (long j = 0; fn && j < nr; j++)
				fn(dev_dax, pfn + j, data);
		}
	}
	return nr_bad;
}

/**
 * dax_poison_count() - how many pages of a device are known to be bad?
 * @dev_dax: device whose ranges cannot change
 *
 * Return: how many.
 */
unsigned long dax_poison_count(struct dev_dax *dev_dax)
{
	return dax_poison_for_each(dev_dax, NULL, NULL);
}
EXPORT_SYMBOL_FOR_MODULES(dax_poison_count, "kmem,dax_poison_test");

static void dax_poison_hide_page(struct dev_dax *dev_dax, unsigned long pfn,
				 void *data)
{
	if (!dax_poison_has_page(dev_dax, pfn))
		return;
	mf_dev_mark_page(pfn_to_page(pfn));
	mf_dev_hide_page(pfn);
	xa_erase(&dev_dax->region->bb_found, pfn);
}

/* Errors that came while the memory was parked, and nobody recorded them. */
static void dax_poison_take_left(struct dev_dax *dev_dax)
{
	u64 offset;

	for (int i = 0; i < dev_dax->nr_range; i++) {
		const struct range *range = &dev_dax->ranges[i].range;
		unsigned long pfn = PHYS_PFN(range->start);

		while (mf_dev_take_left(&pfn, PHYS_PFN(range->end)))
			dax_poison_add(dev_dax, pfn, 1, &offset);
	}
}

/**
 * dax_poison_bind() - keep the bad pages of a device from being accessed
 * @dev_dax: device that a driver probes, and which has its pages
 *
 * The pages are flagged and leave the direct map, as pages do that fail later.
 * Pages that could not be healed may be tried again. memunmap_pages() undoes
 * this.
 *
 * Context: driver probe.
 */
void dax_poison_bind(struct dev_dax *dev_dax)
{
	struct dax_region *dax_region = dev_dax->region;
	unsigned long nr_bad;

	memory_failure_wait();
	dax_poison_take_left(dev_dax);
	for (int i = 0; i < dev_dax->nr_range; i++) {
		const struct range *range = &dev_dax->ranges[i].range;

		dax_poison_retry(dax_region, PHYS_PFN(range->start),
				 PHYS_PFN(range_len(range)));
	}
	scoped_guard(dax_poison, dax_region)
		nr_bad = dax_poison_for_each(dev_dax, dax_poison_hide_page,
					     NULL);
	if (nr_bad)
		dev_warn(&dev_dax->dev,
			 "%lu pages have memory errors, see the attribute 'badblocks'\n",
			 nr_bad);
}
EXPORT_SYMBOL_GPL(dax_poison_bind);

/* Record the flagged pages that are in @range and among the given ones. */
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

/* Memory that goes online or offline, and the number of its bad pages. */
struct dax_poison_ram {
	unsigned long start_pfn;
	unsigned long nr_pages;
	unsigned long nr_bad;
	bool online;
};

/*
 * A page that is flagged when it goes online is left out, see
 * online_pages_range(). Pages that failed while they were online are flagged and
 * counted, too.
 */
static void dax_poison_ram_page(struct dev_dax *dev_dax, unsigned long pfn,
				void *data)
{
	struct dax_poison_ram *ram = data;

	if (pfn - ram->start_pfn >= ram->nr_pages)
		return;
	ram->nr_bad++;
	if (!ram->online) {
		clear_mce_nospec(pfn);
		if (!PageHWPoison(pfn_to_page(pfn)))
			return;
		ClearPageHWPoison(pfn_to_page(pfn));
		num_poisoned_pages_sub(pfn, 1);
		return;
	}
	SetPageHWPoison(pfn_to_page(pfn));
	set_mce_nospec(pfn);
}

static void dax_poison_go_online(struct dev_dax *dev_dax,
				 const struct memory_notify *mem)
{
	struct dax_poison_ram ram = {
		.start_pfn = mem->start_pfn,
		.nr_pages = mem->nr_pages,
		.online = true,
	};

	dax_poison_take_left(dev_dax);
	scoped_guard(dax_poison, dev_dax->region)
		dax_poison_for_each(dev_dax, dax_poison_ram_page, &ram);
	if (!ram.nr_bad)
		return;
	/* not under the lock, which dax_poison_watch_page() takes */
	for (unsigned long i = 0; i < mem->nr_pages; i++)
		if (PageHWPoison(pfn_to_page(mem->start_pfn + i)))
			num_poisoned_pages_inc(mem->start_pfn + i);
	dev_warn(&dev_dax->dev,
		 "%lu pages with memory errors are kept out of System RAM\n",
		 ram.nr_bad);
}

/*
 * Only the flag tells that a page is bad, and the flag goes with the struct
 * page: record the page first. The direct map goes, too, but for the pages that
 * are not in it, so the missing pages are put back first.
 */
static void dax_poison_go_offline(struct dev_dax *dev_dax,
				  const struct memory_notify *mem)
{
	struct dax_poison_ram ram = {
		.start_pfn = mem->start_pfn,
		.nr_pages = mem->nr_pages,
	};

	for (int i = 0; i < dev_dax->nr_range; i++)
		dax_poison_read_flags(dev_dax, &dev_dax->ranges[i].range,
				      mem->start_pfn, mem->nr_pages);
	guard(dax_poison)(dev_dax->region);
	dax_poison_for_each(dev_dax, dax_poison_ram_page, &ram);
}

static int dax_poison_watch(struct notifier_block *nb, unsigned long action,
			    void *arg)
{
	struct dev_dax *dev_dax = container_of(nb, struct dev_dax, ram_nb);

	switch (action) {
	case MEM_GOING_ONLINE:
		dax_poison_go_online(dev_dax, arg);
		break;
	case MEM_ONLINE:
		/* not here: memory_failure() is outside of memory hotplug */
		queue_delayed_work(system_dfl_wq, &dev_dax->region->found_work,
				   DAX_FOUND_DELAY);
		break;
	case MEM_CANCEL_ONLINE:
	case MEM_OFFLINE:
		dax_poison_go_offline(dev_dax, arg);
		break;
	}
	return NOTIFY_OK;
}

/* A page has failed as System RAM, anywhere. */
static int dax_poison_watch_page(struct notifier_block *nb, unsigned long pfn,
				 void *arg)
{
	struct dev_dax *dev_dax = container_of(nb, struct dev_dax,
					       ram_poison_nb);
	u64 offset;

	/* the page is taken out of use just now: not once more, if it was found */
	if (!dax_poison_add(dev_dax, pfn, 1, &offset))
		xa_erase(&dev_dax->region->bb_found, pfn);
	return NOTIFY_OK;
}

static void dax_poison_unwatch_ram(void *data)
{
	struct dev_dax *dev_dax = data;

	unregister_memory_poison_notifier(&dev_dax->ram_poison_nb);
	unregister_memory_notifier(&dev_dax->ram_nb);
}

/**
 * devm_dax_poison_watch_ram() - know of memory errors while in System RAM
 * @dev_dax: device that a driver probes, to add it to the System RAM
 *
 * Pages that are known to be bad are not given to the page allocator when the
 * memory goes online, and pages that fail as System RAM are recorded. Undone when
 * the driver is unbound.
 *
 * Return: 0 or a negative errno.
 */
int devm_dax_poison_watch_ram(struct dev_dax *dev_dax)
{
	int rc;

	dax_poison_take_left(dev_dax);
	if (dax_poison_count(dev_dax))
		dev_warn(&dev_dax->dev,
			 "becomes System RAM with known memory errors, see the attribute 'badblocks'\n");

	dev_dax->ram_nb.notifier_call = dax_poison_watch;
	rc = register_memory_notifier(&dev_dax->ram_nb);
	if (rc)
		return rc;
	dev_dax->ram_poison_nb.notifier_call = dax_poison_watch_page;
	rc = register_memory_poison_notifier(&dev_dax->ram_poison_nb);
	if (rc) {
		unregister_memory_notifier(&dev_dax->ram_nb);
		return rc;
	}
	return devm_add_action_or_reset(&dev_dax->dev, dax_poison_unwatch_ram,
					dev_dax);
}
EXPORT_SYMBOL_FOR_MODULES(devm_dax_poison_watch_ram, "kmem,dax_poison_test");
