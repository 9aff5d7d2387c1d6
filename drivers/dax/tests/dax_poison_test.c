// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the record of memory errors of a dax device: how it divides a
 * range into good and bad pages, what gets into it and what out of it.
 */
#include <kunit/static_stub.h>
#include <linux/badblocks.h>
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/memory-failure.h>
#include <linux/memory.h>
#include <linux/module.h>
#include <linux/pfn.h>
#include <linux/prandom.h>
#include <linux/range.h>
#include <linux/set_memory.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include "dax_test.h"

/* Two ranges of this many pages, the second below the first in memory. */
#define POISON_PAGES 128
#define POISON_TOTAL (2 * POISON_PAGES)
#define POISON_HIGH (SZ_1T + SZ_1G)
#define POISON_LOW SZ_1T

bool dax_poison_can_read(void);

/* The memory of these tests is good, so to read it back is safe everywhere. */
static bool poison_is_safe_to_read(void)
{
	return true;
}

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
	kunit_activate_static_stub(test, dax_poison_can_read,
				   poison_is_safe_to_read);
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

/* The record may have several entries for the run, and a span is of one. */
static void poison_expect_run(struct kunit *test, pgoff_t pgoff, long nr_pages)
{
	for (long at = 0; at < nr_pages; ) {
		bool bad;
		long nr = dax_poison_span(test->priv, pgoff + at,
					  POISON_TOTAL - pgoff - at, &bad);

		KUNIT_ASSERT_TRUE_MSG(test, bad, "page %lu", pgoff + at);
		KUNIT_ASSERT_GT_MSG(test, nr, 0, "page %lu", pgoff + at);
		KUNIT_ASSERT_LE_MSG(test, nr, nr_pages - at, "page %lu",
				    pgoff + at);
		at += nr;
	}
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

/* An entry of the record has BB_MAX_LEN sectors at most. */
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
		if (is_bad)
			poison_expect_run(test, pgoff, end - pgoff);
		else
			poison_expect(test, pgoff, POISON_TOTAL - pgoff,
				      end - pgoff, false);
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

/* The heal of a write. Return: how many pages are good after it. */
static long poison_heal(struct kunit *test, pgoff_t pgoff, void *addr, long nr)
{
	nr = dax_poison_touch(test->priv, pgoff, addr, nr);
	return nr < 0 ? nr : dax_poison_heal(test->priv, pgoff, addr, nr);
}

/* The page may be flagged, and out of the direct map. */
static void poison_free_page(void *data)
{
	struct page *page = data;

	mf_dev_forget(page_to_pfn(page), 1);
	ClearPageHWPoison(page);
	__free_page(page);
}

static struct page *poison_alloc_page(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, poison_free_page,
							page), 0);
	return page;
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
	mf_dev_forget(page_to_pfn(pages), 4);
	ClearPageHWPoison(pages + 2);
	__free_pages(pages, 2);
}

/*
 * A run of several entries, as one has BB_MAX_LEN sectors at most: 64 pages, or 4
 * where pages have 64 KiB. Whichever it is, pages 14 and 18 are amid entries.
 */
static void page_amid_a_run_of_a_full_record_is_healed(struct kunit *test)
{
	struct page *page = poison_alloc_page(test);
	void *addr = page_address(page);

	poison_add(test, 5, 100);
	poison_fill_record(test);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 14, addr, 1), 1);
	poison_expect_run(test, 5, 9);
	poison_expect(test, 14, 1, 1, false);
	KUNIT_EXPECT_EQ(test, poison_count(test), 99);
	/* a page behind it can be healed, too, and this one be bad again */
	KUNIT_EXPECT_EQ(test, poison_heal(test, 18, addr, 1), 1);
	KUNIT_EXPECT_EQ(test, poison_count(test), 98);
	poison_add(test, 14, 1);
	KUNIT_EXPECT_EQ(test, poison_count(test), 99);
	for (pgoff_t pgoff = 5; pgoff < 105; pgoff++)
		KUNIT_EXPECT_EQ(test, poison_heal(test, pgoff, addr, 1), 1);
	KUNIT_EXPECT_EQ(test, poison_count(test), 0);
}

static void heal_forgets_what_was_written(struct kunit *test)
{
	void *addr = kunit_kzalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	poison_add(test, 5, 4);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 6, addr, 2), 2);
	poison_expect(test, 5, 16, 1, true);
	poison_expect(test, 6, 16, 2, false);
	poison_expect(test, 8, 16, 1, true);
}

static void heal_of_good_pages_changes_nothing(struct kunit *test)
{
	void *addr = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	poison_add(test, 5, 1);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 6, addr, 1), 1);
	KUNIT_EXPECT_EQ(test, poison_count(test), 1);
}

bool dax_poison_readable(void *addr, void *buf);

static void *poison_unreadable;

static bool poison_can_read(void *addr, void *buf)
{
	return addr != poison_unreadable;
}

