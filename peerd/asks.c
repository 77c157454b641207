/* SPDX-License-Identifier: ISC */
/*
 * Questions to warrend and who waits for the answer.  Ids are minted here
 * and looked up here; an answer to a question nobody asked is dropped, and
 * the descriptor with it.
 */
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log.h"
#include "peerd/peerd.h"

enum ask_kind {
	ASK_FREE,
	ASK_NOISE,
	ASK_NODE,
	ASK_DIAL,
	ASK_RESOLVE,
	ASK_SAVE
};

static struct ask {
	uint32_t id;
	uint8_t kind;        /* enum ask_kind */
	struct dial_why why; /* ASK_DIAL */
	uint32_t target;     /* ASK_RESOLVE */
	uint8_t which;       /* ASK_SAVE */
} asks[ASKS_MAX];

static uint32_t next_id = 1;

static struct ask *
ask_new(enum ask_kind kind)
{
	size_t i;

	for (i = 0; i < ASKS_MAX; i++) {
		if (asks[i].kind != ASK_FREE)
			continue;
		memset(&asks[i], 0, sizeof(asks[i]));
		asks[i].kind = (uint8_t)kind;
		if (next_id == 0)
			next_id = 1;
		asks[i].id = next_id++;
		return &asks[i];
	}
	return NULL;
}

/* Take the question out of the table.  False when nobody asked. */
static bool
ask_take(uint32_t id, struct ask *out)
{
	size_t i;

	for (i = 0; i < ASKS_MAX; i++) {
		if (asks[i].kind == ASK_FREE || asks[i].id != id)
			continue;
		*out = asks[i];
		asks[i].kind = ASK_FREE;
		return true;
	}
	log_debug("warrend answered a question nobody asked: %u", id);
	return false;
}

/* --- asking --- */

void
asks_noise(const uint8_t pk[32], uint64_t not_before, uint64_t not_after)
{
	struct msg_peerd_sign_noise q = { .not_before = not_before,
		.not_after = not_after };
	struct ask *a = ask_new(ASK_NOISE);

	if (a == NULL) {
		peerd_noise_failed("too many questions");
		return;
	}
	memcpy(q.key, pk, 32);
	(void)ipc_send(child_parent(), PEERD_SIGN_NOISE, a->id, &q);
}

bool
asks_node(uint64_t hlc, bool leave, const void *payload, size_t len)
{
	struct msg_peerd_sign_node q = { .hlc = hlc,
		.leave = leave,
		.payload = { payload, (uint32_t)len } };
	struct ask *a = ask_new(ASK_NODE);

	if (a == NULL)
		return false;
	(void)ipc_send(child_parent(), PEERD_SIGN_NODE, a->id, &q);
	return true;
}

bool
asks_dial(const struct dial_why *why)
{
	struct msg_peerd_dial q = { .addr = why->addr,
		.timeout_ms = peerd.conf.dial_ms,
		.configured = why->configured };
	struct ask *a;

	/* Apps that look for many nodes leave places for our neighbours. */
	if (asks_dials() >= DIALS_MAX ||
	    (why->kind == DIAL_LOOP && asks_loop_dials() >= LOOP_DIALS_MAX) ||
	    (a = ask_new(ASK_DIAL)) == NULL)
		return false;
	if (q.timeout_ms == 0 || q.timeout_ms > 60000)
		q.timeout_ms = 60000;
	a->why = *why;
	peerd.n.dials++;
	(void)ipc_send(child_parent(), PEERD_DIAL, a->id, &q);
	return true;
}

bool
asks_resolve(uint32_t target, uint8_t kind, const char *name, uint16_t port)
{
	struct msg_peerd_resolve q = { .kind = kind,
		.port = port,
		.timeout_ms = 10000 };
	struct ask *a = ask_new(ASK_RESOLVE);

	if (a == NULL)
		return false;
	a->target = target;
	(void)strlcpy(q.name, name, sizeof(q.name));
	(void)ipc_send(child_parent(), PEERD_RESOLVE, a->id, &q);
	return true;
}

bool
asks_save(uint8_t which)
{
	struct msg_peerd_file q = { .which = which };
	struct ask *a = ask_new(ASK_SAVE);

	if (a == NULL)
		return false;
	a->which = which;
	(void)ipc_send(child_parent(), PEERD_SAVE, a->id, &q);
	return true;
}

unsigned
asks_dials(void)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < ASKS_MAX; i++)
		n += asks[i].kind == ASK_DIAL;
	return n;
}

unsigned
asks_loop_dials(void)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < ASKS_MAX; i++)
		n += asks[i].kind == ASK_DIAL && asks[i].why.kind == DIAL_LOOP;
	return n;
}

bool
asks_is_dialling(const struct naddr *addr, const uint8_t *id)
{
	size_t i;

	for (i = 0; i < ASKS_MAX; i++) {
		const struct dial_why *w = &asks[i].why;

		if (asks[i].kind != ASK_DIAL)
			continue;
		if (naddr_equal(&w->addr, addr) ||
		    (id != NULL && (w->has_id || w->has_key) &&
			memcmp(w->key, id, 32) == 0))
			return true;
	}
	return false;
}

/* --- answers --- */

void
asks_on_dialed(struct ipc *ch, const struct ipc_msg *m)
{
	struct ask a;

	(void)ch;
	if (ask_take(m->id, &a) && a.kind == ASK_DIAL)
		conn_dialled(m->fd[0], &a.why);
	else
		(void)close(m->fd[0]);
}

void
asks_on_failed(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_failed *f = m->body;
	struct ask a;

	(void)ch;
	if (!ask_take(m->id, &a))
		return;
	switch (a.kind) {
	case ASK_NOISE:
		peerd_noise_failed(f->error);
		break;
	case ASK_NODE:
		own_not_signed(f->error);
		break;
	case ASK_DIAL:
		peerd.n.dial_failures++;
		discover_result(&a.why, NULL, f->error);
		break;
	case ASK_RESOLVE:
		targets_failed(a.target, f->error);
		break;
	default:
		keep_result(a.which, f->error);
		break;
	}
}

void
asks_on_signed(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_signed *s = m->body;
	struct ask a;

	(void)ch;
	if (!ask_take(m->id, &a))
		return;
	if (a.kind == ASK_NOISE)
		peerd_noise_signed(s->sig);
	else if (a.kind == ASK_NODE)
		own_signed(s->sig);
}

void
asks_on_resolved(struct ipc *ch, const struct ipc_msg *m)
{
	struct ask a;

	(void)ch;
	if (ask_take(m->id, &a) && a.kind == ASK_RESOLVE)
		targets_resolved(a.target, m->body);
}

void
asks_on_save_fd(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_file *f = m->body;
	struct ask a;
	struct ask *again;

	(void)ch;
	if (!ask_take(m->id, &a) || a.kind != ASK_SAVE ||
	    (again = ask_new(ASK_SAVE)) == NULL) {
		(void)close(m->fd[0]);
		return;
	}
	again->which = a.which;
	if (!keep_save_fd(f->which, again->id, m->fd[0]))
		again->kind = ASK_FREE;
}

void
asks_on_saved(struct ipc *ch, const struct ipc_msg *m)
{
	struct ask a;

	(void)ch;
	if (ask_take(m->id, &a) && a.kind == ASK_SAVE)
		keep_result(a.which, NULL);
}
