// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on a mapping. Each gets a file of 4 huge pages or more, whose 8
 * bytes at the start of each page say which page it is, and leaves it so.
 * EXPECT() tells what was not as it should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daxtest_tool.h"

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
	/* pages of a private mapping's own go, the file's stay */
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
	/* the old place stays, and is filled anew */
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

	/* children do not have what is not for them */
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

int cmd_vma(int argc, char **argv)
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
int cmd_place(int argc, char **argv)
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
