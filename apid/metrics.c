/* SPDX-License-Identifier: ISC */
/*
 * Scrapes, as promised in metrics.h.  One question to the parent at a time;
 * whoever asks while it is open shares its answer.
 */
#include "apid/metrics.h"

#include <string.h>

#include "apid/apid.h"
#include "apid/rest.h"
#include "common/child.h"
#include "common/compat/compat.h"
#include "common/metrics.h"

#define PROCESSES_MAX 96
#define SAMPLES_MAX   4096

static struct {
	struct {
		struct http_req *rq;
		enum metrics_format format;
	} waiting[METRICS_WAITING_MAX];
	size_t n_waiting;
	uint32_t id; /* of the open question */
	struct event *deadline;
	char names[PROCESSES_MAX][24];
	size_t n_names;
	struct metric_sample samples[SAMPLES_MAX];
	size_t n_samples;
} sc;

static void on_deadline(evutil_socket_t fd, short what, void *arg);

void
metrics_setup(void)
{
	sc.deadline = child_timer(on_deadline, NULL);
}

size_t
metrics_waiting(void)
{
	return sc.n_waiting;
}

static struct http_req *
pop(void)
{
	struct http_req *rq = sc.waiting[--sc.n_waiting].rq;

	/* It waits no more: its end needs no word to us. */
	rq->pending = NULL;
	rq->cancel = NULL;
	return rq;
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	apid_touch_clock();
	sc.id++; /* a late answer is nobody's */
	while (sc.n_waiting > 0)
		rest_error(pop(), 503, NULL, "no counters in time");
}

static void
on_gone(void *pending)
{
	size_t i;

	for (i = 0; i < sc.n_waiting; i++)
		if (sc.waiting[i].rq == pending)
			sc.waiting[i] = sc.waiting[--sc.n_waiting];
}

/* "?format=prometheus" asks for the older text form. */
static enum metrics_format
format_of(const struct http_req *rq)
{
	static const char old[] = "format=prometheus";

	return rq->query_len == sizeof(old) - 1 &&
	        memcmp(rq->query, old, rq->query_len) == 0 ?
	    METRICS_PROMETHEUS :
	    METRICS_OPENMETRICS;
}

void
metrics_get(struct http_req *rq)
{
	struct mono now = apid_time().mono;

	if (sc.n_waiting == METRICS_WAITING_MAX) {
		apid.st.scrapes_refused++;
		rest_error(rq, 503, "Retry-After: 1\r\n",
		    "too many scrapes at once");
		return;
	}
	if (sc.n_waiting == 0) {
		sc.n_names = sc.n_samples = 0;
		if (ipc_send(child_parent(), APID_STATS_GET, ++sc.id, NULL) ==
		    -1) {
			rest_error(rq, 503, NULL, "no counters");
			return;
		}
		child_timer_set(sc.deadline,
		    mono_add_ms(now, METRICS_DEADLINE_MS), now);
	}
	sc.waiting[sc.n_waiting].rq = rq;
	sc.waiting[sc.n_waiting++].format = format_of(rq);
	rq->pending = rq;
	rq->cancel = on_gone;
}

/* Index of a process's name, or -1 when there are too many. */
static int
process_index(const char *name)
{
	size_t i;

	for (i = 0; i < sc.n_names; i++)
		if (strcmp(sc.names[i], name) == 0)
			return (int)i;
	if (sc.n_names == PROCESSES_MAX)
		return -1;
	(void)strlcpy(sc.names[sc.n_names], name, sizeof(sc.names[0]));
	return (int)sc.n_names++;
}

void
metrics_on_stats(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_apid_stats *s = m->body;
	int process, metric;
	size_t i;

	(void)ch;
	if (m->id != sc.id || sc.n_waiting == 0 ||
	    (process = process_index(s->process)) == -1)
		return;
	for (i = 0; i < s->n_items; i++) {
		metric = metric_find(s->items[i].name);
		if (metric == -1 || sc.n_samples == SAMPLES_MAX) {
			apid.st.unknown_stats++;
			continue;
		}
		sc.samples[sc.n_samples++] =
		    (struct metric_sample){ (uint16_t)metric, (uint16_t)process,
			    s->items[i].value };
	}
}

static void
append(void *arg, const char *text, size_t len)
{
	sb_add(arg, text, len);
}

static struct text *
draw(enum metrics_format format)
{
	struct sb sb;

	sb_init(&sb, TEXT_ONE_MAX);
	metrics_render(format, sc.samples, sc.n_samples,
	    (const char(*)[24])sc.names, state_node()->version, append, &sb);
	return sb_end(&sb);
}

void
metrics_on_end(struct ipc *ch, const struct ipc_msg *m)
{
	struct http_answer a = { .status = 200 };
	struct text *drawn[METRICS_FORMATS] = { NULL };
	enum metrics_format f;

	(void)ch;
	if (m->id != sc.id)
		return;
	apid_touch_clock();
	child_timer_set(sc.deadline, MONO_NEVER, MONO_NEVER);
	while (sc.n_waiting > 0) {
		f = sc.waiting[sc.n_waiting - 1].format;
		if (drawn[f] == NULL && (drawn[f] = draw(f)) == NULL) {
			rest_error(pop(), 503, NULL, "out of memory");
			continue;
		}
		a.ctype = metrics_content_type(f);
		a.body = text_ref(drawn[f]);
		http_answer(pop(), &a);
	}
	text_unref(drawn[METRICS_OPENMETRICS]);
	text_unref(drawn[METRICS_PROMETHEUS]);
}
