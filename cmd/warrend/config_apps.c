/* SPDX-License-Identifier: ISC */
/*
 * app "NAME" { }: a program beside the node, how it is started and what it
 * may use.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/warrend/config_args.h"
#include "cmd/warrend/config_out.h"

static const char *const restarts[] = { "never", "on-failure", "always" };

/* Ports that the protocol gives to apps of these names only. */
static const struct {
	uint16_t port;
	const char *name, *later;
} reserved[] = {
	{ 1, "chat", "skychat" },
	{ 2, "therealssh", "SSH" },
	{ 3, "therealproxy", "socksproxy" },
};

static bool
is_reserved(const struct conf_app *app)
{
	size_t i;

	for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (reserved[i].port == app->port)
			return strcmp(app->name, reserved[i].name) != 0 &&
			    strcmp(app->name, reserved[i].later) != 0;
	return false;
}

/* Words behind one another, each with its NUL. */
static void
take_arguments(struct conf_args *a, struct conf_app *app)
{
	const char *word;
	size_t n;

	while (!arg_end(a)) {
		word = arg_word(a, "an argument");
		n = strlen(word) + 1;
		if (a->bad)
			return;
		if (n > sizeof(app->args) - app->args_len ||
		    app->n_args == CONF_APP_ARGS) {
			arg_error(a, "arguments: at most %d, of %zu bytes",
			    CONF_APP_ARGS, sizeof(app->args));
			return;
		}
		memcpy(app->args + app->args_len, word, n);
		app->args_len = (uint16_t)(app->args_len + n);
		app->n_args++;
	}
}

enum option {
	O_VERSION,
	O_COMMAND,
	O_ARGUMENTS,
	O_PORT,
	O_USER,
	O_AUTOSTART,
	O_RESTART,
	O_DIRECTORY,
	O_BY_HAND,
	O_MEMORY,
	O_FILES,
	O_PROCESSES,
	O_STOP,
	OPTIONS
};

static const char *const options[OPTIONS] = { "version", "command", "arguments",
	"port", "user", "autostart", "restart", "directory", "by-hand",
	"memory", "open-files", "processes", "stop" };

static void
app_option(struct conf_args *a, struct conf_app *app, unsigned *seen)
{
	unsigned i = arg_choice(a, options, OPTIONS);

	if (!a->bad && (*seen & 1u << i) != 0)
		arg_error(a, "'%s' is set twice", options[i]);
	*seen |= 1u << i;
	switch (a->bad ? OPTIONS : i) {
	case O_VERSION:
		arg_str(a, "version", app->version, sizeof(app->version));
		break;
	case O_COMMAND:
		arg_path(a, "command", app->command, sizeof(app->command));
		break;
	case O_ARGUMENTS:
		take_arguments(a, app);
		break;
	case O_PORT:
		app->port = (uint16_t)arg_num(a, "port", 1, 65534);
		break;
	case O_USER:
		arg_str(a, "user", app->user, sizeof(app->user));
		break;
	case O_AUTOSTART:
		app->autostart = arg_yes_no(a);
		break;
	case O_RESTART:
		app->restart = (uint8_t)arg_choice(a, restarts, 3);
		break;
	case O_DIRECTORY:
		arg_path(a, "directory", app->dir, sizeof(app->dir));
		break;
	case O_BY_HAND:
		app->by_hand = arg_yes_no(a);
		break;
	case O_MEMORY:
		app->memory =
		    arg_size(a, "memory", 1u << 20, UINT64_C(1) << 40);
		break;
	case O_FILES:
		app->files = (uint32_t)arg_num(a, "open-files", 16, 1000000);
		break;
	case O_PROCESSES:
		app->processes = (uint32_t)arg_num(a, "processes", 1, 100000);
		break;
	case O_STOP:
		app->stop_ms = arg_time_ms(a, "stop", 100, 600000);
		break;
	}
	arg_done(a);
}

