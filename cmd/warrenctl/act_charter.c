/* SPDX-License-Identifier: ISC */
/*
 * Charters: making one for a network of one's own, offline, and showing one.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/warrenctl/keyfile.h"
#include "cmd/warrenctl/record.h"
#include "cmd/warrenctl/warrenctl.h"
#include "common/compat/compat.h"
#include "common/json_obj.h"

#define NEW_ARGS                                                               \
	"FILE name NAME [tick T] [settle T] [future T] "                       \
	"[admission open [bits N] | members] [authority KEY] ... [r N] "       \
	"[key FILE]"

/* --- one charter, wherever it is from --- */

static size_t
raw_of(const char *file, uint8_t raw[CHARTER_MAX])
{
	const struct msg_ctl_charter *m;
	size_t len;

	if (file != NULL)
		return file_read(file, raw, CHARTER_MAX);
	client_must(CTL_SHOW_CHARTER, NULL);
	if ((m = client_first(CTL_CHARTER)) == NULL)
		die(EX_PROTOCOL, "warrend told no charter");
	len = m->charter.len;
	memcpy(raw, m->charter.p, len);
	client_reset();
	return len;
}

void
charter_get(struct charter *ch, const char *file)
{
	static uint8_t raw[CHARTER_MAX];
	size_t len = raw_of(file, raw);
	enum charter_err err = charter_decode(ch, raw, len);

	if (err != CHARTER_OK)
		die(EX_DATAERR, "%s: charter: %s",
		    file == NULL ? "warrend" : file, charter_err_name(err));
}

/* --- drawing --- */

static const char *
ms_str(uint32_t ms, char buf[24])
{
	if (ms % 1000 == 0)
		(void)snprintf(buf, 24, "%us", ms / 1000);
	else
		(void)snprintf(buf, 24, "%ums", ms);
	return buf;
}

static const char *
ttl_str(uint32_t s, char buf[24])
{
	if (s % 86400 == 0)
		(void)snprintf(buf, 24, "%ud", s / 86400);
	else if (s % 3600 == 0)
		(void)snprintf(buf, 24, "%uh", s / 3600);
	else
		(void)snprintf(buf, 24, "%us", s);
	return buf;
}

static void
print_charter(const struct charter *ch)
{
	char a[NODE_ID_HEX], t[3][24];
	const struct charter_kind *k;
	size_t i;

	(void)printf("name       %s\nnetid      %s\n", ch->name,
	    node_id_hex(ch->netid, a));
	(void)printf("root       %s\n", node_id_hex(ch->root_pk, a));
	(void)printf("tick       %s, settled %s later, stamps at most %s "
		     "ahead\n",
	    ms_str(ch->tick_ms, t[0]), ms_str(ch->settle_ms, t[1]),
	    ms_str(ch->future_ms, t[2]));
	if (ch->admission == CHARTER_MEMBERS)
		(void)printf("admission  members\n");
	else
		(void)printf("admission  open, stamps of %u bits\n",
		    ch->pow_bits);
	for (i = 0; i < ch->n_authority; i++)
		(void)printf("authority  %s\n",
		    node_id_hex(ch->authority[i], a));
	(void)printf("r          %u copies of each block\n\n", ch->r);
	(void)printf("%-16s %8s %8s %8s %24s\n", "KIND", "PAYLOAD", "LIFE",
	    "QUOTA", "WEIGHT");
	for (i = 0; i < ch->n_kinds; i++) {
		k = &ch->kinds[i];
		(void)snprintf(t[0], sizeof(t[0]), "%u %s", k->kind,
		    kind_name(k->kind));
		(void)snprintf(t[1], sizeof(t[1]), "%d..%d", k->w_min,
		    k->w_max);
		(void)printf("%-16s %8u %8s ", t[0], k->pmax,
		    ttl_str(k->ttl_s, t[2]));
		if (k->quota == 0)
			(void)printf("%8s", "-");
		else
			(void)printf("%8u", k->quota);
		(void)printf(" %24s\n", t[1]);
	}
}

