/* SPDX-License-Identifier: ISC */
/*
 * Loops between real peerd processes, with an appd of the test's at each.
 *
 *	usage: loops_rig [-v] [-p PEERD]
 */
#include "tests/regress/loops_bad.h"

static struct rig_node *node[4];
static struct app *app[4];

/* --- the tests --- */

static void
start_nodes(void)
{
	size_t i;

	for (i = 0; i < 3; i++) {
		node[i] = rig_node_new((unsigned)(52 + i));
		node[i]->bootstrap = node[0]->addr;
		rig_start(node[i]);
	}
	rig_check(rig_until(rig_all_ready, NULL, 10000), "three nodes ready");
	for (i = 0; i < 3; i++) {
		rig_siblings(node[i]);
		app[i] = app_start(node[i]);
	}
	rig_check(rig_until(rig_pair_linked, node, 5000), "two are linked");
}

static void
test_open(void)
{
	struct app_loop *l = app_open(app[0], node[1]->id, 10, 5, 0), *far;

	rig_check(rig_until(is_answered, l, 3000) && l->opened && !l->relayed,
	    "a loop is opened");
	ping(app[0], l, 64);
	rig_check(l->in == 64 && !l->over, "64 bytes come back");
	far = far_end(app[1], 5);
	app_close(app[0], l);
	rig_check(far != NULL && rig_until(is_over, far, 1000) &&
		far->why == LOOP_END_CLOSED,
	    "closed here, closed there");
	rig_check(strcmp(answer(app[0], node[1]->id, 1, 3000),
		      "no listener on port 1") == 0,
	    "refused in appd's own words");
	rig_check(strcmp(answer(app[0], node[0]->id, 10, 3000),
		      "transport: that is this node itself") == 0,
	    "not to ourselves");
}

static void
test_unknown(void)
{
	uint8_t id[32] = { 1, 2, 3 };

	rig_check(strcmp(answer(app[0], id, 10, 3000),
		      "route finder: no such node") == 0,
	    "a node nobody knows");
}

/* Close before the answer, on either side. */
static void
test_early_close(void)
{
	struct app_loop *l = app_open(app[0], node[1]->id, 40, 77, 0), *far;
	struct mono pause = mono_add_ms(mono_now(), 100);

	while ((far = far_end(app[1], 77)) == NULL &&
	    !mono_reached(mono_add_ms(pause, 2000), mono_now()))
		(void)event_base_loop(rig.base, EVLOOP_ONCE);
	app_close(app[0], l);
	rig_check(far != NULL && rig_until(is_over, far, 1000),
	    "closed before it was accepted");
	l = app_open(app[0], node[1]->id, 40, 78, 0);
	while ((far = far_end(app[1], 78)) == NULL)
		(void)event_base_loop(rig.base, EVLOOP_ONCE);
	app_close(app[1], far);
	far->used = false;
	rig_check(rig_until(is_answered, l, 1000) && l->refused,
	    "closed instead of answered: %s", l->text);
}

/* --- much at once --- */

#define MANY 16
#define MUCH (8ull << 20)

static struct app_loop *many[MANY];

static bool
many_done(void *arg)
{
	struct app_loop *far;
	size_t i;

	(void)arg;
	for (i = 0; i < MANY; i++) {
		far = far_end(app[1], many[i]->seed);
		if (many[i]->over || far == NULL)
			return many[i]->over;
		if (many[i]->in < MUCH || far->in < MUCH)
			return false;
	}
	return true;
}

