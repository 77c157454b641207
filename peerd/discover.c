/* SPDX-License-Identifier: ISC */
/*
 * Whom to dial beside the configured peers.  When, and what for, is decided
 * by the overlay core (neigh.c); here is who it can be: in a small network
 * every node that is known, in a larger one what the address book picks.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/addr_policy.h"
#include "common/log.h"
#include "peerd/flow.h"
#include "peerd/peerd.h"

#define TICK_MS     1000
#define SOON_MS     50
#define POLITE_MS   1500 /* the larger id waits for the smaller to dial */
#define SELVES_MAX  16
#define HOLDS_MAX   64
#define DOUBLINGS   6
#define BOOK_PLENTY 256
#define ADDRS_FEW   4
#define GONE_MS     10000 /* who said farewell is not back sooner */

/* What was tried with a known node, by its place in the table. */
struct
try {
	struct mono due;
	uint8_t fails, nth;
};

static struct try *tries;
static struct event *timer;
static bool soon;

static struct naddr selves[SELVES_MAX]; /* where we met ourselves */
static size_t n_selves;

static struct {
	uint8_t id[32];
	struct mono until;
	bool ours; /* we sent it away; else it sent us, and may come back */
} holds[HOLDS_MAX];
static size_t n_holds;

/* --- who is left alone --- */

void
discover_hold(const uint8_t id[32], int64_t s, bool ours)
{
	size_t i = n_holds++ % HOLDS_MAX;

	memcpy(holds[i].id, id, 32);
	holds[i].until = mono_add_ms(mono_now(), s * 1000);
	holds[i].ours = ours;
}

void
discover_release(const uint8_t id[32])
{
	size_t i;

	for (i = 0; i < HOLDS_MAX; i++)
		if (memcmp(holds[i].id, id, 32) == 0)
			holds[i].until = (struct mono){ 0 };
}

static bool
in_force(size_t i, const uint8_t id[32], struct mono now)
{
	return memcmp(holds[i].id, id, 32) == 0 &&
	    mono_before(now, holds[i].until);
}

bool
discover_is_held(const uint8_t id[32])
{
	struct mono now = mono_now();
	size_t i;

	for (i = 0; i < HOLDS_MAX; i++)
		if (in_force(i, id, now))
			return true;
	return false;
}

bool
discover_is_unwelcome(const uint8_t id[32])
{
	struct mono now = mono_now();
	size_t i;

	for (i = 0; i < HOLDS_MAX; i++)
		if (holds[i].ours && in_force(i, id, now))
			return true;
	return false;
}

bool
discover_is_self(const struct naddr *a)
{
	const struct msg_node *n = &peerd.node;
	size_t i;

	for (i = 0; i < SELVES_MAX; i++)
		if (naddr_equal(&selves[i], a))
			return true;
	for (i = 0; i < n->n_listeners; i++)
		if (n->listeners[i].service == SVC_LINK &&
		    (naddr_equal(&n->listeners[i].addr, a) ||
			naddr_equal(&n->listeners[i].advertise, a)))
			return true;
	return false;
}

static bool
may_dial(const struct naddr *a, const uint8_t *id)
{
	if (discover_is_self(a) || asks_is_dialling(a, id) ||
	    conn_is_dialling(a) ||
	    ban_find_addr(&peerd.bans, a, wall_now()) != NULL ||
	    !addr_policy(a, ADDR_DIAL, peerd.allow))
		return false;
	return id == NULL ||
	    (memcmp(id, peerd.node.id, 32) != 0 && conn_find(id) == NULL &&
		!discover_is_held(id) &&
		ban_find_key(&peerd.bans, id, wall_now()) == NULL);
}

/* May that be dialled for the view? */
bool
discover_may_dial(const struct overlay_cand *cand)
{
	return may_dial(&cand->at.addr, cand->has_id ? cand->at.id : NULL);
}

/* A node of the table is being dialled: others are shown that. */
static void
is_dialling(const uint8_t id[32])
{
	struct known_node *n = known_find(&peerd.known, id);

	if (n == NULL || n->link != KNOWN_UNLINKED)
		return;
	n->link = KNOWN_DIALLING;
	channels_peer(n);
}

bool
discover_dial(uint32_t tag, enum overlay_why what,
    const struct overlay_cand *cand)
{
	struct dial_why why = { .kind = DIAL_BOOK,
		.addr = cand->at.addr,
		.has_id = cand->has_id,
		.tag = tag };

	if (what == OVERLAY_FEELER)
		why.kind = DIAL_FEELER;
	else if (what == OVERLAY_HIDDEN)
		why.kind = DIAL_HIDDEN;
	memcpy(why.key, cand->at.id, 32);
	/* What a neighbour offered came by no pick(). */
	if (!discover_may_dial(cand) || !asks_dial(&why))
		return false;
	abook_dialled(&peerd.book, &why.addr, wall_now());
	if (why.has_id && why.kind == DIAL_BOOK)
		is_dialling(why.key);
	return true;
}

