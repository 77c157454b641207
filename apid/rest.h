/* SPDX-License-Identifier: ISC */
/*
 * From a path to an answer: REST, JSON-RPC by POST, echo, preflight.  The
 * entry points are in conn.h, since the connection calls them.
 * Tested in tests/regress/http_test.py.
 */
#ifndef WARREN_REST_H
#define WARREN_REST_H

#include "apid/conn.h"

/* Answer with {"error":{"code","message"}}; headers as in http_answer. */
void rest_error(struct http_req *rq, uint16_t status, const char *headers,
    const char *message);

/* Its body with the members of data, an object or NULL, beside message. */
struct text *rest_error_data(uint16_t status, const char *message,
    const json_t *data);

/* May n more things be done for this client now?  Else fills *wait_ms. */
bool rest_admit(const struct naddr *from, uint32_t n, uint64_t *wait_ms,
    bool *banned);

/* --- rest_call.c: paths that are methods --- */

/* False, and nothing done, when no method has this path. */
bool rest_call(struct http_req *rq);

#endif
