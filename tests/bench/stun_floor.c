/* SPDX-License-Identifier: ISC */
/*
 * The cheapest STUN server there can be: a blocking recvfrom(), twelve bytes
 * of answer, a sendto().  No limits, no checks, no event loop, no sandbox,
 * IPv4 alone.  What a machine gives for this bounds what Warren can reach on
 * it with requests that come singly, and tells how quiet the machine is.
 *
 *	stun_floor PORT		on 127.0.0.1
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/bytes.h"

#define COOKIE 0x2112a442u

static void
answer(int fd, const uint8_t *ask, const struct sockaddr_in *to)
{
	uint8_t out[32];

	memcpy(out, ask, 20);
	put_u16(out, 0x0101);
	put_u16(out + 2, 12);
	put_u16(out + 20, 0x0020); /* XOR-MAPPED-ADDRESS */
	put_u16(out + 22, 8);
	put_u16(out + 24, 1);
	put_u16(out + 26, (uint16_t)(ntohs(to->sin_port) ^ (COOKIE >> 16)));
	put_u32(out + 28, ntohl(to->sin_addr.s_addr) ^ COOKIE);
	(void)sendto(fd, out, sizeof(out), 0, (const struct sockaddr *)to,
	    sizeof(*to));
}

int
main(int argc, char **argv)
{
	struct sockaddr_in own = { .sin_family = AF_INET }, from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len;
	uint8_t in[1500];

	if (argc != 2)
		return 64;
	own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	own.sin_port = htons((uint16_t)atoi(argv[1]));
	if (fd == -1 || bind(fd, (struct sockaddr *)&own, sizeof(own)) == -1)
		return 69;
	for (;;) {
		len = sizeof(from);
		if (recvfrom(fd, in, sizeof(in), 0, (struct sockaddr *)&from,
			&len) >= 20)
			answer(fd, in, &from);
	}
}
