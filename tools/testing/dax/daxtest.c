// SPDX-License-Identifier: GPL-2.0
/*
 * daxtest - does for the dax test scripts what a shell cannot
 *
 * Without arguments it lists its commands. Sizes and offsets take the
 * suffixes K, M, G and T; numbers may be hexadecimal. Unless its command says
 * otherwise, it exits with 0 if what was asked for could be done and 1 if not.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/kernel-page-flags.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "daxtest.h"

#ifndef MADV_HWPOISON
#define MADV_HWPOISON 100
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif
#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 3
#endif
#ifndef BUS_MCEERR_AR
#define BUS_MCEERR_AR 4
#endif
#ifndef BUS_MCEERR_AO
#define BUS_MCEERR_AO 5
#endif

#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))
#define HUGE (2UL << 20)
#define PAGE ((size_t)getpagesize())

/* Things that every command needs */

static void die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("daxtest: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(3);	/* 1 is for what differs */
}

static const char *errname(int err)
{
	const char *name = err ? strerrorname_np(err) : "OK";

	return name ? name : "?";
}

static uint64_t number(const char *s)
{
	static const char suffixes[] = "KMGT";
	const char *suffix;
	uint64_t val;
	char *end;

	errno = 0;
	val = strtoull(s, &end, 0);
	if (end == s || errno)
		die("%s is not a value", s);
	if (!*end)
		return val;
	suffix = strchr(suffixes, *end);
	if (!suffix || end[1])
		die("%s is not a value", s);
	return val << 10 * (suffix - suffixes + 1);
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die("%s: open: %s", path, errname(errno));
	return fd;
}

static uint64_t file_size(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		die("fstat: %s", errname(errno));
	return st.st_size;
}

static void *map_file(int fd, uint64_t off, uint64_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, prot, flags, fd, off);

	if (p == MAP_FAILED)
		die("mmap: %s", errname(errno));
	return p;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/*
 * Access to memory that may answer with SIGBUS. try_access() returns 0, or
 * the signal; bus tells about it.
 */
static struct {
	sigjmp_buf env;
	int armed, sig, code, lsb;
	uintptr_t addr;
} bus;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	bus.sig = sig;
	bus.code = info->si_code;
	bus.addr = (uintptr_t)info->si_addr;
	bus.lsb = info->si_addr_lsb;
	if (__atomic_load_n(&bus.armed, __ATOMIC_SEQ_CST))
		siglongjmp(bus.env, 1);
	/* action optional: an error reported while we did something else */
	if (info->si_code != BUS_MCEERR_AO) {
		signal(sig, SIG_DFL);
		raise(sig);
	}
}

