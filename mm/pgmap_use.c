// SPDX-License-Identifier: GPL-2.0
/*
 * The end of device memory that user space can pin.
 *
 * A driver that is unbound cannot refuse to let go of its memory, and must not
 * free struct pages that are still in use. So the pages of such a pgmap are
 * counted while they are used. memunmap_pages() takes the pages out of all
 * files and page tables, and waits a bounded time for the folios that remain,
 * because a pipe, a ring or a device has pinned them. If any folio is pinned
 * for longer, the pgmap is parked:
 *
 *	mapped ---- memunmap_pages() ----> draining ---- idle -----> unmapped
 *	                                      |                         ^
 *	                                   timeout                      |
 *	                                      v                         |
 *	                                   parked -- last pin is gone --'
 *
 * Parked memory keeps its struct pages and its place in pgmap_array, so that
 * nobody can map or hotplug it, and so that memory_failure() finds it. Parked
 * memory belongs to nobody: no lock, module or device is held for it. When the
 * last pin goes, a work item unmaps the memory.
 *
 * Uses are counted for chunks of the size of a PMD. A chunk has the number of
 * uses of its folios: one for each file that has a folio, and one for a folio
 * with a reference. So the counts tell, without a look at struct pages, whether
 * anything is in use, and where.
 *
 * The pages point to a copy of the driver's pgmap, which lives as long as the
 * pages.
 */
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/memory-failure.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>
#include "internal.h"
#include "pgmap_use.h"

#define CREATE_TRACE_POINTS
#include <trace/events/pgmap.h>

#define PGMAP_CHUNK_SHIFT	(PMD_SHIFT - PAGE_SHIFT)

/* How often to try folios again that wait for a lock of the filesystem. */
#define PGMAP_EVICT_INTERVAL	HZ

/* How many times to try files that are locked, at ten tries a second. */
#define PGMAP_ORPHAN_TRIES	50

static unsigned int pin_timeout = 10;
core_param(memremap_pin_timeout, pin_timeout, uint, 0644);

/**
 * struct pgmap_use - the uses of the pages of a pgmap
 * @nr_used: chunks in use, and one more until memunmap_pages(), and while the
 *	memory is taken from its driver to be parked
 * @draining: the driver lets go of the memory
 * @empty: nothing was in use any more when the driver looked
 * @idle: completed when @nr_used is zero
 * @reap: runs when @nr_used is zero
 * @parked: entry in the list of parked pgmaps; empty if not parked
 * @since: when the pgmap was parked, in seconds since the boot
 * @name: the device that had the memory
 * @file: the first file that lost a pinned folio; empty if none is known
 * @nr_range: size of @chunks
 * @chunks: for each range of @pgmap, the uses of each chunk
 * @pgmap: the copy that the pages point to, with its ranges sorted
 */
struct pgmap_use {
	atomic_long_t nr_used;
	bool draining;
	bool empty;
	struct completion idle;
	struct work_struct reap;
	struct list_head parked;
	time64_t since;
	const char *name;
	char file[64];
	int nr_range;
	atomic_t **chunks;
	struct dev_pagemap pgmap;
};

/* Protects the list, and the decision between "idle" and "parked". */
static DEFINE_MUTEX(pgmap_park_lock);
static LIST_HEAD(pgmap_parked_list);

static struct pgmap_use *to_pgmap_use(struct dev_pagemap *pgmap)
{
	return container_of(pgmap, struct pgmap_use, pgmap);
}

static unsigned long pgmap_chunk(const struct range *range, unsigned long pfn)
{
	return (pfn >> PGMAP_CHUNK_SHIFT) -
	       (PHYS_PFN(range->start) >> PGMAP_CHUNK_SHIFT);
}

static unsigned long pgmap_nr_chunks(const struct range *range)
{
	return pgmap_chunk(range, PHYS_PFN(range->end)) + 1;
}

static int pgmap_cmp_ranges(const void *a, const void *b)
{
	const struct range *ra = a, *rb = b;

	return ra->start < rb->start ? -1 : ra->start > rb->start;
}

/* The last range that begins at or before the page. */
static int pgmap_find_range(const struct dev_pagemap *pgmap, unsigned long pfn)
{
	int first = 0, nr = pgmap->nr_range;

	while (nr > 1) {
		int half = nr / 2;

		if (PHYS_PFN(pgmap->ranges[first + half].start) <= pfn)
			first += half;
		nr -= half;
	}
	return first;
}

