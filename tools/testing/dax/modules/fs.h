/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DAXTEST_FS_H
#define _DAXTEST_FS_H

#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/interval_tree.h>
#include <linux/iomap.h>
#include <linux/rwsem.h>
#include "daxtest.h"

/* Reaction of a mount to the removal of a device */
enum dt_revoke {
	DT_REVOKE_CAREFUL,	/* as a filesystem should */
	DT_REVOKE_IGNORE,	/* nothing, and says so */
	DT_REVOKE_RETURN0,	/* nothing, and says it did */
	DT_REVOKE_DELAY,	/* careful, but slow */
};

/* Reaction of a mount to a memory error */
enum dt_mf {
	DT_MF_HANDLE,
	DT_MF_IGNORE0,
	DT_MF_EOPNOTSUPP,
};

enum dt_stat {
	DT_PRE_REMOVE,		/* notifications, by kind */
	DT_MEMORY_FAILURE,
	DT_OTHER_NOTIFY,
	DT_LATE_NOTIFY,		/* after the device was put: never */
	DT_MF_OWNED,		/* files told of an error */
	DT_MF_UNOWNED,		/* errors in nobody's memory */
	DT_LOST,		/* devices lost */
	DT_FAULT_PTE,		/* faults by what they ended in */
	DT_FAULT_PMD,
	DT_FAULT_FALLBACK,
	DT_FAULT_SIGBUS,
	DT_FAULT_HWPOISON,
	DT_FAULT_SYNC,
	DT_NR_STAT
};

struct dt_dev {
	struct dax_device *dax_dev;
	dev_t devt;
	char *name;
	u64 size;
	bool held;
	bool lost;
	struct rb_root_cached owners;	/* of struct dt_extent, by page */
};

/**
 * struct dt_sb - one mount, and the holder of its devices
 * @sb: its superblock
 * @owners_sem: protects dt_dev.owners. Notifications come with locks of the
 *	dax core held and read it, so nothing is allocated, faulted in or given
 *	back to the dax core under it.
 * @nr_devs: number of devices named
 * @used: blocks that belong to files
 * @mf_offset: device offset of the last memory error
 * @revoke: reaction to the loss of a device
 * @mf: reaction to memory errors
 * @delay: milliseconds for DT_REVOKE_DELAY
 * @alloc: bytes that a file without a layout gets, or 0
 * @all_new: each write is told that its blocks are new
 * @overlap: layouts may have blocks of other files
 * @dead: the devices have been given back
 * @dir: statistics in debugfs
 * @stat: the statistics
 * @devs: the devices
 */
struct dt_sb {
	struct super_block *sb;
	struct rw_semaphore owners_sem;
	unsigned int nr_devs;
	atomic64_t used;
	u64 mf_offset;
	enum dt_revoke revoke;
	enum dt_mf mf;
	unsigned int delay;
	u64 alloc;
	bool all_new;
	bool overlap;
	bool dead;
	struct dentry *dir;
	atomic64_t stat[DT_NR_STAT];
	struct dt_dev devs[DAXTEST_MAX_DEVS];
};

struct dt_extent {
	struct interval_tree_node node;	/* pages of the device */
	struct inode *inode;
	u64 file_off;			/* of a simple extent */
	u64 offset;
	u64 len;
	u32 dev;
	bool shared;
	bool late;
};

struct dt_layout {
	u32 type;
	u32 flags;
	u32 count;
	u64 size;
	u64 chunk;
	struct dt_extent extents[] __counted_by(count);
};

struct dt_inode {
	struct inode inode;
	struct dt_layout *layout;	/* set once, read with dt_layout() */
	bool unsynced;			/* the layout would need a commit */
};

static inline struct dt_sb *dt_sb(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline struct dt_inode *dt_inode(const struct inode *inode)
{
	return container_of(inode, struct dt_inode, inode);
}

static inline struct dt_layout *dt_layout(const struct inode *inode)
{
	/* Pairs with the release in dt_attach_layout() */
	return smp_load_acquire(&dt_inode(inode)->layout);
}

static inline void dt_count(struct dt_sb *dts, enum dt_stat stat)
{
	atomic64_inc(&dts->stat[stat]);
}

/* fs_main.c */
extern atomic64_t dt_totals[DT_NR_STAT];

/* fs_layout.c */
struct dt_piece {
	struct dt_dev *dev;
	u64 start;		/* in the file */
	u64 offset;		/* of @start in the device */
	u64 len;
};

int dt_map(struct inode *inode, u64 pos, struct dt_piece *piece);
u64 dt_extent_pos(const struct dt_layout *layout, const struct dt_extent *ext,
		  u64 offset);
long dt_set_layout(struct file *file, struct daxtest_layout __user *arg);
long dt_get_layout(struct file *file, struct daxtest_layout __user *arg);
int dt_allocate(struct inode *inode);
void dt_drop_layout(struct inode *inode);

/* fs_file.c */
extern const struct file_operations dt_file_fops;
extern const struct inode_operations dt_file_iops;
extern const struct address_space_operations dt_file_aops;

/* fs_notify.c */
extern const struct dax_holder_operations dt_holder_ops;

#endif /* _DAXTEST_FS_H */
