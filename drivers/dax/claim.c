// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: State and claim
 *
 * The state of a dax device says what the device can do. Its driver moves it:
 *
 * ===============  ==========  ===================  ===============
 * state            operations  a claim is answered  entered by
 * ===============  ==========  ===================  ===============
 * DAX_STATE_DEAD   -ENXIO      -ENODEV              kill_dax()
 * DAX_STATE_BOUND  -ENXIO      -EOPNOTSUPP          dax_set_bound()
 * DAX_STATE_LIVE   work        0 or -EBUSY          run_dax()
 * DAX_STATE_DYING  work        -ENODEV              kill_dax()
 * ===============  ==========  ===================  ===============
 *
 * DAX_STATE_BOUND is for drivers that use the memory without dax (kmem).
 * DAX_STATE_DYING lasts as long as the holder needs to let go: the holder may
 * still use the device to that end, but the device takes no new claim.
 *
 * The claim says which filesystem or mapped device owns the device::
 *
 *	DAX_CLAIM_FREE -- get --> DAX_CLAIM_HELD -- put --> DAX_CLAIM_LEAVING
 *	   ^                         |                        |     ^
 *	   |                    kill_dax()                    |     |
 *	   |                         v                        |     |
 *	   |                      DAX_CLAIM_LOST --- put -----)-----'
 *	   '------------ no notification runs any more -------'
 *
 * State and claim are independent: a lost claim stays until its holder puts it,
 * whatever driver the device has by then.
 *
 * Locking: dax_device::lock protects state, claim, holder_data, holder_ops,
 * holder_name, holder_lost, dev, holder_kn, notifying and revoker. The holder is
 * never called under it, and of other locks only those of a wait queue and of
 * sysfs_notify_dirent() are taken. The count of notifications keeps the holder
 * alive while it is called: fs_put_dax() waits until no notification runs, and
 * so does kill_dax().
 *
 * Operations take no lock: they test DAXDEV_ALIVE under dax_dev_read_lock() or
 * dax_read_lock(), and kill_dax() waits for them after it has cleared the flag.
 * A section of dax_dev_read_lock() belongs to one device, and may take as long
 * as the memory needs; all devices wait for a section of dax_read_lock().
 *
 * tools/testing/dax/model/claim.pml is a model of all this.
 */
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/ctype.h>
#include <linux/dax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/wait_bit.h>
#include "dax-private.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* The one place where the state changes. */
static void dax_set_state(struct dax_device *dax_dev, enum dax_state state)
{
	lockdep_assert_held(&dax_dev->lock);

	trace_dax_state(dax_dev, dax_dev->state, state);
	dax_dev->state = state;
	/* order earlier stores before the flag; pairs with dax_alive() */
	smp_mb__before_atomic();
	assign_bit(DAXDEV_ALIVE, &dax_dev->flags,
		   state == DAX_STATE_LIVE || state == DAX_STATE_DYING);
}

/* The one place where the claim changes. */
static void dax_set_claim(struct dax_device *dax_dev, enum dax_claim claim)
{
	lockdep_assert_held(&dax_dev->lock);

	trace_dax_claim(dax_dev, dax_dev->claim, claim);
	dax_dev->claim = claim;
	if (claim == DAX_CLAIM_FREE) {
		WRITE_ONCE(dax_dev->holder_data, NULL);
		dax_dev->holder_ops = NULL;
		dax_dev->holder_name[0] = '\0';
		dax_dev->holder_lost = false;
	}
	if (claim == DAX_CLAIM_LOST)
		dax_dev->holder_lost = true;
	/* leaving takes a moment: pollers are told when the claim is free */
	if (dax_dev->holder_kn && claim != DAX_CLAIM_LEAVING)
		sysfs_notify_dirent(dax_dev->holder_kn);
}

/*
 * Take the claim, or a mere reference if there is no @holder. The caller, or
 * the driver that will kill the device, has a reference on it. Success takes
 * another one.
 */
static int dax_take_claim(struct dax_device *dax_dev, void *holder,
			  const struct dax_holder_operations *ops)
{
	lockdep_assert_held(&dax_dev->lock);

	if (dax_dev->state != DAX_STATE_LIVE)
		return -ENODEV;
	if (holder && dax_dev->claim != DAX_CLAIM_FREE)
		return -EBUSY;

	ihold(&dax_dev->inode);
	if (!holder)
		return 0;

	WRITE_ONCE(dax_dev->holder_data, holder);
	dax_dev->holder_ops = ops;
	dax_set_claim(dax_dev, DAX_CLAIM_HELD);
	return 0;
}

/*
 * Count a notification in, so that the holder stays until it is counted out.
 * Return: the operations to call, NULL if they have no handler.
 */
