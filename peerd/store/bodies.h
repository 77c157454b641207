/* SPDX-License-Identifier: ISC */
/*
 * Block bodies on this disk: blocks/ab/cdef..., one file each, named by their
 * content.  A body is written to a temporary file, fsynced, renamed, and its
 * directory fsynced, before its row in the database says that it is held.
 * Which blocks are to be held here is placing.h's business.
 *
 *   bodies.c    files and rows     bodyreq.c   requests for them
 *   bodyfile.h  one file, looked at
 */
#ifndef WARREN_STORE_BODIES_H
#define WARREN_STORE_BODIES_H

#include "peerd/store/api.h"

#define UPLOADS_MAX 8 /* bodies being handed over by apid at a time */

/* Part of a body from a client; the last part is answered by DB_ID. */
void bodies_put_part(const struct asker *a, const struct msg_db_block_put *q);

/* A descriptor to read it from: DB_BLOCK.  It may be fetched first. */
void bodies_give(const struct asker *a, const struct msg_db_block_get *q);

/* The same for warrenctl: CTL_BLOCK_ID, CTL_BLOCK_PART. */
void bodies_ctl_put(const struct asker *a, const struct msg_ctl_block_put *q);
void bodies_ctl_get(const struct asker *a, const struct msg_ctl_block_get *q);

/* What was waited for is here: answer, from off on for warrenctl. */
void bodies_answer(const struct asker *a, const uint8_t id[32], uint32_t off);

/* Which of these are here, which are on their way: DB_HAVE_IS. */
void bodies_have(const struct asker *a, const struct msg_db_have *q);

/* That channel is gone: forget what it had begun. */
void bodies_forget(const struct ipc *ch);
void uploads_limits(limit_emit emit, void *arg);

/*
 * Keep a whole body that hashes to id.  Durable when SQL_OK; SQL_FULL when
 * the disk or the configured limit says no.
 */
enum sql_rc bodies_keep(const uint8_t id[32], const void *body, uint32_t size);

/* A whole file is here already, without a row: give it one. */
enum sql_rc bodies_adopt(const uint8_t id[32], uint32_t size);

/* Bytes that may still be kept. */
uint64_t bodies_room(void);

/*
 * Open it for reading; -1 when it is not held.  *size is set.  A file that is
 * gone or of another size is care_lost().
 */
int bodies_open(const uint8_t id[32], uint32_t *size);
bool bodies_is_held(const uint8_t id[32]);
/* SQL_OK when it is held, SQL_NONE when it is not; else it cannot be told. */
enum sql_rc bodies_row(const uint8_t id[32]);
enum sql_rc bodies_drop(const uint8_t id[32]);

/* Does any record announce this block?  *size, when not NULL, is its w. */
bool bodies_is_announced(const uint8_t id[32], uint32_t *size);

/* Keys of records about a block begin with 16 bytes: kind and its hash. */
void bodies_prefix(uint8_t prefix[32], uint8_t kind, const uint8_t id[32]);

void bodies_state(struct msg_db_state *s);

#endif
