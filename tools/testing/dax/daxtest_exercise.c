// SPDX-License-Identifier: GPL-2.0
/*
 * An exerciser in the manner of fsx: random operations on a file and on a copy
 * of it in memory, which have to agree. The test has one mapping of all of the
 * file the whole time, and makes others for one operation.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "daxtest_tool.h"

enum ex_what {
	EX_READ, EX_WRITE, EX_MAPREAD, EX_MAPWRITE, EX_OLDREAD, EX_OLDWRITE,
	EX_TRUNCATE, EX_ZERO, EX_ZERO_KEEP, EX_PUNCH, EX_FSYNC, EX_DONTNEED,
	EX_NR
};

static const char * const ex_names[EX_NR] = {
	"read", "write", "mapread", "mapwrite", "oldread", "oldwrite",
	"truncate", "zero", "zerokeep", "punch", "fsync", "dontneed"
};

#define EX_LOG 4096

static struct {
	int fd;
	bool grow;		/* writes may make the file longer */
	uint64_t nr, size, max, seed, state;
	unsigned char *copy, *buf, *map;
	struct ex_op {
		uint64_t nr, pos, len, size;
		enum ex_what what;
	} log[EX_LOG];
} ex;

static void ex_die(uint64_t where, const char *fmt, ...)
{
	uint64_t first = ex.nr > EX_LOG ? ex.nr - EX_LOG : 0, i;
	va_list ap;

	fprintf(stderr, "exercise, seed %llu, operation %llu: ",
		(unsigned long long)ex.seed, (unsigned long long)ex.nr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nwhat concerned it lately:\n");
	for (i = first; i <= ex.nr; i++) {
		struct ex_op *op = &ex.log[i % EX_LOG];
		bool resized = op->what == EX_TRUNCATE || i + 16 > ex.nr;

		if (!resized && (where < op->pos || where >= op->pos + op->len))
			continue;
		fprintf(stderr, "%6llu %-8s %#9llx +%#llx of %#llx\n",
			(unsigned long long)i, ex_names[op->what],
			(unsigned long long)op->pos,
			(unsigned long long)op->len,
			(unsigned long long)op->size);
	}
	exit(1);
}

static void ex_compare(const unsigned char *have, uint64_t pos, uint64_t len)
{
	uint64_t i;

	if (!memcmp(have, ex.copy + pos, len))
		return;
	for (i = 0; have[i] == ex.copy[pos + i]; i++)
		;
	ex_die(pos + i, "at %#llx is %02x and should be %02x",
	       (unsigned long long)(pos + i), have[i], ex.copy[pos + i]);
}

/* The copy is all zeroes behind its end, as the last page of the file is */
static void ex_resize(uint64_t size)
{
	if (size < ex.size)
		memset(ex.copy + size, 0, ex.size - size);
	ex.size = size;
}

static void ex_fallocate(const struct ex_op *op, int mode)
{
	uint64_t end = op->pos + op->len;

	if (fallocate(ex.fd, mode, op->pos, op->len))
		ex_die(op->pos, "fallocate: %s", errname(errno));
	if (end > ex.size && !(mode & FALLOC_FL_KEEP_SIZE))
		ex_resize(end);
	if (op->pos < ex.size)
		memset(ex.copy + op->pos, 0,
		       (end < ex.size ? end : ex.size) - op->pos);
}

static void ex_rw(const struct ex_op *op)
{
	ssize_t n;

	if (op->what == EX_READ) {
		n = pread(ex.fd, ex.buf, op->len, op->pos);
	} else {
		make_pattern(ex.buf, rnd(&ex.state), op->pos, op->len);
		n = pwrite(ex.fd, ex.buf, op->len, op->pos);
	}
	if (n != (ssize_t)op->len)
		ex_die(op->pos, "%s: %zd %s", ex_names[op->what], n,
		       errname(n < 0 ? errno : 0));
	if (op->what == EX_READ) {
		ex_compare(ex.buf, op->pos, op->len);
		return;
	}
	if (op->pos + op->len > ex.size)
		ex_resize(op->pos + op->len);
	memcpy(ex.copy + op->pos, ex.buf, op->len);
}

/* Reads by a mapping also look at what is behind the end in the last page */
static void ex_mapped(const struct ex_op *op)
{
	bool write = op->what == EX_MAPWRITE || op->what == EX_OLDWRITE;
	bool fresh = op->what == EX_MAPREAD || op->what == EX_MAPWRITE;
	uint64_t start = op->pos & ~(PAGE - 1), len = op->len;
	unsigned char *p = ex.map + op->pos, *base = NULL;

	if (fresh) {
		base = map_file(ex.fd, start, op->pos + len - start, PROT_READ |
				(write ? PROT_WRITE : 0), MAP_SHARED);
		p = base + (op->pos - start);
	}
	if (write) {
		make_pattern(ex.copy + op->pos, rnd(&ex.state), op->pos, len);
		memcpy(p, ex.copy + op->pos, len);
	} else {
		if (op->pos + len == ex.size)
			len += -ex.size & (PAGE - 1);
		ex_compare(p, op->pos, len);
	}
	if (fresh)
		munmap(base, op->pos + op->len - start);
}

static void ex_step(struct ex_op *op)
{
	switch (op->what) {
	case EX_READ:
	case EX_WRITE:
		ex_rw(op);
		break;
	case EX_MAPREAD:
	case EX_MAPWRITE:
	case EX_OLDREAD:
	case EX_OLDWRITE:
		ex_mapped(op);
		break;
	case EX_TRUNCATE:
		if (ftruncate(ex.fd, op->pos))
			ex_die(op->pos, "truncate: %s", errname(errno));
		ex_resize(op->pos);
		break;
	case EX_ZERO:
		ex_fallocate(op, FALLOC_FL_ZERO_RANGE);
		break;
	case EX_ZERO_KEEP:
		ex_fallocate(op, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
		break;
	case EX_PUNCH:
		ex_fallocate(op, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
		break;
	case EX_FSYNC:
		if (fsync(ex.fd))
			ex_die(0, "fsync: %s", errname(errno));
		break;
	case EX_DONTNEED:
		madvise(ex.map, ex.max, MADV_DONTNEED);
		break;
	case EX_NR:
		break;
	}
	if (file_size(ex.fd) != ex.size)
		ex_die(ex.size, "the size is %#llx and should be %#llx",
		       (unsigned long long)file_size(ex.fd),
		       (unsigned long long)ex.size);
}

/* Whether something may reach past the end depends on what it is */
static void ex_choose(struct ex_op *op)
{
	uint64_t limit = ex.size, longest = 128 << 10;

	op->what = rnd(&ex.state) % EX_NR;
	op->size = ex.size;
	if (op->what >= EX_TRUNCATE && op->what <= EX_PUNCH)
		limit = ex.max;
	if (op->what == EX_WRITE && ex.grow)
		limit = ex.max;
	/* mostly small, and now and then several huge pages */
	if (rnd(&ex.state) % 16 == 0)
		longest = ex.max;
	op->len = rnd(&ex.state) % longest + 1;
	/* a file that is short most of the time shows little */
	if (op->what == EX_TRUNCATE && rnd(&ex.state) % 2)
		op->pos = ex.max - rnd(&ex.state) % (ex.max / 4);
	else
		op->pos = limit ? rnd(&ex.state) % limit : 0;
	if (rnd(&ex.state) % 4 == 0)
		op->pos &= ~(PAGE - 1);
	if (op->len > limit - op->pos)
		op->len = limit - op->pos;
	if (!op->len && op->what < EX_FSYNC && op->what != EX_TRUNCATE)
		op->what = EX_FSYNC;
	if (op->what == EX_TRUNCATE || op->what >= EX_FSYNC)
		op->len = 0;
}

/* PATH COUNT SEED [SIZE]: with a size, writes also make the file grow */
int cmd_exercise(int argc, char **argv)
{
	uint64_t count = number(argv[2]), done[EX_NR] = {};
	int i;

	ex.fd = open_file(argv[1], O_RDWR | (argc == 5 ? O_CREAT : 0));
	ex.seed = number(argv[3]);
	ex.state = ex.seed * 2 + 88172645463325252ULL;
	ex.grow = argc == 5;
	ex.max = ex.grow ? number(argv[4]) : file_size(ex.fd);
	ex.copy = calloc(1, ex.max + PAGE);
	ex.buf = malloc(ex.max);
	if (!ex.copy || !ex.buf || ex.max < PAGE)
		die("a file of %llu bytes", (unsigned long long)ex.max);
	ex.map = map_file(ex.fd, 0, ex.max, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (ftruncate(ex.fd, 0) || ftruncate(ex.fd, ex.max))
		die("truncate: %s", errname(errno));
	ex.size = ex.max;
	for (; ex.nr < count; ex.nr++) {
		struct ex_op *op = &ex.log[ex.nr % EX_LOG];

		ex_choose(op);
		ex_step(op);
		done[op->what]++;
	}
	ex.log[ex.nr % EX_LOG] = (struct ex_op){ .what = EX_READ };
	ex_compare(ex.map, 0, ex.size);
	for (i = 0; i < EX_NR; i++)
		printf("%s %llu%c", ex_names[i], (unsigned long long)done[i],
		       i < EX_NR - 1 ? ' ' : '\n');
	return 0;
}
