/* SPDX-License-Identifier: ISC */
/*
 * Messages of block transfer.  What decodes encodes back to the same bytes;
 * and a fetch fed with whatever peers may send never keeps a wrong byte.
 */
#include "peerd/fetch.h"

#include <string.h>

#include "common/assert.h"
#include "peerd/wire.h"

#define SIZE (2 * BLOCK_CHUNK + 40000)

static uint8_t body[SIZE], got[SIZE];
static struct manifest man;
static uint8_t id[32];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
op_send(void *arg, uint32_t peer, const void *msg, size_t len)
{
	struct fetch_msg m;

	(void)arg;
	(void)peer;
	ASSERT(fetch_decode(&m, msg, len));
	return true;
}

static void
op_gone(void *arg, uint32_t peer, enum fetch_gone why)
{
	struct fetch *f = arg;

	/* Another comes in its place, as the shell may do. */
	if (why != FETCH_BAD && peer < 100)
		(void)fetch_add_peer(f, peer + 4, f->progress);
}

static uint8_t *
op_room(void *arg, uint32_t size)
{
	(void)arg;
	ASSERT(size == SIZE);
	return got;
}

static void
round_trip(const uint8_t *data, size_t size)
{
	static uint8_t out[BLOCK_CHUNKS_MAX * 32 + FETCH_MSG_MAX];
	struct manifest m;
	struct fetch_msg in;
	struct wr w;

	if (!fetch_decode(&in, data, size))
		return;
	wr_init(&w, out, sizeof(out));
	if (in.type == WIRE_GETMAN) {
		fetch_put_getman(&w, in.id);
	} else if (in.type == WIRE_MAN) {
		m.size = in.size;
		if (in.len > 0)
			memcpy(m.chunks, in.bytes, in.len);
		fetch_put_man(&w, in.id, in.size == 0 ? NULL : &m);
	} else if (in.type == WIRE_GET) {
		fetch_put_get(&w, in.id, in.i, in.n);
	} else {
		fetch_put_chunk(&w, in.id, in.i, in.half, in.bytes, in.len);
	}
	ASSERT(!w.bad && w.len == size && memcmp(out, data, size) == 0);
}

/* One step of a peer's, by two bytes. */
static void
step(struct fetch *f, uint8_t what, uint8_t how, struct mono now)
{
	static uint8_t wrong[FETCH_HALF];
	uint32_t peer = 1 + (how & 7);
	struct fetch_msg m = { .type = WIRE_CHUNK,
		.i = what & 3,
		.half = what >> 2 & 1 };

	memcpy(m.id, id, 32);
	m.len = fetch_half_len(SIZE, m.i, m.half);
	m.bytes = wrong;
	if (m.len == 0) /* there is none: make one up */
		m.len = how & 7;
	else if ((how & 0x80) == 0)
		m.bytes = body + m.i * BLOCK_CHUNK + m.half * FETCH_HALF;
	switch (what >> 4) {
	case 0:
		(void)fetch_add_peer(f, peer, now);
		break;
	case 1:
		fetch_lose_peer(f, peer, now);
		break;
	case 2:
		m.type = WIRE_MAN;
		m.size = how & 0x40 ? 0 : SIZE;
		m.n = blocks_chunks(m.size);
		m.len = m.n * 32;
		m.bytes = how & 0x80 ? wrong : man.chunks[0];
		fetch_input(f, peer, &m, now);
		break;
	case 3:
		fetch_tick(f, now);
		break;
	default:
		m.len -= (how & 0x40) && m.len > 0;
		if (m.len > 0)
			fetch_input(f, peer, &m, now);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fetch_ops ops = { .send = op_send,
		.gone = op_gone,
		.room = op_room };
	struct mono now = { 1 };
	struct fetch f;
	size_t i;

	if (man.size == 0) {
		for (i = 0; i < SIZE; i++)
			body[i] = (uint8_t)(i >> 3);
		blocks_manifest(&man, body, SIZE);
		blocks_id(id, &man);
	}
	round_trip(data, size);
	ops.arg = &f;
	fetch_init(&f, id, &ops, now);
	for (i = 0; i + 1 < size && i < 2000; i += 2) {
		now = mono_add_ms(now, data[i] & 8 ? 700 : 1);
		step(&f, data[i], data[i + 1], now);
	}
	if (f.state == FETCH_DONE)
		ASSERT(memcmp(body, got, SIZE) == 0);
	return 0;
}
