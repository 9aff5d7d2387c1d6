// SPDX-License-Identifier: GPL-2.0
/*
 * daxtest_probe: the kernel's side of a dax device, driven from user space
 *
 * See daxtest.h for what /dev/daxtest_probe can do.
 */
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/dax.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/huge_mm.h>
#include <linux/iomap.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/memremap.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include "daxtest.h"

/* A would-be filesystem, which is freed as soon as it has put its device. */
#define DTP_MAGIC	0x6461787072ULL

struct dtp_holder {
	u64 magic;		/* DTP_MAGIC << 24, and a number of its own */
	struct dax_device *dax_dev;
	atomic_t hearing;	/* notifications that run */
	bool slow;		/* they take long enough for a put to come */
	atomic64_t failures;
	atomic64_t removals;
	atomic64_t others;
	u64 offset;
	u64 len;
	int flags;
};

static struct {
	struct mutex lock;	/* get and put of this slot */
	struct dtp_holder *holder;
} dtp_slots[DAXTEST_SLOTS];

static struct dtp_holder *dtp_alloc(struct dax_device *dax_dev)
{
	static atomic_t number;
	struct dtp_holder *holder = kzalloc_obj(*holder);

	if (!holder)
		return NULL;
	holder->magic = DTP_MAGIC << 24 |
			(atomic_inc_return(&number) & GENMASK(23, 0));
	holder->dax_dev = dax_dev;
	return holder;
}

/*
 * Overwrite the holder before it is freed, so that a late notification shows.
 */
static void dtp_free(struct dtp_holder *holder)
{
	if (holder)
		memset(holder, 0x6b, sizeof(*holder));
	kfree(holder);
}

static int dtp_notify(struct dax_device *dax_dev, u64 offset, u64 len,
		      int mf_flags)
{
	struct dtp_holder *holder = dax_holder(dax_dev);
	u64 magic;

	if (WARN_ON_ONCE(!holder))
		return -EOPNOTSUPP;
	magic = READ_ONCE(holder->magic);
	if (WARN_ON_ONCE(magic >> 24 != DTP_MAGIC ||
			 holder->dax_dev != dax_dev))
		return -EOPNOTSUPP;
	atomic_inc(&holder->hearing);
	WRITE_ONCE(holder->offset, offset);
	WRITE_ONCE(holder->len, len);
	WRITE_ONCE(holder->flags, mf_flags);
	if (!(mf_flags & MF_MEM_PRE_REMOVE))
		atomic64_inc(&holder->failures);
	else if (!offset && len == U64_MAX)
		atomic64_inc(&holder->removals);
	else
		atomic64_inc(&holder->others);
	if (holder->slow)
		fsleep(100);
	/* neither freed meanwhile, nor another one in its place */
	if (WARN_ON_ONCE(READ_ONCE(holder->magic) != magic))
		return -EOPNOTSUPP;
	atomic_dec(&holder->hearing);
	return 0;
}

static const struct dax_holder_operations dtp_ops = {
	.notify_failure = dtp_notify,
};

static struct dax_device *dtp_lookup(const struct daxtest_probe *p)
{
	return dax_dev_get(MKDEV(p->major, p->minor));
}

static int dtp_get(struct daxtest_probe *p)
{
	struct dax_device *dax_dev = NULL;
	struct dtp_holder *holder;

	if (dtp_slots[p->slot].holder)
		return -EEXIST;
	if (!(p->flags & DAXTEST_GET_NULL_DEV)) {
		dax_dev = dtp_lookup(p);
		if (!dax_dev) {
			p->result = -ENOENT;
			return 0;
		}
	}
	holder = dtp_alloc(dax_dev);
	if (!holder) {
		put_dax(dax_dev);
		return -ENOMEM;
	}

	if (p->flags & DAXTEST_GET_NULL_HOLDER)
		p->result = fs_dax_get(dax_dev, NULL, &dtp_ops);
	else
		p->result = fs_dax_get(dax_dev, holder, &dtp_ops);
	put_dax(dax_dev);
	if (p->result || p->flags & DAXTEST_GET_NULL_HOLDER) {
		dtp_free(holder);
		return 0;
	}
	p->out[0] = dax_holder(dax_dev) == holder;
	dtp_slots[p->slot].holder = holder;
	return 0;
}

static int dtp_put(struct daxtest_probe *p)
{
	struct dtp_holder *holder = dtp_slots[p->slot].holder;

	if (!holder) {
		p->result = -ENOENT;
		return 0;
	}
	dtp_slots[p->slot].holder = NULL;
	fs_put_dax(holder->dax_dev, holder);
	dtp_free(holder);
	return 0;
}

