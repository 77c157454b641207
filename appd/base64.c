/* SPDX-License-Identifier: ISC */
/*
 * Base64, as promised in base64.h.  Six bytes or eight characters a step: the
 * encoder looks up twelve bits at a time, the decoder one character, in a
 * table for its place among four.
 */
#include "appd/base64.h"

#include <string.h>

/* The alphabet as X(value, character), in order. */
#define ALPHABET(X)                                                            \
	X(0, 'A')                                                              \
	X(1, 'B')                                                              \
	X(2, 'C') X(3, 'D') X(4, 'E') X(5, 'F') X(6, 'G') X(7, 'H') X(8,       \
	    'I') X(9, 'J') X(10, 'K') X(11, 'L') X(12, 'M') X(13, 'N') X(14,   \
	    'O') X(15, 'P') X(16, 'Q') X(17, 'R') X(18, 'S') X(19, 'T') X(20,  \
	    'U') X(21, 'V') X(22, 'W') X(23, 'X') X(24, 'Y') X(25, 'Z')        \
	    X(26, 'a') X(27, 'b') X(28, 'c') X(29, 'd') X(30, 'e') X(31, 'f')  \
		X(32, 'g') X(33, 'h') X(34, 'i') X(35, 'j') X(36, 'k')         \
		    X(37, 'l') X(38, 'm') X(39, 'n') X(40, 'o') X(41, 'p')     \
			X(42, 'q') X(43, 'r') X(44, 's') X(45, 't') X(46, 'u') \
			    X(47, 'v') X(48, 'w') X(49, 'x') X(50, 'y')        \
				X(51, 'z') X(52, '0') X(53, '1') X(54, '2')    \
				    X(55, '3') X(56, '4') X(57, '5')           \
					X(58, '6') X(59, '7') X(60, '8')       \
					    X(61, '9') X(62, '+') X(63, '/')

/* Both characters of twelve bits, 8 KiB; a row for each first character. */
#define ROW(first)                                                             \
	P(first, 'A')                                                          \
	P(first, 'B')                                                          \
	P(first, 'C') P(first, 'D') P(first, 'E') P(first, 'F') P(first, 'G')  \
	    P(first, 'H') P(first, 'I') P(first, 'J') P(first, 'K') P(first,   \
		'L') P(first, 'M') P(first, 'N') P(first, 'O') P(first,        \
		'P') P(first, 'Q') P(first, 'R') P(first, 'S') P(first,        \
		'T') P(first, 'U') P(first, 'V') P(first, 'W') P(first,        \
		'X') P(first, 'Y') P(first, 'Z') P(first, 'a') P(first,        \
		'b') P(first, 'c') P(first, 'd') P(first, 'e') P(first,        \
		'f') P(first, 'g') P(first, 'h') P(first, 'i') P(first,        \
		'j') P(first, 'k') P(first, 'l') P(first, 'm') P(first, 'n')   \
		P(first, 'o') P(first, 'p') P(first, 'q') P(first, 'r')        \
		    P(first, 's') P(first, 't') P(first, 'u') P(first, 'v')    \
			P(first, 'w') P(first, 'x') P(first, 'y')              \
			    P(first, 'z') P(first, '0') P(first, '1')          \
				P(first, '2') P(first, '3') P(first, '4')      \
				    P(first, '5') P(first, '6') P(first, '7')  \
					P(first, '8') P(first, '9')            \
					    P(first, '+') P(first, '/')
#define P(first, second)   { first, second },
#define EACH_ROW(value, c) ROW(c)

static const char pairs[64 * 64][2] = { ALPHABET(EACH_ROW) };

/*
 * What a character means in each of the four places: its six bits where they
 * belong in the 24, and above those a bit of the place's own, which says that
 * the character is one of ours.
 */
#define SHIFT_0      18
#define SHIFT_1      12
#define SHIFT_2      6
#define SHIFT_3      0
#define MARK(place)  (UINT32_C(1) << (24 + (place)))
#define MARKS        (MARK(0) | MARK(1) | MARK(2) | MARK(3))
#define D0(value, c) [c] = MARK(0) | UINT32_C(value) << SHIFT_0,
#define D1(value, c) [c] = MARK(1) | UINT32_C(value) << SHIFT_1,
#define D2(value, c) [c] = MARK(2) | UINT32_C(value) << SHIFT_2,
#define D3(value, c) [c] = MARK(3) | UINT32_C(value) << SHIFT_3,

