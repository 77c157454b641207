/* SPDX-License-Identifier: ISC */
/*
 * The address book's file, as promised in abook.h.  A book that was damaged
 * on disk is worth what could be read before the damage.
 */
#include "peerd/abook.h"

#include <string.h>

#include "common/addr_policy.h"
#include "common/assert.h"
#include "common/mp.h"

#define ROW_MAX 100 /* a row is 96 at most; with the head ABOOK_ROW_MAX */

/*
 * Row: [tried, fam, ip:bin, port, id:bin(0 or 32), source:u64, seen, dialled,
 * good, fails].
 */
static void
put_row(struct wr *w, const struct abook_entry *e, bool tried)
{
	mp_wr_array(w, 10);
	mp_wr_uint(w, tried);
	mp_wr_uint(w, e->addr.fam);
	mp_wr_bin(w, e->addr.ip, naddr_ip_len(&e->addr));
	mp_wr_uint(w, e->addr.port);
	mp_wr_bin(w, e->id, e->has_id ? 32 : 0);
	mp_wr_uint(w, e->source);
	mp_wr_uint(w, (uint64_t)e->seen);
	mp_wr_uint(w, (uint64_t)e->dialled);
	mp_wr_uint(w, (uint64_t)e->good);
	mp_wr_uint(w, e->fails);
}

static void
get_row(struct rd *r, struct abook_entry *e, bool *tried)
{
	const uint64_t time_max = INT64_MAX / 4;
	const uint8_t *id;
	size_t len;

	memset(e, 0, sizeof(*e));
	mp_rd_arity(r, 10);
	*tried = mp_rd_uint(r, 1) == 1;
	e->addr.fam = (uint8_t)mp_rd_uint(r, UINT8_MAX);
	if (naddr_ip_len(&e->addr) == 0)
		r->bad = true;
	mp_rd_bin_exact(r, e->addr.ip, naddr_ip_len(&e->addr));
	e->addr.port = (uint16_t)mp_rd_uint(r, UINT16_MAX);
	id = mp_rd_bin(r, 0, 32, &len);
	if (len != 0 && len != 32)
		r->bad = true;
	if (len == 32 && id != NULL) {
		memcpy(e->id, id, 32);
		e->has_id = true;
	}
	e->source = mp_rd_uint(r, UINT64_MAX);
	e->seen = (int64_t)mp_rd_uint(r, time_max);
	e->dialled = (int64_t)mp_rd_uint(r, time_max);
	e->good = (int64_t)mp_rd_uint(r, time_max);
	e->fails = (uint8_t)mp_rd_uint(r, UINT8_MAX);
	e->addr = addr_canon(&e->addr);
	if (e->addr.port == 0)
		r->bad = true;
}

bool
abook_save(const struct abook *ab, struct wr *w, uint32_t *from)
{
	uint32_t n = abook_cells(&ab->conf);

	if (*from == 0) {
		mp_wr_array(w, 2);
		mp_wr_uint(w, 1);
		mp_wr_bin(w, ab->key, 16);
	}
	for (; *from < n; (*from)++) {
		if (!ab->cells[*from].used)
			continue;
		if (w->cap - w->len < ROW_MAX)
			return false;
		put_row(w, &ab->cells[*from],
		    abook_is_tried(ab, &ab->cells[*from]));
	}
	return true;
}

int
abook_load(struct abook *ab, const void *buf, size_t len)
{
	struct abook_entry e;
	struct rd r;
	uint8_t key[16];
	bool tried;

	ASSERT(ab->n_new == 0 && ab->n_tried == 0);
	rd_init(&r, buf, len);
	mp_rd_arity(&r, 2);
	if (mp_rd_uint(&r, UINT8_MAX) != 1)
		r.bad = true;
	mp_rd_bin_exact(&r, key, 16);
	if (r.bad)
		return -1;
	memcpy(ab->key, key, 16);
	while (r.left > 0) {
		get_row(&r, &e, &tried);
		if (r.bad)
			return -1;
		abook_restore(ab, &e, tried);
	}
	return 0;
}
