/* SPDX-License-Identifier: ISC */
/*
 * As much of an HTTP/1.1 client as asking another node takes: one POST a
 * connection, blocking, with one deadline over all of it and a bound on what
 * comes back.  No redirects, no cookies, no TLS.
 */
#ifndef WARREN_CTL_HTTP_H
#define WARREN_CTL_HTTP_H

#include <stddef.h>

#define HTTP_ANSWER_MAX (1u << 20)

/*
 * POST a JSON body to http://host:port/.  The answer's body is *out, which
 * the caller frees, with a NUL behind it that is not counted in *n.  0, or -1
 * with why.  Any status counts as an answer when it has a body: errors of
 * JSON-RPC come with others than 200.
 */
int http_post(const char *host, const char *port, const char *body,
    int timeout_ms, char **out, size_t *n, char why[96]);

#endif
