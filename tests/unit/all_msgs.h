/* SPDX-License-Identifier: ISC */
/*
 * Every message table of the suite, and bodies filled at random within their
 * ranges: for the tests that treat all messages alike.
 */
#ifndef WARREN_TESTS_ALL_MSGS_H
#define WARREN_TESTS_ALL_MSGS_H

#include <stdio.h>
#include <string.h>

#include "cmd/warrend/msg_launch.h"
#include "common/msg_apid.h"
#include "common/msg_appd.h"
#include "common/msg_ctl.h"
#include "common/msg_peerd.h"
#include "common/msg_proc.h"
#include "common/msg_siblings.h"
#include "common/msg_store.h"
#include "common/msg_stund.h"

#define ALL_TABLES 15

static struct msg_table all_tables[ALL_TABLES];
static size_t n_all_tables;

static inline void
all_tables_init(void)
{
	const struct msg_table t[] = { msgs_proc, msgs_ctl, msgs_stund,
		msgs_peerd, msgs_resolver, msgs_apid, msgs_peerd_stund,
		msgs_stund_apid, msgs_peerd_apid, msgs_launch, msgs_store,
		msgs_peerd_store, msgs_store_apid, msgs_appd,
		msgs_peerd_appd };

	memcpy(all_tables, t, sizeof(t));
	n_all_tables = ALL_TABLES;
}

/* A small generator with a seed, so that a failure can be repeated. */
static uint64_t fill_seed = 1;

static inline uint64_t
fill_next(void)
{
	fill_seed ^= fill_seed << 13;
	fill_seed ^= fill_seed >> 7;
	fill_seed ^= fill_seed << 17;
	return fill_seed;
}

static const uint8_t fill_blob[64] = "a blob of bytes";

static inline void fill_body(
    const struct schema *s, uint8_t *body, unsigned full);

static inline void
fill_fld(const struct fld *f, uint8_t *body, unsigned full)
{
	uint8_t *at = body + f->off;
	uint64_t v = fill_next();
	struct naddr addr = { 0 };
	struct blob b;
	uint16_t n, i;
	size_t k;

	switch (f->kind) {
	case FLD_BOOL:
		at[0] = v & 1;
		break;
	case FLD_TRI:
		at[0] = (uint8_t)((int8_t)(v % 3) - 1);
		break;
	case FLD_UINT:
		v = full == 2 ? f->max : f->max == UINT64_MAX ? v :
		                                        v % (f->max + 1);
		memcpy(at, &v, f->size); /* little-endian machines */
		break;
	case FLD_N64:
		v = full == 2 ? MSG_NULL64 : v;
		memcpy(at, &v, 8);
		break;
	case FLD_INT:
		memcpy(at, &v, f->size);
		break;
	case FLD_STR:
		n = (uint16_t)(full == 2 ? f->size - 1 : v % f->size);
		for (i = 0; i < n; i++)
			at[i] = (uint8_t)('a' + (v >> (i % 56)) % 26);
		at[n] = '\0';
		break;
	case FLD_BIN:
		for (k = 0; k < f->size; k++)
			at[k] = (uint8_t)fill_next();
		break;
	case FLD_BLOB:
		b.p = fill_blob;
		b.len = v % sizeof(fill_blob);
		memcpy(at, &b, sizeof(b));
		break;
	case FLD_ADDR:
		addr.fam = v % 3 == 0 ? 0 : v % 3 == 1 ? 4 : 6;
		for (k = 0; k < naddr_ip_len(&addr); k++)
			addr.ip[k] = (uint8_t)fill_next();
		addr.port = (uint16_t)(v >> 20);
		memcpy(at, &addr, sizeof(addr));
		break;
	case FLD_LIST:
		n = (uint16_t)(full == 2 ? f->max :
		        full == 0    ? 0 :
		                       v % (f->max + 1));
		memcpy(body + f->count_off, &n, sizeof(n));
		for (i = 0; i < n; i++)
			fill_body(f->item, at + i * f->item->size, full);
		break;
	}
}

/* full: 0 empty lists, 1 at random, 2 everything at its largest. */
static inline void
fill_body(const struct schema *s, uint8_t *body, unsigned full)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		fill_fld(&s->flds[i], body, full);
}

#endif
