/* SPDX-License-Identifier: ISC */
/*
 * db verify: do several nodes hold the same records?  Each is asked for its
 * signed word on the root of one settled tick.  Where two differ, they are
 * asked for proofs of the same prefix, of ever more bits, so that what is
 * named in the end is proven by both: the kind, and the smallest range of
 * keys that differs.
 *
 * Our own node answers over the control socket, others over the HTTP API
 * (getdbclaim, getproof; warren-api(7)).  Nothing is believed unverified.
 */
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/warrenctl/http.h"
#include "cmd/warrenctl/record.h"
#include "cmd/warrenctl/warrenctl.h"
#include "common/compat/compat.h"
#include "common/json_obj.h"

#define VOTERS_MAX   16
#define PEERS        4   /* asked when nobody is named */
#define DIFFS_MAX    16  /* kinds described for one node */
#define KEY_BITS     128 /* a range is not cut smaller: one subject */
#define ROUNDS       3   /* a tick may go by while we look */
#define SIGN_TRIES   40  /* a root is signed a moment after it is settled */
#define SIGN_WAIT_MS 50
#define API_PORT     "38081"
#define VERIFY_ARGS  "[peers N | NODE ...]"

enum ask {
	ASK_OK,
	ASK_AWAY, /* it does not answer, or is busy */
	ASK_TICK, /* it does not hold that tick, any more or yet */
	ASK_LIES  /* what it answers does not verify */
};

struct voter {
	char name[80];
	bool own;
	char host[128], port[8];
	enum ask state;
	char why[128];
	uint64_t newest;
	struct claim claim;
	bool equal;
};

/* What one node has under a prefix, proven. */
struct view {
	struct proof proof;
	struct verify_answer a;
};

struct diff {
	const struct voter *v;
	uint8_t kind;
	struct tree_sum here, there; /* the whole kind */
	struct prefix at;            /* the smallest range */
	struct tree_sum here_in, there_in;
	uint8_t keys[2 * TREE_BUCKET][32];
	size_t n_keys;
};

static struct voter voters[VOTERS_MAX];
static size_t n_voters;
static struct diff diffs[VOTERS_MAX * DIFFS_MAX];
static size_t n_diffs;
static struct charter charter;
static uint64_t tick;
static bool compared; /* all who answered, for this tick */

static enum ask
say(struct voter *v, enum ask how, const char *why)
{
	(void)strlcpy(v->why, why, sizeof(v->why));
	return how;
}

/* --- asking our own node --- */

static enum ask
ask_own(struct voter *v, const struct prefix *at, uint64_t t,
    struct msg_db_proved *out, uint8_t proof[8192], uint8_t claim[512])
{
	struct msg_db_prove q = { .bits = (uint16_t)at->bits,
		.tick = t == 0 ? MSG_NULL64 : t };
	const struct msg_db_proved *m;
	int code;

	memcpy(q.prefix, at->at, 32);
	client_reset();
	code = client_ask(CTL_DB_PROVE, &q);
	m = client_first(CTL_DB_PROVED);
	if (code != 0 || m == NULL) {
		(void)say(v, ASK_AWAY, cx.answer.end.text);
		client_reset();
		return code == EX_TEMPFAIL ? ASK_TICK : ASK_AWAY;
	}
	*out = *m;
	memcpy(proof, m->proof.p, m->proof.len);
	memcpy(claim, m->claim.p, m->claim.len);
	out->proof.p = proof;
	out->claim.p = claim;
	client_reset();
	return ASK_OK;
}

/* --- asking others --- */

/* Codes of warren-api(7): such a tick is not held; the node is busy. */
static bool
is_about_ticks(const char *message)
{
	return strstr(message, "tick") != NULL;
}

