// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the record of memory errors of a dax device: how it divides a
 * range into good and bad pages, what gets into it and what out of it.
 */
#include <kunit/static_stub.h>
#include <linux/badblocks.h>
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/memory.h>
#include <linux/module.h>
#include <linux/pfn.h>
#include <linux/prandom.h>
#include <linux/range.h>
#include <linux/sizes.h>
#include "dax_test.h"

/* Two ranges of this many pages, the second below the first in memory. */
#define POISON_PAGES 128
#define POISON_TOTAL (2 * POISON_PAGES)
#define POISON_HIGH (SZ_1T + SZ_1G)
#define POISON_LOW SZ_1T

static void poison_exit_record(void *region)
{
	dax_poison_exit(region);
}

static int poison_init(struct kunit *test)
{
	struct dev_dax *dev_dax = dax_test_dev_dax(test, 2);
	u64 size = PFN_PHYS(POISON_PAGES);
	int rc;

	dev_dax->ranges[0].range = DEFINE_RANGE(POISON_HIGH,
						POISON_HIGH + size - 1);
	dev_dax->ranges[1].range = DEFINE_RANGE(POISON_LOW,
						POISON_LOW + size - 1);
	dev_dax->ranges[1].pgoff = POISON_PAGES;
	dev_dax->dax_dev = dax_test_dev(test, dev_dax);
	dev_dax->region->res.start = POISON_LOW;

	KUNIT_ASSERT_EQ(test, dax_poison_init(dev_dax->region), 0);
	rc = kunit_add_action_or_reset(test, poison_exit_record, dev_dax->region);
	KUNIT_ASSERT_EQ(test, rc, 0);
	test->priv = dev_dax;
	return 0;
}

/* Where the record has a page of the first range. */
static sector_t poison_sector(pgoff_t pgoff)
{
	return (POISON_HIGH - POISON_LOW + PFN_PHYS(pgoff)) >> SECTOR_SHIFT;
}

/* By page of the device. */
static void poison_add(struct kunit *test, pgoff_t pgoff, unsigned long nr)
{
	struct dev_dax *dev_dax = test->priv;
	unsigned long there = nr;
	u64 offset;

	KUNIT_ASSERT_EQ(test, dax_poison_add(dev_dax,
					     PHYS_PFN(dax_pgoff_to_phys(dev_dax,
									pgoff,
									&there)),
					     nr, &offset), 0);
	KUNIT_ASSERT_EQ(test, there, nr);
	KUNIT_ASSERT_EQ(test, offset, PFN_PHYS(pgoff));
}

static void poison_expect(struct kunit *test, pgoff_t pgoff, long nr_pages,
			  long nr, bool bad)
{
	bool is_bad = !bad;

	KUNIT_EXPECT_EQ_MSG(test, dax_poison_span(test->priv, pgoff, nr_pages,
						  &is_bad), nr,
			    "pages %lu+%lu", pgoff, nr_pages);
	KUNIT_EXPECT_EQ_MSG(test, is_bad, bad, "pages %lu+%lu", pgoff,
			    nr_pages);
}

/* How many bad pages all spans of the device have together. */
static unsigned long poison_count(struct kunit *test)
{
	unsigned long nr_bad = 0;

	for (pgoff_t pgoff = 0; pgoff < POISON_TOTAL; ) {
		bool bad;
		long nr = dax_poison_span(test->priv, pgoff,
					  POISON_TOTAL - pgoff, &bad);

		KUNIT_ASSERT_GT_MSG(test, nr, 0, "page %lu", pgoff);
		if (bad)
			nr_bad += nr;
		pgoff += nr;
	}
	return nr_bad;
}

static void new_device_is_good(struct kunit *test)
{
	poison_expect(test, 0, POISON_TOTAL, POISON_TOTAL, false);
	poison_expect(test, POISON_TOTAL - 1, 1, 1, false);
}

static void span_ends_before_a_bad_page(struct kunit *test)
{
	poison_add(test, 5, 1);
	poison_expect(test, 0, 16, 5, false);
	poison_expect(test, 4, 16, 1, false);
	poison_expect(test, 0, 5, 5, false);
}

static void span_of_one_bad_page(struct kunit *test)
{
	poison_add(test, 5, 1);
	poison_expect(test, 5, 16, 1, true);
	poison_expect(test, 5, 1, 1, true);
}