static void heal_ends_with_the_range(struct kunit *test)
{
	void *addr = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	poison_add(test, POISON_PAGES - 1, 1);
	poison_add(test, POISON_PAGES, 1);
	KUNIT_EXPECT_EQ(test, poison_heal(test, POISON_PAGES - 1, addr, 3), 1);
	poison_expect(test, POISON_PAGES - 1, 1, 1, false);
	poison_expect(test, POISON_PAGES, 1, 1, true);
}

#define HEAL_ORDER 2

static void poison_free_pages(void *data)
{
	struct page *pages = data;

	mf_dev_forget(page_to_pfn(pages), 1 << HEAL_ORDER);
	for (int i = 0; i < 1 << HEAL_ORDER; i++)
		ClearPageHWPoison(pages + i);
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

/* The requests that the medium got. */
static struct {
	unsigned int calls;
	phys_addr_t phys[3];
	unsigned int len[3];
	bool bad[3];
	/* how many bytes it clears at most, and in units of what */
	unsigned int most, unit;
} poison_asked;

static long poison_ask(struct dax_region *dax_region, phys_addr_t phys,
		       unsigned int len)
{
	unsigned int i = poison_asked.calls++;

	if (i < ARRAY_SIZE(poison_asked.phys)) {
		poison_asked.phys[i] = phys;
		poison_asked.len[i] = len;
		poison_asked.bad[i] = pfn_valid(PHYS_PFN(phys)) &&
				      PageHWPoison(phys_to_page(phys));
	}
	if (!IS_ALIGNED(len, poison_asked.unit))
		return -ENXIO;
	return min(len, poison_asked.most);
}

static void poison_medium(struct kunit *test, unsigned int most,
			  unsigned int unit)
{
	struct dev_dax *dev_dax = test->priv;

	memset(&poison_asked, 0, sizeof(poison_asked));
	poison_asked.most = most;
	poison_asked.unit = unit;
	dev_dax->region->clear_poison = poison_ask;
}

static void touch_asks_the_medium_to_forget(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages) + PAGE_SIZE;
	struct dev_dax *dev_dax = test->priv;

	poison_medium(test, UINT_MAX, 1);
	memset(addr, 0x5a, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, dax_poison_touch(dev_dax, 1, addr, 2), 2);

	KUNIT_ASSERT_EQ(test, poison_asked.calls, 1);
	KUNIT_EXPECT_EQ(test, poison_asked.phys[0], page_to_phys(pages + 1));
	KUNIT_EXPECT_EQ(test, poison_asked.len[0], 2 * PAGE_SIZE);
	/* before anybody can get at the page */
	KUNIT_EXPECT_EQ(test, poison_asked.bad[0],
			IS_ENABLED(CONFIG_MEMORY_FAILURE));
	/* nobody has written yet, and nobody will but who healed it */
	KUNIT_EXPECT_EQ(test, *(u8 *)addr, 0x5a);
	poison_expect(test, 0, 4, 3, true);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(dev_dax, 1, addr, 2), 2);
	KUNIT_EXPECT_EQ(test, poison_asked.calls, 1);
	poison_expect(test, 0, 4, 1, true);
	poison_expect(test, 1, 3, 3, false);
}

static void poison_retry(struct kunit *test, struct page *pages)
{
	struct dev_dax *dev_dax = test->priv;

	dax_poison_retry(dev_dax->region, page_to_pfn(pages), 1 << HEAL_ORDER);
}

static void medium_that_refuses_keeps_the_error(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);

	poison_medium(test, UINT_MAX, 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, dax_poison_touch(test->priv, 0, addr, 1),
			-EHWPOISON);
	poison_expect(test, 0, 4, 3, true);
	KUNIT_EXPECT_EQ(test, PageHWPoison(pages),
			IS_ENABLED(CONFIG_MEMORY_FAILURE));
	/* the medium may only be busy: the next write asks again */
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 1), -EHWPOISON);
	KUNIT_EXPECT_EQ(test, poison_asked.calls, 2);
	poison_medium(test, UINT_MAX, 1);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 1, addr + PAGE_SIZE, 1), 1);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 1), 1);
}

static void heals_that_the_medium_refuses_are_few(struct kunit *test)
{
	struct page *page = poison_alloc_page(test);

	poison_add(test, 0, POISON_PAGES);
	poison_medium(test, 0, 1);
	for (pgoff_t pgoff = 0; pgoff < POISON_PAGES; pgoff++)
		KUNIT_EXPECT_EQ(test, poison_heal(test, pgoff,
						  page_address(page), 1),
				-EHWPOISON);
	/* as in heals_that_fail_are_few() */
	KUNIT_EXPECT_GE(test, poison_asked.calls, 10);
	KUNIT_EXPECT_LE(test, poison_asked.calls, 20);
}

static void medium_that_forgets_a_part_keeps_the_rest(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);

	/* half a page is none */
	poison_medium(test, 3 * PAGE_SIZE / 2, 1);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 3), 1);
	poison_expect(test, 0, 1, 1, false);
	poison_expect(test, 1, 3, 2, true);
	KUNIT_EXPECT_EQ(test, poison_asked.calls, 1);
}