/* The result of a method, a new reference. */
static enum ask
call(struct voter *v, const char *method, json_t *params, json_t **result)
{
	json_t *req = json_pack("{s:s,s:i,s:s,s:o}", "jsonrpc", "2.0", "id", 1,
	    "method", method, "params", params);
	char *text = json_dumps(req, JSON_COMPACT), *out = NULL;
	const char *message;
	json_t *ans = NULL;
	enum ask how;
	size_t n;

	json_decref(req);
	if (text == NULL)
		die(EX_OSERR, "out of memory");
	if (http_post(v->host, v->port, text, cx.timeout_ms, &out, &n,
		v->why) == -1) {
		free(text);
		return ASK_AWAY;
	}
	free(text);
	ans = json_loadb(out, n, JSON_REJECT_DUPLICATES, NULL);
	free(out);
	*result = json_incref(json_object_get(ans, "result"));
	message = json_string_value(
	    json_object_get(json_object_get(ans, "error"), "message"));
	how = ASK_OK;
	if (*result == NULL || !json_is_object(*result)) {
		how = message != NULL && is_about_ticks(message) ? ASK_TICK
								 : ASK_AWAY;
		(void)say(v, how,
		    message == NULL ? "no JSON-RPC answer" : message);
		json_decref(*result);
		*result = NULL;
	}
	json_decref(ans);
	return how;
}

static json_t *
tick_json(uint64_t t)
{
	char num[24];

	(void)snprintf(num, sizeof(num), "%llu", (unsigned long long)t);
	return json_string(num);
}

/* Bytes of a member in hex; -1 when it is not that, 0 when it is null. */
static int
member_hex(const json_t *o, const char *name, uint8_t *out, size_t cap)
{
	const json_t *v = json_object_get(o, name);
	const char *s = json_string_value(v), *end;
	size_t len;

	if (v == NULL || json_is_null(v))
		return 0;
	if (s == NULL ||
	    sodium_hex2bin(out, cap, s, strlen(s), NULL, &len, &end) != 0 ||
	    *end != '\0')
		return -1;
	return (int)len;
}

static enum ask
ask_other(struct voter *v, const char *method, json_t *params, uint8_t *proof,
    size_t cap, int *proof_len, uint8_t claim[512], int *claim_len)
{
	json_t *o;
	enum ask how = call(v, method, params, &o);

	if (how != ASK_OK)
		return how;
	*claim_len = member_hex(o, "claim", claim, 512);
	*proof_len = member_hex(o, "proof", proof, cap);
	json_decref(o);
	if (*claim_len == -1 || *proof_len == -1)
		return say(v, ASK_LIES, "its answer is malformed");
	return ASK_OK;
}

/* --- claims --- */

static enum ask
check_claim(struct voter *v, struct claim *c, const uint8_t *raw, size_t len,
    uint64_t t)
{
	if (claim_decode(c, raw, len) == -1)
		return say(v, ASK_LIES, "its claim is malformed");
	if (!claim_verify(c))
		return say(v, ASK_LIES, "its claim is not signed by its node");
	if (memcmp(c->netid, charter.netid, 32) != 0)
		return say(v, ASK_LIES, "its claim is of another network");
	if (t != 0 && c->tick != t)
		return say(v, ASK_LIES, "its claim is of another tick");
	return ASK_OK;
}

static enum ask
ask_claim(struct voter *v, uint64_t t)
{
	static const struct prefix all;
	static uint8_t proof[8192];
	uint8_t claim[512];
	struct msg_db_proved m;
	int len = 0, none, i;
	enum ask how = ASK_AWAY;

	for (i = 0; i < SIGN_TRIES && len == 0; i++) {
		if (i > 0)
			(void)poll(NULL, 0, SIGN_WAIT_MS);
		if (v->own) {
			how = ask_own(v, &all, t, &m, proof, claim);
			len = how == ASK_OK ? (int)m.claim.len : 0;
		} else {
			how = ask_other(v, "getdbclaim",
			    t == 0 ? json_object()
				   : json_pack("{s:o}", "tick", tick_json(t)),
			    proof, sizeof(proof), &none, claim, &len);
		}
		if (how != ASK_OK)
			return how;
	}
	if (len == 0)
		return say(v, ASK_AWAY, "its root is not signed yet");
	return check_claim(v, &v->claim, claim, (size_t)len, t);
}

