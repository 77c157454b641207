/* SPDX-License-Identifier: ISC */
/*
 * The client of http.h.
 */
#include "cmd/warrenctl/http.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/mono.h"

struct http {
	int fd;
	struct mono end;
	char *why;
	char *buf; /* all that came, with a NUL behind it */
	size_t len;
};

static int
fail(struct http *h, const char *why)
{
	(void)snprintf(h->why, 96, "%s", why);
	return -1;
}

/* Wait for the socket, at most until the deadline. */
static int
wait_for(struct http *h, short what)
{
	int64_t left = mono_ms_between(mono_now(), h->end);
	struct pollfd p = { .fd = h->fd, .events = what };

	if (left <= 0 || poll(&p, 1, (int)left) == 0)
		return fail(h, "no answer in time");
	return 0;
}

static int
connect_one(struct http *h, const struct addrinfo *ai)
{
	socklen_t len = sizeof(int);
	int err = 0;

	h->fd = socket(ai->ai_family,
	    ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, ai->ai_protocol);
	if (h->fd == -1)
		return fail(h, strerror(errno));
	if (connect(h->fd, ai->ai_addr, ai->ai_addrlen) == -1) {
		if (errno != EINPROGRESS)
			return fail(h, strerror(errno));
		if (wait_for(h, POLLOUT) == -1)
			return -1;
		if (getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
			err = errno;
	}
	return err == 0 ? 0 : fail(h, strerror(err));
}

static int
connect_any(struct http *h, const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all, *ai;
	int rc = getaddrinfo(host, port, &hints, &all);

	if (rc != 0)
		return fail(h, gai_strerror(rc));
	rc = fail(h, "no address");
	for (ai = all; ai != NULL && rc == -1; ai = ai->ai_next) {
		if ((rc = connect_one(h, ai)) == -1 && h->fd != -1) {
			(void)close(h->fd);
			h->fd = -1;
		}
	}
	freeaddrinfo(all);
	return rc;
}

static int
send_all(struct http *h, const char *p, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = send(h->fd, p, len, MSG_NOSIGNAL);
		if (n == -1 && errno == EAGAIN) {
			if (wait_for(h, POLLOUT) == -1)
				return -1;
			continue;
		}
		if (n == -1)
			return fail(h, strerror(errno));
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Up to the end of the connection, which we asked for. */
static int
read_all(struct http *h)
{
	ssize_t n;

	if ((h->buf = malloc(HTTP_ANSWER_MAX + 1)) == NULL)
		return fail(h, "out of memory");
	for (;;) {
		n = recv(h->fd, h->buf + h->len, HTTP_ANSWER_MAX - h->len, 0);
		if (n == 0)
			break;
		if (n == -1 && errno != EAGAIN)
			return fail(h, strerror(errno));
		if (n == -1 && wait_for(h, POLLIN) == -1)
			return -1;
		if (n > 0)
			h->len += (size_t)n;
		if (h->len == HTTP_ANSWER_MAX)
			return fail(h, "the answer is too long");
	}
	h->buf[h->len] = '\0';
	return 0;
}

/* The value of a header, up to its line's end; NULL when there is none. */
static const char *
header(const char *head, const char *name)
{
	size_t n = strlen(name);
	const char *p = head;

	while ((p = strstr(p, "\r\n")) != NULL) {
		p += 2;
		if (strncasecmp(p, name, n) == 0 && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, " \t");
	}
	return NULL;
}

/* Put the chunks of a chunked body together, in place.  RFC 9112, 7.1. */
static int
join_chunks(struct http *h, char *body, size_t left, size_t *n)
{
	char *from = body, *to = body, *end;
	unsigned long len;

	for (;;) {
		len = strtoul(from, &end, 16);
		if (end == from || (end = strstr(end, "\r\n")) == NULL)
			return fail(h, "bad chunk");
		end += 2;
		left -= (size_t)(end - from);
		if (len == 0)
			break;
		if (left < 2 || len > left - 2)
			return fail(h, "the answer ends too early");
		memmove(to, end, len);
		to += len;
		from = end + len + 2;
		left -= len + 2;
	}
	*to = '\0';
	*n = (size_t)(to - body);
	return 0;
}

/* Move the body to the front of the buffer. */
static int
find_body(struct http *h, size_t *n)
{
	char *body = strstr(h->buf, "\r\n\r\n"), *end;
	const char *v;
	unsigned long len;

	if (strncmp(h->buf, "HTTP/1.", 7) != 0 || body == NULL)
		return fail(h, "not an HTTP answer");
	body[2] = '\0'; /* headers end here */
	body += 4;
	*n = h->len - (size_t)(body - h->buf);
	if ((v = header(h->buf, "Transfer-Encoding")) != NULL &&
	    strncasecmp(v, "chunked", 7) == 0) {
		if (join_chunks(h, body, *n, n) == -1)
			return -1;
	} else if ((v = header(h->buf, "Content-Length")) != NULL) {
		len = strtoul(v, &end, 10);
		if (end == v || len > *n)
			return fail(h, "the answer ends too early");
		*n = len;
	}
	memmove(h->buf, body, *n);
	h->buf[*n] = '\0';
	return 0;
}

int
http_post(const char *host, const char *port, const char *body, int timeout_ms,
    char **out, size_t *n, char why[96])
{
	struct http h = { .fd = -1,
		.why = why,
		.end = mono_add_ms(mono_now(), timeout_ms) };
	bool v6 = strchr(host, ':') != NULL;
	char head[512];
	int rc = -1;

	*out = NULL;
	(void)snprintf(head, sizeof(head),
	    "POST / HTTP/1.1\r\nHost: %s%s%s:%s\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n"
	    "Accept: application/json\r\nConnection: close\r\n\r\n",
	    v6 ? "[" : "", host, v6 ? "]" : "", port, strlen(body));
	if (connect_any(&h, host, port) == 0 &&
	    send_all(&h, head, strlen(head)) == 0 &&
	    send_all(&h, body, strlen(body)) == 0 && read_all(&h) == 0 &&
	    find_body(&h, n) == 0)
		rc = 0;
	if (h.fd != -1)
		(void)close(h.fd);
	if (rc == 0)
		*out = h.buf;
	else
		free(h.buf);
	return rc;
}
