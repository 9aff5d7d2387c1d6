// SPDX-License-Identifier: GPL-2.0
/*
 * Pins that outlive the mapping they were made through: by a pipe, and by the
 * registered buffers of an io_uring. They stay as long as the pipe or the ring
 * is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "daxtest_tool.h"

#define RING_PINNED	(64UL << 10)
#define DRIVERS		"/sys/bus/dax/drivers/"
#define PARKED		"/sys/kernel/mm/parked_memory"
#define GONE_SECONDS	60

int ring_of(void *p, size_t len)
{
	struct iovec iov = { .iov_base = p, .iov_len = len };
	struct io_uring_params params = {};
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	if (ring < 0)
		return -1;
	if (!syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov,
		     1))
		return ring;
	close(ring);
	return -1;
}

int pipe_of(void *p)
{
	struct iovec iov = { .iov_base = p, .iov_len = PAGE };
	int pipefd[2];
	bool done;

	if (pipe(pipefd))
		return -1;
	done = vmsplice(pipefd[1], &iov, 1, 0) == (ssize_t)PAGE;
	close(pipefd[1]);
	if (done)
		return pipefd[0];
	close(pipefd[0]);
	return -1;
}

/*
 * Registers the first pages of a file as a buffer, and says "ready" or what
 * failed. The ring goes with the process, at the end of its input.
 */
int cmd_ring(int argc, char **argv)
{
	int fd = open_file(argv[1], O_RDWR);
	char line[16];
	void *p;

	p = map_file(fd, 0, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	memset(p, 1, RING_PINNED);
	if (ring_of(p, RING_PINNED) < 0) {
		perror("io_uring");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && *line != 'q')
		;
	return 0;
}

bool is_parked(const char *dev)
{
	char line[256], name[64];
	bool found = false;
	FILE *f = fopen(PARKED, "r");

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %63s", name) == 1 &&
			!strcmp(name, dev);
	fclose(f);
	return found;
}

/* Return: a file that has pinned a page of the device, to be closed */
static int pin_device(const char *dev, uint64_t where, bool by_ring)
{
	char path[128];
	void *p;
	int fd, pin;

	snprintf(path, sizeof(path), "/dev/%s", dev);
	fd = open_file(path, O_RDWR);
	p = map_file(fd, where, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	pin = by_ring ? ring_of(p, RING_PINNED) : pipe_of(p);
	if (pin < 0)
		die("cannot pin: %s", errname(errno));
	munmap(p, HUGE);
	close(fd);
	return pin;
}

/* Write the name of the device to a file of the driver, and expect @want */
static void drive(const char *driver, const char *file, const char *dev,
		  int want)
{
	char dir[128];
	int err;

	snprintf(dir, sizeof(dir), DRIVERS "%s", driver);
	err = store_once(dir, file, dev);
	if (err != want)
		die("%s of %s to %s: %s instead of %s", file, dev, driver,
		    errname(err), errname(want));
}

/* The device has no driver, and has none in the end */
static void pin_round(const char *dev, uint64_t nr)
{
	double end;
	int pin;

	drive("device_dax", "new_id", dev, 0);
	pin = pin_device(dev, nr % 32 * HUGE, nr % 2);
	drive("device_dax", "unbind", dev, 0);
	drive("device_dax", "remove_id", dev, 0);
	if (!is_parked(dev))
		die("round %llu: not parked", (unsigned long long)nr);
	drive("fsdev_dax", "new_id", dev, EBUSY);
	drive("fsdev_dax", "remove_id", dev, 0);
	close(pin);
	for (end = now() + GONE_SECONDS; is_parked(dev); usleep(1000))
		if (now() > end)
			die("round %llu: parked for ever",
			    (unsigned long long)nr);
	drive("fsdev_dax", "new_id", dev, 0);
	drive("fsdev_dax", "unbind", dev, 0);
	drive("fsdev_dax", "remove_id", dev, 0);
}

/*
 * Again and again: pins memory of a device in devdax mode, unbinds it, and sees
 * that nobody can bind it until the pin is gone. To be used with a timeout of 0
 * for pins.
 */
int cmd_pinrounds(int argc, char **argv)
{
	uint64_t rounds = number(argv[2]), i;

	for (i = 0; i < rounds; i++)
		pin_round(argv[1], i);
	printf("%llu rounds\n", (unsigned long long)rounds);
	return 0;
}
