/* SPDX-License-Identifier: ISC */
/*
 * What this node relays for others, within which limits, and who relays for
 * it.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/warrenctl/warrenctl.h"
#include "common/compat/compat.h"
#include "common/view_json.h"

/* --- for people --- */

static void
print_refusals(const struct msg_ctl_relay *r)
{
	size_t i;

	(void)printf("refused    %llu", (unsigned long long)r->refused);
	for (i = 0; i < r->n_refusals; i++)
		(void)printf("%s %llu %s", i == 0 ? ":" : ",",
		    (unsigned long long)r->refusals[i].count,
		    r->refusals[i].reason);
	(void)printf("\n");
}

static void
print_caps(const struct msg_ctl_relay *r)
{
	char bytes[24], age[24];

	(void)printf("relaying   %s   %zu of %u circuits, %u a node   "
		     "%zu of %u reservations\n",
	    r->enabled ? "on" : "off", client_count(CTL_RELAY_CIRCUIT),
	    r->max_circuits, r->max_circuits_per_peer,
	    client_count(CTL_RELAY_RES), r->max_reservations);
	(void)printf("reserved   %s for %s   ",
	    text_size(r->reservation_bytes, bytes),
	    text_age(r->reservation_s, age));
	if (r->unreserved_bytes == 0)
		(void)printf("unreserved nothing\n");
	else
		(void)printf("unreserved %s for %s\n",
		    text_size(r->unreserved_bytes, bytes),
		    text_age(r->unreserved_s, age));
	(void)printf("so far     %llu circuits, %llu cut off   "
		     "%llu reservations   %s carried\n",
	    (unsigned long long)r->opened, (unsigned long long)r->cut,
	    (unsigned long long)r->reserved, text_size(r->bytes, bytes));
	print_refusals(r);
}

static void
print_reservations(void)
{
	char node[NODE_ID_HEX], left[24], age[24];
	const struct msg_ctl_relay_res *r;
	struct part *at = NULL;

	if (client_count(CTL_RELAY_RES) == 0)
		return;
	(void)printf("\n%-11s %-7s %-9s %s\n", "RESERVED BY", "LEFT", "FOR",
	    "CIRCUITS");
	while ((r = client_next(CTL_RELAY_RES, &at)) != NULL)
		(void)printf("%-11.*s %-7s %-9s %u\n", cx.wide ? 64 : 8,
		    node_id_hex(r->node, node), text_size(r->bytes_left, left),
		    text_age(r->seconds_left, age), r->circuits);
}

static void
print_circuits(void)
{
	char from[NODE_ID_HEX], to[NODE_ID_HEX], sent[24], got[24], age[24],
	    left[24], until[24];
	const struct msg_ctl_relay_circuit *c;
	struct part *at = NULL;

	if (client_count(CTL_RELAY_CIRCUIT) == 0)
		return;
	(void)printf("\n%-11s %-8s %-7s %-7s %-9s %-8s %-7s %s\n", "CIRCUIT OF",
	    "TO", "SENT", "BACK", "AGE", "RESERVED", "LEFT", "FOR");
	while ((c = client_next(CTL_RELAY_CIRCUIT, &at)) != NULL)
		(void)printf("%-11.*s %-8.*s %-7s %-7s %-9s %-8s %-7s %s\n",
		    cx.wide ? 64 : 8, node_id_hex(c->from, from),
		    cx.wide ? 64 : 8, node_id_hex(c->to, to),
		    text_size(c->bytes_from, sent), text_size(c->bytes_to, got),
		    text_age(c->age_s, age), c->reserved ? "yes" : "no",
		    text_size(c->bytes_left, left),
		    text_age(c->seconds_left, until));
}

