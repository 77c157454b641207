/* SPDX-License-Identifier: ISC */
/*
 * DNS answers, built record by record: aliases, services, what does not
 * belong, and each message cut at every length.
 */
#include "cmd/warrend/dns_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/bytes.h"

enum { A = 1, CNAME = 5, AAAA = 28, SRV = 33 };

static uint8_t buf[4096];
static struct wr w;

static void
put_name(const char *name)
{
	size_t n;

	while (*name != '\0' && *name != '.') {
		n = strcspn(name, ".");
		wr_u8(&w, (uint8_t)n);
		wr_bytes(&w, name, n);
		name += n + (name[n] == '.');
	}
	wr_u8(&w, 0);
}

/* A response without a question. */
static void
begin(uint8_t rcode)
{
	wr_init(&w, buf, sizeof(buf));
	wr_u16(&w, 7);
	wr_u16(&w, (uint16_t)(0x8180 | rcode));
	wr_u64(&w, 0);
}

/* section: 1 answer, 3 additional; to be written in that order. */
static size_t
record(unsigned section, const char *owner, uint16_t type)
{
	size_t at = 4 + 2 * section, len_at;

	put_u16(buf + at, (uint16_t)(get_u16(buf + at) + 1));
	put_name(owner);
	wr_u16(&w, type);
	wr_u16(&w, 1);
	wr_u32(&w, 60);
	len_at = w.len;
	wr_u16(&w, 0);
	return len_at;
}

static void
end_record(size_t len_at)
{
	put_u16(buf + len_at, (uint16_t)(w.len - len_at - 2));
}

static void
put_addr(unsigned section, const char *owner, const char *ip)
{
	struct naddr a;
	size_t at;

	assert_int_equal(naddr_parse_ip(&a, ip, 0), 0);
	at = record(section, owner, a.fam == NADDR_V4 ? A : AAAA);
	wr_bytes(&w, a.ip, naddr_ip_len(&a));
	end_record(at);
}

static void
put_cname(const char *owner, const char *target)
{
	size_t at = record(1, owner, CNAME);

	put_name(target);
	end_record(at);
}

static void
put_srv(const char *owner, uint16_t priority, uint16_t weight, uint16_t port,
    const char *target)
{
	size_t at = record(1, owner, SRV);

	wr_u16(&w, priority);
	wr_u16(&w, weight);
	wr_u16(&w, port);
	put_name(target);
	end_record(at);
}

static char *
addrs_str(const struct dns_addrs *l, char *out, size_t cap)
{
	char text[NADDR_STR];
	unsigned i;

	out[0] = '\0';
	for (i = 0; i < l->n; i++)
		(void)snprintf(out + strlen(out), cap - strlen(out), "%s%s",
		    i > 0 ? " " : "", naddr_str(&l->list[i], text));
	return out;
}

static void
test_addrs(void **state)
{
	struct dns_addrs out = { .n = 0 };
	char text[512];

	(void)state;
	begin(0);
	put_addr(1, "stranger.example", "192.0.2.66");
	put_addr(1, "host.example", "192.0.2.1");
	put_addr(1, "HOST.example", "192.0.2.1");
	put_addr(1, "host.example", "2001:db8::1");
	put_addr(3, "host.example", "192.0.2.67");
	assert_int_equal(dns_answer_addrs(buf, w.len, "Host.Example.", 5, &out),
	    0);
	assert_string_equal(addrs_str(&out, text, sizeof(text)),
	    "192.0.2.1:5 [2001:db8::1]:5");
}

static void
test_aliases(void **state)
{
	struct dns_addrs out = { .n = 0 };
	char text[512];

	(void)state;
	begin(0);
	put_addr(1, "c.example", "192.0.2.3");
	put_cname("b.example", "c.example");
	put_cname("a.example", "b.example");
	put_addr(1, "a.example", "192.0.2.66"); /* beside an alias: no */
	assert_int_equal(dns_answer_addrs(buf, w.len, "a.example", 5, &out), 0);
	assert_string_equal(addrs_str(&out, text, sizeof(text)), "192.0.2.3:5");

	/* A loop ends. */
	begin(0);
	put_cname("a.example", "b.example");
	put_cname("b.example", "a.example");
	out.n = 0;
	assert_int_equal(dns_answer_addrs(buf, w.len, "a.example", 5, &out), 0);
	assert_int_equal(out.n, 0);
}

