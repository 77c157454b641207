/* SPDX-License-Identifier: ISC */
/*
 * hosts(5), as promised in hosts.h.
 */
#include "cmd/warrend/hosts.h"

#include <string.h>

#define NAME_MAX_LEN 255

struct line {
	const char *p, *end;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; its length, 0 at the end. */
static size_t
next_word(struct line *l, const char **word)
{
	while (l->p < l->end && is_blank(*l->p))
		l->p++;
	*word = l->p;
	while (l->p < l->end && !is_blank(*l->p) && *l->p != '#')
		l->p++;
	return (size_t)(l->p - *word);
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
same_name(const char *a, const char *b, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

/* The line's address, if it is one that we can dial. */
static bool
take_addr(struct line *l, uint16_t port, struct naddr *addr)
{
	char text[NADDR_STR];
	const char *word;
	size_t n = next_word(l, &word);

	if (n == 0 || n >= sizeof(text) || memchr(word, '\0', n) != NULL ||
	    word[0] == '[')
		return false;
	memcpy(text, word, n);
	text[n] = '\0';
	return naddr_parse_ip(addr, text, port) == 0;
}

static bool
line_has(struct line *l, const char *name, size_t len)
{
	const char *word;
	size_t n;

	while ((n = next_word(l, &word)) > 0)
		if (n == len && same_name(word, name, len))
			return true;
	return false;
}

static bool
is_known(const struct naddr *list, unsigned n, const struct naddr *addr)
{
	while (n > 0)
		if (naddr_equal(&list[--n], addr))
			return true;
	return false;
}

unsigned
hosts_lookup(const char *text, size_t len, const char *name, uint16_t port,
    struct naddr *out, unsigned max)
{
	const char *end = text + len, *nl;
	size_t name_len = strlen(name);
	struct naddr addr;
	struct line l;
	unsigned n = 0;

	if (name_len > 0 && name[name_len - 1] == '.')
		name_len--;
	if (name_len == 0 || name_len > NAME_MAX_LEN)
		return 0;
	while (text < end && n < max) {
		nl = memchr(text, '\n', (size_t)(end - text));
		l.p = text;
		l.end = nl != NULL ? nl : end;
		text = nl != NULL ? nl + 1 : end;
		if (l.end - l.p > HOSTS_LINE_MAX || !take_addr(&l, port, &addr))
			continue;
		if (line_has(&l, name, name_len) && !is_known(out, n, &addr))
			out[n++] = addr;
	}
	return n;
}
