/* SPDX-License-Identifier: ISC */
/*
 * Encoding and strict decoding of messages by their schema.  Packing goes
 * through msgpack-c's packer; unpacking through msgpack-c too, but only after
 * mp_scan() has looked the bytes through, because msgpack-c believes the
 * lengths it reads (six bytes can make it reserve a gigabyte).  Bodies of
 * numbers and blobs alone, which carry what apps send, go past it.
 * Tested in tests/unit/msg_test.c and fuzzed in tests/fuzz/msg_fuzz.c.
 */
#include "common/msg.h"

#include <msgpack.h>
#include <string.h>

#include "common/assert.h"
#include "common/mp.h"

const struct schema schema_none = { "none", NULL, 0, 0 };

const struct msg_def *
msg_find(const struct msg_table *tables, uint16_t type)
{
	size_t i;

	for (; tables->defs != NULL; tables++)
		for (i = 0; i < tables->n; i++)
			if (tables->defs[i].type == type)
				return &tables->defs[i];
	return NULL;
}

size_t
msg_body_max(const struct msg_table *tables)
{
	size_t i, max = 0;

	for (; tables->defs != NULL; tables++)
		for (i = 0; i < tables->n; i++)
			if (tables->defs[i].body->size > max)
				max = tables->defs[i].body->size;
	return max;
}

uint64_t
msg_load_uint(const void *at, size_t size)
{
	uint8_t v8;
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	switch (size) {
	case 1:
		memcpy(&v8, at, 1);
		return v8;
	case 2:
		memcpy(&v16, at, 2);
		return v16;
	case 4:
		memcpy(&v32, at, 4);
		return v32;
	default:
		memcpy(&v64, at, 8);
		return v64;
	}
}

void
msg_store_uint(void *at, size_t size, uint64_t v)
{
	uint8_t v8 = (uint8_t)v;
	uint16_t v16 = (uint16_t)v;
	uint32_t v32 = (uint32_t)v;

	switch (size) {
	case 1:
		memcpy(at, &v8, 1);
		break;
	case 2:
		memcpy(at, &v16, 2);
		break;
	case 4:
		memcpy(at, &v32, 4);
		break;
	default:
		memcpy(at, &v, 8);
		break;
	}
}

int64_t
msg_load_int(const void *at, size_t size)
{
	int32_t v32;
	int64_t v64;

	if (size == 4) {
		memcpy(&v32, at, 4);
		return v32;
	}
	memcpy(&v64, at, 8);
	return v64;
}

static void
put_nil(struct wr *w)
{
	wr_u8(w, 0xc0);
}

static void
put_bool(struct wr *w, bool v)
{
	wr_u8(w, v ? 0xc3 : 0xc2);
}

static void
put_addr(struct wr *w, const struct naddr *a)
{
	mp_wr_array(w, 2);
	mp_wr_bin(w, a->ip, naddr_ip_len(a));
	mp_wr_uint(w, a->port);
}

static void
put_blob(struct wr *w, const struct fld *f, const void *at)
{
	struct blob b;

	memcpy(&b, at, sizeof(b));
	ASSERT(b.len <= f->max);
	mp_wr_bin(w, b.p, b.len);
}

static void put_fld(struct wr *w, const struct fld *f, const uint8_t *body);

static void
put_list(struct wr *w, const struct fld *f, const uint8_t *body)
{
	const uint8_t *at = body + f->off;
	uint16_t i, n;

	memcpy(&n, body + f->count_off, sizeof(n));
	ASSERT(n <= f->max);
	mp_wr_array(w, n);
	for (i = 0; i < n; i++)
		msg_put_body(w, f->item, at + (size_t)i * f->item->size);
}

