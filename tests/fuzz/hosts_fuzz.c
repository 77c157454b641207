/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as hosts(5) text; the first line is also the name to look up.
 */
#include <stdint.h>
#include <string.h>

#include "cmd/warrend/hosts.h"
#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct naddr out[8];
	char name[64] = "";
	size_t n;

	if (size > HOSTS_TEXT_MAX)
		return 0;
	for (n = 0; n < size && n < sizeof(name) - 1 && data[n] != '\n'; n++)
		name[n] = (char)data[n];
	ASSERT(hosts_lookup((const char *)data, size, name, 1, out, 8) <= 8);
	ASSERT(hosts_lookup((const char *)data, size, "localhost", 1, out, 1) <=
	    1);
	return 0;
}
