// SPDX-License-Identifier: GPL-2.0
/* daxtest: single pages of a mapping, and what becomes of them */
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>
#include "daxtest_tool.h"

#ifndef MADV_HWPOISON
#define MADV_HWPOISON 100
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif
#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 3
#endif

/* One access through a mapping, and what became of it */

struct access {
	int prot, flags, open;
	bool write, huge;
};

static struct access parse_access(const char *how)
{
	struct access a = { .prot = PROT_READ, .flags = MAP_SHARED };

	for (; *how; how++) {
		switch (*how) {
		case 'r':
			break;
		case 'w':
			a.write = true;
			a.prot |= PROT_WRITE;
			break;
		case 'p':
			a.flags = MAP_PRIVATE;
			break;
		case 's':
			a.flags = MAP_SHARED_VALIDATE | MAP_SYNC;
			break;
		case 'h':
			a.huge = true;
			break;
		case 'e':
			prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY,
			      0, 0);
			break;
		default:
			die("access is r or w, p private, s sync, h huge, e early");
		}
	}
	a.open = a.write && a.flags != MAP_PRIVATE ? O_RDWR : O_RDONLY;
	return a;
}

static void report_access(const char *base, uint64_t start)
{
	if (!bus.sig)
		printf("OK\n");
	else
		printf("%s offset %#llx lsb %d\n", bus_code(),
		       (unsigned long long)(bus.addr - (uintptr_t)base + start),
		       bus.code == BUS_ADRERR ? 0 : bus.lsb);
	fflush(stdout);
}

/* Maps one huge page, or one base page, around @off */
static char *map_around(int fd, uint64_t off, const struct access *a,
			uint64_t *start)
{
	uint64_t len = a->huge ? HUGE : PAGE;

	*start = off & ~(len - 1);
	return map_file(fd, *start, len, a->prot, a->flags);
}

int cmd_touch(int argc, char **argv)
{
	struct access a = parse_access(argc == 4 ? argv[3] : "r");
	int fd = open_file(argv[1], a.open);
	uint64_t off = number(argv[2]), start, val = MARK;
	char *p = map_around(fd, off, &a, &start);

	catch_bus();
	try_access((void *)(p + (off - start)), a.write, &val);
	report_access(p, start);
	return bus.sig ? 1 : 0;
}

/* A mapping that obeys lines on standard input */
struct held {
	int fd;
	struct access a;
	uint64_t off, start;
	char *p;
};

static struct held hold_file(char **argv, const char *how)
{
	struct held h = { .a = parse_access(how), .off = number(argv[1]) };

	h.fd = open_file(argv[0], h.a.open);
	h.p = map_around(h.fd, h.off, &h.a, &h.start);
	catch_bus();
	return h;
}

static void hold_touch(struct held *h, bool write)
{
	uint64_t val = MARK;

	try_access((void *)(h->p + (h->off - h->start)), write, &val);
	report_access(h->p, h->start);
}

static void say_errno(int rc)
{
	printf("%s\n", errname(rc ? errno : 0));
	fflush(stdout);
}

static int hold_obey(struct held *h)
{
	size_t len = h->a.huge ? HUGE : PAGE;
	char line[16];

	printf("ready ");
	hold_touch(h, h->a.write);
	while (fgets(line, sizeof(line), stdin)) {
		switch (*line) {
		case 'q':
			return 0;
		case 'b':
			report_access(h->p, h->start);
			break;
		case 'u':
			say_errno(munmap(h->p, len));
			break;
		case 'm':
			/* in the same place, and nothing if that fails */
			munmap(h->p, len);
			say_errno(mmap(h->p, len, h->a.prot,
				       h->a.flags | MAP_FIXED, h->fd,
				       h->start) == MAP_FAILED);
			break;
		default:
			hold_touch(h, *line == 'w');
		}
	}
	return 0;
}

/*
 * Maps and touches, says "ready", and then does what lines on its standard
 * input ask for until that ends: r or w access it again, b tells of a signal
 * that came in between, u unmaps it, m maps the open file anew, q ends.
 */
int cmd_hold(int argc, char **argv)
{
	struct held h = hold_file(argv + 1, argc == 4 ? argv[3] : "r");

	return hold_obey(&h);
}

