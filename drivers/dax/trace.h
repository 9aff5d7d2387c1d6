/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dax

#if !defined(_TRACE_DAX_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_DAX_H

#include <linux/tracepoint.h>
#include "dax-private.h"

TRACE_DEFINE_ENUM(DAX_STATE_DEAD);
TRACE_DEFINE_ENUM(DAX_STATE_BOUND);
TRACE_DEFINE_ENUM(DAX_STATE_LIVE);
TRACE_DEFINE_ENUM(DAX_STATE_DYING);

#define show_dax_state(state)			\
	__print_symbolic(state,			\
		{ DAX_STATE_DEAD, "dead" },	\
		{ DAX_STATE_BOUND, "bound" },	\
		{ DAX_STATE_LIVE, "live" },	\
		{ DAX_STATE_DYING, "dying" })

TRACE_DEFINE_ENUM(DAX_CLAIM_FREE);
TRACE_DEFINE_ENUM(DAX_CLAIM_HELD);
TRACE_DEFINE_ENUM(DAX_CLAIM_LOST);
TRACE_DEFINE_ENUM(DAX_CLAIM_LEAVING);

#define show_dax_claim(claim)			\
	__print_symbolic(claim,			\
		{ DAX_CLAIM_FREE, "free" },	\
		{ DAX_CLAIM_HELD, "held" },	\
		{ DAX_CLAIM_LOST, "lost" },	\
		{ DAX_CLAIM_LEAVING, "leaving" })

TRACE_EVENT(dax_state,
	TP_PROTO(struct dax_device *dax_dev, int from, int to),
	TP_ARGS(dax_dev, from, to),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(int, from)
		__field(int, to)
	),
	TP_fast_assign(
		__entry->dev = dax_dev->inode.i_rdev;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("dev %d:%d %s -> %s",
		  MAJOR(__entry->dev), MINOR(__entry->dev),
		  show_dax_state(__entry->from), show_dax_state(__entry->to))
);

TRACE_EVENT(dax_claim,
	TP_PROTO(struct dax_device *dax_dev, int from, int to),
	TP_ARGS(dax_dev, from, to),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(const void *, holder)
		__field(int, from)
		__field(int, to)
	),
	TP_fast_assign(
		__entry->dev = dax_dev->inode.i_rdev;
		__entry->holder = dax_dev->holder_data;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("dev %d:%d holder %p %s -> %s",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->holder,
		  show_dax_claim(__entry->from), show_dax_claim(__entry->to))
);

/* Before the handler runs, so that a handler that hangs can be seen. */
TRACE_EVENT(dax_notify_start,
	TP_PROTO(struct dax_device *dax_dev, u64 off, u64 len, int mf_flags),
	TP_ARGS(dax_dev, off, len, mf_flags),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(const void *, holder)
		__field(u64, off)
		__field(u64, len)
		__field(int, mf_flags)
	),
	TP_fast_assign(
		__entry->dev = dax_dev->inode.i_rdev;
		__entry->holder = dax_holder(dax_dev);
		__entry->off = off;
		__entry->len = len;
		__entry->mf_flags = mf_flags;
	),
	TP_printk("dev %d:%d holder %p offset %#llx length %#llx flags %#x",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->holder,
		  __entry->off, __entry->len, __entry->mf_flags)
);

TRACE_EVENT(dax_notify,
	TP_PROTO(struct dax_device *dax_dev, u64 off, u64 len, int mf_flags,
		 int rc),
	TP_ARGS(dax_dev, off, len, mf_flags, rc),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(const void *, holder)
		__field(u64, off)
		__field(u64, len)
		__field(int, mf_flags)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->dev = dax_dev->inode.i_rdev;
		__entry->holder = dax_holder(dax_dev);
		__entry->off = off;
		__entry->len = len;
		__entry->mf_flags = mf_flags;
		__entry->rc = rc;
	),
	TP_printk("dev %d:%d holder %p offset %#llx length %#llx flags %#x returns %d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->holder,
		  __entry->off, __entry->len, __entry->mf_flags, __entry->rc)
);

TRACE_EVENT(dax_poison,
	TP_PROTO(const struct dax_region *dax_region, unsigned long pfn,
		 unsigned long nr_pages, bool bad),
	TP_ARGS(dax_region, pfn, nr_pages, bad),
	TP_STRUCT__entry(
		__field(int, region)
		__field(unsigned long, pfn)
		__field(unsigned long, nr_pages)
		__field(bool, bad)
	),
	TP_fast_assign(
		__entry->region = dax_region->id;
		__entry->pfn = pfn;
		__entry->nr_pages = nr_pages;
		__entry->bad = bad;
	),
	TP_printk("region %d pfn %#lx pages %lu %s", __entry->region,
		  __entry->pfn, __entry->nr_pages,
		  __entry->bad ? "bad" : "good")
);

#endif /* _TRACE_DAX_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../drivers/dax
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