static void
add_app(struct conf_args *a, const struct conf_app *app)
{
	struct config *c = a->c;
	const struct conf_app *b;

	for (b = c->apps; b < c->apps + c->n_apps; b++) {
		if (strcmp(b->name, app->name) == 0)
			arg_error(a, "the same name as at %s:%d", b->at.file,
			    b->at.line);
		else if (app->port != 0 && b->port == app->port)
			arg_error(a, "port %u is already bound at %s:%d",
			    app->port, b->at.file, b->at.line);
	}
	if (is_reserved(app))
		arg_error(a, "can't bind to reserved port %u", app->port);
	if (c->n_apps == CONF_APPS)
		arg_error(a, "at most %d apps", CONF_APPS);
	if (!a->bad)
		c->apps[c->n_apps++] = *app;
}

void
conf_parse_app(struct conf_args *a)
{
	struct conf_app app = { .at = arg_origin(a),
		.by_hand = true,
		.restart = CONF_APP_ON_FAILURE,
		.stop_ms = 10000 };
	unsigned errors = a->ld->n_errors, seen = 0;
	struct conf_args option;

	arg_str(a, "the app's name", app.name, sizeof(app.name));
	arg_done(a);
	if (!a->bad && (strchr(app.name, '/') != NULL || app.name[0] == '.'))
		arg_error(a, "app: '%s' is no name", app.name);
	if (!a->bad && !a->st->has_block)
		arg_error(a, "app wants a block: { version \"1.0\" ... }");
	if (a->bad)
		return;
	while (conf_next_option(a, &option))
		app_option(&option, &app, &seen);
	if (a->ld->n_errors > errors)
		a->bad = true;
	else if (app.version[0] == '\0')
		arg_error(a, "app: wants a version");
	add_app(a, &app);
}

static void
print_arguments(const struct conf_app *app, struct conf_out *o)
{
	char line[2 * CONF_PATH + 64], quoted[CONF_QUOTED];
	const char *p = app->args;
	size_t n = 0;
	unsigned i;

	if (app->n_args == 0)
		return;
	n = (size_t)snprintf(line, sizeof(line), "arguments");
	for (i = 0; i < app->n_args && n < sizeof(line); i++) {
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %s",
		    conf_quote(p, quoted));
		p += strlen(p) + 1;
	}
	conf_line(o, NULL, "%s", line);
}

static void
print_limits(const struct conf_app *app, struct conf_out *o)
{
	char t[32];

	if (app->memory != 0)
		conf_line(o, NULL, "memory %s", conf_size_str(app->memory, t));
	if (app->files != 0)
		conf_line(o, NULL, "open-files %" PRIu32, app->files);
	if (app->processes != 0)
		conf_line(o, NULL, "processes %" PRIu32, app->processes);
	conf_line(o, NULL, "stop %s", conf_time_str(app->stop_ms, t));
}

void
conf_print_app(const struct config *c, struct conf_out *o)
{
	const struct conf_app *app;
	char q[CONF_QUOTED];

	for (app = c->apps; app < c->apps + c->n_apps; app++) {
		conf_line(o, &app->at, "app %s {", conf_quote(app->name, q));
		o->inside = true;
		conf_line(o, NULL, "version %s", conf_quote(app->version, q));
		if (app->command[0] != '\0')
			conf_line(o, NULL, "command %s",
			    conf_quote(app->command, q));
		print_arguments(app, o);
		if (app->port != 0)
			conf_line(o, NULL, "port %u", app->port);
		if (app->user[0] != '\0')
			conf_line(o, NULL, "user %s", conf_quote(app->user, q));
		conf_line(o, NULL, "autostart %s",
		    app->autostart ? "yes" : "no");
		conf_line(o, NULL, "restart %s", restarts[app->restart]);
		if (app->dir[0] != '\0')
			conf_line(o, NULL, "directory %s",
			    conf_quote(app->dir, q));
		conf_line(o, NULL, "by-hand %s", app->by_hand ? "yes" : "no");
		print_limits(app, o);
		o->inside = false;
		conf_line(o, NULL, "}");
	}
}

const char *
conf_app_restart_name(uint8_t restart)
{
	return restarts[restart];
}
