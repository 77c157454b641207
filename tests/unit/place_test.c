/* SPDX-License-Identifier: ISC */
/* Placement: the same for all, apart from one another, and moving little. */
#include "peerd/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/bytes.h"

#define NODES  60
#define BLOCKS 3000
#define R      3

static struct place_node nodes[NODES + 1];
static uint64_t scores[NODES + 1];

static void
block_id(uint8_t id[32], uint32_t i)
{
	memset(id, 0xb1, 32);
	put_u32(id, i);
}

/* Node i of a network with so many groups and regions; 0 regions: unsaid. */
static void
make(struct place_node *pn, uint32_t i, unsigned groups, unsigned regions)
{
	memset(pn, 0, sizeof(*pn));
	put_u32(pn->id, i * 2654435761u);
	put_u32(pn->id + 28, i);
	pn->group = 1 + i % groups;
	if (regions > 0)
		(void)snprintf(pn->region, sizeof(pn->region), "r%u",
		    i % regions);
}

static void
test_groups(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "192.0.2.1", "192.0.9.9", true },
		{ "192.0.2.1", "192.1.2.1", false },
		{ "2001:db8::1", "2001:db8:ffff::1", true },
		{ "2001:db8::1", "2001:db9::1", false },
		{ "10.1.0.0", "a01::", false },
	};
	struct naddr a, b, none = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(naddr_parse_ip(&a, cases[i].a, 1), 0);
		assert_int_equal(naddr_parse_ip(&b, cases[i].b, 2), 0);
		if ((place_group(&a) == place_group(&b)) != cases[i].same)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
	}
	assert_int_equal(place_group(&none), 0);
}

/* By Python's hashlib, from the header's words. */
static void
test_score(void **state)
{
	uint8_t block[32], node[32];
	uint8_t i;

	(void)state;
	for (i = 0; i < 32; i++) {
		block[i] = i;
		node[i] = (uint8_t)(32 + i);
	}
	assert_true(place_score(block, node) == UINT64_C(0xa66947ec16ec581f));
}

static void
test_node_set(void **state)
{
	struct noderec nr = { .n_addrs = 3, .region = "eu" };
	uint8_t id[32] = { 7 };
	struct place_node pn;

	(void)state;
	nr.addrs[0].proto = NODE_HTTP;
	nr.addrs[1].proto = nr.addrs[2].proto = NODE_LINK;
	assert_int_equal(naddr_parse_ip(&nr.addrs[0].addr, "10.1.1.1", 1), 0);
	assert_int_equal(naddr_parse_ip(&nr.addrs[2].addr, "10.2.1.1", 1), 0);
	place_node_set(&pn, id, &nr); /* the second says no address */
	assert_int_equal(pn.group, place_group(&nr.addrs[2].addr));
	assert_string_equal(pn.region, "eu");
	assert_memory_equal(pn.id, id, 32);
}

/* Any order of the table gives the same nodes in the same order. */
static void
test_order(void **state)
{
	struct place_node turned[NODES];
	uint32_t a[R], b[R], i, k;
	uint8_t block[32];

	(void)state;
	for (i = 0; i < NODES; i++)
		make(&nodes[i], i, 7, 3);
	for (i = 0; i < NODES; i++)
		turned[i] = nodes[NODES - 1 - i];
	for (i = 0; i < 200; i++) {
		block_id(block, i);
		assert_int_equal(place_pick(nodes, NODES, block, R, scores, a),
		    R);
		assert_int_equal(place_pick(turned, NODES, block, R, scores, b),
		    R);
		for (k = 0; k < R; k++)
			assert_memory_equal(nodes[a[k]].id, turned[b[k]].id,
			    32);
	}
}

static void
test_few(void **state)
{
	uint32_t out[R];
	uint8_t block[32] = { 0 };

	(void)state;
	make(&nodes[0], 0, 1, 1);
	make(&nodes[1], 1, 1, 1);
	assert_int_equal(place_pick(nodes, 0, block, R, scores, out), 0);
	assert_int_equal(place_pick(nodes, 1, block, R, scores, out), 1);
	assert_int_equal(place_pick(nodes, 2, block, R, scores, out), 2);
	assert_true(out[0] != out[1]);
	assert_int_equal(place_pick(nodes, 2, block, 0, scores, out), 0);
}

