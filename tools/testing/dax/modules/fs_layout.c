// SPDX-License-Identifier: GPL-2.0
/*
 * daxtest_fs: the layouts of files
 *
 * A layout is checked, entered into the owner trees of its devices and only
 * then attached to its inode, where it stays unchanged until the inode dies.
 * Readers need no lock.
 */
#include <linux/cleanup.h>
#include <linux/mount.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "fs.h"

/* The extent of a simple layout that holds @pos, which is in the layout */
static const struct dt_extent *dt_find_simple(const struct dt_layout *layout,
					      u64 pos)
{
	u32 low = 0, high = layout->count;

	while (high - low > 1) {
		u32 mid = low + (high - low) / 2;

		if (layout->extents[mid].file_off <= pos)
			low = mid;
		else
			high = mid;
	}
	return &layout->extents[low];
}

/**
 * dt_map() - where in which device a position of a file lies
 * @inode: the file
 * @pos: the position
 * @piece: the contiguous piece of the file around @pos
 *
 * Return: 0, -ENODATA if the file has no layout, or -ERANGE past its end.
 */
int dt_map(struct inode *inode, u64 pos, struct dt_piece *piece)
{
	const struct dt_layout *layout = dt_layout(inode);
	const struct dt_extent *ext;
	u64 chunk_nr, end;

	if (!layout)
		return -ENODATA;
	end = round_up(layout->size, DAXTEST_BLOCK);
	if (pos >= end)
		return -ERANGE;

	if (layout->type == DAXTEST_STRIPE) {
		chunk_nr = div64_u64(pos, layout->chunk);
		ext = &layout->extents[chunk_nr % layout->count];
		piece->start = chunk_nr * layout->chunk;
		piece->len = layout->chunk;
		piece->offset = ext->offset +
			div_u64(chunk_nr, layout->count) * layout->chunk;
	} else {
		ext = dt_find_simple(layout, pos);
		piece->start = ext->file_off;
		piece->len = ext->len;
		piece->offset = ext->offset;
	}
	piece->len = min(piece->len, end - piece->start);
	piece->dev = &dt_sb(inode->i_sb)->devs[ext->dev];
	return 0;
}

/**
 * dt_extent_pos() - the position in the file of an offset in a device
 * @layout: layout of the file
 * @ext: an extent of it that contains @offset
 * @offset: offset in the device
 *
 * Return: the position.
 */
u64 dt_extent_pos(const struct dt_layout *layout, const struct dt_extent *ext,
		  u64 offset)
{
	u64 in_ext = offset - ext->offset;
	u64 row, in_chunk;

	if (layout->type == DAXTEST_SIMPLE)
		return ext->file_off + in_ext;

	row = div64_u64_rem(in_ext, layout->chunk, &in_chunk);
	return (row * layout->count + (ext - layout->extents)) * layout->chunk +
	       in_chunk;
}

static int dt_check_extent(struct dt_sb *dts, const struct daxtest_extent *ext)
{
	struct dt_dev *dev;
	u64 end, size;

	if (ext->reserved)
		return -EINVAL;
	if (ext->dev >= dts->nr_devs)
		return -ENODEV;
	if (!ext->len || !IS_ALIGNED(ext->offset | ext->len, DAXTEST_BLOCK))
		return -EINVAL;

	dev = &dts->devs[ext->dev];
	size = dax_dev_size(dev->dax_dev);
	if (READ_ONCE(dev->lost) || !size)
		return -EIO;
	if (check_add_overflow(ext->offset, ext->len, &end) || end > size)
		return -ERANGE;
	return 0;
}

/* The extents are good by themselves; is the size they are to make up? */
static int dt_check_size(const struct dt_layout *layout, u64 total)
{
	u64 per_strip = U64_MAX, rows;
	u32 i;

	if (!layout->size || layout->size > MAX_LFS_FILESIZE)
		return -EINVAL;
	if (layout->type == DAXTEST_SIMPLE)
		return layout->size > total ? -EINVAL : 0;

	for (i = 0; i < layout->count; i++)
		per_strip = min(per_strip, layout->extents[i].len);
	rows = div64_u64(per_strip, layout->chunk);
	if (check_mul_overflow(rows, layout->chunk * layout->count, &total))
		return -EINVAL;
	return layout->size > total ? -EINVAL : 0;
}

static int dt_check_header(const struct daxtest_layout *hdr)
{
	if (hdr->version != DAXTEST_LAYOUT_VERSION)
		return -EPROTONOSUPPORT;
	if (hdr->type > DAXTEST_STRIPE ||
	    hdr->flags & ~(DAXTEST_LAYOUT_SHARED | DAXTEST_LAYOUT_LATE) ||
	    hdr->flags == DAXTEST_LAYOUT_LATE)
		return -EINVAL;
	if (!hdr->count)
		return -EINVAL;
	if (hdr->count > DAXTEST_MAX_EXTENTS)
		return -E2BIG;
	if (hdr->type == DAXTEST_SIMPLE)
		return hdr->chunk ? -EINVAL : 0;
	/* a row of chunks must not overflow */
	if (hdr->chunk < DAXTEST_BLOCK || hdr->chunk > SZ_1G ||
	    !is_power_of_2(hdr->chunk))
		return -EINVAL;
	return 0;
}

