// SPDX-License-Identifier: GPL-2.0
/*
 * daxtest_fs: a filesystem on dax devices in famfs mode, for tests
 *
 *	mount -t daxtest [-o daxdev=/dev/daxX.Y,...] /dev/daxX.Y dir
 *
 * This filesystem does all that a real one on such devices has to do, is as
 * small as possible, and can be told to misbehave. Its tree lives in memory and
 * ends with the mount; the data lives where the layouts of the files say.
 *
 * Options:
 *  daxdev=NAME	one more device; may be given again
 *  revoke=	careful (default), ignore, return0, delay:MILLISECONDS: what to
 *		do when a device is taken away
 *  mf=		handle (default), ignore0, eopnotsupp: what to do about memory
 *		errors
 * The last two can be changed by a remount.
 *  alloc=SIZE	files grow as they do elsewhere, by being written or truncated;
 *		one that has no layout gets SIZE bytes of a device. For
 *		programs that know nothing of layouts.
 *  new		all blocks are new, says each write(2), as famfs does
 *  overlap	layouts may give a block to several files that do not share
 *		it, as those of a corrupt filesystem
 */
#include <linux/debugfs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include "fs.h"

atomic64_t dt_totals[DT_NR_STAT];
static struct dentry *dt_debugfs;
static struct kmem_cache *dt_inode_cache;

static const char * const dt_stat_names[DT_NR_STAT] = {
	[DT_PRE_REMOVE]		= "pre_remove",
	[DT_MEMORY_FAILURE]	= "memory_failure",
	[DT_OTHER_NOTIFY]	= "other_notify",
	[DT_LATE_NOTIFY]	= "late_notify",
	[DT_MF_OWNED]		= "mf_owned",
	[DT_MF_UNOWNED]		= "mf_unowned",
	[DT_LOST]		= "lost",
	[DT_FAULT_PTE]		= "fault_pte",
	[DT_FAULT_PMD]		= "fault_pmd",
	[DT_FAULT_FALLBACK]	= "fault_fallback",
	[DT_FAULT_SIGBUS]	= "fault_sigbus",
	[DT_FAULT_HWPOISON]	= "fault_hwpoison",
	[DT_FAULT_SYNC]		= "fault_sync",
};

static void dt_show_stats(struct seq_file *m, const atomic64_t *stat)
{
	int i;

	for (i = 0; i < DT_NR_STAT; i++)
		seq_printf(m, "%s %lld\n", dt_stat_names[i],
			   atomic64_read(&stat[i]));
}

static int dt_stats_show(struct seq_file *m, void *unused)
{
	struct dt_sb *dts = m->private;

	dt_show_stats(m, dts->stat);
	seq_printf(m, "mf_offset %llu\n", READ_ONCE(dts->mf_offset));
	return 0;
}

/* "unmap": the mount does as if it had lost a device, and has it still */
static ssize_t dt_stats_write(struct file *file, const char __user *ubuf,
			      size_t count, loff_t *pos)
{
	struct dt_sb *dts = file_inode(file)->i_private;
	char buf[8] = "";

	if (count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, count))
		return -EFAULT;
	if (!sysfs_streq(buf, "unmap"))
		return -EINVAL;
	dax_unmap_super(dts->sb);
	return count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(dt_stats);

static int dt_totals_show(struct seq_file *m, void *unused)
{
	dt_show_stats(m, dt_totals);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(dt_totals);

/* Inodes */

static const struct inode_operations dt_dir_iops;

static struct inode *dt_new_inode(struct super_block *sb,
				  const struct inode *dir, umode_t mode)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode_init_owner(&nop_mnt_idmap, inode, dir, mode);
	simple_inode_init_ts(inode);
	switch (mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &dt_file_iops;
		inode->i_fop = &dt_file_fops;
		inode->i_mapping->a_ops = &dt_file_aops;
		inode->i_flags |= S_DAX;
		break;
	case S_IFDIR:
		inode->i_op = &dt_dir_iops;
		inode->i_fop = &simple_dir_operations;
		inc_nlink(inode);
		break;
	case S_IFLNK:
		inode->i_op = &simple_symlink_inode_operations;
		break;
	}
	return inode;
}

