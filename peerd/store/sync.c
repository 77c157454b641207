/* SPDX-License-Identifier: ISC */
/*
 * Sessions of anti-entropy: the shell of recon.h.  Which peer is next, when,
 * and the records that a session pushes, sent as the window of its link
 * allows.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "peerd/recon.h"
#include "peerd/score.h"
#include "peerd/store/batch.h"
#include "peerd/store/links.h"

#define JITTER_MS     5000
#define LATE_MAX      16 /* more of them: a session waits for the next tick */
#define PUSHES_MAX    65536 /* keys waiting to be sent, of all sessions */
#define QUEUE_MAX     64    /* peers that wait for a session */
#define SILENT_MS     20000 /* who let one run out waits, then twice as long */
#define SILENT_MAX_MS 320000
#define HEAD_START_MS 60000
#define LOOK_MS       1000 /* at our session, while others wait for it */

/* A key to be sent to a peer. */
struct push {
	uint32_t link;
	uint16_t sid;
	uint8_t key[32];
};

static struct recon recon;
static bool running;
static struct event *timer;
static struct mono look;
static uint32_t bringing;   /* the link whose records are being put */
static struct push *pushes; /* a ring */
static size_t push_first, n_pushes;
static uint64_t pushes_dropped;
static uint16_t next_sid;

/*
 * Peers whose root differs, first come first served; those we dialled have a
 * head start, for strangers may be many.
 */
static struct turn {
	uint32_t link;
	bool outbound;
	struct mono due;
} queue[QUEUE_MAX];
static size_t n_queue;
static uint64_t turns_refused;

/* --- pushing --- */

/* Load as many as fit one message, of one peer and session. */
static size_t
load(const struct push *p, size_t max, uint8_t *buf, size_t cap, size_t *taken)
{
	struct wr w;
	size_t i;

	batch_begin();
	for (i = 0; i < max; i++) {
		const struct push *q = &pushes[(push_first + i) % PUSHES_MAX];

		if (q->link != p->link || q->sid != p->sid ||
		    !batch_add(store.rs, q->key))
			break;
	}
	*taken = i;
	if (batch_count() == 0)
		return 0;
	wr_init(&w, buf, cap);
	batch_put(&w, p->sid);
	store.n.sync_records_out += batch_count();
	return w.bad ? 0 : w.len;
}

/* Send what waits, in order, until a window is full. */
static void
flush(void)
{
	static uint8_t buf[RECON_MSG_MAX];
	struct link_peer *p;
	struct push first;
	size_t len, taken;

	while (n_pushes > 0) {
		first = pushes[push_first];
		p = links_find(first.link);
		if (p != NULL && !links_may_send(p))
			return; /* sync_go_on() comes when it has room */
		len = load(&first, n_pushes, buf, sizeof(buf), &taken);
		push_first = (push_first + taken) % PUSHES_MAX;
		n_pushes -= taken;
		if (p != NULL && len > 0 && !links_send(p, buf, len))
			return;
	}
}

static void
op_push(void *arg, uint64_t peer, uint16_t sid, const uint8_t key[32])
{
	struct push *q;

	(void)arg;
	if (n_pushes == PUSHES_MAX) {
		pushes_dropped++; /* the next session finds them */
		return;
	}
	q = &pushes[(push_first + n_pushes++) % PUSHES_MAX];
	q->link = (uint32_t)peer;
	q->sid = sid;
	memcpy(q->key, key, 32);
}

static void
op_send(void *arg, uint64_t peer, const uint8_t *msg, size_t len)
{
	struct link_peer *p = links_find((uint32_t)peer);

	(void)arg;
	flush(); /* an END comes after what it closes, where there is room */
	if (p != NULL)
		(void)links_send(p, msg, len);
}

/* --- which peer is next --- */

static void
unwant(size_t i)
{
	queue[i] = queue[--n_queue];
}

/* One we dialled takes the place of the last of the others. */
static bool
make_room(bool outbound)
{
	size_t i, last = QUEUE_MAX;

	if (n_queue < QUEUE_MAX)
		return true;
	for (i = 0; outbound && i < n_queue; i++)
		if (!queue[i].outbound &&
		    (last == QUEUE_MAX ||
			mono_before(queue[last].due, queue[i].due)))
			last = i;
	if (last == QUEUE_MAX)
		return false;
	turns_refused++;
	unwant(last);
	return true;
}