static atomic_t *pgmap_folio_chunk(struct folio *folio)
{
	struct dev_pagemap *pgmap = folio->pgmap;
	int i = pgmap_find_range(pgmap, folio_pfn(folio));

	return &to_pgmap_use(pgmap)->chunks[i][pgmap_chunk(&pgmap->ranges[i],
							   folio_pfn(folio))];
}

/**
 * pgmap_use_folio() - count one more use of a folio of device memory
 * @folio: folio of a tracked pgmap
 *
 * Undone by pgmap_unuse_folio(). The caller has a reference on the folio, or
 * has made sure that the driver does not let go of the memory meanwhile.
 *
 * Context: any.
 */
void pgmap_use_folio(struct folio *folio)
{
	struct pgmap_use *use = to_pgmap_use(folio->pgmap);

	if (atomic_inc_return(pgmap_folio_chunk(folio)) == 1)
		atomic_long_inc(&use->nr_used);
}

static void pgmap_put_use(struct pgmap_use *use)
{
	if (atomic_long_dec_and_test(&use->nr_used))
		queue_work(system_dfl_wq, &use->reap);
}

/**
 * pgmap_unuse_folio() - count one use of a folio less
 * @folio: folio that pgmap_use_folio() was called for; its struct page may be
 *	gone when this returns
 *
 * Context: any.
 */
void pgmap_unuse_folio(struct folio *folio)
{
	struct pgmap_use *use = to_pgmap_use(folio->pgmap);

	if (atomic_dec_and_test(pgmap_folio_chunk(folio)))
		pgmap_put_use(use);
}

/**
 * pgmap_folio_alone() - does the caller use a folio of device memory alone?
 * @folio: folio that the caller has called pgmap_use_folio() for, once
 *
 * Context: any.
 * Return: true if nothing else in the same chunk, which is as large as a PMD,
 * is in use. Then nobody else looks at struct pages of the chunk.
 */
bool pgmap_folio_alone(struct folio *folio)
{
	/* pairs with pgmap_unuse_folio(): earlier users are done by then */
	return atomic_read_acquire(pgmap_folio_chunk(folio)) == 1;
}

/**
 * zone_device_folio_get() - take a reference on a folio that may have none
 * @folio: folio of a tracked pgmap, whose driver does not let go of the memory
 *	meanwhile
 *
 * Undone by folio_put(). Call this before such a folio is mapped.
 *
 * Context: any.
 */
void zone_device_folio_get(struct folio *folio)
{
	/* the count of uses may lag, but not behind the put of this reference */
	if (folio_ref_inc_return(folio) == 1)
		pgmap_use_folio(folio);
}
EXPORT_SYMBOL_GPL(zone_device_folio_get);

/**
 * pgmap_for_each_used() - call a function for the folios that may be in use
 * @pgmap: a tracked pgmap, as the pages point to it
 * @fn: gets each folio of a chunk that is in use, and @arg
 * @arg: for @fn
 *
 * Context: process context, sleeps. Costs in proportion to the chunks in use.
 */
void pgmap_for_each_used(struct dev_pagemap *pgmap,
			 void (*fn)(struct folio *folio, void *arg), void *arg)
{
	struct pgmap_use *use = to_pgmap_use(pgmap);

	for (int i = 0; i < pgmap->nr_range; i++) {
		const struct range *range = &pgmap->ranges[i];
		unsigned long pfn = max(PHYS_PFN(range->start),
					pgmap_first_pfn(pgmap, i));
		unsigned long end = PHYS_PFN(range->end) + 1;

		while (pfn < end) {
			struct folio *folio;

			if (!atomic_read(&use->chunks[i][pgmap_chunk(range, pfn)])) {
				pfn = ALIGN(pfn + 1, 1UL << PGMAP_CHUNK_SHIFT);
				continue;
			}
			folio = pfn_folio(pfn);
			/* by its current size: it can only get smaller */
			pfn += folio_nr_pages(folio);
			fn(folio, arg);
			cond_resched();
		}
	}
}

static void pgmap_count_pinned(struct folio *folio, void *arg)
{
	unsigned long *nr_folios = arg;

	*nr_folios += folio_ref_count(folio) > 0;
}

static unsigned long pgmap_nr_pinned(struct dev_pagemap *pgmap)
{
	unsigned long nr_folios = 0;

	pgmap_for_each_used(pgmap, pgmap_count_pinned, &nr_folios);
	return nr_folios;
}