static void catch_bus(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_bus,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

static int try_access(uint64_t *p, bool write, uint64_t *val)
{
	bus.sig = 0;
	if (!sigsetjmp(bus.env, 1)) {
		__atomic_store_n(&bus.armed, 1, __ATOMIC_SEQ_CST);
		if (write)
			__atomic_store_n(p, *val, __ATOMIC_SEQ_CST);
		else
			*val = __atomic_load_n(p, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&bus.armed, 0, __ATOMIC_SEQ_CST);
	return bus.sig;
}

static const char *bus_code(void)
{
	if (bus.sig != SIGBUS)
		return "SEGV";
	switch (bus.code) {
	case BUS_ADRERR:
		return "BUS_ADRERR";
	case BUS_MCEERR_AR:
		return "BUS_MCEERR_AR";
	case BUS_MCEERR_AO:
		return "BUS_MCEERR_AO";
	}
	return "BUS_?";
}

/* Every 8 bytes of a file say which seed and position they were written for */
static uint64_t pattern(uint64_t seed, uint64_t pos)
{
	uint64_t x = (pos / 8 + 1) * 0x9e3779b97f4a7c15ULL ^ seed << 32;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x ^ x >> 32;
}

static void make_pattern(void *buf, uint64_t seed, uint64_t pos, size_t len)
{
	unsigned char *to = buf;
	uint64_t word;
	size_t i;

	if (!(pos % 8) && !((uintptr_t)to % 8)) {
		for (; len >= 8; len -= 8, to += 8, pos += 8)
			*(uint64_t *)to = pattern(seed, pos);
	}
	for (i = 0; i < len; i++) {
		word = pattern(seed, pos + i);
		to[i] = word >> (pos + i) % 8 * 8;
	}
}

static int compare(const void *have, const void *want, uint64_t pos, size_t len)
{
	const unsigned char *a = have, *b = want;
	size_t i;

	if (!memcmp(a, b, len))
		return 0;
	for (i = 0; a[i] == b[i]; i++)
		;
	fprintf(stderr, "differs at %#llx: %02x instead of %02x\n",
		(unsigned long long)(pos + i), a[i], b[i]);
	return 1;
}

/* Files and layouts */

static unsigned int parse_extents(char *list, struct daxtest_extent *ext)
{
	unsigned int nr = 0;
	char *item, *dev, *off, *len;

	while ((item = strsep(&list, ","))) {
		if (nr > DAXTEST_MAX_EXTENTS)
			die("too many extents");
		dev = strsep(&item, ":");
		off = strsep(&item, ":");
		len = strsep(&item, ":");
		if (!off || !len || item)
			die("an extent is DEV:OFFSET:LENGTH");
		ext[nr++] = (struct daxtest_extent) {
			.dev = number(dev),
			.offset = number(off),
			.len = number(len),
		};
	}
	return nr;
}

static int make_file(const char *path, struct daxtest_layout *layout,
		     char *list)
{
	static struct daxtest_extent ext[DAXTEST_MAX_EXTENTS + 1];
	struct stat st;
	bool old;
	int fd, rc = 0;

	layout->version = DAXTEST_LAYOUT_VERSION;
	layout->count = parse_extents(list, ext);
	layout->extents = (uintptr_t)ext;
	old = !stat(path, &st);
	fd = open_file(path, O_RDWR | O_CREAT);
	if (ioctl(fd, DAXTEST_IOC_SET_LAYOUT, layout)) {
		rc = errno;
		if (!old)
			unlink(path);
	}
	close(fd);
	printf("%s\n", errname(rc));
	return rc ? 1 : 0;
}

static int cmd_mkfile(int argc, char **argv)
{
	struct daxtest_layout layout = { .type = DAXTEST_SIMPLE };
	bool late = !strcmp(argv[1], "-l");
	bool shared = late || !strcmp(argv[1], "-s");

	if (argc != 4 + shared)
		return -1;
	if (shared)
		layout.flags = DAXTEST_LAYOUT_SHARED;
	if (late)
		layout.flags |= DAXTEST_LAYOUT_LATE;
	layout.size = number(argv[2 + shared]);
	return make_file(argv[1 + shared], &layout, argv[3 + shared]);
}

static int cmd_mkstripe(int argc, char **argv)
{
	struct daxtest_layout layout = { .type = DAXTEST_STRIPE };

	layout.size = number(argv[2]);
	layout.chunk = number(argv[3]);
	return make_file(argv[1], &layout, argv[4]);
}

static int cmd_layout(int argc, char **argv)
{
	static struct daxtest_extent ext[DAXTEST_MAX_EXTENTS];
	struct daxtest_layout layout = {
		.version = DAXTEST_LAYOUT_VERSION,
		.count = DAXTEST_MAX_EXTENTS,
		.extents = (uintptr_t)ext,
	};
	int fd = open_file(argv[1], O_RDONLY);
	unsigned int i;

	if (ioctl(fd, DAXTEST_IOC_GET_LAYOUT, &layout)) {
		printf("%s\n", errname(errno));
		return 1;
	}
	printf("%s size %llu", layout.type ? "stripe" : "simple",
	       (unsigned long long)layout.size);
	if (layout.type)
		printf(" chunk %llu", (unsigned long long)layout.chunk);
	printf("%s\n", layout.flags & DAXTEST_LAYOUT_SHARED ? " shared" : "");
	for (i = 0; i < layout.count; i++)
		printf("%u:%#llx:%#llx\n", ext[i].dev,
		       (unsigned long long)ext[i].offset,
		       (unsigned long long)ext[i].len);
	return 0;
}

static uint64_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A number that may be near something that matters */
static uint64_t odd_number(uint64_t *state)
{
	static const uint64_t base[] = {
		0, 1, 4096, 1 << 21, 1 << 30, UINT32_MAX, INT64_MAX, UINT64_MAX
	};

	if (rnd(state) % 4 == 0)
		return rnd(state);
	return base[rnd(state) % ARRAY_SIZE(base)] + rnd(state) % 5 - 2;
}

/*
 * Hands garbage to the layout ioctls. Every answer but a crash is right; a
 * layout that is taken must read back as what it was.
 */
static int cmd_fuzz(int argc, char **argv)
{
	static struct daxtest_extent ext[DAXTEST_MAX_EXTENTS + 8], back;
	uint64_t n = number(argv[2]), state = number(argv[3]) * 2 + 1, i, j;
	unsigned int taken = 0, refused = 0;

	for (i = 0; i < n; i++) {
		struct daxtest_layout layout, copy;
		unsigned int cmd = DAXTEST_IOC_SET_LAYOUT;
		int fd;

		layout.version = rnd(&state) % 8 ? 1 : odd_number(&state);
		layout.type = rnd(&state) % 3;
		layout.flags = rnd(&state) % 8 ? 0 : odd_number(&state);
		layout.count = rnd(&state) % 4 ? rnd(&state) % 5 :
						 odd_number(&state);
		layout.size = odd_number(&state);
		layout.chunk = rnd(&state) % 2 ? 0 : odd_number(&state);
		layout.extents = (uintptr_t)ext;
		if (rnd(&state) % 16 == 0)
			layout.extents = odd_number(&state);
		for (j = 0; j < 8; j++) {
			ext[j].dev = rnd(&state) % 4 ? 0 : odd_number(&state);
			ext[j].reserved = rnd(&state) % 16 == 0;
			ext[j].offset = odd_number(&state);
			ext[j].len = odd_number(&state);
			if (rnd(&state) % 2) {
				ext[j].offset &= 0xfffff000;
				ext[j].len = 4096;
			}
		}
		/* any length, too: the size is part of the ioctl's number */
		if (rnd(&state) % 8 == 0)
			cmd = _IOC(rnd(&state) % 4, 'x', 0x40 + rnd(&state) % 3,
				   rnd(&state) % 64);
		unlink(argv[1]);
		fd = open_file(argv[1], O_RDWR | O_CREAT);
		if (ioctl(fd, cmd, &layout)) {
			refused++;
			close(fd);
			continue;
		}
		if (cmd == DAXTEST_IOC_SET_LAYOUT) {
			taken++;
			copy = layout;
			copy.count = 1;
			copy.extents = (uintptr_t)&back;
			if (ioctl(fd, DAXTEST_IOC_GET_LAYOUT, &copy) ||
			    copy.size != layout.size ||
			    copy.count != layout.count ||
			    memcmp(&back, ext, sizeof(back)))
				die("layout %llu reads back as another one",
				    (unsigned long long)i);
		}
		close(fd);
	}
	unlink(argv[1]);
	printf("taken %u refused %u\n", taken, refused);
	return 0;
}

/* Data: by read and write, or by a mapping */

struct span {
	int fd;
	uint64_t seed, pos, end;
};

/* PATH SEED [OFFSET LENGTH] */
static struct span parse_span(int argc, char **argv, int flags)
{
	struct span s = { .fd = open_file(argv[1], flags) };

	s.seed = number(argv[2]);
	s.end = file_size(s.fd);
	if (argc == 5) {
		s.pos = number(argv[3]);
		s.end = s.pos + number(argv[4]);
	}
	return s;
}

#define BUF_SIZE (1024UL * 1024)

static int cmd_fill(int argc, char **argv)
{
	struct span s = parse_span(argc, argv, O_WRONLY);
	char *buf = malloc(BUF_SIZE);
	ssize_t n;

	for (; s.pos < s.end; s.pos += n) {
		size_t len = s.end - s.pos < BUF_SIZE ? s.end - s.pos :
							BUF_SIZE;

		make_pattern(buf, s.seed, s.pos, len);
		n = pwrite(s.fd, buf, len, s.pos);
		if (n <= 0)
			die("pwrite at %#llx: %s", (unsigned long long)s.pos,
			    errname(n ? errno : 0));
	}
	return 0;
}

static int cmd_check(int argc, char **argv)
{
	struct span s = parse_span(argc, argv, O_RDONLY);
	char *buf = malloc(BUF_SIZE), *want = malloc(BUF_SIZE);
	ssize_t n;

	for (; s.pos < s.end; s.pos += n) {
		size_t len = s.end - s.pos < BUF_SIZE ? s.end - s.pos :
							BUF_SIZE;

		n = pread(s.fd, buf, len, s.pos);
		if (n <= 0)
			die("pread at %#llx: %s", (unsigned long long)s.pos,
			    errname(n ? errno : 0));
		make_pattern(want, s.seed, s.pos, n);
		if (compare(buf, want, s.pos, n))
			return 1;
	}
	return 0;
}

/* Maps page by page around what is asked for */
static char *map_span(const struct span *s, int prot, int flags)
{
	uint64_t start = s->pos & ~(HUGE - 1);
	char *p = map_file(s->fd, start, s->end - start, prot, flags);

	return p + (s->pos - start);
}

static int cmd_mfill(int argc, char **argv)
{
	struct span s = parse_span(argc, argv, O_RDWR);
	char *p = map_span(&s, PROT_READ | PROT_WRITE, MAP_SHARED);

	make_pattern(p, s.seed, s.pos, s.end - s.pos);
	return 0;
}

static int cmd_mcheck(int argc, char **argv)
{
	struct span s = parse_span(argc, argv, O_RDONLY);
	char *p = map_span(&s, PROT_READ, MAP_SHARED);
	char *want = malloc(BUF_SIZE);

	while (s.pos < s.end) {
		size_t len = s.end - s.pos < BUF_SIZE ? s.end - s.pos :
							BUF_SIZE;

		make_pattern(want, s.seed, s.pos, len);
		if (compare(p, want, s.pos, len))
			return 1;
		s.pos += len;
		p += len;
	}
	return 0;
}

static int cmd_mmapcmp(int argc, char **argv)
{
	int fd = open_file(argv[1], O_RDONLY), ref = open_file(argv[2], O_RDONLY);
	uint64_t size = file_size(fd), pos = 0;
	char *p, *buf = malloc(BUF_SIZE);
	ssize_t n;

	if (size != file_size(ref))
		die("sizes differ");
	p = map_file(fd, 0, size, PROT_READ, MAP_SHARED);
	for (; pos < size; pos += n) {
		n = pread(ref, buf, BUF_SIZE, pos);
		if (n <= 0)
			die("%s: read: %s", argv[2], errname(n ? errno : 0));
		if (compare(p + pos, buf, pos, n))
			return 1;
	}
	printf("%llu bytes mapped and compared\n", (unsigned long long)size);
	return 0;
}

static int cmd_iszero(int argc, char **argv)
{
	int fd = open_file(argv[1], O_RDONLY);
	uint64_t pos = number(argv[2]), end = pos + number(argv[3]);
	char *buf = malloc(BUF_SIZE), *zero = calloc(1, BUF_SIZE);
	ssize_t n;

	for (; pos < end; pos += n) {
		n = pread(fd, buf, end - pos < BUF_SIZE ? end - pos : BUF_SIZE,
			  pos);
		if (n <= 0)
			die("pread: %s", errname(n ? errno : 0));
		if (compare(buf, zero, pos, n))
			return 1;
	}
	return 0;
}

static int cmd_fallocate(int argc, char **argv)
{
	int fd = open_file(argv[2], O_RDWR), mode = 0, rc;

	if (!strcmp(argv[1], "zero"))
		mode = FALLOC_FL_ZERO_RANGE;
	else if (!strcmp(argv[1], "keep"))
		mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
	else if (!strcmp(argv[1], "punch"))
		mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	else if (!strcmp(argv[1], "collapse"))
		mode = FALLOC_FL_COLLAPSE_RANGE;
	rc = fallocate(fd, mode, number(argv[3]), number(argv[4]));
	printf("%s\n", errname(rc ? errno : 0));
	return rc ? 1 : 0;
}

/* One access through a mapping, and what became of it */

struct access {
	int prot, flags, open;
	bool write, huge;
};

#define MARK 0x6461787465737421	/* what a write leaves behind */

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

static int cmd_touch(int argc, char **argv)
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
static int cmd_hold(int argc, char **argv)
{
	struct held h = hold_file(argv + 1, argc == 4 ? argv[3] : "r");

	return hold_obey(&h);
}

/* Pins a page in a pipe until it reads a q, and then reads it from there */
static int cmd_pin(int argc, char **argv)
{
	struct access a = parse_access(argc == 4 ? argv[3] : "r");
	int fd = open_file(argv[1], O_RDWR), pipefd[2];
	uint64_t off = number(argv[2]), start;
	char *p = map_around(fd, off, &a, &start), *buf = malloc(PAGE);
	struct iovec iov = { .iov_base = p + (off - start), .iov_len = PAGE };
	ssize_t n;

	if (pipe(pipefd))
		die("pipe: %s", errname(errno));
	n = vmsplice(pipefd[1], &iov, 1, 0);
	if (n != (ssize_t)PAGE)
		die("vmsplice: %s", errname(n < 0 ? errno : 0));
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
static int cmd_scan(int argc, char **argv)
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

/* Reads a device, past the cache, into a page of a mapped file */
static int cmd_dio(int argc, char **argv)
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
static int cmd_longio(int argc, char **argv)
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
static int cmd_inuse(int argc, char **argv)
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
static int cmd_poison(int argc, char **argv)
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
 * record, whose words are all the number of its round. What was written is
 * written back before anything else is. The reader goes on where the one
 * before it stopped, so that the file is to be zeroed first.
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

static int cmd_flagwriter(int argc, char **argv)
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

static int cmd_flagreader(int argc, char **argv)
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

/* Storms: processes that do one thing until the time is over, or a SIGTERM */

static uint64_t *storm_over;

static void end_storm(int sig)
{
	__atomic_store_n(storm_over, 1, __ATOMIC_SEQ_CST);
}

static int storm(int procs, double seconds, const char *what,
		 void (*fn)(uint64_t *state, uint64_t *ok, uint64_t *failed))
{
	uint64_t *count = mmap(NULL, procs * 16 + 8, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sigaction sa = {
		.sa_handler = end_storm,
		.sa_flags = SA_RESTART,
	};
	uint64_t ok = 0, failed = 0;
	double end = now() + seconds;
	int i, status, rc = 0;

	storm_over = &count[2 * procs];
	sigaction(SIGTERM, &sa, NULL);
	for (i = 0; i < procs; i++) {
		uint64_t state = 88172645463325252ULL + i * 0x9e3779b9ULL;

		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (now() < end && !__atomic_load_n(storm_over,
						       __ATOMIC_SEQ_CST))
			fn(&state, &count[2 * i], &count[2 * i + 1]);
		_exit(0);
	}
	while (wait(&status) > 0)
		if (status)
			rc = 1;
	for (i = 0; i < procs; i++) {
		ok += count[2 * i];
		failed += count[2 * i + 1];
	}
	printf("%s ok %llu failed %llu\n", what, (unsigned long long)ok,
	       (unsigned long long)failed);
	return rc;
}

static struct {
	int fd;
	uint64_t size;
	char *map;
} target;

static void storm_fault(uint64_t *state, uint64_t *ok, uint64_t *failed)
{
	uint64_t val = 0, off = rnd(state) % target.size & ~7ULL;
	uint64_t huge = off & ~(HUGE - 1);

	if (try_access((void *)(target.map + off), rnd(state) & 1, &val))
		++*failed;
	else
		++*ok;
	if (rnd(state) % 4 == 0)
		madvise(target.map + huge, target.size - huge < HUGE ?
			target.size - huge : HUGE, MADV_DONTNEED);
}

static void storm_rw(uint64_t *state, uint64_t *ok, uint64_t *failed)
{
	static char buf[65536];
	uint64_t off = rnd(state) % target.size;
	size_t len = rnd(state) % sizeof(buf) + 1;
	ssize_t n;

	if (rnd(state) & 1)
		n = pwrite(target.fd, buf, len, off);
	else
		n = pread(target.fd, buf, len, off);
	if (n < 0)
		++*failed;
	else
		++*ok;
}

static int cmd_faultstorm(int argc, char **argv)
{
	target.fd = open_file(argv[1], O_RDWR);
	target.size = file_size(target.fd);
	target.map = map_file(target.fd, 0, target.size,
			      PROT_READ | PROT_WRITE, MAP_SHARED);
	catch_bus();
	return storm(number(argv[3]), number(argv[2]), "faults", storm_fault);
}

static int cmd_iostorm(int argc, char **argv)
{
	target.fd = open_file(argv[1], O_RDWR);
	target.size = file_size(target.fd);
	return storm(number(argv[3]), number(argv[2]), "io", storm_rw);
}

static int cmd_msync(int argc, char **argv)
{
	int fd = open_file(argv[1], O_RDWR), rc;
	uint64_t off = number(argv[2]), len = number(argv[3]);
	char *p = map_file(fd, off, len, PROT_READ | PROT_WRITE, MAP_SHARED);

	rc = msync(p, len, MS_SYNC);
	printf("%s\n", errname(rc ? errno : 0));
	return rc ? 1 : 0;
}

/* Whether the file is the memory itself, and not cached in other memory */
static int cmd_isdax(int argc, char **argv)
{
	struct statx stx;

	if (statx(AT_FDCWD, argv[1], 0, 0, &stx))
		die("%s: statx: %s", argv[1], errname(errno));
	return stx.stx_attributes & STATX_ATTR_DAX ? 0 : 1;
}

/* One system call, and the name of the error it gives */

static int try_mount(int argc, char **argv)
{
	unsigned long flags = 0;
	const char *opt = argc > 4 ? argv[4] : "";

	if (argc > 5 && !strcmp(argv[5], "ro"))
		flags = MS_RDONLY;
	return mount(argv[2], argv[3], "daxtest", flags, opt);
}

static int cmd_try(int argc, char **argv)
{
	static char page[4096];
	const char *what = argv[1];
	int fd = -1, rc = -1;
	void *p;

	if (!strcmp(what, "mount") && argc >= 4) {
		rc = try_mount(argc, argv);
		printf("%s\n", errname(rc ? errno : 0));
		return 0;
	}

	/* a file that was opened before, in whatever mode the device was */
	if (!strcmp(argv[2], "-"))
		fd = 0;
	else
		fd = open(argv[2], !strcmp(what, "open") || !strcmp(what, "read") ?
			  O_RDONLY : !strcmp(what, "store") ? O_WRONLY :
			  O_RDWR);
	if (fd < 0 || !strcmp(what, "open")) {
		rc = fd < 0 ? -1 : 0;
	} else if (!strcmp(what, "read")) {
		rc = read(fd, page, sizeof(page)) < 0 ? -1 : 0;
	} else if (!strcmp(what, "write")) {
		rc = write(fd, page, sizeof(page)) < 0 ? -1 : 0;
	} else if (!strcmp(what, "mmap")) {
		p = mmap(NULL, HUGE, PROT_READ, MAP_SHARED, fd, 0);
		rc = p == MAP_FAILED ? -1 : 0;
	} else if (!strcmp(what, "truncate") && argc == 4) {
		rc = ftruncate(fd, number(argv[3]));
	} else if (!strcmp(what, "pwrite") && argc == 5) {
		rc = pwrite(fd, page, number(argv[4]), number(argv[3]));
		if (rc >= 0) {
			printf("%d\n", rc);
			return 0;
		}
	} else if (!strcmp(what, "pread") && argc == 5) {
		rc = pread(fd, page, number(argv[4]), number(argv[3]));
		if (rc >= 0) {
			printf("%d\n", rc);
			return 0;
		}
	} else if (!strcmp(what, "fsync")) {
		rc = fsync(fd);
	} else if (!strcmp(what, "store") && argc == 4) {
		rc = write(fd, argv[3], strlen(argv[3])) < 0 ? -1 : 0;
	} else {
		return -1;
	}
	printf("%s\n", errname(rc ? errno : 0));
	return 0;
}

/*
 * One write(2) during which the Nth allocation fails; says how it ended, and
 * whether there was an Nth.
 */
static int cmd_failnth(int argc, char **argv)
{
	int nth = open_file("/proc/thread-self/fail-nth", O_RDWR);
	int fd = open_file(argv[2], O_WRONLY), rc;
	char buf[16] = "";

	if (write(nth, argv[1], strlen(argv[1])) < 0)
		die("fail-nth: %s", errname(errno));
	rc = write(fd, argv[3], strlen(argv[3])) < 0 ? errno : 0;
	if (pread(nth, buf, sizeof(buf) - 1, 0) < 0 || pwrite(nth, "0", 1, 0) < 0)
		die("fail-nth: %s", errname(errno));
	printf("%s %s\n", errname(rc), atoi(buf) ? "unharmed" : "injected");
	return 0;
}

static int store_once(const char *dir, const char *file, const char *val)
{
	char path[PATH_MAX];
	int fd, rc = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open_file(path, O_WRONLY);
	if (write(fd, val, strlen(val)) < 0)
		rc = errno;
	close(fd);
	return rc;
}

/*
 * Unbinds and binds, as fast as that goes; with "held", some may have to put
 * the device before it can be bound
 */
static int cmd_rebind(int argc, char **argv)
{
	bool held = argc == 5 && !strcmp(argv[4], "held");
	uint64_t n = number(argv[3]);
	double end;
	int rc = 0;

	while (n-- && !rc) {
		rc = store_once(argv[1], "unbind", argv[2]);
		if (rc)
			break;
		end = now() + 10;
		do {
			rc = store_once(argv[1], "bind", argv[2]);
		} while (held && rc == EBUSY && now() < end);
	}
	printf("%s\n", errname(rc));
	return rc ? 1 : 0;
}

/* The probe module */

static struct daxtest_probe probe = { .slot = DAXTEST_NO_SLOT };

static void run_probe(unsigned long cmd)
{
	int fd = open_file("/dev/daxtest_probe", O_RDWR);

	if (ioctl(fd, cmd, &probe))
		die("probe: %s", errname(errno));
	close(fd);
}

/* A device is sN for what slot N holds, MAJOR:MINOR, or a device node */
static void probe_device(const char *name)
{
	unsigned int major, minor;
	struct stat st;

	if (sscanf(name, "s%u", &probe.slot) == 1)
		return;
	if (sscanf(name, "%u:%u", &major, &minor) == 2) {
		probe.major = major;
		probe.minor = minor;
		return;
	}
	if (stat(name, &st))
		die("%s: %s", name, errname(errno));
	probe.major = major(st.st_rdev);
	probe.minor = minor(st.st_rdev);
}

static void print_result(void)
{
	if (probe.result < 0)
		printf("%s\n", errname(-probe.result));
	else if (!probe.result)
		printf("OK\n");
	else
		printf("%lld\n", (long long)probe.result);
}

static int probe_lookup(int argc, char **argv)
{
	probe_device(argv[1]);
	run_probe(DAXTEST_PROBE_LOOKUP);
	print_result();
	return 0;
}

static int probe_get(int argc, char **argv)
{
	const char *how = argc == 4 ? argv[3] : "";

	probe_device(argv[2]);
	probe.slot = number(argv[1]);
	if (!strcmp(how, "nullholder"))
		probe.flags = DAXTEST_GET_NULL_HOLDER;
	else if (!strcmp(how, "nulldev"))
		probe.flags = DAXTEST_GET_NULL_DEV;
	else if (*how)
		return -1;
	run_probe(DAXTEST_PROBE_GET);
	print_result();
	return 0;
}

static int probe_put(int argc, char **argv)
{
	if (!strcmp(argv[1], "all")) {
		for (probe.slot = 0; probe.slot < DAXTEST_SLOTS; probe.slot++)
			run_probe(DAXTEST_PROBE_PUT);
		return 0;
	}
	probe.slot = number(argv[1]);
	run_probe(DAXTEST_PROBE_PUT);
	print_result();
	return 0;
}

static int probe_stat(int argc, char **argv)
{
	static const char * const name[] = {
		"failures", "removals", "others", "offset", "len", "flags"
	};
	int i;

	probe.slot = number(argv[1]);
	run_probe(DAXTEST_PROBE_STAT);
	if (probe.result) {
		print_result();
		return 0;
	}
	for (i = 0; i < 6; i++)
		printf("%s %#llx%c", name[i], (unsigned long long)probe.out[i],
		       i < 5 ? ' ' : '\n');
	return 0;
}

static int probe_access(int argc, char **argv)
{
	probe_device(argv[1]);
	probe.pgoff = number(argv[2]);
	probe.nr = number(argv[3]);
	if (argc == 5 && !strcmp(argv[4], "recovery"))
		probe.flags = DAXTEST_ACCESS_RECOVERY;
	run_probe(DAXTEST_PROBE_ACCESS);
	if (probe.result <= 0) {
		print_result();
		return 0;
	}
	printf("%lld pfn %#llx%s\n", (long long)probe.result,
	       (unsigned long long)probe.out[0],
	       probe.out[1] && !probe.out[2] ? " address differs" : "");
	return 0;
}

static int probe_bench(int argc, char **argv)
{
	probe_device(argv[1]);
	probe.pgoff = number(argv[2]);
	probe.nr = number(argv[3]);
	probe.count = number(argv[4]);
	run_probe(DAXTEST_PROBE_BENCH);
	if (probe.result < 0 || !probe.out[1]) {
		print_result();
		return 1;
	}
	printf("%.1f ns\n", (double)probe.out[0] / probe.out[1]);
	return 0;
}

static int probe_zero(int argc, char **argv)
{
	probe_device(argv[1]);
	probe.pgoff = number(argv[2]);
	probe.nr = number(argv[3]);
	run_probe(DAXTEST_PROBE_ZERO);
	print_result();
	return 0;
}

/* Writes the pattern of a seed, so that check can look for it in a file */
static int probe_recover(int argc, char **argv)
{
	void *buf;

	probe_device(argv[1]);
	probe.pgoff = number(argv[2]);
	probe.len = number(argv[3]);
	buf = malloc(probe.len + 1);
	make_pattern(buf, number(argv[4]), number(argv[5]), probe.len);
	probe.addr = (uintptr_t)buf;
	run_probe(DAXTEST_PROBE_RECOVER);
	print_result();
	return 0;
}

static int probe_size(int argc, char **argv)
{
	probe_device(argv[1]);
	run_probe(DAXTEST_PROBE_SIZE);
	if (probe.result)
		print_result();
	else
		printf("%llu\n", (unsigned long long)probe.out[0]);
	return 0;
}

static int probe_poison(int argc, char **argv)
{
	probe_device(argv[1]);
	probe.pgoff = number(argv[2]);
	run_probe(DAXTEST_PROBE_POISON);
	print_result();
	return 0;
}

/* What a filesystem may ask of a device, over and over, until a line comes */
static const struct {
	const char *name;
	unsigned long cmd;
} probe_storms[] = {
	{ "access",  DAXTEST_PROBE_BENCH },
	{ "zero",    DAXTEST_PROBE_ZERO },
	{ "recover", DAXTEST_PROBE_RECOVER },
	{ "size",    DAXTEST_PROBE_SIZE },
	{ "poison",  DAXTEST_PROBE_POISON },
	{ "getput",  DAXTEST_PROBE_GETPUT },
};

static int probe_storm(int argc, char **argv)
{
	struct pollfd line = { .fd = 0, .events = POLLIN };
	unsigned long count[256] = {}, good = 0, heard[3] = {};
	int fd = open_file("/dev/daxtest_probe", O_RDWR);
	uint64_t state = getpid();
	struct daxtest_probe p;
	unsigned int i, err;
	bool full;

	for (i = 0; i < ARRAY_SIZE(probe_storms); i++)
		if (!strcmp(argv[1], probe_storms[i].name))
			break;
	if (i == ARRAY_SIZE(probe_storms))
		return -1;
	probe_device(argv[2]);
	probe.nr = 4;
	probe.count = 200;
	probe.len = 4 * PAGE;
	probe.addr = (uintptr_t)calloc(4, PAGE);
	printf("ready\n");
	fflush(stdout);
	do {
		p = probe;
		p.pgoff = rnd(&state) % 64;
		if (probe_storms[i].cmd == DAXTEST_PROBE_GETPUT)
			p.count = rnd(&state) % 100;
		if (ioctl(fd, probe_storms[i].cmd, &p))
			die("probe: %s", errname(errno));
		err = p.result < 0 ? -p.result : 0;
		/* where nothing is an answer, that is how the dead answer */
		switch (probe_storms[i].cmd) {
		case DAXTEST_PROBE_SIZE:
			full = p.out[0];
			if (!full)
				err = ENXIO;
			break;
		case DAXTEST_PROBE_BENCH:
			full = p.result == (int64_t)p.nr;
			break;
		case DAXTEST_PROBE_RECOVER:
			full = p.result == (int64_t)p.len;
			if (!p.result)
				err = ENXIO;
			break;
		case DAXTEST_PROBE_GETPUT:
			full = !p.result;
			heard[0] += p.out[0];
			heard[1] += p.out[1];
			heard[2] += !!p.out[2];
			break;
		default:
			full = !p.result;
		}
		if (err)
			count[err < ARRAY_SIZE(count) ? err : 0]++;
		else if (full)
			good++;
		else
			count[0]++;
		/* all in all as many as there were before */
		if (probe_storms[i].cmd == DAXTEST_PROBE_POISON && !err)
			ioctl(fd, DAXTEST_PROBE_ZERO, &p);
	} while (!poll(&line, 1, 0));
	printf("good %lu", good);
	for (i = 0; i < ARRAY_SIZE(count); i++)
		if (count[i])
			printf(" %s %lu", i ? errname(i) : "wrong", count[i]);
	if (!strcmp(argv[1], "getput"))
		printf(" failures %lu removals %lu meanwhile %lu", heard[0],
		       heard[1], heard[2]);
	printf("\n");
	return 0;
}

/*
 * The workers of stress.sh that have to be quick. Each goes on until its time is
 * over, and then says how often it did what. The device may be gone meanwhile,
 * and have another number afterwards.
 */
static struct churn {
	const char *dev;
	const char *lock;
	uint64_t state;
	struct {
		char name[32];
		unsigned long n;
	} count[32];
} churn;

static void churned(const char *what, const char *which)
{
	char name[32];
	int i;

	snprintf(name, sizeof(name), "%s%s", what, which);
	for (i = 0; churn.count[i].n; i++)
		if (!strcmp(churn.count[i].name, name))
			break;
	if (i == ARRAY_SIZE(churn.count) - 1)
		die("churn counts no more than %d things", i);
	strcpy(churn.count[i].name, name);
	churn.count[i].n++;
}

/* Up to so many microseconds, seldom for long */
static void churn_wait(unsigned int max)
{
	usleep(rnd(&churn.state) % max / (rnd(&churn.state) % 4 ? 10 : 1));
}

/* Who wants the lock for himself waits at the gate, and others behind him */
static int churn_lock(void)
{
	char path[PATH_MAX];
	int gate, fd;

	snprintf(path, sizeof(path), "%s.gate", churn.lock);
	gate = open_file(path, O_RDWR);
	fd = open_file(churn.lock, O_RDWR);
	if (flock(gate, LOCK_SH) || flock(fd, LOCK_SH))
		die("flock: %s", errname(errno));
	close(gate);
	return fd;
}

static int churn_store(const char *driver, const char *file)
{
	char path[PATH_MAX];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/sys/bus/dax/drivers/%s/%s", driver, file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return errno;
	if (write(fd, churn.dev, strlen(churn.dev)) < 0)
		err = errno;
	close(fd);
	return err;
}

/* The driver that the device has, or "" */
static const char *churn_driver(void)
{
	static char link[PATH_MAX];
	char path[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/driver", churn.dev);
	len = readlink(path, link, sizeof(link) - 1);
	link[len < 0 ? 0 : len] = 0;
	return len < 0 ? link : strrchr(link, '/') + 1;
}

/* Refused while a filesystem has not noticed; somebody else may be quicker */
static void churn_bind_by(const char *driver, const char *file)
{
	int err = churn_store(driver, file);

	if (!err && !strcmp(churn_driver(), driver))
		churned("bind_", driver);
	else if (err == EBUSY && !*churn_driver())
		churned("bind_", "refused");
}

static void churn_unbind(void)
{
	char driver[64];

	snprintf(driver, sizeof(driver), "%s", churn_driver());
	if (*driver && strcmp(driver, "kmem") && !churn_store(driver, "unbind"))
		churned("unbind_", driver);
}

static void churn_bind(void)
{
	const char *driver = rnd(&churn.state) % 4 ? "fsdev_dax" : "device_dax";
	int lock = churn_lock();

	churn_unbind();
	churn_bind_by(driver, "new_id");
	churn_wait(4000000);
	churn_unbind();
	churn_bind_by(driver, "bind");
	churn_wait(1000000);
	if (!churn_store(driver, "remove_id"))
		churned("remove_id", "");
	close(lock);
	churn_wait(50000);
}

static void churn_hold(void)
{
	/* now and then for so long that it may be lost */
	probe.count = rnd(&churn.state) %
		      (rnd(&churn.state) % 4 ? 3000 : 300000);
	run_probe(DAXTEST_PROBE_GETPUT);
	if (probe.result) {
		churned("claim_", "refused");
		churned("refused_", errname(-probe.result));
		churn_wait(20000);
		return;
	}
	churned("claim_", "won");
	churned("put", "");
	if (probe.out[0])
		churned("claim_", "told");
	if (probe.out[1])
		churned("claim_", "lost");
	if (probe.out[1] > 1)
		churned("removal_", "told_twice");
	/* it is a mount's turn */
	churn_wait(1000000);
}

static void churn_poison(void)
{
	int lock = churn_lock();

	probe.pgoff = rnd(&churn.state) % 4096;
	probe.nr = 1;
	/* not if it is the system's memory */
	if (!strcmp(churn_driver(), "fsdev_dax")) {
		run_probe(DAXTEST_PROBE_POISON);
		if (!probe.result)
			churned("poison", "");
	}
	close(lock);
	churn_wait(20000);
	run_probe(DAXTEST_PROBE_ZERO);
	if (!probe.result)
		churned("heal", "");
	churn_wait(100000);
}

static void churn_look(void)
{
	unsigned int minor = probe.minor;
	char path[PATH_MAX];
	int fd;

	run_probe(DAXTEST_PROBE_LOOKUP);
	if (!probe.result)
		churned("lookup", "");
	run_probe(DAXTEST_PROBE_SIZE);
	if (!probe.result && probe.out[0])
		churned("size", "");
	probe.pgoff = rnd(&churn.state) % 4096;
	probe.nr = 16;
	run_probe(DAXTEST_PROBE_ACCESS);
	if (probe.result > 0)
		churned("access", "");
	probe.minor += 1000 + rnd(&churn.state) % 10000;
	run_probe(DAXTEST_PROBE_LOOKUP);
	if (probe.result == -ENOENT)
		churned("lookup_", "of_none");
	probe.minor = minor;
	snprintf(path, sizeof(path), "/dev/%s", churn.dev);
	fd = open(path, O_RDWR);
	if (fd >= 0) {
		churned("open", "");
		close(fd);
	}
	churn_wait(5000);
}

/* Its number, if it is there */
static bool churn_find(void)
{
	char path[PATH_MAX];
	bool found;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/dev", churn.dev);
	f = fopen(path, "r");
	if (!f)
		return false;
	found = fscanf(f, "%u:%u", &probe.major, &probe.minor) == 2;
	fclose(f);
	return found;
}

static int cmd_churn(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*work)(void);
	} workers[] = {
		{ "bind", churn_bind },
		{ "hold", churn_hold },
		{ "poison", churn_poison },
		{ "look", churn_look },
	};
	double end = now() + number(argv[3]);
	unsigned int i, w;

	for (w = 0; w < ARRAY_SIZE(workers); w++)
		if (!strcmp(argv[1], workers[w].name))
			break;
	if (w == ARRAY_SIZE(workers))
		return -1;
	churn.dev = argv[2];
	churn.lock = argv[4];
	churn.state = getpid();
	while (now() < end) {
		if (churn_find())
			workers[w].work();
		else
			usleep(10000);
	}
	for (i = 0; churn.count[i].n; i++)
		printf("%s %lu\n", churn.count[i].name, churn.count[i].n);
	return 0;
}

/*
 * As hold, but the first access is held up at a point in the kernel. "armed"
 * before it, "ready" when it went on.
 */
static int cmd_stall(int argc, char **argv)
{
	struct held h = hold_file(argv + 2, argc == 5 ? argv[4] : "w");
	int fd = open_file("/dev/daxtest_probe", O_RDWR);
	static const char * const point[] = {
		[DAXTEST_STALL_ENTRY] = "entry",
		[DAXTEST_STALL_PTE] = "pte",
		[DAXTEST_STALL_PMD] = "pmd",
		[DAXTEST_STALL_SYNC] = "sync",
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

static int probe_stalled(int argc, char **argv)
{
	static const char * const name[] = {
		[DAXTEST_STALLED_NONE] = "none",
		[DAXTEST_STALLED_ARMED] = "armed",
		[DAXTEST_STALLED_THERE] = "there",
		[DAXTEST_STALLED_DONE] = "done",
	};

	run_probe(DAXTEST_PROBE_STALLED);
	printf("%s\n", name[probe.out[0]]);
	return 0;
}

static int probe_go(int argc, char **argv)
{
	run_probe(DAXTEST_PROBE_STALL);
	return 0;
}

/* Exits with 0 if all pages are as a filesystem wants to find them */
static int probe_pages(int argc, char **argv)
{
	static const char * const name[DAXTEST_PG_NR] = {
		[DAXTEST_PG_SEEN] = "seen",
		[DAXTEST_PG_NO_PGMAP] = "no_pgmap",
		[DAXTEST_PG_NOT_DEVICE] = "not_device",
		[DAXTEST_PG_NOT_FSDAX] = "not_fsdax",
		[DAXTEST_PG_LARGE] = "large",
		[DAXTEST_PG_REF] = "ref",
		[DAXTEST_PG_MAPCOUNT] = "mapcount",
		[DAXTEST_PG_MAPPING] = "mapping",
		[DAXTEST_PG_SHARE] = "share",
		[DAXTEST_PG_HWPOISON] = "hwpoison",
		[DAXTEST_PG_FLAGS] = "flags",
		[DAXTEST_PG_FIRST_BAD] = "first_bad",
	};
	int i, bad = 0;

	for (; argc > 2; argc -= 2, argv += 2) {
		probe.start = number(argv[1]);
		probe.end = number(argv[2]);
		run_probe(DAXTEST_PROBE_PAGES);
		for (i = 0; i < DAXTEST_PG_NR; i++) {
			printf("%s%s %llu", i ? " " : "", name[i],
			       (unsigned long long)probe.out[i]);
			if (i && probe.out[i])
				bad = 1;
		}
		printf("\n");
	}
	return bad;
}

/*
 * An exerciser in the manner of fsx: random operations on a file and on a copy
 * of it in memory, which have to agree. It has one mapping of all of the file
 * the whole time, and makes others for one operation.
 */

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
static int cmd_exercise(int argc, char **argv)
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

/*
 * What can be done to a mapping. Each gets a file of 4 huge pages or more,
 * whose 8 bytes at the start of each page say which page it is, and leaves it
 * so. EXPECT() tells what was not as it should be.
 */

#define EXPECT(cond) do {						\
	if (!(cond))							\
		die("line %d: not so: %s (errno %s, signal %d)", __LINE__, \
		    #cond, errname(errno), bus.sig);			\
} while (0)

static uint64_t read_at(const char *p)
{
	uint64_t val = ~0ULL;

	try_access((void *)p, false, &val);
	return val;
}

static bool reads(const char *p, uint64_t page)
{
	return read_at(p) == page && !bus.sig;
}

static bool writes(char *p, uint64_t val)
{
	return !try_access((void *)p, true, &val);
}

static bool segv(char *p, bool write)
{
	uint64_t val = 0;

	return try_access((void *)p, write, &val) == SIGSEGV;
}

static bool in_file(int fd, uint64_t page, uint64_t val)
{
	uint64_t have;

	return pread(fd, &have, 8, page * PAGE) == 8 && have == val;
}

/* Room for @len bytes in the address space, @off behind a huge page */
static char *room_for(uint64_t len, uint64_t off)
{
	char *p = mmap(NULL, len + 2 * HUGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	EXPECT(p != MAP_FAILED);
	return (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1)) + off;
}

#define NHUGE (HUGE / PAGE)	/* base pages in a huge one */

static void vma_mprotect(int fd, char *p)
{
	char *q = p + 7 * PAGE;

	EXPECT(writes(p, 0) && writes(p + HUGE, NHUGE));
	/* one page in the middle of a huge one */
	EXPECT(!mprotect(q, PAGE, PROT_READ));
	EXPECT(segv(q, true) && reads(q, 7));
	EXPECT(writes(q - PAGE, 6) && writes(q + PAGE, 8));
	EXPECT(!mprotect(q, PAGE, PROT_NONE));
	EXPECT(segv(q, false) && segv(q, true));
	EXPECT(reads(q - PAGE, 6) && reads(q + PAGE, 8));
	EXPECT(!mprotect(q, PAGE, PROT_READ | PROT_WRITE));
	EXPECT(reads(q, 7) && writes(q, 70) && in_file(fd, 7, 70));
	EXPECT(writes(q, 7));
	/* a whole huge one, which may stay one */
	EXPECT(!mprotect(p + HUGE, HUGE, PROT_READ));
	EXPECT(segv(p + HUGE, true) && reads(p + HUGE + PAGE, NHUGE + 1));
	EXPECT(!mprotect(p + HUGE, HUGE, PROT_READ | PROT_WRITE));
	EXPECT(writes(p + HUGE, 1) && in_file(fd, NHUGE, 1));
	EXPECT(writes(p + HUGE, NHUGE));
}

static void vma_munmap(int fd, char *p)
{
	char *q = p + 100 * PAGE;

	EXPECT(writes(p, 0) && writes(p + 2 * HUGE, 2 * NHUGE));
	EXPECT(!munmap(q, PAGE));
	EXPECT(segv(q, false));
	EXPECT(reads(q - PAGE, 99) && reads(q + PAGE, 101));
	EXPECT(writes(q - PAGE, 5) && in_file(fd, 99, 5));
	EXPECT(writes(q - PAGE, 99));
	/* the head of a huge page, the tail of another, and one between */
	EXPECT(!munmap(p + 3 * HUGE / 2, 2 * HUGE));
	EXPECT(segv(p + 2 * HUGE, false) && segv(p + 3 * HUGE, false));
	EXPECT(reads(p + HUGE, NHUGE));
	EXPECT(reads(p + 7 * HUGE / 2, 7 * NHUGE / 2));
	/* and the file is whole */
	EXPECT(mmap(q, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		    100 * PAGE) == q && reads(q, 100));
	EXPECT(mmap(q, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		    HUGE) == q && reads(q, NHUGE));
}

static void vma_madvise(int fd, char *p)
{
	static const int harmless[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_DONTNEED, MADV_NOHUGEPAGE, MADV_HUGEPAGE,
		20 /* COLD */, 21 /* PAGEOUT */,
		22 /* POPULATE_READ */, 23 /* POPULATE_WRITE */,
		MADV_DONTDUMP, MADV_DODUMP, MADV_DONTFORK, MADV_DOFORK
	};
	unsigned int i;
	char *q;

	for (i = 0; i < ARRAY_SIZE(harmless); i++) {
		EXPECT(writes(p + 9 * PAGE, 9));
		if (madvise(p, 2 * HUGE, harmless[i]))
			die("madvise %d: %s", harmless[i], errname(errno));
		EXPECT(reads(p + 9 * PAGE, 9) && reads(p + HUGE, NHUGE));
		/* now from the middle of a huge page */
		if (madvise(p + HUGE / 2, HUGE, harmless[i]))
			die("madvise %d: %s", harmless[i], errname(errno));
		EXPECT(reads(p + HUGE / 2, NHUGE / 2) && reads(p, 0));
	}
	/* for anonymous memory only, or for pages that can be merged */
	EXPECT(madvise(p, HUGE, 8 /* FREE */) && errno == EINVAL);
	EXPECT(madvise(p, HUGE, 25 /* COLLAPSE */) && reads(p, 0));
	/* a hole is of zeroes */
	EXPECT(!madvise(p + 10 * PAGE, 2 * PAGE, MADV_REMOVE));
	EXPECT(reads(p + 10 * PAGE, 0) && reads(p + 11 * PAGE, 0));
	EXPECT(reads(p + 9 * PAGE, 9) && reads(p + 12 * PAGE, 12));
	EXPECT(writes(p + 10 * PAGE, 10) && writes(p + 11 * PAGE, 11));
	EXPECT(in_file(fd, 10, 10));
	/* guards take the place of pages */
	if (madvise(p + 20 * PAGE, PAGE, 102 /* GUARD_INSTALL */)) {
		EXPECT(errno == EINVAL);
	} else {
		EXPECT(segv(p + 20 * PAGE, false) && reads(p + 21 * PAGE, 21));
		EXPECT(!madvise(p, HUGE, 103 /* GUARD_REMOVE */));
		EXPECT(reads(p + 20 * PAGE, 20));
	}
	/* what a private mapping has of its own goes, the file's stays */
	q = map_file(fd, 0, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	EXPECT(writes(q + PAGE, 77) && reads(q + PAGE, 77));
	EXPECT(in_file(fd, 1, 1) && reads(p + PAGE, 1));
	EXPECT(!madvise(q, HUGE, MADV_DONTNEED) && reads(q + PAGE, 1));
}

static void vma_mremap(int fd, char *p)
{
	char *a = room_for(8 * HUGE, 0), *b, *q;
	uint64_t i;

	EXPECT(writes(p, 0) && writes(p + HUGE, NHUGE));
	/* to where it can stay in huge pages, and to where it cannot */
	for (i = 0; i < 2; i++) {
		b = room_for(8 * HUGE, i * 5 * PAGE);
		q = mremap(i ? a : p, 4 * HUGE, 4 * HUGE,
			   MREMAP_MAYMOVE | MREMAP_FIXED, i ? b : a);
		EXPECT(q == (i ? b : a));
		EXPECT(segv(i ? a : p, false));
		EXPECT(reads(q, 0) && reads(q + HUGE + PAGE, NHUGE + 1));
		EXPECT(reads(q + 3 * HUGE, 3 * NHUGE));
		EXPECT(writes(q + PAGE, 8) && in_file(fd, 1, 8));
		EXPECT(writes(q + PAGE, 1));
	}
	/* shorter and longer again, in the middle of a huge page */
	EXPECT(mremap(q, 4 * HUGE, HUGE + PAGE, 0) == q);
	EXPECT(reads(q + HUGE, NHUGE));
	b = room_for(8 * HUGE, 0);
	a = mremap(q, HUGE + PAGE, 4 * HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, b);
	EXPECT(a == b);
	EXPECT(reads(b + HUGE + PAGE, NHUGE + 1) && reads(b, 0));
	/* the same file twice */
	q = room_for(8 * HUGE, PAGE);
	EXPECT(mremap(b, 0, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	EXPECT(writes(q, 55) && reads(b, 55) && writes(b, 0) && reads(q, 0));
	/* what is left behind is filled anew */
	a = room_for(8 * HUGE, 0);
	EXPECT(mremap(b, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED |
		      4 /* DONTUNMAP */, a) == a);
	EXPECT(reads(a, 0) && reads(b + PAGE, 1));
	/* a page out of the middle of a huge one */
	q = room_for(HUGE, 0);
	EXPECT(mremap(a + 3 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      q) == q);
	EXPECT(reads(q, 3) && segv(a + 3 * PAGE, false));
	EXPECT(reads(a + 2 * PAGE, 2) && reads(a + 4 * PAGE, 4));
}

/* Waits for a child that found everything as it should be */
static bool child_ok(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && !status;
}

static void vma_fork(int fd, char *p)
{
	char *own = map_file(fd, 0, 2 * HUGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE);
	int go[2], status;
	pid_t pid;

	EXPECT(writes(p, 0) && reads(own + PAGE, 1) && writes(own, 40));
	EXPECT(!pipe(go));
	pid = fork();
	if (!pid) {
		/* its own, from before and after */
		EXPECT(reads(own, 40) && writes(own + PAGE, 41));
		EXPECT(writes(p + 2 * PAGE, 42) && reads(own + 2 * PAGE, 42));
		EXPECT(writes(p + 2 * PAGE, 2));
		EXPECT(writes(p + HUGE, 43));
		_exit(0);
	}
	EXPECT(child_ok(pid));
	EXPECT(reads(own, 40) && reads(own + PAGE, 1) && in_file(fd, 0, 0));
	EXPECT(reads(p + HUGE, 43) && writes(p + HUGE, NHUGE));
	EXPECT(reads(own + HUGE, NHUGE));

	/* one that its parent's munmap leaves alone, nor is in the other's */
	pid = fork();
	if (!pid) {
		char c;

		EXPECT(read(go[0], &c, 1) == 1);
		EXPECT(reads(p + 3 * PAGE, 3) && writes(p + 3 * PAGE, 44));
		EXPECT(reads(own, 40));
		EXPECT(!munmap(p, HUGE) && segv(p, false));
		EXPECT(reads(p + HUGE, NHUGE));
		_exit(0);
	}
	EXPECT(!munmap(p, HUGE) && !munmap(own, HUGE));
	EXPECT(write(go[1], "", 1) == 1 && child_ok(pid));
	EXPECT(in_file(fd, 3, 44) && reads(p + HUGE, NHUGE));
	EXPECT(pwrite(fd, (uint64_t[]){ 3 }, 8, 3 * PAGE) == 8);

	/* what is not for children, they have not */
	EXPECT(!madvise(p + HUGE, HUGE, MADV_DONTFORK));
	pid = fork();
	if (!pid) {
		EXPECT(segv(p + HUGE, false));
		EXPECT(reads(p + 2 * HUGE, 2 * NHUGE));
		_exit(0);
	}
	EXPECT(child_ok(pid) && reads(p + HUGE, NHUGE));
	while (wait(&status) > 0)
		;
}

static void vma_mlock(int fd, char *p)
{
	unsigned char in[4] = {};
	char *q;

	EXPECT(!mlock(p, 2 * HUGE) && reads(p, 0) && reads(p + HUGE, NHUGE));
	EXPECT(!mincore(p, 4 * PAGE, in) && in[0] & in[3] & 1);
	EXPECT(!munlock(p + PAGE, HUGE) && reads(p + 2 * PAGE, 2));
	EXPECT(!msync(p, HUGE, MS_SYNC) && !msync(p, HUGE, MS_ASYNC));
	q = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_POPULATE | MAP_LOCKED, fd, 0);
	EXPECT(q != MAP_FAILED && reads(q + HUGE, NHUGE));
	EXPECT(!munmap(q, 2 * HUGE));
}

static int cmd_vma(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(int fd, char *p);
	} what[] = {
		{ "mprotect", vma_mprotect }, { "munmap", vma_munmap },
		{ "madvise", vma_madvise }, { "mremap", vma_mremap },
		{ "fork", vma_fork }, { "mlock", vma_mlock },
	};
	int fd = open_file(argv[2], O_RDWR);
	uint64_t page, pages = file_size(fd) / PAGE;
	unsigned int i;
	char *p;

	if (pages < 4 * NHUGE)
		die("%s is too small", argv[2]);
	for (i = 0; strcmp(what[i].name, argv[1]); i++)
		if (i == ARRAY_SIZE(what) - 1)
			return -1;
	catch_bus();
	p = mmap(room_for(4 * HUGE, 0), 4 * HUGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, 0);
	EXPECT(p != MAP_FAILED);
	for (page = 0; page < 4 * NHUGE; page++)
		EXPECT(pwrite(fd, &page, 8, page * PAGE) == 8);
	what[i].fn(fd, p);
	for (page = 0; page < 4 * NHUGE; page++)
		EXPECT(in_file(fd, page, page));
	printf("OK\n");
	return 0;
}

/*
 * Writes at @off by a mapping that stands @shift bytes off from where huge
 * pages could be
 */
static int cmd_place(int argc, char **argv)
{
	int fd = open_file(argv[1], O_RDWR);
	uint64_t off = number(argv[2]), start = off & ~(HUGE - 1);
	char *at = room_for(HUGE, number(argv[3]));

	catch_bus();
	EXPECT(mmap(at, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    fd, start) == at);
	if (argc == 5)
		EXPECT(!madvise(at, HUGE, MADV_NOHUGEPAGE));
	EXPECT(writes(at + (off - start), MARK));
	printf("OK\n");
	return 0;
}

/*
 * Copies one file into another of the same size or more: by sendfile, splice
 * or copy_file_range, or by a direct read into (directto) or a direct write
 * from (directfrom) a mapping of the one that is not read or written.
 */
static ssize_t copy_spliced(int from, int to, uint64_t len)
{
	int pipefd[2];
	ssize_t n, out, done = 0;

	if (pipe(pipefd))
		return -1;
	n = splice(from, NULL, pipefd[1], NULL, len, 0);
	while (done < n) {
		out = splice(pipefd[0], NULL, to, NULL, n - done, 0);
		if (out <= 0)
			return -1;
		done += out;
	}
	close(pipefd[0]);
	close(pipefd[1]);
	return n;
}

static int cmd_copy(int argc, char **argv)
{
	bool to_map = !strcmp(argv[1], "directto");
	bool from_map = !strcmp(argv[1], "directfrom");
	int from = open_file(argv[2], O_RDONLY | (to_map ? O_DIRECT : 0));
	int to = open_file(argv[3], O_RDWR | (from_map ? O_DIRECT : 0));
	uint64_t size = file_size(from), done;
	size_t chunk = to_map || from_map ? HUGE : 100000;
	ssize_t n = -1;
	char *p = NULL;

	if (to_map)
		p = map_file(to, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED);
	else if (from_map)
		p = map_file(from, 0, size, PROT_READ, MAP_SHARED);
	for (done = 0; done < size; done += n) {
		size_t len = size - done < chunk ? size - done : chunk;

		if (to_map)
			n = pread(from, p + done, len, done);
		else if (from_map)
			n = pwrite(to, p + done, len, done);
		else if (!strcmp(argv[1], "sendfile"))
			n = sendfile(to, from, NULL, len);
		else if (!strcmp(argv[1], "splice"))
			n = copy_spliced(from, to, len);
		else if (!strcmp(argv[1], "copyrange"))
			n = copy_file_range(from, NULL, to, NULL, len, 0);
		else
			return -1;
		if (n <= 0)
			die("%s at %#llx: %s", argv[1],
			    (unsigned long long)done, errname(n ? errno : 0));
	}
	return 0;
}

/*
 * Two processes mount at the same moment, again and again; says how often the
 * first won, the second won, and neither did. Both is an error, and so is what
 * is neither a success nor EBUSY.
 */
static int cmd_mountrace(int argc, char **argv)
{
	uint64_t count = number(argv[1]), i, won[3] = {};
	struct {
		unsigned int ready[2];
		int err[2];
	} *both = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int who, status, rc = 0;

	/* DEVICE DIR OPTIONS of the one, and of the other */
	for (i = 1; i <= count; i++) {
		for (who = 0; who < 2; who++) {
			char **arg = argv + 2 + 3 * who;

			if (fork())
				continue;
			__atomic_store_n(&both->ready[who], i, __ATOMIC_SEQ_CST);
			while (__atomic_load_n(&both->ready[!who],
					       __ATOMIC_SEQ_CST) != i)
				;
			both->err[who] = mount(arg[0], arg[1], "daxtest", 0,
					       arg[2]) ? errno : 0;
			_exit(0);
		}
		while (wait(&status) > 0)
			if (status)
				die("a child ended with %#x", status);
		for (who = 0; who < 2; who++) {
			if (!both->err[who] && umount(argv[3 + 3 * who]))
				die("umount: %s", errname(errno));
			if (both->err[who] && both->err[who] != EBUSY)
				die("mount: %s", errname(both->err[who]));
		}
		if (!both->err[0] && !both->err[1])
			die("both have mounted it");
		won[!both->err[0] ? 0 : !both->err[1] ? 1 : 2]++;
	}
	printf("first %llu second %llu neither %llu\n",
	       (unsigned long long)won[0], (unsigned long long)won[1],
	       (unsigned long long)won[2]);
	return rc;
}

/*
 * Layouts of every length: header and extents stand at the end of a page with
 * none behind it, and are cut off there. All but the whole is EFAULT.
 */
static int cmd_cut(int argc, char **argv)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct daxtest_extent ext[2] = {
		{ .len = PAGE }, { .offset = PAGE, .len = PAGE }
	};
	struct daxtest_layout layout = {
		.version = DAXTEST_LAYOUT_VERSION,
		.count = 2,
		.size = 2 * PAGE,
		.extents = (uintptr_t)ext,
	}, *at;
	size_t len;
	int fd = open_file(argv[1], O_RDWR | O_CREAT);

	EXPECT(page != MAP_FAILED && !munmap(page + PAGE, PAGE));
	for (len = 0; len < sizeof(layout); len++) {
		at = (void *)(page + PAGE - len);
		memcpy(at, &layout, len);
		EXPECT(ioctl(fd, DAXTEST_IOC_SET_LAYOUT, at) &&
		       errno == EFAULT);
		EXPECT(ioctl(fd, DAXTEST_IOC_GET_LAYOUT, at) &&
		       errno == EFAULT);
	}
	for (len = 0; len < sizeof(ext); len++) {
		memcpy(page + PAGE - len, ext, len);
		layout.extents = (uintptr_t)(page + PAGE - len);
		EXPECT(ioctl(fd, DAXTEST_IOC_SET_LAYOUT, &layout) &&
		       errno == EFAULT);
	}
	at = (void *)(page + PAGE - sizeof(layout));
	layout.extents = (uintptr_t)ext;
	memcpy(at, &layout, sizeof(layout));
	EXPECT(!ioctl(fd, DAXTEST_IOC_SET_LAYOUT, at));
	/* there is no room for the second one */
	layout.extents = (uintptr_t)(page + PAGE - sizeof(ext[0]));
	EXPECT(ioctl(fd, DAXTEST_IOC_GET_LAYOUT, &layout) && errno == EFAULT);
	layout.count = 1;
	EXPECT(!ioctl(fd, DAXTEST_IOC_GET_LAYOUT, &layout));
	EXPECT(layout.count == 2 && !memcmp(page + PAGE - sizeof(ext[0]), ext,
					    sizeof(ext[0])));
	printf("OK\n");
	return 0;
}

/* The list of commands */

struct command {
	const char *name;
	int min, max;	/* arguments */
	int (*fn)(int argc, char **argv);
	const char *help;
};

static const struct command probe_commands[] = {
	{ "lookup",  1, 1, probe_lookup,  "DEVICE" },
	{ "get",     2, 3, probe_get,
	  "SLOT DEVICE [nullholder|nulldev]" },
	{ "put",     1, 1, probe_put,     "SLOT|all" },
	{ "stat",    1, 1, probe_stat,    "SLOT" },
	{ "access",  3, 4, probe_access,  "DEVICE PGOFF NR [recovery]" },
	{ "bench",   4, 4, probe_bench,   "DEVICE PGOFF NR COUNT" },
	{ "zero",    3, 3, probe_zero,    "DEVICE PGOFF NR" },
	{ "recover", 5, 5, probe_recover, "DEVICE PGOFF LENGTH SEED POS" },
	{ "size",    1, 1, probe_size,    "DEVICE" },
	{ "poison",  2, 2, probe_poison,  "DEVICE PGOFF" },
	{ "pages",   2, 4096, probe_pages, "START END [START END]..." },
	{ "storm",   2, 2, probe_storm,
	  "access|zero|recover|size|poison|getput DEVICE" },
	{ "stalled", 0, 0, probe_stalled, "" },
	{ "go",      0, 0, probe_go,      "" },
	{}
};

static int cmd_probe(int argc, char **argv);

static const struct command commands[] = {
	{ "mkfile",     3, 4, cmd_mkfile,
	  "[-s|-l] PATH SIZE DEV:OFFSET:LENGTH[,...]" },
	{ "mkstripe",   4, 4, cmd_mkstripe,
	  "PATH SIZE CHUNK DEV:OFFSET:LENGTH[,...]" },
	{ "layout",     1, 1, cmd_layout,     "PATH" },
	{ "fuzz",       3, 3, cmd_fuzz,       "PATH COUNT SEED" },
	{ "fill",       2, 4, cmd_fill,       "PATH SEED [OFFSET LENGTH]" },
	{ "check",      2, 4, cmd_check,      "PATH SEED [OFFSET LENGTH]" },
	{ "mfill",      2, 4, cmd_mfill,      "PATH SEED [OFFSET LENGTH]" },
	{ "mcheck",     2, 4, cmd_mcheck,     "PATH SEED [OFFSET LENGTH]" },
	{ "mmapcmp",    2, 2, cmd_mmapcmp,    "PATH OTHER" },
	{ "iszero",     3, 3, cmd_iszero,     "PATH OFFSET LENGTH" },
	{ "fallocate",  4, 4, cmd_fallocate,
	  "zero|keep|punch|collapse|grow PATH OFFSET LENGTH" },
	{ "touch",      2, 3, cmd_touch,      "PATH OFFSET [r|w][p|s][h][e]" },
	{ "hold",       2, 3, cmd_hold,       "PATH OFFSET [r|w][p|s][h][e]" },
	{ "pin",        2, 3, cmd_pin,        "PATH OFFSET [r|w][h]" },
	{ "scan",       1, 1, cmd_scan,       "PATH" },
	{ "msync",      3, 3, cmd_msync,      "PATH OFFSET LENGTH" },
	{ "isdax",      1, 1, cmd_isdax,      "PATH" },
	{ "stall",      3, 4, cmd_stall,
	  "entry|pte|pmd|sync PATH OFFSET [r|w][p|s][h]" },
	{ "dio",        3, 4, cmd_dio,        "PATH OFFSET DEVICE [w][h]" },
	{ "longio",     3, 3, cmd_longio,     "read|write PATH LENGTH" },
	{ "inuse",      2, 2, cmd_inuse,      "START END" },
	{ "poison",     2, 3, cmd_poison,     "PATH OFFSET [r|w][h]" },
	{ "flagwriter", 3, 4, cmd_flagwriter, "PATH ROUNDS SECONDS [early]" },
	{ "flagreader", 3, 3, cmd_flagreader, "PATH ROUNDS SECONDS" },
	{ "faultstorm", 3, 3, cmd_faultstorm, "PATH SECONDS PROCESSES" },
	{ "iostorm",    3, 3, cmd_iostorm,    "PATH SECONDS PROCESSES" },
	{ "exercise",   3, 4, cmd_exercise,   "PATH COUNT SEED [SIZE]" },
	{ "vma",        2, 2, cmd_vma,
	  "mprotect|munmap|madvise|mremap|fork|mlock PATH" },
	{ "place",      3, 4, cmd_place,
	  "PATH OFFSET SHIFT [nohuge]" },
	{ "copy",       3, 3, cmd_copy,
	  "sendfile|splice|copyrange|directto|directfrom FROM TO" },
	{ "mountrace",  7, 7, cmd_mountrace,
	  "COUNT DEVICE DIR OPTIONS DEVICE DIR OPTIONS" },
	{ "cut",        1, 1, cmd_cut,        "PATH" },
	{ "try",        2, 5, cmd_try,
	  "open|read|write|mmap|fsync PATH|- | truncate PATH SIZE |\n"
	  "\tpread|pwrite PATH OFFSET LENGTH | store PATH STRING |\n"
	  "\tmount SOURCE DIR [OPTIONS [ro]]" },
	{ "failnth",    3, 3, cmd_failnth,    "N PATH STRING" },
	{ "rebind",     3, 4, cmd_rebind,     "DRIVER DEVICE TIMES [held]" },
	{ "churn",      4, 4, cmd_churn,
	  "bind|hold|poison|look DEVICE SECONDS LOCKFILE" },
	{ "probe",      1, 4097, cmd_probe,      "COMMAND ..." },
	{}
};

static void usage(const struct command *list, const char *prefix)
{
	for (; list->name; list++)
		fprintf(stderr, "%s %s %s\n", prefix, list->name, list->help);
	exit(2);
}

static int run(const struct command *list, const char *prefix, int argc,
	       char **argv)
{
	const struct command *cmd;
	int rc;

	if (argc < 1)
		usage(list, prefix);
	for (cmd = list; cmd->name; cmd++)
		if (!strcmp(cmd->name, argv[0]))
			break;
	if (!cmd->name)
		usage(list, prefix);
	if (argc - 1 < cmd->min || argc - 1 > cmd->max)
		rc = -1;
	else
		rc = cmd->fn(argc, argv);
	if (rc < 0) {
		fprintf(stderr, "%s %s %s\n", prefix, cmd->name, cmd->help);
		rc = 2;
	}
	return rc;
}

static int cmd_probe(int argc, char **argv)
{
	return run(probe_commands, "daxtest probe", argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	return run(commands, "daxtest", argc - 1, argv + 1);
}
