/* SPDX-License-Identifier: ISC */
/*
 * Whom we know from the start: pinned peers, bootstrap nodes, DNS seeds, name
 * servers, multicast groups; and whom we refuse.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/warrend/config_args.h"
#include "cmd/warrend/config_out.h"
#include "common/addr_policy.h"

#define PORT_LINK      38080
#define PORT_MULTICAST 38084
#define PORT_DNS       53
#define RETRY_MS       30000
#define RETRIES        5
#define HOUR_MS        3600000u
#define BAN_MAX_S      (3650u * 86400)

/* A value that all lines of a kind share: twice is fine if it is the same. */
static void
shared_time(struct conf_args *a, enum conf_word row)
{
	const struct conf_row *r = &conf_rows[row];
	uint32_t v = arg_time_ms(a, r->word, r->min, r->max);

	if (a->bad || (a->ld->set_by[row] != 0 && conf_row_value(r, a->c) == v))
		return;
	if (arg_claim(a, row))
		conf_row_set(r, a->c, v);
}

/* Pinned peers go by their names, others by where they are. */
static bool
same_peer(const struct msg_peerd_peer *a, const struct msg_peerd_peer *b)
{
	if (a->origin == PEERD_PINNED || b->origin == PEERD_PINNED)
		return a->origin == b->origin && strcmp(a->name, b->name) == 0;
	return (a->origin == PEERD_DNS_SEED) == (b->origin == PEERD_DNS_SEED) &&
	    strcmp(a->host, b->host) == 0 && a->port == b->port;
}

static void
add_peer(struct conf_args *a, const struct msg_peerd_peer *p)
{
	struct config *c = a->c;
	const struct conf_peer *q;

	for (q = c->peers; q < c->peers + c->n_peers; q++)
		if (same_peer(&q->p, p))
			arg_error(a, "the same %s as at %s:%d",
			    p->origin == PEERD_PINNED ? "name"
						      : "host and port",
			    q->at.file, q->at.line);
	if (c->n_peers == CONF_PEERS)
		arg_error(a, "at most %d peers, bootstrap nodes and seeds",
		    CONF_PEERS);
	if (!a->bad)
		c->peers[c->n_peers++] =
		    (struct conf_peer){ .p = *p, .at = arg_origin(a) };
}

void
conf_parse_bootstrap(struct conf_args *a)
{
	static const char *const words[] = { "port", "key", "static", "retry",
		"max-retries" };
	struct msg_peerd_peer p = { .origin = PEERD_BOOTSTRAP,
		.port = PORT_LINK,
		.retry_ms = RETRY_MS,
		.max_retries = RETRIES };

	arg_host(a, p.host, sizeof(p.host));
	while (!arg_end(a)) {
		switch (arg_choice(a, words, 5)) {
		case 0:
			p.port = arg_port(a);
			break;
		case 1:
			arg_key(a, p.key);
			p.has_key = true;
			break;
		case 2:
			p.origin = PEERD_STATIC;
			break;
		case 3:
			p.retry_ms = arg_time_ms(a, "retry", 100, 24 * HOUR_MS);
			break;
		case 4:
			p.max_retries =
			    (uint32_t)arg_num(a, "max-retries", 0, 1000000);
			break;
		}
	}
	add_peer(a, &p);
}

static const char *
key_str(const struct msg_peerd_peer *p, const char *word, char buf[96])
{
	char hex[NODE_ID_HEX];

	buf[0] = '\0';
	if (p->has_key)
		(void)snprintf(buf, 96, " %s \"%s\"", word,
		    node_id_hex(p->key, hex));
	return buf;
}

void
conf_print_bootstrap(const struct config *c, struct conf_out *o)
{
	const struct conf_peer *q;
	char key[96], t[32];

	for (q = c->peers; q < c->peers + c->n_peers; q++)
		if (q->p.origin == PEERD_BOOTSTRAP ||
		    q->p.origin == PEERD_STATIC)
			conf_line(o, &q->at,
			    "bootstrap %s port %u%s%s retry %s "
			    "max-retries %" PRIu32,
			    q->p.host, q->p.port, key_str(&q->p, "key", key),
			    q->p.origin == PEERD_STATIC ? " static" : "",
			    conf_time_str(q->p.retry_ms, t), q->p.max_retries);
}

void
conf_parse_seed(struct conf_args *a)
{
	static const char *const words[] = { "port", "interval", "timeout" };
	struct msg_peerd_peer p = { .origin = PEERD_DNS_SEED,
		.port = PORT_LINK,
		.retry_ms = RETRY_MS };

	arg_dns_name(a, p.host, sizeof(p.host));
	while (!arg_end(a)) {
		switch (arg_choice(a, words, 3)) {
		case 0:
			p.port = arg_port(a);
			break;
		case 1:
			shared_time(a, W_DNS_SEED_INTERVAL);
			break;
		case 2:
			shared_time(a, W_DNS_SEED_TIMEOUT);
			break;
		}
	}
	add_peer(a, &p);
}

