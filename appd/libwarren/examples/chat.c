/* SPDX-License-Identifier: ISC */
/*
 * chat: lines between two people beside two nodes.  What is typed goes to the
 * other; what comes is printed, with the first digits of the key it came
 * from.  Ends with the input, or when the other end leaves.
 *	usage: chat [-a NAME]             wait for somebody
 *	       chat [-a NAME] PK[:PORT]   call; port 1 where none is said
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <warren_app.h>

#define VERSION   "1.0"
#define CHAT_PORT 1
#define LINE_LEN  1024  /* bytes; a longer line comes in pieces */
#define WRITE_MS  30000 /* for the other end to take a line */
#define NAME_LEN  8     /* digits of a key that stand for it */

/* A line as far as it has come. */
struct line {
	char text[LINE_LEN];
	size_t len;
};

static char who[WARREN_ADDR_TEXT];

/* Nobody's line may move the cursor or colour the terminal. */
static void
print_line(struct line *l)
{
	size_t i;

	for (i = 0; i < l->len; i++) {
		if ((unsigned char)l->text[i] < ' ' || l->text[i] == 0x7f)
			l->text[i] = '?';
	}
	printf("%.*s: %.*s\n", NAME_LEN, who, (int)l->len, l->text);
	(void)fflush(stdout);
	l->len = 0;
}

/* What came from the other end; false when it has left. */
static bool
hear(struct warren_conn *c, struct line *l)
{
	char buf[LINE_LEN];
	ssize_t n, i;

	while ((n = warren_read(c, buf, sizeof(buf), 0)) > 0) {
		for (i = 0; i < n; i++) {
			if (buf[i] != '\n')
				l->text[l->len++] = buf[i];
			if (buf[i] == '\n' || l->len == sizeof(l->text))
				print_line(l);
		}
	}
	if (n == -1 && errno == EAGAIN)
		return true;
	if (l->len > 0)
		print_line(l);
	return false;
}

/* What was typed; false at its end, or when the other end is not there. */
static bool
say(struct warren_conn *c)
{
	char buf[LINE_LEN];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	return n > 0 && warren_write(c, buf, (size_t)n, WRITE_MS) == n;
}

static void
talk(struct warren_conn *c)
{
	struct pollfd pfd[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = warren_conn_fd(c), .events = POLLIN } };
	struct warren_addr from;
	struct line line = { .len = 0 };
	bool on = pfd[1].fd != -1;

	warren_remote_addr(c, &from);
	(void)warren_addr_to_text(who, &from);
	fprintf(stderr, "with %s\n", who);
	while (on) {
		if (poll(pfd, 2, -1) == -1)
			err(EX_OSERR, "poll");
		if (pfd[1].revents != 0)
			on = hear(c, &line);
		if (on && pfd[0].revents != 0)
			on = say(c);
	}
	(void)warren_flush(c, WRITE_MS);
	warren_close(c);
}

static _Noreturn void
usage(void)
{
	fprintf(stderr, "usage: chat [-a NAME] [PK[:PORT]]\n");
	exit(EX_USAGE);
}

int
main(int argc, char **argv)
{
	char text[WARREN_ADDR_TEXT + 1] = "";
	const char *name = NULL;
	struct warren_conn *c;
	struct warren_app *app;
	struct warren_addr to;
	int ch;

	while ((ch = getopt(argc, argv, "a:")) != -1) {
		if (ch != 'a')
			usage();
		name = optarg;
	}
	if (argc - optind == 1 && strchr(argv[optind], ':') != NULL)
		(void)snprintf(text, sizeof(text), "%s", argv[optind]);
	else if (argc - optind == 1)
		(void)snprintf(text, sizeof(text), "%.65s:%d", argv[optind],
		    CHAT_PORT);
	if (argc - optind > 1 ||
	    (argc - optind == 1 && warren_addr_from_text(&to, text) == -1))
		usage();
	if (name == NULL)
		name = text[0] == '\0' ? "chat" : "chat-client";
	app = warren_app_new();
	if (app == NULL || warren_app_setup(app, name, VERSION) == -1)
		errx(EX_UNAVAILABLE, "%s", warren_app_error(app));
	c = text[0] == '\0' ? warren_accept(app, WARREN_WAIT)
			    : warren_dial(app, &to, WARREN_DIAL_MS);
	if (c == NULL)
		errx(EX_UNAVAILABLE, "%s", warren_app_error(app));
	talk(c);
	warren_app_free(app);
	return EX_OK;
}
