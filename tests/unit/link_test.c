/* SPDX-License-Identifier: ISC */
/* Two links face to face: order, fairness, credit, and what a liar gets. */
#include "peerd/link.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

#include "tests/unit/vec.h"

static const struct noise_cipher key_ab = { { 'a' }, 0 };
static const struct noise_cipher key_ba = { { 'b' }, 0 };
static struct link a, b;
static uint8_t store[2][LANE_N][256 * 1024];
static uint8_t frame[LINK_FRAME_MAX], msg[LINK_MSG_MAX];

static int
setup(void **state)
{
	enum lane i;

	(void)state;
	link_init(&a, &key_ab, &key_ba);
	link_init(&b, &key_ba, &key_ab);
	for (i = 0; i < LANE_N; i++) {
		(void)link_lend(&a, i, store[0][i], sizeof(store[0][i]));
		(void)link_lend(&b, i, store[1][i], sizeof(store[1][i]));
	}
	return 0;
}

/* One frame from one link to the other; its length, 0 when there is none. */
static size_t
carry(struct link *from, struct link *to)
{
	size_t len, used;

	if (link_next_frame(from, frame, &len) != LINK_GOT)
		return 0;
	assert_int_equal(link_frame_len(frame, 2), len);
	assert_int_equal(link_feed(to, frame, len, &used), LINK_GOT);
	assert_int_equal(used, len);
	return len;
}

static void
test_round_trip(void **state)
{
	struct link_msg got;
	size_t len, used, i;

	(void)state;
	assert_false(link_wants_write(&a));
	assert_true(link_queue(&a, LANE_GOSSIP, "one", 3));
	assert_true(link_queue(&a, LANE_GOSSIP, "two!", 4));
	assert_true(link_wants_write(&a));
	assert_int_equal(link_next_frame(&a, frame, &len), LINK_GOT);
	/* One byte at a time; nothing is taken until the frame is whole. */
	for (i = 0; i < len; i++) {
		assert_int_equal(link_feed(&b, frame, i, &used), LINK_MORE);
		assert_int_equal(used, 0);
	}
	assert_int_equal(link_feed(&b, frame, len, &used), LINK_GOT);
	assert_int_equal(link_next_msg(&b, &got), LINK_GOT);
	assert_int_equal(got.lane, LANE_GOSSIP);
	assert_int_equal(got.len, 3);
	assert_memory_equal(got.p, "one", 3);
	assert_int_equal(link_next_msg(&b, &got), LINK_GOT);
	assert_memory_equal(got.p, "two!", 4);
	assert_int_equal(link_next_msg(&b, &got), LINK_MORE);
	assert_false(link_wants_write(&a));
	assert_int_equal(link_next_frame(&a, frame, &len), LINK_MORE);
	assert_true(sizeof(struct link) < 512);
}

static void
test_control_first(void **state)
{
	(void)state;
	assert_true(link_queue(&a, LANE_BULK, msg, 1000));
	assert_true(link_queue(&a, LANE_SYNC, msg, 1000));
	assert_true(link_queue(&a, LANE_CONTROL, msg, 10));
	assert_true(carry(&a, &b) > 0);
	assert_int_equal(b.in_lane, LANE_CONTROL);
	assert_true(carry(&a, &b) > 0);
	assert_int_not_equal(b.in_lane, LANE_CONTROL);
}

/* With all three lanes full, shares follow the quanta 2:1:1. */
static void
test_fairness(void **state)
{
	size_t sent[LANE_N] = { 0 }, round;
	struct link_msg got;
	enum lane i;

	(void)state;
	for (round = 0; round < 400; round++) {
		for (i = LANE_GOSSIP; i < LANE_N; i++)
			while (link_queue(&a, i, msg,
			    i == LANE_BULK ? LINK_MSG_MAX : 900))
				;
		assert_true(carry(&a, &b) > 0);
		while (link_next_msg(&b, &got) == LINK_GOT) {
			sent[got.lane] += got.len;
			link_consumed(&b, got.lane, got.len);
		}
		while (carry(&b, &a) > 0)
			assert_int_equal(link_next_msg(&a, &got), LINK_MORE);
	}
	assert_in_range(sent[LANE_GOSSIP] * 100 / sent[LANE_SYNC], 180, 220);
	assert_in_range(sent[LANE_BULK] * 100 / sent[LANE_SYNC], 80, 120);
}

