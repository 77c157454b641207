/* SPDX-License-Identifier: ISC */
/*
 * App load: one program for both ends of the loops that app_bench.py
 * measures.  It speaks the raw pipe protocol on descriptors 3 and 4 with as
 * little work of its own as there can be: blocking reads and writes, all
 * packets of a read answered in one write.
 *
 *	app_load [-d] server NAME
 *	app_load [-d] client NAME PK CONTROL
 *
 * -d: there is no node between the two, only something that carries bytes;
 * Init and CreateLoop are left out.  The client connects to the Unix socket
 * CONTROL and does what it is told there, a line each:
 *
 *	run MODE SIZE LOOPS INFLIGHT COUNT
 *	    COUNT Sends of SIZE bytes over LOOPS loops, at most INFLIGHT on one
 *	    that are not answered.  MODE e: the server sends each back, and the
 *	    next goes when it is there.  MODE s: the server takes them.  Ends
 *	    when the server had all; answers seconds and the median of us a
 *	    round trip took.
 *	open LOOPS, close
 *
 * What a loop carries is a pattern that begins somewhere else on each, so
 * that a byte lost, changed, out of order or on the wrong loop is found by
 * comparing.  Whatever is wrong ends the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "appd/app_json.h"
#include "appd/packet.h"
#include "common/bytes.h"

#define PERIOD  65521 /* a prime: no Send looks like the one before */
#define HEAD    5     /* mode and count, before the pattern */
#define IN_MAX  (16u << 20) /* more than all that can be under way */
#define OUT_MAX (256u << 10)
#define DIALS   32 /* CreateLoops at once: apps confirm so many at a time */
#define TIMES   65536
#define NO_LOOP 0

enum { MODE_NONE, MODE_ECHO = 'e', MODE_SINK = 's' };

struct loop {
	struct app_loop at;
	uint8_t mode;
	bool open, waiting, headed;
	uint8_t head[HEAD];
	uint32_t n_head;
	uint32_t total; /* bytes from client to server, head not counted */
	uint32_t sent, rcvd, outstanding;
	uint16_t after; /* the next that waits for an id */
	uint64_t since;
};

/* By the client's port, which names a loop at both ends. */
static struct loop loops[65536];
static uint16_t ports[65536];
static unsigned n_ports, n_done, n_opening;
static bool server, direct;
static uint32_t size, inflight;
static uint8_t mode;
static struct app_addr peer;

static uint8_t pattern[PERIOD + APP_PIECE_MAX * 2];
static uint8_t in[IN_MAX], out[OUT_MAX + PACKET_MAX];
static size_t n_in, n_out;
static uint8_t ids[PACKET_IDS];
static unsigned n_ids;
static struct {
	uint8_t type;
	uint16_t loop;
} asked[PACKET_IDS];
static uint16_t first_waiting, last_waiting;
static uint32_t times[TIMES];
static size_t n_times;