static void
test_many(void)
{
	struct app_loop *mute, *small, *far;
	struct mono began = mono_now(), t;
	int64_t ms, worst = 0;
	bool good = true;
	size_t i;

	mute = app_open(app[0], node[1]->id, 30, 300, MUCH);
	small = app_open(app[0], node[1]->id, 10, 301, 0);
	for (i = 0; i < MANY; i++)
		many[i] = app_open(app[0], node[1]->id, 20, (uint16_t)(100 + i),
		    MUCH);
	(void)rig_until(is_answered, small, 3000);
	for (i = 0; i < 10; i++) {
		t = mono_now();
		ping(app[0], small, 64);
		if ((ms = mono_ms_between(t, mono_now())) > worst)
			worst = ms;
	}
	rig_check(small->in == 640,
	    "a small loop beside them: at worst %lld ms", (long long)worst);
	good = rig_until(many_done, NULL, 60000);
	rig_check(good, "%d loops of %llu MiB each way in %lld ms", MANY,
	    MUCH >> 20, (long long)mono_ms_between(began, mono_now()));
	for (i = 0; i < MANY; i++) {
		far = far_end(app[1], many[i]->seed);
		good = good && far != NULL && !far->wrong && !many[i]->wrong &&
		    far->in == MUCH && many[i]->in == MUCH;
		app_close(app[0], many[i]);
	}
	rig_check(good, "every byte was right");
	far = far_end(app[1], 300);
	rig_check(far != NULL && far->in == APP_WINDOW &&
		mute->out > APP_WINDOW &&
		mute->out <= APP_WINDOW + LOOP_HOP_WINDOW,
	    "one that is not read holds: %llu sent, %llu there",
	    (unsigned long long)mute->out,
	    far == NULL ? 0 : (unsigned long long)far->in);
	if (far != NULL) /* what it was never granted would linger */
		app_close(app[1], far);
	app_close(app[0], small);
	rig_check(rig_stat(node[0], "protocol_errors") == 0 &&
		rig_stat(node[0], "bans") == 0,
	    "nobody broke a rule");
}

#define THOUSAND 1000

static bool
crowd_answered(void *arg)
{
	size_t i, n = 0;

	(void)arg;
	for (i = 0; i < APP_LOOPS; i++)
		n += app[0]->loops[i].used && app[0]->loops[i].seed == 500 &&
		    app[0]->loops[i].opened;
	return n == THOUSAND;
}

static void
test_crowd(void)
{
	size_t i;

	for (i = 0; i < APP_LOOPS; i++)
		if (app[0]->loops[i].over)
			app[0]->loops[i].used = false;
	for (i = 0; i < THOUSAND; i++)
		(void)app_open(app[0], node[1]->id, 10, 500, 0);
	rig_check(rig_until(crowd_answered, NULL, 10000), "%d loops", THOUSAND);
	for (i = 0; i < APP_LOOPS; i++)
		if (app[0]->loops[i].used)
			app_close(app[0], &app[0]->loops[i]);
	rig_check(rig_wait_stat_is(node[1], "streams", 0, 5000) &&
		rig_wait_stat_is(node[0], "streams", 0, 5000),
	    "and none is left");
	for (i = 0; i < APP_LOOPS; i++)
		app[0]->loops[i].used = false;
}

/* appd dies: the other end hears of it; a new one finds a clean table. */
static void
test_appd_dies(void)
{
	struct app_loop *l = app_open(app[0], node[1]->id, 10, 6, 0), *far;

	(void)rig_until(is_answered, l, 3000);
	app_stop(app[1]);
	rig_check(rig_until(is_over, l, 1000) && l->why == LOOP_END_CLOSED,
	    "an appd that dies closes its loops");
	rig_check(strcmp(answer(app[0], node[1]->id, 10, 3000),
		      "transport: no apps there") == 0,
	    "no appd, no loops");
	app[1] = app_start(node[1]);
	l = app_open(app[0], node[1]->id, 10, 7, 0);
	rig_check(rig_until(is_answered, l, 3000) && l->opened,
	    "the next appd takes loops");
	far = far_end(app[1], 7);
	rig_check(app[1]->strays == 0 && far != NULL,
	    "and hears of no old one");
	app_close(app[0], l);
}

/* --- dialling for a loop, and a node that dies --- */

