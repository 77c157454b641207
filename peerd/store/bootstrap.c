/* SPDX-License-Identifier: ISC */
/*
 * An empty node, or one that lacks most of what a peer has, does not compare:
 * it asks for everything, range by range, from up to four peers at once.
 * Member and node records come first, so that the authors of all others are
 * known.  Where a peer fails, its ranges are asked of another from where they
 * stopped.  Roots are compared afterwards as always, so whoever withholds
 * something is found out.
 *
 * The other side streams what its tree has settled, as the window of the link
 * allows.
 */
#include <string.h>

#include "common/log.h"
#include "peerd/recon.h"
#include "peerd/store/links.h"

#define PEERS_MAX   4
#define EACH_MAX    2          /* ranges asked of one peer at a time */
#define PART_BYTES  (1u << 20) /* then the asker is asked whether to go on */
#define BATCH       100
#define SILENCE_MS  15000
#define MUCH_MORE   4 /* times our own count, and: */
#define MANY        2000
#define STREAMS_MAX 32
#define SPLIT       16 /* ranges a kind is cut into */

/* --- serving --- */

static struct stream {
	uint32_t link; /* 0: free */
	uint16_t sid;
	bool begun;
	struct wire_range range;
	uint8_t after[32];
	size_t sent;
} streams[STREAMS_MAX];

static void
stream_end(struct link_peer *p, struct stream *s, bool more)
{
	uint8_t buf[64];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_fetched(&w, s->sid, more, s->after);
	if (!w.bad)
		(void)links_send(p, buf, w.len);
	s->link = 0;
}

/* One message of records; false when the stream is over. */
static bool
stream_more(struct link_peer *p, struct stream *s)
{
	static struct mtree_entry e[BATCH];
	static struct recstore_rec recs[BATCH];
	static uint8_t buf[RECON_MSG_MAX];
	const uint8_t *raws[BATCH];
	size_t lens[BATCH], n, i, got = 0, bytes = 0;
	struct wr w;

	n = mtree_list(recstore_tree(store.rs), MTREE_CURRENT, s->range.prefix,
	    s->range.bits, s->begun ? s->after : NULL, e, BATCH);
	for (i = 0; i < n && bytes < RECON_MSG_MAX / 2; i++) {
		s->begun = true;
		memcpy(s->after, e[i].key, 32);
		if (recstore_get(store.rs, e[i].key, false, &recs[got]) !=
			SQL_OK ||
		    recs[got].raw_len == 0)
			continue;
		raws[got] = recs[got].raw;
		lens[got] = recs[got].raw_len;
		bytes += lens[got++];
	}
	if (got > 0) {
		wr_init(&w, buf, sizeof(buf));
		store.n.sync_records_out +=
		    recon_put_recs(&w, s->sid, raws, lens, got);
		s->sent += w.len;
		if (w.bad || !links_send(p, buf, w.len))
			return false;
	}
	if (i == n && n < BATCH) {
		stream_end(p, s, false);
		return false;
	}
	if (s->sent < PART_BYTES)
		return true;
	stream_end(p, s, true);
	return false;
}

void
bootstrap_serve(struct link_peer *p, const struct wire_msg *m)
{
	struct stream *s, *empty = NULL;
	unsigned n = 0;

	for (s = streams; s < streams + STREAMS_MAX; s++) {
		n += s->link == p->link;
		if (s->link == 0)
			empty = s;
	}
	if (empty == NULL || n >= EACH_MAX * 2)
		return; /* the asker's patience ends by itself */
	memset(empty, 0, sizeof(*empty));
	empty->link = p->link;
	empty->sid = m->sid;
	empty->range = m->range;
	empty->begun = m->has_after;
	memcpy(empty->after, m->after, 32);
	bootstrap_go_on(p);
}

void
bootstrap_go_on(struct link_peer *p)
{
	struct stream *s;
	bool any = true;

	/* In turn, so that no range waits for another. */
	while (any && links_may_send(p)) {
		any = false;
		for (s = streams;
		     s < streams + STREAMS_MAX && links_may_send(p); s++)
			if (s->link == p->link)
				any = stream_more(p, s) || any;
	}
}

/* --- fetching --- */

enum state { WAITING, ASKED, DONE };

struct task {
	struct wire_range range;
	bool first; /* of member and node records */
	bool has_after;
	uint8_t state;
	uint16_t sid;
	uint32_t link;
	uint8_t after[32];
};

static struct {
	bool on;
	struct task tasks[256];
	unsigned n, done;
	uint32_t peers[PEERS_MAX]; /* links, 0: free */
	struct mono heard[PEERS_MAX];
	uint16_t next_sid;
	struct mono began;
} boot;

static struct event *timer;

static void
add_range(uint8_t first_byte, uint8_t second, uint16_t bits, bool first)
{
	struct task *t = &boot.tasks[boot.n++];

	memset(t, 0, sizeof(*t));
	t->range.prefix[0] = first_byte;
	t->range.prefix[1] = second;
	t->range.bits = bits;
	t->first = first;
}

/* Every key lies in exactly one of these. */
static void
plan(void)
{
	static const uint8_t split[] = { REC_BLOCK, REC_LOCATION,
		REC_TEMPERATURE, REC_META, REC_RATING };
	unsigned i, k;

	boot.n = boot.done = 0;
	add_range(REC_MEMBER, 0, 8, true);
	add_range(REC_NODE, 0, 8, true);
	add_range(0, 0, 8, false);
	for (k = 3; k < 32; k++) {
		if (memchr(split, (int)k, sizeof(split)) == NULL) {
			add_range((uint8_t)k, 0, 8, false);
			continue;
		}
		for (i = 0; i < SPLIT; i++)
			add_range((uint8_t)k, (uint8_t)(i << 4), 12, false);
	}
	for (k = 32; k < 256; k += 32)
		add_range((uint8_t)k, 0, 3, false);
}