static void span_behind_a_bad_page_is_good(struct kunit *test)
{
	poison_add(test, 5, 1);
	poison_expect(test, 6, 16, 16, false);
}

static void span_of_a_bad_run(struct kunit *test)
{
	poison_add(test, 5, 3);
	poison_expect(test, 5, 16, 3, true);
	poison_expect(test, 6, 16, 2, true);
	poison_expect(test, 7, 16, 1, true);
	poison_expect(test, 8, 16, 16, false);
}

static void span_is_no_longer_than_wanted(struct kunit *test)
{
	poison_add(test, 5, 3);
	poison_expect(test, 5, 2, 2, true);
	poison_expect(test, 2, 2, 2, false);
}

static void span_between_bad_pages(struct kunit *test)
{
	poison_add(test, 5, 1);
	poison_add(test, 9, 1);
	poison_expect(test, 6, 16, 3, false);
	KUNIT_EXPECT_EQ(test, poison_count(test), 2);
}

static void first_and_last_page_can_be_bad(struct kunit *test)
{
	poison_add(test, 0, 1);
	poison_add(test, POISON_TOTAL - 1, 1);
	poison_expect(test, 0, POISON_TOTAL, 1, true);
	poison_expect(test, 1, POISON_TOTAL - 1, POISON_PAGES - 1, false);
	poison_expect(test, POISON_TOTAL - 1, 1, 1, true);
}

/* An entry of the record has 64 pages at most. */
static void long_run_has_no_good_page(struct kunit *test)
{
	poison_add(test, 3, 100);
	poison_expect(test, 0, POISON_TOTAL, 3, false);
	KUNIT_EXPECT_EQ(test, poison_count(test), 100);
}

static void one_bad_sector_is_a_bad_page(struct kunit *test)
{
	struct dev_dax *dev_dax = test->priv;

	for (int i = 0; i < PAGE_SECTORS; i++) {
		badblocks_set(&dev_dax->region->bb, poison_sector(5) + i, 1, 1);
		poison_expect(test, 0, 16, 5, false);
		poison_expect(test, 5, 16, 1, true);
		poison_expect(test, 6, 16, 16, false);
		badblocks_clear(&dev_dax->region->bb, poison_sector(5) + i, 1);
	}
}

static void bad_sectors_of_two_pages_are_two_bad_pages(struct kunit *test)
{
	struct dev_dax *dev_dax = test->priv;

	badblocks_set(&dev_dax->region->bb, poison_sector(6) - 1, 2, 1);
	poison_expect(test, 0, 16, 5, false);
	poison_expect(test, 5, 16, 2, true);
	poison_expect(test, 6, 16, 1, true);
}

/* More sectors than badblocks_check() can take at once. */
static void bad_page_is_found_in_a_huge_range(struct kunit *test)
{
	const long huge = 1L << 30, where = 1L << 29;
	struct dev_dax *dev_dax = test->priv;
	pgoff_t pgoff = 0;
	bool bad;

	dev_dax->nr_range = 1;
	dev_dax->ranges[0].range = DEFINE_RANGE(POISON_LOW, POISON_LOW +
						PFN_PHYS(huge) - 1);
	badblocks_set(&dev_dax->region->bb, where * PAGE_SECTORS, PAGE_SECTORS,
		      1);
	for (;;) {
		long nr = dax_poison_span(dev_dax, pgoff, huge - pgoff, &bad);

		KUNIT_ASSERT_GT(test, nr, 0);
		if (bad || pgoff + nr >= huge)
			break;
		pgoff += nr;
	}
	KUNIT_EXPECT_TRUE(test, bad);
	KUNIT_EXPECT_EQ(test, pgoff, where);
}

/* Page by page, over a third of the device bad and many runs of one page. */
static void span_agrees_with_a_bitmap(struct kunit *test)
{
	DECLARE_BITMAP(bad, POISON_TOTAL) = { };
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 7);
	for (int i = 0; i < POISON_TOTAL / 2; i++) {
		pgoff_t pgoff = prandom_u32_state(&rnd) % POISON_TOTAL;

		poison_add(test, pgoff, 1);
		__set_bit(pgoff, bad);
	}

	for (pgoff_t pgoff = 0; pgoff < POISON_TOTAL; pgoff++) {
		bool is_bad = test_bit(pgoff, bad);
		pgoff_t end = is_bad ?
			find_next_zero_bit(bad, POISON_TOTAL, pgoff) :
			find_next_bit(bad, POISON_TOTAL, pgoff);

		/* there is a gap in memory between the ranges */
		if (pgoff < POISON_PAGES)
			end = min(end, POISON_PAGES);
		poison_expect(test, pgoff, POISON_TOTAL - pgoff, end - pgoff,
			      is_bad);
	}
}