/* A holder that is gone again at once, also while it is being notified */
static int dtp_getput(struct dax_device *dax_dev, struct daxtest_probe *p)
{
	struct dtp_holder *holder = dtp_alloc(dax_dev);

	if (!holder)
		return -ENOMEM;
	holder->slow = true;
	p->result = fs_dax_get(dax_dev, holder, &dtp_ops);
	if (!p->result) {
		fsleep(min(p->count, USEC_PER_SEC));
		p->out[2] = atomic_read(&holder->hearing);
		fs_put_dax(dax_dev, holder);
		p->out[0] = atomic64_read(&holder->failures);
		p->out[1] = atomic64_read(&holder->removals);
	}
	dtp_free(holder);
	return 0;
}

static int dtp_stat(struct daxtest_probe *p)
{
	struct dtp_holder *holder = dtp_slots[p->slot].holder;

	if (!holder) {
		p->result = -ENOENT;
		return 0;
	}
	p->out[0] = atomic64_read(&holder->failures);
	p->out[1] = atomic64_read(&holder->removals);
	p->out[2] = atomic64_read(&holder->others);
	p->out[3] = READ_ONCE(holder->offset);
	p->out[4] = READ_ONCE(holder->len);
	p->out[5] = READ_ONCE(holder->flags);
	return 0;
}

static long dtp_direct_access(struct dax_device *dax_dev,
			      const struct daxtest_probe *p, void **kaddr,
			      unsigned long *pfn)
{
	enum dax_access_mode mode = DAX_ACCESS;
	long rc;
	int id;

	if (p->flags & DAXTEST_ACCESS_RECOVERY)
		mode = DAX_RECOVERY_WRITE;
	id = dax_read_lock();
	rc = dax_direct_access(dax_dev, p->pgoff, p->nr, mode, kaddr, pfn);
	dax_read_unlock(id);
	return rc;
}

static int dtp_access(struct dax_device *dax_dev, struct daxtest_probe *p)
{
	unsigned long pfn = 0;
	void *kaddr = NULL;

	p->result = dtp_direct_access(dax_dev, p, &kaddr, &pfn);
	p->out[0] = pfn;
	p->out[1] = kaddr ? 1 : 0;
	p->out[2] = kaddr && kaddr == __va(PFN_PHYS(pfn));
	return 0;
}

/* Calls in a read section, as the cost of that is not measured */
static int dtp_bench(struct dax_device *dax_dev, struct daxtest_probe *p)
{
	u64 i = 0, start = ktime_get_ns();
	unsigned long pfn;
	void *kaddr;

	while (i < p->count) {
		int id = dax_read_lock();

		do {
			p->result = dax_direct_access(dax_dev, p->pgoff, p->nr,
						      DAX_ACCESS, &kaddr, &pfn);
		} while (p->result >= 0 && ++i < p->count && i % 1024);
		dax_read_unlock(id);
		if (p->result < 0 || fatal_signal_pending(current))
			break;
		cond_resched();
	}
	p->out[0] = ktime_get_ns() - start;
	p->out[1] = i;
	return 0;
}

static int dtp_zero(struct dax_device *dax_dev, struct daxtest_probe *p)
{
	int id;

	id = dax_read_lock();
	p->result = dax_zero_page_range(dax_dev, p->pgoff, p->nr);
	dax_read_unlock(id);
	return 0;
}

static int dtp_recover(struct dax_device *dax_dev, struct daxtest_probe *p)
{
	void *buf __free(kvfree) = NULL;
	struct iov_iter iter;
	struct kvec kvec;
	void *kaddr;
	int id;

	if (!p->len || p->len > SZ_64M)
		return -EINVAL;
	buf = vmemdup_user(u64_to_user_ptr(p->addr), p->len);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	kvec.iov_base = buf;
	kvec.iov_len = p->len;
	iov_iter_kvec(&iter, ITER_SOURCE, &kvec, 1, p->len);

	id = dax_read_lock();
	p->result = dax_direct_access(dax_dev, p->pgoff,
				      DIV_ROUND_UP(p->len, PAGE_SIZE),
				      DAX_RECOVERY_WRITE, &kaddr, NULL);
	if (p->result >= 0)
		p->result = dax_recovery_write(dax_dev, p->pgoff, kaddr,
					       p->len, &iter);
	dax_read_unlock(id);
	/* the caller goes on with what was not written */
	if (p->result >= 0 && iov_iter_count(&iter) != p->len - p->result)
		return -EPROTO;
	return 0;
}

