// SPDX-License-Identifier: GPL-2.0
/*
 * daxfuzz: the calls that a program can make
 *
 * A call that fails is as good as any: nothing here looks at errors, but that the
 * result is shown when a program is replayed. What a call refers to by a number,
 * an open file or a mapping, need not be there.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>
#include "daxfuzz.h"
#include "daxtest_tool.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define BUS		"/sys/bus/dax/"
#define HMEM		"/sys/bus/platform/drivers/hmem/"
#define MEMORY		"/sys/devices/system/memory/memory"
#define POISON		"/sys/kernel/debug/hwpoison/"
#define PARKED		"/sys/kernel/mm/parked_memory"
#define PIN_TIMEOUT	"/sys/module/kernel/parameters/memremap_pin_timeout"
#define MNT		"/tmp/daxfuzz/"
#define BLOCK		(128UL << 20)	/* of memory that can be taken offline */
#define BASE_SIZE	(64UL << 20)	/* of the device, when a program begins */
#define BASE_ALIGN	HUGE
#define NO_DEVICE	"dax99.9"
#define NR		4		/* slots of each kind */
#define BUF		(4UL << 20)

static char parent[64];			/* the device of the region */
static char write_cache[8];		/* as it is in the beginning */
static uint64_t region_base, region_size;
static int handle[NR] = { -1, -1, -1, -1 }, pin[NR] = { -1, -1, -1, -1 };
static pid_t forked[NR];
static struct {
	char *p;
	size_t len;
} map[NR];
static char buf[BUF];

#define WORD(text) { .name = text }

static const struct word opens[] = {
	{ "rw", O_RDWR | O_CREAT }, { "rw", O_RDWR | O_CREAT },
	{ "ro", O_RDONLY }, { "wo", O_WRONLY }, { "path", O_PATH },
	{ "trunc", O_RDWR | O_CREAT | O_TRUNC },
	{ "direct", O_RDWR | O_CREAT | O_DIRECT },
	{ "sync", O_RDWR | O_CREAT | O_SYNC },
	{ "append", O_RDWR | O_CREAT | O_APPEND },
	{ "excl", O_RDWR | O_CREAT | O_EXCL }, {}
};

static const struct word prots[] = {
	{ "rw", PROT_READ | PROT_WRITE }, { "rw", PROT_READ | PROT_WRITE },
	{ "r", PROT_READ }, { "w", PROT_WRITE }, { "none", PROT_NONE },
	{ "x", PROT_READ | PROT_EXEC }, {}
};

static const struct word maps[] = {
	{ "shared", MAP_SHARED }, { "shared", MAP_SHARED },
	{ "private", MAP_PRIVATE }, { "populate", MAP_SHARED | MAP_POPULATE },
	{ "sync", MAP_SHARED_VALIDATE | MAP_SYNC },
	{ "copied", MAP_PRIVATE | MAP_POPULATE }, {}
};

static const struct word advices[] = {
	{ "dontneed", MADV_DONTNEED }, { "hwpoison", MADV_HWPOISON },
	{ "soft_offline", MADV_SOFT_OFFLINE }, { "hugepage", MADV_HUGEPAGE },
	{ "nohugepage", MADV_NOHUGEPAGE }, { "willneed", MADV_WILLNEED },
	{ "populate_read", MADV_POPULATE_READ },
	{ "populate_write", MADV_POPULATE_WRITE }, { "remove", MADV_REMOVE },
	{ "dontfork", MADV_DONTFORK }, { "cold", MADV_COLD },
	{ "pageout", MADV_PAGEOUT }, { "free", MADV_FREE },
	{ "collapse", MADV_COLLAPSE }, {}
};

