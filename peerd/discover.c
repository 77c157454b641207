/* SPDX-License-Identifier: ISC */
/*
 * Whom to dial beside the configured peers.  A network smaller than MESH_MAX
 * is linked in full; a larger one through max_outbound links that the
 * address book picks, rather in networks we have none in.  Now and then a
 * feeler dials an address of the book only to learn whether it is good.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/addr_policy.h"
#include "common/log.h"
#include "peerd/flow.h"
#include "peerd/peerd.h"

#define TICK_MS    1000
#define SOON_MS    50
#define STARTS_MAX 4    /* dials begun in one go */
#define PICKS_MAX  8    /* entries of the book looked at for one dial */
#define POLITE_MS  1500 /* the larger id waits for the smaller to dial */
#define FEELER_MS  60000
#define SELVES_MAX 16
#define HOLDS_MAX  64
#define DOUBLINGS  6

/* What was tried with a known node, by its place in the table. */
struct
try {
	struct mono due;
	uint8_t fails, nth;
};

static struct try *tries;
static struct event *timer;
static bool soon;
static struct mono feeler_due;

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

static bool
start(enum dial_kind kind, const struct naddr *addr, const uint8_t *id)
{
	struct dial_why why = { .kind = (uint8_t)kind,
		.addr = *addr,
		.has_id = id != NULL };
	struct known_node *n;

	if (id != NULL)
		memcpy(why.key, id, 32);
	if (!asks_dial(&why))
		return false;
	abook_dialled(&peerd.book, addr, wall_now());
	if (id != NULL && (n = known_find(&peerd.known, id)) != NULL &&
	    n->link == KNOWN_UNLINKED) {
		n->link = KNOWN_DIALLING;
		channels_peer(n);
	}
	return true;
}

/* --- a small network: everybody --- */

static bool
is_mesh(void)
{
	return nodes_live() + 1 < MESH_MAX;
}

/* A node that dial_mesh() sees to. */
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

static bool
try_node(struct known_node *n, struct mono now)
{
	struct try *t = &tries[nodes_index(n)];
	struct naddr a;

	if (n->link != KNOWN_UNLINKED || !mono_reached(t->due, now) ||
	    !known_is_live(&peerd.known, n, wall_now()))
		return false;
	if (t->due.us == 0 && memcmp(peerd.node.id, n->id, 32) > 0) {
		t->due = mono_add_ms(now, POLITE_MS);
		return false;
	}
	if (!nodes_dial_addr(n, t->nth, &a)) {
		t->nth = 0;
		if (!nodes_dial_addr(n, 0, &a)) {
			t->due = mono_add_ms(now, try_pause_ms(DOUBLINGS));
			return false;
		}
	}
	t->due = mono_add_ms(now, try_pause_ms(t->fails));
	return may_dial(&a, n->id) && start(DIAL_BOOK, &a, n->id);
}

static void
dial_mesh(struct mono now)
{
	struct known_node *n = NULL;
	unsigned started = 0;

	while (
	    started < STARTS_MAX && (n = known_next(&peerd.known, n)) != NULL)
		started += try_node(n, now);
}

/* --- a large one: from the book --- */

static size_t
link_groups(uint64_t *groups, size_t max)
{
	const struct conn *c;
	size_t n = 0;

	for (c = conn_next(NULL); c != NULL; c = conn_next(c))
		if (n < max && c->outbound)
			groups[n++] = abook_group(&c->remote);
	return n;
}

/* Something of the book that is worth a dial now, or NULL. */
static const struct abook_entry *
pick(bool new_only)
{
	uint64_t groups[64];
	struct abook_want want = { .groups = groups, .new_only = new_only };
	const struct abook_entry *e;
	unsigned i;

	want.n_groups = link_groups(groups, 64);
	for (i = 0; i < PICKS_MAX; i++) {
		randombytes_buf(&want.rnd, sizeof(want.rnd));
		e = abook_pick(&peerd.book, &want, wall_now());
		if (e == NULL)
			return NULL;
		if (may_dial(&e->addr, e->has_id ? e->id : NULL) &&
		    !(e->has_id && in_mesh(e->id)))
			return e;
	}
	return NULL;
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
dial_entry(enum dial_kind kind, const struct abook_entry *e)
{
	struct naddr a = e->addr;
	uint8_t id[32];

	memcpy(id, e->id, 32);
	return start(kind, &a, e->has_id ? id : NULL);
}

static void
dial_book(void)
{
	const struct abook_entry *e;
	unsigned i;

	for (i = 0;
	     i < STARTS_MAX && outbound_under_way() < peerd.conf.max_outbound;
	     i++) {
		e = pick(false);
		if (e == NULL || !dial_entry(DIAL_BOOK, e))
			return;
	}
}

static void
feel(struct mono now)
{
	const struct abook_entry *e;

	if (!mono_reached(feeler_due, now))
		return;
	feeler_due = mono_add_ms(now, FEELER_MS);
	e = abook_test(&peerd.book, wall_now());
	if (e == NULL || !may_dial(&e->addr, e->has_id ? e->id : NULL))
		e = pick(true);
	if (e != NULL)
		(void)dial_entry(DIAL_FEELER, e);
}

/* --- when --- */

/*
 * Bootstrap nodes and seeds are asked while there is no link at all, and
 * while there are too few and the book has nothing better.
 */
bool
discover_wants_more(void)
{
	unsigned links = conn_links(-1);

	return links == 0 ||
	    (links < peerd.conf.max_outbound && pick(false) == NULL);
}

static void
look(struct mono now)
{
	if (peerd.stopping || !peerd.running ||
	    conn_links(-1) >= peerd.conf.max_peers)
		return;
	targets_tick(now);
	if (is_mesh())
		dial_mesh(now);
	dial_book();
	if (outbound_under_way() >= peerd.conf.max_outbound)
		feel(now);
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
	feeler_due = mono_add_ms(now, FEELER_MS);
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

void
discover_linked(struct conn *c)
{
	uint8_t buf[8];
	struct wr w;

	discover_release(c->id);
	if (c->outbound) {
		wr_init(&w, buf, sizeof(buf));
		wire_put_getaddr(&w, WIRE_ADDRS_MAX);
		(void)traffic_send(c, LANE_CONTROL, buf, w.len);
	}
	discover_soon();
}

/* Again soon, unless links to it do not last. */
void
discover_unlinked(const struct conn *c)
{
	if (c->node == NULL)
		return;
	if (wall_now().ms - c->since.ms < LINK_SHORT_MS)
		tried_in_vain(&tries[nodes_index(c->node)]);
	else
		discover_forget(nodes_index(c->node));
	discover_soon();
}
