/* SPDX-License-Identifier: ISC */
/*
 * A way to a node that loops want: a link is dialled to one address of it
 * after another, from its record, from warren.conf and from the address
 * book, until one comes up or time runs out.  Such a link carries loops and
 * nothing else; one that comes up for gossip meanwhile will do as well.
 */
#include <stdio.h>
#include <string.h>

#include "common/addr_policy.h"
#include "common/compat/compat.h"
#include "peerd/flow.h"

#define ADDRS_MAX 8
#define LOOK_MS   100

static struct reach {
	bool used, gathered, dialling;
	uint8_t node[32];
	struct mono due; /* for a direct link */
	struct naddr addrs[ADDRS_MAX];
	uint8_t n_addrs, next;
	char error[64]; /* of the last dial */
} reaches[REACHES_MAX];

static struct event *timer;

static struct reach *
reach_find(const uint8_t node[32])
{
	size_t i;

	for (i = 0; i < REACHES_MAX; i++)
		if (reaches[i].used && memcmp(reaches[i].node, node, 32) == 0)
			return &reaches[i];
	return NULL;
}

static struct reach *
reach_new(void)
{
	size_t i;

	for (i = 0; i < REACHES_MAX; i++)
		if (!reaches[i].used)
			return &reaches[i];
	return NULL;
}

/* --- where it may be --- */

static void
add_addr(struct reach *r, const struct naddr *a)
{
	uint8_t i;

	if (r->n_addrs == ADDRS_MAX || discover_is_self(a) ||
	    ban_find_addr(&peerd.bans, a, wall_now()) != NULL ||
	    !addr_policy(a, ADDR_DIAL, peerd.allow))
		return;
	for (i = 0; i < r->n_addrs; i++)
		if (naddr_equal(&r->addrs[i], a))
			return;
	r->addrs[r->n_addrs++] = *a;
}

/* False when nothing at all is known of the node. */
static bool
gather(struct reach *r)
{
	const struct known_node *n = known_find(&peerd.known, r->node);
	const struct target *t = targets_of_id(r->node);
	const struct abook_entry *e = NULL;
	struct naddr a;
	unsigned i;
	bool known = n != NULL || t != NULL;

	for (i = 0; n != NULL && nodes_dial_addr(n, i, &a); i++)
		add_addr(r, &a);
	for (i = 0; t != NULL && i < t->n_addrs; i++)
		add_addr(r, &t->addrs[i]);
	while ((e = abook_next(&peerd.book, e)) != NULL) {
		if (!e->has_id || memcmp(e->id, r->node, 32) != 0)
			continue;
		known = true;
		add_addr(r, &e->addr);
	}
	return known;
}

/* --- trying --- */

static void
give_up(struct reach *r, const char *text)
{
	uint8_t node[32];

	memcpy(node, r->node, 32);
	r->used = false;
	loops_unreached(node, text);
}

static void
fail(struct reach *r, const char *why)
{
	char text[LOOP_TEXT];

	(void)snprintf(text, sizeof(text), "transport: %s", why);
	give_up(r, text);
}

/* Dial the next address, unless somebody is at it already. */
static void
try_next(struct reach *r)
{
	struct dial_why why = { .kind = DIAL_LOOP, .has_key = true };

	memcpy(why.key, r->node, 32);
	while (r->next < r->n_addrs) {
		why.addr = r->addrs[r->next];
		if (asks_is_dialling(&why.addr, r->node) ||
		    conn_is_dialling(&why.addr) || !asks_dial(&why))
			return; /* look again soon */
		r->next++;
		r->dialling = true;
		return;
	}
	fail(r, r->error[0] != '\0' ? r->error : "no address to dial");
}

static void
step(struct reach *r, struct mono now)
{
	if (!r->gathered && !gather(r)) {
		give_up(r, "route finder: no such node");
		return;
	}
	r->gathered = true;
	if (!peerd.running || peerd.stopping)
		fail(r, "this node is not running");
	else if (ban_find_key(&peerd.bans, r->node, wall_now()) != NULL)
		fail(r, "banned");
	else if (mono_reached(r->due, now))
		fail(r, r->error[0] != '\0' ? r->error : "timed out");
	else if (!r->dialling)
		try_next(r);
}

static void
look(void)
{
	struct mono now = mono_now();
	bool more = false;
	size_t i;

	for (i = 0; i < REACHES_MAX; i++) {
		if (reaches[i].used)
			step(&reaches[i], now);
		more = more || reaches[i].used;
	}
	if (more)
		child_timer_set(timer, mono_add_ms(now, LOOK_MS), now);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	look();
}

void
route_init(void)
{
	timer = child_timer(on_timer, NULL);
}

bool
route_begin(const uint8_t node[32])
{
	struct mono now = mono_now();
	struct reach *r = reach_find(node);

	if (r != NULL)
		return true;
	if ((r = reach_new()) == NULL)
		return false;
	memset(r, 0, sizeof(*r));
	r->used = true;
	memcpy(r->node, node, 32);
	r->due = mono_add_ms(now, REACH_MS);
	child_timer_set(timer, now, now);
	return true;
}

void
route_linked(struct conn *c)
{
	struct reach *r = reach_find(c->id);

	if (r == NULL)
		return;
	r->used = false;
	loops_reached(c);
}

void
route_result(const struct dial_why *why, const uint8_t *id, const char *error)
{
	struct reach *r = reach_find(why->key);

	if (r == NULL)
		return;
	r->dialling = false;
	if (id != NULL)
		return; /* route_linked() comes next, or time runs out */
	(void)strlcpy(r->error, error, sizeof(r->error));
	step(r, mono_now());
}

void
route_limits(limit_emit emit, void *arg)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < REACHES_MAX; i++)
		n += reaches[i].used;
	emit(arg, "nodes looked for", n, REACHES_MAX, 0);
}
