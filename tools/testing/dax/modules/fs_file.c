// SPDX-License-Identifier: GPL-2.0
/*
 * daxtest_fs: the operations of a file
 *
 * Locks, outermost first: i_rwsem (read and write, truncate, layouts), then
 * mapping->invalidate_lock (shared by faults, exclusive for what takes pages
 * away from a file).
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <linux/writeback.h>
#include "fs.h"

static int dt_iomap_begin(struct inode *inode, loff_t pos, loff_t len,
			  unsigned int flags, struct iomap *iomap,
			  struct iomap *srcmap)
{
	const struct dt_layout *layout = dt_layout(inode);
	struct dt_piece piece;
	int rc;

	rc = dt_map(inode, pos, &piece);
	if (rc)
		return rc;
	if (READ_ONCE(piece.dev->lost))
		return -EIO;
	if (layout->flags & DAXTEST_LAYOUT_SHARED) {
		if (flags & (IOMAP_WRITE | IOMAP_ZERO))
			return -EPERM;
		iomap->flags |= IOMAP_F_SHARED;
	}

	iomap->type = IOMAP_MAPPED;
	iomap->dax_dev = piece.dev->dax_dev;
	iomap->offset = piece.start;
	iomap->length = piece.len;
	iomap->addr = piece.offset;
	if (READ_ONCE(dt_inode(inode)->unsynced))
		iomap->flags |= IOMAP_F_DIRTY;
	if (dt_sb(inode->i_sb)->all_new && flags & IOMAP_WRITE)
		iomap->flags |= IOMAP_F_NEW;
	return 0;
}

static const struct iomap_ops dt_iomap_ops = {
	.iomap_begin = dt_iomap_begin,
};

static bool dt_lock_shared(struct inode *inode, struct kiocb *iocb)
{
	if (iocb->ki_flags & IOCB_NOWAIT)
		return inode_trylock_shared(inode);
	inode_lock_shared(inode);
	return true;
}

static ssize_t dt_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t rc = 0;

	if (!iov_iter_count(to))
		return 0;
	if (!dt_lock_shared(inode, iocb))
		return -EAGAIN;
	if (iocb->ki_pos < i_size_read(inode))
		rc = dax_iomap_rw(iocb, to, &dt_iomap_ops);
	inode_unlock_shared(inode);
	file_accessed(iocb->ki_filp);
	return rc;
}

static int dt_set_size(struct inode *inode, loff_t size);

/* A write past the end makes the file longer only on a mount with alloc= */
static int dt_make_room(struct inode *inode, const struct kiocb *iocb,
			loff_t end)
{
	const struct dt_layout *layout = dt_layout(inode);
	struct dt_sb *dts = dt_sb(inode->i_sb);

	if (!dts->alloc || end <= i_size_read(inode))
		return 0;
	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	end = min_t(loff_t, end, layout ? layout->size : dts->alloc);
	return end > iocb->ki_pos ? dt_set_size(inode, end) : 0;
}

static ssize_t dt_write_locked(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	loff_t size, old = i_size_read(inode);
	ssize_t rc;

	rc = generic_write_checks(iocb, from);
	if (rc <= 0)
		return rc;
	rc = dt_make_room(inode, iocb, iocb->ki_pos + rc);
	if (rc)
		return rc;
	size = i_size_read(inode);
	if (iocb->ki_pos >= size)
		return -ENOSPC;
	iov_iter_truncate(from, size - iocb->ki_pos);

	rc = kiocb_modified(iocb);
	if (!rc)
		rc = dax_iomap_rw(iocb, from, &dt_iomap_ops);
	/* it came short of what there was made room for */
	if (size > old && iocb->ki_pos < size)
		dt_set_size(inode, max(old, iocb->ki_pos));
	return rc;
}

static ssize_t dt_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t rc;

	if (iocb->ki_flags & IOCB_NOWAIT) {
		if (!inode_trylock(inode))
			return -EAGAIN;
	} else {
		inode_lock(inode);
	}
	rc = dt_write_locked(iocb, from);
	inode_unlock(inode);
	if (rc > 0)
		rc = generic_write_sync(iocb, rc);
	return rc;
}

static void dt_count_fault(struct dt_sb *dts, vm_fault_t ret,
			   unsigned int order)
{
	if (ret & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE))
		dt_count(dts, DT_FAULT_HWPOISON);
	else if (ret & VM_FAULT_SIGBUS)
		dt_count(dts, DT_FAULT_SIGBUS);
	else if (ret & VM_FAULT_FALLBACK)
		dt_count(dts, DT_FAULT_FALLBACK);
	else if (!(ret & VM_FAULT_ERROR))
		dt_count(dts, order ? DT_FAULT_PMD : DT_FAULT_PTE);
}

