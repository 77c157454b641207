/* SPDX-License-Identifier: ISC */
/*
 * The store: the process that owns the database.  It has files and no
 * network; what comes from there has passed peerd or apid.
 *
 *            settings, charter, signatures
 *   warrend ------------------------------> store --- warren.db, blocks/
 *           <------------------------------   |
 *            STORE_SIGN_*                     |
 *                                             |
 *   peerd   -- PS_RECORDS, PS_MESSAGE --------+
 *           <- PS_APPLIED, PS_FRESH, PS_ROOT -+
 *   apid    -- DB_PUT, DB_GET, DB_PROVE ... --+
 *           <- DB_PUT_DONE, DB_RECORDS ... ---+
 *
 *   store.c   main, timers, the disk's state     recstore.h  records and ticks
 *   writes.c  group commit: who waits for it     net.c       the way to peerd
 *   api.c     requests of apid                   own.c       records we author
 *   ctl.c     control requests                   state.c     what it looks like
 *   ctl_list.c   lists for it
 *   links.h   peers, sync                        bodies.h    block bodies
 *   placing.h which bodies are held here         fetchers.h  their way here
 *   backup.c  the database into an archive      inspect.c   a look at all rows
 *
 * Nothing is said of a write to anybody before it is committed.
 */
#ifndef WARREN_STORE_H
#define WARREN_STORE_H

#include <event2/event.h>

#include "common/child.h"
#include "common/msg_ctl.h"
#include "common/msg_db.h"
#include "common/msg_store.h"
#include "peerd/store/recstore.h"

#define STORE_FILE  "warren.db"
#define BLOCKS_DIR  "blocks"
#define APIDS_MAX   64
#define WRITES_MAX  4096 /* messages waiting for a commit */
#define COMMIT_PUTS 2000 /* so many puts do not wait for the timer */

/* Counters, by the name they have in stats. */
#define STORE_COUNTERS(X)                                                      \
	X(db_requests)                                                         \
	X(db_requests_failed)                                                  \
	X(sync_messages_in)                                                    \
	X(sync_messages_out)                                                   \
	X(sync_messages_refused)                                               \
	X(sync_sessions)                                                       \
	X(sync_cursors_asked)                                                  \
	X(sync_records_in)                                                     \
	X(sync_records_out)                                                    \
	X(blocks_read)                                                         \
	X(blocks_fetched)                                                      \
	X(blocks_not_fetched)                                                  \
	X(blocks_served)                                                       \
	X(chunks_served)                                                       \
	X(chunks_refused)                                                      \
	X(blocks_damaged)                                                      \
	X(blocks_dropped)

struct store {
	struct msg_store_config conf;
	struct msg_node node;
	struct charter charter;
	bool has_charter, has_node;
	struct recstore *rs;       /* NULL: the file could not be opened */
	char problem[128];         /* what is wrong with the disk, or empty */
	bool differs;              /* the tree is not what was written */
	struct msg_db_state state; /* as of the last tick */
	struct {
#define X(name) uint64_t name;
		STORE_COUNTERS(X)
#undef X
	} n;
};

extern struct store store;

/* --- store.c --- */

/* The disk refused, or took a write again (SQL_OK).  SQL_NONE, where there was
 * nothing to write, changes nothing. */
void store_disk(enum sql_rc rc, const char *what);
/* Log what was found to be damaged since the last time. */
void store_damage(void);

/* --- writes.c --- */

/* Who hears of the commit. */
enum write_kind { WRITE_NET, WRITE_API, WRITE_CTL, WRITE_OWN };

/* A message of records is taken in; its answer waits for the commit. */
void writes_take(enum write_kind kind, struct ipc *ch, uint32_t id,
    const struct msg_db_raw *records, size_t n, const uint8_t *if_rid);
void writes_commit(void); /* now */
void writes_forget(const struct ipc *ch);
size_t writes_waiting(void);
void writes_start(void);

/* --- net.c --- */

void net_open(int fd);
bool net_is_up(void);
/* Records written here are to be gossiped. */
void net_fresh(const struct msg_db_raw *records, size_t n);
/* False when the channel takes no more now. */
bool net_message(uint32_t link, const void *msg, size_t len);
void net_score(uint32_t link, uint8_t event);
/* A link to that node would be of use: ask peerd to dial it. */
void net_reach(const uint8_t id[32]);
void net_root(void);
/* Stop reading from peerd until there is room again. */
void net_hold(bool hold);
bool net_is_held(void);

/* --- api.c --- */

void api_open(unsigned index, int fd);
void api_state(void); /* tell all */

/* --- own.c --- */

/* While the clock is far off, nothing is said in this node's name. */
void own_clock(const struct msg_ps_clock *c);
bool own_is_stopped(int64_t *behind_ms);
void own_start(void);
void own_limits(limit_emit emit, void *arg);
void own_tick(void);
void own_signed(struct ipc *ch, const struct ipc_msg *m);
void own_failed(struct ipc *ch, const struct ipc_msg *m);
/* Say something in this node's name: signed, stored, gossiped.  False when it
 * cannot be now; the next tick finds what is to be said still. */
bool own_say(uint8_t kind, const uint8_t *subject, size_t subject_len,
    bool tombstone, int32_t w, const void *payload, size_t payload_len);
bool own_is_admitted(void);

/* --- inspect.c --- */

void inspect_start(void);

/* --- state.c --- */

void state_refresh(void); /* after a tick */

/* --- ctl.c --- */

void ctl_show_db(struct ipc *ch, const struct ipc_msg *m);
void ctl_db_check(struct ipc *ch, const struct ipc_msg *m);
void ctl_db_compact(struct ipc *ch, const struct ipc_msg *m);
void ctl_db_put(struct ipc *ch, const struct ipc_msg *m);
void ctl_db_get(struct ipc *ch, const struct ipc_msg *m);
void ctl_db_list(struct ipc *ch, const struct ipc_msg *m);
void ctl_db_prove(struct ipc *ch, const struct ipc_msg *m);
void ctl_block_put(struct ipc *ch, const struct ipc_msg *m);
void ctl_block_get(struct ipc *ch, const struct ipc_msg *m);
void ctl_status(struct ipc *ch, const struct ipc_msg *m);
void ctl_list(struct ipc *ch, const struct ipc_msg *m); /* ctl_list.c */
void ctl_backup(struct ipc *ch, const struct ipc_msg *m); /* backup.c */
void backup_start(void);
void ctl_start(void);
void ctl_tick(void); /* after a tick: look at the neighbours */

#endif
