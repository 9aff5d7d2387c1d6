// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what becomes of a bad page of a dax device: in which order its
 * error and its heal may come to it, and where it is then.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/memory-failure.h>
#include <linux/mm.h>
#include <linux/module.h>

void mf_dev_map(unsigned long pfn, bool present);

/* The direct map, as far as it is asked to change. */
static struct {
	unsigned long pfn;
	bool present;
	unsigned int hidden;	/* how often */
} bad_page;

static void bad_page_map(unsigned long pfn, bool present)
{
	KUNIT_EXPECT_EQ(kunit_get_current_test(), pfn, bad_page.pfn);
	bad_page.present = present;
	bad_page.hidden += !present;
}

struct bad_page_test {
	struct page *page;
	long before;
};

static int bad_page_init(struct kunit *test)
{
	struct bad_page_test *ctx;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->page = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx->page);
	ctx->before = atomic_long_read(&num_poisoned_pages);
	test->priv = ctx;

	bad_page.pfn = page_to_pfn(ctx->page);
	bad_page.present = true;
	bad_page.hidden = 0;
	kunit_activate_static_stub(test, mf_dev_map, bad_page_map);
	return 0;
}

static void bad_page_exit(struct kunit *test)
{
	struct bad_page_test *ctx = test->priv;

	if (!ctx)
		return;
	mf_dev_forget(page_to_pfn(ctx->page), 1);
	ClearPageHWPoison(ctx->page);
	__free_page(ctx->page);
}

static struct page *bad_page_of(struct kunit *test)
{
	return ((struct bad_page_test *)test->priv)->page;
}

static void bad_page_expect(struct kunit *test, bool marked, bool present)
{
	struct bad_page_test *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, PageHWPoison(ctx->page), marked);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&num_poisoned_pages),
			ctx->before + marked);
	KUNIT_EXPECT_EQ(test, bad_page.present, present);
}

static void page_is_counted_once(struct kunit *test)
{
	struct page *page = bad_page_of(test);

	mf_dev_mark_page(page);
	bad_page_expect(test, true, true);
	mf_dev_mark_page(page);
	mf_dev_count(page_to_pfn(page));
	bad_page_expect(test, true, true);
}

static void page_is_hidden_once(struct kunit *test)
{
	struct page *page = bad_page_of(test);

	mf_dev_mark_page(page);
	mf_dev_hide_page(page_to_pfn(page));
	bad_page_expect(test, true, false);
	mf_dev_mark_page(page);
	mf_dev_hide_page(page_to_pfn(page));
	bad_page_expect(test, true, false);
	KUNIT_EXPECT_EQ(test, bad_page.hidden, 1);
}

static void page_that_is_healed_is_good(struct kunit *test)
{
	struct page *page = bad_page_of(test);

	mf_dev_mark_page(page);
	mf_dev_hide_page(page_to_pfn(page));
	mf_dev_begin_heal(page);
	bad_page_expect(test, true, true);
	mf_dev_end_heal(page, true);
	bad_page_expect(test, false, true);
	/* and can become bad again */
	mf_dev_mark_page(page);
	mf_dev_hide_page(page_to_pfn(page));
	bad_page_expect(test, true, false);
}

/* The heal is faster than who handles the error. */
static void page_that_was_healed_is_not_hidden(struct kunit *test)
{
	struct page *page = bad_page_of(test);

	mf_dev_mark_page(page);
	mf_dev_begin_heal(page);
	mf_dev_end_heal(page, true);
	mf_dev_hide_page(page_to_pfn(page));
	bad_page_expect(test, false, true);
	KUNIT_EXPECT_EQ(test, bad_page.hidden, 0);
}

static void page_is_not_hidden_while_it_is_written(struct kunit *test)
{
	struct page *page = bad_page_of(test);

	mf_dev_mark_page(page);
	mf_dev_begin_heal(page);
	mf_dev_hide_page(page_to_pfn(page));
	bad_page_expect(test, true, true);
	mf_dev_end_heal(page, true);
	bad_page_expect(test, false, true);
}

static void page_is_hidden_after_a_heal_that_failed(struct kunit *test)
{
	struct page *page = bad_page_of(test);

	/* as it was before */
	mf_dev_mark_page(page);
	mf_dev_hide_page(page_to_pfn(page));
	mf_dev_begin_heal(page);
	mf_dev_end_heal(page, false);
	bad_page_expect(test, true, false);
	KUNIT_EXPECT_EQ(test, bad_page.hidden, 2);

	/* or as it was to be meanwhile */
	mf_dev_begin_heal(page);
	mf_dev_end_heal(page, true);
	mf_dev_mark_page(page);
	mf_dev_begin_heal(page);
	mf_dev_hide_page(page_to_pfn(page));
	bad_page_expect(test, true, true);
	mf_dev_end_heal(page, false);
	bad_page_expect(test, true, false);
}

