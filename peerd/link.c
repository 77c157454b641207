/* SPDX-License-Identifier: ISC */
/*
 * Frames, lanes and credit, as promised in link.h.
 */
#include "peerd/link.h"

#include <sodium.h>
#include <string.h>

#include "common/assert.h"

/*
 * Window, and what a lane may send per round when others wait too.  The
 * longest message of a lane fits three quarters of its window: a grant comes
 * at one quarter, so a sender can never starve for a message that would fit.
 */
static const struct {
	uint32_t window, quantum;
} lanes[LANE_N] = {
	[LANE_CONTROL] = { 64 * 1024, 0 },
	[LANE_GOSSIP] = { 256 * 1024, 32 * 1024 },
	[LANE_SYNC] = { 256 * 1024, 16 * 1024 },
	[LANE_BULK] = { 1024 * 1024, 16 * 1024 },
};

uint32_t
link_window(enum lane lane)
{
	return lanes[lane].window;
}

void
link_init(struct link *l, const struct noise_cipher *tx,
    const struct noise_cipher *rx)
{
	size_t i;

	memset(l, 0, sizeof(*l));
	l->tx = *tx;
	l->rx = *rx;
	for (i = 0; i < LANE_N; i++)
		l->credit[i] = l->open[i] = lanes[i].window;
	l->turn = LANE_GOSSIP;
}

void
link_wipe(struct link *l)
{
	sodium_memzero(&l->tx, sizeof(l->tx));
	sodium_memzero(&l->rx, sizeof(l->rx));
	if (l->err == LINK_FINE)
		l->err = LINK_WORN_OUT;
}

static enum link_rc
broken(struct link *l, enum link_err err)
{
	l->err = (uint8_t)err;
	l->in.left = 0;
	return LINK_BROKEN;
}

/* The queue's ring. */

static void
ring_copy_out(const struct link_queue *q, uint32_t from, uint8_t *out,
    uint32_t n)
{
	uint32_t at = (uint32_t)(((uint64_t)q->head + from) % q->cap);
	uint32_t first = q->cap - at < n ? q->cap - at : n;

	memcpy(out, q->buf + at, first);
	if (n > first)
		memcpy(out + first, q->buf, n - first);
}

static void
ring_append(struct link_queue *q, const uint8_t *src, uint32_t n)
{
	uint32_t at = (uint32_t)(((uint64_t)q->head + q->len) % q->cap);
	uint32_t first = q->cap - at < n ? q->cap - at : n;

	memcpy(q->buf + at, src, first);
	if (n > first)
		memcpy(q->buf, src + first, n - first);
	q->len += n;
}

static void
ring_drop(struct link_queue *q, uint32_t n)
{
	q->len -= n;
	q->head =
	    q->len == 0 ? 0 : (uint32_t)(((uint64_t)q->head + n) % q->cap);
}

/* Length of the first message, 0 when there is none. */
static uint32_t
queue_head_len(const struct link_queue *q)
{
	uint8_t b[2];

	if (q->len == 0)
		return 0;
	ring_copy_out(q, 0, b, 2);
	return get_u16(b);
}

uint8_t *
link_lend(struct link *l, enum lane lane, uint8_t *buf, size_t cap)
{
	struct link_queue *q = &l->out[lane];
	uint8_t *before = q->buf;

	if (buf == NULL)
		cap = 0;
	ASSERT(q->len <= cap && cap <= UINT32_MAX / 2);
	if (q->len > 0)
		ring_copy_out(q, 0, buf, q->len);
	q->buf = buf;
	q->cap = (uint32_t)cap;
	q->head = 0;
	return before;
}

bool
link_queue_parts(struct link *l, enum lane lane, const struct wire_blob *part,
    size_t n)
{
	struct link_queue *q = &l->out[lane];
	uint8_t b[LINK_ENTRY_LEN];
	size_t len = 0, i;

	for (i = 0; i < n; i++)
		len += part[i].len;
	ASSERT(len >= 1 && len <= LINK_MSG_MAX);
	ASSERT(lane != LANE_CONTROL || len <= LINK_CONTROL_MAX);
	if (q->cap - q->len < LINK_ENTRY_LEN + len)
		return false;
	put_u16(b, (uint16_t)len);
	ring_append(q, b, sizeof(b));
	for (i = 0; i < n; i++)
		if (part[i].len > 0)
			ring_append(q, part[i].p, (uint32_t)part[i].len);
	return true;
}