/* Pins a page in a pipe until it reads a q, and then reads it from there */
int cmd_pin(int argc, char **argv)
{
	struct access a = parse_access(argc == 4 ? argv[3] : "r");
	int fd = open_file(argv[1], a.open), pipefd[2];
	uint64_t off = number(argv[2]), start;
	char *p = map_around(fd, off, &a, &start), *buf = malloc(PAGE);
	struct iovec iov = { .iov_base = p + (off - start), .iov_len = PAGE };
	ssize_t n;

	if (pipe(pipefd))
		die("pipe: %s", errname(errno));
	n = vmsplice(pipefd[1], &iov, 1, 0);
	if (n != (ssize_t)PAGE)
		die("vmsplice: %s", errname(n < 0 ? errno : 0));
	/* only the pipe has the page now */
	munmap(p, a.huge ? HUGE : PAGE);
	close(fd);
	printf("ready\n");
	fflush(stdout);
	while (read(0, buf, 1) == 1 && *buf != 'q')
		;
	n = read(pipefd[0], buf, PAGE);
	printf("%zd\n", n);
	return n == (ssize_t)PAGE ? 0 : 1;
}

/*
 * Maps all of a file and reads every page, says how many could be read and how
 * many not, and does it again for each line on its standard input but a q.
 */
int cmd_scan(int argc, char **argv)
{
	int fd = open_file(argv[1], O_RDONLY);
	uint64_t size = file_size(fd), off, val;
	char *p = map_file(fd, 0, size, PROT_READ, MAP_SHARED), line[16];

	catch_bus();
	printf("ready ");
	do {
		unsigned int good = 0, bad = 0;

		for (off = 0; off < size; off += PAGE) {
			if (try_access((void *)(p + off), false, &val))
				bad++;
			else
				good++;
		}
		printf("good %u bad %u\n", good, bad);
		fflush(stdout);
	} while (fgets(line, sizeof(line), stdin) && *line != 'q');
	return 0;
}

/*
 * As hold, but the first access is held up at a point in the kernel. "armed"
 * before it, "ready" when it went on.
 */
int cmd_stall(int argc, char **argv)
{
	struct held h = hold_file(argv + 2, argc == 5 ? argv[4] : "w");
	int fd = open_file("/dev/daxtest_probe", O_RDWR);
	static const char * const point[] = {
		[DAXTEST_STALL_ENTRY] = "entry",
		[DAXTEST_STALL_PTE] = "pte",
		[DAXTEST_STALL_PMD] = "pmd",
		[DAXTEST_STALL_SYNC] = "sync",
		[DAXTEST_STALL_BEGIN] = "begin",
	};

	for (probe.nr = 1; probe.nr < ARRAY_SIZE(point); probe.nr++)
		if (!strcmp(argv[1], point[probe.nr]))
			break;
	if (ioctl(fd, DAXTEST_PROBE_STALL, &probe))
		die("stall: %s", errname(errno));
	if (probe.result)
		die("stall: %s", errname(-probe.result));
	printf("armed\n");
	fflush(stdout);
	return hold_obey(&h);
}

/* Reads a device, past the cache, into a page of a mapped file */
int cmd_dio(int argc, char **argv)
{
	struct access a = parse_access(argc == 5 ? argv[4] : "w");
	int fd = open_file(argv[1], O_RDWR);
	int dev = open_file(argv[3], O_RDONLY | O_DIRECT);
	uint64_t off = number(argv[2]), start, val = 0;
	char *p = map_around(fd, off, &a, &start);
	ssize_t n;

	p += off - start;
	catch_bus();
	if (try_access((void *)p, true, &val))
		die("touch: %s", bus_code());
	printf("ready\n");
	fflush(stdout);
	n = pread(dev, p, PAGE, 0);
	if (n < 0)
		say_errno(-1);
	else
		printf("%zd\n", n);
	return n == (ssize_t)PAGE ? 0 : 1;
}

/*
 * Reads or writes so much at once, again and again until that ends short of
 * it, and says how. "ready" after the first time.
 */
int cmd_longio(int argc, char **argv)
{
	bool write = !strcmp(argv[1], "write");
	int fd = open_file(argv[2], O_RDWR);
	size_t len = number(argv[3]), whole = 0;
	char *buf = malloc(len);
	ssize_t n;

	memset(buf, 1, len);
	for (;;) {
		n = write ? pwrite(fd, buf, len, 0) : pread(fd, buf, len, 0);
		if (n != (ssize_t)len)
			break;
		if (!whole++) {
			printf("ready\n");
			fflush(stdout);
		}
	}
	if (n < 0)
		say_errno(-1);
	else
		printf("%zd\n", n);
	return 0;
}

/* How many pages of this physical range belong to a file or process */
int cmd_inuse(int argc, char **argv)
{
	uint64_t pfn = number(argv[1]) / PAGE, end = number(argv[2]) / PAGE;
	int fd = open_file("/proc/kpageflags", O_RDONLY);
	unsigned long pages = 0, used = 0;
	uint64_t flags;

	for (; pfn <= end; pfn++, pages++) {
		if (pread(fd, &flags, sizeof(flags), pfn * sizeof(flags)) !=
		    sizeof(flags))
			die("/proc/kpageflags: no pfn %#llx",
			    (unsigned long long)pfn);
		/* of shared or anonymous memory */
		used += flags >> KPF_SWAPBACKED & 1;
	}
	printf("%lu of %lu\n", used, pages);
	return 0;
}

