// SPDX-License-Identifier: GPL-2.0
/*
 * The least that a filesystem on a dax device in famfs mode has to do. The
 * filesystem has one file, "memory", which is all of the device.
 *
 * An example for authors: Documentation/driver-api/dax-famfs-mode.rst shows it,
 * and example.sh mounts it.
 */
#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/iomap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uio.h>

struct example {
	struct super_block *sb;
	struct inode *memory;
	struct dax_device *dax_dev;
	bool held;
	bool lost;
};

/* Map the file: the offset on the device is the offset in the file. */
static int example_iomap_begin(struct inode *inode, loff_t pos, loff_t len,
			       unsigned int flags, struct iomap *iomap,
			       struct iomap *srcmap)
{
	struct example *ex = inode->i_sb->s_fs_info;

	if (READ_ONCE(ex->lost))
		return -EIO;

	iomap->type = IOMAP_MAPPED;
	iomap->dax_dev = ex->dax_dev;
	iomap->length = i_size_read(inode);
	return 0;
}

static const struct iomap_ops example_iomap_ops = {
	.iomap_begin = example_iomap_begin,
};

static ssize_t example_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	inode_lock_shared(inode);
	ret = dax_iomap_rw(iocb, to, &example_iomap_ops);
	inode_unlock_shared(inode);
	return ret;
}

static ssize_t example_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	inode_lock(inode);
	ret = generic_write_checks(iocb, from);
	if (ret > 0 && iocb->ki_pos >= i_size_read(inode))
		ret = -ENOSPC;
	if (ret > 0) {
		iov_iter_truncate(from, i_size_read(inode) - iocb->ki_pos);
		ret = dax_iomap_rw(iocb, from, &example_iomap_ops);
	}
	inode_unlock(inode);
	return ret > 0 ? generic_write_sync(iocb, ret) : ret;
}

static vm_fault_t example_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;
	unsigned long pfn;
	vm_fault_t ret;

	filemap_invalidate_lock_shared(mapping);
	ret = dax_iomap_fault(vmf, order, &pfn, NULL, &example_iomap_ops);
	if (ret & VM_FAULT_NEEDDSYNC)
		ret = dax_finish_sync_fault(vmf, order, pfn);
	filemap_invalidate_unlock_shared(mapping);
	return ret;
}

static vm_fault_t example_fault(struct vm_fault *vmf)
{
	return example_huge_fault(vmf, 0);
}

static const struct vm_operations_struct example_vm_ops = {
	.fault = example_fault,
	.huge_fault = example_huge_fault,
	.page_mkwrite = example_fault,
	.pfn_mkwrite = example_fault,
};

static int example_mmap_prepare(struct vm_area_desc *desc)
{
	struct inode *inode = file_inode(desc->file);
	struct example *ex = inode->i_sb->s_fs_info;

	if (!daxdev_mapping_supported(desc, inode, ex->dax_dev))
		return -EOPNOTSUPP;
	desc->vm_ops = &example_vm_ops;
	vma_desc_set_flags(desc, VMA_HUGEPAGE_BIT);
	return 0;
}

static int example_fsync(struct file *file, loff_t start, loff_t end,
			 int datasync)
{
	return file_write_and_wait_range(file, start, end);
}

static const struct file_operations example_file_ops = {
	.llseek = generic_file_llseek,
	.read_iter = example_read_iter,
	.write_iter = example_write_iter,
	.mmap_prepare = example_mmap_prepare,
	.get_unmapped_area = thp_get_unmapped_area,
	.fsync = example_fsync,
	.fop_flags = FOP_MMAP_SYNC,
};

static int example_writepages(struct address_space *mapping,
			      struct writeback_control *wbc)
{
	struct example *ex = mapping->host->i_sb->s_fs_info;

	return dax_writeback_mapping_range(mapping, ex->dax_dev, wbc);
}

static const struct address_space_operations example_aops = {
	.writepages = example_writepages,
	.dirty_folio = noop_dirty_folio,
};

/*
 * A memory error, or the end of the device. The latter comes once. Then the
 * claim is lost, but has to be put by fs_put_dax() all the same.
 */
static int example_notify_failure(struct dax_device *dax_dev, u64 offset,
				  u64 len, int mf_flags)
{
	struct example *ex = dax_holder(dax_dev);

	if (!(mf_flags & MF_MEM_PRE_REMOVE))
		return mf_dax_kill_procs(ex->memory->i_mapping,
					 offset >> PAGE_SHIFT,
					 DIV_ROUND_UP(len, PAGE_SIZE), mf_flags);

	/* refuse new mappings first, before the old ones are taken back */
	WRITE_ONCE(ex->lost, true);
	dax_unmap_super(ex->sb);
	return 0;
}

