/* SPDX-License-Identifier: ISC */
/*
 * NAT classes, as promised in classify.h.
 */
#include "stund/classify.h"

#include <string.h>

#include "common/addr_policy.h"

#define STEP_MAX         16 /* largest step called sequential */
#define REPUBLISH_BURST  3
#define REPUBLISH_GAP_MS 10000

/* Those who speak about one local socket, and the networks they are in. */
struct panel {
	size_t n;        /* voices */
	size_t networks; /* different ones among net[] */
	const struct mapping *voice[MAPPING_MAX];
	struct naddr net[MAPPING_MAX];
};

/* Is voice i the first one of its network? */
static bool
is_first_of_net(const struct panel *p, size_t i)
{
	size_t k;

	for (k = 0; k < i; k++)
		if (naddr_equal(&p->net[k], &p->net[i]))
			return false;
	return true;
}

static void
gather(struct panel *p, const struct mapping_table *t,
    const struct classify_cfg *cfg, const struct mapping *like, struct wall now)
{
	const struct mapping *m;
	struct naddr plain;
	size_t i;

	p->n = p->networks = 0;
	for (i = 0; (m = mapping_at(t, i)) != NULL; i++) {
		if (m->proto != like->proto || mapping_is_stale(m, now) ||
		    !naddr_equal(&m->local, &like->local))
			continue;
		plain = addr_canon(&m->via);
		p->voice[p->n] = m;
		p->net[p->n] = addr_prefix(&plain, cfg->v4_bits, cfg->v6_bits);
		p->networks += is_first_of_net(p, p->n);
		p->n++;
	}
}

/*
 * The panel of the local socket that most networks speak about: mappings of
 * different sockets say nothing about each other.
 */
static void
choose_panel(struct panel *best, const struct mapping_table *t,
    const struct classify_cfg *cfg, enum naddr_fam fam,
    enum mapping_proto proto, struct wall now)
{
	const struct mapping *m;
	struct panel p;
	size_t i;

	best->n = best->networks = 0;
	for (i = 0; (m = mapping_at(t, i)) != NULL; i++) {
		if (m->proto != proto || m->local.fam != fam)
			continue;
		gather(&p, t, cfg, m, now);
		if (p.networks > best->networks)
			*best = p;
	}
}

/* How many networks have a peer that sees this endpoint? */
static size_t
support(const struct panel *p, const struct naddr *mapped)
{
	const struct naddr *counted[MAPPING_MAX];
	size_t i, k, n = 0;

	for (i = 0; i < p->n; i++) {
		if (!naddr_equal(&p->voice[i]->mapped, mapped))
			continue;
		for (k = 0; k < n; k++)
			if (naddr_equal(counted[k], &p->net[i]))
				break;
		if (k == n)
			counted[n++] = &p->net[i];
	}
	return n;
}

/* At least two networks, and more than half of them. */
static bool
is_agreed(const struct panel *p, size_t networks)
{
	return networks >= 2 && networks * 2 > p->networks;
}

/* The voice whose endpoint is agreed on; NULL when there is none. */
static const struct mapping *
agreed(const struct panel *p)
{
	const struct mapping *best = NULL;
	size_t i, n, most = 0;

	for (i = 0; i < p->n; i++) {
		n = support(p, &p->voice[i]->mapped);
		if (n > most) {
			most = n;
			best = p->voice[i];
		}
	}
	return is_agreed(p, most) ? best : NULL;
}

static bool
keeps_port(const struct mapping *m)
{
	return m->mapped.port == m->local.port;
}

/* Do all say that the port was kept? */
static bool
all_keep_port(const struct panel *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (!keeps_port(p->voice[i]))
			return false;
	return true;
}

/* Oldest mapping first, table order among equals: the NAT's own order. */
static void
sort_by_age(const struct mapping **v, size_t n)
{
	const struct mapping *m;
	size_t i, k;

	for (i = 1; i < n; i++) {
		m = v[i];
		for (k = i; k > 0 && v[k - 1]->since.ms > m->since.ms; k--)
			v[k] = v[k - 1];
		v[k] = m;
	}
}

