/* SPDX-License-Identifier: ISC */
/*
 * Fill a store with signed records of many authors, as a node would have
 * taken them in, and say how fast that went: each record verified and stored
 * by one thread, commits with synchronous=FULL.
 *
 *   usage: db_fill CHARTER FILE RECORDS [AUTHORS]
 *
 * Prints one JSON line: seconds of signing, of taking in, in all and by the
 * tenth, of the first tick, and milliseconds of a tick with 10,000 changes
 * more.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/admit.h"
#include "common/hlc.h"
#include "peerd/store/recstore.h"

#define BATCH   2000
#define CHANGES 10000

static struct charter ch;
static uint8_t (*pks)[32], (*sks)[64];
static unsigned n_authors = 100;
static double t_sign, t_verify, t_put, t_tenth[10], cpu_tenth[10];

static double
seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Of this process: other people's work on the machine is not in it. */
static double
cpu_seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	(void)fprintf(stderr, "db_fill: %s\n", what);
	exit(1);
}

static void
read_charter(const char *path)
{
	static uint8_t buf[CHARTER_MAX];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd == -1 ? -1 : read(fd, buf, sizeof(buf));

	if (n <= 0 || charter_decode(&ch, buf, (size_t)n) != CHARTER_OK)
		die("no charter");
	(void)close(fd);
}

struct made {
	uint8_t raw[640];
	size_t len;
};

/* The kinds of a network in use: mostly ratings, locations and metadata. */
static uint8_t
kind_of(uint64_t i)
{
	static const uint8_t kinds[] = { REC_RATING, REC_RATING, REC_RATING,
		REC_LOCATION, REC_LOCATION, REC_LOCATION, REC_META, REC_META,
		REC_BLOCK, REC_TEMPERATURE };

	return kinds[i % sizeof(kinds)];
}

static void
make(struct made *m, uint8_t kind, unsigned author, uint64_t i, uint64_t hlc,
    const void *payload, size_t payload_len)
{
	struct rec rec = { .kind = kind,
		.subject_len = 32,
		.hlc = hlc,
		.payload = payload,
		.payload_len = payload_len };
	uint8_t body[512], rid[32], sig[64];
	struct wr b, w;

	put_u64(rec.subject, i);
	if (kind == REC_MEMBER)
		memcpy(rec.subject, pks[author], 32);
	if (kind == REC_RATING)
		rec.w = (int32_t)(i % 201) - 100;
	else if (kind == REC_BLOCK)
		rec.w = (int32_t)(i % 4000000) + 1;
	else if (kind == REC_TEMPERATURE)
		rec.w = (int32_t)(i % 6) * 1000;
	memcpy(rec.author, pks[author], 32);
	wr_init(&b, body, sizeof(body));
	rec_encode_body(&b, &rec);
	rec_rid(rid, body, b.len);
	rec_sign(sig, ch.netid, rid, sks[author]);
	wr_init(&w, m->raw, sizeof(m->raw));
	rec_encode(&w, body, b.len, sig);
	if (b.bad || w.bad)
		die("record too long");
	m->len = w.len;
}

static void
take(struct recstore *rs, struct made *m, size_t n, struct wall now)
{
	struct recstore_put p;
	struct rec rec;
	uint8_t rid[32];
	double from = seconds(), then;
	size_t i;

	for (i = 0; i < n; i++) {
		if (rec_decode(&rec, &ch, m[i].raw, m[i].len) != REC_OK)
			die("not a record");
		rec_rid(rid, rec.body, rec.body_len);
		if (!rec_verify(&rec, ch.netid, rid))
			die("bad signature");
	}
	then = seconds();
	t_verify += then - from;
	for (i = 0; i < n; i++) {
		recstore_put(rs, RECSTORE_PEER, m[i].raw, m[i].len, now, NULL,
		    &p);
		if (p.verdict != DB_NEW)
			die(db_verdict_name(p.verdict));
	}
	if (recstore_commit(rs) != SQL_OK)
		die("commit");
	t_put += seconds() - then;
}

