/* SPDX-License-Identifier: ISC */
/*
 * Between recon.c, which runs sessions, recon_step.c, which compares ranges,
 * and recon_msg.c, which packs them.  Nobody else looks here.
 */
#ifndef WARREN_RECON_PRIV_H
#define WARREN_RECON_PRIV_H

#include "peerd/recon.h"

/* Room for the array headers, sid, tick and salt in front of a box's list. */
#define HEAD_MAX 40

/* Bytes a pushed record counts for, its body being elsewhere. */
#define RECON_PUSH_COST 300

struct recon_part {
	struct recon_range range;
	uint8_t fp[8];
};

/* One message being answered, or a session of ours moving on. */
struct recon_step {
	struct recon *rc;
	uint64_t peer;
	bool initiator; /* we are, and our messages are requests */
	uint16_t sid;
	uint64_t tick;
	uint8_t salt[8];
	enum mtree_ver ver;
	uint8_t key[16];
	struct mono now;
	uint32_t cost; /* ranges that what was told may bring back */
	size_t out;    /* bytes sent, and records pushed at a guess */
};

/* recon_msg.c */

/* SipHash under the session's key. */
uint64_t recon_hash(const struct recon_step *st, const void *in, size_t len);
void recon_session_key(uint8_t key[16], const uint8_t netid[32],
    const uint8_t salt[8]);

/* Add a range with its bin to the message of that type, sending full ones. */
void recon_add(struct recon_step *st, enum recon_type type,
    const struct recon_range *r, const uint8_t *bin, size_t len);

/* Send what the messages hold. */
void recon_flush(struct recon_step *st);
void recon_discard(struct recon *rc);

void recon_send_end(struct recon *rc, uint64_t peer, uint16_t sid,
    uint32_t retry_s);

void recon_put_part(struct wr *w, const struct recon_range *in,
    const struct recon_part *part);
bool recon_get_part(struct rd *r, const struct recon_range *in,
    struct recon_part *part);

/* The next range of a list and its bin, len_max at most. */
const uint8_t *recon_get_range(struct rd *r, struct recon_range *range,
    size_t len_max, size_t *len);

/* recon_step.c */

/* Compare everything: the first message of a session. */
void recon_begin(struct recon_step *st);

/* One range of a message, by its type; false: malformed. */
bool recon_on_range(struct recon_step *st, enum recon_type type,
    const struct recon_range *range, const uint8_t *bin, size_t len);

/* Say of a range what we have in it; false when it has to wait. */
bool recon_tell(struct recon_step *st, const struct recon_range *range);

/* recon.c */

/*
 * May the initiator tell of a range with cnt records of ours now?  If not, it
 * waits on the stack.
 */
bool recon_defer(struct recon_step *st, const struct recon_range *range,
    uint64_t cnt);

/* A request was sent: its answer may bring st->cost ranges. */
void recon_note_request(struct recon_step *st);

/* May this record be asked for?  It is noted as asked for then. */
bool recon_want(struct recon_step *st, const struct recon_range *range,
    uint64_t ms);

#endif
