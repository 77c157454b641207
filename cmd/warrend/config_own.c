/* SPDX-License-Identifier: ISC */
/*
 * Single values that are more than one word: how each is read, and printed
 * so that it reads back to itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/warrend/config_args.h"
#include "cmd/warrend/config_out.h"
#include "common/addr_policy.h"

#define DAY_MS 86400000u

void
conf_parse_network(struct conf_args *a)
{
	struct config *c = a->c;

	arg_str(a, "the network's name", c->network, sizeof(c->network));
	c->charter[0] = '\0';
	if (arg_end(a))
		return;
	arg_want(a, "charter");
	arg_path(a, "charter", c->charter, sizeof(c->charter));
}

void
conf_print_network(const struct config *c, struct conf_out *o)
{
	char name[CONF_QUOTED], path[CONF_QUOTED];

	conf_line(o, &c->origins[W_NETWORK], "network %s%s%s",
	    conf_quote(c->network, name),
	    c->charter[0] != '\0' ? " charter " : "",
	    c->charter[0] != '\0' ? conf_quote(c->charter, path) : "");
}

void
conf_parse_privdrop(struct conf_args *a)
{
	static const char *const words[] = { "required", "auto" };

	a->c->privdrop_required = arg_choice(a, words, 2) == 0;
}

void
conf_print_privdrop(const struct config *c, struct conf_out *o)
{
	conf_line(o, &c->origins[W_PRIVDROP], "privdrop %s",
	    c->privdrop_required ? "required" : "auto");
}

static const char *const log_dests[] = { "stderr", "syslog", "file" };
static const char *const log_levels[] = { "error", "warn", "info", "debug" };

void
conf_parse_log(struct conf_args *a)
{
	struct config *c = a->c;
	unsigned dest = arg_choice(a, log_dests, 3);
	unsigned level;

	if (a->bad)
		return;
	c->log_dest = (enum log_dest)dest;
	c->log_file[0] = '\0';
	if (c->log_dest == LOG_TO_FILE)
		arg_path(a, "log file", c->log_file, sizeof(c->log_file));
	if (arg_end(a))
		return;
	arg_want(a, "level");
	level = arg_choice(a, log_levels, 4);
	if (!a->bad)
		c->log_level = (enum log_level)level;
}

void
conf_print_log(const struct config *c, struct conf_out *o)
{
	char path[CONF_QUOTED];
	bool file = c->log_dest == LOG_TO_FILE;

	conf_line(o, &c->origins[W_LOG], "log %s%s%s level %s",
	    log_dests[c->log_dest], file ? " " : "",
	    file ? conf_quote(c->log_file, path) : "",
	    log_levels[c->log_level]);
}

void
conf_parse_stun_rate(struct conf_args *a)
{
	static const char *const words[] = { "burst", "global" };
	struct msg_stund_config *s = &a->c->stun;

	s->rate = arg_rate(a, "stun rate", 0, 10000000);
	while (!arg_end(a)) {
		switch (arg_choice(a, words, 2)) {
		case 0:
			s->burst = (uint32_t)arg_num(a, "burst", 1, 10000000);
			break;
		case 1:
			s->global_rate = arg_rate(a, "global", 0, 100000000);
			break;
		}
	}
}

void
conf_print_stun_rate(const struct config *c, struct conf_out *o)
{
	conf_line(o, &c->origins[W_STUN_RATE],
	    "stun rate %" PRIu32 "/s burst %" PRIu32 " global %" PRIu32 "/s",
	    c->stun.rate, c->stun.burst, c->stun.global_rate);
}

void
conf_parse_stun_client(struct conf_args *a)
{
	static const char *const words[] = { "udp", "tcp" };

	arg_want(a, "port");
	do {
		switch (arg_choice(a, words, 2)) {
		case 0:
			a->c->stun_client_port_udp = arg_port(a);
			break;
		case 1:
			a->c->stun_client_port_tcp = arg_port(a);
			break;
		}
	} while (!arg_end(a));
}

void
conf_print_stun_client(const struct config *c, struct conf_out *o)
{
	conf_line(o, &c->origins[W_STUN_CLIENT],
	    "stun client port udp %u tcp %u", c->stun_client_port_udp,
	    c->stun_client_port_tcp);
}

void
conf_parse_policy(struct conf_args *a)
{
	static const char *const words[] = { "private", "reserved", "none" };
	unsigned allow = 0;
	bool none = false;

	do {
		switch (arg_choice(a, words, 3)) {
		case 0:
			allow |= ADDR_ALLOW_PRIVATE;
			break;
		case 1:
			allow |= ADDR_ALLOW_RESERVED;
			break;
		case 2:
			none = true;
			break;
		}
	} while (!arg_end(a));
	if (none && allow != 0)
		arg_error(a, "'none' stands alone");
	a->c->address_allow = allow;
}

void
conf_print_policy(const struct config *c, struct conf_out *o)
{
	unsigned allow = c->address_allow;

	conf_line(o, &c->origins[W_ADDRESS_POLICY],
	    "address-policy allow%s%s%s",
	    allow & ADDR_ALLOW_PRIVATE ? " private" : "",
	    allow & ADDR_ALLOW_RESERVED ? " reserved" : "",
	    allow == 0 ? " none" : "");
}

void
conf_parse_origin(struct conf_args *a)
{
	struct msg_apid_config *api = &a->c->api;

	if (arg_is(a, "none"))
		api->allow_origin[0] = '\0';
	else
		arg_str(a, "allow-origin", api->allow_origin,
		    sizeof(api->allow_origin));
}

void
conf_print_origin(const struct config *c, struct conf_out *o)
{
	char text[CONF_QUOTED];

	conf_line(o, &c->origins[W_API_ALLOW_ORIGIN], "allow-origin %s",
	    c->api.allow_origin[0] == '\0'
		? "none"
		: conf_quote(c->api.allow_origin, text));
}

void
conf_parse_api_rate(struct conf_args *a)
{
	struct msg_apid_config *api = &a->c->api;

	api->max_requests = (uint32_t)arg_num(a, "rate", 0, 1000000000);
	arg_want(a, "per");
	api->window_ms = arg_time_ms(a, "rate", 1000, DAY_MS);
}

void
conf_print_api_rate(const struct config *c, struct conf_out *o)
{
	char t[32];

	conf_line(o, &c->origins[W_API_RATE], "rate %" PRIu32 " per %s",
	    c->api.max_requests, conf_time_str(c->api.window_ms, t));
}

void
conf_parse_blacklist(struct conf_args *a)
{
	struct msg_apid_config *api = &a->c->api;

	api->blacklist_threshold =
	    (uint32_t)arg_num(a, "blacklist", 0, 1000000);
	arg_want(a, "for");
	api->blacklist_ms = arg_time_ms(a, "blacklist", 1000, 30u * DAY_MS);
}

void
conf_print_blacklist(const struct config *c, struct conf_out *o)
{
	char t[32];

	conf_line(o, &c->origins[W_API_BLACKLIST],
	    "blacklist %" PRIu32 " for %s", c->api.blacklist_threshold,
	    conf_time_str(c->api.blacklist_ms, t));
}

void
conf_parse_supervise(struct conf_args *a)
{
	a->c->restarts_max = (unsigned)arg_num(a, "restarts", 0, 1000000);
	arg_want(a, "per");
	a->c->restarts_window_ms = arg_time_ms(a, "restarts", 1000, DAY_MS);
}

void
conf_print_supervise(const struct config *c, struct conf_out *o)
{
	char t[32];

	conf_line(o, &c->origins[W_SUPERVISE], "supervise restarts %u per %s",
	    c->restarts_max, conf_time_str(c->restarts_window_ms, t));
}
