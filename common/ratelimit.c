/* SPDX-License-Identifier: ISC */
/*
 * Token buckets, as promised in ratelimit.h.  Nanoseconds, because a rate
 * above a million a second would be zero microseconds an event.
 */
#include "common/ratelimit.h"

#include <sodium.h>
#include <string.h>

#include "common/addr_policy.h"
#include "common/assert.h"

static int64_t
step_of(struct rate rate)
{
	return rate.per_s == 0 ? 0 : 1000000000 / (int64_t)rate.per_s;
}

static int64_t
slack_of(struct rate rate)
{
	return rate.burst == 0 ? 0 : step_of(rate) * ((int64_t)rate.burst - 1);
}

static bool
take(int64_t *full_ns, int64_t step_ns, int64_t slack_ns, struct mono now)
{
	int64_t now_ns = now.us * 1000;
	int64_t from = *full_ns > now_ns ? *full_ns : now_ns;

	if (from - now_ns > slack_ns)
		return false;
	*full_ns = from + step_ns;
	return true;
}

void
bucket_init(struct bucket *b, struct rate rate)
{
	b->step_ns = step_of(rate);
	b->slack_ns = slack_of(rate);
	b->full_ns = INT64_MIN;
}

bool
bucket_allow(struct bucket *b, struct mono now)
{
	return b->step_ns == 0 ||
	    take(&b->full_ns, b->step_ns, b->slack_ns, now);
}

void
ratelimit_init(struct ratelimit *rl, struct rate rate, unsigned v4_bits,
    unsigned v6_bits, int64_t *slots, size_t n,
    const uint8_t key[RATELIMIT_KEY])
{
	size_t i;

	ASSERT(n > 0 && n <= UINT32_MAX && (n & (n - 1)) == 0);
	ASSERT(v4_bits <= 32 && v6_bits <= 128);
	rl->step_ns = step_of(rate);
	rl->slack_ns = slack_of(rate);
	rl->full_ns = slots;
	rl->mask = (uint32_t)(n - 1);
	rl->v4_bits = (uint8_t)v4_bits;
	rl->v6_bits = (uint8_t)v6_bits;
	memcpy(rl->key, key, sizeof(rl->key));
	for (i = 0; i < n; i++)
		slots[i] = INT64_MIN;
}

static uint32_t
slot_of(const struct ratelimit *rl, const struct naddr *from)
{
	struct naddr plain = addr_canon(from);
	unsigned bits = plain.fam == NADDR_V4 ? rl->v4_bits : rl->v6_bits;
	uint8_t text[1 + sizeof(plain.ip)], hash[crypto_shorthash_BYTES];
	size_t i, n = (bits + 7) / 8;
	uint32_t slot;

	text[0] = plain.fam;
	for (i = 0; i < n; i++)
		text[1 + i] = plain.ip[i];
	if (bits % 8 != 0)
		text[n] &= (uint8_t)(0xff00u >> bits % 8);
	(void)crypto_shorthash(hash, text, 1 + n, rl->key);
	memcpy(&slot, hash, sizeof(slot));
	return slot & rl->mask;
}

bool
ratelimit_allow(struct ratelimit *rl, const struct naddr *from, struct mono now)
{
	if (rl->step_ns == 0)
		return true;
	return take(&rl->full_ns[slot_of(rl, from)], rl->step_ns, rl->slack_ns,
	    now);
}
