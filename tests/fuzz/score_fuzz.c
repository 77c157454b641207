/* SPDX-License-Identifier: ISC */
/*
 * Whatever a peer does and whenever: its points stay within their bounds, time
 * alone only brings them toward nought, and the verdict follows the points.
 */
#include "peerd/score.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mono now = { 1000000 };
	enum score_verdict v;
	struct score s;
	int32_t had, points;

	score_init(&s, now);
	for (; size >= 5; data += 5, size -= 5) {
		had = score_points(&s, now);
		now.us += (int64_t)get_u32(data + 1) * 1000;
		points = score_points(&s, now);
		ASSERT(abs(points) <= abs(had));
		if (data[0] % 16 < SCORE_EVENTS_N)
			v = score_add(&s, (enum score_event)(data[0] % 16),
			    now);
		else {
			score_first_delivery(&s, now);
			v = score_verdict(&s, now);
		}
		points = score_points(&s, now);
		ASSERT(points >= SCORE_MIN && points <= SCORE_MAX);
		ASSERT((v == SCORE_BAN) == (points <= SCORE_BAN_AT));
		ASSERT(v != SCORE_FINE || points >= 0);
	}
	return 0;
}
