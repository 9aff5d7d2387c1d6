// SPDX-License-Identifier: GPL-2.0
/*
 * Bad pages of device memory.
 *
 * Nobody can replace a bad page of a device by a good one, as is done in System
 * RAM. But a write can heal the page. So the kernel takes these steps in order,
 * and each step relies on the steps before it:
 *
 *	record	by the driver, under the lock under which it heals pages:
 *		later users of the device are told that the page is bad
 *	mark	mf_dev_mark_page(), under the same lock: the page is flagged,
 *		and counts in HardwareCorrupted
 *	wait	dax_wait_readers(): users that found the page good are done
 *		with it
 *	hide	mf_dev_hide_page(): the page leaves the direct map, unless the
 *		error was only simulated
 *	unmap	the page leaves all page tables, and dirty data counts as lost
 *	signal	processes hear of it, and may write the page anew
 *
 * mf_dax_failure() does all but the first two. A heal goes the other way, under
 * the lock of the driver: mf_dev_begin_heal() brings the page back into the
 * direct map, the page is written and leaves the record, and mf_dev_end_heal()
 * takes the mark from the page. A page that is healed before it was hidden
 * stays in the direct map, as does a page that is hidden while it is being
 * written, until the heal has shown whether the page is good. The driver must
 * not wait for readers under its lock, as a heal runs in a read section.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/memory-failure.h>
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/page-flags.h>
#include <linux/sched/mm.h>
#include <linux/set_memory.h>
#include <linux/xarray.h>

/* The page is bad, and counted. */
#define MF_DEV_MARKED	BIT(0)
/* The page is not in the direct map, except during a heal. */
#define MF_DEV_HIDDEN	BIT(1)
/* The page is being written, and may turn out to be good. */
#define MF_DEV_HEALING	BIT(2)

/* The state of each bad page, by page frame number. */
static DEFINE_XARRAY(mf_dev_pages);
/* The pages that had no driver when they went away, until the next one asks. */
static DEFINE_XARRAY(mf_dev_left);
/*
 * Protects both, and the flags and the direct map of the pages.
 * Allocations under this lock do no I/O, because reclaim may have to write to
 * such a page.
 */
static DEFINE_MUTEX(mf_dev_lock);

DEFINE_LOCK_GUARD_0(mf_dev,
		    mutex_lock(&mf_dev_lock);
		    _T->noio = memalloc_noio_save(),
		    memalloc_noio_restore(_T->noio);
		    mutex_unlock(&mf_dev_lock),
		    unsigned int noio)

VISIBLE_IF_KUNIT void mf_dev_map(unsigned long pfn, bool present);

VISIBLE_IF_KUNIT void mf_dev_map(unsigned long pfn, bool present)
{
	KUNIT_STATIC_STUB_REDIRECT(mf_dev_map, pfn, present);
	if (present)
		clear_mce_nospec(pfn);
	else
		set_mce_nospec(pfn);
}
EXPORT_SYMBOL_IF_KUNIT(mf_dev_map);

static unsigned long mf_dev_state(unsigned long pfn)
{
	void *entry = xa_load(&mf_dev_pages, pfn);

	return entry ? xa_to_value(entry) : 0;
}

/* No error may get lost, and only a node of the tree is allocated here. */
static void mf_dev_set_state(unsigned long pfn, unsigned long state)
{
	xa_store(&mf_dev_pages, pfn, xa_mk_value(state),
		 GFP_KERNEL | __GFP_NOFAIL);
}

/* The pages of a huge folio can share their struct pages, and so their flags. */
static void mf_dev_flag(struct page *page, bool bad)
{
	if (is_zone_device_page(page) && page_pgmap(page)->vmemmap_shift)
		return;
	if (bad)
		SetPageHWPoison(page);
	else
		ClearPageHWPoison(page);
}

static void mf_dev_count_locked(unsigned long pfn)
{
	unsigned long state = mf_dev_state(pfn);

	if (state & MF_DEV_MARKED)
		return;
	/* the page belongs to no memory block, even if there is one around it */
	atomic_long_inc(&num_poisoned_pages);
	mf_dev_set_state(pfn, state | MF_DEV_MARKED);
}

static void mf_dev_hide_locked(unsigned long pfn)
{
	unsigned long state = mf_dev_state(pfn);

	mf_dev_set_state(pfn, state | MF_DEV_HIDDEN);
	if (!(state & MF_DEV_HEALING))
		mf_dev_map(pfn, false);
}

