#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
The verifier for thin clients, etc/js/warren-verify.mjs, in Node.js: against
the golden vectors, against proofs made to deceive, and with a real node.

The proofs to deceive come with the very root they fold up to, so that the
hash alone does not save the verifier.  Shares no line with the C code.

usage: jsverify_test.py     the build tree is $B
"""
import json
import os
import re
import shutil
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for d in ("regress", "vectors"):
    sys.path.insert(0, os.path.join(HERE, "..", d))
import dbkit  # noqa
import nacl.bindings as nb  # noqa
import tree_vectors as tv  # noqa
from db_api_test import Api  # noqa
from msgpack_min import arr, blob, num  # noqa
from warren import check, finish, skip, wait_for  # noqa

NODE_MAJOR = 18  # the first with Ed25519 in WebCrypto
U64, I64 = 2**64 - 1, 2**63 - 1
RUNS = 1000


def node_js():
    """The program, or None."""
    exe = shutil.which("node") or shutil.which("nodejs")
    if not exe:
        return None
    said = subprocess.run([exe, "--version"], stdout=subprocess.PIPE,
                          text=True).stdout
    m = re.match(r"v(\d+)", said)
    return exe if m and int(m.group(1)) >= NODE_MAJOR else None


def ask(jobs):
    """What the verifier makes of these jobs, each of a name and a dict."""
    p = subprocess.run([node_js(), os.path.join(HERE, "jsverify.mjs")],
                       input=json.dumps(jobs), stdout=subprocess.PIPE,
                       text=True, timeout=300)
    assert p.returncode == 0, "jsverify.mjs exits %d" % p.returncode
    return json.loads(p.stdout)


def expect(cases):
    """cases: of name, job, what it must say."""
    got = ask([job for _, job, _ in cases])
    for (name, _, want), g in zip(cases, got):
        check(name, g == want, "%r is not %r" % (g, want))


def vectors(name):
    path = os.path.join(HERE, "..", "vectors", name)
    with open(path) as f:
        pairs = [line.rstrip("\n").split(" = ", 1) for line in f
                 if " = " in line]
    return dict(pairs)


def side(h):
    """A node's hash, count and sum out of 48 bytes in hex."""
    raw = bytes.fromhex(h)
    return (raw[:32].hex(),) + struct.unpack(">Qq", raw[32:])


def a_root(netid, tick, root, count, total):
    return {"netid": netid, "tick": str(tick), "root": root,
            "count": str(count), "sum": str(total)}


# --- golden vectors ---

SETS = (0, 1, 8, 9, 100, 3000)
ASKS = ("there", "absent", "far", "kind", "nokind", "subject", "odd", "all")


class Golden:
    """A set of tree.txt."""

    def __init__(self, vec, n):
        self.vec, self.n, self.name = vec, n, "set%d" % n
        _, count, total = side(vec[self.name + ".top"])
        self.tick = 1000 + n
        self.root = a_root(vec["netid"], self.tick, vec[self.name + ".root"],
                           count, total)
        self.recs = sorted(tv.record(i) for i in range(n))

    def job(self, op, proof, question=None, **more):
        v = "%s.%s." % (self.name, question or proof)
        return dict(op=op, root=self.root, prefix=self.vec[v + "ask"],
                    bits=int(self.vec[v + "bits"], 16),
                    proof=self.vec["%s.%s.proof" % (self.name, proof)], **more)

    def under(self, question):
        """The records asked for."""
        job = self.job("", question)
        want = tv.bits_of(bytes.fromhex(job["prefix"]))[:job["bits"]]
        return [r for r in self.recs if tv.bits_of(r[0]).startswith(want)]

    def answer(self, question):
        h, count, total = side(self.vec["%s.%s.set" % (self.name, question)])
        recs, entry = self.under(question), None
        if recs and self.job("", question)["bits"] == 256:
            entry = {"key": recs[0][0].hex(), "rid": recs[0][1].hex(),
                     "w": recs[0][2]}
        return {"h": h, "count": str(count), "sum": str(total),
                "entry": entry}


def entries(recs):
    return [{"key": k.hex(), "rid": r.hex(), "w": w} for k, r, w in recs]


def test_golden(sets):
    expect([("%s: %s is proven" % (s.name, q), s.job("proof", q), s.answer(q))
            for s in sets for q in ASKS])


