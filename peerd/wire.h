/* SPDX-License-Identifier: ISC */
/*
 * The messages of a peer link, each a canonical msgpack array that begins
 * with its type.  Encoders and the decoder stand side by side in wire.c.  A
 * type nobody knows is skipped and counted, never scored: that is how newer
 * nodes talk to older ones.  Pure; tested in tests/unit/wire_test.c, fuzzed
 * in wire_fuzz.c.
 *
 *   [1 GOSSIP, hops:u8, [record:bin ..]]        1..64 records, <= 48 KiB
 *   [2 IHAVE, ids:bin(8n)]                      1..512 short ids
 *   [3 PULL, ids:bin(8n)]                       likewise
 *   [4 GRAFT]
 *   [5 PRUNE, backoff_ms]                       at most 600000
 *   [6 JOIN, ttl:u8, [id:bin(32), fam, ip:bin, port]]   ttl at most 6
 *   [7 NEIGHBOR, want:u8]                       0 low, 1 high, 2 yes
 *   [8 DISCONNECT, reason:u8]
 *   [9 SWAP, [id:bin(32), fam, ip:bin, port]]
 *   [16 ROOT, tick, R:bin(32), cnt, sum:int, wall_ms, seq, dbid:bin(16)]
 *   [17 RANGE ..] [18 ITEMS ..] [19 WANT ..] [21 END ..] [23 FULL ..]
 *                                               see recon.h
 *   [20 RECS, sid, [record:bin ..]]             1..256 records
 *   [22 SINCE, sid, dbid:bin(16), seq]          answered by RECS of sid: what
 *              was logged after seq, or with 2^64-1 what waits for its tick
 *   [24 FETCH, sid, bits, prefix:bin(32), after:bin(0 or 32)]
 *                                               answered by RECS of sid, then
 *   [25 FETCHED, sid, more:0..1, last:bin(32)]
 *   [32 GETMAN ..] [33 MAN ..] [34 GET ..] [35 CHUNK ..]   see fetch.h
 *   [48 OPEN, stream, port, from, window]       a loop to the node itself
 *   [49 RELAY, stream, [key:bin(32) ..<= 2], window]   a circuit by way of
 *                                               the first key; none: to you
 *   [50 OPENED, stream, window]
 *   [51 REFUSED, stream, code:u8, text:str]     printable ASCII, <= 120 bytes
 *   [52 DATA, stream, bin]                      1..49152 bytes
 *   [53 GRANT, stream, bytes]                   bytes >= 1
 *   [54 CLOSE, stream, why:u8]                  see enum loop_end
 *   [55 RESERVE]                                relay for me
 *   [56 RESERVED, bytes, seconds, text:str]     0, 0: refused, text says why
 *   [64 CREDIT, lane, bytes]                    bytes >= 1
 *   [65 PING, token:u64, wall_ms]
 *   [66 PONG, token:u64, wall_ms]
 *   [67 BYE, reason:u8]
 *   [69 GETADDR, n]                             1..64
 *   [70 ADDR, [[id:bin(32), fam, ip:bin, port] ..]]   at most 64
 */
#ifndef WARREN_WIRE_H
#define WARREN_WIRE_H

#include "common/bytes.h"
#include "common/naddr.h"

#define WIRE_RECORDS_MAX 64
#define WIRE_GOSSIP_MAX  49152 /* bytes of a GOSSIP message */
#define WIRE_RECS_MAX    256   /* records of a RECS message */
#define WIRE_ROOT_MAX    128   /* bytes of a ROOT message */
#define WIRE_SINCE_TICK  UINT64_MAX /* SINCE: instead of a place in the log */
#define WIRE_ADDRS_MAX   64
#define WIRE_DEPTH_MAX   8   /* nesting of a message of unknown type */
#define WIRE_IDS_MAX     512 /* short ids of IHAVE and PULL */
#define WIRE_ID          8   /* bytes of one */
#define WIRE_BACKOFF_MAX 600000
#define WIRE_TTL_MAX     6 /* of a JOIN */
#define WIRE_PATH_MAX    2 /* nodes between the one asked and the end */
#define WIRE_DATA_MAX    49152 /* bytes of payload of DATA */
#define WIRE_DATA_HEAD   10    /* bytes before the payload, at most */
#define WIRE_TEXT_MAX    120
#define WIRE_KEY_STEP    34 /* from one key of a path to the next */