/* Others may access it still, until who handles the error has waited for them. */
static void page_that_was_not_hidden_stays_after_a_heal_that_failed(struct kunit *test)
{
	struct page *page = bad_page_of(test);

	mf_dev_mark_page(page);
	mf_dev_begin_heal(page);
	mf_dev_end_heal(page, false);
	bad_page_expect(test, true, true);
	mf_dev_hide_page(page_to_pfn(page));
	bad_page_expect(test, true, false);
}

/*
 * The medium has reported it just now: the driver has it in the record, and is
 * about to mark it, and to wait for those who found it good.
 */
static void page_that_was_not_marked_is_not_marked_by_a_heal(struct kunit *test)
{
	struct page *page = bad_page_of(test);

	mf_dev_begin_heal(page);
	bad_page_expect(test, false, true);
	mf_dev_end_heal(page, false);
	bad_page_expect(test, false, true);
	mf_dev_mark_page(page);
	mf_dev_hide_page(page_to_pfn(page));
	bad_page_expect(test, true, false);
	mf_dev_begin_heal(page);
	mf_dev_end_heal(page, true);
	bad_page_expect(test, false, true);
}

static void page_can_be_accessed_until_it_is_hidden(struct kunit *test)
{
	struct page *page = bad_page_of(test);

	mf_dev_mark_page(page);
	KUNIT_EXPECT_TRUE(test, mf_dev_lock_page(page));
	mf_dev_unlock_page();
	mf_dev_hide_page(page_to_pfn(page));
	KUNIT_EXPECT_FALSE(test, mf_dev_lock_page(page));
	mf_dev_begin_heal(page);
	mf_dev_end_heal(page, true);
	KUNIT_ASSERT_TRUE(test, mf_dev_lock_page(page));
	mf_dev_unlock_page();
}

static void memory_that_goes_away_does_not_count(struct kunit *test)
{
	struct bad_page_test *ctx = test->priv;
	unsigned long pfn = page_to_pfn(ctx->page);

	mf_dev_mark_page(ctx->page);
	mf_dev_hide_page(pfn);
	mf_dev_forget(pfn + 1, 1);
	bad_page_expect(test, true, false);
	mf_dev_forget(pfn - 1, 2);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&num_poisoned_pages),
			ctx->before);
	KUNIT_EXPECT_TRUE(test, bad_page.present);
	/* the next struct page is another one */
	mf_dev_hide_page(pfn);
	KUNIT_EXPECT_EQ(test, bad_page.hidden, 1);
}

static void bad_page_is_found(struct kunit *test)
{
	struct page *page = bad_page_of(test);
	unsigned long at = page_to_pfn(page), pfn = at;

	KUNIT_EXPECT_FALSE(test, mf_dev_find_bad(&pfn, at));
	mf_dev_mark_page(page);
	pfn = at - 1;
	KUNIT_EXPECT_FALSE(test, mf_dev_find_bad(&pfn, at - 1));
	KUNIT_EXPECT_EQ(test, pfn, at - 1);
	KUNIT_EXPECT_TRUE(test, mf_dev_find_bad(&pfn, at + 1));
	KUNIT_EXPECT_EQ(test, pfn, at);
	pfn = at + 1;
	KUNIT_EXPECT_FALSE(test, mf_dev_find_bad(&pfn, at + 1));
	/* while it is written, and after that */
	pfn = at;
	mf_dev_begin_heal(page);
	KUNIT_EXPECT_TRUE(test, mf_dev_find_bad(&pfn, at));
	mf_dev_end_heal(page, true);
	KUNIT_EXPECT_FALSE(test, mf_dev_find_bad(&pfn, at));
}

static struct kunit_case bad_page_cases[] = {
	KUNIT_CASE(page_is_counted_once),
	KUNIT_CASE(page_is_hidden_once),
	KUNIT_CASE(page_that_is_healed_is_good),
	KUNIT_CASE(page_that_was_healed_is_not_hidden),
	KUNIT_CASE(page_is_not_hidden_while_it_is_written),
	KUNIT_CASE(page_is_hidden_after_a_heal_that_failed),
	KUNIT_CASE(page_that_was_not_hidden_stays_after_a_heal_that_failed),
	KUNIT_CASE(page_that_was_not_marked_is_not_marked_by_a_heal),
	KUNIT_CASE(page_can_be_accessed_until_it_is_hidden),
	KUNIT_CASE(memory_that_goes_away_does_not_count),
	KUNIT_CASE(bad_page_is_found),
	{ }
};

static struct kunit_suite bad_page_suite = {
	.name = "dax_bad_page",
	.init = bad_page_init,
	.exit = bad_page_exit,
	.test_cases = bad_page_cases,
};

kunit_test_suite(bad_page_suite);

MODULE_DESCRIPTION("KUnit tests of the bad pages of dax devices");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
