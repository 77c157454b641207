/* SPDX-License-Identifier: ISC */
/*
 * The table of metrics and its drawing, as promised in metrics.h.
 */
#include "common/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdbool.h>
#include <string.h>

#define METRIC_ROW(name, family, type, unit, label, help)                      \
	{ name, family, METRIC_##type, unit, label, help },

static const struct metric table[] = { METRICS(METRIC_ROW) };

#define COUNT (sizeof(table) / sizeof(table[0]))

int
metric_find(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT; i++)
		if (strcmp(table[i].name, name) == 0)
			return (int)i;
	return -1;
}

size_t
metric_count(void)
{
	return COUNT;
}

const struct metric *
metric_at(size_t index)
{
	return &table[index];
}

static int
by_metric(const void *a, const void *b)
{
	const struct metric_sample *x = a, *y = b;

	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	return x->process == y->process ? 0 : x->process < y->process ? -1 : 1;
}

static void
say(metric_out out, void *arg, const char *line, int n)
{
	if (n > 0)
		out(arg, line, (size_t)n);
}

const char *
metrics_content_type(enum metrics_format format)
{
	return format == METRICS_PROMETHEUS ?
	    "text/plain; version=0.0.4; charset=utf-8" :
	    METRICS_CONTENT_TYPE;
}

static void
family_head(enum metrics_format format, const struct metric *m, metric_out out,
    void *arg)
{
	bool old = format == METRICS_PROMETHEUS;
	const char *end = old && m->type == METRIC_COUNTER ? "_total" : "";
	char line[256];

	say(out, arg, line,
	    snprintf(line, sizeof(line), "# TYPE warren_%s%s %s\n", m->family,
		end, m->type == METRIC_COUNTER ? "counter" : "gauge"));
	if (m->unit[0] != '\0' && !old)
		say(out, arg, line,
		    snprintf(line, sizeof(line), "# UNIT warren_%s %s\n",
			m->family, m->unit));
	say(out, arg, line,
	    snprintf(line, sizeof(line), "# HELP warren_%s%s %s\n", m->family,
		end, m->help));
}

/* Names of processes are ours, but a quote in one must not break out. */
static void
label_value(const char *s, char buf[64])
{
	size_t n = 0;

	for (; *s != '\0' && n < 60; s++) {
		if (*s == '"' || *s == '\\')
			buf[n++] = '\\';
		buf[n++] = *s;
	}
	buf[n] = '\0';
}

static void
sample(const struct metric *m, const char *process, uint64_t value,
    metric_out out, void *arg)
{
	char line[320], name[64];

	label_value(process, name);
	say(out, arg, line,
	    snprintf(line, sizeof(line),
		"warren_%s%s{process=\"%s\"%s%s} %" PRIu64 "\n", m->family,
		m->type == METRIC_COUNTER ? "_total" : "", name,
		m->label[0] == '\0' ? "" : ",", m->label, value));
}

void
metrics_render(enum metrics_format format, struct metric_sample *samples,
    size_t n, const char (*names)[24], const char *version, metric_out out,
    void *arg)
{
	bool old = format == METRICS_PROMETHEUS;
	const char *family = "";
	char line[160], v[64];
	size_t i;

	qsort(samples, n, sizeof(samples[0]), by_metric);
	for (i = 0; i < n; i++) {
		const struct metric *m = &table[samples[i].metric];

		if (strcmp(m->family, family) != 0)
			family_head(format, m, out, arg);
		family = m->family;
		sample(m, names[samples[i].process], samples[i].value, out,
		    arg);
	}
	label_value(version, v);
	say(out, arg, line,
	    snprintf(line, sizeof(line),
		"# TYPE warren_build%s\n"
		"# HELP warren_build%s Version of the suite\n"
		"warren_build_info{version=\"%s\"} 1\n%s",
		old ? "_info gauge" : " info", old ? "_info" : "", v,
		old ? "" : "# EOF\n"));
}
