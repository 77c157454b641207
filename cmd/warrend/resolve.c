/* SPDX-License-Identifier: ISC */
/*
 * Questions about names: from peerd, through here, to the resolver child.
 * Ids are minted anew on the way and looked up on the way back.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/warrend/operator.h"
#include "cmd/warrend/sockets.h"
#include "cmd/warrend/warrend.h"

#define ASKED_MAX 64

static struct asked {
	uint32_t id;    /* ours; 0: free */
	uint32_t their; /* peerd's */
	bool trusted;   /* an operator wrote the name */
} asked[ASKED_MAX];

static uint32_t next_id = 1;

static void
fail(uint32_t their, const char *error)
{
	struct proc *p = supervise_find(PROC_PEERD, 0);
	struct msg_peerd_failed f;

	if (p == NULL)
		return;
	(void)snprintf(f.error, sizeof(f.error), "%s", error);
	(void)ipc_send(p->ch, PEERD_FAILED, their, &f);
}

void
resolve_ask(struct ipc *ch, const struct ipc_msg *m)
{
	/* One that starts answers later: peerd may be the first of the two to
	 * be ready, and would ask again only after its pause. */
	struct proc *r = supervise_by_name("resolver");
	size_t i;

	(void)ch;
	if (r == NULL || !supervise_hears(r)) {
		fail(m->id, "resolver is restarting");
		return;
	}
	for (i = 0; i < ASKED_MAX; i++)
		if (asked[i].id == 0)
			break;
	if (i == ASKED_MAX) {
		fail(m->id, "too many questions at a time");
		return;
	}
	if (next_id == 0)
		next_id = 1;
	asked[i].id = next_id++;
	asked[i].their = m->id;
	asked[i].trusted = operator_knows_host(
	    ((const struct msg_peerd_resolve *)m->body)->name);
	(void)ipc_send(r->ch, RESOLVER_ASK, asked[i].id, m->body);
}

static bool
take(uint32_t id, uint32_t *their, bool *trusted)
{
	size_t i;

	for (i = 0; i < ASKED_MAX; i++) {
		if (id == 0 || asked[i].id != id)
			continue;
		*their = asked[i].their;
		*trusted = asked[i].trusted;
		asked[i].id = 0;
		return true;
	}
	return false;
}

void
resolve_answer(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_resolved *r = m->body;
	struct proc *p = supervise_find(PROC_PEERD, 0);
	uint32_t their;
	bool trusted;
	size_t i;

	(void)ch;
	if (!take(m->id, &their, &trusted))
		return;
	for (i = 0; trusted && i < r->n_addrs; i++)
		dial_operator_addr(&r->addrs[i].addr);
	if (p != NULL)
		(void)ipc_send(p->ch, PEERD_RESOLVED, their, m->body);
}

void
resolve_failed(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_failed *f = m->body;
	uint32_t their;
	bool trusted;

	(void)ch;
	if (take(m->id, &their, &trusted))
		fail(their, f->error);
}

void
resolve_lost(struct proc *p)
{
	size_t i;

	if (p->kind != PROC_RESOLVER && p->kind != PROC_PEERD)
		return;
	for (i = 0; i < ASKED_MAX; i++) {
		if (asked[i].id == 0)
			continue;
		asked[i].id = 0;
		if (p->kind == PROC_RESOLVER)
			fail(asked[i].their, "resolver died");
	}
}
