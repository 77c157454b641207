/* SPDX-License-Identifier: ISC */
/*
 * The shells around stream.h: streams of links, what they carry, and how a
 * node is reached for them.  Private to peerd.
 *
 *   appd == LOOP_* == loops.c --+            +== links == other nodes
 *                               |            |
 *   a link over it == circuit.c +== flow.c ==+
 *                               |
 *   another link == relaying.c -+       route.c dials, and asks relays;
 *                                       reserving.c has some for us
 *
 * Nothing here frees a stream behind the back of its caller: a link that
 * does not take what it must is only marked, and ended by flow_tick().
 */
#ifndef WARREN_FLOW_H
#define WARREN_FLOW_H

#include <sys/types.h>

#include "common/msg_appd.h"
#include "peerd/peerd.h"

#define FLOW_LINK_SHORT (128u << 10) /* bytes of streams queued on a link */
#define FLOW_WAITING    (128u << 20) /* bytes waiting in all streams */
#define REACHES_MAX     64           /* nodes being looked for */
#define REACH_MS        10000        /* for a direct link */
#define LOOP_IDLE_MS    60000        /* a link nobody uses is closed */
#define CIRCUITS_MAX    128          /* that end here */
#define CIRCUITS_IN     96           /* of them, opened by others, */
#define CIRCUITS_VIA    64           /* of those, by way of one node, */
#define CIRCUITS_SHAKES 16           /* and of those, not shaken hands yet */

enum flow_kind { FLOW_LOOP, FLOW_CIRCUIT, FLOW_RELAY, FLOW_KINDS };

/* What a kind of stream is told.  s lives until the call returns. */
struct flow_ops {
	/* They answered our question with yes, or with no. */
	void (*opened)(struct conn *c, struct stream *s);
	void (*refused)(struct conn *c, struct stream *s, uint8_t code,
	    const char *text);
	void (*data)(struct conn *c, struct stream *s, const uint8_t *p,
	    uint32_t n);
	/* They granted n bytes more. */
	void (*granted)(struct conn *c, struct stream *s, uint32_t n);
	/* n bytes that waited are with the link. */
	void (*gone)(struct conn *c, struct stream *s, uint32_t n);
	/* It is over, by them or with its link: enum loop_end. */
	void (*closed)(struct conn *c, struct stream *s, uint8_t why);
};

extern const struct flow_ops loop_ops, circuit_ops, relay_ops;

/* --- flow.c --- */

void flow_init(void);
void flow_tick(struct mono now);
void flow_link_init(struct conn *c);
void flow_link_down(struct conn *c); /* its streams are lost */
void flow_message(struct conn *c, const struct wire_msg *m);
void flow_pump(struct conn *c); /* fill the link as far as it should be */

struct stream *flow_stream(uint32_t index);
uint32_t flow_index(const struct stream *s);
struct conn *flow_conn(const struct stream *s); /* its link */

/* A new stream, its question not sent yet; NULL when there are too many. */
struct stream *flow_ask(struct conn *c, enum flow_kind kind, uint32_t tag,
    uint32_t open);

/* A message of ours about streams, not DATA. */
void flow_send(struct conn *c, const struct wr *w);

/* Answer a question of theirs; flow_refuse() frees s. */
void flow_accept(struct conn *c, struct stream *s, uint32_t open);
void flow_refuse(struct conn *c, struct stream *s, enum wire_refusal code,
    const char *text);

/* Send bytes, or let them wait.  False when there is no memory. */
bool flow_push(struct conn *c, struct stream *s, const uint8_t *p, uint32_t n);
void flow_grant(struct conn *c, struct stream *s, uint32_t n);

/* Nothing more to say once what waits has gone; its ops hear no more. */
void flow_end(struct conn *c, struct stream *s, uint8_t why);

void flow_stats(stat_emit emit, void *arg);
void flow_limits(limit_emit emit, void *arg);

/* --- loops.c --- */

void loops_init(void);
void loops_open_channel(int in, int out); /* to appd */
/* They want a loop; answers, now or later. */
void loops_offer(struct conn *c, struct stream *s, const struct wire_msg *m);
bool loops_are_held(void);   /* appd is behind: grant no credit */
bool loops_are_served(void); /* there is an appd */
/* What became of the search for a node. */
void loops_reached(struct conn *c);
void loops_unreached(const uint8_t node[32], const char *text);
void loops_show_paths(struct ipc *ch, const struct ipc_msg *m);
void loops_limits(limit_emit emit, void *arg);

/* --- route.c --- */

void route_init(void);
/*
 * Look for a way to a node that is not linked; ends in one of the two above,
 * not before this has returned.  False when too many are being looked for.
 */
bool route_begin(const uint8_t node[32]);
/* The same without relays, for a node that is linked over one. */
bool route_dial(const uint8_t node[32]);
bool route_is_looking(const uint8_t node[32]);
void route_linked(struct conn *c);
void route_result(const struct dial_why *why, const uint8_t *id,
    const char *error);
/* A circuit to the node was refused, or is closed before it was up. */
void route_refused(const uint8_t node[32], uint8_t code, const char *text);
void route_limits(limit_emit emit, void *arg);

/* --- direct.c --- */

void direct_init(void);
void direct_link_up(struct conn *c);
/* It would be idle, but loops are still on a circuit beside it. */
bool direct_is_needed(const struct conn *c);
void direct_failed(const uint8_t node[32], const char *why);
void direct_tick(struct mono now);
void direct_stats(stat_emit emit, void *arg);

/* --- circuit.c --- */

/* Ask the other end of a link for a circuit to node; path as in wire.h. */
bool circuit_open(struct conn *via, const uint8_t *path, size_t n,
    const uint8_t node[32]);
void circuits_offer(struct conn *c, struct stream *s);
ssize_t circuit_read(struct circuit *ct, void *p, size_t n);
ssize_t circuit_write(struct circuit *ct, const void *p, size_t n);
void circuit_await_room(struct circuit *ct); /* or say that there is some */
void circuit_left(struct circuit *ct);       /* by its connection */
const uint8_t *circuit_via(const struct circuit *ct);
void circuits_show(struct ipc *ch, uint32_t id);
void circuits_limits(limit_emit emit, void *arg);

/* --- relaying.c: what we relay --- */

void relaying_init(void);
void relaying_config(void); /* it may have changed */
void relaying_offer(struct conn *c, struct stream *s, const struct wire_msg *m);
void relaying_reserve(struct conn *c); /* RESERVE came */
void relaying_tick(struct mono now);
void relaying_show(struct ipc *ch, const struct ipc_msg *m);
void relaying_stats(stat_emit emit, void *arg);
void relaying_limits(limit_emit emit, void *arg);

/* --- reserving.c: who relays for us --- */

/* Whether a node reserves at relays for itself. */
enum { RELAY_RESERVE_AUTO, RELAY_RESERVE_YES, RELAY_RESERVE_NO };

void reserving_granted(struct conn *c, const struct wire_msg *m);
void reserving_link_up(const struct conn *c);
void reserving_link_down(const struct conn *c);
size_t reserving_vias(uint8_t vias[][32], size_t max);
struct conn *reserving_relay(void); /* a link to one, or NULL */
bool reserving_wanted(void);        /* now */
void reserving_show(struct ipc *ch, uint32_t id);
void reserving_tick(struct mono now);
void reserving_stats(stat_emit emit, void *arg);

#endif
