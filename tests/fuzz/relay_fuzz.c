/* SPDX-License-Identifier: ISC */
/* Three bytes an act: nodes that reserve, open, send and wait as they like. */
#include "peerd/relay.h"

#include <string.h>

#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct relay_circuit circuits[RELAY_CIRCUITS_MAX];
static struct relay_res res[RELAY_RESERVATIONS_MAX];
static struct relay r;

static void
check(void)
{
	uint32_t i, n = 0, on = 0, held = 0;
	uint64_t refused = 0;

	for (i = 0; i < RELAY_CIRCUITS_MAX; i++) {
		n += circuits[i].used;
		on += circuits[i].used && circuits[i].res != RELAY_NONE;
		ASSERT(!circuits[i].used || circuits[i].res == RELAY_NONE ||
		    res[circuits[i].res].used);
	}
	ASSERT(n == r.n_circuits && n <= r.conf.circuits);
	for (i = n = 0; i < RELAY_RESERVATIONS_MAX; i++) {
		n += res[i].used;
		held += res[i].used ? res[i].circuits : 0;
		ASSERT(!res[i].used || res[i].left <= r.conf.bytes);
	}
	ASSERT(n == r.n_res && n <= r.conf.reservations && on == held);
	for (i = 0; i < RELAY_REFUSAL_N; i++)
		refused += r.refusals[i];
	ASSERT(refused == r.refused);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct relay_conf conf = { true, 6, 3, 3, 1000, 60, 100,
		20 };
	uint8_t from[32] = { 0 }, to[32] = { 0 };
	struct mono now = { 1 };
	struct relay_circuit *c;
	uint64_t bytes;
	uint32_t s;

	memset(circuits, 0, sizeof(circuits));
	memset(res, 0, sizeof(res));
	relay_init(&r, circuits, res);
	relay_configure(&r, &conf);
	for (; size >= 3 && size < 3000; data += 3, size -= 3) {
		from[0] = data[1];
		to[0] = data[2];
		c = &circuits[data[1] % 6];
		switch (data[0] % 5) {
		case 0:
			(void)relay_reserve(&r, from, now, &bytes, &s);
			break;
		case 1:
			(void)relay_open(&r, from, to, now, &c);
			break;
		case 2:
			if (c->used && !relay_carry(&r, c, data[2] % 2, data[2], now))
				relay_close(&r, c);
			break;
		case 3:
			if (c->used)
				relay_close(&r, c);
			break;
		default:
			now = mono_add_ms(now, data[2] * 100);
			relay_tick(&r, now);
			break;
		}
		check();
	}
	return 0;
}
