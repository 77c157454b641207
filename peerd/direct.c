/* SPDX-License-Identifier: ISC */
/*
 * From a circuit to a direct link.  While two nodes have a link over a relay,
 * both try to dial the other now and then: one may have an address by now, or
 * the one that was called may reach the caller.  Once there is a direct link
 * new loops take it; those under way end where they are, since moving one
 * would need both ends to agree on every byte that is still with the relay.
 */
#include <sodium.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/log.h"
#include "peerd/flow.h"

#define LOOK_MS   500
#define CALLED_MS 1000 /* nobody has tried yet from this side */
#define CALLER_MS 5000 /* it just has, and the two should not meet */
#define AT_ONCE   4    /* nodes dialled at a time */

/*
 * Of all circuits together: who opens one after another, each time with
 * addresses of others in its record, shall not make us dial them.
 */
static struct bucket all;
static struct mono look_due;
static uint64_t n_tries, n_found;

void
direct_init(void)
{
	bucket_init(&all, (struct rate){ .per_s = 1, .burst = AT_ONCE });
}

void
direct_link_up(struct conn *c)
{
	char id[9];

	if (c->circuit != NULL) {
		retry_init(&c->direct, c->outbound ? CALLER_MS : CALLED_MS,
		    mono_now());
		return;
	}
	if (conn_find_circuit(c->id) == NULL)
		return;
	n_found++;
	log_debug("peer %s: a direct link beside the relay",
	    id_short(c->id, id));
}

bool
direct_is_needed(const struct conn *c)
{
	const struct conn *circuit;

	return c->circuit == NULL &&
	    (circuit = conn_find_circuit(c->id)) != NULL && circuit->flow.n > 0;
}

/* Apps would read "transport:" in front of it; who reads this knows. */
void
direct_failed(const uint8_t node[32], const char *why)
{
	struct conn *c = conn_find_circuit(node);
	const char *colon = strstr(why, ": ");

	if (c != NULL)
		(void)strlcpy(c->direct_error, colon == NULL ? why : colon + 2,
		    sizeof(c->direct_error));
}

static unsigned
under_way(void)
{
	const struct conn *c;
	unsigned n = 0;

	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c))
		n += c->circuit != NULL && c->state == CONN_UP &&
		    route_is_looking(c->id);
	return n;
}

static void
look(struct conn *c, struct mono now)
{
	const struct known_node *n = known_find(&peerd.known, c->id);
	uint64_t stamp = n == NULL ? 0 : n->version.hlc;

	if (conn_find_direct(c->id) != NULL) {
		retry_put_off(&c->direct, now);
		return;
	}
	if (!retry_is_due(&c->direct, stamp, now) || under_way() >= AT_ONCE ||
	    !bucket_allow(&all, now) || !route_dial(c->id))
		return;
	n_tries++;
	retry_begin(&c->direct, stamp, randombytes_random(), now);
}

void
direct_tick(struct mono now)
{
	struct conn *c;

	if (!mono_reached(look_due, now))
		return;
	look_due = mono_add_ms(now, LOOK_MS);
	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c))
		if (c->circuit != NULL && c->state == CONN_UP)
			look(c, now);
}

void
direct_stats(stat_emit emit, void *arg)
{
	emit(arg, "direct_tries", n_tries);
	emit(arg, "direct_found", n_found);
}
