/* SPDX-License-Identifier: ISC */
/* Whatever decodes as a record encodes back to the same bytes. */
#include "common/rec.h"

#include <string.h>

#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t body[REC_MAX], out[REC_MAX];
	static struct charter ch;
	enum rec_err err;
	struct rec rec;
	uint8_t id[32];
	struct wr w;

	if (ch.n_kinds == 0)
		ASSERT(charter_decode(&ch, charter_default,
			   charter_default_len) == CHARTER_OK);
	err = rec_decode(&rec, &ch, data, size);
	if (err == REC_MALFORMED)
		return 0;
	wr_init(&w, body, sizeof(body));
	rec_encode_body(&w, &rec);
	ASSERT(!w.bad && w.len == rec.body_len);
	ASSERT(memcmp(body, rec.body, w.len) == 0);
	rec_key(id, &rec, ch.netid);
	wr_init(&w, out, sizeof(out));
	rec_encode(&w, body, rec.body_len, rec.sig);
	ASSERT(!w.bad && w.len == size && memcmp(out, data, size) == 0);
	return 0;
}
