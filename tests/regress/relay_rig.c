/* SPDX-License-Identifier: ISC */
/*
 * Loops through relays: nodes nobody can dial, and the ones between them.
 *
 *	usage: relay_rig [-v] [-p PEERD]
 */
#include "tests/regress/loops_app.h"
#include "tests/regress/peerd_bad.h"

enum { P, Q, A, B, C, D, E, NODES };

static struct rig_node *node[NODES];
static struct app *app[NODES];

static void
start_one(unsigned i, struct rig_node *boot, bool nat, uint8_t reserve)
{
	node[i] = rig_node_new(60 + i);
	node[i]->bootstrap = boot == NULL ? node[i]->addr : boot->addr;
	node[i]->nat = nat;
	node[i]->conf.relay = !nat;
	node[i]->conf.relay_reserve = reserve;
	node[i]->conf.republish_ms = 100;
	rig_start(node[i]);
	(void)rig_until(rig_all_ready, NULL, 5000);
	rig_siblings(node[i]);
	app[i] = app_start(node[i]);
}

static bool
knows(void *arg)
{
	unsigned *p = arg;
	struct rig_node *pair[2] = { node[p[0]], node[p[1]] };

	return rig_pair_known(pair);
}

static bool
wait_known(unsigned a, unsigned b)
{
	unsigned p[2] = { a, b };

	return rig_until(knows, p, 8000);
}

/* A loop from a to b; what the app reads when there is none. */
static struct app_loop *
open_loop(unsigned a, unsigned b, uint16_t port, uint16_t seed, uint64_t want)
{
	struct app_loop *l = app_open(app[a], node[b]->id, port, seed, want);

	(void)rig_until(is_answered, l, 20000);
	return l;
}

/* The same, again while the record that names the relay is on its way. */
static struct app_loop *
open_soon(unsigned a, unsigned b, uint16_t port, uint16_t seed)
{
	struct mono end = mono_add_ms(mono_now(), 8000);
	struct app_loop *l = open_loop(a, b, port, seed, 0);

	while (l->refused && !mono_reached(end, mono_now())) {
		l->used = false;
		l = open_loop(a, b, port, seed, 0);
	}
	return l;
}

/* Until every circuit has ended, so that the next is made anew. */
static void
wait_no_circuits(void)
{
	(void)rig_wait_stat_is(node[P], "relay_circuits", 0, 8000);
}

static void
restart(unsigned i)
{
	rig_kill(node[i]);
	rig_start(node[i]);
	(void)rig_until(rig_all_ready, NULL, 5000);
	rig_siblings(node[i]);
	app[i] = app_start(node[i]);
	wait_no_circuits();
}

static bool
filled(void *arg)
{
	struct app_loop *l = arg, *far = far_end(app[B], l->seed);

	return l->over ||
	    (far != NULL && l->in >= l->want && far->in >= far->want);
}

/* What each of the three tells its operator; 8 MiB went each way. */
static void
check_show(void)
{
	const struct rig_answer *a = rig_ask(node[P], CTL_SHOW_RELAY, NULL);
	uint64_t back;

	rig_check(a->relay.enabled && a->relay.max_circuits == 128 &&
		a->relay.opened == 1 && a->relay.reserved == 1 &&
		a->relay.bytes > 16u << 20 && a->relay.refused == 0,
	    "show relay: what it may, and did");
	rig_check(a->n_res == 1 && a->res.circuits == 1 &&
		memcmp(a->res.node, node[B]->id, 32) == 0 &&
		a->res.bytes_left == (1u << 30) - a->relay.bytes &&
		a->res.seconds_left > 3500 && a->res.seconds_left < 3600,
	    "for whom, and what that one has left: %llu",
	    (unsigned long long)a->res.bytes_left);
	rig_check(a->n_circuits == 1 && a->circuit.reserved &&
		memcmp(a->circuit.from, node[A]->id, 32) == 0 &&
		memcmp(a->circuit.to, node[B]->id, 32) == 0 &&
		a->circuit.bytes_from > 8u << 20 &&
		a->circuit.bytes_from + a->circuit.bytes_to == a->relay.bytes,
	    "between whom, and how much each sent: %llu, %llu",
	    (unsigned long long)a->circuit.bytes_from,
	    (unsigned long long)a->circuit.bytes_to);
	back = a->circuit.bytes_to;
	rig_check(a->n_own == 0 && a->n_links == 0 && !a->relay.reserving,
	    "it uses nobody itself");
	a = rig_ask(node[A], CTL_SHOW_RELAY, NULL);
	rig_check(!a->relay.enabled && a->n_own == 0 && a->n_links == 1 &&
		a->link.up && !a->link.inbound && a->link.loops == 2 &&
		a->link.bytes_in == back &&
		memcmp(a->link.via, node[P]->id, 32) == 0 &&
		memcmp(a->link.node, node[B]->id, 32) == 0,
	    "show relay: who opened it");
	a = rig_ask(node[B], CTL_SHOW_RELAY, NULL);
	rig_check(a->n_own == 1 && a->own.granted && a->relay.reserving &&
		a->own.bytes_left == 1u << 30 && a->own.said_s < 60 &&
		memcmp(a->own.node, node[P]->id, 32) == 0,
	    "show relay: who has reserved");
	rig_check(a->n_links == 1 && a->link.up && a->link.inbound &&
		a->link.bytes_out == back &&
		memcmp(a->link.node, node[A]->id, 32) == 0,
	    "and is reached by it");
}

