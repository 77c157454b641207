/* SPDX-License-Identifier: ISC */
/*
 * Requests for bodies, of apid and of warrenctl: taken in part by part,
 * handed out as a descriptor or in parts, fetched first if need be.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peerd/blocks.h"
#include "peerd/store/bodies.h"
#include "peerd/store/fetchers.h"
#include "peerd/store/placing.h"

#define UPLOAD_IDLE_MS 60000  /* then its place may be taken */
#define CTL_PART       131072 /* bytes of a body in one message */

/* A body on its way from apid or warrenctl. */
static struct upload {
	struct ipc *ch; /* NULL: free */
	uint32_t id;    /* of apid's request */
	uint64_t token; /* of warrenctl's, whose parts are requests each */
	uint32_t size, have;
	uint8_t *body;
	struct mono last; /* part that came */
} uploads[UPLOADS_MAX];
static uint64_t uploads_refused;

/* --- taking in --- */

static struct upload *
upload_of(const struct asker *a, uint64_t token)
{
	struct upload *u;

	for (u = uploads; u < uploads + UPLOADS_MAX; u++)
		if (u->ch == a->ch && u->token == token &&
		    u->id == (a->ctl ? 0 : a->id))
			return u;
	return NULL;
}

static void
upload_end(struct upload *u)
{
	free(u->body);
	memset(u, 0, sizeof(*u));
}

void
bodies_forget(const struct ipc *ch)
{
	struct upload *u;

	for (u = uploads; u < uploads + UPLOADS_MAX; u++)
		if (u->ch == ch)
			upload_end(u);
}

/* A free place; that of an upload nobody goes on with, if need be. */
static struct upload *
upload_slot(struct mono now)
{
	struct upload *u, *oldest = uploads;

	for (u = uploads; u < uploads + UPLOADS_MAX; u++) {
		if (u->ch == NULL)
			return u;
		if (mono_before(u->last, oldest->last))
			oldest = u;
	}
	if (mono_ms_between(oldest->last, now) < UPLOAD_IDLE_MS)
		return NULL;
	upload_end(oldest);
	return oldest;
}

static struct upload *
upload_begin(const struct asker *a, uint64_t token, uint32_t size)
{
	struct upload *u = upload_slot(mono_now());

	if (u == NULL || (u->body = malloc(size)) == NULL) {
		uploads_refused++;
		return NULL;
	}
	u->ch = a->ch;
	u->id = a->ctl ? 0 : a->id;
	u->token = token;
	u->size = size;
	return u;
}

static void
upload_done(const struct asker *a, struct upload *u)
{
	struct manifest m;
	struct msg_db_id out;
	enum sql_rc rc;

	blocks_manifest(&m, u->body, u->size);
	blocks_id(out.id, &m);
	if (!bodies_is_announced(out.id, NULL)) {
		api_fail(a, DB_F_BAD,
		    "no block record announces this body: put that first");
		return;
	}
	rc = bodies_keep(out.id, u->body, u->size);
	if (rc != SQL_OK) {
		api_fail(a, DB_F_DISK, sql_rc_name(rc));
		return;
	}
	(void)ipc_send(a->ch, a->ctl ? CTL_BLOCK_ID : DB_ID, a->id, &out);
	if (a->ctl)
		child_ctl_end(a->ch, a->id, 0, "%s", "");
}

/* One part; q's token is 0 for apid. */
static void
take_part(const struct asker *a, const struct msg_ctl_block_put *q)
{
	struct upload *u = upload_of(a, q->token);

	if (q->size == 0 || q->size > BLOCK_SIZE_MAX) {
		api_fail(a, DB_F_TOO_LARGE, "a block has 1 byte to 4 MiB");
		return;
	}
	if (u == NULL && q->off == 0 &&
	    (u = upload_begin(a, q->token, q->size)) == NULL) {
		api_fail(a, DB_F_BUSY, "too many bodies at a time");
		return;
	}
	if (u == NULL || q->size != u->size || q->off != u->have ||
	    q->data.len > u->size - u->have) {
		if (u != NULL)
			upload_end(u);
		api_fail(a, DB_F_BAD, "parts of a body out of order");
		return;
	}
	if (q->data.len > 0)
		memcpy(u->body + u->have, q->data.p, q->data.len);
	u->have += q->data.len;
	u->last = mono_now();
	if (u->have < u->size) {
		if (a->ctl)
			child_ctl_end(a->ch, a->id, 0, "%s", "");
		return;
	}
	upload_done(a, u);
	upload_end(u);
}