static const struct word fallocs[] = {
	{ "plain", 0 }, { "keep_size", FALLOC_FL_KEEP_SIZE },
	{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
	{ "zero", FALLOC_FL_ZERO_RANGE },
	{ "zero_keep", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE },
	{ "collapse", FALLOC_FL_COLLAPSE_RANGE }, {}
};

static const struct word layouts[] = {
	{ "simple", 0 }, { "simple", 0 }, { "shared", 0x10 },
	{ "late", 0x30 }, { "stripe", 1 }, { "bad", 2 }, {}
};

static const struct word umounts[] = {
	{ "0", 0 }, { "0", 0 }, { "detach", MNT_DETACH },
	{ "force", MNT_FORCE }, { "expire", MNT_EXPIRE }, {}
};

static const struct word msyncs[] = {
	{ "sync", MS_SYNC }, { "async", MS_ASYNC },
	{ "invalidate", MS_INVALIDATE }, {}
};

static const struct word probes[] = {
	{ "get", DAXTEST_PROBE_GET }, { "get", DAXTEST_PROBE_GET },
	{ "put", DAXTEST_PROBE_PUT }, { "lookup", DAXTEST_PROBE_LOOKUP },
	{ "stat", DAXTEST_PROBE_STAT }, { "access", DAXTEST_PROBE_ACCESS },
	{ "zero", DAXTEST_PROBE_ZERO }, { "recover", DAXTEST_PROBE_RECOVER },
	{ "size", DAXTEST_PROBE_SIZE }, { "poison", DAXTEST_PROBE_POISON },
	{ "getput", DAXTEST_PROBE_GETPUT }, {}
};

static const struct word looks[] = {
	WORD("size"), WORD("align"), WORD("resource"), WORD("target_node"),
	WORD("numa_node"), WORD("modalias"), WORD("write_cache"), WORD("uuid"),
	WORD("ro"), WORD("holder"), WORD("badblocks"), WORD("state"),
	WORD("mapping0/start"), WORD("mapping1/end"),
	WORD("mapping0/page_offset"), WORD("uevent"), WORD("memmap_on_memory"),
	WORD("driver_override"), WORD("../dax_region/available_size"),
	WORD("../dax_region/seed"), WORD("../dax_region/id"),
	WORD("../dax_region/create"), WORD("../dax_region/align"),
	WORD("../dax_region/size"), {}
};

static const struct word options[] = {
	WORD("-"), WORD("-"), WORD("-"), WORD("revoke=careful"),
	WORD("revoke=ignore"), WORD("revoke=return0"), WORD("revoke=delay:20"),
	WORD("alloc=4M"), WORD("alloc=4M"), WORD("alloc=2M,new"),
	WORD("mf=ignore0"), WORD("mf=eopnotsupp"), WORD("new"),
	WORD("overlap"), WORD("daxdev=d1"), WORD("daxdev=d0"), WORD("ro"), {}
};

static const struct kind kinds[] = {
	{ .key = 'd', .plain = "d0 d0 d0 d0 d1 d1 d2" },
	{ .key = 'v', .plain = "fsdev_dax fsdev_dax fsdev_dax device_dax device_dax kmem" },
	{ .key = 'V', .plain = "fsdev_dax device_dax kmem none nothing" },
	{ .key = 'm', .plain = "m0 m0 m0 m1" },
	{ .key = 'f', .plain = "f0 f0 f1 f2" },
	{ .key = 'h', .plain = "h0 h0 h0 h1 h1 h2" },
	{ .key = 'p', .plain = "p0 p0 p0 p1 p1 p2" },
	{ .key = 'x', .plain = "x0 x0 x1" },
	{ .key = 'n', .plain = "0 1 2 3" },
	{ .key = 'b', .plain = "0 1 1 2 yes" },
	{ .key = 'g', .plain = "0 1 511 512 513 1024 16383 16384 262144" },	/* pages */
	{ .key = 's', .plain = "0 8 8 16 1 7 4096 8192 131064 131072 -0 -8 -16 -4096" },
	{ .key = 'c', .plain = "8 8 16 1 4096 131072 0" },
	{ .key = 'z', .plain = "0 0 2M 4M 16M 64M 128M 256M 1G 4K 1 2097151 18446744073709551615" },
	{ .key = 'a', .plain = "4K 2M 2M 1G 0 64K 1" },
	{ .key = 'o', .plain = "0 0 0 4K 8K 1M 2M 2M 2044K 4M 6M 62M 64M 1 4095 100" },
	{ .key = 'l', .plain = "1 8 100 4K 4K 8K 64K 2M 2M 4M 4M 6M 4097 16M 0" },
	{ .key = 't', .plain = "1 5 20 100" },
	{ .key = 'r', .plain = "r w w walk fill" },
	{ .key = 'k', .plain = "offline online_movable online_movable online" },
	{ .key = 'R', .plain = "unbind bind bind" },
	{ .key = 'T', .plain = "0 1 1 2" },
	{ .key = 'y', .words = looks },
	{ .key = 'O', .words = options },
	{ .key = 'e', .words = opens }, { .key = 'P', .words = prots },
	{ .key = 'M', .words = maps }, { .key = 'A', .words = advices },
	{ .key = 'F', .words = fallocs }, { .key = 'L', .words = layouts },
	{ .key = 'u', .words = umounts }, { .key = 'S', .words = msyncs },
	{ .key = 'C', .words = probes }, {}
};

const struct kind *kind_of(char key)
{
	const struct kind *kind = kinds;

	while (kind->key != key)
		kind++;
	return kind;
}

long value(const struct call *c, int i)
{
	const struct word *w = kind_of(c->op->args[i])->words;

	for (; w && w->name; w++)
		if (!strcmp(w->name, c->arg[i]))
			return w->val;
	return number(c->arg[i]);
}

/* The slot that a word like h2 names */
static unsigned int slot(const struct call *c, int i)
{
	return (c->arg[i][0] ? c->arg[i][1] - '0' : 0) % NR;
}

/* What the system call gave: 0, or the error */
static long result(long rc)
{
	return rc < 0 ? -errno : 0;
}

static long store(const char *val, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static long store(const char *val, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	long rc;
	int fd;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = result(write(fd, val, strlen(val)));
	close(fd);
	return rc;
}

/* Return: the text of a file, without the newline at its end; "" if there is none */
static const char *load(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

static const char *load(const char *fmt, ...)
{
	static char text[4097];
	char path[PATH_MAX];
	ssize_t len = 0;
	va_list ap;
	int fd;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[len < 0 ? 0 : len] = 0;
	text[strcspn(text, "\n")] = 0;
	return text;
}

/* The device number @nr on the bus, in the order of their names, or none */
static const char *device(unsigned int nr)
{
	static char name[2][64];
	static int turn;
	glob_t g;

	turn = !turn;
	snprintf(name[turn], sizeof(name[turn]), NO_DEVICE);
	if (!glob(BUS "devices/dax*", 0, NULL, &g)) {
		if (nr < g.gl_pathc)
			snprintf(name[turn], sizeof(name[turn]), "%s",
				 strrchr(g.gl_pathv[nr], '/') + 1);
		globfree(&g);
	}
	return name[turn];
}

static const char *dev_arg(const struct call *c, int i)
{
	return device(slot(c, i));
}

/* Return: the name of the driver of a device, or "" */
static const char *driver_of(const char *dev)
{
	static char link[PATH_MAX];
	char path[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof(path), BUS "devices/%s/driver", dev);
	len = readlink(path, link, sizeof(link) - 1);
	link[len < 0 ? 0 : len] = 0;
	return len < 0 ? link : strrchr(link, '/') + 1;
}

/* Errors in memory that the system has may hit anybody, and this program, too. */
static bool is_system_ram(void)
{
	unsigned int i;

	for (i = 0; i < NR; i++)
		if (!strcmp(driver_of(device(i)), "kmem"))
			return true;
	return false;
}

/*
 * Memory that is online when its device goes away is stuck until reboot, and
 * nothing could be tried any more.
 *
 * Return: how many blocks of the region the system has, or has online
 */
static int nr_blocks(bool online)
{
	uint64_t nr = region_base / BLOCK, end = nr + region_size / BLOCK;
	int count = 0;

	for (; nr < end; nr++) {
		const char *is = load(MEMORY "%llu/state", (unsigned long long)nr);

		count += *is && (!online || !strcmp(is, "online"));
	}
	return count;
}

/* sysfs */

static long do_driver(const struct call *c)
{
	if (!strcmp(c->op->name, "unbind") && nr_blocks(true))
		return -EBUSY;
	return store(dev_arg(c, 1), BUS "drivers/%s/%s", c->arg[0], c->op->name);
}

static long do_override(const struct call *c)
{
	const char *name = strcmp(c->arg[1], "none") ? c->arg[1] : "\n";

	return store(name, BUS "devices/%s/driver_override", dev_arg(c, 0));
}

static long do_probe_bus(const struct call *c)
{
	return store(dev_arg(c, 0), BUS "drivers_probe");
}

/* size, align: bytes, in digits only */
static long do_bytes(const struct call *c)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", value(c, 1));
	return store(text, BUS "devices/%s/%s", dev_arg(c, 0), c->op->name);
}

static long do_attr(const struct call *c)
{
	return store(c->arg[1], BUS "devices/%s/%s", dev_arg(c, 0), c->op->name);
}

static long do_mapping(const struct call *c)
{
	uint64_t start = region_base + value(c, 1);
	char text[64];

	snprintf(text, sizeof(text), "%llx-%llx", (unsigned long long)start,
		 (unsigned long long)(start + value(c, 2) - 1));
	return store(text, BUS "devices/%s/mapping", dev_arg(c, 0));
}

static long do_badblocks(const struct call *c)
{
	char text[64];

	if (is_system_ram())
		return -EBUSY;
	snprintf(text, sizeof(text), "%s %s", c->arg[1], c->arg[2]);
	return store(text, BUS "devices/%s/badblocks", dev_arg(c, 0));
}

static long do_create(const struct call *c)
{
	return store(c->arg[0], BUS "devices/%s/../dax_region/create", device(0));
}

static long do_delete(const struct call *c)
{
	return store(dev_arg(c, 0), BUS "devices/%s/../dax_region/delete", device(0));
}

static long do_look(const struct call *c)
{
	return *load(BUS "devices/%s/%s", dev_arg(c, 0), c->arg[1]) ? 0 : -ENODATA;
}

static long do_region(const struct call *c)
{
	if (nr_blocks(true))
		return -EBUSY;
	return store(parent, HMEM "%s", c->arg[0]);
}

/* Seconds that an unbind waits for pins; none, if a program does not say so */
static long do_pin_timeout(const struct call *c)
{
	return store(c->arg[0], PIN_TIMEOUT);
}

static long set_memory(const char *state)
{
	const char *from = !strcmp(state, "offline") ? "online" : "offline";
	uint64_t nr = region_base / BLOCK, end = nr + region_size / BLOCK;
	long rc = -ENOENT;

	for (; nr < end; nr++) {
		if (!strcmp(load(MEMORY "%llu/state", (unsigned long long)nr),
			    from))
			rc = store(state, MEMORY "%llu/state",
				   (unsigned long long)nr);
	}
	return rc;
}

static long do_memory(const struct call *c)
{
	return set_memory(c->arg[0]);
}

/* corrupt-pfn, unpoison-pfn */
static long do_pfn(const struct call *c)
{
	uint64_t pfn = value(c, 1);
	char text[32];

	if (is_system_ram())
		return -EBUSY;
	pfn += strtoull(load(BUS "devices/%s/mapping0/start", dev_arg(c, 0)),
			NULL, 16) / PAGE;
	if (pfn < region_base / PAGE)
		return -ENODEV;
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)pfn);
	return store(text, POISON "%s", c->op->name);
}