static void error_is_recorded_where_the_device_has_it(struct kunit *test)
{
	struct dev_dax *dev_dax = test->priv;
	u64 offset;

	KUNIT_EXPECT_EQ(test, dax_poison_add(dev_dax, PHYS_PFN(POISON_LOW) + 3,
					     2, &offset), 0);
	KUNIT_EXPECT_EQ(test, offset, PFN_PHYS(POISON_PAGES + 3));
	poison_expect(test, POISON_PAGES + 3, 16, 2, true);
	KUNIT_EXPECT_EQ(test, poison_count(test), 2);
}

static void error_outside_is_not_recorded(struct kunit *test)
{
	struct dev_dax *dev_dax = test->priv;
	u64 offset = 0xdead;

	KUNIT_EXPECT_EQ(test, dax_poison_add(dev_dax, PHYS_PFN(POISON_LOW) - 1,
					     1, &offset), -ENXIO);
	KUNIT_EXPECT_EQ(test, offset, 0xdead);
	KUNIT_EXPECT_EQ(test, poison_count(test), 0);
}

static void error_is_recorded_once(struct kunit *test)
{
	poison_add(test, 5, 1);
	poison_add(test, 5, 1);
	KUNIT_EXPECT_EQ(test, poison_count(test), 1);
}

/* For those who looked for errors a moment ago. */
static void error_counts_as_a_failure(struct kunit *test)
{
	struct dev_dax *dev_dax = test->priv;
	unsigned int failures = dax_failures(dev_dax->dax_dev);

	poison_add(test, 5, 1);
	KUNIT_EXPECT_NE(test, dax_failures(dev_dax->dax_dev), failures);
}

/* The memory is what is bad, whatever device has it, and at which offset. */
static void error_goes_with_the_memory(struct kunit *test)
{
	struct dev_dax *dev_dax = test->priv;

	poison_add(test, 5, 1);
	dev_dax->nr_range = 1;
	swap(dev_dax->ranges[0].range, dev_dax->ranges[1].range);
	poison_expect(test, 0, POISON_PAGES, POISON_PAGES, false);

	dev_dax->ranges[0].range = DEFINE_RANGE(POISON_HIGH + PFN_PHYS(4),
						POISON_HIGH + PFN_PHYS(8) - 1);
	poison_expect(test, 0, 4, 1, false);
	poison_expect(test, 1, 3, 1, true);
	poison_expect(test, 2, 2, 2, false);
}

/* Entries that are not of the device, as many as there can be. */
static void poison_fill_record(struct kunit *test)
{
	struct dev_dax *dev_dax = test->priv;
	sector_t sector = poison_sector(POISON_PAGES);

	while (badblocks_set(&dev_dax->region->bb, sector, 1, 1))
		sector += 2;
	KUNIT_ASSERT_GT(test, sector, poison_sector(POISON_PAGES) + 100);
}

static void error_is_known_though_the_record_is_full(struct kunit *test)
{
	struct dev_dax *dev_dax = test->priv;
	struct page *pages;
	u64 offset;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "pages have no flag for it");
	pages = alloc_pages(GFP_KERNEL, 2);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	poison_fill_record(test);
	dev_dax->region->res.start = page_to_phys(pages);
	dev_dax->ranges[0].range = DEFINE_RANGE(page_to_phys(pages),
						page_to_phys(pages) +
						4 * PAGE_SIZE - 1);
	dev_dax->nr_range = 1;
	KUNIT_EXPECT_EQ(test, dax_poison_add(dev_dax, page_to_pfn(pages) + 2, 1,
					     &offset), 0);
	poison_expect(test, 0, 4, 2, false);
	poison_expect(test, 2, 2, 1, true);
	poison_expect(test, 3, 1, 1, false);
	ClearPageHWPoison(pages + 2);
	__free_pages(pages, 2);
}

/* Success would mean a page that was written and can never be read. */
static void heal_fails_if_the_record_cannot_change(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	poison_add(test, 5, 3);
	poison_fill_record(test);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 6, page_address(page),
					      1), 0);
	poison_expect(test, 6, 1, 1, true);
	ClearPageHWPoison(page);
	__free_page(page);
}

