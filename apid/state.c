/* SPDX-License-Identifier: ISC */
/*
 * State and hot answers of a worker, as promised in state.h.
 */
#include "apid/state.h"

#include <stdlib.h>
#include <string.h>

#include "common/view_json.h"

#define STALE_REFRESH_MS 10000 /* mappings of others grow stale unsaid */
#define PEERS_LEN_MAX    (12u << 20)

struct cached {
	struct text *text;
	uint64_t version;  /* of what it was made of */
	int64_t second;    /* unix, when it was made */
	struct mono again; /* not made anew before */
	struct mono stale; /* made anew from then on */
};

static struct {
	struct msg_node node;
	struct msg_stun_view stun;
	bool has_stun, has_totals;
	struct msg_peer *peers[STATE_PEERS_MAX]; /* by id */
	size_t n_peers;
	uint64_t peers_refused;
	struct msg_pa_totals totals;
	struct msg_db_state db;
	bool has_db;
	uint64_t ops_ok, ops_failed;
	uint64_t self_version, peers_version; /* count changes */
	struct cached hot[HOT_COUNT];
	uint64_t encoded;
} st;

void
state_set_node(const struct msg_node *node)
{
	st.node = *node;
	st.self_version++;
}

const struct msg_node *
state_node(void)
{
	return &st.node;
}

void
state_set_stun(const struct msg_stun_view *stun)
{
	st.has_stun = stun != NULL;
	if (stun != NULL)
		st.stun = *stun;
	st.self_version++;
}

/* Index of the peer, or of where it belongs. */
static size_t
find_peer(const uint8_t id[32], bool *found)
{
	size_t lo = 0, hi = st.n_peers, mid;
	int c;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		c = memcmp(st.peers[mid]->id, id, 32);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = false;
	return lo;
}

bool
state_put_peer(const struct msg_peer *peer)
{
	bool found;
	size_t i = find_peer(peer->id, &found);
	struct msg_peer *p;

	if (!found) {
		if (st.n_peers == STATE_PEERS_MAX ||
		    (p = malloc(sizeof(*p))) == NULL) {
			st.peers_refused++;
			return false;
		}
		memmove(&st.peers[i + 1], &st.peers[i],
		    (st.n_peers - i) * sizeof(st.peers[0]));
		st.peers[i] = p;
		st.n_peers++;
	}
	*st.peers[i] = *peer;
	st.peers_version++;
	return true;
}

void
state_drop_peer(const uint8_t id[32])
{
	bool found;
	size_t i = find_peer(id, &found);

	if (!found)
		return;
	free(st.peers[i]);
	st.n_peers--;
	memmove(&st.peers[i], &st.peers[i + 1],
	    (st.n_peers - i) * sizeof(st.peers[0]));
	st.peers_version++;
}

void
state_clear_peers(void)
{
	while (st.n_peers > 0)
		free(st.peers[--st.n_peers]);
	st.has_totals = false;
	st.peers_version++;
	st.self_version++;
}

size_t
state_peers(void)
{
	return st.n_peers;
}

uint64_t
state_peers_refused(void)
{
	return st.peers_refused;
}

void
state_set_totals(const struct msg_pa_totals *totals)
{
	st.totals = *totals;
	st.has_totals = true;
	st.self_version++;
}

void
state_set_db(const struct msg_db_state *db)
{
	st.has_db = db != NULL;
	if (db != NULL)
		st.db = *db;
	st.self_version++;
}

const struct msg_db_state *
state_db(void)
{
	return st.has_db ? &st.db : NULL;
}

void
state_set_ops(uint64_t ok, uint64_t failed)
{
	st.ops_ok = ok; /* shown with the next second's answer */
	st.ops_failed = failed;
}

uint64_t
state_encoded(void)
{
	return st.encoded;
}

/* --- hot answers --- */

static void
put_json(struct sb *sb, json_t *j)
{
	sb_json(sb, j);
	json_decref(j);
}

static void
put_status(struct sb *sb, uint64_t now_ms)
{
	struct view_totals t = { .peers_up = MSG_NULL64,
		.bytes_in = MSG_NULL64,
		.bytes_out = MSG_NULL64,
		.ops_ok = st.ops_ok,
		.ops_failed = st.ops_failed,
		.db = state_db() };

	if (st.has_totals) {
		t.peers_up = st.totals.peers_up;
		t.bytes_in = st.totals.bytes_in;
		t.bytes_out = st.totals.bytes_out;
	}
	put_json(sb,
	    view_json_status(&st.node, st.has_stun ? &st.stun : NULL, &t,
		now_ms));
}

/* One peer at a time: the tree of all would be many times the text. */
static void
put_peers(struct sb *sb, int status, uint64_t now_ms)
{
	const char *sep = "[";
	size_t i;

	for (i = 0; i < st.n_peers && !sb->bad; i++) {
		if (status >= 0 && st.peers[i]->status != status)
			continue;
		sb_str(sb, sep);
		put_json(sb, view_json_peer(st.peers[i], now_ms));
		sep = ",";
	}
	sb_str(sb, *sep == '[' ? "[]" : "]");
}

static struct text *
encode(enum hot which, uint64_t now_ms)
{
	struct sb sb;

	st.encoded++;
	sb_init(&sb, PEERS_LEN_MAX);
	switch (which) {
	case HOT_NODEINFO:
		put_json(&sb,
		    view_json_nodeinfo(&st.node, st.has_stun ? &st.stun : NULL,
			state_db(), now_ms));
		break;
	case HOT_STATUS:
		put_status(&sb, now_ms);
		break;
	default:
		put_peers(&sb, (int)which - (int)HOT_PEERS_ACTIVE, now_ms);
		break;
	}
	return sb_end(&sb);
}

static bool
is_fresh(const struct cached *c, enum hot which, struct state_time now)
{
	uint64_t version =
	    which < HOT_PEERS ? st.self_version : st.peers_version;

	if (c->text == NULL)
		return false;
	if (which < HOT_PEERS)
		return c->version == version && c->second == now.wall.ms / 1000;
	if (c->version != version)
		return mono_before(now.mono, c->again);
	return mono_before(now.mono, c->stale);
}

/* A list of n peers takes about 8 us each; rest twenty times as long. */
static int64_t
rest_ms(enum hot which)
{
	int64_t ms;

	if (which < HOT_PEERS)
		return 0;
	ms = (int64_t)st.n_peers * 8 * 20 / 1000;
	return ms < 1000 ? ms : 1000;
}

struct text *
state_hot(enum hot which, struct state_time now)
{
	struct cached *c = &st.hot[which];
	struct text *t;

	if (is_fresh(c, which, now))
		return c->text;
	if ((t = encode(which, (uint64_t)now.wall.ms)) == NULL)
		return NULL;
	text_unref(c->text);
	c->text = t;
	c->version = which < HOT_PEERS ? st.self_version : st.peers_version;
	c->second = now.wall.ms / 1000;
	c->again = mono_add_ms(now.mono, rest_ms(which));
	c->stale = mono_add_ms(now.mono, STALE_REFRESH_MS);
	return c->text;
}