static json_t *
charter_json(const struct charter *ch)
{
	struct jo o = jo_new(), list = jo_list(), kinds = jo_list();
	size_t i;

	jo_put(&o, "name", json_string(ch->name));
	jo_put(&o, "netid", jv_hex(ch->netid, 32));
	jo_put(&o, "root", jv_hex(ch->root_pk, 32));
	jo_put(&o, "tickMs", jv_number(ch->tick_ms));
	jo_put(&o, "settleMs", jv_number(ch->settle_ms));
	jo_put(&o, "futureMs", jv_number(ch->future_ms));
	jo_put(&o, "admission",
	    json_string(ch->admission == CHARTER_MEMBERS ? "members" : "open"));
	jo_put(&o, "bits",
	    ch->admission == CHARTER_MEMBERS ? json_null()
					     : jv_number(ch->pow_bits));
	for (i = 0; i < ch->n_authority; i++)
		jo_add(&list, jv_hex(ch->authority[i], 32));
	jo_put(&o, "authorities", jo_end(&list));
	for (i = 0; i < ch->n_kinds; i++) {
		const struct charter_kind *k = &ch->kinds[i];
		struct jo row = jo_new();

		jo_put(&row, "kind", jv_number(k->kind));
		jo_put(&row, "name", json_string(kind_name(k->kind)));
		jo_put(&row, "payloadMax", jv_number(k->pmax));
		jo_put(&row, "ttl", jv_number(k->ttl_s));
		jo_put(&row, "quota",
		    k->quota == 0 ? json_null() : jv_number(k->quota));
		jo_put(&row, "weightMin", json_integer(k->w_min));
		jo_put(&row, "weightMax", json_integer(k->w_max));
		jo_add(&kinds, jo_end(&row));
	}
	jo_put(&o, "kinds", jo_end(&kinds));
	jo_put(&o, "r", jv_number(ch->r));
	return jo_end(&o);
}

static void
show(const struct charter *ch)
{
	if (cx.json)
		cx.data = charter_json(ch);
	else if (!cx.quiet)
		print_charter(ch);
}

int
act_charter_show(int argc, char **argv)
{
	struct charter ch;

	if (argc > 1)
		die(EX_USAGE, "usage: warrenctl charter show [FILE]");
	charter_get(&ch, argc == 1 ? argv[0] : NULL);
	show(&ch);
	return 0;
}

/* --- making one --- */

static uint32_t
parse_ms(const char *what, const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);
	uint32_t s;

	if (end != text && strcmp(end, "ms") == 0 && text[0] != '-' &&
	    v <= CHARTER_TIME_MAX_MS)
		return (uint32_t)v;
	if (parse_duration(text, &s) == -1 || s > CHARTER_TIME_MAX_MS / 1000)
		die(EX_USAGE, "%s %s: want 500ms, 10s or 1m", what, text);
	return s * 1000;
}

static uint8_t
parse_count(const char *what, const char *text, long long max)
{
	const char *err;
	long long v = strtonum(text, 0, max, &err);

	if (err != NULL)
		die(EX_USAGE, "%s %s: %s", what, text, err);
	return (uint8_t)v;
}

static void
add_authority(struct charter *ch, const char *text)
{
	if (ch->n_authority == CHARTER_AUTHORITY_MAX)
		die(EX_USAGE, "more than %d authorities",
		    CHARTER_AUTHORITY_MAX);
	if (node_id_parse(ch->authority[ch->n_authority++], text) == -1)
		die(EX_USAGE, "authority %s: want 64 hex digits", text);
}

