// SPDX-License-Identifier: GPL-2.0
/*
 * The time that a processor spends on one operation. Under an emulator whose
 * clock counts instructions these are its instructions; else it is a hint. The
 * clock of the process stands still while it waits: RCU ends its grace periods
 * at a tick, which may be near or far.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define HUGE (2UL << 20)
#define FILE_SIZE (64UL << 20)

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* One write(2), to an attribute say */
static uint64_t bench_write(const char *path, const char *text)
{
	int fd = open_file(path, O_WRONLY);
	uint64_t start = now();

	if (write(fd, text, strlen(text)) < 0)
		err(1, "%s: %s", path, text);
	return now() - start;
}

/* 4 KiB reads or writes of the first 64 MiB, each; the second round counts */
static uint64_t bench_rw(const char *path, const char *how)
{
	int fd = open_file(path, O_RDWR), round, write = *how == 'w';
	static char buf[PAGE] __attribute__((aligned(PAGE)));
	uint64_t start = 0;
	off_t pos;

	for (round = 0; round < 2; round++) {
		start = now();
		for (pos = 0; pos < (off_t)FILE_SIZE; pos += PAGE)
			if ((write ? pwrite(fd, buf, PAGE, pos) :
				     pread(fd, buf, PAGE, pos)) != PAGE)
				err(1, "%s", path);
	}
	return (now() - start) / (FILE_SIZE / PAGE);
}

/* So many bytes of the address space, where huge pages can begin */
static char *reserve(size_t size)
{
	char *map = mmap(NULL, size + HUGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		err(1, "mmap");
	return (char *)(((uintptr_t)map + HUGE - 1) & ~(HUGE - 1));
}

/* First stores to the pages of a mapping, 2 MiB apart; the second round counts */
static uint64_t bench_fault(const char *path)
{
	int fd = open_file(path, O_RDWR), round;
	char *map = reserve(FILE_SIZE);
	uint64_t start = 0;
	size_t pos;

	for (round = 0; round < 2; round++) {
		if (mmap(map, FILE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) != map)
			err(1, "mmap");
		start = now();
		for (pos = 0; pos < FILE_SIZE; pos += HUGE)
			*(volatile char *)(map + pos) = 1;
		start = now() - start;
	}
	return start / (FILE_SIZE / HUGE);
}

/* Map all of a file; its memory is not touched, which may be more than there is */
static uint64_t bench_map(const char *path)
{
	int fd = open_file(path, O_RDONLY);
	struct stat st;
	uint64_t start;
	char *map;

	if (fstat(fd, &st))
		err(1, "%s", path);
	map = reserve(st.st_size);
	if (mmap(map, st.st_size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != map)
		err(1, "mmap");
	start = now();
	if (madvise(map, st.st_size, MADV_POPULATE_READ))
		err(1, "madvise: %s", path);
	return now() - start;
}

/* Truncate a file of 64 MiB that has all of it in pages of 4 KiB, per page */
static uint64_t bench_truncate(const char *path)
{
	int fd = open_file(path, O_RDWR);
	uint64_t start;
	char *map = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED || madvise(map, FILE_SIZE, MADV_NOHUGEPAGE) ||
	    madvise(map, FILE_SIZE, MADV_POPULATE_READ) || munmap(map, FILE_SIZE))
		err(1, "mapping of %s", path);
	start = now();
	if (ftruncate(fd, 0))
		err(1, "%s", path);
	return (now() - start) / (FILE_SIZE / PAGE);
}

int main(int argc, char **argv)
{
	uint64_t cost;

	if (argc == 4 && !strcmp(argv[1], "write"))
		cost = bench_write(argv[2], argv[3]);
	else if (argc == 4 && !strcmp(argv[1], "rw"))
		cost = bench_rw(argv[2], argv[3]);
	else if (argc == 3 && !strcmp(argv[1], "fault"))
		cost = bench_fault(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "map"))
		cost = bench_map(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "truncate"))
		cost = bench_truncate(argv[2]);
	else
		errx(2, "usage: %s write FILE TEXT | rw FILE r|w | fault|map|truncate FILE",
		     argv[0]);
	printf("%llu\n", (unsigned long long)cost);
	return 0;
}
