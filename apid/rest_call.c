/* SPDX-License-Identifier: ISC */
/*
 * Methods by path: which one it is, its parameters out of the path, the
 * query and a JSON body, and the answer with its HTTP status.
 */
#include "apid/rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "apid/apid.h"
#include "apid/bound.h"
#include "apid/methods.h"
#include "apid/out.h"

#define VALUE_MAX 160 /* bytes of a value in a path or a query */

struct rest_call {
	struct call call;    /* first: a call is its rest_call */
	struct http_req *rq; /* NULL: the client is gone */
	json_t *params;
};

/* --- answers --- */

static void
rest_free(struct rest_call *rc)
{
	json_decref(rc->params);
	free(rc);
}

static void
on_reply(struct call *call, struct text *result)
{
	struct rest_call *rc = (struct rest_call *)(void *)call;
	struct http_answer a = { .status =
				     call->status == 0 ? 200 : call->status,
		.body = result };

	apid.st.ops_ok++;
	if (rc->rq != NULL)
		http_answer(rc->rq, &a);
	else
		text_unref(result);
	rest_free(rc);
}

/* Named by its content, it never changes; and no browser should guess. */
static void
on_file(struct call *call, int fd, size_t size)
{
	struct rest_call *rc = (struct rest_call *)(void *)call;
	struct http_answer a = { .status = 200,
		.ctype = "application/octet-stream",
		.file = true,
		.fd = fd,
		.file_len = size,
		.headers = "X-Content-Type-Options: nosniff\r\n"
			   "Vary: Accept\r\n"
			   "Cache-Control: public, max-age=31536000, "
			   "immutable\r\n" };

	if (rc->rq != NULL && out_files() >= out_files_max()) {
		(void)close(fd);
		call_error(call, CALL_BUSY, "too many readers at once");
		return;
	}
	apid.st.ops_ok++;
	if (rc->rq != NULL)
		http_answer(rc->rq, &a);
	else
		(void)close(fd);
	rest_free(rc);
}

static const char *
headers_of(uint16_t status)
{
	return status == 503 || status == 429 ? "Retry-After: 1\r\n"
	    : status == 401                   ? "WWW-Authenticate: Warren\r\n"
					      : NULL;
}

static void
on_error(struct call *call, int code, const char *message, const json_t *data)
{
	struct rest_call *rc = (struct rest_call *)(void *)call;
	struct http_answer a = { .status = call_status(code) };

	apid.st.rpc_errors++;
	apid.st.ops_failed += a.status >= 500;
	if (rc->rq != NULL) {
		a.headers = headers_of(a.status);
		a.body = rest_error_data(a.status, message, data);
		http_answer(rc->rq, &a);
	}
	rest_free(rc);
}

static bool
on_admit(struct call *call, uint32_t n)
{
	uint64_t wait_ms;
	bool banned;

	return rest_admit(&call->from, n, &wait_ms, &banned);
}

static void
on_gone(void *pending)
{
	struct rest_call *rc = pending;

	rc->rq = NULL;
	rc->call.cancelled = true;
}

static const struct caller_ops ops = { .reply = on_reply,
	.reply_file = on_file,
	.error = on_error,
	.admit = on_admit };

/* --- paths --- */

/* Length of the next part of a path, up to a slash or its end. */
static size_t
part_len(const char *s, size_t n)
{
	const char *slash = memchr(s, '/', n);

	return slash == NULL ? n : (size_t)(slash - s);
}

/*
 * Does the path fit "VERB /a/:b"?  Parts with a colon are put into params,
 * when it is not NULL.
 */
static bool
path_fits(const char *rest, const char *path, size_t len, json_t *params)
{
	const char *pat = strchr(rest, ' ') + 1;
	size_t pat_n = strlen(pat), a, b;
	char name[32];

	for (;;) {
		a = part_len(pat, pat_n);
		b = part_len(path, len);
		if (pat[0] != ':' && (a != b || memcmp(pat, path, a) != 0))
			return false;
		if (pat[0] == ':' && (b == 0 || b > VALUE_MAX))
			return false;
		if (pat[0] == ':' && params != NULL) {
			(void)snprintf(name, sizeof(name), "%.*s", (int)a - 1,
			    pat + 1);
			if (json_object_set_new(params, name,
				json_stringn(path, b)) == -1)
				(void)json_object_set_new(params, name,
				    json_string("?")); /* not UTF-8 */
		}
		if (a == pat_n || b == len)
			return a == pat_n && b == len;
		pat += a + 1;
		pat_n -= a + 1;
		path += b + 1;
		len -= b + 1;
	}
}

static bool
verb_fits(const char *rest, enum http_verb verb)
{
	bool get = strncmp(rest, "GET ", 4) == 0;

	return get ? verb == VERB_GET || verb == VERB_HEAD : verb == VERB_POST;
}

/*
 * The method of a path and verb.  NULL with *allow set when the path wants
 * another verb, with "" when there is no such path.
 */
static const struct method *
find(const struct http_req *rq, char *allow, size_t cap)
{
	const struct method *m;
	size_t i, n = 0;

	allow[0] = '\0';
	for (i = 0; (m = method_at(i)) != NULL; i++) {
		if (m->rest == NULL ||
		    !path_fits(m->rest, rq->path, rq->path_len, NULL))
			continue;
		if (verb_fits(m->rest, rq->verb))
			return m;
		n += (size_t)snprintf(allow + n, cap - n, "%s",
		    m->rest[0] == 'G' ? "GET, HEAD, " : "POST, ");
	}
	return NULL;
}

