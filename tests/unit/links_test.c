/* SPDX-License-Identifier: ISC */
/*
 * Peers as the store sees them, on virtual time: one that lies of its root
 * keeps nobody from comparing with the others, nor from fetching all of them.
 * What lies beneath links.c and bootstrap.c is played here.
 */
#include "peerd/store/links.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "peerd/store/fetchers.h"

#define TICK_MS 10000
#define LIAR    1
#define HONEST  4 /* on the links behind */

struct store store;

static struct mono now;
static struct recstore_root ours;
static void (*tick)(evutil_socket_t fd, short what, void *arg);
static struct mono due;
static unsigned syncs[LINKS_MAX + 2], fetches[LINKS_MAX + 2];
static unsigned pendings[LINKS_MAX + 2];
static uint16_t sids[LINKS_MAX + 2];

/* --- what is played --- */

struct mono
mono_now(void)
{
	return now;
}

struct wall
wall_now(void)
{
	return (struct wall){ INT64_C(1700000000000) + now.us / 1000 };
}

uint64_t
recstore_tick(const struct recstore *rs)
{
	(void)rs;
	return (uint64_t)wall_now().ms / TICK_MS - 1;
}

const struct recstore_root *
recstore_root(const struct recstore *rs, uint64_t t)
{
	return t == MSG_NULL64 || t == recstore_tick(rs) ? &ours : NULL;
}

uint64_t
recstore_pending(const struct recstore *rs)
{
	(void)rs;
	return 0;
}

const struct mtree *
recstore_tree(const struct recstore *rs)
{
	(void)rs;
	return NULL;
}

size_t
recstore_versions(struct recstore *rs, const uint8_t key[32],
    struct recstore_rec *out, size_t max)
{
	(void)rs;
	(void)key;
	(void)out;
	(void)max;
	return 0;
}

struct event *
child_timer(void (*cb)(evutil_socket_t, short, void *), void *arg)
{
	(void)arg;
	tick = cb;
	return NULL;
}

void
child_timer_set(struct event *ev, struct mono at, struct mono t)
{
	(void)ev;
	(void)t;
	due = at;
}

void
child_event(const char *source, const char *fmt, ...)
{
	(void)source;
	(void)fmt;
}

bool
net_message(uint32_t link, const void *msg, size_t len)
{
	struct wire_msg m;

	if (wire_decode(&m, LANE_SYNC, msg, len) == WIRE_OK &&
	    m.type == WIRE_FETCH) {
		fetches[link]++;
		sids[link] = m.sid;
	}
	return true;
}

bool
net_is_held(void)
{
	return false;
}

void
sync_wanted(struct link_peer *p, bool at_once)
{
	(void)at_once;
	syncs[p->link]++;
}

void
sync_message(struct link_peer *p, const void *msg, size_t len)
{
	(void)p;
	(void)msg;
	(void)len;
}

void
since_root(struct link_peer *p, bool equal)
{
	(void)p;
	(void)equal;
}

bool
since_pending(struct link_peer *p)
{
	pendings[p->link]++;
	return true;
}

void
since_asked(struct link_peer *p, const struct wire_msg *m)
{
	(void)p;
	(void)m;
}

void
serve_message(struct link_peer *p, const void *msg, size_t len)
{
	(void)p;
	(void)msg;
	(void)len;
}

void
fetchers_message(struct link_peer *p, const void *msg, size_t len)
{
	(void)p;
	(void)msg;
	(void)len;
}

void
fetchers_peer_up(const struct link_peer *p)
{
	(void)p;
}

void
fetchers_go_on(void)
{
}

#define IDLE(name)                                                             \
	void name(struct link_peer *p)                                         \
	{                                                                      \
		(void)p;                                                       \
	}
#define GONE(name)                                                             \
	void name(const struct link_peer *p)                                   \
	{                                                                      \
		(void)p;                                                       \
	}

void
sync_limits(limit_emit emit, void *arg)
{
	(void)emit;
	(void)arg;
}

IDLE(sync_go_on)
IDLE(since_go_on)
IDLE(serve_go_on)
GONE(sync_peer_gone)
GONE(since_peer_gone)
GONE(serve_peer_gone)
GONE(fetchers_peer_gone)

/* --- the stage --- */

static void
link_up(uint32_t link, bool outbound)
{
	struct msg_ps_peer p = { .link = link,
		.up = true,
		.outbound = outbound };

	put_u32(p.id, link);
	links_peer(&p);
}

static void
root(uint32_t link, uint64_t t, uint64_t cnt)
{
	struct wire_root r = { .tick = t, .cnt = cnt };
	uint8_t buf[WIRE_ROOT_MAX];
	struct wr w;

	put_u32(r.root, link);
	wr_init(&w, buf, sizeof(buf));
	wire_put_root(&w, &r);
	links_message(link, buf, w.len);
}

