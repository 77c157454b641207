/* SPDX-License-Identifier: ISC */
/* A damaged ban file: what loads saves to something that loads as well. */
#include "peerd/ban.h"

#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ban list[16];
	static uint8_t out[16 * BAN_ROW_MAX];
	struct wall now = { 1766000000000 };
	const struct ban *ban = NULL;
	struct bans b;
	struct wr w;
	uint32_t n;

	bans_init(&b, list, 16);
	(void)bans_load(&b, data, size);
	while ((ban = ban_next(&b, ban, now)) != NULL)
		if (ban->target.addr.fam != NADDR_NONE)
			ASSERT(ban_find_addr(&b, &ban->target.addr, now));
	wr_init(&w, out, sizeof(out));
	bans_save(&b, &w);
	ASSERT(!w.bad);
	n = b.n;
	bans_init(&b, list, 16);
	ASSERT(bans_load(&b, out, w.len) == 0 && b.n == n);
	return 0;
}
