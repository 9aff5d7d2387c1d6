// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of who may use a dax device: looking it up, claiming it, losing
 * it, being told of failures, and the operations that a driver gives it.
 */
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include "dax_test.h"

/* Long enough for what should happen, and for what should not. */
#define CLAIM_SOON (10 * HZ)
#define CLAIM_A_WHILE (HZ / 10)

#define CLAIM_OFFSET 0x3000
#define CLAIM_LEN 0x2000

/* The holder: with it, its handlers tell the test what happened. */
struct claim_test {
	struct kunit *test;
	struct dax_device *dax_dev;
	int calls;
	u64 offset;
	u64 len;
	int mf_flags;
	long rc;
	struct completion entered;
	struct completion leave;
};

/* Something that the test does not want to wait for. */
struct claim_thread {
	void (*fn)(struct claim_test *ctx);
	struct claim_test *ctx;
	struct task_struct *task;
	bool started;
	struct completion done;
};

static int claim_thread_fn(void *data)
{
	struct claim_thread *thread = data;

	WRITE_ONCE(thread->started, true);
	thread->fn(thread->ctx);
	complete_all(&thread->done);
	return 0;
}

/* The thread uses memory of the test, even if the test has failed. */
static void claim_join(void *data)
{
	struct claim_thread *thread = data;

	complete_all(&thread->ctx->leave);
	wait_for_completion(&thread->done);
	put_task_struct(thread->task);
}

static struct claim_thread *claim_start(struct kunit *test,
					void (*fn)(struct claim_test *ctx))
{
	struct claim_thread *thread;
	struct task_struct *task;

	thread = kunit_kzalloc(test, sizeof(*thread), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, thread);
	thread->fn = fn;
	thread->ctx = test->priv;
	init_completion(&thread->done);
	task = kthread_create(claim_thread_fn, thread, "dax_claim_test");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	thread->task = get_task_struct(task);
	wake_up_process(task);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, claim_join, thread));
	return thread;
}

static bool claim_ended(struct claim_thread *thread, unsigned long timeout)
{
	return wait_for_completion_timeout(&thread->done, timeout);
}

static bool claim_sleeps(struct claim_thread *thread)
{
	return READ_ONCE(thread->started) &&
	       READ_ONCE(thread->task->__state) & TASK_UNINTERRUPTIBLE;
}

/*
 * The thread has come to the place where it waits, and stays there. A thread
 * that had no processor yet would look the same after any time.
 */
static bool claim_waits(struct claim_thread *thread)
{
	unsigned long end = jiffies + CLAIM_SOON;

	while (!claim_sleeps(thread)) {
		if (completion_done(&thread->done) || time_after(jiffies, end))
			return false;
		schedule_timeout_uninterruptible(1);
	}
	return !claim_ended(thread, CLAIM_A_WHILE);
}

/* The handler runs, or the next of them. */
static void claim_entered(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	KUNIT_ASSERT_TRUE(test, wait_for_completion_timeout(&ctx->entered,
							    CLAIM_SOON));
}

/* So many handlers run, as the others have returned. */
static bool claim_notifies(struct claim_test *ctx, unsigned int nr)
{
	unsigned long end = jiffies + CLAIM_SOON;

	while (READ_ONCE(ctx->dax_dev->notifying) != nr) {
		if (time_after(jiffies, end))
			return false;
		schedule_timeout_uninterruptible(1);
	}
	return true;
}

static void claim_put(struct claim_test *ctx)
{
	fs_put_dax(ctx->dax_dev, ctx);
}

static void claim_kill(struct claim_test *ctx)
{
	kill_dax(ctx->dax_dev);
}

static void claim_notify(struct claim_test *ctx)
{
	dax_holder_notify_failure(ctx->dax_dev, CLAIM_OFFSET, CLAIM_LEN, 0);
}

static int note_failure(struct dax_device *dax_dev, u64 offset, u64 len,
			int mf_flags)
{
	struct claim_test *ctx = dax_holder(dax_dev);

	ctx->calls++;
	ctx->offset = offset;
	ctx->len = len;
	ctx->mf_flags = mf_flags;
	return -ESTALE;
}

static const struct dax_holder_operations note_ops = {
	.notify_failure = note_failure,
};

static int slow_failure(struct dax_device *dax_dev, u64 offset, u64 len,
			int mf_flags)
{
	struct claim_test *ctx = dax_holder(dax_dev);

	complete(&ctx->entered);
	wait_for_completion(&ctx->leave);
	return 0;
}

static const struct dax_holder_operations slow_ops = {
	.notify_failure = slow_failure,
};

/* A holder that takes its time for memory errors only. */
static int slow_error(struct dax_device *dax_dev, u64 offset, u64 len,
		      int mf_flags)
{
	if (mf_flags & MF_MEM_PRE_REMOVE)
		return note_failure(dax_dev, offset, len, mf_flags);
	return slow_failure(dax_dev, offset, len, mf_flags);
}

static const struct dax_holder_operations slow_error_ops = {
	.notify_failure = slow_error,
};

