// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of how fs-dax takes a folio apart when a file gives it back, and
 * looks for bad pages, on struct pages that belong to no memory.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/dax.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/page_ref.h>
#include "../dax-private.h"

#define FOLIO_INDEX 0x123

struct folio_test {
	struct page *pages;	/* twice as many as the folio has */
	unsigned long nr_pages;
	struct dev_pagemap pgmap;
	struct address_space mapping;
};

static const unsigned int folio_orders[] = { 0, 9 };

static void folio_order_desc(const unsigned int *order, char *desc)
{
	sprintf(desc, "order %u", *order);
}

KUNIT_ARRAY_PARAM(folio_order, folio_orders, folio_order_desc);

/* As memmap_init_zone_device() leaves a page. */
static void folio_init_page(struct page *page, struct dev_pagemap *pgmap)
{
	struct folio *folio = (struct folio *)page;

	set_page_zone(page, ZONE_DEVICE);
	set_page_count(page, 0);
	atomic_set(&page->_mapcount, -1);
	__folio_set_reserved(folio);
	folio->pgmap = pgmap;
}

/* A copy of prep_compound_page(), which modules cannot call. */
static void folio_make_large(struct folio *folio, unsigned int order)
{
	__folio_set_head(folio);
	for (unsigned long i = 1; i < 1UL << order; i++) {
		struct page *tail = &folio->page + i;

		tail->mapping = TAIL_MAPPING;
		set_compound_head(tail, &folio->page, order);
	}
	folio->_flags_1 |= order;
#ifdef NR_PAGES_IN_LARGE_FOLIO
	folio->_nr_pages = 1U << order;
#endif
}

static struct folio *folio_make(struct kunit *test, unsigned int order)
{
	struct folio_test *ctx = test->priv;

	ctx->nr_pages = 1UL << order;
	ctx->pages = kunit_kcalloc(test, 2 * ctx->nr_pages,
				   sizeof(*ctx->pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx->pages);
	for (unsigned long i = 0; i < 2 * ctx->nr_pages; i++)
		folio_init_page(&ctx->pages[i], &ctx->pgmap);
	if (order)
		folio_make_large((struct folio *)ctx->pages, order);
	return (struct folio *)ctx->pages;
}

static struct folio *folio_in_file(struct kunit *test, unsigned int order)
{
	struct folio_test *ctx = test->priv;
	struct folio *folio = folio_make(test, order);

	folio->mapping = &ctx->mapping;
	folio->index = FOLIO_INDEX;
	return folio;
}

static int folio_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct folio_test), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, test->priv);
	return 0;
}

/* The folio that page @i is, if it is one by itself. */
static struct folio *folio_single(struct kunit *test, unsigned long i)
{
	struct folio_test *ctx = test->priv;
	struct page *page = &ctx->pages[i];

	KUNIT_ASSERT_FALSE_MSG(test, PageTail(page), "page %lu", i);
	KUNIT_ASSERT_FALSE_MSG(test, PageHead(page), "page %lu", i);
	return page_folio(page);
}

static void reset_leaves_no_compound_page(struct kunit *test)
{
	const unsigned int *order = test->param_value;
	struct folio_test *ctx = test->priv;

	dax_folio_reset(folio_in_file(test, *order));
	for (unsigned long i = 0; i < ctx->nr_pages; i++) {
		struct folio *folio = folio_single(test, i);

		KUNIT_EXPECT_PTR_EQ(test, &folio->page, &ctx->pages[i]);
		KUNIT_EXPECT_EQ(test, folio_order(folio), 0);
		KUNIT_EXPECT_EQ(test, folio_nr_pages(folio), 1);
	}
}

/*
 * A stale value would show in the next large folio if that did not set its own.
 */
static void reset_leaves_no_order(struct kunit *test)
{
	struct folio *folio = folio_in_file(test, 9);

	dax_folio_reset(folio);
	KUNIT_EXPECT_EQ(test, folio->_flags_1 & 0xff, 0);
#ifdef NR_PAGES_IN_LARGE_FOLIO
	KUNIT_EXPECT_EQ(test, folio->_nr_pages, 0);
#endif
}

static void reset_leaves_no_file(struct kunit *test)
{
	const unsigned int *order = test->param_value;
	struct folio_test *ctx = test->priv;

	dax_folio_reset(folio_in_file(test, *order));
	for (unsigned long i = 0; i < ctx->nr_pages; i++) {
		struct folio *folio = folio_single(test, i);

		KUNIT_EXPECT_NULL(test, folio->mapping);
		KUNIT_EXPECT_EQ(test, folio->index, 0);
	}
}

