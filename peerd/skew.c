/* SPDX-License-Identifier: ISC */
#include "peerd/skew.h"

int64_t
skew_median(int64_t *off, size_t n)
{
	int64_t v;
	size_t i, j;

	if (n == 0)
		return 0;
	for (i = 1; i < n; i++) {
		v = off[i];
		for (j = i; j > 0 && off[j - 1] > v; j--)
			off[j] = off[j - 1];
		off[j] = v;
	}
	return off[n / 2];
}

bool
skew_stops(bool stopped, int64_t median, size_t n)
{
	bool wrong = median > SKEW_STOP_MS || median < -SKEW_STOP_MS;

	if (n == 0)
		return stopped;
	return wrong && (stopped || n >= SKEW_STOP_OF);
}
