/* SPDX-License-Identifier: ISC */
/*
 * GET /metrics: ask the parent for everybody's counters, draw them with
 * common/metrics.h, answer all who asked meanwhile with the same text.
 */
#ifndef WARREN_APID_METRICS_H
#define WARREN_APID_METRICS_H

#include <stddef.h>

#include "apid/conn.h"
#include "common/ipc.h"

#define METRICS_WAITING_MAX 16
#define METRICS_DEADLINE_MS 2000

void metrics_setup(void);

/* Answers later: 200, or 503 after the deadline or when too many wait. */
void metrics_get(struct http_req *rq);

/* APID_STATS and APID_STATS_END from the parent. */
void metrics_on_stats(struct ipc *ch, const struct ipc_msg *m);
void metrics_on_end(struct ipc *ch, const struct ipc_msg *m);

size_t metrics_waiting(void);

#endif