/* A bad holder, that goes away at once. */
static int put_failure(struct dax_device *dax_dev, u64 offset, u64 len,
		       int mf_flags)
{
	struct claim_test *ctx = dax_holder(dax_dev);

	if (!(mf_flags & MF_MEM_PRE_REMOVE))
		return slow_failure(dax_dev, offset, len, mf_flags);
	ctx->calls++;
	kunit_warning_suppress(ctx->test)
		claim_put(ctx);
	return 0;
}

static const struct dax_holder_operations put_ops = {
	.notify_failure = put_failure,
};

static int get_failure(struct dax_device *dax_dev, u64 offset, u64 len,
		       int mf_flags)
{
	struct claim_test *ctx = dax_holder(dax_dev);

	ctx->rc = fs_dax_get(dax_dev, &ctx->rc, NULL);
	return 0;
}

static const struct dax_holder_operations get_ops = {
	.notify_failure = get_failure,
};

static long claim_access(struct dax_device *dax_dev)
{
	guard(dax_read)();
	return dax_direct_access(dax_dev, 0, 1, DAX_ACCESS, NULL, NULL);
}

static int access_failure(struct dax_device *dax_dev, u64 offset, u64 len,
			  int mf_flags)
{
	struct claim_test *ctx = dax_holder(dax_dev);

	ctx->rc = claim_access(dax_dev);
	return 0;
}

static const struct dax_holder_operations access_ops = {
	.notify_failure = access_failure,
};

static void name_holder(void *holder, char *buf, size_t len)
{
	struct claim_test *ctx = holder;

	ctx->calls++;
	snprintf(buf, len, "fs of\na test %0*d", (int)len, 0);
}

static const struct dax_holder_operations name_ops = {
	.name = name_holder,
};

static const struct dax_holder_operations no_ops;

static long test_direct_access(struct dax_device *dax_dev, pgoff_t pgoff,
			       long nr_pages, enum dax_access_mode mode,
			       void **kaddr, unsigned long *pfn)
{
	return nr_pages;
}

static int test_zero_page_range(struct dax_device *dax_dev, pgoff_t pgoff,
				size_t nr_pages)
{
	return 0;
}

static const struct dax_operations test_dax_ops = {
	.direct_access = test_direct_access,
	.zero_page_range = test_zero_page_range,
};

static const struct file_operations test_fops;

/* As fsdev_dax and device_dax start a device, and as pmem does. */
static void claim_run_fsdev(struct dax_device *dax_dev)
{
	dax_set_ops(dax_dev, &test_dax_ops);
	run_dax(dax_dev, &test_fops);
}

static void claim_run_device_dax(struct dax_device *dax_dev)
{
	dax_set_ops(dax_dev, NULL);
	run_dax(dax_dev, &test_fops);
}

static void claim_run_pmem(struct dax_device *dax_dev)
{
	dax_set_ops(dax_dev, &test_dax_ops);
	run_dax(dax_dev, NULL);
}

static int claim_init(struct kunit *test)
{
	struct claim_test *ctx;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	init_completion(&ctx->entered);
	init_completion(&ctx->leave);
	ctx->test = test;
	ctx->dax_dev = dax_test_dev(test, ctx);
	test->priv = ctx;
	return 0;
}

/* Most tests start in famfs mode, and with a holder. */
static struct claim_test *claim_live(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	claim_run_fsdev(ctx->dax_dev);
	return ctx;
}

static struct claim_test *claim_held(struct kunit *test,
				     const struct dax_holder_operations *ops)
{
	struct claim_test *ctx = claim_live(test);

	KUNIT_ASSERT_EQ(test, fs_dax_get(ctx->dax_dev, ctx, ops), 0);
	return ctx;
}

static int claim_refs(struct claim_test *ctx)
{
	return icount_read_once(dax_inode(ctx->dax_dev));
}

static dev_t claim_devt(struct claim_test *ctx)
{
	return dax_inode(ctx->dax_dev)->i_rdev;
}

/* Look up */

static void lookup_finds_a_live_device(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);

	KUNIT_EXPECT_PTR_EQ(test, dax_dev_get(claim_devt(ctx)), ctx->dax_dev);
	put_dax(ctx->dax_dev);
}

static void lookup_finds_a_dead_device(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	KUNIT_EXPECT_PTR_EQ(test, dax_dev_get(claim_devt(ctx)), ctx->dax_dev);
	put_dax(ctx->dax_dev);
}

static void lookup_takes_a_reference(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);

	dax_dev_get(claim_devt(ctx));
	KUNIT_EXPECT_EQ(test, claim_refs(ctx), 2);
	put_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, claim_refs(ctx), 1);
}

static void lookup_does_not_find_other_devices(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, dax_dev_get(0));
	KUNIT_EXPECT_NULL(test, dax_dev_get(MKDEV(1, 3)));
}