static void reset_leaves_no_share_count(struct kunit *test)
{
	const unsigned int *order = test->param_value;
	struct folio_test *ctx = test->priv;
	struct folio *shared = folio_make(test, *order);

	shared->share = 2;
	dax_folio_reset(shared);
	for (unsigned long i = 0; i < ctx->nr_pages; i++) {
		struct folio *folio = folio_single(test, i);

		KUNIT_EXPECT_EQ(test, folio->share, 0);
	}
}

static void reset_gives_every_page_the_pgmap(struct kunit *test)
{
	const unsigned int *order = test->param_value;
	struct folio_test *ctx = test->priv;

	dax_folio_reset(folio_in_file(test, *order));
	for (unsigned long i = 0; i < ctx->nr_pages; i++)
		KUNIT_EXPECT_PTR_EQ(test, page_pgmap(&ctx->pages[i]),
				    &ctx->pgmap);
}

static void reset_leaves_the_rest_of_a_page(struct kunit *test)
{
	const unsigned int *order = test->param_value;
	struct folio_test *ctx = test->priv;

	dax_folio_reset(folio_in_file(test, *order));
	for (unsigned long i = 0; i < ctx->nr_pages; i++) {
		struct folio *folio = folio_single(test, i);

		KUNIT_EXPECT_TRUE(test, folio_is_zone_device(folio));
		KUNIT_EXPECT_TRUE(test, PageReserved(&folio->page));
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&folio->_mapcount), -1);
		KUNIT_EXPECT_NULL(test, folio->private);
	}
}

static void reset_leaves_the_neighbour(struct kunit *test)
{
	const unsigned int *order = test->param_value;
	struct folio_test *ctx = test->priv;
	struct folio *folio = folio_in_file(test, *order), *next;

	next = (struct folio *)&ctx->pages[ctx->nr_pages];
	if (*order)
		folio_make_large(next, *order);
	next->mapping = &ctx->mapping;
	next->index = FOLIO_INDEX;

	dax_folio_reset(folio);
	KUNIT_EXPECT_EQ(test, folio_order(next), *order);
	KUNIT_EXPECT_PTR_EQ(test, next->mapping, &ctx->mapping);
	KUNIT_EXPECT_EQ(test, next->index, FOLIO_INDEX);
}

static void reset_of_a_free_folio_changes_nothing(struct kunit *test)
{
	struct folio *folio = folio_make(test, 0);
	struct page before = folio->page;

	dax_folio_reset(folio);
	KUNIT_EXPECT_MEMEQ(test, &folio->page, &before, sizeof(before));
}

static void reset_folio_can_be_large_again(struct kunit *test)
{
	struct folio *folio = folio_in_file(test, 9);

	dax_folio_reset(folio);
	folio_make_large(folio, 9);
	KUNIT_EXPECT_EQ(test, folio_order(folio), 9);
	KUNIT_EXPECT_EQ(test, folio_nr_pages(folio), 512);
	dax_folio_reset(folio);
	KUNIT_EXPECT_EQ(test, folio_order(folio), 0);
}

/*
 * A fault of a MAP_SYNC mapping asks this each time, and hardly any machine has a
 * bad page: then it does not look at the struct pages, one of which has a flag
 * here that nobody has counted.
 */
static void pages_are_looked_at_only_if_any_is_bad(struct kunit *test)
{
	struct folio *folio = folio_make(test, 9);
	unsigned long pfn = folio_pfn(folio);

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "without memory_failure() no page is bad");
	if (atomic_long_read(&num_poisoned_pages))
		kunit_skip(test, "this machine has bad pages");

	SetPageHWPoison(folio_page(folio, 300));
	KUNIT_EXPECT_FALSE(test, dax_any_hwpoison(pfn, 9));
	num_poisoned_pages_inc(-1UL);
	KUNIT_EXPECT_TRUE(test, dax_any_hwpoison(pfn, 9));
	KUNIT_EXPECT_FALSE(test, dax_any_hwpoison(pfn, 8));
	num_poisoned_pages_sub(-1UL, 1);
	ClearPageHWPoison(folio_page(folio, 300));
}

#ifdef CONFIG_FS_DAX_PMD
/* As fs/dax.c makes the entry of a huge page. */
#define FOLIO_PMD_ENTRY(pfn)	xa_mk_value((pfn) << 4 | 2)

