/* SPDX-License-Identifier: ISC */
/*
 * Strangers who break the rules of streams.  Each is counted where the table
 * says; the node and the loops of others go on.
 */
#ifndef WARREN_LOOPS_BAD_H
#define WARREN_LOOPS_BAD_H

#include <poll.h>

#include "peerd/stream.h"
#include "tests/regress/loops_app.h"
#include "tests/regress/peerd_bad.h"

static void
bad_bulk(struct bad *b, const struct wr *w)
{
	bad_frame(b, LANE_BULK, w->p, w->len);
}

static void
bad_open(struct bad *b, uint32_t stream, uint16_t port, uint32_t window)
{
	uint8_t buf[32];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_open(&w, stream, port, 7, window);
	bad_bulk(b, &w);
}

static void
bad_data(struct bad *b, uint32_t stream, size_t n)
{
	static uint8_t buf[WIRE_DATA_MAX + WIRE_DATA_HEAD];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_data_head(&w, stream, n);
	(void)wr_room(&w, n);
	bad_bulk(b, &w);
}

static void
bad_relay(struct bad *b, uint32_t stream, const uint8_t *path, size_t n)
{
	uint8_t buf[128];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_relay(&w, stream, path, n, 1000);
	bad_bulk(b, &w);
}

/* The next message about streams; its type, or 0 when none comes. */
static uint32_t
bad_next(struct bad *b, struct wire_msg *m)
{
	static uint8_t buf[LINK_FRAME_MAX];
	struct link_msg lm;
	size_t used;

	for (;;) {
		while (link_next_msg(&b->link, &lm) == LINK_GOT)
			if (wire_decode(m, lm.lane, lm.p, lm.len) == WIRE_OK &&
			    m->type >= WIRE_OPEN && m->type <= WIRE_RESERVED)
				return m->type;
		if (!bad_recv(b, buf, 2) ||
		    !bad_recv(b, buf + 2, get_u16(buf)) ||
		    link_feed(&b->link, buf, 2 + (size_t)get_u16(buf), &used) !=
			LINK_GOT)
			return 0;
	}
}

/* The victim's appd lives in this process: let it answer. */
static bool
bad_streams(struct bad *b, uint64_t n)
{
	return rig_wait_stat_is(b->victim, "streams", n, 4000);
}

/* Let what is under way be read and answered. */
static void
bad_settle(struct bad *b)
{
	size_t i;

	for (i = 0; i < 5; i++)
		(void)rig_stat(b->victim, "streams");
}

static bool
bad_before_opened(struct bad *b)
{
	if (!bad_link(b))
		return false;
	bad_open(b, 1, 40, 1000);
	bad_data(b, 1, 1);
	return bad_closed(b);
}

static bool
bad_past_credit(struct bad *b)
{
	struct wire_msg m;
	uint32_t left;

	if (!bad_link(b))
		return false;
	bad_open(b, 1, 30, 0);
	bad_settle(b);
	if (bad_next(b, &m) != WIRE_OPENED)
		return false;
	for (left = m.window; left > 0;
	     left -= left < WIRE_DATA_MAX ? left : WIRE_DATA_MAX)
		bad_data(b, 1, left < WIRE_DATA_MAX ? left : WIRE_DATA_MAX);
	/* Our link did not see us send, so grants would be news to it. */
	memset(b->link.credit, 0, sizeof(b->link.credit));
	if (!bad_still_linked(b))
		return false;
	bad_data(b, 1, 1);
	return bad_closed(b);
}

static bool
bad_never_opened(struct bad *b)
{
	if (!bad_link(b))
		return false;
	bad_data(b, 77, 1);
	return bad_closed(b);
}

static bool
bad_parity(struct bad *b)
{
	if (!bad_link(b))
		return false;
	bad_open(b, 2, 40, 0);
	return bad_closed(b);
}

static bool
bad_again(struct bad *b)
{
	if (!bad_link(b))
		return false;
	bad_open(b, 3, 1, 0);
	bad_open(b, 3, 1, 0);
	return bad_closed(b);
}

static bool
bad_overgrant(struct bad *b)
{
	uint8_t buf[16];
	struct wr w;

	if (!bad_link(b))
		return false;
	bad_open(b, 1, 40, STREAM_CREDIT_MAX);
	wr_init(&w, buf, sizeof(buf));
	wire_put_grant(&w, 1, 1);
	bad_bulk(b, &w);
	return bad_closed(b);
}

static bool
bad_answer_unasked(struct bad *b)
{
	uint8_t buf[16];
	struct wr w;

	if (!bad_link(b))
		return false;
	wr_init(&w, buf, sizeof(buf));
	wire_put_opened(&w, 2, 1);
	bad_bulk(b, &w);
	return bad_closed(b);
}

