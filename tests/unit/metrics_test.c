/* SPDX-License-Identifier: ISC */
/*
 * metrics: the table is in order, the text is what OpenMetrics 1.0 asks for.
 */
#include "common/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char text[4096];
static size_t len;

static void
out(void *arg, const char *p, size_t n)
{
	(void)arg;
	assert_true(len + n < sizeof(text));
	memcpy(text + len, p, n);
	len += n;
	text[len] = '\0';
}

static size_t
index_of(const char *name)
{
	int i = metric_find(name);

	assert_true(i >= 0);
	return (size_t)i;
}

static void
test_table(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < metric_count(); i++) {
		const struct metric *m = metric_at(i);
		size_t f = strlen(m->family), u = strlen(m->unit);

		assert_int_equal(index_of(m->name), i); /* no name twice */
		assert_true(u < f && strcmp(m->family + f - u, m->unit) == 0);
		/* a family stands together */
		for (k = i + 2; k < metric_count(); k++)
			if (strcmp(metric_at(k)->family, m->family) == 0)
				assert_string_equal(metric_at(k - 1)->family,
				    m->family);
	}
	assert_int_equal(metric_find("nothing"), -1);
}

static void
test_render(void **state)
{
	static const char names[2][24] = { "apid 0", "a\"b" };
	struct metric_sample s[] = {
		{ (uint16_t)index_of("uptime_seconds"), 0, 5 },
		{ (uint16_t)index_of("http_responses_4xx"), 1, 2 },
		{ (uint16_t)index_of("http_responses_2xx"), 0, UINT64_MAX },
	};

	(void)state;
	metrics_render(METRICS_OPENMETRICS, s, 3, names, "0.1.0", out, NULL);
	assert_string_equal(text,
	    "# TYPE warren_http_responses counter\n"
	    "# HELP warren_http_responses HTTP answers\n"
	    "warren_http_responses_total{process=\"apid 0\",code=\"2xx\"} "
	    "18446744073709551615\n"
	    "warren_http_responses_total{process=\"a\\\"b\",code=\"4xx\"} 2\n"
	    "# TYPE warren_uptime_seconds gauge\n"
	    "# UNIT warren_uptime_seconds seconds\n"
	    "# HELP warren_uptime_seconds Time since the process started\n"
	    "warren_uptime_seconds{process=\"apid 0\"} 5\n"
	    "# TYPE warren_build info\n"
	    "# HELP warren_build Version of the suite\n"
	    "warren_build_info{version=\"0.1.0\"} 1\n# EOF\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_render),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
