/* SPDX-License-Identifier: ISC */
/*
 * A stranger's handshake: byte 0 picks our role, then (len:u16, bytes) are
 * messages to read; whenever it is our turn we write.
 */
#include "peerd/noise.h"

#include "common/assert.h"
#include "common/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t s_sk[32] = { 1 }, e_sk[32] = { 2 };
	static uint8_t out[NOISE_MSG_MAX];
	struct noise_cipher tx, rx;
	uint8_t hash[NOISE_HASH_LEN];
	const uint8_t *msg;
	struct noise ns;
	struct rd r;
	size_t len;

	rd_init(&r, data, size);
	noise_init(&ns, rd_u8(&r) % 2 ? NOISE_INITIATOR : NOISE_RESPONDER, s_sk,
	    e_sk, "fuzz", 4);
	while (r.left > 0 && !ns.failed && !noise_is_done(&ns)) {
		if (noise_may_write(&ns)) {
			(void)noise_write(&ns, "hi", 2, out, sizeof(out), &len);
			continue;
		}
		len = rd_u16(&r);
		if (len > r.left)
			len = r.left;
		msg = rd_take(&r, len);
		if (msg == NULL)
			break;
		(void)noise_read(&ns, msg, len, out, 256, &len);
	}
	if (noise_is_done(&ns))
		noise_split(&ns, &tx, &rx, hash);
	noise_wipe(&ns);
	ASSERT(!noise_is_done(&ns));
	return 0;
}
