/* SPDX-License-Identifier: ISC */
/*
 * Packets between an app and its node, as promised in packet.h.
 */
#include "appd/packet.h"

#include <string.h>

#include "common/bytes.h"

#define LEN_BYTES   2 /* the length itself, which does not count itself */
#define TYPE_AND_ID (PACKET_HEAD - LEN_BYTES)

int
packet_next(const uint8_t *buf, size_t len, struct packet *p)
{
	size_t n;

	if (len < LEN_BYTES)
		return 0;
	n = get_u16(buf);
	if (n < TYPE_AND_ID)
		return -1;
	if (len - LEN_BYTES < n)
		return 0;
	p->type = buf[2];
	p->id = buf[3];
	p->body = buf + PACKET_HEAD;
	p->body_len = n - TYPE_AND_ID;
	return (int)(LEN_BYTES + n);
}

bool
packet_is_response(uint8_t type)
{
	return type == PACKET_FAILURE || type == PACKET_SUCCESS;
}

void
packet_put_head(uint8_t *at, uint8_t type, uint8_t id, size_t body_len)
{
	put_u16(at, (uint16_t)(TYPE_AND_ID + body_len));
	at[2] = type;
	at[3] = id;
}

size_t
packet_put(uint8_t *buf, size_t cap, uint8_t type, uint8_t id, const void *body,
    size_t body_len)
{
	if (body_len > PACKET_BODY_MAX || cap < PACKET_HEAD ||
	    body_len > cap - PACKET_HEAD)
		return 0;
	if (body_len > 0 && body != buf + PACKET_HEAD)
		memmove(buf + PACKET_HEAD, body, body_len);
	packet_put_head(buf, type, id, body_len);
	return PACKET_HEAD + body_len;
}
