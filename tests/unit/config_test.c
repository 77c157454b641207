/* SPDX-License-Identifier: ISC */
/*
 * The configuration: inputs that load and print back to themselves, inputs
 * that do not with the very lines they must be told, includes, macros,
 * permissions, reloads, and the words of the manual page.
 */
#include "cmd/warrend/config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/warrend/config_lex.h"
#include "common/addr_policy.h"

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static char dir[] = "/tmp/warren-config-XXXXXX";
static struct config conf, again;

static const char *
path_of(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *p = path[turn++ % 4];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static const char *
write_file(const char *name, const void *text, size_t len)
{
	const char *path = path_of(name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
	return path;
}

/* Load path; what was reported is the caller's to free. */
static int
load_path(struct config *c, const char *path, char **errors)
{
	size_t len;
	FILE *f = open_memstream(errors, &len);
	int n;

	config_defaults(c, true);
	n = config_load(c, path, false, f);
	if (n == 0)
		n = config_check(c, f);
	assert_int_equal(fclose(f), 0);
	return n;
}

static int
load_text(struct config *c, const char *text, char **errors)
{
	return load_path(c, write_file("t", text, strlen(text)), errors);
}

/* Drop " # file:line" from every line. */
static char *
without_origins(const char *text)
{
	char *out = strdup(text), *p, *q, *hash;

	assert_non_null(out);
	for (p = q = out; *p != '\0';) {
		char *end = p + strcspn(p, "\n");
		bool nl = *end == '\n';

		*end = '\0';
		if ((hash = strstr(p, " # ")) != NULL) {
			while (hash > p && hash[-1] == ' ')
				hash--;
			*hash = '\0';
		}
		memmove(q, p, strlen(p) + 1);
		q += strlen(q);
		*q++ = '\n';
		p = end + nl;
	}
	*q = '\0';
	return out;
}

/* What is printed must load again and print the same. */
static void
check_round_trip(const struct config *c)
{
	char *errors, *a, *b, *diff;
	size_t len;
	FILE *f;
	int n;

	n = load_path(&again, write_file("again", c->text, strlen(c->text)),
	    &errors);
	if (n != 0)
		fail_msg("printed form does not load:\n%s%s", errors, c->text);
	free(errors);
	a = without_origins(c->text);
	b = without_origins(again.text);
	assert_string_equal(a, b);
	free(a);
	free(b);
	f = open_memstream(&diff, &len);
	assert_false(config_diff(c, &again, f));
	assert_int_equal(fclose(f), 0);
	assert_string_equal(diff, "");
	free(diff);
	config_free(&again);
}

static const char *const good[] = {
	"",
	"# nothing but a comment",
	"\n\n  \t\n",
	"network \"lab\" charter \"/etc/warren/lab.charter\"",
	"node name \"burrow \\\"one\\\" \\\\\"\nnode key /k\nnode region eu-1",
	"state /s\nchroot /c\nlibexec \"/l x\"\npid-file /p\n",
	"user stund a\nuser peerd b\nuser apid c\nuser resolver d\nuser store e",
	"store { bodies 1G, commit 0ms\n cache 1M\n fetch no }",
	"relay { enable no, circuits 0\n circuits-per-peer 1024, reservations 0\n"
	" reservation 1K for 1s\n unreserved 0 for 30d\n reserve yes }",
	"relay { circuits 1024, circuits-per-peer 1, reservations 1024\n"
	" reservation 1048576G for 30d, unreserved 2M for 3m, reserve no }",

	"privdrop required",
	"privdrop auto\nlog stderr",
	"log syslog level debug",
	"log file \"/var/log/warren.log\" level warn # here",
	"control /run/a group g mode 0600\ncontrol /run/b mode 666 restricted",
	"listen peer on 192.0.2.1 port 1 advertise 198.51.100.2 port 2",
	"listen peer on * port 0\nlisten peer on ::1 port 5",
	"listen peer no\nstun listen no\napi http no\nmetrics no\nmulticast no",
	"listen peer on \\\n 127.0.0.1 \\\n port 7",
	"stun listen on [::1] port 3479\nstun rate 0/s burst 1 global 0/s",
	"stun rate 1/s\nstun keepalive 500ms\nstun tcp no\nstun clients 64",
	"stun connections 0\nstun idle 1d\nstun client port udp 1 tcp 2",
	"bootstrap a.example\nbootstrap 2001:db8::1 port 9 key " KEY_A
	" static retry 1m max-retries 0",
	"dns seed s.example port 3 interval 2h timeout 5s\n"
	"dns seed t.example interval 2h\ndns server ::1\n"
	"dns server 127.0.0.1 port 5353",
	"multicast on eth0\nmulticast on \"eth1\" port 5 group 239.1.2.3 group "
	"ff05::9 interval 1s timeout 3s",
	"peer b { address 198.51.100.7 }\n"
	"peer \"c d\" {\n\n\taddress h.example port 4, public-key " KEY_B
	"\n# in a block\n\tretry 2s\n}\n",
	"ban 203.0.113.9/24 for 7d\nban 2001:db8::/32\nban 192.0.2.1\n"
	"ban " KEY_A " for 1s\nban 0.0.0.0/0",
	"limit { max-peers 10 }",
	"limit {\nmax-peers 64, max-inbound 48,\n\n max-outbound 0, "
	"max-per-prefix 9\nhandshakes 9/s,known-nodes 16\napi-clients 10, "
	"api-clients-per-prefix 10, open-files 500\n}",
	"timeout { handshake 1s, dial 60s, ping 1m, stop 100ms, save 1d, "
	"refresh 1h, republish 1s, retry 1m }",
	"timeout { dead 3s }\ntimeout { save 2m }",
	"api http on 127.0.0.1 port 0 { allow-origin none, workers 1 }",
	"api http on ::1 port 80\napi http on * {\nallow-origin "
	"\"https://a.example\"\n"
	"workers 4, header-max 4K, body-max 6M, batch-max 1\n"
	"header-timeout 1s, body-timeout 2s, idle-timeout 3s\n"
	"rate 0 per 1m\nblacklist 9 for 30d }",
	"metrics on 127.0.0.1 port 38085",
	"supervise restarts 0 per 1h",
	"address-policy allow private",
	"address-policy allow private reserved",
	"address-policy allow none",
	"a = 127.0.0.1\nb = \"$a\"\nc=$a\nlisten peer on $c port 1\n"
	"node name $b\nban $a/8",
	"kind = peer\nlisten $kind no",
	"include \"/nonexistent/warren/*.conf\"",
	"# caf\xc3\xa9 is fine in a comment",
};

static void
test_good(void **state)
{
	char *errors;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (load_text(&conf, good[i], &errors) != 0)
			fail_msg("\"%s\":\n%s", good[i], errors);
		assert_string_equal(errors, "");
		check_round_trip(&conf);
		config_free(&conf);
		free(errors);
	}
}

/* errors: each line without the file's name in front. */
static const struct {
	const char *text, *errors;
} bad[] = {
	{ "lisen peer no",
	    "1: unknown word 'lisen' (did you mean 'listen'?)\n" },
	{ "\n\nstun tpc yes", "3: unknown word 'tpc' (did you mean 'tcp'?)\n" },
	{ "frobnicate", "1: unknown word 'frobnicate'\n" },
	{ "listen stun no", "1: unknown word 'stun' (expected 'peer')\n" },
	{ "\"listen\" peer no",
	    "1: \"listen\": a quoted string is no word to begin with\n" },
	{ "stun",
	    "1: 'stun' wants one of listen, rate, keepalive, tcp, clients,"
	    " connections, idle, client after it\n" },
	{ "stun keepalive",
	    "1: 'keepalive' wants a time such as 500ms, 25s, "
	    "10m, 6h or 7d after it\n" },
	{ "stun keepalive 25",
	    "1: keepalive: '25' is not a time such as 500ms,"
	    " 25s, 10m, 6h or 7d\n" },
	{ "stun keepalive 1h", "1: keepalive: 1h is not within 100ms..10m\n" },
	{ "stun keepalive 5s\n\nstun keepalive 5s",
	    "3: 'stun keepalive' is set twice (first at @:1)\n" },
	{ "stun keepalive 5s 6s", "1: '6s' is one word too many\n" },
	{ "stun tcp maybe",
	    "1: unknown word 'maybe' (expected one of yes, no)\n" },
	{ "stun rate 10", "1: stun rate: '10' is not a rate such as 10/s\n" },
	{ "stun clients 65", "1: clients: 65 is not within 0..64\n" },
	{ "stun clients x", "1: clients: 'x' is no number\n" },
	{ "stun clients 99999999999999999999",
	    "1: clients: '99999999999999999999' is no number\n" },
	{ "stun client port", "1: 'port' wants one of udp, tcp after it\n" },
	{ "state var/lib", "1: state: 'var/lib' is not an absolute path\n" },
	{ "state \"\"", "1: state is empty\n" },
	{ "node region 123456789", "1: region is longer than 8 bytes\n" },
	{ "listen peer on example.net port 1",
	    "1: 'example.net' is no IPv4 or IPv6 address\n" },
	{ "listen peer on 127.0.0.1 port 65536",
	    "1: port: 65536 is not within 0..65535\n" },
	{ "stun listen on ::1 advertise ::2 port 1",
	    "1: unknown word 'advertise' (expected 'port')\n" },
	{ "listen peer on * advertise 0.0.0.0 port 1",
	    "1: advertise: wants an address and a port others can reach\n" },
	{ "listen peer no\nlisten peer on ::1",
	    "2: 'listen peer' is set twice (first at @:1)\n" },
	{ "metrics on ::1\nmetrics no",
	    "2: 'metrics' is set twice (first at @:1)\n" },
	{ "control /run/x mode 9",
	    "1: mode: '9' is no octal mode such as "
	    "0660\n" },
	{ "control /a\ncontrol /a", "2: control: the same path as at @:1\n" },
	{ "bootstrap 300.1.1.1",
	    "1: '300.1.1.1' is no address and no DNS name\n" },
	{ "bootstrap a key 00", "1: '00' is no key of 64 hex digits\n" },
	{ "bootstrap a\nbootstrap a", "2: the same host and port as at @:1\n" },
	{ "dns seed a interval 1h\ndns seed b interval 2h",
	    "2: 'dns seed interval' is set twice (first at @:1)\n" },
	{ "dns seed -.-.1", "1: '-.-.1' is no DNS name\n" },
	{ "dns server localhost",
	    "1: 'localhost' is no IPv4 or IPv6 address\n" },
	{ "multicast on eth0 group 10.0.0.1",
	    "1: group: not a multicast address\n" },
	{ "multicast on eth0\nmulticast on eth0",
	    "2: the same interface as at @:1\n" },
	{ "peer b", "1: peer wants a block: { address HOST port N }\n" },
	{ "peer b { retry 1s }", "1: peer: wants an address\n" },
	{ "peer b { address a\naddress b\nrety 1s }",
	    "2: 'address' is set twice\n"
	    "3: unknown word 'rety' (did you mean 'retry'?)\n" },
	{ "peer b { address a }\npeer b { address b }",
	    "2: the same name as at @:1\n" },
	{ "ban 203.0.113.0/33",
	    "1: ban: '203.0.113.0/33' is no address, prefix"
	    " or key of 64 hex digits\n" },
	{ "ban ::1 for 100ms", "1: ban: 100ms is not within 1s..3650d\n" },
	{ "limit", "1: limit wants a block: { ... }\n" },
	{ "limit { max-peer 1, max-inbound x\nmax-inbound 2 }",
	    "1: unknown word 'max-peer' (did you mean 'max-peers'?)\n"
	    "1: max-inbound: 'x' is no number\n"
	    "2: 'limit max-inbound' is set twice (first at @:1)\n" },
	{ "limit { max-peers 10, max-inbound 11 }",
	    "1: max-inbound 11 is more than max-peers 10\n" },
	{ "limit { open-files 100 }",
	    "1: open-files 100: max-peers and api-clients need 1089\n" },
	{ "limit { stun { a } }\nlisen",
	    "1: a block inside a block\n"
	    "2: unknown word 'lisen' (did you mean 'listen'?)\n" },
	{ "timeout { ping 60s, dead 10s }",
	    "1: dead must be longer than ping\n" },
	{ "stun tcp yes { a b }", "1: 'stun tcp' takes no block\n" },
	{ "api http on * { body-max 8M }",
	    "1: body-max: 8M is not within 1K..6M\n" },
	{ "api http on * { rate 5 }", "1: '5' wants 'per' after it\n" },
	{ "supervise restarts 5 for 1m",
	    "1: unknown word 'for' (expected 'per')\n" },
	{ "address-policy allow private none", "1: 'none' stands alone\n" },
	{ "listen peer on * port 5\napi http on 127.0.0.1 port 5",
	    "2: port 5 is taken by the listener at @:1\n" },
	{ "stun client port udp 3478",
	    "1: stun client: port 3478 is a listener's\n" },
	{ "node name $nane\nname = x", "1: unknown macro '$nane'\n" },
	{ "name = x\nnode name $nane",
	    "2: unknown macro '$nane' (did you mean '$name'?)\n" },
	{ "name =\nnode name $name", "1: the line ends too early\n" },
	{ "name = $none\nnode name $name\npeer $name { address x }",
	    "1: unknown macro '$none'\n" },
	{ "name = a b\nnode name $name\nstate x",
	    "1: 'b' is one word too many\n"
	    "3: state: 'x' is not an absolute path\n" },
	{ "a = 1\na = 2", "2: macro 'a' is set twice (first at @:1)\n" },
	{ "1a = 1",
	    "1: '1a' is no name for a macro (letters, digits and "
	    "'_')\n" },
	{ "node name $", "1: '$' wants a macro's name after it\n" },
	{ "listen peer = 1\nlisen",
	    "1: '=' stands only between a macro's name "
	    "and its value\n"
	    "2: unknown word 'lisen' (did you mean 'listen'?)\n" },
	{ "peer b\n{\naddress x\n}\nlisen",
	    "2: '{' must follow a word on its line\n"
	    "5: unknown word 'lisen' (did you mean 'listen'?)\n" },
	{ "limit { max-peers 1 }}\nstate x",
	    "1: '}' without '{'\n"
	    "2: state: 'x' is not an absolute path\n" },
	{ "limit {\nmax-peers 5\n\nlisen\n", "1: '{' is never closed\n" },
	{ "limit { max-peers = 5\nopen-files x }\nstate x",
	    "1: '=' stands only between a macro's name and its value\n"
	    "3: state: 'x' is not an absolute path\n" },
	{ "stun, tcp\nstate x",
	    "1: ',' stands only between the options in "
	    "{ }\n"
	    "2: state: 'x' is not an absolute path\n" },
	{ "node name \"abc\nstate x",
	    "1: a string must end on its line\n"
	    "2: state: 'x' is not an absolute path\n" },
	{ "node name a\\b\nstate x",
	    "1: '\\' must be the last byte of its line\n"
	    "2: state: 'x' is not an absolute path\n" },
	{ "node name caf\xc3\xa9", "1: words are plain ASCII\n" },
	{ "node name \"caf\xc3\xa9\"", "1: words are plain ASCII\n" },
	{ "network x\r\n",
	    "1: carriage return: lines must end in \\n alone\n" },
	{ "network x\n\x01", "2: byte 0x01: this is no text file\n" },
	{ "include \"conf.d/x\"",
	    "1: include: 'conf.d/x' is not an absolute path\n" },
	{ "state \\\n \\\n x", "3: state: 'x' is not an absolute path\n" },
	{ "api http on * { workers 1 } x", "1: 'x' is one word too many\n" },
	{ "limit x { max-peers 1 }", "1: 'x' is one word too many\n" },
};

/* "N: text" becomes "FILE:N: text", and @ FILE. */
static char *
with_file(const char *lines, const char *file)
{
	char *out;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	bool begins = true;

	for (; *lines != '\0'; lines++) {
		if (begins)
			(void)fprintf(f, "%s:", file);
		if (*lines == '@')
			(void)fputs(file, f);
		else
			(void)fputc(*lines, f);
		begins = *lines == '\n';
	}
	assert_int_equal(fclose(f), 0);
	return out;
}

static void
test_bad(void **state)
{
	char *errors, *want;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(load_text(&conf, bad[i].text, &errors), 0);
		want = with_file(bad[i].errors, path_of("t"));
		if (strcmp(errors, want) != 0)
			fail_msg("\"%s\":\n%swanted:\n%s", bad[i].text, errors,
			    want);
		config_free(&conf);
		free(errors);
		free(want);
	}
}

