/* SPDX-License-Identifier: ISC */
/*
 * getpeereid(3), where the C library lacks it but the kernel tells.
 */
#include "common/compat/compat.h"

#if !HAVE_GETPEEREID
#include <sys/socket.h>

int
getpeereid(int fd, uid_t *uid, gid_t *gid)
{
	struct ucred c;
	socklen_t len = sizeof(c);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) == -1)
		return -1;
	*uid = c.uid;
	*gid = c.gid;
	return 0;
}
#else
typedef int compat_getpeereid_unused; /* no file of C may be empty */
#endif
