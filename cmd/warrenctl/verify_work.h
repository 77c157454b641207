/* SPDX-License-Identifier: ISC */
/*
 * What the files of "db verify" share:
 *
 *	act_verify.c  the vote, the descent to what differs, drawing
 *	verify_who.c  which nodes are asked
 *	verify_ask.c  claims and proofs of one node, verified
 *
 * Private to them.
 */
#ifndef WARREN_VERIFY_WORK_H
#define WARREN_VERIFY_WORK_H

#include "cmd/warrenctl/record.h"
#include "cmd/warrenctl/warrenctl.h"

#define VOTERS_MAX  16
#define VERIFY_ARGS "[peers N | NODE ...]"

enum ask {
	ASK_OK,
	ASK_AWAY, /* it does not answer, or is busy */
	ASK_TICK, /* it does not hold that tick, any more or yet */
	ASK_LIES  /* what it answers does not verify */
};

struct voter {
	char name[80];
	bool own;
	char host[128], port[8];
	enum ask state;
	char why[128];
	uint64_t newest;
	struct claim claim;
	bool equal;
};

/* What one node has under a prefix, proven. */
struct view {
	struct proof proof;
	struct verify_answer a;
};

/* --- verify_who.c --- */

extern struct voter voters[VOTERS_MAX]; /* our own node is the first */
extern size_t n_voters;

/* Fill voters as the arguments say; die() when there is nobody to ask. */
void voters_choose(int argc, char **argv);

/* --- verify_ask.c --- */

/* how, and why for whoever reads. */
enum ask voter_say(struct voter *v, enum ask how, const char *why);

/*
 * v's signed word on the root of a tick, its newest for 0, into v->claim.
 * charter says of which network it must be.  Anything but ASK_OK: v->why.
 */
enum ask ask_claim(struct voter *v, const struct charter *charter, uint64_t t);

/* What v has under a prefix at tick t, proven against v->claim. */
enum ask ask_view(struct voter *v, const struct prefix *at, uint64_t t,
    struct view *out);

#endif