/**
 * mf_dev_count() - count a bad page of device memory, once
 * @pfn: its page frame number
 *
 * For pages whose struct page says nothing about errors, and whose errors
 * cannot be healed.
 *
 * Context: process context, sleeps.
 */
void mf_dev_count(unsigned long pfn)
{
	guard(mf_dev)();
	mf_dev_count_locked(pfn);
}
EXPORT_SYMBOL_IF_KUNIT(mf_dev_count);

/**
 * mf_dev_mark_page() - flag a bad page of an fs-dax device, and count it once
 * @page: a page that is in the record of its driver
 *
 * Context: process context, sleeps; under the lock under which the driver heals
 * pages, so that the page is not healed meanwhile. From memory_failure(), which
 * handles one error at a time, or while nobody uses the memory: otherwise the
 * handler of an earlier error might hide the page, and has waited too early for
 * those who find it good.
 */
void mf_dev_mark_page(struct page *page)
{
	guard(mf_dev)();
	mf_dev_count_locked(page_to_pfn(page));
	mf_dev_flag(page, true);
}
EXPORT_SYMBOL_GPL(mf_dev_mark_page);

/**
 * mf_dev_hide_page() - take a bad page of device memory out of the direct map
 * @pfn: its page frame number
 *
 * Does nothing to a page that is not marked, because it has been healed
 * meanwhile.
 *
 * Context: process context, sleeps. Nobody accesses the page any more, see
 * dax_wait_readers().
 */
void mf_dev_hide_page(unsigned long pfn)
{
	guard(mf_dev)();
	if ((mf_dev_state(pfn) & (MF_DEV_MARKED | MF_DEV_HIDDEN)) ==
	    MF_DEV_MARKED)
		mf_dev_hide_locked(pfn);
}
EXPORT_SYMBOL_GPL(mf_dev_hide_page);

/**
 * mf_dev_find_bad() - find a page of device memory that is known to be bad
 * @pfn: page frame number to begin with; set to that of the page
 * @last: last page frame number
 *
 * For drivers whose record of errors can be full. What was not found can go bad
 * at any time; until the end of a read section of the device the page stays in
 * the direct map all the same.
 *
 * Context: any.
 * Return: false if there is none.
 */
bool mf_dev_find_bad(unsigned long *pfn, unsigned long last)
{
	unsigned long index;
	void *entry;

	xa_for_each_range(&mf_dev_pages, index, entry, *pfn, last)
		if (xa_to_value(entry) & MF_DEV_MARKED) {
			*pfn = index;
			return true;
		}
	return false;
}
EXPORT_SYMBOL_GPL(mf_dev_find_bad);

/**
 * mf_dev_begin_heal() - make a bad page accessible, to be written
 * @page: page of an fs-dax device, in the record of its driver
 *
 * The page stays in the direct map until mf_dev_end_heal(), whatever happens.
 *
 * Context: process context, sleeps; under the lock of the driver.
 */
void mf_dev_begin_heal(struct page *page)
{
	unsigned long pfn = page_to_pfn(page);

	guard(mf_dev)();
	mf_dev_set_state(pfn, mf_dev_state(pfn) | MF_DEV_HEALING);
	mf_dev_map(pfn, true);
}
EXPORT_SYMBOL_GPL(mf_dev_begin_heal);

/**
 * mf_dev_end_heal() - say whether a page that was written is good
 * @page: the page, after mf_dev_begin_heal()
 * @good: whether the page is good, and has left the record. A bad page is as it
 *	was before: if it was not hidden, its error is simulated, or somebody is
 *	about to wait for its readers, and to hide it.
 *
 * Context: process context, sleeps; under the lock of the driver.
 */
void mf_dev_end_heal(struct page *page, bool good)
{
	unsigned long pfn = page_to_pfn(page);
	unsigned long state;

	guard(mf_dev)();
	state = mf_dev_state(pfn);
	if (good) {
		xa_erase(&mf_dev_pages, pfn);
		mf_dev_flag(page, false);
		if (state & MF_DEV_MARKED)
			atomic_long_dec(&num_poisoned_pages);
		return;
	}

	mf_dev_set_state(pfn, state & ~MF_DEV_HEALING);
	if (state & MF_DEV_HIDDEN)
		mf_dev_hide_locked(pfn);
}
EXPORT_SYMBOL_GPL(mf_dev_end_heal);

/**
 * mf_dev_lock_page() - keep a flagged page in the direct map
 * @page: page of an fs-dax device
 *
 * Context: process context, sleeps.
 * Return: true if the page can be accessed, until mf_dev_unlock_page(); false if
 * it is not in the direct map.
 */
