/* SPDX-License-Identifier: ISC */
/*
 * Counting values, as promised in bound.h.
 */
#include "apid/bound.h"

#include <string.h>

/* Behind the string whose first quote is at s[-1]; end when it never ends. */
static const char *
skip_string(const char *s, const char *end)
{
	while (s < end && (s = memchr(s, '"', (size_t)(end - s))) != NULL) {
		const char *back = s;

		while (back[-1] == '\\')
			back--;
		s++;
		if ((s - 1 - back) % 2 == 0)
			return s;
	}
	return end;
}

bool
bound_json(const char *s, size_t n)
{
	const char *end = s + n;
	size_t values = 0;

	while (s < end && values <= BOUND_VALUES) {
		switch (*s++) {
		case '"':
			s = skip_string(s, end);
			break;
		case ',':
		case '[':
		case '{':
			values++;
			break;
		default:
			break;
		}
	}
	return values <= BOUND_VALUES;
}
