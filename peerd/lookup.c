/* SPDX-License-Identifier: ISC */
/*
 * Whom an operator means by a word: a name, a key or the first digits of it,
 * or an address.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "peerd/peerd.h"

#define PREFIX_MIN 4 /* digits of a key that name a peer */

struct lookup {
	const char *word;
	size_t len;
	unsigned n;
	uint8_t id[32];
};

static void
found(struct lookup *l, const uint8_t id[32])
{
	if (l->n > 0 && memcmp(l->id, id, 32) == 0)
		return;
	memcpy(l->id, id, 32);
	l->n++;
}

static void
match_digits(struct lookup *l, const uint8_t id[32])
{
	char hex[NODE_ID_HEX];

	if (strncasecmp(node_id_hex(id, hex), l->word, l->len) == 0)
		found(l, id);
}

static void
match_addr(struct lookup *l, const uint8_t id[32], const struct naddr *at)
{
	char text[NADDR_STR];

	if (at->fam != NADDR_NONE &&
	    (strcmp(naddr_str(at, text), l->word) == 0 ||
		strcmp(naddr_ip_str(at, text), l->word) == 0))
		found(l, id);
}

static void
match_node(struct lookup *l, const struct known_node *n)
{
	struct naddr a;
	unsigned nth;

	match_addr(l, n->id, &n->observed);
	for (nth = 0; nodes_dial_addr(n, nth, &a); nth++)
		match_addr(l, n->id, &a);
}

static bool
is_digits(const char *word)
{
	size_t n = 0;

	for (; isxdigit((unsigned char)word[n]); n++)
		continue;
	return word[n] == '\0' && n >= PREFIX_MIN && n <= 64;
}

/* Each way of naming a peer in turn; the first that finds one counts. */
static void
by_name(struct lookup *l)
{
	const struct target *t = targets_find(l->word);
	const struct known_node *n = NULL;

	if (t != NULL && targets_id(t) != NULL)
		found(l, targets_id(t));
	while (l->n == 0 && (n = known_next(&peerd.known, n)) != NULL)
		if (n->node.name[0] != '\0' &&
		    strcmp(n->node.name, l->word) == 0)
			found(l, n->id);
}

static void
by_digits(struct lookup *l)
{
	const struct known_node *n = NULL;
	const struct target *t = NULL;
	const struct conn *c;

	if (!is_digits(l->word))
		return;
	while ((n = known_next(&peerd.known, n)) != NULL)
		match_digits(l, n->id);
	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c))
		if (c->state == CONN_UP && c->node == NULL)
			match_digits(l, c->id);
	while ((t = targets_next(t)) != NULL)
		if (targets_id(t) != NULL &&
		    known_find(&peerd.known, targets_id(t)) == NULL)
			match_digits(l, targets_id(t));
}

static void
by_addr(struct lookup *l)
{
	const struct known_node *n = NULL;
	const struct conn *c;

	for (c = conn_next_any(NULL); c != NULL; c = conn_next_any(c))
		if (c->state == CONN_UP)
			match_addr(l, c->id, &c->remote);
	while (l->n == 0 && (n = known_next(&peerd.known, n)) != NULL)
		match_node(l, n);
}

int
lookup_peer(const char *word, uint8_t id[32], const char **why)
{
	struct lookup l = { .word = word, .len = strlen(word) };

	by_name(&l);
	if (l.n == 0)
		by_digits(&l);
	if (l.n == 0)
		by_addr(&l);
	*why = l.n > 1 ? "that may be several peers; give more digits"
		       : "no such peer";
	memcpy(id, l.id, 32);
	return l.n == 1 ? 0 : -1;
}