static void dt_add(struct inode *dir, struct dentry *dentry,
		   struct inode *inode)
{
	d_make_persistent(dentry, inode);
	inode_set_mtime_to_ts(dir, inode_set_ctime_current(dir));
}

static int dt_create(struct mnt_idmap *idmap, struct inode *dir,
		     struct dentry *dentry, umode_t mode)
{
	struct inode *inode = dt_new_inode(dir->i_sb, dir, mode | S_IFREG);

	if (!inode)
		return -ENOMEM;
	dt_add(dir, dentry, inode);
	return 0;
}

static struct dentry *dt_mkdir(struct mnt_idmap *idmap, struct inode *dir,
			       struct dentry *dentry, umode_t mode)
{
	struct inode *inode = dt_new_inode(dir->i_sb, dir, mode | S_IFDIR);

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inc_nlink(dir);
	dt_add(dir, dentry, inode);
	return NULL;
}

static int dt_symlink(struct mnt_idmap *idmap, struct inode *dir,
		      struct dentry *dentry, const char *target)
{
	struct inode *inode;

	inode = dt_new_inode(dir->i_sb, dir, S_IFLNK | 0777);
	if (!inode)
		return -ENOMEM;
	inode->i_link = kstrdup(target, GFP_KERNEL_ACCOUNT);
	if (!inode->i_link) {
		iput(inode);
		return -ENOMEM;
	}
	inode->i_size = strlen(target);
	dt_add(dir, dentry, inode);
	return 0;
}

static const struct inode_operations dt_dir_iops = {
	.create		= dt_create,
	.lookup		= simple_lookup,
	.link		= simple_link,
	.unlink		= simple_unlink,
	.symlink	= dt_symlink,
	.mkdir		= dt_mkdir,
	.rmdir		= simple_rmdir,
	.rename		= simple_rename,
};

static struct inode *dt_alloc_inode(struct super_block *sb)
{
	struct dt_inode *dti;

	dti = alloc_inode_sb(sb, dt_inode_cache, GFP_KERNEL);
	if (!dti)
		return NULL;
	dti->layout = NULL;
	dti->unsynced = false;
	return &dti->inode;
}

static void dt_free_inode(struct inode *inode)
{
	if (S_ISLNK(inode->i_mode))
		kfree(inode->i_link);
	kmem_cache_free(dt_inode_cache, dt_inode(inode));
}

/* The extents are free for others only when nobody has them mapped or pinned */
static void dt_evict_inode(struct inode *inode)
{
	dax_break_layout_final(inode);
	truncate_inode_pages_final(&inode->i_data);
	dt_drop_layout(inode);
	clear_inode(inode);
}

static int dt_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct dt_sb *dts = dt_sb(dentry->d_sb);
	u64 used = atomic64_read(&dts->used);
	unsigned int i;

	buf->f_type = DAXTEST_SUPER_MAGIC;
	buf->f_bsize = DAXTEST_BLOCK;
	buf->f_namelen = NAME_MAX;
	buf->f_fsid = u64_to_fsid(huge_encode_dev(dentry->d_sb->s_dev));
	for (i = 0; i < dts->nr_devs; i++)
		buf->f_blocks += dts->devs[i].size / DAXTEST_BLOCK;
	/* shared extents count for every owner */
	buf->f_bfree = buf->f_blocks > used ? buf->f_blocks - used : 0;
	buf->f_bavail = buf->f_bfree;
	return 0;
}

static const char * const dt_revoke_names[] = {
	[DT_REVOKE_CAREFUL]	= "careful",
	[DT_REVOKE_IGNORE]	= "ignore",
	[DT_REVOKE_RETURN0]	= "return0",
	[DT_REVOKE_DELAY]	= "delay",
};

