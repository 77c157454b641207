/* SPDX-License-Identifier: ISC */
/*
 * HTTP requests, as promised in http_parse.h.
 */
#include "apid/http_parse.h"

#include <string.h>
#include <strings.h>

#if HAVE_LLHTTP
#include <llhttp.h>
typedef llhttp_t lib_parser;
typedef llhttp_settings_t lib_settings;
#else
#include <http_parser.h>
typedef http_parser lib_parser;
typedef http_parser_settings lib_settings;
#endif

#define EXT_MAX 4096 /* bytes of chunk lines and trailers of one body */

enum chunk_state {
	CH_SIZE,    /* in the digits of a size */
	CH_EXT,     /* behind them, up to CR */
	CH_SIZE_LF, /* LF of the size line */
	CH_DATA,
	CH_DATA_CR,
	CH_DATA_LF,
	CH_TRAILER,  /* at the start of a trailer line */
	CH_TRAILING, /* inside one */
	CH_TRAIL_LF, /* its LF */
	CH_END_LF    /* LF of the empty line */
};

/* What the library's callbacks gather from one head. */
struct head {
	struct http_parse *p;
	const uint8_t *buf;
	const char *field; /* of the header at hand */
	size_t field_len;
	int64_t length; /* Content-Length, -1 for none */
	unsigned hosts, lengths, codings;
	bool bad, unknown_coding, unknown_expect, complete;
};

void
http_parse_init(struct http_parse *p)
{
	memset(p, 0, sizeof(*p));
}

static enum http_step
bad(struct http_parse *p, uint16_t status, const char *why)
{
	p->status = status;
	p->why = why;
	return HTTP_BAD;
}

/* --- headers --- */

