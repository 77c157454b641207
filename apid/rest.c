/* SPDX-License-Identifier: ISC */
/*
 * Routes, as promised in rest.h.  First what every request must pass (the
 * limiter), then one table of paths; what no path takes is 404.
 */
#include "apid/rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apid/apid.h"
#include "apid/jsonrpc.h"
#include "apid/methods.h"
#include "apid/metrics.h"
#include "common/view.h"

#define NAME_MAX_LEN 64 /* of a method in /rpc/METHOD */

#define POST_ONLY "JSONRPC server handles only POST requests"

/* The members of an object behind what is there already. */
static void
put_members(struct sb *sb, const json_t *data)
{
	json_t *o = (json_t *)(uintptr_t)data, *v;
	const char *key;

	json_object_foreach(o, key, v)
	{
		sb_str(sb, ",");
		sb_quote(sb, key);
		sb_str(sb, ":");
		sb_json(sb, v);
	}
}

struct text *
rest_error_data(uint16_t status, const char *message, const json_t *data)
{
	static const struct {
		uint16_t status;
		const char *word;
	} words[] = {
		{ 400, "bad_request" },
		{ 401, "not_signed" },
		{ 403, "forbidden" },
		{ 404, "not_found" },
		{ 405, "method_not_allowed" },
		{ 408, "timeout" },
		{ 409, "conflict" },
		{ 411, "length_required" },
		{ 413, "too_large" },
		{ 414, "target_too_long" },
		{ 417, "expectation_failed" },
		{ 429, "rate_limited" },
		{ 431, "head_too_large" },
		{ 501, "not_implemented" },
		{ 503, "unavailable" },
		{ 505, "version_not_supported" },
		{ 507, "insufficient_storage" },
	};
	const char *word = "internal";
	struct sb sb;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].status == status)
			word = words[i].word;
	sb_init(&sb, 256u << 10);
	sb_str(&sb, "{\"error\":{\"code\":");
	sb_quote(&sb, word);
	sb_str(&sb, ",\"message\":");
	sb_quote(&sb, message);
	put_members(&sb, data);
	sb_str(&sb, "}}\n");
	return sb_end(&sb);
}

struct text *
rest_error_text(uint16_t status, const char *message)
{
	return rest_error_data(status, message, NULL);
}

void
rest_error(struct http_req *rq, uint16_t status, const char *headers,
    const char *message)
{
	struct http_answer a = { .status = status,
		.body = rest_error_text(status, message),
		.headers = headers };

	http_answer(rq, &a);
}

/* --- the limiter --- */

bool
rest_admit(const struct naddr *from, uint32_t n, uint64_t *wait_ms,
    bool *banned)
{
	struct prefix p;
	enum limit_act act;

	prefix_of(&p, from);
	act = limit_take(&apid.limit, &p, n, apid_time().mono, wait_ms);
	*banned = act == LIMIT_BLACKEN || act == LIMIT_BANNED;
	if (act == LIMIT_BLACKEN)
		apid_report_ban(&p, *wait_ms);
	if (act != LIMIT_PASS)
		apid.st.rate_limited++;
	return act == LIMIT_PASS;
}

static void
too_many(struct http_req *rq, uint64_t wait_ms, bool banned)
{
	char line[64];
	struct http_answer a = { .status = 429,
		.headers = line,
		.body = rest_error_text(429,
		    banned ? "blacklisted for asking too much"
			   : "too many requests"),
		.close = banned };

	(void)snprintf(line, sizeof(line), "Retry-After: %llu\r\n",
	    (unsigned long long)((wait_ms + 999) / 1000));
	http_answer(rq, &a);
}

/* --- JSON-RPC by POST --- */

static bool
rpc_admit(void *ctx, uint32_t n)
{
	struct http_req *rq = ctx;
	uint64_t wait_ms;
	bool banned;

	return rest_admit(&rq->from, n, &wait_ms, &banned);
}

static void
rpc_done(void *ctx, uint16_t status, struct text *body)
{
	struct http_req *rq = ctx;
	struct http_answer a = { .status = status, .body = body };

	if (status == 429)
		too_many(rq, apid.conf.window_ms, false);
	else if (status == 503)
		rest_error(rq, 503, NULL, "out of memory");
	else
		http_answer(rq, &a);
}

static void
rpc_gone(void *pending)
{
	rpc_cancel(pending);
}

