/* SPDX-License-Identifier: ISC */
/*
 * The mux: apps of two nodes that say anything, in any order, die, and are
 * answered late; the bytes choose.  The rig asserts what must hold: no more
 * than the limits waits for an app, credit is kept, and all is free at the
 * end.
 *
 *   first byte of a step: what, and which app
 *     0  a packet of any type with the next n bytes as its body
 *     1  raw bytes
 *     2  a CreateLoop that can be understood
 *     3  the app takes its next packet and answers with success
 *     4  the same, with a failure
 *     5  a message between the nodes is delivered
 *     6  time passes
 *     7  the app dies and another of its name comes; with bit 6 what it
 *        left behind is handled
 */
#include <stddef.h>
#include <stdint.h>
#include <sodium.h>

#include "tests/unit/muxrig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = { "s", "c", "x" };

static void
revive(struct rig_node *nd, unsigned slot)
{
	(void)rig_start(nd, slot, names[slot], (uint16_t)(slot == 0 ? 10 : 0));
}

static void
create(struct rig_node *nd, unsigned app, uint8_t how)
{
	char body[128];

	memset(body, how & 1 ? '0' : 'a', sizeof(body));
	(void)snprintf(body, sizeof(body),
	    "{\"pk\":\"%064d\",\"port\":%d}", 0, how & 2 ? 10 : 11);
	/* a0a0.. and a1a1.. are the two nodes. */
	for (int i = 0; i < 64; i++)
		body[7 + i] = i % 2 == 0 ? 'a' : how & 1 ? '1' : '0';
	rig_packet(nd, app, PACKET_CREATE_LOOP, (uint8_t)(how >> 2), body);
}

static void
answer(struct rig_node *nd, unsigned app, bool good)
{
	struct packet p;

	if (rig_take(nd, app, &p) && !packet_is_response(p.type))
		rig_packet(nd, app, good ? PACKET_SUCCESS : PACKET_FAILURE,
		    p.id, good ? "null" : "no");
}

static size_t
step(struct rig_net *net, const uint8_t *d, size_t n)
{
	struct rig_node *nd = &net->node[d[0] >> 3 & 1];
	unsigned app = (d[0] >> 4 & 3) % 3;
	size_t len = n > 2 ? d[1] : 0;
	uint8_t buf[4 + 256];

	if (len > n - 2)
		len = n > 2 ? n - 2 : 0;
	if (nd->pipes[app].gone || !nd->apps[app].used) {
		revive(nd, app);
		return 1;
	}
	switch (d[0] & 7) {
	case 0:
		if (n < 3)
			return n;
		packet_put_head(buf, d[2], d[1], len);
		memcpy(buf + 4, d + 2, len);
		rig_feed(nd, app, buf, 4 + len);
		return 2 + len;
	case 1:
		if (n < 2)
			return n;
		rig_feed(nd, app, d + 2, len);
		return 2 + len;
	case 2:
		create(nd, app, n > 1 ? d[1] : 0);
		return n > 1 ? 2 : 1;
	case 3:
	case 4:
		answer(nd, app, (d[0] & 7) == 3);
		return 1;
	case 5:
		(void)rig_deliver(net);
		return 1;
	case 6:
		net->now = mono_add_ms(net->now, n > 1 ? d[1] * 200 : 1);
		mux_tick(&nd->m, net->now);
		return n > 1 ? 2 : 1;
	default:
		if ((d[0] & 0x40) != 0) {
			mux_parting(&nd->m, app);
			rig_feed(nd, app, NULL, 0);
		}
		mux_detach(&nd->m, app, net->now);
		return 1;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct rig_net *net;
	unsigned i, j;
	size_t at = 0;

	if (!ready && sodium_init() == -1)
		return 0;
	ready = true;
	if (size > 4000)
		return 0; /* the rig has room for so many messages */
	net = rig_new();
	for (i = 0; i < 2; i++)
		for (j = 0; j < 3; j++)
			revive(&net->node[i], j);
	while (at < size)
		at += step(net, data + at, size - at);
	rig_free(net);
	return 0;
}
