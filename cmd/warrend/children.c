/* SPDX-License-Identifier: ISC */
/*
 * What each child is told before PROC_GO, what it may ask later, and who
 * answers.  The contract is the message tables; this is who keeps it.
 */
#include <string.h>

#include "cmd/warrend/apps.h"
#include "cmd/warrend/operator.h"
#include "cmd/warrend/sockets.h"
#include "cmd/warrend/warrend.h"
#include "common/addr_policy.h"
#include "common/log.h"

/* A worker blacklisted somebody: all the others shall know. */
static void
on_apid_ban(struct ipc *ch, const struct ipc_msg *m)
{
	struct proc *from = ipc_ctx(ch);
	unsigned i;
	struct proc *p;

	for (i = 0; i < warrend.n_procs; i++) {
		p = &warrend.procs[i];
		if (p != from && p->kind == PROC_APID && p->state == PROC_UP &&
		    p->ch != NULL)
			(void)ipc_send(p->ch, APID_BAN, 0, m->body);
	}
}

static const struct ipc_handler stund_handlers[] = {
	{ STUND_SOCKET_GET, sockets_stun_get },
	{ STUND_SOCKET_DROP, sockets_stun_drop },
	{ 0, NULL },
};

static const struct ipc_handler peerd_handlers[] = {
	{ PEERD_DIAL, sockets_dial },
	{ PEERD_SIGN_NOISE, signer_noise },
	{ PEERD_SIGN_NODE, signer_node },
	{ PEERD_RESOLVE, resolve_ask },
	{ PEERD_SAVE, files_save },
	{ PEERD_SAVE_DONE, files_save_done },
	{ 0, NULL },
};

static const struct ipc_handler store_handlers[] = {
	{ STORE_SIGN_CLAIM, signer_claim },
	{ STORE_SIGN_REC, signer_record },
	{ 0, NULL },
};

static const struct ipc_handler apid_handlers[] = {
	{ APID_BAN, on_apid_ban },
	{ APID_STATS_GET, stats_get },
	{ 0, NULL },
};

static const struct ipc_handler appd_handlers[] = {
	{ 0, NULL },
};

static const struct ipc_handler resolver_handlers[] = {
	{ RESOLVER_ANSWER, resolve_answer },
	{ RESOLVER_FAILED, resolve_failed },
	{ 0, NULL },
};

const struct ipc_handler *
children_handlers(enum proc_kind kind)
{
	switch (kind) {
	case PROC_STUND:
		return stund_handlers;
	case PROC_PEERD:
		return peerd_handlers;
	case PROC_STORE:
		return store_handlers;
	case PROC_APID:
		return apid_handlers;
	case PROC_APPD:
		return appd_handlers;
	default:
		return resolver_handlers;
	}
}

const struct msg_table *
children_tables(enum proc_kind kind)
{
	/* The last entry of each row stays { NULL, 0 }. */
	static struct msg_table t[PROC_KINDS][4];

	t[kind][0] = msgs_proc;
	t[kind][1] = msgs_ctl;
	t[kind][2] = kind == PROC_STUND ? msgs_stund
	    : kind == PROC_PEERD        ? msgs_peerd
	    : kind == PROC_STORE        ? msgs_store
	    : kind == PROC_APID         ? msgs_apid
	    : kind == PROC_APPD         ? msgs_appd
					: msgs_resolver;
	return t[kind];
}

/* --- settings --- */

static void
setup_resolver(struct proc *p)
{
	struct msg_resolver_config c = { .n_servers = 0 };
	unsigned i;

	for (i = 0; i < warrend.conf.n_dns_servers; i++)
		c.servers[c.n_servers++].addr = warrend.conf.dns_servers[i];
	(void)ipc_send(p->ch, RESOLVER_CONFIG, 0, &c);
}

static void
setup_stund(struct proc *p)
{
	(void)ipc_send(p->ch, STUND_CONFIG, 0, &warrend.conf.stun);
	sockets_give(p);
	sockets_stun_give_kept(p);
}

/* Each worker gets its part of what is limited for all. */
static void
send_apid_config(struct proc *p)
{
	struct msg_apid_config c = warrend.conf.api;
	uint32_t n = warrend.conf.api_workers;

	c.workers = (uint8_t)n;
	c.conns_max = (c.conns_max + n - 1) / n;
	c.test_echo = warrend.conf.test_echo;
	(void)ipc_send(p->ch, APID_CONFIG, 0, &c);
}

static void
setup_apid(struct proc *p)
{
	send_apid_config(p);
	node_send(p);
	sockets_give(p);
}

static void
send_peers(struct proc *p)
{
	unsigned i;

	for (i = 0; i < warrend.conf.n_peers; i++) {
		const struct msg_peerd_peer *q = &warrend.conf.peers[i].p;

		operator_trust_host(q->host);
		(void)ipc_send(p->ch, PEERD_PEER, 0, q);
	}
	(void)ipc_send(p->ch, PEERD_PEERS_END, 0, NULL);
}

static void
setup_peerd(struct proc *p)
{
	struct msg_peerd_charter c = { .charter = { warrend.charter,
					   (uint32_t)warrend.charter_len } };

	(void)ipc_send(p->ch, PEERD_CONFIG, 0, &warrend.conf.peer);
	(void)ipc_send(p->ch, PEERD_CHARTER, 0, &c);
	node_send(p);
	node_send_local(p);
	sockets_give(p);
	files_give(p);
	send_peers(p);
}

static void
setup_store(struct proc *p)
{
	struct msg_peerd_charter c = { .charter = { warrend.charter,
					   (uint32_t)warrend.charter_len } };
	struct msg_store_config sc = warrend.conf.store;

	/* In its chroot the directory is the root itself. */
	(void)snprintf(sc.dir, sizeof(sc.dir), "%s",
	    warrend.root ? "/" : files_store_dir());
	(void)ipc_send(p->ch, STORE_CONFIG, 0, &sc);
	(void)ipc_send(p->ch, STORE_CHARTER, 0, &c);
	node_send(p);
}

void
children_setup(struct proc *p)
{
	switch (p->kind) {
	case PROC_RESOLVER:
		setup_resolver(p);
		break;
	case PROC_STUND:
		setup_stund(p);
		break;
	case PROC_PEERD:
		setup_peerd(p);
		break;
	case PROC_STORE:
		setup_store(p);
		break;
	case PROC_APID:
		setup_apid(p);
		break;
	case PROC_APPD:
		apps_setup(p);
		break;
	default:
		break;
	}
}

void
children_reconfigure(void)
{
	struct proc *p;
	unsigned i;

	supervise_send_all(PROC_STUND, STUND_CONFIG, &warrend.conf.stun);
	supervise_send_all(PROC_PEERD, PEERD_CONFIG, &warrend.conf.peer);
	supervise_send_all(PROC_STORE, STORE_CONFIG, &warrend.conf.store);
	apps_reconfigure();
	for (i = 0; i < warrend.n_procs; i++) {
		p = &warrend.procs[i];
		if (!supervise_hears(p))
			continue;
		if (p->kind == PROC_APID)
			send_apid_config(p);
		if (p->kind == PROC_PEERD)
			send_peers(p);
		if (p->kind == PROC_PEERD || p->kind == PROC_STORE ||
		    p->kind == PROC_APID)
			node_send(p);
	}
}
