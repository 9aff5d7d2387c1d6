/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * User space interface of the dax test modules.
 *
 * daxtest_fs is a filesystem whose files are lists of (device, offset,
 * length) that user space hands in; daxtest_probe does from user space what
 * otherwise only a filesystem in the kernel can do with a dax device.
 */
#ifndef _DAXTEST_H
#define _DAXTEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DAXTEST_SUPER_MAGIC	0x64617874	/* "daxt" */
#define DAXTEST_BLOCK		4096		/* unit of every extent */
#define DAXTEST_MAX_EXTENTS	4096
#define DAXTEST_MAX_DEVS	32

/*
 * The layout of a file
 *
 * A file is made empty with creat(2) and gets its layout once, by
 * DAXTEST_IOC_SET_LAYOUT on a file descriptor open for writing. @size becomes
 * the size of the file and is the most that truncate(2) can grow it to again
 * within the layout. Device 0 is the mount's source, 1 and up are its
 * daxdev= options in their order.
 *
 * DAXTEST_SIMPLE: the extents follow each other in the file; @chunk is 0.
 * DAXTEST_STRIPE: the extents are strips of equal standing, the file takes
 *	@chunk bytes from each of them in turn; @chunk is a power of two.
 *
 * Errors of SET_LAYOUT:
 *  EBADF	not open for writing
 *  EEXIST	the file has a layout
 *  EPROTONOSUPPORT  unknown @version
 *  EINVAL	unknown type or flag, non-zero reserved field, no extents, an
 *		extent or @chunk that is zero or not aligned, @size zero or
 *		more than the extents hold
 *  E2BIG	more than DAXTEST_MAX_EXTENTS
 *  ENODEV	no such device in this mount
 *  ERANGE	an extent that reaches past its device
 *  EBUSY	an extent that overlaps another one, of this or another file
 *  EIO		the device is lost
 *
 * DAXTEST_IOC_GET_LAYOUT fills in the header, and as many extents as the
 * caller's @count has room for; @count becomes the real number. ENODATA if
 * the file has no layout.
 */
#define DAXTEST_LAYOUT_VERSION	1

enum daxtest_layout_type {
	DAXTEST_SIMPLE = 0,
	DAXTEST_STRIPE = 1,
};

/*
 * Several files may own the same extent if all of them say so. Such files are
 * read only. A file that comes late does not ask the others, which may have
 * written to the extent, as a careless filesystem would allow.
 */
#define DAXTEST_LAYOUT_SHARED	0x1
#define DAXTEST_LAYOUT_LATE	0x2	/* with DAXTEST_LAYOUT_SHARED */

struct daxtest_extent {
	__u32 dev;
	__u32 reserved;
	__u64 offset;		/* in the device, in bytes */
	__u64 len;
};

struct daxtest_layout {
	__u32 version;
	__u32 type;		/* enum daxtest_layout_type */
	__u32 flags;
	__u32 count;
	__u64 size;
	__u64 chunk;
	__u64 extents;		/* address of struct daxtest_extent[count] */
};

#define DAXTEST_IOC_SET_LAYOUT	_IOW('x', 0x40, struct daxtest_layout)
#define DAXTEST_IOC_GET_LAYOUT	_IOWR('x', 0x41, struct daxtest_layout)

/*
 * /dev/daxtest_probe
 *
 * Every ioctl takes a struct daxtest_probe. The ioctl fails only for calls
 * that make no sense (EINVAL, EFAULT, ENOMEM); the result of the kernel
 * function under test stands in @result.
 *
 * A slot is a would-be filesystem: an object that holds one device at a time
 * as a holder does, counts the notifications it gets, and is freed right
 * after its fs_put_dax().
 *
 * LOOKUP  devt: result 0 if dax_dev_get() finds a device, -ENOENT if not
 * GET     slot, devt, flags: fs_dax_get(); out[0]: it is ours now
 * PUT     slot: fs_put_dax(); -ENOENT if the slot is free
 * STAT    slot: out[0..5] memory failures, removals, other notifications,
 *	   offset, length and flags of the last one; -ENOENT if it is free
 * The following act on the device of a slot, or on one that is looked up by
 * devt for the time of the call if @slot is DAXTEST_NO_SLOT.
 * ACCESS  pgoff, nr, flags: dax_direct_access(); out[0] pfn, out[1] set if
 *	   an address was given, out[2] set if address and pfn belong together
 * BENCH   pgoff, nr, count: ACCESS count times; out[0] the nanoseconds
 * ZERO    pgoff, nr: dax_zero_page_range()
 * RECOVER pgoff, len bytes at addr: dax_recovery_write()
 * SIZE    out[0]: dax_dev_size()
 * POISON  pgoff: memory_failure() on that page; out[0] the pfn
 * GETPUT  count: a holder that is in no slot gets the device, and after so many
 *	   microseconds puts it, and is freed; result is that of fs_dax_get(),
 *	   out[0..1] the memory failures and removals it has heard of, out[2]
 *	   set if it heard of one just then
 * PAGES   start, end (physical addresses, end included), no device: the
 *	   struct pages that a live dev_pagemap covers; out[] is indexed by
 *	   enum daxtest_pages
 * STALL   nr: an enum daxtest_stall: the next time that the caller comes to
 *	   that point in the kernel it stays there for a minute, or until
 *	   somebody calls with 0. The caller must keep the file open until then.
 * STALLED out[0]: the state of it, an enum daxtest_stalled
 * REFER   nr: take a reference on the dev_pagemap of that page frame, and keep it
 *	   until the next call; 0 for none. -ENOENT if there is no dev_pagemap.
 */
