/* SPDX-License-Identifier: ISC */
/*
 * The channel's gate, over a real socket pair: what the table does not allow
 * never reaches a handler, whatever it is cut into.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/msg_appd.h"
#include "tests/unit/all_msgs.h"

static struct event_base *base;
static struct ipc *ch; /* the end under test */
static int far = -1;   /* the other end, by hand */
static unsigned handled, ended;
static enum ipc_end end_how;
static int got_fd = -1;

static void
on_any(struct ipc *c, const struct ipc_msg *m)
{
	(void)c;
	handled++;
	got_fd = m->fd[0];
}

static void
on_ended(struct ipc *c, enum ipc_end how, const char *why)
{
	ended++;
	end_how = how;
	assert_non_null(why);
	ipc_free(c);
	ch = NULL;
}

/* A channel of table t; upper end here when it shall send MSG_DOWN. */
static void
open_channel(size_t t, bool upper)
{
	static const struct ipc_handler none[] = { { 0, NULL } };
	static struct msg_table tables[2];
	struct ipc_conf conf = { .name = "test", .tables = tables,
		.handlers = none, .other = on_any, .ended = on_ended,
		.upper = upper };
	int fd[2];

	tables[0] = all_tables[t];
	assert_int_equal(ipc_pair(fd), 0);
	far = fd[1];
	handled = ended = 0;
	got_fd = -1;
	ch = ipc_new(base, fd[0], &conf);
	assert_non_null(ch);
}

static void
close_channel(void)
{
	ipc_free(ch);
	ch = NULL;
	(void)close(far);
	if (got_fd != -1)
		(void)close(got_fd);
	got_fd = -1;
}

static void
turn(void)
{
	int i;

	for (i = 0; i < 4; i++)
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Send bytes with n descriptors on the first one. */
static void
send_far(const void *buf, size_t len, unsigned n)
{
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(4 * sizeof(int))];
	} control = { 0 };
	struct iovec iov;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[4] = { far, far, far, far };
	struct cmsghdr *cm;

	memcpy(&iov.iov_base, &buf, sizeof(buf));
	iov.iov_len = len;
	if (n > 0) {
		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cm = CMSG_FIRSTHDR(&m);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	}
	assert_int_equal(sendmsg(far, &m, 0), (ssize_t)len);
}

static uint8_t body[512 << 10], wire[MSG_LEN_MAX];

static size_t
encode(const struct msg_def *def)
{
	struct wr w;

	memset(body, 0, sizeof(body));
	fill_body(def->body, body, 0);
	wr_init(&w, wire, sizeof(wire));
	msg_put(&w, def, 9, body);
	assert_false(w.bad);
	return w.len;
}

/* One message against one end in one phase: handled, or the channel ends. */
static void
expect(size_t t, const struct msg_def *def, bool upper, enum msg_phase phase,
    unsigned fds)
{
	bool good = (def->dir & (upper ? MSG_UP : MSG_DOWN)) != 0 &&
	    (def->phase & phase) != 0 && fds == (unsigned)def->fds;
	size_t len = encode(def);

	open_channel(t, upper);
	ipc_set_phase(ch, phase);
	send_far(wire, len, fds);
	turn();
	if (good ? handled != 1 || ended != 0 : ended != 1 || end_how != IPC_JUNK)
		fail_msg("%s upper %d phase %d fds %u: handled %u ended %u",
		    def->name, upper, phase, fds, handled, ended);
	close_channel();
}

static void
test_gate(void **state)
{
	size_t t, i;
	unsigned fds;

	(void)state;
	for (t = 0; t < n_all_tables; t++)
		for (i = 0; i < all_tables[t].n; i++)
			for (fds = 0; fds < 3; fds++) {
				const struct msg_def *d =
				    &all_tables[t].defs[i];

				expect(t, d, true, PH_START, fds);
				expect(t, d, true, PH_RUN, fds);
				expect(t, d, false, PH_START, fds);
				expect(t, d, false, PH_RUN, fds);
			}
}

static void
test_one_byte_at_a_time(void **state)
{
	const struct msg_def *def = msg_find(all_tables, PROC_START);
	size_t len, i;

	(void)state;
	len = encode(def);
	open_channel(0, false);
	for (i = 0; i < len; i++) {
		assert_int_equal(handled, 0);
		send_far(wire + i, 1, 0);
		turn();
	}
	assert_int_equal(handled, 1);
	close_channel();
}

static void
test_many_at_once(void **state)
{
	const struct msg_def *def = msg_find(all_tables, PROC_STOP);
	static uint8_t many[64 << 10];
	size_t len = encode(def), i, n = 1000;
	int turns;

	(void)state;
	for (i = 0; i < n; i++)
		memcpy(many + i * len, wire, len);
	open_channel(0, false);
	send_far(many, n * len, 0);
	for (turns = 0; turns < 100 && handled < n; turns++)
		turn();
	assert_int_equal(handled, n);
	assert_int_equal(ended, 0);
	close_channel();
}