static void
put_fld(struct wr *w, const struct fld *f, const uint8_t *body)
{
	const uint8_t *at = body + f->off;
	struct naddr addr;
	uint64_t u;
	bool b;

	switch (f->kind) {
	case FLD_BOOL:
		memcpy(&b, at, sizeof(b));
		put_bool(w, b);
		break;
	case FLD_TRI:
		if ((int8_t)*at < 0)
			put_nil(w);
		else
			put_bool(w, *at != 0);
		break;
	case FLD_UINT:
		u = msg_load_uint(at, f->size);
		ASSERT(u <= f->max);
		mp_wr_uint(w, u);
		break;
	case FLD_N64:
		u = msg_load_uint(at, 8);
		if (u == MSG_NULL64)
			put_nil(w);
		else
			mp_wr_uint(w, u);
		break;
	case FLD_INT:
		mp_wr_int(w, msg_load_int(at, f->size));
		break;
	case FLD_STR:
		ASSERT(memchr(at, '\0', f->size) != NULL);
		mp_wr_str(w, (const char *)at);
		break;
	case FLD_BIN:
		mp_wr_bin(w, at, f->size);
		break;
	case FLD_BLOB:
		put_blob(w, f, at);
		break;
	case FLD_ADDR:
		memcpy(&addr, at, sizeof(addr));
		put_addr(w, &addr);
		break;
	case FLD_LIST:
		put_list(w, f, body);
		break;
	}
}

void
msg_put_body(struct wr *w, const struct schema *s, const void *body)
{
	size_t i;

	mp_wr_array(w, (uint32_t)s->n);
	for (i = 0; i < s->n; i++)
		put_fld(w, &s->flds[i], body);
}

void
msg_put(struct wr *w, const struct msg_def *def, uint32_t id, const void *body)
{
	size_t start = w->len;
	uint8_t *len = wr_room(w, 4);

	mp_wr_array(w, 3);
	mp_wr_uint(w, def->type);
	mp_wr_uint(w, id);
	msg_put_body(w, def->body, body);
	if (len != NULL && !w->bad)
		put_u32(len, (uint32_t)(w->len - start - 4));
}

static size_t
fld_size(const struct fld *f, const uint8_t *body)
{
	const uint8_t *at = body + f->off;
	struct blob b;
	uint16_t i, n;
	size_t sum;

	switch (f->kind) {
	case FLD_STR:
	case FLD_BIN:
		return f->size + 3;
	case FLD_BLOB:
		memcpy(&b, at, sizeof(b));
		return (size_t)b.len + 5;
	case FLD_ADDR:
		return 24;
	case FLD_LIST:
		memcpy(&n, body + f->count_off, sizeof(n));
		for (sum = 5, i = 0; i < n; i++)
			sum += msg_size(
			    f->item, at + (size_t)i * f->item->size);
		return sum;
	default:
		return 9;
	}
}

size_t
msg_size(const struct schema *s, const void *body)
{
	size_t i, sum = 24; /* length, array headers, type and id */

	for (i = 0; i < s->n; i++)
		sum += fld_size(&s->flds[i], body);
	return sum;
}

/* Decoding: each returns false when the object is not what f says. */

static bool
get_uint(const msgpack_object *o, uint64_t max, uint64_t *v)
{
	if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || o->via.u64 > max)
		return false;
	*v = o->via.u64;
	return true;
}

static bool
get_int(const msgpack_object *o, const struct fld *f, uint8_t *at)
{
	int64_t v;
	int32_t v32;

	if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
		if (o->via.u64 > INT64_MAX)
			return false;
		v = (int64_t)o->via.u64;
	} else if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
		v = o->via.i64;
	} else {
		return false;
	}
	if (f->size == 8) {
		memcpy(at, &v, 8);
		return true;
	}
	if (v < INT32_MIN || v > INT32_MAX)
		return false;
	v32 = (int32_t)v;
	memcpy(at, &v32, 4);
	return true;
}

