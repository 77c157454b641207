/* SPDX-License-Identifier: ISC */
/*
 * The whole resolver as a child, with a name server of our own on loopback:
 * literals, addresses, seeds by SRV, silence, and a full queue.
 */
#include "cmd/warrend/resolver.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "common/child.h"
#include "common/log.h"
#include "common/msg_ctl.h"
#include "common/msg_peerd.h"

static struct naddr server;
static pid_t server_pid, child_pid;
static struct ipc *child;

static struct {
	unsigned answers, failures;
	uint32_t id;
	struct msg_peerd_resolved last;
	char error[96];
	bool ready;
} got;

/* --- a name server --- */

static void
put_record(struct wr *w, const char *owner, uint16_t type, const void *data,
    uint16_t len)
{
	size_t n;

	while (*owner != '\0') {
		n = strcspn(owner, ".");
		wr_u8(w, (uint8_t)n);
		wr_bytes(w, owner, n);
		owner += n + (owner[n] == '.');
	}
	wr_u8(w, 0);
	wr_u16(w, type);
	wr_u16(w, 1);
	wr_u32(w, 60);
	wr_u16(w, len);
	wr_bytes(w, data, len);
}

/* The question's name as text; where its type stands. */
static size_t
question_name(const uint8_t *q, size_t len, char name[256])
{
	size_t at = 12, n = 0;

	while (
	    at < len && q[at] != 0 && n + q[at] + 1 < 255 && at + q[at] < len) {
		memcpy(name + n, q + at + 1, q[at]);
		n += q[at];
		name[n++] = '.';
		at += 1u + q[at];
	}
	name[n > 0 ? n - 1 : 0] = '\0';
	return at + 1;
}

/* Write the answer to a question; false to keep silent. */
static bool
make_answer(struct wr *w, const uint8_t *q, size_t len)
{
	static const uint8_t v4[] = { 192, 0, 2, 7 }, v6[16] = { 0x20, 1 };
	static const uint8_t srv[] = { 0, 1, 0, 2, 0, 80, 1, 't', 1, 'x', 0 };
	char name[256];
	size_t at = question_name(q, len, name);
	uint16_t type = get_u16(q + at);
	bool has = strcmp(name, "host.x") == 0 || strcmp(name, "t.x") == 0;

	if (strstr(name, "silent") != NULL)
		return false;
	wr_u16(w, get_u16(q));
	wr_u16(w, 0x8180);
	wr_u16(w, 1);
	wr_u16(w, has || strcmp(name, "_warren._tcp.seed.x") == 0);
	wr_u16(w, 0);
	wr_u16(w, 0);
	wr_bytes(w, q + 12, at + 4 - 12);
	if (has && type == 1)
		put_record(w, name, 1, v4, sizeof(v4));
	else if (has && type == 28)
		put_record(w, name, 28, v6, sizeof(v6));
	else if (type == 33 && strcmp(name, "_warren._tcp.seed.x") == 0)
		put_record(w, name, 33, srv, sizeof(srv));
	else
		put_u16(w->p + 6, 0);
	return true;
}

static _Noreturn void
serve(int fd)
{
	uint8_t q[512], a[1024];
	struct sockaddr_storage from;
	socklen_t from_len;
	struct wr w;
	ssize_t n;

	for (;;) {
		from_len = sizeof(from);
		n = recvfrom(fd, q, sizeof(q), 0, (struct sockaddr *)&from,
		    &from_len);
		wr_init(&w, a, sizeof(a));
		if (n > 17 && make_answer(&w, q, (size_t)n))
			(void)sendto(fd, a, w.len, 0, (struct sockaddr *)&from,
			    from_len);
	}
}

static void
start_server(void)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_not_equal(fd, -1);
	assert_int_equal(naddr_parse_ip(&server, "127.0.0.1", 0), 0);
	len = (socklen_t)naddr_to_sockaddr(&server, &ss);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	(void)naddr_from_sockaddr(&server, (struct sockaddr *)&ss);
	if ((server_pid = fork()) == 0)
		serve(fd);
	assert_int_not_equal(server_pid, -1);
	(void)close(fd);
}

/* --- the parent's end --- */

static void
on_answer(struct ipc *ch, const struct ipc_msg *m)
{
	(void)ch;
	got.answers++;
	got.id = m->id;
	memcpy(&got.last, m->body, sizeof(got.last));
}

static void
on_failed(struct ipc *ch, const struct ipc_msg *m)
{
	const struct msg_peerd_failed *f = m->body;

	(void)ch;
	got.failures++;
	got.id = m->id;
	(void)snprintf(got.error, sizeof(got.error), "%s", f->error);
}

static void
on_ready(struct ipc *ch, const struct ipc_msg *m)
{
	(void)m;
	ipc_set_phase(ch, PH_RUN);
	got.ready = true;
}

