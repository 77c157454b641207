/* SPDX-License-Identifier: ISC */
/*
 * A few nodes with their databases on disks that fail: random writes by
 * authors who come and go, cuts and partitions, crashes with torn and lost
 * writes, full disks and errors, clocks that are wrong and are set, and a
 * node that lies.  In mode liveness all of it ends at half time, see
 * store_live.c.
 */
#include <stdio.h>
#include <string.h>

#include "common/hlc.h"
#include "tests/sim/fault.h"
#include "tests/sim/scen/scen.h"
#include "tests/sim/scen/store.h"
#include "tests/sim/store/snode.h"

#define CHAOS_MS 500
#define LOOK_MS  5000
#define FAULT_MS 3000
#define SKEW_MS  2000
#define STEP_MS  8000
#define METAS    12
#define RATINGS  14
#define BACK_MS  90000 /* back-dated by up to that: some are over */
#define LIE_MS   700
#define AHEAD_MS 20000
#define JOIN_MS  3000
#define TORN_OPS 40

static struct {
	struct rng rng, lies;
	bool parted;
	uint32_t epoch; /* of the partition */
	uint8_t part[SNODES];
	/* Of a key: who wrote it last, in which partition. */
	struct {
		uint32_t epoch;
		uint8_t part;
		bool tombstone;
	} wrote[256];
} st;

void
scen_setup_store(struct world_conf *conf)
{
	conf->own_nodes = true;
}

static bool
chance(uint32_t one_in)
{
	return rng_below(&st.rng, one_in) == 0;
}

static struct snode *
any_node(void)
{
	struct snode *n = &sw.nodes[rng_below(&st.rng, sw.n)];

	return n->up ? n : NULL;
}

/* --- writes --- */

/* A tombstone on one side of a partition, an update on the other. */
static void
note_race(const struct snode *n, const struct kit_say *say)
{
	size_t i = (size_t)say->author * 32 + (say->kind == REC_META ? 0 : 16) +
	    say->target % 16;

	if (st.parted && st.wrote[i].epoch == st.epoch &&
	    st.wrote[i].part != st.part[n->id] &&
	    st.wrote[i].tombstone != say->tombstone)
		sw.c.race++;
	st.wrote[i].epoch = st.epoch;
	st.wrote[i].part = st.part[n->id];
	st.wrote[i].tombstone = say->tombstone;
}

static void
write_one(struct snode *n)
{
	struct kit_say say = { .kind = REC_META,
		.author = (uint8_t)rng_below(&st.rng, KIT_AUTHORS),
		.tombstone = chance(6) };
	int64_t back = 0;

	if (say.author == KIT_FICKLE && chance(3)) {
		say.kind = REC_MEMBER;
		say.tombstone = chance(2);
	} else if (chance(3)) {
		say.kind = REC_RATING;
		say.target = (uint8_t)rng_below(&st.rng, RATINGS);
		say.w = (int32_t)rng_below(&st.rng, 201) - 100;
	} else {
		say.target = (uint8_t)rng_below(&st.rng, METAS);
	}
	if (chance(8)) /* back-dated, or of the future */
		back =
		    (int64_t)rng_below(&st.rng, BACK_MS + AHEAD_MS) - AHEAD_MS;
	note_race(n, &say);
	snode_write(n, &say, back);
}

static void
on_write(uint64_t arg)
{
	struct snode *n = any_node();
	const struct kit_rec *k;

	(void)arg;
	if (sw.calm)
		return;
	if (n != NULL && chance(8) &&
	    (k = kit_any(rng_next(&st.rng))) != NULL) {
		sw.c.duplicates++;
		snode_offer(n, k->raw, k->len);
	} else if (n != NULL) {
		write_one(n);
	}
	sim_call(sim_now().us +
		(int64_t)(rng_real(&st.rng) * 2e6 / world.conf.rate),
	    on_write, 0);
}

/* --- faults --- */

static void
heal_disk(uint64_t node)
{
	disk_fault((uint32_t)node, KIT_HEALTHY);
}

static void
hurt_disk(struct snode *n, enum kit_fault fault)
{
	disk_fault(n->id, fault);
	sim_call(sim_now().us + FAULT_MS * SIM_MS, heal_disk, n->id);
}

static void
set_clock(struct snode *n)
{
	int64_t max = chance(4) ? STEP_MS : SKEW_MS;

	sw.c.steps++;
	n->skew_ms = (int64_t)rng_below(&st.rng, (uint32_t)(2 * max)) - max;
	n->tick_us = sim_now().us;
	snode_arm(n);
}

static void
hurt(struct snode *n)
{
	uint32_t link = rng_below(&st.rng, sw.n);

	if (chance(40)) {
		if (fault_on(FAULT_torn))
			disk_cut(n->id, 1 + rng_below(&st.rng, TORN_OPS));
	} else if (chance(80)) {
		if (fault_on(FAULT_crash))
			snode_crash(n, chance(2));
	} else if (chance(40)) {
		if (fault_on(FAULT_disk))
			hurt_disk(n, chance(2) ? KIT_FULL : KIT_IO);
	} else if (chance(40)) {
		if (fault_on(FAULT_clock))
			set_clock(n);
	} else if (chance(40) && n->links[link].conn != NET_NIL &&
	    fault_on(FAULT_link)) {
		net_conn(n->links[link].conn)->broken = true;
		sw.c.cuts++;
	}
}

