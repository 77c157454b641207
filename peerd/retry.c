/* SPDX-License-Identifier: ISC */
/*
 * Retries, as promised in retry.h.
 */
#include "peerd/retry.h"

#include <string.h>

void
retry_init(struct retry *r, uint32_t first_ms, struct mono now)
{
	memset(r, 0, sizeof(*r));
	r->wait_ms = first_ms * 2;
	r->due = mono_add_ms(now, first_ms);
}

bool
retry_is_due(const struct retry *r, uint64_t stamp, struct mono now)
{
	if (mono_reached(r->due, now))
		return true;
	return r->tries > 0 && stamp != r->stamp &&
	    mono_ms_between(r->last, now) >= RETRY_NEWS_MS;
}

/* Between three and five quarters of the interval. */
static int64_t
spread(uint32_t wait_ms, uint32_t random)
{
	return (int64_t)wait_ms * 3 / 4 + random % (wait_ms / 2 + 1);
}

void
retry_begin(struct retry *r, uint64_t stamp, uint32_t random, struct mono now)
{
	r->tries++;
	r->stamp = stamp;
	r->last = now;
	r->due = mono_add_ms(now, spread(r->wait_ms, random));
	r->wait_ms = r->wait_ms >= RETRY_WAIT_MAX_MS / 2 ? RETRY_WAIT_MAX_MS
							 : r->wait_ms * 2;
}

void
retry_put_off(struct retry *r, struct mono now)
{
	r->due = mono_add_ms(now, r->wait_ms);
}
