/* SPDX-License-Identifier: ISC */
/* A damaged book: what loads can be used, saved, and loaded again. */
#include "peerd/abook.h"

#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct abook_conf conf = { 4, 4, 2, 2 };
	static struct abook_entry cells[20];
	static uint8_t out[20 * ABOOK_ROW_MAX + 64];
	static const uint8_t key[16] = { 1 };
	const struct abook_entry *e = NULL;
	struct abook_want want = { .rnd = 12345 };
	struct wall now = { 1766000000000 };
	uint32_t heads[8], from = 0, n = 0;
	struct abook ab;
	struct wr w;

	ASSERT(abook_cells(&conf) == 20);
	abook_init(&ab, &conf, cells, heads, 8, key);
	(void)abook_load(&ab, data, size);
	while ((e = abook_next(&ab, e)) != NULL) {
		ASSERT(abook_find(&ab, &e->addr) == e);
		(void)abook_due(e);
		n++;
	}
	ASSERT(n == ab.n_new + ab.n_tried);
	e = abook_pick(&ab, &want, now);
	if (e != NULL) {
		struct naddr addr = e->addr;

		abook_failed(&ab, &addr, now);
		(void)abook_good(&ab, &addr, out, now);
	}
	n = ab.n_new + ab.n_tried;
	wr_init(&w, out, sizeof(out));
	ASSERT(abook_save(&ab, &w, &from) && !w.bad);
	abook_init(&ab, &conf, cells, heads, 8, key);
	ASSERT(abook_load(&ab, out, w.len) == 0);
	ASSERT(ab.n_new + ab.n_tried <= n);
	return 0;
}
