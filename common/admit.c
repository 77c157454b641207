/* SPDX-License-Identifier: ISC */
/*
 * Admission, as laid down in admit.h.
 */
#include "common/admit.h"

#include <string.h>

#include "common/b2.h"

static unsigned
leading_zeros(const uint8_t *p, size_t len)
{
	unsigned n = 0;
	uint8_t b;

	while (len > 0 && *p == 0) {
		n += 8;
		p++;
		len--;
	}
	if (len > 0)
		for (b = *p; (b & 0x80) == 0; b = (uint8_t)(b << 1))
			n++;
	return n;
}

bool
admit_stamp_ok(const struct charter *ch, const uint8_t author[32],
    const uint8_t nonce[ADMIT_NONCE_LEN])
{
	uint8_t in[32 + 32 + ADMIT_NONCE_LEN], hash[B2_LEN];

	memcpy(in, ch->netid, 32);
	memcpy(in + 32, author, 32);
	memcpy(in + 64, nonce, ADMIT_NONCE_LEN);
	b2_256(hash, "WarrenPow1", in, sizeof(in));
	return leading_zeros(hash, sizeof(hash)) >= ch->pow_bits;
}

bool
admit_stamp_search(const struct charter *ch, const uint8_t author[32],
    uint64_t *next, uint64_t tries, uint8_t nonce[ADMIT_NONCE_LEN])
{
	while (tries-- > 0) {
		put_u64(nonce, (*next)++);
		if (admit_stamp_ok(ch, author, nonce))
			return true;
	}
	return false;
}

static bool
is_about_its_author(const struct rec *rec)
{
	return rec->subject_len == 32 &&
	    memcmp(rec->subject, rec->author, 32) == 0;
}

enum rec_err
admit_check(const struct rec *rec, const struct charter *ch)
{
	if (rec->kind != REC_MEMBER)
		return REC_OK;
	if (rec->subject_len != 32 || rec->name_len != 0)
		return REC_RULE;
	if (ch->admission == CHARTER_MEMBERS)
		return charter_is_authority(ch, rec->author) ? REC_OK
							     : REC_RULE;
	if (!is_about_its_author(rec))
		return REC_RULE;
	if ((rec->flags & REC_TOMBSTONE) != 0)
		return REC_OK;
	return rec->payload_len == ADMIT_NONCE_LEN &&
		admit_stamp_ok(ch, rec->author, rec->payload)
	    ? REC_OK
	    : REC_RULE;
}

void
admit_open_key(uint8_t key[32], const struct charter *ch,
    const uint8_t author[32])
{
	struct rec rec = { .kind = REC_MEMBER, .subject_len = 32 };

	memcpy(rec.subject, author, 32);
	memcpy(rec.author, author, 32);
	rec_key(key, &rec, ch->netid);
}
