/* SPDX-License-Identifier: ISC */
/*
 * Answers for people: plain ASCII, a header, columns.  What is not known is a
 * dash.  Scripts use -j; these may change.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/warrenctl/warrenctl.h"

const char *
text_age(uint64_t s, char buf[24])
{
	if (s < 60)
		(void)snprintf(buf, 24, "%us", (unsigned)s);
	else if (s < 3600)
		(void)snprintf(buf, 24, "%um%02us", (unsigned)(s / 60),
		    (unsigned)(s % 60));
	else if (s < 86400)
		(void)snprintf(buf, 24, "%02u:%02u", (unsigned)(s / 3600),
		    (unsigned)(s / 60 % 60));
	else
		(void)snprintf(buf, 24, "%ud %02u:%02u",
		    (unsigned)(s / 86400), (unsigned)(s / 3600 % 24),
		    (unsigned)(s / 60 % 60));
	return buf;
}

const char *
text_size(uint64_t n, char buf[24])
{
	static const char units[] = " KMGT";
	double v = (double)n;
	size_t u = 0;

	if (n == MSG_NULL64)
		return "-";
	while (v >= 1000 && u + 2 < sizeof(units)) {
		v /= 1024;
		u++;
	}
	if (u == 0)
		(void)snprintf(buf, 24, "%u", (unsigned)n);
	else
		(void)snprintf(
		    buf, 24, v < 10 ? "%.1f%c" : "%.0f%c", v, units[u]);
	return buf;
}

const char *
text_rtt(uint64_t us, char buf[24])
{
	if (us == MSG_NULL64)
		return "-";
	if (us < 10000)
		(void)snprintf(buf, 24, "%.1fms", (double)us / 1000);
	else
		(void)snprintf(buf, 24, "%ums", (unsigned)(us / 1000));
	return buf;
}

static uint64_t
now_ms(void)
{
	return (uint64_t)time(NULL) * 1000;
}

static const char *
since_str(uint64_t ms, char buf[24])
{
	uint64_t now = now_ms();

	if (ms == MSG_NULL64 || ms == 0)
		return "-";
	return text_age(now > ms ? (now - ms) / 1000 : 0, buf);
}

/* --- status --- */

int
health_of(void)
{
	const struct msg_ctl_problem *p;
	struct part *at = NULL;
	int worst = 0;

	while ((p = client_next(CTL_PROBLEM, &at)) != NULL)
		if (worst < 1 + p->critical)
			worst = 1 + p->critical;
	return worst;
}

static void
text_health(void)
{
	static const char *const words[] = { "OK", "DEGRADED", "CRITICAL" };
	const struct msg_ctl_problem *p;
	struct part *at = NULL;

	(void)printf("health    %s", words[health_of()]);
	while ((p = client_next(CTL_PROBLEM, &at)) != NULL)
		(void)printf("  %s: %s", p->code, p->text);
	(void)printf("\n");
}

static void
text_nat_line(const char *what, uint8_t proto, uint8_t fam)
{
	const struct msg_stun_view *v = client_first(CTL_STUN);
	char addr[NADDR_STR];
	size_t i;

	for (i = 0; v != NULL && i < v->n_nats; i++) {
		if (v->nats[i].proto != proto || v->nats[i].fam != fam)
			continue;
		(void)printf("%s %s", what,
		    nat_mapping_name(v->nats[i].mapping));
		if (v->nats[i].endpoint.fam != NADDR_NONE)
			(void)printf(" %s",
			    naddr_str(&v->nats[i].endpoint, addr));
		(void)printf("   ");
		return;
	}
	(void)printf("%s unknown   ", what);
}

static void
text_status_processes(void)
{
	const struct msg_process *p;
	struct part *at = NULL;
	unsigned up = 0, all = 0, restarts = 0;

	while ((p = client_next(CTL_PROCESS, &at)) != NULL) {
		all++;
		up += strcmp(p->state, "up") == 0;
		restarts += p->restarts;
	}
	(void)printf("processes %u of %u up, %u restarts\n", up, all, restarts);
}

static void
text_status_listeners(const struct msg_node *n)
{
	char addr[NADDR_STR];
	size_t i;

	(void)printf("listeners");
	for (i = 0; i < n->n_listeners; i++)
		if (n->listeners[i].service != SVC_STUN_TCP)
			(void)printf(" %s %s  ",
			    service_name(n->listeners[i].service),
			    naddr_str(&n->listeners[i].addr, addr));
	(void)printf("\n");
}

