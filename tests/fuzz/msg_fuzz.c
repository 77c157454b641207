/* SPDX-License-Identifier: ISC */
/*
 * Bytes as a message of each channel: what decodes must encode again, and to
 * the same values.  The first byte chooses the channel.
 */
#include <stdlib.h>

#include "tests/unit/all_msgs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t body[512 << 10], again[512 << 10];
	static uint8_t out[MSG_LEN_MAX];
	struct msg_table t[2] = { { NULL, 0 }, { NULL, 0 } };
	const struct msg_def *def;
	const char *why;
	struct wr w;
	uint32_t id, id2;

	if (n_all_tables == 0)
		all_tables_init();
	if (len < 1)
		return 0;
	t[0] = all_tables[data[0] % ALL_TABLES];
	def = msg_get(t, data + 1, len - 1, &id, body, sizeof(body), &why);
	if (def == NULL)
		return 0;
	wr_init(&w, out, sizeof(out));
	msg_put(&w, def, id, body);
	if (w.bad)
		abort();
	if (msg_get(t, out + 4, w.len - 4, &id2, again, sizeof(again), &why) !=
	        def ||
	    id != id2)
		abort();
	return 0;
}
