/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as an answer of the DNS.
 */
#include <stdint.h>

#include "cmd/warrend/dns_answer.h"
#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_targets targets;
	struct dns_addrs addrs = { .n = 0 };
	unsigned i;

	(void)dns_answer_addrs(data, size, "a.example", 1, &addrs);
	if (dns_answer_srv(data, size, "_warren._tcp.x", &targets) == 0)
		for (i = 0; i < targets.n; i++)
			(void)dns_answer_extra(data, size, targets.list[i].name,
			    targets.list[i].port, &addrs);
	ASSERT(addrs.n <= DNS_ADDRS && targets.n <= DNS_TARGETS);
	return 0;
}
