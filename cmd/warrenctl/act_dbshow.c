/* SPDX-License-Identifier: ISC */
/*
 * The database at a glance, what it says of the network, and its care.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/warrenctl/record.h"
#include "cmd/warrenctl/warrenctl.h"
#include "common/json_obj.h"
#include "common/view_json.h"

#define LONG_MS 3600000 /* a large database is read through, row by row */

static _Noreturn void
no_arguments(void)
{
	die(EX_USAGE, "%s takes no argument", cx.command);
}

static const struct msg_db_state *
ask_state(void)
{
	const struct msg_db_state *s;

	client_must(CTL_SHOW_DB, NULL);
	if ((s = client_first(CTL_DB)) == NULL)
		die(EX_PROTOCOL, "warrend told nothing of the database");
	return s;
}

/* --- show db --- */

json_t *
json_db(const struct msg_db_state *s)
{
	struct jo o = jo_new(), kinds = jo_list();
	size_t i;

	jo_put(&o, "tick", jv_number(s->tick));
	jo_put(&o, "time", s->tick == 0 ? json_null() : jv_time(s->time));
	jo_put(&o, "root", jv_hex(s->root, 32));
	jo_put(&o, "count", jv_number(s->cnt));
	jo_put(&o, "sum", json_integer(s->sum));
	for (i = 0; i < s->n_kinds; i++) {
		struct jo k = jo_new();

		jo_put(&k, "kind", jv_number(s->kinds[i].kind));
		jo_put(&k, "name", json_string(kind_name(s->kinds[i].kind)));
		jo_put(&k, "count", jv_number(s->kinds[i].cnt));
		jo_put(&k, "sum", json_integer(s->kinds[i].sum));
		jo_add(&kinds, jo_end(&k));
	}
	jo_put(&o, "kinds", jo_end(&kinds));
	jo_put(&o, "seq", jv_number(s->seq));
	jo_put(&o, "dbid", jv_hex(s->dbid, 16));
	jo_put(&o, "pending", jv_number(s->pending));
	jo_put(&o, "bytes", jv_number(s->bytes));
	jo_put(&o, "blocks", jv_number(s->bodies));
	jo_put(&o, "blockBytes", jv_number(s->body_bytes));
	jo_put(&o, "fetching", jv_number(s->fetching));
	jo_put(&o, "neighbours", jv_number(s->neighbours));
	jo_put(&o, "neighboursEqual", jv_number(s->neighbours_equal));
	jo_put(&o, "admitted", json_boolean(s->admitted));
	jo_put(&o, "evidence", jv_number(s->evidence));
	jo_put(&o, "problem", jv_text(s->problem));
	return jo_end(&o);
}

static void
print_db(const struct msg_db_state *s)
{
	char buf[VIEW_TIME_STR], hex[NODE_ID_HEX];
	size_t i;

	if (s->problem[0] != '\0')
		(void)printf("PROBLEM     %s\n", s->problem);
	if (s->tick == 0)
		(void)printf("tick        none settled yet\n");
	else
		(void)printf("tick        %llu, of %s\n",
		    (unsigned long long)s->tick, view_time_str(s->time, buf));
	(void)printf("root        %s\n", node_id_hex(s->root, hex));
	(void)printf("records     %llu, weights sum up to %lld; %llu wait to "
		     "be settled\n",
	    (unsigned long long)s->cnt, (long long)s->sum,
	    (unsigned long long)s->pending);
	(void)printf("neighbours  %u of %u have the same root\n",
	    s->neighbours_equal, s->neighbours);
	(void)printf("this node   %s\n",
	    s->admitted
		? "is admitted"
		: "is not admitted: what it says of itself does not count");
	(void)printf("file        %llu bytes\n", (unsigned long long)s->bytes);
	(void)printf("bodies      %llu held, %llu bytes; %u being fetched\n",
	    (unsigned long long)s->bodies, (unsigned long long)s->body_bytes,
	    s->fetching);
	if (s->evidence > 0)
		(void)printf("evidence    %llu pairs of records by which "
			     "authors contradict themselves; see: db "
			     "evidence\n",
		    (unsigned long long)s->evidence);
	if (s->n_kinds == 0)
		return;
	(void)printf("\n%-16s %12s %20s\n", "KIND", "COUNT", "SUM");
	for (i = 0; i < s->n_kinds; i++) {
		(void)snprintf(buf, sizeof(buf), "%u %s", s->kinds[i].kind,
		    kind_name(s->kinds[i].kind));
		(void)printf("%-16s %12llu %20lld\n", buf,
		    (unsigned long long)s->kinds[i].cnt,
		    (long long)s->kinds[i].sum);
	}
}