def test_questions(sets):
    """Any proof for any question of its set: refused, or the right answer."""
    cases = [(s.job("proof", p, q), s.answer(q), p == q)
             for s in sets for p in ASKS for q in ASKS]
    got = ask([c[0] for c in cases])
    wrong = [c for c, g in zip(cases, got)
             if g != c[1] and (c[2] or g != {"error": "path"} and
                               g != {"error": "root"})]
    check("%d proofs for other questions do not deceive" % len(cases),
          not wrong, wrong[:1])
    refused = sum("error" in g for g in got)
    check("some answer, some are refused", 0 < refused < len(cases), refused)


def test_meanings(s):
    there, = s.under("there")
    rid = there[1].hex()
    odd = s.under("odd")
    said = s.answer("odd")
    cases = [
        ("inclusion", s.job("inclusion", "there", rid=rid), there[2]),
        ("inclusion: another rid",
         s.job("inclusion", "there", rid=s.vec["netid"]),
         {"error": "differs"}),
        ("inclusion: of what is absent",
         s.job("inclusion", "absent", rid=rid), {"error": "differs"}),
        ("absence", s.job("absence", "absent"), True),
        ("absence: contradicted by a branch", s.job("absence", "far"), True),
        ("absence: of what is there", s.job("absence", "there"),
         {"error": "differs"}),
        ("sum", s.job("sum", "odd"),
         {"count": said["count"], "sum": said["sum"]}),
    ]

    def shown(recs, want, name):
        cases.append(("list: " + name, s.job(
            "list", "odd", entries=entries(recs)), want))

    differs = {"error": "differs"}
    shown(odd, True, "complete, of %d" % len(odd))
    shown(odd[1:], differs, "without the first")
    shown(odd[:-1], differs, "without the last")
    shown(odd[:1] + odd, differs, "one twice")
    shown(odd[::-1], differs, "in another order")
    shown([], differs, "of nothing")
    k, r, w = odd[-1]
    shown(odd[:-1] + [(k, r, w + 1)], differs, "another w")
    shown(odd[:-1] + [(k, k, w)], differs, "another rid")
    shown(odd[:-1] + [(r, r, w)], differs, "another key")
    cases.append(("list: all of them", s.job(
        "list", "all", entries=entries(s.recs)), True))
    cases.append(("list: of nothing, where nothing is", s.job(
        "list", "nokind", entries=[]), True))
    expect(cases)


def test_records():
    vec = vectors("rec.txt")
    netid = vec["charter.netid"]
    cases = []
    for n in [k[:-4] for k in vec if k.endswith(".rid")]:
        get = lambda word: vec["%s.%s" % (n, word)]  # noqa
        cases += [
            (n + ": rid", {"op": "id", "body": get("body")}, get("rid")),
            (n + ": key", {"op": "key", "netid": netid,
                           "kind": int(get("kind"), 16),
                           "subject": get("subject"), "name": get("name"),
                           "author": get("author")}, get("key")),
            (n + ": signature", {
                "op": "signature", "key": get("author"), "sig": get("sig"),
                "message": (b"warren/rec/1\0").hex() + netid + get("rid")},
             True)]
    check("records to look at", len(cases) >= 18, len(cases))
    expect(cases)
    bodies = [bytes(range(1, 256))[:n] * 2 for n in range(200)]
    got = ask([{"op": "id", "body": b.hex()} for b in bodies])
    check("BLAKE2b at every length about a block", got == [
        dbkit.b2(b"WarrenRec1", b).hex() for b in bodies])


# --- flipped bits ---

def test_flips(s, small):
    for name, job in [("%s.%s" % (x.name, q), x.job("flipProof", q))
                      for x, q in ((s, "there"), (s, "absent"), (s, "odd"),
                                   (s, "far"), (s, "kind"), (small, "all"),
                                   (small, "there"))]:
        got, = ask([job])
        check("%s: each of %s bits is missed" % (name, got.get("bits")),
              got.get("bits") == len(job["proof"]) * 4 and
              got["passed"] == [], got)


# --- proofs made to deceive ---

