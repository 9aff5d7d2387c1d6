// SPDX-License-Identifier: GPL-2.0
/*
 * daxtest_scrub - an error that a scrub of persistent memory finds
 *
 * Does the work of the NFIT driver at the end of a scrub, for other buses: with
 * each load of the module, the memory in the parameters is in the list of the
 * bus, and the drivers of the region hear of that.
 */
#include <linux/kernfs.h>
#include <linux/libnvdimm.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/nd.h>
#include <linux/path.h>

static char *region;
module_param(region, charp, 0400);
MODULE_PARM_DESC(region, "folder of the region in /sys/devices");

static ulong addr;
module_param(addr, ulong, 0400);
MODULE_PARM_DESC(addr, "physical address of what is bad");

static ulong len = 512;
module_param(len, ulong, 0400);
MODULE_PARM_DESC(len, "how many bytes are bad");

static int __init scrub_init(void)
{
	struct kernfs_node *kn;
	struct device *dev;
	struct path path;
	int rc;

	if (!region)
		return -EINVAL;
	rc = kern_path(region, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path);
	if (rc)
		return rc;
	/* the kobject of a folder of sysfs */
	kn = d_inode(path.dentry)->i_private;
	dev = kobj_to_dev(kn->priv);
	rc = nvdimm_bus_add_badrange(to_nvdimm_bus(dev->parent), addr, len);
	if (!rc)
		nvdimm_region_notify(to_nd_region(dev),
				     NVDIMM_REVALIDATE_POISON);
	path_put(&path);
	return rc;
}
module_init(scrub_init);

static void __exit scrub_exit(void)
{
}
module_exit(scrub_exit);

MODULE_DESCRIPTION("A scrub of persistent memory that finds an error");
MODULE_LICENSE("GPL");
