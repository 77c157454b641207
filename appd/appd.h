/* SPDX-License-Identifier: ISC */
/*
 * appd: loops between apps.  It holds the pipes of all apps, knows which loop
 * is whose, and hands what is for another node to peerd.
 *
 *      app   app   app             by hand: apps.sock
 *       |3,4  |3,4  |3,4                |
 *    +--v-----v-----v---- conns.c ------v-- door.c --+
 *    |             packets, both ways                |
 *    |   mux.c     loops, ports, who may what (pure) |
 *    |   net.c     loops to other nodes              |
 *    +------+----------------------------------+-----+
 *           | APPD_APP, APPD_PIPES+2 fds       | LOOP_OPEN, LOOP_DATA, ...
 *        warrend, which launches the apps    peerd
 *
 * Private to this process.
 */
#ifndef WARREN_APPD_H
#define WARREN_APPD_H

#include <event2/event.h>

#include "appd/mux.h"
#include "common/child.h"
#include "common/ipc.h"
#include "common/msg_ctl.h"

#define APPD_CONNS   256 /* most apps there can be memory for */
#define APPD_ENDS    16384
#define APPD_BUCKETS 8192

#define APPD_COUNTERS(X)                                                       \
	X(app_conns_refused)                                                   \
	X(app_conns_by_hand)                                                   \
	X(app_lost)

struct appd {
	struct mux mux;
	struct fifo_chunk *spare; /* chunks at rest */
	uint32_t chunks, chunks_spare, chunks_peak;
	struct {
#define X(name) uint64_t name;
		APPD_COUNTERS(X)
#undef X
	} n;
};

extern struct appd appd;

/* --- conns.c: the apps' pipes --- */

void conns_start(void); /* memory, before the sandbox */
/*
 * An app reads what we write to out, and writes what we read from in; both
 * descriptors are ours from now on.  Returns its number, or -1.
 */
int conns_add(int slot, uint32_t instance, uint32_t pid, uint32_t uid, int in,
    int out);
void conns_drop(unsigned app, const char *why);
/* Its process is gone: handle what it left in its pipe, then drop it. */
void conns_finish(unsigned app);
size_t conns_queued(void);

uint8_t *conns_room(void *ctx, unsigned app, size_t need, bool must);
void conns_wrote(void *ctx, unsigned app, size_t n);
void conns_resume(void *ctx, unsigned app);

/* --- door.c: apps started by hand --- */

void door_open(int fd);

/* --- net.c: the channel to peerd --- */

void net_open(int in, int out);
size_t net_queued(void);
extern const struct mux_ops net_ops; /* the part of peerd's */

/* --- show.c: control requests --- */

void show_apps(struct ipc *ch, const struct ipc_msg *m);
void show_loops(struct ipc *ch, const struct ipc_msg *m);

/* Something may be due sooner than the timer thinks. */
void appd_timer(void);

#endif