static long do_probe(const struct call *c)
{
	unsigned int major = 0, minor = 0;
	struct daxtest_probe p = {
		.slot = value(c, 1) == 3 ? DAXTEST_NO_SLOT : value(c, 1),
		.pgoff = value(c, 3),
		.nr = value(c, 4),
		.count = 1000 * value(c, 4),
		.addr = (uintptr_t)buf,
		.len = value(c, 4) * PAGE % BUF,
	};
	int fd = open("/dev/daxtest_probe", O_RDWR | O_CLOEXEC);
	long rc;

	if (value(c, 0) == DAXTEST_PROBE_POISON && is_system_ram())
		return -EBUSY;
	if (sscanf(load(BUS "devices/%s/dev", dev_arg(c, 2)), "%u:%u", &major,
		   &minor) == 2) {
		p.major = major;
		p.minor = minor;
	}
	rc = result(ioctl(fd, value(c, 0), &p));
	close(fd);
	return rc ?: p.result < 0 ? p.result : 0;
}

/* Mounts and files */

static const char *dir_of(const struct call *c, int i)
{
	static char dir[32];

	snprintf(dir, sizeof(dir), MNT "m%u", slot(c, i) % 2);
	return dir;
}

static const char *file_of(const struct call *c, int m, int f)
{
	static char path[2][64];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir_of(c, m), c->arg[f]);
	return path[turn];
}

