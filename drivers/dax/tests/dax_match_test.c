// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of which drivers the dax bus offers a device to: by the type of
 * driver and region, and by the ids that user space writes to new_id.
 */
#include <kunit/test.h>
#include <linux/device.h>
#include <linux/module.h>
#include <linux/string.h>
#include "../bus.h"
#include "../dax-private.h"

/* No real device has this name, or writing new_id would bind it. */
#define MATCH_ID "dax65432.1"

struct match_test {
	struct dax_region region;
	struct dev_dax dev_dax;
	struct dax_device_driver drv;
};

static int match_probe(struct dev_dax *dev_dax)
{
	return -ENXIO;
}

static int match_init(struct kunit *test)
{
	struct match_test *ctx;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->dev_dax.region = &ctx->region;
	ctx->dev_dax.dev.init_name = MATCH_ID;
	spin_lock_init(&ctx->dev_dax.dev.driver_override.lock);
	ctx->drv.probe = match_probe;
	INIT_LIST_HEAD(&ctx->drv.ids);
	test->priv = ctx;
	return 0;
}

static bool match(struct kunit *test, enum dax_driver_type type,
		  unsigned long region_flags)
{
	struct match_test *ctx = test->priv;

	ctx->drv.type = type;
	ctx->region.res.flags = region_flags;
	return dax_bus_match(&ctx->dev_dax.dev, &ctx->drv.drv);
}

static void match_unregister(void *drv)
{
	dax_driver_unregister(drv);
}

static void match_register(struct kunit *test, enum dax_driver_type type)
{
	struct match_test *ctx = test->priv;
	int rc;

	ctx->drv.type = type;
	rc = __dax_driver_register(&ctx->drv, THIS_MODULE, "dax_match_test");
	KUNIT_ASSERT_EQ(test, rc, 0);
	rc = kunit_add_action_or_reset(test, match_unregister, &ctx->drv);
	KUNIT_ASSERT_EQ(test, rc, 0);
}

/* As user space does, but that sysfs may not be mounted. */
static ssize_t match_store(struct kunit *test, const char *name,
			   const char *buf)
{
	struct match_test *ctx = test->priv;
	struct device_driver *drv = &ctx->drv.drv;
	struct attribute **attrs = drv->bus->drv_groups[0]->attrs;

	for (; *attrs; attrs++) {
		struct driver_attribute *attr;

		if (strcmp((*attrs)->name, name))
			continue;
		attr = container_of(*attrs, struct driver_attribute, attr);
		return attr->store(drv, buf, strlen(buf));
	}
	KUNIT_FAIL(test, "no attribute %s", name);
	return -ENOENT;
}

static void device_dax_takes_what_is_not_for_kmem(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, match(test, DAXDRV_DEVICE_TYPE, 0));
	KUNIT_EXPECT_TRUE(test, match(test, DAXDRV_DEVICE_TYPE,
				      IORESOURCE_DAX_STATIC));
}

static void device_dax_stands_in_for_kmem(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, match(test, DAXDRV_DEVICE_TYPE,
				    IORESOURCE_DAX_KMEM),
			!IS_ENABLED(CONFIG_DEV_DAX_KMEM));
}

static void kmem_takes_what_is_for_kmem(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, match(test, DAXDRV_KMEM_TYPE,
				      IORESOURCE_DAX_KMEM));
}

static void kmem_leaves_the_rest(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, match(test, DAXDRV_KMEM_TYPE, 0));
	KUNIT_EXPECT_FALSE(test, match(test, DAXDRV_KMEM_TYPE,
				       IORESOURCE_DAX_STATIC));
}

static void fsdev_takes_nothing_by_type(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, match(test, DAXDRV_FSDEV_TYPE, 0));
	KUNIT_EXPECT_FALSE(test, match(test, DAXDRV_FSDEV_TYPE,
				       IORESOURCE_DAX_STATIC));
	KUNIT_EXPECT_FALSE(test, match(test, DAXDRV_FSDEV_TYPE,
				       IORESOURCE_DAX_KMEM));
	KUNIT_EXPECT_FALSE(test, match(test, DAXDRV_FSDEV_TYPE,
				       IORESOURCE_DAX_KMEM |
				       IORESOURCE_DAX_STATIC));
}

/*
 * There is no device of the name, so the driver gets the name under another type:
 * see fsdev_refuses_the_id_of_no_device().
 */
static void fsdev_takes_what_it_has_the_id_of(struct kunit *test)
{
	match_register(test, DAXDRV_DEVICE_TYPE);
	KUNIT_EXPECT_EQ(test, match_store(test, "new_id", MATCH_ID),
			strlen(MATCH_ID));
	KUNIT_EXPECT_TRUE(test, match(test, DAXDRV_FSDEV_TYPE, 0));
	KUNIT_EXPECT_TRUE(test, match(test, DAXDRV_FSDEV_TYPE,
				      IORESOURCE_DAX_KMEM));
}