static bool
is_sequential(struct panel *p)
{
	int step, first = 0;
	size_t i;

	sort_by_age(p->voice, p->n);
	for (i = 1; i < p->n; i++) {
		step = p->voice[i]->mapped.port - p->voice[i - 1]->mapped.port;
		if (i == 1)
			first = step;
		if (step < 1 || step > STEP_MAX || step != first)
			return false;
	}
	return p->n > 1;
}

/* Spoils p's order, which ties voices to their networks: use it last. */
static enum nat_ports
judge_ports(struct panel *p, const struct mapping *m)
{
	if (m != NULL)
		return keeps_port(m) ? NAT_PORTS_PRESERVED : NAT_PORTS_RANDOM;
	if (all_keep_port(p))
		return NAT_PORTS_PRESERVED;
	return is_sequential(p) ? NAT_PORTS_SEQUENTIAL : NAT_PORTS_RANDOM;
}

struct nat_class
classify(const struct mapping_table *t, const struct classify_cfg *cfg,
    enum naddr_fam fam, enum mapping_proto proto, struct wall now)
{
	struct nat_class c = { NAT_MAP_UNKNOWN, NAT_FILTER_UNKNOWN,
		NAT_PORTS_UNKNOWN, 0 };
	const struct mapping *m;
	struct panel p;

	choose_panel(&p, t, cfg, fam, proto, now);
	c.networks = (uint8_t)p.networks;
	if (p.networks < 2)
		return c;
	m = agreed(&p);
	if (m == NULL)
		c.mapping = NAT_MAP_DEPENDENT;
	else if (naddr_equal(&m->mapped, &m->local))
		c.mapping = NAT_MAP_NONE;
	else
		c.mapping = NAT_MAP_INDEPENDENT;
	c.ports = judge_ports(&p, m);
	return c;
}

/* The words are not in order of hardness: a step can be guessed. */
static int
hardness(enum nat_ports p)
{
	static const int rank[] = { [NAT_PORTS_UNKNOWN] = 0,
		[NAT_PORTS_PRESERVED] = 1,
		[NAT_PORTS_SEQUENTIAL] = 2,
		[NAT_PORTS_RANDOM] = 3 };

	return rank[p];
}

struct nat_class
classify_overall(const struct mapping_table *t, const struct classify_cfg *cfg,
    struct wall now)
{
	static const enum naddr_fam fams[] = { NADDR_V4, NADDR_V6 };
	static const enum mapping_proto protos[] = { MAPPING_UDP, MAPPING_TCP };
	struct nat_class all = { NAT_MAP_UNKNOWN, NAT_FILTER_UNKNOWN,
		NAT_PORTS_UNKNOWN, 0 };
	struct nat_class c;
	size_t i;

	for (i = 0; i < 4; i++) {
		c = classify(t, cfg, fams[i / 2], protos[i % 2], now);
		if (c.mapping > all.mapping)
			all.mapping = c.mapping;
		if (hardness(c.ports) > hardness(all.ports))
			all.ports = c.ports;
		if (c.networks > all.networks)
			all.networks = c.networks;
	}
	return all;
}

const struct naddr *
classify_advertise(const struct mapping_table *t,
    const struct classify_cfg *cfg, enum naddr_fam fam,
    enum mapping_proto proto, struct wall now)
{
	const struct mapping *m;
	struct panel p;

	choose_panel(&p, t, cfg, fam, proto, now);
	m = agreed(&p);
	if (m == NULL || !addr_policy(&m->mapped, ADDR_ADVERTISE, cfg->allow))
		return NULL;
	return &m->mapped;
}

void
republish_init(struct republish *r)
{
	r->full_us = INT64_MIN;
	r->wanted = false;
}

void
republish_want(struct republish *r)
{
	r->wanted = true;
}

struct mono
republish_due(const struct republish *r)
{
	const int64_t slack_us =
	    (REPUBLISH_BURST - 1) * REPUBLISH_GAP_MS * 1000;

	if (!r->wanted)
		return MONO_NEVER;
	if (r->full_us < INT64_MIN + slack_us)
		return (struct mono){ INT64_MIN };
	return (struct mono){ r->full_us - slack_us };
}

bool
republish_tick(struct republish *r, struct mono now)
{
	if (!r->wanted || !mono_reached(republish_due(r), now))
		return false;
	if (r->full_us < now.us)
		r->full_us = now.us;
	r->full_us += REPUBLISH_GAP_MS * 1000;
	r->wanted = false;
	return true;
}