class Proof:
    """A proof in parts, to be bent."""

    def __init__(self, tick, steps, end):
        self.tick, self.steps, self.end = tick, list(steps), list(end)

    @classmethod
    def of(cls, raw):
        tick, flat, end = dbkit.unpack(bytes.fromhex(raw))
        return cls(tick, [flat[i:i + 4] for i in range(0, len(flat), 4)], end)

    @staticmethod
    def item(v):
        if isinstance(v, list):
            return arr([Proof.item(x) for x in v])
        return blob(v) if isinstance(v, bytes) else num(v)

    def raw(self):
        flat = [x for s in self.steps for x in s]
        return Proof.item([self.tick, flat, self.end])

    def root(self, netid, prefix):
        """The root it folds up to, whatever it says on the way."""
        if self.end[0] == 0:
            e = self.end[1]
            top = dbkit.leaf([e[i:i + 3] for i in range(0, len(e), 3)])
        else:
            b, pre = self.end[1:3]
            top = dbkit.branch(b, pre.ljust(32, b"\0"), self.end[3:6],
                               self.end[6:9])
        for b, *sibling in reversed(self.steps):
            pair = (top, sibling) if dbkit.bit(prefix, b) == 0 else \
                (sibling, top)
            top = dbkit.branch(b, prefix, *pair)
        h, count, total = top
        r = dbkit.b2(b"WarrenRoot1", netid + struct.pack(
            ">Q", self.tick) + h + struct.pack(">Qq", count, total))
        return a_root(netid.hex(), self.tick, r.hex(), count, total)