/* --- a small network: everybody --- */

static bool
is_mesh(void)
{
	return nodes_live() + 1 < OVERLAY_MESH;
}

/* A node that pick_known() sees to. */
static bool
in_mesh(const uint8_t id[32])
{
	const struct known_node *n = known_find(&peerd.known, id);

	return n != NULL && is_mesh() &&
	    known_is_live(&peerd.known, n, wall_now());
}

static int64_t
try_pause_ms(unsigned fails)
{
	int64_t ms = peerd.conf.retry_ms != 0 ? peerd.conf.retry_ms : 1000;

	return ms << (fails < DOUBLINGS ? fails : DOUBLINGS);
}

static void
tried_in_vain(struct try *t)
{
	if (t->fails < UINT8_MAX)
		t->fails++;
	t->nth++; /* its next address, or the first again */
	t->due = mono_add_ms(mono_now(), try_pause_ms(t->fails - 1u));
}

/* Its turn has come, and this is where to dial it. */
static bool
is_turn(struct known_node *n, struct naddr *a, struct mono now)
{
	struct try *t = &tries[nodes_index(n)];

	if (n->link != KNOWN_UNLINKED || !mono_reached(t->due, now) ||
	    !known_is_live(&peerd.known, n, wall_now()))
		return false;
	if (t->due.us == 0 && memcmp(peerd.node.id, n->id, 32) > 0) {
		t->due = mono_add_ms(now, POLITE_MS);
		return false;
	}
	if (!nodes_dial_addr(n, t->nth, a)) {
		t->nth = 0;
		if (!nodes_dial_addr(n, 0, a)) {
			t->due = mono_add_ms(now, try_pause_ms(DOUBLINGS));
			return false;
		}
	}
	t->due = mono_add_ms(now, try_pause_ms(t->fails));
	return may_dial(a, n->id);
}

static bool
pick_known(struct overlay_cand *cand)
{
	struct mono now = mono_now();
	struct known_node *n = NULL;

	while ((n = known_next(&peerd.known, n)) != NULL) {
		if (!is_turn(n, &cand->at.addr, now))
			continue;
		memcpy(cand->at.id, n->id, 32);
		cand->has_id = true;
		cand->group = abook_group(&cand->at.addr);
		return true;
	}
	return false;
}

/* --- a large one: from the book --- */

/* A restart takes a while, and begins with dials of its own. */
static bool
has_just_left(const uint8_t id[32])
{
	const struct known_node *n = known_find(&peerd.known, id);

	return n != NULL && n->left && wall_now().ms - n->received.ms < GONE_MS;
}

static bool
suits(void *ctx, const struct abook_entry *e)
{
	const bool *mesh = ctx;

	return may_dial(&e->addr, e->has_id ? e->id : NULL) &&
	    !(e->has_id && (has_just_left(e->id) || (*mesh && in_mesh(e->id))));
}

/* Something of the book that is worth a dial now, or NULL. */
static const struct abook_entry *
pick_entry(const uint64_t *groups, size_t n, bool new_only)
{
	bool mesh = is_mesh();
	struct abook_want want = { .groups = groups,
		.n_groups = n,
		.new_only = new_only,
		.suits = suits,
		.ctx = &mesh };

	randombytes_buf(&want.rnd, sizeof(want.rnd));
	return abook_pick(&peerd.book, &want, wall_now());
}

static unsigned
outbound_under_way(void)
{
	const struct conn *c;
	unsigned n = asks_dials();

	for (c = conn_next(NULL); c != NULL; c = conn_next(c))
		n += c->outbound;
	return n;
}

static bool
give_entry(const struct abook_entry *e, struct overlay_cand *cand)
{
	if (e == NULL)
		return false;
	cand->at.addr = e->addr;
	memcpy(cand->at.id, e->id, 32);
	cand->has_id = e->has_id;
	cand->group = abook_group(&e->addr);
	return true;
}

/* For a feeler: the holder of a contested cell, else who was never met. */
static const struct abook_entry *
pick_new(const uint64_t *groups, size_t n)
{
	const struct abook_entry *e = abook_test(&peerd.book, wall_now());

	if (e != NULL && may_dial(&e->addr, e->has_id ? e->id : NULL))
		return e;
	return pick_entry(groups, n, true);
}