/* The word at argv[0] and its value; how many words that was. */
static int
read_word(struct charter *ch, const char **key, int argc, char **argv)
{
	const char *w = argv[0], *v = argc > 1 ? argv[1] : NULL;

	if (v == NULL)
		die(EX_USAGE, "usage: warrenctl charter new " NEW_ARGS);
	if (strcmp(w, "name") == 0) {
		if (strlcpy(ch->name, v, sizeof(ch->name)) >= sizeof(ch->name))
			die(EX_USAGE, "name: at most %d bytes",
			    CHARTER_NAME_MAX);
	} else if (strcmp(w, "tick") == 0) {
		ch->tick_ms = parse_ms(w, v);
	} else if (strcmp(w, "settle") == 0) {
		ch->settle_ms = parse_ms(w, v);
	} else if (strcmp(w, "future") == 0) {
		ch->future_ms = parse_ms(w, v);
	} else if (strcmp(w, "bits") == 0) {
		ch->pow_bits = parse_count(w, v, CHARTER_POW_MAX);
	} else if (strcmp(w, "r") == 0) {
		ch->r = parse_count(w, v, CHARTER_R_MAX);
	} else if (strcmp(w, "authority") == 0) {
		add_authority(ch, v);
	} else if (strcmp(w, "key") == 0) {
		*key = v;
	} else if (strcmp(w, "admission") == 0 && strcmp(v, "open") == 0) {
		ch->admission = CHARTER_OPEN;
	} else if (strcmp(w, "admission") == 0 && strcmp(v, "members") == 0) {
		ch->admission = CHARTER_MEMBERS;
	} else {
		die(EX_USAGE, "usage: warrenctl charter new " NEW_ARGS);
	}
	return 2;
}

/* Sign and write; what was written is read back, so it is a good one. */
static void
write_charter(const char *file, struct charter *ch, const struct keyfile *k)
{
	static uint8_t body[CHARTER_MAX], raw[CHARTER_MAX];
	uint8_t netid[32], sig[64], msg[CHARTER_SIGN_LEN];
	struct wr w;
	size_t len;
	enum charter_err err;

	memcpy(ch->root_pk, k->pk, 32);
	wr_init(&w, body, sizeof(body));
	charter_encode_body(&w, ch);
	len = w.len;
	charter_netid(netid, body, len);
	charter_sign_bytes(msg, netid);
	(void)crypto_sign_detached(sig, NULL, msg, sizeof(msg), k->sk);
	wr_init(&w, raw, sizeof(raw));
	charter_encode(&w, body, len, sig);
	if (w.bad)
		die(EX_USAGE, "the charter is too long");
	if ((err = charter_decode(ch, raw, w.len)) != CHARTER_OK)
		die(EX_USAGE, "no such charter can be: %s",
		    charter_err_name(err));
	file_make(file, 0644, raw, w.len);
}

int
act_charter_new(int argc, char **argv)
{
	struct charter ch;
	struct keyfile k;
	const char *key = NULL;
	char made[1024];
	int i;

	if (argc < 3)
		die(EX_USAGE, "usage: warrenctl charter new " NEW_ARGS);
	/* One source of the kinds and of what is not said. */
	if (charter_decode(&ch, charter_default, charter_default_len) !=
	    CHARTER_OK)
		die(EX_SOFTWARE, "the public charter does not decode");
	ch.name[0] = '\0';
	ch.n_authority = 0;
	for (i = 1; i < argc;)
		i += read_word(&ch, &key, argc - i, argv + i);
	if (ch.name[0] == '\0')
		die(EX_USAGE, "a charter needs a name");
	if (ch.admission == CHARTER_MEMBERS && ch.n_authority == 0)
		die(EX_USAGE, "members are admitted by an authority: name one");
	if (ch.admission == CHARTER_MEMBERS)
		ch.pow_bits = 0;
	(void)snprintf(made, sizeof(made), "%s.key", argv[0]);
	if (key != NULL)
		keyfile_read(&k, key);
	else
		keyfile_make(&k, made);
	write_charter(argv[0], &ch, &k);
	keyfile_fini(&k);
	show(&ch);
	return 0;
}
