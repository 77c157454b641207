/* SPDX-License-Identifier: ISC */
/*
 * A disk in memory for every node.
 */
#define FAULT_DISKS 9

#include "tests/sim/sim.h"
#include "tests/sim/store/kit.h"
#include "tests/unit/faultvfs.h"

#define CHANCE_1000 20

void
disks_init(uint64_t seed)
{
	unsigned i;

	/* Salts and nonces of SQLite come from the disk's seed, too. */
	if (sqlite3_vfs_register(&fault_vfs, 1) != SQLITE_OK)
		sim_die("no disk");
	for (i = 0; i < FAULT_DISKS; i++) {
		memset(&fault_disks[i], 0, sizeof(fault_disks[i]));
		fault_disks[i].seed = mix64(seed + i);
	}
	sqlite3_randomness(0, NULL);
}

void
disks_fini(void)
{
	fault_format();
}

void
disk_fault(uint32_t node, enum kit_fault what)
{
	fault_disks[node].full_1000 = what == KIT_FULL ? CHANCE_1000 : 0;
	fault_disks[node].io_1000 = what == KIT_IO ? CHANCE_1000 : 0;
}

void
disk_cut(uint32_t node, unsigned ops)
{
	if (ops == 0)
		fault_disks[node].dead = true;
	else
		fault_disks[node].until_crash = ops;
}

void
disk_uncut(uint32_t node)
{
	fault_disks[node].until_crash = 0;
}

bool
disk_is_dead(uint32_t node)
{
	return fault_disks[node].dead;
}

void
disk_revive(uint32_t node, bool lost)
{
	if (lost)
		fault_power_on_disk(&fault_disks[node]);
	fault_disks[node].dead = false;
	fault_disks[node].until_crash = 0;
}

uint64_t
disk_faults(uint32_t node)
{
	return fault_disks[node].faults;
}