int
act_show_db(int argc, char **argv)
{
	const struct msg_db_state *s;

	(void)argv;
	if (argc != 0)
		no_arguments();
	s = ask_state();
	if (cx.json)
		cx.data = json_db(s);
	else if (!cx.quiet)
		print_db(s);
	return 0;
}

/* --- show health --- */

struct health {
	struct msg_db_state state;
	uint8_t r;
	/* Of the tick, proven each. */
	struct tree_sum nodes, blocks, copies;
	uint64_t tick;
	const char *why; /* not proven, NULL otherwise */
};

/*
 * Three proofs under one root: when a tick is settled between two of them,
 * the first one names the tick for the others.
 */
static void
prove_health(struct health *h, const uint8_t netid[32])
{
	static struct proven p;
	const struct {
		uint8_t kind;
		struct tree_sum *sum;
	} what[] = { { REC_NODE, &h->nodes }, { REC_BLOCK, &h->blocks },
		{ REC_LOCATION, &h->copies } };
	struct prefix at;
	size_t i;

	for (i = 0; i < 3 && h->why == NULL; i++) {
		prefix_of(&at, netid, what[i].kind, NULL, 0);
		proof_fetch(&p, netid, at.at, at.bits, h->tick);
		h->why = p.why;
		h->tick = p.claim.tick;
		*what[i].sum = p.answer.set;
	}
}

static double
redundancy(const struct health *h)
{
	return h->blocks.cnt == 0
	    ? 0
	    : (double)h->copies.cnt / (double)h->blocks.cnt;
}

static void
print_health(const struct health *h)
{
	const char *said = h->why == NULL ? "proven" : "not proven";
	size_t i;

	if (h->why != NULL)
		(void)printf("NOT PROVEN: %s\n", h->why);
	(void)printf("tick        %llu\n", (unsigned long long)h->tick);
	(void)printf("nodes       %llu active (%s)\n",
	    (unsigned long long)h->nodes.cnt, said);
	(void)printf("blocks      %llu, %lld bytes (%s)\n",
	    (unsigned long long)h->blocks.cnt, (long long)h->blocks.sum, said);
	(void)printf("copies      %llu announced, %.2f of each block on "
		     "average, %u wanted (%s)\n",
	    (unsigned long long)h->copies.cnt, redundancy(h), h->r, said);
	(void)printf("below       %llu blocks with fewer than %u copies "
		     "announced (this node's count)\n",
	    (unsigned long long)h->state.below_r, h->r);
	(void)printf("regions     what nodes say of themselves, not proven:"
		     "\n");
	for (i = 0; i < h->state.n_regions; i++)
		(void)printf("            %-9s %u\n",
		    h->state.regions[i].region, h->state.regions[i].nodes);
}

/* The names of gethealth, and what only a proof can tell. */
static json_t *
health_json(const struct health *h)
{
	struct jo o = jo_new(), regions = jo_new();
	size_t i;

	jo_put(&o, "tick", jv_number(h->tick));
	jo_put(&o, "proven", json_boolean(h->why == NULL));
	jo_put(&o, "why", h->why == NULL ? json_null() : json_string(h->why));
	jo_put(&o, "activeNodes", jv_number(h->nodes.cnt));
	jo_put(&o, "totalBlocks", jv_number(h->blocks.cnt));
	jo_put(&o, "totalBytes", json_integer(h->blocks.sum));
	jo_put(&o, "totalCopies", jv_number(h->copies.cnt));
	jo_put(&o, "averageRedundancy",
	    h->blocks.cnt == 0 ? json_null() : json_real(redundancy(h)));
	jo_put(&o, "target", jv_number(h->r));
	jo_put(&o, "blocksBelowTarget", jv_number(h->state.below_r));
	for (i = 0; i < h->state.n_regions; i++)
		jo_put(&regions, h->state.regions[i].region,
		    jv_number(h->state.regions[i].nodes));
	jo_put(&o, "regionDistribution", jo_end(&regions));
	return jo_end(&o);
}

