// SPDX-License-Identifier: GPL-2.0
/* daxtest: reports of a filesystem of its errors */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <unistd.h>
#include "daxtest_tool.h"

#ifndef FAN_FS_ERROR
#define FAN_FS_ERROR 0x00008000
#endif

/* The information about an error, whose header differs between libraries */
#define ERROR_INFO 5
struct error_info {
	uint8_t type, pad;
	uint16_t len;
	int32_t error;
	uint32_t count;
};

static const struct error_info *find_error(const char *buf, ssize_t n)
{
	const struct fanotify_event_metadata *event = (const void *)buf;
	const char *at = buf + event->metadata_len;
	const struct error_info *info;

	for (; at + sizeof(*info) <= buf + n; at += info->len) {
		info = (const void *)at;
		if (info->type == ERROR_INFO)
			return info;
		if (!info->len)
			break;
	}
	die("an event without an error");
	return NULL;
}

/* Waits for errors of the filesystem that has PATH, and says which they are */
int cmd_fserror(int argc, char **argv)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY);
	const struct error_info *info;
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		die("fanotify: %s", errname(errno));
	if (fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_FS_ERROR,
			  AT_FDCWD, argv[1]))
		die("%s: %s", argv[1], errname(errno));
	printf("ready\n");
	fflush(stdout);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		info = find_error(buf, n);
		printf("%s %u\n", errname(info->error < 0 ? -info->error :
					  info->error), info->count);
		fflush(stdout);
	}
	return 1;
}
