/* SPDX-License-Identifier: ISC */
/*
 * Group commit.  Messages of records are put one after the other into one
 * transaction; a few milliseconds after the first, or when many have come
 * together, it is committed, and only then does anybody hear of it.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "peerd/store/links.h"
#include "peerd/store/store.h"

/* One message that waits. */
struct write {
	enum write_kind kind;
	struct ipc *ch; /* NULL: whoever asked is gone */
	uint32_t id;
	size_t n;
	struct msg_db_verdict *verdicts;
	/* Raw records that are new and were written here: to be gossiped. */
	uint8_t *raw;
	size_t raw_len;
	uint16_t raw_lens[DB_BATCH_MAX];
};

static struct write *waiting;
static size_t n_waiting, n_puts;
static struct event *timer;
static bool armed;

size_t
writes_waiting(void)
{
	return n_waiting;
}

static void
answer_net(struct write *w)
{
	uint8_t verdicts[DB_BATCH_MAX];
	struct msg_ps_applied a = { .verdicts = { verdicts, (uint32_t)w->n } };
	size_t i;

	for (i = 0; i < w->n; i++)
		verdicts[i] = w->verdicts[i].verdict;
	(void)ipc_send(w->ch, PS_APPLIED, w->id, &a);
}

static void
answer_api(struct write *w)
{
	static struct msg_db_put_done d;

	d.n_verdicts = (uint16_t)w->n;
	memcpy(d.verdicts, w->verdicts, w->n * sizeof(*w->verdicts));
	(void)ipc_send(w->ch,
	    w->kind == WRITE_CTL ? CTL_DB_PUT_DONE : DB_PUT_DONE, w->id, &d);
	if (w->kind == WRITE_CTL)
		child_ctl_end(w->ch, w->id, 0, "%s", "");
}

static void
gossip(const struct write *w)
{
	static struct msg_db_raw out[DB_BATCH_MAX];
	size_t i, off = 0, n = 0;

	for (i = 0; i < w->n; i++) {
		if (w->verdicts[i].verdict == DB_NEW) {
			out[n].raw.p = w->raw + off;
			out[n++].raw.len = w->raw_lens[i];
		}
		off += w->raw_lens[i];
	}
	if (n > 0)
		net_fresh(out, n);
}

static void
finish(struct write *w, enum sql_rc rc)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		w->verdicts[i].verdict =
		    recstore_after(w->verdicts[i].verdict, rc);
	if (w->ch != NULL && w->kind == WRITE_NET)
		answer_net(w);
	if (w->ch != NULL && (w->kind == WRITE_API || w->kind == WRITE_CTL))
		answer_api(w);
	if (w->raw != NULL)
		gossip(w);
	free(w->verdicts);
	free(w->raw);
}

void
writes_commit(void)
{
	enum sql_rc rc;
	size_t i;

	armed = false;
	(void)evtimer_del(timer);
	if (store.rs == NULL)
		return;
	rc = recstore_commit(store.rs);
	if (n_waiting > 0)
		store_disk(rc, "commit");
	for (i = 0; i < n_waiting; i++)
		finish(&waiting[i], rc);
	n_waiting = n_puts = 0;
	net_hold(!recstore_has_room(store.rs, DB_BATCH_MAX));
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	writes_commit();
}

void
writes_start(void)
{
	timer = child_timer(on_timer, NULL);
	if ((waiting = calloc(WRITES_MAX, sizeof(*waiting))) == NULL)
		fatalx(EX_OSERR, "no memory for writes");
}

/* Refuse a message whole: the disk is gone, or memory. */
static void
refuse(enum write_kind kind, struct ipc *ch, uint32_t id, size_t n,
    uint8_t verdict)
{
	static struct msg_db_verdict all[DB_BATCH_MAX];
	struct write w = { .kind = kind,
		.ch = ch,
		.id = id,
		.n = n,
		.verdicts = all };
	size_t i;

	memset(all, 0, sizeof(all));
	for (i = 0; i < n; i++)
		all[i].verdict = verdict;
	if (kind == WRITE_NET)
		answer_net(&w);
	else if (kind == WRITE_API || kind == WRITE_CTL)
		answer_api(&w);
}

/* Copies of the records, should they be gossiped later. */
static bool
keep_raw(struct write *w, const struct msg_db_raw *records, size_t n)
{
	size_t i, len = 0;

	for (i = 0; i < n; i++)
		len += records[i].raw.len;
	if ((w->raw = malloc(len + 1)) == NULL)
		return false;
	for (i = 0; i < n; i++) {
		w->raw_lens[i] = (uint16_t)records[i].raw.len;
		memcpy(w->raw + w->raw_len, records[i].raw.p,
		    records[i].raw.len);
		w->raw_len += records[i].raw.len;
	}
	return true;
}

static void
put_all(struct write *w, const struct msg_db_raw *records,
    const uint8_t *if_rid)
{
	struct wall now = wall_now();
	enum recstore_from from =
	    w->kind == WRITE_NET ? RECSTORE_PEER : RECSTORE_LOCAL;
	struct recstore_put put;
	size_t i;

	for (i = 0; i < w->n; i++) {
		recstore_put(store.rs, from, records[i].raw.p,
		    records[i].raw.len, now, if_rid, &put);
		w->verdicts[i].verdict = put.verdict;
		w->verdicts[i].hlc = put.hlc;
		if (put.verdict == DB_NEW || put.verdict == DB_OLD)
			sync_key_arrived(put.key, put.hlc,
			    put.verdict == DB_NEW);
		memcpy(w->verdicts[i].key, put.key, 32);
		memcpy(w->verdicts[i].rid, put.rid, 32);
	}
	n_puts += w->n;
}

static void
arm(void)
{
	struct mono now = mono_now();

	if (n_puts >= COMMIT_PUTS || n_waiting == WRITES_MAX) {
		writes_commit();
		return;
	}
	if (armed)
		return;
	armed = true;
	child_timer_set(timer, mono_add_ms(now, store.conf.commit_ms), now);
}

void
writes_take(enum write_kind kind, struct ipc *ch, uint32_t id,
    const struct msg_db_raw *records, size_t n, const uint8_t *if_rid)
{
	struct write *w;

	if (store.rs == NULL) {
		refuse(kind, ch, id, n, DB_DISK);
		return;
	}
	w = &waiting[n_waiting];
	memset(w, 0, sizeof(*w));
	w->kind = kind;
	w->ch = ch;
	w->id = id;
	w->n = n;
	w->verdicts = calloc(n + 1, sizeof(*w->verdicts));
	if (w->verdicts == NULL ||
	    (kind != WRITE_NET && !keep_raw(w, records, n))) {
		free(w->verdicts);
		refuse(kind, ch, id, n, DB_BUSY);
		return;
	}
	n_waiting++;
	put_all(w, records, if_rid);
	arm();
}

void
writes_forget(const struct ipc *ch)
{
	size_t i;

	for (i = 0; i < n_waiting; i++)
		if (waiting[i].ch == ch)
			waiting[i].ch = NULL;
}