static void
die(const char *what)
{
	fprintf(stderr, "app_load %s: %s\n", server ? "server" : "client",
	    what);
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const uint8_t *
at_offset(const struct loop *l, uint32_t off)
{
	return pattern + (off + (uint32_t)(l - loops) * 7919u) % PERIOD;
}

/* --- packets out --- */

static void
take_in(void)
{
	ssize_t n = read(3, in + n_in, sizeof(in) - n_in);

	if (n == 0 || (n == -1 && errno != EINTR))
		exit(0); /* the node is gone */
	n_in += n > 0 ? (size_t)n : 0;
}

/*
 * Two apps that only write would wait for each other: who cannot write reads
 * on meanwhile.
 */
static void
wait_to_write(void)
{
	struct pollfd p[2] = { { .fd = 4, .events = POLLOUT },
		{ .fd = n_in < sizeof(in) ? 3 : -1, .events = POLLIN } };

	if (poll(p, 2, -1) > 0 && p[1].revents != 0)
		take_in();
}

static void
flush(void)
{
	size_t off = 0;
	ssize_t n;

	while (off < n_out) {
		n = write(4, out + off, n_out - off);
		if (n == -1 && errno == EAGAIN)
			wait_to_write();
		else if (n == -1 && errno != EINTR)
			exit(0); /* the node is gone */
		off += n > 0 ? (size_t)n : 0;
	}
	n_out = 0;
}

static uint8_t *
room(void)
{
	if (n_out > OUT_MAX)
		flush();
	return out + n_out + PACKET_HEAD;
}

static void
put(uint8_t type, uint8_t id, size_t len)
{
	packet_put_head(out + n_out, type, id, len);
	n_out += PACKET_HEAD + len;
}

static void
success(uint8_t id)
{
	memcpy(room(), "null", 4);
	put(PACKET_SUCCESS, id, 4);
}

/* A request about a loop, of which the body lies in place. */
static void
ask(uint8_t type, struct loop *l, size_t len)
{
	uint8_t id = ids[--n_ids];

	asked[id].type = type;
	asked[id].loop = l == NULL ? NO_LOOP : (uint16_t)(l - loops);
	put(type, id, len);
}

static void
put_bytes(struct loop *l, const uint8_t *p, uint32_t n)
{
	ask(PACKET_SEND, l,
	    app_json_put_send((char *)room(), PACKET_BODY_MAX, &l->at,
		APP_FORM_ADDR, p, n));
	l->outstanding++;
}

/* How many bytes the next Send on the loop has, 0: none now. */
static uint32_t
due(const struct loop *l)
{
	uint32_t left;

	if (server && l->mode == MODE_ECHO) {
		left = l->outstanding > 0 ? 0 : l->rcvd - l->sent;
		return left > APP_PIECE_MAX ? APP_PIECE_MAX : left;
	}
	if (server)
		return l->mode == MODE_SINK && l->rcvd == l->total &&
		    l->sent == 0;
	if (!l->headed || l->outstanding >= inflight ||
	    (l->mode == MODE_ECHO && l->rcvd != l->sent))
		return 0;
	left = l->total - l->sent;
	return left < size ? left : size;
}

static void
push(struct loop *l)
{
	uint32_t n;

	while ((n = due(l)) > 0 && n_ids > 0) {
		if (l->mode == MODE_ECHO && !server)
			l->since = now_ns();
		put_bytes(l, at_offset(l, l->sent), n);
		l->sent += n;
	}
	if (n == 0 || l->waiting)
		return;
	l->waiting = true;
	l->after = NO_LOOP;
	if (first_waiting == NO_LOOP)
		first_waiting = (uint16_t)(l - loops);
	else
		loops[last_waiting].after = (uint16_t)(l - loops);
	last_waiting = (uint16_t)(l - loops);
}

/* --- packets in --- */

static void
take_head(struct loop *l, const uint8_t **p, uint32_t *n)
{
	while (l->n_head < HEAD && *n > 0) {
		l->head[l->n_head++] = *(*p)++;
		--*n;
	}
	if (l->n_head < HEAD || l->mode != MODE_NONE)
		return;
	l->mode = l->head[0];
	l->total = get_u32(l->head + 1);
}

static void
take_bytes(struct loop *l, const uint8_t *p, uint32_t n)
{
	if (server)
		take_head(l, &p, &n);
	if (n > l->total - l->rcvd || memcmp(p, at_offset(l, l->rcvd), n) != 0)
		die("bytes came that were not sent, or in another order");
	l->rcvd += n;
	if (!server && l->mode == MODE_ECHO && l->rcvd == l->sent &&
	    n_times < TIMES)
		times[n_times++] = (uint32_t)(now_ns() - l->since);
	if (!server &&
	    (l->mode == MODE_SINK ? l->rcvd == 1 : l->rcvd == l->total))
		n_done++;
}

static struct loop *
loop_of(const struct app_loop *at)
{
	return &loops[server && !direct ? at->remote.port : at->local.port];
}

static void
begin(struct loop *l, const struct app_loop *at)
{
	memset(l, 0, sizeof(*l));
	l->at = *at;
	l->open = true;
}

static void
on_send(const struct packet *p)
{
	struct app_send s;
	struct loop *l;
	size_t n = 0;

	if (app_json_get_send(p->body, p->body_len, &s) != APP_JSON_OK ||
	    app_send_decode(&s, (uint8_t *)(uintptr_t)s.payload, &n) == -1)
		die("malformed Send");
	l = loop_of(&s.loop);
	if (direct && server && !l->open)
		begin(l, &s.loop);
	if (!l->open)
		die("a Send on no loop");
	success(p->id);
	take_bytes(l, (const uint8_t *)s.payload, (uint32_t)n);
	push(l);
}

static void
on_request(const struct packet *p)
{
	struct app_loop at;
	enum app_form form;

	switch (p->type) {
	case PACKET_SEND:
		on_send(p);
		return;
	case PACKET_CONFIRM_LOOP:
		if (app_json_get_pair(p->body, p->body_len, &at, &form) !=
		    APP_JSON_OK)
			die("malformed ConfirmLoop");
		begin(loop_of(&at), &at);
		break;
	case PACKET_CLOSE:
		if (app_json_get_loop(p->body, p->body_len, &at, &form) !=
		    APP_JSON_OK)
			die("malformed Close");
		if (!server)
			die("a loop was closed");
		loop_of(&at)->open = false;
		break;
	default:
		die("a request nobody knows");
	}
	success(p->id);
}

static void
on_created(const struct packet *p)
{
	struct app_loop at = { .remote = peer };

	if (app_json_get_addr(p->body, p->body_len, &at.local) != APP_JSON_OK)
		die("malformed answer to CreateLoop");
	ports[n_ports++] = at.local.port;
	begin(&loops[at.local.port], &at);
	n_opening--;
}

static void
on_answer(const struct packet *p)
{
	struct loop *l = &loops[asked[p->id].loop];

	if (p->type == PACKET_FAILURE) {
		fprintf(stderr, "%.*s\n", (int)p->body_len,
		    (const char *)p->body);
		die("a request failed");
	}
	ids[n_ids++] = p->id;
	if (asked[p->id].type == PACKET_CREATE_LOOP)
		on_created(p);
	if (asked[p->id].type != PACKET_SEND)
		return;
	l->outstanding--;
	push(l);
	while (n_ids > 0 && (l = &loops[first_waiting]) != &loops[NO_LOOP]) {
		first_waiting = l->after;
		l->waiting = false;
		push(l);
	}
}

/* Read once, handle all that is whole, write once. */
static void
turn(void)
{
	struct packet p;
	size_t off = 0;
	int used;

	flush();
	if (packet_next(in, n_in, &p) == 0)
		take_in();
	while ((used = packet_next(in + off, n_in - off, &p)) > 0) {
		off += (size_t)used;
		if (packet_is_response(p.type))
			on_answer(&p);
		else
			on_request(&p);
	}
	if (used == -1)
		die("no packet");
	memmove(in, in + off, n_in -= off);
	flush(); /* it may have to read, behind what is left */
}

/* --- what the client is told --- */

static void
open_loops(unsigned n)
{
	struct app_loop at = { .remote = peer };

	while (n_ports + n_opening < n || n_opening > 0) {
		if (direct) {
			at.local.port = (uint16_t)(10000 + n_ports);
			ports[n_ports++] = at.local.port;
			begin(&loops[at.local.port], &at);
		} else if (n_opening == DIALS || n_ports + n_opening == n) {
			turn();
		} else {
			ask(PACKET_CREATE_LOOP, NULL,
			    app_json_put_addr((char *)room(), 256, &peer));
			n_opening++;
		}
	}
}

static void
close_loops(void)
{
	for (; n_ports > 0; n_ports--) {
		struct loop *l = &loops[ports[n_ports - 1]];

		while (n_ids == 0)
			turn();
		ask(PACKET_CLOSE, NULL,
		    app_json_put_loop((char *)room(), 256, &l->at,
			APP_FORM_ADDR));
		l->open = false;
	}
	while (n_ids < PACKET_IDS)
		turn();
}

static void
send_heads(uint32_t total)
{
	uint8_t head[HEAD];
	unsigned i;

	head[0] = mode;
	put_u32(head + 1, total);
	for (i = 0; i < n_ports; i++) {
		while (n_ids == 0)
			turn();
		loops[ports[i]].mode = mode;
		loops[ports[i]].total = total;
		put_bytes(&loops[ports[i]], head, HEAD);
	}
	while (n_ids < PACKET_IDS)
		turn();
}

static int
by_time(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static void
run(FILE *ctl, unsigned n, uint32_t count)
{
	uint64_t began;
	unsigned i;

	n_done = 0;
	n_times = 0;
	open_loops(n);
	send_heads(count / n * size);
	began = now_ns();
	for (i = 0; i < n_ports; i++) {
		loops[ports[i]].headed = true;
		push(&loops[ports[i]]);
	}
	while (n_done < n)
		turn();
	began = now_ns() - began;
	close_loops();
	qsort(times, n_times, sizeof(times[0]), by_time);
	fprintf(ctl, "%.6f %.1f\n", (double)began / 1e9,
	    n_times == 0 ? 0 : times[n_times / 2] / 1e3);
}

static void
serve_control(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	FILE *f = NULL, *to = NULL;
	char line[128], m;
	unsigned n, k, c, s;

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 ||
	    (f = fdopen(fd, "r")) == NULL || (to = fdopen(fd, "w")) == NULL)
		die("no control socket");
	fprintf(to, "hello\n");
	fflush(to);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "run %c %u %u %u %u", &m, &s, &n, &k, &c) ==
		    5) {
			mode = (uint8_t)m;
			size = s;
			inflight = k;
			run(to, n, c);
		} else if (sscanf(line, "open %u", &n) == 1) {
			open_loops(n);
			fprintf(to, "ok\n");
		} else {
			close_loops();
			fprintf(to, "ok\n");
		}
		fflush(to);
	}
}

