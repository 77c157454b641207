/* SPDX-License-Identifier: ISC */
/*
 * The table of local ports, as promised in ports.h.
 */
#include "appd/ports.h"

#include "common/assert.h"

static bool
get(const uint64_t *bits, uint16_t port)
{
	return (bits[port / 64] >> (port % 64) & 1) != 0;
}

static void
put(uint64_t *bits, uint16_t port, bool on)
{
	uint64_t bit = (uint64_t)1 << (port % 64);

	if (on)
		bits[port / 64] |= bit;
	else
		bits[port / 64] &= ~bit;
}

void
ports_init(struct ports *p)
{
	p->low = PORT_DYNAMIC;
}

static void
refresh(struct ports *p, uint16_t port)
{
	bool taken = p->owner[port] != 0 || get(p->reserved, port);

	put(p->taken, port, taken);
	if (!taken && port >= PORT_DYNAMIC && port < p->low)
		p->low = port;
}

void
ports_reserve(struct ports *p, uint16_t port, bool on)
{
	put(p->reserved, port, on);
	refresh(p, port);
}

static void
hold(struct ports *p, uint16_t port, uint16_t holder)
{
	p->owner[port] = (uint16_t)(holder + 1);
	p->refs[port] = 1;
	p->n++;
	refresh(p, port);
}

bool
ports_bind(struct ports *p, uint16_t port, uint16_t holder)
{
	if (p->owner[port] != 0)
		return false;
	hold(p, port, holder);
	return true;
}

uint16_t
ports_take(struct ports *p, uint16_t holder)
{
	unsigned word, port;
	uint64_t room;

	for (word = p->low / 64u; word < 1024; word++) {
		room = ~p->taken[word];
		if (word == p->low / 64u)
			room &= ~(uint64_t)0 << (p->low % 64);
		if (room == 0)
			continue;
		port = word * 64 + (unsigned)__builtin_ctzll(room);
		if (port > PORT_LAST)
			break;
		p->low = (uint16_t)port;
		hold(p, (uint16_t)port, holder);
		return (uint16_t)port;
	}
	return 0;
}

void
ports_ref(struct ports *p, uint16_t port)
{
	ASSERT(p->refs[port] > 0 && p->refs[port] < UINT16_MAX);
	p->refs[port]++;
}

void
ports_unref(struct ports *p, uint16_t port)
{
	ASSERT(p->refs[port] > 0);
	if (--p->refs[port] > 0)
		return;
	p->owner[port] = 0;
	p->n--;
	refresh(p, port);
}

uint16_t
ports_owner(const struct ports *p, uint16_t port)
{
	return (uint16_t)(p->owner[port] - 1);
}
