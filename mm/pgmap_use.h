/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_PGMAP_USE_H
#define _MM_PGMAP_USE_H

#include <linux/memremap.h>

/* Functions of pgmap_use.c, for memremap.c */
struct dev_pagemap *pgmap_alloc_use(const struct dev_pagemap *pgmap);
void pgmap_name_use(struct dev_pagemap *pgmap, const char *name);
void pgmap_free_use(struct dev_pagemap *pgmap);
bool pgmap_drain(struct dev_pagemap *pgmap);
int pgmap_refuse_parked(const struct range *range);

/* Functions of memremap.c, for pgmap_use.c */
unsigned long pgmap_first_pfn(struct dev_pagemap *pgmap, int range_id);
void pgmap_disown(struct dev_pagemap *pgmap,
		  const struct dev_pagemap_ops *ops);
void pgmap_unmap_parked(struct dev_pagemap *pgmap);

#endif /* _MM_PGMAP_USE_H */