/* The connection over the relay has a line of its own, and no address. */
static void
check_peers(void)
{
	struct msg_ctl_word w = { .word = "loops" };
	const struct rig_answer *a = rig_ask(node[A], CTL_SHOW_PEERS, &w);

	rig_check(a->n_peers == 1 && a->peer.role == PEER_ROLE_CIRCUIT &&
		a->peer.dir == PEER_DIR_OUT && a->peer.status == PEER_ACTIVE &&
		a->peer.addr.fam == NADDR_NONE && a->peer.known &&
		a->peer.bytes_out > 8u << 20 &&
		memcmp(a->peer.id, node[B]->id, 32) == 0 &&
		memcmp(a->peer.via, node[P]->id, 32) == 0,
	    "show peers: the link over the relay");
	(void)strlcpy(w.word, "up", sizeof(w.word));
	rig_check(rig_ask(node[A], CTL_SHOW_PEERS, &w)->n_peers == 2,
	    "beside the link to the relay");
	rig_check(rig_ask(node[A], CTL_SHOW_STATUS, NULL)->status.peers_up ==
		    1 &&
		node[A]->answer.status.loop_links == 1,
	    "show status: one peer, one link for loops");
	(void)sodium_bin2hex(w.word, sizeof(w.word), node[B]->id, 32);
	rig_check(rig_ask(node[A], CTL_SHOW_PEER, &w)->peer.role ==
		PEER_ROLE_CIRCUIT,
	    "show peer: with the only link there is");
	/* Nobody but operators. */
	rig_check(rig_peer(node[A], node[B]->id)->role == PEER_ROLE_NONE &&
		rig_peer(node[A], node[B]->id)->status == PEER_PENDING,
	    "the API is not told of it");
}

static bool
two_paths(void *arg)
{
	(void)arg;
	return rig_stat(node[A], "direct_found") == 1 &&
	    rig_stat(node[B], "direct_found") == 1;
}

/* A can be dialled after all: B, whom it has called, sees to a link. */
static void
test_direct(void)
{
	struct app_loop *old = open_loop(A, B, 10, 53, 0), *l;
	const struct rig_answer *a;

	rig_check(old->opened && old->relayed &&
		rig_wait_stat(node[B], "direct_tries", 2, 8000),
	    "beside a circuit a direct link is looked for");
	a = rig_ask(node[B], CTL_SHOW_RELAY, NULL);
	rig_check(a->n_links == 1 && !a->link.direct && a->link.tries >= 2 &&
		a->link.next_s < 60 &&
		strcmp(a->link.error, "connection timed out") == 0,
	    "and it is shown why there is none: %s", a->link.error);
	/* A full node dials nobody for gossip, which would be a link, too. */
	node[B]->conf.max_peers = 1;
	rig_send_settings(node[B], 64);
	node[A]->nat = false;
	rig_check(rig_until(two_paths, NULL, 15000), "it comes about");
	l = open_loop(A, B, 10, 54, 0);
	ping(app[A], l, 64);
	ping(app[A], old, 64);
	rig_check(l->opened && !l->relayed && l->in == 64,
	    "the next loop takes it");
	rig_check(old->relayed && !old->over && old->in == 64,
	    "the one under way stays where it is");
	a = rig_ask(node[A], CTL_SHOW_LOOP_PATHS, NULL);
	rig_check(a->n_paths == 2, "each is shown as it is");
	a = rig_ask(node[A], CTL_SHOW_RELAY, NULL);
	rig_check(a->link.direct && a->link.loops == 1,
	    "the circuit has the old one alone");
	rig_check(rig_stat(node[A], "direct_tries") +
		    rig_stat(node[B], "direct_tries") <
		16,
	    "with few attempts");
	rig_check(rig_stat(node[B], "links") == 1 &&
		rig_stat(node[B], "loop_links") == 1,
	    "and no more than a link for loops");
	node[A]->nat = true;
	node[B]->conf.max_peers = rig_conf.max_peers;
	rig_send_settings(node[B], 64);
	app_close(app[A], l);
	app_close(app[A], old);
}

