// SPDX-License-Identifier: GPL-2.0
/*
 * What one operation takes, by the clock. Under an emulator whose clock counts
 * instructions that is what it costs; else it is a hint.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define HUGE (2UL << 20)
#define FILE_SIZE (64UL << 20)

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
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

/* First stores to the pages of a mapping, 2 MiB apart; the second round counts */
static uint64_t bench_fault(const char *path)
{
	int fd = open_file(path, O_RDWR), round;
	char *map = mmap(NULL, FILE_SIZE + HUGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start = 0;
	size_t pos;

	map = (char *)(((uintptr_t)map + HUGE - 1) & ~(HUGE - 1));
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

int main(int argc, char **argv)
{
	uint64_t cost;

	if (argc == 4 && !strcmp(argv[1], "write"))
		cost = bench_write(argv[2], argv[3]);
	else if (argc == 4 && !strcmp(argv[1], "rw"))
		cost = bench_rw(argv[2], argv[3]);
	else if (argc == 3 && !strcmp(argv[1], "fault"))
		cost = bench_fault(argv[2]);
	else
		errx(2, "usage: %s write FILE TEXT | rw FILE r|w | fault FILE",
		     argv[0]);
	printf("%llu\n", (unsigned long long)cost);
	return 0;
}
