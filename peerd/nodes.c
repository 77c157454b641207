/* SPDX-License-Identifier: ISC */
/*
 * Records of other nodes: judged in the order of what it costs, kept, passed
 * on, and their addresses put into the book.  The table is the core
 * known.h; each of its places has a byte here that says what apid was shown.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/addr_policy.h"
#include "common/compat/compat.h"
#include "common/hlc.h"
#include "common/log.h"
#include "peerd/peerd.h"

#define SEND_ALL_MAX 256 /* records said to a new link */
#define SCAN_MS      5000
#define FORGET_MS    (24 * 3600 * 1000) /* an OFFLINE node */

static uint8_t *shown; /* enum known_status + 1, by place; 0: not shown */
static struct mono scan_due;
static size_t send_from; /* where the next nodes_send_all() begins */

void
nodes_init(void)
{
	if ((shown = calloc(peerd.known.cap, 1)) == NULL)
		fatalx(EX_OSERR, "no memory for known nodes");
}

uint32_t
nodes_index(const struct known_node *node)
{
	return (uint32_t)(node - peerd.known.nodes);
}

/* Somebody may have been forgotten to make room. */
static void
tell_evicted(void)
{
	if (!peerd.known.evicted)
		return;
	peerd.known.evicted = false;
	channels_gone(peerd.known.evicted_id);
}

/* Whatever was noted about the place was about somebody else. */
static void
new_place(const struct known_node *node)
{
	shown[nodes_index(node)] = 0;
	discover_forget(nodes_index(node));
}

struct known_node *
nodes_get(const uint8_t id[32])
{
	bool is_new = known_find(&peerd.known, id) == NULL;
	struct known_node *node = known_get(&peerd.known, id, wall_now());

	tell_evicted();
	if (node != NULL && is_new)
		new_place(node);
	return node;
}

uint32_t
nodes_live(void)
{
	const struct known_node *n = NULL;
	struct wall now = wall_now();
	uint32_t live = 0;

	while ((n = known_next(&peerd.known, n)) != NULL)
		live += n->link == KNOWN_LINKED ||
		    known_is_live(&peerd.known, n, now);
	return live;
}

/* Its link ended; one that never published anything is forgotten. */
void
nodes_unlinked(struct conn *c)
{
	if (c->node == NULL)
		return;
	if (!c->quiet) {
		c->node->link = KNOWN_UNLINKED;
		c->node->last_seen = wall_now();
	}
	if (c->node->raw_len > 0) {
		if (!c->quiet)
			channels_peer(c->node);
	} else {
		known_remove(&peerd.known, c->node);
		channels_gone(c->id);
	}
	c->node = NULL;
}

/* --- addresses --- */

bool
nodes_resolve(struct naddr *out, const struct node_addr *a,
    const struct naddr *at)
{
	*out = a->addr;
	if (a->addr.fam == NADDR_NONE) {
		if (at == NULL || at->fam == NADDR_NONE)
			return false;
		*out = *at;
		out->port = a->addr.port;
	}
	return addr_policy(out, ADDR_ADVERTISE, peerd.allow);
}

bool
nodes_dial_addr(const struct known_node *node, unsigned nth, struct naddr *out)
{
	const struct node_addr *a;
	unsigned i;

	for (i = 0; i < node->node.n_addrs; i++) {
		a = &node->node.addrs[i];
		if (a->proto == NODE_LINK &&
		    nodes_resolve(out, a, &node->observed) &&
		    addr_policy(out, ADDR_DIAL, peerd.allow) && nth-- == 0)
			return true;
	}
	return false;
}

/* Addresses for links, into the book.  at: where the author was met. */
static void
feed_book(const struct noderec *nr, const uint8_t id[32], struct conn *from,
    const struct naddr *at, const struct naddr *lan)
{
	uint64_t source = ABOOK_GROUP_LAN;
	struct naddr a;
	size_t i;

	if (from != NULL)
		source = abook_group(&from->remote);
	for (i = 0; i < nr->n_addrs; i++) {
		if (nr->addrs[i].proto != NODE_LINK ||
		    !nodes_resolve(&a, &nr->addrs[i], at))
			continue;
		if (lan == NULL &&
		    !abook_source_take(&from->source, mono_now()))
			return;
		(void)abook_add(&peerd.book, &a, id, source, wall_now());
		keep_dirty(PEERD_FILE_BOOK, false);
	}
}