void
conf_print_seed(const struct config *c, struct conf_out *o)
{
	const struct conf_peer *q;
	char name[CONF_QUOTED], every[32], wait[32];

	for (q = c->peers; q < c->peers + c->n_peers; q++)
		if (q->p.origin == PEERD_DNS_SEED)
			conf_line(o, &q->at,
			    "dns seed %s port %u interval %s timeout %s",
			    conf_quote(q->p.host, name), q->p.port,
			    conf_time_str(c->peer.seed_interval_ms, every),
			    conf_time_str(c->peer.seed_timeout_ms, wait));
}

void
conf_parse_server(struct conf_args *a)
{
	struct config *c = a->c;
	struct naddr addr = arg_addr(a, NULL);

	addr.port = PORT_DNS;
	if (!arg_end(a)) {
		arg_want(a, "port");
		addr.port = arg_port(a);
	}
	if (!a->bad && c->n_dns_servers == CONF_DNS)
		arg_error(a, "dns server: at most %d", CONF_DNS);
	if (a->bad)
		return;
	c->dns_at[c->n_dns_servers] = arg_origin(a);
	c->dns_servers[c->n_dns_servers++] = addr;
}

void
conf_print_server(const struct config *c, struct conf_out *o)
{
	char addr[CONF_ADDR];
	unsigned i;

	for (i = 0; i < c->n_dns_servers; i++)
		conf_line(o, &c->dns_at[i], "dns server %s",
		    conf_addr_str(&c->dns_servers[i], false, addr));
}

static void
take_group(struct conf_args *a, struct conf_multicast *m)
{
	struct naddr group = arg_addr(a, NULL);

	if (!a->bad && addr_class(&group) != ADDR_MULTICAST)
		arg_error(a, "group: not a multicast address");
	if (group.fam == NADDR_V4)
		m->group4 = group;
	else
		m->group6 = group;
}

static void
add_multicast(struct conf_args *a, const struct conf_multicast *m)
{
	struct config *c = a->c;
	unsigned i;

	if (!conf_list_begin(a, false))
		return;
	for (i = 0; i < c->n_multicasts; i++)
		if (strcmp(c->multicasts[i].interface, m->interface) == 0)
			arg_error(a, "the same interface as at %s:%d",
			    c->multicasts[i].at.file, c->multicasts[i].at.line);
	if (c->n_multicasts == CONF_MCAST)
		arg_error(a, "multicast: at most %d interfaces", CONF_MCAST);
	if (!a->bad)
		c->multicasts[c->n_multicasts++] = *m;
}

void
conf_parse_multicast(struct conf_args *a)
{
	static const char *const how[] = { "on", "no" };
	static const char *const words[] = { "port", "group", "interval",
		"timeout" };
	struct conf_multicast m = { .at = arg_origin(a) };
	uint16_t port = PORT_MULTICAST;

	(void)naddr_parse_ip(&m.group4, "239.255.38.81", 0);
	(void)naddr_parse_ip(&m.group6, "ff02::3881", 0);
	if (arg_choice(a, how, 2) == 1) {
		if (arg_end(a) && conf_list_begin(a, true))
			a->c->n_multicasts = 0;
		return;
	}
	arg_str(a, "an interface", m.interface, sizeof(m.interface));
	while (!arg_end(a)) {
		switch (arg_choice(a, words, 4)) {
		case 0:
			port = arg_port(a);
			break;
		case 1:
			take_group(a, &m);
			break;
		case 2:
			shared_time(a, W_MULTICAST_INTERVAL);
			break;
		case 3:
			shared_time(a, W_MULTICAST_TIMEOUT);
			break;
		}
	}
	m.group4.port = m.group6.port = port;
	if (!a->bad)
		add_multicast(a, &m);
}

void
conf_print_multicast(const struct config *c, struct conf_out *o)
{
	char name[CONF_QUOTED], g4[NADDR_STR], g6[NADDR_STR];
	char every[32], wait[32];
	const struct conf_multicast *m;

	if (c->n_multicasts == 0)
		conf_line(o, &c->origins[W_MULTICAST], "multicast no");
	for (m = c->multicasts; m < c->multicasts + c->n_multicasts; m++)
		conf_line(o, &m->at,
		    "multicast on %s port %u group %s group %s interval %s "
		    "timeout %s",
		    conf_quote(m->interface, name), m->group4.port,
		    naddr_ip_str(&m->group4, g4), naddr_ip_str(&m->group6, g6),
		    conf_time_str(c->peer.multicast_interval_ms, every),
		    conf_time_str(c->peer.multicast_timeout_ms, wait));
}