/* What was granted may still come when a stream has ended, no more. */
static bool
bad_late(struct bad *b)
{
	struct app *a = b->victim->app;
	struct app_loop *far;
	struct wire_msg m;
	uint32_t left;

	if (!bad_link(b))
		return false;
	bad_open(b, 1, 30, 0);
	bad_settle(b);
	if (bad_next(b, &m) != WIRE_OPENED || (far = far_end(a, 7)) == NULL)
		return false;
	app_close(a, far);
	bad_settle(b);
	if (bad_next(b, &m) != WIRE_CLOSE)
		return false;
	for (left = APP_WINDOW; left > 0; left -= 32768)
		bad_data(b, 1, 32768);
	memset(b->link.credit, 0, sizeof(b->link.credit));
	return bad_still_linked(b);
}

static bool
bad_too_late(struct bad *b)
{
	if (!bad_late(b))
		return false;
	bad_data(b, 1, 1);
	return bad_closed(b);
}

static bool
bad_open_flood(struct bad *b)
{
	uint32_t i;

	if (!bad_link(b))
		return false;
	for (i = 0; i < 1500; i++)
		bad_open(b, 1 + 2 * i, 40, 0);
	if (!bad_streams(b, STREAMS_LINK_MAX) || !bad_still_linked(b))
		return false;
	(void)shutdown(b->fd, SHUT_RDWR);
	return bad_streams(b, 0);
}

/* Circuits that end at the victim and say nothing: few are let in. */
static bool
bad_circuit_flood(struct bad *b)
{
	struct wire_msg m;
	unsigned opened = 0, refused = 0;
	uint32_t i;

	if (!bad_link(b))
		return false;
	for (i = 0; i < 300; i++)
		bad_relay(b, 1 + 2 * i, NULL, 0);
	for (i = 0; i < 300 && bad_next(b, &m) != 0; i++) {
		opened += m.type == WIRE_OPENED;
		refused +=
		    m.type == WIRE_REFUSED && m.reason == WIRE_NO_LIMIT;
	}
	if (opened != 16 || refused != 284)
		return false;
	/* Their handshakes time out, and so the circuits end. */
	return bad_still_linked(b) && bad_streams(b, 0);
}

static bool
bad_relay_flood(struct bad *b)
{
	struct wire_msg m;
	unsigned refused = 0;
	uint32_t i;

	if (!bad_link(b))
		return false;
	for (i = 0; i < 100; i++)
		bad_relay(b, 1 + 2 * i, b->other->id, 1);
	for (i = 0; i < 100 && bad_next(b, &m) != 0; i++)
		refused += m.type == WIRE_REFUSED && m.reason == WIRE_NO_LIMIT;
	return refused == 92 && rig_stat(b->victim, "relay_circuits") <= 8;
}

/* There and back: the next node will not relay to whom it has it from. */
static bool
bad_relay_back(struct bad *b)
{
	uint8_t path[WIRE_KEY_STEP + 32];
	struct wire_msg m;

	memcpy(path, b->other->id, 32);
	memcpy(path + WIRE_KEY_STEP, b->victim->id, 32);
	if (!bad_link(b))
		return false;
	bad_relay(b, 1, path, 2);
	return bad_next(b, &m) == WIRE_REFUSED && m.reason == WIRE_NO_ROUTE &&
	    bad_still_linked(b);
}

static bool
bad_reserve_flood(struct bad *b)
{
	uint64_t had = rig_stat(b->victim, "relay_reservations");
	struct wire_msg m;
	uint8_t buf[8];
	struct wr w;
	uint64_t quota = 0;
	int i;

	if (!bad_link(b))
		return false;
	wr_init(&w, buf, sizeof(buf));
	wire_put_reserve(&w);
	for (i = 0; i < 200; i++)
		bad_bulk(b, &w);
	for (i = 0; i < 200; i++)
		if (bad_next(b, &m) != WIRE_RESERVED || m.quota < quota)
			return false;
		else
			quota = m.quota;
	return rig_stat(b->victim, "relay_reservations") == had + 1;
}

/* One frame of b's, its DATA to fd. */
static bool
bad_pump_in(struct bad *b, int fd)
{
	static uint8_t buf[LINK_FRAME_MAX];
	struct link_msg lm;
	struct wire_msg m;
	size_t used;

	if (!bad_recv(b, buf, 2) || !bad_recv(b, buf + 2, get_u16(buf)) ||
	    link_feed(&b->link, buf, 2 + (size_t)get_u16(buf), &used) !=
		LINK_GOT)
		return false;
	while (link_next_msg(&b->link, &lm) == LINK_GOT)
		if (wire_decode(&m, lm.lane, lm.p, lm.len) == WIRE_OK &&
		    m.type == WIRE_DATA &&
		    send(fd, m.data.p, m.data.len, MSG_NOSIGNAL) == -1)
			return false;
	return true;
}