static void
test_too_long(void **state)
{
	uint8_t huge[8];

	(void)state;
	put_u32(huge, MSG_LEN_MAX + 1);
	open_channel(0, false);
	send_far(huge, sizeof(huge), 0);
	turn();
	assert_int_equal(ended, 1);
	assert_int_equal(end_how, IPC_JUNK);
	close_channel();
}

static void
test_close_is_eof(void **state)
{
	(void)state;
	open_channel(0, false);
	(void)shutdown(far, SHUT_WR);
	turn();
	assert_int_equal(ended, 1);
	assert_int_equal(end_how, IPC_EOF);
	close_channel();
}

/* A reader that does not read: the queue ends at its limit, not in memory. */
static void
test_queue_is_bounded(void **state)
{
	struct msg_event e = { .seq = 1 };
	unsigned sent = 0;

	(void)state;
	memset(e.text, 'x', sizeof(e.text) - 1);
	open_channel(0, false);
	while (ipc_send(ch, PROC_EVENT, 0, &e) == 0 && sent < 1000000)
		sent++;
	assert_true(ipc_is_full(ch));
	assert_true(ipc_queued(ch) <= IPC_HARD_LIMIT);
	assert_true(sent < 1000000);
	assert_int_equal(ended, 0);
	turn(); /* the owner hears of it from the loop */
	assert_int_equal(ended, 1);
	assert_int_equal(end_how, IPC_FULL);
	close_channel();
}

/* Nor do descriptors pile up for it. */
static void
test_queued_fds_are_bounded(void **state)
{
	struct msg_stund_listen l = { .proto = PROTO_UDP };
	unsigned sent = 0;

	(void)state;
	open_channel(2, true); /* msgs_stund */
	while (ipc_send_fd(ch, STUND_LISTEN, 0, &l, dup(far), -1) == 0)
		sent++;
	assert_int_equal(sent, IPC_FDS_LIMIT);
	turn();
	assert_int_equal(ended, 1);
	assert_int_equal(end_how, IPC_FULL);
	close_channel();
}

/* Keeps the socket as full as it gets while messages are handled. */
static struct {
	uint8_t buf[64 << 10];
	size_t unit, n, taken;
} flood;

static void
flood_more(struct ipc *c, const struct ipc_msg *m)
{
	ssize_t sent = send(far, flood.buf + flood.taken % flood.unit,
	    (flood.n - 1) * flood.unit, MSG_DONTWAIT);

	(void)c;
	(void)m;
	flood.taken += sent > 0 ? (size_t)sent : 0;
	if (++handled == 20000)
		(void)event_base_loopbreak(base);
}

/* A sender faster than we handle fills its socket, not our memory. */
static void
test_flood_stays_outside(void **state)
{
	static const struct ipc_handler flooded[] = { { PROC_STOP, flood_more },
		{ 0, NULL } };
	struct msg_table tables[2] = { msgs_proc, { NULL, 0 } };
	struct ipc_conf conf = { .name = "test", .tables = tables,
		.handlers = flooded, .ended = on_ended };
	int fd[2], outside;
	size_t i;

	(void)state;
	flood.unit = encode(msg_find(all_tables, PROC_STOP));
	flood.n = sizeof(flood.buf) / flood.unit;
	for (i = 0; i < flood.n; i++)
		memcpy(flood.buf + i * flood.unit, wire, flood.unit);
	handled = ended = 0;
	assert_int_equal(ipc_pair(fd), 0);
	far = fd[1];
	ch = ipc_new(base, fd[0], &conf);
	assert_non_null(ch);
	send_far(wire, flood.unit, 0);
	flood.taken = flood.unit;
	(void)event_base_dispatch(base);
	assert_int_equal(ended, 0);
	/* What is neither handled nor in the kernel is with us. */
	assert_int_equal(ioctl(ipc_fd(ch), FIONREAD, &outside), 0);
	assert_true(flood.taken - handled * flood.unit - (size_t)outside <=
	    128 << 10);
	close_channel();
}

/* --- two ends of ours --- */

static struct ipc *ends[2];
static uint32_t next_in, drained_n;
static size_t drained_frees;

static size_t
size_of(uint32_t i)
{
	return (i * 7919) % (LOOP_DATA_MAX + 1);
}

static void
take_data(struct ipc *c, const struct ipc_msg *m)
{
	const struct msg_loop_data *d = m->body;

	(void)c;
	assert_int_equal(m->id, next_in);
	assert_int_equal(d->data.len, size_of(next_in));
	if (d->data.len > 0)
		assert_int_equal(d->data.p[d->data.len - 1], (uint8_t)next_in);
	next_in++;
}

static void
on_drained(struct ipc *c)
{
	drained_n++;
	if (drained_frees > 0 && --drained_frees == 0) {
		ipc_free(c);
		ends[0] = NULL;
	}
}