static const char * const dt_mf_names[] = {
	[DT_MF_HANDLE]		= "handle",
	[DT_MF_IGNORE0]		= "ignore0",
	[DT_MF_EOPNOTSUPP]	= "eopnotsupp",
};

static int dt_show_options(struct seq_file *m, struct dentry *root)
{
	struct dt_sb *dts = dt_sb(root->d_sb);
	unsigned int i;

	for (i = 1; i < dts->nr_devs; i++)
		seq_show_option(m, "daxdev", dts->devs[i].name);
	if (dts->revoke != DT_REVOKE_CAREFUL)
		seq_printf(m, ",revoke=%s", dt_revoke_names[dts->revoke]);
	if (dts->revoke == DT_REVOKE_DELAY)
		seq_printf(m, ":%u", dts->delay);
	if (dts->alloc)
		seq_printf(m, ",alloc=%llu", dts->alloc);
	if (dts->all_new)
		seq_puts(m, ",new");
	if (dts->overlap)
		seq_puts(m, ",overlap");
	if (dts->mf != DT_MF_HANDLE)
		seq_printf(m, ",mf=%s", dt_mf_names[dts->mf]);
	return 0;
}

static const struct super_operations dt_super_ops = {
	.alloc_inode	= dt_alloc_inode,
	.free_inode	= dt_free_inode,
	.evict_inode	= dt_evict_inode,
	.drop_inode	= inode_just_drop,
	.statfs		= dt_statfs,
	.show_options	= dt_show_options,
};

/* Mount and umount */

static int dt_lookup_devt(struct fs_context *fc, const char *name, dev_t *devt)
{
	struct inode *inode;
	struct path path;
	int rc;

	rc = kern_path(name, LOOKUP_FOLLOW, &path);
	if (rc)
		return rc;
	inode = d_backing_inode(path.dentry);
	if (S_ISCHR(inode->i_mode)) {
		*devt = inode->i_rdev;
	} else {
		errorf(fc, "daxtest: %s is no character device", name);
		rc = -ENODEV;
	}
	path_put(&path);
	return rc;
}

static int dt_claim_dev(struct dt_sb *dts, struct fs_context *fc,
			struct dt_dev *dev)
{
	struct dt_dev *other;
	int rc;

	rc = dt_lookup_devt(fc, dev->name, &dev->devt);
	if (rc)
		return rc;
	for (other = dts->devs; other < dev; other++)
		if (other->devt == dev->devt)
			return invalf(fc, "daxtest: %s is named twice",
				      dev->name);

	dev->dax_dev = dax_dev_get(dev->devt);
	if (!dev->dax_dev) {
		errorf(fc, "daxtest: %s is no dax device", dev->name);
		return -ENODEV;
	}
	/* From here on notifications come, also before this returns */
	rc = fs_dax_get(dev->dax_dev, dts, &dt_holder_ops);
	put_dax(dev->dax_dev);
	if (rc) {
		errorf(fc, "daxtest: cannot claim %s: %d", dev->name, rc);
		return rc;
	}
	dev->held = true;
	dev->size = dax_dev_size(dev->dax_dev);
	return dev->size ? 0 : -ENODEV;
}

static int dt_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct dt_sb *dts = dt_sb(sb);
	struct inode *root;
	unsigned int i;
	char name[32];
	int rc;

	dts->sb = sb;
	sb->s_magic = DAXTEST_SUPER_MAGIC;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_time_gran = 1;
	sb->s_op = &dt_super_ops;
	sb->s_d_flags = DCACHE_DONTCACHE;
	/* fsync and sync write back only where a bdi says they may */
	rc = super_setup_bdi(sb);
	if (rc)
		return rc;

	for (i = 0; i < dts->nr_devs; i++) {
		rc = dt_claim_dev(dts, fc, &dts->devs[i]);
		if (rc)
			return rc;
	}

	root = dt_new_inode(sb, NULL, S_IFDIR | 0755);
	sb->s_root = d_make_root(root);
	if (!sb->s_root)
		return -ENOMEM;

	snprintf(name, sizeof(name), "%u:%u", MAJOR(sb->s_dev),
		 MINOR(sb->s_dev));
	dts->dir = debugfs_create_dir(name, dt_debugfs);
	debugfs_create_file("stats", 0644, dts->dir, dts, &dt_stats_fops);
	return 0;
}

