/* SPDX-License-Identifier: ISC */
/*
 * STUN messages, as promised in stun_msg.h.  Section numbers are those of
 * RFC 8489.  Numbers in brackets are rules of nat-security.md 5.
 */
#include "stund/stun_msg.h"

#include <string.h>

#include "common/assert.h"
#include "stund/crc32.h"

#define FINGERPRINT_XOR 0x5354554eu /* "STUN" */
#define FINGERPRINT_LEN 8           /* the attribute with its header */
#define FAMILY_V4       0x01
#define FAMILY_V6       0x02

bool
stun_is_stun(const uint8_t *buf, size_t len)
{
	return len >= STUN_HDR && buf[0] <= 3 &&
	    get_u32(buf + 4) == STUN_COOKIE;
}

/* Rule [1]: what is no message at all. */
static enum stun_err
check_header(const uint8_t *buf, size_t len)
{
	uint16_t body;

	if (len < STUN_HDR)
		return STUN_BAD_SHORT;
	if ((buf[0] & 0xc0) != 0)
		return STUN_BAD_BITS;
	body = get_u16(buf + 2);
	if (body % 4 != 0 || body != len - STUN_HDR)
		return STUN_BAD_LENGTH;
	if (get_u32(buf + 4) != STUN_COOKIE)
		return STUN_BAD_COOKIE;
	return STUN_OK;
}

/*
 * Attributes that a peer may require us to know.  CHANGE-REQUEST and
 * RESPONSE-ADDRESS are missing on purpose: rule [4].
 */
static bool
is_known(uint16_t type)
{
	switch (type) {
	case STUN_MAPPED_ADDRESS:
	case STUN_USERNAME:
	case STUN_MESSAGE_INTEGRITY:
	case STUN_ERROR_CODE:
	case STUN_UNKNOWN_ATTRIBUTES:
	case STUN_REALM:
	case STUN_NONCE:
	case STUN_INTEGRITY_SHA256:
	case STUN_PASSWORD_ALGORITHM:
	case STUN_USERHASH:
	case STUN_XOR_MAPPED_ADDRESS:
		return true;
	default:
		return type >= 0x8000; /* comprehension-optional */
	}
}

/* 1 and *at filled, 0 at the end, -1 when malformed.  Section 14. */
static int
attr_next(struct rd *r, struct stun_attr *at)
{
	if (r->left == 0)
		return 0;
	at->type = rd_u16(r);
	at->len = rd_u16(r);
	at->val = rd_take(r, at->len);
	(void)rd_take(r, (4u - at->len % 4u) % 4u); /* padding */
	return r->bad ? -1 : 1;
}

/* Rule [3]: r stands behind the attribute, which must be the last. */
static bool
fingerprint_is_right(const uint8_t *buf, const struct rd *r,
    const struct stun_attr *at)
{
	size_t before = (size_t)(at->val - buf) - 4;

	return at->len == 4 && r->left == 0 &&
	    get_u32(at->val) == (crc32_of(buf, before) ^ FINGERPRINT_XOR);
}

/*
 * Behind MESSAGE-INTEGRITY only the SHA-256 one and FINGERPRINT count, behind
 * that only FINGERPRINT (sections 14.5 and 14.6).
 */
static bool
is_behind_seal(uint16_t sealed, uint16_t type)
{
	if (sealed == 0 || type == STUN_FINGERPRINT)
		return false;
	return sealed == STUN_INTEGRITY_SHA256 || type != STUN_INTEGRITY_SHA256;
}

enum stun_err
stun_parse(struct stun_msg *m, const uint8_t *buf, size_t len)
{
	enum stun_err err = check_header(buf, len);
	uint16_t sealed = 0;
	unsigned seen = 0;
	struct stun_attr at;
	struct rd r;
	int more;

	if (err != STUN_OK)
		return err;
	m->type = get_u16(buf);
	m->tid = buf + 8;
	m->nattrs = m->nunknown = 0;
	m->has_fingerprint = false;
	rd_init(&r, buf + STUN_HDR, len - STUN_HDR);
	while ((more = attr_next(&r, &at)) == 1) {
		if (++seen > STUN_ATTRS_MAX)
			return STUN_BAD_MANY;
		if (at.type == STUN_FINGERPRINT) {
			if (!fingerprint_is_right(buf, &r, &at))
				return STUN_BAD_FINGERPRINT;
			m->has_fingerprint = true;
		}
		if (is_behind_seal(sealed, at.type))
			continue;
		m->attrs[m->nattrs++] = at;
		if (!is_known(at.type))
			m->unknown[m->nunknown++] = at.type;
		if (at.type == STUN_MESSAGE_INTEGRITY ||
		    at.type == STUN_INTEGRITY_SHA256)
			sealed = at.type;
	}
	return more == 0 ? STUN_OK : STUN_BAD_ATTR;
}

const struct stun_attr *
stun_find(const struct stun_msg *m, uint16_t type)
{
	size_t i;

	for (i = 0; i < m->nattrs; i++)
		if (m->attrs[i].type == type)
			return &m->attrs[i];
	return NULL;
}

/* Cookie and transaction id: what addresses are xored with, section 14.2. */
static void
make_pad(uint8_t pad[16], const uint8_t tid[STUN_TID])
{
	put_u32(pad, STUN_COOKIE);
	memcpy(pad + 4, tid, STUN_TID);
}

