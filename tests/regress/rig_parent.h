/* SPDX-License-Identifier: ISC */
/*
 * What warrend, stund and apid would do for the nodes of a test.
 */
#ifndef WARREN_RIG_PARENT_H
#define WARREN_RIG_PARENT_H

#include "tests/regress/rig_node.h"

/* --- what warrend would do --- */

static struct rig_node *
rig_of(struct ipc *ch)
{
	return ipc_ctx(ch);
}

static void
rig_fail(struct ipc *ch, uint32_t id, const char *why)
{
	struct msg_peerd_failed f;

	(void)strlcpy(f.error, why, sizeof(f.error));
	(void)ipc_send(ch, PEERD_FAILED, id, &f);
}

/* The node whose listener this is, or NULL. */
static struct rig_node *
rig_at(const struct naddr *addr)
{
	size_t i;

	for (i = 0; i < RIG_NODES; i++)
		if (rig.nodes[i].used && naddr_equal(&rig.nodes[i].addr, addr))
			return &rig.nodes[i];
	return NULL;
}

static bool
rig_is_cut(const struct rig_node *from, const struct rig_node *to)
{
	return to != NULL &&
	    (to->nat || from->shuns[0] == to || from->shuns[1] == to);
}

static void
rig_on_dial(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_dial *q = m->body;
	struct msg_peerd_dialed ok = { .local = rig_of(ch)->addr };
	struct naddr from = rig_of(ch)->addr;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (rig_is_cut(rig_of(ch), rig_at(&q->addr))) {
		(void)close(fd);
		rig_fail(ch, m->id, "connection timed out");
		return;
	}
	/* Loopback connects or fails at once: no need to wait for it. */
	from.port = 0;
	len = naddr_to_sockaddr(&from, &ss);
	if (addr_class(&q->addr) != ADDR_LOOPBACK ||
	    bind(fd, (struct sockaddr *)&ss, len) == -1) {
		(void)close(fd);
		rig_fail(ch, m->id, "refused by address policy");
		return;
	}
	len = naddr_to_sockaddr(&q->addr, &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) == -1) {
		(void)close(fd);
		rig_fail(ch, m->id, strerror(errno));
		return;
	}
	(void)ipc_send_fd(ch, PEERD_DIALED, m->id, &ok, fd, -1);
}

static void
rig_on_sign_noise(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_sign_noise *q = m->body;
	struct msg_peerd_signed out;
	uint8_t bytes[HELLO_SIGN_LEN];

	hello_sign_bytes(bytes, rig.charter.netid, q->key, q->not_before,
	    q->not_after);
	(void)crypto_sign_detached(out.sig, NULL, bytes, sizeof(bytes),
	    rig_of(ch)->sk);
	(void)ipc_send(ch, PEERD_SIGNED, m->id, &out);
}

static void
rig_on_sign_node(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_sign_node *q = m->body;
	struct rec rec = { .kind = REC_NODE,
		.subject_len = 32,
		.hlc = q->hlc,
		.flags = q->leave ? REC_TOMBSTONE : 0,
		.payload = q->payload.p,
		.payload_len = q->payload.len };
	struct msg_peerd_signed out;
	uint8_t body[REC_BODY_MAX], rid[32];
	struct wr w;

	memcpy(rec.subject, rig_of(ch)->id, 32);
	memcpy(rec.author, rig_of(ch)->id, 32);
	wr_init(&w, body, sizeof(body));
	rec_encode_body(&w, &rec);
	rec_rid(rid, body, w.len);
	rec_sign(out.sig, rig.charter.netid, rid, rig_of(ch)->sk);
	(void)ipc_send(ch, PEERD_SIGNED, m->id, &out);
}

static void
rig_on_resolve(struct ipc *ch, const struct ipc_msg *m)
{
	rig_fail(ch, m->id, "no such name");
}

static const char *
rig_path(const struct rig_node *n, unsigned which, const char *suffix)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%u%s", n->dir, which, suffix);
	return path;
}

