/* SPDX-License-Identifier: ISC */
/*
 * Answers of the DNS, as promised in dns_answer.h.
 */
#include "cmd/warrend/dns_answer.h"

#include <arpa/nameser.h>
#include <limits.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

#include "common/bytes.h"

#define ALIASES_MAX 8

void
dns_add(struct dns_addrs *out, const struct naddr *addr)
{
	unsigned i;

	for (i = 0; i < out->n; i++)
		if (naddr_equal(&out->list[i], addr))
			return;
	if (out->n < DNS_ADDRS)
		out->list[out->n++] = *addr;
}

static bool
same_name(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);

	na -= na > 0 && a[na - 1] == '.';
	nb -= nb > 0 && b[nb - 1] == '.';
	return na == nb && strncasecmp(a, b, na) == 0;
}

/* 0, or -1 when it is no answer that anything can be believed of. */
static int
open_msg(const uint8_t *msg, size_t len, ns_msg *m)
{
	if (len > INT_MAX || ns_initparse(msg, (int)len, m) == -1 ||
	    ns_msg_getflag(*m, ns_f_qr) == 0 ||
	    ns_msg_getflag(*m, ns_f_rcode) != ns_r_noerror)
		return -1;
	return 0;
}

/* The address in an A or AAAA record. */
static bool
record_addr(const ns_rr *rr, uint16_t port, struct naddr *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (ns_rr_type(*rr) == ns_t_a && ns_rr_rdlen(*rr) == 4)
		addr->fam = NADDR_V4;
	else if (ns_rr_type(*rr) == ns_t_aaaa && ns_rr_rdlen(*rr) == 16)
		addr->fam = NADDR_V6;
	else
		return false;
	memcpy(addr->ip, ns_rr_rdata(*rr), ns_rr_rdlen(*rr));
	addr->port = port;
	return true;
}

static int
count(ns_msg *m, ns_sect section)
{
	int n = ns_msg_count(*m, section);

	return n < DNS_RECORDS ? n : DNS_RECORDS;
}

static int
section_addrs(ns_msg *m, ns_sect section, const char *name, uint16_t port,
    struct dns_addrs *out)
{
	struct naddr addr;
	ns_rr rr;
	int i;

	for (i = 0; i < count(m, section); i++) {
		if (ns_parserr(m, section, i, &rr) == -1)
			return -1;
		if (ns_rr_class(rr) == ns_c_in &&
		    same_name(ns_rr_name(rr), name) &&
		    record_addr(&rr, port, &addr))
			dns_add(out, &addr);
	}
	return 0;
}

/* What name is an alias for, written over name: 1, 0 for none, or -1. */
static int
follow_alias(ns_msg *m, char name[DNS_NAME])
{
	char target[DNS_NAME];
	ns_rr rr;
	int i;

	for (i = 0; i < count(m, ns_s_an); i++) {
		if (ns_parserr(m, ns_s_an, i, &rr) == -1)
			return -1;
		if (ns_rr_class(rr) != ns_c_in ||
		    ns_rr_type(rr) != ns_t_cname ||
		    !same_name(ns_rr_name(rr), name))
			continue;
		if (ns_name_uncompress(ns_msg_base(*m), ns_msg_end(*m),
			ns_rr_rdata(rr), target, sizeof(target)) == -1)
			return -1;
		memcpy(name, target, sizeof(target));
		return 1;
	}
	return 0;
}

int
dns_answer_addrs(const uint8_t *msg, size_t len, const char *name,
    uint16_t port, struct dns_addrs *out)
{
	char owner[DNS_NAME] = "";
	int hops, rc = 1;
	ns_msg m;

	if (strlen(name) >= sizeof(owner) || open_msg(msg, len, &m) == -1)
		return -1;
	memcpy(owner, name, strlen(name) + 1);
	for (hops = 0; hops < ALIASES_MAX && rc == 1; hops++)
		rc = follow_alias(&m, owner);
	return rc == -1 ? -1 : section_addrs(&m, ns_s_an, owner, port, out);
}

int
dns_answer_extra(const uint8_t *msg, size_t len, const char *name,
    uint16_t port, struct dns_addrs *out)
{
	ns_msg m;

	if (open_msg(msg, len, &m) == -1)
		return -1;
	return section_addrs(&m, ns_s_ar, name, port, out);
}

/* Keep the list sorted while it grows; the worst falls off the end. */
static void
insert(struct dns_targets *out, const struct dns_target *t)
{
	unsigned i = out->n;
	const struct dns_target *q;

	for (; i > 0; i--) {
		q = &out->list[i - 1];
		if (q->priority < t->priority ||
		    (q->priority == t->priority && q->weight >= t->weight))
			break;
		if (i < DNS_TARGETS)
			out->list[i] = *q;
	}
	if (i < DNS_TARGETS)
		out->list[i] = *t;
	if (out->n < DNS_TARGETS)
		out->n++;
}

int
dns_answer_srv(const uint8_t *msg, size_t len, const char *name,
    struct dns_targets *out)
{
	struct dns_target t;
	struct rd r;
	ns_msg m;
	ns_rr rr;
	int i;

	out->n = 0;
	if (open_msg(msg, len, &m) == -1)
		return -1;
	for (i = 0; i < count(&m, ns_s_an); i++) {
		if (ns_parserr(&m, ns_s_an, i, &rr) == -1)
			return -1;
		if (ns_rr_class(rr) != ns_c_in || ns_rr_type(rr) != ns_t_srv ||
		    !same_name(ns_rr_name(rr), name))
			continue;
		memset(&t, 0, sizeof(t));
		rd_init(&r, ns_rr_rdata(rr), ns_rr_rdlen(rr));
		t.priority = rd_u16(&r);
		t.weight = rd_u16(&r);
		t.port = rd_u16(&r);
		if (r.bad ||
		    ns_name_uncompress(ns_msg_base(m), ns_msg_end(m), r.p,
			t.name, sizeof(t.name)) == -1)
			return -1;
		if (t.name[0] != '\0' && strcmp(t.name, ".") != 0 &&
		    t.port != 0)
			insert(out, &t);
	}
	return 0;
}