static long do_mount(const struct call *c)
{
	const char *opt = c->arg[2];
	char source[64], opts[96];
	unsigned long flags = 0;

	snprintf(source, sizeof(source), "/dev/%s", dev_arg(c, 1));
	snprintf(opts, sizeof(opts), "%s", opt);
	if (!strcmp(opt, "ro"))
		flags = MS_RDONLY;
	if (!strncmp(opt, "daxdev=d", 8))
		snprintf(opts, sizeof(opts), "daxdev=/dev/%s",
			 device(opt[8] - '0'));
	return result(mount(source, dir_of(c, 0), "daxtest", flags,
			    *opt == '-' || flags ? "" : opts));
}

static long do_remount(const struct call *c)
{
	const char *opt = c->arg[1];
	bool ro = !strcmp(opt, "ro");

	return result(mount(NULL, dir_of(c, 0), NULL,
			    MS_REMOUNT | (ro ? MS_RDONLY : 0),
			    *opt == '-' || ro ? "" : opt));
}

static long do_umount(const struct call *c)
{
	return result(umount2(dir_of(c, 0), value(c, 1)));
}

/* Drop all mappings of a mount, as if it had lost its device */
static long do_dropmaps(const struct call *c)
{
	struct stat st;

	if (stat(dir_of(c, 0), &st))
		return -errno;
	return store("unmap", "/sys/kernel/debug/daxtest/%u:%u/stats",
		     major(st.st_dev), minor(st.st_dev));
}

static long put_handle(unsigned int i, int fd)
{
	if (fd < 0)
		return -errno;
	close(handle[i]);
	handle[i] = fd;
	return 0;
}

