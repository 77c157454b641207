/* SPDX-License-Identifier: ISC */
/*
 * Fetching everything: which range of keys is asked of which helper, and who
 * no longer helps.  The shell is peerd/store/bootstrap.c.
 *
 * Every key lies in exactly one of some two hundred ranges.  Member and node
 * records come first, so that the authors of all others are known.  A helper
 * has two ranges at a time; it streams a part of one, says how far it came,
 * and is asked to go on.
 *
 * Anybody may claim to have much.  So a helper is judged by what costs it
 * something: records, whose signatures were checked, of a range that was
 * asked of it, each behind the last.  Whoever brings less than BOOT_MIN_BYTES
 * in BOOT_WINDOW_MS, and ends no range either, is barred for a while, and so
 * is who answers what no honest helper would.  A range that takes its helper
 * long goes to another that has nothing to do: so nobody keeps the first ones
 * to itself.
 *
 * Only those help who themselves have much more than we had.  All others are
 * compared with as ever, and so are those for whom there is no place once the
 * database has ceased to grow.  Pure; tested in tests/unit/boot_test.c.
 */
#ifndef WARREN_BOOT_H
#define WARREN_BOOT_H

#include "common/mono.h"
#include "peerd/wire.h"

#define BOOT_HELPERS    4
#define BOOT_EACH       2 /* ranges asked of one helper at a time */
#define BOOT_TASKS      256
#define BOOT_MANY       2000 /* records, and: */
#define BOOT_MUCH_MORE  4    /* times our own count */
#define BOOT_TICK_MS    1000
#define BOOT_WINDOW_MS  15000
#define BOOT_MIN_BYTES  30000
#define BOOT_ROB_MS     30000 /* then an idle helper takes a range over */
#define BOOT_GROW_MS    60000 /* in which the database grows by: */
#define BOOT_GROW       1000
#define BOOT_BAR_MS     30000 /* twice as long each time, up to: */
#define BOOT_BAR_MAX_MS 480000
#define BOOT_BARRED     64 /* of them remembered */
#define BOOT_SHARE      16 /* a helper brings so much of its claim, or lied */

enum boot_state { BOOT_WAITING, BOOT_ASKED, BOOT_DONE };

struct boot_task {
	struct wire_range range;
	bool first; /* of member and node records */
	bool has_after, has_seen;
	uint8_t state; /* enum boot_state */
	uint16_t sid;
	uint32_t link;
	struct mono asked;
	uint8_t after[32]; /* where the last part ended */
	uint8_t seen[32];  /* the last key that came of this one */
};

struct boot_helper {
	uint32_t link; /* 0: free */
	uint8_t id[32];
	bool slow; /* a range of its went to another */
	uint64_t claim, brought;
	struct mono since; /* of the window, and in it: */
	uint64_t bytes;
};

struct boot_bar {
	uint8_t id[32];
	struct mono until;
	int64_t ms; /* 0: free */
};

/* Zeroed at the start. */
struct boot {
	bool on;
	struct boot_task tasks[BOOT_TASKS];
	unsigned n, done;
	struct boot_helper helpers[BOOT_HELPERS];
	struct boot_bar bars[BOOT_BARRED];
	unsigned next_bar;
	uint16_t next_sid;
	uint64_t had; /* records, when it began */
	struct mono began, ticked;
	uint64_t grown; /* records, the last time there were many more */
	struct mono grew;
	uint64_t barred; /* ever */
};

/*
 * A peer's root differs, and it claims so many records where we have have.
 * True when that is for us to mend: it helps, or others do well enough.
 * False: compare with it.
 */
bool boot_offer(struct boot *b, uint32_t link, const uint8_t id[32],
    uint64_t claim, uint64_t have, struct mono now);

/*
 * The next range to ask of that link, or NULL.  boot_asked() once it was
 * sent, which gives it its sid: send with boot_next_sid().
 */
struct boot_task *boot_next(struct boot *b, uint32_t link, struct mono now);
uint16_t boot_next_sid(const struct boot *b);
void boot_asked(struct boot *b, struct boot_task *t, uint32_t link,
    struct mono now);

/* Does that link help?  Then its records are looked at. */
bool boot_is_helper(const struct boot *b, uint32_t link);

/* A verified record came from that link. */
void boot_record(struct boot *b, uint32_t link, const uint8_t key[32],
    size_t len);

/* It says how far a stream went.  What was not asked of it is ignored. */
void boot_answer(struct boot *b, uint32_t link, uint16_t sid, bool more,
    const uint8_t after[32], struct mono now);

void boot_gone(struct boot *b, uint32_t link);

/*
 * Each BOOT_TICK_MS.  held: we took nothing in meanwhile, which is nobody's
 * fault but ours; neither is a call that comes late.  Without helpers it is
 * off again.
 */
void boot_tick(struct boot *b, bool held, struct mono now);

/* All ranges ended?  Then it is off, and whoever withheld much is barred. */
bool boot_finish(struct boot *b, uint64_t have, struct mono now);

#endif