static void medium_is_asked_by_the_page_if_need_be(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);

	/* three are too many, and not what it can do */
	poison_medium(test, UINT_MAX, 1);
	poison_asked.unit = PAGE_SIZE << 1;
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 3), -EHWPOISON);
	KUNIT_EXPECT_EQ(test, poison_asked.calls, 2);
	KUNIT_EXPECT_EQ(test, poison_asked.len[1], PAGE_SIZE);
	/* a unit of two */
	poison_retry(test, pages);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 2), 2);
}

/* The medium may say what it likes: only a page that can be read is good. */
static void medium_that_lies_is_found_out(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);

	poison_medium(test, UINT_MAX, 1);
	poison_unreadable = addr;
	kunit_activate_static_stub(test, dax_poison_readable,
				   poison_can_read);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 1), 0);
	poison_expect(test, 0, 4, 3, true);
}

static unsigned long poison_noted;

static void poison_note(struct dax_region *dax_region, phys_addr_t phys,
			u64 len)
{
	unsigned long first = PHYS_PFN(phys - dax_region->res.start);

	poison_noted |= GENMASK(first + PHYS_PFN(len) - 1, first);
}

static long poison_ask_noted(struct dax_region *dax_region, phys_addr_t phys,
			     unsigned int len)
{
	unsigned long first = PHYS_PFN(phys - dax_region->res.start);

	poison_noted &= ~GENMASK(first + PHYS_PFN(len) - 1, first);
	return len;
}

/* The medium knows all bad pages when the memory goes to another driver. */
static void medium_keeps_what_is_bad_in_mind(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);
	void *addr = page_address(pages);
	struct dev_dax *dev_dax = test->priv;

	poison_noted = 0;
	dev_dax->region->note_poison = poison_note;
	dev_dax->region->clear_poison = poison_ask_noted;
	poison_add(test, 0, 3);
	KUNIT_EXPECT_EQ(test, poison_noted, 7);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 1), 1);
	KUNIT_EXPECT_EQ(test, poison_noted, 6);
	/* it has forgotten, and then it was not written */
	KUNIT_EXPECT_EQ(test, dax_poison_touch(dev_dax, 1, addr + PAGE_SIZE, 2),
			2);
	KUNIT_EXPECT_EQ(test, poison_noted, 0);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(dev_dax, 1, addr + PAGE_SIZE, 1),
			1);
	KUNIT_EXPECT_EQ(test, poison_noted, 4);
	/* or was bad anew, before or after it was asked */
	KUNIT_EXPECT_EQ(test, dax_poison_touch(dev_dax, 2, addr + 2 * PAGE_SIZE,
					       1), 1);
	poison_add(test, 2, 1);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(dev_dax, 2, addr + 2 * PAGE_SIZE,
					      1), 0);
	KUNIT_EXPECT_EQ(test, poison_noted, 4);
}

/* More than the record has entries. */
static void all_errors_of_a_medium_are_known(struct kunit *test)
{
	const unsigned long nr = 2 * MAX_BADBLOCKS;
	struct dev_dax *dev_dax = test->priv;

	dev_dax->nr_range = 1;
	dev_dax->ranges[0].range = DEFINE_RANGE(POISON_LOW, POISON_LOW +
						PFN_PHYS(2 * nr) - 1);
	for (unsigned long i = 0; i < nr; i++) {
		u64 start = POISON_LOW + PFN_PHYS(2 * i) + 512;

		dax_region_poison_add(dev_dax->region,
				      &DEFINE_RANGE(start, start + 63));
	}
	for (unsigned long i = 0; i < nr; i++) {
		poison_expect(test, 2 * i, 1, 1, true);
		poison_expect(test, 2 * i + 1, 1, 1, false);
	}
}

static void poison_release_dev(struct device *dev)
{
}

static void poison_put_dev(void *dev)
{
	put_device(dev);
}

/* So that it can have things that go when it does. */
static void poison_init_dev(struct kunit *test)
{
	struct dev_dax *dev_dax = test->priv;

	device_initialize(&dev_dax->dev);
	dev_dax->dev.release = poison_release_dev;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, poison_put_dev,
							&dev_dax->dev), 0);
}

bool dax_poison_has_page(struct dev_dax *dev_dax, unsigned long pfn);

static bool poison_has_page(struct dev_dax *dev_dax, unsigned long pfn)
{
	return true;
}

static bool poison_found(struct kunit *test, unsigned long pfn)
{
	struct dev_dax *dev_dax = test->priv;

	return xa_load(&dev_dax->region->bb_found, pfn);
}

static void poison_report(struct kunit *test, struct page *page)
{
	struct dev_dax *dev_dax = test->priv;
	phys_addr_t phys = page_to_phys(page);

	dax_region_poison_add(dev_dax->region,
			      &DEFINE_RANGE(phys + 512, phys + 1023));
}

