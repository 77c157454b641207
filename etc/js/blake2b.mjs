// SPDX-License-Identifier: ISC
//
// BLAKE2b-256 (RFC 7693) with salt and personalisation: the one hash of a
// Warren network, as common/b2.h has it.  A word of 64 bits is two of a
// Uint32Array, the lower half first; with BigInt each step would allocate.
// Tested in tests/interop/jsverify_test.py.

const BLOCK = 128;
const OUT = 32;
const ROUNDS = 12;
const TWO32 = 0x100000000;

// The square roots of the first eight primes, as halves.
const IV = Uint32Array.of(
	0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85,
	0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a,
	0xade682d1, 0x510e527f, 0x2b3e6c1f, 0x9b05688c,
	0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19);

// Which words of the message a round mixes in; rounds 10 and 11 begin anew.
// Doubled below, as a word has two places.
const SIGMA = [
	[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
	[14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
	[11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
	[7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
	[9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
	[2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
	[12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
	[13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
	[6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
	[10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
].map((row) => Uint8Array.from(row, (word) => word * 2));

// Scratch of the one call that can run at a time.
const v = new Uint32Array(32);
const m = new Uint32Array(32);

// v[a] += v[b] + the word x0, x1.  The sum of the lower halves is exact, and
// storing it keeps 32 bits of it.
function add(a, b, x0, x1) {
	const low = v[a] + v[b] + x0;

	v[a] = low;
	v[a + 1] += v[b + 1] + x1 + (low / TWO32 | 0);
}

// The mixing function G of RFC 7693 section 3.1; x and y are words of m.
function mix(a, b, c, d, x, y) {
	let lo, hi;

	add(a, b, m[x], m[x + 1]);
	lo = v[d] ^ v[a];
	hi = v[d + 1] ^ v[a + 1];
	v[d] = hi; // rotated by 32
	v[d + 1] = lo;
	add(c, d, 0, 0);
	lo = v[b] ^ v[c];
	hi = v[b + 1] ^ v[c + 1];
	v[b] = lo >>> 24 | hi << 8; // by 24
	v[b + 1] = hi >>> 24 | lo << 8;
	add(a, b, m[y], m[y + 1]);
	lo = v[d] ^ v[a];
	hi = v[d + 1] ^ v[a + 1];
	v[d] = lo >>> 16 | hi << 16; // by 16
	v[d + 1] = hi >>> 16 | lo << 16;
	add(c, d, 0, 0);
	lo = v[b] ^ v[c];
	hi = v[b + 1] ^ v[c + 1];
	v[b] = lo << 1 | hi >>> 31; // by 63
	v[b + 1] = hi << 1 | lo >>> 31;
}

// One block from data[at] on, padded with zeros; done counts the bytes hashed
// up to its end.
function compress(h, data, at, done, last) {
	const end = Math.min(at + BLOCK, data.length);

	m.fill(0);
	for (let i = at; i < end; i++)
		m[i - at >> 2] |= data[i] << (i - at & 3) * 8;
	v.set(h);
	v.set(IV, 16);
	v[24] ^= done;
	v[25] ^= done / TWO32;
	if (last) {
		v[28] = ~v[28];
		v[29] = ~v[29];
	}
	for (let r = 0; r < ROUNDS; r++) {
		const s = SIGMA[r % 10];

		mix(0, 8, 16, 24, s[0], s[1]);
		mix(2, 10, 18, 26, s[2], s[3]);
		mix(4, 12, 20, 28, s[4], s[5]);
		mix(6, 14, 22, 30, s[6], s[7]);
		mix(0, 10, 20, 30, s[8], s[9]);
		mix(2, 12, 22, 24, s[10], s[11]);
		mix(4, 14, 16, 26, s[12], s[13]);
		mix(6, 8, 18, 28, s[14], s[15]);
	}
	for (let i = 0; i < 16; i++)
		h[i] ^= v[i] ^ v[i + 16];
}

/*
 * The 32 bytes of the hash of data.  person is at most 16 characters of
 * ASCII, salt 16 bytes or left out.
 */
export function blake2b256(person, data, salt) {
	const param = new Uint8Array(64);
	const h = Uint32Array.from(IV);
	const out = new Uint8Array(OUT);
	let at = 0;

	if (person.length > 16 || (salt !== undefined && salt.length !== 16))
		throw new RangeError("blake2b256: person or salt");
	param.set([OUT, 0, 1, 1]); // length, no key, fanout and depth 1
	if (salt !== undefined)
		param.set(salt, 32);
	for (let i = 0; i < person.length; i++)
		param[48 + i] = person.charCodeAt(i);
	for (let i = 0; i < 64; i++)
		h[i >> 2] ^= param[i] << (i & 3) * 8;
	for (; data.length - at > BLOCK; at += BLOCK)
		compress(h, data, at, at + BLOCK, false);
	compress(h, data, at, data.length, true);
	for (let i = 0; i < OUT; i++)
		out[i] = h[i >> 2] >>> (i & 3) * 8;
	return out;
}
