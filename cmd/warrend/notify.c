/* SPDX-License-Identifier: ISC */
/*
 * Telling the world that we are ready: systemd's datagram (sd_notify(3), by
 * hand: it is one line of text), a file (-R), a descriptor (-N, s6), and the
 * process that was started and waits to hand the terminal back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd/warrend/warrend.h"
#include "common/compat/compat.h"
#include "common/log.h"

static struct sockaddr_un sd_addr;
static socklen_t sd_len;
static int sd_fd = -1, ready_fd = -1, waiting_fd = -1;
static const char *ready_path;

static void
sd_say(const char *text)
{
	if (sd_fd == -1)
		return;
	if (sendto(sd_fd, text, strlen(text), MSG_NOSIGNAL,
	    (const struct sockaddr *)&sd_addr, sd_len) == -1)
		log_debug("NOTIFY_SOCKET: %s", strerror(errno));
}

static void
sd_init(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    (n = strlen(path)) >= sizeof(sd_addr.sun_path))
		return;
	sd_addr.sun_family = AF_UNIX;
	memcpy(sd_addr.sun_path, path, n);
	if (path[0] == '@')
		sd_addr.sun_path[0] = '\0'; /* the abstract namespace */
	sd_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	sd_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)unsetenv("NOTIFY_SOCKET");
}

void
notify_init(const char *ready_file, int fd, int parent_fd)
{
	ready_path = ready_file;
	ready_fd = fd;
	waiting_fd = parent_fd;
	if (ready_file != NULL)
		(void)unlink(ready_file);
	sd_init();
}

/* Written whole: a reader never sees an empty file. */
static void
write_ready_file(void)
{
	char tmp[512];
	int fd;

	(void)snprintf(tmp, sizeof(tmp), "%s.new", ready_path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd == -1 || dprintf(fd, "%d\n", (int)getpid()) < 0 ||
	    rename(tmp, ready_path) == -1)
		log_warn("%s: %s", ready_path, strerror(errno));
	if (fd != -1)
		(void)close(fd);
}

/* One byte: the exit code of the process that waits for us. */
static void
tell_waiting(uint8_t code)
{
	if (waiting_fd == -1)
		return;
	if (write(waiting_fd, &code, 1) == -1)
		log_debug("start: %s", strerror(errno));
	(void)close(waiting_fd);
	waiting_fd = -1;
}

void
notify_ready(void)
{
	char text[64];

	log_info("ready");
	control_emit("config", "ready");
	(void)snprintf(text, sizeof(text), "READY=1\nMAINPID=%d",
	    (int)getpid());
	sd_say(text);
	if (ready_path != NULL)
		write_ready_file();
	if (ready_fd != -1) {
		if (write(ready_fd, "\n", 1) == -1)
			log_warn("descriptor %d: %s", ready_fd,
			    strerror(errno));
		(void)close(ready_fd);
		ready_fd = -1;
	}
	tell_waiting(0);
}

void
notify_stopping(void)
{
	sd_say("STOPPING=1");
	if (ready_path != NULL)
		(void)unlink(ready_path);
}

void
notify_reloading(bool begin)
{
	sd_say(begin ? "RELOADING=1" : "READY=1");
}

void
notify_failed(int code)
{
	tell_waiting((uint8_t)code);
}