static void heal_forgets_what_was_written(struct kunit *test)
{
	void *addr = kunit_kzalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	poison_add(test, 5, 4);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 6, addr, 2), 2);
	poison_expect(test, 5, 16, 1, true);
	poison_expect(test, 6, 16, 2, false);
	poison_expect(test, 8, 16, 1, true);
}

static void heal_of_good_pages_changes_nothing(struct kunit *test)
{
	void *addr = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	poison_add(test, 5, 1);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 6, addr, 1), 1);
	KUNIT_EXPECT_EQ(test, poison_count(test), 1);
}

bool dax_poison_readable(void *addr, void *buf);

static void *poison_unreadable;

static bool poison_can_read(void *addr, void *buf)
{
	return addr != poison_unreadable;
}

/* One more error, in the page that has just been found good. */
static bool poison_comes_back(void *addr, void *buf)
{
	struct kunit *test = kunit_get_current_test();

	if (addr == poison_unreadable)
		return false;
	poison_add(test, 5, 1);
	poison_unreadable = addr;
	return true;
}

static void heal_looks_again_after_a_new_error(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	poison_add(test, 5, 1);
	poison_unreadable = NULL;
	kunit_activate_static_stub(test, dax_poison_readable,
				   poison_comes_back);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 5, page_address(page),
					      1), 0);
	poison_expect(test, 5, 1, 1, true);
	ClearPageHWPoison(page);
	__free_page(page);
}

static void heal_ends_with_the_range(struct kunit *test)
{
	void *addr = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	poison_add(test, POISON_PAGES - 1, 1);
	poison_add(test, POISON_PAGES, 1);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, POISON_PAGES - 1,
					      addr, 3), 1);
	poison_expect(test, POISON_PAGES - 1, 1, 1, false);
	poison_expect(test, POISON_PAGES, 1, 1, true);
}

#define HEAL_ORDER 2

static void poison_free_pages(void *pages)
{
	for (int i = 0; i < 1 << HEAL_ORDER; i++)
		ClearPageHWPoison((struct page *)pages + i);
	__free_pages(pages, HEAL_ORDER);
}

/* Pages that are a device. */
static struct page *poison_good_pages(struct kunit *test, gfp_t gfp)
{
	struct page *pages = alloc_pages(GFP_KERNEL | __GFP_ZERO | gfp,
					 HEAL_ORDER);
	struct dev_dax *dev_dax = test->priv;
	phys_addr_t phys;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, poison_free_pages,
							pages), 0);
	phys = page_to_phys(pages);
	dev_dax->region->res.start = phys;
	dev_dax->ranges[0].range =
		DEFINE_RANGE(phys, phys + (PAGE_SIZE << HEAL_ORDER) - 1);
	dev_dax->nr_range = 1;
	return pages;
}

/* All but the last one bad. */
static struct page *poison_real_pages(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);

	poison_add(test, 0, 3);
	for (int i = 0; i < 3; i++)
		SetPageHWPoison(pages + i);
	return pages;
}

/* What the medium was asked for. */
static struct {
	unsigned int calls;
	phys_addr_t phys[3];
	unsigned int len[3];
	bool bad[3];
} poison_asked;

static void poison_ask(struct dax_region *dax_region, phys_addr_t phys,
		       unsigned int len)
{
	unsigned int i = poison_asked.calls++;

	if (i >= ARRAY_SIZE(poison_asked.phys))
		return;
	poison_asked.phys[i] = phys;
	poison_asked.len[i] = len;
	poison_asked.bad[i] = PageHWPoison(phys_to_page(phys));
}

static void touch_asks_the_medium_to_forget(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages) + PAGE_SIZE;
	struct dev_dax *dev_dax = test->priv;

	memset(&poison_asked, 0, sizeof(poison_asked));
	memset(addr, 0x5a, PAGE_SIZE);
	dev_dax->region->clear_poison = poison_ask;
	dax_poison_touch(dev_dax, 1, addr, 2);

	KUNIT_ASSERT_EQ(test, poison_asked.calls, 2);
	for (int i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, poison_asked.phys[i],
				page_to_phys(pages + 1 + i));
		KUNIT_EXPECT_EQ(test, poison_asked.len[i], PAGE_SIZE);
		/* before anybody can get at the page */
		KUNIT_EXPECT_EQ(test, poison_asked.bad[i],
				IS_ENABLED(CONFIG_MEMORY_FAILURE));
	}
	/* nobody has written yet, and nobody will but who healed it */
	KUNIT_EXPECT_EQ(test, *(u8 *)addr, 0x5a);
	poison_expect(test, 0, 4, 3, true);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(dev_dax, 1, addr, 2), 2);
	KUNIT_EXPECT_EQ(test, poison_asked.calls, 2);
	poison_expect(test, 0, 4, 1, true);
	poison_expect(test, 1, 3, 3, false);
}

