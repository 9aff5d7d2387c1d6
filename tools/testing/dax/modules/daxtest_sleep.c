// SPDX-License-Identifier: GPL-2.0
/*
 * daxtest_sleep: a device that refuses to sleep when all others have agreed
 *
 * The device lets a test in any guest show that nothing keeps a system from
 * suspending: all tasks are frozen by then, and the lock of each device has
 * been taken. "echo freeze >/sys/power/state" ends with EBUSY. Devices that do
 * suspend would have to be woken, and virtio's serial ports are not what they
 * were after that.
 */
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pm.h>

static struct platform_device *dts_device;

/* Devices are asked in the order of their registration, so this one comes last. */
static int dts_prepare(struct device *dev)
{
	pr_info("daxtest: all devices would sleep\n");
	return -EBUSY;
}

static const struct dev_pm_ops dts_pm_ops = {
	.prepare = dts_prepare,
};

static struct platform_driver dts_driver = {
	.driver = {
		.name = "daxtest_sleep",
		.pm = &dts_pm_ops,
	},
};

static int __init dts_init(void)
{
	int rc;

	rc = platform_driver_register(&dts_driver);
	if (rc)
		return rc;
	dts_device = platform_device_register_simple("daxtest_sleep",
						     PLATFORM_DEVID_NONE,
						     NULL, 0);
	if (!IS_ERR(dts_device))
		return 0;
	platform_driver_unregister(&dts_driver);
	return PTR_ERR(dts_device);
}

static void __exit dts_exit(void)
{
	platform_device_unregister(dts_device);
	platform_driver_unregister(&dts_driver);
}

module_init(dts_init);
module_exit(dts_exit);
MODULE_DESCRIPTION("Refuses to sleep when all other devices would, for tests");
MODULE_LICENSE("GPL");