/* The second lookup would find what the first had made. */
static void lookup_never_creates(struct kunit *test)
{
	struct dax_device *dax_dev = alloc_dax(NULL, NULL);
	dev_t devt;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dax_dev);
	devt = dax_inode(dax_dev)->i_rdev;
	kill_dax(dax_dev);
	put_dax(dax_dev);

	KUNIT_EXPECT_NULL(test, dax_dev_get(devt));
	KUNIT_EXPECT_NULL(test, dax_dev_get(devt));
}

/* Get */

static void get_needs_a_holder(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);

	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, NULL, &note_ops),
			-EINVAL);
}

static void get_needs_a_device(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, fs_dax_get(NULL, test->priv, &note_ops),
			-ENODEV);
}

static void get_of_a_dead_device(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, ctx, &note_ops),
			-ENODEV);
}

static void get_of_a_killed_device(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);

	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, ctx, &note_ops),
			-ENODEV);
}

static void get_of_a_dying_device(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &get_ops);

	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, ctx->rc, -ENODEV);
	claim_put(ctx);
}

static void get_in_system_ram_mode(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	dax_set_bound(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, ctx, &note_ops),
			-EOPNOTSUPP);
	dax_clear_bound(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, ctx, &note_ops),
			-ENODEV);
}

static void get_in_devdax_mode(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	claim_run_device_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, ctx, &note_ops),
			-EOPNOTSUPP);
}

static void get_of_a_block_device(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	claim_run_pmem(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, ctx, &note_ops),
			-EOPNOTSUPP);
}

static void get_of_a_held_device(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);

	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, &ctx->rc, NULL),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, ctx, &note_ops),
			-EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, dax_holder(ctx->dax_dev), ctx);
	claim_put(ctx);
}

/* The old holder goes first, whatever the device is now. */
static void get_of_a_lost_device(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);

	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, &ctx->rc, NULL),
			-ENODEV);
	run_dax(ctx->dax_dev, &test_fops);
	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, &ctx->rc, NULL),
			-EBUSY);
	claim_put(ctx);
}

static void refused_get_takes_no_reference(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);

	KUNIT_EXPECT_EQ(test, claim_refs(ctx), 2);
	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, &ctx->rc, NULL),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, dax_claim(ctx->dax_dev, &ctx->rc, NULL),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, claim_refs(ctx), 2);
	claim_put(ctx);
	KUNIT_EXPECT_EQ(test, claim_refs(ctx), 1);
}

static void get_after_put(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);

	KUNIT_EXPECT_PTR_EQ(test, dax_holder(ctx->dax_dev), ctx);
	claim_put(ctx);
	KUNIT_EXPECT_NULL(test, dax_holder(ctx->dax_dev));
	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, &ctx->rc, NULL), 0);
	KUNIT_EXPECT_PTR_EQ(test, dax_holder(ctx->dax_dev), &ctx->rc);
	fs_put_dax(ctx->dax_dev, &ctx->rc);
}

/* A filesystem with a block device may take a mere reference. */
static void reference_is_no_claim(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);

	KUNIT_EXPECT_EQ(test, dax_claim(ctx->dax_dev, NULL, NULL), 0);
	KUNIT_EXPECT_FALSE(test, dax_claim_outstanding(ctx->dax_dev));
	KUNIT_EXPECT_EQ(test, claim_refs(ctx), 2);
	fs_put_dax(ctx->dax_dev, NULL);
	KUNIT_EXPECT_EQ(test, claim_refs(ctx), 1);
}

static void claim_has_a_reference_of_its_own(struct kunit *test)
{
	struct claim_test *ctx = test->priv;
	struct dax_device *dax_dev = alloc_dax(ctx, NULL);
	dev_t devt;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dax_dev);
	kill_dax(dax_dev);
	claim_run_fsdev(dax_dev);
	devt = dax_inode(dax_dev)->i_rdev;
	KUNIT_EXPECT_EQ(test, fs_dax_get(dax_dev, ctx, NULL), 0);
	kill_dax(dax_dev);
	put_dax(dax_dev);

	KUNIT_EXPECT_PTR_EQ(test, dax_dev_get(devt), dax_dev);
	put_dax(dax_dev);
	fs_put_dax(dax_dev, ctx);
	KUNIT_EXPECT_NULL(test, dax_dev_get(devt));
}

static void put_by_another_drops_its_reference(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);

	ihold(dax_inode(ctx->dax_dev));
	kunit_warning_suppress(test)
		fs_put_dax(ctx->dax_dev, &ctx->rc);
	KUNIT_EXPECT_PTR_EQ(test, dax_holder(ctx->dax_dev), ctx);
	KUNIT_EXPECT_EQ(test, claim_refs(ctx), 2);
	claim_put(ctx);
}

static void put_of_no_device_is_nothing(struct kunit *test)
{
	fs_put_dax(NULL, test->priv);
	fs_put_dax(NULL, NULL);
}

/* States */

