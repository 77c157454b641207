/* SPDX-License-Identifier: ISC */
/*
 * The connection to warrend: one request at a time, parts kept in order.
 */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd/warrenctl/warrenctl.h"
#include "common/compat/compat.h"
#include "common/mono.h"

#define PARTS_MAX 100000 /* of one answer: a node shows no more */

static uint32_t asked;
static size_t n_parts;
static struct mono alive; /* the last part came; a long answer goes on */

void
die(int code, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (cx.json && !cx.quiet)
		json_die(code, text);
	if (!cx.quiet)
		(void)fprintf(stderr, "warrenctl: %s\n", text);
	exit(code);
}

/* Blobs of a body point into the message: let them point into our copy. */
static void
move_blobs(const struct schema *s, uint8_t *body, const uint8_t *from,
    const uint8_t *to)
{
	const struct fld *f;
	struct blob b;
	uint16_t n, k;
	size_t i;

	for (i = 0; i < s->n; i++) {
		f = &s->flds[i];
		if (f->kind == FLD_BLOB) {
			memcpy(&b, body + f->off, sizeof(b));
			if (b.len > 0)
				b.p = to + (b.p - from);
			memcpy(body + f->off, &b, sizeof(b));
		} else if (f->kind == FLD_LIST) {
			memcpy(&n, body + f->count_off, sizeof(n));
			for (k = 0; k < n; k++)
				move_blobs(f->item,
				    body + f->off + k * f->item->size, from,
				    to);
		}
	}
}

static void
keep(const struct ipc_msg *m)
{
	const struct schema *s = m->def->body;
	struct part *p = malloc(sizeof(*p));

	if (p == NULL || (p->body = malloc(s->size + 1)) == NULL ||
	    (p->raw = malloc(m->raw_len + 1)) == NULL ||
	    ++n_parts > PARTS_MAX)
		die(EX_SOFTWARE, "out of memory");
	memcpy(p->body, m->body, s->size);
	memcpy(p->raw, m->raw, m->raw_len);
	move_blobs(s, p->body, m->raw, p->raw);
	p->type = m->type;
	p->next = NULL;
	*cx.answer.last = p;
	cx.answer.last = &p->next;
}

static void
on_message(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_hello *h = m->body;

	(void)ch;
	if (m->type == CTL_HELLO) {
		if (h->version != CTL_VERSION)
			die(EXIT_VERSION,
			    "warrend %s speaks control version %u, this "
			    "warrenctl %d", h->software, h->version,
			    CTL_VERSION);
		cx.hello = true;
	} else if (cx.each != NULL && m->type != CTL_END) {
		alive = mono_now();
		cx.each(&cx, m->type, m->body);
	} else if (m->id == asked && m->type == CTL_END) {
		cx.answer.end = *(const struct msg_ctl_end *)m->body;
		cx.answer.ended = true;
	} else if (m->id == asked) {
		keep(m);
	}
}

static void
on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	(void)ch;
	if (how == IPC_EOF)
		die(EX_TEMPFAIL, "warrend closed the connection; it is "
		    "stopping, or has too many clients");
	die(EX_PROTOCOL, "warrend: %s", why);
}

static int
connect_to(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const struct passwd *pw;
	int fd;

	if (strlcpy(un.sun_path, path, sizeof(un.sun_path)) >=
	    sizeof(un.sun_path))
		die(EX_USAGE, "socket path too long: %s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		die(EX_OSERR, "socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
		die(EXIT_NOT_RUNNING, "warrend is not running (no socket at "
		    "%s); start it, or use -s", path);
	if (errno == EACCES || errno == EPERM) {
		pw = getpwuid(getuid());
		die(EX_NOPERM, "not permitted on %s; run as root or: adduser "
		    "%s _warrenctl", path, pw == NULL ? "you" : pw->pw_name);
	}
	die(EX_UNAVAILABLE, "%s: %s", path, strerror(errno));
}

void
client_open(void)
{
	static const struct ipc_handler none[] = { { 0, NULL } };
	static struct msg_table tables[2];
	struct ipc_conf conf = { .name = "warrend", .tables = tables,
		.handlers = none, .other = on_message, .ended = on_ended,
		.upper = true };
	struct mono end = mono_add_ms(mono_now(), cx.timeout_ms);

	if (cx.ch != NULL)
		return;
	tables[0] = msgs_ctl;
	cx.ch = ipc_new(NULL, connect_to(cx.socket), &conf);
	if (cx.ch == NULL)
		die(EX_OSERR, "out of memory");
	ipc_set_phase(cx.ch, PH_RUN);
	while (!cx.hello) {
		int left = (int)mono_ms_between(mono_now(), end);

		if (left <= 0 || ipc_wait(cx.ch, left) <= 0)
			die(EX_TEMPFAIL, "warrend does not answer on %s",
			    cx.socket);
	}
}

int
client_ask(uint16_t type, const void *body)
{
	return client_ask_fd(type, body, -1);
}

int
client_ask_fd(uint16_t type, const void *body, int fd)
{
	int left;

	client_open();
	alive = mono_now();
	asked = ++cx.next_id;
	cx.answer.ended = false;
	(void)ipc_send_fd(cx.ch, type, asked, body, fd, -1);
	while (!cx.answer.ended) {
		left = (int)mono_ms_between(
		    mono_now(), mono_add_ms(alive, cx.timeout_ms));
		if (left <= 0 || ipc_wait(cx.ch, left) == 0)
			die(EX_TEMPFAIL, "no answer in %d s; see -t",
			    cx.timeout_ms / 1000);
	}
	return cx.answer.end.code;
}

void
client_reset(void)
{
	struct part *p;

	while ((p = cx.answer.first) != NULL) {
		cx.answer.first = p->next;
		free(p->body);
		free(p->raw);
		free(p);
	}
	cx.answer.last = &cx.answer.first;
	cx.answer.end.code = 0;
	cx.answer.end.text[0] = '\0';
	n_parts = 0;
}

const void *
client_next(uint16_t type, struct part **at)
{
	struct part *p = *at == NULL ? cx.answer.first : (*at)->next;

	while (p != NULL && p->type != type)
		p = p->next;
	*at = p;
	return p == NULL ? NULL : p->body;
}

void
client_must(uint16_t type, const void *body)
{
	int code;

	client_reset();
	code = client_ask(type, body);
	if (code != 0)
		die(code, "%s", cx.answer.end.text);
}

const void *
client_first(uint16_t type)
{
	struct part *at = NULL;

	return client_next(type, &at);
}

size_t
client_count(uint16_t type)
{
	struct part *at = NULL;
	size_t n = 0;

	while (client_next(type, &at) != NULL)
		n++;
	return n;
}
