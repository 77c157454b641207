/* SPDX-License-Identifier: ISC */
/*
 * JSON-RPC bodies from a stranger: every one gets exactly one answer, and
 * that is JSON.  The first byte chooses the path it came to.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "apid/apid.h"
#include "apid/jsonrpc.h"
#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int answers;

static bool
admit(void *ctx, uint32_t n)
{
	(void)ctx;
	return n < 8;
}

static void
done(void *ctx, uint16_t status, struct text *body)
{
	json_t *j;

	(void)ctx;
	answers++;
	ASSERT((body == NULL) == (status == 204 || status == 429));
	if (body == NULL)
		return;
	j = json_loadb(body->p, body->len, 0, NULL);
	ASSERT(j != NULL);
	json_decref(j);
	text_unref(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_in in = { .batch_max = 10, .admit = admit, .done = done };

	if (size == 0)
		return 0;
	in.body = (const char *)data + 1;
	in.len = size - 1;
	in.method = data[0] % 3 == 0 ? "getpeerinfo"
	    : data[0] % 3 == 1       ? "nope"
				     : NULL;
	answers = 0;
	ASSERT(rpc_run(&in) == NULL);
	ASSERT(answers == 1);
	return 0;
}
