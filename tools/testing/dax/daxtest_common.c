// SPDX-License-Identifier: GPL-2.0
/* Helpers for every part of daxtest */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include "daxtest_tool.h"

#ifndef BUS_MCEERR_AR
#define BUS_MCEERR_AR 4
#endif
#ifndef BUS_MCEERR_AO
#define BUS_MCEERR_AO 5
#endif

void die(const char *fmt, ...)
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

const char *errname(int err)
{
	const char *name = err ? strerrorname_np(err) : "OK";

	return name ? name : "?";
}

uint64_t number(const char *s)
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

int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die("%s: open: %s", path, errname(errno));
	return fd;
}

uint64_t file_size(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		die("fstat: %s", errname(errno));
	return st.st_size;
}

void *map_file(int fd, uint64_t off, uint64_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, prot, flags, fd, off);

	if (p == MAP_FAILED)
		die("mmap: %s", errname(errno));
	return p;
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

struct bus bus;

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

void catch_bus(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_bus,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

int try_access(uint64_t *p, bool write, uint64_t *val)
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

const char *bus_code(void)
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

static uint64_t pattern(uint64_t seed, uint64_t pos)
{
	uint64_t x = (pos / 8 + 1) * 0x9e3779b97f4a7c15ULL ^ seed << 32;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x ^ x >> 32;
}

void make_pattern(void *buf, uint64_t seed, uint64_t pos, size_t len)
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

int compare(const void *have, const void *want, uint64_t pos, size_t len)
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

uint64_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}