static int pgmap_parked_failure(struct dev_pagemap *pgmap, unsigned long pfn,
				unsigned long nr_pages, int mf_flags)
{
	/* no file or page table has the pages: there is nobody to signal */
	for (unsigned long i = 0; i < nr_pages; i++) {
		mf_dev_mark_page(pfn_to_page(pfn + i));
		if (!(mf_flags & MF_SW_SIMULATED))
			mf_dev_hide_page(pfn + i);
	}
	return 0;
}

static const struct dev_pagemap_ops pgmap_parked_ops = {
	.memory_failure = pgmap_parked_failure,
};

static void pgmap_notify_parked(void)
{
	sysfs_notify(mm_kobj, NULL, "parked_memory");
}

static void pgmap_reap(struct work_struct *work)
{
	struct pgmap_use *use = container_of(work, struct pgmap_use, reap);

	scoped_guard(mutex, &pgmap_park_lock) {
		if (list_empty(&use->parked)) {
			complete(&use->idle);
			return;
		}
	}
	/* nobody may use the memory before all of this is done */
	pgmap_unmap_parked(&use->pgmap);
	scoped_guard(mutex, &pgmap_park_lock)
		list_del(&use->parked);
	trace_pgmap_reap(&use->pgmap.ranges[0], use->name, 0);
	pr_info("memremap: [mem %#llx-%#llx] of %s is free again, its last pin is gone\n",
		use->pgmap.ranges[0].start,
		use->pgmap.ranges[use->pgmap.nr_range - 1].end, use->name);
	pgmap_notify_parked();
	pgmap_free_use(&use->pgmap);
}

/**
 * pgmap_alloc_use() - get ready to count the uses of the pages of a pgmap
 * @pgmap: the pgmap of a driver
 *
 * Return: the copy that the pages are to point to, NULL without memory.
 */
struct dev_pagemap *pgmap_alloc_use(const struct dev_pagemap *pgmap)
{
	struct pgmap_use *use;

	use = kzalloc(struct_size(use, pgmap.ranges, pgmap->nr_range),
		      GFP_KERNEL);
	if (!use)
		return NULL;
	/* the first range is in the structure */
	memcpy(&use->pgmap, pgmap,
	       struct_size(pgmap, ranges, pgmap->nr_range - 1));
	use->pgmap.flags |= PGMAP_TRACKED;
	use->nr_range = pgmap->nr_range;
	sort(use->pgmap.ranges, pgmap->nr_range, sizeof(struct range),
	     pgmap_cmp_ranges, NULL);
	atomic_long_set(&use->nr_used, 1);
	init_completion(&use->idle);
	INIT_WORK(&use->reap, pgmap_reap);
	INIT_LIST_HEAD(&use->parked);
	use->name = kstrdup_const("a device", GFP_KERNEL);

	use->chunks = kcalloc(use->nr_range, sizeof(*use->chunks), GFP_KERNEL);
	if (!use->chunks)
		goto err;
	for (int i = 0; i < use->nr_range; i++) {
		use->chunks[i] = kvcalloc(pgmap_nr_chunks(&use->pgmap.ranges[i]),
					  sizeof(atomic_t), GFP_KERNEL);
		if (!use->chunks[i])
			goto err;
	}
	return &use->pgmap;
err:
	pgmap_free_use(&use->pgmap);
	return NULL;
}

/**
 * pgmap_name_use() - note the name of the device that has the memory
 * @pgmap: pgmap from pgmap_alloc_use()
 * @name: name of the device
 */
void pgmap_name_use(struct dev_pagemap *pgmap, const char *name)
{
	struct pgmap_use *use = to_pgmap_use(pgmap);

	name = kstrdup(name, GFP_KERNEL);
	if (!name)
		return;
	kfree_const(use->name);
	use->name = name;
}

/**
 * pgmap_free_use() - undo pgmap_alloc_use()
 * @pgmap: pgmap whose pages are gone
 */
void pgmap_free_use(struct dev_pagemap *pgmap)
{
	struct pgmap_use *use = to_pgmap_use(pgmap);

	for (int i = 0; use->chunks && i < use->nr_range; i++)
		kvfree(use->chunks[i]);
	kfree(use->chunks);
	kfree_const(use->name);
	kfree(use);
}

static unsigned long pin_timeout_jiffies(void)
{
	return min_t(u64, (u64)READ_ONCE(pin_timeout) * HZ, MAX_JIFFY_OFFSET);
}

