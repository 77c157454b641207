/* SPDX-License-Identifier: ISC */
/*
 * BLAKE2b-256 with a personalisation, as promised in b2.h.
 */
#include "common/b2.h"

#include <sodium.h>
#include <string.h>

#include "common/assert.h"

static void
hash(uint8_t out[B2_LEN], const char *person, const uint8_t *salt,
    const void *in, size_t len)
{
	uint8_t pad[crypto_generichash_blake2b_PERSONALBYTES] = { 0 };
	size_t n = strlen(person);
	int rc;

	ASSERT(n <= sizeof(pad));
	memcpy(pad, person, n);
	rc = crypto_generichash_blake2b_salt_personal(out, B2_LEN, in, len,
	    NULL, 0, salt, pad);
	ASSERT(rc == 0);
}

void
b2_256(uint8_t out[B2_LEN], const char *person, const void *in, size_t len)
{
	hash(out, person, NULL, in, len);
}

void
b2_256_salted(uint8_t out[B2_LEN], const char *person,
    const uint8_t salt[B2_SALT_LEN], const void *in, size_t len)
{
	hash(out, person, salt, in, len);
}
