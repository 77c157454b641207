/* SPDX-License-Identifier: ISC */
/*
 * The table of known nodes, as promised in known.h.
 */
#include "peerd/known.h"

#include <sodium.h>
#include <string.h>

#include "common/assert.h"
#include "common/hlc.h"

void
known_init(struct known *kn, struct known_node *nodes, uint32_t cap,
    uint32_t *buckets, uint32_t n_buckets, const uint8_t key[16],
    uint32_t ttl_s)
{
	uint32_t i;

	ASSERT(cap > 0 && cap < KNOWN_NIL && n_buckets > 0);
	memset(kn, 0, sizeof(*kn));
	kn->nodes = nodes;
	kn->buckets = buckets;
	kn->cap = cap;
	kn->n_buckets = n_buckets;
	kn->ttl_s = ttl_s;
	memcpy(kn->key, key, 16);
	for (i = 0; i < n_buckets; i++)
		buckets[i] = KNOWN_NIL;
	bytes_zero(nodes, cap * sizeof(nodes[0]));
	kn->free = KNOWN_NIL;
}

static uint32_t *
bucket(const struct known *kn, const uint8_t id[32])
{
	uint8_t h[crypto_shorthash_BYTES];

	(void)crypto_shorthash(h, id, 32, kn->key);
	return &kn->buckets[get_u64(h) % kn->n_buckets];
}

struct known_node *
known_find(const struct known *kn, const uint8_t id[32])
{
	uint32_t i;

	for (i = *bucket(kn, id); i != KNOWN_NIL; i = kn->nodes[i].next)
		if (memcmp(kn->nodes[i].id, id, 32) == 0)
			return &kn->nodes[i];
	return NULL;
}

void
known_remove(struct known *kn, struct known_node *node)
{
	uint32_t me = (uint32_t)(node - kn->nodes);
	uint32_t *at = bucket(kn, node->id);

	ASSERT(node->used);
	while (*at != me)
		at = &kn->nodes[*at].next;
	*at = node->next;
	memset(node, 0, sizeof(*node));
	node->next = kn->free;
	kn->free = me;
	kn->n--;
}

/* True when a should be forgotten before b. */
static bool
goes_first(const struct known *kn, const struct known_node *a,
    const struct known_node *b, struct wall now)
{
	enum known_status sa = known_status(kn, a, now);
	enum known_status sb = known_status(kn, b, now);

	if (sa != sb)
		return sa == KNOWN_OFFLINE;
	return a->last_seen.ms < b->last_seen.ms;
}

/* May it be forgotten?  Linked and dialled nodes stay, come what may. */
static bool
may_go(const struct known_node *node)
{
	return node->used && node->link == KNOWN_UNLINKED;
}

/* Does the source hold all of its share? */
static bool
has_share(const struct known *kn, uint64_t source)
{
	uint32_t i, n = 0;

	if (source == 0)
		return false;
	for (i = 0; i < kn->cap; i++)
		n += may_go(&kn->nodes[i]) && kn->nodes[i].source == source;
	return n > 0 && n >= kn->cap / KNOWN_SHARE;
}

/* For one that the source tells of. */
static bool
make_room(struct known *kn, uint64_t source, struct wall now)
{
	struct known_node *node, *victim = NULL;
	bool own = has_share(kn, source);
	uint32_t i;

	for (i = 0; i < kn->cap; i++) {
		node = &kn->nodes[i];
		if (!may_go(node) || (own && node->source != source))
			continue;
		if (victim == NULL || goes_first(kn, node, victim, now))
			victim = node;
	}
	if (victim == NULL)
		return false;
	kn->evicted = true;
	kn->evictions++;
	memcpy(kn->evicted_id, victim->id, 32);
	known_remove(kn, victim);
	return true;
}

static struct known_node *
get_from(struct known *kn, const uint8_t id[32], uint64_t source,
    struct wall now)
{
	struct known_node *node = known_find(kn, id);
	uint32_t *head;

