/* SPDX-License-Identifier: ISC */
/*
 * Heads of answers, as promised in head.h.
 */
#include "apid/head.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define CTYPE_MAX 128

static char cors[256];
static size_t cors_len;
static char date[40]; /* "Date: ...\r\n" of date_s */
static size_t date_len;
static int64_t date_s = -1;

const char *
head_reason(uint16_t status)
{
	static const struct {
		uint16_t status;
		const char *text;
	} words[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 417, "Expectation Failed" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].status == status)
			return words[i].text;
	return "Unknown";
}

void
head_configure(const char *allow_origin)
{
	int n = 0;

	if (allow_origin[0] != '\0')
		n = snprintf(cors, sizeof(cors),
		    "Access-Control-Allow-Origin: %s\r\n%s", allow_origin,
		    strcmp(allow_origin, "*") == 0 ? "" : "Vary: Origin\r\n");
	cors_len = n > 0 ? (size_t)n : 0;
}

static char *
add(char *p, const char *s, size_t n)
{
	memcpy(p, s, n);
	return p + n;
}

#define ADD(p, literal) add(p, literal, sizeof(literal) - 1)

static char *
add_number(char *p, size_t v)
{
	char digits[24];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	return add(p, digits + i, sizeof(digits) - i);
}

static char *
add_date(char *p, int64_t now_s)
{
	time_t t = (time_t)now_s;
	struct tm tm;

	if (now_s != date_s && gmtime_r(&t, &tm) != NULL) {
		date_len = strftime(date, sizeof(date),
		    "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
		date_s = now_s;
	}
	return add(p, date, date_len);
}

static char *
add_type(char *p, const struct head_in *h)
{
	size_t n;

	if (h->ctype == NULL)
		return ADD(p, "Content-Type: application/json\r\n");
	n = h->ctype_len > 0 ? h->ctype_len : strlen(h->ctype);
	p = ADD(p, "Content-Type: ");
	p = add(p, h->ctype, n < CTYPE_MAX ? n : CTYPE_MAX);
	return ADD(p, "\r\n");
}

size_t
head_write(const struct head_in *h, char *buf)
{
	const char *reason = head_reason(h->status);
	char *p = buf;

	p = ADD(p, "HTTP/1.1 ");
	p = add_number(p, h->status);
	*p++ = ' ';
	p = add(p, reason, strlen(reason));
	p = ADD(p, "\r\n");
	p = add_date(p, h->now_s);
	if (h->status != 204) {
		p = add_type(p, h);
		p = ADD(p, "Content-Length: ");
		p = add_number(p, h->body_len);
		p = ADD(p, "\r\n");
	}
	if (h->cors)
		p = add(p, cors, cors_len);
	if (h->headers != NULL)
		p = add(p, h->headers, strlen(h->headers));
	if (h->close)
		p = ADD(p, "Connection: close\r\n");
	else if (h->keep_alive)
		p = ADD(p, "Connection: keep-alive\r\n");
	p = ADD(p, "\r\n");
	return (size_t)(p - buf);
}
