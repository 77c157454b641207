/* SPDX-License-Identifier: ISC */
/*
 * libwarren: write programs that talk to programs beside other Warren nodes.
 *
 *	app = warren_app_new();
 *	if (app == NULL || warren_app_setup(app, "hello", "1.0") == -1)
 *		errx(1, "%s", warren_app_error(app));
 *	c = warren_dial(app, &remote, WARREN_DIAL_MS);
 *	n = warren_write(c, "ping", 4, WARREN_WAIT);
 *	n = warren_read(c, buf, sizeof(buf), WARREN_WAIT);
 *	warren_close(c);
 *	warren_app_free(app);
 *
 * An app speaks with its node over two pipes; a loop is a stream of bytes
 * between two apps, in order and both ways, and a struct warren_conn is one
 * end of it.  See warren_app(3), and warren-app(7) for what goes over the
 * pipes.
 *
 * Waiting.  Whatever may wait takes timeout_ms: 0 does what can be done now,
 * a number of milliseconds waits so long, WARREN_WAIT waits for ever.  When
 * the time is over errno is EAGAIN after 0 and ETIMEDOUT else.  A signal that
 * was caught ends the wait with EINTR.  While any call waits, and whenever one
 * finds nothing to do, the library serves all connections of the app.
 *
 * Errors.  -1 or NULL with errno; warren_app_error() has a line in words,
 * such as the node gave it.
 *
 *	EINVAL		an argument, or not set up, or set up already
 *	EACCES		the node does not know this app, or refused it
 *	ECONNREFUSED	the loop was refused; the text says by whom
 *	ECONNRESET	the node is gone, or the loop broke
 *	EPIPE		write to a loop that is closed
 *	EPROTO		the node sent what it may not send
 *
 * Threads.  No global state, no locks, no threads: an app and all its
 * connections are for one thread at a time, two apps for two threads.  No
 * signal handler is set; SIGPIPE does not happen (it is blocked in the thread
 * that writes, for the length of the write).  The library never ends the
 * process and writes to no descriptor but its own, all of them close-on-exec.
 * After fork(2) only one of the two processes may go on using the app.
 */
#ifndef WARREN_APP_H
#define WARREN_APP_H

#include <sys/types.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WARREN_API __attribute__((visibility("default")))
#else
#define WARREN_API
#endif

#define WARREN_WAIT      (-1)  /* timeout_ms: as long as it takes */
#define WARREN_DIAL_MS   30000 /* what a dial should be given */
#define WARREN_SETUP_MS  5000  /* what setting up gives the node */
#define WARREN_BACKLOG   16    /* loops that wait for warren_accept() */
#define WARREN_PIECE     32768 /* bytes that one packet carries at most */
#define WARREN_WINDOW    64    /* packets in flight that may be asked for */
#define WARREN_ADDR_TEXT 71    /* <pk>:<port> at its longest, with the NUL */

#define WARREN_APPS_SOCK "/run/warren/apps.sock"
#define WARREN_FD_READ   3 /* where a launched app finds its pipes */
#define WARREN_FD_WRITE  4

struct warren_app;  /* this program, as its node knows it */
struct warren_conn; /* one end of a loop */

struct warren_addr {
	uint8_t pk[32]; /* a node: its Ed25519 public key */
	uint16_t port;  /* an app beside it */
};

/* --- the app --- */

/* An app that is not set up yet.  NULL when there is no memory. */
WARREN_API struct warren_app *warren_app_new(void);

/*
 * Introduce the app to its node by name and version, both as the node's
 * configuration has them, at most 127 bytes.  Waits up to WARREN_SETUP_MS.
 *
 * warren_app_setup() takes descriptors 3 and 4 if they are the two pipes of
 * an app that was launched by its node, and else goes to the socket.
 *
 * warren_app_setup_fds() reads from rfd and writes to wfd.  They belong to
 * the app from then on, also when this fails, and are made non-blocking and
 * close-on-exec.
 *
 * warren_app_setup_socket() asks the node for two pipes at the socket path;
 * NULL is the environment's WARREN_APPS_SOCK or WARREN_APPS_SOCK.
 *
 * Returns 0, or -1: EACCES when the node said no, ETIMEDOUT, ECONNRESET,
 * EPROTO, EINVAL, or what connect(2) says.  After -1 the app is closed; make
 * a new one to try again.
 */
WARREN_API int warren_app_setup(struct warren_app *app, const char *name,
    const char *version);
WARREN_API int warren_app_setup_fds(struct warren_app *app, int rfd, int wfd,
    const char *name, const char *version);
WARREN_API int warren_app_setup_socket(struct warren_app *app, const char *path,
    const char *name, const char *version);

/*
 * Close every loop, telling their other ends, then the pipes.  What was
 * written is handed to the node first if it takes it within a second.  Twice
 * is fine.  Connections stay valid for warren_close(); all else fails there.
 */
WARREN_API void warren_app_close(struct warren_app *app);

/* Close, and free the app with all its connections.  NULL is fine. */
WARREN_API void warren_app_free(struct warren_app *app);

/*
 * A line about the last thing that failed with this app or a connection of
 * it; never NULL, also for an app that is.  Good until the next call.
 */
WARREN_API const char *warren_app_error(const struct warren_app *app);

/*
 * The app's own address: never set, for the protocol does not tell it; ask
 * a connection.
 */