/* --- passing on --- */

/* Records gathered for one message. */
struct batch {
	struct wire_blob rec[WIRE_RECORDS_MAX];
	size_t n, bytes;
};

static void
batch_send(struct conn *c, struct batch *b)
{
	static uint8_t buf[WIRE_GOSSIP_MAX];
	struct wr w;

	if (b->n == 0)
		return;
	wr_init(&w, buf, sizeof(buf));
	wire_put_gossip(&w, 0, b->rec, b->n);
	if (w.bad || !traffic_send(c, LANE_GOSSIP, buf, w.len)) {
		c->behind = true;
		peerd.n.records_not_sent += b->n;
	}
	b->n = b->bytes = 0;
}

static void
batch_add(struct conn *c, struct batch *b, const uint8_t *raw, size_t len)
{
	if (b->n == WIRE_RECORDS_MAX ||
	    b->bytes + len + 3 > WIRE_GOSSIP_MAX - 8)
		batch_send(c, b);
	b->rec[b->n].p = raw;
	b->rec[b->n].len = len;
	b->n++;
	b->bytes += len + 3;
}

void
nodes_send_own(struct conn *c)
{
	struct batch b = { .n = 0 };
	const uint8_t *own, *admission;
	size_t len = own_record(&own), n = own_admission(&admission);

	c->behind = false;
	c->synced = mono_now();
	/* Who has not heard of our admission stores nothing of ours. */
	if (n > 0)
		batch_add(c, &b, admission, n);
	if (len > 0)
		batch_add(c, &b, own, len);
	batch_send(c, &b);
}

/* Each time from where the last one stopped, so all get their turn. */
void
nodes_send_some(struct conn *c, size_t max)
{
	struct wall now = wall_now();
	struct batch b = { .n = 0 };
	const struct known_node *n;
	size_t i, said = 0;

	for (i = 0; i < peerd.known.cap && said < max; i++) {
		n = &peerd.known.nodes[send_from++ % peerd.known.cap];
		if (!n->used || memcmp(n->id, c->id, 32) == 0 ||
		    !known_is_live(&peerd.known, n, now))
			continue;
		batch_add(c, &b, n->raw, n->raw_len);
		said++;
	}
	batch_send(c, &b);
}

void
nodes_send_all(struct conn *c)
{
	nodes_send_some(c, SEND_ALL_MAX);
}

void
nodes_send_again(struct conn *c)
{
	nodes_send_own(c);
	if (c->slot != GOSSIP_NO_SLOT)
		nodes_send_all(c);
}

/* --- taking in --- */

bool
nodes_is_news(const struct rec *rec, const uint8_t rid[32])
{
	const struct known_node *n = known_find(&peerd.known, rec->author);
	struct rec_version v = { .hlc = rec->hlc };
	struct wall now = wall_now();

	if (memcmp(rec->author, peerd.node.id, 32) == 0)
		return own_is_news(rec->hlc);
	memcpy(v.rid, rid, 32);
	if (n != NULL && n->raw_len > 0 && !rec_wins(&v, &n->version))
		return false;
	return hlc_expiry(rec->hlc, peerd.known.ttl_s).ms > now.ms &&
	    !hlc_is_future(rec->hlc, now, peerd.charter.future_ms);
}

/* Whoever makes keys makes nodes: only so many are worth a line. */
static void
tell_new(const struct known_node *n)
{
	static const struct rate rate = { .per_s = 1, .burst = 64 };
	static struct bucket lines;
	static bool ready;
	char id[9];

	if (!ready)
		bucket_init(&lines, rate);
	ready = true;
	(void)id_short(n->id, id);
	if (bucket_allow(&lines, mono_now()))
		log_info("node %s (%s) is known now", id, n->node.name);
	else
		log_debug("node %s (%s) is known now", id, n->node.name);
	child_event("peer", "%s known, name %s", id, n->node.name);
}