/* A medium has no way to say no: that is found out by reading. */
static void medium_that_does_not_forget_keeps_the_error(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);
	struct dev_dax *dev_dax = test->priv;

	memset(&poison_asked, 0, sizeof(poison_asked));
	dev_dax->region->clear_poison = poison_ask;
	poison_unreadable = addr;
	kunit_activate_static_stub(test, dax_poison_readable,
				   poison_can_read);
	dax_poison_touch(dev_dax, 0, addr, 1);
	KUNIT_EXPECT_EQ(test, poison_asked.calls, 1);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(dev_dax, 0, addr, 1), 0);
	poison_expect(test, 0, 4, 3, true);
}

static void touch_ends_with_the_range(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	struct dev_dax *dev_dax = test->priv;

	memset(&poison_asked, 0, sizeof(poison_asked));
	dev_dax->region->clear_poison = poison_ask;
	dax_poison_touch(dev_dax, 3, page_address(pages + 3), 2);
	KUNIT_EXPECT_EQ(test, poison_asked.calls, 1);
	KUNIT_EXPECT_EQ(test, poison_asked.phys[0], page_to_phys(pages + 3));
}

static void error_beyond_a_full_record_is_healed(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);
	void *addr = page_address(pages) + 2 * PAGE_SIZE;
	struct dev_dax *dev_dax = test->priv;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "pages have no flag for it");
	poison_fill_record(test);
	poison_add(test, 2, 1);
	poison_expect(test, 2, 2, 1, true);
	dax_poison_touch(dev_dax, 2, addr, 1);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(dev_dax, 2, addr, 1), 1);
	poison_expect(test, 0, 4, 4, false);
}

/* The flag says what the record says. */
static void mark_is_for_pages_that_are_bad_still(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, __GFP_COMP);

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "pages have no flag for it");
	poison_add(test, 2, 1);
	dax_poison_mark(test->priv, pages + 2);
	KUNIT_EXPECT_TRUE(test, PageHWPoison(pages + 2));

	/* who flags it late, when somebody has healed it */
	SetPageHWPoison(pages + 1);
	dax_poison_mark(test->priv, pages + 1);
	KUNIT_EXPECT_FALSE(test, PageHWPoison(pages + 1));

	/* and who was earlier */
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 2,
					      page_address(pages + 2), 1), 1);
	KUNIT_EXPECT_FALSE(test, PageHWPoison(pages + 2));
}

static void poison_release_dev(struct device *dev)
{
}

static void poison_put_dev(void *dev)
{
	put_device(dev);
}

/* Memory that is no longer System RAM, with marks, some of them in others'. */
static void error_of_system_ram_is_recorded_when_that_ends(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);
	struct dev_dax *dev_dax = test->priv;
	struct notifier_block *nb = &dev_dax->ram_nb;
	struct memory_notify mem = {
		.start_pfn = page_to_pfn(pages),
		.nr_pages = 1 << HEAL_ORDER,
	};

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "pages have no flag for it");
	device_initialize(&dev_dax->dev);
	dev_dax->dev.release = poison_release_dev;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, poison_put_dev,
							&dev_dax->dev), 0);
	KUNIT_ASSERT_EQ(test, devm_dax_poison_watch_ram(dev_dax), 0);

	/* the last page is somebody else's */
	dev_dax->ranges[0].range.end -= PAGE_SIZE;
	SetPageHWPoison(pages + 1);
	SetPageHWPoison(pages + 3);
	nb->notifier_call(nb, MEM_GOING_OFFLINE, &mem);
	nb->notifier_call(nb, MEM_CANCEL_OFFLINE, &mem);
	poison_expect(test, 0, 3, 3, false);
	nb->notifier_call(nb, MEM_OFFLINE, &mem);
	poison_expect(test, 0, 3, 1, false);
	poison_expect(test, 1, 2, 1, true);
	poison_expect(test, 2, 1, 1, false);
	dev_dax->ranges[0].range.end += PAGE_SIZE;
	poison_expect(test, 2, 2, 2, false);
}