static bool
get_str(const msgpack_object *o, const struct fld *f, uint8_t *at)
{
	uint32_t i;

	if (o->type != MSGPACK_OBJECT_STR || o->via.str.size >= f->size)
		return false;
	for (i = 0; i < o->via.str.size; i++)
		if ((uint8_t)o->via.str.ptr[i] < 0x20 ||
		    o->via.str.ptr[i] == 0x7f)
			return false;
	if (o->via.str.size > 0) /* ptr may be NULL otherwise */
		memcpy(at, o->via.str.ptr, o->via.str.size);
	at[o->via.str.size] = '\0';
	return true;
}

static bool
get_addr(const msgpack_object *o, uint8_t *at)
{
	struct naddr a = { 0 };
	const msgpack_object *ip, *port;
	uint64_t v;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != 2)
		return false;
	ip = &o->via.array.ptr[0];
	port = &o->via.array.ptr[1];
	if (ip->type != MSGPACK_OBJECT_BIN || !get_uint(port, UINT16_MAX, &v))
		return false;
	if (ip->via.bin.size == 4)
		a.fam = NADDR_V4;
	else if (ip->via.bin.size == 16)
		a.fam = NADDR_V6;
	else if (ip->via.bin.size != 0)
		return false;
	if (ip->via.bin.size > 0)
		memcpy(a.ip, ip->via.bin.ptr, ip->via.bin.size);
	a.port = (uint16_t)v;
	memcpy(at, &a, sizeof(a));
	return true;
}

static bool
get_bytes(const msgpack_object *o, const struct fld *f, uint8_t *at)
{
	struct blob b;

	if (o->type != MSGPACK_OBJECT_BIN)
		return false;
	if (f->kind == FLD_BIN) {
		if (o->via.bin.size != f->size)
			return false;
		memcpy(at, o->via.bin.ptr, f->size);
		return true;
	}
	if (o->via.bin.size > f->max)
		return false;
	b.p = (const uint8_t *)o->via.bin.ptr;
	b.len = o->via.bin.size;
	memcpy(at, &b, sizeof(b));
	return true;
}

static bool get_body(
    const msgpack_object *o, const struct schema *s, uint8_t *body);

static bool
get_list(const msgpack_object *o, const struct fld *f, uint8_t *body)
{
	uint16_t n;
	uint32_t i;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size > f->max)
		return false;
	for (i = 0; i < o->via.array.size; i++)
		if (!get_body(&o->via.array.ptr[i], f->item,
			body + f->off + i * f->item->size))
			return false;
	n = (uint16_t)o->via.array.size;
	memcpy(body + f->count_off, &n, sizeof(n));
	return true;
}

static bool
get_fld(const msgpack_object *o, const struct fld *f, uint8_t *body)
{
	uint8_t *at = body + f->off;
	uint64_t v;

	switch (f->kind) {
	case FLD_BOOL:
		if (o->type != MSGPACK_OBJECT_BOOLEAN)
			return false;
		memcpy(at, &o->via.boolean, sizeof(bool));
		return true;
	case FLD_TRI:
		if (o->type == MSGPACK_OBJECT_NIL)
			*at = (uint8_t)-1;
		else if (o->type == MSGPACK_OBJECT_BOOLEAN)
			*at = o->via.boolean;
		else
			return false;
		return true;
	case FLD_N64:
		v = MSG_NULL64;
		if (o->type != MSGPACK_OBJECT_NIL &&
		    !get_uint(o, MSG_NULL64 - 1, &v))
			return false;
		msg_store_uint(at, 8, v);
		return true;
	case FLD_UINT:
		if (!get_uint(o, f->max, &v))
			return false;
		msg_store_uint(at, f->size, v);
		return true;
	case FLD_INT:
		return get_int(o, f, at);
	case FLD_STR:
		return get_str(o, f, at);
	case FLD_BIN:
	case FLD_BLOB:
		return get_bytes(o, f, at);
	case FLD_ADDR:
		return get_addr(o, at);
	case FLD_LIST:
		return get_list(o, f, body);
	}
	return false;
}

