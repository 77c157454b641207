/* SPDX-License-Identifier: ISC */
/*
 * Bodies that others fetch from us: their manifest, then chunks straight
 * from the file, half a chunk in memory at a time, as the window of the link
 * allows.  A body is hashed as a whole before the first of it is served;
 * what changes on disk after that, whoever fetches it notices.
 */
#include <string.h>
#include <unistd.h>

#include "common/ratelimit.h"
#include "peerd/fetch.h"
#include "peerd/score.h"
#include "peerd/store/bodies.h"
#include "peerd/store/fetchers.h"
#include "peerd/store/placing.h"

/* Sync has the rest of the window: a block must not hold up records. */
#define BULK_WINDOW (LINK_WINDOW / 2)

/* A run of chunks that a peer asked for. */
static struct serving {
	uint32_t link;
	uint8_t id[32];
	unsigned i, end, half; /* the next to be sent; end is past the last */
} queue[SERVING_MAX];          /* in order */
static size_t n_queue;
static uint64_t refused;

static struct remembered {
	uint8_t id[32];
	struct manifest man; /* size 0: free */
	uint64_t used;
} manifests[MANIFESTS_MAX];
static uint64_t uses;

/* A body to be hashed costs milliseconds, and 40 bytes ask for it. */
static const struct rate hash_rate = { .per_s = 20, .burst = 100 };
static struct bucket hash_bucket;

/* --- manifests --- */

void
serve_forget(const uint8_t id[32])
{
	size_t i;

	for (i = 0; i < MANIFESTS_MAX; i++)
		if (memcmp(manifests[i].id, id, 32) == 0)
			manifests[i].man.size = 0;
}

/* Known already, or we can afford to read it now? */
static bool
is_affordable(const uint8_t id[32])
{
	static bool begun;
	size_t i;

	for (i = 0; i < MANIFESTS_MAX; i++)
		if (manifests[i].man.size != 0 &&
		    memcmp(manifests[i].id, id, 32) == 0)
			return true;
	if (!begun)
		bucket_init(&hash_bucket, hash_rate);
	begun = true;
	if (!bodies_is_held(id) || bucket_allow(&hash_bucket, mono_now()))
		return true;
	refused++;
	return false;
}

/* Of a body that is here and whole; NULL when it is not. */
static const struct manifest *
manifest_of(const uint8_t id[32])
{
	struct remembered *m, *oldest = manifests;

	for (m = manifests; m < manifests + MANIFESTS_MAX; m++) {
		if (m->man.size != 0 && memcmp(m->id, id, 32) == 0) {
			m->used = ++uses;
			return &m->man;
		}
		if (m->used < oldest->used)
			oldest = m;
	}
	if (!care_manifest(id, &oldest->man)) {
		oldest->man.size = 0;
		return NULL;
	}
	memcpy(oldest->id, id, 32);
	oldest->used = ++uses;
	return &oldest->man;
}

/* --- sending --- */

static bool
has_room(const struct link_peer *p)
{
	return p->in_flight < BULK_WINDOW;
}

static void
send_manifest(struct link_peer *p, const uint8_t id[32],
    const struct manifest *man)
{
	uint8_t buf[BLOCK_CHUNKS_MAX * 32 + 64];
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	fetch_put_man(&w, id, man);
	/* When it is lost the peer asks again. */
	if (!w.bad)
		(void)links_send(p, buf, w.len);
}

static bool
read_at(int fd, void *buf, size_t len, off_t off)
{
	return pread(fd, buf, len, off) == (ssize_t)len;
}

/* The next half of a run.  False when the link takes no more. */
static bool
send_half(struct link_peer *p, const struct serving *s, uint32_t size, int fd)
{
	static uint8_t bytes[FETCH_HALF], buf[FETCH_MSG_MAX];
	uint32_t len = fetch_half_len(size, s->i, s->half);
	struct wr w;

	if (len == 0)
		return true; /* a short chunk has one, the body no more */
	if (!read_at(fd, bytes, len,
		(off_t)s->i * BLOCK_CHUNK + s->half * FETCH_HALF))
		return true; /* the peer asks somebody else */
	wr_init(&w, buf, sizeof(buf));
	fetch_put_chunk(&w, s->id, s->i, s->half, bytes, len);
	return !w.bad && links_send(p, buf, w.len);
}

/* As much of a run as the link takes; true when all of it was sent. */
static bool
send_run(struct link_peer *p, struct serving *s)
{
	uint32_t size;
	int fd = -1;
	bool room;

	if (manifest_of(s->id) == NULL ||
	    (fd = bodies_open(s->id, &size)) == -1) {
		send_manifest(p, s->id, NULL); /* not held any more */
		return true;
	}
	while ((room = has_room(p)) && s->i < s->end) {
		if (!(room = send_half(p, s, size, fd)))
			break;
		if (s->half++ == 1) {
			s->half = 0;
			s->i++;
			store.n.chunks_served++;
		}
	}
	(void)close(fd);
	return s->i >= s->end;
}

static void
remove_at(size_t i)
{
	n_queue--;
	memmove(&queue[i], &queue[i + 1], (n_queue - i) * sizeof(queue[0]));
}

void
serve_go_on(struct link_peer *p)
{
	size_t i;

	for (i = 0; i < n_queue && has_room(p);) {
		if (queue[i].link != p->link) {
			i++;
			continue;
		}
		if (!send_run(p, &queue[i]))
			return;
		remove_at(i);
	}
}

void
serve_peer_gone(const struct link_peer *p)
{
	size_t i, n = 0;

	for (i = 0; i < n_queue; i++)
		if (queue[i].link != p->link)
			queue[n++] = queue[i];
	n_queue = n;
}

/* --- asked --- */

static void
take_run(struct link_peer *p, const struct fetch_msg *m)
{
	struct serving *last = NULL, *s;
	unsigned n = 0;

	for (s = queue; s < queue + n_queue; s++)
		if (s->link == p->link) {
			last = s;
			n++;
		}
	if (last != NULL && last->end == m->i &&
	    memcmp(last->id, m->id, 32) == 0) {
		last->end += m->n;
		return;
	}
	if (n == SERVING_EACH || n_queue == SERVING_MAX) {
		refused++;
		return;
	}
	s = &queue[n_queue++];
	s->link = p->link;
	memcpy(s->id, m->id, 32);
	s->i = m->i;
	s->end = m->i + m->n;
	s->half = 0;
}

void
serve_message(struct link_peer *p, const void *msg, size_t len)
{
	const struct manifest *man;
	struct fetch_msg m;

	if (!fetch_decode(&m, msg, len)) {
		store.n.sync_messages_refused++;
		net_score(p->link, SCORE_MALFORMED);
		return;
	}
	if (!is_affordable(m.id))
		return; /* the peer asks again */
	if (m.type == WIRE_GETMAN) {
		man = manifest_of(m.id);
		store.n.blocks_served += man != NULL;
		send_manifest(p, m.id, man);
		return;
	}
	take_run(p, &m);
	serve_go_on(p);
}

void
serve_limits(limit_emit emit, void *arg)
{
	emit(arg, "chunk requests of peers", n_queue, SERVING_MAX, refused);
}
