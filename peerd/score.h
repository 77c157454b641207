/* SPDX-License-Identifier: ISC */
/*
 * How well a peer behaves: a number that events move and time halves every
 * ten minutes.  It is ours alone and never gossiped.  What is merely of no
 * use (dominated, expired, deferred, unknown, of a non-member) is no event.
 * Pure; tested in tests/unit/score_test.c.
 */
#ifndef WARREN_SCORE_H
#define WARREN_SCORE_H

#include "common/mono.h"

#define SCORE_HALF_LIFE_S 600
#define SCORE_BAN_AT      (-100)
#define SCORE_MAX         20 /* good deeds weigh no more than this */
#define SCORE_MIN         (-1000)

/* Name, points, the reason a ban shows. */
#define SCORE_EVENTS(X)                                                        \
	X(FIRST_50, 1, "fifty first deliveries")                               \
	X(BAD_SIG, -100, "bad signature")                                      \
	X(MALFORMED, -100, "malformed message")                                \
	X(CREDIT, -100, "sent past credit")                                    \
	X(CHARTER, -20, "record against the charter")                          \
	X(NO_PULL, -5, "announced and not delivered")                          \
	X(REGRAFT, -5, "grafted within the backoff")                           \
	X(USELESS_SYNC, -10, "useless sync traffic")                           \
	X(ROOT_LIE, -50, "root contradicts its data")                          \
	X(BAD_CHUNK, -50, "wrong block chunk")

enum score_event {
#define X(name, points, text) SCORE_##name,
	SCORE_EVENTS(X)
#undef X
	    SCORE_EVENTS_N
};

enum score_verdict {
	SCORE_FINE,
	SCORE_POOR, /* below 0: neither eager nor dialled */
	SCORE_BAN   /* at -100 or below: disconnect and ban */
};

struct score {
	int32_t milli;       /* thousandths of a point */
	uint8_t deliveries;  /* first deliveries toward the next 50 */
	struct mono decayed; /* how far halving has been applied */
};

void score_init(struct score *s, struct mono now);

/* Something happened.  The verdict counts it in. */
enum score_verdict score_add(struct score *s, enum score_event event,
    struct mono now);

/* A record came from this peer before any other. */
void score_first_delivery(struct score *s, struct mono now);

/* Points now, rounded toward zero. */
int32_t score_points(struct score *s, struct mono now);

enum score_verdict score_verdict(struct score *s, struct mono now);

/* What a ban for this event gives as its reason. */
const char *score_event_text(enum score_event event);

#endif
