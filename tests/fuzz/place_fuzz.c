/* SPDX-License-Identifier: ISC */
/*
 * Any table of nodes, with any regions and groups: as many are picked as there
 * should be, each once, and the same ones when the table stands in another
 * order.
 */
#include "peerd/place.h"

#include <string.h>

#include "common/assert.h"

#define NODES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Four bytes a node: who it is, its group, its region. */
static void
read_node(struct place_node *n, const uint8_t *data)
{
	memset(n, 0, sizeof(*n));
	n->id[0] = data[0];
	n->id[1] = data[1];
	n->group = data[2];
	n->region[0] = (char)(data[3] % 5 == 0 ? 0 : 'a' + data[3] % 5);
}

static bool
has_node(const struct place_node *nodes, size_t n, const struct place_node *pn)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (memcmp(nodes[i].id, pn->id, 32) == 0)
			return true;
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct place_node nodes[NODES_MAX], turned[NODES_MAX];
	static uint64_t scores[NODES_MAX];
	uint32_t a[PLACE_PICK_MAX], b[PLACE_PICK_MAX];
	uint8_t block[32] = { 0 };
	size_t n = 0, i;
	unsigned r, got, j;

	if (size < 2)
		return 0;
	r = data[0] % (PLACE_PICK_MAX + 1);
	block[0] = data[1];
	for (data += 2, size -= 2; size >= 4 && n < NODES_MAX;
	     data += 4, size -= 4) {
		read_node(&nodes[n], data);
		n += !has_node(nodes, n, &nodes[n]);
	}
	for (i = 0; i < n; i++)
		turned[i] = nodes[n - 1 - i];
	got = place_pick(nodes, n, block, r, scores, a);
	ASSERT(got == (n < r ? n : r));
	ASSERT(place_pick(turned, n, block, r, scores, b) == got);
	for (i = 0; i < got; i++) {
		ASSERT(a[i] < n && b[i] == n - 1 - a[i]);
		for (j = 0; j < i; j++)
			ASSERT(a[i] != a[j]);
	}
	return 0;
}
