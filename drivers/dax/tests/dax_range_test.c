// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the ranges of a dax device: from a page of the device to
 * memory, from memory to an offset, and how large the device is.
 */
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/pfn.h>
#include <linux/range.h>
#include <linux/sizes.h>
#include "dax_test.h"

#define RANGE_BASE SZ_1T
/* From the start of one range to that of the next one in memory. */
#define RANGE_STRIDE PFN_PHYS(16)

/* Where in memory the ranges are, in the order they have in the device. */
enum range_layout {
	RANGE_UP,
	RANGE_DOWN,
	RANGE_TOUCHING_DOWN,
	RANGE_SHUFFLED,
};

struct range_param {
	const char *name;
	int nr_range;
	unsigned int last;	/* pages of the last range */
	enum range_layout layout;
};

static const struct range_param range_params[] = {
	{ "one range", 1, 7, RANGE_UP },
	{ "one range of one page", 1, 1, RANGE_UP },
	{ "two ranges", 2, 3, RANGE_UP },
	{ "two ranges, the last one page", 2, 1, RANGE_UP },
	{ "two ranges, downward", 2, 3, RANGE_DOWN },
	{ "sixteen ranges", 16, 3, RANGE_UP },
	{ "sixteen ranges, downward, the last one page", 16, 1, RANGE_DOWN },
	{ "sixteen ranges, downward without gaps", 16, 2, RANGE_TOUCHING_DOWN },
	{ "sixteen ranges, shuffled", 16, 1, RANGE_SHUFFLED },
	{ "512 ranges", 512, 4, RANGE_UP },
	{ "512 ranges, the last one page", 512, 1, RANGE_UP },
	{ "512 ranges, downward", 512, 4, RANGE_DOWN },
	{ "512 ranges, shuffled, the last one page", 512, 1, RANGE_SHUFFLED },
};

KUNIT_ARRAY_PARAM_DESC(range, range_params, name);

/* 1 to 5, but for the last. */
static unsigned int range_pages(const struct range_param *param, int i)
{
	return i == param->nr_range - 1 ? param->last : 1 + (i * 3 + 2) % 5;
}

static u64 range_total(const struct range_param *param)
{
	u64 total = 0;

	for (int i = 0; i < param->nr_range; i++)
		total += range_pages(param, i);
	return total;
}

/* Return: where in memory range @i starts, which in the device ends at @end. */
static u64 range_start(const struct range_param *param, int i,
		       unsigned long end)
{
	switch (param->layout) {
	case RANGE_DOWN:
		return RANGE_BASE + (param->nr_range - i) * RANGE_STRIDE;
	case RANGE_TOUCHING_DOWN:
		return RANGE_BASE + PFN_PHYS(range_total(param) - end);
	case RANGE_SHUFFLED:
		/* an odd factor visits all of a power of two */
		return RANGE_BASE + (i * 11 % param->nr_range) * RANGE_STRIDE;
	default:
		return RANGE_BASE + i * RANGE_STRIDE;
	}
}

static struct dev_dax *range_dev_dax(struct kunit *test)
{
	const struct range_param *param = test->param_value;
	struct dev_dax *dev_dax = dax_test_dev_dax(test, param->nr_range);
	unsigned long pgoff = 0;

	for (int i = 0; i < param->nr_range; i++) {
		struct dev_dax_range *dax_range = &dev_dax->ranges[i];
		unsigned int pages = range_pages(param, i);

		dax_range->pgoff = pgoff;
		pgoff += pages;
		dax_range->range.start = range_start(param, i, pgoff);
		dax_range->range.end = dax_range->range.start +
				       PFN_PHYS(pages) - 1;
	}
	return dev_dax;
}

/* Look at one range after the other, and at nothing but their lengths. */
static phys_addr_t range_search(struct dev_dax *dev_dax, pgoff_t pgoff,
				unsigned long *nr_pages)
{
	for (int i = 0; i < dev_dax->nr_range; i++) {
		const struct range *range = &dev_dax->ranges[i].range;
		unsigned long pages = PHYS_PFN(range_len(range));

		if (pgoff < pages) {
			*nr_pages = pages - pgoff;
			return range->start + PFN_PHYS(pgoff);
		}
		pgoff -= pages;
	}
	return PHYS_ADDR_MAX;
}

