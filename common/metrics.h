/* SPDX-License-Identifier: ISC */
/*
 * Every counter and gauge of the suite, in one table: its name as processes
 * send it in PROC_STATS, the family it belongs to, and what it means.  Drawn
 * as OpenMetrics text 1.0 for the /metrics listener and "show metrics".
 * Pure; tested in tests/unit/metrics_test.c.
 */
#ifndef WARREN_METRICS_H
#define WARREN_METRICS_H

#include <stddef.h>
#include <stdint.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

#define METRICS_CONTENT_TYPE                                                   \
	"application/openmetrics-text; version=1.0.0; charset=utf-8"

/*
 * X(name, family, type, unit, label, help).  Lines of one family stand
 * together and share type, unit and help.  A unit is the family's last word.
 */
/* clang-format off */
#define METRICS(X)                                                             \
  X("stun_requests", "stun_requests", COUNTER, "", "",                         \
    "Binding requests that arrived")                                           \
  X("stun_answers", "stun_answers", COUNTER, "", "",                           \
    "Binding requests that were answered")                                     \
  X("stun_dropped_not_stun", "stun_dropped", COUNTER, "",                      \
    "reason=\"not_stun\"", "Datagrams and messages that got no answer")        \
  X("stun_dropped_malformed", "stun_dropped", COUNTER, "",                     \
    "reason=\"malformed\"", "Datagrams and messages that got no answer")       \
  X("stun_dropped_type", "stun_dropped", COUNTER, "", "reason=\"type\"",       \
    "Datagrams and messages that got no answer")                               \
  X("stun_dropped_source", "stun_dropped", COUNTER, "", "reason=\"source\"",   \
    "Datagrams and messages that got no answer")                               \
  X("stun_dropped_reflector", "stun_dropped", COUNTER, "",                     \
    "reason=\"reflector\"", "Datagrams and messages that got no answer")       \
  X("stun_dropped_unknown", "stun_dropped", COUNTER, "", "reason=\"unknown\"", \
    "Datagrams and messages that got no answer")                               \
  X("stun_dropped_net_rate", "stun_dropped", COUNTER, "",                      \
    "reason=\"net_rate\"", "Datagrams and messages that got no answer")        \
  X("stun_dropped_rate", "stun_dropped", COUNTER, "", "reason=\"rate\"",       \
    "Datagrams and messages that got no answer")                               \
  X("stun_dropped_send", "stun_dropped", COUNTER, "", "reason=\"send\"",       \
    "Datagrams and messages that got no answer")                               \
  X("stun_tcp_connections", "stun_tcp_connections", GAUGE, "", "",             \
    "Connections to the STUN server that are open")                            \
  X("stun_tcp_refused", "stun_tcp_refused", COUNTER, "", "",                   \
    "Connections to the STUN server closed at once for a cap")                 \
  X("stun_requesters", "stun_requesters", GAUGE, "", "",                       \
    "Addresses remembered for having asked the STUN server")                   \
  X("stun_clients", "stun_clients", GAUGE, "", "",                             \
    "STUN clients that run against peers")                                     \
  X("stun_mappings", "stun_mappings", GAUGE, "", "",                           \
    "Outside addresses learned and alive")                                     \
  X("stun_client_timeouts", "stun_client_timeouts", COUNTER, "", "",           \
    "Questions to peers' STUN servers that came to nothing")                   \
  X("stun_mapping_changes", "stun_mapping_changes", COUNTER, "", "",           \
    "Outside addresses that were new, changed or lost")                        \
  X("links", "links", GAUGE, "", "", "Peer links that are up")                 \
  X("links_in", "links_in", GAUGE, "", "", "Peer links that came in")          \
  X("links_out", "links_out", GAUGE, "", "", "Peer links that we dialled")     \
  X("handshakes_ok", "handshakes", COUNTER, "", "result=\"ok\"",               \
    "Handshakes of peer links")                                                \
  X("handshakes_failed", "handshakes", COUNTER, "", "result=\"failed\"",       \
    "Handshakes of peer links")                                                \
  X("bytes_in", "link_received_bytes", COUNTER, "bytes", "",                   \
    "Bytes taken in over peer links")                                          \
  X("bytes_out", "link_sent_bytes", COUNTER, "bytes", "",                      \
    "Bytes sent over peer links")                                              \
  X("frames_in", "link_frames", COUNTER, "", "direction=\"in\"",               \
    "Frames on peer links")                                                    \
  X("frames_out", "link_frames", COUNTER, "", "direction=\"out\"",             \
    "Frames on peer links")                                                    \
  X("unknown_messages", "link_unknown_messages", COUNTER, "", "",              \
    "Link messages of a type this version does not know")                      \
  X("protocol_errors", "link_protocol_errors", COUNTER, "", "",                \
    "Links ended for breaking the protocol")                                   \
  X("inbound_refused", "links_refused", COUNTER, "", "",                       \
    "Inbound links refused for a cap, a rate or a ban")                        \
  X("datagrams_in", "multicast_datagrams", COUNTER, "", "result=\"in\"",       \
    "LAN announcements")                                                       \
  X("datagrams_out", "multicast_datagrams", COUNTER, "", "result=\"out\"",     \
    "LAN announcements")                                                       \
  X("datagrams_refused", "multicast_datagrams", COUNTER, "",                   \
    "result=\"refused\"", "LAN announcements")                                 \
  X("records_not_sent", "records_not_sent", COUNTER, "", "",                   \
    "Records held back from a link that is behind")                       \
  X("records_seen", "records", COUNTER, "", "result=\"seen\"",                 \
    "Records by what became of them")                                               \
  X("records_stored", "records", COUNTER, "", "result=\"stored\"",             \
    "Records by what became of them")                                               \
  X("records_refused", "records", COUNTER, "", "result=\"refused\"",           \
    "Records by what became of them")                                               \
  X("records_sent", "records", COUNTER, "", "result=\"sent\"",                 \
    "Records by what became of them")                                          \
  X("records_no_store", "records", COUNTER, "", "result=\"no_store\"",         \
    "Records by what became of them")                                          \
  X("loops_opened", "loops", COUNTER, "", "result=\"opened\"",                 \
    "Loops of apps to other nodes by what became of them")                     \
  X("loops_offered", "loops", COUNTER, "", "result=\"offered\"",               \
    "Loops of apps to other nodes by what became of them")                     \
  X("loops_refused", "loops", COUNTER, "", "result=\"refused\"",               \
    "Loops of apps to other nodes by what became of them")                     \
  X("loops_lost", "loops", COUNTER, "", "result=\"lost\"",                     \
    "Loops of apps to other nodes by what became of them")                     \
  X("loop_bytes_in", "loop_received_bytes", COUNTER, "bytes", "",              \
    "Bytes of loops that came over links")                                     \
  X("loop_bytes_out", "loop_sent_bytes", COUNTER, "bytes", "",                 \
    "Bytes of loops that left over links")                                     \
  X("streams", "streams", GAUGE, "", "",                                       \
    "Streams on peer links")                                                   \
  X("streams_refused", "streams_refused", COUNTER, "", "",                     \
    "Streams refused for a limit")                                             \
  X("stream_strays", "stream_strays", COUNTER, "", "",                         \
    "Messages for streams that had ended")                                     \
  X("loop_links", "loop_links", GAUGE, "", "",                                 \
    "Links that carry loops and nothing else")                                 \
  X("app_conns", "app_connections", GAUGE, "", "",                             \
    "Apps connected now")                                                      \
  X("app_conns_refused", "app_connections_refused", COUNTER, "", "",           \
    "Apps that were not let in")                                               \
  X("app_conns_by_hand", "app_connections_by_hand", COUNTER, "", "",           \
    "Apps started by hand that were let in")                                   \
  X("app_lost", "app_connections_lost", COUNTER, "", "",                       \
    "Apps found gone while written to, or not read")                           \
  X("app_loops", "app_loops", GAUGE, "", "",                                   \
    "Ends of loops now")                                                       \
  X("app_loops_opened", "app_loop_ends", COUNTER, "", "result=\"opened\"",     \
    "Ends of loops that were opened or refused")                               \
  X("app_loops_refused", "app_loop_ends", COUNTER, "", "result=\"refused\"",   \
    "Ends of loops that were opened or refused")                               \
  X("app_packets", "app_packets", COUNTER, "", "",                             \
    "Packets from apps")                                                       \
  X("app_malformed", "app_packets_bad", COUNTER, "", "reason=\"malformed\"",   \
    "Packets from apps that were refused")                                     \
  X("app_foreign", "app_packets_bad", COUNTER, "", "reason=\"foreign\"",       \
    "Packets from apps that were refused")                                     \
  X("app_timeouts", "app_timeouts", COUNTER, "", "",                           \
    "Confirmations that never came, bytes nobody took")                        \
  X("app_bytes_in", "app_in_bytes", COUNTER, "bytes", "",                      \
    "Payload from apps")                                                       \
  X("app_bytes_out", "app_out_bytes", COUNTER, "bytes", "",                    \
    "Payload to apps")                                                         \
  X("relay_circuits", "relay_circuits", GAUGE, "", "",                         \
    "Circuits relayed for others now")                                         \
  X("relay_reservations", "relay_reservations", GAUGE, "", "",                 \
    "Nodes that have reserved here")                                           \
  X("relay_own", "relay_own", GAUGE, "", "",                                   \
    "Relays this node has reserved at")                                        \
  X("relay_bytes", "relayed_bytes", COUNTER, "bytes", "",                      \
    "Bytes relayed for others")                                                \
  X("relay_opened", "relay_requests", COUNTER, "", "result=\"opened\"",        \
    "Circuits and reservations asked of this relay")                           \
  X("relay_refused", "relay_requests", COUNTER, "", "result=\"refused\"",      \
    "Circuits and reservations asked of this relay")                           \
  X("direct_tries", "direct_tries", COUNTER, "", "",                           \
    "Searches for a direct link to a node linked over a relay")                \
  X("direct_found", "direct_found", COUNTER, "", "",                           \
    "Direct links that came up beside one over a relay")                       \
  X("relay_cut", "relay_cut", COUNTER, "", "",                                 \
    "Circuits ended by a limit")                                               \
  X("dials", "dials", COUNTER, "", "", "Connections asked of the parent")      \
  X("dial_failures", "dial_failures", COUNTER, "", "",                         \
    "Connections that did not come about")                                     \
  X("known_nodes", "known_nodes", GAUGE, "", "", "Nodes in the address book")  \
  X("bans", "bans", GAUGE, "", "", "Keys and prefixes banned now")             \
  X("signatures", "signatures", COUNTER, "", "",                               \
    "Record signatures verified")                                              \
  X("sync_not_sent", "sync_not_sent", COUNTER, "", "",                         \
    "Sync messages that a full link dropped")                                  \
  X("gossip_first", "gossip_records", COUNTER, "", "copy=\"first\"",           \
    "Records that came by gossip")                                             \
  X("gossip_duplicate", "gossip_records", COUNTER, "", "copy=\"again\"",       \
    "Records that came by gossip")                                             \
  X("gossip_pulls", "gossip_pulls", COUNTER, "", "",                           \
    "Records asked for by their short ids")                                    \
  X("gossip_ids_in", "gossip_ids", COUNTER, "", "direction=\"in\"",            \
    "Short ids announced")                                                     \
  X("gossip_ids_out", "gossip_ids", COUNTER, "", "direction=\"out\"",          \
    "Short ids announced")                                                     \
  X("gossip_grafts", "gossip_tree_changes", COUNTER, "", "why=\"pulls\"",      \
    "Links taken into the broadcast tree and out of it, by reason")            \
  X("gossip_moves", "gossip_tree_changes", COUNTER, "", "why=\"ahead\"",       \
    "Links taken into the broadcast tree and out of it, by reason")            \
  X("gossip_prunes", "gossip_tree_changes", COUNTER, "", "why=\"late\"",       \
    "Links taken into the broadcast tree and out of it, by reason")            \
  X("gossip_eager", "gossip_eager_links", GAUGE, "", "",                       \
    "Links on which new records are pushed")                                   \
  X("view_links", "view_links", GAUGE, "", "", "Links that carry gossip")      \
  X("view_dialled", "view_links_dialled", GAUGE, "", "",                       \
    "Of them, those that we dialled")                                          \
  X("view_ups", "view_changes", COUNTER, "", "change=\"in\"",                  \
    "Links that came into the view, and left it")                              \
  X("view_downs", "view_changes", COUNTER, "", "change=\"out\"",               \
    "Links that came into the view, and left it")                              \
  X("view_refused", "view_requests", COUNTER, "", "result=\"refused\"",        \
    "Requests of links to the view")                                           \
  X("view_limited", "view_requests", COUNTER, "", "result=\"limited\"",        \
    "Requests of links to the view")                                           \
  X("view_evicted", "view_replaced", COUNTER, "", "why=\"high\"",              \
    "Links sent away for others")                                              \
  X("view_swaps", "view_replaced", COUNTER, "", "why=\"swap\"",                \
    "Links sent away for others")                                              \
  X("view_shed", "view_replaced", COUNTER, "", "why=\"shed\"",                 \
    "Links sent away for others")                                              \
  X("view_walks", "view_walks", COUNTER, "", "", "JOINs passed on")            \
  X("feelers", "feelers", COUNTER, "", "",                                     \
    "Links that only looked who is there")                                     \
  X("islands_healed", "islands_healed", COUNTER, "", "",                       \
    "Feelers that led to another part of the network")                         \
  X("db_records", "db_records", GAUGE, "", "",                                 \
    "Records of the last settled tick")                                        \
  X("db_pending", "db_pending", GAUGE, "", "",                                 \
    "Records not settled yet")                                                 \
  X("db_tick", "db_tick", GAUGE, "", "",                                       \
    "The last settled tick")                                                   \
  X("db_bytes", "db_bytes", GAUGE, "bytes", "",                                \
    "Size of the database file")                                               \
  X("db_put_new", "db_puts", COUNTER, "", "result=\"new\"",                    \
    "Records put, by verdict")                                                 \
  X("db_put_old", "db_puts", COUNTER, "", "result=\"old\"",                    \
    "Records put, by verdict")                                                 \
  X("db_put_refused", "db_puts", COUNTER, "", "result=\"refused\"",            \
    "Records put, by verdict")                                                 \
  X("db_future", "db_future", COUNTER, "", "",                                 \
    "Records from the future, deferred or refused")                            \
  X("db_expired", "db_expired", COUNTER, "", "",                               \
    "Records whose time was over")                                             \
  X("db_evicted", "db_evicted", COUNTER, "", "",                               \
    "Records beyond their author's quota")                                     \
  X("db_equivocations", "db_equivocations", COUNTER, "", "",                   \
    "Two records of one key and stamp")                                        \
  X("db_damaged", "db_damaged", COUNTER, "", "",                               \
    "Rows that did not match their hash")                                      \
  X("db_commits", "db_commits", COUNTER, "", "result=\"done\"",                \
    "Group commits")                                                           \
  X("db_commits_failed", "db_commits", COUNTER, "", "result=\"failed\"",       \
    "Group commits")                                                           \
  X("db_settle_us", "db_settle_duration", GAUGE, "", "",                       \
    "Millionths of a second that the last tick took")                                        \
  X("db_requests", "db_requests", COUNTER, "", "",                             \
    "Requests of the API and of warrenctl")                                    \
  X("db_requests_failed", "db_requests_failed", COUNTER, "", "",               \
    "Of them, those that were refused")                                        \
  X("sync_messages_in", "sync_messages", COUNTER, "", "direction=\"in\"",      \
    "Messages of sync and of block transfer")                                  \
  X("sync_messages_out", "sync_messages", COUNTER, "", "direction=\"out\"",    \
    "Messages of sync and of block transfer")                                  \
  X("sync_messages_refused", "sync_messages_refused", COUNTER, "", "",         \
    "Of them, those that were malformed")                                      \
  X("sync_sessions", "sync_sessions", COUNTER, "", "",                         \
    "Sync sessions that this node began")                                      \
  X("sync_cursors_asked", "sync_cursors_asked", COUNTER, "", "",               \
    "Peers asked for what they logged since they were last seen")              \
  X("sync_records_in", "sync_records", COUNTER, "", "direction=\"in\"",        \
    "Records exchanged by sync")                                               \
  X("sync_records_out", "sync_records", COUNTER, "", "direction=\"out\"",      \
    "Records exchanged by sync")                                               \
  X("blocks_held", "blocks_held", GAUGE, "",                                   \
    "", "Block bodies on this disk")                                           \
  X("block_bytes_held", "block_held_bytes", GAUGE, "bytes",                    \
    "", "Bytes of block bodies on this disk")                                  \
  X("blocks_below_r", "blocks_below_r", GAUGE, "",                             \
    "", "Blocks known to have too few copies")                                 \
  X("blocks_fetching", "blocks_fetching", GAUGE, "",                           \
    "", "Block bodies on their way here")                                      \
  X("blocks_read", "blocks_read", COUNTER, "",                                 \
    "", "Block bodies handed to clients")                                      \
  X("blocks_fetched", "block_fetches", COUNTER, "",                            \
    "result=\"kept\"", "Block bodies fetched from other nodes")                \
  X("blocks_not_fetched", "block_fetches", COUNTER, "",                        \
    "result=\"failed\"", "Block bodies fetched from other nodes")              \
  X("blocks_served", "blocks_served", COUNTER, "",                             \
    "", "Manifests of blocks given to other nodes")                            \
  X("chunks_served", "block_chunks_served", COUNTER, "",                       \
    "", "Chunks of blocks given to other nodes")                               \
  X("chunks_refused", "block_chunks_refused", COUNTER, "",                     \
    "", "Wrong manifests and chunks that holders sent")                        \
  X("blocks_damaged", "blocks_damaged", COUNTER, "",                           \
    "", "Block bodies lost or changed on this disk")                           \
  X("blocks_dropped", "blocks_dropped", COUNTER, "",                           \
    "", "Block bodies given up for want of room")                              \
  X("http_requests", "http_requests", COUNTER, "", "",                         \
    "HTTP requests that were read whole")                                      \
  X("http_responses_2xx", "http_responses", COUNTER, "", "code=\"2xx\"",       \
    "HTTP answers")                                                            \
  X("http_responses_4xx", "http_responses", COUNTER, "", "code=\"4xx\"",       \
    "HTTP answers")                                                            \
  X("http_responses_5xx", "http_responses", COUNTER, "", "code=\"5xx\"",       \
    "HTTP answers")                                                            \
  X("http_connections", "http_connections", GAUGE, "", "",                     \
    "HTTP connections that are open")                                          \
  X("http_refused", "http_refused", COUNTER, "", "",                           \
    "Connections closed at once for a cap or a ban")                           \
  X("http_timeouts", "http_timeouts", COUNTER, "", "",                         \
    "Connections closed for being slow")                                       \
  X("rate_limited", "rate_limited", COUNTER, "", "",                           \
    "Requests answered 429")                                                   \
  X("rpc_calls", "rpc_calls", COUNTER, "", "", "Method calls")                 \
  X("rpc_errors", "rpc_errors", COUNTER, "", "",                               \
    "Method calls that ended in an error")                                     \
  X("parse_errors", "parse_errors", COUNTER, "", "",                           \
    "Requests that were not HTTP or not JSON")                                 \
  X("unknown_stats", "unknown_stats", COUNTER, "", "",                         \
    "Counters met that this table does not name")                              \
  X("restarts", "process_restarts", COUNTER, "", "",                           \
    "Times a process was started again")                                       \
  X("uptime_seconds", "uptime_seconds", GAUGE, "seconds", "",                  \
    "Time since the process started")                                          \
  X("config_reloads", "config_reloads", COUNTER, "", "",                       \
    "Configurations taken over while running")                                 \
  X("log_lines_lost", "log_lines_lost", COUNTER, "", "",                       \
    "Log lines dropped because a queue was full")
/* clang-format on */

struct metric {
	const char *name;   /* in PROC_STATS */
	const char *family; /* without "warren_" and "_total" */
	enum metric_type type;
	const char *unit;
	const char *label; /* ready to print, or "" */
	const char *help;
};

/* Index into the table, or -1 for a name it does not have. */
int metric_find(const char *name);
size_t metric_count(void);
const struct metric *metric_at(size_t index);

struct metric_sample {
	uint16_t metric;  /* index into the table */
	uint16_t process; /* index into names[] */
	uint64_t value;
};

typedef void (*metric_out)(void *arg, const char *text, size_t len);

/*
 * OpenMetrics 1.0, or the older text form of Prometheus, where a counter's
 * family carries its "_total" and there is neither unit nor end.
 */
enum metrics_format {
	METRICS_OPENMETRICS,
	METRICS_PROMETHEUS,
	METRICS_FORMATS
};

const char *metrics_content_type(enum metrics_format format);

/*
 * Draw the samples, sorted in place.  names[] are the processes; version is
 * the suite's.
 */
void metrics_render(enum metrics_format format, struct metric_sample *samples,
    size_t n,
    const char (*names)[24], const char *version, metric_out out, void *arg);

#endif