void
bodies_put_part(const struct asker *a, const struct msg_db_block_put *q)
{
	const struct msg_ctl_block_put part = { .size = q->size,
		.off = q->off,
		.data = { q->data.p, q->data.len } };

	take_part(a, &part);
}

void
bodies_ctl_put(const struct asker *a, const struct msg_ctl_block_put *q)
{
	take_part(a, q);
}

/* --- reading --- */

/* From off on, as much as one message holds. */
static void
answer_part(const struct asker *a, int fd, uint32_t size, uint32_t off)
{
	static uint8_t data[CTL_PART];
	struct msg_ctl_block_part out = { .size = size, .off = off };
	uint32_t left = off < size ? size - off : 0;
	ssize_t n = pread(fd, data, left < CTL_PART ? left : CTL_PART, off);

	(void)close(fd);
	if (n < 0 || (n == 0 && left > 0)) {
		api_fail(a, DB_F_DISK, "the body cannot be read");
		return;
	}
	out.data.p = data;
	out.data.len = (uint32_t)n;
	(void)ipc_send(a->ch, CTL_BLOCK_PART, a->id, &out);
	child_ctl_end(a->ch, a->id, 0, "%s", "");
}

/* False, and not answered, when it is not here. */
static bool
answer_held(const struct asker *a, const uint8_t id[32], uint32_t off)
{
	struct msg_db_block out;
	int fd;

	memcpy(out.id, id, 32);
	if ((fd = bodies_open(id, &out.size)) == -1)
		return false;
	if (!a->ctl || off == 0) {
		store.n.blocks_read++;
		warmth_read(id);
	}
	if (a->ctl)
		answer_part(a, fd, out.size, off);
	else
		(void)ipc_send_fd(a->ch, DB_BLOCK, a->id, &out, fd, -1);
	return true;
}

void
bodies_answer(const struct asker *a, const uint8_t id[32], uint32_t off)
{
	if (!answer_held(a, id, off))
		api_fail(a, DB_F_NOT_FOUND, "the block is not held here");
}

/* It is here, or can be; else say why not. */
static void
give(const struct asker *a, const uint8_t id[32], bool fetch, uint32_t off)
{
	if (answer_held(a, id, off))
		return;
	if (!fetch)
		api_fail(a, DB_F_NOT_FOUND, "the block is not held here");
	else if (!bodies_is_announced(id, NULL))
		api_fail(a, DB_F_NOT_FOUND, "no record announces this block");
	else if (!fetchers_wait(a, id, off))
		api_fail(a, DB_F_BUSY, "too many requests wait for blocks");
}

void
bodies_give(const struct asker *a, const struct msg_db_block_get *q)
{
	give(a, q->id, q->fetch, 0);
}

void
bodies_ctl_get(const struct asker *a, const struct msg_ctl_block_get *q)
{
	give(a, q->id, q->fetch, q->off);
}

static uint8_t
word_of(const uint8_t id[32], bool fetch)
{
	if (bodies_is_held(id))
		return 'h';
	if (fetchers_is_wanted(id))
		return 'f';
	if (!bodies_is_announced(id, NULL))
		return 'u';
	return fetch && fetchers_want(id, true) ? 'f' : 'm';
}

void
bodies_have(const struct asker *a, const struct msg_db_have *q)
{
	static uint8_t words[1000];
	struct msg_db_have_is out = { .words = { words, q->n_ids } };
	size_t i;

	for (i = 0; i < q->n_ids; i++)
		words[i] = word_of(q->ids[i].id, q->fetch);
	(void)ipc_send(a->ch, DB_HAVE_IS, a->id, &out);
}

void
uploads_limits(limit_emit emit, void *arg)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < UPLOADS_MAX; i++)
		n += uploads[i].ch != NULL;
	emit(arg, "bodies being handed over", n, UPLOADS_MAX, uploads_refused);
}
