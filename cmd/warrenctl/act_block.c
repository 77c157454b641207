/* SPDX-License-Identifier: ISC */
/*
 * Block bodies in and out of the running node, and which it holds.  A body
 * goes in by parts under one token; what comes out is believed when it has
 * the hash it is named by.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/warrenctl/author.h"
#include "cmd/warrenctl/warrenctl.h"
#include "common/compat/compat.h"
#include "common/json_obj.h"
#include "common/view_json.h"
#include "common/write_all.h"
#include "peerd/blocks.h"
#include "peerd/temper.h"

#define PART     131072
#define PUT_ARGS "FILE|- [key FILE]"
#define GET_ARGS "ID FILE|- [fetch]"
#define FETCH_MS 60000 /* a body may have to come from far away */

/* --- show blocks --- */

static void
show_body(const struct msg_ctl_body *b)
{
	const char *warm = temper_name(temper_of_weight(b->weight));
	char id[NODE_ID_HEX], since[VIEW_TIME_STR];
	struct jo o;

	if (!cx.json) {
		if (!cx.quiet)
			(void)printf("%s %8u  %-6s  since %s\n",
			    node_id_hex(b->id, id), b->size, warm,
			    view_time_str(b->since, since));
		return;
	}
	o = jo_new();
	jo_put(&o, "blockId", jv_hex(b->id, 32));
	jo_put(&o, "size", jv_number(b->size));
	jo_put(&o, "temperature", json_string(warm));
	jo_put(&o, "since", jv_time(b->since));
	jo_put(&o, "lastRead", b->last == 0 ? json_null() : jv_time(b->last));
	(void)json_array_append_new(cx.data, jo_end(&o));
}

int
act_show_blocks(int argc, char **argv)
{
	struct msg_ctl_list q = { .what = CTL_LIST_BODIES };
	const struct msg_ctl_bodies *page;
	bool more;
	size_t i;

	(void)argv;
	if (argc != 0)
		die(EX_USAGE, "%s takes no argument", cx.command);
	cx.data = json_array();
	do {
		client_must(CTL_LIST, &q);
		if ((page = client_first(CTL_BODIES)) == NULL)
			die(EX_PROTOCOL, "warrend told no blocks");
		for (i = 0; i < page->n_bodies; i++)
			show_body(&page->bodies[i]);
		more = page->more && i > 0;
		if (more) {
			q.after = 1;
			memcpy(q.id, page->bodies[i - 1].id, 32);
		}
	} while (more);
	client_reset();
	return 0;
}

/* --- block put --- */

struct body {
	uint8_t *p;
	uint32_t size;
	uint8_t id[32];
};

static void
name_body(struct body *b)
{
	struct manifest man;

	blocks_manifest(&man, b->p, b->size);
	blocks_id(b->id, &man);
}

static void
read_body(struct body *b, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	size_t n;

	if (f == NULL)
		die(EX_NOINPUT, "%s: %s", path, strerror(errno));
	if ((b->p = malloc(BLOCK_SIZE_MAX + 1)) == NULL)
		die(EX_OSERR, "out of memory");
	n = fread(b->p, 1, BLOCK_SIZE_MAX + 1, f);
	if (ferror(f))
		die(EX_IOERR, "%s: %s", path, strerror(errno));
	if (f != stdin)
		(void)fclose(f);
	if (n == 0 || n > BLOCK_SIZE_MAX)
		die(EX_DATAERR, "%s: a block has 1 byte to 4 MiB", path);
	b->size = (uint32_t)n;
	name_body(b);
}

/* The record that says: there is such a block. */
static void
announce(const struct body *b, const char *key)
{
	static struct authored a;
	static struct msg_db_put q;
	const struct msg_db_put_done *done;
	struct rec rec = { .kind = REC_BLOCK,
		.subject_len = 32,
		.w = (int32_t)b->size };
	struct charter ch;
	struct keyfile k;
	uint8_t verdict;

	memcpy(rec.subject, b->id, 32);
	keyfile_read(&k, key);
	charter_get(&ch, NULL);
	author_sign(&a, &rec, &ch, &k, 0);
	keyfile_fini(&k);
	q.n_records = 1;
	q.records[0].raw.p = a.raw;
	q.records[0].raw.len = (uint32_t)a.len;
	client_must(CTL_DB_PUT, &q);
	if ((done = client_first(CTL_DB_PUT_DONE)) == NULL ||
	    done->n_verdicts != 1)
		die(EX_PROTOCOL, "warrend told no verdict");
	verdict = done->verdicts[0].verdict;
	client_reset();
	if (verdict != DB_NEW && verdict != DB_OLD)
		die(EXIT_NO, "the block's record: %s",
		    db_verdict_name(verdict));
}

