/* SPDX-License-Identifier: ISC */
/*
 * What the other end of a link says, message by message: answered here when
 * it is about the link itself, else passed to whom it concerns.
 */
#include "peerd/flow.h"

#define WALL_MAX_MS (INT64_C(1) << 48)
#define BYE_HOLD                                                               \
	(1u << WIRE_BYE_NONE | 1u << WIRE_BYE_FULL | 1u << WIRE_BYE_BANNED)

static void
on_gossip(struct conn *c, struct wire_msg *m)
{
	struct wire_blob rec;

	while (c->state == CONN_UP && wire_next_record(m, &rec))
		records_gossip(c, m->hops, rec.p, rec.len);
}

static void
on_recs(struct conn *c, struct wire_msg *m)
{
	struct wire_blob rec;

	while (c->state == CONN_UP && wire_next_record(m, &rec))
		records_sync(c, rec.p, rec.len);
}

static void
on_ping(struct conn *c, const struct wire_msg *m)
{
	uint8_t buf[24];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_pong(&w, m->token, wall_now().ms);
	traffic_send_control(c, &w);
}

/*
 * Its clock, as it said half a round trip ago.  A link that is never silent is
 * never pinged: then its roots say it, one a tick.
 */
static void
note_clock(struct conn *c, int64_t wall_ms)
{
	/* Beyond that no clock stands, but a sum could overflow. */
	if (wall_ms < 0 || wall_ms > WALL_MAX_MS)
		return;
	c->has_clock = true;
	c->clock_off_ms = wall_ms + c->rtt_us / 2000 - wall_now().ms;
}

static void
on_pong(struct conn *c, const struct wire_msg *m)
{
	struct mono now = mono_now();
	int64_t us;

	if (pings_pong(c, m->token, now))
		return;
	if (!c->ping_out || m->token != c->ping_token)
		return;
	c->ping_out = false;
	us = now.us - c->pinged.us;
	if (us < 1)
		us = 1;
	if (us > UINT32_MAX)
		us = UINT32_MAX;
	/* A smoothed mean over about eight, the first taken as it is. */
	c->rtt_us = c->rtt_us == 0
	    ? (uint32_t)us
	    : (uint32_t)(((int64_t)c->rtt_us * 7 + us) / 8);
	note_clock(c, m->wall_ms);
	gossip_link_rtt(c);
	neigh_rtt(c);
	if (c->node != NULL)
		c->node->rtt_us = c->rtt_us;
}

static void
on_bye(struct conn *c, const struct wire_msg *m)
{
	static const char *const why[] = {
		[WIRE_BYE_NONE] = "the peer hung up",
		[WIRE_BYE_SHUTDOWN] = "the peer stops",
		[WIRE_BYE_FULL] = "the peer is full",
		[WIRE_BYE_DUPLICATE] = "duplicate link",
		[WIRE_BYE_PROTOCOL] = "the peer met a protocol error",
		[WIRE_BYE_BANNED] = "the peer banned us",
		[WIRE_BYE_IDLE] = "idle",
		[WIRE_BYE_FEELER] = "it only looked whether we are there",
	};

	c->bye = true;
	if (!c->loops && m->reason < 32 && (1u << m->reason & BYE_HOLD) != 0)
		discover_hold(c->id, HOLD_S, false);
	conn_end(c, WIRE_BYE_NONE,
	    m->reason < sizeof(why) / sizeof(why[0]) ? why[m->reason]
						     : "goodbye");
}

/* All that a link for loops has to do with. */
static bool
is_for_loops(enum wire_type type)
{
	return (type >= WIRE_OPEN && type <= WIRE_RESERVED) ||
	    type == WIRE_PING || type == WIRE_PONG || type == WIRE_BYE ||
	    type == WIRE_CREDIT;
}

void
messages_take(struct conn *c, const struct link_msg *lm)
{
	struct wire_msg m;

	switch (wire_decode(&m, lm->lane, lm->p, lm->len)) {
	case WIRE_UNKNOWN:
		peerd.n.unknown_messages++;
		return;
	case WIRE_MALFORMED:
	case WIRE_LANE:
		misdeed(c, SCORE_MALFORMED);
		return;
	case WIRE_OK:
		break;
	}
	if (c->loops && !is_for_loops(m.type)) {
		peerd.n.unknown_messages++;
		return;
	}
	switch (m.type) {
	case WIRE_GOSSIP:
		on_gossip(c, &m);
		break;
	case WIRE_PING:
		on_ping(c, &m);
		break;
	case WIRE_PONG:
		on_pong(c, &m);
		break;
	case WIRE_BYE:
		on_bye(c, &m);
		break;
	case WIRE_GETADDR:
		addrs_asked(c, m.n);
		break;
	case WIRE_ADDR:
		addrs_told(c, &m);
		break;
	case WIRE_IHAVE:
	case WIRE_PULL:
	case WIRE_GRAFT:
	case WIRE_PRUNE:
		gossip_message(c, &m);
		break;
	case WIRE_RECS:
		on_recs(c, &m);
		break;
	case WIRE_ROOT:
		note_clock(c, m.root.wall_ms);
		dbchan_root(c, lm->p, lm->len);
		neigh_root(c, &m.root);
		break;
	case WIRE_RANGE:
	case WIRE_ITEMS:
	case WIRE_WANT:
	case WIRE_END:
	case WIRE_FULL:
	case WIRE_FETCH:
	case WIRE_FETCHED:
	case WIRE_SINCE:
	case WIRE_GETMAN:
	case WIRE_MAN:
	case WIRE_GET:
	case WIRE_CHUNK:
		(void)dbchan_message(c, lm->p, lm->len);
		break;
	case WIRE_JOIN:
	case WIRE_NEIGHBOR:
	case WIRE_DISCONNECT:
	case WIRE_SWAP:
		neigh_message(c, &m);
		break;
	case WIRE_OPEN:
	case WIRE_RELAY:
	case WIRE_OPENED:
	case WIRE_REFUSED:
	case WIRE_DATA:
	case WIRE_GRANT:
	case WIRE_CLOSE:
	case WIRE_RESERVE:
	case WIRE_RESERVED:
		flow_message(c, &m);
		break;
	case WIRE_CREDIT: /* the link has seen to it */
		break;
	}
}
