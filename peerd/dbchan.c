/* SPDX-License-Identifier: ISC */
/*
 * The channel to the store: verified records there, verdicts back, and the
 * messages of sync and of block transfer, which the store writes and reads
 * while peerd only carries them.
 */
#include <string.h>

#include "common/log.h"
#include "peerd/peerd.h"

#define DRAINED_BELOW (64u << 10)

static struct ipc *store;
static struct wire_root root; /* the last that was settled */

bool
dbchan_send_records(uint32_t id, const struct msg_ps_records *r)
{
	/* The hard limit of a queue would end the channel. */
	if (store == NULL || ipc_queued(store) > DBCHAN_QUEUE)
		return false;
	return ipc_send(store, PS_RECORDS, id, r) == 0;
}

bool
dbchan_message(const struct conn *c, const void *msg, size_t len)
{
	struct msg_ps_message m = { .link = c->serial,
		.msg = { msg, (uint32_t)len } };

	if (store == NULL || ipc_queued(store) > DBCHAN_QUEUE)
		return false;
	return ipc_send(store, PS_MESSAGE, 0, &m) == 0;
}

/* It is remembered: a store that begins later must not wait for the next. */
void
dbchan_root(struct conn *c, const void *msg, size_t len)
{
	c->root_len = 0;
	if (len <= sizeof(c->root)) {
		memcpy(c->root, msg, len);
		c->root_len = len;
	}
	(void)dbchan_message(c, msg, len);
}

static void
send_root(struct conn *c)
{
	uint8_t buf[WIRE_ROOT_MAX];
	struct wr w;

	if (c->state != CONN_UP || root.tick == 0)
		return;
	root.wall_ms = wall_now().ms;
	wr_init(&w, buf, sizeof(buf));
	wire_put_root(&w, &root);
	if (!w.bad)
		(void)traffic_send(c, LANE_SYNC, buf, w.len);
}

void
dbchan_link(struct conn *c, bool up)
{
	struct msg_ps_peer p = { .link = c->serial,
		.up = up,
		.outbound = c->outbound };

	memcpy(p.id, c->id, 32);
	if (store != NULL)
		(void)ipc_send(store, PS_PEER, 0, &p);
	if (up) /* it need not wait for the next tick */
		send_root(c);
}

void
dbchan_clock(int64_t behind_ms, bool stop)
{
	struct msg_ps_clock c = { .behind_ms = behind_ms, .stop = stop };

	if (store != NULL)
		(void)ipc_send(store, PS_CLOCK, 0, &c);
}

static void
on_applied(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ps_applied *a = m->body;

	(void)ch;
	records_applied(m->id, a->verdicts.p, a->verdicts.len);
}

static void
on_fresh(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ps_records *r = m->body;
	size_t i;

	(void)ch;
	for (i = 0; i < r->n_records; i++)
		records_fresh(r->records[i].raw.p, r->records[i].raw.len);
}

/* The lane a message of the store's goes on; LANE_N: none of its own. */
static enum lane
lane_of(const uint8_t *msg, size_t len)
{
	switch (wire_peek(msg, len)) {
	case WIRE_ROOT:
	case WIRE_RANGE:
	case WIRE_ITEMS:
	case WIRE_WANT:
	case WIRE_RECS:
	case WIRE_END:
	case WIRE_FULL:
	case WIRE_FETCH:
	case WIRE_FETCHED:
	case WIRE_SINCE:
		return LANE_SYNC;
	case WIRE_GETMAN:
	case WIRE_MAN:
	case WIRE_GET:
	case WIRE_CHUNK:
		return LANE_BULK;
	default:
		return LANE_N;
	}
}

static void
on_message(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ps_message *q = m->body;
	struct conn *c = conn_by_serial(q->link);
	enum lane lane = lane_of(q->msg.p, q->msg.len);

	(void)ch;
	if (c == NULL || c->state != CONN_UP || lane == LANE_N)
		return;
	if (!traffic_send(c, lane, q->msg.p, q->msg.len))
		peerd.n.sync_not_sent++; /* sessions begin anew by themselves */
	c->from_store += (uint32_t)q->msg.len;
	dbchan_drained(c);
}

/*
 * The store gives no more than a window of bytes for a link: tell it what
 * has left.  What could not be queued counts as well.
 */
void
dbchan_drained(struct conn *c)
{
	struct msg_ps_drained d = { .link = c->serial, .bytes = c->from_store };

	if (c->from_store == 0 || store == NULL ||
	    link_queued(&c->link, LANE_SYNC) +
		    link_queued(&c->link, LANE_BULK) >
		DRAINED_BELOW)
		return;
	c->from_store = 0;
	(void)ipc_send(store, PS_DRAINED, 0, &d);
}

static void
on_score(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ps_score *s = m->body;
	struct conn *c = conn_by_serial(s->link);

	(void)ch;
	if (c != NULL && c->state == CONN_UP && s->event < SCORE_EVENTS_N)
		misdeed(c, (enum score_event)s->event);
}

static void
on_root(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ps_root *r = m->body;
	struct conn *c;

	(void)ch;
	root.tick = r->tick;
	root.cnt = r->cnt;
	root.sum = r->sum;
	root.seq = r->seq;
	memcpy(root.root, r->root, 32);
	memcpy(root.dbid, r->dbid, 16);
	for (c = conn_next(NULL); c != NULL; c = conn_next(c))
		send_root(c);
	neigh_own_root(&root);
}

/* The store wants a block that this node holds: once we are linked it asks. */
static void
on_reach(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ps_reach *q = m->body;
	const struct known_node *n = known_find(&peerd.known, q->id);
	struct dial_why dial = { .kind = DIAL_CTL, .has_key = true };

	(void)ch;
	memcpy(dial.key, q->id, 32);
	if (!peerd.running || peerd.stopping || n == NULL ||
	    conn_find(q->id) != NULL || discover_is_held(q->id) ||
	    !nodes_dial_addr(n, 0, &dial.addr) ||
	    asks_is_dialling(&dial.addr, q->id))
		return;
	(void)asks_dial(&dial);
}

static void
on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	if (how != IPC_EOF)
		log_warn("channel to the store: %s", why);
	if (store == ch) {
		store = NULL;
		root.tick = 0;
		records_store_gone();
		child_channel_lost(PROC_STORE, 0);
	}
	ipc_free(ch);
}

static const struct ipc_handler handlers[] = {
	{ PS_APPLIED, on_applied },
	{ PS_FRESH, on_fresh },
	{ PS_MESSAGE, on_message },
	{ PS_SCORE, on_score },
	{ PS_ROOT, on_root },
	{ PS_REACH, on_reach },
	{ 0, NULL },
};

void
dbchan_open(int fd)
{
	static struct msg_table tables[2];
	struct ipc_conf conf = { .name = "store",
		.tables = tables,
		.handlers = handlers,
		.ended = on_ended,
		.upper = true };
	const uint8_t *own;
	struct conn *c;
	size_t len;

	tables[0] = msgs_peerd_store;
	if (store != NULL) {
		ipc_free(store);
		store = NULL;
		records_store_gone();
	}
	if ((store = ipc_new(child_base(), fd, &conf)) == NULL)
		return;
	ipc_set_phase(store, PH_RUN);
	clocks_tell();
	for (c = conn_next(NULL); c != NULL; c = conn_next(c))
		if (c->state == CONN_UP) {
			dbchan_link(c, true);
			if (c->root_len > 0)
				(void)dbchan_message(c, c->root, c->root_len);
		}
	/* What was published while it was away, or before. */
	if ((len = own_record(&own)) > 0)
		records_own(own, len);
}