bool
link_queue(struct link *l, enum lane lane, const void *msg, size_t len)
{
	const struct wire_blob whole = { msg, len };

	return link_queue_parts(l, lane, &whole, 1);
}

size_t
link_queued(const struct link *l, enum lane lane)
{
	return l->out[lane].len;
}

/* Sending. */

static bool
grant_is_due(const struct link *l, enum lane lane)
{
	return l->owed[lane] >= lanes[lane].window / 4;
}

/* Length of the lane's first message when credit allows it, else 0. */
static uint32_t
sendable(const struct link *l, enum lane lane)
{
	uint32_t n = queue_head_len(&l->out[lane]);

	return n <= l->credit[lane] ? n : 0;
}

bool
link_wants_write(const struct link *l)
{
	enum lane i;

	if (l->err != LINK_FINE)
		return false;
	for (i = 0; i < LANE_N; i++)
		if (grant_is_due(l, i) || sendable(l, i) > 0)
			return true;
	return false;
}

/* CREDIT messages for every lane that has a grant due. */
static void
put_grants(struct link *l, struct wr *w)
{
	uint8_t *len_at;
	size_t before;
	enum lane i;

	for (i = 0; i < LANE_N; i++) {
		if (!grant_is_due(l, i))
			continue;
		len_at = wr_room(w, 2);
		before = w->len;
		wire_put_credit(w, i, l->owed[i]);
		put_u16(len_at, (uint16_t)(w->len - before));
		l->open[i] += l->owed[i];
		l->owed[i] = 0;
	}
}

/*
 * Move messages of a lane into the frame while credit, the frame and budget
 * allow.  Returns the message bytes moved.
 */
static uint32_t
put_msgs(struct link *l, enum lane lane, struct wr *w, uint32_t budget)
{
	struct link_queue *q = &l->out[lane];
	uint32_t n, moved = 0;
	uint8_t *at;

	for (;;) {
		n = sendable(l, lane);
		if (n == 0 || n > budget - moved)
			break;
		if (w->len > 1 && w->len + 2 + n > LINK_FRAME_FULL)
			break;
		at = wr_room(w, 2 + (size_t)n);
		ASSERT(at != NULL);
		ring_copy_out(q, 0, at, 2 + n);
		ring_drop(q, 2 + n);
		l->credit[lane] -= n;
		moved += n;
	}
	return moved;
}

/* Give the turn to the next of the lanes that take turns. */
static void
next_turn(struct link *l)
{
	if (sendable(l, l->turn) == 0)
		l->deficit[l->turn] = 0; /* nothing is saved up while idle */
	l->turn = l->turn + 1 == LANE_N ? LANE_GOSSIP : l->turn + 1;
	l->arrived = false;
}

/*
 * Deficit round robin: a lane gets its quantum once per visit and sends
 * while the head of its queue is covered.  Five visits save up for the
 * longest message, hence the bound.  False when no lane can send.
 */
static bool
put_round_robin(struct link *l, struct wr *w)
{
	unsigned visits;
	uint32_t n;

	for (visits = 0; visits < 3 * 6; visits++) {
		n = sendable(l, l->turn);
		if (n > 0 && !l->arrived) {
			l->deficit[l->turn] += lanes[l->turn].quantum;
			l->arrived = true;
		}
		if (n == 0 || n > l->deficit[l->turn]) {
			next_turn(l);
			continue;
		}
		w->p[0] = l->turn;
		l->deficit[l->turn] -=
		    put_msgs(l, l->turn, w, l->deficit[l->turn]);
		return true;
	}
	return false;
}