static void
rig_on_save(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_file *f = m->body;
	int fd = open(rig_path(rig_of(ch), f->which, ".new"),
	    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd == -1)
		rig_fail(ch, m->id, strerror(errno));
	else
		(void)ipc_send_fd(ch, PEERD_SAVE_FD, m->id, f, fd, -1);
}

static void
rig_on_save_done(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_file *f = m->body;
	char from[128];

	(void)strlcpy(from, rig_path(rig_of(ch), f->which, ".new"),
	    sizeof(from));
	(void)rename(from, rig_path(rig_of(ch), f->which, ""));
	rig_of(ch)->saved[f->which]++;
	(void)ipc_send(ch, PEERD_SAVED, m->id, f);
}

static void
rig_on_stats(struct rig_node *n, const struct msg_proc_stats *s)
{
	unsigned i;

	for (i = 0; i < s->n_items && n->n_stats < RIG_STATS; i++)
		n->stats[n->n_stats++] = s->items[i];
}

static void
rig_on_end(struct rig_node *n, const struct msg_ctl_end *e)
{
	n->answer.ended = true;
	n->answer.code = e->code;
	(void)strlcpy(n->answer.text, e->text, sizeof(n->answer.text));
}

static void
rig_on_relay(struct rig_answer *a, const struct ipc_msg *m)
{
	switch (m->type) {
	case CTL_RELAY:
		a->relay = *(const struct msg_ctl_relay *)m->body;
		break;
	case CTL_RELAY_RES:
		a->res = *(const struct msg_ctl_relay_res *)m->body;
		a->n_res++;
		break;
	case CTL_RELAY_CIRCUIT:
		a->circuit = *(const struct msg_ctl_relay_circuit *)m->body;
		a->n_circuits++;
		break;
	case CTL_RELAY_OWN:
		a->own = *(const struct msg_ctl_relay_own *)m->body;
		a->n_own++;
		break;
	default:
		a->link = *(const struct msg_ctl_relay_link *)m->body;
		a->n_links++;
		break;
	}
}

static void
rig_on_other(struct ipc *ch, const struct ipc_msg *m)
{
	struct rig_node *n = rig_of(ch);

	switch (m->type) {
	case PROC_READY:
		n->ready = true;
		ipc_set_phase(ch, PH_RUN);
		break;
	case PROC_STATS:
		rig_on_stats(n, m->body);
		break;
	case PROC_STATS_END:
		n->stats_done = true;
		break;
	case CTL_END:
		rig_on_end(n, m->body);
		break;
	case CTL_STATUS:
		n->answer.status = *(const struct msg_ctl_status *)m->body;
		break;
	case CTL_PEER:
		n->answer.peer = *(const struct msg_peer *)m->body;
		n->answer.n_peers++;
		break;
	case CTL_PONG:
		n->answer.pong = *(const struct msg_ctl_pong *)m->body;
		n->answer.n_pongs++;
		break;
	case CTL_LOOP_PATH:
		n->answer.path = *(const struct msg_ctl_loop_path *)m->body;
		n->answer.n_paths++;
		break;
	case CTL_RELAY:
	case CTL_RELAY_RES:
	case CTL_RELAY_CIRCUIT:
	case CTL_RELAY_OWN:
	case CTL_RELAY_LINK:
		rig_on_relay(&n->answer, m);
		break;
	case CTL_BANNED:
		n->answer.n_bans++;
		break;
	case CTL_PROBLEM:
		n->answer.n_problems++;
		break;
	default:
		break;
	}
}

static void
rig_on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	struct rig_node *n = rig_of(ch);

	if (how != IPC_EOF)
		rig_check(false, "node sent junk: %s", why);
	if (n->ch == ch) /* else it was that of an earlier life */
		n->ch = NULL;
	ipc_free(ch);
}

static const struct ipc_handler rig_handlers[] = {
	{ PEERD_DIAL, rig_on_dial },
	{ PEERD_SIGN_NOISE, rig_on_sign_noise },
	{ PEERD_SIGN_NODE, rig_on_sign_node },
	{ PEERD_RESOLVE, rig_on_resolve },
	{ PEERD_SAVE, rig_on_save },
	{ PEERD_SAVE_DONE, rig_on_save_done },
	{ 0, NULL },
};