/* --- parameters --- */

/* The value of key in a query, as it stands.  False: absent. */
static bool
query_value(const struct http_req *rq, const char *key, char *out, size_t cap)
{
	const char *s = rq->query, *end = s + rq->query_len, *amp;
	size_t len = strlen(key), n;

	for (; s < end; s = amp + 1) {
		amp = memchr(s, '&', (size_t)(end - s));
		if (amp == NULL)
			amp = end;
		n = (size_t)(amp - s);
		if (n <= len || s[len] != '=' || memcmp(s, key, len) != 0)
			continue;
		n -= len + 1;
		if (n >= cap)
			n = cap - 1; /* longer than any word we know */
		memcpy(out, s + len + 1, n);
		out[n] = '\0';
		return true;
	}
	return false;
}

/* As the parameter's type has it; what does not fit stays a string. */
static json_t *
value_of(const char *type, const char *s)
{
	char *end;
	long long v;

	if (strcmp(type, "boolean") == 0 &&
	    (strcmp(s, "1") == 0 || strcmp(s, "true") == 0))
		return json_true();
	if (strcmp(type, "boolean") == 0 &&
	    (strcmp(s, "0") == 0 || strcmp(s, "false") == 0))
		return json_false();
	if (strcmp(type, "integer") == 0 && *s != '\0' && strlen(s) < 19) {
		v = strtoll(s, &end, 10);
		if (*end == '\0')
			return json_integer(v);
	}
	return json_string(s);
}

/* The method's parameters out of the query; other keys are nobody's. */
static void
take_query(const struct http_req *rq, const struct method *m, json_t *params)
{
	char value[VALUE_MAX];
	size_t i;

	for (i = 0; m->params[i].name != NULL && rq->query_len > 0; i++) {
		if (!query_value(rq, m->params[i].name, value, sizeof(value)))
			continue;
		/* What is not UTF-8 is no word of ours either. */
		if (json_object_set_new(params, m->params[i].name,
			value_of(m->params[i].type, value)) == -1)
			(void)json_object_set_new(params, m->params[i].name,
			    json_string("?"));
	}
}

/* The members of a JSON body; the path has the last word.  NULL, or why. */
static const char *
take_body(const struct http_req *rq, json_t *params)
{
	json_t *body, *v;
	const char *key, *bad = NULL;

	if (rq->verb != VERB_POST || rq->body_len == 0)
		return NULL;
	if (!bound_json(rq->body, rq->body_len))
		return "too many values in one request";
	body = json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(body)) {
		json_decref(body);
		return "the body must be a JSON object";
	}
	json_object_foreach(body, key, v)
	{
		const json_t *have = json_object_get(params, key);

		if (have != NULL && !json_equal(have, v))
			bad = "the body names another block than the path";
		else if (json_object_set(params, key, v) == -1)
			bad = "out of memory";
	}
	json_decref(body);
	return bad;
}

/* "application/octet-stream" among what the client accepts. */
static bool
wants_raw(const struct http_req *rq)
{
	static const char type[] = "application/octet-stream";
	size_t n = sizeof(type) - 1, i;

	for (i = 0; i + n <= rq->accept_len; i++)
		if (strncasecmp(rq->accept + i, type, n) == 0)
			return true;
	return false;
}

static void
refuse_verb(struct http_req *rq, const char *allow)
{
	char line[96], why[64];

	(void)snprintf(line, sizeof(line), "Allow: %sOPTIONS\r\n", allow);
	(void)snprintf(why, sizeof(why), "only %s is possible here",
	    allow[0] == 'P'                  ? "POST"
		: strchr(allow, 'P') != NULL ? "GET or POST"
					     : "GET");
	rest_error(rq, 405, line, why);
}

bool
rest_call(struct http_req *rq)
{
	const struct method *m;
	struct rest_call *rc;
	const char *why;
	char allow[48];

	if ((m = find(rq, allow, sizeof(allow))) == NULL) {
		if (allow[0] == '\0')
			return false;
		refuse_verb(rq, allow);
		return true;
	}
	if ((rc = calloc(1, sizeof(*rc))) == NULL ||
	    (rc->params = json_object()) == NULL) {
		free(rc);
		rest_error(rq, 503, NULL, "out of memory");
		return true;
	}
	rc->rq = rq;
	rc->call.ops = &ops;
	rc->call.method = m;
	rc->call.from = rq->from;
	rc->call.flavour = CALL_REST;
	rc->call.raw = wants_raw(rq);
	take_query(rq, m, rc->params);
	(void)path_fits(m->rest, rq->path, rq->path_len, rc->params);
	if ((why = take_body(rq, rc->params)) != NULL) {
		rest_free(rc);
		rest_error(rq, 400, NULL, why);
		return true;
	}
	rc->call.params = rc->params;
	rq->pending = rc;
	rq->cancel = on_gone; /* forgotten when the answer is there */
	apid.st.rpc_calls++;
	method_run(&rc->call);
	return true;
}