#define DAXTEST_NO_SLOT		(~0U)
#define DAXTEST_SLOTS		64

#define DAXTEST_GET_NULL_HOLDER	0x1
#define DAXTEST_GET_NULL_DEV	0x2
#define DAXTEST_ACCESS_RECOVERY	0x4	/* DAX_RECOVERY_WRITE mode */

enum daxtest_pages {
	DAXTEST_PG_SEEN,
	DAXTEST_PG_NO_PGMAP,	/* nobody maps this page */
	DAXTEST_PG_NOT_DEVICE,	/* not in ZONE_DEVICE */
	DAXTEST_PG_NOT_FSDAX,	/* another dev_pagemap type */
	DAXTEST_PG_LARGE,	/* head or tail of a large folio */
	DAXTEST_PG_REF,
	DAXTEST_PG_MAPCOUNT,
	DAXTEST_PG_MAPPING,
	DAXTEST_PG_SHARE,	/* share count or index */
	DAXTEST_PG_HWPOISON,
	DAXTEST_PG_FLAGS,	/* locked, writeback, lru, active, private */
	DAXTEST_PG_IN_FILE,	/* head page with a mapping, counted above or not */
	DAXTEST_PG_FIRST_BAD,	/* lowest pfn that counts above from LARGE on */
	DAXTEST_PG_NR
};

/* Where a fault can be held up, in fs/dax.c */
enum daxtest_stall {
	DAXTEST_STALL_ENTRY = 1,	/* about to put a page into the file */
	DAXTEST_STALL_PTE,		/* about to make a page table entry */
	DAXTEST_STALL_PMD,
	DAXTEST_STALL_SYNC,		/* MAP_SYNC: in between */
	DAXTEST_STALL_BEGIN,		/* asks daxtest_fs where the page is */
};

enum daxtest_stalled {
	DAXTEST_STALLED_NONE,	/* nobody was to be held up */
	DAXTEST_STALLED_ARMED,	/* it has not come there */
	DAXTEST_STALLED_THERE,
	DAXTEST_STALLED_DONE,	/* it went on */
};

struct daxtest_probe {
	__u32 slot;
	__u32 flags;
	__u32 major;
	__u32 minor;
	__u64 pgoff;
	__u64 nr;
	__u64 count;
	__u64 start;
	__u64 end;
	__u64 addr;
	__u64 len;
	__s64 result;
	__u64 out[16];
};

#define DAXTEST_PROBE_LOOKUP	_IOWR('x', 0x50, struct daxtest_probe)
#define DAXTEST_PROBE_GET	_IOWR('x', 0x51, struct daxtest_probe)
#define DAXTEST_PROBE_PUT	_IOWR('x', 0x52, struct daxtest_probe)
#define DAXTEST_PROBE_STAT	_IOWR('x', 0x53, struct daxtest_probe)
#define DAXTEST_PROBE_ACCESS	_IOWR('x', 0x54, struct daxtest_probe)
#define DAXTEST_PROBE_BENCH	_IOWR('x', 0x55, struct daxtest_probe)
#define DAXTEST_PROBE_ZERO	_IOWR('x', 0x56, struct daxtest_probe)
#define DAXTEST_PROBE_RECOVER	_IOWR('x', 0x57, struct daxtest_probe)
#define DAXTEST_PROBE_SIZE	_IOWR('x', 0x58, struct daxtest_probe)
#define DAXTEST_PROBE_POISON	_IOWR('x', 0x59, struct daxtest_probe)
#define DAXTEST_PROBE_PAGES	_IOWR('x', 0x5a, struct daxtest_probe)
#define DAXTEST_PROBE_STALL	_IOWR('x', 0x5b, struct daxtest_probe)
#define DAXTEST_PROBE_STALLED	_IOWR('x', 0x5c, struct daxtest_probe)
#define DAXTEST_PROBE_GETPUT	_IOWR('x', 0x5d, struct daxtest_probe)
#define DAXTEST_PROBE_REFER	_IOWR('x', 0x5e, struct daxtest_probe)

#endif /* _DAXTEST_H */