static void
init(const char *name)
{
	unsigned i;
	uint32_t x = 1;

	for (i = 0; i < PERIOD; i++) {
		x = x * 1664525u + 1013904223u;
		pattern[i] = (uint8_t)(x >> 24);
	}
	for (; i < sizeof(pattern); i++)
		pattern[i] = pattern[i - PERIOD];
	for (i = 0; i < PACKET_IDS; i++)
		ids[i] = (uint8_t)(PACKET_IDS - 1 - i);
	n_ids = PACKET_IDS;
	(void)fcntl(4, F_SETFL, fcntl(4, F_GETFL) | O_NONBLOCK);
	if (direct)
		return;
	ask(PACKET_INIT, NULL,
	    app_json_put_init((char *)room(), 512, name, "1.0", APP_PROTOCOL));
	while (n_ids < PACKET_IDS)
		turn();
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "-d") == 0) {
		direct = true;
		argc--;
		argv++;
	}
	server = argc == 3 && strcmp(argv[1], "server") == 0;
	if (!server && (argc != 5 || strcmp(argv[1], "client") != 0 ||
			   app_pk_get_hex(peer.pk, argv[3]) == -1)) {
		fprintf(stderr, "usage: app_load [-d] server NAME\n"
				"       app_load [-d] client NAME PK CONTROL\n");
		return 64;
	}
	peer.port = 10;
	init(argv[2]);
	if (!server)
		serve_control(argv[4]);
	while (server)
		turn();
	return 0;
}
