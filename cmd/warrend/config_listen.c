/* SPDX-License-Identifier: ISC */
/*
 * Sockets to serve on: control and the listeners of all services.  What is
 * written replaces the default; "no" takes away all of a kind.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/warrend/config_args.h"
#include "cmd/warrend/config_out.h"

#define SUN_PATH_MAX 104 /* of the narrowest system we know */

void
conf_parse_control(struct conf_args *a)
{
	static const char *const words[] = { "group", "mode", "restricted" };
	struct config *c = a->c;
	struct conf_control s = { .mode = 0660, .at = arg_origin(a) };
	const char *mode;
	unsigned i;

	arg_path(a, "control", s.path, sizeof(s.path));
	if (!a->bad && strlen(s.path) >= SUN_PATH_MAX)
		arg_error(a, "control: a socket's path has at most %d bytes",
		    SUN_PATH_MAX - 1);
	while (!arg_end(a)) {
		switch (arg_choice(a, words, 3)) {
		case 0:
			arg_str(a, "group", s.group, sizeof(s.group));
			break;
		case 1:
			mode = arg_word(a, "an octal mode");
			if (strlen(mode) > 4 ||
			    mode[strspn(mode, "01234567")] != '\0' ||
			    sscanf(mode, "%o", &s.mode) != 1 || s.mode > 0777)
				arg_error(a,
				    "mode: '%s' is no octal mode such "
				    "as 0660",
				    mode);
			break;
		case 2:
			s.restricted = true;
			break;
		}
	}
	if (a->bad)
		return;
	if (c->n_controls > 0 && c->controls[0].at.file == NULL)
		c->n_controls = 0;
	for (i = 0; i < c->n_controls; i++)
		if (strcmp(c->controls[i].path, s.path) == 0)
			arg_error(a, "control: the same path as at %s:%d",
			    c->controls[i].at.file, c->controls[i].at.line);
	if (c->n_controls == CONF_CONTROL)
		arg_error(a, "control: at most %d sockets", CONF_CONTROL);
	if (!a->bad)
		c->controls[c->n_controls++] = s;
}

void
conf_print_control(const struct config *c, struct conf_out *o)
{
	char path[CONF_QUOTED], group[CONF_QUOTED];
	const struct conf_control *s;

	for (s = c->controls; s < c->controls + c->n_controls; s++)
		conf_line(o, &s->at, "control %s%s%s mode %04o%s",
		    conf_quote(s->path, path),
		    s->group[0] != '\0' ? " group " : "",
		    s->group[0] != '\0' ? conf_quote(s->group, group) : "",
		    s->mode, s->restricted ? " restricted" : "");
}

struct service_row {
	enum conf_word row;
	enum service service;
	uint16_t port;
	const char *words;
};

static const struct service_row services[] = {
	{ W_LISTEN_PEER, SVC_LINK, 38080, "listen peer" },
	{ W_STUN_LISTEN, SVC_STUN_UDP, 3478, "stun listen" },
	{ W_API_HTTP, SVC_HTTP, 38081, "api http" },
	{ W_METRICS, SVC_METRICS, 38085, "metrics" },
};

static const struct service_row *
service_of(enum conf_word row)
{
	const struct service_row *s = services;

	while (s->row != row)
		s++;
	return s;
}

/* Forget the listeners of a service, all or only the defaults. */
static void
drop_listens(struct config *c, enum service service, bool all)
{
	unsigned i, n = 0;

	for (i = 0; i < c->n_listens; i++)
		if (c->listens[i].service != service ||
		    (!all && c->listens[i].at.file != NULL))
			c->listens[n++] = c->listens[i];
	c->n_listens = n;
}

static unsigned
count_listens(const struct config *c, enum service service)
{
	unsigned i, n = 0;

	for (i = 0; i < c->n_listens; i++)
		n += c->listens[i].service == service;
	return n;
}

static void
add_listen(struct conf_args *a, const struct conf_listen *l)
{
	struct config *c = a->c;
	enum service service = (enum service)l->service;

	if (!conf_list_begin(a, false))
		return;
	drop_listens(c, service, false);
	if (count_listens(c, service) == CONF_LISTEN)
		arg_error(a, "at most %d listeners of a kind", CONF_LISTEN);
	else
		c->listens[c->n_listens++] = *l;
}

/* on ADDR|* [port N] [advertise ADDR port N], or no. */
void
conf_parse_listen(struct conf_args *a)
{
	static const char *const how[] = { "on", "no" };
	static const char *const words[] = { "port", "advertise" };
	const struct service_row *s = service_of(a->row);
	struct conf_listen l = { .service = (uint8_t)s->service,
		.at = arg_origin(a) };
	uint16_t port = s->port;
	unsigned n_words = s->service == SVC_LINK ? 2 : 1;

	if (arg_choice(a, how, 2) == 1) {
		if (arg_end(a) && conf_list_begin(a, true))
			drop_listens(a->c, s->service, true);
		return;
	}
	l.addr = arg_addr(a, &l.both_families);
	while (!arg_end(a)) {
		switch (arg_choice(a, words, n_words)) {
		case 0:
			port = arg_port(a);
			break;
		case 1:
			l.advertise = arg_addr(a, NULL);
			arg_want(a, "port");
			l.advertise.port = arg_port(a);
			if (!a->bad &&
			    (naddr_is_any(&l.advertise) ||
				l.advertise.port == 0))
				arg_error(a,
				    "advertise: wants an address and a "
				    "port others can reach");
			break;
		}
	}
	l.addr.port = port;
	if (!a->bad)
		add_listen(a, &l);
}

const char *
conf_addr_str(const struct naddr *a, bool any, char buf[CONF_ADDR])
{
	char ip[NADDR_STR];

	(void)snprintf(buf, CONF_ADDR, "%s port %u",
	    any ? "*" : naddr_ip_str(a, ip), a->port);
	return buf;
}

static void
print_listens(const struct config *c, struct conf_out *o, enum conf_word row)
{
	const struct service_row *s = service_of(row);
	unsigned left = count_listens(c, s->service);
	char addr[CONF_ADDR], adv[CONF_ADDR];
	const struct conf_listen *l;
	bool advertised;

	if (left == 0)
		conf_line(o, &c->origins[row], "%s no", s->words);
	for (l = c->listens; l < c->listens + c->n_listens; l++) {
		if (l->service != s->service)
			continue;
		advertised = l->advertise.fam != NADDR_NONE;
		left--;
		/* The options of the API follow its last listener. */
		conf_line(o, &l->at, "%s on %s%s%s%s", s->words,
		    conf_addr_str(&l->addr, l->both_families, addr),
		    advertised ? " advertise " : "",
		    advertised ? conf_addr_str(&l->advertise, false, adv) : "",
		    row == W_API_HTTP && left == 0 ? " {" : "");
	}
}

void
conf_print_listen_peer(const struct config *c, struct conf_out *o)
{
	print_listens(c, o, W_LISTEN_PEER);
}

void
conf_print_listen_stun(const struct config *c, struct conf_out *o)
{
	print_listens(c, o, W_STUN_LISTEN);
}

void
conf_print_listen_http(const struct config *c, struct conf_out *o)
{
	print_listens(c, o, W_API_HTTP);
}

void
conf_print_listen_metrics(const struct config *c, struct conf_out *o)
{
	print_listens(c, o, W_METRICS);
}
