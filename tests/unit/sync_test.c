/* SPDX-License-Identifier: ISC */
/*
 * Whose turn it is: sessions of a node on virtual time, with peers that never
 * answer one.  However many there are, one we dialled gets its session.
 * What lies around sync.c is played here.
 */
#include "peerd/store/links.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "peerd/recon.h"

#define STRANGERS 100
#define DIALLED   (STRANGERS + 1)
#define TICK      7

struct store store;

static struct mono now, due;
static struct mtree tree;
static void (*on_timer)(evutil_socket_t fd, short what, void *arg);
static struct link_peer peers[DIALLED + 1];
static unsigned begun[DIALLED + 1];

/* --- what is played --- */

struct mono
mono_now(void)
{
	return now;
}

struct wall
wall_now(void)
{
	return (struct wall){ now.us / 1000 };
}

uint64_t
recstore_tick(const struct recstore *rs)
{
	(void)rs;
	return TICK;
}

struct wall
recstore_due(const struct recstore *rs, struct wall t)
{
	(void)rs;
	return t;
}

const struct mtree *
recstore_tree(const struct recstore *rs)
{
	(void)rs;
	return &tree;
}

size_t
recstore_late(const struct recstore *rs)
{
	(void)rs;
	return 0;
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
	on_timer = cb;
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
net_score(uint32_t link, uint8_t event)
{
	(void)link;
	(void)event;
}

void
since_synced(struct link_peer *p)
{
	(void)p;
}

struct link_peer *
links_find(uint32_t link)
{
	return link != 0 && link <= DIALLED ? &peers[link] : NULL;
}

bool
links_may_send(const struct link_peer *p)
{
	(void)p;
	return true;
}

bool
links_send(struct link_peer *p, const void *msg, size_t len)
{
	(void)msg;
	(void)len;
	begun[p->link]++;
	return true;
}

/* --- the stage --- */

static void *
get(void *arg, size_t len)
{
	(void)arg;
	return malloc(len);
}

static void
put(void *arg, void *p, size_t len)
{
	(void)arg;
	(void)len;
	free(p);
}

static void
run(unsigned seconds)
{
	struct mono end = mono_add_ms(now, (int64_t)seconds * 1000);

	while (!mono_before(end, due)) {
		if (mono_before(now, due))
			now = due;
		due = MONO_NEVER;
		on_timer(-1, 0, NULL);
	}
	now = end;
}

static int
setup(void **state)
{
	const struct mtree_mem mem = { get, put, NULL };
	struct link_peer *p;

	(void)state;
	now = (struct mono){ 1000000 };
	mtree_init(&tree, &mem, 0);
	assert_int_equal(mtree_apply(&tree, TICK, NULL, 0), MTREE_OK);
	for (p = peers + 1; p <= peers + DIALLED; p++) {
		p->link = (uint32_t)(p - peers);
		p->outbound = p->link == DIALLED;
		p->root.tick = TICK;
		p->has_root = true;
		p->odd = 1;
	}
	sync_start();
	return 0;
}

static uint64_t waiting, refused;

static void
on_limit(void *arg, const char *name, uint64_t n, uint64_t max, uint64_t no)
{
	(void)arg;
	(void)name;
	assert_true(n <= max);
	waiting = n;
	refused = no;
}

static void
test_dialled_first(void **state)
{
	unsigned i, n = 0;

	(void)state;
	for (i = 1; i <= STRANGERS; i++)
		sync_wanted(&peers[i], true);
	sync_limits(on_limit, NULL);
	assert_true(refused > 0 && waiting + refused == STRANGERS);
	sync_wanted(&peers[DIALLED], true);
	sync_limits(on_limit, NULL);
	assert_int_equal(waiting + refused, DIALLED);
	run(1);
	assert_int_equal(begun[DIALLED], 1);
	run(RECON_SILENCE_MS / 1000 + 1);
	assert_int_equal(begun[DIALLED], 1);
	for (i = 1; i <= STRANGERS; i++)
		n += begun[i];
	assert_true(n > 0); /* while it is silent itself, others have turns */
}

/* Nobody differs until the queue is empty; then those who are named. */
static void
only(uint32_t one, uint32_t other)
{
	uint32_t i;

	for (i = 1; i <= DIALLED; i++)
		peers[i].odd = 0;
	run(3600);
	sync_limits(on_limit, NULL);
	assert_int_equal(waiting, 0);
	memset(begun, 0, sizeof(begun));
	for (i = 1; i <= DIALLED; i++) {
		peers[i].odd = i == one || i == other;
		peers[i].silent = 0;
	}
}

/* Who is silent waits longer each time, and keeps nobody else waiting. */
static void
test_silent_waits(void **state)
{
	unsigned i;

	(void)state;
	only(1, DIALLED);
	for (i = 0; i < 360; i++) {
		sync_wanted(&peers[1], true);
		sync_wanted(&peers[DIALLED], true);
		run(10);
	}
	assert_in_range(begun[1], 8, 16);
	assert_in_range(begun[DIALLED], 8, 16);
}

/* A session that goes on by words alone leaves room after a minute. */
static void
test_dripping(void **state)
{
	unsigned i;

	(void)state;
	only(2, 3);
	sync_wanted(&peers[2], true);
	run(1);
	sync_wanted(&peers[3], true);
	assert_int_equal(begun[2], 1);
	for (i = 0; i < RECON_LEASE_MS / 1000 + 2; i++) {
		sync_arrived(2);
		sync_key_arrived(peers[2].id, 5, false);
		sync_arrived(0);
		run(1);
	}
	assert_int_equal(begun[3], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialled_first),
		cmocka_unit_test(test_silent_waits),
		cmocka_unit_test(test_dripping),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