static vm_fault_t dt_fault_order(struct vm_fault *vmf, unsigned int order,
				 bool write)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct dt_sb *dts = dt_sb(inode->i_sb);
	unsigned long pfn;
	vm_fault_t ret;

	if (write) {
		sb_start_pagefault(inode->i_sb);
		file_update_time(vmf->vma->vm_file);
	}
	filemap_invalidate_lock_shared(inode->i_mapping);
	ret = dax_iomap_fault(vmf, order, &pfn, NULL, &dt_iomap_ops);
	if (ret & VM_FAULT_NEEDDSYNC) {
		dt_count(dts, DT_FAULT_SYNC);
		ret = dax_finish_sync_fault(vmf, order, pfn);
	}
	filemap_invalidate_unlock_shared(inode->i_mapping);
	if (write)
		sb_end_pagefault(inode->i_sb);

	dt_count_fault(dts, ret, order);
	return ret;
}

static vm_fault_t dt_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	bool write = vmf->flags & FAULT_FLAG_WRITE &&
		     vmf->vma->vm_flags & VM_SHARED;

	return dt_fault_order(vmf, order, write);
}

static vm_fault_t dt_fault(struct vm_fault *vmf)
{
	return dt_huge_fault(vmf, 0);
}

static vm_fault_t dt_mkwrite(struct vm_fault *vmf)
{
	return dt_fault_order(vmf, 0, true);
}

static const struct vm_operations_struct dt_vm_ops = {
	.fault		= dt_fault,
	.huge_fault	= dt_huge_fault,
	.page_mkwrite	= dt_mkwrite,
	.pfn_mkwrite	= dt_mkwrite,
};

static int dt_mmap_prepare(struct vm_area_desc *desc)
{
	struct inode *inode = file_inode(desc->file);
	struct dt_layout *layout = dt_layout(inode);
	struct dt_sb *dts = dt_sb(inode->i_sb);
	u32 i;

	for (i = 0; layout && i < layout->count; i++) {
		struct dt_dev *dev = &dts->devs[layout->extents[i].dev];

		if (!daxdev_mapping_supported(desc, inode, dev->dax_dev))
			return -EOPNOTSUPP;
	}

	file_accessed(desc->file);
	desc->vm_ops = &dt_vm_ops;
	vma_desc_set_flags(desc, VMA_HUGEPAGE_BIT);
	return 0;
}

/*
 * dax_writeback_mapping_range() only wants to know from its device whether
 * there is a cache to write back. Go piece by piece only where that differs.
 */
static struct dax_device *dt_one_writeback(const struct inode *inode,
					   const struct dt_layout *layout)
{
	struct dt_dev *devs = dt_sb(inode->i_sb)->devs;
	struct dax_device *first = devs[layout->extents[0].dev].dax_dev;
	bool cached = dax_write_cache_enabled(first);
	u32 i;

	for (i = 1; i < layout->count; i++) {
		struct dt_dev *dev = &devs[layout->extents[i].dev];

		if (dax_write_cache_enabled(dev->dax_dev) != cached)
			return NULL;
	}
	return first;
}

static int dt_writepages(struct address_space *mapping,
			 struct writeback_control *wbc)
{
	const struct dt_layout *layout = dt_layout(mapping->host);
	struct writeback_control part = *wbc;
	struct dax_device *dax_dev;
	struct dt_piece piece;
	loff_t pos;
	int rc;

	if (!layout)
		return 0;
	dax_dev = dt_one_writeback(mapping->host, layout);
	if (dax_dev && !dax_write_cache_enabled(dax_dev))
		return 0;	/* dirty still, should it be turned on */
	if (dax_dev)
		return dax_writeback_mapping_range(mapping, dax_dev, wbc);

	for (pos = wbc->range_start; pos <= wbc->range_end;
	     pos = piece.start + piece.len) {
		rc = dt_map(mapping->host, pos, &piece);
		if (rc)
			return rc == -ERANGE ? 0 : rc;
		if (!dax_write_cache_enabled(piece.dev->dax_dev))
			continue;
		part.range_start = pos;
		part.range_end = min_t(loff_t, wbc->range_end,
				       piece.start + piece.len - 1);
		rc = dax_writeback_mapping_range(mapping, piece.dev->dax_dev,
						 &part);
		if (rc)
			return rc;
	}
	return 0;
}

const struct address_space_operations dt_file_aops = {
	.writepages	= dt_writepages,
	.dirty_folio	= noop_dirty_folio,
};

static int dt_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	int rc;

	rc = file_write_and_wait_range(file, start, end);
	if (!rc)
		WRITE_ONCE(dt_inode(file_inode(file))->unsynced, false);
	return rc;
}

