/* SPDX-License-Identifier: ISC */
/*
 * CRC-32, eight bytes a step.  table[k][n] is what byte n contributes when k
 * more bytes follow it.  The checksum is linear over xor, so a row follows
 * from its entries at the eight powers of two; the compiler does the sums.
 */
#include "stund/crc32.h"

/* clang-format off */
#define BIT(n, b, c) (((n) >> (b) & 1u) != 0 ? (c) : 0u)
#define MIX(n, a, b, c, d, e, f, g, h)                                         \
	(BIT(n, 0, a) ^ BIT(n, 1, b) ^ BIT(n, 2, c) ^ BIT(n, 3, d) ^           \
	 BIT(n, 4, e) ^ BIT(n, 5, f) ^ BIT(n, 6, g) ^ BIT(n, 7, h))

#define E0(n) MIX(n, 0x77073096, 0xee0e612c, 0x076dc419, 0x0edb8832,           \
	0x1db71064, 0x3b6e20c8, 0x76dc4190, 0xedb88320)
#define E1(n) MIX(n, 0x191b3141, 0x32366282, 0x646cc504, 0xc8d98a08,           \
	0x4ac21251, 0x958424a2, 0xf0794f05, 0x3b83984b)
#define E2(n) MIX(n, 0x01c26a37, 0x0384d46e, 0x0709a8dc, 0x0e1351b8,           \
	0x1c26a370, 0x384d46e0, 0x709a8dc0, 0xe1351b80)
#define E3(n) MIX(n, 0xb8bc6765, 0xaa09c88b, 0x8f629757, 0xc5b428ef,           \
	0x5019579f, 0xa032af3e, 0x9b14583d, 0xed59b63b)
#define E4(n) MIX(n, 0x3d6029b0, 0x7ac05360, 0xf580a6c0, 0x30704bc1,           \
	0x60e09782, 0xc1c12f04, 0x58f35849, 0xb1e6b092)
#define E5(n) MIX(n, 0xcb5cd3a5, 0x4dc8a10b, 0x9b914216, 0xec53826d,           \
	0x03d6029b, 0x07ac0536, 0x0f580a6c, 0x1eb014d8)
#define E6(n) MIX(n, 0xa6770bb4, 0x979f1129, 0xf44f2413, 0x33ef4e67,           \
	0x67de9cce, 0xcfbd399c, 0x440b7579, 0x8816eaf2)
#define E7(n) MIX(n, 0xccaa009e, 0x4225077d, 0x844a0efa, 0xd3e51bb5,           \
	0x7cbb312b, 0xf9766256, 0x299dc2ed, 0x533b85da)

#define R4(E, n)   E(n), E((n) + 1u), E((n) + 2u), E((n) + 3u)
#define R16(E, n)  R4(E, n), R4(E, (n) + 4u), R4(E, (n) + 8u), R4(E, (n) + 12u)
#define R64(E, n)  R16(E, n), R16(E, (n) + 16u), R16(E, (n) + 32u),            \
	R16(E, (n) + 48u)
#define ROW(E)     { R64(E, 0u), R64(E, 64u), R64(E, 128u), R64(E, 192u) }

static const uint32_t table[8][256] = {
	ROW(E0), ROW(E1), ROW(E2), ROW(E3), ROW(E4), ROW(E5), ROW(E6), ROW(E7)
};
/* clang-format on */

/* Little-endian, the order in which this CRC takes its bits. */
static uint32_t
word(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

uint32_t
crc32_of(const uint8_t *buf, size_t len)
{
	uint32_t crc = 0xffffffff, a, b;

	for (; len >= 8; buf += 8, len -= 8) {
		a = crc ^ word(buf);
		b = word(buf + 4);
		crc = table[7][a & 0xff] ^ table[6][a >> 8 & 0xff] ^
		    table[5][a >> 16 & 0xff] ^ table[4][a >> 24] ^
		    table[3][b & 0xff] ^ table[2][b >> 8 & 0xff] ^
		    table[1][b >> 16 & 0xff] ^ table[0][b >> 24];
	}
	for (; len > 0; buf++, len--)
		crc = crc >> 8 ^ table[0][(crc ^ *buf) & 0xff];
	return ~crc;
}
