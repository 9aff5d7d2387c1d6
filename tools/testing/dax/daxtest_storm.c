// SPDX-License-Identifier: GPL-2.0
/* daxtest: processes that do the same again and again for a while */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daxtest_tool.h"

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

int cmd_faultstorm(int argc, char **argv)
{
	target.fd = open_file(argv[1], O_RDWR);
	target.size = file_size(target.fd);
	target.map = map_file(target.fd, 0, target.size,
			      PROT_READ | PROT_WRITE, MAP_SHARED);
	catch_bus();
	return storm(number(argv[3]), number(argv[2]), "faults", storm_fault);
}

int cmd_iostorm(int argc, char **argv)
{
	target.fd = open_file(argv[1], O_RDWR);
	target.size = file_size(target.fd);
	return storm(number(argv[3]), number(argv[2]), "io", storm_rw);
}

/*
 * The workers of stress.sh that have to be quick. Each goes on until its time is
 * over, and then says how often it did what. The device may be gone meanwhile,
 * and have another number afterwards.
 */
static struct churn {
	const char *dev;
	const char *lock;
	const char *file;
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

/* A task that wants the lock alone waits at the gate, and others behind it */
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

/*
 * Return: the number of any page that the record of errors has, or -1. Those that
 * are behind the file stay bad.
 */
static int64_t churn_bad_page(void)
{
	unsigned long long first, count, seen = 0;
	char path[PATH_MAX];
	int64_t page = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/badblocks", churn.dev);
	f = fopen(path, "r");
	if (!f)
		return -1;
	while (fscanf(f, "%llu %llu", &first, &count) == 2)
		if (first < 4096 * 8 && rnd(&churn.state) % ++seen == 0)
			page = (first + rnd(&churn.state) % count) / 8;
	fclose(f);
	return page;
}

/* Overwrites a bad page, or any, as a file whose pages are those of the device */
static void churn_mend(void)
{
	int64_t page = churn_bad_page();
	int fd = open(churn.file, O_RDWR);
	char *buf;

	if (fd < 0)
		return churn_wait(5000);
	buf = calloc(1, PAGE);
	if (page < 0)
		page = rnd(&churn.state) % 4096;
	if (pwrite(fd, buf, PAGE, page * PAGE) == (ssize_t)PAGE)
		churned("mend", "");
	else
		churned("mend_", errname(errno));
	free(buf);
	close(fd);
	churn_wait(20000);
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

/*
 * Pins a page of the device or of the file, and keeps the pin whatever becomes
 * of them. Now and then that is longer than an unbind waits.
 */
static void churn_pin(void)
{
	bool of_file = rnd(&churn.state) % 2;
	char dev[PATH_MAX];
	int fd, pin;
	void *p;

	snprintf(dev, sizeof(dev), "/dev/%s", churn.dev);
	fd = open(of_file ? churn.file : dev, O_RDWR);
	if (fd < 0)
		return churn_wait(5000);
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 rnd(&churn.state) % 8 * HUGE);
	close(fd);
	if (p == MAP_FAILED)
		return churn_wait(5000);
	if (!of_file && rnd(&churn.state) % 2)
		pin = ring_of(p, PAGE);
	else
		pin = pipe_of(p);
	munmap(p, HUGE);
	if (pin < 0) {
		churned("pin_", "refused");
		return churn_wait(5000);
	}
	churned("pin_", of_file ? "file" : "device");
	churn_wait(rnd(&churn.state) % 8 ? 100000 : 4000000);
	if (is_parked(churn.dev))
		churned("pin_", "parked");
	close(pin);
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

int cmd_churn(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*work)(void);
	} workers[] = {
		{ "bind", churn_bind },
		{ "hold", churn_hold },
		{ "poison", churn_poison },
		{ "mend", churn_mend },
		{ "look", churn_look },
		{ "pin", churn_pin },
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
	churn.file = argv[5];
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
