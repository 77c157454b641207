/* SPDX-License-Identifier: ISC */
/*
 * Records in and out of the running node, and proofs of them.
 */
#include <ctype.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/warrenctl/author.h"
#include "cmd/warrenctl/warrenctl.h"
#include "common/compat/compat.h"
#include "common/hlc.h"
#include "common/json_obj.h"

#define PUT_BYTES  (200u << 10) /* of one message: warrend takes 256 KiB */
#define LIST_LIMIT 1000
#define GET_ARGS   "KEY | kind K [subject S] [after KEY] [limit N] [settled]"
#define PROOF_ARGS "KEY | kind K [subject S] [tick T]"

/* --- put --- */

static struct {
	struct msg_db_put msg;
	size_t bytes;
	bool refused;
	json_t *list;
} batch;

static void
show_verdict(const struct msg_db_verdict *v)
{
	char key[NODE_ID_HEX];
	struct jo o;
	char hlc[24];

	if (v->verdict != DB_NEW && v->verdict != DB_OLD)
		batch.refused = true;
	if (cx.json) {
		(void)snprintf(hlc, sizeof(hlc), "%llu",
		    (unsigned long long)v->hlc);
		o = jo_new();
		jo_put(&o, "verdict", json_string(db_verdict_name(v->verdict)));
		jo_put(&o, "key", jv_hex(v->key, 32));
		jo_put(&o, "rid", jv_hex(v->rid, 32));
		jo_put(&o, "hlc", json_string(hlc));
		(void)json_array_append_new(batch.list, jo_end(&o));
	} else if (!cx.quiet) {
		(void)printf("%s  %s\n", node_id_hex(v->key, key),
		    db_verdict_name(v->verdict));
	}
}

static void
batch_send(void)
{
	const struct msg_db_put_done *done;
	size_t i;

	if (batch.msg.n_records == 0)
		return;
	client_must(CTL_DB_PUT, &batch.msg);
	if ((done = client_first(CTL_DB_PUT_DONE)) == NULL)
		die(EX_PROTOCOL, "warrend told no verdict");
	for (i = 0; i < done->n_verdicts; i++)
		show_verdict(&done->verdicts[i]);
	client_reset();
	for (i = 0; i < batch.msg.n_records; i++)
		free((void *)(uintptr_t)batch.msg.records[i].raw.p);
	batch.msg.n_records = 0;
	batch.bytes = 0;
}

static void
batch_add(const uint8_t *raw, size_t len)
{
	uint8_t *copy = malloc(len + 1);
	struct blob *b;

	if (copy == NULL)
		die(EX_OSERR, "out of memory");
	if (batch.msg.n_records == DB_BATCH_MAX ||
	    batch.bytes + len > PUT_BYTES)
		batch_send();
	memcpy(copy, raw, len);
	b = &batch.msg.records[batch.msg.n_records++].raw;
	b->p = copy;
	b->len = (uint32_t)len;
	batch.bytes += len;
}

static void
batch_hex(const char *hex, unsigned long line)
{
	uint8_t raw[REC_MAX];
	const char *end;
	size_t len;

	if (sodium_hex2bin(raw, sizeof(raw), hex, strlen(hex), NULL, &len,
		&end) != 0 ||
	    *end != '\0' || len == 0)
		die(EX_DATAERR, "record %lu: not hex of at most %d bytes", line,
		    REC_MAX);
	batch_add(raw, len);
}

static void
put_stdin(void)
{
	static char line[REC_MAX * 2 + 8];
	unsigned long n = 0;
	size_t len;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		n++;
		len = strlen(line);
		while (len > 0 && isspace((unsigned char)line[len - 1]))
			line[--len] = '\0';
		if (len > 0)
			batch_hex(line, n);
	}
}

int
act_put(int argc, char **argv)
{
	int i;

	if (argc == 0)
		die(EX_USAGE, "usage: warrenctl put RECORD ... | -");
	batch.list = json_array();
	if (argc == 1 && strcmp(argv[0], "-") == 0)
		put_stdin();
	else
		for (i = 0; i < argc; i++)
			batch_hex(argv[i], (unsigned long)i + 1);
	batch_send();
	cx.data = batch.list;
	return batch.refused ? EXIT_NO : 0;
}