static int dtp_size(struct dax_device *dax_dev, struct daxtest_probe *p)
{
	p->out[0] = dax_dev_size(dax_dev);
	return 0;
}

static int dtp_poison(struct dax_device *dax_dev, struct daxtest_probe *p)
{
	unsigned long pfn;
	void *kaddr;
	long rc;

	p->nr = 1;
	p->flags |= DAXTEST_ACCESS_RECOVERY;
	rc = dtp_direct_access(dax_dev, p, &kaddr, &pfn);
	if (rc < 0) {
		p->result = rc;
		return 0;
	}
	p->out[0] = pfn;
	p->result = memory_failure(pfn, MF_SW_SIMULATED);
	return 0;
}

/*
 * Flags that no page of a device that nobody uses may have. Unmapping leaves
 * PG_referenced and PG_dirty behind, which mean nothing here.
 */
#define DTP_BAD_FLAGS	(BIT(PG_locked) | BIT(PG_writeback) | BIT(PG_lru) | \
			 BIT(PG_active) | BIT(PG_private))

static void dtp_check_page(struct daxtest_probe *p, const struct page *page)
{
	const struct folio *folio = (const struct folio *)page;
	bool bad = true;

	if (!is_zone_device_page(page)) {
		p->out[DAXTEST_PG_NOT_DEVICE]++;
		return;
	}
	if (page_pgmap(page)->type != MEMORY_DEVICE_FS_DAX)
		p->out[DAXTEST_PG_NOT_FSDAX]++;
	if (!PageTail(page) && folio->mapping)
		p->out[DAXTEST_PG_IN_FILE]++;
	/* the other words of a tail page belong to the folio */
	if (PageCompound(page))
		p->out[DAXTEST_PG_LARGE]++;
	else if (page_ref_count(page))
		p->out[DAXTEST_PG_REF]++;
	else if (atomic_read(&page->_mapcount) != -1)
		p->out[DAXTEST_PG_MAPCOUNT]++;
	else if (folio->mapping)
		p->out[DAXTEST_PG_MAPPING]++;
	else if (folio->share)
		p->out[DAXTEST_PG_SHARE]++;
	else if (PageHWPoison(page))
		p->out[DAXTEST_PG_HWPOISON]++;
	else if (page->flags.f & DTP_BAD_FLAGS)
		p->out[DAXTEST_PG_FLAGS]++;
	else
		bad = false;
	if (bad && !p->out[DAXTEST_PG_FIRST_BAD])
		p->out[DAXTEST_PG_FIRST_BAD] = page_to_pfn(page);
}

