/* SPDX-License-Identifier: ISC */
/*
 * "warrenctl ping": PINGs over a link, a second apart, one at a time for
 * each request.
 */
#include <sodium.h>
#include <string.h>

#include "peerd/peerd.h"

#define PING_EACH_MS 1000
#define PING_WAIT_MS 5000

static struct ping {
	uint32_t ctl_id; /* 0: free */
	uint32_t conn;   /* serial of the link */
	uint16_t seq, count;
	bool waiting;
	uint64_t token;
	struct mono sent;
} pings[PINGS_MAX];

unsigned
pings_pending(void)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < PINGS_MAX; i++)
		n += pings[i].ctl_id != 0;
	return n;
}

static void
ping_send(struct ping *p, struct conn *c, struct mono now)
{
	do
		randombytes_buf(&p->token, sizeof(p->token));
	while (p->token == 0);
	p->seq++;
	p->sent = now;
	p->waiting = true;
	traffic_ping(c, p->token);
}

static void
ping_answer(struct ping *p, const struct conn *c, uint64_t rtt_us)
{
	struct msg_ctl_pong pong = { .seq = p->seq,
		.rtt_us = rtt_us,
		.addr = c->remote };

	p->waiting = false;
	(void)ipc_send(child_parent(), CTL_PONG, p->ctl_id, &pong);
	if (p->seq < p->count)
		return;
	child_ctl_end(child_parent(), p->ctl_id, 0, "%s", "");
	p->ctl_id = 0;
}

void
pings_ask(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_ping *q = m->body;
	struct ping *p = NULL;
	struct conn *c;
	const char *why;
	uint8_t id[32];
	size_t i;

	if (lookup_peer(q->peer, id, &why) == -1) {
		child_ctl_end(ch, m->id, 1, "%s", why);
		return;
	}
	if ((c = conn_find(id)) == NULL) {
		child_ctl_end(ch, m->id, 1, "that peer is not linked");
		return;
	}
	for (i = 0; p == NULL && i < PINGS_MAX; i++)
		if (pings[i].ctl_id == 0)
			p = &pings[i];
	if (p == NULL) {
		child_ctl_end(ch, m->id, 1, "too many pings at a time");
		return;
	}
	memset(p, 0, sizeof(*p));
	p->ctl_id = m->id;
	p->conn = c->serial;
	p->count = q->count == 0 ? 1 : q->count;
	ping_send(p, c, mono_now());
}

bool
pings_pong(const struct conn *c, uint64_t token, struct mono now)
{
	size_t i;

	for (i = 0; i < PINGS_MAX; i++) {
		if (pings[i].ctl_id == 0 || !pings[i].waiting ||
		    pings[i].conn != c->serial || pings[i].token != token)
			continue;
		ping_answer(&pings[i], c,
		    (uint64_t)(now.us - pings[i].sent.us));
		return true;
	}
	return false;
}

static void
ping_tick(struct ping *p, struct mono now)
{
	struct conn *c = conn_by_serial(p->conn);
	int64_t ms = mono_ms_between(p->sent, now);

	if (c == NULL) {
		child_ctl_end(child_parent(), p->ctl_id, 1,
		    "the link went down");
		p->ctl_id = 0;
	} else if (p->waiting && ms >= PING_WAIT_MS) {
		ping_answer(p, c, MSG_NULL64);
	} else if (!p->waiting && ms >= PING_EACH_MS) {
		ping_send(p, c, now);
	}
}

void
pings_tick(struct mono now)
{
	size_t i;

	for (i = 0; i < PINGS_MAX; i++)
		if (pings[i].ctl_id != 0)
			ping_tick(&pings[i], now);
}
