/* SPDX-License-Identifier: ISC */
/*
 * An empty node, or one that lacks most of what a peer has, does not compare:
 * it asks for everything, range by range, from up to four peers at once, as
 * boot.h says.  Where a peer fails, its ranges are asked of another from where
 * they stopped.  Roots are compared afterwards as always, so whoever withholds
 * something is found out.
 *
 * The other side streams what its tree has settled, as the window of the link
 * allows.
 */
#include <string.h>

#include "common/log.h"
#include "peerd/boot.h"
#include "peerd/recon.h"
#include "peerd/store/batch.h"
#include "peerd/store/links.h"

#define PART_BYTES   (1u << 20) /* then the asker is asked whether to go on */
#define BATCH        100
#define STREAMS_MAX  32
#define TICKS_BEHIND 8 /* that a peer may be behind, beside its clock */

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
	static uint8_t buf[RECON_MSG_MAX];
	size_t n, i;
	struct wr w;

	n = mtree_list(recstore_tree(store.rs), MTREE_CURRENT, s->range.prefix,
	    s->range.bits, s->begun ? s->after : NULL, e, BATCH);
	batch_begin();
	for (i = 0; i < n && batch_add(store.rs, e[i].key); i++) {
		s->begun = true;
		memcpy(s->after, e[i].key, 32);
	}
	if (batch_count() > 0) {
		wr_init(&w, buf, sizeof(buf));
		batch_put(&w, s->sid);
		store.n.sync_records_out += batch_count();
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
	if (empty == NULL || n >= BOOT_EACH * 2)
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

/* --- fetching: the shell of boot.h --- */

static struct boot boot;
static struct event *timer;

static uint64_t
have(void)
{
	const struct recstore_root *r = recstore_root(store.rs, MSG_NULL64);

	return recstore_pending(store.rs) + (r == NULL ? 0 : r->top.cnt);
}

static bool
ask(struct link_peer *p, struct boot_task *t, struct mono now)
{
	uint8_t buf[128];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	wire_put_fetch(&w, boot_next_sid(&boot), &t->range,
	    t->has_after ? t->after : NULL);
	if (w.bad || !links_send(p, buf, w.len))
		return false;
	boot_asked(&boot, t, p->link, now);
	return true;
}

/* What they settled is here; now for what they will settle next. */
static void
ask_pending(void)
{
	struct link_peer *p;
	unsigned i;

	for (i = 0; i < BOOT_HELPERS; i++)
		if ((p = links_find(boot.helpers[i].link)) != NULL &&
		    !since_pending(p))
			return;
}

/* Give every peer that helps its share of what is left. */
static void
spread(void)
{
	struct mono now = mono_now();
	struct boot_task *t;
	struct link_peer *p;
	unsigned i;

	if (boot_finish(&boot, have(), now)) {
		log_info("database: fetched from others in %lld s",
		    (long long)(mono_ms_between(boot.began, now) / 1000));
		child_event("db", "fetched from others");
		ask_pending();
		return;
	}
	for (i = 0; boot.on && i < BOOT_HELPERS; i++) {
		if (boot.helpers[i].link == 0 ||
		    (p = links_find(boot.helpers[i].link)) == NULL)
			continue;
		while ((t = boot_next(&boot, p->link, now)) != NULL)
			if (!ask(p, t, now))
				return;
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();
	uint64_t barred = boot.barred;

	(void)fd;
	(void)what;
	(void)arg;
	boot_tick(&boot, net_is_held(), now);
	if (boot.barred > barred)
		log_debug("database: %llu peers brought too little",
		    (unsigned long long)(boot.barred - barred));
	spread();
	if (boot.on)
		child_timer_set(timer, mono_add_ms(now, BOOT_TICK_MS), now);
}

/* Will the peer ask us for everything?  Then we do not compare with it. */
bool
bootstrap_is_theirs(const struct link_peer *p)
{
	const struct recstore_root *r = recstore_root(store.rs, MSG_NULL64);

	return r != NULL && r->top.cnt >= BOOT_MANY &&
	    r->top.cnt / BOOT_MUCH_MORE >= p->root.cnt && p->odd < 6;
}

/*
 * Is it a tick that somebody may have settled lately, whose clock is as right
 * as the charter asks?  Else there is no telling what the count is of.
 */
static bool
is_near(uint64_t tick)
{
	const struct charter *ch = &store.charter;
	int64_t now = wall_now().ms, before;

	before = (int64_t)ch->future_ms + ch->settle_ms +
	    (int64_t)TICKS_BEHIND * ch->tick_ms;
	return tick <= (uint64_t)(now + ch->future_ms) / ch->tick_ms &&
	    (int64_t)tick * ch->tick_ms >= now - before;
}

bool
bootstrap_wanted(struct link_peer *p)
{
	struct mono now = mono_now();
	bool was_on = boot.on;

	if (!is_near(p->root.tick) ||
	    !boot_offer(&boot, p->link, p->id, p->root.cnt, have(), now))
		return false;
	if (!was_on) {
		log_info("database: fetching %llu records from others",
		    (unsigned long long)p->root.cnt);
		child_timer_set(timer, mono_add_ms(now, BOOT_TICK_MS), now);
	}
	spread();
	return true;
}

void
bootstrap_records(const struct msg_ps_records *r)
{
	uint8_t key[32];
	struct rec rec;
	size_t i;

	if (!boot_is_helper(&boot, r->link))
		return;
	for (i = 0; i < r->n_records; i++) {
		if (rec_decode(&rec, &store.charter, r->records[i].raw.p,
			r->records[i].raw.len) != REC_OK)
			continue;
		rec_key(key, &rec, store.charter.netid);
		boot_record(&boot, r->link, key, r->records[i].raw.len);
	}
}

void
bootstrap_answer(struct link_peer *p, const struct wire_msg *m)
{
	boot_answer(&boot, p->link, m->sid, m->more, m->after, mono_now());
	spread();
}

void
bootstrap_peer_gone(const struct link_peer *p)
{
	struct stream *s;

	for (s = streams; s < streams + STREAMS_MAX; s++)
		if (s->link == p->link)
			s->link = 0;
	boot_gone(&boot, p->link);
	spread();
}

void
bootstrap_limits(limit_emit emit, void *arg)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; boot.on && i < BOOT_HELPERS; i++)
		n += boot.helpers[i].link != 0;
	emit(arg, "links that help to fetch all", n, BOOT_HELPERS, boot.barred);
}

void
bootstrap_start(void)
{
	timer = child_timer(on_timer, NULL);
}