/* By hand, as any link is ended. */
static void
test_disconnect(void)
{
	struct app_loop *l = open_loop(A, B, 10, 52, 0);
	struct msg_ctl_word w;

	(void)sodium_bin2hex(w.word, sizeof(w.word), node[B]->id, 32);
	rig_check(l->opened &&
		rig_ask(node[A], CTL_PEER_DISCONNECT, &w)->code == 0 &&
		rig_until(is_over, l, 1000) && l->why == LOOP_END_LOST,
	    "an operator ends links for loops");
	wait_no_circuits();
}

static void
test_reserved(void)
{
	struct app_loop *l, *far, *m;
	const struct rig_answer *a;
	struct mono t;
	bool good;

	start_one(P, NULL, false, 2);
	start_one(A, node[P], true, 2);
	start_one(B, node[P], true, 1);
	rig_check(rig_wait_stat(node[P], "relay_reservations", 1, 5000) &&
		rig_wait_stat(node[B], "relay_own", 1, 2000),
	    "a node that nobody can dial reserves at a relay");
	rig_check(wait_known(A, B), "it is heard of");
	t = mono_now();
	l = open_loop(A, B, 20, 41, 8u << 20);
	rig_check(l->opened && l->relayed, "a loop is opened in %lld ms: %s",
	    (long long)mono_ms_between(t, mono_now()), l->text);
	good = rig_until(filled, l, 60000);
	rig_check(good, "8 MiB each way in %lld ms",
	    (long long)mono_ms_between(t, mono_now()));
	far = far_end(app[B], 41);
	rig_check(far != NULL && !far->wrong && !l->wrong && far->relayed,
	    "every byte was right");
	m = open_loop(A, B, 10, 42, 0);
	ping(app[A], m, 64);
	rig_check(m->in == 64 && rig_stat(node[P], "relay_circuits") == 1,
	    "the next loop uses the same circuit");
	rig_check(rig_stat(node[P], "relay_bytes") > 16u << 20,
	    "the relay has counted: %llu",
	    (unsigned long long)rig_stat(node[P], "relay_bytes"));
	a = rig_ask(node[A], CTL_SHOW_LOOP_PATHS, NULL);
	rig_check(a->n_paths == 2 && a->path.relayed &&
		memcmp(a->path.via, node[P]->id, 32) == 0,
	    "and it is shown by way of whom");
	rig_check(rig_stat(node[A], "links") == 1 &&
		rig_stat(node[B], "links") == 1,
	    "nobody takes it for a peer");
	check_show();
	check_peers();
	app_close(app[A], l);
	app_close(app[A], m);
}

/* The relay reads only noise, and what it changes is noticed by the ends;
 * here it dies. */
static void
test_relay_dies(void)
{
	struct app_loop *l = open_loop(A, B, 10, 43, 0);
	struct mono t;

	rig_check(l->opened, "a loop by a relay that will die");
	t = mono_now();
	(void)kill(node[P]->pid, SIGKILL);
	(void)rig_until(is_over, l, 1000);
	rig_check(l->why == LOOP_END_LOST, "it is lost within %lld ms",
	    (long long)mono_ms_between(t, mono_now()));
	restart(P);
	rig_check(rig_wait_stat(node[P], "relay_reservations", 1, 10000),
	    "the node reserves anew");
}

static void
test_used_up(void)
{
	struct app_loop *l;

	node[P]->conf.relay_bytes = 2u << 20;
	rig_send_settings(node[P], 64);
	start_one(C, node[P], true, 1);
	rig_check(wait_known(A, C) &&
		rig_wait_stat(node[C], "relay_own", 1, 5000),
	    "another reserves less");
	l = open_loop(A, C, 20, 44, 8u << 20);
	(void)rig_until(is_over, l, 10000);
	rig_check(l->opened && l->why == LOOP_END_LIMIT,
	    "when it is used up, the loop ends for that: %u", l->why);
	l = open_loop(A, C, 20, 45, 0);
	rig_check(l->refused &&
		strcmp(l->text,
		    "transport: relay refused: relay: reservation used up") ==
		    0,
	    "and the next is refused: %s", l->text);
}

