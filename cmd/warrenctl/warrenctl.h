/* SPDX-License-Identifier: ISC */
/*
 * warrenctl: asks a running warrend over its control socket.
 *
 *	argv --> verbs.c: which verb, which arguments
 *	             |  request            client.c
 *	             +----------------------------------> warrend
 *	             <---- parts and an end --------------
 *	             |
 *	             +--> text_*.c for people, json.c for programs
 *
 * Private to this program.
 */
#ifndef WARREN_WARRENCTL_H
#define WARREN_WARRENCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sysexits.h>

#include "common/ipc.h"
#include "common/msg_ctl.h"
#include "common/view.h"

/* Exit codes, as warrenctl(8) lists them. */
enum {
	EXIT_NO = 1,                     /* the answer is no */
	EXIT_NOT_RUNNING = EX_UNAVAILABLE, /* 69 */
	EXIT_VERSION = EX_PROTOCOL       /* 76 */
};

/* One part of an answer, kept until all is there. */
struct part {
	struct part *next;
	uint16_t type;
	void *body;
	uint8_t *raw; /* the message: blobs of body point into it */
};

struct answer {
	struct part *first, **last;
	struct msg_ctl_end end;
	bool ended;
};

/* What the command line asked for. */
struct ctx {
	const char *socket; /* path */
	bool json, numeric, quiet, wide;
	int timeout_ms;
	char command[64]; /* the verb in full, for the JSON envelope */
	struct ipc *ch;
	struct answer answer;
	json_t *data;     /* what json_made() shows */
	uint32_t next_id;
	bool hello;       /* warrend spoke */
	/* Called for each part instead of keeping it; may be NULL. */
	void (*each)(struct ctx *cx, uint16_t type, const void *body);
};

extern struct ctx cx;

/* --- client.c --- */

/* Connect, if that is not done, and hear the greeting; exits with a clear
 * line when it cannot. */
void client_open(void);

/*
 * Ask and wait until all parts are there; they are added to cx.answer.
 * Returns the code of the end; exits 75 when warrend does not answer in time.
 */
int client_ask(uint16_t type, const void *body);
int client_ask_fd(uint16_t type, const void *body, int fd); /* owns fd */

/* Forget all parts, then ask; exits unless the end is a good one. */
void client_must(uint16_t type, const void *body);
void client_reset(void); /* forget all parts */

/* Parts of a type in order: *at starts as NULL.  NULL at the end. */
const void *client_next(uint16_t type, struct part **at);
const void *client_first(uint16_t type);
size_t client_count(uint16_t type);

/* Say why and exit, in JSON under -j.  name is the code's word. */
_Noreturn void die(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/* --- verbs.c --- */

struct verb {
	const char *words; /* "show peers" */
	const char *args;  /* for usage: "[up|known]" */
	const char *help;
	bool offline;      /* needs no daemon */
	bool shows;        /* the restricted socket may */
	/* Ask, with the arguments behind the words; returns an exit code. */
	int (*ask)(int argc, char **argv);
	void (*text)(void);   /* draw cx.answer for people */
	json_t *(*json)(json_t *envelope); /* "data", for programs */
};

extern const struct verb verbs[];
extern const size_t n_verbs;

/* --- act.c: requests with arguments --- */

int act_peer_add(int argc, char **argv);
int act_peer_delete(int argc, char **argv);
int act_peer_connect(int argc, char **argv);
int act_peer_disconnect(int argc, char **argv);
int act_ban_add(int argc, char **argv);
int act_ban_delete(int argc, char **argv);
int act_log(int argc, char **argv);
int act_ping(int argc, char **argv);
int act_monitor(int argc, char **argv);
int act_reload(int argc, char **argv);
int act_check(int argc, char **argv);
int act_attack(int argc, char **argv);
int act_help(int argc, char **argv);
int act_version(int argc, char **argv);
int act_completion(int argc, char **argv);

/* --- act_charter.c, act_record.c, act_db.c, act_dbshow.c --- */

int act_charter_new(int argc, char **argv);
int act_charter_show(int argc, char **argv);
int act_record_key(int argc, char **argv);
int act_record_sign(int argc, char **argv);
int act_record_admit(int argc, char **argv);
int act_put(int argc, char **argv);
int act_get(int argc, char **argv);
int act_rate(int argc, char **argv);
int act_proof(int argc, char **argv);
int act_show_db(int argc, char **argv);
int act_show_metrics(int argc, char **argv);
int act_show_apps(int argc, char **argv);
int act_show_loops(int argc, char **argv);
int act_show_relay(int argc, char **argv);
int act_app_start(int argc, char **argv);
int act_app_stop(int argc, char **argv);
int act_app_restart(int argc, char **argv);
int act_app_log(int argc, char **argv);
int act_show_health(int argc, char **argv);
int act_db_evidence(int argc, char **argv);
int act_db_check(int argc, char **argv);
int act_db_compact(int argc, char **argv);

/* --- act_block.c --- */

int act_show_blocks(int argc, char **argv);
int act_block_put(int argc, char **argv);
int act_block_get(int argc, char **argv);

/* --- act_verify.c, act_backup.c --- */

int act_db_verify(int argc, char **argv);
int act_backup(int argc, char **argv);
int act_restore(int argc, char **argv);

/* Seconds of "90", "25s", "10m", "6h", "7d".  0 or -1. */
int parse_duration(const char *text, uint32_t *seconds);

/* --- text.c, text_nat.c: for people --- */

void text_status(void);
void text_peers(void);
void text_peer(void);
void text_listeners(void);
void text_processes(void);
void text_limits(void);
void text_lines(void);
void text_bans(void);
void text_key(void);
void text_stun(void);
void text_nat(void);
const char *text_name_of(const uint8_t id[32], char buf[40]);
/* ms of a duration as "12s", "04:12", "3d 04:12". */
const char *text_age(uint64_t seconds, char buf[24]);
/* "512", "2.0K"; "1.5ms"; a dash for MSG_NULL64. */
const char *text_size(uint64_t bytes, char buf[24]);
const char *text_rtt(uint64_t us, char buf[24]);

/* --- json.c: for programs --- */

json_t *json_status(json_t *envelope);
json_t *json_peers(json_t *envelope);
json_t *json_peer(json_t *envelope);
json_t *json_stun(json_t *envelope);
json_t *json_listeners(json_t *envelope);
json_t *json_processes(json_t *envelope);
json_t *json_limits(json_t *envelope);
json_t *json_lines(json_t *envelope);
json_t *json_bans(json_t *envelope);
json_t *json_key(json_t *envelope);
json_t *json_pongs(json_t *envelope);
json_t *json_done(json_t *envelope);
json_t *json_made(json_t *envelope); /* cx.data, as the verb made it */
/* All parts of a type, by their schema. */
json_t *json_parts(uint16_t type, const struct schema *s);
json_t *json_db(const struct msg_db_state *s);

/* Print the envelope with its data, and free both. */
void json_print(json_t *(*data)(json_t *envelope));
void json_event(const struct msg_event *e); /* one line */
_Noreturn void json_die(int code, const char *text);

/* Worst of the problems in the answer: 0 ok, 1 warning, 2 critical. */
int health_of(void);

#endif
