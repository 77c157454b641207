/* SPDX-License-Identifier: ISC */
/*
 * Peers that somebody wrote down: pinned, bootstrap, static and DNS seeds
 * from warren.conf, and those that warrenctl added.  Each is resolved,
 * dialled, and dialled again with a pause that doubles up to eightfold.  While
 * there is no link at all, shorter pauses come first.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/log.h"
#include "peerd/peerd.h"

#define RETRY_MS   1000 /* where nobody says otherwise */
#define ALONE_MS   1000 /* without a link; doubled up to the usual pause */
#define REVIVE_MS  30000 /* who is left alone again and again waits */
#define DOUBLINGS  3
#define ROUND_MS   300000 /* between rounds, where nobody says otherwise */
#define AT_ONCE_MS 100

static struct target targets[TARGETS_MAX];
static uint32_t next_serial = 1, mark = 1;

struct target *
targets_get(uint32_t serial)
{
	size_t i;

	for (i = 0; serial != 0 && i < TARGETS_MAX; i++)
		if (targets[i].serial == serial)
			return &targets[i];
	return NULL;
}

struct target *
targets_next(const struct target *after)
{
	size_t i = after == NULL ? 0 : (size_t)(after - targets) + 1;

	for (; i < TARGETS_MAX; i++)
		if (targets[i].serial != 0)
			return &targets[i];
	return NULL;
}

const uint8_t *
targets_id(const struct target *t)
{
	return t->p.has_key ? t->p.key : t->has_id ? t->id : NULL;
}

/* Is that who this target means? */
static bool
is_of(const struct target *t, const uint8_t id[32])
{
	if (t->p.has_key)
		return memcmp(t->p.key, id, 32) == 0;
	return t->has_id && memcmp(t->id, id, 32) == 0;
}

struct target *
targets_of_id(const uint8_t id[32])
{
	struct target *t = NULL;

	while ((t = targets_next(t)) != NULL)
		if (is_of(t, id))
			return t;
	return NULL;
}

bool
targets_pinned(const uint8_t id[32])
{
	struct target *t = NULL;

	while ((t = targets_next(t)) != NULL)
		if (t->p.origin == PEERD_PINNED && is_of(t, id))
			return true;
	return false;
}

struct target *
targets_find(const char *word)
{
	char full[160], full6[160];
	struct target *t = NULL;

	while ((t = targets_next(t)) != NULL) {
		(void)snprintf(full, sizeof(full), "%s:%u", t->p.host,
		    t->p.port);
		(void)snprintf(full6, sizeof(full6), "[%s]:%u", t->p.host,
		    t->p.port);
		if ((t->p.name[0] != '\0' && strcmp(t->p.name, word) == 0) ||
		    strcmp(t->p.host, word) == 0 || strcmp(full, word) == 0 ||
		    strcmp(full6, word) == 0)
			return t;
	}
	return NULL;
}

/* --- the list --- */

static struct target *
same(const struct msg_peerd_peer *p)
{
	struct target *t = NULL;

	while ((t = targets_next(t)) != NULL)
		if (t->p.port == p->port && strcmp(t->p.host, p->host) == 0 &&
		    (t->p.origin == PEERD_DNS_SEED) ==
			(p->origin == PEERD_DNS_SEED))
			return t;
	return NULL;
}

static struct target *
put(const struct msg_peerd_peer *p)
{
	struct target *t = same(p);
	size_t i;

	for (i = 0; t == NULL && i < TARGETS_MAX; i++)
		if (targets[i].serial == 0)
			t = &targets[i];
	if (t == NULL)
		return NULL;
	if (t->serial == 0) {
		memset(t, 0, sizeof(*t));
		t->serial = next_serial++;
	}
	t->p = *p;
	return t;
}

void
targets_on_peer(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_peer *p = m->body;
	struct target *t = put(p);

	(void)ch;
	if (t == NULL) {
		log_warn("more than %d configured peers; %s ignored",
		    TARGETS_MAX, p->host);
		return;
	}
	t->added = false;
	t->mark = mark;
}

