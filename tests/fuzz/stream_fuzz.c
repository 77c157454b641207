/* SPDX-License-Identifier: ISC */
/*
 * A peer that says anything, and an app that feeds: three bytes an act.
 * Whatever comes, the table's counts hold and nothing waits past its bound.
 */
#include "peerd/stream.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"
#include "common/bytes.h"

#define CAP 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct streams ss;
static struct stream at[CAP];
static uint32_t heads[8];
static struct stream_link sl;

static void
drop(struct stream *s, bool theirs)
{
	free(stream_lend(&ss, &sl, s, NULL, 0));
	stream_free(&ss, &sl, s, theirs);
}

static void
feed(struct stream *s, uint32_t n)
{
	static uint8_t zeros[4096];
	uint8_t *buf;

	if (stream_passes(s, n)) {
		stream_passed(s, n);
		return;
	}
	if (s->len + n > STREAM_HOLD)
		return;
	if (!stream_hold(&ss, &sl, s, zeros, n)) {
		buf = malloc(s->len + n);
		ASSERT(buf != NULL);
		free(stream_lend(&ss, &sl, s, buf, s->len + n));
		ASSERT(stream_hold(&ss, &sl, s, zeros, n));
	}
}

static void
turn(uint32_t max)
{
	uint32_t n, len[2];
	const uint8_t *part[2];
	struct stream *s = stream_next(&ss, &sl, max + 1, &n);

	if (s == NULL)
		return;
	if (n == 0) {
		drop(s, false);
		return;
	}
	stream_peek(s, n, part, len);
	ASSERT(len[0] + len[1] == n);
	stream_sent(&ss, &sl, s, n);
}

static void
act(uint8_t what, uint32_t id, uint32_t n)
{
	struct stream *s = stream_find(&ss, &sl, id);

	switch (what % 9) {
	case 0:
		(void)stream_ask(&ss, &sl, n);
		break;
	case 1:
		(void)stream_offer(&ss, &sl, id, n, &s);
		break;
	case 2:
		if (s != NULL && s->state == STREAM_ASKED)
			stream_opened(&ss, &sl, s, n);
		else if (s != NULL && s->state == STREAM_OFFERED)
			stream_accept(s, n);
		break;
	case 3:
		if (s == NULL)
			(void)stream_late(&sl, n);
		else if (!stream_take(s, n))
			drop(s, false);
		break;
	case 4:
		if (s != NULL)
			(void)stream_granted(&ss, &sl, s, n);
		break;
	case 5:
		if (s != NULL && s->state != STREAM_ENDING &&
		    s->state != STREAM_OFFERED)
			feed(s, n);
		break;
	case 6:
		turn(n);
		break;
	case 7:
		if (s != NULL)
			stream_end(&ss, &sl, s, (uint8_t)n);
		break;
	default:
		if (s != NULL)
			drop(s, n % 2 == 0);
		break;
	}
}

static void
check(void)
{
	uint32_t i, used = 0, ready = 0, seen = 0;

	for (i = 0; i < CAP; i++) {
		used += at[i].state != STREAM_FREE;
		ready += at[i].state != STREAM_FREE && at[i].ready;
		ASSERT(at[i].state == STREAM_FREE ||
		    (at[i].len <= at[i].cap && at[i].len <= STREAM_HOLD &&
			at[i].credit <= STREAM_CREDIT_MAX &&
			stream_was(&sl, at[i].id)));
	}
	ASSERT(used == ss.used && used == sl.n);
	if (sl.turn != STREAM_NONE)
		for (i = sl.turn; seen == 0 || i != sl.turn; i = at[i].next)
			ASSERT(++seen <= ready && at[i].ready);
	ASSERT(seen == ready);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[16] = { 1 };
	uint32_t i;

	memset(at, 0, sizeof(at));
	streams_init(&ss, at, CAP, heads, 8, key);
	stream_link_init(&sl, 1, size % 2 == 0);
	for (; size >= 3; data += 3, size -= 3) {
		act(data[0], data[1], (uint32_t)data[2] * 16);
		check();
	}
	for (i = 0; i < CAP; i++)
		if (at[i].state != STREAM_FREE)
			drop(&at[i], false);
	ASSERT(ss.used == 0 && sl.turn == STREAM_NONE);
	return 0;
}