def test_deceit(s):
    netid = bytes.fromhex(s.vec["netid"])
    key = bytes.fromhex(s.job("", "there")["prefix"])
    good = s.job("proof", "there")
    steps = Proof.of(good["proof"]).steps
    last = steps[-1][0]
    cases = []

    def folds(name, p, prefix, bits, want):
        cases.append((name, {"op": "proof", "proof": p.raw().hex(), "bits":
                             bits, "prefix": prefix.hex(),
                             "root": p.root(netid, prefix)},
                      {"error": want} if want else s.answer("there")))

    def there():
        return Proof.of(good["proof"])

    folds("as it was, it passes", there(), key, 256, None)
    beside = bytearray(key)
    beside[last // 8] ^= 0x80 >> last % 8
    folds("a leaf of the other side", there(), bytes(beside), 256, "path")
    p = there()
    p.end = [0, []]
    folds("an empty leaf beneath branches", p, key, 256, "path")
    folds("a walk beyond the question", there(), key, last, "path")
    p = Proof.of(s.job("", "kind")["proof"])
    kind = bytes.fromhex(s.job("", "kind")["prefix"])
    within = next(r[0] for r in s.recs if r[0][0] == kind[0])
    folds("a branch that stops short", p, within, 256, "path")
    p = there()
    p.end = [1, last + 1, dbkit.mask(bytes(beside), last + 1)
             [:(last + 8) // 8]] + steps[0][1:] + steps[1][1:]
    folds("a branch of another place", p, key, 256, "path")

    def refused(name, raw, want="malformed", **more):
        cases.append((name, dict(good, proof=raw.hex(), **more),
                      {"error": want}))

    def bent(name, bend, want="malformed"):
        p = there()
        bend(p)
        refused(name, p.raw(), want)

    raw = there().raw()
    for i in range(0, len(raw), 7):
        refused("cut at %d" % i, raw[:i])
    refused("a byte behind it", raw + b"\0")
    refused("beyond 16 KiB", raw + bytes(16384))
    refused("another netid", raw, "root",
            root=dict(s.root, netid="00" * 32))
    refused("another count said", raw, "root", root=dict(s.root, count="1"))
    refused("another sum said", raw, "root", root=dict(s.root, sum="1"))
    refused("another tick said", raw, "tick", root=dict(s.root, tick="1"))

    def count(at, v):
        def bend(p):
            p.steps[at][2] = v
        return bend

    def both(i, v):
        def bend(p):
            p.steps[-1][i] = p.steps[-2][i] = v
        return bend

    bent("another tick", lambda p: setattr(p, "tick", 1), "tick")
    bent("counts overflow", both(2, U64), "sum")
    bent("sums overflow", both(3, I64), "sum")
    bent("sums overflow downwards", both(3, -I64 - 1), "sum")
    bent("a child of nothing", count(0, 0))
    bent("bits that do not increase", lambda p: p.steps.insert(0, p.steps[1]))
    bent("bit 256", lambda p: p.steps.append([256] + p.steps[0][1:]))
    bent("entries in another order", lambda p: p.end.__setitem__(
        1, p.end[1][3:] + p.end[1][:3]))
    bent("an entry twice", lambda p: p.end.__setitem__(
        1, p.end[1][:3] + p.end[1]))
    bent("nine entries", lambda p: p.end.__setitem__(1, [
        x for i in range(9) for x in (bytes([i]) * 32, bytes(32), 0)]))
    bent("w beyond 32 bits", lambda p: p.end[1].__setitem__(2, 2**31))
    bent("half an entry", lambda p: p.end[1].pop())
    bent("a third terminal", lambda p: p.end.__setitem__(0, 2))
    bent("a terminal of another length", lambda p: p.end.__setitem__(0, 1))
    bent("a prefix beyond its bits", lambda p: setattr(
        p, "end", [1, 255, b"\xff" * 32] + p.steps[0][1:] * 2))
    bent("a prefix too long", lambda p: setattr(
        p, "end", [1, 200, bytes(26)] + p.steps[0][1:] * 2))
    at = raw.index(num(s.tick))
    n = len(num(s.tick))
    for form, tick in (("uint32", b"\xce" + struct.pack(">I", s.tick)),
                       ("int16", b"\xd1" + struct.pack(">h", s.tick)),
                       ("float", b"\xca" + struct.pack(">f", s.tick))):
        refused("the tick as " + form, raw[:at] + tick + raw[at + n:])
    refused("a hash in a longer header",
            raw.replace(b"\xc4\x20", b"\xc5\0\x20", 1))
    one = Proof(s.tick, [], [0, [key, key, -1000]]).raw()
    for longer in (b"\xd2" + struct.pack(">i", -1000),
                   b"\xd3" + struct.pack(">q", -1000)):
        refused("-1000 in %d bytes" % len(longer),
                one.replace(num(-1000), longer))
    # and every number in its right form is read
    for bits in (5, 7, 8, 15, 16, 31, 32, 63):
        for v in (2**bits - 1, 2**bits, -2**bits, -2**bits - 1):
            if not -I64 - 1 <= v <= I64:
                continue
            p = Proof(abs(v), [[0, key, abs(v), v]], [0, [key, key, 0]])
            cases.append(("%d is read" % v, {
                "op": "absence", "proof": p.raw().hex(), "root": p.root(
                    netid, key), "prefix": key.hex()}, {"error": "differs"}))
    expect(cases)


# --- claims ---

def a_claim(netid, tick, root, count, total, seed=b"a"):
    pk, sk = nb.crypto_sign_seed_keypair(tv.label(seed))
    body = arr([blob(netid), num(tick), blob(root), num(count), num(total),
                blob(pk), num(1700000000000)])
    sig = nb.crypto_sign(b"warren/claim/1\0" + body, sk)[:64]
    return pk, arr([blob(body), blob(sig)])


def test_claims(s):
    netid = bytes.fromhex(s.vec["netid"])
    said = (int(s.root["tick"]), bytes.fromhex(s.root["root"]),
            int(s.root["count"]), int(s.root["sum"]))
    pk, raw = a_claim(netid, *said)
    other, others = a_claim(netid, *said, seed=b"b")
    _, lie = a_claim(netid, said[0], said[1], said[2] + 1, said[3])
    _, later = a_claim(netid, said[0] + 1, *said[1:])
    _, longest = a_claim(netid, U64, said[1], U64, -I64 - 1)
    job = {"op": "claim", "claim": raw.hex(), "netid": netid.hex(),
           "node": pk.hex()}

    def claimed(raw, node):
        body, sig = dbkit.unpack(raw)
        v = dbkit.unpack(body)
        return dict(a_root(netid.hex(), v[1], v[2].hex(), *v[3:5]),
                    node=node.hex(), wallMs=str(v[6]), body=body.hex(),
                    sig=sig.hex())

    golden = bytes.fromhex(s.vec["claim.body"])
    v = dbkit.unpack(golden)
    unsigned = arr([blob(golden), blob(bytes(64))])

    def two(name, a, b, want):
        return (name, {"op": "contradict", "a": a.hex(), "b": b.hex()}, want)

    def small(name, key):
        """Under the point of order 1, R = B and S = 1 sign any message."""
        raw = arr([blob(Proof.item(v[:5] + [key, v[6]])),
                   blob(b"\x58" + b"\x66" * 31 + b"\1" + bytes(31))])
        return (name, dict(job, claim=raw.hex(), node=key.hex()),
                {"error": "signature"})

    expect([
        ("claim: the vector is read", {"op": "readClaim",
                                       "claim": unsigned.hex()},
         claimed(unsigned, v[5])),
        ("claim: which nobody signed", dict(
            job, claim=unsigned.hex(), node=v[5].hex()),
         {"error": "signature"}),
        ("claim: signed", job, claimed(raw, pk)),
        ("claim: numbers at their longest", dict(job, claim=longest.hex()),
         claimed(longest, pk)),
        ("claim: of another network", dict(job, netid="00" * 32),
         {"error": "network"}),
        ("claim: of another node", dict(job, claim=others.hex()),
         {"error": "node"}),
        small("claim: a key of small order", b"\1" + bytes(31)),
        small("claim: the same by another name",
              b"\xee" + b"\xff" * 30 + b"\x7f"),
        ("claim: a byte behind it", dict(job, claim=raw.hex() + "00"),
         {"error": "malformed"}),
        two("two claims: the same", raw, raw, False),
        two("two claims: of two nodes", raw, others, False),
        two("two claims: of two ticks", raw, later, False),
        two("two claims: a lie", raw, lie, True),
        two("two claims: forged", raw, lie[:-1] + b"\0", False),
    ])
    got, = ask([dict(job, op="flipClaim")])
    check("claim: each of %s bits is missed" % got.get("bits"),
          got.get("bits") == len(raw) * 8 and got["passed"] == [], got)


# --- a real node ---

def test_live():
    api = Api("js", dbkit.Charter())
    a = api.author()
    rated = [a.record(dbkit.RATING, b"song %d" % i, w=10 + i)
             for i in range(3)]
    for r in rated:
        api.rpc("putrecord", record=r.raw.hex())
    api.settle(rated[-1].hlc)
    base = {"op": "live", "url": "http://127.0.0.1:%d/" % api.port,
            "netid": api.charter.netid.hex(), "node": api.node.node_id()}

    def asked(**job):
        return wait_for("a signed answer", lambda: ask([dict(base, **job)])[0])

    r = rated[1]
    got = asked(method="getproof", params={"key": r.key.hex()}, bits=256,
                prefix=r.key.hex())
    check("live: inclusion", got.get("entry") == {
        "key": r.key.hex(), "rid": r.rid.hex(), "w": 11}, got)
    none = dbkit.record_key(a.netid, dbkit.RATING, b"no song", b"", a.pk)
    got = asked(method="getproof", params={"key": none.hex()}, bits=256,
                prefix=none.hex())
    check("live: absence", "count" in got and got["entry"] is None, got)
    kind = bytes([dbkit.RATING]) + bytes(31)
    got = asked(method="getdbsum", params={"kind": dbkit.RATING}, bits=8,
                prefix=kind.hex())
    check("live: the sum of a kind", (got.get("count"), got.get("sum")) ==
          ("3", "33"), got)
    got = asked(method="getproof", params={"key": r.key.hex()}, bits=256,
                prefix=r.key.hex(), netid="00" * 32)
    check("live: of another network", got == {"error": "network"}, got)
    check("live: the node stops", api.node.stop() == 0, api.node.tail())


# --- how long it takes ---

def deep_proof(bits_of_steps, key):
    """A proof as a large tree has it: a full leaf beneath these branches."""
    leaf = []
    for i in range(8):
        leaf += [key[:-1] + bytes([i]), tv.label(b"r", i), i - 4]
    steps = [[b, tv.label(b"h", b), 1 << 20, -(1 << 20)]
             for b in bits_of_steps]
    return Proof(1 << 28, steps, [0, leaf])


def test_time():
    """The largest of a million records, and of what may come at all."""
    netid, key = tv.label(b"netid"), tv.label(b"key")[:31] + b"\3"
    for name, bits in (("as of 1,000,000 records at most", range(20)),
                       ("deeper than honest keys go", range(252))):
        p = deep_proof(bits, key)
        root = p.root(netid, key)
        pk, claim = a_claim(netid, p.tick, bytes.fromhex(root["root"]),
                            int(root["count"]), int(root["sum"]))
        got, = ask([{"op": "time", "runs": RUNS, "proof": p.raw().hex(),
                     "root": root, "prefix": key.hex(), "bits": 256,
                     "claim": claim.hex(), "netid": netid.hex(),
                     "node": pk.hex()}])
        check("%d runs, %s" % (RUNS, name), "error" not in got, got)
        if "error" in got:
            continue
        for what in ("proof", "both"):
            print("     %d bytes%s: median %.3f ms, max %.3f ms, "
                  "the first %.3f ms" % (
                      len(p.raw()), " and a claim" if what == "both" else "",
                      got[what]["median"], got[what]["max"],
                      got[what]["first"]))


def main():
    if node_js() is None:
        skip("jsverify", "no Node.js of %d or later here" % NODE_MAJOR)
        finish()
    vec = vectors("tree.txt")
    sets = [Golden(vec, n) for n in SETS]
    test_golden(sets)
    test_questions(sets)
    test_meanings(sets[-1])
    test_records()
    test_flips(sets[-1], sets[2])
    test_deceit(sets[-1])
    test_claims(sets[-1])
    test_time()
    test_live()
    finish()


if __name__ == "__main__":
    main()