/* What the list no longer names is configured no more. */
void
targets_on_end(struct ipc *ch, const struct ipc_msg *m)
{
	struct target *t = NULL;

	(void)ch;
	(void)m;
	while ((t = targets_next(t)) != NULL)
		if (!t->added && t->mark != mark)
			memset(t, 0, sizeof(*t));
	mark++;
	if (peerd.running)
		discover_soon();
}

struct target *
targets_add(const struct msg_peerd_peer *p)
{
	struct target *t;

	if (same(p) != NULL || (t = put(p)) == NULL)
		return NULL;
	t->added = true;
	return t;
}

void
targets_delete(struct target *t)
{
	memset(t, 0, sizeof(*t));
}

/* --- reaching them --- */

static int64_t
retry_ms(const struct target *t)
{
	if (t->p.retry_ms != 0)
		return t->p.retry_ms;
	return peerd.conf.retry_ms != 0 ? peerd.conf.retry_ms : RETRY_MS;
}

/*
 * It may only be starting, and without a link there is nothing else to do.
 * These tries do not count as failures: the usual ones follow.
 */
static bool
is_urgent(const struct target *t)
{
	return conn_links(-1) == 0 && ALONE_MS << t->alone < retry_ms(t);
}

static int64_t
pause_ms(struct target *t)
{
	int64_t ms = retry_ms(t);
	unsigned n;

	if (is_urgent(t)) {
		ms = ALONE_MS << t->alone++;
	} else {
		n = t->fails++;
		ms <<= n < DOUBLINGS ? n : DOUBLINGS;
	}
	/* A tenth more or less, so that a crowd does not stay in step. */
	return ms - ms / 10 + randombytes_uniform((uint32_t)(ms / 5) + 1);
}

/* Was that the last try of this round? */
static bool
is_last(const struct target *t)
{
	return !targets_is_kept(t) && t->p.max_retries != 0 &&
	    !is_urgent(t) && t->fails + 1 >= t->p.max_retries;
}

static int64_t
round_ms(void)
{
	return peerd.conf.seed_interval_ms != 0 ? peerd.conf.seed_interval_ms
						: ROUND_MS;
}

bool
targets_is_kept(const struct target *t)
{
	return t->p.origin == PEERD_PINNED || t->p.origin == PEERD_STATIC;
}

/* Once for each new reason: retries that fail alike are for debugging. */
static void
say_failed(struct target *t, const char *error)
{
	bool grave = targets_is_kept(t) || t->p.has_key;
	char at[200];

	(void)snprintf(at, sizeof(at), "%s%s%s:%u", t->p.name,
	    t->p.name[0] != '\0' ? " at " : "", t->p.host, t->p.port);
	if (strcmp(t->said, error) == 0)
		log_debug("%s: %s", at, error);
	else if (grave)
		log_warn("%s: not linked: %s", at, error);
	else
		log_info("%s: not linked: %s", at, error);
	(void)strlcpy(t->said, error, sizeof(t->said));
}

static void
fail(struct target *t, const char *error)
{
	struct mono now = mono_now();

	t->state = TARGET_IDLE;
	(void)strlcpy(t->error, error, sizeof(t->error));
	if (t->next_addr < t->n_addrs) {
		t->due = mono_add_ms(now, AT_ONCE_MS);
		return;
	}
	t->n_addrs = t->next_addr = 0; /* ask for its addresses anew */
	say_failed(t, error);
	if (strcmp(error, SHAKE_SELF) == 0 || is_last(t)) {
		t->fails = 0;
		t->due = mono_add_ms(now, round_ms());
		return;
	}
	t->due = mono_add_ms(now, pause_ms(t));
}

static void
dial(struct target *t)
{
	struct dial_why why = { .kind = DIAL_TARGET,
		.configured = true,
		.has_key = t->p.has_key,
		.addr = t->addrs[t->next_addr],
		.target = t->serial };

	memcpy(why.key, t->p.key, 32);
	if (!asks_dial(&why))
		return; /* too many at a time: the next tick tries again */
	t->next_addr++;
	t->state = TARGET_DIALLING;
}