static void fsdev_refuses_the_id_of_no_device(struct kunit *test)
{
	match_register(test, DAXDRV_FSDEV_TYPE);
	KUNIT_EXPECT_EQ(test, match_store(test, "new_id", MATCH_ID), -ENODEV);
	KUNIT_EXPECT_FALSE(test, match(test, DAXDRV_FSDEV_TYPE, 0));
}

static void id_goes_before_type(struct kunit *test)
{
	match_register(test, DAXDRV_DEVICE_TYPE);
	KUNIT_EXPECT_EQ(test, match_store(test, "new_id", MATCH_ID),
			strlen(MATCH_ID));
	KUNIT_EXPECT_TRUE(test, match(test, DAXDRV_DEVICE_TYPE,
				      IORESOURCE_DAX_KMEM));
}

static void id_may_end_in_a_newline(struct kunit *test)
{
	match_register(test, DAXDRV_DEVICE_TYPE);
	match_store(test, "new_id", MATCH_ID "\n");
	KUNIT_EXPECT_TRUE(test, match(test, DAXDRV_FSDEV_TYPE, 0));
}

static void id_of_another_device_is_no_match(struct kunit *test)
{
	match_register(test, DAXDRV_DEVICE_TYPE);
	match_store(test, "new_id", MATCH_ID "0");
	match_store(test, "new_id", "dax65432.0");
	KUNIT_EXPECT_FALSE(test, match(test, DAXDRV_FSDEV_TYPE, 0));
}

static void removed_id_is_no_match(struct kunit *test)
{
	match_register(test, DAXDRV_DEVICE_TYPE);
	match_store(test, "new_id", MATCH_ID);
	KUNIT_EXPECT_EQ(test, match_store(test, "remove_id", MATCH_ID),
			strlen(MATCH_ID));
	KUNIT_EXPECT_FALSE(test, match(test, DAXDRV_FSDEV_TYPE, 0));
}

static void id_that_is_none_is_refused(struct kunit *test)
{
	match_register(test, DAXDRV_FSDEV_TYPE);
	KUNIT_EXPECT_EQ(test, match_store(test, "new_id", "dax65432"),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, match_store(test, "new_id", MATCH_ID "x"),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, match_store(test, "remove_id", "pmem0"),
			-EINVAL);
}

static void set_override(struct kunit *test, const char *name)
{
	struct match_test *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, device_set_driver_override(&ctx->dev_dax.dev,
							 name), 0);
}

static void override_goes_before_type_and_id(struct kunit *test)
{
	match_register(test, DAXDRV_DEVICE_TYPE);
	set_override(test, "dax_match_test");
	KUNIT_EXPECT_TRUE(test, match(test, DAXDRV_FSDEV_TYPE,
				      IORESOURCE_DAX_KMEM));
	/* under a type that may have the name of a device to come */
	match(test, DAXDRV_DEVICE_TYPE, 0);
	match_store(test, "new_id", MATCH_ID);
	set_override(test, "another");
	KUNIT_EXPECT_FALSE(test, match(test, DAXDRV_FSDEV_TYPE, 0));
	KUNIT_EXPECT_FALSE(test, match(test, DAXDRV_DEVICE_TYPE, 0));
	KUNIT_EXPECT_FALSE(test, match(test, DAXDRV_KMEM_TYPE,
				       IORESOURCE_DAX_KMEM));
	set_override(test, "");
	KUNIT_EXPECT_TRUE(test, match(test, DAXDRV_FSDEV_TYPE, 0));
}

static struct kunit_case match_cases[] = {
	KUNIT_CASE(device_dax_takes_what_is_not_for_kmem),
	KUNIT_CASE(device_dax_stands_in_for_kmem),
	KUNIT_CASE(kmem_takes_what_is_for_kmem),
	KUNIT_CASE(kmem_leaves_the_rest),
	KUNIT_CASE(fsdev_takes_nothing_by_type),
	KUNIT_CASE(fsdev_takes_what_it_has_the_id_of),
	KUNIT_CASE(fsdev_refuses_the_id_of_no_device),
	KUNIT_CASE(id_goes_before_type),
	KUNIT_CASE(id_may_end_in_a_newline),
	KUNIT_CASE(id_of_another_device_is_no_match),
	KUNIT_CASE(removed_id_is_no_match),
	KUNIT_CASE(id_that_is_none_is_refused),
	KUNIT_CASE(override_goes_before_type_and_id),
	{ }
};

static struct kunit_suite match_suite = {
	.name = "dax_match",
	.init = match_init,
	.test_cases = match_cases,
};

kunit_test_suite(match_suite);

MODULE_DESCRIPTION("KUnit tests of matching drivers to dax devices");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
