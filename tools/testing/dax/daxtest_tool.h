/* SPDX-License-Identifier: GPL-2.0 */
/* The interface between the parts of the tool daxtest */
#ifndef _DAXTEST_TOOL_H
#define _DAXTEST_TOOL_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include "daxtest.h"

#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))
#define HUGE (2UL << 20)
#define PAGE ((size_t)getpagesize())
#define MARK 0x6461787465737421	/* what a write by touch and others leaves */

/* Needs <errno.h>. A command reports a failed condition with this, and ends. */
#define EXPECT(cond) do {						\
	if (!(cond))							\
		die("%s:%d: not so: %s (errno %s, signal %d)",		\
		    __FILE__, __LINE__, #cond, errname(errno), bus.sig);	\
} while (0)

/* daxtest_common.c */

void die(const char *fmt, ...);
const char *errname(int err);
uint64_t number(const char *s);
int open_file(const char *path, int flags);
uint64_t file_size(int fd);
void *map_file(int fd, uint64_t off, uint64_t len, int prot, int flags);
double now(void);
uint64_t rnd(uint64_t *state);

/*
 * Access to memory that may answer with SIGBUS. try_access() returns 0, or
 * the signal; bus tells about it.
 */
extern struct bus {
	sigjmp_buf env;
	int armed, sig, code, lsb;
	uintptr_t addr;
} bus;

void catch_bus(void);
int try_access(uint64_t *p, bool write, uint64_t *val);
const char *bus_code(void);

/* Every 8 bytes of a file say which seed and position they were written for */
void make_pattern(void *buf, uint64_t seed, uint64_t pos, size_t len);
int compare(const void *have, const void *want, uint64_t pos, size_t len);

/* daxtest_probe.c: the request that run_probe() makes, and its answer */

extern struct daxtest_probe probe;

void run_probe(unsigned long cmd);

/*
 * The commands. They return what daxtest exits with, or -1 if their arguments
 * make no sense; argv[0] is their name.
 */

/* daxtest_data.c */
int cmd_mkfile(int argc, char **argv);
int cmd_mkstripe(int argc, char **argv);
int cmd_layout(int argc, char **argv);
int cmd_fuzz(int argc, char **argv);
int cmd_cut(int argc, char **argv);
int cmd_fill(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_mfill(int argc, char **argv);
int cmd_mcheck(int argc, char **argv);
int cmd_mmapcmp(int argc, char **argv);
int cmd_iszero(int argc, char **argv);
int cmd_unreadable(int argc, char **argv);
int cmd_fallocate(int argc, char **argv);
int cmd_copy(int argc, char **argv);

/* daxtest_map.c */
int cmd_touch(int argc, char **argv);
int cmd_hold(int argc, char **argv);
int cmd_pin(int argc, char **argv);
int cmd_scan(int argc, char **argv);
int cmd_stall(int argc, char **argv);
int cmd_dio(int argc, char **argv);
int cmd_longio(int argc, char **argv);
int cmd_inuse(int argc, char **argv);
int cmd_poison(int argc, char **argv);
int cmd_flagwriter(int argc, char **argv);
int cmd_flagreader(int argc, char **argv);

/* daxtest_pins.c */

/* Pin memory; return a ring, or a pipe, that has it until closed, or -1 */
int ring_of(void *p, size_t len);
int pipe_of(void *p);

/* Is memory that the device had parked? */
bool is_parked(const char *dev);

int cmd_ring(int argc, char **argv);
int cmd_pinrounds(int argc, char **argv);

/* daxtest_fserror.c */
int cmd_fserror(int argc, char **argv);

/* daxtest_call.c */

/* Writes to a file of a folder, in one write(2); returns an errno or 0 */
int store_once(const char *dir, const char *file, const char *val);

int cmd_msync(int argc, char **argv);
int cmd_isdax(int argc, char **argv);
int cmd_try(int argc, char **argv);
int cmd_failnth(int argc, char **argv);
int cmd_rebind(int argc, char **argv);
int cmd_mountrace(int argc, char **argv);

/* daxtest_probe.c */
int probe_lookup(int argc, char **argv);
int probe_get(int argc, char **argv);
int probe_put(int argc, char **argv);
int probe_stat(int argc, char **argv);
int probe_access(int argc, char **argv);
int probe_bench(int argc, char **argv);
int probe_zero(int argc, char **argv);
int probe_recover(int argc, char **argv);
int probe_size(int argc, char **argv);
int probe_poison(int argc, char **argv);
int probe_storm(int argc, char **argv);
int probe_stalled(int argc, char **argv);
int probe_go(int argc, char **argv);
int probe_refer(int argc, char **argv);
int probe_pages(int argc, char **argv);

/* daxtest_storm.c */
int cmd_faultstorm(int argc, char **argv);
int cmd_iostorm(int argc, char **argv);
int cmd_churn(int argc, char **argv);

/* daxtest_exercise.c */
int cmd_exercise(int argc, char **argv);

/* daxtest_vma.c */
int cmd_vma(int argc, char **argv);
int cmd_place(int argc, char **argv);

/* daxtest.c */
int cmd_probe(int argc, char **argv);

#endif /* _DAXTEST_TOOL_H */