static struct dt_layout *dt_read_layout(struct inode *inode,
					const struct daxtest_layout *hdr)
{
	struct daxtest_extent __user *from = u64_to_user_ptr(hdr->extents);
	struct dt_sb *dts = dt_sb(inode->i_sb);
	struct dt_layout *layout __free(kvfree) = NULL;
	struct daxtest_extent *uext __free(kvfree) = NULL;
	u64 total = 0;
	u32 i;
	int rc;

	rc = dt_check_header(hdr);
	if (rc)
		return ERR_PTR(rc);

	uext = vmemdup_array_user(from, hdr->count, sizeof(*uext));
	if (IS_ERR(uext))
		return ERR_CAST(no_free_ptr(uext));
	layout = kvzalloc(struct_size(layout, extents, hdr->count), GFP_KERNEL);
	if (!layout)
		return ERR_PTR(-ENOMEM);

	layout->count = hdr->count;
	layout->type = hdr->type;
	layout->flags = hdr->flags;
	layout->size = hdr->size;
	layout->chunk = hdr->chunk;
	for (i = 0; i < hdr->count; i++) {
		struct dt_extent *ext = &layout->extents[i];

		rc = dt_check_extent(dts, &uext[i]);
		if (rc)
			return ERR_PTR(rc);
		ext->inode = inode;
		ext->dev = uext[i].dev;
		ext->offset = uext[i].offset;
		ext->len = uext[i].len;
		ext->file_off = total;
		ext->shared = hdr->flags & DAXTEST_LAYOUT_SHARED;
		ext->late = hdr->flags & DAXTEST_LAYOUT_LATE;
		ext->node.start = ext->offset / DAXTEST_BLOCK;
		ext->node.last = ext->node.start + ext->len / DAXTEST_BLOCK - 1;
		if (check_add_overflow(total, ext->len, &total))
			return ERR_PTR(-ERANGE);
	}
	rc = dt_check_size(layout, total);
	if (rc)
		return ERR_PTR(rc);
	return no_free_ptr(layout);
}

static bool dt_overlaps(struct dt_dev *dev, const struct dt_extent *ext)
{
	struct interval_tree_node *node;

	if (ext->late)
		return false;
	node = interval_tree_iter_first(&dev->owners, ext->node.start,
					ext->node.last);
	while (node) {
		if (!ext->shared ||
		    !container_of(node, struct dt_extent, node)->shared)
			return true;
		node = interval_tree_iter_next(node, ext->node.start,
					       ext->node.last);
	}
	return false;
}

static void dt_disown(struct dt_sb *dts, struct dt_layout *layout, u32 nr)
{
	lockdep_assert_held_write(&dts->owners_sem);

	while (nr--) {
		struct dt_extent *ext = &layout->extents[nr];

		interval_tree_remove(&ext->node, &dts->devs[ext->dev].owners);
		atomic64_sub(ext->len / DAXTEST_BLOCK, &dts->used);
	}
}

static int dt_own(struct dt_sb *dts, struct dt_layout *layout)
{
	u32 i;

	lockdep_assert_held_write(&dts->owners_sem);

	for (i = 0; i < layout->count; i++) {
		struct dt_extent *ext = &layout->extents[i];
		struct dt_dev *dev = &dts->devs[ext->dev];

		if (!dts->overlap && dt_overlaps(dev, ext)) {
			dt_disown(dts, layout, i);
			return -EBUSY;
		}
		interval_tree_insert(&ext->node, &dev->owners);
		atomic64_add(ext->len / DAXTEST_BLOCK, &dts->used);
	}
	return 0;
}

/* The layout owns its extents */
static void dt_attach(struct inode *inode, struct dt_layout *layout)
{
	dt_inode(inode)->unsynced = true;
	/* Pairs with dt_layout(): a layout that is seen is filled in */
	smp_store_release(&dt_inode(inode)->layout, layout);
	inode->i_blocks = DIV_ROUND_UP_ULL(layout->size, 512);
	inode_set_mtime_to_ts(inode, inode_set_ctime_current(inode));
}

