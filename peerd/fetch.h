/* SPDX-License-Identifier: ISC */
/*
 * One block on its way here, from up to four holders at a time: the manifest
 * of one of them, then chunks of all, each checked before it is kept.
 *
 *   [32 GETMAN, id:bin(32)]
 *   [33 MAN, id:bin(32), size, hashes:bin(32n)]      size 0, n 0: not held
 *   [34 GET, id:bin(32), first, n]                   chunks first..first+n-1
 *   [35 CHUNK, id:bin(32), i, half:0|1, bytes:bin]   32 KiB; the last shorter
 *
 * A message of a link has less than 64 KiB, so a chunk comes in two halves;
 * one of 32 KiB or less has only half 0.  Whoever does not hold the block
 * says so with an empty MAN, to GET as well.
 *
 * A holder whose manifest is not the block's, or whose chunk is not the
 * manifest's, is reported and asked no more.  Where the halves of a bad
 * chunk came from two, neither is blamed: it is asked again, of one.  Time
 * is passed in.  Pure; tested in tests/unit/fetch_test.c, fuzzed in
 * fetch_fuzz.c.
 */
#ifndef WARREN_FETCH_H
#define WARREN_FETCH_H

#include "common/bytes.h"
#include "common/mono.h"
#include "peerd/blocks.h"

#define FETCH_PEERS_MAX   4
#define FETCH_FLIGHT      16 /* chunks asked of one peer at a time */
#define FETCH_HALF        32768u
#define FETCH_MSG_MAX     (FETCH_HALF + 64)
#define FETCH_WAIT_MIN_MS 2000 /* or 3 x srtt: then somebody else is asked */
#define FETCH_WAIT_MAX_MS 30000
#define FETCH_STRIKES     3 /* waits in vain, then the peer is dropped */

/* --- messages --- */

struct fetch_msg {
	uint8_t type; /* WIRE_GETMAN, _MAN, _GET or _CHUNK */
	uint8_t id[32];
	uint32_t size;        /* MAN */
	unsigned i, n;        /* GET: first, n; CHUNK: i; MAN: n hashes */
	unsigned half;        /* CHUNK */
	const uint8_t *bytes; /* MAN: hashes, CHUNK; borrowed */
	size_t len;
};

/* False when it is malformed or none of these. */
bool fetch_decode(struct fetch_msg *m, const void *msg, size_t len);

void fetch_put_getman(struct wr *w, const uint8_t id[32]);
void fetch_put_man(struct wr *w, const uint8_t id[32],
    const struct manifest *m); /* NULL: not held */
void fetch_put_get(struct wr *w, const uint8_t id[32], unsigned first,
    unsigned n);
void fetch_put_chunk(struct wr *w, const uint8_t id[32], unsigned i,
    unsigned half, const void *bytes, size_t len);

/* Bytes of half h of chunk i of a block of that size; 0: there is none. */
uint32_t fetch_half_len(uint32_t size, unsigned i, unsigned half);

/* --- a fetch --- */

enum fetch_state {
	FETCH_MANIFEST, /* waiting for one that hashes to the id */
	FETCH_CHUNKS,
	FETCH_DONE,  /* body is whole and checked */
	FETCH_FAILED /* no memory for it */
};

/* Why a peer is not asked any more. */
enum fetch_gone {
	FETCH_BAD,   /* wrong manifest or chunk: report it */
	FETCH_LACKS, /* it says it has not got the block */
	FETCH_SILENT
};

struct fetch_ops {
	/* False when it cannot go out now; it is tried again. */
	bool (*send)(void *arg, uint32_t peer, const void *msg, size_t len);
	/* That peer was dropped; another may be added, even from within. */
	void (*gone)(void *arg, uint32_t peer, enum fetch_gone why);
	/* Memory for the body, or NULL.  It stays the caller's. */
	uint8_t *(*room)(void *arg, uint32_t size);
	void *arg;
};

/* Private from here ... */
struct fetch_peer {
	uint32_t peer; /* 0: free */
	unsigned flight;
	unsigned strikes;
	bool asked_man;
	int64_t srtt_us;   /* 0: not known */
	struct mono heard; /* the last that was of use */
	struct mono asked; /* the manifest */
};

struct fetch_chunk {
	uint8_t owner;    /* slot + 1 it is asked of; 0: nobody */
	uint8_t asked_of; /* slots that were asked, a bit each */
	uint8_t from[2];  /* slot + 1 each half came from; 0: not here */
	bool strict;      /* take both halves of the owner alone */
	bool done;
	struct mono asked;
};
/* ... to here. */

struct fetch {
	uint8_t id[32];
	enum fetch_state state;
	struct manifest man;
	uint8_t *body;
	unsigned n_done;
	struct fetch_ops ops;
	struct fetch_peer peers[FETCH_PEERS_MAX];
	struct fetch_chunk chunks[BLOCK_CHUNKS_MAX];
	struct mono due;        /* fetch_tick() has work then */
	struct mono progress;   /* the last thing that was of use */
	uint64_t bytes_useless; /* that came and could not be used */
};

void fetch_init(struct fetch *f, const uint8_t id[32],
    const struct fetch_ops *ops, struct mono now);

/* A holder to ask; peer is not 0.  False when there are enough already. */
bool fetch_add_peer(struct fetch *f, uint32_t peer, struct mono now);

/* Its link is gone: what was asked of it is asked of others. */
void fetch_lose_peer(struct fetch *f, uint32_t peer, struct mono now);

bool fetch_has_peer(const struct fetch *f, uint32_t peer);
unsigned fetch_peers(const struct fetch *f);

/* A MAN or CHUNK of this block came from a peer, asked for or not. */
void fetch_input(struct fetch *f, uint32_t peer, const struct fetch_msg *m,
    struct mono now);

/* Time has come, or a link has room again. */
void fetch_tick(struct fetch *f, struct mono now);

#endif
