/* SPDX-License-Identifier: ISC */
/*
 * The channel to peerd, which carries loops to other nodes: each message of
 * msg_appd.h to the function of the mux that it is for, and back.
 */
#include <string.h>

#include "appd/appd.h"
#include "common/log.h"

static struct ipc *net;

/* --- to peerd --- */

static bool
is_up(void *ctx)
{
	(void)ctx;
	return net != NULL;
}

static bool
is_full(void *ctx)
{
	(void)ctx;
	return net == NULL || ipc_is_full(net);
}

static void
send_open(void *ctx, uint32_t stream, const struct app_addr *to, uint16_t from,
    uint32_t window)
{
	struct msg_loop_open o = { .port = to->port,
		.from = from,
		.window = window };

	(void)ctx;
	memcpy(o.node, to->pk, sizeof(o.node));
	if (net != NULL)
		(void)ipc_send(net, LOOP_OPEN, stream, &o);
}

static void
send_accept(void *ctx, uint32_t stream, uint32_t window)
{
	struct msg_loop_accept a = { .window = window };

	(void)ctx;
	if (net != NULL)
		(void)ipc_send(net, LOOP_ACCEPT, stream, &a);
}

/* An app's own words go here: what is not printable is no reason. */
static void
send_refuse(void *ctx, uint32_t stream, const char *text)
{
	struct msg_loop_refused r;
	size_t i;

	(void)ctx;
	memset(&r, 0, sizeof(r));
	for (i = 0; i < sizeof(r.text) - 1 && text[i] != '\0'; i++)
		r.text[i] = (uint8_t)text[i] < 0x20 || (uint8_t)text[i] > 0x7e
		    ? '?'
		    : text[i];
	if (net != NULL)
		(void)ipc_send(net, LOOP_REFUSED, stream, &r);
}

static void
send_data(void *ctx, uint32_t stream, const uint8_t *p, size_t n)
{
	struct msg_loop_data d = { .data = { p, (uint32_t)n } };

	(void)ctx;
	if (net != NULL)
		(void)ipc_send(net, LOOP_DATA, stream, &d);
}

static void
send_grant(void *ctx, uint32_t stream, uint32_t n)
{
	struct msg_loop_grant g = { .n = n };

	(void)ctx;
	if (net != NULL)
		(void)ipc_send(net, LOOP_GRANT, stream, &g);
}

static void
send_close(void *ctx, uint32_t stream, enum loop_end why)
{
	struct msg_loop_close c = { .why = (uint8_t)why };

	(void)ctx;
	if (net != NULL)
		(void)ipc_send(net, LOOP_CLOSE, stream, &c);
}

const struct mux_ops net_ops = {
	.room = conns_room,
	.wrote = conns_wrote,
	.resume = conns_resume,
	.net_up = is_up,
	.net_full = is_full,
	.open = send_open,
	.accept = send_accept,
	.refuse = send_refuse,
	.data = send_data,
	.grant = send_grant,
	.close = send_close,
};

/* --- from peerd --- */

static void
on_opened(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_loop_opened *o = m->body;

	(void)ch;
	mux_net_opened(&appd.mux, m->id, o->relayed, mono_now());
}

static void
on_offer(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_loop_offer *o = m->body;
	struct app_addr from = { .port = o->from };

	(void)ch;
	memcpy(from.pk, o->node, sizeof(from.pk));
	mux_net_offer(&appd.mux, m->id, &from, o->port, o->relayed, mono_now());
	appd_timer();
}

static void
on_refused(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_loop_refused *r = m->body;

	(void)ch;
	mux_net_refused(&appd.mux, m->id, r->text);
}

static void
on_data(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_loop_data *d = m->body;

	(void)ch;
	if (d->data.len > 0 &&
	    !mux_net_data(&appd.mux, m->id, d->data.p, d->data.len))
		log_error("peerd: more bytes of a loop than it was granted");
}

static void
on_grant(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_loop_grant *g = m->body;

	(void)ch;
	mux_net_grant(&appd.mux, m->id, g->n, mono_now());
}

static void
on_close(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_loop_close *c = m->body;

	(void)ch;
	mux_net_closed(&appd.mux, m->id, (enum loop_end)c->why);
}

static void
on_drained(struct ipc *ch)
{
	(void)ch;
	mux_net_drained(&appd.mux, mono_now());
}

static void
on_ended(struct ipc *ch, enum ipc_end how, const char *why)
{
	if (how != IPC_EOF)
		log_warn("peerd: %s", why);
	if (ch == net)
		net = NULL;
	ipc_free(ch);
	mux_net_lost(&appd.mux);
}

static const struct ipc_handler handlers[] = {
	{ LOOP_OPENED, on_opened },
	{ LOOP_OFFER, on_offer },
	{ LOOP_REFUSED, on_refused },
	{ LOOP_DATA, on_data },
	{ LOOP_GRANT, on_grant },
	{ LOOP_CLOSE, on_close },
	{ 0, NULL },
};

void
net_open(int in, int out)
{
	static struct msg_table tables[2]; /* the last stays { NULL, 0 } */
	struct ipc_conf conf = { .name = "peerd",
		.tables = tables,
		.handlers = handlers,
		.drained = on_drained,
		.ended = on_ended };

	tables[0] = msgs_peerd_appd;
	if (net != NULL) {
		ipc_free(net);
		net = NULL;
		mux_net_lost(&appd.mux);
	}
	if ((net = ipc_new_pipes(child_base(), in, out, &conf)) == NULL)
		log_warn("peerd: no channel: out of memory");
	else
		ipc_set_phase(net, PH_RUN);
}

size_t
net_queued(void)
{
	return net == NULL ? 0 : ipc_queued(net);
}