static int dt_attach_layout(struct inode *inode,
			    const struct daxtest_layout *hdr)
{
	struct dt_sb *dts = dt_sb(inode->i_sb);
	struct dt_layout *layout;
	int rc;

	lockdep_assert_held_write(&inode->i_rwsem);

	if (dt_layout(inode))
		return -EEXIST;
	layout = dt_read_layout(inode, hdr);
	if (IS_ERR(layout))
		return PTR_ERR(layout);
	scoped_guard(rwsem_write, &dts->owners_sem)
		rc = dt_own(dts, layout);
	if (rc) {
		kvfree(layout);
		return rc;
	}
	dt_attach(inode, layout);
	i_size_write(inode, layout->size);
	return 0;
}

/* The first piece of @ext->len bytes that nobody owns, where PMDs can map it */
static int dt_find_room(struct dt_sb *dts, struct dt_extent *ext)
{
	unsigned long nr = ext->len / DAXTEST_BLOCK, start;
	struct interval_tree_node *node;
	struct dt_dev *dev;

	lockdep_assert_held_write(&dts->owners_sem);

	for (ext->dev = 0; ext->dev < dts->nr_devs; ext->dev++) {
		dev = &dts->devs[ext->dev];
		start = 0;
		while (!READ_ONCE(dev->lost) &&
		       start + nr <= dev->size / DAXTEST_BLOCK) {
			node = interval_tree_iter_first(&dev->owners, start,
							start + nr - 1);
			if (!node) {
				ext->offset = (u64)start * DAXTEST_BLOCK;
				ext->node.start = start;
				ext->node.last = start + nr - 1;
				return 0;
			}
			start = round_up(node->last + 1,
					 PMD_SIZE / DAXTEST_BLOCK);
		}
	}
	return -ENOSPC;
}

/**
 * dt_allocate() - give a file that has no layout one, as alloc= says
 * @inode: the file; its size does not change
 *
 * Return: 0, %-ENOMEM, or %-ENOSPC if no piece of the size is free.
 */
int dt_allocate(struct inode *inode)
{
	struct dt_sb *dts = dt_sb(inode->i_sb);
	struct dt_layout *layout;
	int rc;

	lockdep_assert_held_write(&inode->i_rwsem);

	layout = kvzalloc(struct_size(layout, extents, 1), GFP_KERNEL);
	if (!layout)
		return -ENOMEM;
	layout->count = 1;
	layout->type = DAXTEST_SIMPLE;
	layout->size = dts->alloc;
	layout->extents[0].inode = inode;
	layout->extents[0].len = dts->alloc;
	scoped_guard(rwsem_write, &dts->owners_sem) {
		rc = dt_find_room(dts, &layout->extents[0]);
		if (!rc)
			rc = dt_own(dts, layout);
	}
	if (rc) {
		kvfree(layout);
		return rc;
	}
	dt_attach(inode, layout);
	return 0;
}

long dt_set_layout(struct file *file, struct daxtest_layout __user *arg)
{
	struct inode *inode = file_inode(file);
	struct daxtest_layout hdr;
	int rc;

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (copy_from_user(&hdr, arg, sizeof(hdr)))
		return -EFAULT;

	rc = mnt_want_write_file(file);
	if (rc)
		return rc;
	inode_lock(inode);
	rc = dt_attach_layout(inode, &hdr);
	inode_unlock(inode);
	mnt_drop_write_file(file);
	return rc;
}

long dt_get_layout(struct file *file, struct daxtest_layout __user *arg)
{
	struct dt_layout *layout = dt_layout(file_inode(file));
	struct daxtest_extent __user *to;
	struct daxtest_layout hdr;
	u32 i, room;

	if (copy_from_user(&hdr, arg, sizeof(hdr)))
		return -EFAULT;
	if (hdr.version != DAXTEST_LAYOUT_VERSION)
		return -EPROTONOSUPPORT;
	if (!layout)
		return -ENODATA;

	room = min(hdr.count, layout->count);
	to = u64_to_user_ptr(hdr.extents);
	for (i = 0; i < room; i++) {
		struct daxtest_extent ext = {
			.dev = layout->extents[i].dev,
			.offset = layout->extents[i].offset,
			.len = layout->extents[i].len,
		};

		if (copy_to_user(&to[i], &ext, sizeof(ext)))
			return -EFAULT;
	}

	hdr.type = layout->type;
	hdr.flags = layout->flags;
	hdr.count = layout->count;
	hdr.size = layout->size;
	hdr.chunk = layout->chunk;
	return copy_to_user(arg, &hdr, sizeof(hdr)) ? -EFAULT : 0;
}

/* The inode goes away and nobody can reach its memory through it any more */
void dt_drop_layout(struct inode *inode)
{
	struct dt_layout *layout = dt_layout(inode);
	struct dt_sb *dts = dt_sb(inode->i_sb);

	if (!layout)
		return;
	scoped_guard(rwsem_write, &dts->owners_sem)
		dt_disown(dts, layout, layout->count);
	dt_inode(inode)->layout = NULL;
	kvfree(layout);
}