/* Return: whether nothing uses the pages any more within the time. */
static bool pgmap_wait_idle(struct pgmap_use *use)
{
	unsigned long end = jiffies + pin_timeout_jiffies();
	bool told = false;
	long left;

	if (atomic_long_dec_and_test(&use->nr_used))
		return true;

	for (;;) {
		dax_evict_pgmap(&use->pgmap, false);
		if (trace_pgmap_wait_enabled() && !told &&
		    !completion_done(&use->idle))
			trace_pgmap_wait(&use->pgmap.ranges[0], use->name,
					 pgmap_nr_pinned(&use->pgmap));
		left = clamp((long)(end - jiffies), 0L, (long)PGMAP_EVICT_INTERVAL);
		if (wait_for_completion_timeout(&use->idle, left))
			return true;
		if (time_after_eq(jiffies, end))
			return false;
		if (!told)
			pr_info("memremap: waiting for %lu pinned folio(s) of %s, for %u s at most\n",
				pgmap_nr_pinned(&use->pgmap), use->name,
				READ_ONCE(pin_timeout));
		told = true;
	}
}

/*
 * The end of a pin marks the folio dirty, and the inode of the device may be
 * gone by then.
 */
static void pgmap_forget_mapping(struct folio *folio, void *arg)
{
	folio_lock(folio);
	folio->mapping = NULL;
	folio_unlock(folio);
}

/* Leave the pinned folios to those who pin them. */
static void pgmap_orphan_pinned(struct pgmap_use *use)
{
	struct dev_pagemap *pgmap = &use->pgmap;

	if (pgmap->type != MEMORY_DEVICE_FS_DAX) {
		pgmap_for_each_used(pgmap, pgmap_forget_mapping, NULL);
		return;
	}
	/* remount and unmount lock the files out, but not for long */
	for (int i = 0; i < PGMAP_ORPHAN_TRIES; i++) {
		if (dax_evict_pgmap(pgmap, true))
			return;
		schedule_timeout_uninterruptible(HZ / 10);
	}
	pr_warn("memremap: %s: %lu pinned folio(s) stay in files, as a remount or unmount has locked the filesystem: end the processes that have the folios\n",
		use->name, pgmap_nr_pinned(pgmap));
}

/* On return nothing is in use, or only pinned folios that are in no file. */
static void pgmap_empty(struct pgmap_use *use)
{
	if (use->draining)
		return;

	WRITE_ONCE(use->draining, true);
	use->empty = pgmap_wait_idle(use);
	/* closing the files must not wait for the pins either */
	if (!use->empty)
		pgmap_orphan_pinned(use);
}

/**
 * pgmap_is_draining() - does the driver let go of the memory?
 * @pgmap: a tracked pgmap, as the pages point to it
 *
 * Return: true if nobody but the core has to wait for pins.
 */
bool pgmap_is_draining(struct dev_pagemap *pgmap)
{
	return READ_ONCE(to_pgmap_use(pgmap)->draining);
}

/**
 * pgmap_note_pin() - remember that a file loses a folio that is pinned
 * @folio: folio of a tracked pgmap that is being drained
 * @inode: the file
 * @index: index of the folio in the file
 *
 * Context: any, but one task drains a pgmap.
 */
void pgmap_note_pin(struct folio *folio, const struct inode *inode,
		    pgoff_t index)
{
	struct pgmap_use *use = to_pgmap_use(folio->pgmap);

	trace_pgmap_pin(use->name, folio_pfn(folio), folio_ref_count(folio),
			inode, index);
	if (!*use->file)
		snprintf(use->file, sizeof(use->file), ", inode %llu on %s",
			 (u64)inode->i_ino, inode->i_sb->s_id);
}

/**
 * memremap_drain_pages() - do early what memunmap_pages() does with pages in use
 * @pgmap: the driver's pgmap
 *
 * For drivers that close files before they unmap the pages: eviction of an inode
 * waits until no page of it is pinned.
 *
 * Context: process context, sleeps for up to memremap_pin_timeout seconds. The
 * driver has made sure that no further pages get mapped.
 */
void memremap_drain_pages(struct dev_pagemap *pgmap)
{
	if (!pgmap->mapped)
		return;

	pgmap->mapped->dax_dev = pgmap->dax_dev;
	pgmap_empty(to_pgmap_use(pgmap->mapped));
}
EXPORT_SYMBOL_FOR_MODULES(memremap_drain_pages, "nd_pmem");

