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
	bool kept; /* across restarts */
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
	(void)strlcpy(
	    hosts[n_hosts++].name, host, sizeof(hosts[0].name));
}

static void
write_file(void)
{
	static char text[HOSTS_MAX * 130];
	size_t i, n = 0;

	text[0] = '\0';
	for (i = 0; i < n_hosts; i++)
		if (hosts[i].kept)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "%s\n", hosts[i].name);
	if (files_write_small(FILE_NAME, text) == -1)
		log_warn("%s: %s", FILE_NAME, strerror(errno));
}

void
operator_add_host(const char *host)
{
	struct host *h;

	operator_trust_host(host);
	if ((h = find(host)) == NULL || h->kept)
		return;
	h->kept = true;
	write_file();
}

void
operator_delete_host(const char *host)
{
	struct host *h = find(host);

	if (h == NULL || !h->kept)
		return;
	*h = hosts[--n_hosts];
	write_file();
}

void
operator_read(void)
{
	static char text[HOSTS_MAX * 130];
	char *line, *rest = text;

	if (files_read_small(FILE_NAME, text, sizeof(text)) == -1)
		return;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '\0' || strlen(line) >= sizeof(hosts[0].name))
			continue;
		operator_trust_host(line);
		if (find(line) != NULL)
			find(line)->kept = true;
	}
}

bool
operator_knows_host(const char *host)
{
	return find(host) != NULL;
}