/* What fd says, as DATA of stream 1. */
static bool
bad_pump_out(struct bad *b, int fd)
{
	uint8_t buf[4096 + WIRE_DATA_HEAD], data[4096];
	ssize_t n = recv(fd, data, sizeof(data), 0);
	struct wr w;

	if (n <= 0)
		return false;
	wr_init(&w, buf, sizeof(buf));
	wire_put_data_head(&w, 1, (size_t)n);
	wr_bytes(&w, data, (size_t)n);
	bad_bulk(b, &w);
	return true;
}

/* A child carries bytes between fd and stream 1 of b. */
static pid_t
bad_pump(struct bad *b, int fd)
{
	struct pollfd p[2] = { { b->fd, POLLIN, 0 }, { fd, POLLIN, 0 } };
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	while (poll(p, 2, 5000) > 0)
		if ((p[0].revents != 0 && !bad_pump_in(b, fd)) ||
		    (p[1].revents != 0 && !bad_pump_out(b, fd)))
			break;
	_exit(0);
}

/* A link over a circuit is a link, but opens no circuit of its own. */
static bool
bad_circuit_in_circuit(struct bad *b)
{
	struct bad inner = *b;
	struct wire_msg m;
	bool good;
	pid_t pid;
	int fd[2];

	if (!bad_link(b))
		return false;
	bad_relay(b, 1, NULL, 0);
	bad_settle(b);
	if (bad_next(b, &m) != WIRE_OPENED ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == -1)
		return false;
	pid = bad_pump(b, fd[1]);
	(void)close(fd[1]);
	inner.fd = fd[0];
	good = bad_link(&inner) && bad_still_linked(&inner);
	bad_relay(&inner, 1, b->other->id, 1);
	good = good && bad_next(&inner, &m) == WIRE_REFUSED &&
	    m.reason == WIRE_NO_SERVICE;
	(void)close(fd[0]);
	(void)waitpid(pid, NULL, 0);
	return good;
}

static bool
bad_wrong_lane(struct bad *b)
{
	if (!bad_link(b))
		return false;
	bad_frame(b, LANE_SYNC, "\x91\x37", 2);
	return bad_closed(b);
}

static const struct {
	const char *name;
	bool (*run)(struct bad *b);
	const char *counter; /* that must have grown */
} stream_habits[] = {
	{ "data before it was opened", bad_before_opened, "bans" },
	{ "data past credit", bad_past_credit, "bans" },
	{ "data on a stream never opened", bad_never_opened, "bans" },
	{ "a number of ours", bad_parity, "bans" },
	{ "a number used before", bad_again, "bans" },
	{ "grants beyond all measure", bad_overgrant, "bans" },
	{ "an answer nobody asked for", bad_answer_unasked, "bans" },
	{ "a stream message on another lane", bad_wrong_lane, "bans" },
	{ "late data", bad_late, "stream_strays" },
	{ "late data past what was granted", bad_too_late, "bans" },
	{ "a flood of loops", bad_open_flood, "streams_refused" },
	{ "a flood of circuits", bad_circuit_flood, "streams_refused" },
	{ "a circuit in a circuit", bad_circuit_in_circuit, "handshakes_ok" },
	{ "a flood to relay", bad_relay_flood, "relay_refused" },
	{ "a circuit there and back", bad_relay_back, "relay_opened" },
	{ "a flood of reservations", bad_reserve_flood, "relay_reservations" },
};

static void
loops_bad_inputs(struct rig_node *n, struct rig_node *other)
{
	uint64_t before, after;
	struct bad b;
	size_t i;
	bool good;

	for (i = 0; i < sizeof(stream_habits) / sizeof(stream_habits[0]); i++) {
		/* Handshakes of one address are counted: take turns. */
		rig_rest(120);
		memset(&b, 0, sizeof(b));
		b.victim = n;
		b.other = other;
		before = rig_stat(n, stream_habits[i].counter);
		(void)crypto_sign_keypair(b.id, b.sk);
		b.fd = bad_dial(&n->addr);
		good = stream_habits[i].run(&b);
		(void)close(b.fd);
		after = rig_stat(n, stream_habits[i].counter);
		rig_check(good && after > before, "%s: %s %llu -> %llu",
		    stream_habits[i].name, stream_habits[i].counter,
		    (unsigned long long)before, (unsigned long long)after);
	}
}

#endif
