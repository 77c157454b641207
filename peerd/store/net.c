/* SPDX-License-Identifier: ISC */
/*
 * The channel to peerd: verified records in, what was written here out, and
 * the messages of sync and of block transfer, which travel on peerd's links.
 */
#include <string.h>

#include "common/log.h"
#include "peerd/store/links.h"
#include "peerd/store/store.h"

static struct ipc *net;
static bool held;

bool
net_is_up(void)
{
	return net != NULL;
}

static void
on_records(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ps_records *r = m->body;

	if (r->origin == PS_SYNC) {
		store.n.sync_records_in += r->n_records;
		sync_arrived(r->link);
		bootstrap_records(r);
	}
	writes_take(WRITE_NET, ch, m->id, r->records, r->n_records, NULL);
	sync_arrived(0);
}

static void
on_peer(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	links_peer(m->body);
}

static void
on_message(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ps_message *q = m->body;

	(void)ch;
	store.n.sync_messages_in++;
	links_message(q->link, q->msg.p, q->msg.len);
}

static void
on_left(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	links_drained(m->body);
}

static void
on_clock(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	own_clock(m->body);
}

static void
on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	if (how != IPC_EOF)
		log_warn("channel to peerd: %s", why);
	writes_forget(ch);
	if (net == ch) {
		net = NULL;
		links_reset();
	}
	ipc_free(ch);
}

static const struct ipc_handler handlers[] = {
	{ PS_RECORDS, on_records },
	{ PS_PEER, on_peer },
	{ PS_MESSAGE, on_message },
	{ PS_DRAINED, on_left },
	{ PS_CLOCK, on_clock },
	{ 0, NULL },
};

static void
on_drained(struct ipc *ch)
{
	(void)ch;
	links_room();
}

void
net_open(int fd)
{
	static struct msg_table tables[2];
	struct ipc_conf conf = { .name = "peerd",
		.tables = tables,
		.handlers = handlers,
		.ended = on_ended,
		.drained = on_drained,
		.high = 1u << 20 };

	tables[0] = msgs_peerd_store;
	if (net != NULL) {
		writes_forget(net);
		ipc_free(net);
		links_reset();
	}
	if ((net = ipc_new(child_base(), fd, &conf)) == NULL)
		return;
	ipc_set_phase(net, PH_RUN);
	ipc_pause(net, held);
	net_root();
}

void
net_fresh(const struct msg_db_raw *records, size_t n)
{
	static struct msg_ps_records out;
	size_t i, bytes = 0;

	out.origin = PS_GOSSIP;
	out.n_records = 0;
	for (i = 0; i < n && net != NULL; i++) {
		bytes += records[i].raw.len;
		out.records[out.n_records++] = records[i];
		if (bytes < DB_PART_MAX && i + 1 < n &&
		    out.n_records < DB_BATCH_MAX)
			continue;
		/* What peerd cannot take now, anti-entropy brings later. */
		if (!ipc_is_full(net))
			(void)ipc_send(net, PS_FRESH, 0, &out);
		out.n_records = 0;
		bytes = 0;
	}
}

bool
net_message(uint32_t link, const void *msg, size_t len)
{
	struct msg_ps_message q = { .link = link,
		.msg = { msg, (uint32_t)len } };

	if (net == NULL || ipc_is_full(net))
		return false;
	store.n.sync_messages_out++;
	return ipc_send(net, PS_MESSAGE, 0, &q) == 0;
}

void
net_score(uint32_t link, uint8_t event)
{
	struct msg_ps_score s = { .link = link, .event = event };

	if (net != NULL)
		(void)ipc_send(net, PS_SCORE, 0, &s);
}

void
net_reach(const uint8_t id[32])
{
	struct msg_ps_reach r;

	memcpy(r.id, id, 32);
	if (net != NULL && !ipc_is_full(net))
		(void)ipc_send(net, PS_REACH, 0, &r);
}

void
net_root(void)
{
	const struct recstore_root *r;
	struct msg_ps_root out;

	if (net == NULL || store.rs == NULL ||
	    (r = recstore_root(store.rs, MSG_NULL64)) == NULL)
		return;
	out.tick = r->tick;
	memcpy(out.root, r->root, 32);
	out.cnt = r->top.cnt;
	out.sum = r->top.sum;
	out.seq = recstore_seq(store.rs);
	memcpy(out.dbid, recstore_dbid(store.rs), 16);
	(void)ipc_send(net, PS_ROOT, 0, &out);
}

bool
net_is_held(void)
{
	return held;
}

void
net_hold(bool hold)
{
	if (hold == held)
		return;
	held = hold;
	if (net != NULL)
		ipc_pause(net, hold);
}
