/* SPDX-License-Identifier: ISC */
/*
 * The loops of all apps: takes their packets, checks that each speaks of its
 * own loops only, and passes bytes on, to another app of this node or through
 * peerd to another node.  warren-app(7) is what an app sees of it.
 *
 *	 app A                        mux                          app B
 *	  CreateLoop ----> end A (dialing)   end B (confirming) ----> ConfirmLoop
 *	  success <------- end A (open) <-----> end B (open) <------- success
 *	  Send ----------> A.tx ................ A.tx --------------> Send
 *	  success <------- when B answered  <------------------------ success
 *
 * A loop of two apps here is a pair of ends, each the other's other.  One to
 * another node is a single end with a stream: what the app sends goes out
 * within the credit peerd gave, what comes waits in rx within the window we
 * gave.  A Send is answered when the far app took it (here), or peerd did
 * (elsewhere); until then it counts against the app, which is not read while
 * it owes too much.  Unless somebody waits for its answers, that is: they lie
 * behind its Sends, and two apps that both owe too much to each other would
 * wait for ever.  Its ids bound what it can owe then.
 *
 * An end that its app closed lives on while bytes are on their way out.  In
 * this node they wait as long as the other app is there; for another node
 * until none has left for MUX_DRAIN_MS, and those of all such ends have a
 * limit, beyond which the one at rest for longest is dropped.  One whose far
 * side closed tells its app after the last byte.  The far side may use its
 * port again before that: the new loop is confirmed when the app has been told
 * of the old one's end, so that an address never means two loops.
 *
 * Pure; time and memory come from the caller.  Tested in
 * tests/unit/app_mux_test.c, fuzzed in tests/fuzz/app_mux_fuzz.c.
 */
#ifndef WARREN_MUX_H
#define WARREN_MUX_H

#include <sys/queue.h>
#include <sys/types.h>

#include "appd/app_json.h"
#include "appd/fifo.h"
#include "appd/packet.h"
#include "appd/ports.h"
#include "common/mono.h"
#include "common/msg_appd.h"

#define MUX_SLOTS    64         /* apps of the configuration */
#define MUX_TX_MAX   (1u << 20) /* bytes an app may have on their way, */
#define MUX_TX_IDS   (PACKET_IDS * APP_PAYLOAD_MAX) /* with any number of ids */
#define MUX_BACKLOG  64         /* loops an app has not confirmed yet */
#define MUX_DRAIN_MS 300000     /* a closed far loop waits for progress */
#define MUX_ANSWER   512        /* bytes of an answer at most */
#define MUX_OWED     (256 * MUX_ANSWER) /* of all answers owed to an app */
#define MUX_NONE     256                /* no id */
#define MUX_LEFT_MAX (64u << 20)        /* bytes left of closed far loops */
#define MUX_DIALS    8                  /* nodes an app dials at a time */

/* An app as warren.conf(5) has it. */
struct mux_entry {
	bool used;
	char name[33], version[33];
	uint16_t port; /* 0: none of its own */
	bool by_hand;  /* may come by the socket, */
	uint32_t uid;  /* as this user */
};

enum mux_state {
	END_FREE,
	END_DIALING,    /* its app waits for the loop */
	END_CONFIRMING, /* its app was asked whether it wants it */
	END_OPEN,
	END_CLOSED /* its app is done with it; bytes are on their way out */
};

struct mux_app;

/* One end of a loop. */
struct mux_end {
	struct mux_end *hash_next;   /* by port and remote address */
	struct mux_end *stream_next; /* by stream, or on the free list */
	TAILQ_ENTRY(mux_end) mine;   /* of its app */
	TAILQ_ENTRY(mux_end) timed;  /* confirming; closed and far, by since */
	TAILQ_ENTRY(mux_end) ask;    /* its app is to be asked something */
	TAILQ_ENTRY(mux_end) net;    /* bytes wait for peerd's channel */
	struct mux_app *app;         /* NULL once closed */
	struct mux_end *other;       /* in this node, else NULL */
	struct fifo tx, rx;
	struct app_addr remote;
	uint16_t port;
	uint8_t state;
	uint8_t id;               /* dialing: of the CreateLoop */
	uint8_t dial;             /* likewise, far: of its app's dials, + 1 */
	uint16_t asked;           /* id of what its app was asked, MUX_NONE */
	uint16_t owed, owed_last; /* Sends not answered yet, MUX_NONE */
	bool far;                 /* to another node */
	bool relayed;
	bool far_closed;              /* nothing comes any more */
	bool behind; /* another of its address is not over for its app */
	bool asking, netting, timing; /* on these lists */
	bool sending;                 /* its app has a Send to answer, */
	uint32_t sent;                /* of so many bytes */
	uint32_t tx_all, tx_done;     /* bytes taken from the app, passed on */
	uint32_t stream;              /* peerd's name for it, 0 none */
	uint32_t credit;              /* bytes peerd takes */
	uint32_t window;  /* bytes we let come before the app took them */
	uint32_t avail;   /* of it, what may come now */
	uint32_t due;     /* taken by the app, not granted yet */
	uint32_t grown;   /* taken since the window grew */
	uint64_t in, out; /* bytes to and from the app */
	struct mono since; /* when its state began; closed: when bytes left */
};
TAILQ_HEAD(mux_ends, mux_end);