static bool
is_token(const char *s, size_t n)
{
	static const char others[] = "!#$%&'*+-.^_`|~";
	size_t i;

	for (i = 0; i < n; i++) {
		char c = s[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9'))
			continue;
		if (c == '\0' || strchr(others, c) == NULL)
			return false;
	}
	return n > 0;
}

/* Digits only, below 2^53; -1 when it is anything else. */
static int64_t
decimal(const char *s, size_t n)
{
	int64_t v = 0;
	size_t i;

	if (n == 0 || n > 15)
		return -1;
	for (i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

static bool
is_word(const char *s, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(s, word, n) == 0;
}

static struct span
span_at(const struct head *h, const char *s, size_t n)
{
	return (struct span){ (uint32_t)((const uint8_t *)s - h->buf),
		(uint32_t)n };
}

static void
take_length(struct head *h, const char *s, size_t n)
{
	h->lengths++;
	if ((h->length = decimal(s, n)) == -1)
		h->bad = true;
}

static void
take_coding(struct head *h, const char *s, size_t n)
{
	h->codings++;
	if (is_word(s, n, "chunked"))
		h->p->chunked = true;
	else
		h->unknown_coding = true;
}

static void
take_expect(struct head *h, const char *s, size_t n)
{
	if (is_word(s, n, "100-continue"))
		h->p->expect = true;
	else
		h->unknown_expect = true;
}

static void
take_header(struct head *h, const char *s, size_t n)
{
	const char *f = h->field;
	size_t len = h->field_len;

	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	if (is_word(f, len, "host"))
		h->hosts++;
	else if (is_word(f, len, "content-length"))
		take_length(h, s, n);
	else if (is_word(f, len, "transfer-encoding"))
		take_coding(h, s, n);
	else if (is_word(f, len, "expect"))
		take_expect(h, s, n);
	else if (is_word(f, len, "origin"))
		h->p->origin = span_at(h, s, n);
	else if (is_word(f, len, "content-type"))
		h->p->ctype = span_at(h, s, n);
	else if (is_word(f, len, "accept"))
		h->p->accept = span_at(h, s, n);
}

static int
on_url(lib_parser *lp, const char *s, size_t n)
{
	struct head *h = lp->data;
	size_t i;

	for (i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] >= 0x7f)
			h->bad = true;
	h->p->target = span_at(h, s, n);
	return 0;
}

static int
on_field(lib_parser *lp, const char *s, size_t n)
{
	struct head *h = lp->data;

	if (!is_token(s, n))
		h->bad = true;
	h->field = s;
	h->field_len = n;
	return 0;
}

static int
on_value(lib_parser *lp, const char *s, size_t n)
{
	struct head *h = lp->data;

	if (h->field != NULL)
		take_header(h, s, n);
	h->field = NULL;
	return 0;
}

#if HAVE_LLHTTP

static int
on_complete(lib_parser *lp)
{
	((struct head *)lp->data)->complete = true;
	return HPE_PAUSED;
}

static bool
lib_run(lib_parser *lp, const lib_settings *set, const uint8_t *buf, size_t len,
    bool *unknown_verb)
{
	enum llhttp_errno e;
	void *data = lp->data; /* both libraries clear it */

	llhttp_init(lp, HTTP_REQUEST, set);
	lp->data = data;
	e = llhttp_execute(lp, (const char *)buf, len);
	*unknown_verb = e == HPE_INVALID_METHOD;
	/* It refuses versions that judge() names better. */
	return e == HPE_PAUSED || e == HPE_OK ||
	    (e == HPE_INVALID_VERSION && lp->http_major != 1);
}

static bool
lib_keep_alive(const lib_parser *lp)
{
	return llhttp_should_keep_alive(lp) != 0;
}

#else

static int
on_complete(lib_parser *lp)
{
	((struct head *)lp->data)->complete = true;
	http_parser_pause(lp, 1);
	return 0;
}

static bool
lib_run(lib_parser *lp, const lib_settings *set, const uint8_t *buf, size_t len,
    bool *unknown_verb)
{
	enum http_errno e;
	void *data = lp->data;

	http_parser_init(lp, HTTP_REQUEST);
	lp->data = data;
	(void)http_parser_execute(lp, set, (const char *)buf, len);
	e = HTTP_PARSER_ERRNO(lp);
	*unknown_verb = e == HPE_INVALID_METHOD;
	return e == HPE_PAUSED || e == HPE_OK;
}

static bool
lib_keep_alive(const lib_parser *lp)
{
	return http_should_keep_alive(lp) != 0;
}

#endif

/* What a head that both we and the library could read still may not say. */
static enum http_step
judge(struct http_parse *p, const struct head *h, const lib_parser *lp,
    const struct http_limits *lim)
{
	if (lp->http_major != 1 || lp->http_minor > 1)
		return bad(p, 505, "HTTP version not supported");
	if (h->bad || !h->complete)
		return bad(p, 400, "malformed header");
	if (h->lengths > 1 || h->codings > 1)
		return bad(p, 400, "repeated framing header");
	if (h->lengths > 0 && h->codings > 0)
		return bad(p, 400, "both Content-Length and Transfer-Encoding");
	if (h->hosts > 1 || (h->hosts == 0 && lp->http_minor == 1))
		return bad(p, 400, "exactly one Host header is required");
	if (h->codings > 0 && lp->http_minor == 0)
		return bad(p, 400, "Transfer-Encoding in HTTP/1.0");
	if (h->unknown_coding)
		return bad(p, 501, "unknown transfer coding");
	if (h->unknown_expect)
		return bad(p, 417, "unknown expectation");
	if (p->target.len > HTTP_TARGET_MAX)
		return bad(p, 414, "request target too long");
	if (h->length > (int64_t)lim->body_max)
		return bad(p, 413, "body too large");
	if (p->verb == VERB_POST && h->lengths == 0 && h->codings == 0)
		return bad(p, 411, "Content-Length required");
	return HTTP_MORE;
}

static enum http_verb
verb_of(const lib_parser *lp)
{
	switch (lp->method) {
	case HTTP_GET:
		return VERB_GET;
	case HTTP_HEAD:
		return VERB_HEAD;
	case HTTP_POST:
		return VERB_POST;
	case HTTP_OPTIONS:
		return VERB_OPTIONS;
	default:
		return VERB_OTHER;
	}
}

/* The head is whole and its lines are clean: read it. */
static enum http_step
read_head(struct http_parse *p, const struct http_limits *lim,
    const uint8_t *buf)
{
	static lib_settings set;
	struct head h = { .p = p, .buf = buf, .length = -1 };
	lib_parser lp = { .data = &h };
	bool unknown_verb;

	set.on_url = on_url;
	set.on_header_field = on_field;
	set.on_header_value = on_value;
	set.on_headers_complete = on_complete;
	if (!lib_run(&lp, &set, buf, p->head_len, &unknown_verb)) {
		if (unknown_verb)
			return bad(p, 501, "unknown method");
		if (h.lengths > 1 || (h.lengths > 0 && h.codings > 0))
			return bad(p, 400, "ambiguous length of the body");
		return bad(p, 400, "malformed request");
	}
	p->verb = verb_of(&lp);
	p->minor = (uint8_t)lp.http_minor; /* 0 or 1, says judge() */
	p->keep_alive = lib_keep_alive(&lp);
	if (judge(p, &h, &lp, lim) == HTTP_BAD)
		return HTTP_BAD;
	p->body_off = p->src = p->head_len;
	p->want = h.length > 0 ? (uint32_t)h.length : 0;
	return HTTP_MORE;
}

/* --- lines of the head --- */

/* One line from p->line up to the LF at lf.  False when it is not clean. */
static bool
line_is_clean(const struct http_parse *p, const uint8_t *buf, size_t lf)
{
	const uint8_t *s = buf + p->line;
	size_t n = lf - p->line;

	if (n == 0 || s[n - 1] != '\r')
		return false; /* a bare LF is read in two ways out there */
	if (p->request_line && (s[0] == ' ' || s[0] == '\t'))
		return false; /* folded lines, likewise */
	return memchr(s, '\r', n - 1) == NULL && memchr(s, '\0', n) == NULL;
}

static enum http_step
head_too_large(struct http_parse *p)
{
	return p->request_line ? bad(p, 431, "head too large")
			       : bad(p, 414, "request target too long");
}

/* Bytes from p->line to end begin, or are, a request line: could they? */
static enum http_step
look_at_request_line(struct http_parse *p, const uint8_t *buf, size_t end)
{
	uint8_t c;

	if (p->request_line || end == p->line)
		return HTTP_MORE;
	c = buf[p->line];
	if ((c < 'A' || c > 'Z') && c != '\r')
		return bad(p, 400, "not HTTP");
	if (end - p->line > HTTP_TARGET_MAX + 64)
		return bad(p, 414, "request target too long");
	return HTTP_MORE;
}

/* Look for the empty line.  HTTP_MORE with head_len set when it is there. */
static enum http_step
scan_head(struct http_parse *p, const struct http_limits *lim,
    const uint8_t *buf, size_t len)
{
	size_t end = len < lim->header_max ? len : lim->header_max;
	const uint8_t *lf;
	size_t at;

	while (p->scan < end &&
	    (lf = memchr(buf + p->scan, '\n', end - p->scan)) != NULL) {
		at = (size_t)(lf - buf);
		if (look_at_request_line(p, buf, at) == HTTP_BAD)
			return HTTP_BAD;
		if (!line_is_clean(p, buf, at))
			return bad(p, 400, "malformed line");
		if (at == p->line + 1 && p->request_line)
			p->head_len = (uint32_t)at + 1;
		else if (at > p->line + 1)
			p->request_line = true;
		p->line = p->scan = (uint32_t)at + 1;
		if (p->head_len > 0)
			return HTTP_MORE;
	}
	p->scan = (uint32_t)end;
	if (look_at_request_line(p, buf, end) == HTTP_BAD)
		return HTTP_BAD;
	return end == lim->header_max ? head_too_large(p) : HTTP_MORE;
}

/* --- the body --- */

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte between chunks.  The next state, or -1. */
static int
chunk_byte(struct http_parse *p, uint8_t c)
{
	int d;

	switch (p->chunk) {
	case CH_SIZE:
		if ((d = hex_digit(c)) >= 0) {
			if (p->want >= 1u << 24)
				return -1;
			p->want = p->want << 4 | (uint32_t)d;
			p->line = 1; /* a digit was there */
			return CH_SIZE;
		}
		if (p->line == 0)
			return -1;
		return c == '\r' ? CH_SIZE_LF : c == ';' ? CH_EXT : -1;
	case CH_EXT:
		return c == '\r'            ? CH_SIZE_LF
		    : c >= ' ' || c == '\t' ? CH_EXT
					    : -1;
	case CH_SIZE_LF:
		p->line = 0;
		return c != '\n' ? -1 : p->want > 0 ? CH_DATA : CH_TRAILER;
	case CH_DATA_CR:
		return c == '\r' ? CH_DATA_LF : -1;
	case CH_DATA_LF:
		return c == '\n' ? CH_SIZE : -1;
	case CH_TRAILER:
		return c == '\r'           ? CH_END_LF
		    : c > ' ' && c != 0x7f ? CH_TRAILING
					   : -1;
	case CH_TRAILING:
		return c == '\r'            ? CH_TRAIL_LF
		    : c >= ' ' || c == '\t' ? CH_TRAILING
					    : -1;
	case CH_TRAIL_LF:
		return c == '\n' ? CH_TRAILER : -1;
	default:
		return -1;
	}
}

/* Move as much of the chunk as is there behind the body so far. */
static void
chunk_data(struct http_parse *p, uint8_t *buf, size_t len)
{
	size_t n = len - p->src;

	if (n > p->want)
		n = p->want;
	memmove(buf + p->body_off + p->body_len, buf + p->src, n);
	p->body_len += (uint32_t)n;
	p->src += (uint32_t)n;
	p->want -= (uint32_t)n;
	if (p->want == 0)
		p->chunk = CH_DATA_CR;
}

static enum http_step
body_chunked(struct http_parse *p, const struct http_limits *lim, uint8_t *buf,
    size_t len)
{
	int next;

	while (p->src < len) {
		if (p->chunk == CH_DATA) {
			chunk_data(p, buf, len);
			continue;
		}
		if (p->chunk == CH_END_LF) {
			if (buf[p->src] != '\n')
				break;
			p->used = p->src + 1;
			return HTTP_WHOLE;
		}
		if ((next = chunk_byte(p, buf[p->src])) == -1)
			return bad(p, 400, "malformed chunk");
		if (next == CH_DATA && p->want > lim->body_max - p->body_len)
			return bad(p, 413, "body too large");
		p->chunk = (uint8_t)next;
		p->src++;
		/* Two bytes a chunk are free: its digit and what it must. */
		if (++p->ext > EXT_MAX + p->body_len * 6)
			return bad(p, 400, "chunks of nothing");
	}
	return p->src < len ? bad(p, 400, "malformed chunk") : HTTP_MORE;
}

static enum http_step
body_plain(struct http_parse *p, size_t len)
{
	size_t have = len - p->body_off;

	if (have < p->want) {
		p->body_len = (uint32_t)have;
		return HTTP_MORE;
	}
	p->body_len = p->want;
	p->used = p->body_off + p->want;
	return HTTP_WHOLE;
}

enum http_step
http_parse_feed(struct http_parse *p, const struct http_limits *lim,
    uint8_t *buf, size_t len)
{
	if (p->head_len == 0) {
		if (scan_head(p, lim, buf, len) == HTTP_BAD)
			return HTTP_BAD;
		if (p->head_len == 0)
			return HTTP_MORE;
		p->line = 0; /* from here on the chunk decoder's */
		if (read_head(p, lim, buf) == HTTP_BAD)
			return HTTP_BAD;
	}
	return p->chunked ? body_chunked(p, lim, buf, len) : body_plain(p, len);
}

bool
http_parse_wants_continue(struct http_parse *p, size_t len)
{
	bool wants =
	    p->expect && p->head_len > 0 && p->minor == 1 && len == p->head_len;

	if (p->head_len > 0)
		p->expect = false;
	return wants;
}

size_t
http_parse_compact(struct http_parse *p, uint8_t *buf, size_t len)
{
	uint32_t end = p->body_off + p->body_len;

	if (!p->chunked || p->head_len == 0 || p->src == end)
		return len;
	memmove(buf + end, buf + p->src, len - p->src);
	len -= p->src - end;
	p->src = end;
	return len;
}

size_t
http_parse_wants(const struct http_parse *p, size_t len)
{
	if (p->head_len == 0 || p->chunked)
		return 0;
	return p->body_off + (size_t)p->want - len;
}
