/* SPDX-License-Identifier: ISC */
/*
 * What stund and the apid workers are told.  A new channel is told all;
 * after that only changes go.  A channel that does not keep up is told all
 * again once it has drained, so it may lag but is never wrong for long.
 */
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "peerd/flow.h"
#include "peerd/peerd.h"

#define APIDS_MAX 64
#define TOTALS_MS 5000

static struct ipc *stund;

static struct apid {
	struct ipc *ch;
	bool telling; /* all nodes are being told, up to place */
	uint32_t place;
} apids[APIDS_MAX];

static struct msg_pa_totals totals;
static struct mono totals_due;

/* --- stund --- */

/* Where the peer's STUN server answers: on the host of the link. */
static void
stun_at(const struct conn *c, uint8_t proto, struct naddr *out)
{
	const struct noderec *nr;
	const struct node_addr *a, *best = NULL;
	size_t i;

	memset(out, 0, sizeof(*out));
	if (c->node == NULL || c->node->raw_len == 0)
		return;
	nr = &c->node->node;
	for (i = 0; i < nr->n_addrs; i++) {
		a = &nr->addrs[i];
		if (a->proto == proto &&
		    (best == NULL || a->addr.fam == NADDR_NONE ||
			naddr_ip_equal(&a->addr, &c->remote)))
			best = a;
	}
	if (best == NULL)
		return;
	*out = c->remote;
	out->port = best->addr.port;
}

static void
tell_stund(struct conn *c)
{
	struct msg_sp_peer_up up = { .link = c->remote,
		.outbound = c->outbound };

	memcpy(up.peer, c->id, 32);
	stun_at(c, NODE_STUN_UDP, &up.stun_udp);
	stun_at(c, NODE_STUN_TCP, &up.stun_tcp);
	if (stund == NULL ||
	    (up.stun_udp.fam == NADDR_NONE && up.stun_tcp.fam == NADDR_NONE))
		return;
	if (c->stun_said && naddr_equal(&c->stun_udp, &up.stun_udp) &&
	    naddr_equal(&c->stun_tcp, &up.stun_tcp))
		return;
	c->stun_said = true;
	c->stun_udp = up.stun_udp;
	c->stun_tcp = up.stun_tcp;
	(void)ipc_send(stund, SP_PEER_UP, 0, &up);
}

void
channels_link_up(struct conn *c)
{
	tell_stund(c);
}

void
channels_link_down(const struct conn *c)
{
	struct msg_sp_peer_down down;

	memcpy(down.peer, c->id, 32);
	if (stund != NULL && c->stun_said)
		(void)ipc_send(stund, SP_PEER_DOWN, 0, &down);
}

static void
on_stun(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	own_set_stun(m->body);
}

static void
on_stund_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	if (how != IPC_EOF)
		log_warn("channel to stund: %s", why);
	if (stund == ch) {
		stund = NULL;
		child_channel_lost(PROC_STUND, 0);
	}
	ipc_free(ch);
}

static const struct ipc_handler stund_handlers[] = {
	{ SP_STUN, on_stun },
	{ 0, NULL },
};

static void
open_stund(int fd)
{
	static struct msg_table tables[2];
	struct ipc_conf conf = { .name = "stund",
		.tables = tables,
		.handlers = stund_handlers,
		.ended = on_stund_ended,
		.upper = true };
	struct conn *c;

	tables[0] = msgs_peerd_stund;
	ipc_free(stund);
	if ((stund = ipc_new(child_base(), fd, &conf)) == NULL)
		return;
	ipc_set_phase(stund, PH_RUN);
	for (c = conn_next(NULL); c != NULL; c = conn_next(c)) {
		c->stun_said = false;
		if (c->state == CONN_UP && !c->quiet)
			tell_stund(c);
	}
}

/* --- apid --- */

static void
send_peer(struct ipc *ch, const struct known_node *node)
{
	static struct msg_peer v;

	nodes_view(node, conn_find_shown(node->id), &v);
	(void)ipc_send(ch, PA_PEER, 0, &v);
}