/* Each scrub reports all errors, and the users of a page hear of one once. */
static void page_that_a_medium_reports_is_found_once(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);
	struct dev_dax *dev_dax = test->priv;
	unsigned long pfn = page_to_pfn(pages);

	poison_add(test, 0, 1);
	poison_report(test, pages);
	KUNIT_EXPECT_FALSE(test, poison_found(test, pfn));

	poison_report(test, pages + 1);
	KUNIT_EXPECT_TRUE(test, poison_found(test, pfn + 1));
	KUNIT_EXPECT_FALSE(test, poison_found(test, pfn + 2));
	xa_erase(&dev_dax->region->bb_found, pfn + 1);
	poison_report(test, pages + 1);
	KUNIT_EXPECT_FALSE(test, poison_found(test, pfn + 1));

	/* after a heal the error is a new one */
	KUNIT_EXPECT_EQ(test, poison_heal(test, 1, page_address(pages + 1), 1),
			1);
	poison_report(test, pages + 1);
	KUNIT_EXPECT_TRUE(test, poison_found(test, pfn + 1));
}

/* Nobody has the pages of a device that is being bound. */
static void page_that_is_hidden_at_bind_is_not_found(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);

	poison_init_dev(test);
	poison_report(test, pages + 1);
	KUNIT_EXPECT_TRUE(test, poison_found(test, page_to_pfn(pages + 1)));
	kunit_activate_static_stub(test, dax_poison_has_page, poison_has_page);
	dax_poison_bind(test->priv);
	KUNIT_EXPECT_FALSE(test, poison_found(test, page_to_pfn(pages + 1)));
	KUNIT_EXPECT_EQ(test, PageHWPoison(pages + 1),
			IS_ENABLED(CONFIG_MEMORY_FAILURE));
}

/* While the memory was parked. */
static void page_that_had_no_driver_is_bad_at_bind(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);
	unsigned long pfn = page_to_pfn(pages);

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "nobody knows of it");
	poison_init_dev(test);
	mf_dev_mark_page(pages + 2);
	mf_dev_leave(pfn, 4);
	mf_dev_forget(pfn, 4);
	ClearPageHWPoison(pages + 2);
	dax_poison_bind(test->priv);
	poison_expect(test, 0, 4, 2, false);
	poison_expect(test, 2, 2, 1, true);
	/* and then it is for the record to remember */
	KUNIT_EXPECT_EQ(test, poison_heal(test, 2, page_address(pages + 2), 1),
			1);
	dax_poison_bind(test->priv);
	poison_expect(test, 0, 4, 4, false);
}

static void touch_ends_with_the_range(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);

	poison_medium(test, UINT_MAX, 1);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 3, page_address(pages + 3), 2),
			1);
	KUNIT_EXPECT_EQ(test, poison_asked.calls, 1);
	KUNIT_EXPECT_EQ(test, poison_asked.phys[0], page_to_phys(pages + 3));
}

static void error_beyond_a_full_record_is_healed(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);
	void *addr = page_address(pages) + 2 * PAGE_SIZE;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "pages have no flag for it");
	poison_fill_record(test);
	poison_add(test, 2, 1);
	poison_expect(test, 2, 2, 1, true);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 2, addr, 1), 1);
	poison_expect(test, 0, 4, 4, false);
}

static void heal_keeps_what_cannot_be_read(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);

	poison_unreadable = addr + PAGE_SIZE;
	kunit_activate_static_stub(test, dax_poison_readable,
				   poison_can_read);
	KUNIT_EXPECT_EQ(test, dax_poison_touch(test->priv, 0, addr, 3), 3);
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
	dax_poison_retry(((struct dev_dax *)test->priv)->region,
			 page_to_pfn(pages), 3);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 1, addr + PAGE_SIZE, 2), 2);
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
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 3), 0);
	poison_expect(test, 0, 4, 3, true);
}

static void poison_expect_bad(struct kunit *test, struct page *page,
			      pgoff_t pgoff)
{
	poison_expect(test, pgoff, 1, 1, true);
	if (IS_ENABLED(CONFIG_MEMORY_FAILURE))
		KUNIT_EXPECT_TRUE(test, PageHWPoison(page + pgoff));
}

static void poison_expect_good(struct kunit *test, struct page *page,
			       pgoff_t pgoff)
{
	poison_expect(test, pgoff, 1, 1, false);
	KUNIT_EXPECT_FALSE(test, PageHWPoison(page + pgoff));
}

static unsigned int poison_reads;

static bool poison_never_read(void *addr, void *buf)
{
	poison_reads++;
	return false;
}

static bool poison_cannot_read(void)
{
	return false;
}

/* Each try is a machine check, which any user who may write could repeat. */
static void heal_that_failed_is_not_tried_again(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	struct dev_dax *dev_dax = test->priv;
	void *addr = page_address(pages);

	poison_reads = 0;
	kunit_activate_static_stub(test, dax_poison_readable,
				   poison_never_read);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 1, addr + PAGE_SIZE, 1), 0);
	for (int i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, poison_heal(test, 1, addr + PAGE_SIZE, 2),
				-EHWPOISON);
	KUNIT_EXPECT_EQ(test, poison_reads, 1);
	/* up to there it is */
	KUNIT_EXPECT_EQ(test, dax_poison_touch(dev_dax, 0, addr, 3), 1);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(dev_dax, 0, addr, 0), 0);

	kunit_deactivate_static_stub(test, dax_poison_readable);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 1, addr + PAGE_SIZE, 1),
			-EHWPOISON);
	dax_poison_retry(dev_dax->region, page_to_pfn(pages) + 1, 1);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 1, addr + PAGE_SIZE, 1), 1);
	poison_expect_good(test, pages, 1);
}