static void
print_own(const struct msg_ctl_relay *r)
{
	char node[NODE_ID_HEX], left[24], age[24], until[24];
	const struct msg_ctl_relay_own *o;
	struct part *at = NULL;

	(void)printf("\nthis node  reserves: %s%s\n", r->reserve,
	    strcmp(r->reserve, "auto") != 0 ? ""
		: r->reserving              ? ", and does"
					    : ", and need not");
	if (client_count(CTL_RELAY_OWN) == 0)
		return;
	(void)printf("%-11s %-8s %-7s %-9s %s\n", "AT", "STATE", "LEFT", "SAID",
	    "FOR");
	while ((o = client_next(CTL_RELAY_OWN, &at)) != NULL)
		(void)printf("%-11.*s %-8s %-7s %-9s %s\n", cx.wide ? 64 : 8,
		    node_id_hex(o->node, node),
		    o->granted ? "granted" : "asked",
		    text_size(o->bytes_left, left),
		    o->granted ? text_age(o->said_s, age) : "-",
		    o->granted ? text_age(o->seconds_left, until) : "-");
}

/* A direct link, or what came of looking for one. */
static void
print_direct(const struct msg_ctl_relay_link *l)
{
	char next[24];

	if (!l->up)
		(void)printf("-\n");
	else if (l->direct)
		(void)printf("yes: new loops take it\n");
	else if (l->tries == 0)
		(void)printf("in %s\n", text_age(l->next_s, next));
	else
		(void)printf("tried %u, again in %s: %s\n", l->tries,
		    text_age(l->next_s, next),
		    l->error[0] == '\0' ? "under way" : l->error);
}

static void
print_links(void)
{
	char via[NODE_ID_HEX], node[NODE_ID_HEX], in[24], out[24], age[24];
	const struct msg_ctl_relay_link *l;
	struct part *at = NULL;
	bool known;

	if (client_count(CTL_RELAY_LINK) == 0)
		return;
	(void)printf("\n%-11s %-8s %-4s %-6s %-7s %-7s %-9s %-5s %s\n",
	    "LINK BY", "WITH", "DIR", "STATE", "IN", "OUT", "AGE", "LOOPS",
	    "DIRECT");
	while ((l = client_next(CTL_RELAY_LINK, &at)) != NULL) {
		known = l->up || !l->inbound;
		(void)printf("%-11.*s %-8.*s %-4s %-6s %-7s %-7s %-9s %-5u ",
		    cx.wide ? 64 : 8, node_id_hex(l->via, via),
		    cx.wide ? 64 : 8, known ? node_id_hex(l->node, node) : "-",
		    l->inbound ? "in" : "out", l->up ? "up" : "begins",
		    text_size(l->bytes_in, in), text_size(l->bytes_out, out),
		    text_age(l->age_s, age), l->loops);
		print_direct(l);
	}
}

/* --- for programs --- */

static json_t *
links_json(void)
{
	json_t *list = json_array(), *one;
	const struct msg_ctl_relay_link *l;
	struct part *at = NULL;

	while ((l = client_next(CTL_RELAY_LINK, &at)) != NULL) {
		one = view_json_schema(&schema_ctl_relay_link, l);
		if (!l->up && l->inbound)
			(void)json_object_set_new(one, "node", json_null());
		(void)json_array_append_new(list, one);
	}
	return list;
}

static json_t *
relay_json(const struct msg_ctl_relay *r)
{
	json_t *o = view_json_schema(&schema_ctl_relay, r);

	(void)json_object_set_new(o, "reservations",
	    json_parts(CTL_RELAY_RES, &schema_ctl_relay_res));
	(void)json_object_set_new(o, "circuits",
	    json_parts(CTL_RELAY_CIRCUIT, &schema_ctl_relay_circuit));
	(void)json_object_set_new(o, "own_reservations",
	    json_parts(CTL_RELAY_OWN, &schema_ctl_relay_own));
	(void)json_object_set_new(o, "own_circuits", links_json());
	return o;
}

int
act_show_relay(int argc, char **argv)
{
	const struct msg_ctl_relay *r;
	int code;

	if (argc != 0)
		die(EX_USAGE, "show relay takes no argument '%s'", argv[0]);
	code = client_ask(CTL_SHOW_RELAY, NULL);
	if ((r = client_first(CTL_RELAY)) == NULL)
		return code;
	if (cx.json) {
		cx.data = relay_json(r);
		return code;
	}
	print_caps(r);
	print_reservations();
	print_circuits();
	print_own(r);
	print_links();
	return code;
}
