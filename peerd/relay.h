/* SPDX-License-Identifier: ISC */
/*
 * What this node carries for others: circuits between two of its links, and
 * reservations that say for whom, how much and how long.
 *
 * A node reserves here once and may then be reached through us until its
 * bytes or its time are used up; asking again in the second half of the time
 * begins anew, asking before that only tells what is left.  What is used up
 * in the second half begins anew by itself.  So a node gets its bytes once in
 * half of the time, whenever it asks.  A circuit between two nodes of which neither has reserved gets a little and soon
 * ends, and only so many begin in a while.  Everything is counted; a cap
 * that is reached has a text that names it.
 *
 * Pure; tested in tests/unit/relay_test.c, fuzzed in relay_fuzz.c.
 */
#ifndef WARREN_RELAY_H
#define WARREN_RELAY_H

#include <stddef.h>

#include "common/ratelimit.h"

#define RELAY_CIRCUITS_MAX     1024
#define RELAY_RESERVATIONS_MAX 1024
#define RELAY_NONE             UINT32_MAX
#define RELAY_FREE_BURST       32 /* circuits without reservation at once */

/* Why it is refused; each is counted for itself. */
/* clang-format off */
#define RELAY_REFUSALS(X)                                                \
	X(RELAY_NO_OFF,         "switched off")                          \
	X(RELAY_NO_ROUTE,       "not linked to that node")               \
	X(RELAY_NO_STREAMS,     "too many streams")                      \
	X(RELAY_NO_CIRCUITS,    "no circuits left")                      \
	X(RELAY_NO_PER_PEER,    "too many circuits of this node")        \
	X(RELAY_NO_QUOTA,       "reservation used up")                   \
	X(RELAY_NO_RESERVATION, "no reservation")                        \
	X(RELAY_NO_BURST,       "too many circuits without reservation") \
	X(RELAY_NO_PLACE,       "no reservations left")
/* clang-format on */

#define RELAY_REFUSAL_ENUM(name, text) name,
enum relay_refusal { RELAY_REFUSALS(RELAY_REFUSAL_ENUM) RELAY_REFUSAL_N };

struct relay_conf {
	bool enable;
	uint32_t circuits;     /* at a time */
	uint32_t per_peer;     /* opened by one node */
	uint32_t reservations; /* at a time */
	uint64_t bytes;        /* of a reservation, both ways together */
	uint32_t seconds;
	uint64_t free_bytes; /* of a circuit without one */
	uint32_t free_seconds;
};

struct relay_res {
	bool used;
	uint8_t id[32];
	struct mono since, until;
	uint64_t left; /* bytes */
	uint32_t circuits;
};

struct relay_circuit {
	bool used;
	uint32_t res; /* whose bytes it uses, or RELAY_NONE */
	uint8_t from[32], to[32];
	struct mono since;
	struct mono until; /* without a reservation */
	uint64_t left;     /* likewise */
	uint64_t bytes[2]; /* carried: that from sent, that to sent */
	uint32_t side[2];  /* the shell's: streams toward from and to */
};

struct relay {
	struct relay_conf conf;
	struct relay_circuit *circuits;
	struct relay_res *res;
	uint32_t n_circuits, n_res;
	struct bucket free_opens;
	/* Since the start; refused is the sum of refusals. */
	uint64_t bytes, opened, reserved, refused, cut;
	uint64_t refusals[RELAY_REFUSAL_N];
};

/* RELAY_CIRCUITS_MAX and RELAY_RESERVATIONS_MAX places. */
void relay_init(struct relay *r, struct relay_circuit *circuits,
    struct relay_res *res);

/* New limits; what is under way keeps to its own. */
void relay_configure(struct relay *r, const struct relay_conf *conf);

/*
 * A node asks us to relay for it.  NULL, and what it has now; or why not.
 */
const char *relay_reserve(struct relay *r, const uint8_t id[32],
    struct mono now, uint64_t *bytes, uint32_t *seconds);

/* A circuit from one node to another.  NULL and *c, or why not. */
const char *relay_open(struct relay *r, const uint8_t from[32],
    const uint8_t to[32], struct mono now, struct relay_circuit **c);

/* Count a refusal; its text for whoever asked, "relay: ...". */
const char *relay_refuse(struct relay *r, enum relay_refusal why);
const char *relay_refusal_name(enum relay_refusal why); /* without "relay:" */

/*
 * n bytes pass, sent by from (side 0) or by to (1).  False when they must
 * not: its limit is reached.
 */
bool relay_carry(struct relay *r, struct relay_circuit *c, unsigned side,
    uint32_t n, struct mono now);

/* True when its time is over. */
bool relay_is_over(const struct relay *r, const struct relay_circuit *c,
    struct mono now);

void relay_close(struct relay *r, struct relay_circuit *c);

/* Forget reservations whose time is over. */
void relay_tick(struct relay *r, struct mono now);

#endif