static void claim_goes_from_free_to_held_to_free(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);
	struct dax_device *dax_dev = ctx->dax_dev;

	KUNIT_EXPECT_EQ(test, dax_dev->claim, DAX_CLAIM_FREE);
	KUNIT_EXPECT_FALSE(test, dax_claim_outstanding(dax_dev));
	KUNIT_EXPECT_EQ(test, fs_dax_get(dax_dev, ctx, &note_ops), 0);
	KUNIT_EXPECT_EQ(test, dax_dev->claim, DAX_CLAIM_HELD);
	KUNIT_EXPECT_TRUE(test, dax_claim_outstanding(dax_dev));
	claim_put(ctx);
	KUNIT_EXPECT_EQ(test, dax_dev->claim, DAX_CLAIM_FREE);
	KUNIT_EXPECT_FALSE(test, dax_claim_outstanding(dax_dev));
}

static void lost_claim_is_outstanding_until_put(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);
	struct dax_device *dax_dev = ctx->dax_dev;

	kill_dax(dax_dev);
	KUNIT_EXPECT_EQ(test, dax_dev->claim, DAX_CLAIM_LOST);
	KUNIT_EXPECT_TRUE(test, dax_claim_outstanding(dax_dev));
	KUNIT_EXPECT_PTR_EQ(test, dax_holder(dax_dev), ctx);
	claim_put(ctx);
	KUNIT_EXPECT_EQ(test, dax_dev->claim, DAX_CLAIM_FREE);
	KUNIT_EXPECT_FALSE(test, dax_claim_outstanding(dax_dev));
}

static void lost_claim_outlives_other_drivers(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);

	kill_dax(ctx->dax_dev);
	claim_run_device_dax(ctx->dax_dev);
	KUNIT_EXPECT_TRUE(test, dax_claim_outstanding(ctx->dax_dev));
	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_TRUE(test, dax_claim_outstanding(ctx->dax_dev));
	claim_put(ctx);
}

static void bound_does_not_touch_a_live_device(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);

	dax_set_bound(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, ctx->dax_dev->state, DAX_STATE_LIVE);
	dax_clear_bound(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, ctx->dax_dev->state, DAX_STATE_LIVE);
}

static void only_a_live_device_works(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, claim_access(ctx->dax_dev), -ENXIO);
	dax_set_bound(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, claim_access(ctx->dax_dev), -ENXIO);
	dax_clear_bound(ctx->dax_dev);
	claim_run_fsdev(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, claim_access(ctx->dax_dev), 1);
	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, claim_access(ctx->dax_dev), -ENXIO);
}

/* Kill */

static void kill_tells_the_holder_once(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);

	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, ctx->calls, 1);
	KUNIT_EXPECT_EQ(test, ctx->offset, 0);
	KUNIT_EXPECT_EQ(test, ctx->len, U64_MAX);
	KUNIT_EXPECT_EQ(test, ctx->mf_flags, MF_MEM_PRE_REMOVE);
	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, ctx->calls, 1);
	claim_put(ctx);
}

/* Unbound by its next driver, which the holder has nothing to do with. */
/* The text of the "holder" attribute. */
static const char *claim_shown(struct kunit *test)
{
	struct claim_test *ctx = test->priv;
	char *buf = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	dax_holder_emit(ctx->dax_dev, false, buf);
	return buf;
}

static void holder_without_a_name_is_shown(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);

	KUNIT_EXPECT_STREQ(test, claim_shown(test), "free\n");
	KUNIT_ASSERT_EQ(test, fs_dax_get(ctx->dax_dev, ctx, &no_ops), 0);
	KUNIT_EXPECT_STREQ(test, claim_shown(test), "held\n");
	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_STREQ(test, claim_shown(test), "lost\n");
	claim_put(ctx);
	KUNIT_EXPECT_STREQ(test, claim_shown(test), "free\n");
}

static void holder_with_a_name_is_shown(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &name_ops);
	const char *shown = claim_shown(test);

	KUNIT_EXPECT_EQ(test, ctx->calls, 1);
	/* one line, as long as there is room for */
	KUNIT_EXPECT_TRUE(test, strstarts(shown, "held fs of?a test 0"));
	KUNIT_EXPECT_EQ(test, strlen(shown),
			strlen("held ") + DAX_HOLDER_NAME_LEN);
	/* a name that did not get the device is not shown */
	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, test, NULL), -EBUSY);
	KUNIT_EXPECT_STREQ(test, claim_shown(test), shown);
	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_STREQ(test, claim_shown(test) + strlen("lost"),
			   shown + strlen("held"));
	claim_put(ctx);
	KUNIT_EXPECT_STREQ(test, claim_shown(test), "free\n");
	claim_run_fsdev(ctx->dax_dev);
	KUNIT_ASSERT_EQ(test, fs_dax_get(ctx->dax_dev, ctx, NULL), 0);
	KUNIT_EXPECT_STREQ(test, claim_shown(test), "held\n");
	claim_put(ctx);
}

