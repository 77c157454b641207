/* SPDX-License-Identifier: ISC */
/*
 * Rare branches on purpose, for the simulator alone: BUGGIFY(point) is 0 in
 * whatever we ship.  configure compiles a file that has points a second time
 * for the simulator, where each seed turns some of them on, and each of those
 * is true now and then.
 *
 * A point makes something happen that may happen in life, only seldom: a
 * table is full, an answer is cut short, a timer is late.  All that we
 * promise must hold with it.  tests/sim/sim.sh demands that every one was
 * reached.
 */
#ifndef WARREN_BUGGIFY_H
#define WARREN_BUGGIFY_H

#include <stdbool.h>

/* Name, what happens. */
#define BUGGIFY_POINTS(X)                                                      \
	/* in cores: */                                                        \
	X(recon_spent, "an answer is long enough at once")                     \
	X(recon_window, "one request without END is enough")                   \
	X(recon_wants, "the set of what is being fetched is full")             \
	X(recon_refuse, "no place for a session")                              \
	X(bcast_missing, "no room for what was announced")                     \
	/* around them, in tests/sim: */                                       \
	X(outbox_full, "no room in the lane for a record")                     \
	X(gossip_twice, "a neighbour sends a record again")                    \
	X(late_timer, "a timer rings late")                                    \
	X(early_timer, "a timer rings early")                                  \
	X(slow_link, "what was sent stays on its way for long")                \
	X(dial_lost, "nobody answers a dial")                                  \
	X(accept_full, "no descriptor for who connects")                       \
	X(book_dry, "the address book has no candidate")                       \
	X(slow_store, "verifying and storing takes its time")                  \
	X(store_busy, "the store has no room for a record")                    \
	X(late_settle, "a tick is settled late")                               \
	X(push_lost, "no room for what a session pushes")                      \
	X(small_recs, "a RECS with one record")                                \
	X(small_batch, "a commit of one record")

enum buggify_point {
#define X(name, what) BUGGIFY_##name,
	BUGGIFY_POINTS(X)
#undef X
	    BUGGIFY_N
};

#ifdef WARREN_SIM
bool buggify(enum buggify_point point);
#define BUGGIFY(point) buggify(BUGGIFY_##point)
#else
#define BUGGIFY(point) 0
#endif

#endif
