/* SPDX-License-Identifier: ISC */
#include "common/write_all.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

int
write_all(int fd, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0) /* no reason is given: it will not get better */
			errno = EIO;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
