/* SPDX-License-Identifier: ISC */
/*
 * Between the two files of scenario store.
 */
#ifndef WARREN_SIM_SCEN_STORE_H
#define WARREN_SIM_SCEN_STORE_H

/* Faults have ended: what must come to pass.  See store_live.c. */
void store_liveness(void);

#endif
