/* SPDX-License-Identifier: ISC */
/*
 * How fast app packets are written and read: base64 alone, and whole Sends.
 * Prints GB of payload per CPU second, and packets.
 *   usage: app_codec_bench [SECONDS-PER-ROW]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "appd/app_json.h"
#include "appd/base64.h"
#include "appd/packet.h"
#include "common/assert.h"

static uint8_t bytes[APP_PIECE_MAX], back[APP_PIECE_MAX], wire[PACKET_MAX];
static char text[BASE64_TEXT_LEN(APP_PIECE_MAX)];
static double row_s = 1;

static double
cpu_s(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static size_t
do_encode(size_t len)
{
	return base64_encode(text, bytes, len);
}

static size_t
do_decode(size_t len)
{
	size_t n;

	ASSERT(base64_decode(back, &n, text, BASE64_TEXT_LEN(len)) == 0);
	return n;
}

static const struct app_loop loop = { { { 0x4e, 0xc4 }, 10 },
	{ { 0x48, 0xc9 }, 11 } };

static size_t
do_put(size_t len)
{
	size_t n;

	n = app_json_put_send((char *)wire + PACKET_HEAD, PACKET_BODY_MAX,
	    &loop, APP_FORM_ADDR, bytes, len);
	ASSERT(n > 0);
	packet_put_head(wire, PACKET_SEND, 0, n);
	return PACKET_HEAD + n;
}

static size_t
do_get(size_t len)
{
	struct app_send s;
	struct packet p;
	size_t n;

	(void)len;
	ASSERT(packet_next(wire, sizeof(wire), &p) > 0);
	ASSERT(app_json_get_send(p.body, p.body_len, &s) == APP_JSON_OK);
	ASSERT(app_send_decode(&s, back, &n) == 0);
	return n;
}

static void
row(const char *name, size_t (*step)(size_t len), size_t len)
{
	double began = cpu_s(), took;
	size_t n = 0, i;

	do {
		for (i = 0; i < 64; i++)
			ASSERT(step(len) > 0);
		n += i;
		took = cpu_s() - began;
	} while (took < row_s);
	printf("%-14s %6zu bytes  %6.2f GB/s  %9.0f a second\n", name, len,
	    (double)n * (double)len / took / 1e9, (double)n / took);
}

int
main(int argc, char **argv)
{
	static const size_t lens[] = { APP_PIECE_MAX, 1024, 64 };
	size_t i;

	if (argc > 1)
		row_s = strtod(argv[1], NULL);
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 151 + i / 256);
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		row("base64 encode", do_encode, lens[i]);
		row("base64 decode", do_decode, lens[i]);
		row("send write", do_put, lens[i]);
		row("send read", do_get, lens[i]);
	}
	ASSERT(memcmp(bytes, back, lens[i - 1]) == 0);
	return 0;
}
