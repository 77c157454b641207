/* SPDX-License-Identifier: ISC */
/*
 * Which connections there are: in turn, by whom they are with, and how many.
 * Their lives are in conn.c.
 */
#include <string.h>

#include "peerd/peerd.h"

struct conn *
conn_next_any(const struct conn *after)
{
	return after == NULL ? TAILQ_FIRST(&peerd.conns)
			     : TAILQ_NEXT(after, next);
}

struct conn *
conn_next(const struct conn *after)
{
	struct conn *c = conn_next_any(after);

	while (c != NULL && c->loops)
		c = TAILQ_NEXT(c, next);
	return c;
}

struct conn *
conn_find(const uint8_t id[32])
{
	struct conn *c;

	for (c = conn_next(NULL); c != NULL; c = conn_next(c))
		if (c->state == CONN_UP && memcmp(c->id, id, 32) == 0)
			return c;
	return NULL;
}

struct conn *
conn_find_direct(const uint8_t id[32])
{
	struct conn *c = conn_find_shown(id);

	if (c != NULL)
		return c;
	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c))
		if (c->state == CONN_UP && c->circuit == NULL && c->loops &&
		    memcmp(c->id, id, 32) == 0)
			break;
	return c;
}

struct conn *
conn_find_circuit(const uint8_t id[32])
{
	struct conn *c;

	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c))
		if (c->state == CONN_UP && c->circuit != NULL &&
		    memcmp(c->id, id, 32) == 0)
			break;
	return c;
}

struct conn *
conn_find_any(const uint8_t id[32])
{
	struct conn *c = conn_find_direct(id);

	return c != NULL ? c : conn_find_circuit(id);
}

unsigned
conn_loop_links(void)
{
	const struct conn *c;
	unsigned n = 0;

	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c))
		n += c->loops && c->circuit == NULL && c->state == CONN_UP;
	return n;
}

struct conn *
conn_find_shown(const uint8_t id[32])
{
	struct conn *c = conn_find(id);

	return c == NULL || c->quiet ? NULL : c;
}

struct conn *
conn_by_serial(uint32_t serial)
{
	struct conn *c;

	for (c = conn_next(NULL); c != NULL; c = conn_next(c))
		if (c->serial == serial && c->state == CONN_UP)
			return c;
	return NULL;
}

unsigned
conn_links(int outbound)
{
	const struct conn *c;
	unsigned n = 0;

	for (c = conn_next(NULL); c != NULL; c = conn_next(c))
		n += c->state == CONN_UP &&
		    (outbound < 0 || c->outbound == (outbound == 1));
	return n;
}

unsigned
conn_quiet(void)
{
	const struct conn *c;
	unsigned n = 0;

	for (c = conn_next(NULL); c != NULL; c = conn_next(c))
		n += c->state == CONN_UP && c->quiet;
	return n;
}

unsigned
conn_shaking(void)
{
	const struct conn *c;
	unsigned n = 0;

	for (c = conn_next(NULL); c != NULL; c = conn_next(c))
		n += c->state == CONN_SHAKE && !c->outbound;
	return n;
}

bool
conn_is_dialling(const struct naddr *addr)
{
	const struct conn *c;

	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c))
		if (c->outbound && naddr_equal(&c->why.addr, addr))
			return true;
	return false;
}