static long do_open(const struct call *c)
{
	return put_handle(slot(c, 0), open(file_of(c, 1, 2), value(c, 3), 0644));
}

static long do_opendev(const struct call *c)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/%s", dev_arg(c, 1));
	return put_handle(slot(c, 0), open(path, value(c, 2) & ~O_CREAT));
}

static long do_close(const struct call *c)
{
	int i = slot(c, 0), rc = close(handle[i]);

	handle[i] = -1;
	return result(rc);
}

static long do_unlink(const struct call *c)
{
	return result(unlink(file_of(c, 0, 1)));
}

static long do_rename(const struct call *c)
{
	const char *from = file_of(c, 0, 1);

	return result(rename(from, file_of(c, 0, 2)));
}

static long do_link(const struct call *c)
{
	const char *from = file_of(c, 0, 1);

	return result(link(from, file_of(c, 0, 2)));
}

/* As many extents as said, each so long, and with a gap as long after it */
static long do_layout(const struct call *c)
{
	unsigned int type = value(c, 1), i, nr = value(c, 5) + 1;
	uint64_t off = value(c, 3), len = value(c, 4);
	struct daxtest_extent ext[NR + 1] = {};
	struct daxtest_layout l = {
		.version = DAXTEST_LAYOUT_VERSION,
		.type = type & 0xf,
		.flags = type >> 4,
		.count = nr > NR ? NR : nr,
		.size = l.count * len,
		.chunk = type & 1 ? 2 * DAXTEST_BLOCK : 0,
		.extents = (uintptr_t)ext,
	};

	for (i = 0; i < l.count; i++) {
		ext[i].dev = value(c, 2) > 1 ? i % 2 : value(c, 2);
		ext[i].offset = off + 2 * i * len;
		ext[i].len = len;
	}
	return result(ioctl(handle[slot(c, 0)], DAXTEST_IOC_SET_LAYOUT, &l));
}

static long do_getlayout(const struct call *c)
{
	struct daxtest_extent ext[NR];
	struct daxtest_layout l = {
		.version = DAXTEST_LAYOUT_VERSION,
		.count = value(c, 1),
		.extents = (uintptr_t)ext,
	};

	return result(ioctl(handle[slot(c, 0)], DAXTEST_IOC_GET_LAYOUT, &l));
}

static size_t io_len(const struct call *c, int i)
{
	size_t len = value(c, i);

	return len > BUF ? BUF : len;
}

static long do_pread(const struct call *c)
{
	return result(pread(handle[slot(c, 0)], buf, io_len(c, 2), value(c, 1)));
}

static long do_pwrite(const struct call *c)
{
	return result(pwrite(handle[slot(c, 0)], buf, io_len(c, 2), value(c, 1)));
}

static long do_truncate(const struct call *c)
{
	return result(ftruncate(handle[slot(c, 0)], value(c, 1)));
}

static long do_fallocate(const struct call *c)
{
	return result(fallocate(handle[slot(c, 0)], value(c, 1), value(c, 2),
				value(c, 3)));
}

static long do_fsync(const struct call *c)
{
	return result(value(c, 1) ? fdatasync(handle[slot(c, 0)]) :
		      fsync(handle[slot(c, 0)]));
}

static long do_syncfs(const struct call *c)
{
	struct statfs st;

	return result(syncfs(handle[slot(c, 0)]) ?:
		      fstatfs(handle[slot(c, 0)], &st));
}

static long do_sendfile(const struct call *c)
{
	off_t off = value(c, 2);

	return result(sendfile(handle[slot(c, 0)], handle[slot(c, 1)], &off,
			       io_len(c, 3)));
}

/* Mappings */

static long do_mmap(const struct call *c)
{
	size_t len = value(c, 3);
	char *p = mmap(NULL, len, value(c, 4), value(c, 5), handle[slot(c, 1)],
		       value(c, 2));
	unsigned int i = slot(c, 0);

	if (p == MAP_FAILED)
		return -errno;
	if (map[i].p)
		munmap(map[i].p, map[i].len);
	map[i].p = p;
	map[i].len = len;
	return 0;
}

/* The address at an offset of a mapping, and what is left of it there */
static char *at(const struct call *c, int p, int o, size_t *len)
{
	unsigned int i = slot(c, p);
	uint64_t off = value(c, o);

	if (!map[i].p || off >= map[i].len)
		off = 0;
	*len = map[i].p ? map[i].len - off : 0;
	return map[i].p ? map[i].p + off : NULL;
}

