/* SPDX-License-Identifier: ISC */
/* A block from several holders, good, slow, silent and lying. */
#include "peerd/fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "peerd/wire.h"
#include "tests/unit/vec.h"

#define SIZE   (BLOCK_SIZE_MAX - 12345)
#define EVENTS 4096

enum manner {
	GOOD,
	LACKING,
	SILENT,
	BAD_MAN,
	BAD_CHUNK,
	BAD_HALF,
	SHORT,
	LOST /* its link ends in the middle */
};

struct holder {
	enum manner manner;
	int64_t rtt_ms;
	int64_t per_half_us; /* how long its line is busy with one */
	int64_t busy_us;     /* until then */
	unsigned served;     /* halves */
};

/* An answer on its way. */
struct event {
	int64_t at_us;
	uint32_t peer;
	uint8_t type;
	unsigned i, half;
	bool used;
};

static uint8_t body[BLOCK_SIZE_MAX], got[BLOCK_SIZE_MAX];
static struct manifest man;
static uint8_t id[32];
static struct holder holders[9]; /* by peer, from 1 */
static struct event events[EVENTS];
static struct fetch f;
static int64_t now_us;
static unsigned n_gone[3], sends, most_flight, refuse;
static uint32_t last_bad;
static bool no_room;

static struct mono
now(void)
{
	return (struct mono){ now_us };
}

static void
put_event(int64_t at_us, uint32_t peer, uint8_t type, unsigned i, unsigned half)
{
	size_t k;

	for (k = 0; k < EVENTS && events[k].used; k++)
		continue;
	assert_true(k < EVENTS);
	events[k] = (struct event){ at_us, peer, type, i, half, true };
}

static bool
op_send(void *arg, uint32_t peer, const void *msg, size_t len)
{
	struct holder *h = &holders[peer];
	struct fetch_msg m;
	unsigned i, half;

	(void)arg;
	if (refuse > 0) {
		refuse--;
		return false;
	}
	sends++;
	assert_true(fetch_decode(&m, msg, len));
	assert_memory_equal(m.id, id, 32);
	if (h->manner == SILENT)
		return true;
	if (m.type == WIRE_GETMAN || h->manner == LACKING) {
		put_event(now_us + h->rtt_ms * 1000, peer, WIRE_MAN, 0, 0);
		return true;
	}
	assert_int_equal(m.type, WIRE_GET);
	assert_true(m.i + m.n <= blocks_chunks(SIZE));
	if (h->busy_us < now_us)
		h->busy_us = now_us;
	for (i = m.i; i < m.i + m.n; i++)
		for (half = 0; half < 2; half++) {
			if (fetch_half_len(SIZE, i, half) == 0)
				continue;
			h->busy_us += h->per_half_us;
			put_event(h->busy_us + h->rtt_ms * 1000, peer,
			    WIRE_CHUNK, i, half);
		}
	return true;
}

static void
op_gone(void *arg, uint32_t peer, enum fetch_gone why)
{
	(void)arg;
	n_gone[why]++;
	if (why == FETCH_BAD)
		last_bad = peer;
}

static uint8_t *
op_room(void *arg, uint32_t size)
{
	(void)arg;
	assert_int_equal(size, SIZE);
	return no_room ? NULL : got;
}

static void
begin(void)
{
	static const struct fetch_ops ops = { .send = op_send,
		.gone = op_gone,
		.room = op_room };
	size_t i;

	for (i = 0; i < SIZE; i++)
		body[i] = (uint8_t)(i * 2654435761u >> 13);
	blocks_manifest(&man, body, SIZE);
	blocks_id(id, &man);
	memset(holders, 0, sizeof(holders));
	memset(events, 0, sizeof(events));
	memset(got, 0, sizeof(got));
	memset(n_gone, 0, sizeof(n_gone));
	now_us = 1000000;
	sends = most_flight = last_bad = 0;
	refuse = 0;
	no_room = false;
	fetch_init(&f, id, &ops, now());
}

static void
hold(uint32_t peer, enum manner manner, int64_t rtt_ms, int64_t per_half_us)
{
	holders[peer] = (struct holder){ manner, rtt_ms, per_half_us, 0, 0 };
	assert_true(fetch_add_peer(&f, peer, now()));
}