static void heals_that_fail_are_few(struct kunit *test)
{
	struct page *page = poison_alloc_page(test);

	poison_reads = 0;
	poison_add(test, 0, POISON_PAGES);
	kunit_activate_static_stub(test, dax_poison_readable,
				   poison_never_read);
	for (pgoff_t pgoff = 0; pgoff < POISON_PAGES; pgoff++)
		KUNIT_EXPECT_LE(test, poison_heal(test, pgoff,
						  page_address(page), 1), 0);
	/* five seconds for the whole of it, and a slow machine */
	KUNIT_EXPECT_GE(test, poison_reads, 10);
	KUNIT_EXPECT_LE(test, poison_reads, 20);
	KUNIT_EXPECT_EQ(test, poison_count(test), POISON_PAGES);
}

/* As on arm64, where to read a bad page is the end. */
static void heal_does_not_read_where_that_is_fatal(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);

	poison_reads = 0;
	kunit_activate_static_stub(test, dax_poison_readable,
				   poison_never_read);
	kunit_activate_static_stub(test, dax_poison_can_read,
				   poison_cannot_read);
	/* with nobody to ask there is no way to know */
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 1), -EHWPOISON);
	poison_expect_bad(test, pages, 0);
	poison_medium(test, 0, 1);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 1), -EHWPOISON);
	poison_expect_bad(test, pages, 0);
	poison_retry(test, pages);
	poison_medium(test, PAGE_SIZE, 1);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 2), 1);
	poison_expect_good(test, pages, 0);
	poison_expect_bad(test, pages, 1);
	KUNIT_EXPECT_EQ(test, poison_reads, 0);
}

void dax_poison_zero_page(void *addr);

/* An error of the last page, while the second is being zeroed. */
static void poison_zero_fails(void *addr)
{
	struct kunit *test = kunit_get_current_test();

	memset(addr, 0, PAGE_SIZE);
	if (poison_reads++ == 1)
		poison_add(test, 3, 1);
}

static void zeroing_stops_when_an_error_comes(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);
	void *addr = page_address(pages);

	memset(addr, 0x5a, 4 * PAGE_SIZE);
	poison_reads = 0;
	kunit_activate_static_stub(test, dax_poison_zero_page,
				   poison_zero_fails);
	KUNIT_EXPECT_EQ(test, dax_poison_zero(test->priv, 0, addr, 4), 2);
	KUNIT_EXPECT_EQ(test, poison_reads, 2);
	KUNIT_EXPECT_EQ(test, *(u8 *)(addr + 2 * PAGE_SIZE), 0x5a);
	KUNIT_EXPECT_EQ(test, *(u8 *)(addr + 3 * PAGE_SIZE), 0x5a);
	/* and goes on with what is known then */
	addr += 2 * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, dax_poison_zero(test->priv, 2, addr, 2), 1);
	poison_expect(test, 3, 1, 1, true);
	addr += PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, dax_poison_zero(test->priv, 3, addr, 1), 1);
	poison_expect_good(test, pages, 3);
	KUNIT_EXPECT_EQ(test, *(u8 *)addr, 0);
}

/*
 * The races of an error and a heal: the error comes at each step of it. The
 * pages are there, the last one is good, and the first is what is written.
 */
static void error_before_a_heal_is_healed(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);

	poison_add(test, 0, 1);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, page_address(pages), 1), 1);
	poison_expect_good(test, pages, 0);
	poison_expect_bad(test, pages, 1);
}

static void poison_again(struct kunit *test, pgoff_t pgoff)
{
	struct dev_dax *dev_dax = test->priv;
	unsigned int failures = dax_failures(dev_dax->dax_dev);

	poison_add(test, pgoff, 1);
	KUNIT_EXPECT_NE(test, dax_failures(dev_dax->dax_dev), failures);
}

static long poison_ask_and_fail(struct dax_region *dax_region,
				phys_addr_t phys, unsigned int len)
{
	poison_again(kunit_get_current_test(), 0);
	return len;
}

static void error_while_the_medium_forgets_is_kept(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	struct dev_dax *dev_dax = test->priv;

	dev_dax->region->clear_poison = poison_ask_and_fail;
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, page_address(pages), 1), 0);
	poison_expect_bad(test, pages, 0);
}

static void error_while_the_page_is_written_is_kept(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);

	KUNIT_ASSERT_EQ(test, dax_poison_touch(test->priv, 0, addr, 1), 1);
	poison_again(test, 0);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 0, addr, 1), 0);
	poison_expect_bad(test, pages, 0);
	/* which does not last */
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 1), 1);
	poison_expect_good(test, pages, 0);
}

/* One more error, in a page that has just been found good. */
static bool poison_comes_back(void *addr, void *buf)
{
	poison_again(kunit_get_current_test(), 0);
	return true;
}

