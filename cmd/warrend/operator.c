/* SPDX-License-Identifier: ISC */
/*
 * Hosts named by an operator, as promised in operator.h.
 */
#include "cmd/warrend/operator.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/warrend/sockets.h"
#include "cmd/warrend/warrend.h"
#include "common/compat/compat.h"
#include "common/log.h"

#define HOSTS_MAX 128
#define FILE_NAME "peers.allowed"

struct host {
	char name[128];
	char alias[32]; /* what the operator calls the peer; "-" for nothing */
	char key[65];   /* its key in hex; "-" when not given */
	bool kept;      /* across restarts */
};

static struct host hosts[HOSTS_MAX];
static size_t n_hosts;

static struct host *
find(const char *name)
{
	size_t i;

	for (i = 0; i < n_hosts; i++)
		if (strcmp(hosts[i].name, name) == 0)
			return &hosts[i];
	return NULL;
}

void
operator_trust_host(const char *host)
{
	struct naddr literal;

	if (naddr_parse_ip(&literal, host, 0) == 0)
		dial_operator_addr(&literal);
	if (find(host) != NULL)
		return;
	if (n_hosts == HOSTS_MAX) {
		log_warn("more than %d hosts named; %s is not trusted",
		    HOSTS_MAX, host);
		return;
	}
	memset(&hosts[n_hosts], 0, sizeof(hosts[0]));
	(void)strlcpy(hosts[n_hosts++].name, host, sizeof(hosts[0].name));
}

static void
write_file(void)
{
	static char text[HOSTS_MAX * 230];
	size_t i, n = 0;

	text[0] = '\0';
	for (i = 0; i < n_hosts; i++)
		if (hosts[i].kept)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "%s %s %s\n", hosts[i].name, hosts[i].alias,
			    hosts[i].key);
	if (files_write_small(FILE_NAME, text) == -1)
		log_warn("%s: %s", FILE_NAME, strerror(errno));
}

void
operator_add_host(const char *host, const char *alias, const char *key)
{
	struct host *h;

	operator_trust_host(host);
	if ((h = find(host)) == NULL)
		return;
	(void)strlcpy(h->alias, alias[0] ? alias : "-", sizeof(h->alias));
	(void)strlcpy(h->key, key[0] ? key : "-", sizeof(h->key));
	h->kept = true;
	write_file();
}

void
operator_delete_host(const char *word)
{
	struct host *h;
	size_t i;

	for (i = 0; i < n_hosts; i++) {
		h = &hosts[i];
		if (h->kept &&
		    (strcmp(h->name, word) == 0 ||
			strcmp(h->alias, word) == 0 ||
			strcmp(h->key, word) == 0)) {
			*h = hosts[--n_hosts];
			write_file();
			return;
		}
	}
}

/* "host alias key", as write_file() put it. */
static void
read_line(const char *line)
{
	struct host h;

	if (sscanf(line, "%127s %31s %64s", h.name, h.alias, h.key) != 3)
		return;
	operator_trust_host(h.name);
	h.kept = true;
	if (find(h.name) != NULL)
		*find(h.name) = h;
}

void
operator_read(void)
{
	static char text[HOSTS_MAX * 230];
	char *line, *rest = text;

	if (files_read_small(FILE_NAME, text, sizeof(text)) == -1)
		return;
	while ((line = strsep(&rest, "\n")) != NULL)
		read_line(line);
}

bool
operator_knows_host(const char *host)
{
	return find(host) != NULL;
}