static void
deliver(const struct event *e)
{
	struct holder *h = &holders[e->peer];
	static uint8_t bytes[FETCH_HALF], buf[FETCH_MSG_MAX];
	struct manifest m = man;
	struct fetch_msg in;
	size_t len = fetch_half_len(SIZE, e->i, e->half);
	struct wr w;

	wr_init(&w, buf, sizeof(buf));
	if (e->type == WIRE_MAN) {
		m.chunks[5][0] ^= h->manner == BAD_MAN;
		fetch_put_man(&w, id, h->manner == LACKING ? NULL : &m);
	} else {
		h->served++;
		if (h->manner == LOST && h->served == 9) {
			fetch_lose_peer(&f, e->peer, now());
			return;
		}
		memcpy(bytes,
		    body + (size_t)e->i * BLOCK_CHUNK + e->half * FETCH_HALF,
		    len);
		if (h->manner == BAD_CHUNK && e->i % 3 == 1)
			bytes[7] ^= 1;
		if (h->manner == BAD_HALF && e->half == 1)
			bytes[len - 1] ^= 1;
		if (h->manner == SHORT)
			len--;
		fetch_put_chunk(&w, id, e->i, e->half, bytes, len);
	}
	assert_false(w.bad);
	assert_true(w.len < 65516);
	assert_true(fetch_decode(&in, w.p, w.len));
	fetch_input(&f, e->peer, &in, now());
}

/* Until it is done, or nothing happens for a minute.  Virtual ms it took. */
static int64_t
run(void)
{
	struct event *e, *next;
	int64_t began = now_us;
	unsigned i, flight;

	while (f.state < FETCH_DONE) {
		for (next = NULL, e = events; e < events + EVENTS; e++)
			if (e->used && (next == NULL || e->at_us < next->at_us))
				next = e;
		if (next != NULL && next->at_us <= f.due.us) {
			now_us = next->at_us > now_us ? next->at_us : now_us;
			next->used = false;
			deliver(next);
		} else if (f.due.us == INT64_MAX ||
		    f.due.us > began + 600 * 1000000LL) {
			break;
		} else {
			now_us = f.due.us > now_us ? f.due.us : now_us;
			fetch_tick(&f, now());
		}
		for (i = 0; i < FETCH_PEERS_MAX; i++) {
			flight = f.peers[i].flight;
			assert_true(flight <= FETCH_FLIGHT);
			most_flight =
			    flight > most_flight ? flight : most_flight;
		}
	}
	return (now_us - began) / 1000;
}

static void
is_done(void)
{
	assert_int_equal(f.state, FETCH_DONE);
	assert_memory_equal(got, body, SIZE);
}

static void
test_one(void **state)
{
	int64_t ms;

	(void)state;
	begin();
	hold(1, GOOD, 20, 300);
	ms = run();
	is_done();
	/* 128 halves of 0.3 ms each, and some round trips. */
	assert_in_range(ms, 38, 400);
	assert_int_equal(most_flight, FETCH_FLIGHT);
	assert_int_equal(f.bytes_useless, 0);
}

static void
test_four_share(void **state)
{
	int64_t one, four;
	uint32_t p;

	(void)state;
	begin();
	hold(1, GOOD, 20, 3000);
	one = run();
	begin();
	for (p = 1; p <= 4; p++)
		hold(p, GOOD, 20, 3000);
	assert_false(fetch_add_peer(&f, 5, now()));
	assert_true(fetch_add_peer(&f, 4, now())); /* it is there already */
	four = run();
	is_done();
	for (p = 1; p <= 4; p++)
		assert_in_range(holders[p].served, 24, 40);
	print_message("one holder %lld ms, four %lld ms\n", (long long)one,
	    (long long)four);
	assert_true(four * 5 < one * 2);
}

static const struct {
	const char *name;
	enum manner first, second, third;
	unsigned gone[3]; /* bad, lacks, silent */
	int64_t ms_max;
} mixes[] = {
	{ "one lacks it", LACKING, GOOD, GOOD, { 0, 1, 0 }, 1000 },
	{ "two lack it", LACKING, LACKING, GOOD, { 0, 2, 0 }, 1000 },
	{ "wrong manifest", BAD_MAN, GOOD, GOOD, { 1, 0, 0 }, 1000 },
	{ "wrong chunks", GOOD, BAD_CHUNK, GOOD, { 1, 0, 0 }, 1000 },
	{ "wrong halves", GOOD, BAD_HALF, BAD_HALF, { 2, 0, 0 }, 1000 },
	{ "short halves", GOOD, SHORT, GOOD, { 1, 0, 0 }, 1000 },
	{ "silent from the start", SILENT, GOOD, GOOD, { 0, 0, 0 }, 7000 },
	{ "silent and asked for chunks", GOOD, SILENT, SILENT, { 0, 0, 0 },
	    7000 },
	{ "a link ends", GOOD, LOST, GOOD, { 0, 0, 0 }, 3000 },
	{ "first link ends", LOST, GOOD, GOOD, { 0, 0, 0 }, 3000 },
};