static const uint32_t digits[4][256] = {
	{ ALPHABET(D0) },
	{ ALPHABET(D1) },
	{ ALPHABET(D2) },
	{ ALPHABET(D3) },
};

/* Both compile to one load or store and a byte swap. */
static inline uint64_t
load_u64(const uint8_t *p)
{
	return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 |
	    (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 |
	    (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | (uint64_t)p[7];
}

static inline void
store_u64(uint8_t *p, uint64_t v)
{
	p[0] = (uint8_t)(v >> 56);
	p[1] = (uint8_t)(v >> 48);
	p[2] = (uint8_t)(v >> 40);
	p[3] = (uint8_t)(v >> 32);
	p[4] = (uint8_t)(v >> 24);
	p[5] = (uint8_t)(v >> 16);
	p[6] = (uint8_t)(v >> 8);
	p[7] = (uint8_t)v;
}

static inline uint32_t
quad(const uint8_t *p)
{
	return digits[0][p[0]] | digits[1][p[1]] | digits[2][p[2]] |
	    digits[3][p[3]];
}

size_t
base64_encode(char *out, const uint8_t *in, size_t len)
{
	char *p = out;
	uint64_t v;

	/* It takes six bytes and looks at eight. */
	for (; len >= 8; in += 6, len -= 6, p += 8) {
		v = load_u64(in);
		memcpy(p, pairs[v >> 52], 2);
		memcpy(p + 2, pairs[v >> 40 & 4095], 2);
		memcpy(p + 4, pairs[v >> 28 & 4095], 2);
		memcpy(p + 6, pairs[v >> 16 & 4095], 2);
	}
	for (; len >= 3; in += 3, len -= 3, p += 4) {
		v = (uint64_t)in[0] << 16 | (uint64_t)in[1] << 8 | in[2];
		memcpy(p, pairs[v >> 12], 2);
		memcpy(p + 2, pairs[v & 4095], 2);
	}
	if (len > 0) {
		v = (uint64_t)in[0] << 16 |
		    (len > 1 ? (uint64_t)in[1] << 8 : 0);
		memcpy(p, pairs[v >> 12], 2);
		p[2] = len > 1 ? pairs[v & 4095][0] : '=';
		p[3] = '=';
		p += 4;
	}
	return (size_t)(p - out);
}

size_t
base64_bytes(const void *in, size_t len)
{
	const uint8_t *p = in;
	size_t n = BASE64_BYTES_MAX(len);

	if (len >= 4 && p[len - 1] == '=')
		n -= p[len - 2] == '=' ? 2 : 1;
	return n;
}

/* The last four characters, which may be padded: 1 to 3 bytes, or 0: bad. */
static size_t
last_quad(uint8_t *out, const uint8_t *in)
{
	uint8_t q[4];
	uint32_t v;
	size_t n = 3;

	memcpy(q, in, sizeof(q));
	if (q[3] == '=') {
		n = q[2] == '=' ? 1 : 2;
		q[3] = 'A';
		if (n == 1)
			q[2] = 'A';
	}
	v = quad(q);
	if ((v & MARKS) != MARKS ||
	    (v & (0xffffffU >> (8 * n)) & 0xffffff) != 0)
		return 0;
	out[0] = (uint8_t)(v >> 16);
	if (n > 1)
		out[1] = (uint8_t)(v >> 8);
	if (n > 2)
		out[2] = (uint8_t)v;
	return n;
}

int
base64_decode(uint8_t *out, size_t *out_len, const void *in, size_t len)
{
	const uint8_t *src = in;
	uint8_t *dst = out;
	uint32_t a, b, ok = MARKS;
	size_t n;

	*out_len = 0;
	if (len % 4 != 0)
		return -1;
	if (len == 0)
		return 0;
	/*
	 * It makes six bytes and writes eight, never past what it has read;
	 * the two too many are within what the characters left will make.
	 */
	for (; len > 12; src += 8, len -= 8, dst += 6) {
		a = quad(src);
		b = quad(src + 4);
		ok &= a & b;
		store_u64(dst,
		    (uint64_t)(a & 0xffffff) << 40 |
			(uint64_t)(b & 0xffffff) << 16);
	}
	for (; len > 4; src += 4, len -= 4, dst += 3) {
		a = quad(src);
		ok &= a;
		dst[0] = (uint8_t)(a >> 16);
		dst[1] = (uint8_t)(a >> 8);
		dst[2] = (uint8_t)a;
	}
	n = last_quad(dst, src);
	if (n == 0 || (ok & MARKS) != MARKS)
		return -1;
	*out_len = (size_t)(dst - out) + n;
	return 0;
}
