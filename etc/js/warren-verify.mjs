// SPDX-License-Identifier: ISC
//
// Checking what a Warren node answered, by its proof, against a root that
// came from elsewhere: from a claim, best agreed on by several nodes.  For
// thin clients in a browser or in Node.js 18 and later; nothing else is
// needed.  Format and reasons are in warren-records(7); common/verify.h and
// common/claim.h are the same in C.  Tested against the golden vectors and a
// real node in tests/interop/jsverify_test.py.
//
// Bytes are Uint8Array: keys, rids, hashes and netids of 32.  What has 64
// bits (tick, count, sum) is a BigInt.  A root is { netid, tick, root, count,
// sum }, as verifyClaim() returns it.  A question is the first bits bits of a
// prefix of 32 bytes, 0..256; a key is one of 256.
//
// What cannot be verified is thrown as a VerifyError: nobody can forget to
// look.  What is returned is proven.

import { blake2b256 } from "./blake2b.mjs";

const BUCKET = 8; // records of a leaf at most
const KEY_BITS = 256;
const PROOF_MAX = 16384;
const CLAIM_MAX = 208;
const CLAIM_BODY_MAX = 139;
const U64_MAX = 2n ** 64n - 1n;
const I64_MIN = -(2n ** 63n);
const I64_MAX = 2n ** 63n - 1n;
const I32_MIN = -(2n ** 31n);
const I32_MAX = 2n ** 31n - 1n;

const REASONS = {
	malformed: "malformed",
	tick: "of another tick",
	path: "leads elsewhere, or stops short of an answer",
	sum: "counts or sums overflow",
	root: "of another root",
	differs: "differs from what was said",
	network: "of another network",
	node: "of another node",
	signature: "not signed by its node",
};

/* err.code is one of the words above. */
export class VerifyError extends Error {
	constructor(code) {
		super(REASONS[code]);
		this.name = "VerifyError";
		this.code = code;
	}
}

function need(holds, code) {
	if (!holds)
		throw new VerifyError(code);
}

/* --- bytes --- */

export function toHex(bytes) {
	return Array.from(bytes, (b) => b.toString(16).padStart(2, "0"))
	    .join("");
}

