// SPDX-License-Identifier: GPL-2.0
/*
 * halfbuf - write to a file from a buffer that ends before the write does
 *
 * usage: halfbuf PATH OFFSET LENGTH BYTE [BYTES]...
 *
 * Says how many of LENGTH bytes (BYTE, in decimal) could be written, or the name
 * of the error, if only so many BYTES of the buffer can be read; for each of
 * them in turn.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t page = getpagesize(), len, room;
	off_t offset;
	char *end;
	int fd;

	if (argc < 6)
		return 2;
	fd = open(argv[1], O_RDWR);
	offset = strtoull(argv[2], NULL, 0);
	len = strtoull(argv[3], NULL, 0);
	room = (len + 2 * page - 1) & ~(page - 1);
	end = mmap(NULL, 2 * room, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || end == MAP_FAILED)
		return 3;
	memset(end, atoi(argv[4]), room);
	end += room;
	mprotect(end, room, PROT_NONE);

	for (int i = 5; i < argc; i++) {
		ssize_t n = pwrite(fd, end - strtoull(argv[i], NULL, 0), len,
				   offset);

		if (n < 0)
			printf("%s\n", strerrorname_np(errno));
		else
			printf("%zd\n", n);
	}
	return 0;
}