static void
test_credit(void **state)
{
	struct link_msg got;
	size_t sent = 0, taken = 0;

	(void)state;
	/* Nothing is consumed: exactly a window gets through. */
	for (;;) {
		while (link_queue(&a, LANE_SYNC, msg, 1024))
			;
		if (carry(&a, &b) == 0)
			break;
		while (link_next_msg(&b, &got) == LINK_GOT)
			sent += got.len;
	}
	assert_int_equal(sent, link_window(LANE_SYNC));
	assert_false(link_wants_write(&a));
	/* A byte under a quarter grants nothing, the quarter does. */
	link_consumed(&b, LANE_SYNC, link_window(LANE_SYNC) / 4 - 1);
	assert_false(link_wants_write(&b));
	link_consumed(&b, LANE_SYNC, 1);
	assert_true(link_wants_write(&b));
	assert_true(carry(&b, &a) > 0);
	assert_int_equal(link_next_msg(&a, &got), LINK_MORE);
	while (carry(&a, &b) > 0)
		while (link_next_msg(&b, &got) == LINK_GOT)
			taken += got.len;
	assert_int_equal(taken, link_window(LANE_SYNC) / 4);
}

/* The longest message of each lane gets through over and over. */
static void
test_longest(void **state)
{
	struct link_msg got;
	size_t i, n, before;
	enum lane lane;

	(void)state;
	for (lane = 0; lane < LANE_N; lane++) {
		n = lane == LANE_CONTROL ? LINK_CONTROL_MAX : LINK_MSG_MAX;
		for (i = 0; i < 40; i++) {
			before = i % 7 + 1; /* leave grants at odd places */
			assert_true(link_queue(&a, lane, msg, before));
			assert_true(link_queue(&a, lane, msg, n));
			while (carry(&a, &b) > 0)
				while (link_next_msg(&b, &got) == LINK_GOT) {
					link_consumed(&b, lane, got.len);
					before = got.len;
				}
			assert_int_equal(before, n);
			while (carry(&b, &a) > 0)
				assert_int_equal(link_next_msg(&a, &got),
				    LINK_MORE);
		}
	}
}

static void
test_lend(void **state)
{
	static uint8_t small[40], large[100];
	struct link_msg got;
	size_t i;

	(void)state;
	assert_ptr_equal(link_lend(&a, LANE_BULK, NULL, 0),
	    store[0][LANE_BULK]);
	assert_false(link_queue(&a, LANE_BULK, "x", 1));
	assert_null(link_lend(&a, LANE_BULK, small, sizeof(small)));
	/* Around the ring's edge, then into a larger buffer. */
	for (i = 0; i < 50; i++) {
		assert_true(link_queue(&a, LANE_BULK, "0123456789", 10));
		assert_true(link_queue(&a, LANE_BULK, "abcdef", 6));
		if (i == 25)
			assert_ptr_equal(
			    link_lend(&a, LANE_BULK, large, sizeof(large)),
			    small);
		assert_true(carry(&a, &b) > 0);
		assert_int_equal(link_next_msg(&b, &got), LINK_GOT);
		assert_memory_equal(got.p, "0123456789", 10);
		assert_int_equal(link_next_msg(&b, &got), LINK_GOT);
		assert_memory_equal(got.p, "abcdef", 6);
		assert_int_equal(link_queued(&a, LANE_BULK), 0);
	}
	assert_ptr_equal(link_lend(&a, LANE_BULK, NULL, 0), large);
}

/* Frames that only a liar with the right key can make. */
#define LIE(name, bytes, want)                                                 \
	{                                                                      \
		name, bytes, sizeof(bytes) - 1, want                           \
	}