bool
discover_pick(enum overlay_pick kind, const uint64_t *groups, size_t n,
    struct overlay_cand *cand)
{
	/* Pinned and bootstrap nodes are dialled by targets.c. */
	if (peerd.stopping || !peerd.running ||
	    (kind != OVERLAY_PICK_BOOK && kind != OVERLAY_PICK_NEW) ||
	    conn_links(-1) >= peerd.conf.max_peers)
		return false;
	if (kind == OVERLAY_PICK_BOOK && is_mesh() && pick_known(cand))
		return true;
	if (outbound_under_way() >= peerd.conf.max_outbound)
		return false;
	return give_entry(kind == OVERLAY_PICK_NEW
		? pick_new(groups, n)
		: pick_entry(groups, n, false),
	    cand);
}

/* --- when --- */

/*
 * Bootstrap nodes and seeds are asked while there is no link at all, and
 * while there are too few and the book has nothing better.
 */
bool
discover_wants_more(void)
{
	return conn_links(-1) == 0 ||
	    (neigh_wants() && pick_entry(NULL, 0, false) == NULL);
}

static void
look(struct mono now)
{
	if (peerd.stopping || !peerd.running)
		return;
	if (conn_links(-1) < peerd.conf.max_peers)
		targets_tick(now);
	neigh_look();
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();

	(void)fd;
	(void)what;
	(void)arg;
	soon = false;
	look(now);
	child_timer_set(timer, mono_add_ms(now, TICK_MS), now);
}

void
discover_start(void)
{
	struct mono now = mono_now();

	tries = calloc(peerd.known.cap, sizeof(*tries));
	if (tries == NULL)
		fatalx(EX_OSERR, "no memory for known nodes");
	timer = child_timer(on_timer, NULL);
	child_timer_set(timer, now, now);
}

void
discover_soon(void)
{
	struct mono now = mono_now();

	if (timer == NULL || soon)
		return;
	soon = true;
	child_timer_set(timer, mono_add_ms(now, SOON_MS), now);
}

void
discover_forget(uint32_t index)
{
	if (tries != NULL)
		memset(&tries[index], 0, sizeof(tries[index]));
}

/* --- how a dial went --- */

static void
answer_ctl(const struct dial_why *why, const uint8_t *id, const char *error)
{
	char hex[9], at[NADDR_STR];

	if (why->ctl_id == 0)
		return;
	(void)naddr_str(&why->addr, at);
	if (id != NULL)
		child_ctl_end(child_parent(), why->ctl_id, 0,
		    "linked to %s at %s", id_short(id, hex), at);
	else
		child_ctl_end(child_parent(), why->ctl_id, 1,
		    "cannot link to %s: %s", at, error);
}

static void
not_dialling(const uint8_t id[32], bool failed)
{
	struct known_node *n = known_find(&peerd.known, id);

	if (n == NULL)
		return;
	if (n->link == KNOWN_DIALLING) {
		n->link = KNOWN_UNLINKED;
		channels_peer(n);
	}
	if (failed)
		tried_in_vain(&tries[nodes_index(n)]);
}

void
discover_result(const struct dial_why *why, const uint8_t *id,
    const char *error)
{
	if (why->kind == DIAL_LOOP) {
		route_result(why, id, error);
		return;
	}
	if (id == NULL)
		neigh_dial_failed(why->tag);
	if (why->has_id)
		not_dialling(why->key,
		    id == NULL || memcmp(id, why->key, 32) != 0);
	if (id != NULL)
		(void)abook_good(&peerd.book, &why->addr, id, wall_now());
	else
		abook_failed(&peerd.book, &why->addr, wall_now());
	keep_dirty(PEERD_FILE_BOOK, false);
	if (id == NULL && strcmp(error, SHAKE_SELF) == 0)
		selves[n_selves++ % SELVES_MAX] = why->addr;
	if (why->target != 0 && id != NULL)
		targets_linked(why->target, id);
	else if (why->target != 0)
		targets_failed(why->target, error);
	answer_ctl(why, id, error);
	discover_soon();
}

/*
 * To a book well filled new addresses are of little use, and feelers ask for
 * ever.
 */
static uint8_t
addrs_to_ask(const struct conn *c)
{
	bool plenty = peerd.book.n_new + peerd.book.n_tried >= BOOK_PLENTY;

	return plenty || c->why.kind == DIAL_FEELER ? ADDRS_FEW
						    : WIRE_ADDRS_MAX;
}

void
discover_linked(struct conn *c)
{
	uint8_t buf[8];
	struct wr w;

	discover_release(c->id);
	if (c->outbound) {
		wr_init(&w, buf, sizeof(buf));
		wire_put_getaddr(&w, addrs_to_ask(c));
		(void)traffic_send(c, LANE_CONTROL, buf, w.len);
	}
	discover_soon();
}

/* Again soon, unless links to it do not last. */
void
discover_unlinked(const struct conn *c)
{
	if (c->node == NULL || c->quiet)
		return;
	if (wall_now().ms - c->since.ms < LINK_SHORT_MS)
		tried_in_vain(&tries[nodes_index(c->node)]);
	else
		discover_forget(nodes_index(c->node));
	discover_soon();
}