static void dt_wait_page(struct inode *inode)
{
	filemap_invalidate_unlock(inode->i_mapping);
	schedule();
	filemap_invalidate_lock(inode->i_mapping);
}

static int dt_grow(struct inode *inode, loff_t size)
{
	const struct dt_layout *layout = dt_layout(inode);
	loff_t old = i_size_read(inode);
	int rc;

	if (!layout || size > layout->size)
		return -EFBIG;
	/* the rest of the last page can be seen, too, through a mapping */
	rc = dax_zero_range(inode, old, round_up(size, PAGE_SIZE) - old, NULL,
			    &dt_iomap_ops);
	if (rc)
		return rc;
	truncate_setsize(inode, size);
	return 0;
}

/*
 * Entries are of up to PMD_SIZE, and can only go as a whole: the entry that
 * holds the new end goes as well, hence the write back.
 */
static int dt_shrink(struct inode *inode, loff_t size)
{
	loff_t start = round_down(size, PMD_SIZE);
	int rc;

	rc = filemap_write_and_wait_range(inode->i_mapping, start, LLONG_MAX);
	if (rc)
		return rc;
	rc = dax_break_layout(inode, start, LLONG_MAX, dt_wait_page);
	if (rc)
		return rc;
	rc = dax_truncate_page(inode, size, NULL, &dt_iomap_ops);
	if (rc)
		return rc;
	truncate_setsize(inode, size);
	return 0;
}

static int dt_set_size(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode);
	int rc = 0;

	lockdep_assert_held_write(&inode->i_rwsem);

	if (size > old && !dt_layout(inode) && dt_sb(inode->i_sb)->alloc) {
		rc = dt_allocate(inode);
		if (rc)
			return rc;
	}
	filemap_invalidate_lock(inode->i_mapping);
	if (size > old)
		rc = dt_grow(inode, size);
	else if (size < old)
		rc = dt_shrink(inode, size);
	filemap_invalidate_unlock(inode->i_mapping);
	return rc;
}

static int dt_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
		      struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int rc;

	rc = setattr_prepare(idmap, dentry, attr);
	if (rc)
		return rc;
	if (attr->ia_valid & ATTR_SIZE) {
		rc = dt_set_size(inode, attr->ia_size);
		if (rc)
			return rc;
	}
	setattr_copy(idmap, inode, attr);
	return 0;
}

static int dt_zero_locked(struct file *file, int mode, loff_t start,
			  loff_t end)
{
	struct inode *inode = file_inode(file);
	loff_t size;
	int rc;

	rc = inode_newsize_ok(inode, end);
	if (rc)
		return rc;
	rc = file_modified(file);
	if (rc)
		return rc;

	size = i_size_read(inode);
	if (end > size && !(mode & FALLOC_FL_KEEP_SIZE)) {
		rc = dt_set_size(inode, end);
		if (rc)
			return rc == -EFBIG ? -ENOSPC : rc;
	}
	if (!(mode & (FALLOC_FL_ZERO_RANGE | FALLOC_FL_PUNCH_HOLE)))
		return 0;

	end = min(end, size);
	if (start >= end)
		return 0;
	filemap_invalidate_lock(inode->i_mapping);
	rc = dax_zero_range(inode, start, end - start, NULL, &dt_iomap_ops);
	filemap_invalidate_unlock(inode->i_mapping);
	return rc;
}

/* Blocks are never given back, so a hole is a range of zeroes */
static long dt_fallocate(struct file *file, int mode, loff_t pos, loff_t len)
{
	struct inode *inode = file_inode(file);
	long rc;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE |
		     FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;

	inode_lock(inode);
	rc = dt_zero_locked(file, mode, pos, pos + len);
	inode_unlock(inode);
	return rc;
}

static long dt_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case DAXTEST_IOC_SET_LAYOUT:
		return dt_set_layout(file, (void __user *)arg);
	case DAXTEST_IOC_GET_LAYOUT:
		return dt_get_layout(file, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static int dt_open(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_CAN_ODIRECT | FMODE_NOWAIT;
	return generic_file_open(inode, file);
}

const struct file_operations dt_file_fops = {
	.owner			= THIS_MODULE,
	.fop_flags		= FOP_MMAP_SYNC,
	.open			= dt_open,
	.llseek			= generic_file_llseek,
	.read_iter		= dt_read_iter,
	.write_iter		= dt_write_iter,
	.mmap_prepare		= dt_mmap_prepare,
	.get_unmapped_area	= thp_get_unmapped_area,
	.fsync			= dt_fsync,
	.fallocate		= dt_fallocate,
	.splice_read		= copy_splice_read,
	.splice_write		= iter_file_splice_write,
	.unlocked_ioctl		= dt_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
};

const struct inode_operations dt_file_iops = {
	.setattr	= dt_setattr,
};