static void dt_free_sb(struct dt_sb *dts)
{
	unsigned int i;

	for (i = 0; i < dts->nr_devs; i++)
		kfree(dts->devs[i].name);
	kfree(dts);
}

static void dt_kill_sb(struct super_block *sb)
{
	struct dt_sb *dts = dt_sb(sb);
	unsigned int i;

	debugfs_remove(dts->dir);
	kill_anon_super(sb);
	/* A notification may walk the superblock, which outlives this */
	for (i = 0; i < dts->nr_devs; i++)
		if (dts->devs[i].held)
			fs_put_dax(dts->devs[i].dax_dev, dts);
	WRITE_ONCE(dts->dead, true);
	for (i = 0; i < DT_NR_STAT; i++)
		atomic64_add(atomic64_read(&dts->stat[i]), &dt_totals[i]);
	dt_free_sb(dts);
}

static int dt_get_tree(struct fs_context *fc)
{
	struct dt_sb *dts = fc->s_fs_info;

	if (!fc->source)
		return invalf(fc, "daxtest: no device");
	dts->devs[0].name = kstrdup(fc->source, GFP_KERNEL);
	if (!dts->devs[0].name)
		return -ENOMEM;
	return get_tree_nodev(fc, dt_fill_super);
}

static int dt_reconfigure(struct fs_context *fc)
{
	struct dt_sb *dts = dt_sb(fc->root->d_sb), *new = fc->s_fs_info;
	unsigned int i;

	for (i = 0; i < dts->nr_devs; i++)
		if (READ_ONCE(dts->devs[i].lost)) {
			errorf(fc, "daxtest: %s is lost", dts->devs[i].name);
			return -EIO;
		}
	sync_filesystem(fc->root->d_sb);
	WRITE_ONCE(dts->delay, new->delay);
	WRITE_ONCE(dts->revoke, new->revoke);
	WRITE_ONCE(dts->mf, new->mf);
	return 0;
}

enum {
	DT_OPT_DEV,
	DT_OPT_REVOKE,
	DT_OPT_MF,
	DT_OPT_ALLOC,
	DT_OPT_NEW,
	DT_OPT_OVERLAP,
};

static const struct constant_table dt_mf_table[] = {
	{ "handle",		DT_MF_HANDLE },
	{ "ignore0",		DT_MF_IGNORE0 },
	{ "eopnotsupp",		DT_MF_EOPNOTSUPP },
	{}
};

static const struct fs_parameter_spec dt_parameters[] = {
	fsparam_string("daxdev",	DT_OPT_DEV),
	fsparam_string("revoke",	DT_OPT_REVOKE),
	fsparam_enum("mf",		DT_OPT_MF, dt_mf_table),
	fsparam_string("alloc",		DT_OPT_ALLOC),
	fsparam_flag("new",		DT_OPT_NEW),
	fsparam_flag("overlap",		DT_OPT_OVERLAP),
	{}
};

static int dt_parse_revoke(struct dt_sb *dts, const char *arg)
{
	int i;

	if (strstarts(arg, "delay:")) {
		dts->revoke = DT_REVOKE_DELAY;
		return kstrtouint(arg + strlen("delay:"), 10, &dts->delay);
	}
	i = match_string(dt_revoke_names, DT_REVOKE_DELAY, arg);
	if (i < 0)
		return -EINVAL;
	dts->revoke = i;
	return 0;
}

static int dt_parse_alloc(struct dt_sb *dts, const char *arg)
{
	char *end;

	dts->alloc = memparse(arg, &end);
	if (*end || !dts->alloc || dts->alloc > MAX_LFS_FILESIZE ||
	    !IS_ALIGNED(dts->alloc, DAXTEST_BLOCK))
		return -EINVAL;
	return 0;
}

