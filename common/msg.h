/* SPDX-License-Identifier: ISC */
/*
 * Messages between processes, declared once.  A body is a list of fields; the
 * struct, the encoder, the strict decoder, the JSON form for people and the
 * round-trip test are all made from that list:
 *
 *	#define MSG_DIAL(F, T)               \
 *		F(T, ADDR, addr, 0, 0)       \
 *		F(T, U32, timeout_ms, 0, DIAL_TIMEOUT_MAX_MS)
 *	MSG_DECLARE(dial, MSG_DIAL)       in the header
 *	MSG_DEFINE(dial, MSG_DIAL)        in the .c file
 *
 * gives struct msg_dial and schema_dial.  A field is F(T, kind, name, arg,
 * max), where T is handed through to name the struct:
 *
 *	BOOL           bool
 *	TRI            int8_t -1 unknown (nil), 0 false, 1 true
 *	U8..U64        unsigned, 0..max; max 0 means the type's own range
 *	N64            uint64_t where MSG_NULL64 stands for "not known" (nil)
 *	I32 I64        signed, the type's own range
 *	STR   arg=cap  char[cap], at most cap - 1 printable bytes and a NUL
 *	BIN   arg=n    uint8_t[n], exactly n bytes
 *	BLOB  max      struct blob, borrowed bytes, at most max of them
 *	ADDR           struct naddr
 *	LIST  arg=item struct msg_<item>[max] and uint16_t n_<name>
 *
 * Bodies are arrays of fixed arity; a list is an array of arrays.
 */
#ifndef WARREN_MSG_H
#define WARREN_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/naddr.h"

#define MSG_NULL64 UINT64_MAX

struct blob {
	const uint8_t *p; /* borrowed: lives as long as the message */
	uint32_t len;
};

enum fld_kind {
	FLD_BOOL,
	FLD_TRI,
	FLD_UINT,
	FLD_N64,
	FLD_INT,
	FLD_STR,
	FLD_BIN,
	FLD_BLOB,
	FLD_ADDR,
	FLD_LIST
};

struct schema;

struct fld {
	const char *name;
	enum fld_kind kind;
	size_t off;  /* in the struct */
	size_t size; /* of an integer, a string's room, a bin's length */
	uint64_t max;
	const struct schema *item; /* FLD_LIST */
	size_t count_off;          /* FLD_LIST: where n_<name> lies */
};

struct schema {
	const char *name;
	const struct fld *flds;
	size_t n;
	size_t size; /* of the struct */
};

/* clang-format off */
#define MSG_T_BOOL(name, arg, max) bool name;
#define MSG_T_TRI(name, arg, max)  int8_t name;
#define MSG_T_U8(name, arg, max)   uint8_t name;
#define MSG_T_U16(name, arg, max)  uint16_t name;
#define MSG_T_U32(name, arg, max)  uint32_t name;
#define MSG_T_U64(name, arg, max)  uint64_t name;
#define MSG_T_N64(name, arg, max)  uint64_t name;
#define MSG_T_I32(name, arg, max)  int32_t name;
#define MSG_T_I64(name, arg, max)  int64_t name;
#define MSG_T_STR(name, arg, max)  char name[arg];
#define MSG_T_BIN(name, arg, max)  uint8_t name[arg];
#define MSG_T_BLOB(name, arg, max) struct blob name;
#define MSG_T_ADDR(name, arg, max) struct naddr name;
#define MSG_T_LIST(name, arg, max) struct msg_##arg name[max]; uint16_t n_##name;
#define MSG_MEMBER(T, kind, name, arg, max) MSG_T_##kind(name, arg, max)
#define MSG_FIELD(T, kind, name, arg, max)  MSG_F_##kind(T, name, arg, max)