static void
part(bool on)
{
	uint32_t i;

	if (on && !fault_on(FAULT_part))
		return;
	st.parted = on;
	st.epoch++;
	sw.c.partitions += on;
	for (i = 0; i < sw.n; i++) {
		st.part[i] = on && chance(2);
		net_part(i, st.part[i]);
	}
}

static void
on_chaos(uint64_t arg)
{
	uint32_t i;

	(void)arg;
	if (sw.calm)
		return;
	for (i = 0; i < sw.n; i++)
		if (sw.nodes[i].up)
			hurt(&sw.nodes[i]);
	if (chance(30))
		part(!st.parted);
	sim_call(sim_now().us + CHAOS_MS * SIM_MS, on_chaos, 0);
}

/* --- the one that lies --- */

static void
lie_record(struct snode *n, unsigned link)
{
	const struct kit_rec *k = kit_any(rng_next(&st.lies));
	struct kit_say say = { .kind = REC_META, .author = KIT_FICKLE };
	uint8_t raw[640], buf[1024];
	struct wire_blob one = { raw, 0 };
	const uint8_t *recs[1] = { raw };
	struct wall now = snode_wall(n);
	struct wr w;

	if (rng_below(&st.lies, 6) == 0) {
		now.ms += rng_below(&st.lies, 15) * 1000;
		say.hlc = hlc_from_wall(now);
		k = kit_write(&say);
	}
	if (k == NULL)
		return;
	memcpy(raw, k->raw, k->len);
	one.len = k->len;
	/* Half are as they were signed: old ones, to be raised from the dead. */
	if (rng_below(&st.lies, 2) == 0)
		raw[k->len - 1 - rng_below(&st.lies, 100)] ^= 4;
	wr_init(&w, buf, sizeof(buf));
	if (rng_below(&st.lies, 2) == 0)
		wire_put_gossip(&w, 1, &one, 1);
	else
		(void)recon_put_recs(&w, 7, recs, &one.len, 1);
	sw.c.lies++;
	snode_send(n, link, buf, w.len);
}

static void
lie_garbage(struct snode *n, unsigned link)
{
	uint8_t buf[64] = { 0x93, RECON_RANGE, 7 };
	size_t i;

	buf[1] = (uint8_t)(RECON_RANGE + rng_below(&st.lies, 7));
	for (i = 3; i < sizeof(buf); i++)
		buf[i] = (uint8_t)rng_below(&st.lies, 256);
	sw.c.lies++;
	snode_send(n, link, buf, sizeof(buf));
}

static void
on_lie(uint64_t node)
{
	struct snode *n = &sw.nodes[node];
	unsigned link = rng_below(&st.lies, sw.n);

	if (!n->lying)
		return;
	if (n->up && n->links[link].conn != NET_NIL) {
		if (rng_below(&st.lies, 5) == 0)
			lie_garbage(n, link);
		else
			lie_record(n, link);
	}
	sim_call(sim_now().us + LIE_MS * SIM_MS, on_lie, node);
}

/* --- the course --- */

static void
admit_all(void)
{
	struct kit_say say = { .kind = REC_MEMBER };
	const struct kit_rec *k;
	uint32_t i;
	unsigned a;

	for (a = 0; a <= KIT_FICKLE; a++) {
		say.author = (uint8_t)a;
		say.hlc = hlc_from_wall((struct wall){ KIT_START_MS });
		k = kit_write(&say);
		for (i = 0; i < sw.n; i++)
			snode_offer(&sw.nodes[i], k->raw, k->len);
	}
}

static void
on_look(uint64_t arg)
{
	uint32_t i;

	(void)arg;
	for (i = 0; i < sw.n; i++)
		if (sw.nodes[i].up)
			scheck_stored(&sw.nodes[i]);
	sim_call(sim_now().us + LOOK_MS * SIM_MS, on_look, 0);
}

static void
print_counts(void)
{
	uint32_t i;

	for (i = 0; i < sw.n; i++)
		sw.c.disk_faults += disk_faults(i);
	(void)printf("store:");
#define X(name) (void)printf(" " #name " %llu", (unsigned long long)sw.c.name);
	SN_COUNTERS(X)
#undef X
	(void)printf("\nstore: the dearest session took %.1f %% of its bound\n",
	    (double)sw.worst_1000 / 10);
}

void
scen_run_store(void)
{
	double t = world.conf.seconds;
	uint32_t i;

	memset(&st, 0, sizeof(st));
	rng_init(&st.rng, sim_seed(), UINT64_C(5) << 40);
	rng_init(&st.lies, sim_seed(), UINT64_C(6) << 40);
	/* Nothing fails while all begin. */
	sw.calm = true;
	for (i = 0; i < sw.n; i++) {
		sw.nodes[i].skew_ms =
		    (int64_t)rng_below(&st.rng, 2 * SKEW_MS) - SKEW_MS;
		snode_start(&sw.nodes[i]);
	}
	admit_all();
	sim_run(scen_in(JOIN_MS / 1000));
	sw.calm = false;
	if (sw.n > 3 && fault_on(FAULT_lie)) {
		sw.nodes[sw.n - 1].byz = sw.nodes[sw.n - 1].lying = true;
		on_lie(sw.n - 1);
	}
	fault_buggify(true);
	on_write(0);
	on_chaos(0);
	on_look(0);
	sim_run(scen_in(scen_liveness ? t / 2 : t));
	if (scen_liveness) {
		part(false);
		store_liveness();
	}
	print_counts();
}
