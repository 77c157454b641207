/* SPDX-License-Identifier: ISC */
/*
 * Real peerd processes on loopback, from the first link to the farewell.
 *
 *	usage: peerd_rig [-v] [-p PEERD] [-i LINK_CLIENT.py]
 */
#include "tests/regress/peerd_rig.h"
#include "tests/regress/peerd_bad.h"

#define N 5

/* By its path, also to itself: by its name it would take the modules of
 * whichever python3 comes first in PATH. */
#define PYTHON "/usr/bin/python3"

static struct rig_node *node[N];

/* --- conditions --- */

static bool
all_linked(void *arg)
{
	size_t i, j;

	(void)arg;
	for (i = 0; i < N; i++)
		for (j = 0; j < N; j++)
			if (i != j && !rig_is_linked(node[i], node[j]))
				return false;
	return true;
}

static bool
all_told_stund(void *arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < N; i++)
		if (node[i]->n_up < N - 1)
			return false;
	return true;
}

static bool
mapping_is_known(void *arg)
{
	const struct msg_mapping *want = arg;
	const struct msg_peer *p;
	size_t i;

	for (i = 0; i < N; i++) {
		if (i == 2)
			continue;
		p = rig_peer(node[i], node[2]->id);
		if (p == NULL || p->n_mappings != 1 ||
		    !naddr_equal(&p->mappings[0].mapped, &want->mapped) ||
		    p->nat_mapping != NAT_MAP_INDEPENDENT)
			return false;
	}
	return true;
}

static bool
is_down(void *arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < N; i++)
		if (i != 3 && rig_is_linked(node[i], node[3]))
			return false;
	return true;
}

static bool
has_left(void *arg)
{
	struct rig_node *n = arg;
	const struct msg_peer *p;
	size_t i;

	if (!n->exited)
		return false;
	for (i = 0; i < N; i++) {
		if (node[i] == n)
			continue;
		p = rig_peer(node[i], n->id);
		if (p == NULL || p->status != PEER_OFFLINE)
			return false;
	}
	return true;
}

static bool
is_looked_for(void *arg)
{
	return !has_left(arg);
}

static bool
was_saved(void *arg)
{
	const unsigned *saved = arg;

	return *saved > 0;
}

/* --- the tests --- */

static void
test_mesh(void)
{
	size_t i;

	for (i = 0; i < N; i++) {
		node[i] = rig_node_new((unsigned)(2 + i));
		node[i]->bootstrap = node[0]->addr;
		rig_start(node[i]);
	}
	rig_check(rig_until(rig_all_ready, NULL, 10000), "%d nodes ready", N);
	for (i = 0; i < N; i++)
		rig_siblings(node[i]);
	rig_check(rig_until(all_linked, NULL, 10000),
	    "every node knows and is linked to all others");
	rig_check(rig_until(all_told_stund, NULL, 2000),
	    "every stund heard of all peers' STUN servers");
	rig_check(rig_stat(node[1], "links") == N - 1, "one link a peer: %llu",
	    (unsigned long long)rig_stat(node[1], "links"));
	rig_check(rig_stat(node[1], "records_refused") == 0,
	    "no record was refused");
	rig_check(node[0]->up[0].stun_udp.port == 3478 &&
		naddr_ip_equal(&node[0]->up[0].stun_udp, &node[0]->up[0].link),
	    "STUN is asked at the link's own address");
}

static void
test_stun_change(void)
{
	struct msg_stun_view v = { .n_nats = 1, .n_mappings = 1 };
	struct msg_mapping *m = &v.mappings[0];
	uint64_t seq = rig_peer(node[0], node[2]->id)->seq;

	v.nats[0].fam = 4;
	v.nats[0].mapping = NAT_MAP_INDEPENDENT;
	v.nats[0].filtering = NAT_FILTER_ADDRESS;
	(void)naddr_parse(&m->mapped, "198.51.100.7:40001");
	m->service = SVC_STUN_CLIENT;
	m->local_port = 40001;
	memcpy(m->via, node[0]->id, 32);
	m->since = m->seen = 1700000000;
	m->verified = 1;
	(void)ipc_send(node[2]->stund, SP_STUN, 0, &v);
	rig_check(rig_until(mapping_is_known, m, 3000),
	    "a changed mapping arrives everywhere");
	rig_check(rig_peer(node[0], node[2]->id)->seq > seq,
	    "its record is a newer one");
	(void)naddr_parse(&m->mapped, "198.51.100.7:40002");
	(void)ipc_send(node[2]->stund, SP_STUN, 0, &v);
	rig_check(rig_until(mapping_is_known, m, 3000), "and so does the next");
}