/* An option of peer "name" { }. */
static void
peer_option(struct conf_args *a, struct msg_peerd_peer *p, unsigned *seen)
{
	static const char *const words[] = { "address", "public-key", "retry" };
	unsigned i = arg_choice(a, words, 3);

	if (!a->bad && (*seen & 1u << i) != 0)
		arg_error(a, "'%s' is set twice", words[i]);
	switch (a->bad ? 3 : i) {
	case 0:
		arg_host(a, p->host, sizeof(p->host));
		if (!arg_end(a)) {
			arg_want(a, "port");
			p->port = arg_port(a);
		}
		break;
	case 1:
		arg_key(a, p->key);
		p->has_key = true;
		break;
	case 2:
		p->retry_ms = arg_time_ms(a, "retry", 100, 24 * HOUR_MS);
		break;
	}
	*seen |= 1u << i;
	arg_done(a);
}

void
conf_parse_peer(struct conf_args *a)
{
	struct msg_peerd_peer p = { .origin = PEERD_PINNED,
		.port = PORT_LINK,
		.retry_ms = RETRY_MS };
	unsigned errors = a->ld->n_errors, seen = 0;
	struct conf_args option;

	arg_str(a, "the peer's name", p.name, sizeof(p.name));
	arg_done(a);
	if (!a->bad && !a->st->has_block)
		arg_error(a, "peer wants a block: { address HOST port N }");
	if (a->bad)
		return;
	while (conf_next_option(a, &option))
		peer_option(&option, &p, &seen);
	if (a->ld->n_errors > errors)
		a->bad = true;
	else if (p.host[0] == '\0')
		arg_error(a, "peer: wants an address");
	add_peer(a, &p);
}

void
conf_print_peer(const struct config *c, struct conf_out *o)
{
	char name[CONF_QUOTED], key[96], t[32];
	const struct conf_peer *q;

	for (q = c->peers; q < c->peers + c->n_peers; q++) {
		if (q->p.origin != PEERD_PINNED)
			continue;
		conf_line(o, &q->at, "peer %s {", conf_quote(q->p.name, name));
		o->inside = true;
		conf_line(o, NULL, "address %s port %u", q->p.host, q->p.port);
		if (q->p.has_key)
			conf_line(o, NULL, "%s",
			    key_str(&q->p, "public-key", key) + 1);
		conf_line(o, NULL, "retry %s", conf_time_str(q->p.retry_ms, t));
		o->inside = false;
		conf_line(o, NULL, "}");
	}
}

/* Bring "203.0.113.9/24" to its plain form.  0, or -1 when it is no prefix. */
static int
plain_prefix(const char *text, char *out, size_t cap)
{
	const char *slash = strchr(text, '/');
	char ip[NADDR_STR];
	struct naddr addr;
	unsigned bits, max;
	size_t n;

	n = slash != NULL ? (size_t)(slash - text) : strlen(text);
	if (n >= sizeof(ip))
		return -1;
	memcpy(ip, text, n);
	ip[n] = '\0';
	if (naddr_parse_ip(&addr, ip, 0) == -1)
		return -1;
	bits = max = addr.fam == NADDR_V4 ? 32 : 128;
	if (slash != NULL) {
		n = strlen(slash + 1);
		if (n == 0 || n > 3 || strspn(slash + 1, "0123456789") != n)
			return -1;
		bits = (unsigned)strtoul(slash + 1, NULL, 10);
		if (bits > max)
			return -1;
	}
	addr = addr_prefix(&addr, bits, bits);
	if (slash != NULL)
		(void)snprintf(out, cap, "%s/%u", naddr_ip_str(&addr, ip),
		    bits);
	else
		(void)snprintf(out, cap, "%s", naddr_ip_str(&addr, ip));
	return 0;
}

void
conf_parse_ban(struct conf_args *a)
{
	struct config *c = a->c;
	struct conf_ban b = { .at = arg_origin(a) };
	const char *what = arg_word(a, "a prefix or key");
	char hex[NODE_ID_HEX];
	uint8_t key[32];

	if (a->bad)
		return;
	if (node_id_parse(key, what) == 0)
		(void)snprintf(b.what, sizeof(b.what), "%s",
		    node_id_hex(key, hex));
	else if (plain_prefix(what, b.what, sizeof(b.what)) == -1)
		arg_error(a,
		    "ban: '%s' is no address, prefix or key of 64 hex "
		    "digits",
		    what);
	if (!arg_end(a)) {
		arg_want(a, "for");
		b.for_s = arg_time_s(a, "ban", 1, BAN_MAX_S);
	}
	if (!a->bad && c->n_bans == CONF_BANS)
		arg_error(a, "ban: at most %d", CONF_BANS);
	if (!a->bad)
		c->bans[c->n_bans++] = b;
}

void
conf_print_ban(const struct config *c, struct conf_out *o)
{
	const struct conf_ban *b;
	char t[32];

	for (b = c->bans; b < c->bans + c->n_bans; b++)
		conf_line(o, &b->at, "ban %s%s%s", b->what,
		    b->for_s != 0 ? " for " : "",
		    b->for_s != 0 ? conf_time_str(b->for_s * 1000ull, t) : "");
}
