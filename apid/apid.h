/* SPDX-License-Identifier: ISC */
/*
 * apid: a worker that answers the API.  Holds no key, no file, no database:
 * what it shows is what stund, peerd and the store told it.
 *
 *            APID_CONFIG, APID_NODE, APID_LISTEN+fd, APID_BAN, APID_STATS
 *   warrend ---------------------------------------------------> apid
 *           <---------------------------------------------------  | | |
 *            APID_BAN, APID_STATS_GET                             | | |
 *   stund  --- SA_STUN --------------------------------------------+ | |
 *   peerd  --- PA_PEER, PA_GONE, PA_TOTALS --------------------------+ |
 *   store <-- DB_PUT, DB_GET, DB_PROVE, .. --> storelink.c ----------+ |
 *   clients --- HTTP/1.1, accepted from the listeners -----------------+
 *
 *   listen.c accepts -> conn.c reads and writes -> http_parse.c
 *     -> rest.c chooses -> rest_call.c, jsonrpc.c -> methods.c -> state.c
 *                       |    handlers.h, m_*.c (ask the store, answer later)
 *                       -> metrics.c (asks the parent, answers later)
 */
#ifndef WARREN_APID_H
#define WARREN_APID_H

#include "apid/http_parse.h"
#include "apid/limit.h"
#include "apid/state.h"
#include "common/msg_apid.h"

/* Counters; stats() sends them by the names of common/metrics.h. */
struct apid_counts {
	uint64_t requests;
	uint64_t answers_2xx, answers_4xx, answers_5xx;
	uint64_t refused;  /* connections, for a cap or a ban */
	uint64_t timeouts; /* connections closed for being slow */
	uint64_t rate_limited;
	uint64_t rpc_calls, rpc_errors;
	uint64_t parse_errors;
	uint64_t ops_ok, ops_failed; /* operations{} of the status */
	uint64_t scrapes_refused;
	uint64_t unknown_stats;
};

struct apid {
	struct msg_apid_config conf;
	struct http_limits http; /* of conf */
	struct limit limit;
	struct apid_counts st;
};

extern struct apid apid;

/* Both clocks, read at most once a wakeup of a connection. */
struct state_time apid_time(void);
void apid_touch_clock(void);

/* Tell the parent that this worker blacklisted a prefix for so long. */
void apid_report_ban(const struct prefix *p, uint64_t for_ms);

#endif