static void
resolve(struct target *t)
{
	uint8_t kind =
	    t->p.origin == PEERD_DNS_SEED ? RESOLVE_SEED : RESOLVE_HOST;

	if (kind == RESOLVE_HOST &&
	    naddr_parse_ip(&t->addrs[0], t->p.host, t->p.port) == 0) {
		t->n_addrs = 1;
		dial(t);
		return;
	}
	if (asks_resolve(t->serial, kind, t->p.host, t->p.port))
		t->state = TARGET_RESOLVING;
}

static bool
is_linked(const struct target *t)
{
	if (t->p.has_key)
		return conn_find(t->p.key) != NULL;
	return t->has_id && conn_find(t->id) != NULL;
}

/* Kept peers are linked even where their view has no place for us. */
static bool
is_held(const struct target *t)
{
	const uint8_t *id = targets_id(t);

	return id != NULL &&
	    (discover_is_held(id) ||
		(!targets_is_kept(t) && neigh_is_held(id)));
}

/* The last link is gone: whoever was to be tried later is tried now. */
static void
revive(struct mono now)
{
	static struct mono due;
	static bool alone;
	struct target *t = NULL;
	bool was = alone;

	alone = conn_links(-1) == 0;
	if (!alone || was || !mono_reached(due, now))
		return;
	due = mono_add_ms(now, REVIVE_MS);
	while ((t = targets_next(t)) != NULL) {
		t->alone = 0;
		t->due = mono_min(t->due, now);
	}
}

void
targets_tick(struct mono now)
{
	bool more = discover_wants_more();
	struct target *t = NULL;

	revive(now);
	while ((t = targets_next(t)) != NULL) {
		if (t->state != TARGET_IDLE || !mono_reached(t->due, now) ||
		    is_linked(t) || is_held(t) ||
		    (!targets_is_kept(t) && !more))
			continue;
		if (t->next_addr < t->n_addrs)
			dial(t);
		else
			resolve(t);
	}
}

/* --- how it went --- */

/* Seeds are no peers: what they name goes into the book. */
static void
seeded(struct target *t, const struct msg_peerd_resolved *r)
{
	struct mono now = mono_now();
	size_t i;

	for (i = 0; i < r->n_addrs; i++)
		(void)abook_add(&peerd.book, &r->addrs[i].addr, NULL,
		    abook_group(&r->addrs[i].addr), wall_now());
	log_info("%s: %u addresses", t->p.host, (unsigned)r->n_addrs);
	keep_dirty(PEERD_FILE_BOOK, false);
	t->fails = 0;
	t->due = mono_add_ms(now, round_ms());
	discover_soon();
}

void
targets_resolved(uint32_t serial, const struct msg_peerd_resolved *r)
{
	struct target *t = targets_get(serial);
	size_t i;

	if (t == NULL || t->state != TARGET_RESOLVING)
		return;
	t->state = TARGET_IDLE;
	if (r->n_addrs == 0) {
		fail(t, "the name has no address");
		return;
	}
	if (t->p.origin == PEERD_DNS_SEED) {
		seeded(t, r);
		return;
	}
	for (i = 0; i < r->n_addrs; i++)
		t->addrs[i] = r->addrs[i].addr;
	t->n_addrs = (uint8_t)r->n_addrs;
	t->next_addr = 0;
	dial(t);
}

void
targets_failed(uint32_t serial, const char *error)
{
	struct target *t = targets_get(serial);

	if (t != NULL)
		fail(t, error);
}

void
targets_linked(uint32_t serial, const uint8_t id[32])
{
	struct target *t = targets_get(serial);

	if (t == NULL)
		return;
	t->state = TARGET_IDLE;
	t->has_id = true;
	memcpy(t->id, id, 32);
	t->error[0] = t->said[0] = '\0';
	t->n_addrs = t->next_addr = 0;
}

/* Back soon, unless links to it do not last. */
void
targets_unlinked(const struct conn *c)
{
	struct target *t = targets_of_id(c->id);
	struct mono now = mono_now();

	if (t == NULL)
		return;
	if (wall_now().ms - c->since.ms < LINK_SHORT_MS) {
		t->due = mono_add_ms(now, pause_ms(t));
	} else {
		t->fails = t->alone = 0;
		t->due = mono_add_ms(now, AT_ONCE_MS);
	}
}

void
targets_wake(struct target *t)
{
	t->fails = t->alone = 0;
	t->due = mono_now();
}
