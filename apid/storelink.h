/* SPDX-License-Identifier: ISC */
/*
 * The way to the store: questions by number, answers to whoever asked.  A
 * question is answered exactly once: by the store, or with STORE_AWAY when
 * its channel ends or is replaced, or with STORE_LATE after ten seconds.
 * Nothing here blocks and nothing grows: the table is of one size, and a
 * store that reads slowly is asked no more until it caught up.
 * Tested in tests/regress/db_api_test.py.
 */
#ifndef WARREN_STORELINK_H
#define WARREN_STORELINK_H

#include "common/msg_db.h"

#define STORELINK_MAX     1024  /* questions open at a time */
#define STORELINK_MS      10000 /* until the asker is told it took too long */
#define STORELINK_UPLOADS 8     /* bodies on their way or waiting */

enum store_how {
	STORE_ANSWER, /* .type and .body */
	STORE_FAILED, /* the store said no: .code and .error */
	STORE_AWAY,
	STORE_LATE
};

struct store_answer {
	enum store_how how;
	uint16_t type;    /* DB_RECORDS, ... */
	const void *body; /* the struct of this type; lives for the call */
	int fd;           /* taken by whoever hears it; -1: none */
	uint8_t code;     /* enum db_fail */
	const char *error;
};

typedef void store_heard(void *ctx, const struct store_answer *a);

/* Once, in go(). */
void storelink_setup(void);

/* A channel to the store; what was asked over the last one is answered. */
void storelink_open(int fd);
bool storelink_is_open(void);

/*
 * Ask; heard() is called once, never from within.  False: the store is not
 * there or has too much to do, and heard() will not be called.
 */
bool storelink_ask(uint16_t type, const void *body, store_heard *heard,
    void *ctx);

/*
 * Hand a body over, in parts as the channel takes them; answered by DB_ID.
 * Takes body, which came from malloc(), even when it fails.
 */
bool storelink_upload(uint8_t *body, uint32_t size, store_heard *heard,
    void *ctx);

/* For limits and counters. */
size_t storelink_pending(void);
size_t storelink_uploads(void);
uint64_t storelink_refused(void);
uint64_t storelink_late(void);
uint64_t storelink_asked(void);

#endif