struct folio_fault {
	struct inode inode;
	struct file file;
	struct vm_area_struct vma;
	unsigned int looks;
};

static int folio_fsync(struct file *file, loff_t start, loff_t end,
		       int datasync)
{
	return 0;
}

static const struct file_operations folio_fops = {
	.fsync = folio_fsync,
};

static bool folio_look(unsigned long pfn, unsigned int order)
{
	struct kunit *test = kunit_get_current_test();
	struct folio_fault *fault = test->priv;
	struct xarray *pages = &fault->inode.i_data.i_pages;

	fault->looks++;
	KUNIT_EXPECT_EQ(test, order, PMD_ORDER);
	KUNIT_EXPECT_FALSE(test, irqs_disabled());
	/* the entry is locked: the page stays in the file meanwhile */
	KUNIT_EXPECT_PTR_NE(test, xa_load(pages, 0), FOLIO_PMD_ENTRY(pfn));
	return true;
}

static struct folio_fault *folio_fault_make(struct kunit *test,
					    unsigned long pfn)
{
	struct folio_fault *fault = kunit_kzalloc(test, sizeof(*fault),
						  GFP_KERNEL);
	struct address_space *mapping;
	void *old;

	KUNIT_ASSERT_NOT_NULL(test, fault);
	mapping = &fault->inode.i_data;
	address_space_init_once(mapping);
	mapping->host = &fault->inode;
	fault->file.f_mapping = mapping;
	fault->file.f_op = &folio_fops;
	fault->vma.vm_file = &fault->file;
	old = xa_store_range(&mapping->i_pages, 0, (1UL << PMD_ORDER) - 1,
			     FOLIO_PMD_ENTRY(pfn), GFP_KERNEL);
	KUNIT_ASSERT_NULL(test, old);
	return fault;
}

/*
 * A fault of a MAP_SYNC mapping looks at the 512 struct pages of a huge page while
 * the entry is locked, and not the xarray, for which interrupts would be off.
 */
static void pages_are_looked_at_with_interrupts_on(struct kunit *test)
{
	const unsigned long pfn = 1UL << PMD_ORDER;
	struct folio_fault *fault = folio_fault_make(test, pfn);
	struct vm_fault vmf = { .vma = &fault->vma };
	struct xarray *pages = &fault->inode.i_data.i_pages;

	test->priv = fault;
	kunit_activate_static_stub(test, dax_any_hwpoison, folio_look);
	/* the page is bad, so the fault is to come again */
	KUNIT_EXPECT_TRUE(test, dax_finish_sync_fault(&vmf, PMD_ORDER, pfn) ==
				VM_FAULT_NOPAGE);
	KUNIT_EXPECT_EQ(test, fault->looks, 1);
	/* and the entry is not locked any more */
	KUNIT_EXPECT_PTR_EQ(test, xa_load(pages, 0), FOLIO_PMD_ENTRY(pfn));
	xa_destroy(pages);
}
#endif /* CONFIG_FS_DAX_PMD */

static struct kunit_case folio_cases[] = {
	KUNIT_CASE_PARAM(reset_leaves_no_compound_page, folio_order_gen_params),
	KUNIT_CASE(reset_leaves_no_order),
	KUNIT_CASE_PARAM(reset_leaves_no_file, folio_order_gen_params),
	KUNIT_CASE_PARAM(reset_leaves_no_share_count, folio_order_gen_params),
	KUNIT_CASE_PARAM(reset_gives_every_page_the_pgmap,
			 folio_order_gen_params),
	KUNIT_CASE_PARAM(reset_leaves_the_rest_of_a_page,
			 folio_order_gen_params),
	KUNIT_CASE_PARAM(reset_leaves_the_neighbour, folio_order_gen_params),
	KUNIT_CASE(reset_of_a_free_folio_changes_nothing),
	KUNIT_CASE(reset_folio_can_be_large_again),
	KUNIT_CASE(pages_are_looked_at_only_if_any_is_bad),
#ifdef CONFIG_FS_DAX_PMD
	KUNIT_CASE(pages_are_looked_at_with_interrupts_on),
#endif
	{ }
};

static struct kunit_suite folio_suite = {
	.name = "dax_folio",
	.init = folio_init,
	.test_cases = folio_cases,
};

kunit_test_suite(folio_suite);

MODULE_DESCRIPTION("KUnit tests of the folios of fs-dax");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
