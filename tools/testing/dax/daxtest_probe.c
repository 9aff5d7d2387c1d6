// SPDX-License-Identifier: GPL-2.0
/* daxtest: the calls of the probe module */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "daxtest_tool.h"

struct daxtest_probe probe = { .slot = DAXTEST_NO_SLOT };

void run_probe(unsigned long cmd)
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

int probe_lookup(int argc, char **argv)
{
	probe_device(argv[1]);
	run_probe(DAXTEST_PROBE_LOOKUP);
	print_result();
	return 0;
}

int probe_get(int argc, char **argv)
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

int probe_put(int argc, char **argv)
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

int probe_stat(int argc, char **argv)
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

int probe_access(int argc, char **argv)
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

int probe_bench(int argc, char **argv)
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

int probe_zero(int argc, char **argv)
{
	probe_device(argv[1]);
	probe.pgoff = number(argv[2]);
	probe.nr = number(argv[3]);
	run_probe(DAXTEST_PROBE_ZERO);
	print_result();
	return 0;
}

/* Writes the pattern of a seed, so that check can look for it in a file */
int probe_recover(int argc, char **argv)
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

int probe_size(int argc, char **argv)
{
	probe_device(argv[1]);
	run_probe(DAXTEST_PROBE_SIZE);
	if (probe.result)
		print_result();
	else
		printf("%llu\n", (unsigned long long)probe.out[0]);
	return 0;
}

int probe_poison(int argc, char **argv)
{
	probe_device(argv[1]);
	probe.pgoff = number(argv[2]);
	run_probe(DAXTEST_PROBE_POISON);
	print_result();
	return 0;
}

/* Calls that a filesystem may make, over and over, until a line comes */
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

int probe_storm(int argc, char **argv)
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

int probe_stalled(int argc, char **argv)
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

int probe_go(int argc, char **argv)
{
	run_probe(DAXTEST_PROBE_STALL);
	return 0;
}

int probe_refer(int argc, char **argv)
{
	probe.nr = number(argv[1]);
	run_probe(DAXTEST_PROBE_REFER);
	print_result();
	return 0;
}

/* Exits with 0 if all pages are as a filesystem wants to find them */
int probe_pages(int argc, char **argv)
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
		[DAXTEST_PG_IN_FILE] = "in_file",
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
