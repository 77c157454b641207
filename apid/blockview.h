/* SPDX-License-Identifier: ISC */
/*
 * What records say of one block, gathered from the store: its size, who
 * holds it, how warm it is, and the metadata others gave it.  Where several
 * authors speak of one field, the latest stamp is shown; a reader with a
 * policy of his own asks getrecords.
 */
#ifndef WARREN_BLOCKVIEW_H
#define WARREN_BLOCKVIEW_H

#include "apid/handlers.h"

struct blockview {
	struct call *call;
	uint8_t id[32];
	bool settled;
	void (*then)(struct blockview *v); /* owns v from then on */
	unsigned pending;
	bool failed; /* an answer did not come: */
	int code;    /* of enum call_code */
	char why[128];
	bool known; /* somebody announced it */
	bool more;  /* there is more than is shown */
	char word;  /* as DB_HAVE_IS has it */
	uint32_t size;
	uint64_t created, announcements; /* hlc of the first */
	json_t *locations;
	json_t *fields, *sources; /* by name */
	int64_t temp_sum;
	uint64_t temp_n, temp_last;
};

/* Gather; then() is called once unless the call was answered with an error
 * before anything was asked. */
void blockview_get(struct call *call, const uint8_t id[32], bool settled,
    void (*then)(struct blockview *v));
void blockview_free(struct blockview *v);

/* The metadata of BlockMetadata; NULL: no memory. */
json_t *blockview_json(const struct blockview *v);

#endif