static void
text_status_db(void)
{
	const struct msg_db_state *d = client_first(CTL_DB);
	char hex[NODE_ID_HEX], size[24];

	if (d == NULL)
		return;
	(void)printf("database  ");
	if (d->tick == 0)
		(void)printf("no tick settled yet   ");
	else
		(void)printf("tick %llu  root %.16s   %llu records   ",
		    (unsigned long long)d->tick, node_id_hex(d->root, hex),
		    (unsigned long long)d->cnt);
	(void)printf("equal with %u of %u   %s\n", d->neighbours_equal,
	    d->neighbours, text_size(d->bytes, size));
}

void
text_status(void)
{
	const struct msg_node *n = client_first(CTL_NODE);
	const struct msg_ctl_status *s = client_first(CTL_STATUS);
	char hex[NODE_ID_HEX], age[24], in[24], out[24];

	if (n == NULL)
		return;
	(void)printf("%s   %.16s   warren %s   network %s   up %s\n", n->name,
	    node_id_hex(n->id, hex), n->version, n->network,
	    since_str(n->started, age));
	text_health();
	(void)printf("nat       ");
	text_nat_line("udp4", PROTO_UDP, NADDR_V4);
	text_nat_line("tcp4", PROTO_TCP, NADDR_V4);
	text_nat_line("udp6", PROTO_UDP, NADDR_V6);
	(void)printf("\n");
	if (s != NULL) {
		(void)printf("peers     %u up (%u in, %u out) of %u   "
		    "%u dialling   %u known   %u banned", s->peers_up,
		    s->peers_in, s->peers_up - s->peers_in, s->peers_max,
		    s->dialling, s->peers_known, s->peers_banned);
		if (s->loop_links > 0)
			(void)printf("   %u links for loops", s->loop_links);
		(void)printf("\ntraffic   in %s  out %s\n",
		    text_size(s->bytes_in, in), text_size(s->bytes_out, out));
	}
	text_status_db();
	text_status_listeners(n);
	text_status_processes();
}

/* --- peers --- */

static const char *
dir_str(uint8_t dir)
{
	return dir == PEER_DIR_IN ? "in" : dir == PEER_DIR_OUT ? "out" : "-";
}

/* Where a link goes to: a circuit has no address, but a first relay. */
static const char *
at_str(const struct msg_peer *p, char buf[NADDR_STR])
{
	char hex[NODE_ID_HEX];

	if (p->role != PEER_ROLE_CIRCUIT)
		return naddr_str(&p->addr, buf);
	(void)snprintf(buf, NADDR_STR, "relay %.8s", node_id_hex(p->via, hex));
	return buf;
}

static const char *
role_str(uint8_t role)
{
	return role == PEER_ROLE_NONE ? "-" : peer_role_name(role);
}

void
text_peers(void)
{
	const struct msg_peer *p;
	struct part *at = NULL;
	char hex[NODE_ID_HEX], addr[NADDR_STR], rtt[24], age[24], in[24],
	    out[24];

	(void)printf(
	    "%-16s %-8s %-8s %-4s %-7s %-24s %-8s %-9s %-7s %-7s %s\n",
	    "NAME", "KEY", "STATUS", "DIR", "ROLE", "ADDRESS", "RTT", "AGE", "IN",
	    "OUT", "NAT");
	while ((p = client_next(CTL_PEER, &at)) != NULL)
		(void)printf("%-16.16s %-8.*s %-8s %-4s %-7s %-24s %-8s %-9s "
		    "%-7s %-7s %s\n", p->name[0] == '\0' ? "-" : p->name,
		    cx.wide ? 64 : 8, node_id_hex(p->id, hex),
		    peer_status_name(p->status), dir_str(p->dir),
		    role_str(p->role), at_str(p, addr), text_rtt(p->rtt_us, rtt),
		    since_str(p->since, age), text_size(p->bytes_in, in),
		    text_size(p->bytes_out, out),
		    nat_mapping_name(p->nat_mapping));
	if (client_count(CTL_PEER) == 0)
		(void)printf("no peers yet; see: warrenctl peer add\n");
}

