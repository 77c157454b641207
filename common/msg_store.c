/* SPDX-License-Identifier: ISC */
/*
 * Schemas of msg_store.h and msg_db.h.
 */
#include "common/msg_store.h"
#include "common/msg_db.h"

MSG_DEFINE(store_config, MSG_STORE_CONFIG)
MSG_DEFINE(store_sign_claim, MSG_STORE_SIGN_CLAIM)
MSG_DEFINE(store_sign_rec, MSG_STORE_SIGN_REC)
MSG_DEFINE(store_signed, MSG_STORE_SIGNED)
MSG_DEFINE(store_failed, MSG_STORE_FAILED)

MSG_DEFINE(db_raw, MSG_DB_RAW)
MSG_DEFINE(ps_records, MSG_PS_RECORDS)
MSG_DEFINE(ps_applied, MSG_PS_APPLIED)
MSG_DEFINE(ps_peer, MSG_PS_PEER)
MSG_DEFINE(ps_message, MSG_PS_MESSAGE)
MSG_DEFINE(ps_score, MSG_PS_SCORE)
MSG_DEFINE(ps_clock, MSG_PS_CLOCK)
MSG_DEFINE(ps_root, MSG_PS_ROOT)
MSG_DEFINE(ps_drained, MSG_PS_DRAINED)
MSG_DEFINE(ps_reach, MSG_PS_REACH)
MSG_DEFINE(db_kind, MSG_DB_KIND)
MSG_DEFINE(db_region, MSG_DB_REGION)
MSG_DEFINE(db_state, MSG_DB_STATE)
MSG_DEFINE(db_put, MSG_DB_PUT)
MSG_DEFINE(db_verdict, MSG_DB_VERDICT)
MSG_DEFINE(db_put_done, MSG_DB_PUT_DONE)
MSG_DEFINE(db_get, MSG_DB_GET)
MSG_DEFINE(db_list, MSG_DB_LIST)
MSG_DEFINE(db_record, MSG_DB_RECORD)
MSG_DEFINE(db_records, MSG_DB_RECORDS)
MSG_DEFINE(db_prove, MSG_DB_PROVE)
MSG_DEFINE(db_proved, MSG_DB_PROVED)
MSG_DEFINE(db_claim_get, MSG_DB_CLAIM_GET)
MSG_DEFINE(db_claim, MSG_DB_CLAIM)
MSG_DEFINE(db_block_put, MSG_DB_BLOCK_PUT)
MSG_DEFINE(db_block_get, MSG_DB_BLOCK_GET)
MSG_DEFINE(db_block, MSG_DB_BLOCK)
MSG_DEFINE(db_id, MSG_DB_ID)
MSG_DEFINE(db_have, MSG_DB_HAVE)
MSG_DEFINE(db_have_is, MSG_DB_HAVE_IS)
MSG_DEFINE(db_memo, MSG_DB_MEMO)
MSG_DEFINE(db_failed, MSG_DB_FAILED)

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static const struct msg_def store[] = { STORE_MSGS(MSG_DEF) };
static const struct msg_def peerd_store[] = { PEERD_STORE_MSGS(MSG_DEF) };
static const struct msg_def store_apid[] = { STORE_APID_MSGS(MSG_DEF) };

const struct msg_table msgs_store = { store, COUNT(store) };
const struct msg_table msgs_peerd_store = { peerd_store, COUNT(peerd_store) };
const struct msg_table msgs_store_apid = { store_apid, COUNT(store_apid) };

const char *
db_verdict_name(uint8_t verdict)
{
	static const char *const names[DB_VERDICTS] = {
		[DB_NEW] = "new",
		[DB_OLD] = "old",
		[DB_EXPIRED] = "expired",
		[DB_FUTURE] = "future",
		[DB_NOT_ADMITTED] = "not admitted",
		[DB_OVER_QUOTA] = "over quota",
		[DB_BUSY] = "busy",
		[DB_MALFORMED] = "malformed",
		[DB_RULE] = "breaks the charter",
		[DB_BAD_SIG] = "bad signature",
		[DB_DISK] = "disk",
		[DB_CONFLICT] = "conflict",
	};

	return verdict < DB_VERDICTS ? names[verdict] : "?";
}