/* What hops means in an answer to PULL, which says nothing of the tree. */
#define WIRE_HOPS_OLD    254 /* the sender has it from a sync: not to push */
#define WIRE_HOPS_PULLED 255

enum lane { LANE_CONTROL, LANE_GOSSIP, LANE_SYNC, LANE_BULK, LANE_N };

/* Number, name, the lane it travels on. */
#define WIRE_TYPES(X)                                                          \
	X(1, GOSSIP, LANE_GOSSIP)                                              \
	X(2, IHAVE, LANE_GOSSIP)                                               \
	X(3, PULL, LANE_GOSSIP)                                                \
	X(4, GRAFT, LANE_GOSSIP)                                               \
	X(5, PRUNE, LANE_GOSSIP)                                               \
	X(6, JOIN, LANE_CONTROL)                                               \
	X(7, NEIGHBOR, LANE_CONTROL)                                           \
	X(8, DISCONNECT, LANE_CONTROL)                                         \
	X(9, SWAP, LANE_CONTROL)                                               \
	X(16, ROOT, LANE_SYNC)                                                 \
	X(17, RANGE, LANE_SYNC)                                                \
	X(18, ITEMS, LANE_SYNC)                                                \
	X(19, WANT, LANE_SYNC)                                                 \
	X(20, RECS, LANE_SYNC)                                                 \
	X(21, END, LANE_SYNC)                                                  \
	X(22, SINCE, LANE_SYNC)                                                \
	X(23, FULL, LANE_SYNC)                                                 \
	X(24, FETCH, LANE_SYNC)                                                \
	X(25, FETCHED, LANE_SYNC)                                              \
	X(32, GETMAN, LANE_BULK)                                               \
	X(33, MAN, LANE_BULK)                                                  \
	X(34, GET, LANE_BULK)                                                  \
	X(35, CHUNK, LANE_BULK)                                                \
	X(48, OPEN, LANE_BULK)                                                 \
	X(49, RELAY, LANE_BULK)                                                \
	X(50, OPENED, LANE_BULK)                                               \
	X(51, REFUSED, LANE_BULK)                                              \
	X(52, DATA, LANE_BULK)                                                 \
	X(53, GRANT, LANE_BULK)                                                \
	X(54, CLOSE, LANE_BULK)                                                \
	X(55, RESERVE, LANE_BULK)                                              \
	X(56, RESERVED, LANE_BULK)                                             \
	X(64, CREDIT, LANE_CONTROL)                                            \
	X(65, PING, LANE_CONTROL)                                              \
	X(66, PONG, LANE_CONTROL)                                              \
	X(67, BYE, LANE_CONTROL)                                               \
	X(69, GETADDR, LANE_CONTROL)                                           \
	X(70, ADDR, LANE_CONTROL)

enum wire_type {
#define X(number, name, lane) WIRE_##name = (number),
	WIRE_TYPES(X)
#undef X
};

enum wire_rc {
	WIRE_OK,
	WIRE_UNKNOWN,   /* well-formed, of a type we do not know: skip it */
	WIRE_MALFORMED, /* protocol error */
	WIRE_LANE       /* known, but on a lane it must not use: the same */
};

/* Why a node says goodbye. */
enum wire_bye {
	WIRE_BYE_NONE = 0,
	WIRE_BYE_SHUTDOWN = 1,
	WIRE_BYE_FULL = 2,      /* no room for another link */
	WIRE_BYE_DUPLICATE = 3, /* another link to the same node lives on */
	WIRE_BYE_PROTOCOL = 4,  /* the other side broke the protocol */
	WIRE_BYE_BANNED = 5,
	WIRE_BYE_IDLE = 6,
	WIRE_BYE_FEELER = 7 /* only wanted to know whether you are there */
};