static void
text_mapping(const struct msg_mapping *m, size_t via_digits)
{
	char addr[NADDR_STR], since[24], seen[24], hex[NODE_ID_HEX],
	    port[8] = "-";

	if (m->local_port != MSG_NULL64)
		(void)snprintf(port, sizeof(port), "%u",
		    (unsigned)m->local_port);
	(void)printf("%-5s %-24s %-6s %-*.*s %-9s %-9s %s\n",
	    proto_name(m->proto), naddr_str(&m->mapped, addr), port,
	    (int)via_digits, (int)via_digits, node_id_hex(m->via, hex),
	    m->since == MSG_NULL64 ? "-" : since_str(m->since * 1000, since),
	    m->seen == MSG_NULL64 ? "-" : since_str(m->seen * 1000, seen),
	    m->verified < 0 ? "-" : m->verified ? "yes" : "no");
}

static void
text_mapping_head(int via_digits)
{
	(void)printf("%-5s %-24s %-6s %-*s %-9s %-9s %s\n", "PROTO",
	    "STUN-ADDRESS", "LOCAL", via_digits, "VIA", "SINCE", "SEEN",
	    "VERIFIED");
}

void
text_peer(void)
{
	const struct msg_peer *p = client_first(CTL_PEER);
	char hex[NODE_ID_HEX], addr[NADDR_STR], buf[24];
	size_t i;

	if (p == NULL)
		return;
	(void)printf("name      %s%s\nkey       %s\nstatus    %s %s %s %s\n"
	    "software  %s   region %s\n", p->name[0] ? p->name : "-",
	    p->pinned ? " (static)" : "", node_id_hex(p->id, hex),
	    peer_status_name(p->status), dir_str(p->dir), role_str(p->role),
	    at_str(p, addr), p->agent[0] ? p->agent : "-",
	    p->region[0] ? p->region : "-");
	(void)printf("rtt       %s   link up %s", text_rtt(p->rtt_us, buf),
	    since_str(p->since, hex));
	(void)printf("   last seen %s   score %d\n",
	    since_str(p->last_seen, buf), p->score);
	(void)printf("nat       %s, filtering %s, ports %s\n",
	    nat_mapping_name(p->nat_mapping),
	    nat_filtering_name(p->nat_filtering),
	    nat_ports_name(p->nat_ports));
	for (i = 0; i < p->n_addrs; i++)
		(void)printf("address   %-8s %s\n",
		    service_name(p->addrs[i].service),
		    naddr_str(&p->addrs[i].addr, addr));
	if (p->last_error[0] != '\0')
		(void)printf("last error %s\n", p->last_error);
	if (p->n_mappings > 0)
		text_mapping_head(16);
	for (i = 0; i < p->n_mappings; i++)
		text_mapping(&p->mappings[i], 16);
}

/* --- stun --- */

void
text_stun(void)
{
	const struct msg_stun_view *v = client_first(CTL_STUN);
	const struct msg_requester *r;
	struct part *at = NULL;
	char addr[NADDR_STR], age[24];
	size_t i;

	if (v == NULL)
		return;
	text_mapping_head(8);
	for (i = 0; i < v->n_mappings; i++)
		text_mapping(&v->mappings[i], 8);
	if (v->n_mappings == 0)
		(void)printf("no mapping yet: no linked peer has answered\n");
	if (client_count(CTL_REQUESTER) == 0)
		return;
	(void)printf("\n%-24s %-5s %-8s %-9s %s\n", "ASKED US", "PROTO",
	    "COUNT", "LAST", "PEER");
	while ((r = client_next(CTL_REQUESTER, &at)) != NULL)
		(void)printf("%-24s %-5s %-8llu %-9s %s\n",
		    naddr_str(&r->addr, addr), proto_name(r->proto),
		    (unsigned long long)r->count, since_str(r->last, age),
		    r->authenticated ? "linked" : "unverified");
}

/* What it means, and what to do. */
static const char *
verdict(const struct msg_nat *n)
{
	switch (n->mapping) {
	case NAT_MAP_NONE:
		return "OPEN     no NAT; a firewall may still stand before it";
	case NAT_MAP_INDEPENDENT:
		return "PUNCH    others can reach it once both sides send";
	case NAT_MAP_DEPENDENT:
		return "HARD     a new port for every destination: needs a "
		       "relay, IPv6 or a port mapping";
	default:
		return "UNKNOWN  two peers in different networks must answer";
	}
}

