/* SPDX-License-Identifier: ISC */
/*
 * Counters of all processes over the control socket: the very text that the
 * metrics listener gives, and the same as a list for programs.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/warrenctl/warrenctl.h"
#include "common/compat/compat.h"
#include "common/metrics.h"
#include "common/version.h"

#define NAMES   64
#define SAMPLES 4096

static struct {
	char names[NAMES][24];
	size_t n_names;
	struct metric_sample samples[SAMPLES];
	size_t n;
} all;

static int
name_index(const char *name)
{
	size_t i;

	for (i = 0; i < all.n_names; i++)
		if (strcmp(all.names[i], name) == 0)
			return (int)i;
	if (all.n_names == NAMES)
		return -1;
	(void)strlcpy(all.names[all.n_names], name, sizeof(all.names[0]));
	return (int)all.n_names++;
}

static void
gather(const struct msg_ctl_metrics *m)
{
	int process = name_index(m->process), metric;
	size_t i;

	for (i = 0; i < m->n_items && process != -1; i++) {
		metric = metric_find(m->items[i].name);
		if (metric == -1 || all.n == SAMPLES)
			continue;
		all.samples[all.n++] = (struct metric_sample){
			(uint16_t)metric, (uint16_t)process, m->items[i].value
		};
	}
}

static void
print(void *arg, const char *text, size_t len)
{
	(void)fwrite(text, 1, len, arg);
}

static json_t *
as_json(void)
{
	json_t *list = json_array();
	const struct metric_sample *s;

	for (s = all.samples; s < all.samples + all.n; s++)
		(void)json_array_append_new(list,
		    json_pack("{s:s, s:s, s:I}", "name",
			metric_at(s->metric)->name, "process",
			all.names[s->process], "value",
			(json_int_t)s->value));
	return list;
}

int
act_show_metrics(int argc, char **argv)
{
	const struct msg_ctl_metrics *m;
	struct part *at = NULL;
	int code;

	if (argc != 0)
		die(EX_USAGE, "show metrics takes no argument '%s'", argv[0]);
	code = client_ask(CTL_SHOW_METRICS, NULL);
	while ((m = client_next(CTL_METRICS, &at)) != NULL)
		gather(m);
	if (cx.json)
		cx.data = as_json();
	else if (!cx.quiet)
		metrics_render(METRICS_OPENMETRICS, all.samples, all.n,
		    (const char(*)[24])all.names, WARREN_VERSION, print,
		    stdout);
	return code;
}