static void error_while_the_page_is_read_back_is_kept(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);

	kunit_activate_static_stub(test, dax_poison_readable,
				   poison_comes_back);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, page_address(pages), 1), 0);
	poison_expect_bad(test, pages, 0);
}

static void error_after_a_heal_is_a_new_one(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);

	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, page_address(pages), 1), 1);
	poison_again(test, 0);
	poison_expect(test, 0, 1, 1, true);
}

static void error_cuts_a_heal_short(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);

	KUNIT_ASSERT_EQ(test, dax_poison_touch(test->priv, 0, addr, 3), 3);
	poison_again(test, 1);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 0, addr, 3), 1);
	poison_expect_good(test, pages, 0);
	poison_expect_bad(test, pages, 1);
	poison_expect_bad(test, pages, 2);
}

static void error_of_another_page_does_not_matter(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages) + PAGE_SIZE;

	KUNIT_ASSERT_EQ(test, dax_poison_touch(test->priv, 1, addr, 1), 1);
	poison_again(test, 0);
	poison_again(test, 2);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 1, addr, 1), 1);
	poison_expect_bad(test, pages, 0);
	poison_expect_good(test, pages, 1);
	poison_expect_bad(test, pages, 2);
}

/* Not all that was made accessible needs to be written. */
static void what_was_not_written_stays_bad(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);

	KUNIT_ASSERT_EQ(test, dax_poison_touch(test->priv, 0, addr, 3), 3);
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 0, addr, 0), 0);
	for (int i = 0; i < 3; i++)
		poison_expect_bad(test, pages, i);
}

/*
 * Errors and heals of the same pages by several at once. Each error is in the
 * "medium" before it is reported, and each write takes it out of there.
 */
struct poison_storm {
	struct kunit *test;
	struct page *pages;
	bool bad[3];
	atomic_t healed;
};

#define POISON_ROUNDS 2000

static int poison_storm_errors(void *data)
{
	struct poison_storm *storm = data;
	u64 offset;

	for (int i = 0; i < POISON_ROUNDS; i++) {
		WRITE_ONCE(storm->bad[i % 3], true);
		dax_poison_add(storm->test->priv,
			       page_to_pfn(storm->pages) + i % 3, 1, &offset);
		if (i % 64 == 0)
			usleep_range(100, 200);
		cond_resched();
	}
	return 0;
}

static int poison_storm_heals(void *data)
{
	struct poison_storm *storm = data;

	for (int i = 0; i < POISON_ROUNDS; i++) {
		void *addr = page_address(storm->pages + i % 3);

		if (dax_poison_touch(storm->test->priv, i % 3, addr, 1) < 0)
			continue;
		WRITE_ONCE(storm->bad[i % 3], false);
		if (dax_poison_heal(storm->test->priv, i % 3, addr, 1))
			atomic_inc(&storm->healed);
		cond_resched();
	}
	return 0;
}

/* Counts pages that are good in the record and bad in the medium, or lost. */
static void no_page_is_good_while_bad_nor_lost_while_good(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	struct poison_storm storm = { .test = test, .pages = pages };
	int (*who[])(void *data) = {
		poison_storm_errors, poison_storm_heals,
		poison_storm_errors, poison_storm_heals,
	};
	struct task_struct *task[ARRAY_SIZE(who)];
	int wrong = 0, lost = 0;

	/* the threads have no stubs: without it they may not be allowed to heal */
	poison_medium(test, UINT_MAX, 1);
	for (int i = 0; i < ARRAY_SIZE(who); i++) {
		task[i] = kthread_create(who[i], &storm, "poison/%d", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i]);
		get_task_struct(task[i]);
	}
	for (int i = 0; i < ARRAY_SIZE(who); i++)
		wake_up_process(task[i]);
	for (int i = 0; i < ARRAY_SIZE(who); i++)
		kthread_stop_put(task[i]);

	for (int i = 0; i < 3; i++) {
		bool bad;

		dax_poison_span(test->priv, i, 1, &bad);
		if (storm.bad[i] && !bad)
			wrong++;
		if (!bad && PageHWPoison(pages + i))
			lost++;
		if (poison_heal(test, i, page_address(pages + i), 1) != 1)
			lost++;
		poison_expect_good(test, pages, i);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, lost, 0);
	KUNIT_EXPECT_GT(test, atomic_read(&storm.healed), 0);
}

static bool poison_in_direct_map(struct page *page)
{
	u8 byte;

	return !get_kernel_nofault(byte, (u8 *)page_address(page));
}

static void bad_pages_leave_the_direct_map_at_bind(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);
	struct dev_dax *dev_dax = test->priv;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE) || !IS_ENABLED(CONFIG_X86_64))
		kunit_skip(test, "pages do not leave the direct map");
	poison_init_dev(test);
	poison_add(test, 1, 2);
	kunit_activate_static_stub(test, dax_poison_has_page, poison_has_page);
	dax_poison_bind(dev_dax);
	for (int i = 0; i < 4; i++) {
		bool bad = i == 1 || i == 2;

		KUNIT_EXPECT_EQ(test, PageHWPoison(pages + i), bad);
		KUNIT_EXPECT_EQ(test, poison_in_direct_map(pages + i), !bad);
	}
	KUNIT_EXPECT_EQ(test, poison_heal(test, 1, page_address(pages + 1), 1),
			1);
	KUNIT_EXPECT_TRUE(test, poison_in_direct_map(pages + 1));
	/* nothing of that stays when the memory goes */
	mf_dev_forget(page_to_pfn(pages), 1 << HEAL_ORDER);
	KUNIT_EXPECT_TRUE(test, poison_in_direct_map(pages + 2));
}