static int
read_addr(const struct stun_attr *at, const uint8_t pad[16], struct naddr *a)
{
	size_t i, n;

	memset(a, 0, sizeof(*a));
	if (at->len == 8 && at->val[1] == FAMILY_V4)
		a->fam = NADDR_V4;
	else if (at->len == 20 && at->val[1] == FAMILY_V6)
		a->fam = NADDR_V6;
	else
		return -1;
	a->port = get_u16(at->val + 2) ^ get_u16(pad);
	n = naddr_ip_len(a);
	for (i = 0; i < n; i++)
		a->ip[i] = at->val[4 + i] ^ pad[i];
	return a->port == 0 ? -1 : 0;
}

int
stun_get_mapped(const struct stun_msg *m, struct naddr *mapped)
{
	static const uint8_t none[16];
	const struct stun_attr *at;
	uint8_t pad[16];

	if ((at = stun_find(m, STUN_XOR_MAPPED_ADDRESS)) != NULL) {
		make_pad(pad, m->tid);
		return read_addr(at, pad, mapped);
	}
	if ((at = stun_find(m, STUN_MAPPED_ADDRESS)) != NULL)
		return read_addr(at, none, mapped);
	memset(mapped, 0, sizeof(*mapped));
	return -1;
}

unsigned
stun_get_error(const struct stun_msg *m)
{
	const struct stun_attr *at = stun_find(m, STUN_ERROR_CODE);
	unsigned class, number;

	if (at == NULL || at->len < 4)
		return 0;
	class = at->val[2] & 7;
	number = at->val[3];
	return class < 3 || class > 6 || number > 99 ? 0 : class * 100 + number;
}

static void
put_header(struct wr *w, uint16_t type, uint16_t body,
    const uint8_t tid[STUN_TID])
{
	uint8_t *at = wr_room(w, STUN_HDR);

	if (at == NULL)
		return;
	put_u16(at, type);
	put_u16(at + 2, body);
	put_u32(at + 4, STUN_COOKIE);
	memcpy(at + 8, tid, STUN_TID);
}

/* Close the message that starts at byte `from` with its FINGERPRINT. */
static void
put_fingerprint(struct wr *w, size_t from)
{
	uint32_t crc;

	if (w->bad)
		return;
	crc = crc32_of(w->p + from, w->len - from) ^ FINGERPRINT_XOR;
	wr_u16(w, STUN_FINGERPRINT);
	wr_u16(w, 4);
	wr_u32(w, crc);
}

void
stun_put_request(struct wr *w, const uint8_t tid[STUN_TID])
{
	static const uint8_t
	    zeroes[STUN_REQUEST_LEN - STUN_HDR - FINGERPRINT_LEN - 4];
	size_t from = w->len;

	put_header(w, STUN_BINDING_REQUEST, STUN_REQUEST_LEN - STUN_HDR, tid);
	wr_u16(w, STUN_FILLER);
	wr_u16(w, sizeof(zeroes));
	wr_bytes(w, zeroes, sizeof(zeroes));
	put_fingerprint(w, from);
}

void
stun_put_indication(struct wr *w, const uint8_t tid[STUN_TID])
{
	size_t from = w->len;

	put_header(w, STUN_BINDING_INDICATION, FINGERPRINT_LEN, tid);
	put_fingerprint(w, from);
}

void
stun_put_success(struct wr *w, const uint8_t tid[STUN_TID],
    const struct naddr *mapped)
{
	size_t i, n = naddr_ip_len(mapped);
	uint8_t pad[16], *at;

	ASSERT(n != 0);
	put_header(w, STUN_BINDING_SUCCESS, (uint16_t)(8 + n), tid);
	if ((at = wr_room(w, 8 + n)) == NULL)
		return;
	make_pad(pad, tid);
	put_u16(at, STUN_XOR_MAPPED_ADDRESS);
	put_u16(at + 2, (uint16_t)(4 + n));
	at[4] = 0;
	at[5] = mapped->fam == NADDR_V4 ? FAMILY_V4 : FAMILY_V6;
	put_u16(at + 6, mapped->port ^ get_u16(pad));
	for (i = 0; i < n; i++)
		at[8 + i] = mapped->ip[i] ^ pad[i];
}

void
stun_put_unknown(struct wr *w, const uint8_t tid[STUN_TID],
    const uint16_t *unknown, size_t n)
{
	size_t i;

	ASSERT(n <= STUN_ATTRS_MAX);
	put_header(w, STUN_BINDING_ERROR,
	    (uint16_t)(STUN_UNKNOWN_LEN(n) - STUN_HDR), tid);
	wr_u16(w, STUN_ERROR_CODE);
	wr_u16(w, 4);
	wr_u32(w, 4 << 8 | 20); /* class 4, number 20: section 14.8 */
	wr_u16(w, STUN_UNKNOWN_ATTRIBUTES);
	wr_u16(w, (uint16_t)(2 * n));
	for (i = 0; i < n; i++)
		wr_u16(w, unknown[i]);
	if (n % 2 != 0)
		wr_u16(w, 0);
}

int
stun_stream_next(const uint8_t *buf, size_t have, size_t max)
{
	size_t i, len;

	if (have > 0 && (buf[0] & 0xc0) != 0)
		return -1;
	for (i = 4; i < 8 && i < have; i++)
		if (buf[i] != (uint8_t)(STUN_COOKIE >> (8 * (7 - i))))
			return -1;
	if (have < 4)
		return 0;
	len = STUN_HDR + (size_t)get_u16(buf + 2);
	if (len % 4 != 0 || len > max)
		return -1;
	return have < len ? 0 : (int)len;
}

const char *
stun_err_name(enum stun_err e)
{
	static const char *const names[STUN_ERRS] = { "ok", "short", "bits",
		"length", "cookie", "attribute", "many", "fingerprint" };

	ASSERT(e < STUN_ERRS);
	return names[e];
}