/* --- proofs --- */

static enum ask
ask_view(struct voter *v, const struct prefix *at, struct view *out)
{
	static uint8_t proof[8192];
	uint8_t claim[512];
	struct msg_db_proved m;
	char hex[65];
	int len = 0, none = 0;
	enum verify_err err;
	enum ask how;

	if (v->own) {
		how = ask_own(v, at, tick, &m, proof, claim);
		len = how == ASK_OK ? (int)m.proof.len : 0;
	} else {
		(void)sodium_bin2hex(hex, sizeof(hex), at->at, 32);
		how = ask_other(v, "getproof",
		    json_pack("{s:s,s:i,s:o}", "prefix", hex, "bits",
			(int)at->bits, "tick", tick_json(tick)),
		    proof, sizeof(proof), &len, claim, &none);
	}
	if (how != ASK_OK)
		return how;
	err = proof_decode(&out->proof, proof, (size_t)len) == -1
	    ? VERIFY_MALFORMED
	    : verify_proof(&out->a, &out->proof, &v->claim, at->at, at->bits);
	if (err == VERIFY_OK)
		return ASK_OK;
	(void)snprintf(v->why, sizeof(v->why), "its proof does not verify: %s",
	    verify_err_name(err));
	return ASK_LIES;
}

static bool
same(const struct tree_sum *a, const struct tree_sum *b)
{
	return a->cnt == b->cnt && a->sum == b->sum &&
	    memcmp(a->h, b->h, 32) == 0;
}

/* --- the descent --- */

static struct voter *ours, *theirs;
static struct view here, there;

/* Both views of a prefix. */
static enum ask
look(const struct prefix *at)
{
	enum ask how = ours->state = ask_view(ours, at, &here);

	return how == ASK_OK ? ask_view(theirs, at, &there) : how;
}

