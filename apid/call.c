/* SPDX-License-Identifier: ISC */
/*
 * Answering calls, as promised in call.h.
 */
#include "apid/call.h"

#include <stdarg.h>
#include <stdio.h>

#include "apid/methods.h"

void
call_reply(struct call *call, struct text *result)
{
	if (result == NULL)
		call->ops->error(call, CALL_INTERNAL, "Out of memory", NULL);
	else
		call->ops->reply(call, result);
}

void
call_reply_json(struct call *call, json_t *result)
{
	struct sb sb;

	sb_init(&sb, TEXT_ONE_MAX);
	sb_json(&sb, result);
	json_decref(result);
	call_reply(call, sb_end(&sb));
}

void
call_error(struct call *call, int code, const char *fmt, ...)
{
	char message[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	call->ops->error(call, code, message, NULL);
}

void
call_error_data(struct call *call, int code, json_t *data, const char *fmt, ...)
{
	char message[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	call->ops->error(call, code, message, data);
	json_decref(data);
}

uint16_t
call_status(int code)
{
	static const struct {
		int code;
		uint16_t status;
	} all[] = {
		{ CALL_BAD_PARAMS, 400 },
		{ CALL_UNKNOWN_PARAM, 400 },
		{ CALL_BUSY, 503 },
		{ CALL_NOT_FOUND, 404 },
		{ CALL_NO_TICK, 404 },
		{ CALL_BODY_SIZE, 413 },
		{ CALL_EXPIRED, 400 },
		{ CALL_FUTURE, 400 },
		{ CALL_NOT_ADMITTED, 403 },
		{ CALL_OVER_QUOTA, 429 },
		{ CALL_MALFORMED, 400 },
		{ CALL_RULE, 400 },
		{ CALL_BAD_SIG, 401 },
		{ CALL_DISK, 507 },
		{ CALL_CONFLICT, 409 },
		{ CALL_RATE, 429 },
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].code == code)
			return all[i].status;
	return 503;
}

const json_t *
call_param(const struct call *call, size_t index)
{
	const json_t *v = NULL;

	if (json_is_array(call->params))
		v = json_array_get(call->params, index);
	else if (json_is_object(call->params))
		v = json_object_get(call->params,
		    call->method->params[index].name);
	return json_is_null(v) ? NULL : v;
}

json_t *
call_object(const struct call *call)
{
	const struct method_param *p = call->method->params;
	json_t *o = json_object(), *v;
	size_t i;

	for (i = 0; o != NULL && p[i].name != NULL; i++) {
		/* Borrowed values live as long as the request does. */
		v = (json_t *)(uintptr_t)call_param(call, i);
		if (v != NULL && json_object_set(o, p[i].name, v) == -1) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}
