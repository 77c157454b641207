/* SPDX-License-Identifier: ISC */
#include "peerd/store/batch.h"

#include "peerd/recon.h"

#define RECORDS 200
#define ENOUGH  (48u << 10) /* bytes; then the window is asked again */
#define HEAD    16          /* of the message, at most */
#define EACH    3           /* of a record in it */

static struct recstore_rec recs[RECORDS];
static const uint8_t *raws[RECORDS];
static size_t lens[RECORDS], n_recs, n_bytes;

void
batch_begin(void)
{
	n_recs = n_bytes = 0;
}

bool
batch_add(struct recstore *rs, const uint8_t key[32])
{
	size_t bytes = n_bytes, got, i;

	if (n_recs > RECORDS - RECSTORE_VERSIONS || n_bytes >= ENOUGH)
		return false;
	got = recstore_versions(rs, key, recs + n_recs, RECSTORE_VERSIONS);
	for (i = n_recs; i < n_recs + got; i++) {
		raws[i] = recs[i].raw;
		lens[i] = recs[i].raw_len;
		bytes += recs[i].raw_len + EACH;
	}
	if (bytes > RECON_MSG_MAX - HEAD)
		return false;
	n_bytes = bytes;
	n_recs += got;
	return true;
}

size_t
batch_count(void)
{
	return n_recs;
}

void
batch_put(struct wr *w, uint16_t sid)
{
	(void)recon_put_recs(w, sid, raws, lens, n_recs);
}
