/* SPDX-License-Identifier: ISC */
/*
 * Any message as JSON by its schema, as promised in view_json.h.
 */
#include <string.h>

#include "common/json_obj.h"
#include "common/view_json.h"

static json_t *
field_list(const struct fld *f, const uint8_t *body)
{
	struct jo list = jo_list();
	uint16_t n;
	size_t i;

	memcpy(&n, body + f->count_off, sizeof(n));
	for (i = 0; i < n && i < f->max; i++)
		jo_add(&list,
		    view_json_schema(f->item,
			body + f->off + i * f->item->size));
	return jo_end(&list);
}

static json_t *
field(const struct fld *f, const uint8_t *body)
{
	const uint8_t *at = body + f->off;
	struct blob blob;
	struct naddr addr;

	switch (f->kind) {
	case FLD_BOOL:
		return json_boolean(*at);
	case FLD_TRI:
		return jv_tri((int8_t)*at);
	case FLD_UINT:
		return jv_number(msg_load_uint(at, f->size));
	case FLD_N64:
		return jv_maybe(msg_load_uint(at, 8));
	case FLD_INT:
		return json_integer(msg_load_int(at, f->size));
	case FLD_STR:
		return json_string((const char *)at);
	case FLD_BIN:
		return jv_hex(at, f->size);
	case FLD_BLOB:
		memcpy(&blob, at, sizeof(blob));
		return blob.len == 0 ? json_string("")
				     : jv_hex(blob.p, blob.len);
	case FLD_ADDR:
		memcpy(&addr, at, sizeof(addr));
		return jv_addr_port(&addr);
	case FLD_LIST:
		return field_list(f, body);
	}
	return NULL;
}

json_t *
view_json_schema(const struct schema *schema, const void *body)
{
	struct jo o = jo_new();
	size_t i;

	for (i = 0; i < schema->n; i++)
		jo_put(&o, schema->flds[i].name, field(&schema->flds[i], body));
	return jo_end(&o);
}
