/* SPDX-License-Identifier: ISC */
/*
 * Our own node record: built from what warrend and stund tell, signed by
 * warrend, sent to every link.  A change is published at once while tokens
 * last (three, one back every republish_ms); otherwise it is refreshed every
 * record_refresh_ms.  The last one is a farewell.
 */
#include <string.h>

#include "common/addr_policy.h"
#include "common/compat/compat.h"
#include "common/hlc.h"
#include "common/log.h"
#include "peerd/flow.h"
#include "peerd/peerd.h"

#define TOKENS_MAX 3
#define AGAIN_MS   5000 /* warrend would not sign */

static struct {
	struct msg_peerd_local local;
	struct msg_stun_view stun;
	struct noderec said;          /* what the last record says */
	uint8_t payload[NODEREC_MAX]; /* being signed */
	size_t payload_len;
	uint8_t raw[KNOWN_RAW_MAX]; /* signed and published */
	size_t raw_len;
	uint8_t admission[KNOWN_RAW_MAX];
	size_t admission_len;
	uint64_t hlc;     /* of the one being signed, or the last */
	uint64_t foreign; /* largest of ours that came back */
	bool signing, changed, leaving, left;
	unsigned tokens;
	struct mono token_due, refresh_due;
	struct event *timer;
} own;

/* --- building --- */

static bool
has_addr(const struct noderec *nr, uint8_t proto, const struct naddr *a)
{
	size_t i;

	for (i = 0; i < nr->n_addrs; i++)
		if (nr->addrs[i].proto == proto &&
		    naddr_equal(&nr->addrs[i].addr, a))
			return true;
	return false;
}

static void
add_addr(struct noderec *nr, uint8_t proto, const struct naddr *a)
{
	struct node_addr *to;

	if (nr->n_addrs == NODEREC_ADDRS_MAX || a->port == 0 ||
	    has_addr(nr, proto, a))
		return;
	to = &nr->addrs[nr->n_addrs++];
	to->proto = proto;
	to->src = NODE_SRC_STATIC;
	to->addr = *a;
}

/* "Where you reached me", at this port. */
static void
add_here(struct noderec *nr, const struct msg_listener *l)
{
	struct naddr here = { .port = l->addr.port };

	if (l->advertise.fam != NADDR_NONE)
		return;
	add_addr(nr, l->service, &here);
}

/* The best there is to say about a listener. */
static void
add_best(struct noderec *nr, const struct msg_listener *l)
{
	if (l->advertise.fam != NADDR_NONE)
		add_addr(nr, l->service, &l->advertise);
	else if (!naddr_is_any(&l->addr) &&
	    addr_policy(&l->addr, ADDR_ADVERTISE, peerd.allow))
		add_addr(nr, l->service, &l->addr);
	else
		add_here(nr, l);
}

/* Our interfaces' addresses, for what is bound to all of them. */
static void
add_local(struct noderec *nr, const struct msg_listener *l)
{
	struct naddr a;
	size_t i;

	if (l->advertise.fam != NADDR_NONE || !naddr_is_any(&l->addr))
		return;
	for (i = 0; i < own.local.n_addrs; i++) {
		a = own.local.addrs[i].addr;
		a.port = l->addr.port;
		if (a.fam == l->addr.fam &&
		    addr_policy(&a, ADDR_ADVERTISE, peerd.allow))
			add_addr(nr, l->service, &a);
	}
}

/* Eight places: first one for each service, then more of them. */
static void
add_listeners(struct noderec *nr)
{
	static void (*const passes[])(struct noderec *,
	    const struct msg_listener *) = { add_best, add_local, add_here };
	static const uint8_t order[] = { SVC_LINK, SVC_STUN_UDP, SVC_STUN_TCP,
		SVC_HTTP, SVC_WS, SVC_WSUDP };
	const struct msg_node *n = &peerd.node;
	size_t pass, s, i;

	for (pass = 0; pass < sizeof(passes) / sizeof(passes[0]); pass++)
		for (s = 0; s < sizeof(order); s++)
			for (i = 0; i < n->n_listeners; i++)
				if (n->listeners[i].service == order[s])
					passes[pass](nr, &n->listeners[i]);
}

