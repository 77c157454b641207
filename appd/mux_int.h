/* SPDX-License-Identifier: ISC */
/*
 * What the files of the mux share:
 *
 *	mux.c        memory, apps that come and go, time
 *	mux_ends.c   the table of ends; how a loop ends
 *	mux_asks.c   requests of apps
 *	mux_tell.c   what goes to apps: requests of ours, answers to theirs
 *	mux_net.c    loops to other nodes
 *
 * Private to them.
 */
#ifndef WARREN_MUX_INT_H
#define WARREN_MUX_INT_H

#include "appd/mux.h"

/* --- mux.c --- */

unsigned mux_index(const struct mux *m, const struct mux_app *a);
/*
 * The app holds this port of its own instead of the one before; 0: none.
 * False when another holds it, and the app keeps what it had.
 */
bool mux_take_port(struct mux *m, struct mux_app *a, uint16_t port);
bool mux_is_self(const struct mux *m, const uint8_t pk[32]);

/* --- mux_ends.c --- */

/*
 * A new end of the app, which holds port already; NULL with *why when there
 * is no room, or one waits behind another of this address already.
 */
struct mux_end *end_new(struct mux *m, struct mux_app *a, uint16_t port,
    const struct app_addr *remote, const char **why);
struct mux_end *end_find(const struct mux *m, uint16_t port,
    const struct app_addr *remote);
struct mux_end *end_of_stream(const struct mux *m, uint32_t stream);
void end_set_stream(struct mux *m, struct mux_end *e, uint32_t stream);
/* Into a state, and onto the list of those that time is kept of. */
void end_set_state(struct mux *m, struct mux_end *e, enum mux_state state,
    struct mono now);
/* A closed one has passed on n bytes. */
void end_moved(struct mux *m, struct mux_end *e, uint32_t n, struct mono now);
/* It is gone without a word to anybody. */
void end_free(struct mux *m, struct mux_end *e);

/* Its app wants no more of it, or is dead. */
void end_close(struct mux *m, struct mux_end *e, struct mono now);
/* Nothing will come from the far side; its app hears so after the bytes. */
void end_far_gone(struct mux *m, struct mux_end *e);
/* A closed one has nothing left to pass on. */
void end_finish(struct mux *m, struct mux_end *e, enum loop_end why);
/*
 * Its app was asked long ago: whoever dials hears that it timed out.  The app
 * hears Close if it says yes after all.
 */
void end_give_up(struct mux *m, struct mux_end *e);
/* The loop did not come about; its app, who dialled, hears text. */
void end_refuse(struct mux *m, struct mux_end *e, const char *text);

/* --- mux_asks.c --- */

/* Handle one request of the app.  now for what begins with it. */
void ask_handle(struct mux *m, struct mux_app *a, const struct packet *p,
    struct mono now);

/* --- mux_tell.c --- */

void tell_success(struct mux *m, struct mux_app *a, uint8_t id);
void tell_addr(struct mux *m, struct mux_app *a, uint8_t id,
    const struct app_addr *addr);
void tell_failure(struct mux *m, struct mux_app *a, uint8_t id,
    const char *text);

/* An id that is under way came again: a failure, and it stays under way. */
void tell_twice(struct mux *m, struct mux_app *a, uint8_t id);

/* See whether the end's app is to be told something, and tell it. */
void tell_next(struct mux *m, struct mux_end *e);
/* A confirmation is due. */
void tell_confirm(struct mux *m, struct mux_end *e);
/* As much as there is room for of what waits. */
void tell_run(struct mux *m, struct mux_app *a);
/* Send payload at once if nothing stands before it.  False: queue it. */
bool tell_data_now(struct mux *m, struct mux_end *e, const uint8_t *p,
    size_t n);
/* The app answered one of our requests. */
void tell_answered(struct mux *m, struct mux_app *a, const struct packet *p,
    struct mono now);

/* A Send that is not answered yet, which ends at e->tx_all. */
void owe_add(struct mux *m, struct mux_end *e, uint8_t id);
/* n bytes more are passed on: answer the Sends that ended in them. */
void owe_done(struct mux *m, struct mux_end *e, uint32_t n);
/* n bytes more are lost: the Sends that had a part in them fail with text. */
void owe_fail(struct mux *m, struct mux_end *e, uint32_t n, const char *text);

/* --- mux_net.c --- */

/* Pass on what peerd takes.  A closed one may be over, and e no more. */
void net_push(struct mux *m, struct mux_end *e, struct mono now);
/* The app took n bytes that came from far away. */
void net_took(struct mux *m, struct mux_end *e, uint32_t n);
/* A new end to or from another node; its share of the app's bytes. */
bool net_prepare(struct mux *m, struct mux_end *e);
uint32_t net_mint(struct mux *m);
/*
 * A place among its app's dials for an end that dials another node, which
 * ends of the same node share.  False when the app has none.  It is given
 * back when the end is open, or gone.
 */
bool net_take_dial(struct mux_end *e);
void net_drop_dial(struct mux_end *e);

#endif