/* The holder has lost the device until nothing is left of its claim. */
static void lost_holder_is_shown_while_it_leaves(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &slow_ops);
	struct claim_thread *kill, *put;

	kill = claim_start(test, claim_kill);
	claim_entered(test);
	put = claim_start(test, claim_put);
	KUNIT_EXPECT_TRUE(test, claim_waits(put));
	KUNIT_EXPECT_EQ(test, READ_ONCE(ctx->dax_dev->claim),
			DAX_CLAIM_LEAVING);
	KUNIT_EXPECT_STREQ(test, claim_shown(test), "lost\n");
	complete(&ctx->leave);
	KUNIT_EXPECT_TRUE(test, claim_ended(put, CLAIM_SOON));
	KUNIT_EXPECT_TRUE(test, claim_ended(kill, CLAIM_SOON));
	KUNIT_EXPECT_STREQ(test, claim_shown(test), "free\n");
}

static void next_kill_tells_nobody(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);

	kill_dax(ctx->dax_dev);
	run_dax(ctx->dax_dev, &test_fops);
	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, ctx->calls, 1);
	claim_put(ctx);
}

static void kill_after_put_tells_nobody(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);

	claim_put(ctx);
	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, ctx->calls, 0);
}

static void kill_of_a_dead_device_is_silent(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	kill_dax(NULL);
	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, ctx->dax_dev->state, DAX_STATE_DEAD);
	KUNIT_EXPECT_EQ(test, ctx->calls, 0);
}

static void kill_does_without_a_handler(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, NULL);

	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, ctx->dax_dev->claim, DAX_CLAIM_LOST);
	claim_put(ctx);

	claim_held(test, &no_ops);
	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, ctx->dax_dev->claim, DAX_CLAIM_LOST);
	claim_put(ctx);
}

static void holder_can_use_the_device_to_leave_it(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &access_ops);

	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, ctx->rc, 1);
	claim_put(ctx);
}

static void kill_waits_for_operations(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);
	struct claim_thread *kill;
	int id = dax_read_lock();

	kill = claim_start(test, claim_kill);
	KUNIT_EXPECT_TRUE(test, claim_waits(kill));
	dax_read_unlock(id);
	KUNIT_EXPECT_TRUE(test, claim_ended(kill, CLAIM_SOON));
	KUNIT_EXPECT_EQ(test, ctx->dax_dev->state, DAX_STATE_DEAD);
}

static void kill_waits_for_own_operations(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);
	struct claim_thread *kill;
	int id = dax_dev_read_lock(ctx->dax_dev);

	kill = claim_start(test, claim_kill);
	KUNIT_EXPECT_TRUE(test, claim_waits(kill));
	dax_dev_read_unlock(ctx->dax_dev, id);
	KUNIT_EXPECT_TRUE(test, claim_ended(kill, CLAIM_SOON));
	KUNIT_EXPECT_EQ(test, ctx->dax_dev->state, DAX_STATE_DEAD);
}

static void kill_does_not_wait_for_other_devices(struct kunit *test)
{
	struct dax_device *other = dax_test_dev(test, NULL);
	struct claim_thread *kill;
	int id = dax_dev_read_lock(other);

	claim_live(test);
	kill = claim_start(test, claim_kill);
	KUNIT_EXPECT_TRUE(test, claim_ended(kill, CLAIM_SOON));
	dax_dev_read_unlock(other, id);
}

/* As device mapper does: a user of the one may use the other. */
static void kill_waits_for_users_of_stacked_devices(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);
	struct dax_device *stacked = alloc_dax(NULL, NULL);
	struct claim_thread *kill;
	int id;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, stacked);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, dax_test_free_dev,
						  stacked));
	id = dax_dev_read_lock(stacked);
	KUNIT_EXPECT_EQ(test, dax_direct_access(ctx->dax_dev, 0, 1, DAX_ACCESS,
						NULL, NULL), 1);
	kill = claim_start(test, claim_kill);
	KUNIT_EXPECT_TRUE(test, claim_waits(kill));
	dax_dev_read_unlock(stacked, id);
	KUNIT_EXPECT_TRUE(test, claim_ended(kill, CLAIM_SOON));
}

static void kill_of_a_dead_device_waits_for_nobody(struct kunit *test)
{
	struct claim_test *ctx = test->priv;
	struct claim_thread *kill;
	int id = dax_read_lock();
	int own = dax_dev_read_lock(ctx->dax_dev);

	kill = claim_start(test, claim_kill);
	KUNIT_EXPECT_TRUE(test, claim_ended(kill, CLAIM_SOON));
	dax_dev_read_unlock(ctx->dax_dev, own);
	dax_read_unlock(id);
}

/* Notify */

static void notify_tells_the_holder(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);

	KUNIT_EXPECT_EQ(test, dax_holder_notify_failure(ctx->dax_dev,
							CLAIM_OFFSET,
							CLAIM_LEN,
							MF_ACTION_REQUIRED),
			-ESTALE);
	KUNIT_EXPECT_EQ(test, ctx->calls, 1);
	KUNIT_EXPECT_EQ(test, ctx->offset, CLAIM_OFFSET);
	KUNIT_EXPECT_EQ(test, ctx->len, CLAIM_LEN);
	KUNIT_EXPECT_EQ(test, ctx->mf_flags, MF_ACTION_REQUIRED);
	claim_put(ctx);
}

