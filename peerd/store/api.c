/* SPDX-License-Identifier: ISC */
/*
 * What apid asks: writes, reads, proofs.  warrenctl asks the same over the
 * control channel; an asker tells the two apart.
 */
#include "peerd/store/api.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/proof.h"
#include "peerd/store/bodies.h"
#include "peerd/store/fetchers.h"
#include "peerd/store/links.h"
#include "peerd/store/memo.h"

static struct ipc *apids[APIDS_MAX];

/* --- failing --- */

static int
exit_code_of(enum db_fail code)
{
	switch (code) {
	case DB_F_NOT_FOUND:
		return 1;
	case DB_F_BAD:
	case DB_F_TOO_LARGE:
		return EX_USAGE;
	case DB_F_DISK:
		return EX_IOERR;
	default:
		return EX_TEMPFAIL;
	}
}

void
api_fail(const struct asker *a, enum db_fail code, const char *text)
{
	struct msg_db_failed f = { .code = (uint8_t)code };

	store.n.db_requests_failed++;
	if (a->ctl) {
		child_ctl_end(a->ch, a->id, (uint8_t)exit_code_of(code), "%s",
		    text);
		return;
	}
	(void)snprintf(f.error, sizeof(f.error), "%s", text);
	(void)ipc_send(a->ch, DB_FAILED, a->id, &f);
}

/* False, and answered, when there is no database to ask. */
static bool
is_open(const struct asker *a)
{
	store.n.db_requests++;
	if (store.rs != NULL)
		return true;
	api_fail(a, DB_F_DISK, store.problem);
	return false;
}

static void
end(const struct asker *a)
{
	if (a->ctl)
		child_ctl_end(a->ch, a->id, 0, "%s", "");
}

/* --- records --- */

/* At most DB_PART_MAX bytes of records in one message. */
static struct msg_db_records part;
static struct recstore_rec recs[DB_BATCH_MAX];

static void
add_record(const struct recstore_rec *r)
{
	struct msg_db_record *out = &part.records[part.n_records++];

	out->raw.p = r->raw;
	out->raw.len = (uint32_t)r->raw_len;
	memcpy(out->key, r->key, 32);
	memcpy(out->rid, r->rid, 32);
	out->settled = r->settled;
}

static void
send_records(const struct asker *a)
{
	(void)ipc_send(a->ch, a->ctl ? CTL_DB_RECORDS : DB_RECORDS, a->id,
	    &part);
}

void
api_get(const struct asker *a, const struct msg_db_get *q)
{
	enum sql_rc rc;

	if (!is_open(a))
		return;
	rc = recstore_get(store.rs, q->key, q->settled, &recs[0]);
	if (rc == SQL_NONE || (rc == SQL_OK && recs[0].raw_len == 0)) {
		api_fail(a, DB_F_NOT_FOUND, "no such record");
		return;
	}
	if (rc != SQL_OK) {
		store_damage();
		api_fail(a, DB_F_DISK,
		    "the record is damaged on this node's disk");
		return;
	}
	part.n_records = 0;
	part.more = false;
	add_record(&recs[0]);
	send_records(a);
	end(a);
}

void
api_list(const struct asker *a, const struct msg_db_list *q)
{
	static uint8_t keys[DB_BATCH_MAX][32];
	size_t limit = q->limit == 0 ? DB_BATCH_MAX : q->limit;
	size_t n, i, bytes = 0;

	if (!is_open(a))
		return;
	n = recstore_keys(store.rs, q->prefix, q->bits,
	    q->has_after ? q->after : NULL, q->settled, keys, limit);
	part.n_records = 0;
	part.more = n == limit;
	for (i = 0; i < n; i++) {
		if (recstore_get(store.rs, keys[i], q->settled,
			&recs[part.n_records]) != SQL_OK)
			continue; /* noted as damaged where it is read */
		bytes += recs[part.n_records].raw_len;
		if (bytes > DB_PART_MAX) {
			part.more = true;
			break;
		}
		add_record(&recs[part.n_records]);
	}
	store_damage();
	send_records(a);
	end(a);
}

/* --- proofs --- */

static size_t
encode_claim(const struct recstore_root *r, uint8_t buf[CLAIM_MAX])
{
	struct wr w;

	if (!r->has_claim)
		return 0;
	wr_init(&w, buf, CLAIM_MAX);
	claim_encode(&w, &r->claim);
	return w.bad ? 0 : w.len;
}

static const struct recstore_root *
find_root(const struct asker *a, uint64_t tick)
{
	const struct recstore_root *r = recstore_root(store.rs, tick);

	if (r == NULL)
		api_fail(a, DB_F_NO_TICK,
		    tick != MSG_NULL64 && tick > recstore_tick(store.rs)
			? "that tick is not settled yet"
			: "that tick is not kept any more");
	return r;
}