/* --- get --- */

static void
show_record(const struct msg_db_record *r, bool list)
{
	static bool blank;

	if (cx.json) {
		json_t *o = record_json(r->raw.p, r->raw.len, r->key, r->rid,
		    r->settled);

		if (list)
			(void)json_array_append_new(
			    json_object_get(cx.data, "records"), o);
		else
			cx.data = o;
		return;
	}
	if (cx.quiet)
		return;
	if (blank)
		(void)printf("\n");
	blank = true;
	record_print(r->raw.p, r->raw.len, r->key, r->rid, r->settled);
}

static int
get_key(const char *text, bool settled)
{
	struct msg_db_get q = { .settled = settled };
	const struct msg_db_records *m;
	int code;

	hex_parse("key", text, q.key, 32);
	code = client_ask(CTL_DB_GET, &q);
	m = client_first(CTL_DB_RECORDS);
	if (code != 0 || m == NULL || m->n_records == 0)
		return code == 0 ? EXIT_NO : code;
	show_record(&m->records[0], false);
	return 0;
}

/* kind K [subject S], and what else belongs to get or proof. */
struct question {
	uint8_t kind;
	uint8_t subject[REC_SUBJECT_MAX];
	size_t subject_len;
	struct msg_db_list list;
	uint32_t limit;
	uint64_t tick;
};

static uint64_t
number(const char *what, const char *text)
{
	const char *err;
	long long v = strtonum(text, 1, INT64_MAX, &err);

	if (err != NULL)
		die(EX_USAGE, "%s %s: %s", what, text, err);
	return (uint64_t)v;
}

static void
read_question(struct question *q, int argc, char **argv, const char *args)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "settled") == 0) {
			q->list.settled = true;
			continue;
		}
		if (i + 1 == argc)
			die(EX_USAGE, "usage: warrenctl %s %s", cx.command,
			    args);
		if (strcmp(argv[i], "kind") == 0) {
			q->kind = kind_parse(argv[++i]);
		} else if (strcmp(argv[i], "subject") == 0) {
			q->subject_len = bytes_parse("subject", argv[++i],
			    q->subject, REC_SUBJECT_MAX);
		} else if (strcmp(argv[i], "after") == 0) {
			hex_parse("after", argv[++i], q->list.after, 32);
			q->list.has_after = true;
		} else if (strcmp(argv[i], "limit") == 0) {
			q->limit = (uint32_t)number("limit", argv[++i]);
		} else if (strcmp(argv[i], "tick") == 0) {
			q->tick = number("tick", argv[++i]);
		} else {
			die(EX_USAGE, "usage: warrenctl %s %s", cx.command,
			    args);
		}
	}
	if (q->subject_len > 0 && q->kind == 0)
		die(EX_USAGE, "a subject is one of a kind: kind K subject S");
}

/* Part by part, until the limit; true when there is more. */
static bool
get_parts(struct question *q)
{
	const struct msg_db_records *m;
	uint32_t left = q->limit;
	bool more = true;
	size_t i;

	while (more && left > 0) {
		q->list.limit =
		    left < DB_BATCH_MAX ? (uint16_t)left : DB_BATCH_MAX;
		client_must(CTL_DB_LIST, &q->list);
		if ((m = client_first(CTL_DB_RECORDS)) == NULL)
			die(EX_PROTOCOL, "warrend told no records");
		for (i = 0; i < m->n_records; i++)
			show_record(&m->records[i], true);
		more = m->more && m->n_records > 0;
		left -= m->n_records < left ? m->n_records : left;
		if (m->n_records > 0) {
			q->list.has_after = true;
			memcpy(q->list.after, m->records[m->n_records - 1].key,
			    32);
		}
		client_reset();
	}
	return more;
}

