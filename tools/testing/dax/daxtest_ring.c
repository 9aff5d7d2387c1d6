// SPDX-License-Identifier: GPL-2.0
/*
 * Pins of an io_uring: buffers that are registered stay pinned as long as the
 * ring is there, whatever becomes of the mapping.
 */
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

#define RING_MAP	(2UL << 20)
#define RING_PINNED	(64UL << 10)

/*
 * Registers the first pages of a file as a buffer, and says "ready" or what
 * failed. The ring goes with the process, at the end of its input.
 */
int cmd_ring(int argc, char **argv)
{
	int fd = open_file(argv[1], O_RDWR);
	struct io_uring_params params = {};
	struct iovec iov = { .iov_len = RING_PINNED };
	char line[16];
	int ring;

	iov.iov_base = mmap(NULL, RING_MAP, PROT_READ | PROT_WRITE, MAP_SHARED,
			    fd, 0);
	if (iov.iov_base == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	memset(iov.iov_base, 1, RING_PINNED);
	ring = syscall(SYS_io_uring_setup, 4, &params);
	if (ring < 0 ||
	    syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov,
		    1)) {
		perror("io_uring");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && *line != 'q')
		;
	return 0;
}