void
api_prove(const struct asker *a, const struct msg_db_prove *q)
{
	static uint8_t proof[8192];
	uint8_t claim[CLAIM_MAX];
	const struct mtree *tree = recstore_tree(store.rs);
	const struct recstore_root *r;
	struct msg_db_proved out;
	struct tree_sum set;
	enum mtree_ver ver;
	struct wr w;

	if (!is_open(a) || (r = find_root(a, q->tick)) == NULL)
		return;
	if (!mtree_find_tick(tree, r->tick, &ver)) {
		api_fail(a, DB_F_NO_TICK,
		    "proofs are given for the last two ticks only");
		return;
	}
	wr_init(&w, proof, sizeof(proof));
	if (mtree_prove(tree, ver, q->prefix, q->bits, &w) != MTREE_OK) {
		api_fail(a, DB_F_TOO_LARGE, "the proof is too large");
		return;
	}
	mtree_sum(tree, ver, q->prefix, q->bits, &set);
	out.tick = r->tick;
	memcpy(out.root, r->root, 32);
	out.cnt = set.cnt;
	out.sum = set.sum;
	out.proof.p = proof;
	out.proof.len = (uint32_t)w.len;
	out.claim.p = claim;
	out.claim.len = (uint32_t)encode_claim(r, claim);
	(void)ipc_send(a->ch, a->ctl ? CTL_DB_PROVED : DB_PROVED, a->id, &out);
	end(a);
}

static void
on_claim_get(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_db_claim_get *q = m->body;
	const struct asker a = { ch, m->id, false };
	const struct recstore_root *r;
	uint8_t claim[CLAIM_MAX];
	struct msg_db_claim out;

	if (!is_open(&a) || (r = find_root(&a, q->tick)) == NULL)
		return;
	out.tick = r->tick;
	memcpy(out.root, r->root, 32);
	out.cnt = r->top.cnt;
	out.sum = r->top.sum;
	out.claim.p = claim;
	out.claim.len = (uint32_t)encode_claim(r, claim);
	(void)ipc_send(ch, DB_CLAIM, m->id, &out);
}

/* --- apid's messages --- */

static void
on_put(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_db_put *q = m->body;

	store.n.db_requests++;
	writes_take(WRITE_API, ch, m->id, q->records, q->n_records,
	    q->has_if ? q->if_rid : NULL);
}

static void
on_get(struct ipc *ch, const struct ipc_msg *m)
{
	api_get(&(const struct asker){ ch, m->id, false }, m->body);
}

static void
on_list(struct ipc *ch, const struct ipc_msg *m)
{
	api_list(&(const struct asker){ ch, m->id, false }, m->body);
}

static void
on_prove(struct ipc *ch, const struct ipc_msg *m)
{
	api_prove(&(const struct asker){ ch, m->id, false }, m->body);
}

static void
on_block_put(struct ipc *ch, const struct ipc_msg *m)
{
	const struct asker a = { ch, m->id, false };

	if (is_open(&a))
		bodies_put_part(&a, m->body);
}

static void
on_block_get(struct ipc *ch, const struct ipc_msg *m)
{
	const struct asker a = { ch, m->id, false };

	if (is_open(&a))
		bodies_give(&a, m->body);
}

static void
on_have(struct ipc *ch, const struct ipc_msg *m)
{
	const struct asker a = { ch, m->id, false };

	if (is_open(&a))
		bodies_have(&a, m->body);
}

static void
on_memo(struct ipc *ch, const struct ipc_msg *m)
{
	static struct memos memos;
	const struct msg_db_memo *q = m->body;
	const struct memo *e;
	struct msg_db_memo out = { .words = { NULL, 0 } };
	struct mono now = mono_now();

	memos_put(&memos, q->key, q->words.p, q->words.len, now);
	memcpy(out.key, q->key, 32);
	if ((e = memos_get(&memos, q->key, now)) != NULL) {
		out.words.p = e->words;
		out.words.len = e->n;
	}
	(void)ipc_send(ch, DB_MEMO, m->id, &out);
}

static const struct ipc_handler handlers[] = {
	{ DB_PUT, on_put },
	{ DB_GET, on_get },
	{ DB_LIST, on_list },
	{ DB_PROVE, on_prove },
	{ DB_CLAIM_GET, on_claim_get },
	{ DB_BLOCK_PUT, on_block_put },
	{ DB_BLOCK_GET, on_block_get },
	{ DB_HAVE, on_have },
	{ DB_MEMO, on_memo },
	{ 0, NULL },
};

static void
on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	size_t i;

	if (how != IPC_EOF)
		log_warn("channel to apid: %s", why);
	writes_forget(ch);
	bodies_forget(ch);
	fetchers_forget(ch);
	for (i = 0; i < APIDS_MAX; i++)
		if (apids[i] == ch) {
			apids[i] = NULL;
			child_channel_lost(PROC_APID, (unsigned)i);
		}
	ipc_free(ch);
}

static void
tell(struct ipc *ch)
{
	store.state.pending = store.rs == NULL ? 0 : recstore_pending(store.rs);
	memcpy(store.state.problem, store.problem, sizeof(store.state.problem));
	(void)ipc_send(ch, DB_STATE, 0, &store.state);
}

void
api_open(unsigned index, int fd)
{
	static struct msg_table tables[2];
	struct ipc_conf conf = { .name = "apid",
		.tables = tables,
		.handlers = handlers,
		.ended = on_ended,
		.upper = true };

	tables[0] = msgs_store_apid;
	if (apids[index] != NULL) {
		writes_forget(apids[index]);
		bodies_forget(apids[index]);
		fetchers_forget(apids[index]);
		ipc_free(apids[index]);
	}
	apids[index] = ipc_new(child_base(), fd, &conf);
	if (apids[index] == NULL)
		return;
	ipc_set_phase(apids[index], PH_RUN);
	tell(apids[index]);
}

void
api_state(void)
{
	size_t i;

	for (i = 0; i < APIDS_MAX; i++)
		if (apids[i] != NULL && !ipc_is_full(apids[i]))
			tell(apids[i]);
}