static const struct {
	const char *name;
	const char *plain;
	size_t len;
	enum link_err want;
} lies[] = {
	LIE("honest", "\x01\x00\x02hi", LINK_FINE),
	LIE("lane 4", "\x04\x00\x01x", LINK_BAD_LANE),
	LIE("empty message", "\x01\x00\x00\x00\x01x", LINK_BAD_FRAME),
	LIE("message past the frame", "\x01\x00\x03hi", LINK_BAD_FRAME),
	LIE("half a length", "\x01\x00\x01x\x00", LINK_BAD_FRAME),
	LIE("no message", "\x01\x00\x00", LINK_BAD_LENGTH),
	LIE("grant out of nothing", "\x00\x00\x04\x93\x40\x01\x01",
	    LINK_BAD_GRANT),
	LIE("unreadable grant", "\x00\x00\x04\x93\x40\x09\x01", LINK_FINE),
};

static void
test_lies(void **state)
{
	struct noise_cipher tx;
	struct link_msg got;
	size_t i, used, n;

	(void)state;
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		(void)setup(state);
		tx = key_ab;
		n = lies[i].len;
		assert_int_equal(noise_encrypt(&tx,
				     (const uint8_t *)lies[i].plain, n,
				     frame + 2),
		    0);
		put_u16(frame, (uint16_t)(n + NOISE_TAG_LEN));
		if (link_feed(&b, frame, n + 18, &used) == LINK_GOT)
			while (link_next_msg(&b, &got) == LINK_GOT)
				;
		if (b.err != lies[i].want)
			fail_msg("%s: %s", lies[i].name,
			    link_err_name((enum link_err)b.err));
	}
}

static void
test_past_credit(void **state)
{
	struct link_msg got;
	enum link_rc rc = LINK_GOT;

	(void)state;
	a.credit[LANE_GOSSIP] = UINT32_MAX; /* a sender that cannot count */
	while (rc != LINK_BROKEN) {
		while (link_queue(&a, LANE_GOSSIP, msg, 4000))
			;
		assert_true(carry(&a, &b) > 0);
		do
			rc = link_next_msg(&b, &got);
		while (rc == LINK_GOT);
	}
	assert_int_equal(b.err, LINK_BAD_CREDIT);
	assert_int_equal(link_queue(&b, LANE_GOSSIP, "x", 1), true);
	assert_false(link_wants_write(&b));
}

static void
test_tamper_and_wear(void **state)
{
	size_t len, used;

	(void)state;
	assert_true(link_queue(&a, LANE_GOSSIP, "x", 1));
	assert_int_equal(link_next_frame(&a, frame, &len), LINK_GOT);
	frame[len - 1] ^= 1;
	assert_int_equal(link_feed(&b, frame, len, &used), LINK_BROKEN);
	assert_int_equal(b.err, LINK_BAD_CRYPT);
	frame[len - 1] ^= 1;
	assert_int_equal(link_feed(&b, frame, len, &used), LINK_BROKEN);
	a.tx.n = UINT64_MAX;
	assert_true(link_queue(&a, LANE_GOSSIP, "x", 1));
	assert_int_equal(link_next_frame(&a, frame, &len), LINK_BROKEN);
	assert_int_equal(a.err, LINK_WORN_OUT);
	link_wipe(&a);
	assert_true(sodium_is_zero(a.tx.k, 32));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_round_trip, setup),
		cmocka_unit_test_setup(test_control_first, setup),
		cmocka_unit_test_setup(test_fairness, setup),
		cmocka_unit_test_setup(test_credit, setup),
		cmocka_unit_test_setup(test_longest, setup),
		cmocka_unit_test_setup(test_lend, setup),
		cmocka_unit_test(test_lies),
		cmocka_unit_test_setup(test_past_credit, setup),
		cmocka_unit_test_setup(test_tamper_and_wear, setup),
	};

	return sodium_init() < 0 ||
	    cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
