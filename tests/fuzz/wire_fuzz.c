/* SPDX-License-Identifier: ISC */
/* Byte 0 is the lane, the rest a message, whose items are all walked. */
#include "peerd/wire.h"

#include <string.h>

#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_blob record;
	struct wire_addr addr;
	struct wire_msg m;
	size_t n, items = 0;

	if (size == 0 || data[0] >= LANE_N)
		return 0;
	if (wire_decode(&m, (enum lane)data[0], data + 1, size - 1) != WIRE_OK)
		return 0;
	ASSERT(wire_type_name(m.type) != NULL);
	if (m.type == WIRE_IHAVE || m.type == WIRE_PULL)
		ASSERT(m.n_ids >= 1 && m.n_ids <= WIRE_IDS_MAX &&
		    m.ids >= data && m.ids + m.n_ids * WIRE_ID <= data + size);
	if (m.type == WIRE_JOIN || m.type == WIRE_SWAP)
		ASSERT(m.ttl <= WIRE_TTL_MAX && m.node.addr.port != 0);
	if (m.type == WIRE_RELAY && m.n_path > 0)
		ASSERT(m.n_path <= WIRE_PATH_MAX && m.path >= data &&
		    m.path + (m.n_path - 1) * WIRE_KEY_STEP + 32 <=
			data + size);
	if (m.type == WIRE_DATA)
		ASSERT(m.data.len >= 1 && m.data.len <= WIRE_DATA_MAX &&
		    m.data.p + m.data.len == data + size);
	if (m.type == WIRE_REFUSED || m.type == WIRE_RESERVED)
		ASSERT(strlen(m.text) <= WIRE_TEXT_MAX);
	n = m.n;
	while (wire_next_record(&m, &record)) {
		ASSERT(record.p >= data && record.len <= size);
		items++;
	}
	while (wire_next_addr(&m, &addr)) {
		ASSERT(addr.addr.port != 0);
		items++;
	}
	if (m.type == WIRE_GOSSIP || m.type == WIRE_ADDR)
		ASSERT(items == n);
	return 0;
}