static void bad_pages_leave_the_direct_map_if_a_heal_fails(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);

	if (!IS_ENABLED(CONFIG_X86_64))
		kunit_skip(test, "pages do not leave the direct map");
	kunit_activate_static_stub(test, dax_poison_readable,
				   poison_never_read);
	mf_dev_mark_page(pages);
	mf_dev_hide_page(page_to_pfn(pages));
	KUNIT_EXPECT_FALSE(test, poison_in_direct_map(pages));
	KUNIT_EXPECT_EQ(test, dax_poison_touch(test->priv, 0,
					       page_address(pages), 1), 1);
	KUNIT_EXPECT_TRUE(test, poison_in_direct_map(pages));
	KUNIT_EXPECT_EQ(test, dax_poison_heal(test->priv, 0,
					      page_address(pages), 1), 0);
	KUNIT_EXPECT_FALSE(test, poison_in_direct_map(pages));
	poison_expect_bad(test, pages, 0);
}

static void bind_lets_heals_be_tried_again(struct kunit *test)
{
	struct page *pages = poison_real_pages(test);
	void *addr = page_address(pages);

	poison_init_dev(test);
	kunit_activate_static_stub(test, dax_poison_readable,
				   poison_never_read);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 1), 0);
	kunit_deactivate_static_stub(test, dax_poison_readable);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 1), -EHWPOISON);
	dax_poison_bind(test->priv);
	KUNIT_EXPECT_EQ(test, poison_heal(test, 0, addr, 1), 1);
}

/* More sectors than fit into an int. */
static void huge_device_has_the_errors_it_has(struct kunit *test)
{
	const unsigned long huge = 1UL << 30;
	struct dev_dax *dev_dax = test->priv;

	dev_dax->nr_range = 1;
	dev_dax->ranges[0].range = DEFINE_RANGE(POISON_LOW, POISON_LOW +
						PFN_PHYS(huge) - 1);
	KUNIT_EXPECT_EQ(test, dax_poison_count(dev_dax), 0);
	/* of the region, and not of the device */
	badblocks_set(&dev_dax->region->bb, huge * PAGE_SECTORS, PAGE_SECTORS,
		      1);
	KUNIT_EXPECT_EQ(test, dax_poison_count(dev_dax), 0);
	badblocks_set(&dev_dax->region->bb, (huge - 2) * PAGE_SECTORS,
		      2 * PAGE_SECTORS, 1);
	KUNIT_EXPECT_EQ(test, dax_poison_count(dev_dax), 2);
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

	long before;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "pages have no flag for it");
	poison_init_dev(test);
	KUNIT_ASSERT_EQ(test, devm_dax_poison_watch_ram(dev_dax), 0);
	before = atomic_long_read(&num_poisoned_pages);

	/* the last page is somebody else's */
	dev_dax->ranges[0].range.end -= PAGE_SIZE;
	SetPageHWPoison(pages + 1);
	/* without a word to the driver, which is told at the end */
	atomic_long_inc(&num_poisoned_pages);
	SetPageHWPoison(pages + 3);
	nb->notifier_call(nb, MEM_GOING_OFFLINE, &mem);
	nb->notifier_call(nb, MEM_CANCEL_OFFLINE, &mem);
	poison_expect(test, 0, 3, 3, false);
	nb->notifier_call(nb, MEM_OFFLINE, &mem);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&num_poisoned_pages), before);
	poison_expect(test, 0, 3, 1, false);
	poison_expect(test, 1, 2, 1, true);
	poison_expect(test, 2, 1, 1, false);
	dev_dax->ranges[0].range.end += PAGE_SIZE;
	poison_expect(test, 2, 2, 2, false);
}

/* The other half of it is in online_pages_range(). */
static void bad_page_is_flagged_before_it_goes_online(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);
	struct dev_dax *dev_dax = test->priv;
	struct notifier_block *nb = &dev_dax->ram_nb;
	struct memory_notify mem = {
		.start_pfn = page_to_pfn(pages),
		.nr_pages = 2,
	};
	long before;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "pages have no flag for it");
	poison_init_dev(test);
	poison_add(test, 1, 2);
	KUNIT_ASSERT_EQ(test, devm_dax_poison_watch_ram(dev_dax), 0);
	before = atomic_long_read(&num_poisoned_pages);
	nb->notifier_call(nb, MEM_GOING_ONLINE, &mem);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&num_poisoned_pages),
			before + 1);
	for (int i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, PageHWPoison(pages + i), i == 1);
	if (IS_ENABLED(CONFIG_X86_64))
		KUNIT_EXPECT_FALSE(test, poison_in_direct_map(pages + 1));
	nb->notifier_call(nb, MEM_OFFLINE, &mem);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&num_poisoned_pages), before);
	KUNIT_EXPECT_TRUE(test, poison_in_direct_map(pages + 1));
	poison_expect(test, 1, 2, 2, true);
}