bool mf_dev_lock_page(struct page *page)
{
	mutex_lock(&mf_dev_lock);
	if (!(mf_dev_state(page_to_pfn(page)) & MF_DEV_HIDDEN))
		return true;
	mutex_unlock(&mf_dev_lock);
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(mf_dev_lock_page);

/**
 * mf_dev_unlock_page() - end what mf_dev_lock_page() has begun
 */
void mf_dev_unlock_page(void)
{
	mutex_unlock(&mf_dev_lock);
}
EXPORT_SYMBOL_IF_KUNIT(mf_dev_unlock_page);

/**
 * mf_dev_forget() - device memory goes away
 * @start: its first page frame number
 * @nr_pages: how many there are
 *
 * The next driver of the memory knows of the bad pages only if this one keeps a
 * record. Hidden pages come back, since x86 leaves page table entries behind
 * that are not present, and would find these when there is a direct map again.
 *
 * Context: process context, sleeps. Nobody uses the memory any more, and it is
 * in the direct map still.
 */
void mf_dev_forget(unsigned long start, unsigned long nr_pages)
{
	unsigned long pfn;
	void *entry;

	guard(mf_dev)();
	xa_for_each_range(&mf_dev_pages, pfn, entry, start,
			  start + nr_pages - 1) {
		xa_erase(&mf_dev_pages, pfn);
		if (xa_to_value(entry) & MF_DEV_MARKED)
			atomic_long_dec(&num_poisoned_pages);
		if (xa_to_value(entry) & MF_DEV_HIDDEN)
			mf_dev_map(pfn, true);
	}
}
EXPORT_SYMBOL_IF_KUNIT(mf_dev_forget);

/**
 * mf_dev_leave() - device memory without a driver goes away
 * @start: its first page frame number
 * @nr_pages: how many there are
 *
 * No driver has a record of the pages that are marked: mf_dev_take_left() tells
 * the next driver of the memory. Called before mf_dev_forget().
 *
 * Context: process context, sleeps.
 */
void mf_dev_leave(unsigned long start, unsigned long nr_pages)
{
	unsigned long pfn;
	void *entry;

	guard(mf_dev)();
	xa_for_each_range(&mf_dev_pages, pfn, entry, start,
			  start + nr_pages - 1)
		if (xa_to_value(entry) & MF_DEV_MARKED)
			xa_store(&mf_dev_left, pfn, xa_mk_value(1),
				 GFP_KERNEL | __GFP_NOFAIL);
}
EXPORT_SYMBOL_IF_KUNIT(mf_dev_leave);

/**
 * mf_dev_leave_page() - memory without a driver has gone bad
 * @pfn: its page frame number
 *
 * The driver may have left between the error and memory_failure(), or not have
 * come yet, or not have all of its pages yet, or not be able to record an error
 * yet: mf_dev_take_left() tells the next driver of the memory.
 *
 * Context: process context, sleeps.
 */
void mf_dev_leave_page(unsigned long pfn)
{
	guard(mf_dev)();
	xa_store(&mf_dev_left, pfn, xa_mk_value(1), GFP_KERNEL | __GFP_NOFAIL);
}
EXPORT_SYMBOL_GPL(mf_dev_leave_page);

/**
 * mf_dev_take_left() - find a page that went bad while the memory had no driver
 * @pfn: page frame number to begin with; set to that of the page
 * @last: last page frame number
 *
 * For drivers that probe: the caller records the page, and asks for more. Each
 * page is found once. No error is missed if the memory has its struct pages, and
 * memory_failure_wait() was called after these were made.
 *
 * Context: process context, sleeps.
 * Return: false if there is none.
 */
bool mf_dev_take_left(unsigned long *pfn, unsigned long last)
{
	guard(mf_dev)();
	if (!xa_find(&mf_dev_left, pfn, last, XA_PRESENT))
		return false;
	xa_erase(&mf_dev_left, *pfn);
	return true;
}
EXPORT_SYMBOL_GPL(mf_dev_take_left);

/**
 * memory_failure_hide() - take a bad page out of the direct map
 * @pfn: page frame number that memory_failure() has handled just now
 *
 * Nothing is left to do for memory of devices: memory_failure() hides it before
 * anybody hears of the error, and by now it may have been healed.
 *
 * Context: process context, sleeps.
 */
void memory_failure_hide(unsigned long pfn)
{
	if (!pfn_valid(pfn) || pfn_to_online_page(pfn))
		set_mce_nospec(pfn);
}
EXPORT_SYMBOL_GPL(memory_failure_hide);
