/* SPDX-License-Identifier: ISC */
/*
 * libwarren: the app itself, from new to free, and addresses as text.
 */
#include "appd/libwarren/lib.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLOSE_MS 1000 /* what the node is given to take the last bytes */

_Static_assert(WARREN_ADDR_TEXT == APP_ADDR_TEXT &&
	WARREN_PIECE == APP_PIECE_MAX,
    "the public header says what the codec does");

struct warren_app *
warren_app_new(void)
{
	struct warren_app *app = calloc(1, sizeof(*app));

	if (app == NULL)
		return NULL;
	app->rfd = app->wfd = app->fd = app->pipes = -1;
	app->signal.rfd = app->signal.wfd = -1;
	TAILQ_INIT(&app->conns);
	TAILQ_INIT(&app->news);
	TAILQ_INIT(&app->backlog);
	TAILQ_INIT(&app->closing);
	lib_set_error(app, "no error");
	return app;
}

const char *
warren_app_error(const struct warren_app *app)
{
	return app == NULL ? "out of memory" : app->error;
}

void
warren_app_addr(const struct warren_app *app, struct warren_addr *out)
{
	(void)app;
	memset(out, 0, sizeof(*out));
}

/* --- setting up --- */

static bool
is_name(const char *s)
{
	return s[0] != '\0' && strnlen(s, APP_TEXT_MAX + 1) <= APP_TEXT_MAX;
}

/* The app can be set up under this name, or -1 with EINVAL. */
static int
check_setup(struct warren_app *app, const char *name, const char *version)
{
	if (app->dead == 0 && app->rfd == -1 && is_name(name) &&
	    is_name(version))
		return 0;
	if (app->dead == 0)
		lib_set_error(app,
		    app->rfd != -1 ? "set up already"
				   : "no such name or version");
	errno = EINVAL;
	return -1;
}

static int
setup_failed(struct warren_app *app, int err, const char *text)
{
	lib_die(app, err, text);
	warren_app_close(app);
	errno = err;
	return -1;
}

static int
introduce(struct warren_app *app, int64_t deadline_ms, int rfd, int wfd,
    const char *name, const char *version)
{
	if (lib_pipes_open(app, rfd, wfd) == -1)
		return setup_failed(app, errno, strerror(errno));
	if (!lib_send_init(app, name, version))
		return setup_failed(app, EINVAL, "no such name or version");
	while (!app->ready) {
		if (lib_wait(app, deadline_ms) == 0)
			continue;
		if (app->dead != 0)
			return setup_failed(app, app->dead, app->error);
		return setup_failed(app, errno,
		    errno == ETIMEDOUT ? "the node does not answer"
				       : strerror(errno));
	}
	return 0;
}

int
warren_app_setup_fds(struct warren_app *app, int rfd, int wfd, const char *name,
    const char *version)
{
	int err;

	if (rfd >= 0 && wfd >= 0 && rfd != wfd &&
	    check_setup(app, name, version) == 0)
		return introduce(app, lib_deadline(WARREN_SETUP_MS), rfd, wfd,
		    name, version);
	err = EINVAL;
	if (rfd >= 0 && rfd != app->rfd)
		(void)close(rfd);
	if (wfd >= 0 && wfd != rfd && wfd != app->wfd)
		(void)close(wfd);
	errno = err;
	return -1;
}

int
warren_app_setup_socket(struct warren_app *app, const char *path,
    const char *name, const char *version)
{
	int64_t deadline_ms = lib_deadline(WARREN_SETUP_MS);
	char text[LIB_ERROR_MAX];
	int fds[2];

	if (check_setup(app, name, version) == -1)
		return -1;
	if (path == NULL)
		path = getenv("WARREN_APPS_SOCK");
	if (path == NULL || path[0] == '\0')
		path = WARREN_APPS_SOCK;
	if (lib_ask_pipes(path, deadline_ms, fds, text) == -1)
		return setup_failed(app, errno, text);
	return introduce(app, deadline_ms, fds[0], fds[1], name, version);
}

int
warren_app_setup(struct warren_app *app, const char *name, const char *version)
{
	if (lib_was_launched())
		return warren_app_setup_fds(app, WARREN_FD_READ,
		    WARREN_FD_WRITE, name, version);
	return warren_app_setup_socket(app, NULL, name, version);
}

/* --- serving and closing --- */

int
warren_app_pump(struct warren_app *app)
{
	if (app->dead == 0 && !app->ready) {
		errno = EINVAL;
		return -1;
	}
	return lib_pump(app) == -1 ? -1 : 0;
}

/* A Close for every loop the node has; ids may have to come free first. */
static void
close_loops(struct warren_app *app)
{
	int64_t deadline_ms = lib_deadline(CLOSE_MS);
	struct warren_conn *c, *owing;

	do {
		owing = NULL;
		TAILQ_FOREACH(c, &app->conns, all) {
			if (c->owes_close && !lib_send_close(c)) {
				owing = c;
				break;
			}
		}
		lib_flush(app);
		if (owing == NULL && app->out_at == app->out_len)
			break;
	} while (lib_wait(app, deadline_ms) == 0);
}

void
warren_app_close(struct warren_app *app)
{
	int err = errno;

	if (app->dead == 0 && app->ready)
		close_loops(app);
	lib_die(app, ECONNRESET, "the app is closed");
	lib_ready_update_app(app);
	lib_pipes_close(app);
	errno = err;
}

void
warren_app_free(struct warren_app *app)
{
	struct warren_conn *c;

	if (app == NULL)
		return;
	warren_app_close(app);
	while ((c = TAILQ_FIRST(&app->conns)) != NULL)
		lib_conn_free(c);
	lib_ready_close_app(app);
	free(app);
}

/* --- addresses as text --- */

size_t
warren_addr_to_text(char out[WARREN_ADDR_TEXT], const struct warren_addr *a)
{
	struct app_addr aa = { .port = a->port };

	memcpy(aa.pk, a->pk, sizeof(aa.pk));
	return app_addr_put_text(out, &aa);
}

int
warren_addr_from_text(struct warren_addr *a, const char *text)
{
	struct app_addr aa;

	if (app_addr_get_text(&aa, text) == -1) {
		errno = EINVAL;
		return -1;
	}
	memcpy(a->pk, aa.pk, sizeof(a->pk));
	a->port = aa.port;
	return 0;
}
