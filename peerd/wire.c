/* SPDX-License-Identifier: ISC */
/*
 * Link messages, as promised in wire.h.
 */
#include "peerd/wire.h"

#include <string.h>

#include "common/assert.h"
#include "common/mp.h"
#include "common/rec.h"

/* By number; there is no name where there is no type. */
static const struct {
	const char *name;
	uint8_t lane;
} types[] = {
#define X(number, name, lane) [number] = { #name, lane },
	WIRE_TYPES(X)
#undef X
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

/* GOSSIP: records are checked by length only, then handed out one by one. */
void
wire_put_gossip(struct wr *w, uint8_t hops, const struct wire_blob *records,
    size_t n)
{
	size_t i;

	ASSERT(n >= 1 && n <= WIRE_RECORDS_MAX);
	mp_wr_array(w, 3);
	mp_wr_uint(w, WIRE_GOSSIP);
	mp_wr_uint(w, hops);
	mp_wr_array(w, (uint32_t)n);
	for (i = 0; i < n; i++)
		mp_wr_bin(w, records[i].p, records[i].len);
}

static void
get_record(struct rd *r, struct wire_blob *record)
{
	record->p = mp_rd_bin(r, 1, REC_MAX, &record->len);
}

static void
get_gossip(struct rd *r, struct wire_msg *m, size_t len)
{
	struct wire_blob record;
	size_t i;

	mp_rd_arity(r, 3);
	(void)mp_rd_uint(r, WIRE_GOSSIP);
	m->hops = (uint8_t)mp_rd_uint(r, UINT8_MAX);
	m->n = (uint8_t)mp_rd_array(r, WIRE_RECORDS_MAX);
	m->items = *r;
	for (i = 0; i < m->n; i++)
		get_record(r, &record);
	if (m->n == 0 || len > WIRE_GOSSIP_MAX)
		r->bad = true;
}

bool
wire_next_record(struct wire_msg *m, struct wire_blob *record)
{
	if (m->type == WIRE_RECS && m->n_recs > 0)
		m->n_recs--;
	else if (m->type == WIRE_GOSSIP && m->n > 0)
		m->n--;
	else
		return false;
	get_record(&m->items, record);
	return !m->items.bad;
}

/* IHAVE and PULL: a row of short ids. */
static void
put_ids(struct wr *w, enum wire_type type, const uint8_t *ids, size_t n)
{
	ASSERT(n >= 1 && n <= WIRE_IDS_MAX);
	mp_wr_array(w, 2);
	mp_wr_uint(w, (uint64_t)type);
	mp_wr_bin(w, ids, n * WIRE_ID);
}

void
wire_put_ihave(struct wr *w, const uint8_t *ids, size_t n)
{
	put_ids(w, WIRE_IHAVE, ids, n);
}

void
wire_put_pull(struct wr *w, const uint8_t *ids, size_t n)
{
	put_ids(w, WIRE_PULL, ids, n);
}

static void
get_ids(struct rd *r, struct wire_msg *m)
{
	size_t len;

	mp_rd_arity(r, 2);
	(void)mp_rd_uint(r, m->type);
	m->ids = mp_rd_bin(r, WIRE_ID, WIRE_IDS_MAX * WIRE_ID, &len);
	if (len % WIRE_ID != 0)
		r->bad = true;
	m->n_ids = (uint16_t)(len / WIRE_ID);
}

void
wire_put_graft(struct wr *w)
{
	mp_wr_array(w, 1);
	mp_wr_uint(w, WIRE_GRAFT);
}

static void
get_graft(struct rd *r)
{
	mp_rd_arity(r, 1);
	(void)mp_rd_uint(r, WIRE_GRAFT);
}

void
wire_put_prune(struct wr *w, uint32_t backoff_ms)
{
	ASSERT(backoff_ms <= WIRE_BACKOFF_MAX);
	mp_wr_array(w, 2);
	mp_wr_uint(w, WIRE_PRUNE);
	mp_wr_uint(w, backoff_ms);
}

static void
get_prune(struct rd *r, struct wire_msg *m)
{
	mp_rd_arity(r, 2);
	(void)mp_rd_uint(r, WIRE_PRUNE);
	m->backoff_ms = (uint32_t)mp_rd_uint(r, WIRE_BACKOFF_MAX);
}

/* RECS: as GOSSIP, for a session of anti-entropy. */
static void
get_recs(struct rd *r, struct wire_msg *m)
{
	struct wire_blob record;
	size_t i;

	mp_rd_arity(r, 3);
	(void)mp_rd_uint(r, WIRE_RECS);
	m->sid = (uint16_t)mp_rd_uint(r, UINT16_MAX);
	m->n_recs = (uint16_t)mp_rd_array(r, WIRE_RECS_MAX);
	m->items = *r;
	for (i = 0; i < m->n_recs; i++)
		get_record(r, &record);
	if (m->n_recs == 0)
		r->bad = true;
}

void
wire_put_root(struct wr *w, const struct wire_root *root)
{
	mp_wr_array(w, 8);
	mp_wr_uint(w, WIRE_ROOT);
	mp_wr_uint(w, root->tick);
	mp_wr_bin(w, root->root, 32);
	mp_wr_uint(w, root->cnt);
	mp_wr_int(w, root->sum);
	mp_wr_uint(w, root->wall_ms < 0 ? 0 : (uint64_t)root->wall_ms);
	mp_wr_uint(w, root->seq);
	mp_wr_bin(w, root->dbid, 16);
}

void
wire_put_since(struct wr *w, uint16_t sid, const uint8_t dbid[16],
    uint64_t seq)
{
	mp_wr_array(w, 4);
	mp_wr_uint(w, WIRE_SINCE);
	mp_wr_uint(w, sid);
	mp_wr_bin(w, dbid, 16);
	mp_wr_uint(w, seq);
}

static void
get_since(struct rd *r, struct wire_msg *m)
{
	mp_rd_arity(r, 4);
	(void)mp_rd_uint(r, WIRE_SINCE);
	m->sid = (uint16_t)mp_rd_uint(r, UINT16_MAX);
	mp_rd_bin_exact(r, m->dbid, 16);
	m->seq = mp_rd_uint(r, UINT64_MAX);
}

void
wire_put_fetch(struct wr *w, uint16_t sid, const struct wire_range *range,
    const uint8_t *after)
{
	mp_wr_array(w, 5);
	mp_wr_uint(w, WIRE_FETCH);
	mp_wr_uint(w, sid);
	mp_wr_uint(w, range->bits);
	mp_wr_bin(w, range->prefix, 32);
	mp_wr_bin(w, after, after == NULL ? 0 : 32);
}

static void
get_fetch(struct rd *r, struct wire_msg *m)
{
	const uint8_t *after;
	size_t len;

	mp_rd_arity(r, 5);
	(void)mp_rd_uint(r, WIRE_FETCH);
	m->sid = (uint16_t)mp_rd_uint(r, UINT16_MAX);
	m->range.bits = (uint16_t)mp_rd_uint(r, 256);
	mp_rd_bin_exact(r, m->range.prefix, 32);
	after = mp_rd_bin(r, 0, 32, &len);
	if (after != NULL && len == 32) {
		m->has_after = true;
		memcpy(m->after, after, 32);
	} else if (len != 0) {
		r->bad = true;
	}
}

void
wire_put_fetched(struct wr *w, uint16_t sid, bool more,
    const uint8_t last[32])
{
	mp_wr_array(w, 4);
	mp_wr_uint(w, WIRE_FETCHED);
	mp_wr_uint(w, sid);
	mp_wr_uint(w, more);
	mp_wr_bin(w, last, 32);
}

static void
get_fetched(struct rd *r, struct wire_msg *m)
{
	mp_rd_arity(r, 4);
	(void)mp_rd_uint(r, WIRE_FETCHED);
	m->sid = (uint16_t)mp_rd_uint(r, UINT16_MAX);
	m->more = mp_rd_uint(r, 1) == 1;
	mp_rd_bin_exact(r, m->after, 32);
}

static void
get_root(struct rd *r, struct wire_msg *m)
{
	mp_rd_arity(r, 8);
	(void)mp_rd_uint(r, WIRE_ROOT);
	m->root.tick = mp_rd_uint(r, UINT64_MAX);
	mp_rd_bin_exact(r, m->root.root, 32);
	m->root.cnt = mp_rd_uint(r, UINT64_MAX);
	m->root.sum = mp_rd_int(r, INT64_MIN, INT64_MAX);
	m->root.wall_ms = (int64_t)mp_rd_uint(r, INT64_MAX);
	m->root.seq = mp_rd_uint(r, UINT64_MAX);
	mp_rd_bin_exact(r, m->root.dbid, 16);
}

void
wire_put_credit(struct wr *w, enum lane lane, uint32_t bytes)
{
	mp_wr_array(w, 3);
	mp_wr_uint(w, WIRE_CREDIT);
	mp_wr_uint(w, (uint64_t)lane);
	mp_wr_uint(w, bytes);
}

static void
get_credit(struct rd *r, struct wire_msg *m)
{
	mp_rd_arity(r, 3);
	(void)mp_rd_uint(r, WIRE_CREDIT);
	m->lane = (uint8_t)mp_rd_uint(r, LANE_N - 1);
	m->bytes = (uint32_t)mp_rd_uint(r, UINT32_MAX);
	if (m->bytes == 0)
		r->bad = true;
}

static void
put_token(struct wr *w, enum wire_type type, uint64_t token, int64_t wall_ms)
{
	mp_wr_array(w, 3);
	mp_wr_uint(w, (uint64_t)type);
	mp_wr_uint(w, token);
	mp_wr_uint(w, wall_ms < 0 ? 0 : (uint64_t)wall_ms);
}

void
wire_put_ping(struct wr *w, uint64_t token, int64_t wall_ms)
{
	put_token(w, WIRE_PING, token, wall_ms);
}

void
wire_put_pong(struct wr *w, uint64_t token, int64_t wall_ms)
{
	put_token(w, WIRE_PONG, token, wall_ms);
}

static void
get_token(struct rd *r, struct wire_msg *m)
{
	mp_rd_arity(r, 3);
	(void)mp_rd_uint(r, m->type);
	m->token = mp_rd_uint(r, UINT64_MAX);
	m->wall_ms = (int64_t)mp_rd_uint(r, INT64_MAX);
}

void
wire_put_bye(struct wr *w, uint8_t reason)
{
	mp_wr_array(w, 2);
	mp_wr_uint(w, WIRE_BYE);
	mp_wr_uint(w, reason);
}

static void
get_bye(struct rd *r, struct wire_msg *m)
{
	mp_rd_arity(r, 2);
	(void)mp_rd_uint(r, WIRE_BYE);
	m->reason = (uint8_t)mp_rd_uint(r, UINT8_MAX);
}

void
wire_put_getaddr(struct wr *w, uint8_t n)
{
	ASSERT(n >= 1 && n <= WIRE_ADDRS_MAX);
	mp_wr_array(w, 2);
	mp_wr_uint(w, WIRE_GETADDR);
	mp_wr_uint(w, n);
}

static void
get_getaddr(struct rd *r, struct wire_msg *m)
{
	mp_rd_arity(r, 2);
	(void)mp_rd_uint(r, WIRE_GETADDR);
	m->n = (uint8_t)mp_rd_uint(r, WIRE_ADDRS_MAX);
	if (m->n == 0)
		r->bad = true;
}

static void
put_one_addr(struct wr *w, const struct wire_addr *a)
{
	ASSERT(naddr_ip_len(&a->addr) != 0);
	mp_wr_array(w, 4);
	mp_wr_bin(w, a->id, 32);
	mp_wr_uint(w, a->addr.fam);
	mp_wr_bin(w, a->addr.ip, naddr_ip_len(&a->addr));
	mp_wr_uint(w, a->addr.port);
}

void
wire_put_addr(struct wr *w, const struct wire_addr *addrs, size_t n)
{
	size_t i;

	ASSERT(n <= WIRE_ADDRS_MAX);
	mp_wr_array(w, 2);
	mp_wr_uint(w, WIRE_ADDR);
	mp_wr_array(w, (uint32_t)n);
	for (i = 0; i < n; i++)
		put_one_addr(w, &addrs[i]);
}

static void
get_one_addr(struct rd *r, struct wire_addr *a)
{
	memset(a, 0, sizeof(*a));
	mp_rd_arity(r, 4);
	mp_rd_bin_exact(r, a->id, 32);
	a->addr.fam = (uint8_t)mp_rd_uint(r, UINT8_MAX);
	if (naddr_ip_len(&a->addr) == 0)
		r->bad = true;
	mp_rd_bin_exact(r, a->addr.ip, naddr_ip_len(&a->addr));
	a->addr.port = (uint16_t)mp_rd_uint(r, UINT16_MAX);
	if (a->addr.port == 0)
		r->bad = true;
}

static void
get_addr(struct rd *r, struct wire_msg *m)
{
	struct wire_addr a;
	size_t i;

	mp_rd_arity(r, 2);
	(void)mp_rd_uint(r, WIRE_ADDR);
	m->n = (uint8_t)mp_rd_array(r, WIRE_ADDRS_MAX);
	m->items = *r;
	for (i = 0; i < m->n; i++)
		get_one_addr(r, &a);
}

bool
wire_next_addr(struct wire_msg *m, struct wire_addr *addr)
{
	if (m->type != WIRE_ADDR || m->n == 0)
		return false;
	m->n--;
	get_one_addr(&m->items, addr);
	return !m->items.bad;
}

void
wire_put_join(struct wr *w, unsigned ttl, const struct wire_addr *node)
{
	ASSERT(ttl <= WIRE_TTL_MAX);
	mp_wr_array(w, 3);
	mp_wr_uint(w, WIRE_JOIN);
	mp_wr_uint(w, ttl);
	put_one_addr(w, node);
}

static void
get_join(struct rd *r, struct wire_msg *m)
{
	mp_rd_arity(r, 3);
	(void)mp_rd_uint(r, WIRE_JOIN);
	m->ttl = (uint8_t)mp_rd_uint(r, WIRE_TTL_MAX);
	get_one_addr(r, &m->node);
}

void
wire_put_neighbor(struct wr *w, enum wire_want want)
{
	mp_wr_array(w, 2);
	mp_wr_uint(w, WIRE_NEIGHBOR);
	mp_wr_uint(w, (uint64_t)want);
}

static void
get_neighbor(struct rd *r, struct wire_msg *m)
{
	mp_rd_arity(r, 2);
	(void)mp_rd_uint(r, WIRE_NEIGHBOR);
	m->want = (uint8_t)mp_rd_uint(r, WIRE_WANT_YES);
}

void
wire_put_disconnect(struct wr *w, enum wire_gone reason)
{
	mp_wr_array(w, 2);
	mp_wr_uint(w, WIRE_DISCONNECT);
	mp_wr_uint(w, (uint64_t)reason);
}

static void
get_disconnect(struct rd *r, struct wire_msg *m)
{
	mp_rd_arity(r, 2);
	(void)mp_rd_uint(r, WIRE_DISCONNECT);
	m->reason = (uint8_t)mp_rd_uint(r, UINT8_MAX);
}

void
wire_put_swap(struct wr *w, const struct wire_addr *node)
{
	mp_wr_array(w, 2);
	mp_wr_uint(w, WIRE_SWAP);
	put_one_addr(w, node);
}

static void
get_swap(struct rd *r, struct wire_msg *m)
{
	mp_rd_arity(r, 2);
	(void)mp_rd_uint(r, WIRE_SWAP);
	get_one_addr(r, &m->node);
}

static void
get_body(struct rd *r, struct wire_msg *m, size_t len)
{
	switch (m->type) {
	case WIRE_GOSSIP:
		get_gossip(r, m, len);
		break;
	case WIRE_IHAVE:
	case WIRE_PULL:
		get_ids(r, m);
		break;
	case WIRE_GRAFT:
		get_graft(r);
		break;
	case WIRE_PRUNE:
		get_prune(r, m);
		break;
	case WIRE_JOIN:
		get_join(r, m);
		break;
	case WIRE_NEIGHBOR:
		get_neighbor(r, m);
		break;
	case WIRE_DISCONNECT:
		get_disconnect(r, m);
		break;
	case WIRE_SWAP:
		get_swap(r, m);
		break;
	case WIRE_RECS:
		get_recs(r, m);
		break;
	case WIRE_ROOT:
		get_root(r, m);
		break;
	case WIRE_SINCE:
		get_since(r, m);
		break;
	case WIRE_FETCH:
		get_fetch(r, m);
		break;
	case WIRE_FETCHED:
		get_fetched(r, m);
		break;
	case WIRE_RANGE:
	case WIRE_ITEMS:
	case WIRE_WANT:
	case WIRE_END:
	case WIRE_FULL:
	case WIRE_GETMAN:
	case WIRE_MAN:
	case WIRE_GET:
	case WIRE_CHUNK:
		/* The store reads these; here they must only be one object. */
		r->bad = !mp_scan(r->p, r->left, WIRE_DEPTH_MAX);
		(void)rd_take(r, r->left);
		break;
	case WIRE_OPEN:
	case WIRE_RELAY:
	case WIRE_OPENED:
	case WIRE_REFUSED:
	case WIRE_DATA:
	case WIRE_GRANT:
	case WIRE_CLOSE:
	case WIRE_RESERVE:
	case WIRE_RESERVED:
		wire_get_loop(r, m);
		break;
	case WIRE_CREDIT:
		get_credit(r, m);
		break;
	case WIRE_PING:
	case WIRE_PONG:
		get_token(r, m);
		break;
	case WIRE_BYE:
		get_bye(r, m);
		break;
	case WIRE_GETADDR:
		get_getaddr(r, m);
		break;
	case WIRE_ADDR:
		get_addr(r, m);
		break;
	}
}

uint32_t
wire_peek(const void *msg, size_t len)
{
	uint32_t number;
	struct rd r;

	rd_init(&r, msg, len);
	(void)mp_rd_array(&r, UINT16_MAX);
	number = (uint32_t)mp_rd_uint(&r, UINT16_MAX);
	return r.bad ? 0 : number;
}

enum wire_rc
wire_decode(struct wire_msg *m, enum lane lane, const uint8_t *p, size_t len)
{
	uint32_t number;
	struct rd r;

	memset(m, 0, sizeof(*m));
	rd_init(&r, p, len);
	(void)mp_rd_array(&r, UINT16_MAX);
	number = (uint32_t)mp_rd_uint(&r, UINT16_MAX);
	if (r.bad)
		return WIRE_MALFORMED;
	if (wire_type_name(number) == NULL)
		return mp_scan(p, len, WIRE_DEPTH_MAX) ? WIRE_UNKNOWN
						       : WIRE_MALFORMED;
	m->type = (enum wire_type)number;
	rd_init(&r, p, len);
	get_body(&r, m, len);
	if (!rd_done(&r))
		return WIRE_MALFORMED;
	return types[number].lane == lane ? WIRE_OK : WIRE_LANE;
}

const char *
wire_type_name(uint32_t type)
{
	return type < N_TYPES ? types[type].name : NULL;
}

const char *
lane_name(enum lane lane)
{
	static const char *const names[LANE_N] = { "control", "gossip", "sync",
		"bulk" };

	return names[lane];
}