/* The same for calls that are given a length */
static char *part(const struct call *c, int p, size_t *len)
{
	size_t want = value(c, p + 2);
	char *addr = at(c, p, p + 1, len);

	if (want < *len)
		*len = want;
	return addr;
}

static long do_munmap(const struct call *c)
{
	unsigned int i = slot(c, 0);
	size_t len;
	char *p = part(c, 0, &len);
	long rc = result(munmap(p, len));

	if (p == map[i].p && len == map[i].len)
		map[i].p = NULL;
	return rc;
}

static long do_touch(const struct call *c)
{
	bool write = c->arg[2][0] != 'r' && strcmp(c->arg[2], "walk");
	size_t len, step = PAGE, max = 64 * PAGE;
	char *p = at(c, 0, 1, &len);
	uint64_t val = MARK;
	long rc = 0;

	p = (char *)((uintptr_t)p & ~7UL);
	if (!p || len < 8)
		return -EFAULT;
	if (!c->arg[2][1])
		len = 8;
	for (; len >= 8 && max; max -= step) {
		if (try_access((void *)p, write, &val))
			rc = -EFAULT;
		if (len < step)
			break;
		p += step;
		len -= step;
	}
	return rc;
}

static long do_madvise(const struct call *c)
{
	size_t len;
	char *p = part(c, 0, &len);

	/* the page that is hit should be one of the device */
	if (value(c, 3) == MADV_HWPOISON || value(c, 3) == MADV_SOFT_OFFLINE) {
		if (len > 2 * PAGE)
			len = 2 * PAGE;
		if (is_system_ram())
			return -EBUSY;
	}
	return result(madvise((void *)((uintptr_t)p & -PAGE), len, value(c, 3)));
}

static long do_mremap(const struct call *c)
{
	unsigned int i = slot(c, 0);
	size_t len = value(c, 1);
	char *p;

	if (!map[i].p)
		return -EFAULT;
	p = mremap(map[i].p, map[i].len, len, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		return -errno;
	map[i].p = p;
	map[i].len = len;
	return 0;
}

static long do_mprotect(const struct call *c)
{
	size_t len;
	char *p = part(c, 0, &len);

	return result(mprotect((void *)((uintptr_t)p & -PAGE), len, value(c, 3)));
}

static long do_msync(const struct call *c)
{
	size_t len;
	char *p = part(c, 0, &len);

	return result(msync((void *)((uintptr_t)p & -PAGE), len, value(c, 3)));
}

static long do_mlock(const struct call *c)
{
	size_t len;
	char *p = part(c, 0, &len);

	return result(mlock(p, len));
}

/* I/O from a mapping, or to it */
static long do_preadto(const struct call *c)
{
	size_t len;
	char *p = part(c, 1, &len);

	return result(pread(handle[slot(c, 0)], p, len, value(c, 4)));
}

static long do_pwritefrom(const struct call *c)
{
	size_t len;
	char *p = part(c, 1, &len);

	return result(pwrite(handle[slot(c, 0)], p, len, value(c, 4)));
}

/* /proc/self/mem forces its way */
static long do_procmem(const struct call *c)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	size_t len;
	char *p = at(c, 0, 1, &len);
	long rc;

	if (len > 2 * PAGE)
		len = 2 * PAGE;
	if (c->arg[2][0] == 'w')
		rc = result(pwrite(fd, buf, len, (uintptr_t)p));
	else
		rc = result(pread(fd, buf, len, (uintptr_t)p));
	close(fd);
	return rc;
}

static long put_pin(unsigned int i, int fd)
{
	if (fd < 0)
		return -EFAULT;
	close(pin[i]);
	pin[i] = fd;
	return 0;
}

static long do_vmsplice(const struct call *c)
{
	size_t len;
	char *p = at(c, 1, 2, &len);

	return put_pin(slot(c, 0), pipe_of(p));
}

static long do_ring(const struct call *c)
{
	size_t len;
	char *p = part(c, 1, &len);

	return put_pin(slot(c, 0), ring_of(p, len));
}

static long do_unpin(const struct call *c)
{
	int i = slot(c, 0), rc = close(pin[i]);

	pin[i] = -1;
	return result(rc);
}