static int dtp_pages(struct daxtest_probe *p)
{
	unsigned long pfn, last = PHYS_PFN(p->end);

	if (p->end < p->start)
		return -EINVAL;
	for (pfn = PHYS_PFN(p->start); pfn <= last; pfn++) {
		struct dev_pagemap *pgmap = get_dev_pagemap(pfn);

		p->out[DAXTEST_PG_SEEN]++;
		if (pgmap) {
			dtp_check_page(p, pfn_to_page(pfn));
			put_dev_pagemap(pgmap);
		} else {
			p->out[DAXTEST_PG_NO_PGMAP]++;
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/*
 * A task that is to be held up where an unbind must not overtake it. The probe
 * sends it through a function of ours, which sleeps, and then calls what the
 * task was about to call. The detour is taken once, so the function proper can
 * be called by its name.
 */
static DEFINE_MUTEX(dtp_stall_lock);
static struct {
	struct completion go;
	struct task_struct *task;	/* only compared with current */
	int state;			/* enum daxtest_stalled */
	struct kprobe *armed;
} dtp_stall = {
	.go = COMPLETION_INITIALIZER(dtp_stall.go),
};

static void dtp_stay(void)
{
	WRITE_ONCE(dtp_stall.state, DAXTEST_STALLED_THERE);
	wait_for_completion_timeout(&dtp_stall.go, 60 * HZ);
	WRITE_ONCE(dtp_stall.state, DAXTEST_STALLED_DONE);
}

static void dtp_mark_inode_dirty(struct inode *inode, int flags)
{
	dtp_stay();
	__mark_inode_dirty(inode, flags);
}

static vm_fault_t dtp_insert_page(struct vm_fault *vmf, struct page *page,
				  bool write)
{
	dtp_stay();
	return vmf_insert_page_mkwrite(vmf, page, write);
}

static vm_fault_t dtp_insert_folio(struct vm_fault *vmf, struct folio *folio,
				   bool write)
{
	dtp_stay();
	return vmf_insert_folio_pmd(vmf, folio, write);
}

static int dtp_fsync_range(struct file *file, loff_t start, loff_t end,
			   int datasync)
{
	dtp_stay();
	return vfs_fsync_range(file, start, end, datasync);
}

/* The function proper cannot be called from here, so the fault fails. */
static int dtp_iomap_begin(struct inode *inode, loff_t pos, loff_t len,
			   unsigned int flags, struct iomap *iomap,
			   struct iomap *srcmap)
{
	dtp_stay();
	return -EIO;
}

static struct dtp_stall_point {
	struct kprobe kp;
	const char *symbol;
	void *instead;
	bool dirty;	/* only when a fault makes the inode dirty */
} dtp_stall_points[] = {
	[DAXTEST_STALL_ENTRY] = {
		.symbol = "__mark_inode_dirty",
		.instead = dtp_mark_inode_dirty,
		.dirty = true,
	},
	[DAXTEST_STALL_PTE] = {
		.symbol = "vmf_insert_page_mkwrite",
		.instead = dtp_insert_page,
	},
	[DAXTEST_STALL_PMD] = {
		.symbol = "vmf_insert_folio_pmd",
		.instead = dtp_insert_folio,
	},
	[DAXTEST_STALL_SYNC] = {
		.symbol = "vfs_fsync_range",
		.instead = dtp_fsync_range,
	},
	[DAXTEST_STALL_BEGIN] = {
		.symbol = "dt_iomap_begin",
		.instead = dtp_iomap_begin,
	},
};

static int dtp_divert(struct kprobe *kp, struct pt_regs *regs)
{
	struct dtp_stall_point *point = container_of(kp, typeof(*point), kp);

	if (READ_ONCE(dtp_stall.task) != current)
		return 0;
	/* it does so for its new time stamps, too */
	if (point->dirty && regs_get_kernel_argument(regs, 1) != I_DIRTY_PAGES)
		return 0;
	WRITE_ONCE(dtp_stall.task, NULL);
	instruction_pointer_set(regs, (unsigned long)point->instead);
	return 1;
}
NOKPROBE_SYMBOL(dtp_divert);

/* Disarm the probe, and let the task that is held up go on */
static void dtp_stall_end(void)
{
	lockdep_assert_held(&dtp_stall_lock);
	if (!dtp_stall.armed)
		return;
	unregister_kprobe(dtp_stall.armed);
	dtp_stall.armed = NULL;
	WRITE_ONCE(dtp_stall.task, NULL);
	complete_all(&dtp_stall.go);
}

static int dtp_stall_at(struct daxtest_probe *p)
{
	struct dtp_stall_point *point;

	if (p->nr >= ARRAY_SIZE(dtp_stall_points))
		return -EINVAL;

	guard(mutex)(&dtp_stall_lock);
	dtp_stall_end();
	if (!p->nr)
		return 0;
	if (READ_ONCE(dtp_stall.state) == DAXTEST_STALLED_THERE)
		return -EBUSY;

	point = &dtp_stall_points[p->nr];
	point->kp = (struct kprobe) {
		.symbol_name = point->symbol,
		.pre_handler = dtp_divert,
	};
	reinit_completion(&dtp_stall.go);
	WRITE_ONCE(dtp_stall.state, DAXTEST_STALLED_ARMED);
	WRITE_ONCE(dtp_stall.task, current);
	p->result = register_kprobe(&point->kp);
	if (p->result)
		WRITE_ONCE(dtp_stall.task, NULL);
	else
		dtp_stall.armed = &point->kp;
	return 0;
}

/* Somebody who looks at memory, and keeps its driver from letting go of it */
static int dtp_refer(struct daxtest_probe *p)
{
	static DEFINE_MUTEX(lock);
	static struct dev_pagemap *pgmap;

	guard(mutex)(&lock);
	put_dev_pagemap(pgmap);
	pgmap = p->nr ? get_dev_pagemap(p->nr) : NULL;
	if (p->nr && !pgmap)
		p->result = -ENOENT;
	return 0;
}

/* Acts on the device of a slot, or on one found by its number */
static int dtp_on_device(struct daxtest_probe *p,
			 int (*fn)(struct dax_device *, struct daxtest_probe *))
{
	struct dax_device *dax_dev;
	int rc;

	if (p->slot != DAXTEST_NO_SLOT) {
		if (p->slot >= DAXTEST_SLOTS)
			return -EINVAL;
		guard(mutex)(&dtp_slots[p->slot].lock);
		if (!dtp_slots[p->slot].holder) {
			p->result = -ENOENT;
			return 0;
		}
		return fn(dtp_slots[p->slot].holder->dax_dev, p);
	}

	dax_dev = dtp_lookup(p);
	if (!dax_dev) {
		p->result = -ENOENT;
		return 0;
	}
	rc = fn(dax_dev, p);
	put_dax(dax_dev);
	return rc;
}

static int dtp_on_slot(struct daxtest_probe *p,
		       int (*fn)(struct daxtest_probe *))
{
	if (p->slot >= DAXTEST_SLOTS)
		return -EINVAL;
	guard(mutex)(&dtp_slots[p->slot].lock);
	return fn(p);
}

static int dtp_find(struct daxtest_probe *p)
{
	struct dax_device *dax_dev = dtp_lookup(p);

	p->result = dax_dev ? 0 : -ENOENT;
	if (dax_dev)
		put_dax(dax_dev);
	return 0;
}

static int dtp_do(unsigned int cmd, struct daxtest_probe *p)
{
	switch (cmd) {
	case DAXTEST_PROBE_LOOKUP:
		return dtp_find(p);
	case DAXTEST_PROBE_GET:
		return dtp_on_slot(p, dtp_get);
	case DAXTEST_PROBE_PUT:
		return dtp_on_slot(p, dtp_put);
	case DAXTEST_PROBE_STAT:
		return dtp_on_slot(p, dtp_stat);
	case DAXTEST_PROBE_ACCESS:
		return dtp_on_device(p, dtp_access);
	case DAXTEST_PROBE_BENCH:
		return dtp_on_device(p, dtp_bench);
	case DAXTEST_PROBE_ZERO:
		return dtp_on_device(p, dtp_zero);
	case DAXTEST_PROBE_RECOVER:
		return dtp_on_device(p, dtp_recover);
	case DAXTEST_PROBE_SIZE:
		return dtp_on_device(p, dtp_size);
	case DAXTEST_PROBE_POISON:
		return dtp_on_device(p, dtp_poison);
	case DAXTEST_PROBE_GETPUT:
		return dtp_on_device(p, dtp_getput);
	case DAXTEST_PROBE_PAGES:
		return dtp_pages(p);
	case DAXTEST_PROBE_STALL:
		return dtp_stall_at(p);
	case DAXTEST_PROBE_STALLED:
		p->out[0] = READ_ONCE(dtp_stall.state);
		return 0;
	case DAXTEST_PROBE_REFER:
		return dtp_refer(p);
	}
	return -ENOTTY;
}

static long dtp_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct daxtest_probe p;
	int rc;

	if (_IOC_TYPE(cmd) != 'x' || _IOC_SIZE(cmd) != sizeof(p))
		return -ENOTTY;
	if (copy_from_user(&p, user, sizeof(p)))
		return -EFAULT;
	p.result = 0;
	memset(p.out, 0, sizeof(p.out));
	rc = dtp_do(cmd, &p);
	if (rc)
		return rc;
	return copy_to_user(user, &p, sizeof(p)) ? -EFAULT : 0;
}

static const struct file_operations dtp_fops = {
	.owner		= THIS_MODULE,
	.open		= nonseekable_open,
	.unlocked_ioctl	= dtp_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice dtp_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "daxtest_probe",
	.fops	= &dtp_fops,
	.mode	= 0600,
};

static int __init dtp_init(void)
{
	int i;

	for (i = 0; i < DAXTEST_SLOTS; i++)
		mutex_init(&dtp_slots[i].lock);
	return misc_register(&dtp_misc);
}

static void __exit dtp_exit(void)
{
	struct daxtest_probe p = {};

	misc_deregister(&dtp_misc);
	scoped_guard(mutex, &dtp_stall_lock)
		dtp_stall_end();
	dtp_refer(&p);
	for (p.slot = 0; p.slot < DAXTEST_SLOTS; p.slot++)
		dtp_put(&p);
}

module_init(dtp_init);
module_exit(dtp_exit);
MODULE_DESCRIPTION("Access to dax devices for tests, as the kernel has it");
MODULE_LICENSE("GPL");