static void
add_mapping(struct noderec *nr, const struct msg_mapping *m)
{
	struct node_stun *s;
	size_t i;

	if (nr->n_stun == NODEREC_STUN_MAX || m->mapped.port == 0 ||
	    naddr_ip_len(&m->mapped) == 0)
		return;
	for (i = 0; i < nr->n_stun; i++)
		if (nr->stun[i].proto == m->proto &&
		    memcmp(nr->stun[i].via8, m->via, 8) == 0 &&
		    naddr_equal(&nr->stun[i].addr, &m->mapped))
			return;
	s = &nr->stun[nr->n_stun++];
	s->proto = m->proto;
	s->service = m->service;
	s->addr = m->mapped;
	s->verified = m->verified < 0 ? NODE_VERIFIED_UNKNOWN
	    : m->verified > 0         ? NODE_VERIFIED_TRUE
				      : NODE_VERIFIED_FALSE;
	memcpy(s->via8, m->via, 8);
	s->since = m->since > NODEREC_TIME_MAX ? 0 : m->since;
	s->seen = m->seen > NODEREC_TIME_MAX ? s->since : m->seen;
	if (s->seen < s->since)
		s->seen = s->since;
}

/* Of the NATs seen, the one that matters most: IPv4, UDP. */
static uint8_t
nat_byte(void)
{
	const struct msg_nat *n, *best = NULL;
	size_t i;

	for (i = 0; i < own.stun.n_nats; i++) {
		n = &own.stun.nats[i];
		if (n->mapping == NAT_MAP_UNKNOWN)
			continue;
		if (best == NULL || n->fam < best->fam ||
		    (n->fam == best->fam && n->proto < best->proto))
			best = n;
	}
	return best == NULL
	    ? 0
	    : NAT_BYTE(best->mapping, best->filtering, best->ports);
}

/* The whole of it must fit: what is said least often goes first. */
static void
make_fit(struct noderec *nr)
{
	uint8_t buf[NODEREC_MAX];
	struct wr w;

	for (;;) {
		wr_init(&w, buf, sizeof(buf));
		if (noderec_encode(&w, nr) == 0 || nr->n_stun == 0)
			return;
		nr->n_stun--;
	}
}

uint8_t
own_nat_mapping(void)
{
	return NAT_MAPPING(nat_byte());
}

static void
build(struct noderec *nr)
{
	size_t i;

	memset(nr, 0, sizeof(*nr));
	nr->caps = peerd.node.caps;
	nr->nat = nat_byte();
	(void)strlcpy(nr->region, peerd.node.region, sizeof(nr->region));
	(void)strlcpy(nr->agent, peerd.node.version, sizeof(nr->agent));
	(void)strlcpy(nr->name, peerd.node.name, sizeof(nr->name));
	add_listeners(nr);
	for (i = 0; i < own.stun.n_mappings; i++)
		add_mapping(nr, &own.stun.mappings[i]);
	nr->n_vias = (uint8_t)reserving_vias(nr->vias, NODEREC_VIAS_MAX);
	if (nr->n_vias > 0)
		make_fit(nr);
}

/* What it says, but for the moments at which mappings were confirmed. */
static size_t
gist(const struct noderec *nr, uint8_t buf[NODEREC_MAX])
{
	struct noderec copy = *nr;
	struct wr w;
	size_t i;

	for (i = 0; i < copy.n_stun; i++)
		copy.stun[i].since = copy.stun[i].seen = 0;
	wr_init(&w, buf, NODEREC_MAX);
	return noderec_encode(&w, &copy) == 0 ? w.len : 0;
}

static bool
says_the_same(const struct noderec *a, const struct noderec *b)
{
	uint8_t x[NODEREC_MAX], y[NODEREC_MAX];
	size_t n = gist(a, x);

	return n == gist(b, y) && memcmp(x, y, n) == 0;
}

/* --- publishing --- */

static void
refill(struct mono now)
{
	int64_t ms = peerd.conf.republish_ms;

	if (own.token_due.us == 0) {
		own.tokens = TOKENS_MAX;
		own.token_due = mono_add_ms(now, ms);
	}
	while (own.tokens < TOKENS_MAX && mono_reached(own.token_due, now)) {
		own.tokens++;
		own.token_due = mono_add_ms(own.token_due, ms > 0 ? ms : 1);
	}
	if (own.tokens == TOKENS_MAX)
		own.token_due = mono_add_ms(now, ms);
}

static void
set_timer(struct mono now)
{
	struct mono due = own.refresh_due;

	if (own.changed && own.tokens == 0)
		due = mono_min(due, own.token_due);
	child_timer_set(own.timer, due, now);
}

/* Ask warrend to sign what there is to say. */
static void
ask(const struct noderec *nr, struct mono now)
{
	struct wr w;
	uint64_t hlc = hlc_next(wall_now(), own.hlc, own.foreign);

	wr_init(&w, own.payload, sizeof(own.payload));
	if (hlc == 0 || (nr != NULL && noderec_encode(&w, nr) != 0)) {
		log_warn("own node record cannot be encoded");
		return;
	}
	own.payload_len = nr == NULL ? 0 : w.len;
	own.leaving = nr == NULL;
	if (!asks_node(hlc, nr == NULL, own.payload, own.payload_len)) {
		own.refresh_due = mono_add_ms(now, AGAIN_MS);
		return;
	}
	if (nr != NULL)
		own.said = *nr;
	own.hlc = hlc;
	own.signing = true;
	own.changed = false;
	own.refresh_due = mono_add_ms(now, peerd.conf.record_refresh_ms);
}

