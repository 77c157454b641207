/* SPDX-License-Identifier: ISC */
/*
 * state and text: answers are made once per change, peers stay sorted, the
 * table is bounded, shared texts are counted.
 */
#include "apid/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct state_time
at(int64_t ms)
{
	return (struct state_time){ { ms * 1000 }, { ms } };
}

static void
put(uint32_t n)
{
	struct msg_peer p = { .status = (uint8_t)(n % 3) };

	p.id[0] = (uint8_t)(n >> 8);
	p.id[1] = (uint8_t)n;
	(void)state_put_peer(&p);
}

static void
test_once(void **state)
{
	static const struct msg_node node = { .version = "9" };
	uint64_t made;
	struct text *a, *b;

	(void)state;
	state_set_node(&node);
	a = state_hot(HOT_NODEINFO, at(5000));
	made = state_encoded();
	b = state_hot(HOT_NODEINFO, at(5900));
	assert_ptr_equal(a, b);
	assert_int_equal(state_encoded(), made);
	(void)state_hot(HOT_NODEINFO, at(6000)); /* a second later */
	assert_int_equal(state_encoded(), made + 1);
	state_set_stun(NULL);
	(void)state_hot(HOT_NODEINFO, at(6000));
	assert_int_equal(state_encoded(), made + 2);
}

static void
test_peers(void **state)
{
	struct text *t;
	const char *a, *b;
	uint8_t id[32] = { 0, 7 };

	(void)state;
	put(9);
	put(7);
	put(8);
	put(7);
	assert_int_equal(state_peers(), 3);
	t = text_ref(state_hot(HOT_PEERS, at(1)));
	a = memmem(t->p, t->len, "\"0007", 5);
	b = memmem(t->p, t->len, "\"0009", 5);
	assert_non_null(a);
	assert_true(a < b);
	state_drop_peer(id);
	state_drop_peer(id);
	assert_int_equal(state_peers(), 2);
	(void)state_hot(HOT_PEERS, at(1));
	assert_int_equal(t->refs, 1); /* ours alone: it was made anew */
	text_unref(t);
	state_clear_peers();
	t = state_hot(HOT_PEERS, at(1));
	assert_int_equal(t->len, 2);
	assert_memory_equal(t->p, "[]", 2);
}

static void
test_full(void **state)
{
	uint64_t made;
	uint32_t i;

	(void)state;
	for (i = 0; i < STATE_PEERS_MAX + 10; i++)
		put(i);
	assert_int_equal(state_peers(), STATE_PEERS_MAX);
	assert_int_equal(state_peers_refused(), 10);
	assert_non_null(state_hot(HOT_PEERS, at(10000)));
	made = state_encoded();
	put(3); /* a long list is not made anew at every change */
	(void)state_hot(HOT_PEERS, at(10100));
	assert_int_equal(state_encoded(), made);
	(void)state_hot(HOT_PEERS, at(11000));
	assert_int_equal(state_encoded(), made + 1);
	state_clear_peers();
}

static void
test_text(void **state)
{
	size_t before = text_live();
	struct text *t;
	struct sb sb;

	(void)state;
	sb_init(&sb, 10);
	sb_str(&sb, "0123456789");
	assert_false(sb.bad);
	sb_str(&sb, "x");
	assert_true(sb.bad);
	assert_null(sb_end(&sb));
	assert_int_equal(text_live(), before);
	sb_init(&sb, 10);
	t = sb_end(&sb);
	assert_non_null(t);
	assert_int_equal(t->len, 0);
	text_unref(text_ref(t));
	assert_true(text_live() > before);
	text_unref(t);
	text_unref(NULL);
	assert_int_equal(text_live(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
