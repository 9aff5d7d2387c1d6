/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the test modules need from a kernel without the series, for benchmarks
 * that compare the two: build them with KCFLAGS="-include <this file>".
 */
#ifndef _MAINLINE_COMPAT_H
#define _MAINLINE_COMPAT_H
#if defined(__KERNEL__) && !defined(__ASSEMBLY__)
#include <linux/dax.h>

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

/* Benchmarks take no device away */
static inline void dax_unmap_super(struct super_block *sb)
{
}

#endif
#endif /* _MAINLINE_COMPAT_H */