static void
tell(const struct rec *rec, enum known_rc rc)
{
	const struct known_node *n = known_find(&peerd.known, rec->author);
	char id[9];

	if (n == NULL)
		return;
	if (rc == KNOWN_NEW) {
		tell_new(n);
		discover_soon();
	} else if (rc == KNOWN_GONE) {
		log_info("node %s left the network", id_short(n->id, id));
		child_event("peer", "%s left the network", id);
	}
	channels_peer(n);
}

/*
 * It may: this very version, which there was no room for when it came, or one
 * of an earlier tick that nobody has settled for long.
 */
bool
nodes_store_lacks(const struct rec *rec, const uint8_t rid[32])
{
	const struct known_node *n = known_find(&peerd.known, rec->author);
	const struct charter *ch = &peerd.charter;
	uint64_t tick = hlc_tick(rec->hlc, ch->tick_ms);

	if (n == NULL || n->raw_len == 0)
		return false;
	if (memcmp(n->version.rid, rid, 32) == 0)
		return n->unstored;
	return tick < hlc_tick(n->version.hlc, ch->tick_ms) &&
	    wall_now().ms <
	    (int64_t)((tick + 1) * ch->tick_ms + ch->settle_ms);
}

void
nodes_take(const struct rec *rec, const uint8_t rid[32], struct conn *from,
    const uint8_t *raw, size_t len, const struct naddr *lan)
{
	struct conn *linked = conn_find(rec->author);
	const struct naddr *at = lan;
	bool had_place = known_find(&peerd.known, rec->author) != NULL;
	uint64_t source =
	    from == NULL ? ABOOK_GROUP_LAN : abook_group(&from->remote);
	struct known_node *n;
	enum known_rc rc;

	if (memcmp(rec->author, peerd.node.id, 32) == 0) {
		own_seen(rec->hlc);
		return;
	}
	rc = known_put(&peerd.known, rec, rid, raw, len, source, wall_now());
	n = known_find(&peerd.known, rec->author);
	/* "Where you reached me" is said over its own link, or on the LAN. */
	if (linked != NULL)
		at = &linked->remote;
	tell_evicted();
	if (n == NULL ||
	    (rc != KNOWN_NEW && rc != KNOWN_NEWER && rc != KNOWN_GONE))
		return;
	n->unstored = true;
	if (!had_place)
		new_place(n);
	if (lan != NULL && n->link != KNOWN_LINKED)
		n->observed = *lan;
	if (from != NULL)
		lan_heard_elsewhere(rec->author);
	if (linked != NULL && !linked->quiet)
		channels_link_up(linked);
	if (rc != KNOWN_GONE)
		feed_book(&n->node, n->id, from, at, lan);
	tell(rec, rc);
}

/* --- as time goes by --- */

/* A lease that ran out is no message; only looking shows it. */
static void
scan(struct wall now)
{
	struct known_node *n = NULL, *gone = NULL;
	uint8_t id[32], status;

	while ((n = known_next(&peerd.known, n)) != NULL) {
		status = (uint8_t)(known_status(&peerd.known, n, now) + 1);
		if (lan_is_silent(n->id) && n->link == KNOWN_UNLINKED)
			status = KNOWN_OFFLINE + 1;
		if (status == KNOWN_OFFLINE + 1 && gone == NULL &&
		    now.ms - n->last_seen.ms > FORGET_MS)
			gone = n;
		if (shown[nodes_index(n)] != status || n->link == KNOWN_LINKED)
			channels_peer(n);
		shown[nodes_index(n)] = status;
	}
	if (gone != NULL) {
		memcpy(id, gone->id, 32);
		known_remove(&peerd.known, gone);
		channels_gone(id);
	}
}

void
nodes_tick(struct mono now)
{
	if (!mono_reached(scan_due, now))
		return;
	scan_due = mono_add_ms(now, SCAN_MS);
	scan(wall_now());
}