static struct prefix
child(const uint8_t key[32], unsigned bit, unsigned side)
{
	struct prefix p = { .bits = bit + 1 };

	tree_mask(p.at, key, bit);
	if (side != 0)
		p.at[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
	return p;
}

/*
 * The bit at which to part what is under a prefix: where the first of the two
 * trees branches, or where their keys part from each other.  Only a node of
 * more than a bucket is a branch.
 */
static unsigned
parting(const struct prefix *at, uint8_t key[32])
{
	const struct view *v[2] = { &here, &there };
	unsigned bit = TREE_KEY_BITS, d;
	bool have[2];
	int i;

	memcpy(key, at->at, 32);
	for (i = 0; i < 2; i++) {
		have[i] = v[i]->a.set.cnt > TREE_BUCKET &&
		    v[i]->proof.end == PROOF_BRANCH;
		if (have[i] && v[i]->proof.bit < bit) {
			bit = v[i]->proof.bit;
			memcpy(key, v[i]->proof.prefix, 32);
		}
	}
	if (have[0] && have[1]) {
		d = tree_diff_bit(here.proof.prefix, there.proof.prefix);
		if (d < bit)
			bit = d;
	}
	return bit;
}

/* The entry of this key that a view shows; NULL when it shows none. */
static const struct tree_entry *
entry_of(const struct view *v, const uint8_t key[32])
{
	size_t i;

	for (i = 0; v->proof.end == PROOF_LEAF && i < v->proof.n_entries; i++)
		if (memcmp(v->proof.entries[i].key, key, 32) == 0)
			return &v->proof.entries[i];
	return NULL;
}

/* Keys of a that b has not, or with another record unless only is set. */
static void
name_keys(struct diff *d, const struct view *a, const struct view *b, bool only)
{
	const struct tree_entry *e, *o;
	size_t i;

	for (i = 0; a->proof.end == PROOF_LEAF && i < a->proof.n_entries; i++) {
		e = &a->proof.entries[i];
		o = entry_of(b, e->key);
		if (tree_has_prefix(e->key, d->at.at, d->at.bits) &&
		    (o == NULL ||
			(!only &&
			    (o->w != e->w || memcmp(o->rid, e->rid, 32) != 0))))
			memcpy(d->keys[d->n_keys++], e->key, 32);
	}
}

/* d->at differs, and both views of it are there: make it smaller. */
static enum ask
narrow(struct diff *d)
{
	uint8_t key[32];
	struct prefix next;
	enum ask how;
	unsigned bit, side;

	while (here.a.set.cnt > 0 && there.a.set.cnt > 0 &&
	    (here.a.set.cnt > TREE_BUCKET || there.a.set.cnt > TREE_BUCKET) &&
	    d->at.bits < KEY_BITS) {
		bit = parting(&d->at, key);
		if (bit >= KEY_BITS)
			break;
		for (side = 0; side < 2; side++) {
			next = child(key, bit, side);
			if ((how = look(&next)) != ASK_OK)
				return how;
			if (!same(&here.a.set, &there.a.set))
				break;
		}
		if (side == 2) /* two proven nodes differ, and no child does */
			return say(theirs, ASK_LIES,
			    "its proofs contradict "
			    "each other");
		d->at = next;
	}
	d->here_in = here.a.set;
	d->there_in = there.a.set;
	/* Entries are shown of sets that lie within one bucket. */
	if (here.a.set.cnt <= TREE_BUCKET && there.a.set.cnt <= TREE_BUCKET) {
		name_keys(d, &here, &there, false);
		name_keys(d, &there, &here, true);
	}
	return ASK_OK;
}

/* All kinds that differ, beneath the first bits of a key. */
static enum ask
walk_kinds(struct prefix at)
{
	struct prefix next;
	struct diff *d;
	enum ask how = look(&at);
	unsigned side, bit = at.bits;

	if (how != ASK_OK || same(&here.a.set, &there.a.set))
		return how;
	if (at.bits == 8) {
		if (n_diffs == sizeof(diffs) / sizeof(diffs[0]))
			return ASK_OK;
		d = &diffs[n_diffs++];
		memset(d, 0, sizeof(*d));
		d->v = theirs;
		d->kind = at.at[0];
		d->here = here.a.set;
		d->there = there.a.set;
		d->at = at;
		return narrow(d);
	}
	for (side = 0; side < 2; side++) {
		next = child(at.at, bit, side);
		if ((how = walk_kinds(next)) != ASK_OK)
			return how;
	}
	return ASK_OK;
}

/* --- who is asked --- */

static struct voter *
add_voter(const char *name)
{
	struct voter *v;

	if (n_voters == VOTERS_MAX)
		die(EX_USAGE, "at most %d nodes at a time", VOTERS_MAX - 1);
	v = &voters[n_voters++];
	memset(v, 0, sizeof(*v));
	(void)strlcpy(v->name, name, sizeof(v->name));
	return v;
}

/* Where this peer's HTTP API is, if it told. */
static bool
http_of(const struct msg_peer *p, char host[128], char port[8])
{
	char addr[NADDR_STR];
	struct naddr a;
	size_t i;
	char *s;

	for (i = 0; i < p->n_addrs; i++) {
		if (p->addrs[i].service != SVC_HTTP)
			continue;
		a = p->addrs[i].addr;
		(void)snprintf(port, 8, "%u", a.port);
		a.port = 0;
		(void)naddr_str(&a, addr);
		/* "[ip6]:0" or "ip4:0" or without a port: the host alone. */
		s = addr;
		if (s[0] == '[') {
			s++;
			s[strcspn(s, "]")] = '\0';
		} else if (strchr(s, ':') == strrchr(s, ':')) {
			s[strcspn(s, ":")] = '\0';
		}
		(void)strlcpy(host, s, 128);
		return true;
	}
	return false;
}

static void
name_peer(const struct msg_peer *p, char out[80])
{
	char hex[NODE_ID_HEX];

	if (p->name[0] != '\0')
		(void)snprintf(out, 80, "%s", p->name);
	else
		(void)snprintf(out, 80, "%.16s", node_id_hex(p->id, hex));
}

static struct msg_peer *peers;
static size_t n_peers;

static void
load_peers(void)
{
	struct msg_ctl_word w = { .word = "" };
	const struct msg_peer *p;
	struct part *at = NULL;

	client_must(CTL_SHOW_PEERS, &w);
	peers = calloc(client_count(CTL_PEER) + 1, sizeof(*peers));
	if (peers == NULL)
		die(EX_OSERR, "out of memory");
	while ((p = client_next(CTL_PEER, &at)) != NULL)
		peers[n_peers++] = *p;
	client_reset();
}

static void
add_peers(size_t max)
{
	char host[128], port[8], name[80];
	struct voter *v;
	size_t i, n = 0;

	for (i = 0; i < n_peers && n < max; i++) {
		if (!http_of(&peers[i], host, port))
			continue;
		name_peer(&peers[i], name);
		v = add_voter(name);
		(void)strlcpy(v->host, host, sizeof(v->host));
		(void)strlcpy(v->port, port, sizeof(v->port));
		n++;
	}
}

/* A peer by its name or key; NULL when there is none. */
static const struct msg_peer *
find_peer(const char *word)
{
	char hex[NODE_ID_HEX];
	size_t i, n = strlen(word);

	for (i = 0; i < n_peers; i++)
		if (strcmp(peers[i].name, word) == 0 ||
		    (n >= 8 &&
			strncmp(node_id_hex(peers[i].id, hex), word, n) == 0))
			return &peers[i];
	return NULL;
}

/* host, host:port, [ip6]:port, or a bare ip6. */
static void
split_host(struct voter *v, const char *word)
{
	const char *end = strchr(word, ']'), *colon = strrchr(word, ':');
	size_t n;

	(void)strlcpy(v->port, API_PORT, sizeof(v->port));
	if (word[0] == '[' && end != NULL) {
		if (end[1] == ':')
			(void)strlcpy(v->port, end + 2, sizeof(v->port));
		word++;
		n = (size_t)(end - word);
	} else if (colon != NULL && strchr(word, ':') == colon) {
		(void)strlcpy(v->port, colon + 1, sizeof(v->port));
		n = (size_t)(colon - word);
	} else {
		n = strlen(word);
	}
	if (n == 0 || n >= sizeof(v->host))
		die(EX_USAGE, "%s: no such host can be", word);
	memcpy(v->host, word, n);
	v->host[n] = '\0';
}

static void
add_named(const char *word)
{
	const struct msg_peer *p = find_peer(word);
	struct voter *v = add_voter(word);

	if (p == NULL)
		split_host(v, word);
	else if (!http_of(p, v->host, v->port))
		die(EX_UNAVAILABLE,
		    "%s tells no address of an HTTP API; name "
		    "it as host:port",
		    word);
}

static void
choose(int argc, char **argv)
{
	const char *err;
	int i;

	add_voter("this node")->own = true;
	load_peers();
	if (argc == 0) {
		add_peers(PEERS);
	} else if (strcmp(argv[0], "peers") == 0) {
		if (argc != 2)
			die(EX_USAGE,
			    "usage: warrenctl db verify " VERIFY_ARGS);
		i = (int)strtonum(argv[1], 1, VOTERS_MAX - 1, &err);
		if (err != NULL)
			die(EX_USAGE, "peers %s: %s", argv[1], err);
		add_peers((size_t)i);
	} else {
		for (i = 0; i < argc; i++)
			add_named(argv[i]);
	}
	if (n_voters == 1)
		die(EX_UNAVAILABLE,
		    "no peer tells an address of its HTTP "
		    "API; name nodes as host:port");
}

/* --- the vote --- */

/* One tick that all who answer have, with their claims of it. */
static enum ask
vote(void)
{
	size_t i, n = 0;

	tick = UINT64_MAX;
	for (i = 0; i < n_voters; i++) {
		memset(&voters[i].claim, 0, sizeof(voters[i].claim));
		voters[i].equal = voters[i].own;
		voters[i].state = ask_claim(&voters[i], 0);
		voters[i].newest = voters[i].claim.tick;
		if (voters[i].state == ASK_OK && voters[i].newest < tick)
			tick = voters[i].newest;
		n += voters[i].state == ASK_OK;
	}
	if (voters[0].state != ASK_OK || n < 2)
		return ASK_AWAY;
	for (i = 0; i < n_voters; i++)
		if (voters[i].state == ASK_OK && voters[i].newest != tick)
			voters[i].state = ask_claim(&voters[i], tick);
	return voters[0].state;
}

/* Compare all with ours, and look closer where one differs. */
static enum ask
compare(void)
{
	static const struct prefix all;
	enum ask how = ASK_OK;
	struct voter *v;
	size_t i;

	ours = &voters[0];
	compared = true;
	n_diffs = 0;
	for (i = 1; i < n_voters; i++) {
		v = theirs = &voters[i];
		if (v->state != ASK_OK)
			continue;
		v->equal = memcmp(v->claim.root, ours->claim.root, 32) == 0;
		if (v->equal)
			continue;
		how = walk_kinds(all);
		if (how == ASK_TICK || ours->state != ASK_OK)
			return how;
		v->state = how;
	}
	return ASK_OK;
}

/* --- drawing --- */

static void
print_voter(const struct voter *v)
{
	static const char *const words[] = { "", "NO ANSWER", "OTHER TICKS",
		"NOT PROVEN" };
	char hex[NODE_ID_HEX];

	if (v->state != ASK_OK &&
	    !(v->state == ASK_TICK && !v->equal && v->claim.tick == tick)) {
		(void)printf("%-24s %s: %s\n", v->name, words[v->state],
		    v->why);
		return;
	}
	(void)printf("%-24s %.16s %10llu %14lld  %s\n", v->name,
	    node_id_hex(v->claim.root, hex), (unsigned long long)v->claim.cnt,
	    (long long)v->claim.sum, v->equal ? "equal" : "DIFFERS");
}

static void
print_diff(const struct diff *d)
{
	char hex[NODE_ID_HEX];
	size_t i;

	(void)printf("\n%s, kind %u %s: %llu records, sum %lld; here %llu, "
		     "sum %lld\n",
	    d->v->name, d->kind, kind_name(d->kind),
	    (unsigned long long)d->there.cnt, (long long)d->there.sum,
	    (unsigned long long)d->here.cnt, (long long)d->here.sum);
	node_id_hex(d->at.at, hex);
	hex[(d->at.bits + 3) / 4] = '\0';
	(void)printf("  first in keys %s.. (%u bits): %llu records, sum "
		     "%lld; here %llu, sum %lld\n",
	    hex, d->at.bits, (unsigned long long)d->there_in.cnt,
	    (long long)d->there_in.sum, (unsigned long long)d->here_in.cnt,
	    (long long)d->here_in.sum);
	for (i = 0; i < d->n_keys; i++)
		(void)printf("  %s\n", node_id_hex(d->keys[i], hex));
}

static void
print_all(void)
{
	size_t i;

	(void)printf("tick %llu\n%-24s %-16s %10s %14s\n",
	    (unsigned long long)tick, "NODE", "ROOT", "COUNT", "SUM");
	for (i = 0; i < n_voters; i++)
		print_voter(&voters[i]);
	for (i = 0; i < n_diffs; i++)
		print_diff(&diffs[i]);
}

static json_t *
sum_json(const struct tree_sum *s)
{
	return json_pack("{s:o,s:I}", "count", jv_number(s->cnt), "sum",
	    (json_int_t)s->sum);
}

static json_t *
diff_json(const struct diff *d)
{
	struct jo o = jo_new(), keys = jo_list();
	size_t i;

	jo_put(&o, "node", json_string(d->v->name));
	jo_put(&o, "nodeId", jv_hex(d->v->claim.node, 32));
	jo_put(&o, "kind", jv_number(d->kind));
	jo_put(&o, "name", json_string(kind_name(d->kind)));
	jo_put(&o, "here", sum_json(&d->here));
	jo_put(&o, "there", sum_json(&d->there));
	jo_put(&o, "prefix", jv_hex(d->at.at, (d->at.bits + 7) / 8));
	jo_put(&o, "bits", jv_number(d->at.bits));
	jo_put(&o, "hereIn", sum_json(&d->here_in));
	jo_put(&o, "thereIn", sum_json(&d->there_in));
	for (i = 0; i < d->n_keys; i++)
		jo_add(&keys, jv_hex(d->keys[i], 32));
	jo_put(&o, "keys", jo_end(&keys));
	return jo_end(&o);
}

static json_t *
all_json(void)
{
	static const char *const states[] = { "answered", "away", "other-ticks",
		"not-proven" };
	struct jo o = jo_new(), list = jo_list(), ds = jo_list(), v;
	const struct voter *p;
	size_t i;

	for (i = 0; i < n_voters; i++) {
		p = &voters[i];
		v = jo_new();
		jo_put(&v, "node", json_string(p->name));
		jo_put(&v, "state", json_string(states[p->state]));
		jo_put(&v, "why",
		    p->state == ASK_OK ? json_null() : json_string(p->why));
		jo_put(&v, "equal",
		    p->claim.tick != tick ? json_null()
					  : json_boolean(p->equal));
		if (p->claim.tick != 0) {
			jo_put(&v, "nodeId", jv_hex(p->claim.node, 32));
			jo_put(&v, "root", jv_hex(p->claim.root, 32));
			jo_put(&v, "count", jv_number(p->claim.cnt));
			jo_put(&v, "sum", json_integer(p->claim.sum));
		}
		jo_add(&list, jo_end(&v));
	}
	for (i = 0; i < n_diffs; i++)
		jo_add(&ds, diff_json(&diffs[i]));
	jo_put(&o, "tick", tick == UINT64_MAX ? json_null() : jv_number(tick));
	jo_put(&o, "nodes", jo_end(&list));
	jo_put(&o, "differences", jo_end(&ds));
	return jo_end(&o);
}

/* 1 when one differs or lies; else 69 or 75 when one could not be asked. */
static int
code_of(void)
{
	int code = 0;
	size_t i;

	for (i = 0; i < n_voters; i++) {
		if (voters[i].state == ASK_LIES ||
		    (compared && voters[i].claim.tick == tick &&
			!voters[i].equal))
			return EXIT_NO;
		if (voters[i].state == ASK_AWAY)
			code = EX_UNAVAILABLE;
		else if (voters[i].state == ASK_TICK && code == 0)
			code = EX_TEMPFAIL;
	}
	return code;
}

int
act_db_verify(int argc, char **argv)
{
	enum ask how = ASK_TICK;
	int i;

	charter_get(&charter, NULL);
	choose(argc, argv);
	for (i = 0; i < ROUNDS && how == ASK_TICK; i++)
		if ((how = vote()) == ASK_OK)
			how = compare();
	client_reset();
	if (cx.json)
		cx.data = all_json();
	else if (!cx.quiet)
		print_all();
	return code_of();
}
