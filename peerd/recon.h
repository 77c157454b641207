/* SPDX-License-Identifier: ISC */
/*
 * Anti-entropy: two nodes find out which records one has and the other has
 * not, by comparing the hashes of their trees range by range, and exchange
 * just those.  Bytes grow with the difference, not with the database.
 *
 * Messages are canonical msgpack arrays (common/mp.h) of at most 64 KiB.
 * What the initiator of a session sends to be answered carries the tick and
 * the salt; what comes back does not, and so the two are told apart:
 *
 *   [17 RANGE, sid, (tick, salt:bin(8),) [bits, prefix, parts, ..]]
 *   [18 ITEMS, sid, (tick, salt,) [bits, prefix, items, ..]]
 *   [19 WANT,  sid, (tick, salt,) [bits, prefix, ids, ..]]
 *   [23 FULL,  sid, (tick, salt,) [bits, prefix, whole, ..]]
 *   [20 RECS,  sid, [record:bin, ..]]
 *   [21 END,   sid, retry_s]        0: answered in full; else busy, come back
 *
 * The list in the middle is flat, three items a range: the range is all keys
 * that begin with the first bits (0..256) bits of prefix, a bin of bits/8
 * bytes rounded up with zeros behind; then a bin of
 *
 *   parts  1..16 disjoint ranges within it, ascending, each d:u8, the d bits
 *          that follow those of the range, padded with zeros to bytes, and
 *          fp:8.  "I have nothing in this range beside these."
 *   items  0..32 of kid:3, ms:5, ver:1.  "All I have in this range."
 *   ids    1..32 kids.  "Give me these."
 *   whole  0..32 of K:32, rid:32.  As items, when items agree but hashes do
 *          not.
 *
 * fp, kid and ver are SipHash-2-4 of a node's hash, of K (its lower 24 bits)
 * and of rid (its lower 8), under the session's key, the first 16 bytes of
 * BLAKE2b-256(person "WarrenSync1", netid | salt): who chose the records
 * beforehand cannot make them collide.  So short an id is unique enough in a
 * list of 8, and what it hides one session, the next one finds.  ms is the
 * lower 40 bits of the stamp's millisecond, compared as numbers that wrap.
 *
 * Answering needs the message and the tree alone, nothing is remembered:
 *
 *   parts   records of ours between the parts are pushed, or where more
 *           than 8 of them lie together, told as parts of our own; a part
 *           whose fp is ours is done; of any other we send our items when we
 *           have at most 8 in it, else cut it into 16 parts
 *   items   what we lack or have older is wanted, what they lack or have
 *           older is pushed; where nothing differs after all we send whole
 *   ids     pushed
 *
 * Where both sides begin at once, the session with the larger salt goes on
 * and the other is told to come back: it compares both ways.
 *
 * An END closes every answer, so that the initiator can count.  It keeps
 * at most 128 requests unanswered, and no more than what their answers may
 * bring has room on a stack of fixed size, where ranges wait; should somebody
 * fill it all the same, some are dropped, and the next session finds them.
 *
 * We have one session of our own at a time, and others wait for it.  A peer
 * prolongs it by its words, but not for longer than a minute, unless records
 * come that we lack, ten of them a second; and by records alone not once our
 * tree has turned twice.
 *
 * Sessions of others have two places, which are taken until 20 s after the last
 * word: that also keeps a crowd from bringing all the same at once.  While
 * somebody finds none, nobody has one for longer than a minute, nor another in
 * the next.
 *
 * How the shell drives it: recon_start() on connect, or when a neighbour's R
 * differs for a tick that both have, on two ticks running, 0-5 s after the
 * tick; recon_input() for each message 17-21 and 23; recon_tick() when
 * recon_due() is reached.  It carries out struct recon_ops: send a message,
 * push a record (load its body by key and send it, several to a RECS, with
 * recon_put_recs()), take in a record that came.  When a record is stored,
 * recon_arrived() frees its place in the set of what is being fetched, which
 * keeps parallel neighbours from sending one body twice.  RECON_MALFORMED
 * costs the sender its link.  Pure; tested in tests/unit/recon_test.c,
 * fuzzed in recon_fuzz.c.
 */
#ifndef WARREN_RECON_H
#define WARREN_RECON_H

#include "common/mono.h"
#include "peerd/mtree.h"

#define RECON_MSG_MAX    65536
#define RECON_LIST       8  /* records a range is listed at, not cut */
#define RECON_LIST_MAX   32 /* that we read in one list */
#define RECON_PARTS      16
#define RECON_KID_LEN    3
#define RECON_ITEM_LEN   9
#define RECON_FULL_LEN   64
#define RECON_WINDOW     128 /* requests without END */
#define RECON_WINDOW_MAX 192 /* one answer may make us send some more */
#define RECON_REPLY_MAX  (8 * RECON_MSG_MAX) /* then ranges go back uncut */
#define RECON_PUSH_MAX   (2 << 20) /* bytes of records, at a guess, likewise */

#define RECON_RATE       (4 << 20) /* bytes a second of sessions, both ways */
#define RECON_RESPONDING 2         /* sessions we answer at once */
#define RECON_STARTS_MAX 3         /* sessions a peer may start in so many */
#define RECON_START_MS   60000     /* ms; where ticks are short, in six ticks */
#define RECON_STARTS     64        /* of them remembered */
#define RECON_SILENCE_MS 20000     /* without a word: the session is over */
#define RECON_LEASE_MS   60000     /* so it is with words alone; but */
#define RECON_GAIN_MS    100       /* each record of use prolongs it */
#define RECON_WANT_MS    15000     /* then another neighbour may be asked */
#define RECON_BUSY_S     5
#define RECON_WANT_WAYS  8 /* places an entry of the want set may take */
#define RECON_STACK      65536
#define RECON_WANTS      65536