static void
test_unreserved(void)
{
	struct app_loop *l;

	start_one(D, node[P], true, 2);
	rig_check(wait_known(A, D), "one that has not reserved");
	l = open_loop(A, D, 20, 46, 8u << 20);
	(void)rig_until(is_over, l, 10000);
	rig_check(l->opened && l->relayed && l->why == LOOP_END_LIMIT,
	    "gets a mebibyte: %u", l->why);
	wait_no_circuits();
	node[P]->conf.relay_free_s = 1;
	rig_send_settings(node[P], 64);
	l = open_loop(A, D, 10, 47, 0);
	(void)rig_until(is_over, l, 4000);
	rig_check(l->opened && l->why == LOOP_END_LIMIT, "or its time: %u",
	    l->why);
}

static void
test_caps(void)
{
	const struct rig_answer *a;
	struct app_loop *l;

	wait_no_circuits();
	node[P]->conf.relay_circuits = 0;
	rig_send_settings(node[P], 64);
	l = open_loop(A, B, 10, 48, 0);
	rig_check(strcmp(l->text,
		      "transport: relay refused: relay: no circuits left") == 0,
	    "no circuits: %s", l->text);
	node[P]->conf.relay = false;
	rig_send_settings(node[P], 64);
	l = open_loop(A, B, 10, 49, 0);
	rig_check(strcmp(l->text,
		      "transport: relay refused: relay: switched off") == 0,
	    "switched off: %s", l->text);
	a = rig_ask(node[P], CTL_SHOW_RELAY, NULL);
	rig_check(!a->relay.enabled && a->relay.max_circuits == 0 &&
		a->relay.n_refusals >= 2 &&
		strcmp(a->relay.refusals[0].reason, "switched off") == 0 &&
		strcmp(a->relay.refusals[1].reason, "no circuits left") == 0,
	    "and the relay knows why it refused");
	node[P]->conf.relay_circuits = 128;
	node[P]->conf.relay = true;
	node[P]->conf.relay_s = 4;
	node[P]->conf.relay_bytes = 1 << 30;
	rig_send_settings(node[P], 64);
}

/* Reservations of four seconds: renewed while the node is there. */
static void
test_expiry(void)
{
	struct app_loop *l;

	node[D]->conf.relay_reserve = 1;
	rig_send_settings(node[D], 64);
	rig_check(rig_wait_stat(node[D], "relay_own", 1, 8000),
	    "a short reservation");
	l = open_loop(A, D, 10, 50, 0);
	rig_rest(6000);
	ping(app[A], l, 64);
	rig_check(l->opened && !l->over && l->in == 64, "is renewed in time");
	node[D]->conf.relay_reserve = 2;
	rig_send_settings(node[D], 64);
	(void)rig_until(is_over, l, 8000);
	rig_check(l->over && l->why == LOOP_END_LIMIT, "or runs out: %u",
	    l->why);
}

/* E is linked to Q alone, A to P alone, P and Q to each other. */
static void
test_two_relays(void)
{
	struct app_loop *l;

	node[P]->conf.relay_s = 3600;
	rig_send_settings(node[P], 64);
	start_one(Q, node[P], false, 2);
	node[A]->shuns[0] = node[Q];
	node[A]->conf.relay_reserve = 1;
	rig_send_settings(node[A], 64);
	restart(A);
	node[E] = rig_node_new(60 + E);
	node[E]->shuns[0] = node[P];
	node[E]->nat = true;
	node[E]->bootstrap = node[Q]->addr;
	node[E]->conf.relay_reserve = 1;
	node[E]->conf.republish_ms = 100;
	rig_start(node[E]);
	(void)rig_until(rig_all_ready, NULL, 5000);
	rig_siblings(node[E]);
	app[E] = app_start(node[E]);
	rig_check(wait_known(A, E) &&
		rig_wait_stat(node[E], "relay_own", 1, 5000) &&
		rig_wait_stat(node[A], "relay_own", 1, 5000),
	    "two nodes with a relay each");
	l = open_soon(A, E, 10, 51);
	ping(app[A], l, 64);
	rig_check(l->opened && l->relayed && l->in == 64,
	    "a loop through both: %s", l->text);
	rig_check(rig_stat(node[P], "relay_circuits") > 0 &&
		rig_stat(node[Q], "relay_circuits") == 1,
	    "each carries it");
	app_close(app[A], l);
}

static void
test_alive(void)
{
	size_t i;

	for (i = 0; i < NODES; i++)
		rig_check(!node[i]->exited && app[i]->strays == 0 &&
			rig_stat(node[i], "protocol_errors") == 0,
		    "node %zu lives on", i);
}

int
main(int argc, char **argv)
{
	if (!rig_begin(argc, argv, NULL))
		return 64;
	test_reserved();
	test_direct();
	test_disconnect();
	test_relay_dies();
	test_used_up();
	test_unreserved();
	test_caps();
	test_expiry();
	test_two_relays();
	test_alive();
	return rig_finish();
}
