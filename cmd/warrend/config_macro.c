/* SPDX-License-Identifier: ISC */
/*
 * Macros: name = "value" in a file, -D name=value on the command line.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/warrend/config_args.h"
#include "cmd/warrend/config_lex.h"

#define MACROS_MAX 256

struct conf_macro {
	struct conf_macro *next;
	char *name, *value;
	struct conf_origin at;
	unsigned rank;
	bool poisoned; /* its value could not be read, which was reported */
};

/* From the command line; they hold for every load and are never freed. */
static struct conf_macro *defines;

static bool
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_';
}

static bool
is_name(const char *name, size_t len)
{
	size_t i;

	if (len == 0 || len > 31 || (name[0] >= '0' && name[0] <= '9'))
		return false;
	for (i = 0; i < len; i++)
		if (!is_name_byte(name[i]))
			return false;
	return true;
}

static struct conf_macro *
find(struct conf_macro *m, const char *name, size_t len)
{
	for (; m != NULL; m = m->next)
		if (strlen(m->name) == len && memcmp(m->name, name, len) == 0)
			return m;
	return NULL;
}

/* A new macro at the front of list.  NULL when memory is out. */
static struct conf_macro *
add(struct conf_macro **list, const char *name, size_t len, const char *value)
{
	struct conf_macro *m = calloc(1, sizeof(*m));

	if (m == NULL || (m->name = strndup(name, len)) == NULL ||
	    (m->value = strdup(value)) == NULL) {
		if (m != NULL)
			free(m->name);
		free(m);
		return NULL;
	}
	m->next = *list;
	*list = m;
	return m;
}

int
config_define(const char *assignment)
{
	const char *eq = strchr(assignment, '=');
	struct conf_macro *m;
	char *value;
	size_t len;

	if (eq == NULL)
		return -1;
	len = (size_t)(eq - assignment);
	if (!is_name(assignment, len))
		return -1;
	if ((m = find(defines, assignment, len)) == NULL)
		return add(&defines, assignment, len, eq + 1) == NULL ? -1 : 0;
	if ((value = strdup(eq + 1)) == NULL)
		return -1;
	free(m->value);
	m->value = value;
	return 0;
}

static bool
is_full(const struct conf_macro *m)
{
	unsigned n;

	for (n = 0; m != NULL && n < MACROS_MAX; n++)
		m = m->next;
	return n == MACROS_MAX;
}

static void
put(struct conf_load *ld, const char *file, const struct word *name,
    const char *value, bool poisoned)
{
	struct conf_macro *m = find(ld->macros, name->text, strlen(name->text));
	char *copy;

	if (m != NULL && m->rank >= ld->rank && !m->poisoned) {
		conf_error(ld, file, name->line,
		    "macro '%s' is set twice (first at %s:%d)", name->text,
		    m->at.file, m->at.line);
		return;
	}
	if (m == NULL && is_full(ld->macros)) {
		conf_error(ld, file, name->line, "at most %d macros",
		    MACROS_MAX);
		return;
	}
	if (m != NULL) {
		if ((copy = strdup(value)) != NULL) {
			free(m->value);
			m->value = copy;
		} else {
			m = NULL;
		}
	} else {
		m = add(&ld->macros, name->text, strlen(name->text), value);
	}
	if (m == NULL) {
		conf_error(ld, file, name->line, "out of memory");
		return;
	}
	m->at = (struct conf_origin){ file, name->line };
	m->rank = ld->rank;
	m->poisoned = poisoned;
}

void
conf_macro_set(struct conf_load *ld, const char *file, const struct stmt *st)
{
	const struct word *name = st->words, *value = name->next;

	if (name->quoted || !is_name(name->text, strlen(name->text)))
		conf_error(ld, file, name->line,
		    "'%s' is no name for a macro (letters, digits and '_')",
		    name->text);
	else if (find(defines, name->text, strlen(name->text)) != NULL)
		return; /* the command line wins */
	else if (st->kind == STMT_POISON || !conf_expand(ld, file, st))
		put(ld, file, name, "", true);
	else
		put(ld, file, name, value->text, false);
}

void
conf_macros_free(struct conf_load *ld)
{
	struct conf_macro *m;

	while ((m = ld->macros) != NULL) {
		ld->macros = m->next;
		free(m->name);
		free(m->value);
		free(m);
	}
}

/* Say that there is no such macro, unless an earlier error explains it. */
static void
missing(struct conf_load *ld, const char *file, int line, const char *name,
    size_t len)
{
	const char *names[MACROS_MAX];
	struct conf_macro *m;
	const char *near;
	char text[32];
	unsigned n = 0;

	if (ld->include_failed)
		return;
	if (!is_name(name, len)) {
		conf_error(ld, file, line, "'$' wants a macro's name after it");
		return;
	}
	memcpy(text, name, len);
	text[len] = '\0';
	for (m = ld->macros; m != NULL && n < MACROS_MAX; m = m->next)
		names[n++] = m->name;
	near = conf_nearest(text, names, n);
	if (near != NULL)
		conf_error(ld, file, line,
		    "unknown macro '$%s' (did you mean '$%s'?)", text, near);
	else
		conf_error(ld, file, line, "unknown macro '$%s'", text);
}

/* The macro named at *p, which moves behind the name.  NULL: leave it out. */
static const struct conf_macro *
take_name(struct conf_load *ld, const char *file, int line, const char **p)
{
	const char *name = *p;
	const struct conf_macro *m;
	size_t len = 0;

	while (is_name_byte(name[len]))
		len++;
	*p += len;
	if ((m = find(defines, name, len)) == NULL &&
	    (m = find(ld->macros, name, len)) == NULL) {
		missing(ld, file, line, name, len);
		return NULL;
	}
	return m->poisoned ? NULL : m;
}

static bool
expand_word(struct conf_load *ld, const char *file, struct word *w)
{
	char text[LEX_LINE_MAX];
	const struct conf_macro *m;
	const char *p = w->text;
	size_t n = 0, len;

	while (*p != '\0') {
		if (*p != '$') {
			m = NULL;
			len = 1;
		} else {
			p++;
			if ((m = take_name(ld, file, w->line, &p)) == NULL)
				return false;
			len = strlen(m->value);
		}
		if (len >= sizeof(text) - n) {
			conf_error(ld, file, w->line,
			    "too long with its macros' values");
			return false;
		}
		memcpy(text + n, m != NULL ? m->value : p, len);
		n += len;
		p += m == NULL;
	}
	if ((w->text = arena_text(ld->arena, text, n)) == NULL) {
		w->text = "";
		conf_error(ld, file, w->line, "out of memory");
		return false;
	}
	return true;
}

bool
conf_expand(struct conf_load *ld, const char *file, const struct stmt *st)
{
	struct word *w;

	for (w = st->words; w != NULL; w = w->next)
		if (!w->quoted && strchr(w->text, '$') != NULL &&
		    !expand_word(ld, file, w))
			return false;
	return true;
}