WARREN_API void warren_app_addr(const struct warren_app *app,
    struct warren_addr *out);

/*
 * A descriptor for poll(2) and its kin, made at the first call, owned by the
 * app.  When it is readable call warren_app_pump(), then warren_accept() with
 * 0 and warren_next_ready() until they have nothing.  Also signals the death
 * of the node.  Poll it for reading only.  -1 when it cannot be made.
 */
WARREN_API int warren_app_fd(struct warren_app *app);

/*
 * Read what the node sent and write what is due, without waiting.  Bounded:
 * may leave work for another call, which warren_app_fd() then says.
 * Returns 0, or -1 with ECONNRESET or EPROTO once the node is gone.
 */
WARREN_API int warren_app_pump(struct warren_app *app);

/*
 * The next connection about which there is news since this last returned it:
 * there is something to read, or the end of it, room to write after there was
 * none, or the outcome of a dial.  NULL when there is no more.  Connections
 * that have a descriptor of their own (warren_conn_fd()) are not told here,
 * nor those that warren_accept() did not return yet.
 */
WARREN_API struct warren_conn *warren_next_ready(struct warren_app *app);

/* --- loops --- */

/*
 * Open a loop to the app at `to`.  Returns the connection when both ends have
 * it, or NULL: ECONNREFUSED, ETIMEDOUT, ECONNRESET, ENOMEM.  With timeout_ms 0
 * use warren_dial_start() instead.
 */
WARREN_API struct warren_conn *warren_dial(struct warren_app *app,
    const struct warren_addr *to, int timeout_ms);

/*
 * Begin to open a loop and do not wait.  The connection is news when it is
 * settled: warren_dial_done() then returns 0, or -1 with ECONNREFUSED; until
 * then -1 with EAGAIN.  Close it in any case; while it is dialling that gives
 * up.  There is no deadline but the caller's.
 */
WARREN_API struct warren_conn *warren_dial_start(struct warren_app *app,
    const struct warren_addr *to);
WARREN_API int warren_dial_done(struct warren_conn *c);

/*
 * The next loop that another app opened to this one, oldest first; NULL when
 * none came in time, or the node is gone.  WARREN_BACKLOG of them wait; one
 * more is refused with "backlog full".
 */
WARREN_API struct warren_conn *warren_accept(struct warren_app *app,
    int timeout_ms);

/*
 * Read up to len bytes.  Returns how many, at least 1; 0 when the other end
 * has closed and all it sent before was read (or len is 0); -1.  The node is
 * not given leave to send more on this loop until what it sent was read here:
 * that is the flow control, and what an unread connection costs.
 */
WARREN_API ssize_t warren_read(struct warren_conn *c, void *buf, size_t len,
    int timeout_ms);

/*
 * Write len bytes, in packets of up to WARREN_PIECE.  Returns how many were
 * taken: all of them, or fewer when the time was over or the loop broke in
 * between, or -1 when it was none.  Taken is not arrived: the packet is on
 * its way to the node, and what fails later fails the next call.
 */
WARREN_API ssize_t warren_write(struct warren_conn *c, const void *buf,
    size_t len, int timeout_ms);

/*
 * Wait until the node has accepted all that was written.  0, or -1: EPIPE
 * when the other end closed before.
 */
WARREN_API int warren_flush(struct warren_conn *c, int timeout_ms);

/*
 * Close the loop, if it still is, and free the connection; never waits.  What
 * was written before arrives before the end does; what was not read is lost.
 * NULL is fine.
 */
WARREN_API void warren_close(struct warren_conn *c);

/* Both ends; the local one has the node's own key once the loop is open. */
WARREN_API void warren_local_addr(const struct warren_conn *c,
    struct warren_addr *out);
WARREN_API void warren_remote_addr(const struct warren_conn *c,
    struct warren_addr *out);

/*
 * A descriptor of this connection for poll(2) and its kin, made at the first
 * call, closed with it.  Readable when warren_read() has something, the loop
 * ended, a dial is settled, warren_write() may go on after EAGAIN, or bytes
 * came for any connection: then try with timeout 0, and EAGAIN means that it
 * was another's.  Poll it for reading only.  Good for a few; with many,
 * warren_app_fd() and warren_next_ready() do less work.  -1 on failure.
 */
WARREN_API int warren_conn_fd(struct warren_conn *c);

/*
 * Let n packets of this connection be on their way to the node at once, 1 to
 * WARREN_WINDOW; 1 is the default, and all that Skywire's node could take.
 * They stay in order.  -1 with EINVAL for another number.
 */
WARREN_API int warren_conn_window(struct warren_conn *c, unsigned n);

/* A pointer of the caller's, kept for it. */
WARREN_API void warren_conn_set_user(struct warren_conn *c, void *user);
WARREN_API void *warren_conn_user(const struct warren_conn *c);

/* --- addresses as text: 64 hex digits, a colon, a port --- */

/* Write it with its NUL; returns its length. */
WARREN_API size_t warren_addr_to_text(char out[WARREN_ADDR_TEXT],
    const struct warren_addr *a);

/* Read all of text; -1 with EINVAL when it is not such an address. */
WARREN_API int warren_addr_from_text(struct warren_addr *a, const char *text);

#ifdef __cplusplus
}
#endif

#endif