/**
 * pgmap_drain() - wait until nobody uses the pages of a pgmap, or park it
 * @pgmap: pgmap from pgmap_alloc_use(); no further pages of it get mapped
 *
 * Until this returns memory_failure() finds the pgmap, and its driver hears of
 * errors.
 *
 * Context: process context, sleeps for up to memremap_pin_timeout seconds.
 * Return: true if the pages can go; false if the pgmap is parked, and does not
 * belong to the caller any more.
 */
bool pgmap_drain(struct dev_pagemap *pgmap)
{
	struct pgmap_use *use = to_pgmap_use(pgmap);
	unsigned long nr_pinned;

	pgmap_empty(use);
	if (use->empty)
		return true;

	/* keep the memory, or be sure that pgmap_reap() says that it is idle */
	if (!atomic_long_inc_not_zero(&use->nr_used)) {
		wait_for_completion(&use->idle);
		return true;
	}
	nr_pinned = pgmap_nr_pinned(pgmap);
	use->since = ktime_get_boottime_seconds();
	scoped_guard(mutex, &pgmap_park_lock)
		list_add_tail(&use->parked, &pgmap_parked_list);
	/* waits for references, so without a lock that others want */
	pgmap_disown(pgmap, &pgmap_parked_ops);
	trace_pgmap_park(&pgmap->ranges[0], use->name, nr_pinned);
	pr_warn("memremap: [mem %#llx-%#llx] of %s is parked: %lu folio(s) still pinned after %u s. The memory can be used again when the last pin is gone, see /sys/kernel/mm/parked_memory\n",
		pgmap->ranges[0].start, pgmap->ranges[pgmap->nr_range - 1].end,
		use->name, nr_pinned, READ_ONCE(pin_timeout));
	pgmap_notify_parked();
	pgmap_put_use(use);
	return false;
}

static bool pgmap_overlaps(const struct dev_pagemap *pgmap,
			   const struct range *range)
{
	for (int i = 0; i < pgmap->nr_range; i++)
		if (range_overlaps(&pgmap->ranges[i], range))
			return true;
	return false;
}

static struct pgmap_use *pgmap_find_parked(const struct range *range)
{
	struct pgmap_use *use;

	lockdep_assert_held(&pgmap_park_lock);
	list_for_each_entry(use, &pgmap_parked_list, parked)
		if (pgmap_overlaps(&use->pgmap, range))
			return use;
	return NULL;
}

/**
 * memremap_range_parked() - is memory waiting for pins of an earlier driver?
 * @range: the memory
 *
 * Context: process context, sleeps.
 * Return: true if @range cannot be used yet.
 */
bool memremap_range_parked(const struct range *range)
{
	guard(mutex)(&pgmap_park_lock);
	return pgmap_find_parked(range);
}
EXPORT_SYMBOL_GPL(memremap_range_parked);

/**
 * pgmap_refuse_parked() - do not map memory that is parked
 * @range: the memory
 *
 * Context: process context, sleeps.
 * Return: 0, or %-EBUSY if @range cannot be used yet. The kernel log says why.
 */
int pgmap_refuse_parked(const struct range *range)
{
	struct pgmap_use *use;

	guard(mutex)(&pgmap_park_lock);
	use = pgmap_find_parked(range);
	if (!use)
		return 0;
	pr_warn_ratelimited("memremap: [mem %#llx-%#llx] cannot be used: folios that %s had are pinned still, see /sys/kernel/mm/parked_memory\n",
			    range->start, range->end, use->name);
	return -EBUSY;
}

static ssize_t parked_memory_show(struct kobject *kobj,
				  struct kobj_attribute *attr, char *buf)
{
	struct pgmap_use *use;
	ssize_t at = 0;

	guard(mutex)(&pgmap_park_lock);
	list_for_each_entry(use, &pgmap_parked_list, parked)
		at += sysfs_emit_at(buf, at, "%#llx-%#llx %s pinned %lu for %lld s%s\n",
				    use->pgmap.ranges[0].start,
				    use->pgmap.ranges[use->pgmap.nr_range - 1].end,
				    use->name, pgmap_nr_pinned(&use->pgmap),
				    ktime_get_boottime_seconds() - use->since,
				    use->file);
	return at;
}

/* The lines have physical addresses, which only root may see. */
static struct kobj_attribute parked_memory_attr =
	__ATTR(parked_memory, 0400, parked_memory_show, NULL);

static int __init pgmap_use_init(void)
{
	return sysfs_create_file(mm_kobj, &parked_memory_attr.attr);
}
late_initcall(pgmap_use_init);