/* What NEIGHBOR says. */
enum wire_want {
	WIRE_WANT_LOW = 0,
	WIRE_WANT_HIGH = 1, /* I have fewer than two links */
	WIRE_WANT_YES = 2   /* you are in my view */
};

/* Why a link left the view, or never entered it. */
enum wire_gone {
	WIRE_GONE_NONE = 0,
	WIRE_GONE_FULL = 1,    /* no room; addresses come before this */
	WIRE_GONE_EVICTED = 2, /* for somebody who needed it more */
	WIRE_GONE_SWAPPED = 3, /* somebody stands between us now */
	WIRE_GONE_LEAVING = 4, /* the node shuts down */
	WIRE_GONE_ISLAND = 5   /* for a link to another part of the network */
};

/* Why a loop or circuit was refused; the text is for people. */
enum wire_refusal {
	WIRE_NO_OTHER = 0,  /* whoever answers for the port said so */
	WIRE_NO_ROUTE = 1,  /* not linked to the next node */
	WIRE_NO_LIMIT = 2,  /* a limit of a node on the way */
	WIRE_NO_SERVICE = 3 /* it does not do this at all */
};

struct wire_blob {
	const uint8_t *p;
	size_t len;
};

struct wire_addr {
	uint8_t id[32];
	struct naddr addr; /* fam 4 or 6, port not 0 */
};

/* What a node has settled last, and where its change log stands. */
struct wire_root {
	uint64_t tick;
	uint8_t root[32];
	uint64_t cnt;
	int64_t sum;
	int64_t wall_ms;
	uint64_t seq;
	uint8_t dbid[16];
};

/* All keys that begin with these bits. */
struct wire_range {
	uint8_t prefix[32];
	uint16_t bits; /* 0..256 */
};

struct wire_msg {
	enum wire_type type;
	uint8_t hops;   /* GOSSIP */
	uint8_t ttl;    /* JOIN */
	uint8_t want;   /* NEIGHBOR: enum wire_want */
	uint8_t lane;   /* CREDIT */
	uint8_t reason; /* BYE, DISCONNECT, REFUSED, CLOSE; any value, see the
	    enums */
	uint8_t n;      /* GETADDR: wanted; GOSSIP, ADDR: items that follow */
	uint16_t n_ids; /* IHAVE, PULL */
	uint16_t n_recs; /* RECS: records that follow */
	uint16_t sid;    /* RECS, SINCE, FETCH, FETCHED */
	struct wire_range range; /* FETCH */
	bool has_after;          /* FETCH: only keys behind after */
	bool more;               /* FETCHED */
	uint8_t after[32];       /* FETCH, FETCHED */
	uint64_t seq;    /* SINCE */
	uint8_t dbid[16]; /* SINCE */
	struct wire_root root; /* ROOT */
	uint32_t bytes; /* CREDIT, GRANT */
	uint32_t backoff_ms;   /* PRUNE */
	const uint8_t *ids;    /* IHAVE, PULL: WIRE_ID bytes each, borrowed */
	struct wire_addr node; /* JOIN, SWAP */
	uint64_t token;        /* PING, PONG */
	int64_t wall_ms;       /* PING, PONG */
	uint32_t stream;       /* OPEN .. CLOSE */
	uint16_t port, from;   /* OPEN */
	uint32_t window;       /* OPEN, RELAY, OPENED */
	uint8_t n_path;        /* RELAY */
	const uint8_t *path;   /* RELAY: n_path keys, WIRE_KEY_STEP apart, borrowed */
	struct wire_blob data; /* DATA, borrowed */
	uint64_t quota;        /* RESERVED: bytes */
	uint32_t seconds;      /* RESERVED */
	char text[WIRE_TEXT_MAX + 1]; /* REFUSED, RESERVED */
	struct rd items; /* GOSSIP, RECS, ADDR: already checked, see wire_next_*() */
};