/* Go on telling all, as far as the channel takes it. */
static void
tell_all(struct apid *a)
{
	const struct known_node *n;

	while (a->telling && !ipc_is_full(a->ch)) {
		if (a->place == peerd.known.cap) {
			a->telling = false;
			break;
		}
		n = &peerd.known.nodes[a->place++];
		if (n->used)
			send_peer(a->ch, n);
	}
}

static void
begin_telling(struct apid *a)
{
	a->telling = true;
	a->place = 0;
}

static void
on_drained(struct ipc *ch)
{
	size_t i;

	for (i = 0; i < APIDS_MAX; i++)
		if (apids[i].ch == ch)
			tell_all(&apids[i]);
}

static void
on_apid_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	size_t i;

	if (how != IPC_EOF)
		log_warn("channel to apid: %s", why);
	for (i = 0; i < APIDS_MAX; i++)
		if (apids[i].ch == ch) {
			apids[i].ch = NULL;
			child_channel_lost(PROC_APID, (unsigned)i);
		}
	ipc_free(ch);
}

static const struct ipc_handler apid_handlers[] = { { 0, NULL } };

static void
open_apid(struct apid *a, int fd)
{
	static struct msg_table tables[2];
	struct ipc_conf conf = { .name = "apid",
		.tables = tables,
		.handlers = apid_handlers,
		.ended = on_apid_ended,
		.drained = on_drained,
		.upper = true };

	tables[0] = msgs_peerd_apid;
	ipc_free(a->ch);
	if ((a->ch = ipc_new(child_base(), fd, &conf)) == NULL)
		return;
	ipc_set_phase(a->ch, PH_RUN);
	(void)ipc_send(a->ch, PA_TOTALS, 0, &totals);
	begin_telling(a);
	tell_all(a);
}

void
channels_open(enum proc_kind kind, unsigned index, int fd)
{
	if (kind == PROC_STUND)
		open_stund(fd);
	else if (kind == PROC_STORE)
		dbchan_open(fd);
	else if (kind == PROC_APID && index < APIDS_MAX)
		open_apid(&apids[index], fd);
	else
		(void)close(fd);
}

void
channels_open_pipes(enum proc_kind kind, unsigned index, int in, int out)
{
	(void)index;
	if (kind == PROC_APPD) {
		loops_open_channel(in, out);
		return;
	}
	(void)close(in);
	(void)close(out);
}

void
channels_peer(const struct known_node *node)
{
	size_t i;

	for (i = 0; i < APIDS_MAX; i++) {
		if (apids[i].ch == NULL)
			continue;
		if (ipc_is_full(apids[i].ch))
			begin_telling(&apids[i]);
		else
			send_peer(apids[i].ch, node);
	}
}

void
channels_gone(const uint8_t id[32])
{
	struct msg_pa_gone g;
	size_t i;

	memcpy(g.id, id, 32);
	for (i = 0; i < APIDS_MAX; i++)
		if (apids[i].ch != NULL)
			(void)ipc_send(apids[i].ch, PA_GONE, 0, &g);
}

void
channels_tick(struct mono now)
{
	struct msg_pa_totals t = { .peers_up = conn_links(-1) - conn_quiet(),
		.peers_known = peerd.known.n,
		.bytes_in = peerd.n.bytes_in,
		.bytes_out = peerd.n.bytes_out };
	size_t i;

	if (!mono_reached(totals_due, now))
		return;
	totals_due = mono_add_ms(now, TOTALS_MS);
	if (t.peers_up == totals.peers_up &&
	    t.peers_known == totals.peers_known &&
	    t.bytes_in == totals.bytes_in && t.bytes_out == totals.bytes_out)
		return;
	totals = t;
	for (i = 0; i < APIDS_MAX; i++)
		if (apids[i].ch != NULL && !ipc_is_full(apids[i].ch))
			(void)ipc_send(apids[i].ch, PA_TOTALS, 0, &totals);
}