static bool
get_body(const msgpack_object *o, const struct schema *s, uint8_t *body)
{
	size_t i;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != s->n)
		return false;
	memset(body, 0, s->size);
	for (i = 0; i < s->n; i++)
		if (!get_fld(&o->via.array.ptr[i], &s->flds[i], body))
			return false;
	return true;
}

static const struct msg_def *
get_message(const struct msg_table *tables, const msgpack_object *o,
    uint32_t *id, void *body, size_t body_cap, const char **why)
{
	const struct msg_def *def;
	uint64_t type, v;

	*why = "not [type, id, body]";
	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != 3 ||
	    !get_uint(&o->via.array.ptr[0], UINT16_MAX, &type) ||
	    !get_uint(&o->via.array.ptr[1], UINT32_MAX, &v))
		return NULL;
	*id = (uint32_t)v;
	*why = "unknown type";
	if ((def = msg_find(tables, (uint16_t)type)) == NULL)
		return NULL;
	ASSERT(def->body->size <= body_cap);
	*why = "malformed body";
	return get_body(&o->via.array.ptr[2], def->body, body) ? def : NULL;
}

/* Numbers and blobs, nothing else? */
static bool
is_plain(const struct schema *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->flds[i].kind != FLD_UINT && s->flds[i].kind != FLD_BLOB)
			return false;
	return s->n > 0;
}

/* The body of such a message.  False when it is not in its short form. */
static bool
get_plain_body(struct rd *r, const struct schema *s, uint8_t *body)
{
	const struct fld *f;
	struct blob b;
	size_t len;

	mp_rd_arity(r, (uint32_t)s->n);
	memset(body, 0, s->size);
	for (f = s->flds; f < s->flds + s->n && !r->bad; f++) {
		if (f->kind == FLD_UINT) {
			msg_store_uint(body + f->off, f->size,
			    mp_rd_uint(r, f->max));
			continue;
		}
		b.p = mp_rd_bin(r, 0, f->max, &len);
		b.len = (uint32_t)len;
		memcpy(body + f->off, &b, sizeof(b));
	}
	return rd_done(r);
}

/*
 * What carries bulk is of numbers and blobs alone, and written by msg_put():
 * that is read straight down, without a tree of objects.  NULL for all else,
 * which the long way reads or finds wrong.
 */
static const struct msg_def *
get_plain(const struct msg_table *tables, const void *buf, size_t len,
    uint32_t *id, void *body, size_t body_cap)
{
	const struct msg_def *def;
	struct rd r;
	uint16_t type;

	rd_init(&r, buf, len);
	mp_rd_arity(&r, 3);
	type = (uint16_t)mp_rd_uint(&r, UINT16_MAX);
	*id = (uint32_t)mp_rd_uint(&r, UINT32_MAX);
	if (r.bad || (def = msg_find(tables, type)) == NULL ||
	    !is_plain(def->body))
		return NULL;
	ASSERT(def->body->size <= body_cap);
	return get_plain_body(&r, def->body, body) ? def : NULL;
}

const struct msg_def *
msg_get(const struct msg_table *tables, const void *buf, size_t len,
    uint32_t *id, void *body, size_t body_cap, const char **why)
{
	const struct msg_def *def;
	msgpack_zone zone;
	msgpack_object o;
	size_t off = 0;

	*why = "not one msgpack object";
	if (len > MSG_LEN_MAX)
		return NULL;
	def = get_plain(tables, buf, len, id, body, body_cap);
	if (def != NULL || !mp_scan(buf, len, MSG_DEPTH_MAX))
		return def;
	if (!msgpack_zone_init(&zone, 2048)) {
		*why = "out of memory";
		return NULL;
	}
	if (msgpack_unpack(buf, len, &off, &zone, &o) == MSGPACK_UNPACK_SUCCESS)
		def = get_message(tables, &o, id, body, body_cap, why);
	msgpack_zone_destroy(&zone);
	return def;
}
