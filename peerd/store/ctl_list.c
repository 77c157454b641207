/* SPDX-License-Identifier: ISC */
/*
 * Lists for warrenctl, a page at a time: block bodies held, and records by
 * which authors contradict themselves.
 */
#include <string.h>
#include <sysexits.h>

#include "peerd/store/bodies.h"

#define PAGE_BODIES   256
#define PAGE_EVIDENCE 16 /* two records each: a quarter of a megabyte */

/* How warm we said it is; frozen is not said. */
static int32_t
own_temperature(const uint8_t id[32])
{
	struct rec rec = { .kind = REC_TEMPERATURE, .subject_len = 32 };
	struct mtree_entry e;
	uint8_t key[32];

	memcpy(rec.subject, id, 32);
	memcpy(rec.author, store.node.id, 32);
	rec_key(key, &rec, store.charter.netid);
	return mtree_get(recstore_tree(store.rs), MTREE_CURRENT, key, &e) ? e.w
									  : 0;
}

static enum sql_rc
list_bodies(struct ipc *ch, uint32_t id, const struct msg_ctl_list *q)
{
	static struct sql_body rows[PAGE_BODIES];
	static struct msg_ctl_bodies out;
	enum sql_rc rc;
	size_t i, n;

	rc = sql_body_list(recstore_sql(store.rs), q->after == 0 ? NULL : q->id,
	    rows, PAGE_BODIES, &n);
	if (rc != SQL_OK)
		return rc;
	out.n_bodies = (uint16_t)n;
	out.more = n == PAGE_BODIES;
	for (i = 0; i < n; i++) {
		memcpy(out.bodies[i].id, rows[i].id, 32);
		out.bodies[i].size = rows[i].size;
		out.bodies[i].since = rows[i].since * 1000;
		out.bodies[i].last = rows[i].last * 1000;
		out.bodies[i].weight = own_temperature(rows[i].id);
	}
	(void)ipc_send(ch, CTL_BODIES, id, &out);
	return SQL_OK;
}

static enum sql_rc
list_evidence(struct ipc *ch, uint32_t id, const struct msg_ctl_list *q)
{
	struct msg_ctl_evidence out;
	struct sql_evidence e = { .id = q->after };
	enum sql_rc rc = SQL_OK;
	unsigned i;

	for (i = 0; i < PAGE_EVIDENCE && rc == SQL_OK; i++) {
		rc = sql_evidence_next(recstore_sql(store.rs), e.id, &e);
		if (rc != SQL_OK)
			break;
		out.at = e.id;
		memcpy(out.key, e.key, 32);
		memcpy(out.author, e.author, 32);
		out.hlc = e.hlc;
		out.seen = e.seen;
		out.a.p = e.a;
		out.a.len = (uint32_t)e.a_len;
		out.b.p = e.b;
		out.b.len = (uint32_t)e.b_len;
		(void)ipc_send(ch, CTL_EVIDENCE, id, &out);
	}
	return rc == SQL_NONE ? SQL_OK : rc;
}

void
ctl_list(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_ctl_list *q = m->body;
	enum sql_rc rc;

	if (store.rs == NULL) {
		child_ctl_end(ch, m->id, EX_IOERR, "database: %s",
		    store.problem);
		return;
	}
	rc = q->what == CTL_LIST_BODIES ? list_bodies(ch, m->id, q)
					: list_evidence(ch, m->id, q);
	child_ctl_end(ch, m->id, rc == SQL_OK ? 0 : EX_IOERR, "%s",
	    rc == SQL_OK ? "" : sql_rc_name(rc));
}