static const struct dax_holder_operations *
dax_notify_begin(struct dax_device *dax_dev)
{
	const struct dax_holder_operations *ops = dax_dev->holder_ops;

	lockdep_assert_held(&dax_dev->lock);

	if (!ops || !ops->notify_failure)
		return NULL;
	dax_dev->notifying++;
	return ops;
}

static void dax_notify_end(struct dax_device *dax_dev)
{
	guard(spinlock)(&dax_dev->lock);
	dax_dev->notifying--;
	wake_up_var_locked(&dax_dev->notifying, &dax_dev->lock);
}

/**
 * dax_holder_emit() - show who has the claim on a dax device
 * @dax_dev: the device
 * @parked: whether its memory is still pinned, so that no driver can bind it
 * @buf: buffer of an attribute in sysfs
 *
 * Return: the number of bytes in @buf.
 */
ssize_t dax_holder_emit(struct dax_device *dax_dev, bool parked, char *buf)
{
	const char *name = dax_dev->holder_name;

	guard(spinlock)(&dax_dev->lock);
	if (dax_dev->claim == DAX_CLAIM_FREE)
		return sysfs_emit(buf, parked ? "parked\n" : "free\n");
	return sysfs_emit(buf, "%s%s%s\n",
			  dax_dev->holder_lost ? "lost" : "held",
			  *name ? " " : "", name);
}
EXPORT_SYMBOL_IF_KUNIT(dax_holder_emit);

/**
 * dax_holder_attach() - tell those who poll the claim of its changes
 * @dax_dev: the device
 * @dev: device with a 'holder' attribute, which is in sysfs already
 */
void dax_holder_attach(struct dax_device *dax_dev, struct device *dev)
{
	struct kernfs_node *kn = sysfs_get_dirent(dev->kobj.sd, "holder");

	guard(spinlock)(&dax_dev->lock);
	dax_dev->dev = dev;
	dax_dev->holder_kn = kn;
}

/**
 * dax_holder_detach() - undo dax_holder_attach()
 * @dax_dev: the device, which may have a holder that lost it
 */
void dax_holder_detach(struct dax_device *dax_dev)
{
	struct kernfs_node *kn;

	scoped_guard(spinlock, &dax_dev->lock) {
		kn = dax_dev->holder_kn;
		dax_dev->holder_kn = NULL;
		dax_dev->dev = NULL;
	}
	sysfs_put(kn);
}

#if IS_ENABLED(CONFIG_FS_DAX)

/* The name goes into a line of text, whatever a user called the source. */
static void dax_ask_name(void *holder, const struct dax_holder_operations *ops,
			 char *name)
{
	name[0] = '\0';
	if (!ops || !ops->name)
		return;
	ops->name(holder, name, DAX_HOLDER_NAME_LEN);
	for (; *name; name++)
		if (iscntrl(*name))
			*name = '?';
}

/**
 * fs_dax_get() - claim a character dax device for a filesystem
 * @dax_dev: device to claim, as found by dax_dev_get()
 * @holder: the claimant, not NULL; dax_holder() returns this pointer
 * @ops: how to tell the holder of failures, may be NULL
 *
 * The claim is exclusive, and comes with a reference on @dax_dev of its own.
 * Both last until fs_put_dax(), even if the device goes away earlier: then
 * @ops->notify_failure() is called once with %MF_MEM_PRE_REMOVE for the range
 * (0, U64_MAX) and the holder should drop all its mappings, see
 * dax_unmap_super(), and still call fs_put_dax() when it is done.
 *
 * Context: process context. Takes no device_lock(), so it may be called under
 * locks that a notify_failure() handler takes.
 * Return:
 * * %0 - the device is claimed
 * * %-EINVAL - @holder is NULL
 * * %-ENODEV - there is no device, or no driver is bound to it
 * * %-EOPNOTSUPP - the device is not in famfs mode (another driver is bound),
 *   or is not a character dax device at all
 * * %-EBUSY - somebody has claimed it; compare dax_holder() to see who
 */
int fs_dax_get(struct dax_device *dax_dev, void *holder,
	       const struct dax_holder_operations *ops)
{
	char name[DAX_HOLDER_NAME_LEN];
	int rc;

	if (!holder)
		return -EINVAL;
	if (!dax_dev)
		return -ENODEV;

	dax_ask_name(holder, ops, name);
	guard(spinlock)(&dax_dev->lock);
	if (dax_dev->state == DAX_STATE_BOUND)
		return -EOPNOTSUPP;
	/* operations and a character device: only famfs mode has both */
	if (dax_dev->state == DAX_STATE_LIVE &&
	    !(dax_dev->ops && dax_dev->fops))
		return -EOPNOTSUPP;
	rc = dax_take_claim(dax_dev, holder, ops);
	if (!rc)
		strscpy(dax_dev->holder_name, name);
	return rc;
}
EXPORT_SYMBOL_GPL(fs_dax_get);

