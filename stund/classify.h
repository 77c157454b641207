/* SPDX-License-Identifier: ISC */
/*
 * What kind of NAT are we behind?  Judged only by what peers in different
 * networks (/16, for IPv6 /32) say about one and the same local socket:
 *
 *   fewer than two networks speak          unknown
 *   most of them see our own address       none
 *   most of them see the same other one    independent
 *   they see different ones                dependent
 *
 * A network has one voice for an endpoint, however many peers it holds.  At
 * least two networks and more than half must agree, so that one liar among
 * three changes nothing.  One among two makes us cautious (dependent); and
 * behind a dependent NAT a liar who repeats what another peer saw cannot be
 * told from a truthful one: hence a mapping also wants a dial-back before
 * strangers are told of it.
 *
 * Names of behaviour: RFC 4787 section 4.1.  Pure; tested in
 * tests/unit/classify_test.c.
 */
#ifndef WARREN_CLASSIFY_H
#define WARREN_CLASSIFY_H

#include "common/view.h"
#include "stund/mapping.h"

struct nat_class {
	enum nat_mapping mapping;
	enum nat_filtering filtering;
	enum nat_ports ports;
	uint8_t networks; /* different ones that speak */
};

struct classify_cfg {
	uint8_t v4_bits; /* what a network is */
	uint8_t v6_bits;
	unsigned allow; /* ADDR_ALLOW_*, for what may be advertised */
};

#define CLASSIFY_DEFAULTS ((struct classify_cfg){ 16, 32, 0 })

/*
 * Class of one family and protocol.  Stale mappings do not speak.  Filtering
 * stays unknown until a dial-back can tell more.
 */
struct nat_class classify(const struct mapping_table *t,
    const struct classify_cfg *cfg, enum naddr_fam fam,
    enum mapping_proto proto, struct wall now);

/* The hardest class over all families and protocols that are known. */
struct nat_class classify_overall(const struct mapping_table *t,
    const struct classify_cfg *cfg, struct wall now);

/*
 * The outside endpoint that enough networks agree on and that may be
 * advertised (ADDR_ADVERTISE); NULL when there is none.  Borrowed from the
 * table until its next change.
 */
const struct naddr *classify_advertise(const struct mapping_table *t,
    const struct classify_cfg *cfg, enum naddr_fam fam,
    enum mapping_proto proto, struct wall now);

/*
 * How often our mappings are published: three changes at once, then one in
 * ten seconds.  Changes in between are published together.
 */
struct republish {
	int64_t full_us; /* when all three are to be had again */
	bool wanted;
};

void republish_init(struct republish *r);

/* Something changed. */
void republish_want(struct republish *r);

/* True when it is time to publish; that settles what was wanted. */
bool republish_tick(struct republish *r, struct mono now);

/* When republish_tick() may say true; MONO_NEVER with nothing to publish. */
struct mono republish_due(const struct republish *r);

#endif