int
act_get(int argc, char **argv)
{
	struct question q = { .limit = LIST_LIMIT };
	char after[NODE_ID_HEX];
	struct charter ch;
	struct prefix p;
	bool more;

	if (argc >= 1 && strlen(argv[0]) == 64 &&
	    (argc == 1 || (argc == 2 && strcmp(argv[1], "settled") == 0)))
		return get_key(argv[0], argc == 2);
	read_question(&q, argc, argv, GET_ARGS);
	if (q.kind == 0)
		die(EX_USAGE, "usage: warrenctl get " GET_ARGS);
	charter_get(&ch, NULL);
	prefix_of(&p, ch.netid, q.kind, q.subject, q.subject_len);
	memcpy(q.list.prefix, p.at, 32);
	q.list.bits = (uint16_t)p.bits;
	cx.data = json_pack("{s:[]}", "records");
	more = get_parts(&q);
	node_id_hex(q.list.after, after);
	(void)json_object_set_new(cx.data, "more",
	    more ? json_string(after) : json_null());
	if (more && !cx.json && !cx.quiet)
		(void)printf("\nmore: warrenctl get ... after %s\n", after);
	return 0;
}

/* --- rate --- */

/* The stamp of what is stored under this key, 0 for nothing. */
static uint64_t
stored_hlc(const uint8_t key[32], const struct charter *ch)
{
	struct msg_db_get q = { .settled = false };
	const struct msg_db_records *m;
	struct rec rec;
	uint64_t hlc = 0;

	memcpy(q.key, key, 32);
	if (client_ask(CTL_DB_GET, &q) == 0 &&
	    (m = client_first(CTL_DB_RECORDS)) != NULL && m->n_records > 0 &&
	    rec_decode(&rec, ch, m->records[0].raw.p, m->records[0].raw.len) !=
		REC_MALFORMED)
		hlc = rec.hlc;
	client_reset();
	return hlc;
}

int
act_rate(int argc, char **argv)
{
	static struct authored a;
	struct rec rec = { .kind = REC_RATING };
	struct charter ch;
	struct keyfile k;
	const char *err;
	uint8_t key[32];

	if (argc != 4 || strcmp(argv[2], "key") != 0)
		die(EX_USAGE, "usage: warrenctl rate TARGET N key FILE");
	rec.subject_len = (uint8_t)bytes_parse("target", argv[0], rec.subject,
	    REC_SUBJECT_MAX);
	rec.w = (int32_t)strtonum(argv[1], INT32_MIN, INT32_MAX, &err);
	if (err != NULL)
		die(EX_USAGE, "rating %s: %s", argv[1], err);
	keyfile_read(&k, argv[3]);
	charter_get(&ch, NULL);
	memcpy(rec.author, k.pk, 32);
	rec_key(key, &rec, ch.netid);
	author_sign(&a, &rec, &ch, &k, stored_hlc(key, &ch));
	keyfile_fini(&k);
	batch.list = json_array();
	batch_add(a.raw, a.len);
	batch_send();
	cx.data = json_incref(json_array_get(batch.list, 0));
	return batch.refused ? EXIT_NO : 0;
}

/* --- proof --- */

#define SIGN_TRIES   40 /* a root is signed a moment after it is settled */
#define SIGN_WAIT_MS 50

/* Nothing is believed before it is verified here. */
static void
fetch_once(struct proven *p, const uint8_t netid[32], const uint8_t at[32],
    unsigned bits, uint64_t tick)
{
	struct msg_db_prove q = { .bits = (uint16_t)bits,
		.tick = tick == 0 ? MSG_NULL64 : tick };
	const struct msg_db_proved *m;

	memset(p, 0, sizeof(*p));
	memcpy(q.prefix, at, 32);
	client_must(CTL_DB_PROVE, &q);
	if ((m = client_first(CTL_DB_PROVED)) == NULL)
		die(EX_PROTOCOL, "warrend told no proof");
	p->len = m->proof.len;
	memcpy(p->proof, m->proof.p, m->proof.len);
	p->claim_len = m->claim.len <= CLAIM_MAX ? m->claim.len : 0;
	memcpy(p->raw_claim, m->claim.p, p->claim_len);
	if (m->claim.len == 0)
		p->why = "the root is not signed yet";
	else if (claim_decode(&p->claim, m->claim.p, m->claim.len) == -1)
		p->why = "the claim is malformed";
	else if (!claim_verify(&p->claim))
		p->why = "the claim is not signed by its node";
	else if (memcmp(p->claim.netid, netid, 32) != 0)
		p->why = "the claim is of another network";
	else if ((p->err = verify_bytes(&p->answer, p->proof, p->len, &p->claim,
		      at, bits)) != VERIFY_OK)
		p->why = verify_err_name(p->err);
	client_reset();
}