/* While other groups remain no two of one; the same for regions. */
static void
test_apart(void **state)
{
	uint32_t out[R], i, k, j;
	uint8_t block[32];

	(void)state;
	for (i = 0; i < NODES; i++)
		make(&nodes[i], i, 4, 3);
	for (i = 0; i < 500; i++) {
		block_id(block, i);
		(void)place_pick(nodes, NODES, block, R, scores, out);
		for (k = 0; k < R; k++)
			for (j = 0; j < k; j++) {
				assert_true(
				    nodes[out[k]].group != nodes[out[j]].group);
				assert_string_not_equal(nodes[out[k]].region,
				    nodes[out[j]].region);
			}
	}
	/* One group alone: the rule gives way, and there are three still. */
	for (i = 0; i < NODES; i++)
		make(&nodes[i], i, 1, 0);
	assert_int_equal(place_pick(nodes, NODES, block, R, scores, out), R);
	assert_true(scores[out[0]] > scores[out[1]]);
	assert_true(scores[out[1]] > scores[out[2]]);
}

/* Two groups: the second group's best comes before the first's second. */
static void
test_group_before_region(void **state)
{
	uint32_t out[2];
	uint8_t block[32] = { 3 };

	(void)state;
	make(&nodes[0], 0, 1, 1);
	make(&nodes[1], 1, 1, 1);
	make(&nodes[2], 2, 1, 1);
	nodes[2].group = 9;
	(void)place_pick(nodes, 3, block, 2, scores, out);
	assert_true(out[0] == 2 || out[1] == 2);
}

static bool
among(const struct place_node *pn, const struct place_node *all,
    const uint32_t *out)
{
	unsigned k;

	for (k = 0; k < R; k++)
		if (memcmp(pn->id, all[out[k]].id, 32) == 0)
			return true;
	return false;
}

/* Placements that are new when the node at `gone` leaves. */
static unsigned
moved(uint32_t gone)
{
	static struct place_node less[NODES];
	uint32_t before[R], after[R], i;
	unsigned n = 0, k;
	uint8_t block[32];

	memcpy(less, nodes, sizeof(less));
	less[gone] = nodes[NODES - 1];
	for (i = 0; i < BLOCKS; i++) {
		block_id(block, i);
		(void)place_pick(nodes, NODES, block, R, scores, before);
		(void)place_pick(less, NODES - 1, block, R, scores, after);
		for (k = 0; k < R; k++)
			n += !among(&less[after[k]], nodes, before);
	}
	return n;
}

/*
 * One of N nodes leaving moves its own share, r/N of the blocks; joining is
 * the same seen from the other side.  With groups and regions too.
 */
static void
test_movement(void **state)
{
	static const struct {
		const char *name;
		unsigned groups, regions;
	} cases[] = { { "no rule", NODES, 0 }, { "groups", 20, 0 },
		{ "regions", NODES, 5 }, { "both", 20, 6 } };
	double share = (double)R / NODES * BLOCKS, sum, worst, n;
	uint32_t i, gone, tried;
	size_t c;

	(void)state;
	for (c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		for (i = 0; i < NODES; i++)
			make(&nodes[i], i, cases[c].groups, cases[c].regions);
		sum = worst = 0;
		tried = 0;
		for (gone = 0; gone < NODES; gone += 7, tried++) {
			n = moved(gone);
			sum += n;
			worst = n > worst ? n : worst;
		}
		print_message("%s: mean %.3f, worst %.3f of r/N\n",
		    cases[c].name, sum / tried / share, worst / share);
		if (sum / tried > 1.2 * share)
			fail_msg("%s: moves too much", cases[c].name);
	}
}

/* All get their share: within a third of it. */
static void
test_even(void **state)
{
	unsigned held[NODES] = { 0 };
	uint32_t out[R], i, k;
	uint8_t block[32];

	(void)state;
	for (i = 0; i < NODES; i++)
		make(&nodes[i], i, NODES, 0);
	for (i = 0; i < BLOCKS; i++) {
		block_id(block, i);
		(void)place_pick(nodes, NODES, block, R, scores, out);
		for (k = 0; k < R; k++)
			held[out[k]]++;
	}
	for (i = 0; i < NODES; i++)
		assert_in_range(held[i], 100, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_score),
		cmocka_unit_test(test_node_set),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_apart),
		cmocka_unit_test(test_group_before_region),
		cmocka_unit_test(test_movement),
		cmocka_unit_test(test_even),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