/* Pipes where *state is not NULL, else a socket. */
static void
open_ends(void **state, size_t hard)
{
	static const struct ipc_handler none[] = { { 0, NULL } };
	static struct msg_table tables[2];
	struct ipc_conf conf = { .name = "test", .tables = tables,
		.handlers = none, .other = take_data, .ended = on_ended,
		.drained = on_drained, .upper = true, .hard = hard };
	int up[2], low[2], fd[2];

	tables[0] = msgs_peerd_appd;
	next_in = drained_n = ended = 0;
	if (*state == NULL) {
		assert_int_equal(ipc_pair(fd), 0);
		ends[0] = ipc_new(base, fd[0], &conf);
		conf.upper = false;
		ends[1] = ipc_new(base, fd[1], &conf);
	} else {
		assert_int_equal(ipc_pipes(up, low), 0);
		ends[0] = ipc_new_pipes(base, up[0], up[1], &conf);
		conf.upper = false;
		ends[1] = ipc_new_pipes(base, low[0], low[1], &conf);
	}
	assert_non_null(ends[0]);
	assert_non_null(ends[1]);
}

static bool
send_data(uint32_t i)
{
	static uint8_t data[LOOP_DATA_MAX];
	struct msg_loop_data d = { { data, (uint32_t)size_of(i) } };

	memset(data, (int)(uint8_t)i, sizeof(data));
	return ipc_send(ends[0], LOOP_DATA, i, &d) == 0;
}

/* Small ones and large ones, more than the socket takes: all come, in order. */
static void
test_order(void **state)
{
	uint32_t i, n = 0, round;

	open_ends(state, 0);
	for (round = 0; round < 30; round++) {
		for (i = 0; i < 1 + round % 20; i++)
			assert_true(send_data(n++));
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
	}
	for (i = 0; i < 1000 && next_in < n; i++)
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(next_in, n);
	assert_int_equal(ipc_queued(ends[0]), 0);
	assert_true(drained_n > 0);
	ipc_free(ends[0]);
	ipc_free(ends[1]);
}

/* Whoever hears that the queue is low may free it. */
static void
test_free_when_drained(void **state)
{
	uint32_t i;

	open_ends(state, 0);
	drained_frees = 1;
	for (i = 0; i < 40; i++)
		(void)send_data(i);
	for (i = 0; i < 100 && ends[0] != NULL; i++)
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
	assert_null(ends[0]);
	if (ended == 0) /* else it has seen the end and is gone */
		ipc_free(ends[1]);
}

static void
test_hard_limit_of_its_own(void **state)
{
	uint32_t i = 0;

	open_ends(state, 1 << 20);
	while (send_data(i))
		i++;
	assert_true(ipc_queued(ends[0]) <= 1 << 20);
	assert_true(ipc_queued(ends[0]) > (1 << 20) - 100000);
	ipc_free(ends[0]);
	ipc_free(ends[1]);
}

/* One that is gone is noticed, by who reads and by who writes. */
static void
test_gone(void **state)
{
	uint32_t i;

	for (i = 0; i < 2; i++) {
		open_ends(state, 0);
		assert_true(send_data(1));
		ipc_free(ends[i]);
		turn();
		assert_int_equal(ended, 1);
		assert_int_equal(end_how, IPC_EOF);
	}
}

/* No message that is told to bring descriptors gets through without. */
static void
test_pipes_bring_no_descriptors(void **state)
{
	static const struct ipc_handler none[] = { { 0, NULL } };
	struct msg_table tables[2] = { msgs_proc, { NULL, 0 } };
	struct ipc_conf conf = { .name = "test", .tables = tables,
		.handlers = none, .other = on_any, .ended = on_ended };
	int up[2], low[2];
	size_t len = encode(msg_find(all_tables, PROC_PIPES));

	(void)state;
	handled = ended = 0;
	assert_int_equal(ipc_pipes(up, low), 0);
	ch = ipc_new_pipes(base, low[0], low[1], &conf);
	assert_non_null(ch);
	ipc_set_phase(ch, PH_RUN);
	assert_int_equal(write(up[1], wire, len), (ssize_t)len);
	turn();
	assert_int_equal(handled, 0);
	assert_int_equal(ended, 1);
	assert_int_equal(end_how, IPC_JUNK);
	(void)close(up[0]);
	(void)close(up[1]);
}

static char pipes[] = "pipes";

/* Over a socket, and over pipes. */
#define BOTH(test) \
	cmocka_unit_test(test), cmocka_unit_test_prestate(test, pipes)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_one_byte_at_a_time),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_close_is_eof),
		cmocka_unit_test(test_queue_is_bounded),
		cmocka_unit_test(test_queued_fds_are_bounded),
		cmocka_unit_test(test_flood_stays_outside),
		BOTH(test_order),
		BOTH(test_free_when_drained),
		BOTH(test_hard_limit_of_its_own),
		BOTH(test_gone),
		cmocka_unit_test(test_pipes_bring_no_descriptors),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	all_tables_init();
	base = event_base_new();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