static void notify_of_a_dead_device(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, NULL);

	kill_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, dax_holder_notify_failure(ctx->dax_dev, 0, 1, 0),
			-ENXIO);
	claim_put(ctx);
}

static void notify_without_a_holder(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);

	KUNIT_EXPECT_EQ(test, dax_holder_notify_failure(ctx->dax_dev, 0, 1, 0),
			-EOPNOTSUPP);
}

static void notify_without_a_handler(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &no_ops);

	KUNIT_EXPECT_EQ(test, dax_holder_notify_failure(ctx->dax_dev, 0, 1, 0),
			-EOPNOTSUPP);
	claim_put(ctx);
}

static void notify_after_put_tells_nobody(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);

	claim_put(ctx);
	KUNIT_EXPECT_EQ(test, dax_holder_notify_failure(ctx->dax_dev, 0, 1, 0),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, ctx->calls, 0);
}

/* The errors of the next driver's device are not those of an old holder. */
static void notify_after_loss_tells_nobody(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &note_ops);

	kill_dax(ctx->dax_dev);
	run_dax(ctx->dax_dev, &test_fops);
	KUNIT_EXPECT_EQ(test, dax_holder_notify_failure(ctx->dax_dev, 0, 1, 0),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, ctx->calls, 1);
	claim_put(ctx);
}

/* Put and notify at once */

static void put_waits_for_a_notify(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &slow_ops);
	struct claim_thread *notify, *put;

	notify = claim_start(test, claim_notify);
	claim_entered(test);
	put = claim_start(test, claim_put);
	KUNIT_EXPECT_TRUE(test, claim_waits(put));
	complete(&ctx->leave);
	KUNIT_EXPECT_TRUE(test, claim_ended(put, CLAIM_SOON));
	KUNIT_EXPECT_TRUE(test, claim_ended(notify, CLAIM_SOON));
}

static void put_waits_for_every_notify(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &slow_ops);
	struct claim_thread *one, *two, *put;

	one = claim_start(test, claim_notify);
	two = claim_start(test, claim_notify);
	claim_entered(test);
	claim_entered(test);
	put = claim_start(test, claim_put);
	KUNIT_EXPECT_TRUE(test, claim_waits(put));
	/* one of them goes, and the other keeps it waiting */
	complete(&ctx->leave);
	KUNIT_EXPECT_TRUE(test, claim_notifies(ctx, 1));
	KUNIT_EXPECT_TRUE(test, claim_waits(put));
	complete(&ctx->leave);
	KUNIT_EXPECT_TRUE(test, claim_ended(put, CLAIM_SOON));
	KUNIT_EXPECT_TRUE(test, claim_ended(one, CLAIM_SOON));
	KUNIT_EXPECT_TRUE(test, claim_ended(two, CLAIM_SOON));
}

static void put_waits_for_the_revoke(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &slow_ops);
	struct claim_thread *kill, *put;

	kill = claim_start(test, claim_kill);
	claim_entered(test);
	put = claim_start(test, claim_put);
	KUNIT_EXPECT_TRUE(test, claim_waits(put));
	complete(&ctx->leave);
	KUNIT_EXPECT_TRUE(test, claim_ended(put, CLAIM_SOON));
	KUNIT_EXPECT_TRUE(test, claim_ended(kill, CLAIM_SOON));
}

static void kill_waits_for_the_holder(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &slow_ops);
	struct claim_thread *kill;

	kill = claim_start(test, claim_kill);
	claim_entered(test);
	KUNIT_EXPECT_TRUE(test, claim_waits(kill));
	KUNIT_EXPECT_EQ(test, ctx->dax_dev->state, DAX_STATE_DYING);
	complete(&ctx->leave);
	KUNIT_EXPECT_TRUE(test, claim_ended(kill, CLAIM_SOON));
	claim_put(ctx);
}

/* The driver frees what a notification may still use. */
static void kill_waits_for_every_notify(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &slow_error_ops);
	struct claim_thread *one, *two, *kill;

	one = claim_start(test, claim_notify);
	two = claim_start(test, claim_notify);
	claim_entered(test);
	claim_entered(test);
	kill = claim_start(test, claim_kill);
	KUNIT_EXPECT_TRUE(test, claim_waits(kill));
	/* one of them goes, and the other keeps it waiting */
	complete(&ctx->leave);
	KUNIT_EXPECT_TRUE(test, claim_notifies(ctx, 1));
	KUNIT_EXPECT_TRUE(test, claim_waits(kill));
	KUNIT_EXPECT_EQ(test, ctx->calls, 1);
	complete(&ctx->leave);
	KUNIT_EXPECT_TRUE(test, claim_ended(kill, CLAIM_SOON));
	KUNIT_EXPECT_TRUE(test, claim_ended(one, CLAIM_SOON));
	KUNIT_EXPECT_TRUE(test, claim_ended(two, CLAIM_SOON));
	claim_put(ctx);
}