static void
test_mixes(void **state)
{
	int64_t ms;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++) {
		begin();
		hold(1, mixes[i].first, 30, 500);
		hold(2, mixes[i].second, 20, 500);
		hold(3, mixes[i].third, 10, 500);
		ms = run();
		if (f.state != FETCH_DONE || ms > mixes[i].ms_max)
			fail_msg("%s: state %d after %lld ms", mixes[i].name,
			    f.state, (long long)ms);
		is_done();
		if (n_gone[FETCH_BAD] != mixes[i].gone[0] ||
		    n_gone[FETCH_LACKS] != mixes[i].gone[1])
			fail_msg("%s: %u bad, %u lack", mixes[i].name,
			    n_gone[0], n_gone[1]);
	}
}

/* Nobody good is left: it waits for others, and goes on with them. */
static void
test_all_bad(void **state)
{
	(void)state;
	begin();
	hold(1, BAD_CHUNK, 10, 300);
	(void)run();
	assert_int_equal(f.state, FETCH_CHUNKS);
	assert_int_equal(n_gone[FETCH_BAD], 1);
	assert_int_equal(last_bad, 1);
	assert_int_equal(fetch_peers(&f), 0);
	hold(2, GOOD, 10, 300);
	(void)run();
	is_done();
}

static void
test_silent_is_dropped(void **state)
{
	int64_t ms;

	(void)state;
	begin();
	hold(1, SILENT, 0, 0);
	ms = run();
	assert_int_equal(n_gone[FETCH_SILENT], 1);
	assert_int_equal(f.state, FETCH_MANIFEST);
	assert_int_equal(ms, FETCH_STRIKES * FETCH_WAIT_MIN_MS);
}

/*
 * A line so slow that every chunk is late must get there all the same, and
 * be faster with help.
 */
static void
test_slow_line(void **state)
{
	int64_t alone, helped;

	(void)state;
	begin();
	hold(1, GOOD, 600, 1000000); /* 256 kbit/s */
	alone = run();
	is_done();
	assert_in_range(alone, 120000, 160000);
	assert_true(f.bytes_useless < SIZE / 4);
	begin();
	hold(1, GOOD, 600, 1000000);
	hold(2, GOOD, 20, 500);
	helped = run();
	is_done();
	print_message("slow alone %lld ms, with a fast one %lld ms\n",
	    (long long)alone, (long long)helped);
	assert_true(helped < 8000); /* it takes over what is late */
}

/* Late answers of two mixed into one bad chunk: nobody good is blamed. */
static void
test_mixed_blame(void **state)
{
	struct fetch_msg m = { .type = WIRE_CHUNK,
		.i = 0,
		.half = 0,
		.len = FETCH_HALF };
	static uint8_t wrong[FETCH_HALF];

	(void)state;
	begin();
	hold(1, SILENT, 0, 0);
	fetch_tick(&f, now());
	m.type = WIRE_MAN;
	memcpy(m.id, id, 32);
	m.size = SIZE;
	m.n = blocks_chunks(SIZE);
	m.bytes = man.chunks[0];
	m.len = m.n * 32;
	fetch_input(&f, 1, &m, now()); /* asked for 0..15 now */
	assert_int_equal(f.state, FETCH_CHUNKS);
	m.type = WIRE_CHUNK;
	m.i = 1;
	m.bytes = wrong;
	m.len = FETCH_HALF;
	fetch_input(&f, 1, &m, now());
	now_us += 3 * 1000000;
	holders[2].manner = SILENT;
	assert_true(fetch_add_peer(&f, 2, now()));
	fetch_tick(&f, now()); /* 1 is late: 2 gets chunk 1 as well */
	assert_int_equal(f.chunks[1].owner, 2);
	m.half = 1;
	m.bytes = body + BLOCK_CHUNK + FETCH_HALF;
	fetch_input(&f, 2, &m, now());
	assert_int_equal(n_gone[FETCH_BAD], 0);
	assert_true(f.chunks[1].strict);
	/* The second time only its owner counts. */
	m.half = 0;
	m.bytes = wrong;
	fetch_input(&f, 3 - f.chunks[1].owner, &m, now());
	assert_int_equal(f.chunks[1].from[0], 0);
}