#define MSG_F(k, T, name, sz, max_, item_, coff) \
	{ #name, k, offsetof(T, name), sz, max_, item_, coff },
#define MSG_F_BOOL(T, name, arg, max) MSG_F(FLD_BOOL, T, name, 1, 1, NULL, 0)
#define MSG_F_TRI(T, name, arg, max)  MSG_F(FLD_TRI, T, name, 1, 1, NULL, 0)
#define MSG_F_U8(T, name, arg, max)   MSG_F(FLD_UINT, T, name, 1, (max) ? (max) : UINT8_MAX, NULL, 0)
#define MSG_F_U16(T, name, arg, max)  MSG_F(FLD_UINT, T, name, 2, (max) ? (max) : UINT16_MAX, NULL, 0)
#define MSG_F_U32(T, name, arg, max)  MSG_F(FLD_UINT, T, name, 4, (max) ? (max) : UINT32_MAX, NULL, 0)
#define MSG_F_U64(T, name, arg, max)  MSG_F(FLD_UINT, T, name, 8, (max) ? (max) : UINT64_MAX, NULL, 0)
#define MSG_F_N64(T, name, arg, max)  MSG_F(FLD_N64, T, name, 8, UINT64_MAX, NULL, 0)
#define MSG_F_I32(T, name, arg, max)  MSG_F(FLD_INT, T, name, 4, 0, NULL, 0)
#define MSG_F_I64(T, name, arg, max)  MSG_F(FLD_INT, T, name, 8, 0, NULL, 0)
#define MSG_F_STR(T, name, arg, max)  MSG_F(FLD_STR, T, name, arg, 0, NULL, 0)
#define MSG_F_BIN(T, name, arg, max)  MSG_F(FLD_BIN, T, name, arg, 0, NULL, 0)
#define MSG_F_BLOB(T, name, arg, max) MSG_F(FLD_BLOB, T, name, 0, max, NULL, 0)
#define MSG_F_ADDR(T, name, arg, max) MSG_F(FLD_ADDR, T, name, 0, 0, NULL, 0)
#define MSG_F_LIST(T, name, arg, max) MSG_F(FLD_LIST, T, name, 0, max, &schema_##arg, offsetof(T, n_##name))
/* clang-format on */

#define MSG_DECLARE(id, FIELDS)                                                \
	struct msg_##id {                                                      \
		FIELDS(MSG_MEMBER, 0)                                          \
	};                                                                     \
	extern const struct schema schema_##id;

#define MSG_DEFINE(id, FIELDS)                                                 \
	static const struct fld flds_##id[] = { FIELDS(                        \
	    MSG_FIELD, struct msg_##id) };                                     \
	const struct schema schema_##id = { #id, flds_##id,                    \
		sizeof(flds_##id) / sizeof(flds_##id[0]),                      \
		sizeof(struct msg_##id) };

/* A body without fields: an empty array. */
extern const struct schema schema_none;

/*
 * Messages of a channel.  DOWN goes from the channel's upper end (the parent,
 * a control client, or the first-named sibling) to the lower one.
 */
enum msg_dir { MSG_DOWN = 1, MSG_UP = 2, MSG_BOTH = 3 };
enum msg_phase { PH_START = 1, PH_RUN = 2, PH_ANY = 3 };
enum msg_fds { FD_NONE = 0, FD_ONE = 1, FD_TWO = 2 };

struct msg_def {
	uint16_t type;
	const char *name;
	enum msg_dir dir;
	enum msg_phase phase;
	enum msg_fds fds;
	const struct schema *body;
};

/* X(NAME, number, direction, phase, fds, body) makes both of these. */
#define MSG_ENUM(NAME, num, dir, ph, fd, body) NAME = num,
#define MSG_DEF(NAME, num, dir, ph, fd, body)                                  \
	{ num, #NAME, dir, ph, fd, &schema_##body },

/* A channel's messages: one or more tables, ended by { NULL, 0 }. */
struct msg_table {
	const struct msg_def *defs;
	size_t n;
};

/* The definition of a type, or NULL. */
const struct msg_def *msg_find(const struct msg_table *tables, uint16_t type);

/*
 * Append one framed message (length, then [type, id, body]) to w.  body is
 * the struct that def->body describes, NULL for schema_none.  Values out of
 * their range are our own mistake: ASSERT.
 */
void msg_put(struct wr *w, const struct msg_def *def, uint32_t id,
    const void *body);

/* Encode a body alone. */
void msg_put_body(struct wr *w, const struct schema *s, const void *body);

/* An upper bound of what msg_put() will write for this body. */
size_t msg_size(const struct schema *s, const void *body);

#define MSG_LEN_MAX   (1u << 20) /* of one message, without its length */
#define MSG_DEPTH_MAX 8

/*
 * Decode one message of len bytes (without the length in front).  Finds the
 * type in tables, fills *id and the struct at body (room of body_cap bytes,
 * aligned for any type).  Blobs point into buf.  Returns the definition, or
 * NULL with *why naming what was wrong.
 */
const struct msg_def *msg_get(const struct msg_table *tables, const void *buf,
    size_t len, uint32_t *id, void *body, size_t body_cap, const char **why);

/* Integers of 1, 2, 4 or 8 bytes (signed: 4 or 8), wherever they lie. */
uint64_t msg_load_uint(const void *at, size_t size);
int64_t msg_load_int(const void *at, size_t size);
void msg_store_uint(void *at, size_t size, uint64_t v);

/* The largest struct that any body of these tables needs. */
size_t msg_body_max(const struct msg_table *tables);

#endif
