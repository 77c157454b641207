/* SPDX-License-Identifier: ISC */
/*
 * Requests a window, as promised in winlimit.h.  Unlike ratelimit.c every
 * entry knows whose it is: strangers may share a budget for an instant, but
 * must not share an hour on the blacklist.
 */
#include "common/winlimit.h"

#include <sodium.h>
#include <string.h>

#include "common/addr_policy.h"
#include "common/assert.h"

void
winlimit_init(struct winlimit *wl, const struct winlimit_cfg *cfg,
    struct winlimit_entry *entries, size_t n, const uint8_t key[WINLIMIT_KEY])
{
	ASSERT(n > 0 && n % WINLIMIT_WAYS == 0);
	ASSERT(n / WINLIMIT_WAYS <= UINT32_MAX);
	wl->cfg = *cfg;
	wl->entries = entries;
	wl->rows = (uint32_t)(n / WINLIMIT_WAYS);
	memcpy(wl->key, key, sizeof(wl->key));
	memset(entries, 0, n * sizeof(*entries));
}

static struct naddr
net_of(const struct winlimit *wl, const struct naddr *from)
{
	struct naddr plain = addr_canon(from);

	return addr_prefix(&plain, wl->cfg.v4_bits, wl->cfg.v6_bits);
}

static struct winlimit_entry *
row_of(const struct winlimit *wl, const struct naddr *net)
{
	uint8_t text[1 + sizeof(net->ip)], hash[crypto_shorthash_BYTES];
	uint32_t n;

	text[0] = net->fam;
	memcpy(text + 1, net->ip, sizeof(net->ip));
	(void)crypto_shorthash(hash, text, sizeof(text), wl->key);
	memcpy(&n, hash, sizeof(n));
	return wl->entries + (size_t)(n % wl->rows) * WINLIMIT_WAYS;
}

static struct winlimit_entry *
find(struct winlimit_entry *row, const struct naddr *net)
{
	size_t i;

	for (i = 0; i < WINLIMIT_WAYS; i++)
		if (row[i].net.fam != NADDR_NONE &&
		    naddr_ip_equal(&row[i].net, net))
			return &row[i];
	return NULL;
}

/* Should a make room rather than b? */
static bool
is_cheaper(const struct winlimit_entry *a, const struct winlimit_entry *b,
    struct mono now)
{
	bool a_listed = !mono_reached(a->blacklist, now);
	bool b_listed = !mono_reached(b->blacklist, now);

	if ((a->net.fam == NADDR_NONE) != (b->net.fam == NADDR_NONE))
		return a->net.fam == NADDR_NONE;
	if (a_listed != b_listed)
		return b_listed;
	if (a_listed)
		return mono_before(a->blacklist, b->blacklist);
	return mono_before(a->used, b->used);
}

static struct winlimit_entry *
make_room(struct winlimit_entry *row, const struct naddr *net, struct mono now)
{
	struct winlimit_entry *e = row;
	size_t i;

	for (i = 1; i < WINLIMIT_WAYS; i++)
		if (is_cheaper(&row[i], e, now))
			e = &row[i];
	memset(e, 0, sizeof(*e));
	e->net = *net;
	e->window = e->forget = e->blacklist = now;
	return e;
}

/* Note a violation; true when it was one too many. */
static bool
violate(const struct winlimit_cfg *cfg, struct winlimit_entry *e,
    struct mono now)
{
	if (e->violated)
		return false;
	e->violated = true;
	e->violations++;
	e->forget = mono_add_ms(now, cfg->blacklist_ms);
	if (cfg->violations == 0 || e->violations < cfg->violations)
		return false;
	e->violations = 0;
	e->blacklist = e->forget;
	return true;
}

/* Milliseconds until due, rounded up so that asking then is not too early. */
static int64_t
wait_ms(struct mono due, struct mono now)
{
	return (due.us - now.us + 999) / 1000;
}

static void
roll_window(const struct winlimit_cfg *cfg, struct winlimit_entry *e,
    struct mono now)
{
	if (mono_reached(e->forget, now))
		e->violations = 0;
	if (!mono_reached(e->window, now))
		return;
	e->window = mono_add_ms(now, cfg->window_ms);
	e->count = 0;
	e->violated = false;
}

enum winlimit_answer
winlimit_ask(struct winlimit *wl, const struct naddr *from, uint32_t cost,
    struct mono now, int64_t *retry_ms)
{
	struct naddr net = net_of(wl, from);
	struct winlimit_entry *row = row_of(wl, &net), *e;

	*retry_ms = 0;
	if (wl->cfg.requests_max == 0)
		return WINLIMIT_OK;
	if ((e = find(row, &net)) == NULL)
		e = make_room(row, &net, now);
	e->used = now;
	if (!mono_reached(e->blacklist, now)) {
		*retry_ms = wait_ms(e->blacklist, now);
		return WINLIMIT_BLACKLISTED;
	}
	roll_window(&wl->cfg, e, now);
	if (cost <= wl->cfg.requests_max - e->count) {
		e->count += cost;
		return WINLIMIT_OK;
	}
	if (violate(&wl->cfg, e, now)) {
		*retry_ms = wait_ms(e->blacklist, now);
		return WINLIMIT_BLACKLISTED;
	}
	*retry_ms = wait_ms(e->window, now);
	return WINLIMIT_OVER;
}

void
winlimit_pardon(struct winlimit *wl, const struct naddr *from)
{
	struct naddr net = net_of(wl, from);
	struct winlimit_entry *e = find(row_of(wl, &net), &net);

	if (e != NULL)
		memset(e, 0, sizeof(*e));
}

int64_t
winlimit_retry_s(int64_t retry_ms)
{
	return (retry_ms + 999) / 1000;
}
