/* SPDX-License-Identifier: ISC */
/*
 * HTTP requests from a stranger: the first byte says in how large steps the
 * rest comes.  Taken whole or in steps, the verdict must be the same; the
 * buffer moves between steps and has nothing to spare.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apid/http_parse.h"
#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits lim = { .header_max = 512, .body_max = 256 };

/* Where the first request ends, or how it is refused, as one number. */
static long
verdict(const uint8_t *data, size_t size, size_t step)
{
	enum http_step s = HTTP_MORE;
	struct http_parse p;
	uint8_t *buf = NULL, *next;
	size_t fed = 0, len = 0, n;
	long v = 0;

	http_parse_init(&p);
	while (s == HTTP_MORE && fed < size) {
		n = size - fed < step ? size - fed : step;
		if ((next = malloc(len + n)) == NULL)
			abort();
		if (len > 0)
			memcpy(next, buf, len);
		memcpy(next + len, data + fed, n);
		free(buf);
		buf = next;
		fed += n;
		len += n;
		s = http_parse_feed(&p, &lim, buf, len);
		if (s == HTTP_MORE) {
			(void)http_parse_wants_continue(&p, len);
			len = http_parse_compact(&p, buf, len);
		}
	}
	if (s == HTTP_WHOLE) {
		ASSERT(p.used <= len && p.body_off + p.body_len <= len);
		ASSERT(p.body_len <= lim.body_max);
		ASSERT(p.target.off + p.target.len <= p.head_len);
		ASSERT(p.ctype.off + p.ctype.len <= p.head_len);
		v = 1000 + (long)p.body_len;
	} else if (s == HTTP_BAD) {
		ASSERT(p.status >= 400 && p.status < 600 && p.why != NULL);
		v = -1; /* which error is met first may depend on the steps */
	}
	free(buf);
	return v;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	ASSERT(verdict(data + 1, size - 1, size) ==
	    verdict(data + 1, size - 1, 1 + data[0] % 16));
	return 0;
}