static void leaving_holder_is_in_the_way_and_not_told(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &slow_ops);
	struct dax_device *dax_dev = ctx->dax_dev;
	struct claim_thread *notify, *put, *kill;

	notify = claim_start(test, claim_notify);
	claim_entered(test);
	put = claim_start(test, claim_put);
	KUNIT_EXPECT_TRUE(test, claim_waits(put));

	KUNIT_EXPECT_EQ(test, READ_ONCE(dax_dev->claim),
			DAX_CLAIM_LEAVING);
	KUNIT_EXPECT_TRUE(test, dax_claim_outstanding(dax_dev));
	KUNIT_EXPECT_EQ(test, fs_dax_get(dax_dev, &ctx->rc, NULL), -EBUSY);
	KUNIT_EXPECT_EQ(test, dax_holder_notify_failure(dax_dev, 0, 1, 0),
			-EOPNOTSUPP);
	kill = claim_start(test, claim_kill);
	KUNIT_EXPECT_TRUE(test, claim_waits(kill));
	KUNIT_EXPECT_FALSE(test, try_wait_for_completion(&ctx->entered));

	complete(&ctx->leave);
	KUNIT_EXPECT_TRUE(test, claim_ended(put, CLAIM_SOON));
	KUNIT_EXPECT_TRUE(test, claim_ended(notify, CLAIM_SOON));
	KUNIT_EXPECT_TRUE(test, claim_ended(kill, CLAIM_SOON));
	KUNIT_EXPECT_FALSE(test, dax_claim_outstanding(dax_dev));
}

static void put_from_the_revoke_does_not_deadlock(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &put_ops);
	struct claim_thread *kill = claim_start(test, claim_kill);

	KUNIT_ASSERT_TRUE(test, claim_ended(kill, CLAIM_SOON));
	KUNIT_EXPECT_EQ(test, ctx->calls, 1);
	KUNIT_EXPECT_FALSE(test, dax_claim_outstanding(ctx->dax_dev));
	KUNIT_EXPECT_EQ(test, ctx->dax_dev->state, DAX_STATE_DEAD);
	KUNIT_EXPECT_EQ(test, claim_refs(ctx), 1);
}

static void put_from_the_revoke_waits_for_others(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &put_ops);
	struct claim_thread *notify, *kill;

	notify = claim_start(test, claim_notify);
	claim_entered(test);
	kill = claim_start(test, claim_kill);
	KUNIT_EXPECT_TRUE(test, claim_waits(kill));
	KUNIT_EXPECT_TRUE(test, dax_claim_outstanding(ctx->dax_dev));
	complete(&ctx->leave);
	KUNIT_EXPECT_TRUE(test, claim_ended(kill, CLAIM_SOON));
	KUNIT_EXPECT_TRUE(test, claim_ended(notify, CLAIM_SOON));
	KUNIT_EXPECT_FALSE(test, dax_claim_outstanding(ctx->dax_dev));
}

/* Nothing is left of the revoke: no claim, no count, and nobody who runs it. */
static void device_works_again_after_revoke(struct kunit *test)
{
	struct claim_test *ctx = claim_held(test, &put_ops);

	kill_dax(ctx->dax_dev);
	run_dax(ctx->dax_dev, &test_fops);
	KUNIT_EXPECT_EQ(test, fs_dax_get(ctx->dax_dev, ctx, &note_ops), 0);
	claim_notify(ctx);
	KUNIT_EXPECT_EQ(test, ctx->calls, 2);
	claim_put(ctx);
}

static struct kunit_case claim_cases[] = {
	KUNIT_CASE(lookup_finds_a_live_device),
	KUNIT_CASE(lookup_finds_a_dead_device),
	KUNIT_CASE(lookup_takes_a_reference),
	KUNIT_CASE(lookup_does_not_find_other_devices),
	KUNIT_CASE(lookup_never_creates),
	KUNIT_CASE(get_needs_a_holder),
	KUNIT_CASE(get_needs_a_device),
	KUNIT_CASE(get_of_a_dead_device),
	KUNIT_CASE(get_of_a_killed_device),
	KUNIT_CASE(get_of_a_dying_device),
	KUNIT_CASE(get_in_system_ram_mode),
	KUNIT_CASE(get_in_devdax_mode),
	KUNIT_CASE(get_of_a_block_device),
	KUNIT_CASE(get_of_a_held_device),
	KUNIT_CASE(get_of_a_lost_device),
	KUNIT_CASE(refused_get_takes_no_reference),
	KUNIT_CASE(get_after_put),
	KUNIT_CASE(reference_is_no_claim),
	KUNIT_CASE(claim_has_a_reference_of_its_own),
	KUNIT_CASE(put_by_another_drops_its_reference),
	KUNIT_CASE(put_of_no_device_is_nothing),
	KUNIT_CASE(claim_goes_from_free_to_held_to_free),
	KUNIT_CASE(lost_claim_is_outstanding_until_put),
	KUNIT_CASE(lost_claim_outlives_other_drivers),
	KUNIT_CASE(bound_does_not_touch_a_live_device),
	KUNIT_CASE(only_a_live_device_works),
	KUNIT_CASE(kill_tells_the_holder_once),
	KUNIT_CASE(holder_without_a_name_is_shown),
	KUNIT_CASE(holder_with_a_name_is_shown),
	KUNIT_CASE(lost_holder_is_shown_while_it_leaves),
	KUNIT_CASE(next_kill_tells_nobody),
	KUNIT_CASE(kill_after_put_tells_nobody),
	KUNIT_CASE(kill_of_a_dead_device_is_silent),
	KUNIT_CASE(kill_does_without_a_handler),
	KUNIT_CASE(holder_can_use_the_device_to_leave_it),
	KUNIT_CASE(kill_waits_for_operations),
	KUNIT_CASE(kill_waits_for_own_operations),
	KUNIT_CASE(kill_does_not_wait_for_other_devices),
	KUNIT_CASE(kill_waits_for_users_of_stacked_devices),
	KUNIT_CASE(kill_of_a_dead_device_waits_for_nobody),
	KUNIT_CASE(notify_tells_the_holder),
	KUNIT_CASE(notify_of_a_dead_device),
	KUNIT_CASE(notify_without_a_holder),
	KUNIT_CASE(notify_without_a_handler),
	KUNIT_CASE(notify_after_put_tells_nobody),
	KUNIT_CASE(notify_after_loss_tells_nobody),
	KUNIT_CASE(put_waits_for_a_notify),
	KUNIT_CASE(put_waits_for_every_notify),
	KUNIT_CASE(put_waits_for_the_revoke),
	KUNIT_CASE(kill_waits_for_the_holder),
	KUNIT_CASE(kill_waits_for_every_notify),
	KUNIT_CASE(leaving_holder_is_in_the_way_and_not_told),
	KUNIT_CASE(put_from_the_revoke_does_not_deadlock),
	KUNIT_CASE(put_from_the_revoke_waits_for_others),
	KUNIT_CASE(device_works_again_after_revoke),
	{ }
};

