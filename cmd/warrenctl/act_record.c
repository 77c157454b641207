/* SPDX-License-Identifier: ISC */
/*
 * Authoring, offline: keys of authors, signed records, admissions.  What
 * comes out is put into any node with "put".
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/warrenctl/author.h"
#include "cmd/warrenctl/warrenctl.h"
#include "common/admit.h"
#include "common/compat/compat.h"
#include "common/hlc.h"
#include "common/json_obj.h"

#define STAMP_TRIES 200000 /* between two words on a terminal */

#define SIGN_ARGS                                                              \
	"key FILE kind K subject HEX|TEXT [name TEXT] [w N] "                  \
	"[payload HEX|@FILE] [tombstone] [hlc N] [charter FILE]"
#define ADMIT_ARGS "key FILE [member KEY] [revoke] [charter FILE]"

/*
 * Two records signed one after the other must have different stamps, and
 * nothing is kept between two runs: so the counter tells microseconds.
 */
static uint64_t
stamp_of_now(void)
{
	struct timespec ts;
	uint64_t ms;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)(ts.tv_nsec / 1000000);
	return ms << 16 | (uint64_t)(ts.tv_nsec / 1000 % 1000 * 65);
}

void
author_sign(struct authored *a, struct rec *rec, const struct charter *ch,
    const struct keyfile *k, uint64_t replaced)
{
	static uint8_t body[REC_BODY_MAX];
	uint8_t sig[64];
	enum rec_err err;
	struct wr w;
	size_t len;

	memcpy(rec->author, k->pk, 32);
	if (rec->hlc == 0) {
		rec->hlc = stamp_of_now();
		if (rec->hlc <= replaced)
			rec->hlc = replaced + 1;
	}
	if ((err = rec_check(rec, ch)) != REC_OK)
		die(EX_DATAERR, "the record: %s; see: warrenctl charter show",
		    rec_err_name(err));
	if (admit_check(rec, ch) != REC_OK)
		die(EX_DATAERR,
		    "the record: not an admission this network "
		    "takes");
	wr_init(&w, body, sizeof(body));
	rec_encode_body(&w, rec);
	len = w.len;
	if (w.bad)
		die(EX_DATAERR, "the record is too long");
	rec_rid(a->rid, body, len);
	rec_sign(sig, ch->netid, a->rid, k->sk);
	rec_key(a->key, rec, ch->netid);
	wr_init(&w, a->raw, sizeof(a->raw));
	rec_encode(&w, body, len, sig);
	if (w.bad)
		die(EX_DATAERR, "the record is too long");
	a->len = w.len;
	a->hlc = rec->hlc;
}

static void
show(const struct authored *a)
{
	struct jo o;
	char hlc[24];
	size_t i;

	if (cx.json) {
		(void)snprintf(hlc, sizeof(hlc), "%llu",
		    (unsigned long long)a->hlc);
		o = jo_new();
		jo_put(&o, "key", jv_hex(a->key, 32));
		jo_put(&o, "rid", jv_hex(a->rid, 32));
		jo_put(&o, "hlc", json_string(hlc));
		jo_put(&o, "record", jv_hex(a->raw, a->len));
		cx.data = jo_end(&o);
	} else if (!cx.quiet) {
		for (i = 0; i < a->len; i++)
			(void)printf("%02x", a->raw[i]);
		(void)printf("\n");
	}
}

/* --- record key --- */

int
act_record_key(int argc, char **argv)
{
	char hex[NODE_ID_HEX];
	struct keyfile k;

	if (argc != 1)
		die(EX_USAGE, "usage: warrenctl record key FILE");
	if (access(argv[0], F_OK) == 0)
		keyfile_read(&k, argv[0]);
	else
		keyfile_make(&k, argv[0]);
	keyfile_fini(&k);
	if (cx.json)
		cx.data = json_pack("{s:s}", "author", node_id_hex(k.pk, hex));
	else if (!cx.quiet)
		(void)printf("%s\n", node_id_hex(k.pk, hex));
	return 0;
}

/* --- record sign --- */

struct wanted {
	struct rec rec;
	const char *key, *charter;
	uint8_t payload[CHARTER_PMAX_MAX];
	uint8_t member[32];
	bool has_subject, has_member;
};

static void
read_payload(struct wanted *q, const char *v)
{
	q->rec.payload = q->payload;
	if (v[0] == '@')
		q->rec.payload_len =
		    file_read(v + 1, q->payload, sizeof(q->payload));
	else if (v[0] != '\0')
		q->rec.payload_len =
		    bytes_parse("payload", v, q->payload, sizeof(q->payload));
}

