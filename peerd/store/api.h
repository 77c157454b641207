/* SPDX-License-Identifier: ISC */
/*
 * Requests, whoever makes them: apid over its channel, warrenctl over
 * warrend's.
 */
#ifndef WARREN_STORE_API_H
#define WARREN_STORE_API_H

#include "peerd/store/store.h"

struct asker {
	struct ipc *ch;
	uint32_t id;
	bool ctl; /* answered by CTL_DB_* and CTL_END */
};

void api_fail(const struct asker *a, enum db_fail code, const char *text);
void api_get(const struct asker *a, const struct msg_db_get *q);
void api_list(const struct asker *a, const struct msg_db_list *q);
void api_prove(const struct asker *a, const struct msg_db_prove *q);

#endif