/* --- what stund and apid would do --- */

static void
rig_on_stund(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_sp_peer_up *up = m->body;
	struct rig_node *n = rig_of(ch);
	unsigned i;

	for (i = 0; i < n->n_up && memcmp(n->up[i].peer, up->peer, 32) != 0;
	     i++)
		continue;
	if (m->type == SP_PEER_UP && i < RIG_PEERS) {
		n->up[i] = *up;
		n->n_up += i == n->n_up;
	} else if (m->type == SP_PEER_DOWN && i < n->n_up) {
		n->up[i] = n->up[--n->n_up];
	}
}

static struct msg_peer *
rig_peer(struct rig_node *n, const uint8_t id[32])
{
	unsigned i;

	for (i = 0; i < n->n_peers; i++)
		if (memcmp(n->peers[i].id, id, 32) == 0)
			return &n->peers[i];
	return NULL;
}

static void
rig_on_apid(struct ipc *ch, const struct ipc_msg *m)
{
	struct rig_node *n = rig_of(ch);
	const struct msg_peer *v = m->body;
	const struct msg_pa_gone *g = m->body;
	struct msg_peer *p;

	if (m->type == PA_TOTALS) {
		n->totals = *(const struct msg_pa_totals *)m->body;
	} else if (m->type == PA_GONE) {
		if ((p = rig_peer(n, g->id)) != NULL)
			*p = n->peers[--n->n_peers];
	} else {
		p = rig_peer(n, v->id);
		if (p == NULL && n->n_peers < RIG_PEERS)
			p = &n->peers[n->n_peers++];
		if (p != NULL)
			*p = *v;
	}
}

static void
rig_on_sibling_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	struct rig_node *n = rig_of(ch);

	if (how != IPC_EOF)
		rig_check(false, "sibling channel: %s", why);
	if (n->stund == ch)
		n->stund = NULL;
	if (n->apid == ch)
		n->apid = NULL;
	if (n->appd == ch)
		n->appd = NULL;
	ipc_free(ch);
}

static struct ipc *
rig_sibling(struct rig_node *n, enum proc_kind kind,
    const struct msg_table *table,
    void (*other)(struct ipc *, const struct ipc_msg *))
{
	static const struct ipc_handler none[] = { { 0, NULL } };
	static struct msg_table tables[PROC_KINDS][2];
	struct msg_proc_channel c = { .kind = (uint8_t)kind };
	struct ipc_conf conf = { .name = "sibling",
		.tables = tables[kind],
		.handlers = none,
		.other = other,
		.ended = rig_on_sibling_ended,
		.ctx = n };
	struct ipc *ch;
	int fd[2], up[2];

	tables[kind][0] = *table;
	if (kind == PROC_APPD) {
		if (ipc_pipes(up, fd) == -1)
			rig_die("pipes");
		ch = ipc_new_pipes(rig.base, fd[0], fd[1], &conf);
		(void)ipc_send_fd(n->ch, PROC_PIPES, 0, &c, up[0], up[1]);
	} else {
		if (ipc_pair(fd) == -1)
			rig_die("socketpair");
		ch = ipc_new(rig.base, fd[0], &conf);
		(void)ipc_send_fd(n->ch, PROC_CHANNEL, 0, &c, fd[1], -1);
	}
	if (ch == NULL)
		rig_die("sibling");
	ipc_set_phase(ch, PH_RUN);
	return ch;
}

/* Its stund and apid, once it is ready. */
static void
rig_siblings(struct rig_node *n)
{
	if (n->ch == NULL)
		return;
	n->stund = rig_sibling(n, PROC_STUND, &msgs_peerd_stund, rig_on_stund);
	n->apid = rig_sibling(n, PROC_APID, &msgs_peerd_apid, rig_on_apid);
}

#endif
