/* SPDX-License-Identifier: MIT */
/* text.c - see text.h */
#include "sys/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "sys/call.h"
#include "sys/kernel.h"

ssize_t sys_text_read(const char *path, char *buf, size_t room)
{
	int fd = sys_open(path, O_RDONLY);
	ssize_t len;

	buf[0] = '\0';
	if (fd < 0)
		return fd;
	len = sys_read(fd, buf, room - 1);
	/* not sys_close(): in the holder the number can be that of another */
	call(SYS_close, fd, 0, 0, 0, 0, 0);
	buf[len > 0 ? len : 0] = '\0';
	return len;
}

const char *sys_text_line(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	while (at && at != text && at[-1] != '\n')
		at = strstr(at + 1, name);
	if (!at)
		return "";
	at += strlen(name);
	return at + strspn(at, " \t");
}

uint64_t sys_text_number(const char *s, unsigned base)
{
	uint64_t n = 0;

	for (;; s++) {
		unsigned digit = *s >= 'a' ? (unsigned)(*s - 'a') + 10 :
					     (unsigned)(*s - '0');

		if (*s < '0' || digit >= base)
			return n;
		n = n * base + digit;
	}
}