static void pgoff_to_phys_finds_every_page(struct kunit *test)
{
	struct dev_dax *dev_dax = range_dev_dax(test);
	u64 total = range_total(test->param_value);

	for (pgoff_t pgoff = 0; pgoff < total; pgoff++) {
		unsigned long nr = ULONG_MAX, expected;
		phys_addr_t phys = range_search(dev_dax, pgoff, &expected);

		KUNIT_EXPECT_EQ_MSG(test, phys,
				    dax_pgoff_to_phys(dev_dax, pgoff, &nr),
				    "page %lu", pgoff);
		KUNIT_EXPECT_EQ_MSG(test, nr, expected, "page %lu", pgoff);
	}
}

static void pgoff_to_phys_gives_no_more_than_wanted(struct kunit *test)
{
	struct dev_dax *dev_dax = range_dev_dax(test);
	u64 total = range_total(test->param_value);

	for (pgoff_t pgoff = 0; pgoff < total; pgoff++) {
		unsigned long one = 1, two = 2, there;

		range_search(dev_dax, pgoff, &there);
		dax_pgoff_to_phys(dev_dax, pgoff, &one);
		KUNIT_EXPECT_EQ_MSG(test, one, 1, "page %lu", pgoff);
		dax_pgoff_to_phys(dev_dax, pgoff, &two);
		KUNIT_EXPECT_EQ_MSG(test, two, min(there, 2), "page %lu",
				    pgoff);
	}
}

static void pgoff_to_phys_knows_the_end(struct kunit *test)
{
	struct dev_dax *dev_dax = range_dev_dax(test);
	u64 total = range_total(test->param_value);
	unsigned long nr = 1;

	KUNIT_EXPECT_EQ(test, PHYS_ADDR_MAX,
			dax_pgoff_to_phys(dev_dax, total, &nr));
	KUNIT_EXPECT_EQ(test, PHYS_ADDR_MAX,
			dax_pgoff_to_phys(dev_dax, total + 1, &nr));
	KUNIT_EXPECT_EQ(test, PHYS_ADDR_MAX,
			dax_pgoff_to_phys(dev_dax, ULONG_MAX, &nr));
}

static void phys_to_offset_finds_every_page(struct kunit *test)
{
	struct dev_dax *dev_dax = range_dev_dax(test);
	u64 total = range_total(test->param_value);

	for (pgoff_t pgoff = 0; pgoff < total; pgoff++) {
		unsigned long nr;
		phys_addr_t phys = range_search(dev_dax, pgoff, &nr);
		u64 offset;

		KUNIT_ASSERT_TRUE(test, dax_phys_to_offset(dev_dax, phys,
							   &offset));
		KUNIT_EXPECT_EQ(test, offset, PFN_PHYS(pgoff));

		phys += PAGE_SIZE - 1;
		KUNIT_ASSERT_TRUE(test, dax_phys_to_offset(dev_dax, phys,
							   &offset));
		KUNIT_EXPECT_EQ(test, offset, PFN_PHYS(pgoff) + PAGE_SIZE - 1);
	}
}

/* Above and below all of it, and in all gaps: a gap has 11 pages at least. */
static void phys_to_offset_knows_what_is_outside(struct kunit *test)
{
	const struct range_param *param = test->param_value;
	struct dev_dax *dev_dax = range_dev_dax(test);
	u64 offset = 0xdead;

	KUNIT_EXPECT_FALSE(test, dax_phys_to_offset(dev_dax, 0, &offset));
	KUNIT_EXPECT_FALSE(test, dax_phys_to_offset(dev_dax, PHYS_ADDR_MAX,
						    &offset));
	for (int i = 0; i < dev_dax->nr_range; i++) {
		const struct range *range = &dev_dax->ranges[i].range;

		if (param->layout == RANGE_TOUCHING_DOWN)
			break;
		KUNIT_EXPECT_FALSE(test, dax_phys_to_offset(dev_dax,
							    range->start - 1,
							    &offset));
		KUNIT_EXPECT_FALSE(test, dax_phys_to_offset(dev_dax,
							    range->end + 1,
							    &offset));
	}
	KUNIT_EXPECT_EQ(test, offset, 0xdead);
}

static const struct file_operations range_fops;

static void size_is_that_of_all_ranges(struct kunit *test)
{
	struct dev_dax *dev_dax = range_dev_dax(test);
	struct dax_device *dax_dev = dax_test_dev(test, dev_dax);

	run_dax(dax_dev, &range_fops);
	KUNIT_EXPECT_EQ(test, dax_dev_size(dax_dev),
			PFN_PHYS(range_total(test->param_value)));
}

