/* SPDX-License-Identifier: ISC */
/*
 * The engine, as promised in sim.h.  The queue is a heap with four children
 * a node, 16 bytes an item, so that one cache line holds the children.
 */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NIL        UINT32_MAX
#define EVENTS_MAX ((size_t)1 << 23) /* at a time; untouched room is free */

struct item {
	int64_t at;
	uint32_t seq; /* of equal times, the first added goes first */
	uint32_t ev;
};

static struct {
	struct item *heap;
	size_t n;
	struct ev *evs;
	uint32_t n_evs, free;
	uint32_t seq;
	struct mono now;
	uint64_t hash, events, seed;
	ev_handler *handlers[EV_KINDS];
	void *blobs[16];
} sim;

void
sim_die(const char *why)
{
	(void)fprintf(stderr, "sim: %s\n", why);
	exit(70);
}

/*
 * Thousands of nodes, each touched at random: with pages of 4 KiB the
 * processor spends its time on looking up where they are.
 */
void *
sim_big(size_t size)
{
	size_t huge = (size_t)2 << 20;
	char *p = mmap(NULL, size + huge, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t skip;

	if (p == MAP_FAILED)
		sim_die("out of memory");
	skip = (huge - (uintptr_t)p % huge) % huge;
#ifdef MADV_HUGEPAGE
	(void)madvise(p + skip, size, MADV_HUGEPAGE);
#endif
	if (skip > 0)
		(void)munmap(p, skip);
	if (skip < huge)
		(void)munmap(p + skip + size, huge - skip);
	return p + skip;
}

void
sim_big_free(void *p, size_t size)
{
	(void)munmap(p, size);
}

void *
sim_alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		sim_die("out of memory");
	return p;
}

/* --- random numbers --- */

uint64_t
mix64(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void
rng_init(struct rng *r, uint64_t seed, uint64_t stream)
{
	size_t i;

	for (i = 0; i < 4; i++)
		r->s[i] = mix64(seed ^ mix64(stream * 4 + i));
}

static uint64_t
rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t
rng_next(struct rng *r)
{
	uint64_t *s = r->s, out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return out;
}

uint32_t
rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)(((rng_next(r) >> 32) * n) >> 32);
}

double
rng_real(struct rng *r)
{
	return (double)(rng_next(r) >> 11) / 9007199254740992.0;
}

/* --- blobs --- */

static size_t
class_of(size_t len)
{
	size_t c = 0;

	while ((size_t)16 << c < len)
		c++;
	if (c >= 16)
		sim_die("a blob too large");
	return c;
}

void *
sim_blob(size_t len)
{
	size_t c = class_of(len);
	void *p = sim.blobs[c];

	if (p == NULL)
		return sim_alloc(1, (size_t)16 << c);
	memcpy(&sim.blobs[c], p, sizeof(void *));
	return p;
}

void
sim_blob_free(void *p, size_t len)
{
	size_t c = class_of(len);

	memcpy(p, &sim.blobs[c], sizeof(void *));
	sim.blobs[c] = p;
}

/* --- the queue --- */

static bool
before(const struct item *a, const struct item *b)
{
	if (a->at != b->at)
		return a->at < b->at;
	return (int32_t)(a->seq - b->seq) < 0;
}

static void
heap_push(struct item it)
{
	size_t i, up;

	if (sim.n == EVENTS_MAX)
		sim_die("too many events at a time");
	for (i = sim.n++; i > 0; i = up) {
		up = (i - 1) / 4;
		if (!before(&it, &sim.heap[up]))
			break;
		sim.heap[i] = sim.heap[up];
	}
	sim.heap[i] = it;
}

static struct item
heap_pop(void)
{
	struct item top = sim.heap[0], last = sim.heap[--sim.n];
	size_t i = 0, c, best, end;

	for (;;) {
		c = i * 4 + 1;
		if (c >= sim.n)
			break;
		end = c + 4 < sim.n ? c + 4 : sim.n;
		for (best = c++; c < end; c++)
			if (before(&sim.heap[c], &sim.heap[best]))
				best = c;
		if (!before(&sim.heap[best], &last))
			break;
		sim.heap[i] = sim.heap[best];
		i = best;
	}
	sim.heap[i] = last;
	return top;
}

static uint32_t
ev_new(void)
{
	uint32_t i = sim.free;

	if (i != NIL) {
		sim.free = sim.evs[i].a;
		return i;
	}
	return sim.n_evs++;
}

struct ev *
sim_add(int64_t at_us, enum ev_kind kind)
{
	uint32_t i = ev_new();
	struct ev *ev = &sim.evs[i];

	if (at_us < sim.now.us)
		at_us = sim.now.us;
	memset(ev, 0, sizeof(*ev));
	ev->kind = (uint8_t)kind;
	heap_push((struct item){ at_us, sim.seq++, i });
	return ev;
}

void
sim_call(int64_t at_us, void (*fn)(uint64_t arg), uint64_t arg)
{
	struct ev *ev = sim_add(at_us, EV_CALL);

	ev->u.call = fn;
	ev->arg = arg;
}

void
sim_trace(uint64_t what)
{
	sim.hash = (sim.hash ^ what) * UINT64_C(0x100000001b3);
	sim.hash ^= sim.hash >> 29;
}

void
sim_run(int64_t until_us)
{
	struct item it;
	struct ev ev;

	while (sim.n > 0 && sim.heap[0].at <= until_us) {
		it = heap_pop();
		/* The handler may add events, so it gets a copy. */
		ev = sim.evs[it.ev];
		if (sim.n > 0)
			__builtin_prefetch(&sim.evs[sim.heap[0].ev]);
		sim.evs[it.ev].a = sim.free;
		sim.free = it.ev;
		sim.now.us = it.at;
		sim.events++;
		sim_trace((uint64_t)it.at << 16 ^ (uint64_t)ev.kind << 8 ^
		    ev.type ^ (uint64_t)ev.a << 24);
		if (ev.kind == EV_CALL)
			ev.u.call(ev.arg);
		else
			sim.handlers[ev.kind](&ev);
	}
	sim.now.us = until_us;
}

void
sim_init(uint64_t seed)
{
	memset(&sim, 0, sizeof(sim));
	sim.heap = sim_big(SIM_BIG(EVENTS_MAX * sizeof(*sim.heap)));
	sim.evs = sim_big(SIM_BIG(EVENTS_MAX * sizeof(*sim.evs)));
	sim.free = NIL;
	sim.now.us = SIM_START_US;
	sim.seed = seed;
	sim.hash = mix64(seed);
}

void
sim_fini(void)
{
	void *p, *next;
	size_t i;

	for (i = 0; i < sizeof(sim.blobs) / sizeof(sim.blobs[0]); i++)
		for (p = sim.blobs[i]; p != NULL; p = next) {
			memcpy(&next, p, sizeof(void *));
			free(p);
		}
	sim_big_free(sim.heap, SIM_BIG(EVENTS_MAX * sizeof(*sim.heap)));
	sim_big_free(sim.evs, SIM_BIG(EVENTS_MAX * sizeof(*sim.evs)));
}

void
sim_handle(enum ev_kind kind, ev_handler *handler)
{
	sim.handlers[kind] = handler;
}

struct mono
sim_now(void)
{
	return sim.now;
}

uint64_t
sim_trace_hash(void)
{
	return sim.hash;
}

uint64_t
sim_events(void)
{
	return sim.events;
}

uint64_t
sim_seed(void)
{
	return sim.seed;
}