static void
want(uint32_t link, struct mono due)
{
	const struct link_peer *p = links_find(link);
	size_t i;

	if (p != NULL && p->silent > 0 && mono_before(due, p->sync_from))
		due = p->sync_from;
	for (i = 0; i < n_queue; i++)
		if (queue[i].link == link)
			return;
	if (p == NULL || !make_room(p->outbound)) {
		turns_refused += p != NULL;
		return;
	}
	queue[n_queue++] = (struct turn){ link, p->outbound, due };
}

static struct mono
rank(const struct turn *t)
{
	return mono_add_ms(t->due, t->outbound ? 0 : HEAD_START_MS);
}

/* Whose turn it is; n_queue when it is nobody's yet. */
static size_t
next_turn(struct mono now)
{
	size_t i, first = n_queue;

	for (i = 0; i < n_queue; i++)
		if (mono_reached(queue[i].due, now) &&
		    (first == n_queue ||
			mono_before(rank(&queue[i]), rank(&queue[first]))))
			first = i;
	return first;
}

static struct mono
next_due(void)
{
	struct mono due = recon_due(&recon), turn = MONO_NEVER;
	size_t i;

	for (i = 0; i < n_queue; i++)
		turn = mono_min(turn, queue[i].due);
	/* Is the one that is on of any use still? */
	if (recon_is_busy(&recon) && mono_before(turn, look))
		turn = look;
	return mono_min(due, turn);
}

static void
arm(void)
{
	struct mono now = mono_now();

	child_timer_set(timer, next_due(), now);
}

/* The latest tick that both have and of which we still have the tree. */
static bool
common_tick(const struct link_peer *p, uint64_t *tick)
{
	enum mtree_ver ver;

	*tick = recstore_tick(store.rs);
	if (p->root.tick < *tick)
		*tick = p->root.tick;
	return mtree_find_tick(recstore_tree(store.rs), *tick, &ver);
}

/* From now until a little after the next tick is settled. */
static int64_t
until_next_tick(void)
{
	struct wall now = wall_now();
	int64_t ms = recstore_due(store.rs, now).ms - now.ms;

	return (ms < 0 ? 0 : ms) + (int64_t)randombytes_uniform(JITTER_MS);
}

static void
begin(struct link_peer *p, struct mono now)
{
	uint8_t salt[8];
	uint64_t tick;
	enum recon_rc rc;

	/* The roots may have come to agree while it waited. */
	if (p->odd == 0 || !common_tick(p, &tick))
		return;
	/* It may have been wanted before it let a session run out. */
	if (p->silent > 0 && mono_before(now, p->sync_from)) {
		want(p->link, p->sync_from);
		return;
	}
	/* Sessions compare settled trees: what came late since would come
	 * once more.  The next tick has it. */
	if (recstore_late(store.rs) > LATE_MAX) {
		want(p->link, mono_add_ms(now, until_next_tick()));
		return;
	}
	randombytes_buf(salt, sizeof(salt));
	rc = recon_start(&recon, p->link, ++next_sid, tick, salt, now);
	if (rc == RECON_OK) {
		store.n.sync_sessions++;
		log_debug("sync: session %u with link %u of tick %llu",
		    next_sid, p->link, (unsigned long long)tick);
	} else if (rc == RECON_BUSY) {
		want(p->link, mono_add_ms(now, 1000));
	}
}

static void
begin_due(struct mono now)
{
	struct link_peer *p;
	uint32_t link;
	size_t i = next_turn(now);

	/* One session at a time is ours; those who wait keep their turn. */
	if (i == n_queue || recon_is_busy(&recon))
		return;
	link = queue[i].link;
	unwant(i);
	if ((p = links_find(link)) != NULL)
		begin(p, now);
}

