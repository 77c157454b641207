/* SPDX-License-Identifier: ISC */
/*
 * The simulator's engine: virtual time, a queue of events, random numbers
 * that come from one seed, and a hash over all that happened.  Two runs with
 * the same arguments pop the same events in the same order; their hashes
 * prove it.  Nothing here knows of nodes.
 */
#ifndef WARREN_SIM_H
#define WARREN_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mono.h"

#define SIM_START_US INT64_C(1000000000) /* virtual time begins here */
#define SIM_MS       INT64_C(1000)
#define SIM_S        INT64_C(1000000)

/* xoshiro256**, one stream for each node and each purpose. */
struct rng {
	uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed, uint64_t stream);
uint64_t rng_next(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n); /* 0..n - 1 */
double rng_real(struct rng *r);                /* 0 <= x < 1 */

/* A number made of another, as if by chance. */
uint64_t mix64(uint64_t x);

/* What may happen.  Each kind has one handler. */
enum ev_kind {
	EV_CALL,
	EV_TIMER,
	EV_MSG,
	EV_DIAL,
	EV_DOWN,
	EV_STORED,
	EV_KINDS
};

struct ev {
	uint8_t kind; /* enum ev_kind */
	uint8_t side, type;
	uint16_t gen, n;
	uint32_t a, b;
	uint32_t size; /* bytes on the wire, until they came through */
	uint32_t blob; /* bytes of sim_blob() at u.p; 0: none */
	union {
		uint64_t q[2];
		void *p;
		void (*call)(uint64_t arg);
	} u;
	uint64_t arg;
};

typedef void ev_handler(struct ev *ev);

void sim_init(uint64_t seed);
void sim_fini(void);
void sim_handle(enum ev_kind kind, ev_handler *handler);

/* Virtual time. */
struct mono sim_now(void);

/*
 * A new event at that time, to be filled by the caller before anything else
 * is added; kind is set.  Events of one time happen in the order they were
 * added.
 */
struct ev *sim_add(int64_t at_us, enum ev_kind kind);

/* Call fn(arg) at that time. */
void sim_call(int64_t at_us, void (*fn)(uint64_t arg), uint64_t arg);

/* Let time pass until then. */
void sim_run(int64_t until_us);

/* Add to the hash of what happened. */
void sim_trace(uint64_t what);
uint64_t sim_trace_hash(void);
uint64_t sim_events(void);
uint64_t sim_seed(void);

/* Memory of 16 << class bytes, from lists that are never given back. */
void *sim_blob(size_t len);
void sim_blob_free(void *p, size_t len);

/* The end, with a word about why. */
_Noreturn void sim_die(const char *why);
void *sim_alloc(size_t n, size_t size);

/* Zeroed memory in large pages; size a multiple of 2 MiB. */
#define SIM_BIG(size) (((size) | (((size_t)2 << 20) - 1)) + 1)
void *sim_big(size_t size);
void sim_big_free(void *p, size_t size);

#endif
