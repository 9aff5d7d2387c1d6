/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pgmap

#if !defined(_TRACE_PGMAP_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_PGMAP_H

#include <linux/fs.h>
#include <linux/range.h>
#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(pgmap_parked,
	TP_PROTO(const struct range *range, const char *name,
		 unsigned long nr_folios),
	TP_ARGS(range, name, nr_folios),
	TP_STRUCT__entry(
		__field(u64, start)
		__field(u64, end)
		__field(unsigned long, nr_folios)
		__string(name, name)
	),
	TP_fast_assign(
		__entry->start = range->start;
		__entry->end = range->end;
		__entry->nr_folios = nr_folios;
		__assign_str(name);
	),
	TP_printk("%#llx-%#llx of %s: %lu folios pinned", __entry->start,
		  __entry->end, __get_str(name), __entry->nr_folios)
);

DEFINE_EVENT(pgmap_parked, pgmap_wait,
	TP_PROTO(const struct range *range, const char *name,
		 unsigned long nr_folios),
	TP_ARGS(range, name, nr_folios)
);

DEFINE_EVENT(pgmap_parked, pgmap_park,
	TP_PROTO(const struct range *range, const char *name,
		 unsigned long nr_folios),
	TP_ARGS(range, name, nr_folios)
);

DEFINE_EVENT(pgmap_parked, pgmap_reap,
	TP_PROTO(const struct range *range, const char *name,
		 unsigned long nr_folios),
	TP_ARGS(range, name, nr_folios)
);

TRACE_EVENT(pgmap_pin,
	TP_PROTO(const char *name, unsigned long pfn, int refs,
		 const struct inode *inode, pgoff_t index),
	TP_ARGS(name, pfn, refs, inode, index),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(u64, ino)
		__field(pgoff_t, index)
		__field(int, refs)
		__string(name, name)
		__string(sb, inode->i_sb->s_id)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->ino = inode->i_ino;
		__entry->index = index;
		__entry->refs = refs;
		__assign_str(name);
		__assign_str(sb);
	),
	TP_printk("pfn %#lx of %s: pinned %d times, page %#lx of inode %llu on %s",
		  __entry->pfn, __get_str(name), __entry->refs, __entry->index,
		  __entry->ino, __get_str(sb))
);

#endif /* _TRACE_PGMAP_H */

#include <trace/define_trace.h>