void
proof_fetch(struct proven *p, const uint8_t netid[32], const uint8_t at[32],
    unsigned bits, uint64_t tick)
{
	int i;

	for (i = 0; i < SIGN_TRIES; i++) {
		fetch_once(p, netid, at, bits, tick);
		if (p->claim_len > 0)
			return;
		(void)poll(NULL, 0, SIGN_WAIT_MS);
	}
}

static void
proof_print(const struct proven *p, bool one)
{
	char a[NODE_ID_HEX];

	if (p->why != NULL) {
		(void)printf("NOT PROVEN: %s\n", p->why);
		return;
	}
	if (one && p->answer.found)
		(void)printf("included  rid %s, weight %d\n",
		    node_id_hex(p->answer.at.rid, a), p->answer.at.w);
	else if (one)
		(void)printf("absent    there is no record with this key\n");
	else
		(void)printf("complete  %llu records, their weights sum up "
			     "to %lld\n",
		    (unsigned long long)p->answer.set.cnt,
		    (long long)p->answer.set.sum);
	(void)printf("tick      %llu\nroot      %s\n",
	    (unsigned long long)p->claim.tick, node_id_hex(p->claim.root, a));
	(void)printf("by        node %s\n", node_id_hex(p->claim.node, a));
	(void)printf("proof     %zu bytes, verified\n", p->len);
}

static json_t *
proof_json(const struct proven *p, bool one)
{
	struct jo o = jo_new();
	bool good = p->why == NULL;

	jo_put(&o, "verified", json_boolean(good));
	jo_put(&o, "why", good ? json_null() : json_string(p->why));
	jo_put(&o, "found",
	    !one || !good ? json_null() : json_boolean(p->answer.found));
	jo_put(&o, "rid",
	    one && p->answer.found ? jv_hex(p->answer.at.rid, 32)
				   : json_null());
	jo_put(&o, "count", good ? jv_number(p->answer.set.cnt) : json_null());
	jo_put(&o, "sum", good ? json_integer(p->answer.set.sum) : json_null());
	jo_put(&o, "tick", jv_number(p->claim.tick));
	jo_put(&o, "root", jv_hex(p->claim.root, 32));
	jo_put(&o, "nodeId", jv_hex(p->claim.node, 32));
	jo_put(&o, "proof", jv_hex(p->proof, p->len));
	jo_put(&o, "claim", jv_hex(p->raw_claim, p->claim_len));
	return jo_end(&o);
}

int
act_proof(int argc, char **argv)
{
	static struct proven proven;
	struct question q = { .limit = 0 };
	struct prefix p = { .bits = 256 };
	struct charter ch;
	bool one = argc > 0 && strlen(argv[0]) == 64;

	if (argc == 0)
		die(EX_USAGE, "usage: warrenctl proof " PROOF_ARGS);
	read_question(&q, argc - one, argv + one, PROOF_ARGS);
	charter_get(&ch, NULL);
	if (one)
		hex_parse("key", argv[0], p.at, 32);
	else
		prefix_of(&p, ch.netid, q.kind, q.subject, q.subject_len);
	if (!one && q.kind == 0)
		die(EX_USAGE, "usage: warrenctl proof " PROOF_ARGS);
	proof_fetch(&proven, ch.netid, p.at, p.bits, q.tick);
	if (cx.json)
		cx.data = proof_json(&proven, one);
	else if (!cx.quiet)
		proof_print(&proven, one);
	return proven.why == NULL ? 0 : EXIT_NO;
}