static void device_without_ranges_has_no_page(struct kunit *test)
{
	struct dev_dax *dev_dax = dax_test_dev_dax(test, 0);
	unsigned long nr = 1;

	KUNIT_EXPECT_EQ(test, PHYS_ADDR_MAX,
			dax_pgoff_to_phys(dev_dax, 0, &nr));
}

static void dead_device_has_no_size(struct kunit *test)
{
	struct dev_dax *dev_dax = dax_test_dev_dax(test, 1);
	struct dax_device *dax_dev = dax_test_dev(test, dev_dax);

	dev_dax->ranges[0].range = DEFINE_RANGE(RANGE_BASE,
						RANGE_BASE + SZ_64K - 1);
	KUNIT_EXPECT_EQ(test, dax_dev_size(dax_dev), 0);
	run_dax(dax_dev, &range_fops);
	KUNIT_EXPECT_EQ(test, dax_dev_size(dax_dev), SZ_64K);
	kill_dax(dax_dev);
	KUNIT_EXPECT_EQ(test, dax_dev_size(dax_dev), 0);
}

/* The private data of a block device's dax device is not a dev_dax. */
static void block_device_has_no_size(struct kunit *test)
{
	struct dax_device *dax_dev = dax_test_dev(test, (void *)1);

	run_dax(dax_dev, NULL);
	KUNIT_EXPECT_EQ(test, dax_dev_size(dax_dev), 0);
}

/*
 * The attributes make no such ranges. device_dax refuses them all the same: a
 * huge page would map memory of others.
 */
static void device_dax_refuses_misaligned_ranges(struct kunit *test)
{
	struct dev_dax *dev_dax = dax_test_dev_dax(test, 2);
	struct range *first = &dev_dax->ranges[0].range;
	struct range *last = &dev_dax->ranges[1].range;

	if (!IS_REACHABLE(CONFIG_DEV_DAX))
		kunit_skip(test, "device_dax is a module, or is not built");

	dev_dax->dev.init_name = "dax_range_test";
	dev_dax->align = SZ_2M;
	*first = DEFINE_RANGE(RANGE_BASE, RANGE_BASE + SZ_2M - 1);
	*last = DEFINE_RANGE(RANGE_BASE + SZ_8M, RANGE_BASE + SZ_16M - 1);
	KUNIT_EXPECT_EQ(test, dev_dax_check_ranges(dev_dax), 0);
	/* aligned for smaller pages only */
	dev_dax->align = SZ_4M;
	KUNIT_EXPECT_EQ(test, dev_dax_check_ranges(dev_dax), -EINVAL);
	dev_dax->align = SZ_2M;
	/* misaligned at the end, and at both ends */
	last->end -= SZ_4K;
	KUNIT_EXPECT_EQ(test, dev_dax_check_ranges(dev_dax), -EINVAL);
	last->start += SZ_1M;
	last->end += SZ_4K + SZ_1M;
	KUNIT_EXPECT_EQ(test, dev_dax_check_ranges(dev_dax), -EINVAL);
	dev_dax->align = SZ_1M;
	KUNIT_EXPECT_EQ(test, dev_dax_check_ranges(dev_dax), 0);
}

static struct kunit_case range_cases[] = {
	KUNIT_CASE_PARAM(pgoff_to_phys_finds_every_page, range_gen_params),
	KUNIT_CASE_PARAM(pgoff_to_phys_gives_no_more_than_wanted,
			 range_gen_params),
	KUNIT_CASE_PARAM(pgoff_to_phys_knows_the_end, range_gen_params),
	KUNIT_CASE_PARAM(phys_to_offset_finds_every_page, range_gen_params),
	KUNIT_CASE_PARAM(phys_to_offset_knows_what_is_outside,
			 range_gen_params),
	KUNIT_CASE_PARAM(size_is_that_of_all_ranges, range_gen_params),
	KUNIT_CASE(device_without_ranges_has_no_page),
	KUNIT_CASE(dead_device_has_no_size),
	KUNIT_CASE(block_device_has_no_size),
	KUNIT_CASE(device_dax_refuses_misaligned_ranges),
	{ }
};

static struct kunit_suite range_suite = {
	.name = "dax_range",
	.test_cases = range_cases,
};

kunit_test_suite(range_suite);

MODULE_DESCRIPTION("KUnit tests of the ranges of dax devices");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