/* What an app was asked and has not answered. */
struct mux_req {
	uint8_t kind;        /* enum packet_type */
	struct mux_end *end; /* NULL: nobody waits for the answer */
};

/* A node that an app dials. */
struct mux_dial {
	uint8_t pk[APP_PK_LEN];
	uint16_t n; /* loops to it; 0: free */
};

/* An app connected by its two pipes. */
struct mux_app {
	bool used;
	bool inited;
	bool dead;         /* nobody reads what it is answered */
	bool stalled;      /* owes too much: not read until that is passed on */
	uint8_t form;      /* enum app_form it speaks */
	uint16_t port;     /* its own, which it holds; 0: none.  A reload may
	                    * give its entry another */
	int slot;          /* in the configuration; -1: not known before Init */
	uint32_t instance; /* of a launch; 0: came by the socket */
	uint32_t pid, uid;
	struct mono since;
	struct mux_ends ends;
	struct mux_ends asks;
	uint32_t n_ends, n_confirming, windows, tx_bytes;
	struct mux_dial dials[MUX_DIALS];
	uint32_t ids[8]; /* a bit an id of ours that is under way */
	struct mux_req reqs[PACKET_IDS];
	bool busy[256];       /* an id of theirs that is not answered */
	bool failed[256];     /* it is to be answered with a failure */
	uint16_t next[256];   /* the Send after it on the same loop */
	uint32_t end_at[256]; /* where it ends in tx_all */
	uint64_t in, out;     /* bytes of payload */
	uint64_t refused;     /* requests answered with a failure */
};

struct mux_ops {
	void *ctx;
	/*
	 * need bytes of room in what is written to the app, NULL when too much
	 * waits there.  With must set it is an answer, for which MUX_OWED bytes
	 * beyond the limit are kept: never NULL.
	 */
	uint8_t *(*room)(void *ctx, unsigned app, size_t need, bool must);
	void (*wrote)(void *ctx, unsigned app, size_t n);
	/* mux_input() may take more of the app's bytes than it did. */
	void (*resume)(void *ctx, unsigned app);
	/* Toward peerd: the messages of msg_appd.h. */
	bool (*net_up)(void *ctx);
	bool (*net_full)(void *ctx);
	void (*open)(void *ctx, uint32_t stream, const struct app_addr *to,
	    uint16_t from, uint32_t window);
	void (*accept)(void *ctx, uint32_t stream, uint32_t window);
	void (*refuse)(void *ctx, uint32_t stream, const char *text);
	void (*data)(void *ctx, uint32_t stream, const uint8_t *p, size_t n);
	void (*grant)(void *ctx, uint32_t stream, uint32_t n);
	void (*close)(void *ctx, uint32_t stream, enum loop_end why);
};

struct mux_count {
	uint64_t packets;             /* from apps */
	uint64_t malformed;           /* no packet, or a body we cannot read */
	uint64_t foreign;             /* spoke of another app's port or loop */
	uint64_t opened;              /* loops */
	uint64_t refused;             /* loops that did not come about */
	uint64_t full;                /* of them, by a limit of ours */
	uint64_t bytes_in, bytes_out; /* payload from and to apps */
	uint64_t timeouts; /* confirmations that never came, bytes dropped */
	uint64_t cut;      /* closed loops, for want of room */
	uint64_t dials;    /* CreateLoops while too many nodes are dialled */
};

