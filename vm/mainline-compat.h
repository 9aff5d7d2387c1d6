/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names that the test modules need from a kernel without the series, for runs that
 * compare the two: build them with KCFLAGS="-include <this file>".
 */
#ifndef _MAINLINE_COMPAT_H
#define _MAINLINE_COMPAT_H
#if defined(__KERNEL__) && !defined(__ASSEMBLY__)
#include <linux/dax.h>
#include <linux/fs.h>

/*
 * Holders have a name there, which is a second operation. Mainline looks at the
 * first one only.
 */
struct compat_holder_operations {
	int (*notify_failure)(struct dax_device *dax_dev, u64 offset, u64 len,
			      int mf_flags);
	void (*name)(void *holder, char *buf, size_t len);
};

static inline int compat_dax_get(struct dax_device *dax_dev, void *holder,
				 const struct compat_holder_operations *ops)
{
	return fs_dax_get(dax_dev, holder, (const void *)ops);
}

#define dax_holder_operations compat_holder_operations
#define fs_dax_get compat_dax_get

static inline bool dax_dev_is_ro(struct dax_device *dax_dev)
{
	return false;
}

/* The end of the device, by bisection */
static inline u64 dax_dev_size(struct dax_device *dax_dev)
{
	u64 pages = 0, step;
	int id;

	id = dax_read_lock();
	for (step = 1ULL << 36; step; step >>= 1)
		if (dax_direct_access(dax_dev, pages + step - 1, 1, DAX_ACCESS,
				      NULL, NULL) > 0)
			pages += step;
	dax_read_unlock(id);
	return pages << PAGE_SHIFT;
}

/*
 * As much as a filesystem can do by itself: for each file, take its pages out of
 * the page tables, and out of the file if none is pinned. The walk is that of
 * drop_caches: an inode is put when the next one is held.
 */
static inline void dax_unmap_super(struct super_block *sb)
{
	struct inode *inode, *last = NULL;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		if (!S_ISREG(inode->i_mode) || !igrab(inode))
			continue;
		spin_unlock(&sb->s_inode_list_lock);
		dax_break_layout(inode, 0, LLONG_MAX, NULL);
		iput(last);
		last = inode;
		spin_lock(&sb->s_inode_list_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(last);
}

#endif
#endif /* _MAINLINE_COMPAT_H */
