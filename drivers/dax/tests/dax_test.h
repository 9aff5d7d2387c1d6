/* SPDX-License-Identifier: GPL-2.0 */
/* Helpers of the KUnit tests of dax devices: devices without memory. */
#ifndef __DAX_TEST_H__
#define __DAX_TEST_H__

#include <kunit/test.h>
#include <linux/dax.h>
#include "../dax-private.h"

static inline void dax_test_free_dev(void *dax_dev)
{
	kill_dax(dax_dev);
	put_dax(dax_dev);
}

/* A device as the dax bus makes it: dead, and without operations. */
static inline struct dax_device *dax_test_dev(struct kunit *test, void *private)
{
	struct dax_device *dax_dev = alloc_dax_dead(private);
	int rc;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dax_dev);
	rc = kunit_add_action_or_reset(test, dax_test_free_dev, dax_dev);
	KUNIT_ASSERT_EQ(test, rc, 0);
	return dax_dev;
}

/* Of the device there are the ranges only, in an empty region at 0. */
static inline struct dev_dax *dax_test_dev_dax(struct kunit *test, int nr_range)
{
	struct dev_dax *dev_dax;

	dev_dax = kunit_kzalloc(test, sizeof(*dev_dax), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dev_dax);
	dev_dax->nr_range = nr_range;
	dev_dax->ranges = kunit_kcalloc(test, nr_range,
					sizeof(*dev_dax->ranges), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dev_dax->ranges);
	dev_dax->region = kunit_kzalloc(test, sizeof(*dev_dax->region),
					GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dev_dax->region);
	return dev_dax;
}

#endif /* __DAX_TEST_H__ */
