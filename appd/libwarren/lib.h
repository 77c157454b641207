/* SPDX-License-Identifier: ISC */
/*
 * Private to libwarren: the app, its connections, and who does what.
 *
 *                     read, parse                    chunks, answers withheld
 *   node -- rfd --> pump.c --> serve.c: requests --> struct warren_conn --> conn.c: caller
 *        <- wfd --- out <----- ask.c: our requests, their answers <--------
 *                                    |
 *                      ready.c: descriptors that say when to call again
 *
 * Nothing here waits but lib_wait(), nothing calls back into the caller, and
 * a connection is freed in one place.
 */
#ifndef WARREN_LIB_H
#define WARREN_LIB_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appd/app_json.h"
#include "appd/libwarren/warren_app.h"
#include "appd/packet.h"

#define LIB_BUCKETS   256 /* of the table of loops */
#define LIB_IN_MAX    (2 * PACKET_MAX)
#define LIB_OUT_MAX   (4 * PACKET_MAX)
#define LIB_OUT_SPARE PACKET_MAX /* kept for answers and Closes */
#define LIB_ERROR_MAX APP_FAILURE_MAX

/* A descriptor that is readable while it is set. */
struct signal {
	int rfd, wfd; /* one and the same on Linux; -1: not made */
	bool set;
};

/* What a Send brought, until the reader has taken it all. */
struct chunk {
	STAILQ_ENTRY(chunk) next;
	size_t len, at; /* at: bytes already read */
	uint8_t id;     /* of the Send that waits for our answer */
	uint8_t bytes[];
};

enum conn_state {
	CONN_DIALLING, /* CreateLoop is not answered, perhaps not yet sent */
	CONN_OPEN,
	CONN_ENDED, /* the other end closed: data first, then the end */
	CONN_BROKEN /* refused, failed or the node is gone: see err */
};

/* Why a write or a dial could not go on. */
enum conn_stuck {
	STUCK_NO,
	STUCK_WINDOW, /* as many Sends are unanswered as may be */
	STUCK_FLUSH,  /* some Send is unanswered */
	STUCK_ROOM    /* no id, or no room in app->out */
};

struct warren_conn {
	struct warren_app *app;
	struct warren_conn *hash_next; /* while hashed */
	TAILQ_ENTRY(warren_conn) all;
	TAILQ_ENTRY(warren_conn) news;  /* while in_news */
	TAILQ_ENTRY(warren_conn) queue; /* of app->backlog or app->closing */
	STAILQ_HEAD(, chunk) chunks;
	struct app_loop loop;
	enum app_form form; /* as the node speaks of this loop */
	enum conn_state state;
	enum conn_stuck stuck;
	int err;              /* errno of CONN_BROKEN */
	char *why;            /* CONN_BROKEN in words, or NULL: as of the app */
	int fd;               /* warren_conn_fd(), or -1 */
	struct signal signal; /* what makes it readable */
	uint8_t window, in_flight; /* Sends */
	bool accepted;             /* the caller knows of it */
	bool closing;              /* the caller no longer does */
	bool asked;                /* CreateLoop is sent */
	bool owes_close;           /* the node has this loop */
	bool
	    deaf; /* the other end takes no more bytes; it may have sent some */
	bool hashed, in_news, in_backlog, in_closing;
	bool fresh; /* news that the caller has not come for yet */
	void *user;
};

TAILQ_HEAD(conn_list, warren_conn);

/* A request of ours that the node has not answered. */
struct ask {
	struct warren_conn *conn; /* NULL: nobody cares any more */
	uint8_t type;
	bool busy;
};

struct warren_app {
	int rfd, wfd; /* -1: not set up, or closed */
	int dead;     /* 0, or the errno of all that is tried from now on */
	bool ready;   /* Init was accepted */
	int fd;       /* warren_app_fd(), or -1 */
	int pipes;    /* watches the pipes for all pollable ones, or -1 */
	struct signal signal; /* what makes fd readable besides */
	bool out_polled;      /* pipes watches wfd too */
	uint8_t *in, *out;    /* LIB_IN_MAX and LIB_OUT_MAX bytes */
	size_t in_len, out_at, out_len;
	struct ask asks[PACKET_IDS];
	unsigned asks_busy;
	bool answering[PACKET_IDS + 1]; /* the node's ids that we owe */
	struct warren_conn *bucket[LIB_BUCKETS];
	struct warren_conn *last; /* the loop that was looked up last */
	struct conn_list conns, news, backlog, closing;
	unsigned n_backlog, n_stuck;
	/* Where the reader that waits wants its bytes, without a copy. */
	struct {
		struct warren_conn *conn; /* NULL: nobody waits */
		uint8_t *buf;
		size_t cap, len;
	} direct;
	char error[LIB_ERROR_MAX];
};

