/* SPDX-License-Identifier: ISC */
/*
 * A way to a node that loops want.  A link is dialled to one address of it
 * after another, from its record, from warren.conf and from the address
 * book; such a link carries loops and nothing else, and one that comes up
 * for gossip meanwhile will do as well.  When that fails or takes long, or
 * when the node has said that others relay for it, relays are asked for a
 * circuit: those it named, then some neighbours, then one it named by way of
 * our own.  The first link that comes up serves all who wait.
 */
#include <stdio.h>
#include <string.h>

#include "common/addr_policy.h"
#include "common/compat/compat.h"
#include "peerd/flow.h"

#define ADDRS_MAX  8
#define LOOK_MS    100
#define ALONE_MS   2000  /* a direct link gets so long before relays help */
#define RELAYED_MS 15000 /* for everything */
#define VIA_MS     5000  /* for a link to a relay */
#define TRIES_MAX  3     /* relays asked */

/* What goes on with relays. */
enum relayed {
	RELAY_NOT_YET,
	RELAY_NEXT,
	RELAY_DIALLING,
	RELAY_ASKED,
	RELAY_OUT
};

static struct reach {
	bool used, gathered, dialling;
	bool out;    /* no address is left to dial */
	bool direct; /* only a direct link will do */
	uint8_t node[32];
	struct mono began, due; /* due: the end of direct attempts */
	struct naddr addrs[ADDRS_MAX];
	uint8_t n_addrs, next;
	char error[64];  /* of the last dial */
	uint8_t relayed; /* enum relayed */
	uint8_t vias[TRIES_MAX][32];
	uint8_t n_vias, n_named, via; /* named by the node, then neighbours */
	bool by_own;                  /* the last try, by our own relay */
	struct mono asked;
	uint8_t rank; /* how much the refusal tells */
	char refusal[WIRE_TEXT_MAX + 1];
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

static bool
begin(const uint8_t node[32], bool direct)
{
	struct mono now = mono_now();
	struct reach *r = reach_find(node);

	if (r != NULL) {
		r->direct = r->direct && direct;
		return true;
	}
	if ((r = reach_new()) == NULL)
		return false;
	memset(r, 0, sizeof(*r));
	r->used = true;
	r->direct = direct;
	memcpy(r->node, node, 32);
	r->began = now;
	r->due = mono_add_ms(now, REACH_MS);
	child_timer_set(timer, now, now);
	return true;
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
	if (r->direct)
		direct_failed(node, text);
	loops_unreached(node, text);
}

static void
fail(struct reach *r, const char *why)
{
	char text[LOOP_TEXT];

	(void)snprintf(text, sizeof(text), "transport: %.110s", why);
	give_up(r, text);
}

/* Dial the next address, unless somebody is at it already. */
static void
try_next(struct reach *r)
{
	struct dial_why why = { .kind = DIAL_LOOP, .has_key = true };

	memcpy(why.key, r->node, 32);
	if (r->next == r->n_addrs) {
		r->out = true;
		return;
	}
	why.addr = r->addrs[r->next];
	if (asks_is_dialling(&why.addr, r->node) ||
	    conn_is_dialling(&why.addr) || !asks_dial(&why))
		return; /* look again soon */
	r->next++;
	r->dialling = true;
}

/* --- relays --- */

static void
add_via(struct reach *r, const uint8_t id[32])
{
	uint8_t i;

	if (r->n_vias == TRIES_MAX || memcmp(id, r->node, 32) == 0 ||
	    memcmp(id, peerd.node.id, 32) == 0)
		return;
	for (i = 0; i < r->n_vias; i++)
		if (memcmp(r->vias[i], id, 32) == 0)
			return;
	memcpy(r->vias[r->n_vias++], id, 32);
}

static void
gather_vias(struct reach *r)
{
	const struct known_node *n = known_find(&peerd.known, r->node);
	const struct conn *c;
	uint8_t i;

	for (i = 0; n != NULL && i < n->node.n_vias; i++)
		add_via(r, n->node.vias[i]);
	r->n_named = r->n_vias;
	for (c = conn_next(NULL); c != NULL; c = conn_next(c))
		if (c->state == CONN_UP)
			add_via(r, c->id);
}

static void
ask_relay(struct reach *r, struct conn *c, const uint8_t *path, size_t n,
    struct mono now)
{
	r->relayed = RELAY_ASKED;
	r->asked = now;
	if (!circuit_open(c, path, n, r->node))
		r->relayed = RELAY_NEXT;
}

/* By our own relay to one the node named and we cannot dial. */
static void
try_own(struct reach *r, struct mono now)
{
	struct conn *c = reserving_relay();
	uint8_t path[WIRE_KEY_STEP + 32];

	r->by_own = true;
	if (c == NULL || r->n_named == 0 ||
	    memcmp(c->id, r->vias[0], 32) == 0) {
		r->relayed = RELAY_OUT;
		return;
	}
	memcpy(path, r->vias[0], 32);
	memcpy(path + WIRE_KEY_STEP, r->node, 32);
	ask_relay(r, c, path, 2, now);
}

static void
try_via(struct reach *r, struct mono now)
{
	struct conn *c;

	if (r->by_own || r->via == r->n_vias) {
		if (r->by_own)
			r->relayed = RELAY_OUT;
		else
			try_own(r, now);
		return;
	}
	c = conn_find_direct(r->vias[r->via]);
	if (c != NULL) {
		r->via++;
		ask_relay(r, c, r->node, 1, now);
	} else if (r->relayed != RELAY_DIALLING &&
	    begin(r->vias[r->via], true)) {
		r->relayed = RELAY_DIALLING;
		r->asked = now;
	} else if (reach_find(r->vias[r->via]) == NULL ||
	    mono_ms_between(r->asked, now) > VIA_MS) {
		r->via++;
		r->relayed = RELAY_NEXT;
	}
}

static void
step_relays(struct reach *r, struct mono now)
{
	if (r->direct) {
		r->relayed = RELAY_OUT;
		return;
	}
	if (r->relayed == RELAY_NOT_YET) {
		gather_vias(r);
		if (r->n_named == 0 && !r->out &&
		    mono_ms_between(r->began, now) < ALONE_MS) {
			r->n_vias = 0;
			return;
		}
		r->relayed = RELAY_NEXT;
	}
	if (r->relayed == RELAY_ASKED &&
	    mono_ms_between(r->asked, now) > VIA_MS)
		r->relayed = RELAY_NEXT; /* its answer would still do */
	if (r->relayed == RELAY_NEXT || r->relayed == RELAY_DIALLING)
		try_via(r, now);
}

/* Text of the app's error: a relay's own words, if it said anything. */
static void
fail_for_good(struct reach *r)
{
	char why[LOOP_TEXT];

	if (r->rank > 0) {
		(void)snprintf(why, sizeof(why), "relay refused: %.95s",
		    r->refusal);
		fail(r, why);
		return;
	}
	fail(r,
	    r->error[0] != '\0'   ? r->error
		: r->n_addrs == 0 ? "no address to dial, and no relay"
				  : "timed out");
}

static void
step(struct reach *r, struct mono now)
{
	if (!r->gathered && !gather(r)) {
		give_up(r, "route finder: no such node");
		return;
	}
	r->gathered = true;
	if (!peerd.running || peerd.stopping) {
		fail(r, "this node is not running");
		return;
	}
	if (ban_find_key(&peerd.bans, r->node, wall_now()) != NULL) {
		fail(r, "banned");
		return;
	}
	if (mono_reached(r->due, now))
		r->out = true;
	if (!r->out && !r->dialling)
		try_next(r);
	step_relays(r, now);
	if ((r->out && r->relayed == RELAY_OUT) ||
	    mono_ms_between(r->began, now) > RELAYED_MS)
		fail_for_good(r);
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
	return begin(node, false);
}

bool
route_dial(const uint8_t node[32])
{
	return begin(node, true);
}

bool
route_is_looking(const uint8_t node[32])
{
	return reach_find(node) != NULL;
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

	if (r == NULL || id != NULL)
		return; /* route_linked() comes next, or time runs out */
	if (why->addr.fam == NADDR_NONE) { /* over a circuit */
		if (r->relayed == RELAY_ASKED)
			r->relayed = RELAY_NEXT;
	} else {
		r->dialling = false;
		(void)strlcpy(r->error, error, sizeof(r->error));
	}
	step(r, mono_now());
}

/* What is remembered of several refusals: that of a limit before others. */
static uint8_t
rank_of(const struct reach *r, uint8_t code)
{
	switch (code) {
	case WIRE_NO_LIMIT:
		return 3;
	case WIRE_NO_SERVICE: /* nobody said that a mere neighbour relays */
		return r->n_named > 0 ? 2 : 0;
	case WIRE_NO_ROUTE:
		return 0;
	default:
		return 1;
	}
}

void
route_refused(const uint8_t node[32], uint8_t code, const char *text)
{
	struct reach *r = reach_find(node);

	if (r == NULL || r->relayed != RELAY_ASKED)
		return;
	if (rank_of(r, code) > r->rank) {
		r->rank = rank_of(r, code);
		(void)strlcpy(r->refusal, text, sizeof(r->refusal));
	}
	r->relayed = RELAY_NEXT;
	/* Not from here: the stream that told us is being freed. */
	child_timer_set(timer, mono_now(), mono_now());
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