static void
test_kill(void)
{
	rig_kill(node[3]);
	rig_check(rig_until(is_down, NULL, 3000), "a killed node is missed");
	rig_start(node[3]);
	rig_check(rig_until(rig_all_ready, NULL, 5000), "it starts again");
	rig_siblings(node[3]);
	rig_check(rig_until(all_linked, NULL, 10000), "and is linked again");
}

static void
test_lan(void)
{
	struct rig_node *pair[2] = { rig_node_new(31), rig_node_new(32) };
	size_t i;

	rig_lan(pair[0], pair[1]);
	for (i = 0; i < 2; i++)
		rig_start(pair[i]);
	(void)rig_until(rig_all_ready, NULL, 5000);
	for (i = 0; i < 2; i++)
		rig_siblings(pair[i]);
	rig_check(rig_until(rig_pair_linked, pair, 8000),
	    "two nodes find each other on the LAN");
	for (i = 0; i < 2; i++) {
		rig_kill(pair[i]);
		pair[i]->used = false;
	}
}

static void
test_show(void)
{
	struct msg_ctl_word w = { .word = "up" };
	struct msg_ctl_ping ping = { .count = 2 };
	const struct rig_answer *a = rig_ask(node[1], CTL_SHOW_PEERS, &w);
	char hex[NODE_ID_HEX];

	rig_check(a->ended && a->code == 0 && a->n_peers == N - 1,
	    "show peers up: %u", a->n_peers);
	(void)strlcpy(w.word, "nonsense", sizeof(w.word));
	rig_check(rig_ask(node[1], CTL_SHOW_PEERS, &w)->code != 0,
	    "show peers nonsense is refused");
	a = rig_ask(node[1], CTL_SHOW_STATUS, NULL);
	rig_check(a->status.peers_up == N - 1 && a->n_problems == 0,
	    "status: %u up", a->status.peers_up);
	(void)strlcpy(w.word, node_id_hex(node[2]->id, hex), 9);
	a = rig_ask(node[1], CTL_SHOW_PEER, &w);
	rig_check(a->n_peers == 1 && memcmp(a->peer.id, node[2]->id, 32) == 0,
	    "show peer by eight digits");
	(void)strlcpy(w.word, "node4", sizeof(w.word));
	a = rig_ask(node[1], CTL_SHOW_PEER, &w);
	rig_check(a->n_peers == 1 && a->peer.status == PEER_ACTIVE,
	    "show peer by name");
	(void)strlcpy(w.word, "node99", sizeof(w.word));
	a = rig_ask(node[1], CTL_SHOW_PEER, &w);
	rig_check(a->code == 1 && strcmp(a->text, "no such peer") == 0,
	    "show peer that is none");
	(void)strlcpy(ping.peer, "node4", sizeof(ping.peer));
	a = rig_ask(node[1], CTL_PING, &ping);
	rig_check(a->code == 0 && a->n_pongs == 2 && a->pong.rtt_us < 1000000,
	    "ping twice");
}

static bool
link_is_gone(void *arg)
{
	struct rig_node **pair = arg;

	return !rig_is_linked(pair[0], pair[1]) &&
	    !rig_is_linked(pair[1], pair[0]);
}

