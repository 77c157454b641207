/* SPDX-License-Identifier: ISC */
/*
 * What one node says of a tick: our own over the control socket, others over
 * the HTTP API (getdbclaim, getproof; warren-api(7)).  Nothing is believed
 * unverified.
 */
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/warrenctl/http.h"
#include "cmd/warrenctl/verify_work.h"
#include "common/compat/compat.h"
#include "common/json_obj.h"

#define SIGN_TRIES   40 /* a root is signed a moment after it is settled */
#define SIGN_WAIT_MS 50

enum ask
voter_say(struct voter *v, enum ask how, const char *why)
{
	(void)strlcpy(v->why, why, sizeof(v->why));
	return how;
}

/* --- asking our own node --- */

static enum ask
ask_own(struct voter *v, const struct prefix *at, uint64_t t,
    struct msg_db_proved *out, uint8_t proof[8192], uint8_t claim[512])
{
	struct msg_db_prove q = { .bits = (uint16_t)at->bits,
		.tick = t == 0 ? MSG_NULL64 : t };
	const struct msg_db_proved *m;
	int code;

	memcpy(q.prefix, at->at, 32);
	client_reset();
	code = client_ask(CTL_DB_PROVE, &q);
	m = client_first(CTL_DB_PROVED);
	if (code != 0 || m == NULL) {
		(void)voter_say(v, ASK_AWAY, cx.answer.end.text);
		client_reset();
		return code == EX_TEMPFAIL ? ASK_TICK : ASK_AWAY;
	}
	*out = *m;
	memcpy(proof, m->proof.p, m->proof.len);
	memcpy(claim, m->claim.p, m->claim.len);
	out->proof.p = proof;
	out->claim.p = claim;
	client_reset();
	return ASK_OK;
}

/* --- asking others --- */

/* Codes of warren-api(7): such a tick is not held; the node is busy. */
static bool
is_about_ticks(const char *message)
{
	return strstr(message, "tick") != NULL;
}

/* The result of a method, a new reference. */
static enum ask
call(struct voter *v, const char *method, json_t *params, json_t **result)
{
	json_t *req = json_pack("{s:s,s:i,s:s,s:o}", "jsonrpc", "2.0", "id", 1,
	    "method", method, "params", params);
	char *text = json_dumps(req, JSON_COMPACT), *out = NULL;
	const char *message;
	json_t *ans = NULL;
	enum ask how;
	size_t n;

	json_decref(req);
	if (text == NULL)
		die(EX_OSERR, "out of memory");
	if (http_post(v->host, v->port, text, cx.timeout_ms, &out, &n,
		v->why) == -1) {
		free(text);
		return ASK_AWAY;
	}
	free(text);
	ans = json_loadb(out, n, JSON_REJECT_DUPLICATES, NULL);
	free(out);
	*result = json_incref(json_object_get(ans, "result"));
	message = json_string_value(
	    json_object_get(json_object_get(ans, "error"), "message"));
	how = ASK_OK;
	if (*result == NULL || !json_is_object(*result)) {
		how = message != NULL && is_about_ticks(message) ? ASK_TICK
								 : ASK_AWAY;
		(void)voter_say(v, how,
		    message == NULL ? "no JSON-RPC answer" : message);
		json_decref(*result);
		*result = NULL;
	}
	json_decref(ans);
	return how;
}

static json_t *
tick_json(uint64_t t)
{
	char num[24];

	(void)snprintf(num, sizeof(num), "%llu", (unsigned long long)t);
	return json_string(num);
}

/* Bytes of a member in hex; -1 when it is not that, 0 when it is null. */
static int
member_hex(const json_t *o, const char *name, uint8_t *out, size_t cap)
{
	const json_t *v = json_object_get(o, name);
	const char *s = json_string_value(v), *end;
	size_t len;

	if (v == NULL || json_is_null(v))
		return 0;
	if (s == NULL ||
	    sodium_hex2bin(out, cap, s, strlen(s), NULL, &len, &end) != 0 ||
	    *end != '\0')
		return -1;
	return (int)len;
}

static enum ask
ask_other(struct voter *v, const char *method, json_t *params, uint8_t *proof,
    size_t cap, int *proof_len, uint8_t claim[512], int *claim_len)
{
	json_t *o;
	enum ask how = call(v, method, params, &o);

	if (how != ASK_OK)
		return how;
	*claim_len = member_hex(o, "claim", claim, 512);
	*proof_len = member_hex(o, "proof", proof, cap);
	json_decref(o);
	if (*claim_len == -1 || *proof_len == -1)
		return voter_say(v, ASK_LIES, "its answer is malformed");
	return ASK_OK;
}

/* --- claims --- */

static enum ask
check_claim(struct voter *v, const struct charter *charter, const uint8_t *raw,
    size_t len, uint64_t t)
{
	struct claim *c = &v->claim;

	if (claim_decode(c, raw, len) == -1)
		return voter_say(v, ASK_LIES, "its claim is malformed");
	if (!claim_verify(c))
		return voter_say(v, ASK_LIES,
		    "its claim is not signed by its node");
	if (memcmp(c->netid, charter->netid, 32) != 0)
		return voter_say(v, ASK_LIES,
		    "its claim is of another network");
	if (t != 0 && c->tick != t)
		return voter_say(v, ASK_LIES, "its claim is of another tick");
	return ASK_OK;
}

enum ask
ask_claim(struct voter *v, const struct charter *charter, uint64_t t)
{
	static const struct prefix all;
	static uint8_t proof[8192];
	uint8_t claim[512];
	struct msg_db_proved m;
	int len = 0, none, i;
	enum ask how = ASK_AWAY;

	for (i = 0; i < SIGN_TRIES && len == 0; i++) {
		if (i > 0)
			(void)poll(NULL, 0, SIGN_WAIT_MS);
		if (v->own) {
			how = ask_own(v, &all, t, &m, proof, claim);
			len = how == ASK_OK ? (int)m.claim.len : 0;
		} else {
			how = ask_other(v, "getdbclaim",
			    t == 0 ? json_object()
				   : json_pack("{s:o}", "tick", tick_json(t)),
			    proof, sizeof(proof), &none, claim, &len);
		}
		if (how != ASK_OK)
			return how;
	}
	if (len == 0)
		return voter_say(v, ASK_AWAY, "its root is not signed yet");
	return check_claim(v, charter, claim, (size_t)len, t);
}

/* --- proofs --- */

enum ask
ask_view(struct voter *v, const struct prefix *at, uint64_t t, struct view *out)
{
	static uint8_t proof[8192];
	uint8_t claim[512];
	struct msg_db_proved m;
	char hex[65];
	int len = 0, none = 0;
	enum verify_err err;
	enum ask how;

	if (v->own) {
		how = ask_own(v, at, t, &m, proof, claim);
		len = how == ASK_OK ? (int)m.proof.len : 0;
	} else {
		(void)sodium_bin2hex(hex, sizeof(hex), at->at, 32);
		how = ask_other(v, "getproof",
		    json_pack("{s:s,s:i,s:o}", "prefix", hex, "bits",
			(int)at->bits, "tick", tick_json(t)),
		    proof, sizeof(proof), &len, claim, &none);
	}
	if (how != ASK_OK)
		return how;
	err = proof_decode(&out->proof, proof, (size_t)len) == -1
	    ? VERIFY_MALFORMED
	    : verify_proof(&out->a, &out->proof, &v->claim, at->at, at->bits);
	if (err == VERIFY_OK)
		return ASK_OK;
	(void)snprintf(v->why, sizeof(v->why), "its proof does not verify: %s",
	    verify_err_name(err));
	return ASK_LIES;
}