static void
read_pair(struct wanted *q, const char *w, const char *v)
{
	const char *err = NULL;
	char *end;

	errno = 0;
	if (strcmp(w, "key") == 0) {
		q->key = v;
	} else if (strcmp(w, "charter") == 0) {
		q->charter = v;
	} else if (strcmp(w, "kind") == 0) {
		q->rec.kind = kind_parse(v);
	} else if (strcmp(w, "subject") == 0) {
		q->rec.subject_len =
		    (uint8_t)bytes_parse(w, v, q->rec.subject, REC_SUBJECT_MAX);
		q->has_subject = true;
	} else if (strcmp(w, "name") == 0) {
		/* A name is text, were it all of hex digits. */
		if (strlen(v) > REC_NAME_MAX)
			die(EX_USAGE, "name: at most %d bytes", REC_NAME_MAX);
		q->rec.name_len = (uint8_t)strlen(v);
		memcpy(q->rec.name, v, q->rec.name_len);
	} else if (strcmp(w, "w") == 0) {
		q->rec.w = (int32_t)strtonum(v, INT32_MIN, INT32_MAX, &err);
		if (err != NULL)
			die(EX_USAGE, "w %s: %s", v, err);
	} else if (strcmp(w, "payload") == 0) {
		read_payload(q, v);
	} else if (strcmp(w, "hlc") == 0) {
		q->rec.hlc = strtoull(v, &end, 10);
		if (*end != '\0' || v[0] < '1' || v[0] > '9' || errno != 0)
			die(EX_USAGE, "hlc %s: want a number above 0", v);
	} else {
		die(EX_USAGE, "usage: warrenctl %s " SIGN_ARGS, cx.command);
	}
}

static void
open_both(const struct wanted *q, struct charter *ch, struct keyfile *k)
{
	if (q->key == NULL)
		die(EX_USAGE, "%s: key FILE is needed", cx.command);
	charter_get(ch, q->charter);
	keyfile_read(k, q->key);
}

int
act_record_sign(int argc, char **argv)
{
	static struct wanted q;
	static struct authored a;
	struct charter ch;
	struct keyfile k;
	int i;

	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "tombstone") == 0) {
			q.rec.flags |= REC_TOMBSTONE;
			continue;
		}
		if (i + 1 == argc)
			die(EX_USAGE,
			    "usage: warrenctl record sign " SIGN_ARGS);
		read_pair(&q, argv[i], argv[i + 1]);
		i++;
	}
	if (q.rec.kind == 0 || !q.has_subject)
		die(EX_USAGE, "usage: warrenctl record sign " SIGN_ARGS);
	open_both(&q, &ch, &k);
	author_sign(&a, &q.rec, &ch, &k, 0);
	keyfile_fini(&k);
	show(&a);
	return 0;
}

/* --- record admit --- */

static void
find_stamp(const struct charter *ch, const uint8_t author[32],
    uint8_t nonce[ADMIT_NONCE_LEN])
{
	bool tell = isatty(STDERR_FILENO) && !cx.quiet;
	uint64_t next = 0;

	while (!admit_stamp_search(ch, author, &next, STAMP_TRIES, nonce))
		if (tell)
			(void)fprintf(stderr,
			    "\rstamp of %u bits: %llu "
			    "tries",
			    ch->pow_bits, (unsigned long long)next);
	if (tell && next > STAMP_TRIES)
		(void)fprintf(stderr, "\n");
}

int
act_record_admit(int argc, char **argv)
{
	static struct wanted q;
	static struct authored a;
	struct charter ch;
	struct keyfile k;
	int i;

	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "revoke") == 0) {
			q.rec.flags = REC_TOMBSTONE;
		} else if (i + 1 < argc && strcmp(argv[i], "member") == 0) {
			if (node_id_parse(q.member, argv[++i]) == -1)
				die(EX_USAGE, "member %s: want 64 hex digits",
				    argv[i]);
			q.has_member = true;
		} else if (i + 1 < argc &&
		    (strcmp(argv[i], "key") == 0 ||
			strcmp(argv[i], "charter") == 0)) {
			read_pair(&q, argv[i], argv[i + 1]);
			i++;
		} else {
			die(EX_USAGE,
			    "usage: warrenctl record admit " ADMIT_ARGS);
		}
	}
	open_both(&q, &ch, &k);
	if (ch.admission == CHARTER_MEMBERS && !q.has_member)
		die(EX_USAGE,
		    "%s admits members: say whom, and sign with an "
		    "authority's key",
		    ch.name);
	if (ch.admission == CHARTER_OPEN && q.has_member)
		die(EX_USAGE, "%s is open: everybody signs for himself",
		    ch.name);
	if (ch.admission == CHARTER_MEMBERS && !charter_is_authority(&ch, k.pk))
		die(EX_NOPERM, "%s: not the key of an authority of %s", q.key,
		    ch.name);
	q.rec.kind = REC_MEMBER;
	q.rec.subject_len = 32;
	memcpy(q.rec.subject, q.has_member ? q.member : k.pk, 32);
	if (ch.admission == CHARTER_OPEN && q.rec.flags == 0) {
		find_stamp(&ch, k.pk, q.payload);
		q.rec.payload = q.payload;
		q.rec.payload_len = ADMIT_NONCE_LEN;
	}
	author_sign(&a, &q.rec, &ch, &k, 0);
	keyfile_fini(&k);
	show(&a);
	return 0;
}