static int dt_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct dt_sb *dts = fc->s_fs_info;
	struct fs_parse_result result;
	int opt;

	opt = fs_parse(fc, dt_parameters, param, &result);
	if (opt < 0)
		return opt;

	switch (opt) {
	case DT_OPT_DEV:
		/* mount(8) repeats what the mount has when it remounts */
		if (fc->purpose == FS_CONTEXT_FOR_RECONFIGURE)
			return 0;
		if (dts->nr_devs == DAXTEST_MAX_DEVS)
			return invalf(fc, "daxtest: too many devices");
		dts->devs[dts->nr_devs++].name = param->string;
		param->string = NULL;
		return 0;
	case DT_OPT_REVOKE:
		return dt_parse_revoke(dts, param->string);
	case DT_OPT_MF:
		dts->mf = result.uint_32;
		return 0;
	case DT_OPT_ALLOC:
		return dt_parse_alloc(dts, param->string);
	case DT_OPT_NEW:
		dts->all_new = true;
		return 0;
	case DT_OPT_OVERLAP:
		dts->overlap = true;
		return 0;
	}
	return -EINVAL;
}

static void dt_free_fc(struct fs_context *fc)
{
	if (fc->s_fs_info)
		dt_free_sb(fc->s_fs_info);
}

static const struct fs_context_operations dt_context_ops = {
	.parse_param	= dt_parse_param,
	.get_tree	= dt_get_tree,
	.reconfigure	= dt_reconfigure,
	.free		= dt_free_fc,
};

static int dt_init_fs_context(struct fs_context *fc)
{
	struct dt_sb *dts = kzalloc(sizeof(*dts), GFP_KERNEL);
	unsigned int i;

	if (!dts)
		return -ENOMEM;
	init_rwsem(&dts->owners_sem);
	for (i = 0; i < DAXTEST_MAX_DEVS; i++)
		dts->devs[i].owners = RB_ROOT_CACHED;
	dts->nr_devs = 1;	/* the source */
	if (fc->purpose == FS_CONTEXT_FOR_RECONFIGURE) {
		struct dt_sb *old = dt_sb(fc->root->d_sb);

		dts->revoke = old->revoke;
		dts->delay = old->delay;
		dts->mf = old->mf;
	}
	fc->s_fs_info = dts;
	fc->ops = &dt_context_ops;
	return 0;
}

static struct file_system_type dt_fs_type = {
	.owner			= THIS_MODULE,
	.name			= "daxtest",
	.init_fs_context	= dt_init_fs_context,
	.parameters		= dt_parameters,
	.kill_sb		= dt_kill_sb,
};
MODULE_ALIAS_FS("daxtest");

static void dt_init_once(void *object)
{
	struct dt_inode *dti = object;

	inode_init_once(&dti->inode);
}

static int __init dt_init(void)
{
	int rc;

	dt_inode_cache = kmem_cache_create("daxtest_inode",
					   sizeof(struct dt_inode), 0,
					   SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
					   dt_init_once);
	if (!dt_inode_cache)
		return -ENOMEM;
	dt_debugfs = debugfs_create_dir("daxtest", NULL);
	debugfs_create_file("totals", 0444, dt_debugfs, NULL, &dt_totals_fops);
	rc = register_filesystem(&dt_fs_type);
	if (rc) {
		debugfs_remove(dt_debugfs);
		kmem_cache_destroy(dt_inode_cache);
	}
	return rc;
}

static void __exit dt_exit(void)
{
	unregister_filesystem(&dt_fs_type);
	debugfs_remove(dt_debugfs);
	/* inodes are freed after a grace period */
	rcu_barrier();
	kmem_cache_destroy(dt_inode_cache);
}

module_init(dt_init);
module_exit(dt_exit);
MODULE_DESCRIPTION("Filesystem for tests of dax devices in famfs mode");
MODULE_LICENSE("GPL");
