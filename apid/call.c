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
		call->ops->error(call, CALL_INTERNAL, "Out of memory");
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
	call->ops->error(call, code, message);
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
