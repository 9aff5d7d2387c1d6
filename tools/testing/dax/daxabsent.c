// SPDX-License-Identifier: GPL-2.0
/*
 * I/O with a buffer that is not there: its middle page is in a userfaultfd
 * range, and comes when the test says so. Or it never comes, as it may not be
 * accessed.
 *
 *	daxabsent read|write PATH
 *
 * says "absent" once the kernel wants the page. At each line of input it gives
 * the page to the kernel, and says what became of the I/O: OK, a number of
 * bytes if that is short, or the name of an error.
 *
 *	daxabsent getquota|setquota DISK
 *
 * does the same with the structure of Q_GETQUOTA and Q_SETQUOTA, for user 0 of
 * the filesystem on a disk.
 *
 *	daxabsent edges read|write PATH
 *
 * tries buffers that end, or begin, with such a page; says OK or what failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES 3

static long page;
static bool writing;
static int fd;
static const char *disk;	/* whose quotas are wanted, instead of a file */

struct io {
	char *buf;
	size_t len;
	off_t pos;
	ssize_t done;
	int error;
};

static void die(const char *what)
{
	printf("%s: %s\n", what, strerrorname_np(errno));
	exit(3);
}

static void *do_io(void *arg)
{
	struct io *io = arg;

	if (disk)
		io->done = quotactl(QCMD(writing ? Q_SETQUOTA : Q_GETQUOTA,
					 USRQUOTA), disk, 0, io->buf);
	else if (writing)
		io->done = pwrite(fd, io->buf, io->len, io->pos);
	else
		io->done = pread(fd, io->buf, io->len, io->pos);
	io->error = errno;
	return NULL;
}

static char *buffer(void)
{
	char *buf = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (buf == MAP_FAILED)
		die("mmap");
	return buf;
}

/* the file has in it what the buffer has, for so many bytes */
static bool same(const struct io *io, size_t len)
{
	char *copy = malloc(PAGES * page);
	bool ok;

	ok = pread(fd, copy, len, io->pos) == (ssize_t)len &&
	     !memcmp(copy, io->buf, len);
	free(copy);
	return ok;
}

static const char *outcome(const struct io *io)
{
	static char text[64];

	if (io->done < 0)
		return strerrorname_np(io->error);
	if (disk)
		return "OK";
	if (io->done == (ssize_t)io->len)
		return same(io, io->done) ? "OK" : "other data";
	snprintf(text, sizeof(text), "%zd", io->done);
	return text;
}

static int uffd_open(void *addr)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (unsigned long)addr, page },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg))
		die("userfaultfd");
	return uffd;
}

static void uffd_serve(int uffd, void *addr)
{
	char *data = malloc(page);
	struct uffdio_copy copy = {
		.dst = (unsigned long)addr,
		.src = (unsigned long)data,
		.len = page,
	};

	memset(data, 'm', page);
	if (ioctl(uffd, UFFDIO_COPY, &copy))
		die("UFFDIO_COPY");
	free(data);
}

/* @io is not at a page of the file: the pages of both are not the same */
static void absent(struct io io)
{
	char *middle = io.buf + (disk ? 0 : page);
	int uffd = uffd_open(middle);
	struct pollfd pfd = { .fd = uffd, .events = POLLIN };
	pthread_t thread;
	char line[16];

	if (!disk)
		memset(io.buf, 'a', page);
	memset(io.buf + 2 * page, 'z', page);
	if (pthread_create(&thread, NULL, do_io, &io))
		die("pthread_create");
	if (poll(&pfd, 1, -1) != 1)
		die("poll");
	puts("absent");
	/* at "q" it leaves without serving the page */
	if (!fgets(line, sizeof(line), stdin) || line[0] == 'q')
		exit(0);
	uffd_serve(uffd, middle);
	pthread_join(thread, NULL);
	puts(outcome(&io));
}

static void edge(size_t from, int forbidden, ssize_t want)
{
	struct io io = { .buf = buffer(), .len = PAGES * page - from,
			 .pos = 100 };
	char *hole = io.buf + forbidden * page;

	memset(io.buf, 'e', PAGES * page);
	if (mprotect(hole, page, PROT_NONE))
		die("mprotect");
	io.buf += from;
	do_io(&io);
	if (want < 0 && (io.done != -1 || io.error != EFAULT)) {
		printf("wanted EFAULT, got %s\n", outcome(&io));
		exit(1);
	}
	if (want >= 0 && (io.done != want || !same(&io, want))) {
		printf("wanted %zd, got %s\n", want, outcome(&io));
		exit(1);
	}
}

int main(int argc, char **argv)
{
	bool edges = argc > 1 && !strcmp(argv[1], "edges");
	struct io io = { .pos = 512 };

	argv += edges;
	if (argc - edges != 3)
		return 3;
	page = sysconf(_SC_PAGESIZE);
	io.len = PAGES * page;
	io.buf = buffer();
	setlinebuf(stdout);
	if (strstr(argv[1], "quota")) {
		disk = argv[2];
		/* whether there are quotas at all */
		do_io(&io);
		if (io.done)
			die("quotactl");
		io.buf = buffer();
		writing = !strcmp(argv[1], "setquota");
		absent(io);
		return 0;
	}
	writing = !strcmp(argv[1], "write");
	fd = open(argv[2], O_RDWR);
	if (fd < 0)
		die(argv[2]);
	if (!edges) {
		absent(io);
		return 0;
	}
	edge(0, 0, -1);
	edge(0, 1, page);
	edge(0, 2, 2 * page);
	edge(page - 1, 1, 1);
	edge(1, 2, 2 * page - 1);
	puts("OK");
	return 0;
}
