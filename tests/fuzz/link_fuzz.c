/* SPDX-License-Identifier: ISC */
/*
 * A peer with the right keys sends what it likes: (len:u16, plaintext) are
 * frames, encrypted here and fed.  We consume all, answer, and our own
 * answers must be readable to an honest link.
 */
#include "peerd/link.h"

#include "common/assert.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t frame[LINK_FRAME_MAX];

static void
drain(struct link *from, struct link *to)
{
	struct link_msg msg;
	enum link_rc rc;
	size_t len, used;

	while (link_next_frame(from, frame, &len) == LINK_GOT) {
		/* The other end never sent, so grants may be news to it. */
		memset(to->credit, 0, sizeof(to->credit));
		ASSERT(link_feed(to, frame, len, &used) == LINK_GOT);
		do
			rc = link_next_msg(to, &msg);
		while (rc == LINK_GOT);
		ASSERT(rc == LINK_MORE);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct noise_cipher key = { { 1 }, 0 };
	static uint8_t queue[4096];
	struct noise_cipher tx = key;
	struct link us, them;
	struct link_msg msg;
	const uint8_t *plain;
	size_t len, used;
	struct rd r;

	link_init(&us, &key, &key);
	link_init(&them, &key, &key);
	(void)link_lend(&us, LANE_GOSSIP, queue, sizeof(queue));
	rd_init(&r, data, size);
	while (r.left > 2 && us.err == LINK_FINE) {
		len = rd_u16(&r);
		if (len > r.left)
			len = r.left;
		plain = rd_take(&r, len);
		if (len > LINK_PLAIN_MAX)
			break;
		ASSERT(noise_encrypt(&tx, plain, len, frame + 2) == 0);
		len += NOISE_TAG_LEN;
		put_u16(frame, (uint16_t)len);
		if (link_feed(&us, frame, len + 2, &used) != LINK_GOT)
			break;
		while (link_next_msg(&us, &msg) == LINK_GOT) {
			(void)link_queue(&us, LANE_GOSSIP, msg.p, msg.len);
			link_consumed(&us, msg.lane, msg.len);
		}
		drain(&us, &them);
	}
	return 0;
}