static void
start_child(void)
{
	static const struct ipc_handler handlers[] = {
		{ RESOLVER_ANSWER, on_answer },
		{ RESOLVER_FAILED, on_failed },
		{ PROC_READY, on_ready },
		{ 0, NULL },
	};
	static struct msg_table tables[4];
	struct ipc_conf conf = { .name = "resolver",
		.tables = tables,
		.handlers = handlers,
		.upper = true };
	struct msg_proc_start st = { .kind = PROC_RESOLVER,
		.nofile = 64,
		.landlock_max = -1 };
	struct msg_resolver_config rc = { .n_servers = 1 };
	char *argv[] = { NULL };
	int fd[2], log[2];

	assert_int_equal(ipc_pair(fd), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, log), 0);
	if ((child_pid = fork()) == 0) {
		/* Out of the way of 3 and 4 first. */
		fd[1] = dup2(fd[1], 20);
		log[1] = dup2(log[1], 21);
		(void)dup2(fd[1], CHILD_IPC_FD);
		(void)dup2(log[1], LOG_FD);
		_exit(resolver_main(0, argv));
	}
	assert_int_not_equal(child_pid, -1);
	(void)close(fd[1]);
	(void)close(log[0]);
	(void)close(log[1]);
	tables[0] = msgs_proc;
	tables[1] = msgs_ctl;
	tables[2] = msgs_resolver;
	child = ipc_new(NULL, fd[0], &conf);
	assert_non_null(child);
	rc.servers[0].addr = server;
	(void)ipc_send(child, PROC_START, 0, &st);
	(void)ipc_send(child, RESOLVER_CONFIG, 0, &rc);
	(void)ipc_send(child, PROC_GO, 0, NULL);
	while (!got.ready)
		assert_int_equal(ipc_wait(child, 10000), 1);
}

static int
setup(void **state)
{
	(void)state;
	start_server();
	start_child();
	return 0;
}

static int
teardown(void **state)
{
	int status = -1;

	(void)state;
	(void)ipc_send(child, PROC_STOP, 0, NULL);
	while (ipc_wait(child, 10000) == 1)
		continue;
	ipc_free(child);
	(void)waitpid(child_pid, &status, 0);
	(void)kill(server_pid, SIGKILL);
	(void)waitpid(server_pid, NULL, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void
ask(uint32_t id, uint8_t kind, const char *name, uint32_t timeout_ms)
{
	struct msg_peerd_resolve r = { .kind = kind,
		.port = 9,
		.timeout_ms = timeout_ms };

	(void)snprintf(r.name, sizeof(r.name), "%s", name);
	assert_int_equal(ipc_send(child, RESOLVER_ASK, id, &r), 0);
}

/* Wait for one answer and give its addresses as text; or the error. */
static const char *
answer(uint32_t id)
{
	static char text[256];
	unsigned before = got.answers + got.failures, answers = got.answers, i;
	char buf[NADDR_STR];

	while (got.answers + got.failures == before)
		assert_int_equal(ipc_wait(child, 20000), 1);
	assert_int_equal(got.id, id);
	if (got.answers == answers)
		return got.error;
	text[0] = '\0';
	for (i = 0; i < got.last.n_addrs; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "%s%s", i > 0 ? " " : "",
		    naddr_str(&got.last.addrs[i].addr, buf));
	return text;
}

static void
test_answers(void **state)
{
	(void)state;
	ask(1, RESOLVE_HOST, "198.51.100.1", 5000);
	assert_string_equal(answer(1), "198.51.100.1:9");
	ask(2, RESOLVE_HOST, "::1", 5000);
	assert_string_equal(answer(2), "[::1]:9");
	ask(3, RESOLVE_HOST, "host.x", 5000);
	assert_string_equal(answer(3), "192.0.2.7:9 [2001::]:9");
	ask(4, RESOLVE_SEED, "seed.x", 5000);
	assert_string_equal(answer(4), "192.0.2.7:80 [2001::]:80");
	ask(5, RESOLVE_SEED, "host.x", 5000);
	assert_string_equal(answer(5), "192.0.2.7:9 [2001::]:9");
	ask(6, RESOLVE_HOST, "none.x", 5000);
	assert_string_equal(answer(6), "no address");
}

/* Silence ends, and who waited longer than he wanted is told so. */
static void
test_silence(void **state)
{
	(void)state;
	ask(10, RESOLVE_HOST, "silent.x", 1000);
	ask(11, RESOLVE_HOST, "host.x", 100);
	assert_string_equal(answer(10), "timed out");
	assert_string_equal(answer(11), "timed out behind other questions");
}

static void
test_full_queue(void **state)
{
	unsigned i, n = RESOLVER_QUEUE + 8, before;

	(void)state;
	ask(20, RESOLVE_HOST, "silent.x", 1000);
	for (i = 1; i < n; i++)
		ask(20 + i, RESOLVE_HOST, "198.51.100.1", 60000);
	before = got.answers + got.failures;
	while (got.answers + got.failures < before + n)
		assert_int_equal(ipc_wait(child, 20000), 1);
	/* The silent one, and those that found no place. */
	assert_true(got.failures > 1 + 2);
	ask(99, RESOLVE_HOST, "198.51.100.1", 5000);
	assert_string_equal(answer(99), "198.51.100.1:9");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_full_queue),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