static struct kunit_suite claim_suite = {
	.name = "dax_claim",
	.init = claim_init,
	.test_cases = claim_cases,
};

/* Operations */

static const struct dax_operations incomplete_dax_ops = {
	.direct_access = test_direct_access,
};

static void set_ops_twice_is_busy(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, dax_set_ops(ctx->dax_dev, &test_dax_ops), 0);
	KUNIT_EXPECT_EQ(test, dax_set_ops(ctx->dax_dev, &test_dax_ops),
			-EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, ctx->dax_dev->ops, &test_dax_ops);
}

static void set_ops_after_clear(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, dax_set_ops(ctx->dax_dev, &test_dax_ops), 0);
	KUNIT_EXPECT_EQ(test, dax_set_ops(ctx->dax_dev, NULL), 0);
	KUNIT_EXPECT_NULL(test, ctx->dax_dev->ops);
	KUNIT_EXPECT_EQ(test, dax_set_ops(ctx->dax_dev, &test_dax_ops), 0);
}

static void clear_of_nothing_succeeds(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, dax_set_ops(ctx->dax_dev, NULL), 0);
	KUNIT_EXPECT_EQ(test, dax_set_ops(ctx->dax_dev, NULL), 0);
}

static void incomplete_ops_are_invalid(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, dax_set_ops(ctx->dax_dev,
						  &incomplete_dax_ops),
				-EINVAL);
		KUNIT_EXPECT_EQ(test, PTR_ERR(alloc_dax(ctx,
							&incomplete_dax_ops)),
				-EINVAL);
	}
	KUNIT_EXPECT_NULL(test, ctx->dax_dev->ops);
}

static void request_for_no_pages(struct kunit *test)
{
	struct claim_test *ctx = claim_live(test);

	guard(dax_read)();
	KUNIT_EXPECT_EQ(test, dax_direct_access(ctx->dax_dev, 0, 0, DAX_ACCESS,
						NULL, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, dax_direct_access(ctx->dax_dev, 0, -1, DAX_ACCESS,
						NULL, NULL), -EINVAL);
}

static void device_without_ops_has_no_access(struct kunit *test)
{
	struct claim_test *ctx = test->priv;

	claim_run_device_dax(ctx->dax_dev);
	KUNIT_EXPECT_EQ(test, claim_access(ctx->dax_dev), -EOPNOTSUPP);
	scoped_guard(dax_read)
		KUNIT_EXPECT_EQ(test, dax_zero_page_range(ctx->dax_dev, 0, 1),
				-EOPNOTSUPP);
}

static struct kunit_case set_ops_cases[] = {
	KUNIT_CASE(set_ops_twice_is_busy),
	KUNIT_CASE(set_ops_after_clear),
	KUNIT_CASE(clear_of_nothing_succeeds),
	KUNIT_CASE(incomplete_ops_are_invalid),
	KUNIT_CASE(request_for_no_pages),
	KUNIT_CASE(device_without_ops_has_no_access),
	{ }
};

static struct kunit_suite set_ops_suite = {
	.name = "dax_set_ops",
	.init = claim_init,
	.test_cases = set_ops_cases,
};

kunit_test_suites(&claim_suite, &set_ops_suite);

MODULE_DESCRIPTION("KUnit tests of the claims on dax devices");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
