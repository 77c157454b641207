/* SPDX-License-Identifier: ISC */
/*
 * The STUN server's decision, as promised in server.h.  Numbers in brackets
 * are rules of nat-security.md 5.
 */
#include "stund/server.h"

#include <string.h>

#include "common/addr_policy.h"
#include "common/assert.h"

void
stun_server_init(struct stun_server *sv, const struct stun_server_cfg *cfg,
    const uint8_t key[RATELIMIT_KEY])
{
	stun_server_set_rates(sv, cfg, key);
	sv->allow = cfg->allow;
	memset(sv->count, 0, sizeof(sv->count));
}

void
stun_server_set_rates(struct stun_server *sv, const struct stun_server_cfg *cfg,
    const uint8_t key[RATELIMIT_KEY])
{
	ratelimit_init(&sv->net, cfg->net, cfg->v4_bits, cfg->v6_bits,
	    sv->slots, STUN_SERVER_SLOTS, key);
	bucket_init(&sv->all, cfg->all);
}

/* Our IPv6 sockets are V6ONLY: such a source is forged. */
static bool
is_v4_mapped(const struct naddr *a)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return a->fam == NADDR_V6 && memcmp(a->ip, prefix, 12) == 0;
}

/*
 * Rule [7].  A socket bound to loopback hears no forged strangers, so there
 * any port may ask.
 */
static enum stun_verdict
judge_source(const struct stun_server *sv, const struct stun_ask *ask)
{
	if (ask->loopback)
		return addr_class(&ask->src) == ADDR_LOOPBACK &&
			ask->src.port != 0 && !is_v4_mapped(&ask->src)
		    ? STUN_ANSWERED
		    : STUN_DROP_SOURCE;
	if (!ask->tcp && (sv->allow & ADDR_ALLOW_LOOPBACK) == 0 &&
	    addr_port_is_reflector(ask->src.port))
		return STUN_DROP_REFLECTOR;
	if (is_v4_mapped(&ask->src) ||
	    !addr_policy(&ask->src, ADDR_ANSWER, sv->allow))
		return STUN_DROP_SOURCE;
	return STUN_ANSWERED;
}

/* Rules [1] and [3]: what kind of message this is, if any. */
static enum stun_verdict
judge_message(struct stun_msg *m, const struct stun_ask *ask)
{
	if (!stun_is_stun(ask->buf, ask->len))
		return STUN_DROP_ALIEN;
	if (stun_parse(m, ask->buf, ask->len) != STUN_OK)
		return STUN_DROP_MALFORMED;
	if (m->type == STUN_BINDING_INDICATION)
		return STUN_NOTED;
	return m->type == STUN_BINDING_REQUEST ? STUN_ANSWERED : STUN_DROP_TYPE;
}

/* Rule [6].  The network goes first: one that floods costs nobody else. */
static enum stun_verdict
judge_rate(struct stun_server *sv, const struct naddr *src, struct mono now)
{
	if (!ratelimit_allow(&sv->net, src, now))
		return STUN_DROP_NET_RATE;
	return bucket_allow(&sv->all, now) ? STUN_ANSWERED : STUN_DROP_RATE;
}

static enum stun_verdict
decide(struct stun_server *sv, struct stun_msg *m, const struct stun_ask *ask,
    struct mono now)
{
	enum stun_verdict v;

	if ((v = judge_message(m, ask)) != STUN_ANSWERED)
		return v;
	if ((v = judge_source(sv, ask)) != STUN_ANSWERED)
		return v;
	if (m->nunknown > 0 && !ask->tcp && /* rule [4] */
	    STUN_UNKNOWN_LEN(m->nunknown) > ask->len)
		return STUN_DROP_UNKNOWN;
	if ((v = judge_rate(sv, &ask->src, now)) != STUN_ANSWERED)
		return v;
	return m->nunknown > 0 ? STUN_REFUSED : STUN_ANSWERED;
}

enum stun_verdict
stun_server_answer(struct stun_server *sv, const struct stun_ask *ask,
    struct mono now, struct wr *out)
{
	struct stun_msg *m = &sv->msg;
	enum stun_verdict v = decide(sv, m, ask, now);

	sv->count[v]++;
	if (v == STUN_ANSWERED)
		stun_put_success(out, m->tid, &ask->src);
	else if (v == STUN_REFUSED)
		stun_put_unknown(out, m->tid, m->unknown, m->nunknown);
	return v;
}

const char *
stun_verdict_name(enum stun_verdict v)
{
	static const char *const names[STUN_VERDICT_COUNT] = {
#define X(id, name) name,
		STUN_VERDICTS(X)
#undef X
	};

	ASSERT(v < STUN_VERDICT_COUNT);
	return names[v];
}
