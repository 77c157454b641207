// SPDX-License-Identifier: ISC
//
// The hands of jsverify_test.py: reads an array of jobs in JSON, gives each
// to etc/js/warren-verify.mjs, and prints an array of what came out, or
// { error: code }.  Bytes are hex, numbers of 64 bits are text.
import { readFileSync } from "node:fs";
import * as w from "../../etc/js/warren-verify.mjs";

const hex = w.fromHex;
const entry = (e) => ({ key: hex(e.key), rid: hex(e.rid), w: e.w });
const root = (r) => ({ netid: hex(r.netid), tick: BigInt(r.tick),
	root: hex(r.root), count: BigInt(r.count), sum: BigInt(r.sum) });

const question = (job) =>
    [hex(job.proof), root(job.root), hex(job.prefix), job.bits];

function milliseconds(times) {
	const sorted = times.slice().sort((a, b) => a - b);

	return { first: times[0], median: sorted[sorted.length >> 1],
		max: sorted[sorted.length - 1] };
}

// Every byte string that differs from this one in a single bit.
function* flips(bytes) {
	for (let i = 0; i < bytes.length * 8; i++) {
		const other = bytes.slice();

		other[i >> 3] ^= 1 << (i & 7);
		yield other;
	}
}

// How many bits there are, and which of them nobody missed.
async function flipAll(bytes, verify) {
	const passed = [], errors = {};
	let bits = 0;

	for (const other of flips(bytes)) {
		try {
			await verify(other);
			passed.push(bits);
		} catch (err) {
			if (!(err instanceof w.VerifyError))
				throw err;
			errors[err.code] = (errors[err.code] ?? 0) + 1;
		}
		bits++;
	}
	return { bits, passed, errors };
}

async function rpc(url, method, params) {
	const answer = await (await fetch(url, { method: "POST",
		body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
	})).json();

	if (answer.error)
		throw new Error(answer.error.message);
	return answer.result;
}

const JOBS = {
	proof: (job) => w.verifyProof(...question(job)),
	sum: (job) => w.verifySum(...question(job)),
	inclusion: ({ proof, root: r, prefix, rid }) =>
	    w.verifyInclusion(hex(proof), root(r), hex(prefix), hex(rid)),
	absence: ({ proof, root: r, prefix }) =>
	    w.verifyAbsence(hex(proof), root(r), hex(prefix)) ?? true,
	list: (job) => w.verifyList(...question(job),
	    job.entries.map(entry)) ?? true,
	flipProof: (job) => flipAll(hex(job.proof),
	    (proof) => w.verifyProof(proof, ...question(job).slice(1))),

	id: ({ body }) => w.recordId(hex(body)),
	key: ({ netid, kind, subject, name, author }) => w.recordKey(hex(netid),
	    kind, hex(subject), hex(name), hex(author)),
	signature: ({ key, message, sig }) =>
	    w.verifySignature(hex(key), hex(message), hex(sig)),
	readClaim: ({ claim }) => w.readClaim(hex(claim)),
	claim: ({ claim, netid, node }) =>
	    w.verifyClaim(hex(claim), hex(netid), hex(node)),
	flipClaim: ({ claim, netid, node }) => flipAll(hex(claim),
	    (bytes) => w.verifyClaim(bytes, hex(netid), hex(node))),
	contradict: ({ a, b }) => w.claimsContradict(hex(a), hex(b)),

	// A thin client: it knows a network and a node, and asks.
	async live({ url, netid, node, method, params, prefix, bits }) {
		const got = await rpc(url, method, params);

		if (got.claim === null)
			return null; // signed in a moment
		const claim = await w.verifyClaim(hex(got.claim), hex(netid),
		    hex(node));
		return w.verifyProof(hex(got.proof), claim, hex(prefix), bits);
	},

	// The first run counts as well.
	async time({ runs, claim, netid, node, ...job }) {
		const asked = question(job), proofs = [], both = [];

		for (let i = 0; i < runs; i++) {
			const start = performance.now();
			w.verifyProof(...asked);
			proofs.push(performance.now() - start);
		}
		for (let i = 0; i < runs; i++) {
			const start = performance.now();
			await w.verifyClaim(hex(claim), hex(netid), hex(node));
			w.verifyProof(...asked);
			both.push(performance.now() - start);
		}
		return { proof: milliseconds(proofs), both: milliseconds(both) };
	},
};

const results = [];
for (const job of JSON.parse(readFileSync(0, "utf8"))) {
	try {
		results.push(await JOBS[job.op](job));
	} catch (err) {
		results.push({ error: err.code ?? String(err) });
	}
}
process.stdout.write(JSON.stringify(results, (_, v) =>
    typeof v === "bigint" ? String(v) :
    v instanceof Uint8Array ? w.toHex(v) : v));