static void
admit(struct recstore *rs, struct made *m, struct wall now, uint64_t hlc)
{
	uint64_t next;
	uint8_t nonce[8];
	unsigned a;

	for (a = 0; a < n_authors; a++) {
		(void)crypto_sign_keypair(pks[a], sks[a]);
		next = 0;
		if (!admit_stamp_search(&ch, pks[a], &next, UINT64_C(1) << 40,
			nonce))
			die("no stamp");
		make(&m[0], REC_MEMBER, a, 0, hlc, nonce, sizeof(nonce));
		take(rs, m, 1, now);
	}
}

/* As many again as one tick of a busy network has, half of them updates. */
static double
one_tick(struct recstore *rs, struct made *m, uint64_t n)
{
	struct wall now = wall_now();
	uint64_t i, at, hlc = hlc_from_wall(now);
	double from;
	size_t k;

	for (i = 0; i < CHANGES; i += BATCH) {
		for (k = 0; k < BATCH; k++) {
			at = (i + k) % 2 == 0 ? n + i + k : (i + k) * 7919 % n;
			make(&m[k], kind_of(at), (unsigned)(at % n_authors), at,
			    hlc + i + k, NULL, 0);
		}
		take(rs, m, BATCH, now);
	}
	now.ms += 2 * (int64_t)ch.tick_ms + ch.settle_ms;
	from = seconds();
	if (recstore_settle(rs, now) != SQL_OK)
		die("settle");
	return seconds() - from;
}

static void
print_tenths(const char *name, const double *s)
{
	int i;

	(void)printf("\"%s\":[", name);
	for (i = 0; i < 10; i++)
		(void)printf("%s%.2f", i == 0 ? "" : ",", s[i]);
	(void)printf("],");
}

int
main(int argc, char **argv)
{
	static struct made m[BATCH];
	static uint8_t payload[64];
	struct recstore_conf conf = { .charter = &ch,
		.sql = { .cache_bytes = 8u << 20 } };
	struct wall now = wall_now();
	struct recstore *rs = NULL;
	uint64_t n, i, hlc;
	double from, settle, before, cpu;
	size_t k;
	char why[96];
	bool differs;

	if (argc < 4 || sodium_init() == -1) {
		(void)fprintf(stderr,
		    "usage: db_fill CHARTER FILE RECORDS [AUTHORS]\n");
		return 64;
	}
	read_charter(argv[1]);
	conf.sql.file = argv[2];
	conf.pending_max = 1u << 24;
	n = strtoull(argv[3], NULL, 10);
	if (argc > 4)
		n_authors = (unsigned)strtoul(argv[4], NULL, 10);
	pks = calloc(n_authors, sizeof(*pks));
	sks = calloc(n_authors, sizeof(*sks));
	if (pks == NULL || sks == NULL ||
	    recstore_open(&rs, &conf, now, &differs, why, sizeof(why)) !=
		SQL_OK)
		die("cannot open");
	hlc = hlc_from_wall((struct wall){ now.ms - 600000 });
	admit(rs, m, now, hlc);
	t_put = t_verify = 0;
	for (i = 0; i < n; i += BATCH) {
		from = seconds();
		for (k = 0; k < BATCH; k++)
			make(&m[k], kind_of(i + k),
			    (unsigned)((i + k) % n_authors), i + k,
			    hlc + ((i + k) << 8), payload,
			    (i + k) % sizeof(payload) % 31);
		t_sign += seconds() - from;
		before = t_put + t_verify;
		cpu = cpu_seconds();
		take(rs, m, BATCH, now);
		t_tenth[i * 10 / n] += t_put + t_verify - before;
		cpu_tenth[i * 10 / n] += cpu_seconds() - cpu;
	}
	from = seconds();
	if (recstore_settle(rs, wall_now()) != SQL_OK)
		die("settle");
	settle = seconds() - from;
	(void)printf("{\"records\":%llu,\"sign_s\":%.2f,\"verify_s\":%.2f,"
		     "\"store_s\":%.2f,\"settle_s\":%.2f,"
		     "\"count\":%llu,\"memory\":%zu,",
	    (unsigned long long)n, t_sign, t_verify, t_put, settle,
	    (unsigned long long)recstore_root(rs, MSG_NULL64)->top.cnt,
	    recstore_memory(rs));
	print_tenths("tenths_s", t_tenth);
	print_tenths("tenths_cpu_s", cpu_tenth);
	(void)printf("\"tick_ms\":%.1f}\n", one_tick(rs, m, n) * 1000);
	recstore_close(rs);
	return 0;
}