static void
expect_error(const char *path, const char *part)
{
	char *errors;

	assert_int_not_equal(load_path(&conf, path, &errors), 0);
	if (strstr(errors, part) == NULL)
		fail_msg("%s: \"%s\" not in:\n%s", path, part, errors);
	config_free(&conf);
	free(errors);
}

static void
test_files(void **state)
{
	static char big[LEX_FILE_MAX + 2], line[LEX_LINE_MAX + 2];
	char *errors;

	(void)state;
	expect_error(path_of("missing"), "missing:1: open: ");
	expect_error(dir, ":1: not a plain file");
	(void)write_file("w", "", 0);
	assert_int_equal(chmod(path_of("w"), 0620), 0);
	expect_error(path_of("w"), "w:1: writable by group or others");
	assert_int_equal(chmod(path_of("w"), 0602), 0);
	expect_error(path_of("w"), "w:1: writable by group or others");
	expect_error(write_file("nul", "network x\n\0y", 12),
	    "nul:2: byte 0x00: this is no text file");
	memset(big, '\n', sizeof(big));
	expect_error(write_file("big", big, LEX_FILE_MAX + 1),
	    "big:1048577: file larger than 1M");
	assert_int_equal(
	    load_path(&conf, write_file("big", big, LEX_FILE_MAX), &errors), 0);
	config_free(&conf);
	free(errors);
	memset(line, '#', sizeof(line));
	assert_int_equal(
	    load_path(&conf, write_file("line", line, LEX_LINE_MAX), &errors),
	    0);
	config_free(&conf);
	free(errors);
	expect_error(write_file("line", line, LEX_LINE_MAX + 1),
	    "line:1: line longer than 4096 bytes");
	memset(line, 'x', sizeof(line));
	expect_error(write_file("line", line, LEX_LINE_MAX),
	    "line:1: unknown word 'xxx");
}

