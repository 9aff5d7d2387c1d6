// SPDX-License-Identifier: GPL-2.0
/* daxtest: single system calls, and the errors that they give */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daxtest_tool.h"

int cmd_msync(int argc, char **argv)
{
	int fd = open_file(argv[1], O_RDWR), rc;
	uint64_t off = number(argv[2]), len = number(argv[3]);
	char *p = map_file(fd, off, len, PROT_READ | PROT_WRITE, MAP_SHARED);

	rc = msync(p, len, MS_SYNC);
	printf("%s\n", errname(rc ? errno : 0));
	return rc ? 1 : 0;
}

/* Whether the file is the memory itself, and not cached in other memory */
int cmd_isdax(int argc, char **argv)
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

/*
 * Writes a page from a mapping of itself, and then by write(2); sets @stale if the
 * mapping does not show the latter.
 */
static int write_own_page(int fd, uint64_t off, char *page, bool *stale)
{
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, off);

	if (p == MAP_FAILED || pwrite(fd, p, PAGE, off) < 0)
		return -1;
	memset(page, 'x', PAGE);
	if (pwrite(fd, page, PAGE, off) < 0)
		return -1;
	*stale = memcmp(p, page, PAGE);
	return 0;
}

int cmd_try(int argc, char **argv)
{
	static char page[4096];
	const char *what = argv[1];
	int fd = -1, rc = -1;
	bool stale = false;
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
	} else if (!strcmp(what, "own") && argc == 4) {
		rc = write_own_page(fd, number(argv[3]), page, &stale);
		if (stale) {
			printf("stale\n");
			return 0;
		}
	} else if (!strcmp(what, "fsync")) {
		rc = fsync(fd);
	} else if (!strcmp(what, "syncfs")) {
		rc = syncfs(fd);
	} else if (!strcmp(what, "close")) {
		rc = close(fd);
	} else if (!strcmp(what, "store") && argc == 4) {
		rc = write(fd, argv[3], strlen(argv[3])) < 0 ? -1 : 0;
	} else {
		return -1;
	}
	printf("%s\n", errname(rc ? errno : 0));
	return 0;
}

/*
 * A write(2), or with "mount" for STRING a mount of PATH on a folder, during
 * which the Nth allocation fails; says how it ended, and whether there was an
 * Nth.
 */
int cmd_failnth(int argc, char **argv)
{
	int nth = open_file("/proc/thread-self/fail-nth", O_RDWR);
	const char *dir = argc > 4 && !strcmp(argv[3], "mount") ? argv[4] : NULL;
	int fd = dir ? -1 : open_file(argv[2], O_WRONLY), rc;
	char buf[16] = "";

	if (write(nth, argv[1], strlen(argv[1])) < 0)
		die("fail-nth: %s", errname(errno));
	if (dir)
		rc = mount(argv[2], dir, "daxtest", 0, "");
	else
		rc = write(fd, argv[3], strlen(argv[3])) < 0 ? -1 : 0;
	rc = rc ? errno : 0;
	if (pread(nth, buf, sizeof(buf) - 1, 0) < 0 || pwrite(nth, "0", 1, 0) < 0)
		die("fail-nth: %s", errname(errno));
	printf("%s %s\n", errname(rc), atoi(buf) ? "unharmed" : "injected");
	return 0;
}

int store_once(const char *dir, const char *file, const char *val)
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
int cmd_rebind(int argc, char **argv)
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

/*
 * Two processes mount at the same moment, again and again; says how often the
 * first won, the second won, and neither did. Both is an error, and so is what
 * is neither a success nor EBUSY.
 */
int cmd_mountrace(int argc, char **argv)
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