static void
send_body(const struct body *b)
{
	struct msg_ctl_block_put q = { .size = b->size };

	randombytes_buf(&q.token, sizeof(q.token));
	while (q.off < b->size) {
		q.data.p = b->p + q.off;
		q.data.len = b->size - q.off < PART ? b->size - q.off : PART;
		client_must(CTL_BLOCK_PUT, &q);
		q.off += q.data.len;
	}
	if (client_first(CTL_BLOCK_ID) == NULL)
		die(EX_PROTOCOL, "warrend told no id");
	client_reset();
}

static void
show_done(const struct body *b, const char *verb)
{
	char id[NODE_ID_HEX];

	if (cx.json)
		cx.data = json_pack("{s:s,s:I}", "blockId",
		    node_id_hex(b->id, id), "size", (json_int_t)b->size);
	else if (!cx.quiet)
		(void)printf("%s  %s, %u bytes\n", node_id_hex(b->id, id), verb,
		    b->size);
}

int
act_block_put(int argc, char **argv)
{
	struct body b;

	if (argc != 1 && (argc != 3 || strcmp(argv[1], "key") != 0))
		die(EX_USAGE, "usage: warrenctl block put " PUT_ARGS);
	read_body(&b, argv[0]);
	if (argc == 3)
		announce(&b, argv[2]);
	send_body(&b);
	show_done(&b, "stored");
	free(b.p);
	return 0;
}

/* --- block get --- */

static void
fetch_body(struct body *b, bool fetch)
{
	struct msg_ctl_block_get q = { .fetch = fetch };
	const struct msg_ctl_block_part *part;
	uint8_t id[32];

	memcpy(q.id, b->id, 32);
	memcpy(id, b->id, 32);
	do {
		client_must(CTL_BLOCK_GET, &q);
		part = client_first(CTL_BLOCK_PART);
		if (part == NULL || part->off != q.off || part->data.len == 0 ||
		    part->size > BLOCK_SIZE_MAX ||
		    part->data.len > part->size - q.off ||
		    (q.off > 0 && part->size != b->size))
			die(EX_PROTOCOL, "warrend told no part of the block");
		if (b->p == NULL && (b->p = malloc(part->size)) == NULL)
			die(EX_OSERR, "out of memory");
		b->size = part->size;
		memcpy(b->p + q.off, part->data.p, part->data.len);
		q.off += part->data.len;
	} while (q.off < b->size);
	client_reset();
	name_body(b);
	if (memcmp(b->id, id, 32) != 0)
		die(EXIT_NO,
		    "what came has another hash: it is not this "
		    "block");
}

static void
write_body(const struct body *b, const char *path)
{
	bool out = strcmp(path, "-") == 0;
	int fd = out
	    ? STDOUT_FILENO
	    : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd == -1)
		die(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	if (write_all(fd, b->p, b->size) == -1 || (!out && close(fd) == -1))
		die(EX_IOERR, "%s: %s", path, strerror(errno));
}

int
act_block_get(int argc, char **argv)
{
	struct body b = { .p = NULL };
	bool fetch = argc == 3;

	if (argc < 2 || argc > 3 || (fetch && strcmp(argv[2], "fetch") != 0))
		die(EX_USAGE, "usage: warrenctl block get " GET_ARGS);
	if (cx.json && strcmp(argv[1], "-") == 0)
		die(EX_USAGE, "-j and a block on the standard output");
	hex_parse("block", argv[0], b.id, 32);
	if (fetch && cx.timeout_ms < FETCH_MS)
		cx.timeout_ms = FETCH_MS;
	fetch_body(&b, fetch);
	write_body(&b, argv[1]);
	if (strcmp(argv[1], "-") != 0)
		show_done(&b, "verified");
	free(b.p);
	return 0;
}
