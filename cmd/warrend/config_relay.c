/* SPDX-License-Identifier: ISC */
/*
 * Options of relay { } that are more than a plain value.
 */
#include <inttypes.h>

#include "cmd/warrend/config_args.h"
#include "cmd/warrend/config_out.h"

#define BYTES_MAX   (UINT64_C(1) << 50)
#define SECONDS_MAX (30 * 86400)

static const char *const reserve_words[] = { "auto", "yes", "no" };

/* SIZE for TIME */
static void
parse_quota(struct conf_args *a, const char *what, uint64_t least,
    uint64_t *bytes, uint32_t *seconds)
{
	uint64_t b = arg_size(a, what, least, BYTES_MAX);
	uint32_t s;

	arg_want(a, "for");
	s = arg_time_s(a, what, 1, SECONDS_MAX);
	if (a->bad)
		return;
	*bytes = b;
	*seconds = s;
}

static void
print_quota(struct conf_out *o, const struct conf_origin *at, const char *word,
    uint64_t bytes, uint32_t seconds)
{
	char size[32], life[32];

	conf_line(o, at, "%s%s %s for %s", o->inside ? "" : "relay ", word,
	    conf_size_str(bytes, size),
	    conf_time_str((uint64_t)seconds * 1000, life));
}

void
conf_parse_relay_reservation(struct conf_args *a)
{
	struct msg_peerd_config *p = &a->c->peer;

	parse_quota(a, "reservation", 1024, &p->relay_bytes, &p->relay_s);
}

void
conf_print_relay_reservation(const struct config *c, struct conf_out *o)
{
	print_quota(o, &c->origins[W_RELAY_RESERVATION], "reservation",
	    c->peer.relay_bytes, c->peer.relay_s);
}

void
conf_parse_relay_unreserved(struct conf_args *a)
{
	struct msg_peerd_config *p = &a->c->peer;

	parse_quota(a, "unreserved", 0, &p->relay_free_bytes, &p->relay_free_s);
}

void
conf_print_relay_unreserved(const struct config *c, struct conf_out *o)
{
	print_quota(o, &c->origins[W_RELAY_UNRESERVED], "unreserved",
	    c->peer.relay_free_bytes, c->peer.relay_free_s);
}

void
conf_parse_relay_reserve(struct conf_args *a)
{
	unsigned i = arg_choice(a, reserve_words, 3);

	if (!a->bad)
		a->c->peer.relay_reserve = (uint8_t)i;
}

void
conf_print_relay_reserve(const struct config *c, struct conf_out *o)
{
	conf_line(o, &c->origins[W_RELAY_RESERVE], "%sreserve %s",
	    o->inside ? "" : "relay ", reserve_words[c->peer.relay_reserve]);
}