static void
test_dial(void)
{
	struct msg_ctl_word w = { .word = "loops" };
	struct rig_node *far[2];
	struct app_loop *l;
	uint64_t links;

	node[3] = rig_node_new(56);
	far[0] = node[0];
	far[1] = node[3];
	node[3]->bootstrap = node[1]->addr;
	node[0]->nat = node[3]->nat = true;
	rig_start(node[3]);
	(void)rig_until(rig_all_ready, NULL, 5000);
	rig_siblings(node[3]);
	app[3] = app_start(node[3]);
	rig_check(rig_until(rig_pair_known, far, 5000), "a node is heard of");
	rig_check(strcmp(answer(app[0], node[3]->id, 10, 15000),
		      "transport: connection timed out") == 0,
	    "it cannot be dialled, and why");
	links = rig_stat(node[0], "links");
	node[3]->nat = false;
	l = app_open(app[0], node[3]->id, 10, 8, 0);
	rig_check(rig_until(is_answered, l, 5000) && l->opened,
	    "once it can be, a loop is opened: %s", l->text);
	ping(app[0], l, 1000);
	rig_check(l->in == 1000, "and carries");
	rig_check(rig_stat(node[0], "loop_links") == 1 ||
		rig_stat(node[0], "links") > links,
	    "by a link of its own: %llu",
	    (unsigned long long)rig_stat(node[0], "loop_links"));
	rig_check(rig_ask(node[0], CTL_SHOW_PEERS, &w)->n_peers ==
		    rig_stat(node[0], "loop_links") &&
		(node[0]->answer.n_peers == 0 ||
		    (node[0]->answer.peer.role == PEER_ROLE_LOOPS &&
			naddr_equal(&node[0]->answer.peer.addr,
			    &node[3]->addr) &&
			memcmp(node[0]->answer.peer.id, node[3]->id, 32) == 0)),
	    "which is shown as one");
}

static void
test_kill(void)
{
	struct app_loop *l = app_open(app[0], node[3]->id, 10, 11, 0);
	struct mono t;

	(void)rig_until(is_answered, l, 3000);
	rig_check(l->opened, "a loop to the node that dies");
	t = mono_now();
	(void)kill(node[3]->pid, SIGKILL);
	(void)rig_until(is_over, l, 1000);
	rig_check(l->over && l->why == LOOP_END_LOST,
	    "it is lost within %lld ms",
	    (long long)mono_ms_between(t, mono_now()));
	(void)rig_until(rig_has_exited, node[3], 3000);
	l = app_open(app[0], node[3]->id, 10, 12, 0);
	rig_check(rig_until(is_answered, l, 12000) && l->refused &&
		strncmp(l->text, "transport: ", 11) == 0,
	    "and cannot be reached: %s", l->text);
}

/* Strangers do what they like, and a loop of others' goes on beside them. */
static void
test_strangers(void)
{
	struct app_loop *l = app_open(app[0], node[1]->id, 10, 90, 0);

	(void)rig_until(is_answered, l, 3000);
	node[2]->conf.relay = true;
	rig_send_settings(node[2], 64);
	node[1]->conf.relay = true;
	rig_send_settings(node[1], 64);
	loops_bad_inputs(node[2], node[1]);
	ping(app[0], l, 100);
	rig_check(l->opened && !l->over && l->in == 100,
	    "a loop of others is none the worse");
	app_close(app[0], l);
}

static void
test_alive(void)
{
	size_t i;

	for (i = 0; i < 3; i++)
		rig_check(!node[i]->exited && app[i]->strays == 0 &&
			node[i]->appd != NULL,
		    "node %zu lives on", i);
}

int
main(int argc, char **argv)
{
	if (!rig_begin(argc, argv, NULL))
		return 64;
	start_nodes();
	test_open();
	test_unknown();
	test_early_close();
	test_many();
	test_crowd();
	test_appd_dies();
	test_dial();
	test_kill();
	test_strangers();
	test_alive();
	return rig_finish();
}
