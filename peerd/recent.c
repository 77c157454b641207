/* SPDX-License-Identifier: ISC */
/*
 * A ring with chained indexes, as promised in recent.h.  Chains hold numbers
 * modulo 2^16 and run from new to old; a number that is not older than the
 * one before it, or has left the ring, ends the chain.  So nothing is ever
 * taken out of a chain.
 */
#include "peerd/recent.h"

#include <sodium.h>
#include <string.h>

#include "common/assert.h"
#include "common/bytes.h"

static uint64_t
hash(const uint8_t key[16], const uint8_t rid[32])
{
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t h;

	(void)crypto_shorthash(out, rid, 32, key);
	memcpy(&h, out, sizeof(h));
	return h;
}

/* How many entries ago that number was used, 1 for the newest. */
static uint32_t
age_of(const struct recent *rc, uint16_t number)
{
	return (uint16_t)(rc->next - number);
}

static bool
is_there(const struct recent *rc, uint32_t age)
{
	return age >= 1 && age <= rc->n;
}

void
recent_init(struct recent *rc, struct recent_entry *entries, uint16_t *heads,
    uint32_t n, const uint8_t secret[16])
{
	ASSERT(n >= 16 && n <= 16384 && (n & (n - 1)) == 0);
	rc->entries = entries;
	rc->heads = heads;
	rc->n = n;
	rc->next = 0;
	memcpy(rc->secret, secret, 16);
	bytes_zero(entries, n * sizeof(*entries));
	bytes_zero(heads, n * sizeof(*heads));
}

struct recent_entry *
recent_find(const struct recent *rc, const uint8_t rid[32])
{
	uint16_t at = rc->heads[hash(rc->secret, rid) & (rc->n - 1)];
	uint32_t age = age_of(rc, at), last = 0;
	struct recent_entry *e;

	while (is_there(rc, age) && age > last) {
		e = &rc->entries[at & (rc->n - 1)];
		if (e->state == RECENT_FREE)
			return NULL;
		if (e->state != RECENT_BAD && memcmp(e->rid, rid, 32) == 0)
			return e;
		at = e->prev;
		last = age;
		age = age_of(rc, at);
	}
	return NULL;
}

struct recent_entry *
recent_at(const struct recent *rc, uint32_t seq)
{
	uint32_t age = rc->next - seq;

	if (age == 0 || age > rc->n)
		return NULL;
	return &rc->entries[seq & (rc->n - 1)];
}

const struct recent_entry *
recent_oldest(const struct recent *rc)
{
	return &rc->entries[rc->next & (rc->n - 1)];
}

struct recent_entry *
recent_add(struct recent *rc, const uint8_t rid[32])
{
	struct recent_entry *e = &rc->entries[rc->next & (rc->n - 1)];
	uint16_t *head = &rc->heads[hash(rc->secret, rid) & (rc->n - 1)];

	memset(e, 0, sizeof(*e));
	memcpy(e->rid, rid, 32);
	e->state = RECENT_HELD;
	e->prev = *head;
	*head = (uint16_t)rc->next;
	rc->next++;
	return e;
}

uint32_t
recent_seq(const struct recent *rc, const struct recent_entry *e)
{
	uint32_t slot = (uint32_t)(e - rc->entries);
	uint32_t newest = rc->next - 1;

	return newest - ((newest - slot) & (rc->n - 1));
}

void
recent_ids_init(struct recent_ids *ids, const struct recent *rc,
    const uint8_t key[16])
{
	memcpy(ids->key, key, 16);
	memset(ids->heads, 0, rc->n * sizeof(*ids->heads));
	memset(ids->prevs, 0, rc->n * sizeof(*ids->prevs));
	ids->upto = rc->next - rc->n;
}

uint64_t
recent_id(const struct recent_ids *ids, const uint8_t rid[32])
{
	return hash(ids->key, rid);
}

static void
catch_up(const struct recent *rc, struct recent_ids *ids)
{
	const struct recent_entry *e;
	uint16_t *head;

	if (rc->next - ids->upto > rc->n)
		ids->upto = rc->next - rc->n;
	for (; ids->upto != rc->next; ids->upto++) {
		e = &rc->entries[ids->upto & (rc->n - 1)];
		if (e->state == RECENT_FREE)
			continue;
		head = &ids->heads[hash(ids->key, e->rid) & (rc->n - 1)];
		ids->prevs[ids->upto & (rc->n - 1)] = *head;
		*head = (uint16_t)ids->upto;
	}
}

struct recent_entry *
recent_by_id(const struct recent *rc, struct recent_ids *ids, uint64_t id)
{
	struct recent_entry *e;
	uint32_t age, last = 0;
	uint16_t at;

	catch_up(rc, ids);
	at = ids->heads[id & (rc->n - 1)];
	age = age_of(rc, at);
	while (is_there(rc, age) && age > last) {
		e = &rc->entries[at & (rc->n - 1)];
		if (e->state == RECENT_FREE)
			return NULL;
		if (e->state != RECENT_BAD && hash(ids->key, e->rid) == id)
			return e;
		at = ids->prevs[at & (rc->n - 1)];
		last = age;
		age = age_of(rc, at);
	}
	return NULL;
}
