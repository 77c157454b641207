/* SPDX-License-Identifier: ISC */
/*
 * The configuration as text, so that it parses back to itself, and what
 * differs between two of them: both go by the table of words.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/warrend/config_args.h"
#include "cmd/warrend/config_out.h"

#define ORIGIN_COLUMN 56

void
conf_line(struct conf_out *o, const struct conf_origin *at, const char *fmt,
    ...)
{
	char text[3 * CONF_PATH];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (o->inside)
		(void)fputc('\t', o->out);
	if (!o->origins || at == NULL)
		(void)fprintf(o->out, "%s\n", text);
	else if (at->file == NULL)
		(void)fprintf(o->out, "%-*s # default\n",
		    ORIGIN_COLUMN - (o->inside ? 8 : 0), text);
	else
		(void)fprintf(o->out, "%-*s # %.1000s:%d\n",
		    ORIGIN_COLUMN - (o->inside ? 8 : 0), text, at->file,
		    at->line);
}

const char *
conf_quote(const char *text, char buf[CONF_QUOTED])
{
	char *p = buf;

	*p++ = '"';
	for (; *text != '\0' && p < buf + CONF_QUOTED - 3; text++) {
		if (*text == '"' || *text == '\\')
			*p++ = '\\';
		*p++ = *text;
	}
	*p++ = '"';
	*p = '\0';
	return buf;
}

/* A row of one plain value. */
static void
print_value(const struct config *c, enum conf_word w, struct conf_out *o)
{
	const struct conf_row *r = &conf_rows[w];
	const struct conf_origin *at = &c->origins[w];
	const char *text = (const char *)c + r->off;
	char head[64], quoted[CONF_QUOTED], num[32];
	uint64_t v = 0;

	(void)snprintf(head, sizeof(head), "%s%s%s", o->inside ? "" : r->group,
	    !o->inside && r->group[0] != '\0' ? " " : "", r->word);
	if (r->kind != K_STR && r->kind != K_PATH)
		v = conf_row_value(r, c);
	switch (r->kind) {
	case K_NUM:
		conf_line(o, at, "%s %" PRIu64, head, v);
		break;
	case K_TIME:
		conf_line(o, at, "%s %s", head, conf_time_str(v, num));
		break;
	case K_SIZE:
		conf_line(o, at, "%s %s", head, conf_size_str(v, num));
		break;
	case K_RATE:
		conf_line(o, at, "%s %" PRIu64 "/s", head, v);
		break;
	case K_YESNO:
		conf_line(o, at, "%s %s", head, v != 0 ? "yes" : "no");
		break;
	default:
		if (text[0] != '\0')
			conf_line(o, at, "%s %s", head,
			    conf_quote(text, quoted));
		break;
	}
}

static void
print_row(const struct config *c, enum conf_word w, struct conf_out *o)
{
	const struct conf_row *r = &conf_rows[w];

	if (r->kind == K_PART)
		return;
	if (r->print != NULL)
		r->print(c, o);
	else
		print_value(c, w, o);
}

static bool
has_http(const struct config *c)
{
	unsigned i;

	for (i = 0; i < c->n_listens; i++)
		if (c->listens[i].service == SVC_HTTP)
			return true;
	return false;
}

/* Are rows of this group written as options in a block? */
static bool
is_block(const char *group)
{
	if (strcmp(group, "relay") == 0)
		return true;
	return strcmp(group, "limit") == 0 || strcmp(group, "timeout") == 0 ||
	    strcmp(group, "store") == 0 || strcmp(group, "apps") == 0 ||
	    strcmp(group, "api http") == 0;
}

void
config_print(const struct config *c, FILE *out)
{
	struct conf_out o = { .out = out, .origins = true };
	const char *block = NULL, *group;
	unsigned w;

	for (w = 0; w < CONF_WORDS; w++) {
		group = conf_rows[w].group;
		if (block != NULL && strcmp(group, block) != 0) {
			o.inside = false;
			conf_line(&o, NULL, "}");
			block = NULL;
		}
		if (strcmp(group, "api http") == 0 && !has_http(c))
			continue;
		if (block == NULL && is_block(group)) {
			/* That of "api http" the listener has opened. */
			if (strchr(group, ' ') == NULL)
				conf_line(&o, NULL, "%s {", group);
			block = group;
			o.inside = true;
		}
		print_row(c, (enum conf_word)w, &o);
	}
}

/* The lines of a row, without origins.  NULL when memory is out. */
static char *
row_text(const struct config *c, enum conf_word w)
{
	struct conf_out o = { .origins = false };
	char *text = NULL;
	size_t len;

	if ((o.out = open_memstream(&text, &len)) == NULL)
		return NULL;
	print_row(c, w, &o);
	if (fclose(o.out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool
row_differs(const struct config *old, const struct config *new,
    enum conf_word w)
{
	char *a = row_text(old, w), *b = row_text(new, w);
	bool differs = a == NULL || b == NULL || strcmp(a, b) != 0;

	free(a);
	free(b);
	return differs;
}

/* Only a part of some lines can be applied to a running node. */
static bool
row_restart(const struct config *old, const struct config *new,
    enum conf_word w)
{
	if (w == W_LOG)
		return old->log_dest != new->log_dest ||
		    strcmp(old->log_file, new->log_file) != 0;
	return conf_rows[w].restart;
}

bool
config_diff(const struct config *old, const struct config *new, FILE *out)
{
	bool any = false, restart;
	char title[64];
	unsigned i;

	for (i = 0; i < CONF_WORDS; i++) {
		enum conf_word w = (enum conf_word)i;

		if (!row_differs(old, new, w))
			continue;
		restart = row_restart(old, new, w);
		any |= restart;
		(void)fprintf(out, "%s %s\n",
		    restart ? "restart needed:" : "changed",
		    conf_row_title(w, title));
	}
	return any;
}
