/* SPDX-License-Identifier: ISC */
/*
 * Scores, as promised in score.h.  Halving goes in steps of ten seconds, so
 * that it comes out the same however often somebody looks.
 */
#include "peerd/score.h"

#include "common/assert.h"

#define STEP_US    (INT64_C(10) * 1000 * 1000)
#define HALF_STEPS (SCORE_HALF_LIFE_S / 10)
#define STEP_Q16   64783 /* 2^(-1/60) in 65536ths */

static const struct {
	int32_t points;
	const char *text;
} events[SCORE_EVENTS_N] = {
#define X(name, points, text) { points, text },
	SCORE_EVENTS(X)
#undef X
};

void
score_init(struct score *s, struct mono now)
{
	s->milli = 0;
	s->deliveries = 0;
	s->decayed = now;
}

static void
decay(struct score *s, struct mono now)
{
	int64_t steps = (now.us - s->decayed.us) / STEP_US;

	if (steps <= 0)
		return;
	s->decayed.us += steps * STEP_US;
	if (steps >= 32 * HALF_STEPS) {
		s->milli = 0;
		return;
	}
	for (; steps >= HALF_STEPS; steps -= HALF_STEPS)
		s->milli /= 2;
	for (; steps > 0; steps--)
		s->milli = (int32_t)((int64_t)s->milli * STEP_Q16 / 65536);
}

enum score_verdict
score_add(struct score *s, enum score_event event, struct mono now)
{
	ASSERT(event < SCORE_EVENTS_N);
	decay(s, now);
	s->milli += events[event].points * 1000;
	if (s->milli > SCORE_MAX * 1000)
		s->milli = SCORE_MAX * 1000;
	if (s->milli < SCORE_MIN * 1000)
		s->milli = SCORE_MIN * 1000;
	return score_verdict(s, now);
}

void
score_first_delivery(struct score *s, struct mono now)
{
	if (++s->deliveries < 50)
		return;
	s->deliveries = 0;
	(void)score_add(s, SCORE_FIRST_50, now);
}

int32_t
score_points(struct score *s, struct mono now)
{
	decay(s, now);
	return s->milli / 1000;
}

enum score_verdict
score_verdict(struct score *s, struct mono now)
{
	decay(s, now);
	if (s->milli <= SCORE_BAN_AT * 1000)
		return SCORE_BAN;
	return s->milli < 0 ? SCORE_POOR : SCORE_FINE;
}

const char *
score_event_text(enum score_event event)
{
	ASSERT(event < SCORE_EVENTS_N);
	return events[event].text;
}