void
text_nat(void)
{
	const struct msg_stun_view *v = client_first(CTL_STUN);
	const struct msg_nat *n;
	char addr[NADDR_STR];
	size_t i;

	if (v == NULL)
		return;
	(void)printf("%-6s %-24s %-12s %-13s %-11s %-9s %s\n", "", "MAPPED",
	    "MAPPING", "FILTERING", "PORTS", "NETWORKS", "VERDICT");
	for (i = 0; i < v->n_nats; i++) {
		n = &v->nats[i];
		(void)printf("%s%u   %-24s %-12s %-13s %-11s %-9u %s\n",
		    proto_name(n->proto), n->fam, naddr_str(&n->endpoint, addr),
		    nat_mapping_name(n->mapping),
		    nat_filtering_name(n->filtering), nat_ports_name(n->ports),
		    n->networks, verdict(n));
	}
	if (v->n_nats == 0)
		(void)printf("unknown: no linked peer has answered; see: "
		    "warrenctl show peers\n");
}

/* --- the rest --- */

void
text_listeners(void)
{
	const struct msg_node *n = client_first(CTL_NODE);
	char addr[NADDR_STR], adv[NADDR_STR];
	size_t i;

	(void)printf("%-10s %-5s %-26s %-26s %s\n", "SERVICE", "PROTO",
	    "ADDRESS", "ADVERTISED", "PROCESS");
	for (i = 0; n != NULL && i < n->n_listeners; i++)
		(void)printf("%-10s %-5s %-26s %-26s %s\n",
		    service_name(n->listeners[i].service),
		    proto_name(n->listeners[i].proto),
		    naddr_str(&n->listeners[i].addr, addr),
		    naddr_str(&n->listeners[i].advertise, adv),
		    n->listeners[i].holder);
}

void
text_processes(void)
{
	const struct msg_process *p;
	struct part *at = NULL;
	char age[24];

	(void)printf("%-10s %-7s %-14s %-12s %-9s %-8s %-9s %s\n", "PROCESS",
	    "PID", "USER", "UID", "STATE", "RESTARTS", "UPTIME", "SANDBOX");
	while ((p = client_next(CTL_PROCESS, &at)) != NULL)
		(void)printf("%-10s %-7u %-14s %-12s %-9s %-8u %-9s %s\n",
		    p->name, p->pid, p->user, p->uid, p->state, p->restarts,
		    text_age(p->uptime_s, age), p->sandbox);
}

void
text_limits(void)
{
	const struct msg_limit *l;
	struct part *at = NULL;

	(void)printf("%-10s %-34s %10s %12s %10s\n", "PROCESS", "LIMIT",
	    "USED", "MAX", "REFUSED");
	while ((l = client_next(CTL_LIMIT, &at)) != NULL) {
		(void)printf("%-10s %-34s ", l->process, l->name);
		if (l->used == MSG_NULL64)
			(void)printf("%10s ", "-");
		else
			(void)printf("%10llu ", (unsigned long long)l->used);
		(void)printf("%12llu %10llu\n", (unsigned long long)l->max,
		    (unsigned long long)l->refused);
	}
}

void
text_lines(void)
{
	const struct msg_ctl_line *l;
	struct part *at = NULL;

	while ((l = client_next(CTL_LINE, &at)) != NULL)
		(void)printf("%s\n", l->text);
}

void
text_bans(void)
{
	const struct msg_banned *b;
	struct part *at = NULL;
	uint64_t now = now_ms();
	char left[24];

	(void)printf("%-44s %-10s %-7s %s\n", "WHAT", "LEFT", "BY", "REASON");
	while ((b = client_next(CTL_BANNED, &at)) != NULL)
		(void)printf("%-44.*s %-10s %-7s %s\n", cx.wide ? 72 : 44,
		    b->what, b->until == 0 ? "for ever" :
		    text_age(b->until > now ? (b->until - now) / 1000 : 0,
		        left), b->manual ? "hand" : "score", b->reason);
}

void
text_key(void)
{
	const struct msg_node *n = client_first(CTL_NODE);
	char hex[NODE_ID_HEX];

	if (n == NULL)
		return;
	(void)printf("key      %s\n", node_id_hex(n->id, hex));
	(void)printf("network  %s  %s\n", n->network,
	    node_id_hex(n->netid, hex));
}