/* Who took our time for nothing waits, ever longer; others come first. */
static void
note_end(struct link_peer *p, bool silent, struct mono now)
{
	int64_t ms = SILENT_MS;
	unsigned i;

	if (!silent) {
		p->silent = 0;
		return;
	}
	for (i = 0; i < p->silent && ms < SILENT_MAX_MS; i++)
		ms *= 2;
	p->silent++;
	p->sync_from = mono_add_ms(now, ms);
}

static void
op_end(void *arg, uint64_t peer, enum recon_how how, uint32_t retry_s)
{
	static const char *const names[] = { [RECON_DONE] = "done",
		[RECON_PARTIAL] = "partial",
		[RECON_REFUSED] = "refused",
		[RECON_LOST] = "lost",
		[RECON_SILENT] = "silent" };
	struct link_peer *p = links_find((uint32_t)peer);
	struct mono now = mono_now();

	(void)arg;
	log_debug("sync: session with link %llu: %s", (unsigned long long)peer,
	    names[how]);
	if (p != NULL)
		note_end(p, how == RECON_SILENT, now);
	if (p != NULL && how == RECON_DONE)
		since_synced(p);
	if (how == RECON_REFUSED)
		want((uint32_t)peer, mono_add_ms(now, (int64_t)retry_s * 1000));
	else if (how != RECON_DONE)
		want((uint32_t)peer, mono_add_ms(now, 1000));
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mono now = mono_now();

	(void)fd;
	(void)what;
	(void)arg;
	recon_tick(&recon, now);
	look = mono_add_ms(now, LOOK_MS);
	begin_due(now);
	flush();
	arm();
}

void
sync_wanted(struct link_peer *p, bool at_once)
{
	struct mono now = mono_now();
	int64_t wait = at_once ? 0 : (int64_t)randombytes_uniform(JITTER_MS);

	if (!running)
		return;
	want(p->link, mono_add_ms(now, wait));
	arm();
}

/* --- messages --- */

void
sync_message(struct link_peer *p, const void *msg, size_t len)
{
	if (!running)
		return;
	if (recon_input(&recon, p->link, msg, len, mono_now()) ==
	    RECON_MALFORMED) {
		store.n.sync_messages_refused++;
		net_score(p->link, SCORE_MALFORMED);
	}
	flush();
	arm();
}

void
sync_arrived(uint32_t link)
{
	bringing = link;
	if (running && link != 0)
		recon_heard(&recon, link, mono_now());
}

void
sync_key_arrived(const uint8_t key[32], uint64_t hlc, bool news)
{
	if (!running)
		return;
	recon_arrived(&recon, key, hlc);
	if (news && bringing != 0)
		recon_gained(&recon, bringing);
}

void
sync_go_on(struct link_peer *p)
{
	(void)p;
	if (running)
		flush();
}

void
sync_peer_gone(const struct link_peer *p)
{
	size_t i;

	if (!running)
		return;
	recon_forget_peer(&recon, p->link);
	for (i = 0; i < n_queue; i++)
		if (queue[i].link == p->link) {
			unwant(i);
			break;
		}
	arm(); /* the session may have been the one that went */
}

void
sync_limits(limit_emit emit, void *arg)
{
	emit(arg, "links waiting for a sync", n_queue, QUEUE_MAX,
	    turns_refused);
}

/* --- its life --- */

static void *
table(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		fatalx(EX_OSERR, "no memory for sync");
	return p;
}

void
sync_start(void)
{
	struct recon_conf conf = { .tree = recstore_tree(store.rs),
		.n_stack = RECON_STACK,
		.n_wants = RECON_WANTS,
		.tick_ms = store.charter.tick_ms,
		.ops = { .send = op_send, .push = op_push, .end = op_end } };

	memcpy(conf.netid, store.charter.netid, 32);
	randombytes_buf(conf.key, sizeof(conf.key));
	randombytes_buf(&next_sid, sizeof(next_sid));
	conf.stack = table(RECON_STACK, sizeof(*conf.stack));
	conf.wants = table(RECON_WANTS, sizeof(*conf.wants));
	pushes = table(PUSHES_MAX, sizeof(*pushes));
	recon_init(&recon, &conf, mono_now());
	timer = child_timer(on_timer, NULL);
	running = true;
}