static void dax_put_claim(struct dax_device *dax_dev)
{
	unsigned int own;

	guard(spinlock)(&dax_dev->lock);
	dax_set_claim(dax_dev, DAX_CLAIM_LEAVING);
	/*
	 * A holder that ends up here from its own handler has a bug, see
	 * deactivate_super_later(), but should not wait for itself.
	 */
	own = WARN_ON_ONCE(dax_dev->revoker == current);
	wait_var_event_spinlock(&dax_dev->notifying,
				dax_dev->notifying == own, &dax_dev->lock);
	dax_set_claim(dax_dev, DAX_CLAIM_FREE);
}

/**
 * fs_put_dax() - give up the claim on a dax device
 * @dax_dev: device to release, may be NULL
 * @holder: the holder given to fs_dax_get() or fs_dax_get_by_bdev(), NULL if
 *	only a reference was taken
 *
 * Drops the claim and the reference that came with it. When this returns, no
 * notify_failure() of @holder is running or will run, so @holder may be freed.
 * A claim that was lost before is put in the same way. A caller without a claim
 * gets a warning, and only its reference is dropped.
 *
 * Context: process context, sleeps; not from within notify_failure(), and not
 * under a lock that a running notify_failure() needs.
 */
void fs_put_dax(struct dax_device *dax_dev, void *holder)
{
	/* holder_data is @holder only while @holder has the claim */
	if (dax_dev && holder && !WARN_ON_ONCE(dax_holder(dax_dev) != holder))
		dax_put_claim(dax_dev);
	put_dax(dax_dev);
}
EXPORT_SYMBOL_GPL(fs_put_dax);

#endif /* CONFIG_FS_DAX */

/**
 * dax_claim() - claim a dax device by whatever means it was found
 * @dax_dev: device to claim; referenced, or looked up under dax_read_lock()
 * @holder: the claimant, NULL to get a reference and no claim
 * @ops: how to tell the holder of failures, may be NULL
 *
 * Return: 0 and a further reference, %-ENODEV if the device is dead, %-EBUSY
 * if somebody has it.
 */
int dax_claim(struct dax_device *dax_dev, void *holder,
	      const struct dax_holder_operations *ops)
{
	guard(spinlock)(&dax_dev->lock);
	return dax_take_claim(dax_dev, holder, ops);
}
EXPORT_SYMBOL_IF_KUNIT(dax_claim);

/**
 * dax_claim_outstanding() - does somebody still have the device?
 * @dax_dev: a dax device
 *
 * Return: true if there is a claim, be it held, lost, or just being put.
 */
bool dax_claim_outstanding(struct dax_device *dax_dev)
{
	guard(spinlock)(&dax_dev->lock);
	return dax_dev->claim != DAX_CLAIM_FREE;
}
EXPORT_SYMBOL_FOR_MODULES(dax_claim_outstanding, "fsdev_dax,dax_claim_test");

/**
 * dax_holder_notify_failure() - tell the holder of a failure
 * @dax_dev: the device that failed
 * @off: where, in bytes from the start of the device
 * @len: how much, in bytes
 * @mf_flags: the MF_* flags of memory_failure()
 *
 * Context: process context; the handler may sleep.
 * Return: what the handler says; %-ENXIO if the device is dead,
 * %-EOPNOTSUPP if there is nobody to tell, so that the caller has to act.
 */
int dax_holder_notify_failure(struct dax_device *dax_dev, u64 off, u64 len,
			      int mf_flags)
{
	const struct dax_holder_operations *ops;
	int rc;

	scoped_guard(spinlock, &dax_dev->lock) {
		if (!test_bit(DAXDEV_ALIVE, &dax_dev->flags))
			return -ENXIO;
		if (dax_dev->claim != DAX_CLAIM_HELD)
			return -EOPNOTSUPP;
		ops = dax_notify_begin(dax_dev);
		if (!ops)
			return -EOPNOTSUPP;
	}

	trace_dax_notify_start(dax_dev, off, len, mf_flags);
	rc = ops->notify_failure(dax_dev, off, len, mf_flags);
	trace_dax_notify(dax_dev, off, len, mf_flags, rc);
	dax_notify_end(dax_dev);
	return rc;
}
EXPORT_SYMBOL_GPL(dax_holder_notify_failure);