static void heal_keeps_what_cannot_be_read(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);

	poison_unreadable = addr + PAGE_SIZE;
	kunit_activate_static_stub(test, dax_poison_readable,
				   poison_can_read);
	dax_poison_touch(test->priv, 0, addr, 3);
	for (int i = 0; i < 3; i++)
		KUNIT_EXPECT_FALSE(test, PageHWPoison(pages + i));
	poison_expect(test, 0, 4, 3, true);

	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 0, addr, 3), 1);
	poison_expect(test, 0, 4, 1, false);
	poison_expect(test, 1, 3, 2, true);
	poison_expect(test, 3, 1, 1, false);
	KUNIT_EXPECT_FALSE(test, PageHWPoison(pages));
	if (IS_ENABLED(CONFIG_MEMORY_FAILURE)) {
		KUNIT_EXPECT_TRUE(test, PageHWPoison(pages + 1));
		KUNIT_EXPECT_TRUE(test, PageHWPoison(pages + 2));
	}
	KUNIT_EXPECT_FALSE(test, PageHWPoison(pages + 3));

	/* another time it can */
	poison_unreadable = NULL;
	dax_poison_touch(test->priv, 1, addr + PAGE_SIZE, 2);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 1, addr + PAGE_SIZE,
					      2), 2);
	poison_expect(test, 0, 4, 4, false);
	for (int i = 0; i < 3; i++)
		KUNIT_EXPECT_FALSE(test, PageHWPoison(pages + i));
}

static void heal_keeps_all_if_the_first_cannot_be_read(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);

	poison_unreadable = addr;
	kunit_activate_static_stub(test, dax_poison_readable,
				   poison_can_read);
	dax_poison_touch(test->priv, 0, addr, 3);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 0, addr, 3), 0);
	poison_expect(test, 0, 4, 3, true);
}

static struct kunit_case poison_cases[] = {
	KUNIT_CASE(new_device_is_good),
	KUNIT_CASE(span_ends_before_a_bad_page),
	KUNIT_CASE(span_of_one_bad_page),
	KUNIT_CASE(span_behind_a_bad_page_is_good),
	KUNIT_CASE(span_of_a_bad_run),
	KUNIT_CASE(span_is_no_longer_than_wanted),
	KUNIT_CASE(span_between_bad_pages),
	KUNIT_CASE(first_and_last_page_can_be_bad),
	KUNIT_CASE(long_run_has_no_good_page),
	KUNIT_CASE(one_bad_sector_is_a_bad_page),
	KUNIT_CASE(bad_sectors_of_two_pages_are_two_bad_pages),
	KUNIT_CASE(bad_page_is_found_in_a_huge_range),
	KUNIT_CASE(span_agrees_with_a_bitmap),
	KUNIT_CASE(error_is_recorded_where_the_device_has_it),
	KUNIT_CASE(error_outside_is_not_recorded),
	KUNIT_CASE(error_is_recorded_once),
	KUNIT_CASE(error_counts_as_a_failure),
	KUNIT_CASE(error_goes_with_the_memory),
	KUNIT_CASE(error_is_known_though_the_record_is_full),
	KUNIT_CASE(heal_fails_if_the_record_cannot_change),
	KUNIT_CASE(heal_keeps_what_cannot_be_read),
	KUNIT_CASE(heal_keeps_all_if_the_first_cannot_be_read),
	KUNIT_CASE(heal_forgets_what_was_written),
	KUNIT_CASE(heal_of_good_pages_changes_nothing),
	KUNIT_CASE(heal_looks_again_after_a_new_error),
	KUNIT_CASE(heal_ends_with_the_range),
	KUNIT_CASE(touch_asks_the_medium_to_forget),
	KUNIT_CASE(medium_that_does_not_forget_keeps_the_error),
	KUNIT_CASE(touch_ends_with_the_range),
	KUNIT_CASE(error_beyond_a_full_record_is_healed),
	KUNIT_CASE(mark_is_for_pages_that_are_bad_still),
	KUNIT_CASE(error_of_system_ram_is_recorded_when_that_ends),
	{ }
};

static struct kunit_suite poison_suite = {
	.name = "dax_poison",
	.init = poison_init,
	.test_cases = poison_cases,
};

kunit_test_suite(poison_suite);

MODULE_DESCRIPTION("KUnit tests of the memory errors of dax devices");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