static void
post_rpc(struct http_req *rq, const char *method)
{
	struct rpc_in in = { .body = rq->body,
		.len = rq->body_len,
		.method = method,
		.batch_max = apid.conf.batch_max,
		.from = rq->from,
		.ctx = rq,
		.admit = rpc_admit,
		.done = rpc_done };
	struct rpc *rpc = rpc_run(&in);

	if (rpc != NULL) {
		rq->pending = rpc;
		rq->cancel = rpc_gone;
	}
}

static bool
starts(const char *s, size_t n, const char *prefix)
{
	size_t len = strlen(prefix);

	return n >= len && memcmp(s, prefix, len) == 0;
}

/* word, word/ and all below it */
static bool
is_under(const char *s, size_t n, const char *word)
{
	size_t len = strlen(word);

	return starts(s, n, word) && (n == len || s[len] == '/');
}

/* True when the path is JSON-RPC's; *name is METHOD of /rpc/METHOD or "". */
static bool
is_rpc_path(const struct http_req *rq, char name[NAME_MAX_LEN])
{
	const char *s = rq->path;
	size_t n = rq->path_len;

	name[0] = '\0';
	if ((n == 1 && s[0] == '/') || is_under(s, n, "/public") ||
	    is_under(s, n, "/post") || is_under(s, n, "/rpc/public"))
		return true;
	if (!starts(s, n, "/rpc/") || n - 5 >= NAME_MAX_LEN || n == 5)
		return false;
	memcpy(name, s + 5, n - 5);
	name[n - 5] = '\0';
	return true;
}

static void
rpc_route(struct http_req *rq, const char *name)
{
	struct http_answer a = { .status = 405,
		.ctype = "text/plain",
		.headers = "Allow: POST, OPTIONS\r\n" };
	struct sb sb;

	if (rq->verb == VERB_POST) {
		post_rpc(rq, name[0] == '\0' ? NULL : name);
		return;
	}
	sb_init(&sb, 256);
	sb_str(&sb, POST_ONLY "\n");
	a.body = sb_end(&sb);
	http_answer(rq, &a);
}

/* --- the others --- */

static void
echo(struct http_req *rq)
{
	struct http_answer a = { .status = 200,
		.headers = "X-Content-Type-Options: nosniff\r\n",
		.ctype =
		    rq->ctype_len > 0 ? rq->ctype : "application/octet-stream",
		.ctype_len = rq->ctype_len };
	struct sb sb;

	if (rq->verb != VERB_POST) {
		rest_error(rq, 405, "Allow: POST, OPTIONS\r\n",
		    "only POST is possible here");
		return;
	}
	sb_init(&sb, TEXT_ONE_MAX);
	sb_add(&sb, rq->body, rq->body_len);
	if ((a.body = sb_end(&sb)) == NULL)
		rest_error(rq, 503, NULL, "out of memory");
	else
		http_answer(rq, &a);
}

static void
preflight(struct http_req *rq)
{
	struct http_answer a = { .status = 204,
		.headers = apid.conf.allow_origin[0] == '\0'
		    ? "Allow: GET, HEAD, POST, OPTIONS\r\n"
		    : "Allow: GET, HEAD, POST, OPTIONS\r\n"
		      "Access-Control-Allow-Methods: POST, GET, OPTIONS\r\n"
		      "Access-Control-Allow-Headers: *\r\n"
		      "Access-Control-Max-Age: 86400\r\n" };

	http_answer(rq, &a);
}

static bool
is_path(const struct http_req *rq, const char *path)
{
	return rq->path_len == strlen(path) &&
	    memcmp(rq->path, path, rq->path_len) == 0;
}

static void
metrics_route(struct http_req *rq)
{
	if (!is_path(rq, "/metrics"))
		rest_error(rq, 404, NULL, "no such path");
	else if (rq->verb != VERB_GET && rq->verb != VERB_HEAD)
		rest_error(rq, 405, "Allow: GET, HEAD\r\n",
		    "only GET is possible here");
	else
		metrics_get(rq);
}

void
rest_handle(struct http_req *rq)
{
	char name[NAME_MAX_LEN];
	uint64_t wait_ms;
	bool banned;

	if (rq->service == SVC_METRICS)
		metrics_route(rq);
	else if (!rest_admit(&rq->from, 1, &wait_ms, &banned))
		too_many(rq, wait_ms, banned);
	else if (rq->verb == VERB_OPTIONS)
		preflight(rq);
	else if (rest_call(rq))
		return;
	else if (is_rpc_path(rq, name))
		rpc_route(rq, name);
	else if (apid.conf.test_echo && is_path(rq, "/echo"))
		echo(rq);
	else
		rest_error(rq, 404, NULL, "no such path");
}