static void
test_srv(void **state)
{
	struct dns_targets t;
	struct dns_addrs out = { .n = 0 };
	char text[512];

	(void)state;
	begin(0);
	put_srv("_warren._tcp.x", 20, 0, 1, "late.x");
	put_srv("_warren._tcp.x", 10, 1, 2, "light.x");
	put_srv("_warren._tcp.x", 10, 9, 3, "heavy.x");
	put_srv("_other._tcp.x", 0, 9, 4, "other.x");
	put_srv("_warren._tcp.x", 0, 9, 5, ".");
	put_srv("_warren._tcp.x", 0, 9, 0, "noport.x");
	put_addr(3, "heavy.x", "192.0.2.9");
	put_addr(3, "late.x", "192.0.2.2");
	assert_int_equal(dns_answer_srv(buf, w.len, "_warren._tcp.x", &t), 0);
	assert_int_equal(t.n, 3);
	assert_string_equal(t.list[0].name, "heavy.x");
	assert_int_equal(t.list[0].port, 3);
	assert_string_equal(t.list[1].name, "light.x");
	assert_string_equal(t.list[2].name, "late.x");
	assert_int_equal(dns_answer_extra(buf, w.len, "heavy.x", 3, &out), 0);
	assert_string_equal(addrs_str(&out, text, sizeof(text)), "192.0.2.9:3");
}

static void
test_srv_keeps_the_best(void **state)
{
	struct dns_targets t;
	unsigned i;

	(void)state;
	begin(0);
	for (i = 0; i < 2 * DNS_TARGETS; i++)
		put_srv("s", (uint16_t)(100 - i), 0, 1, "t");
	assert_int_equal(dns_answer_srv(buf, w.len, "s", &t), 0);
	assert_int_equal(t.n, DNS_TARGETS);
	for (i = 0; i < t.n; i++)
		assert_int_equal(t.list[i].priority,
		    100 - (2 * DNS_TARGETS - 1) + i);
}

static void
test_many(void **state)
{
	struct dns_addrs out = { .n = 0 };
	char ip[NADDR_STR];
	unsigned i;

	(void)state;
	begin(0);
	for (i = 0; i < 2 * DNS_ADDRS; i++) {
		(void)snprintf(ip, sizeof(ip), "192.0.2.%u", i);
		put_addr(1, "a", ip);
	}
	assert_int_equal(dns_answer_addrs(buf, w.len, "a", 1, &out), 0);
	assert_int_equal(out.n, DNS_ADDRS);
}

static void
test_refused(void **state)
{
	struct dns_addrs out = { .n = 0 };

	(void)state;
	begin(3); /* NXDOMAIN */
	put_addr(1, "a", "192.0.2.1");
	assert_int_equal(dns_answer_addrs(buf, w.len, "a", 1, &out), -1);
	begin(0);
	buf[2] &= 0x7f; /* a question, no answer */
	put_addr(1, "a", "192.0.2.1");
	assert_int_equal(dns_answer_addrs(buf, w.len, "a", 1, &out), -1);
	begin(0);
	put_addr(1, "a", "192.0.2.1");
	put_u16(buf + w.len - 6, 3); /* an A record of 3 bytes, 1 left over */
	w.len -= 1;
	assert_int_equal(dns_answer_addrs(buf, w.len, "a", 1, &out), 0);
	assert_int_equal(out.n, 0);
}

static void
test_cut(void **state)
{
	struct dns_addrs out = { .n = 0 };
	struct dns_targets t;
	uint8_t *copy;
	size_t len;

	(void)state;
	begin(0);
	put_srv("s.x", 1, 2, 3, "t.x");
	put_cname("t.x", "u.x");
	put_addr(1, "u.x", "192.0.2.1");
	put_addr(3, "t.x", "2001:db8::1");
	for (len = 0; len < w.len; len++) {
		copy = malloc(len > 0 ? len : 1);
		assert_non_null(copy);
		memcpy(copy, buf, len);
		assert_int_equal(dns_answer_addrs(copy, len, "t.x", 1, &out),
		    -1);
		assert_int_equal(dns_answer_srv(copy, len, "s.x", &t), -1);
		assert_int_equal(dns_answer_extra(copy, len, "t.x", 1, &out),
		    -1);
		free(copy);
	}
	assert_int_equal(out.n, 0);
	assert_int_equal(dns_answer_addrs(buf, w.len, "t.x", 1, &out), 0);
	assert_int_equal(out.n, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addrs),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_srv),
		cmocka_unit_test(test_srv_keeps_the_best),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