struct mux {
	struct mux_ops ops;
	struct fifo_mem mem;
	struct msg_appd_config conf;
	struct mux_entry entries[MUX_SLOTS];
	struct mux_app *apps;
	unsigned n_apps, apps_max;
	struct mux_end *ends, *spare;
	unsigned n_ends, ends_max;
	unsigned ends_used; /* those above were never touched */
	struct mux_end **by_addr, **by_stream; /* buckets, a power of two */
	uint32_t mask;
	uint8_t hash_key[16];
	struct mux_ends confirming, closed;
	uint32_t left; /* bytes that wait in those closed */
	struct mux_ends netline;
	uint32_t next_stream;
	struct ports *ports;
	struct mux_count count;
	uint8_t scratch[LOOP_DATA_MAX];
};

/*
 * Memory, all of it zero: apps[apps_max], ends[ends_max], the two tables of
 * buckets each, a power of two, and ports.  hash_key is random.
 */
struct mux_memory {
	struct mux_app *apps;
	unsigned apps_max;
	struct mux_end *ends;
	unsigned ends_max;
	struct mux_end **by_addr, **by_stream;
	unsigned buckets;
	struct ports *ports;
	struct fifo_mem chunks;
};

void mux_init(struct mux *m, const struct mux_memory *mem,
    const struct mux_ops *ops, const uint8_t hash_key[16]);

/* Limits; conns_max and loops_max are at most what there is memory for. */
void mux_configure(struct mux *m, const struct msg_appd_config *c);

/*
 * The app at a slot of the configuration, or none (NULL).  An app connected
 * under an entry that changed goes on until it ends: warrend ends those that
 * it launched, and the shell, before this, those that came by the socket.
 */
void mux_set_entry(struct mux *m, unsigned slot, const struct mux_entry *e);

/* Is the slot's entry as this one in all that an app was let in by? */
bool mux_is_entry(const struct mux *m, unsigned slot,
    const struct mux_entry *e);

/* May a process of this user come by the socket at all? */
bool mux_admits(const struct mux *m, uint32_t uid);

/*
 * Why there is no place for one more of this user by the socket, or NULL:
 * apps that only warrend launches keep theirs, and nobody has over half.
 */
const char *mux_no_place(const struct mux *m, uint32_t uid);

/*
 * An app has pipes now: slot -1 and instance 0 for one that came by the
 * socket.  Returns its number, or -1 when there are too many.
 */
int mux_attach(struct mux *m, int slot, uint32_t instance, uint32_t pid,
    uint32_t uid, struct mono now);

/*
 * Its process is gone, or does not read any more.  What it left behind may
 * still come by mux_input(), however much it owes by then; it gets no answers.
 */
void mux_parting(struct mux *m, unsigned app);

/* Its pipes are gone: the other ends hear Close, its ports are free. */
void mux_detach(struct mux *m, unsigned app, struct mono now);

/* The most nodes that any app dials now. */
unsigned mux_dials(const struct mux *m);

/* The number of the app of a launch, or -1. */
int mux_find_instance(const struct mux *m, uint32_t instance);

/*
 * Bytes from an app; payloads are decoded where they lie.  Returns how many
 * were used up: the rest come again with what follows them, or once
 * ops.resume() was called when whole packets were left.  -1: no packet can
 * begin like this, the connection has no meaning any more.
 */
ssize_t mux_input(struct mux *m, unsigned app, uint8_t *buf, size_t len,
    struct mono now);

/* What waited to be written to the app has become less. */
void mux_drained(struct mux *m, unsigned app);

/* --- from peerd --- */

void mux_net_opened(struct mux *m, uint32_t stream, bool relayed,
    struct mono now);
void mux_net_refused(struct mux *m, uint32_t stream, const char *text);
void mux_net_offer(struct mux *m, uint32_t stream, const struct app_addr *from,
    uint16_t port, bool relayed, struct mono now);
/* False when more came than we had granted: peerd has lost its mind. */
bool mux_net_data(struct mux *m, uint32_t stream, const uint8_t *p, size_t n);
void mux_net_grant(struct mux *m, uint32_t stream, uint32_t n, struct mono now);
void mux_net_closed(struct mux *m, uint32_t stream, enum loop_end why);
void mux_net_drained(struct mux *m, struct mono now);
/* The channel is gone, and every stream with it. */
void mux_net_lost(struct mux *m);

/* --- time --- */

/* When mux_tick() has work next; MONO_NEVER. */
struct mono mux_due(const struct mux *m);
void mux_tick(struct mux *m, struct mono now);

#endif
