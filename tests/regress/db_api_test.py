#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
The database over HTTP: a real node, and clients that sign for themselves and
believe nothing but proofs (dbkit.py).  Every method that asks the store, well
and badly asked, as JSON-RPC and as REST.

usage: db_api_test.py [NAME ...]     the build tree is $B
"""
import base64
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dbkit  # noqa
from dbkit import (BLOCK, LOCATION, MEMBER, META, NODE, RATING,  # noqa
                   TEMPERATURE, Record)
from warren import Node, check, finish, tmpdir, wait_for  # noqa

CONF = """
network "lab" charter "%s"
listen peer on 127.0.0.1 port 0
stun listen on 127.0.0.9 port 0
api http on 127.0.0.1 port 0 { workers 1, rate %d per 30s, body-timeout 3s }
store { bodies 64M }
"""
EXPIRED, FUTURE, NOT_ADMITTED, OVER_QUOTA, MALFORMED, RULE, BAD_SIG, DISK, \
    CONFLICT = range(-32010, -32019, -1)
BUSY, NOT_FOUND, NO_TICK, BODY_SIZE, RATE, PARAMS = \
    -32001, -32004, -32005, -32006, -32029, -32602
ZERO = "00" * 32


class Api:
    """One node and how to ask it."""

    def __init__(self, name, charter, rate=1000000):
        path = charter.write(os.path.join(tmpdir(), name + ".charter"))
        self.charter = charter
        self.node = Node(name, CONF % (path, rate)).start()
        self.port = self.node.port("http")
        wait_for("a database", lambda: self.rest("GET", "/node/info")[1]["db"])

    def raw(self, verb, path, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        c.request(verb, path, body, headers or {})
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, {k.lower(): v for k, v in r.getheaders()}, data

    def rest(self, verb, path, body=None):
        s, _, d = self.raw(verb, path,
                           None if body is None else json.dumps(body))
        return s, json.loads(d)

    def rpc(self, method, **params):
        """The result, or the error with its code."""
        s, _, d = self.raw("POST", "/", json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        assert s == 200, (s, d)
        a = json.loads(d)
        return a["result"] if "result" in a else a["error"]

    def author(self):
        a = dbkit.Author(self.charter)
        r = self.rpc("putrecord", record=a.admission().raw.hex())
        assert r.get("verdict") == "new", r
        return a

    def settle(self, hlc):
        """Wait until a tick that counts this stamp is settled and signed."""
        want = (hlc >> 16) // 1000 + 1

        def fn():
            c = self.rpc("getdbclaim")
            return c if c["tick"] >= want and c["claim"] else None
        return wait_for("tick %d" % want, fn, 15)

    def claim(self):
        c = wait_for("a claim", lambda: self.rpc("getdbclaim")["claim"])
        return dbkit.Claim(bytes.fromhex(c),
                           bytes.fromhex(self.node.node_id()))


def b64(data):
    return base64.b64encode(data).decode()


def eq(name, got, want):
    check(name, got == want, "%r is not %r" % (got, want))


def code(name, answer, want, word=""):
    check(name, answer.get("code") == want and
          word in answer.get("message", ""), answer)


def status(name, got, want, word=""):
    """A REST error: its status, a word of its message, its shape."""
    s, a = got
    check(name, s == want and word in a["error"]["message"] and
          isinstance(a["error"]["code"], str), got)


# --- records ---

def test_records(api):
    a = api.author()
    r = a.record(META, b"greeting", name=b"lang", payload=b'"en"')
    got = api.rpc("putrecord", record=r.raw.hex())
    eq("putrecord: a new record by hex", got, {
        "key": r.key.hex(), "rid": r.rid.hex(), "hlc": str(r.hlc),
        "verdict": "new", "applied": True})
    got = api.rpc("putrecord", record=b64(r.raw))
    eq("putrecord: again, by base64, is old",
       (got["verdict"], got["applied"]), ("old", False))
    r2 = a.record(META, b"greeting", name=b"lang", payload=b'"de"')
    got = api.rpc("putrecord", **r2.fields())
    eq("putrecord: fields build the same bytes",
       (got["verdict"], got["rid"], got["key"]),
       ("new", r2.rid.hex(), r.key.hex()))
    f = r2.fields()
    f["hlc"] = int(f["hlc"])
    eq("putrecord: hlc as a number", api.rpc("putrecord", **f)["verdict"],
       "old")
    f["author"] = f["author"].upper()
    eq("putrecord: hex in capitals", api.rpc("putrecord", **f)["verdict"],
       "old")
    got = api.rpc("putrecord", record=r.raw.hex())
    eq("putrecord: the older one is old", got["verdict"], "old")
    opaque = a.record(77, b"\0", name=bytes(64), payload=b"\xc1")
    eq("putrecord: a kind nobody knows",
       api.rpc("putrecord", record=opaque.raw.hex())["verdict"], "new")

    got = api.rpc("getrecord", key=r.key.hex())
    eq("getrecord: by key", (got["rid"], got["record"], got["payload"]),
       (r2.rid.hex(), r2.raw.hex(), b'"de"'.hex()))
    eq("getrecord: every field", {k: got[k] for k in (
        "kind", "subject", "name", "author", "hlc", "w", "sig", "tombstone")},
       {"kind": META, "subject": b"greeting".hex(), "name": b"lang".hex(),
        "author": a.pk.hex(), "hlc": str(r2.hlc), "w": 0,
        "sig": r2.sig.hex(), "tombstone": False})
    eq("getrecord: by what names it", api.rpc(
        "getrecord", kind=META, subject=b"greeting".hex(),
        name=b"lang".hex(), author=a.pk.hex()), got)
    code("getrecord: none", api.rpc("getrecord", key=ZERO), NOT_FOUND)
    for bad in ({}, {"key": "xy"}, {"key": ZERO + "00"}, {"kind": META},
                {"kind": 0, "subject": "00", "author": ZERO},
                {"kind": META, "subject": "0", "author": ZERO},
                {"kind": META, "subject": "00", "author": "00"},
                {"kind": META, "subject": "00" * 65, "author": ZERO},
                {"key": 5}, {"key": ZERO, "settled": 1}, {"nokey": 1}):
        code("getrecord: refuses %s" % bad, api.rpc("getrecord", **bad),
             PARAMS)

    # conditional writes
    v3 = a.record(META, b"greeting", name=b"lang", payload=b"3")
    code("ifRid: another version is a conflict", api.rpc(
        "putrecord", record=v3.raw.hex(), ifRid=r.rid.hex()), CONFLICT)
    code("ifRid: there is one already", api.rpc(
        "putrecord", record=v3.raw.hex(), ifRid=ZERO), CONFLICT)
    eq("ifRid: the version that is there", api.rpc(
        "putrecord", record=v3.raw.hex(), ifRid=r2.rid.hex())["verdict"],
       "new")
    n = a.record(META, b"fresh", payload=b"1")
    eq("ifRid: none, and there is none", api.rpc(
        "putrecord", record=n.raw.hex(), ifRid=ZERO)["verdict"], "new")
    code("ifRid: not hex", api.rpc("putrecord", record=n.raw.hex(),
                                   ifRid="00"), PARAMS)

    # tombstones
    t = a.record(META, b"fresh", flags=1)
    eq("putrecord: a tombstone by fields",
       api.rpc("putrecord", **t.fields())["verdict"], "new")
    eq("getrecord: shows it", api.rpc("getrecord", key=t.key.hex())
       ["tombstone"], True)


def test_refused(api):
    a = api.author()
    b = dbkit.Author(api.charter)
    r = a.record(META, b"x", payload=b"1")
    bad_sig = r.fields()
    bad_sig["sig"] = r.sig[:-1].hex() + "%02x" % (r.sig[-1] ^ 1)
    code("a wrong signature", api.rpc("putrecord", **bad_sig), BAD_SIG)
    forged = r.fields()
    forged["author"] = api.author().pk.hex()
    code("another's name", api.rpc("putrecord", **forged), BAD_SIG)
    changed = r.fields()
    changed["payload"] = "32"
    code("another payload", api.rpc("putrecord", **changed), BAD_SIG)
    other = dbkit.Author(dbkit.Charter())
    code("a record of another network", api.rpc(
        "putrecord", record=other.record(META, b"x").raw.hex()), BAD_SIG)
    for less in ("sig", "hlc", "author"):
        f = r.fields()
        del f[less]
        code("without %s" % less, api.rpc("putrecord", **f), BAD_SIG,
             "not signed")
    code("not admitted", api.rpc(
        "putrecord", record=b.record(META, b"x").raw.hex()), NOT_ADMITTED)
    eq("the error names verdict and key", sorted(api.rpc(
        "putrecord", record=b.record(META, b"x").raw.hex())["data"]),
       ["hlc", "key", "rid", "verdict"])
    nonce = Record(b, MEMBER, b.pk, payload=bytes(8))
    while int.from_bytes(dbkit.b2(b"WarrenPow1", b.netid + b.pk +
                                  nonce.payload), "big") >> 248 == 0:
        nonce = Record(b, MEMBER, b.pk, payload=os.urandom(8))
    code("an admission without work", api.rpc(
        "putrecord", record=nonce.raw.hex()), RULE)
    future = a.record(META, b"x", hlc=dbkit.now_hlc(120000))
    code("from the future", api.rpc("putrecord", record=future.raw.hex()),
         FUTURE)
    old = a.record(LOCATION, bytes(32), hlc=dbkit.now_hlc(-8 * 86400000))
    code("expired", api.rpc("putrecord", record=old.raw.hex()), EXPIRED)
    for name, rec in (
            ("a payload too long", a.record(LOCATION, bytes(32),
                                            payload=bytes(65))),
            ("a weight out of range", a.record(RATING, b"x", w=101)),
            ("flags nobody knows", a.record(META, b"x", flags=2)),
            ("a tombstone with payload", a.record(META, b"x", flags=1,
                                                  payload=b"1")),
            ("a name where none may be", a.record(RATING, b"x", name=b"n")),
            ("a short block id", a.record(LOCATION, b"x")),
            ("a kind without rules", a.record(3, b"x")),
            ("a stamp of 0", a.record(META, b"x", hlc=0))):
        code(name, api.rpc("putrecord", record=rec.raw.hex()), RULE)
    for i in range(8):
        eq("rating %d of 8" % i, api.rpc("putrecord", record=a.record(
            RATING, b"t%d" % i, w=1).raw.hex())["verdict"], "new")
    code("one more is over quota", api.rpc("putrecord", record=a.record(
        RATING, b"t9", w=1).raw.hex()), OVER_QUOTA)
    eq("but a newer one of the same is not", api.rpc(
        "putrecord", record=a.record(RATING, b"t0", w=2).raw.hex())
       ["verdict"], "new")
    raw = r.raw
    for name, bad, want in (
            ("nothing", "", MALFORMED), ("not hex", "9x", MALFORMED),
            ("half a byte", raw.hex()[:-1], MALFORMED),
            ("cut short", raw.hex()[:-2], MALFORMED),
            ("a byte too many", raw.hex() + "00", MALFORMED),
            ("base64 without padding", b64(raw + b"\0").rstrip("="),
             MALFORMED),
            ("garbage", "92c4" + "00" * 200, MALFORMED),
            ("too long", "92" + "00" * 8192, MALFORMED),
            ("a number of two forms", raw[:3].hex() + "cc" + raw[4:].hex(),
             MALFORMED)):
        code("record: " + name, api.rpc("putrecord", record=bad), want)
    code("record: not a string", api.rpc("putrecord", record=5), PARAMS)
    code("record: and fields", api.rpc("putrecord", record=raw.hex(),
                                       **r.signed()), PARAMS)
    code("record: of another kind than said", api.rpc(
        "putrecord", record=raw.hex(), kind=RATING), PARAMS, "kind")
    for key, v in (("kind", 0), ("kind", 256), ("kind", "19"),
                   ("subject", ""), ("subject", "0"), ("subject", "00" * 65),
                   ("name", "zz"), ("author", "00"), ("hlc", "0"),
                   ("hlc", "-1"), ("hlc", "1x"), ("hlc", 0), ("hlc", 1.5),
                   ("hlc", "18446744073709551616"), ("sig", "00"),
                   ("w", 2**31), ("w", "1"), ("payload", "0"),
                   ("payload", "00" * 9000), ("tombstone", 1)):
        f = r.fields()
        f[key] = v
        code("fields: %s %.12s" % (key, v), api.rpc("putrecord", **f), PARAMS)


def test_lists(api):
    a, subject = api.author(), os.urandom(32)
    recs = sorted((a.record(META, subject, name=b"n%d" % i, payload=b"%d" % i)
                   for i in range(7)), key=lambda r: r.key)
    got = api.rpc("putrecords", records=[r.raw.hex() for r in recs])
    eq("putrecords: all are new", (got["applied"], [
        (x["verdict"], x["key"]) for x in got["results"]]),
       (7, [("new", r.key.hex()) for r in recs]))
    got = api.rpc("getrecords", kind=META, subject=subject.hex())
    eq("getrecords: in order of their keys",
       ([r["record"] for r in got["records"]], got["more"]),
       ([r.raw.hex() for r in recs], False))
    seen, after = [], None
    while True:
        kw = {"after": after} if after else {}
        got = api.rpc("getrecords", kind=META, subject=subject.hex(), limit=2,
                      **kw)
        seen += [r["key"] for r in got["records"]]
        after = got["after"]
        if not got["more"]:
            break
    eq("getrecords: page by page", seen, [r.key.hex() for r in recs])
    eq("getrecords: settled ones only, which are none yet",
       api.rpc("getrecords", kind=META, subject=subject.hex(), settled=True)
       ["records"], [])
    api.settle(a.last)
    eq("getrecords: and then all", len(api.rpc(
        "getrecords", kind=META, subject=subject.hex(), settled=True)
        ["records"]), 7)
    eq("getrecords: of all kinds", len(api.rpc("getrecords", limit=3)
                                       ["records"]), 3)
    for bad in ({"kind": 0}, {"kind": 300}, {"subject": "00"},
                {"kind": META, "subject": ""}, {"limit": 0}, {"limit": 257},
                {"after": "00"}, {"kind": "x"}):
        code("getrecords: refuses %s" % bad, api.rpc("getrecords", **bad),
             PARAMS)

    # a batch of good and bad
    stranger = dbkit.Author(api.charter)
    good = a.record(META, subject, name=b"more", payload=b"1")
    broken = a.record(META, subject, name=b"broken", payload=b"1").fields()
    broken["sig"] = "00" * 64
    got = api.rpc("putrecords", records=[
        good.raw.hex(), good.fields(), b64(recs[0].raw), broken,
        stranger.record(META, subject).raw.hex(), "92", 7, {},
        dict(good.fields(), ifRid=ZERO)])
    eq("putrecords: a verdict each", [x["verdict"] for x in got["results"]],
       ["new", "old", "old", "bad signature", "not admitted", "refused",
        "refused", "refused", "refused"])
    eq("putrecords: and a code", [x.get("code") for x in got["results"]],
       [None, None, None, BAD_SIG, NOT_ADMITTED, MALFORMED, PARAMS, PARAMS,
        PARAMS])
    for bad in ([], 5, "x", ["92"] * 1001):
        code("putrecords: refuses %.20r" % (bad,),
             api.rpc("putrecords", records=bad), PARAMS)
    many = [a.record(META, subject, name=b"m%d" % i,
                     payload=b"%d" % i + b" " * 1500).raw.hex()
            for i in range(1000)]
    t0 = time.monotonic()
    got = api.rpc("putrecords", records=many)
    check("putrecords: a thousand of 1.7 KB", got["applied"] == 1000, got)
    print("     1000 records in %.2f s" % (time.monotonic() - t0))


# --- proofs ---

def test_proofs(api):
    a, target = api.author(), os.urandom(32)
    recs = [a.record(RATING, target, w=40)]
    for w in (-15, 7):
        recs.append(api.author().record(RATING, target, w=w))
    for r in recs:
        assert api.rpc("putrecord", record=r.raw.hex())["verdict"] == "new"
    api.settle(max(r.hlc for r in recs))

    def proven(method, at, nbits, **kw):
        """The answer, its claim taken apart, and what the proof proves."""
        def fn():
            got = api.rpc(method, **kw)
            return got if got.get("claim") else None
        got = wait_for("a signed claim", fn)
        claim = dbkit.Claim(bytes.fromhex(got["claim"]),
                            bytes.fromhex(api.node.node_id()))
        assert claim.netid == api.charter.netid
        assert claim.root.hex() == got["root"]
        out = dbkit.verify(bytes.fromhex(got["proof"]), claim, at, nbits)
        return got, claim, out

    for r in recs:
        got, _, out = proven("getproof", r.key, 256, key=r.key.hex())
        eq("getproof: inclusion of w %d" % r.w, out,
           (1, r.w, [(r.key, r.rid, r.w)]))
    nobody = recs[0].key[:16] + bytes(16)
    eq("getproof: absence", proven("getproof", nobody, 256,
                                   key=nobody.hex())[2], (0, 0, []))
    got, claim, out = proven("getdbsum", recs[0].key, 128, kind=RATING,
                             subject=target.hex())
    eq("getdbsum: of a subject, proven", (got["count"], got["sum"], out[:2]),
       (3, 32, (3, 32)))
    got, claim, out = proven("getdbsum", bytes([RATING]), 8, kind=RATING)
    eq("getdbsum: of a kind, proven", (got["count"], got["sum"]), out[:2])
    got, claim, out = proven("getdbsum", b"", 0)
    eq("getdbsum: of all, proven", (got["count"], got["sum"]),
       (claim.count, claim.sum))
    got, claim, out = proven("getproof", recs[0].key, 128,
                             prefix=recs[0].key[:16].hex())
    eq("getproof: of a prefix", (got["count"], out[:2]), (3, (3, 32)))
    got = proven("getproof", bytes([RATING & 0xf0]), 4,
                 prefix="%02x" % RATING, bits=4)[2]
    check("getproof: of a few bits", got[0] >= 3, got)
    listed = api.rpc("getrecords", kind=RATING, subject=target.hex(),
                     settled=True)["records"]
    if out[2] is not None:
        eq("a list is complete: it is what the proof holds",
           [(x["key"], x["rid"]) for x in listed],
           [(e[0].hex(), e[1].hex()) for e in out[2]])

    # one bit anywhere, and nothing is proven
    r = recs[0]
    got = api.rpc("getrecord", key=r.key.hex(), proof=True)
    pr = got["proof"]
    wait_for("claim", lambda: api.rpc("getrecord", key=r.key.hex(),
                                      proof=True)["proof"]["claim"])
    pr = api.rpc("getrecord", key=r.key.hex(), proof=True)["proof"]
    if pr["claim"]:
        claim = dbkit.Claim(bytes.fromhex(pr["claim"]))
        raw = bytes.fromhex(pr["proof"])
        eq("getrecord: comes with its proof",
           dbkit.verify(raw, claim, r.key, 256), (1, 40,
                                                  [(r.key, r.rid, 40)]))
        passed = 0
        for i in range(len(raw)):
            bad = raw[:i] + bytes([raw[i] ^ 1]) + raw[i + 1:]
            try:
                passed += dbkit.verify(bad, claim, r.key, 256)[0] == 1
            except (ValueError, TypeError, IndexError, AttributeError):
                pass
        eq("no proof with a wrong bit passes", passed, 0)
    code("getrecord: a proof of what is not there",
         api.rpc("getrecord", key=ZERO, proof=True), NOT_FOUND)

    h = api.rpc("getdbhash")
    same = api.rpc("getdbclaim", tick=h["tick"])
    eq("getdbhash and getdbclaim agree", (h["root"], h["count"], h["sum"]),
       (same["root"], same["count"], same["sum"]))
    eq("a tick as text", api.rpc("getdbhash", tick=str(h["tick"])), h)
    eq("getdbclaim names its node", same["nodeId"], api.node.node_id())
    for m in ("getdbhash", "getdbclaim"):
        code(m + ": a tick to come", api.rpc(m, tick=h["tick"] + 1000),
             NO_TICK, "not settled")
        code(m + ": a tick long gone", api.rpc(m, tick=h["tick"] - 1000),
             NO_TICK)
        code(m + ": no tick", api.rpc(m, tick="x"), PARAMS)
        code(m + ": tick 0", api.rpc(m, tick=0), PARAMS)
    code("getproof: of a tick not kept", api.rpc(
        "getproof", key=ZERO, tick=h["tick"] - 10), NO_TICK)
    for bad in ({}, {"key": "00"}, {"prefix": "0"}, {"prefix": "00" * 33},
                {"prefix": "00", "bits": 9}, {"prefix": "00", "bits": -1},
                {"key": 1}, {"key": ZERO, "tick": -1}):
        code("getproof: refuses %s" % bad, api.rpc("getproof", **bad), PARAMS)
    for bad in ({"kind": 0}, {"subject": "00"}, {"kind": 20, "subject": ""}):
        code("getdbsum: refuses %s" % bad, api.rpc("getdbsum", **bad), PARAMS)


# --- blocks ---

def test_blocks(api):
    a = api.author()
    for size in (1, 64 << 10, (64 << 10) + 1, 200 << 10, 4 << 20):
        body = os.urandom(size)
        ident = dbkit.block_id(body).hex()
        r = a.block(body)
        if size % 2:
            s, got = api.rest("POST", "/blocks", dict(
                r.signed(), data=b64(body)))
        else:
            s, got = api.rest("POST", "/blocks", {
                "record": r.raw.hex(), "data": b64(body)})
        eq("block of %d bytes: stored" % size,
           (s, got.get("blockId"), got.get("size"), got.get("rid")),
           (201, ident, size, r.rid.hex()))
        s, got = api.rest("GET", "/blocks/" + ident)
        eq("block of %d bytes: in JSON" % size,
           (s, got["blockId"], base64.b64decode(got["data"]) == body,
            got["metadata"]["size"], got["metadata"]["availability"]),
           (200, ident, True, size, "local"))
        s, h, d = api.raw("GET", "/blocks/" + ident + "?raw=1")
        eq("block of %d bytes: as it is" % size,
           (s, d == body, h["content-type"], h["content-length"]),
           (200, True, "application/octet-stream", str(size)))
        s, h, d = api.raw("GET", "/blocks/" + ident, headers={
            "Accept": "text/html, application/octet-stream;q=0.9"})
        eq("block of %d bytes: by Accept" % size, (s, d == body), (200, True))
        s, h, d = api.raw("HEAD", "/blocks/" + ident + "?raw=true")
        eq("block of %d bytes: its head" % size,
           (s, d, h["content-length"]), (200, b"", str(size)))
        got = api.rpc("getblock", blockId=ident)
        eq("block of %d bytes: by JSON-RPC" % size,
           base64.b64decode(got["data"]) == body, True)
    s, got = api.rest("POST", "/blocks", {"record": r.raw.hex(),
                                          "data": b64(body)})
    eq("a block again is 200", (s, got["verdict"]), (200, "old"))

    body = b"three words long"
    r, other = a.block(body), a.block(b"another")
    for name, bad, st, c in (
            ("no data", {"record": r.raw.hex()}, 400, PARAMS),
            ("no bytes", dict(r.signed(), data=""), 413, BODY_SIZE),
            ("not base64", dict(r.signed(), data="&&&&"), 400, PARAMS),
            ("no padding", dict(r.signed(), data=b64(body).rstrip("=")), 400,
             PARAMS),
            ("another block's record", {"record": other.raw.hex(),
                                        "data": b64(body)}, 400, PARAMS),
            ("another block's signature", dict(other.signed(),
                                               data=b64(body)), 401, BAD_SIG),
            ("another size", {"record": a.record(
                BLOCK, dbkit.block_id(body), w=3).raw.hex(),
                "data": b64(body)}, 400, PARAMS),
            ("no signature", {"data": b64(body)}, 401, BAD_SIG),
            ("one who is not admitted", dict(
                dbkit.Author(api.charter).block(body).signed(),
                data=b64(body)), 403, NOT_ADMITTED)):
        s, got = api.rest("POST", "/blocks", bad)
        check("POST /blocks: %s is %d" % (name, st), s == st, (s, got))
        code("putblock: " + name, api.rpc("putblock", **bad), c)
    big = bytes((4 << 20) + 1)
    s, got = api.rest("POST", "/blocks", {
        "record": a.block(body).raw.hex(), "data": b64(big)})
    eq("more than 4 MiB is 413", s, 413)
    s, h, d = api.raw("POST", "/blocks", b"{" + b" " * (6 << 20) + b"}")
    eq("more than 6 MiB of body is 413", s, 413)
    status("not JSON", (lambda r: (r[0], json.loads(r[2])))(
        api.raw("POST", "/blocks", b"{nope")), 400, "JSON")
    status("not an object", (lambda r: (r[0], json.loads(r[2])))(
        api.raw("POST", "/blocks", b"[]")), 400, "object")
    status("an unknown word", api.rest("POST", "/blocks", dict(
        r.signed(), data=b64(body), colour="red")), 400, "colour")
    status("too many values", (lambda r: (r[0], json.loads(r[2])))(
        api.raw("POST", "/blocks", b'{"a":[' + b"0," * 70000 + b"0]}")), 400,
        "many")
    eq("GET /blocks is 405", api.raw("GET", "/blocks")[0], 405)
    for path in ("xy", "00", "0" * 63 + "g", "00" * 64):
        status("GET /blocks/%.8s" % path, api.rest("GET", "/blocks/" + path),
               400)
        status("GET /blocks/%.8s/metadata" % path,
               api.rest("GET", "/blocks/" + path + "/metadata"), 400)
    status("an unknown block", api.rest("GET", "/blocks/" + ZERO), 404)
    status("raw, too", api.rest("GET", "/blocks/" + ZERO + "?raw=1"), 404)
    eq("DELETE is 405", api.raw("DELETE", "/blocks/" + ZERO)[0], 405)
    eq("POST too", api.raw("POST", "/blocks/" + ZERO, "{}")[0], 405)
    eq("no such path", api.raw("GET", "/blocks/" + ZERO + "/x")[0], 404)

    # known, but elsewhere
    absent = a.block(b"held by another")
    ident = absent.subject.hex()
    api.rpc("putrecord", record=absent.raw.hex())
    s, got = api.rest("GET", "/blocks/" + ident)
    eq("known and held nowhere: 404, no locations",
       (s, got["error"]["locations"]), (404, []))
    holder = api.author()
    s, got = api.rest("POST", "/blocks/%s/location" % ident, dict(
        holder.record(LOCATION, absent.subject, payload=b"eu").signed(),
        nodeId=holder.pk.hex(), region="eu"))
    eq("a location", (s, got["nodeId"], got["action"], got["applied"]),
       (200, holder.pk.hex(), "add", True))
    for path in ("/blocks/" + ident, "/blocks/" + ident + "?raw=1"):
        s, got = api.rest("GET", path)
        eq("elsewhere: 404 with locations",
           (s, [(x["nodeId"], x["region"])
                for x in got["error"]["locations"]]),
           (404, [(holder.pk.hex(), "eu")]))
    got = api.rpc("getblock", blockId=ident)
    eq("and in JSON-RPC's data", got["data"]["locations"][0]["nodeId"],
       holder.pk.hex())
    got = api.rpc("syncrequest", blockIds=[r.subject.hex(), ident, ZERO,
                                           dbkit.block_id(b"x").hex()])
    eq("syncrequest: missing and unknown",
       (got["missing"], ZERO in got["unknown"]), ([ident], True))
    s, got = api.rest("POST", "/sync/request", {"blockIds": [ident]})
    eq("POST /sync/request", (s, got), (200, {
        "available": [], "missing": [ident], "unknown": []}))
    for bad in ([], ["00"], [5], [ZERO] * 1001, "x"):
        s, got = api.rest("POST", "/sync/request", {"blockIds": bad})
        check("POST /sync/request refuses %.20r" % (bad,), s == 400, got)
    eq("a thousand ids", len(api.rpc("syncrequest", blockIds=[ZERO] * 1000)
                             ["unknown"]), 1000)

    # location: remove, and who may say it
    s, got = api.rest("POST", "/blocks/%s/location" % ident, dict(
        holder.record(LOCATION, absent.subject, flags=1).signed(),
        nodeId=holder.pk.hex(), action="remove"))
    eq("a location taken back", (s, got["action"]), (200, "remove"))
    eq("and gone", api.rest("GET", "/blocks/%s/metadata" % ident)[1]
       ["copies"]["locations"], [])
    l = a.record(LOCATION, absent.subject)
    for name, body, st in (
            ("for another node", dict(l.signed(), nodeId=ZERO), 400),
            ("with a bad action", dict(l.signed(), action="keep"), 400),
            ("with another's id", dict(l.signed(), blockId=ZERO), 400),
            ("not signed", {"nodeId": a.pk.hex()}, 401),
            ("with a wrong signature", dict(l.signed(), sig="11" * 64), 401)):
        s, got = api.rest("POST", "/blocks/%s/location" % ident, body)
        check("location %s is %d" % (name, st), s == st, (s, got))
    eq("location of an unknown block is 404", api.rest(
        "POST", "/blocks/%s/location" % ZERO,
        a.record(LOCATION, bytes(32)).signed())[0], 404)
    eq("setlocation", api.rpc("setlocation", record=a.record(
        LOCATION, absent.subject).raw.hex())["verdict"], "new")


def test_meanings(api):
    a, b = api.author(), api.author()
    body = os.urandom(100)
    r = a.block(body)
    ident, subject = r.subject.hex(), r.subject
    assert api.rpc("putblock", data=b64(body), **r.signed())["applied"]
    base = "/blocks/" + ident

    def heat(who, word, **kw):
        t = who.record(TEMPERATURE, subject,
                       w=dbkit.WORDS.index(word) * 1000, **kw)
        return dict(t.signed(), temperature=word)

    for word in dbkit.WORDS:
        s, got = api.rest("POST", base + "/temperature", heat(a, word))
        eq("temperature " + word, (s, got["temperature"], got["applied"],
                                   got["blockId"]), (200, word, True, ident))
    late = heat(a, "COLD", hlc=a.last - 1000)
    s, got = api.rest("POST", base + "/temperature", late)
    eq("an older temperature is not applied", (s, got["applied"],
                                               got["verdict"]),
       (200, False, "old"))
    eq("a second observer", api.rpc(
        "settemperature", blockId=ident, **heat(b, "COLD"))["applied"], True)
    t = api.rest("GET", base + "/metadata")[1]["temperature"]
    eq("and the average of both", (t["current"], t["milli"], t["observers"]),
       ("WARM", 3000, 2))
    eq("with a reason", api.rpc("settemperature", record=b.record(
        TEMPERATURE, subject, w=2000, payload=b"quiet").raw.hex(),
        reason="quiet")["applied"], True)
    eq("taken back", api.rpc("settemperature", blockId=ident, tombstone=True,
                             **b.record(TEMPERATURE, subject, flags=1)
                             .signed())["temperature"], None)
    for name, bad, st in (
            ("LUKEWARM", dict(heat(a, "HOT"), temperature="LUKEWARM"), 400),
            ("hot", dict(heat(a, "HOT"), temperature="hot"), 400),
            ("a number", dict(heat(a, "HOT"), temperature=3), 400),
            ("no word", heat(a, "HOT") and a.record(
                TEMPERATURE, subject, w=0).signed(), 400),
            ("not signed", {"temperature": "HOT"}, 401),
            ("another word than signed", dict(heat(a, "HOT"),
                                              temperature="COLD"), 401)):
        s, got = api.rest("POST", base + "/temperature", bad)
        check("temperature: %s is %d" % (name, st), s == st, (s, got))
    eq("temperature of an unknown block", api.rest(
        "POST", "/blocks/%s/temperature" % ZERO, dict(a.record(
            TEMPERATURE, bytes(32), w=4000).signed(),
            temperature="HOT"))[0], 404)
    eq("GET temperature is 405", api.raw("GET", base + "/temperature")[0],
       405)

    # metadata: a record a field, its payload the JSON text of the value
    def field(who, key, value, **kw):
        m = who.record(META, subject, name=key.encode(), payload=json.dumps(
            value, separators=(",", ":"), sort_keys=True,
            ensure_ascii=False).encode(), **kw)
        return m, dict(m.signed(), key=key, value=value)

    values = {"title": "Fr\u00fchling \"a\"", "tags": ["x", 1, None, True],
              "about": {"b": 1, "a": {"d": [], "c": -5}}, "n": 12345678901}
    for key, value in values.items():
        s, got = api.rest("POST", base + "/metadata",
                          field(a, key, value)[1])
        eq("metadata: %s" % key, (s, got.get("verdict")), (201, "new"))
    m = api.rest("GET", base + "/metadata")[1]
    eq("metadata: all of it", m["fields"], values)
    eq("metadata: said by whom", m["sources"]["title"]["author"], a.pk.hex())
    rec, req = field(b, "title", "later")
    eq("metadata: the latest author is shown", (api.rpc(
        "setmetadata", blockId=ident, **req)["applied"], api.rpc(
        "getblockmetadata", blockId=ident)["fields"]["title"]),
       (True, "later"))
    code("metadata: ifRid", api.rpc(
        "setmetadata", blockId=ident, ifRid=ZERO,
        **field(b, "title", "x")[1]), CONFLICT)
    eq("metadata: ifRid of the version there", api.rpc(
        "setmetadata", blockId=ident, ifRid=rec.rid.hex(),
        **field(b, "title", "x")[1])["applied"], True)
    gone = b.record(META, subject, name=b"title", flags=1)
    eq("metadata: taken back, the first one shows", (api.rpc(
        "setmetadata", blockId=ident, key="title", tombstone=True,
        **gone.signed())["applied"], api.rpc(
        "getblockmetadata", blockId=ident)["fields"]["title"]),
       (True, values["title"]))
    raw = a.record(META, subject, name=b"r", payload=b'{"z": 1.5}')
    eq("metadata: by the bytes that were signed", (api.rpc(
        "setmetadata", blockId=ident, key="r", payload=raw.payload.hex(),
        **raw.signed())["applied"], api.rpc(
        "getblockmetadata", blockId=ident)["fields"]["r"]),
       (True, {"z": 1.5}))
    for name, bad, st in (
            ("no key", dict(field(a, "k", 1)[0].signed(), value=1), 400),
            ("no value", dict(field(a, "k", 1)[0].signed(), key="k"), 400),
            ("a fraction", dict(field(a, "k", 1.5)[1]), 400),
            ("a fraction within", dict(field(a, "k", [{"a": 1.5}])[1]), 400),
            ("a long key", field(a, "k" * 65, 1)[1], 400),
            ("a long value", field(a, "k", "x" * 5000)[1], 400),
            ("not signed", {"key": "k", "value": 1}, 401),
            ("another value", dict(field(a, "k", 1)[1], value=2), 401)):
        s, got = api.rest("POST", base + "/metadata", bad)
        check("metadata: %s is %d" % (name, st), s == st, (s, got))
    status("metadata of an unknown block",
           api.rest("GET", "/blocks/%s/metadata" % ZERO), 404)

    # ratings
    x = a.record(RATING, subject, w=-100, payload="gr\u00fc\u00df".encode())
    eq("rate", api.rpc("rate", target=ident, rating=-100,
                       comment="gr\u00fc\u00df", **x.signed())["applied"],
       True)
    for name, kw, c in (
            ("101", {"target": ident, "rating": 101}, PARAMS),
            ("a word", {"target": ident, "rating": "good"}, PARAMS),
            ("nothing", {"target": ident}, PARAMS),
            ("no target", {"rating": 1}, PARAMS),
            ("another number", {"target": ident, "rating": 5}, BAD_SIG)):
        code("rate: " + name, api.rpc(
            "rate", **dict(a.record(RATING, subject, w=4).signed(), **kw)), c)
    code("rate: not signed", api.rpc("rate", target=ident, rating=1), BAD_SIG)


# --- batches ---

def test_sync(api):
    a = api.author()
    ids = []
    for i in range(3):
        body = os.urandom(50)
        assert api.rpc("putblock", data=b64(body),
                       **a.block(body).signed())["applied"]
        ids.append(dbkit.block_id(body))

    def temp(ident, w, **kw):
        return dict(a.record(TEMPERATURE, ident, w=w, **kw).signed(),
                    temperature=dbkit.WORDS[w // 1000])

    def meta(ident, key, value, **kw):
        m = a.record(META, ident, name=key.encode(),
                     payload=json.dumps(value).encode(), **kw)
        return dict(m.signed(), blockId=ident.hex(), key=key, value=value)

    before = a.stamp()
    first = temp(ids[0], 1000)
    s, got = api.rest("POST", "/sync/temperature", {"temperatures": {
        ids[0].hex(): first, ids[1].hex(): temp(ids[1], 5000),
        ids[2].hex(): "HOT"}})
    eq("temperatures by id, one of them not signed",
       (s, got["applied"], [(x["blockId"], x["code"])
                            for x in got["rejected"]]),
       (200, 2, [(ids[2].hex(), BAD_SIG)]))
    batch = {"batchId": "b1", "timestamp": 5, "updates": [
        {"type": "TEMPERATURE", "blockId": ids[0].hex(),
         "data": temp(ids[0], 2000)},
        {"type": "TEMPERATURE", "blockId": ids[2].hex(),
         "data": temp(ids[2], 3000)},
        {"type": "LOCATION", "blockId": ids[2].hex(), "data": {}},
        {"type": "TEMPERATURE", "blockId": "00", "data": temp(ids[2], 0)},
        {"type": "TEMPERATURE", "blockId": ids[0].hex()},
        5]}
    s, got = api.rest("POST", "/sync/temperature", batch)
    eq("a BatchUpdate: one bad item does not spoil the others",
       (s, got["batchId"], got["applied"],
        [(x["index"], x["code"]) for x in got["rejected"]]),
       (200, "b1", 2, [(2, PARAMS), (3, PARAMS), (4, BAD_SIG), (5, PARAMS)]))
    s, again = api.rest("POST", "/sync/temperature", batch)
    eq("a BatchUpdate sent again is answered alike", again, got)
    s, other = api.rest("POST", "/sync/temperature",
                        dict(batch, batchId="b2"))
    eq("under another name it is another batch",
       (other["applied"], other["known"]), (0, 2))
    s, other = api.rest("POST", "/sync/temperature",
                        dict(batch, updates=batch["updates"][:2]))
    eq("and with other items, too", (other["applied"], other["known"]),
       (0, 2))
    batch = {k: v for k, v in batch.items() if k != "batchId"}
    s, again = api.rest("POST", "/sync/temperature", batch)
    # The node itself may have said how warm it finds a block.
    def mine(answer):
        return [x for x in answer["newer"] if x["author"] == a.pk.hex()]
    eq("twice changes nothing", (again["applied"], again["known"],
                                 mine(again)), (0, 2, []))
    s, got = api.rest("POST", "/sync/temperature",
                      {"temperatures": {ids[0].hex(): first}})
    eq("what is newer here comes back",
       [(x["subject"], x["w"]) for x in mine(got)],
       [(ids[0].hex(), 2000)])

    items = [meta(ids[i % 3], "k%d" % i, i) for i in range(10)]
    got = api.rpc("syncmetadata", batchId="m1", metadata=items)
    eq("syncmetadata", (got["applied"], got["rejected"]), (10, []))
    got = api.rpc("syncmetadata", updates=[
        {"type": "METADATA", "blockId": ids[0].hex(), "data": {
            k: v for k, v in meta(ids[0], "u", 1).items()
            if k != "blockId"}}])
    eq("and as updates", got["applied"], 1)
    seen, after = [], None
    while True:
        kw = {"after": after} if after else {}
        s, got = api.rest("POST", "/sync/metadata", dict(
            kw, since=str(before)))
        seen += [x for x in got["newer"] if x["author"] == a.pk.hex()]
        after = got["after"]
        if after is None:
            break
    eq("since: a page at a time", (s, len(seen)), (200, 11))
    eq("since the last one: none", mine(api.rpc(
        "synctemperature", since=str(a.last))), [])
    for bad in ({}, {"metadata": []}, {"metadata": [{}] * 1001},
                {"metadata": "x"}, {"since": 0}, {"since": "x"},
                {"since": 1, "after": "00"},
                {"metadata": [{}], "batchId": "x" * 65}):
        s, got = api.rest("POST", "/sync/metadata", bad)
        check("POST /sync/metadata refuses %.40r" % (bad,), s == 400, got)


def test_nodes(api):
    n = api.author()
    s, got = api.rest("POST", "/peers/announce", {})
    eq("announce: nothing is 401", s, 401)
    # version 1, no capabilities, no addresses: the least a node can say
    from msgpack_min import arr, num, text
    payload = arr([num(1), num(0), arr([]), arr([]), num(0), text("eu"),
                   num(0), arr([]), text("t"), text("t")])
    r = n.record(NODE, n.pk, payload=payload)
    s, got = api.rest("POST", "/peers/announce", {"record": r.raw.hex(),
                                                  "nodeId": n.pk.hex()})
    eq("announce: 201 for a new node", (s, got.get("nodeId"),
                                        got.get("peers")),
       (201, n.pk.hex(), []))
    s, got = api.rest("POST", "/peers/announce", {"record": r.raw.hex()})
    eq("announce: 200 for a known one", (s, got["verdict"]), (200, "old"))
    r2 = n.record(NODE, n.pk, payload=payload)
    eq("announce: by fields", api.rpc("announce", payload=payload.hex(),
                                      **r2.signed())["verdict"], "new")
    other = api.author()
    forged = other.record(NODE, n.pk, payload=payload)
    for name, body, st in (
            ("of another node", {"record": forged.raw.hex()}, 400),
            ("named wrongly", {"record": r2.raw.hex(),
                               "nodeId": other.pk.hex()}, 400),
            ("of another kind", {"record": other.record(
                META, other.pk).raw.hex()}, 400),
            ("with a wrong signature", dict(
                n.record(NODE, n.pk, payload=payload).signed(),
                payload=payload.hex(), sig="00" * 64), 401),
            ("not admitted", {"record": (lambda x: x.record(
                NODE, x.pk, payload=payload))(
                    dbkit.Author(api.charter)).raw.hex()}, 403)):
        s, got = api.rest("POST", "/peers/announce", body)
        check("announce %s is %d" % (name, st), s == st, (s, got))
    api.settle(n.last)
    h = wait_for("regions", lambda: (
        lambda x: x if x["regionDistribution"] else None)(
            api.rpc("gethealth")), 15)
    eq("health: nodes and regions", (h["activeNodes"] >= 1,
                                     h["regionDistribution"]["eu"]),
       (True, 1))
    t = n.record(NODE, n.pk, flags=1)
    s, got = api.rest("POST", "/peers/disconnect",
                      {"record": r2.raw.hex()})
    eq("disconnect: an announcement is no farewell", s, 400)
    s, got = api.rest("POST", "/peers/disconnect", dict(
        t.signed(), nodeId=n.pk.hex(), reason="bed time"))
    eq("disconnect", (s, got), (200, {"nodeId": n.pk.hex(), "verdict": "new",
                                      "status": "OFFLINE"}))
    s, got = api.rest("POST", "/peers/disconnect", {"record": t.raw.hex()})
    eq("disconnect again is 200", s, 200)
    eq("GET /peers/announce is 405", api.raw("GET", "/peers/announce")[0],
       405)


# --- the node, the table, the limits ---

def test_views(api):
    info = api.rest("GET", "/node/info")[1]
    for key in ("tick", "root", "count", "sum", "seq", "dbid", "pending",
                "neighbours", "neighboursEqual", "problem"):
        check("getnodeinfo: db.%s" % key, key in info["db"], info["db"])
    st = api.rest("GET", "/node/status")[1]
    check("getstatus: blocks held are counted",
          st["metrics"]["blocks"] == st["db"]["blocks"] is not None, st)
    eq("GET /node/health", sorted(api.rest("GET", "/node/health")[1]),
       sorted(api.rpc("gethealth")))
    for key in ("activeNodes", "totalBlocks", "averageRedundancy",
                "regionDistribution"):
        check("gethealth: " + key, key in st["health"])
    doc = api.rpc("rpc.discover")
    text = api.rpc("help")
    eq("help and rpc.discover name the same",
       [m["name"] for m in doc["methods"]],
       [l.split()[0] for l in text.split("\n") if l])
    page = open(os.path.join(os.path.dirname(__file__),
                             "../../man/warren-api.7")).read()
    missing = [m["name"] for m in doc["methods"]
               if ".It Ic %s" % m["name"] not in page]
    check("every method stands in warren-api(7)", not missing, missing)
    paths = [l.split("Also: ")[1] for m in doc["methods"]
             for l in api.rpc("help", command=m["name"]).split("\n")
             if l.startswith("Also: ")]
    missing = [p for p in paths if p not in page]
    check("and every path", len(paths) > 14 and not missing, missing)
    put = [m for m in doc["methods"] if m["name"] == "putblock"][0]
    eq("rpc.discover: what is required", [
        p["name"] for p in put["params"] if p["required"]], ["data"])
    h = [p for p in put["params"] if p["name"] == "hlc"][0]
    eq("rpc.discover: either of two types", h["schema"],
       {"type": ["string", "integer"]})
    # the older manners
    s, _, d = api.raw("POST", "/", b'{"method":"getrecord","params":["%s"],'
                      b'"id":1}' % ZERO.encode())
    eq("Bastyon's manners: an error is 500", (s, json.loads(d)["error"]
                                              ["code"]), (500, NOT_FOUND))
    s, _, d = api.raw("POST", "/rpc/getdbhash", b"{}")
    check("/rpc/METHOD waits for the store, too",
          s == 200 and "root" in json.loads(d)["data"], d)
    # a batch that answers late, in order
    s, _, d = api.raw("POST", "/", json.dumps([
        {"jsonrpc": "2.0", "id": 1, "method": "getdbhash"},
        {"jsonrpc": "2.0", "id": 2, "method": "gettime"},
        {"jsonrpc": "2.0", "method": "getdbhash"},
        {"jsonrpc": "2.0", "id": 3, "method": "getrecord",
         "params": [ZERO]},
        {"jsonrpc": "2.0", "id": 4, "method": "getdbsum", "params": [20]}]))
    eq("a batch of calls that wait", [
        (x["id"], x.get("error", {}).get("code")) for x in json.loads(d)],
       [(1, None), (2, None), (3, NOT_FOUND), (4, None)])
    limits = {l["name"]: l for l in api.node.ctl("show", "limits")["data"]
              if l["process"].startswith("apid")}
    for name in ("questions to the store", "bodies to the store",
                 "bytes of long requests"):
        check("show limits: " + name, limits[name]["max"] > 0 and
              limits[name]["used"] == 0, limits.get(name))


def test_limits(api):
    """Batches count what they hold; the limiter has its own node."""
    small = Api("small", dbkit.Charter(), rate=40)
    a = dbkit.Author(small.charter)
    code("a batch beyond the window", small.rpc("putrecords", records=[
        a.record(META, b"x").raw.hex()] * 50), RATE)
    s, h, d = small.raw("POST", "/sync/temperature", json.dumps(
        {"updates": [{}] * 50}))
    check("as REST: 429 with Retry-After", s == 429 and "retry-after" in h,
          (s, h, d))
    small.node.stop()


def test_gone(api):
    """Clients that go away while the store works, and long slow bodies."""
    a = api.author()
    body = os.urandom(1 << 20)
    ident = None
    for i in range(20):
        r = a.block(body + bytes([i]))
        ident = r.subject.hex()
        data = json.dumps(dict(r.signed(), data=b64(body + bytes([i])))
                          ).encode()
        s = socket.create_connection(("127.0.0.1", api.port))
        s.sendall(b"POST /blocks HTTP/1.1\r\nHost: x\r\nContent-Length: %d"
                  b"\r\n\r\n" % len(data) + data)
        s.close()
    eq("the node lives on", api.raw("GET", "/node/info")[0], 200)
    check("and some of those blocks came in", wait_for(
        "a block", lambda: api.rpc("syncrequest", blockIds=[ident])))
    # readers of bodies who do not read
    r = a.block(body)
    wait_for("room for one more body", lambda: api.rpc(
        "putblock", data=b64(body), **r.signed()).get("blockId"))
    socks = []
    for _ in range(50):
        s = socket.create_connection(("127.0.0.1", api.port))
        s.sendall(b"GET /blocks/%s?raw=1 HTTP/1.1\r\nHost: x\r\n\r\n" %
                  r.subject.hex().encode())
        socks.append(s)
    eq("while 50 do not read, others are served",
       api.raw("GET", "/blocks/%s?raw=1" % r.subject.hex())[2] == body, True)
    for s in socks:
        s.close()
    # two raw answers and a small one, pipelined
    s = socket.create_connection(("127.0.0.1", api.port))
    f = s.makefile("rb")
    one = b"GET /blocks/%s?raw=1 HTTP/1.1\r\nHost: x\r\n\r\n" % \
        r.subject.hex().encode()
    s.sendall(one + b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n" + one)
    got = []
    for _ in range(3):
        st, length = int(f.readline().split()[1]), 0
        while True:
            line = f.readline().strip()
            if not line:
                break
            if line.lower().startswith(b"content-length"):
                length = int(line.split()[1])
        got.append((st, f.read(length) == body))
    eq("files keep their place in a pipeline", got,
       [(200, True), (404, False), (200, True)])
    s.close()
    fds = len(os.listdir("/proc/%d/fd" % [
        p["pid"] for p in api.node.processes().values()
        if p["name"].startswith("apid")][0])) if os.geteuid() == 0 else 0
    check("no descriptor is left behind", fds < 40, fds)
    # a slow sender of much: his place costs what he sent
    wait_for("no long requests", lambda: [
        l for l in api.node.ctl("show", "limits")["data"]
        if l["name"] == "bytes of long requests"][0]["used"] == 0)
    s = socket.create_connection(("127.0.0.1", api.port))
    s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6000000\r\n\r\n"
              + b"[" * 200000)
    used = wait_for("a long request", lambda: [
        l for l in api.node.ctl("show", "limits")["data"]
        if l["name"] == "bytes of long requests"][0]["used"])
    check("a promise is not memory", 200000 <= used < 1000000, used)
    s.settimeout(10)
    check("and runs out of time", b" 408 " in s.recv(4096))
    s.close()
    # the budget: all who send much at once, and nobody else
    socks, refused = [], 0
    for _ in range(40):
        s = socket.create_connection(("127.0.0.1", api.port))
        s.settimeout(10)
        s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6000000"
                  b"\r\n\r\n")
        try:
            s.sendall(b" " * 4500000)
        except OSError:
            refused += 1
        socks.append(s)
    lim = [l for l in api.node.ctl("show", "limits")["data"]
           if l["name"] == "bytes of long requests"][0]
    check("40 long bodies at once keep to the budget",
          lim["used"] <= lim["max"] and lim["refused"] > 0, lim)
    eq("a short request passes", api.raw("GET", "/node/info")[0], 200)
    for s in socks:
        s.close()
    wait_for("the budget is free again", lambda: [
        l for l in api.node.ctl("show", "limits")["data"]
        if l["name"] == "bytes of long requests"][0]["used"] == 0)


def test_killed(api):
    """The store dies under load: 503 at once, and soon all is well."""
    a = api.author()
    stop, seen = threading.Event(), {}
    kept = []

    def ask():
        while not stop.is_set():
            try:
                s, got = api.rest("POST", "/blocks/%s/metadata" % ("11" * 32),
                                  {"record": a.record(
                                      META, b"\x11" * 32, name=b"%d" %
                                      (a.last % 1000), payload=b"1")
                                   .raw.hex()})
            except (OSError, http.client.HTTPException) as e:
                s, got = type(e).__name__, None
            seen[s] = seen.get(s, 0) + 1
            if s == 201:
                kept.append((got["key"], int(got["hlc"])))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        pid = api.node.processes()["store"]["pid"]
        time.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
        wait_for("503 while it is away", lambda: 503 in seen, 10)
        check("503 says when to come again", True)
        wait_for("a new store", lambda: api.node.processes()["store"]["pid"]
                 not in (0, pid), 15)
        n = len(kept)
        wait_for("writes again", lambda: len(kept) > n + 50, 15)
    finally:
        stop.set()
        for t in threads:
            t.join()
    check("nothing but 201, 200 and 503 was answered",
          set(seen) <= {200, 201, 503}, seen)
    lost = [k for k, hlc in dict(kept).items()
            if int(api.rpc("getrecord", key=k).get("hlc", 0)) < hlc]
    check("no acknowledged write is lost (%d)" % len(kept), not lost,
          lost[:3])
    check("the API process is the one it was", api.node.processes()
          ["apid 0"]["restarts"] == 0)
    s, h, d = 0, {}, b""
    pid = api.node.processes()["store"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        t0 = time.monotonic()
        s, h, d = api.raw("GET", "/blocks/%s/metadata" % ("11" * 32))
        took = time.monotonic() - t0
    finally:
        os.kill(pid, signal.SIGCONT)
    check("a store that hangs: 503 after ten seconds",
          s == 503 and 9 < took < 14 and h.get("retry-after") == "1",
          (s, took, h))
    wait_for("and fine again", lambda: api.rpc("getdbhash").get("root"), 15)


TESTS = [test_records, test_refused, test_lists, test_proofs, test_blocks,
         test_meanings, test_sync, test_nodes, test_views, test_limits,
         test_gone, test_killed]


def main():
    api = Api("db", dbkit.Charter())
    wait_for("the first tick", lambda: api.rpc("getdbhash").get("root"), 15)
    want = sys.argv[1:]
    for t in TESTS:
        if want and t.__name__[5:] not in want:
            continue
        print("-- " + t.__name__[5:])
        try:
            t(api)
        except Exception as e:  # the next test may still tell something
            import traceback
            traceback.print_exc(file=sys.stdout)
            check(t.__name__, False, repr(e))
    check("it stops cleanly", api.node.stop() == 0, api.node.tail())
    log = open(api.node.log_path, errors="replace").read()
    bad = [l for l in log.splitlines() if "assert" in l or "forbidden" in l or
           "SIGSYS" in l or "AddressSanitizer" in l or "runtime error" in l]
    check("nothing broke", not bad, bad[:3])
    finish()


if __name__ == "__main__":
    main()