/* A process that has the same files and mappings until reaped, or the end */
static long do_fork(const struct call *c)
{
	unsigned int i = value(c, 0) % NR;

	if (forked[i])
		kill(forked[i], SIGKILL);
	forked[i] = fork();
	if (forked[i])
		return result(forked[i]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static long do_reap(const struct call *c)
{
	unsigned int i = value(c, 0) % NR;

	return forked[i] ? result(kill(forked[i], SIGKILL)) : -ESRCH;
}

static long do_sleep(const struct call *c)
{
	return result(usleep(1000 * value(c, 0)));
}

/* For programs that were made of several: all is as in the beginning */
static long do_reset(const struct call *c)
{
	int i;

	for (i = 0; i < NR; i++) {
		if (forked[i])
			kill(forked[i], SIGKILL);
		if (map[i].p)
			munmap(map[i].p, map[i].len);
		close(handle[i]);
		close(pin[i]);
		forked[i] = 0;
		map[i].p = NULL;
		handle[i] = -1;
		pin[i] = -1;
	}
	return reset_devices() ? -EBUSY : 0;
}

const struct op ops[] = {
	{ "reset", "", 0, do_reset },
	{ "new_id", "vd", 12, do_driver },
	{ "bind", "vd", 6, do_driver },
	{ "unbind", "vd", 8, do_driver },
	{ "remove_id", "vd", 3, do_driver },
	{ "driver_override", "dV", 3, do_override },
	{ "drivers_probe", "d", 2, do_probe_bus },
	{ "size", "dz", 5, do_bytes },
	{ "align", "da", 3, do_bytes },
	{ "mapping", "dol", 4, do_mapping },
	{ "ro", "db", 3, do_attr },
	{ "write_cache", "db", 3, do_attr },
	{ "memmap_on_memory", "db", 2, do_attr },
	{ "badblocks", "dsc", 6, do_badblocks },
	{ "create", "n", 3, do_create },
	{ "delete", "d", 2, do_delete },
	{ "look", "dy", 4, do_look },
	{ "region", "R", 1, do_region },
	{ "pin_timeout", "T", 2, do_pin_timeout },
	{ "memory", "k", 2, do_memory },
	{ "corrupt-pfn", "dg", 4, do_pfn },
	{ "unpoison-pfn", "dg", 1, do_pfn },
	{ "probe", "Cndgg", 8, do_probe },
	{ "mount", "mdO", 14, do_mount },
	{ "remount", "mO", 2, do_remount },
	{ "umount", "mu", 4, do_umount },
	{ "dropmaps", "m", 2, do_dropmaps },
	{ "open", "hmfe", 12, do_open },
	{ "opendev", "hde", 6, do_opendev },
	{ "close", "h", 2, do_close },
	{ "unlink", "mf", 2, do_unlink },
	{ "rename", "mff", 1, do_rename },
	{ "link", "mff", 1, do_link },
	{ "layout", "hLnoln", 12, do_layout },
	{ "getlayout", "hn", 1, do_getlayout },
	{ "pread", "hol", 6, do_pread },
	{ "pwrite", "hol", 6, do_pwrite },
	{ "truncate", "ho", 4, do_truncate },
	{ "fallocate", "hFol", 4, do_fallocate },
	{ "fsync", "hn", 3, do_fsync },
	{ "syncfs", "h", 1, do_syncfs },
	{ "sendfile", "hhol", 2, do_sendfile },
	{ "mmap", "pholPM", 14, do_mmap },
	{ "munmap", "pol", 3, do_munmap },
	{ "touch", "por", 14, do_touch },
	{ "madvise", "polA", 7, do_madvise },
	{ "mremap", "pl", 2, do_mremap },
	{ "mprotect", "polP", 2, do_mprotect },
	{ "msync", "polS", 3, do_msync },
	{ "mlock", "pol", 1, do_mlock },
	{ "preadto", "hpolo", 3, do_preadto },
	{ "pwritefrom", "hpolo", 3, do_pwritefrom },
	{ "procmem", "por", 2, do_procmem },
	{ "vmsplice", "xpo", 4, do_vmsplice },
	{ "ring", "xpol", 4, do_ring },
	{ "unpin", "x", 2, do_unpin },
	{ "fork", "n", 3, do_fork },
	{ "reap", "n", 1, do_reap },
	{ "sleep", "t", 3, do_sleep },
};

const int nr_ops = ARRAY_SIZE(ops);

/* How the devices are between two programs */

int find_region(void)
{
	char path[PATH_MAX], *slash;

	if (!realpath(BUS "devices/dax0.0", path))
		return -1;
	*strrchr(path, '/') = 0;
	slash = strrchr(path, '/');
	snprintf(parent, sizeof(parent), "%s", slash + 1);
	region_size = strtoull(load(BUS "devices/dax0.0/../dax_region/size"), NULL, 0);
	region_base = strtoull(load(BUS "devices/dax0.0/resource"), NULL, 0);
	snprintf(write_cache, sizeof(write_cache), "%s", load(BUS "devices/dax0.0/write_cache"));
	/* where nothing is mounted no file can be made */
	mkdir(MNT, 0755);
	mount("none", MNT, "tmpfs", 0, "");
	mkdir(MNT "m0", 0755);
	mkdir(MNT "m1", 0755);
	mount(NULL, MNT, NULL, MS_REMOUNT | MS_RDONLY, NULL);
	return region_size && region_base ? 0 : -1;
}

bool is_stuck(void)
{
	return !!nr_blocks(false);
}

const char *device_state(void)
{
	static char text[512];
	int n;

	n = snprintf(text, sizeof(text), "size %s", load(BUS "devices/dax0.0/size"));
	n += snprintf(text + n, sizeof(text) - n, ", driver '%s'", driver_of("dax0.0"));
	n += snprintf(text + n, sizeof(text) - n, ", holder '%s'",
		      load(BUS "devices/dax0.0/holder"));
	n += snprintf(text + n, sizeof(text) - n, ", badblocks '%s'",
		      load(BUS "devices/dax0.0/badblocks"));
	snprintf(text + n, sizeof(text) - n, ", parked '%s'", load(PARKED));
	return text;
}

static void put_all(void)
{
	struct daxtest_probe p = {};
	int fd = open("/dev/daxtest_probe", O_RDWR | O_CLOEXEC);
	char dir[32];
	int i, m;

	for (; p.slot < NR - 1; p.slot++)
		ioctl(fd, DAXTEST_PROBE_PUT, &p);
	close(fd);
	for (m = 0; m < 2; m++) {
		snprintf(dir, sizeof(dir), MNT "m%d", m);
		for (i = 0; i < 100 && (!umount2(dir, 0) || errno == EBUSY); i++)
			if (i > 50)
				umount2(dir, MNT_DETACH);
	}
}

static void forget(const char *dev)
{
	const char *driver = driver_of(dev);

	if (*driver) {
		if (!strcmp(driver, "kmem")) {
			set_memory("offline");
			if (nr_blocks(true))
				return;
		}
		store(dev, BUS "drivers/%s/unbind", driver);
	}
	store(dev, BUS "drivers/fsdev_dax/remove_id");
	store(dev, BUS "drivers/device_dax/remove_id");
	store(dev, BUS "drivers/kmem/remove_id");
	if (*load(BUS "devices/%s/driver_override", dev) != '(')
		store("\n", BUS "devices/%s/driver_override", dev);
}

/* Errors go with the region, and so does all that is not as it was. */
static bool is_as_it_was(void)
{
	const char *dev = "dax0.0";

	return !strcmp(device(0), dev) && !strcmp(device(1), NO_DEVICE) &&
	       strtoull(load(BUS "devices/%s/size", dev), NULL, 0) == BASE_SIZE &&
	       strtoull(load(BUS "devices/%s/align", dev), NULL, 0) == BASE_ALIGN &&
	       !*load(BUS "devices/%s/mapping1/start", dev) &&
	       strtoull(load(BUS "devices/%s/mapping0/start", dev), NULL, 0) ==
	       region_base &&
	       !*driver_of(dev) && !nr_blocks(false) &&
	       !strcmp(load(BUS "devices/%s/ro", dev), "0") &&
	       !strcmp(load(BUS "devices/%s/write_cache", dev), write_cache) &&
	       !*load(BUS "devices/%s/badblocks", dev);
}

static bool try_reset(bool region_too)
{
	char text[32];
	int i;

	store("0", PIN_TIMEOUT);
	put_all();
	for (i = NR - 1; i >= 0; i--) {
		const char *dev = device(i);

		if (!strcmp(dev, NO_DEVICE))
			continue;
		forget(dev);
		if (!strcmp(dev, "dax0.0"))
			continue;
		store("0", BUS "devices/%s/size", dev);
		store(dev, BUS "devices/%s/../dax_region/delete", dev);
	}
	if (is_as_it_was())
		return true;
	if (nr_blocks(false))
		return false;
	if (region_too || strcmp(device(0), "dax0.0") ||
	    *load(BUS "devices/dax0.0/badblocks")) {
		store(parent, HMEM "unbind");
		store(parent, HMEM "bind");
		forget("dax0.0");
	}
	store("0", BUS "devices/dax0.0/size");
	store("0", BUS "devices/dax0.0/ro");
	store(write_cache, BUS "devices/dax0.0/write_cache");
	snprintf(text, sizeof(text), "%lu", BASE_ALIGN);
	store(text, BUS "devices/dax0.0/align");
	snprintf(text, sizeof(text), "%lu", BASE_SIZE);
	store(text, BUS "devices/dax0.0/size");
	return is_as_it_was();
}

int reset_devices(void)
{
	int i;

	for (i = 0; i < 100; i++) {
		if (try_reset(i > 2))
			return 0;
		usleep(100000);
	}
	return -1;
}
