/* SPDX-License-Identifier: ISC */
/*
 * Which nodes "db verify" asks: peers that tell where their API is, and those
 * that are named.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/warrenctl/verify_work.h"
#include "common/compat/compat.h"

#define PEERS    4 /* asked when nobody is named */
#define API_PORT "38081"

struct voter voters[VOTERS_MAX];
size_t n_voters;

static struct voter *
add_voter(const char *name)
{
	struct voter *v;

	if (n_voters == VOTERS_MAX)
		die(EX_USAGE, "at most %d nodes at a time", VOTERS_MAX - 1);
	v = &voters[n_voters++];
	memset(v, 0, sizeof(*v));
	(void)strlcpy(v->name, name, sizeof(v->name));
	return v;
}

/* Where this peer's HTTP API is, if it told. */
static bool
http_of(const struct msg_peer *p, char host[128], char port[8])
{
	char addr[NADDR_STR];
	struct naddr a;
	size_t i;
	char *s;

	for (i = 0; i < p->n_addrs; i++) {
		if (p->addrs[i].service != SVC_HTTP)
			continue;
		a = p->addrs[i].addr;
		(void)snprintf(port, 8, "%u", a.port);
		a.port = 0;
		(void)naddr_str(&a, addr);
		/* "[ip6]:0" or "ip4:0" or without a port: the host alone. */
		s = addr;
		if (s[0] == '[') {
			s++;
			s[strcspn(s, "]")] = '\0';
		} else if (strchr(s, ':') == strrchr(s, ':')) {
			s[strcspn(s, ":")] = '\0';
		}
		(void)strlcpy(host, s, 128);
		return true;
	}
	return false;
}

static void
name_peer(const struct msg_peer *p, char out[80])
{
	char hex[NODE_ID_HEX];

	if (p->name[0] != '\0')
		(void)snprintf(out, 80, "%s", p->name);
	else
		(void)snprintf(out, 80, "%.16s", node_id_hex(p->id, hex));
}

static struct msg_peer *peers;
static size_t n_peers;

static void
load_peers(void)
{
	struct msg_ctl_word w = { .word = "" };
	const struct msg_peer *p;
	struct part *at = NULL;

	client_must(CTL_SHOW_PEERS, &w);
	peers = calloc(client_count(CTL_PEER) + 1, sizeof(*peers));
	if (peers == NULL)
		die(EX_OSERR, "out of memory");
	while ((p = client_next(CTL_PEER, &at)) != NULL)
		peers[n_peers++] = *p;
	client_reset();
}

static void
add_peers(size_t max)
{
	char host[128], port[8], name[80];
	struct voter *v;
	size_t i, n = 0;

	for (i = 0; i < n_peers && n < max; i++) {
		if (!http_of(&peers[i], host, port))
			continue;
		name_peer(&peers[i], name);
		v = add_voter(name);
		(void)strlcpy(v->host, host, sizeof(v->host));
		(void)strlcpy(v->port, port, sizeof(v->port));
		n++;
	}
}

/* A peer by its name or key; NULL when there is none. */
static const struct msg_peer *
find_peer(const char *word)
{
	char hex[NODE_ID_HEX];
	size_t i, n = strlen(word);

	for (i = 0; i < n_peers; i++)
		if (strcmp(peers[i].name, word) == 0 ||
		    (n >= 8 &&
			strncmp(node_id_hex(peers[i].id, hex), word, n) == 0))
			return &peers[i];
	return NULL;
}

/* host, host:port, [ip6]:port, or a bare ip6. */
static void
split_host(struct voter *v, const char *word)
{
	const char *end = strchr(word, ']'), *colon = strrchr(word, ':');
	size_t n;

	(void)strlcpy(v->port, API_PORT, sizeof(v->port));
	if (word[0] == '[' && end != NULL) {
		if (end[1] == ':')
			(void)strlcpy(v->port, end + 2, sizeof(v->port));
		word++;
		n = (size_t)(end - word);
	} else if (colon != NULL && strchr(word, ':') == colon) {
		(void)strlcpy(v->port, colon + 1, sizeof(v->port));
		n = (size_t)(colon - word);
	} else {
		n = strlen(word);
	}
	if (n == 0 || n >= sizeof(v->host))
		die(EX_USAGE, "%s: no such host can be", word);
	memcpy(v->host, word, n);
	v->host[n] = '\0';
}

static void
add_named(const char *word)
{
	const struct msg_peer *p = find_peer(word);
	struct voter *v = add_voter(word);

	if (p == NULL)
		split_host(v, word);
	else if (!http_of(p, v->host, v->port))
		die(EX_UNAVAILABLE,
		    "%s tells no address of an HTTP API; name "
		    "it as host:port",
		    word);
}

void
voters_choose(int argc, char **argv)
{
	const char *err;
	int i;

	add_voter("this node")->own = true;
	load_peers();
	if (argc == 0) {
		add_peers(PEERS);
	} else if (strcmp(argv[0], "peers") == 0) {
		if (argc != 2)
			die(EX_USAGE,
			    "usage: warrenctl db verify " VERIFY_ARGS);
		i = (int)strtonum(argv[1], 1, VOTERS_MAX - 1, &err);
		if (err != NULL)
			die(EX_USAGE, "peers %s: %s", argv[1], err);
		add_peers((size_t)i);
	} else {
		for (i = 0; i < argc; i++)
			add_named(argv[i]);
	}
	if (n_voters == 1)
		die(EX_UNAVAILABLE,
		    "no peer tells an address of its HTTP "
		    "API; name nodes as host:port");
}