export function fromHex(text) {
	need(typeof text === "string" && text.length % 2 === 0 &&
	    /^[0-9a-f]*$/i.test(text), "malformed");
	return Uint8Array.from({ length: text.length / 2 },
	    (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

const ascii = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));

function concat(...parts) {
	const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;

	for (const p of parts) {
		out.set(p, at);
		at += p.length;
	}
	return out;
}

// Eight bytes, the most significant first; a negative number as its two's
// complement.
function be64(number) {
	const out = new Uint8Array(8);

	new DataView(out.buffer).setBigUint64(0, BigInt.asUintN(64, number));
	return out;
}

// Below, at and above zero as a sorts before, with or behind b.
function compare(a, b) {
	for (let i = 0; i < a.length && i < b.length; i++)
		if (a[i] !== b[i])
			return a[i] - b[i];
	return a.length - b.length;
}

const same = (a, b) => compare(a, b) === 0;

// Our caller's mistakes are no verdict: these are TypeErrors.
function mustBeBytes(bytes, length) {
	if (!(bytes instanceof Uint8Array) ||
	    (length !== undefined && bytes.length !== length))
		throw new TypeError(`not ${length ?? "a Uint8Array of"} bytes`);
}

/* --- canonical msgpack, read strictly: one value has one encoding --- */

class Reader {
	constructor(bytes) {
		this.bytes = bytes;
		this.at = 0;
	}

	take(n) {
		need(n <= this.bytes.length - this.at, "malformed");
		this.at += n;
		return this.bytes.subarray(this.at - n, this.at);
	}

	byte() {
		return this.take(1)[0];
	}

	// n bytes as a number, the most significant first.
	number(n) {
		let v = 0n;

		for (const b of this.take(n))
			v = v << 8n | BigInt(b);
		return v;
	}

	// The length of an array.
	array(max) {
		const b = this.byte();
		let n = b & 0x0f;

		if (b === 0xdc) {
			n = Number(this.number(2));
			need(n >= 16, "malformed");
		} else {
			need(b >= 0x90 && b <= 0x9f, "malformed");
		}
		need(n <= max, "malformed");
		return n;
	}

	arity(n) {
		need(this.array(n) === n, "malformed");
	}

	// What a lead byte b of an unsigned number announces.
	unsigned(b) {
		if (b <= 0x7f)
			return BigInt(b);
		need(b >= 0xcc && b <= 0xcf, "malformed");
		const n = 1 << b - 0xcc;
		const v = this.number(n);

		need(v >= (n === 1 ? 0x80n : 1n << BigInt(n * 4)), "malformed");
		return v;
	}

	uint(max) {
		const v = this.unsigned(this.byte());

		need(v <= max, "malformed");
		return v;
	}

	int(min, max) {
		const b = this.byte();
		let v;

		if (b >= 0xe0) {
			v = BigInt(b - 0x100);
		} else if (b >= 0xd0 && b <= 0xd3) {
			const n = 1 << b - 0xd0;

			v = BigInt.asIntN(n * 8, this.number(n));
			need(v < (n === 1 ? -32n : -(1n << BigInt(n * 4 - 1))),
			    "malformed");
		} else {
			v = this.unsigned(b);
		}
		need(v >= min && v <= max, "malformed");
		return v;
	}

	// A byte string; none of ours has more than 255 bytes.
	bin(min, max = min) {
		need(this.byte() === 0xc4, "malformed");
		const n = this.byte();

		need(n >= min && n <= max, "malformed");
		return this.take(n);
	}

	end() {
		need(this.at === this.bytes.length, "malformed");
	}
}

/* --- the hashes of the tree: a node is { h, count, sum } --- */

const bitOf = (key, bit) => key[bit >> 3] >> 7 - (bit & 7) & 1;

// The first bit where a and b differ; KEY_BITS when they are equal.
function diffBit(a, b) {
	for (let i = 0; i < 32; i++)
		if (a[i] !== b[i])
			return i * 8 + Math.clz32(a[i] ^ b[i]) - 24;
	return KEY_BITS;
}

// The first bits bits of key, the rest zero.
function mask(key, bits) {
	const out = new Uint8Array(32);

	out.set(key.subarray(0, (bits + 7) >> 3));
	if (bits % 8 !== 0)
		out[bits >> 3] &= 0xff00 >> bits % 8;
	return out;
}

const nodeBytes = (n) => concat(n.h, be64(n.count), be64(n.sum));

function leaf(entries) {
	const parts = entries.map(
	    (e) => concat(e.key, e.rid, be64(BigInt(e.w))));

	return {
		h: blake2b256("WarrenLeaf1", concat(...parts)),
		count: BigInt(entries.length),
		sum: entries.reduce((sum, e) => sum + BigInt(e.w), 0n),
	};
}

// The branch at bit; key is any key below it.
function branch(bit, key, left, right) {
	const salt = new Uint8Array(16);
	const count = left.count + right.count;
	const sum = left.sum + right.sum;

	need(count <= U64_MAX && sum >= I64_MIN && sum <= I64_MAX, "sum");
	salt.set([bit >> 8, bit & 0xff]);
	const data = concat(nodeBytes(left), nodeBytes(right), mask(key, bit));
	return { h: blake2b256("WarrenNode1", data, salt), count, sum };
}

// The node over a whole sorted set, built anew.  Every level takes one bit of
// the keys at least, so this nests 257 deep at most.
function nodeOver(entries) {
	if (entries.length <= BUCKET)
		return leaf(entries);
	const bit = diffBit(entries[0].key, entries[entries.length - 1].key);
	const cut = entries.findIndex((e) => bitOf(e.key, bit) === 1);

	return branch(bit, entries[0].key, nodeOver(entries.slice(0, cut)),
	    nodeOver(entries.slice(cut)));
}

/* --- proofs --- */

// No node of a tree is empty.
function readNode(r) {
	const h = r.bin(32);
	const count = r.uint(U64_MAX);

	need(count > 0n, "malformed");
	return { h, count, sum: r.int(I64_MIN, I64_MAX) };
}

// The bit of the next branch on the way down: above the last one.
function readBit(r, steps) {
	const bit = Number(r.uint(BigInt(KEY_BITS - 1)));

	need(bit >= walked(steps), "malformed");
	return bit;
}

function readSteps(r) {
	const n = r.array(KEY_BITS * 4);
	const steps = [];

	need(n % 4 === 0, "malformed");
	while (steps.length < n / 4)
		steps.push({ bit: readBit(r, steps), sibling: readNode(r) });
	return steps;
}

function readEntries(r) {
	const n = r.array(BUCKET * 3);
	const entries = [];

	need(n % 3 === 0, "malformed");
	while (entries.length < n / 3)
		entries.push({ key: r.bin(32), rid: r.bin(32),
		    w: Number(r.int(I32_MIN, I32_MAX)) });
	need(ascending(entries), "malformed");
	return entries;
}

const ascending = (entries) => entries.every(
    (e, i) => i === 0 || compare(entries[i - 1].key, e.key) < 0);

function readBranch(r, steps) {
	const bit = readBit(r, steps);
	const bytes = r.bin((bit + 7) >> 3);
	const prefix = mask(bytes, bit);

	need(same(prefix.subarray(0, bytes.length), bytes), "malformed");
	return { bit, prefix, left: readNode(r), right: readNode(r) };
}

// Every order and range holds in what is returned, but nothing is proven.
function readProof(bytes) {
	need(bytes.length <= PROOF_MAX, "malformed");
	const r = new Reader(bytes);

	r.arity(3);
	const tick = r.uint(U64_MAX);
	const steps = readSteps(r);
	const n = r.array(9);
	const isBranch = r.uint(1n) === 1n;

	need(n === (isBranch ? 9 : 2), "malformed");
	const end = isBranch ? { branch: readBranch(r, steps) } :
	    { entries: readEntries(r) };
	r.end();
	return { tick, steps, ...end };
}

// Below every step all keys begin as the question does, up to and including
// the bit of that step.  How many bits that are at the terminal.
function walked(steps) {
	return steps.length === 0 ? 0 : steps[steps.length - 1].bit + 1;
}

// What a leaf says of the prefix: [its own node, the answer].
function endLeaf({ entries, steps }, prefix, bits) {
	// Only the empty tree has an empty leaf.
	need(entries.length > 0 || steps.length === 0, "path");
	for (const e of entries)
		need(diffBit(e.key, prefix) >= walked(steps), "path");
	const found = entries.filter((e) => diffBit(e.key, prefix) >= bits);
	const entry = bits === KEY_BITS && found.length === 1 ? found[0] : null;

	return [leaf(entries), { ...leaf(found), entry }];
}

function endBranch({ branch: at, steps }, prefix, bits) {
	const differ = diffBit(at.prefix, prefix);

	need(differ >= walked(steps), "path");
	const node = branch(at.bit, at.prefix, at.left, at.right);

	if (differ < bits && differ < at.bit)
		return [node, { ...leaf([]), entry: null }]; // contradicted
	need(at.bit >= bits, "path"); // the answer lies further down
	return [node, { ...node, entry: null }]; // all of it, nothing besides
}

// From the terminal up to the root; the prefix says which side we came from.
function fold(node, steps, prefix, bits) {
	for (const { bit, sibling } of steps.slice().reverse()) {
		need(bit < bits, "path");
		node = bitOf(prefix, bit) === 0 ?
		    branch(bit, prefix, node, sibling) :
		    branch(bit, prefix, sibling, node);
	}
	return node;
}

/*
 * What a proof says of all records under the first bits bits of prefix:
 * { h, count, sum, entry }, where h is the hash of exactly that set, and entry
 * { key, rid, w } when bits is 256 and the key is there, otherwise null.
 */
export function verifyProof(proof, root, prefix, bits) {
	mustBeBytes(proof);
	mustBeBytes(prefix, 32);
	mustBeBytes(root.netid, 32);
	mustBeBytes(root.root, 32);
	if (!Number.isInteger(bits) || bits < 0 || bits > KEY_BITS)
		throw new TypeError("not 0..256 bits");
	const p = readProof(proof);

	need(p.tick === root.tick, "tick");
	const [end, answer] = p.entries !== undefined ?
	    endLeaf(p, prefix, bits) : endBranch(p, prefix, bits);
	const top = fold(end, p.steps, prefix, bits);
	const hash = blake2b256("WarrenRoot1",
	    concat(root.netid, be64(p.tick), nodeBytes(top)));

	need(same(hash, root.root) && top.count === root.count &&
	    top.sum === root.sum, "root");
	return answer;
}

/* The record with this key has this rid; returns its w. */
export function verifyInclusion(proof, root, key, rid) {
	mustBeBytes(rid, 32);
	const { entry } = verifyProof(proof, root, key, KEY_BITS);

	need(entry !== null && same(entry.rid, rid), "differs");
	return entry.w;
}

/* There is no record with this key. */
export function verifyAbsence(proof, root, key) {
	need(verifyProof(proof, root, key, KEY_BITS).entry === null, "differs");
}

/* How many records are under prefix, and what their w add up to. */
export function verifySum(proof, root, prefix, bits) {
	const { count, sum } = verifyProof(proof, root, prefix, bits);

	return { count, sum };
}

/*
 * These entries { key, rid, w }, in ascending order of key, are all the
 * records under prefix: no more, no fewer, none changed.
 */
export function verifyList(proof, root, prefix, bits, entries) {
	for (const e of entries) {
		mustBeBytes(e.key, 32);
		mustBeBytes(e.rid, 32);
		if (!Number.isInteger(e.w))
			throw new TypeError("w is not an integer");
	}
	const answer = verifyProof(proof, root, prefix, bits);

	need(ascending(entries), "differs");
	need(BigInt(entries.length) === answer.count, "differs");
	const said = nodeOver(entries);
	need(said.sum === answer.sum && same(said.h, answer.h), "differs");
}

/* --- records: what is asked for, and what a rid stands for --- */

/* The rid of a record's body; an inclusion proves the body that hashes so. */
export function recordId(body) {
	mustBeBytes(body);
	return blake2b256("WarrenRec1", body);
}

/* Its first 8 bits are the prefix of a kind, 128 those of a subject of it. */
export function recordKey(netid, kind, subject, name, author) {
	const about = blake2b256("WarrenSubj1", concat(netid, subject));
	const whole = blake2b256("WarrenKey1", concat(netid,
	    [kind, subject.length], subject, [name.length], name, author));

	return concat([kind], about.subarray(0, 15), whole.subarray(0, 16));
}

/* --- signatures --- */

// The points of small order, but for the sign bit.  Under such a key one
// signature fits any message; nodes refuse them, and so do we.
const SMALL_ORDER = [
	"00".repeat(32),
	"01" + "00".repeat(31),
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ec" + "ff".repeat(30) + "7f",
];

function goodPoint(bytes) {
	const y = Uint8Array.from(bytes);

	y[31] &= 0x7f;
	// 2^255 - 19 and above would be a second name for a point.
	if (y[0] >= 0xed && y[31] === 0x7f &&
	    y.subarray(1, 31).every((b) => b === 0xff))
		return false;
	return !SMALL_ORDER.includes(toHex(y));
}

/* True when sig is the Ed25519 signature of message under this public key. */
export async function verifySignature(key, message, sig) {
	mustBeBytes(key, 32);
	mustBeBytes(sig, 64);
	if (!goodPoint(key) || !goodPoint(sig.subarray(0, 32)))
		return false;
	const { subtle } = globalThis.crypto ??
	    (await import("node:crypto")).webcrypto; // Node.js 18
	const algorithm = { name: "Ed25519" };

	try {
		const imported = await subtle.importKey("raw", key, algorithm,
		    false, ["verify"]);

		return await subtle.verify(algorithm, imported, sig, message);
	} catch (err) {
		if (err.name === "DataError")
			return false; // the key is no point at all
		throw err; // a browser without Ed25519 is no verdict
	}
}

/* --- claims: a node's signed word on the root of one tick --- */

/*
 * A claim as it was sent, unverified: { netid, tick, root, count, sum, node,
 * wallMs, body, sig }.
 */
export function readClaim(bytes) {
	mustBeBytes(bytes);
	need(bytes.length <= CLAIM_MAX, "malformed");
	const r = new Reader(bytes);

	r.arity(2);
	const body = r.bin(1, CLAIM_BODY_MAX);
	const sig = r.bin(64);
	r.end();
	const b = new Reader(body);
	b.arity(7);
	const claim = {
		netid: b.bin(32),
		tick: b.uint(U64_MAX),
		root: b.bin(32),
		count: b.uint(U64_MAX),
		sum: b.int(I64_MIN, I64_MAX),
		node: b.bin(32),
		wallMs: b.uint(U64_MAX),
	};
	b.end();
	return { ...claim, body, sig };
}

const signed = (claim) => verifySignature(claim.node,
    concat(ascii("warren/claim/1\0"), claim.body), claim.sig);

/*
 * The claim, once it is known to be that node's word in that network; whom to
 * believe must be known beforehand.  It serves as the root of the proofs.
 */
export async function verifyClaim(bytes, netid, node) {
	mustBeBytes(netid, 32);
	mustBeBytes(node, 32);
	const claim = readClaim(bytes);

	need(same(claim.netid, netid), "network");
	need(same(claim.node, node), "node");
	need(await signed(claim), "signature");
	return claim;
}

/*
 * True when two claims are proof that their node lies: both signed by it, for
 * the same network and tick, with different contents.
 */
export async function claimsContradict(bytesA, bytesB) {
	const a = readClaim(bytesA), b = readClaim(bytesB);

	if (!same(a.netid, b.netid) || a.tick !== b.tick ||
	    !same(a.node, b.node))
		return false;
	if (same(a.root, b.root) && a.count === b.count && a.sum === b.sum)
		return false;
	return await signed(a) && await signed(b);
}