static unsigned
asked_of(uint32_t link)
{
	unsigned i, n = 0;

	for (i = 0; i < boot.n; i++)
		n += boot.tasks[i].state == ASKED && boot.tasks[i].link == link;
	return n;
}

static bool
ask(struct link_peer *p, struct task *t)
{
	uint8_t buf[128];
	struct wr w;

	t->sid = ++boot.next_sid;
	wr_init(&w, buf, sizeof(buf));
	wire_put_fetch(&w, t->sid, &t->range, t->has_after ? t->after : NULL);
	if (w.bad || !links_send(p, buf, w.len))
		return false;
	t->state = ASKED;
	t->link = p->link;
	return true;
}

/* The next range that may be asked for now, or NULL. */
static struct task *
next_task(void)
{
	bool firsts = false;
	unsigned i;

	for (i = 0; i < boot.n; i++)
		firsts = firsts ||
		    (boot.tasks[i].first && boot.tasks[i].state != DONE);
	for (i = 0; i < boot.n; i++)
		if (boot.tasks[i].state == WAITING &&
		    boot.tasks[i].first == firsts)
			return &boot.tasks[i];
	return NULL;
}

static void
finish(void)
{
	log_info("database: fetched from others in %lld s",
	    (long long)(mono_ms_between(boot.began, mono_now()) / 1000));
	child_event("db", "fetched from others");
	boot.on = false;
}

/* Give every peer that helps its share of what is left. */
static void
spread(void)
{
	struct link_peer *p;
	struct task *t;
	unsigned i;

	if (boot.on && boot.done == boot.n) {
		finish();
		return;
	}
	for (i = 0; boot.on && i < PEERS_MAX; i++) {
		if (boot.peers[i] == 0 ||
		    (p = links_find(boot.peers[i])) == NULL)
			continue;
		while (
		    asked_of(p->link) < EACH_MAX && (t = next_task()) != NULL)
			if (!ask(p, t))
				return;
	}
}

static unsigned
helper_of(uint32_t link)
{
	unsigned i;

	for (i = 0; i < PEERS_MAX && boot.peers[i] != link; i++)
		continue;
	return i;
}

static void
drop_helper(uint32_t link)
{
	unsigned i = helper_of(link), k;

	if (link == 0 || i == PEERS_MAX)
		return;
	boot.peers[i] = 0;
	for (k = 0; k < boot.n; k++)
		if (boot.tasks[k].state == ASKED && boot.tasks[k].link == link)
			boot.tasks[k].state = WAITING;
}

static bool
has_helper(void)
{
	unsigned i;

	for (i = 0; i < PEERS_MAX; i++)
		if (boot.peers[i] != 0)
			return true;
	return false;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();
	unsigned i;

	(void)fd;
	(void)what;
	(void)arg;
	if (!boot.on)
		return;
	for (i = 0; i < PEERS_MAX; i++)
		if (boot.peers[i] != 0 &&
		    mono_ms_between(boot.heard[i], now) > SILENCE_MS)
			drop_helper(boot.peers[i]);
	if (!has_helper()) {
		/* Whoever tells a root next begins it anew. */
		boot.on = false;
		return;
	}
	spread();
	child_timer_set(timer, mono_add_ms(now, 1000), now);
}

/* Will the peer ask us for everything?  Then we do not compare with it. */
bool
bootstrap_is_theirs(const struct link_peer *p)
{
	const struct recstore_root *r = recstore_root(store.rs, MSG_NULL64);

	return r != NULL && r->top.cnt >= MANY &&
	    r->top.cnt / MUCH_MORE >= p->root.cnt && p->odd < 6;
}

bool
bootstrap_wanted(struct link_peer *p)
{
	struct mono now = mono_now();
	const struct recstore_root *r = recstore_root(store.rs, MSG_NULL64);
	uint64_t have =
	    recstore_pending(store.rs) + (r == NULL ? 0 : r->top.cnt);
	unsigned i;

	if (!boot.on && (p->root.cnt < MANY || p->root.cnt / MUCH_MORE < have))
		return false;
	if (helper_of(p->link) < PEERS_MAX)
		return true;
	if ((i = helper_of(0)) == PEERS_MAX)
		return boot.on;
	if (!boot.on) {
		plan();
		boot.on = true;
		boot.began = now;
		log_info("database: fetching %llu records from others",
		    (unsigned long long)p->root.cnt);
		child_timer_set(timer, mono_add_ms(now, 1000), now);
	}
	boot.peers[i] = p->link;
	boot.heard[i] = now;
	spread();
	return true;
}

void
bootstrap_heard(uint32_t link)
{
	unsigned i = helper_of(link);

	if (link != 0 && i < PEERS_MAX)
		boot.heard[i] = mono_now();
}

void
bootstrap_answer(struct link_peer *p, const struct wire_msg *m)
{
	struct task *t;
	unsigned i;

	bootstrap_heard(p->link);
	for (i = 0; boot.on && i < boot.n; i++) {
		t = &boot.tasks[i];
		if (t->state != ASKED || t->link != p->link || t->sid != m->sid)
			continue;
		t->state = m->more ? WAITING : DONE;
		boot.done += !m->more;
		t->has_after = true;
		memcpy(t->after, m->after, 32);
		spread();
		return;
	}
}

void
bootstrap_peer_gone(const struct link_peer *p)
{
	struct stream *s;

	for (s = streams; s < streams + STREAMS_MAX; s++)
		if (s->link == p->link)
			s->link = 0;
	if (boot.on) {
		drop_helper(p->link);
		spread();
	}
}

void
bootstrap_start(void)
{
	timer = child_timer(on_timer, NULL);
}
