/* SPDX-License-Identifier: ISC */
/*
 * The socket at which apps that were started by hand connect.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cmd/warrend/apps_int.h"
#include "common/compat/compat.h"
#include "common/log.h"

static bool
somebody_listens(const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd != -1 &&
	    connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0;

	if (fd != -1)
		(void)close(fd);
	return yes;
}

/*
 * What lies at the path is ours to remove unless somebody listens there: it
 * may be the appd of a parent that was killed, which is dying just now.
 */
static void
make_room(const struct sockaddr_un *un)
{
	const struct timespec nap = { 0, 20 * 1000 * 1000 };
	int turn;

	for (turn = 0; somebody_listens(un); turn++) {
		if (turn == 100)
			fatalx(EX_UNAVAILABLE,
			    "apps socket %s: another warrend listens there",
			    un->sun_path);
		(void)nanosleep(&nap, NULL);
	}
	(void)unlink(un->sun_path);
}

int
app_door_open(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = warrend.conf.apps_socket;
	mode_t old;
	int door;

	if (strlcpy(un.sun_path, path, sizeof(un.sun_path)) >=
	    sizeof(un.sun_path))
		fatalx(EX_CONFIG, "apps socket %s: path too long", path);
	make_room(&un);
	door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* All may knock: appd looks at who it is. */
	old = umask(0111);
	if (door == -1 ||
	    bind(door, (const struct sockaddr *)&un, sizeof(un)) == -1 ||
	    listen(door, 16) == -1)
		fatal(EX_UNAVAILABLE, "apps socket %s", path);
	(void)umask(old);
	return door;
}
