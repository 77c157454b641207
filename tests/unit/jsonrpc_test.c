/* SPDX-License-Identifier: ISC */
/*
 * jsonrpc: both manners, word for word.  What needs sockets is in
 * tests/regress/http_test.py.
 */
#include "apid/jsonrpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define V "\"jsonrpc\":\"2.0\""
#define METHOD_404                                                             \
	"\"error\":{\"code\":-32601,\"message\":\"Method not found\"}"
#define EMPTY                                                                  \
	"{" V ",\"error\":{\"code\":-32600,\"message\":"                       \
	"\"Invalid Request: empty batch\"},\"id\":null}\n"

static struct {
	int calls;
	uint16_t status;
	char body[4096];
	uint32_t admit_max, admitted;
} got;

static bool
admit(void *ctx, uint32_t n)
{
	(void)ctx;
	got.admitted += n;
	return n <= got.admit_max;
}

static void
done(void *ctx, uint16_t status, struct text *body)
{
	(void)ctx;
	got.calls++;
	got.status = status;
	got.body[0] = '\0';
	if (body != NULL) {
		assert_true(body->len < sizeof(got.body));
		memcpy(got.body, body->p, body->len);
		got.body[body->len] = '\0';
	}
	text_unref(body);
}

static void
run(const char *body, const char *method)
{
	struct rpc_in in = { .len = strlen(body),
		.method = method,
		.batch_max = 3,
		.admit = admit,
		.done = done };
	char *flush = malloc(in.len + 1); /* lies flush against its end */

	assert_non_null(flush);
	memcpy(flush, body, in.len);
	in.body = flush;
	got.calls = 0;
	assert_null(rpc_run(&in));
	assert_int_equal(got.calls, 1);
	free(flush);
}

static const struct {
	const char *name, *method, *body;
	uint16_t status;
	const char *answer;
} cases[] = {
	{ "2.0 unknown", NULL, "{" V ",\"method\":\"x\",\"id\":1}", 200,
	    "{" V "," METHOD_404 ",\"id\":1}\n" },
	{ "2.0 text id", NULL, "{" V ",\"method\":\"x\",\"id\":\"a\"}", 200,
	    "{" V "," METHOD_404 ",\"id\":\"a\"}\n" },
	{ "2.0 notification", NULL, "{" V ",\"method\":\"x\"}", 204, "" },
	{ "old unknown", NULL, "{\"method\":\"x\",\"id\":1}", 404,
	    "{\"result\":null," METHOD_404 ",\"id\":1}\n" },
	{ "old without id", NULL, "{\"method\":\"x\"}", 404,
	    "{\"result\":null," METHOD_404 ",\"id\":null}\n" },
	{ "old batch", NULL, "[{\"method\":\"x\",\"id\":1},{\"method\":\"y\"}]",
	    200,
	    "[{\"result\":null," METHOD_404 ",\"id\":1},"
	    "{\"result\":null," METHOD_404 ",\"id\":null}]\n" },
	{ "mixed batch", NULL,
	    "[{\"method\":\"x\",\"id\":1},{" V ",\"method\":\"y\",\"id\":2},{" V
	    ",\"method\":\"y\"}]",
	    200,
	    "[{\"result\":null," METHOD_404 ",\"id\":1},{" V "," METHOD_404
	    ",\"id\":2}]\n" },
	{ "empty batch", NULL, "[]", 200, EMPTY },
	{ "no JSON", NULL, "{", 500,
	    "{\"result\":null,\"error\":{\"code\":-32700,\"message\":"
	    "\"Parse error\"},\"id\":null}\n" },
	{ "no 2.0 JSON", NULL, "{" V ",", 200,
	    "{" V ",\"error\":{\"code\":-32700,\"message\":\"Parse error\"},"
	    "\"id\":null}\n" },
	{ "proxy", "x", "{\"parameters\":[]}", 404, "{" METHOD_404 "}\n" },
	{ "proxy plain", "x", "{\"id\":4}", 404,
	    "{\"result\":null," METHOD_404 ",\"id\":4}\n" },
};

static void
test_cases(void **state)
{
	size_t i;

	(void)state;
	got.admit_max = 10;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run(cases[i].body, cases[i].method);
		if (got.status != cases[i].status ||
		    strcmp(got.body, cases[i].answer) != 0)
			fail_msg("%s: %u %s", cases[i].name, got.status,
			    got.body);
	}
}

static void
test_admit(void **state)
{
	(void)state;
	got.admit_max = 1;
	got.admitted = 0;
	run("[1,2]", NULL);
	assert_int_equal(got.status, 200);
	assert_int_equal(got.admitted, 1);
	run("[1,2,3]", NULL);
	assert_int_equal(got.status, 429);
	run("[1,2,3,4]", NULL); /* refused for its length before */
	assert_int_equal(got.status, 400);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_admit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
