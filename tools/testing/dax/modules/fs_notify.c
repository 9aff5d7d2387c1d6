// SPDX-License-Identifier: GPL-2.0
/*
 * daxtest_fs: calls of the dax core to a filesystem
 *
 * Notifications run with locks of the dax core held, in a context that may
 * sleep. They take owners_sem for reading, and under it nothing but what
 * mf_dax_kill_procs() takes. An inode stays in the owner trees until its
 * mapping is empty, so the lock is all that keeps it alive here.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include "fs.h"

static struct dt_dev *dt_find_dev(struct dt_sb *dts,
				  struct dax_device *dax_dev)
{
	unsigned int i;

	for (i = 0; i < dts->nr_devs; i++)
		if (dts->devs[i].dax_dev == dax_dev)
			return &dts->devs[i];
	return NULL;
}

/* Tell the processes that map what @ext has of [offset, offset + len) */
static int dt_kill_users(struct dt_extent *ext, u64 offset, u64 len,
			 int mf_flags)
{
	const struct dt_layout *layout = dt_layout(ext->inode);
	struct address_space *mapping = ext->inode->i_mapping;
	u64 end = min(offset + len, ext->offset + ext->len);
	int rc;

	/* a page at a time, as chunks scatter them over the file */
	for (offset = max(offset, ext->offset); offset < end;
	     offset += PAGE_SIZE) {
		u64 pos = dt_extent_pos(layout, ext, offset);

		rc = mf_dax_kill_procs(mapping, pos >> PAGE_SHIFT, 1,
				       mf_flags);
		if (rc)
			return rc;
	}
	return 0;
}

static int dt_memory_failure(struct dt_sb *dts, struct dt_dev *dev,
			     u64 offset, u64 len, int mf_flags)
{
	unsigned long first = offset >> PAGE_SHIFT;
	unsigned long last = (offset + len - 1) >> PAGE_SHIFT;
	struct interval_tree_node *node;
	int rc = 0, err;

	dt_count(dts, DT_MEMORY_FAILURE);
	WRITE_ONCE(dts->mf_offset, offset);
	if (dts->mf == DT_MF_EOPNOTSUPP)
		return -EOPNOTSUPP;
	if (dts->mf == DT_MF_IGNORE0)
		return 0;

	offset = round_down(offset, PAGE_SIZE);
	guard(rwsem_read)(&dts->owners_sem);
	node = interval_tree_iter_first(&dev->owners, first, last);
	if (!node)
		dt_count(dts, DT_MF_UNOWNED);
	/* each of the owners, whatever became of those before it */
	while (node) {
		struct dt_extent *ext = container_of(node, struct dt_extent,
						     node);

		dt_count(dts, DT_MF_OWNED);
		err = dt_kill_users(ext, offset,
				    ((u64)last + 1) * PAGE_SIZE - offset,
				    mf_flags);
		rc = rc ?: err;
		node = interval_tree_iter_next(node, first, last);
	}
	return rc;
}

static int dt_pre_remove(struct dt_sb *dts, struct dt_dev *dev)
{
	dt_count(dts, DT_PRE_REMOVE);
	switch (dts->revoke) {
	case DT_REVOKE_IGNORE:
		return -EOPNOTSUPP;
	case DT_REVOKE_RETURN0:
		return 0;
	case DT_REVOKE_DELAY:
		msleep(dts->delay);
		break;
	case DT_REVOKE_CAREFUL:
		break;
	}

	/* No new mappings first, so that none comes after the old ones went */
	WRITE_ONCE(dev->lost, true);
	dt_count(dts, DT_LOST);
	dax_unmap_super(dts->sb);
	return 0;
}

static int dt_notify_failure(struct dax_device *dax_dev, u64 offset, u64 len,
			     int mf_flags)
{
	struct dt_sb *dts = dax_holder(dax_dev);
	struct dt_dev *dev;

	if (WARN_ON_ONCE(!dts || READ_ONCE(dts->dead))) {
		atomic64_inc(&dt_totals[DT_LATE_NOTIFY]);
		return -EOPNOTSUPP;
	}
	dev = dt_find_dev(dts, dax_dev);
	if (WARN_ON_ONCE(!dev))
		return -ENODEV;

	if (mf_flags & MF_MEM_PRE_REMOVE)
		return dt_pre_remove(dts, dev);
	if (WARN_ON_ONCE(!len || offset + len < offset)) {
		dt_count(dts, DT_OTHER_NOTIFY);
		return -EINVAL;
	}
	return dt_memory_failure(dts, dev, offset, len, mf_flags);
}

/* as in /proc/mounts */
static void dt_name(void *holder, char *buf, size_t len)
{
	struct dt_sb *dts = holder;

	scnprintf(buf, len, "daxtest %s", dts->devs[0].name);
}

const struct dax_holder_operations dt_holder_ops = {
	.notify_failure = dt_notify_failure,
	.name = dt_name,
};