enum link_rc
link_next_frame(struct link *l, uint8_t *out, size_t *len)
{
	struct wr w;

	*len = 0;
	if (l->err != LINK_FINE)
		return LINK_BROKEN;
	wr_init(&w, out + 2, LINK_PLAIN_MAX);
	wr_u8(&w, LANE_CONTROL);
	put_grants(l, &w);
	(void)put_msgs(l, LANE_CONTROL, &w, UINT32_MAX);
	if (w.len == 1 && !put_round_robin(l, &w))
		return LINK_MORE;
	ASSERT(!w.bad);
	put_u16(out, (uint16_t)(w.len + NOISE_TAG_LEN));
	if (noise_encrypt(&l->tx, out + 2, w.len, out + 2) != 0)
		return broken(l, LINK_WORN_OUT);
	*len = 2 + w.len + NOISE_TAG_LEN;
	return LINK_GOT;
}

/* Receiving. */

size_t
link_frame_len(const uint8_t *buf, size_t len)
{
	return len < 2 ? 2 : 2 + (size_t)get_u16(buf);
}

enum link_rc
link_feed(struct link *l, uint8_t *buf, size_t len, size_t *used)
{
	size_t frame = link_frame_len(buf, len);
	size_t plain;

	*used = 0;
	if (l->err != LINK_FINE)
		return LINK_BROKEN;
	l->in.left = 0;
	if (len < 2)
		return LINK_MORE;
	if (frame < LINK_FRAME_MIN)
		return broken(l, LINK_BAD_LENGTH);
	if (len < frame)
		return LINK_MORE;
	if (noise_decrypt(&l->rx, buf + 2, frame - 2, buf + 2) != 0)
		return broken(l, LINK_BAD_CRYPT);
	plain = frame - 2 - NOISE_TAG_LEN;
	if (buf[2] >= LANE_N)
		return broken(l, LINK_BAD_LANE);
	l->in_lane = buf[2];
	rd_init(&l->in, buf + 3, plain - 1);
	*used = frame;
	return LINK_GOT;
}

/*
 * If this is a CREDIT message, take it to heart.  LINK_GOT when it was one,
 * LINK_MORE when it was not.  A malformed one is left to the receiver, who
 * will find it so, and pays with credit like any other message.
 */
static enum link_rc
take_grant(struct link *l, const uint8_t *p, size_t len)
{
	struct wire_msg m;

	if (wire_decode(&m, (enum lane)l->in_lane, p, len) != WIRE_OK ||
	    m.type != WIRE_CREDIT)
		return LINK_MORE;
	if (m.bytes > lanes[m.lane].window - l->credit[m.lane])
		return broken(l, LINK_BAD_GRANT);
	l->credit[m.lane] += m.bytes;
	return LINK_GOT;
}

enum link_rc
link_next_msg(struct link *l, struct link_msg *msg)
{
	enum link_rc rc;
	size_t len;

	if (l->err != LINK_FINE)
		return LINK_BROKEN;
	while (l->in.left > 0) {
		len = rd_u16(&l->in);
		msg->lane = (enum lane)l->in_lane;
		msg->p = rd_take(&l->in, len);
		msg->len = len;
		if (msg->p == NULL || len == 0)
			return broken(l, LINK_BAD_FRAME);
		if (l->in_lane == LANE_CONTROL) {
			rc = take_grant(l, msg->p, len);
			if (rc == LINK_BROKEN)
				return rc;
			if (rc == LINK_GOT)
				continue;
		}
		if (len > l->open[l->in_lane])
			return broken(l, LINK_BAD_CREDIT);
		l->open[l->in_lane] -= (uint32_t)len;
		return LINK_GOT;
	}
	return LINK_MORE;
}

void
link_consumed(struct link *l, enum lane lane, size_t n)
{
	ASSERT(n <= lanes[lane].window - l->open[lane] - l->owed[lane]);
	l->owed[lane] += (uint32_t)n;
}

const char *
link_err_name(enum link_err err)
{
	static const char *const names[] = {
		[LINK_FINE] = "ok",
		[LINK_BAD_LENGTH] = "frame length",
		[LINK_BAD_CRYPT] = "decryption",
		[LINK_BAD_LANE] = "unknown lane",
		[LINK_BAD_FRAME] = "message length",
		[LINK_BAD_CREDIT] = "sent past credit",
		[LINK_BAD_GRANT] = "granted more than was sent",
		[LINK_WORN_OUT] = "nonces used up",
	};

	return names[err];
}
