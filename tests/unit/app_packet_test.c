/* SPDX-License-Identifier: ISC */
/*
 * packet: the frames of warren-app(7) with their lengths, cut at every byte,
 * back to back in one buffer, and the two lengths that no packet has.
 */
#include "appd/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vec.h"

/* The keys of the reference, two digits shorter, as ours are. */
#define A "4ec47420176680816e0406250e7156465e4531f5b26057c9f6297bb0303558c7"
#define B "48c941c5015a05c455ff238af2e57fb8f914c399aab604e9abb5b32b91a4c1fe"

static const struct {
	const char *name, *head, *body;
	uint8_t type, id;
	size_t wire;
} frames[] = {
	{ "init", "\x00\x4a\x00\x00",
	    "{\"app-name\":\"helloworld\",\"app-version\":\"1.0\","
	    "\"protocol-version\":\"0.0.1\"}",
	    PACKET_INIT, 0, 76 },
	{ "init server", "\x00\x51\x00\x00",
	    "{\"app-name\":\"helloworld-server\",\"app-version\":\"1.0\","
	    "\"protocol-version\":\"0.0.1\"}",
	    PACKET_INIT, 0, 83 },
	{ "init foo", "\x00\x45\x00\x00",
	    "{\"app-name\":\"foo\",\"app-version\":\"0.0.1\","
	    "\"protocol-version\":\"0.0.1\"}",
	    PACKET_INIT, 0, 71 },
	{ "null", "\x00\x06\xff\x00", "null", PACKET_SUCCESS, 0, 8 },
	{ "failure", "\x00\x1e\xfe\x00", "unsupported protocol version",
	    PACKET_FAILURE, 0, 32 },
	{ "create", "\x00\x55\x01\x01", "{\"pk\":\"" B "\",\"port\":10}",
	    PACKET_CREATE_LOOP, 1, 87 },
	{ "created", "\x00\x55\xff\x01", "{\"pk\":\"" A "\",\"port\":10}",
	    PACKET_SUCCESS, 1, 87 },
	{ "confirm", "\x00\xab\x02\x00",
	    "[{\"pk\":\"" A "\",\"port\":10},{\"pk\":\"" B "\",\"port\":11}]",
	    PACKET_CONFIRM_LOOP, 0, 173 },
	{ "ping", "\x00\x88\x03\x02",
	    "{\"addr\":{\"port\":10,\"remote\":{\"pk\":\"" B
	    "\",\"port\":10}},\"payload\":\"cGluZw==\"}",
	    PACKET_SEND, 2, 138 },
	{ "close", "\x00\x6a\x04\x03",
	    "{\"port\":10,\"remote\":{\"pk\":\"" B "\",\"port\":10}}",
	    PACKET_CLOSE, 3, 108 },
	{ "unknown loop", "\x00\x0e\xfe\x02", "unknown loop", PACKET_FAILURE, 2,
	    16 },
	{ "no body", "\x00\x02\x77\xff", "", 0x77, 255, 4 },
};
#define N_FRAMES (sizeof(frames) / sizeof(frames[0]))

static void
check(size_t i, const struct packet *p)
{
	assert_int_equal(p->type, frames[i].type);
	assert_int_equal(p->id, frames[i].id);
	assert_int_equal(p->body_len, strlen(frames[i].body));
	assert_memory_equal(p->body, frames[i].body, p->body_len);
}

static void
test_examples(void **state)
{
	uint8_t buf[256];
	struct packet p;
	struct flush fl;
	size_t i, n, cut;

	(void)state;
	for (i = 0; i < N_FRAMES; i++) {
		n = packet_put(buf, sizeof(buf), frames[i].type, frames[i].id,
		    frames[i].body, strlen(frames[i].body));
		assert_int_equal(n, frames[i].wire);
		assert_memory_equal(buf, frames[i].head, PACKET_HEAD);
		for (cut = 0; cut < n; cut++) {
			assert_int_equal(
			    packet_next(flush_copy(&fl, buf, cut), cut, &p), 0);
			flush_free(&fl);
		}
		assert_int_equal(packet_next(flush_copy(&fl, buf, n), n, &p),
		    n);
		check(i, &p);
		flush_free(&fl);
	}
}

static void
test_back_to_back(void **state)
{
	uint8_t buf[2048];
	struct packet p;
	size_t i, len = 0, at = 0;
	int n;

	(void)state;
	for (i = 0; i < N_FRAMES; i++)
		len += packet_put(buf + len, sizeof(buf) - len, frames[i].type,
		    frames[i].id, frames[i].body, strlen(frames[i].body));
	for (i = 0; i < N_FRAMES; i++) {
		n = packet_next(buf + at, len - at, &p);
		assert_true(n > 0);
		check(i, &p);
		at += (size_t)n;
	}
	assert_int_equal(at, len);
}

static void
test_no_packet(void **state)
{
	struct packet p;

	(void)state;
	assert_int_equal(packet_next((const uint8_t *)"\0\0", 2, &p), -1);
	assert_int_equal(packet_next((const uint8_t *)"\0\1\3", 3, &p), -1);
	assert_int_equal(packet_next((const uint8_t *)"\0", 1, &p), 0);
	assert_int_equal(packet_next(NULL, 0, &p), 0);
}

static void
test_sizes(void **state)
{
	uint8_t *body = calloc(1, PACKET_BODY_MAX + 1);
	uint8_t *buf = malloc(PACKET_MAX);
	struct packet p;

	(void)state;
	assert_non_null(body);
	assert_non_null(buf);
	body[PACKET_BODY_MAX - 1] = 'x';
	assert_int_equal(
	    packet_put(buf, PACKET_MAX, 3, 4, body, PACKET_BODY_MAX),
	    PACKET_MAX);
	assert_int_equal(packet_next(buf, PACKET_MAX - 1, &p), 0);
	assert_int_equal(packet_next(buf, PACKET_MAX, &p), PACKET_MAX);
	assert_int_equal(p.body_len, PACKET_BODY_MAX);
	assert_int_equal(p.body[PACKET_BODY_MAX - 1], 'x');
	/* Too much for a packet, and too much for the buffer. */
	assert_int_equal(
	    packet_put(buf, SIZE_MAX, 3, 4, body, PACKET_BODY_MAX + 1), 0);
	assert_int_equal(packet_put(buf, 7, 3, 4, body, 4), 0);
	assert_int_equal(packet_put(buf, 3, 3, 4, body, 0), 0);
	assert_int_equal(packet_put(buf, 8, 3, 4, "null", 4), 8);
	/* A body that was written where it belongs stays there. */
	memcpy(buf + PACKET_HEAD, "here", 4);
	assert_int_equal(packet_put(buf, 8, 3, 4, buf + PACKET_HEAD, 4), 8);
	assert_memory_equal(buf, "\0\6\3\4here", 8);
	free(buf);
	free(body);
}

static void
test_responses(void **state)
{
	unsigned type;

	(void)state;
	for (type = 0; type < 256; type++)
		assert_int_equal(packet_is_response((uint8_t)type),
		    type == 0xfe || type == 0xff);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_back_to_back),
		cmocka_unit_test(test_no_packet),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_responses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