static void
publish(bool forced)
{
	struct mono now = mono_now();
	struct noderec nr;

	if (!peerd.running || peerd.stopping)
		return;
	build(&nr);
	own.changed = own.raw_len == 0 || !says_the_same(&nr, &own.said);
	refill(now);
	if (!own.signing && (forced || (own.changed && own.tokens > 0))) {
		if (!forced)
			own.tokens--;
		ask(&nr, now);
	}
	set_timer(now);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	publish(mono_reached(own.refresh_due, mono_now()));
}

void
own_init(void)
{
	own.timer = child_timer(on_timer, NULL);
	own.refresh_due = MONO_NEVER;
}

void
own_set_local(const struct msg_peerd_local *l)
{
	own.local = *l;
	own_changed();
}

void
own_set_stun(const struct msg_stun_view *v)
{
	own.stun = *v;
	own_changed();
}

void
own_changed(void)
{
	publish(false);
}

/* The very bytes that warrend signed: see its signer. */
static bool
encode(const uint8_t sig[64])
{
	struct rec rec = { .kind = REC_NODE,
		.subject_len = 32,
		.hlc = own.hlc,
		.flags = own.leaving ? REC_TOMBSTONE : 0,
		.payload = own.payload,
		.payload_len = own.payload_len };
	uint8_t body[KNOWN_RAW_MAX], rid[32];
	struct wr b, w;

	memcpy(rec.subject, peerd.node.id, 32);
	memcpy(rec.author, peerd.node.id, 32);
	wr_init(&b, body, sizeof(body));
	rec_encode_body(&b, &rec);
	wr_init(&w, own.raw, sizeof(own.raw));
	rec_encode(&w, body, b.len, sig);
	own.raw_len = 0;
	if (b.bad || w.bad)
		return false;
	memcpy(rec.sig, sig, 64);
	rec_rid(rid, body, b.len);
	if (!rec_verify(&rec, peerd.charter.netid, rid))
		return false;
	own.raw_len = w.len;
	return true;
}

void
own_signed(const uint8_t sig[64])
{
	own.signing = false;
	if (!encode(sig)) {
		log_warn("own node record: warrend's signature is not good");
		own.left = peerd.stopping;
		return;
	}
	records_own(own.raw, own.raw_len);
	own.left = own.leaving;
	if (peerd.stopping && !own.left)
		own_leave();
	else if (!own.leaving)
		lan_record_changed();
	publish(false);
}

void
own_not_signed(const char *error)
{
	struct mono now = mono_now();

	own.signing = false;
	if (peerd.stopping) {
		own.left = true;
		return;
	}
	log_warn("own node record not signed: %s", error);
	own.refresh_due = mono_add_ms(now, AGAIN_MS);
	set_timer(now);
}

/*
 * A record of ours from an earlier life, stamped by a clock that was ahead?
 * Then a new one must be newer still, or nobody would take it.
 */
bool
own_link_addr(struct naddr *addr)
{
	size_t i;

	for (i = 0; own.raw_len > 0 && i < own.said.n_addrs; i++) {
		*addr = own.said.addrs[i].addr;
		if (own.said.addrs[i].proto == NODE_LINK &&
		    naddr_ip_len(addr) != 0)
			return true;
	}
	memset(addr, 0, sizeof(*addr));
	return false;
}

bool
own_is_news(uint64_t hlc)
{
	return hlc > own.hlc && hlc > own.foreign &&
	    !hlc_is_future(hlc, wall_now(), peerd.charter.future_ms);
}

void
own_seen(uint64_t hlc)
{
	own.foreign = hlc;
	publish(true);
}

void
own_admitted(const uint8_t *raw, size_t len)
{
	if (len <= sizeof(own.admission)) {
		memcpy(own.admission, raw, len);
		own.admission_len = len;
	}
	publish(true);
}

size_t
own_admission(const uint8_t **raw)
{
	*raw = own.admission;
	return own.admission_len;
}

void
own_leave(void)
{
	if (own.signing) /* once that is back */
		return;
	own.left = own.raw_len == 0;
	if (!own.left)
		ask(NULL, mono_now());
}

bool
own_has_left(void)
{
	return own.left;
}

size_t
own_record(const uint8_t **raw)
{
	*raw = own.raw;
	return own.raw_len;
}
