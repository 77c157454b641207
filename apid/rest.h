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

#endif