/*
 * Read the message of len bytes that came on lane.  m borrows from p.  Only
 * the message's own form is checked, not the records inside.
 */
enum wire_rc wire_decode(struct wire_msg *m, enum lane lane, const uint8_t *p,
    size_t len);

/* The type of a message, or 0 when it has none. */
uint32_t wire_peek(const void *msg, size_t len);

/* The next record of a GOSSIP or RECS message, borrowed from it; false at the
 * end. */
bool wire_next_record(struct wire_msg *m, struct wire_blob *record);

/* The next address of an ADDR message; false at the end. */
bool wire_next_addr(struct wire_msg *m, struct wire_addr *addr);

/*
 * Write a message into w; w->bad when it does not fit.  wire_put_gossip()
 * wants 1..WIRE_RECORDS_MAX records, which together must stay within
 * WIRE_GOSSIP_MAX less 8 bytes and 3 for each record.
 */
void wire_put_gossip(struct wr *w, uint8_t hops,
    const struct wire_blob *records, size_t n);
/* n short ids of WIRE_ID bytes, 1..WIRE_IDS_MAX. */
void wire_put_ihave(struct wr *w, const uint8_t *ids, size_t n);
void wire_put_pull(struct wr *w, const uint8_t *ids, size_t n);
void wire_put_graft(struct wr *w);
void wire_put_prune(struct wr *w, uint32_t backoff_ms);
void wire_put_join(struct wr *w, unsigned ttl, const struct wire_addr *node);
void wire_put_neighbor(struct wr *w, enum wire_want want);
void wire_put_disconnect(struct wr *w, enum wire_gone reason);
void wire_put_swap(struct wr *w, const struct wire_addr *node);
void wire_put_root(struct wr *w, const struct wire_root *root);
void wire_put_since(struct wr *w, uint16_t sid, const uint8_t dbid[16],
    uint64_t seq);
/* after is NULL or 32 bytes. */
void wire_put_fetch(struct wr *w, uint16_t sid, const struct wire_range *range,
    const uint8_t *after);
void wire_put_fetched(struct wr *w, uint16_t sid, bool more,
    const uint8_t last[32]);
void wire_put_credit(struct wr *w, enum lane lane, uint32_t bytes);
void wire_put_ping(struct wr *w, uint64_t token, int64_t wall_ms);
void wire_put_pong(struct wr *w, uint64_t token, int64_t wall_ms);
void wire_put_bye(struct wr *w, uint8_t reason);
void wire_put_getaddr(struct wr *w, uint8_t n);
void wire_put_addr(struct wr *w, const struct wire_addr *addrs, size_t n);

/* --- wire_loop.c: streams --- */

void wire_put_open(struct wr *w, uint32_t stream, uint16_t port, uint16_t from,
    uint32_t window);
/* path: n keys of 32 bytes, WIRE_KEY_STEP apart, n at most WIRE_PATH_MAX. */
void wire_put_relay(struct wr *w, uint32_t stream, const uint8_t *path,
    size_t n, uint32_t window);
void wire_put_opened(struct wr *w, uint32_t stream, uint32_t window);
/* text is cut, and what is not printable ASCII becomes a question mark. */
void wire_put_refused(struct wr *w, uint32_t stream, enum wire_refusal code,
    const char *text);
/* What stands before the n bytes of payload: WIRE_DATA_HEAD at most. */
void wire_put_data_head(struct wr *w, uint32_t stream, size_t n);
void wire_put_grant(struct wr *w, uint32_t stream, uint32_t bytes);
void wire_put_close(struct wr *w, uint32_t stream, uint8_t why);
void wire_put_reserve(struct wr *w);
void wire_put_reserved(struct wr *w, uint64_t bytes, uint32_t seconds,
    const char *text);

/* For wire_decode(): the body of a message of these types. */
void wire_get_loop(struct rd *r, struct wire_msg *m);

/* Name of a type for logs and counters, or NULL when unknown. */
const char *wire_type_name(uint32_t type);

/* "control", "gossip", "sync", "bulk". */
const char *lane_name(enum lane lane);

#endif