enum recon_type {
	RECON_RANGE = 17,
	RECON_ITEMS = 18,
	RECON_WANT = 19,
	RECON_RECS = 20,
	RECON_END = 21,
	RECON_FULL = 23
};

enum recon_rc {
	RECON_OK,
	RECON_MALFORMED, /* nobody honest sends that */
	RECON_STALE,     /* of a session that is over: ignored */
	RECON_BUSY,      /* starting: one is under way; input: told them so */
	RECON_NO_TICK    /* starting: no version of that tick */
};

enum recon_how {
	RECON_DONE,    /* all compared; what differs is on its way */
	RECON_PARTIAL, /* some left for the next session */
	RECON_REFUSED, /* the peer is busy, come back in retry_s */
	RECON_LOST,    /* our tree turned twice meanwhile */
	RECON_SILENT   /* no word, or for long nothing of use */
};

struct recon_ops {
	void (*send)(void *arg, uint64_t peer, const uint8_t *msg, size_t len);
	/* Load the record of that key and send it in a RECS of sid. */
	void (*push)(void *arg, uint64_t peer, uint16_t sid,
	    const uint8_t key[32]);
	/* A record came; its bytes are lent. */
	void (*got)(void *arg, uint64_t peer, const uint8_t *rec, size_t len);
	/* Our own session is over. */
	void (*end)(void *arg, uint64_t peer, enum recon_how how,
	    uint32_t retry_s);
	void *arg;
};

struct recon_range {
	uint8_t prefix[32];
	uint16_t bits;
};

/* What is being fetched: so many records of this tag, from that peer. */
struct recon_want {
	uint64_t tag, peer;
	struct mono due;
	uint32_t n; /* 0: free */
};

struct recon_conf {
	const struct mtree *tree;
	uint8_t netid[32];
	uint8_t key[16];           /* random, never told */
	struct recon_range *stack; /* RECON_STACK or so of them */
	uint32_t n_stack;
	struct recon_want
	    *wants; /* a multiple of RECON_WANT_WAYS, 65536 or so */
	uint32_t n_wants;
	uint32_t rate;    /* bytes a second and at once; 0: RECON_RATE */
	uint32_t tick_ms; /* 0: not known */
	struct recon_ops ops;
};

/* Private from here ... */
struct recon_box {
	uint32_t n; /* ranges in it */
	size_t len;
	uint8_t b[RECON_MSG_MAX];
};

struct recon_session {
	bool on, partial;
	uint16_t sid;
	uint64_t peer, tick;
	uint8_t salt[8];
	uint32_t unanswered, n_stack;
	uint32_t first; /* of the requests without END, in this ring: */
	uint32_t costs[RECON_WINDOW_MAX]; /* ranges each may bring at most */
	uint64_t cost;                    /* all of them together */
	struct mono heard, until;
};

struct recon_slot {
	bool on;
	uint16_t sid;
	uint64_t peer;
	struct mono heard, since;
};

struct recon_start {
	bool used;
	uint64_t peer;
	struct mono at;
};

/* Bytes that may still pass; negative when we went over. */
struct recon_flow {
	int64_t left;
	struct mono last;
};
/* ... to here. */

/* About 270 KB, beside what the configuration lends. */
struct recon {
	struct recon_conf conf;
	struct recon_session own;
	struct recon_slot slots[RECON_RESPONDING];
	struct recon_start starts[RECON_STARTS];
	uint32_t next_start;
	struct mono crowded; /* somebody found no place */
	struct recon_flow own_flow, reply_flow;
	struct recon_box boxes[4];
	/* Counters, for the shell to show. */
	uint64_t sent_bytes, got_bytes, pushed, wanted, spared, dropped,
	    refused;
};

/* The lent arrays need not be zeroed. */
void recon_init(struct recon *rc, const struct recon_conf *conf,
    struct mono now);

/*
 * Begin a session of ours with peer over the tree of tick.  sid: any number
 * not used lately with it; salt: 8 random bytes.  RECON_OK, RECON_BUSY or
 * RECON_NO_TICK.
 */
enum recon_rc recon_start(struct recon *rc, uint64_t peer, uint16_t sid,
    uint64_t tick, const uint8_t salt[8], struct mono now);

/* Is there a session of ours? */
bool recon_is_busy(const struct recon *rc);

/* A message of type 17 to 21 or 23 from peer, in the order they came. */
enum recon_rc recon_input(struct recon *rc, uint64_t peer, const void *msg,
    size_t len, struct mono now);

/* Go on with what waits; ends a session that fell silent. */
void recon_tick(struct recon *rc, struct mono now);

/* When recon_tick() has work, or MONO_NEVER. */
struct mono recon_due(const struct recon *rc);

/* The link is gone: so is a session on it, without a call of end(). */
void recon_forget_peer(struct recon *rc, uint64_t peer);

/* Records of RECS came from that peer by another way than recon_input(). */
void recon_heard(struct recon *rc, uint64_t peer, struct mono now);

/* A record of this key and stamp is here, whoever brought it. */
void recon_arrived(struct recon *rc, const uint8_t key[32], uint64_t hlc);

/* A record came from that peer that was not here before. */
void recon_gained(struct recon *rc, uint64_t peer);

/*
 * Write a RECS with as many of n records as fit into w and into
 * RECON_MSG_MAX; how many.  A record of REC_MAX bytes always fits an empty
 * message.
 */
size_t recon_put_recs(struct wr *w, uint16_t sid, const uint8_t *const *recs,
    const size_t *lens, size_t n);

#endif