static void
test_not_asked(void **state)
{
	struct fetch_msg m = { .type = WIRE_CHUNK,
		.i = 63,
		.bytes = body,
		.len = FETCH_HALF };

	(void)state;
	begin();
	hold(1, GOOD, 10, 300);
	memcpy(m.id, id, 32);
	fetch_input(&f, 1, &m, now());
	fetch_input(&f, 9, &m, now());
	assert_int_equal(f.n_done, 0);
	while (f.state == FETCH_MANIFEST) {
		now_us = f.due.us;
		fetch_tick(&f, now());
		m.type = WIRE_MAN;
		m.size = SIZE;
		m.n = 64;
		m.bytes = man.chunks[0];
		m.len = sizeof(man.chunks);
		fetch_input(&f, 1, &m, now());
	}
	/* The first sixteen are asked for, the last is not. */
	m.type = WIRE_CHUNK;
	m.i = 63;
	m.bytes = body;
	m.len = fetch_half_len(SIZE, 63, 0);
	fetch_input(&f, 1, &m, now());
	assert_int_equal(f.chunks[63].from[0], 0);
	assert_int_equal(f.bytes_useless, 2 * m.len); /* one above */
	(void)run();
	is_done();
	fetch_input(&f, 1, &m, now()); /* done is done */
	fetch_tick(&f, now());
	assert_int_equal(f.due.us, INT64_MAX);
}

static void
test_no_room(void **state)
{
	(void)state;
	begin();
	no_room = true;
	hold(1, GOOD, 10, 300);
	(void)run();
	assert_int_equal(f.state, FETCH_FAILED);
	/* A link that is full for a while only costs time. */
	begin();
	hold(1, GOOD, 10, 300);
	refuse = 7;
	(void)run();
	is_done();
}

static void
test_messages(void **state)
{
	static uint8_t buf[FETCH_MSG_MAX];
	struct fetch_msg m;
	struct flush fl;
	struct wr w;
	size_t len;

	(void)state;
	begin();
	wr_init(&w, buf, sizeof(buf));
	fetch_put_get(&w, id, 63, 1);
	assert_true(fetch_decode(&m, w.p, w.len));
	assert_int_equal(m.i, 63);
	for (len = 0; len < w.len; len++) {
		assert_false(fetch_decode(&m, flush_copy(&fl, w.p, len), len));
		flush_free(&fl);
	}
	wr_init(&w, buf, sizeof(buf));
	fetch_put_get(&w, id, 63, 2); /* beyond the last */
	assert_false(fetch_decode(&m, w.p, w.len));
	wr_init(&w, buf, sizeof(buf));
	fetch_put_man(&w, id, NULL);
	assert_true(fetch_decode(&m, w.p, w.len));
	assert_int_equal(m.size, 0);
	wr_init(&w, buf, sizeof(buf));
	fetch_put_man(&w, id, &man);
	assert_true(fetch_decode(&m, w.p, w.len));
	assert_int_equal(m.n, 64);
	wr_init(&w, buf, sizeof(buf));
	wire_put_graft(&w);
	assert_false(fetch_decode(&m, w.p, w.len));
}

static void
test_halves(void **state)
{
	(void)state;
	assert_int_equal(fetch_half_len(1, 0, 0), 1);
	assert_int_equal(fetch_half_len(1, 0, 1), 0);
	assert_int_equal(fetch_half_len(FETCH_HALF, 0, 1), 0);
	assert_int_equal(fetch_half_len(FETCH_HALF + 1, 0, 1), 1);
	assert_int_equal(fetch_half_len(BLOCK_CHUNK + 5, 1, 0), 5);
	assert_int_equal(fetch_half_len(BLOCK_CHUNK + 5, 2, 0), 0);
	assert_int_equal(fetch_half_len(BLOCK_SIZE_MAX, 63, 1), FETCH_HALF);
	assert_int_equal(fetch_half_len(BLOCK_SIZE_MAX, 64, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_four_share),
		cmocka_unit_test(test_mixes),
		cmocka_unit_test(test_all_bad),
		cmocka_unit_test(test_silent_is_dropped),
		cmocka_unit_test(test_slow_line),
		cmocka_unit_test(test_mixed_blame),
		cmocka_unit_test(test_not_asked),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_halves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