int
act_show_health(int argc, char **argv)
{
	static struct health h;
	struct charter ch;

	(void)argv;
	if (argc != 0)
		no_arguments();
	charter_get(&ch, NULL);
	h.r = ch.r;
	h.state = *ask_state();
	prove_health(&h, ch.netid);
	if (cx.json)
		cx.data = health_json(&h);
	else if (!cx.quiet)
		print_health(&h);
	return h.why == NULL ? 0 : EXIT_NO;
}

/* --- db evidence --- */

static void
show_evidence(const struct msg_ctl_evidence *e)
{
	char author[NODE_ID_HEX], key[NODE_ID_HEX], at[VIEW_TIME_STR], hlc[24];
	struct jo o;

	if (!cx.json) {
		if (!cx.quiet)
			(void)printf("%s  author %.16s  %s  seen %s\n",
			    node_id_hex(e->key, key),
			    node_id_hex(e->author, author),
			    kind_name(e->key[0]), view_time_str(e->seen, at));
		return;
	}
	(void)snprintf(hlc, sizeof(hlc), "%llu", (unsigned long long)e->hlc);
	o = jo_new();
	jo_put(&o, "key", jv_hex(e->key, 32));
	jo_put(&o, "author", jv_hex(e->author, 32));
	jo_put(&o, "hlc", json_string(hlc));
	jo_put(&o, "seen", jv_time(e->seen));
	jo_put(&o, "record", jv_hex(e->a.p, e->a.len));
	jo_put(&o, "other", jv_hex(e->b.p, e->b.len));
	(void)json_array_append_new(cx.data, jo_end(&o));
}

int
act_db_evidence(int argc, char **argv)
{
	struct msg_ctl_list q = { .what = CTL_LIST_EVIDENCE };
	const struct msg_ctl_evidence *e;
	struct part *at;
	bool more;

	(void)argv;
	if (argc != 0)
		no_arguments();
	cx.data = json_array();
	do {
		client_must(CTL_LIST, &q);
		more = false;
		for (at = NULL;
		     (e = client_next(CTL_EVIDENCE, &at)) != NULL; more = true) {
			show_evidence(e);
			q.after = e->at;
		}
	} while (more);
	client_reset();
	return 0;
}

/* --- db check --- */

static struct {
	struct msg_ctl_db_checked done;
	bool ended;
	json_t *bad;
} checked;

static void
each_checked(struct ctx *c, uint16_t type, const void *body)
{
	const struct msg_ctl_db_bad *b = body;
	char key[NODE_ID_HEX];

	(void)c;
	if (type == CTL_DB_CHECKED) {
		memcpy(&checked.done, body, sizeof(checked.done));
		checked.ended = true;
	} else if (type == CTL_DB_BAD && cx.json) {
		(void)json_array_append_new(checked.bad,
		    view_json_schema(&schema_ctl_db_bad, b));
	} else if (type == CTL_DB_BAD && !cx.quiet) {
		(void)printf("%s  %u %s  %s\n", node_id_hex(b->key, key),
		    b->key[0], kind_name(b->key[0]), b->why);
		(void)fflush(stdout);
	}
}

static void
print_checked(void)
{
	const struct msg_ctl_db_checked *d = &checked.done;

	(void)printf("%llu rows, %llu of them bad; the file is %s%s; the "
		     "root is %s\n",
	    (unsigned long long)d->rows, (unsigned long long)d->bad,
	    d->file_good ? "sound" : "damaged: ",
	    d->file_good ? "" : d->file_error,
	    d->root_as_written ? "the one written when it was settled"
			       : "NOT the one written when it was settled");
}

int
act_db_check(int argc, char **argv)
{
	int code;

	(void)argv;
	if (argc != 0)
		no_arguments();
	if (cx.timeout_ms < LONG_MS)
		cx.timeout_ms = LONG_MS;
	checked.bad = json_array();
	cx.each = each_checked;
	code = client_ask(CTL_DB_CHECK, NULL);
	if (!checked.ended)
		return code;
	if (cx.json) {
		cx.data =
		    view_json_schema(&schema_ctl_db_checked, &checked.done);
		(void)json_object_set_new(cx.data, "rows_bad", checked.bad);
	} else if (!cx.quiet) {
		print_checked();
	}
	return code;
}

int
act_db_compact(int argc, char **argv)
{
	(void)argv;
	if (argc != 0)
		no_arguments();
	if (cx.timeout_ms < LONG_MS)
		cx.timeout_ms = LONG_MS;
	return client_ask(CTL_DB_COMPACT, NULL);
}