static void
fetched(uint32_t link, uint16_t sid)
{
	uint8_t buf[64], after[32] = { 1 };
	struct wr w;

	put_u32(after + 4, (uint32_t)(now.us / 1000));
	wr_init(&w, buf, sizeof(buf));
	wire_put_fetched(&w, sid, true, after);
	links_message(link, buf, w.len);
}

static void
begin(uint64_t have)
{
	uint32_t link;

	links_reset();
	if (tick != NULL)
		tick(-1, 0, NULL); /* nobody helps any more */
	memset(syncs, 0, sizeof(syncs));
	memset(fetches, 0, sizeof(fetches));
	memset(&ours, 0, sizeof(ours));
	store.rs = (struct recstore *)&store; /* only looked at */
	store.charter.tick_ms = TICK_MS;
	store.charter.settle_ms = TICK_MS;
	store.charter.future_ms = 60000;
	ours.top.cnt = have;
	/* What was barred before is long forgotten. */
	now = mono_add_ms(now, 3600000);
	due = MONO_NEVER;
	bootstrap_start();
	for (link = LIAR; link <= LIAR + HONEST; link++)
		link_up(link, false);
}

/* Run so long: the honest tell a root each tick, the liar talks on. */
static void
run(unsigned seconds, uint64_t honest_cnt)
{
	uint32_t link;
	unsigned s;

	for (s = 0; s < seconds; s++) {
		now = mono_add_ms(now, 1000);
		if (mono_reached(due, now)) {
			due = MONO_NEVER;
			tick(-1, 0, NULL);
		}
		if (s % 10 == 1)
			for (link = LIAR + 1; link <= LIAR + HONEST; link++)
				root(link, recstore_tick(NULL), honest_cnt);
		if (s % 10 == 5) {
			fetched(LIAR, 0);
			fetched(LIAR, sids[LIAR]);
		}
	}
}

/* A stranger with a huge count, at a tick nobody has, or at the next one. */
static void
test_liar_and_syncs(void **state)
{
	uint64_t ticks[2];
	unsigned i, k;

	(void)state;
	for (i = 0; i < 2; i++) {
		begin(5000);
		ticks[0] = UINT64_MAX / 2;
		ticks[1] = recstore_tick(NULL) + 1;
		root(LIAR, ticks[i], UINT64_C(1) << 60);
		assert_int_equal(fetches[LIAR] > 0, i == 1);
		run(60, 5000);
		for (k = LIAR + 1; k <= LIAR + HONEST; k++)
			assert_int_equal(syncs[k], 6);
		assert_int_equal(fetches[LIAR + 1], 0);
	}
}

/* The same before a node that has nothing: others help all the same. */
static void
test_liar_and_bootstrap(void **state)
{
	(void)state;
	begin(0);
	root(LIAR, recstore_tick(NULL) + 1, UINT64_C(1) << 60);
	assert_true(fetches[LIAR] > 0);
	run(5, 5000);
	assert_int_equal(fetches[LIAR + 1], 0); /* members come first */
	run(25, 5000);
	assert_true(fetches[LIAR + 1] > 0);
}

static uint64_t used, max, refused;

static void
on_limit(void *arg, const char *name, uint64_t n, uint64_t most, uint64_t no)
{
	(void)arg;
	if (strcmp(name, "links that are synced") != 0)
		return;
	used = n;
	max = most;
	refused = no;
}

/* However many strangers came before, the next link is synced as well. */
static void
test_many_links(void **state)
{
	uint32_t link;

	(void)state;
	begin(5000);
	for (link = LIAR + HONEST + 1; link <= LINKS_MAX; link++)
		link_up(link, false);
	root(4096, recstore_tick(NULL), 5000);
	root(LINKS_MAX, recstore_tick(NULL), 5000);
	assert_int_equal(syncs[4096], 1);
	assert_int_equal(syncs[LINKS_MAX], 1);
	links_limits(on_limit, NULL);
	assert_true(used == LINKS_MAX && max == LINKS_MAX && refused == 0);
	/* More than the settings allow: said, not kept silent. */
	link_up(LINKS_MAX + 1, false);
	links_limits(on_limit, NULL);
	assert_true(used == LINKS_MAX && refused == 1);
	/* A place that is free again is taken again. */
	links_peer(&(struct msg_ps_peer){ .link = 77 });
	link_up(LINKS_MAX + 1, false);
	root(LINKS_MAX + 1, recstore_tick(NULL), 5000);
	assert_int_equal(syncs[LINKS_MAX + 1], 1);
	links_reset();
	assert_null(links_next(NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_liar_and_syncs),
		cmocka_unit_test(test_liar_and_bootstrap),
		cmocka_unit_test(test_many_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