static void error_of_system_ram_is_recorded_when_it_happens(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);
	struct dev_dax *dev_dax = test->priv;
	struct notifier_block *nb = &dev_dax->ram_poison_nb;

	poison_init_dev(test);
	KUNIT_ASSERT_EQ(test, devm_dax_poison_watch_ram(dev_dax), 0);
	nb->notifier_call(nb, page_to_pfn(pages) + 2, NULL);
	poison_expect(test, 0, 4, 2, false);
	poison_expect(test, 2, 2, 1, true);
	/* pages of others, behind the device and before it */
	nb->notifier_call(nb, page_to_pfn(pages) + 4, NULL);
	nb->notifier_call(nb, page_to_pfn(pages) - 1, NULL);
	poison_expect(test, 0, 2, 2, false);
	poison_expect(test, 3, 1, 1, false);
}

/* After a machine check in System RAM nobody takes the page away once more. */
static void page_that_fails_by_itself_is_not_found(struct kunit *test)
{
	struct page *pages = poison_good_pages(test, 0);
	struct dev_dax *dev_dax = test->priv;
	struct notifier_block *nb = &dev_dax->ram_poison_nb;
	unsigned long pfn = page_to_pfn(pages);

	poison_init_dev(test);
	KUNIT_ASSERT_EQ(test, devm_dax_poison_watch_ram(dev_dax), 0);
	poison_report(test, pages + 1);
	poison_report(test, pages + 2);
	nb->notifier_call(nb, pfn + 2, NULL);
	KUNIT_EXPECT_TRUE(test, poison_found(test, pfn + 1));
	KUNIT_EXPECT_FALSE(test, poison_found(test, pfn + 2));
	/* nor is it when the medium reports it afterwards */
	poison_report(test, pages + 2);
	KUNIT_EXPECT_FALSE(test, poison_found(test, pfn + 2));
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
	KUNIT_CASE(page_amid_a_run_of_a_full_record_is_healed),
	KUNIT_CASE(heal_keeps_what_cannot_be_read),
	KUNIT_CASE(heal_keeps_all_if_the_first_cannot_be_read),
	KUNIT_CASE(heal_forgets_what_was_written),
	KUNIT_CASE(heal_of_good_pages_changes_nothing),
	KUNIT_CASE(heal_ends_with_the_range),
	KUNIT_CASE(touch_asks_the_medium_to_forget),
	KUNIT_CASE(medium_that_refuses_keeps_the_error),
	KUNIT_CASE(heals_that_the_medium_refuses_are_few),
	KUNIT_CASE(medium_that_forgets_a_part_keeps_the_rest),
	KUNIT_CASE(medium_is_asked_by_the_page_if_need_be),
	KUNIT_CASE(medium_that_lies_is_found_out),
	KUNIT_CASE(medium_keeps_what_is_bad_in_mind),
	KUNIT_CASE(all_errors_of_a_medium_are_known),
	KUNIT_CASE(page_that_a_medium_reports_is_found_once),
	KUNIT_CASE(page_that_is_hidden_at_bind_is_not_found),
	KUNIT_CASE(page_that_had_no_driver_is_bad_at_bind),
	KUNIT_CASE(touch_ends_with_the_range),
	KUNIT_CASE(error_beyond_a_full_record_is_healed),
	KUNIT_CASE(heal_that_failed_is_not_tried_again),
	KUNIT_CASE(heals_that_fail_are_few),
	KUNIT_CASE(heal_does_not_read_where_that_is_fatal),
	KUNIT_CASE(zeroing_stops_when_an_error_comes),
	KUNIT_CASE(error_before_a_heal_is_healed),
	KUNIT_CASE(error_while_the_medium_forgets_is_kept),
	KUNIT_CASE(error_while_the_page_is_written_is_kept),
	KUNIT_CASE(error_while_the_page_is_read_back_is_kept),
	KUNIT_CASE(error_after_a_heal_is_a_new_one),
	KUNIT_CASE(error_cuts_a_heal_short),
	KUNIT_CASE(error_of_another_page_does_not_matter),
	KUNIT_CASE(what_was_not_written_stays_bad),
	KUNIT_CASE(no_page_is_good_while_bad_nor_lost_while_good),
	KUNIT_CASE(bad_pages_leave_the_direct_map_at_bind),
	KUNIT_CASE(bad_pages_leave_the_direct_map_if_a_heal_fails),
	KUNIT_CASE(bind_lets_heals_be_tried_again),
	KUNIT_CASE(huge_device_has_the_errors_it_has),
	KUNIT_CASE(error_of_system_ram_is_recorded_when_it_happens),
	KUNIT_CASE(page_that_fails_by_itself_is_not_found),
	KUNIT_CASE(bad_page_is_flagged_before_it_goes_online),
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