	if (node != NULL)
		return node;
	/* Places never used come last, and take no memory until then. */
	if (kn->free == KNOWN_NIL && kn->begun < kn->cap) {
		kn->nodes[kn->begun].next = KNOWN_NIL;
		kn->free = kn->begun++;
	}
	if (kn->free == KNOWN_NIL && !make_room(kn, source, now))
		return NULL;
	node = &kn->nodes[kn->free];
	kn->free = node->next;
	memset(node, 0, sizeof(*node));
	memcpy(node->id, id, 32);
	node->used = true;
	node->source = source;
	node->first_seen = node->last_seen = now;
	head = bucket(kn, id);
	node->next = *head;
	*head = (uint32_t)(node - kn->nodes);
	kn->n++;
	return node;
}

struct known_node *
known_get(struct known *kn, const uint8_t id[32], struct wall now)
{
	return get_from(kn, id, 0, now);
}

enum known_rc
known_put(struct known *kn, const struct rec *rec, const uint8_t rid[32],
    const void *raw, size_t raw_len, uint64_t source, struct wall now)
{
	struct rec_version version = { .hlc = rec->hlc };
	bool tombstone = (rec->flags & REC_TOMBSTONE) != 0;
	struct known_node *node;
	enum known_rc rc = KNOWN_NEWER;
	struct noderec nr = { 0 };

	memcpy(version.rid, rid, 32);
	node = known_find(kn, rec->author);
	if (node != NULL && node->raw_len > 0 &&
	    !rec_wins(&version, &node->version))
		return KNOWN_OLD;
	if (hlc_expiry(rec->hlc, kn->ttl_s).ms <= now.ms)
		return KNOWN_EXPIRED;
	if (raw_len == 0 || raw_len > KNOWN_RAW_MAX)
		return KNOWN_BAD;
	if (!tombstone &&
	    noderec_decode(&nr, rec->payload, rec->payload_len) != 0)
		return KNOWN_BAD;
	if (node == NULL || node->raw_len == 0)
		rc = KNOWN_NEW;
	node = get_from(kn, rec->author, source, now);
	if (node == NULL)
		return KNOWN_FULL;
	node->version = version;
	node->left = tombstone;
	node->node = nr;
	node->received = node->last_seen = now;
	memcpy(node->raw, raw, raw_len);
	node->raw_len = (uint16_t)raw_len;
	return tombstone ? KNOWN_GONE : rc;
}

bool
known_is_live(const struct known *kn, const struct known_node *node,
    struct wall now)
{
	return node->raw_len > 0 && !node->left &&
	    hlc_expiry(node->version.hlc, kn->ttl_s).ms > now.ms;
}

enum known_status
known_status(const struct known *kn, const struct known_node *node,
    struct wall now)
{
	if (node->link == KNOWN_LINKED)
		return KNOWN_ACTIVE;
	if (node->link == KNOWN_DIALLING || known_is_live(kn, node, now))
		return KNOWN_PENDING;
	return KNOWN_OFFLINE;
}

struct known_node *
known_next(const struct known *kn, const struct known_node *after)
{
	uint32_t i = after == NULL ? 0 : (uint32_t)(after - kn->nodes) + 1;

	for (; i < kn->cap; i++)
		if (kn->nodes[i].used)
			return &kn->nodes[i];
	return NULL;
}

void
known_count(const struct known *kn, struct wall now, uint32_t count[KNOWN_N])
{
	const struct known_node *node = NULL;

	memset(count, 0, KNOWN_N * sizeof(count[0]));
	while ((node = known_next(kn, node)) != NULL)
		count[known_status(kn, node, now)]++;
}

const char *
known_status_name(enum known_status status)
{
	static const char *const names[KNOWN_N] = { "ACTIVE", "PENDING",
		"OFFLINE" };

	return names[status];
}
