/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as a configuration.  What loads must print to something that
 * loads again and differs in nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/warrend/config.h"
#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
load(struct config *c, const void *data, size_t size, FILE *errors)
{
	FILE *in;
	int n;

	config_defaults(c, false);
	if (size == 0)
		return -1;
	if ((in = fmemopen((void *)(uintptr_t)data, size, "r")) == NULL)
		return -1;
	n = config_load_stream(c, in, "fuzz", errors);
	(void)fclose(in);
	return n != 0 ? n : config_check(c, errors);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config c, again;
	static FILE *null;

	if (null == NULL && (null = fopen("/dev/null", "w")) == NULL)
		return 0;
	if (load(&c, data, size, null) == 0) {
		ASSERT(load(&again, c.text, strlen(c.text), null) == 0);
		ASSERT(!config_diff(&c, &again, null));
		config_free(&again);
	}
	config_free(&c);
	return 0;
}