static void
test_missing_is_fine_when_optional(void **state)
{
	(void)state;
	config_defaults(&conf, true);
	assert_int_equal(config_load(&conf, path_of("missing"), true, stderr),
	    0);
	assert_int_equal(config_check(&conf, stderr), 0);
	assert_string_equal(conf.node_key, "/var/lib/warren/node.key");
	assert_non_null(strstr(conf.text, "# default"));
	check_round_trip(&conf);
	config_free(&conf);
}

static void
test_many_errors(void **state)
{
	char *errors, *p;
	char text[3000];
	unsigned lines = 0;

	(void)state;
	memset(text, '\n', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (p = text; p < text + sizeof(text) - 2; p += 2)
		*p = 'x';
	assert_int_equal(load_text(&conf, text, &errors), 101);
	for (p = errors; *p != '\0'; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 101);
	assert_non_null(strstr(errors, "too many errors\n"));
	free(errors);
}

static char *
format(const char *fmt, const char *arg)
{
	static char text[4][512];
	static unsigned turn;
	char *p = text[turn++ % 4];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(p, sizeof(text[0]), fmt, arg);
#pragma GCC diagnostic pop
	return p;
}

static void
test_include(void **state)
{
	char *errors;

	(void)state;
	assert_int_equal(mkdir(path_of("d"), 0700), 0);
	(void)write_file("d/1.conf", "stun keepalive 1s\nm = \"x\"\n", 26);
	(void)write_file("d/2.conf", "stun keepalive 2s\nlisten peer no\n", 33);
	assert_int_equal(load_text(&conf,
			     format("stun keepalive 5s\nlisten peer on ::1\n"
				    "include \"%s/d/*.conf\"\nnode name $m\n",
				 dir),
			     &errors),
	    0);
	/* Sorted, and the later include wins. */
	assert_int_equal(conf.stun.keepalive_ms, 2000);
	assert_string_equal(conf.node_name, "x");
	assert_int_equal(conf.origins[W_STUN_KEEPALIVE].line, 1);
	assert_string_equal(conf.origins[W_STUN_KEEPALIVE].file,
	    path_of("d/2.conf"));
	assert_non_null(strstr(conf.text, "listen peer no"));
	assert_non_null(strstr(conf.text, "d/2.conf:1"));
	check_round_trip(&conf);
	config_free(&conf);
	free(errors);

	/* After the include, the main file comes too late. */
	(void)load_text(&conf,
	    format("include \"%s/d/1.conf\"\nstun keepalive 5s\n", dir),
	    &errors);
	assert_non_null(strstr(errors,
	    "t:2: 'stun keepalive' is set twice "
	    "(first at "));
	free(errors);

	/* An included file's errors are its own; nothing follows from them. */
	assert_int_equal(chmod(path_of("d/1.conf"), 0666), 0);
	assert_int_equal(
	    load_text(&conf,
		format("include \"%s/d/1.conf\"\nnode name $m\n", dir),
		&errors),
	    1);
	assert_non_null(strstr(errors, "d/1.conf:1: writable by group"));
	free(errors);

	(void)write_file("loop", format("include \"%s/loop\"", dir),
	    strlen(format("include \"%s/loop\"", dir)));
	expect_error(path_of("loop"), "loop:1: include: more than 8 deep");
}

static void
test_define(void **state)
{
	char *errors;

	(void)state;
	assert_int_equal(config_define("noequals"), -1);
	assert_int_equal(config_define("1x=y"), -1);
	assert_int_equal(config_define("=y"), -1);
	assert_int_equal(config_define("from_cli=first"), 0);
	assert_int_equal(config_define("from_cli=over"), 0);
	assert_int_equal(load_text(&conf,
			     "from_cli = \"under\"\nnode name $from_cli\n",
			     &errors),
	    0);
	assert_string_equal(conf.node_name, "over");
	config_free(&conf);
	free(errors);
}

static void
test_values(void **state)
{
	const struct msg_peerd_peer *p;
	char *errors, buf[NADDR_STR];

	(void)state;
	assert_int_equal(
	    load_text(&conf,
		"listen peer on 10.0.0.5 port 1 advertise 192.0.2.1 port 2\n"
		"control /run/a restricted\n"
		"bootstrap b.example key " KEY_A " static retry 1m\n"
		"peer p { address ::1 port 4 }\n"
		"address-policy allow private reserved\n"
		"api http on * port 80 { rate 7 per 2s, blacklist 2 for 3m }\n"
		"ban 203.0.113.77/24 for 2h\n"
		"log file /x level error\n"
		"supervise restarts 9 per 2m\n",
		&errors),
	    0);
	free(errors);
	assert_int_equal(conf.n_listens, 3);
	assert_int_equal(conf.listens[1].service, SVC_LINK);
	assert_string_equal(naddr_str(&conf.listens[1].addr, buf),
	    "10.0.0.5:1");
	assert_string_equal(naddr_str(&conf.listens[1].advertise, buf),
	    "192.0.2.1:2");
	assert_true(conf.listens[2].both_families);
	assert_int_equal(conf.listens[2].addr.port, 80);
	assert_int_equal(conf.n_controls, 1);
	assert_true(conf.controls[0].restricted);
	assert_int_equal(conf.controls[0].mode, 0660);
	assert_int_equal(conf.n_peers, 2);
	p = &conf.peers[0].p;
	assert_int_equal(p->origin, PEERD_STATIC);
	assert_int_equal(p->port, 38080);
	assert_int_equal(p->retry_ms, 60000);
	assert_int_equal(p->max_retries, 5);
	assert_true(p->has_key);
	assert_int_equal(p->key[1], 0x11);
	p = &conf.peers[1].p;
	assert_int_equal(p->origin, PEERD_PINNED);
	assert_string_equal(p->name, "p");
	assert_string_equal(p->host, "::1");
	assert_int_equal(p->max_retries, 0);
	assert_int_equal(conf.address_allow,
	    ADDR_ALLOW_PRIVATE | ADDR_ALLOW_RESERVED);
	assert_int_equal(conf.api.max_requests, 7);
	assert_int_equal(conf.api.window_ms, 2000);
	assert_int_equal(conf.api.blacklist_ms, 180000);
	assert_string_equal(conf.bans[0].what, "203.0.113.0/24");
	assert_int_equal(conf.bans[0].for_s, 7200);
	assert_int_equal(conf.log_dest, LOG_TO_FILE);
	assert_int_equal(conf.log_level, LOG_LVL_ERROR);
	assert_int_equal(conf.restarts_max, 9);
	config_free(&conf);
}

static void
test_user_paths(void **state)
{
	(void)state;
	assert_int_equal(setenv("XDG_STATE_HOME", "/x/state", 1), 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", "/x/run", 1), 0);
	config_defaults(&conf, false);
	assert_string_equal(conf.state_dir, "/x/state/warren");
	assert_string_equal(conf.controls[0].path, "/x/run/warren/warren.sock");
	assert_string_equal(conf.libexec_dir[0] == '/' ? "/" : "", "/");
	assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
	assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
	assert_int_equal(setenv("HOME", "/h", 1), 0);
	config_defaults(&conf, false);
	assert_string_equal(conf.state_dir, "/h/.local/state/warren");
	assert_string_equal(conf.controls[0].path,
	    "/h/.local/state/warren/run/warren.sock");
}

static void
test_diff(void **state)
{
	static struct config other;
	char *errors, *diff;
	size_t len;
	FILE *f;

	(void)state;
	assert_int_equal(load_text(&conf, "# moved\nban ::1\n", &errors), 0);
	free(errors);
	assert_int_equal(
	    load_text(&other,
		"ban ::1\nstun keepalive 9s\nlimit { max-peers 63 }\n",
		&errors),
	    0);
	free(errors);
	f = open_memstream(&diff, &len);
	assert_false(config_diff(&conf, &other, f));
	(void)fclose(f);
	assert_string_equal(diff,
	    "changed stun keepalive\nchanged limit max-peers\n");
	free(diff);
	config_free(&other);
	assert_int_equal(load_text(&other,
			     "listen peer on ::1 port 1\nnode key /k\n"
			     "api http on * { workers 3 }\n",
			     &errors),
	    0);
	free(errors);
	f = open_memstream(&diff, &len);
	assert_true(config_diff(&conf, &other, f));
	(void)fclose(f);
	assert_string_equal(diff,
	    "restart needed: node key\nrestart needed: listen peer\n"
	    "changed ban\nrestart needed: api http workers\n");
	free(diff);
	config_free(&other);
	assert_int_equal(
	    load_text(&other, "ban ::1\nlog syslog level warn\n", &errors), 0);
	free(errors);
	f = open_memstream(&diff, &len);
	assert_false(config_diff(&conf, &other, f));
	(void)fclose(f);
	assert_string_equal(diff, "changed log\n");
	free(diff);
	config_free(&conf);
	config_free(&other);
}

static void
test_echo_wants_loopback(void **state)
{
	char *errors;
	size_t len;
	FILE *f = open_memstream(&errors, &len);

	(void)state;
	config_defaults(&conf, true);
	conf.test_echo = true;
	assert_int_equal(config_load(&conf, path_of("missing"), true, f), 0);
	assert_int_equal(config_check(&conf, f), 3);
	(void)fclose(f);
	assert_non_null(strstr(errors,
	    "(default):0: --test-echo wants every listener on loopback\n"));
	free(errors);
}

/* The extremes of every number must pass the messages to the children. */
static void
test_extremes_fit_messages(void **state)
{
	static uint8_t buf[2048];
	const struct conf_row *r;
	struct wr w;
	int max;

	(void)state;
	for (max = 0; max < 2; max++) {
		config_defaults(&conf, true);
		for (r = conf_rows; r < conf_rows + CONF_WORDS; r++)
			if (r->max > 0)
				conf_row_set(r, &conf, max ? r->max : r->min);
		wr_init(&w, buf, sizeof(buf));
		msg_put_body(&w, &schema_peerd_config, &conf.peer);
		msg_put_body(&w, &schema_stund_config, &conf.stun);
		conf.api.workers = conf.api_workers;
		msg_put_body(&w, &schema_apid_config, &conf.api);
		assert_false(w.bad);
	}
}

static char *
read_source(const char *name)
{
	char *text = calloc(1, 1u << 18);
	FILE *f = fopen(name, "r");

	if (f == NULL || text == NULL) {
		free(text);
		if (f != NULL)
			(void)fclose(f);
		return NULL;
	}
	(void)!fread(text, 1, (1u << 18) - 1, f);
	(void)fclose(f);
	return text;
}

/* The shipped file loads, as it stands and with every example switched on. */
static void
test_sample(void **state)
{
	char *text = read_source("etc/warren.conf"), *errors, *p;

	(void)state;
	if (text == NULL)
		skip();
	if (load_text(&conf, text, &errors) != 0)
		fail_msg("%s", errors);
	config_free(&conf);
	free(errors);
	/* "#word" is a setting that is off, "# text" is a comment. */
	for (p = text; *p != '\0'; p++)
		if (*p == '#' && (p == text || p[-1] == '\n') && p[1] != ' ' &&
		    p[1] != '\n')
			*p = ' ';
	if (load_text(&conf, text, &errors) != 0)
		fail_msg("%s", errors);
	check_round_trip(&conf);
	config_free(&conf);
	free(errors);
	free(text);
}

/* Every word stands in the sample and in the manual page. */
static void
test_words_are_documented(void **state)
{
	char *sample = read_source("etc/warren.conf");
	char *page = read_source("man/warren.conf.5");
	const struct conf_row *r;

	(void)state;
	if (sample == NULL || page == NULL)
		skip();
	for (r = conf_rows; r < conf_rows + CONF_WORDS; r++) {
		if (strstr(sample, r->word) == NULL)
			fail_msg("'%s' is not in etc/warren.conf", r->word);
		if (strstr(page, r->word) == NULL)
			fail_msg("'%s' is not in the manual page", r->word);
	}
	free(sample);
	free(page);
}

/* The examples of the manual page load: literal displays after EXAMPLES. */
static void
test_page_examples(void **state)
{
	char *page = read_source("man/warren.conf.5"), *p, *q, *end, *errors;
	size_t len;
	unsigned n = 0;

	(void)state;
	if (page == NULL)
		skip();
	p = strstr(page, ".Sh EXAMPLES");
	assert_non_null(p);
	while ((p = strstr(p, ".Bd -literal")) != NULL) {
		p += strcspn(p, "\n") + 1;
		end = strstr(p, "\n.Ed");
		assert_non_null(end);
		*end = '\0';
		len = (size_t)(end - p);
		for (q = p; (q = strstr(q, "\\e")) != NULL;)
			memmove(q + 1, q + 2, strlen(q + 2) + 1);
		if (load_text(&conf, p, &errors) != 0)
			fail_msg("%s\n%s", errors, p);
		config_free(&conf);
		free(errors);
		p += len + 1; /* what was taken out has moved it */
		n++;
	}
	assert_true(n >= 3);
	free(page);
}

static int
setup(void **state)
{
	(void)state;
	(void)umask(077);
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = { "t", "again", "w", "nul", "big",
		"line", "d/1.conf", "d/2.conf", "loop" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(path_of(names[i]));
	(void)rmdir(path_of("d"));
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_missing_is_fine_when_optional),
		cmocka_unit_test(test_many_errors),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_define),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_user_paths),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_echo_wants_loopback),
		cmocka_unit_test(test_extremes_fit_messages),
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_words_are_documented),
		cmocka_unit_test(test_page_examples),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