/* Nothing else may tell the administrator: the unbind itself succeeds. */
static void dax_warn_lost(struct dax_device *dax_dev)
{
	char name[DAX_HOLDER_NAME_LEN];
	struct device *dev;

	scoped_guard(spinlock, &dax_dev->lock) {
		dev = dax_dev->dev;
		strscpy(name, dax_dev->holder_name);
	}
	/* a device on another bus belongs to a disk, whose filesystem logs this */
	if (dev)
		dev_warn(dev, "taken away from %s: all access to its files fails now, unmount it before the device is bound to fsdev_dax again\n",
			 *name ? name : "the filesystem that holds it");
}

/*
 * Refuse new claims, and tell the holder to get out.
 * Return: false if the device was not live.
 */
static bool dax_revoke(struct dax_device *dax_dev)
{
	const struct dax_holder_operations *ops = NULL;
	bool lost = false;
	int rc;

	scoped_guard(spinlock, &dax_dev->lock) {
		if (dax_dev->state != DAX_STATE_LIVE)
			return false;
		dax_set_state(dax_dev, DAX_STATE_DYING);
		if (dax_dev->claim == DAX_CLAIM_HELD) {
			dax_set_claim(dax_dev, DAX_CLAIM_LOST);
			lost = true;
			ops = dax_notify_begin(dax_dev);
			dax_dev->revoker = ops ? current : NULL;
		}
	}
	if (lost)
		dax_warn_lost(dax_dev);
	if (!ops)
		return true;

	trace_dax_notify_start(dax_dev, 0, U64_MAX, MF_MEM_PRE_REMOVE);
	rc = ops->notify_failure(dax_dev, 0, U64_MAX, MF_MEM_PRE_REMOVE);
	trace_dax_notify(dax_dev, 0, U64_MAX, MF_MEM_PRE_REMOVE, rc);

	scoped_guard(spinlock, &dax_dev->lock)
		dax_dev->revoker = NULL;
	dax_notify_end(dax_dev);
	return true;
}

/**
 * kill_dax() - end the use of a dax device
 * @dax_dev: the device, may be NULL or dead already
 *
 * Revokes the claim, then waits for the notifications and the operations that
 * run. When kill_dax() returns, nothing uses the device, the holder is not
 * being called for it, and only pages in files can still be mapped or pinned.
 *
 * Because alloc_dax() returns an ERR_PTR() on error, callers keep its result
 * in a local variable first, so that they never pass an error to kill_dax().
 *
 * Context: process context, sleeps; not under a lock that notify_failure()
 * needs, and not from within it. The driver calls it once per run_dax() or
 * alloc_dax(); never concurrently with run_dax().
 */
void kill_dax(struct dax_device *dax_dev)
{
	if (!dax_dev || !dax_revoke(dax_dev))
		return;

	scoped_guard(spinlock, &dax_dev->lock) {
		dax_set_state(dax_dev, DAX_STATE_DEAD);
		/* no new ones begin; one for a memory error may still run */
		wait_var_event_spinlock(&dax_dev->notifying,
					!dax_dev->notifying, &dax_dev->lock);
	}
	dax_wait_readers(dax_dev);
	dax_dev->fops = NULL;
}
EXPORT_SYMBOL_GPL(kill_dax);

/**
 * run_dax() - make a dax device usable
 * @dax_dev: a dead device whose driver has set everything up
 * @fops: what an open of the character device gets; NULL if there is none
 */
void run_dax(struct dax_device *dax_dev, const struct file_operations *fops)
{
	guard(spinlock)(&dax_dev->lock);
	WARN_ON_ONCE(dax_dev->state != DAX_STATE_DEAD);
	dax_dev->fops = fops;
	dax_set_state(dax_dev, DAX_STATE_LIVE);
}
EXPORT_SYMBOL_GPL(run_dax);

/**
 * dax_set_bound() - a driver without dax operations has the device
 * @dax_dev: the device
 *
 * Does nothing to a device whose driver has made it live.
 */
void dax_set_bound(struct dax_device *dax_dev)
{
	guard(spinlock)(&dax_dev->lock);
	if (dax_dev->state == DAX_STATE_DEAD)
		dax_set_state(dax_dev, DAX_STATE_BOUND);
}
EXPORT_SYMBOL_IF_KUNIT(dax_set_bound);

/**
 * dax_clear_bound() - a driver without dax operations leaves the device
 * @dax_dev: the device
 *
 * Does nothing to a device whose driver has made it live.
 */
void dax_clear_bound(struct dax_device *dax_dev)
{
	guard(spinlock)(&dax_dev->lock);
	if (dax_dev->state == DAX_STATE_BOUND)
		dax_set_state(dax_dev, DAX_STATE_DEAD);
}
EXPORT_SYMBOL_IF_KUNIT(dax_clear_bound);