/* --- setup.c: getting at the pipes --- */

/* Are descriptors 3 and 4 the pipes of an app that its node launched? */
bool lib_was_launched(void);
/* Ask for two pipes at the socket path; -1 with errno, and why in text. */
int lib_ask_pipes(const char *path, int64_t deadline_ms, int fds[2],
    char text[LIB_ERROR_MAX]);

/* --- pump.c: bytes in and out --- */

/* Set up the buffers for two descriptors; -1 with errno. */
int lib_pipes_open(struct warren_app *app, int rfd, int wfd);
void lib_pipes_close(struct warren_app *app);

/*
 * Read once and serve what came, write what is due.  Returns 1 when something
 * came, 0 when nothing did, -1 with errno when the node is gone.
 */
int lib_pump(struct warren_app *app);
/* Write what is due, as far as the pipe takes it. */
void lib_flush(struct warren_app *app);
/*
 * Wait for the pipes until the deadline, then pump.  0 when something may have
 * changed, else -1 with errno.
 */
int lib_wait(struct warren_app *app, int64_t deadline_ms);

/* A timeout as a point in time; LIB_NOW and LIB_NEVER are what they say. */
#define LIB_NOW   0
#define LIB_NEVER (-1)
int64_t lib_deadline(int timeout_ms);
/* The deadline as a timeout for poll(2). */
int lib_timeout(int64_t deadline_ms);

/*
 * Where n bytes of packet can be written before lib_out_add() says how many
 * were; NULL when there is no room.  Only with spare may the last
 * LIB_OUT_SPARE bytes be used, which are kept for answers and Closes.
 */
uint8_t *lib_out_room(struct warren_app *app, size_t n, bool spare);
void lib_out_add(struct warren_app *app, size_t n);

/* The node is gone, for the reason err: everything fails from now on. */
void lib_die(struct warren_app *app, int err, const char *text);
void lib_set_error(struct warren_app *app, const char *text);

/* --- ask.c: our requests --- */

/* The node answered. */
void lib_answered(struct warren_app *app, const struct packet *p);
/* c is going: none of its requests may touch it again. */
void lib_forget(struct warren_app *app, const struct warren_conn *c);

/* False when there is no id or no room now. */
bool lib_send_init(struct warren_app *app, const char *name,
    const char *version);
bool lib_send_create(struct warren_conn *c);
bool lib_send_close(struct warren_conn *c);
bool lib_send_piece(struct warren_conn *c, const void *bytes, size_t len);
/* Send the Closes and CreateLoops that found no room, tell who is stuck. */
void lib_unstick(struct warren_app *app);

/* --- serve.c: the node's requests --- */

void lib_serve(struct warren_app *app, const struct packet *p);
/* Success when failure is NULL. */
void lib_answer(struct warren_app *app, uint8_t id, const char *failure);
/* Answer the Send of the first chunk, and drop that. */
void lib_chunk_done(struct warren_conn *c, const char *failure);

/* --- conn.c --- */

struct warren_conn *lib_conn_new(struct warren_app *app);
void lib_conn_free(struct warren_conn *c);
/* The loop is open: it can be found by its addresses. */
void lib_conn_open(struct warren_conn *c);
struct warren_conn *lib_conn_find(struct warren_app *app,
    const struct app_loop *l);
/* No longer open.  CONN_BROKEN takes the app's last error as the reason. */
void lib_conn_end(struct warren_conn *c, enum conn_state state, int err);
/* c is CONN_BROKEN: errno and the error in words say why.  Returns -1. */
int lib_broken(const struct warren_conn *c);
/* There is something to tell about c, or no longer. */
void lib_news(struct warren_conn *c);
void lib_forget_news(struct warren_conn *c);
/* The caller waits for news because of why. */
void lib_stick(struct warren_conn *c, enum conn_stuck why);
/* The end of a call, about c or NULL: what is due goes out, errno stays. */
void lib_leave(struct warren_app *app, struct warren_conn *c);

/* --- ready.c: descriptors for the caller's poll --- */

/* Bring what is signalled in line with what there is. */
void lib_ready_update_app(struct warren_app *app);
void lib_ready_update_conn(struct warren_conn *c);
/* The pipes are about to be closed, perhaps not by their last holder. */
void lib_ready_drop_pipes(struct warren_app *app);
void lib_ready_close_app(struct warren_app *app);
void lib_ready_close_conn(struct warren_conn *c);

/* --- poller_linux.c, poller_kqueue.c: what differs between systems --- */

/* A descriptor that is readable while one that it watches is ready, or -1. */
int poller_new(void);
int poller_watch(int poller, int fd, bool for_writing);
void poller_forget(int poller, int fd, bool for_writing);
int signal_new(struct signal *s);
void signal_free(struct signal *s);
void signal_set(struct signal *s, bool set);

#endif