/* The signal for the one who did it comes before madvise(2) returns */
int cmd_poison(int argc, char **argv)
{
	struct access a = parse_access(argc == 4 ? argv[3] : "w");
	int fd = open_file(argv[1], O_RDWR), rc;
	uint64_t off = number(argv[2]), start, val = 0;
	char *p = map_around(fd, off, &a, &start);

	catch_bus();
	if (try_access((void *)(p + (off - start)), a.write, &val))
		die("touch: %s", bus_code());
	if (!sigsetjmp(bus.env, 1)) {
		__atomic_store_n(&bus.armed, 1, __ATOMIC_SEQ_CST);
		rc = madvise(p + (off - start), PAGE, MADV_HWPOISON);
		printf("%s\n", errname(rc ? errno : 0));
		return rc ? 1 : 0;
	}
	report_access(p, start);
	return 0;
}

/*
 * Hosts that share memory: one writes records, the other reads each of them.
 *
 * The file has three parts of equal size: the flag, which says how many rounds
 * the writer is through with; how many the reader is through with; and the
 * record, whose words are all the number of its round. Each write is written
 * back before anything else is written. The reader goes on where the one before
 * it stopped, so that the file is to be zeroed first.
 */
#define RECORD 65536UL
#define GAVE_UP UINT64_MAX

struct handover {
	uint64_t *flag, *done, *record;
	size_t words;
};

static struct handover map_handover(const char *path)
{
	int fd = open_file(path, O_RDWR);
	uint64_t part = file_size(fd) / 3;
	struct handover h = { .words = (part < RECORD ? part : RECORD) / 8 };
	char *p;

	if (!part || part % PAGE)
		die("%s is not three times some pages", path);
	p = map_file(fd, 0, 3 * part, PROT_READ | PROT_WRITE, MAP_SHARED);
	h.flag = (uint64_t *)p;
	h.done = (uint64_t *)(p + part);
	h.record = (uint64_t *)(p + 2 * part);
	return h;
}

static void write_back(void *p, size_t len)
{
	if (msync(p, len, MS_SYNC))
		die("msync: %s", errname(errno));
}

static void store_and_write_back(uint64_t *p, uint64_t val)
{
	__atomic_store_n(p, val, __ATOMIC_RELEASE);
	write_back(p, sizeof(*p));
}

/* Until *p is at least @val */
static bool spin(uint64_t *p, uint64_t val, double seconds)
{
	double end = now() + seconds;

	while (__atomic_load_n(p, __ATOMIC_ACQUIRE) < val)
		if (now() > end)
			return false;
	return true;
}

static void write_record(struct handover *h, uint64_t round)
{
	size_t i;

	for (i = 0; i < h->words; i++)
		__atomic_store_n(&h->record[i], round, __ATOMIC_RELAXED);
	write_back(h->record, h->words * 8);
}

int cmd_flagwriter(int argc, char **argv)
{
	struct handover h = map_handover(argv[1]);
	uint64_t rounds = number(argv[2]), round;
	double seconds = number(argv[3]);
	bool early = argc == 5 && !strcmp(argv[4], "early");

	for (round = 1; round <= rounds; round++) {
		if (!early)
			write_record(&h, round);
		store_and_write_back(h.flag, round);
		if (early)
			write_record(&h, round);
		if (!spin(h.done, round, seconds))
			die("no reader in round %llu",
			    (unsigned long long)round);
		if (*h.done == GAVE_UP) {
			printf("the reader gave up in round %llu\n",
			       (unsigned long long)round);
			return 1;
		}
	}
	printf("%llu rounds\n", (unsigned long long)rounds);
	return 0;
}

int cmd_flagreader(int argc, char **argv)
{
	struct handover h = map_handover(argv[1]);
	uint64_t rounds = number(argv[2]), round, word;
	double seconds = number(argv[3]);
	size_t i;

	for (round = *h.done + 1; round <= rounds; round++) {
		if (!spin(h.flag, round, seconds)) {
			printf("silent after %llu rounds\n",
			       (unsigned long long)round - 1);
			return 1;
		}
		for (i = 0; i < h.words; i++) {
			word = __atomic_load_n(&h.record[i], __ATOMIC_RELAXED);
			if (word == round)
				continue;
			store_and_write_back(h.done, GAVE_UP);
			printf("word %zu is of round %llu, the flag of %llu\n",
			       i, (unsigned long long)word,
			       (unsigned long long)round);
			return 1;
		}
		store_and_write_back(h.done, round);
	}
	printf("%llu rounds\n", (unsigned long long)rounds);
	return 0;
}