static void
test_edit(void)
{
	struct rig_node *pair[2] = { node[1], node[4] };
	struct msg_ctl_ban ban = { .reason = "test" };
	struct msg_ctl_word w = { .word = "node6" };
	struct msg_ctl_peer_add add = { .host = "127.0.0.6", .port = 1 };
	const struct rig_answer *a;

	(void)node_id_hex(node[4]->id, ban.what);
	a = rig_ask(node[1], CTL_BAN_ADD, &ban);
	rig_check(a->code == 0, "ban add: %s", a->text);
	rig_check(rig_until(link_is_gone, pair, 2000), "a ban cuts the link");
	rig_check(rig_ask(node[1], CTL_SHOW_BANS, NULL)->n_bans == 1,
	    "it is shown");
	rig_check(rig_until(was_saved, &node[1]->saved[PEERD_FILE_BANS], 4000),
	    "and saved soon");
	(void)strlcpy(w.word, ban.what, sizeof(w.word));
	rig_check(rig_ask(node[1], CTL_BAN_DELETE, &w)->code == 0,
	    "ban delete");
	rig_check(rig_ask(node[1], CTL_BAN_DELETE, &w)->code == 1,
	    "ban delete of none");
	a = rig_ask(node[1], CTL_PEER_CONNECT, &w);
	rig_check(a->code == 0, "peer connect: %s", a->text);
	(void)snprintf(w.word, sizeof(w.word), "127.0.0.2:%u",
	    node[0]->addr.port);
	a = rig_ask(node[1], CTL_PEER_DELETE, &w);
	rig_check(a->code == 1 && strstr(a->text, "warren.conf") != NULL,
	    "a configured peer is not deleted: %s", a->text);
	a = rig_ask(node[1], CTL_PEER_ADD, &add);
	rig_check(a->code == 0, "peer add: %s", a->text);
	rig_check(rig_ask(node[1], CTL_PEER_ADD, &add)->code == 1,
	    "peer add twice is refused");
	(void)strlcpy(w.word, "127.0.0.6:1", sizeof(w.word));
	rig_check(rig_ask(node[1], CTL_PEER_DELETE, &w)->code == 0,
	    "peer delete");
}

static void
test_farewell(void)
{
	(void)ipc_send(node[4]->ch, PROC_STOP, 0, NULL);
	rig_check(rig_until(has_left, node[4], 3000),
	    "a node that stops says so to all");
	rig_check(!rig_until(is_looked_for, node[4], 2000),
	    "and nobody looks for it now");
	rig_check(node[4]->exited && WIFEXITED(node[4]->status) &&
		WEXITSTATUS(node[4]->status) == 0,
	    "and exits with 0");
	rig_check(node[4]->saved[PEERD_FILE_BOOK] > 0,
	    "its address book was saved");
	rig_start(node[4]);
	(void)rig_until(rig_all_ready, NULL, 5000);
	rig_siblings(node[4]);
	rig_check(rig_until(all_linked, NULL, 10000), "and it may come back");
}

static bool
reaped(void *arg)
{
	int *st = arg;

	return waitpid((pid_t)st[0], &st[1], WNOHANG) == (pid_t)st[0];
}

/* The client that knows nothing but the manual page. */
static void
test_client(const char *script)
{
	char port[8], netid[NODE_ID_HEX], id[NODE_ID_HEX];
	int st[2] = { 0, 0 };

	(void)snprintf(port, sizeof(port), "%u", node[0]->addr.port);
	(void)node_id_hex(rig.charter.netid, netid);
	(void)node_id_hex(node[0]->id, id);
	st[0] = (int)fork();
	if (st[0] == 0) {
		(void)execl(PYTHON, PYTHON, script, "127.0.0.2", port, netid,
		    id, (char *)NULL);
		_exit(127);
	}
	rig_check(rig_until(reaped, st, 20000) && WIFEXITED(st[1]) &&
		WEXITSTATUS(st[1]) == 0,
	    "a client written from the page");
}

static void
test_alive(void)
{
	size_t i;

	for (i = 0; i < N; i++)
		rig_check(!node[i]->exited && rig_stat(node[i], "links") > 0,
		    "node %zu lives on", i);
}

int
main(int argc, char **argv)
{
	const char *client = NULL;

	if (!rig_begin(argc, argv, &client))
		return 64;
	test_mesh();
	test_stun_change();
	test_show();
	test_kill();
	test_edit();
	test_lan();
	rig_bad_inputs(node[0], node[1]);
	rig_crowd(node[0]);
	if (client != NULL)
		test_client(client);
	test_farewell();
	test_alive();
	return rig_finish();
}
