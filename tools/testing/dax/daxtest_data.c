// SPDX-License-Identifier: GPL-2.0
/* daxtest: files, their layouts and what is in them */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "daxtest_tool.h"

/* Layouts */

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

int cmd_mkfile(int argc, char **argv)
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

int cmd_mkstripe(int argc, char **argv)
{
	struct daxtest_layout layout = { .type = DAXTEST_STRIPE };

	layout.size = number(argv[2]);
	layout.chunk = number(argv[3]);
	return make_file(argv[1], &layout, argv[4]);
}

int cmd_layout(int argc, char **argv)
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
int cmd_fuzz(int argc, char **argv)
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

/*
 * Layouts of every length: header and extents stand at the end of a page with
 * none behind it, and are cut off there. All but the whole is EFAULT.
 */
int cmd_cut(int argc, char **argv)
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

int cmd_fill(int argc, char **argv)
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

int cmd_check(int argc, char **argv)
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

int cmd_mfill(int argc, char **argv)
{
	struct span s = parse_span(argc, argv, O_RDWR);
	char *p = map_span(&s, PROT_READ | PROT_WRITE, MAP_SHARED);

	make_pattern(p, s.seed, s.pos, s.end - s.pos);
	return 0;
}

int cmd_mcheck(int argc, char **argv)
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

int cmd_mmapcmp(int argc, char **argv)
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

int cmd_iszero(int argc, char **argv)
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

/* Says the number of each page of which read(2) is an error */
int cmd_unreadable(int argc, char **argv)
{
	int fd = open_file(argv[1], O_RDONLY);
	uint64_t size = file_size(fd), pos;
	char *buf = malloc(PAGE);

	for (pos = 0; pos < size; pos += PAGE)
		if (pread(fd, buf, PAGE, pos) < 0)
			printf("%llu\n", (unsigned long long)(pos / PAGE));
	return 0;
}

int cmd_fallocate(int argc, char **argv)
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

int cmd_copy(int argc, char **argv)
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