static void example_name(void *holder, char *buf, size_t len)
{
	struct example *ex = holder;

	scnprintf(buf, len, "daxexample %s", ex->sb->s_id);
}

static const struct dax_holder_operations example_holder_ops = {
	.notify_failure = example_notify_failure,
	.name = example_name,
};

/* The pages leave the file before the inode goes, and nobody has them pinned. */
static void example_evict_inode(struct inode *inode)
{
	dax_break_layout_final(inode);
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
}

static const struct super_operations example_super_ops = {
	.statfs = simple_statfs,
	.evict_inode = example_evict_inode,
};

/* Another host writes the memory of a read-only device: nobody here may. */
static int example_check_ro(struct example *ex, unsigned int sb_flags)
{
	if (!(sb_flags & SB_RDONLY) && dax_dev_is_ro(ex->dax_dev))
		return -EROFS;
	return 0;
}

/* Notifications may come before fs_dax_get() returns. */
static int example_claim(struct example *ex, const char *source)
{
	struct path path;
	int rc;

	rc = kern_path(source, LOOKUP_FOLLOW, &path);
	if (rc)
		return rc;
	if (S_ISCHR(d_inode(path.dentry)->i_mode))
		ex->dax_dev = dax_dev_get(d_inode(path.dentry)->i_rdev);
	path_put(&path);
	if (!ex->dax_dev)
		return -ENODEV;

	rc = fs_dax_get(ex->dax_dev, ex, &example_holder_ops);
	/* the claim has a reference of its own */
	put_dax(ex->dax_dev);
	ex->held = !rc;
	if (rc)
		return rc;
	i_size_write(ex->memory, dax_dev_size(ex->dax_dev));
	return example_check_ro(ex, ex->sb->s_flags);
}

static struct inode *example_inode(struct super_block *sb, umode_t mode)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode->i_mode = mode;
	simple_inode_init_ts(inode);
	if (S_ISREG(mode)) {
		inode->i_flags |= S_DAX;
		inode->i_fop = &example_file_ops;
		inode->i_mapping->a_ops = &example_aops;
	} else {
		inode->i_fop = &simple_dir_operations;
		inode->i_op = &simple_dir_inode_operations;
	}
	return inode;
}

static int example_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct example *ex = sb->s_fs_info;
	struct dentry *dentry;
	int rc;

	ex->sb = sb;
	strscpy(sb->s_id, kbasename(fc->source));
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_op = &example_super_ops;
	/* fsync(2) writes back only if the backing device says that it can */
	rc = super_setup_bdi(sb);
	if (rc)
		return rc;

	sb->s_root = d_make_root(example_inode(sb, S_IFDIR | 0755));
	if (!sb->s_root)
		return -ENOMEM;
	ex->memory = example_inode(sb, S_IFREG | 0600);
	if (!ex->memory)
		return -ENOMEM;
	dentry = d_alloc_name(sb->s_root, "memory");
	if (!dentry) {
		iput(ex->memory);
		return -ENOMEM;
	}
	d_make_persistent(dentry, ex->memory);
	dput(dentry);
	return example_claim(ex, fc->source);
}

static int example_get_tree(struct fs_context *fc)
{
	if (!fc->source)
		return invalf(fc, "daxexample: no device");
	return get_tree_nodev(fc, example_fill_super);
}

static int example_reconfigure(struct fs_context *fc)
{
	if (!(fc->sb_flags_mask & SB_RDONLY))
		return 0;
	return example_check_ro(fc->root->d_sb->s_fs_info, fc->sb_flags);
}

static void example_free_fc(struct fs_context *fc)
{
	kfree(fc->s_fs_info);
}

static const struct fs_context_operations example_context_ops = {
	.get_tree = example_get_tree,
	.reconfigure = example_reconfigure,
	.free = example_free_fc,
};

static int example_init_fs_context(struct fs_context *fc)
{
	fc->s_fs_info = kzalloc_obj(struct example);
	if (!fc->s_fs_info)
		return -ENOMEM;
	fc->ops = &example_context_ops;
	return 0;
}

static void example_kill_sb(struct super_block *sb)
{
	struct example *ex = sb->s_fs_info;

	kill_anon_super(sb);
	if (ex->held)
		fs_put_dax(ex->dax_dev, ex);
	/* no notification runs any more, nor will one come */
	kfree(ex);
}

static struct file_system_type example_fs_type = {
	.owner = THIS_MODULE,
	.name = "daxexample",
	.init_fs_context = example_init_fs_context,
	.kill_sb = example_kill_sb,
};

static int __init example_init(void)
{
	return register_filesystem(&example_fs_type);
}

static void __exit example_exit(void)
{
	unregister_filesystem(&example_fs_type);
}

MODULE_DESCRIPTION("Example of a filesystem on a dax device in famfs mode");
MODULE_LICENSE("GPL");
module_init(example_init);
module_exit(example_exit);
