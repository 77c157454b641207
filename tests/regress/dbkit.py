# SPDX-License-Identifier: ISC
"""
An independent client of the replicated database, in pure Python: makes a
charter, signs records as their author, stamps admissions, names blocks, and
checks proofs against a claim.  Shares no code with the C side.

    python3 tests/regress/dbkit.py FILE [NAME]      write a test charter
"""
import hashlib
import os
import struct
import sys
import time

import nacl.bindings as nb

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "vectors"))
from msgpack_min import arr, blob, num, text  # noqa

MEMBER, NODE, BLOCK, LOCATION, TEMPERATURE, META, RATING = \
    1, 2, 16, 17, 18, 19, 20
WORDS = ["FROZEN", "COLD", "COOL", "WARM", "HOT", "VIRAL"]
DAY = 86400
# kind, pmax, ttl_s, quota, w_min, w_max; few ratings, to meet the quota
KINDS = [(1, 256, 400 * DAY, 0, 0, 0), (2, 768, 3600, 1, 0, 0),
         (16, 256, 90 * DAY, 65536, 0, 4194304),
         (17, 64, 7 * DAY, 262144, 0, 0), (18, 32, 7 * DAY, 65536, 0, 5000),
         (19, 4096, 400 * DAY, 16384, 0, 0),
         (20, 256, 400 * DAY, 8, -100, 100), (32, 1024, 90 * DAY, 4096, 0, 0)]
MAX32 = 2**31


def b2(person, data, salt=b""):
    return hashlib.blake2b(data, digest_size=32, person=person,
                           salt=salt).digest()


def now_hlc(ms=0):
    return int(time.time() * 1000 + ms) << 16


class Charter:
    def __init__(self, name="lab", tick_ms=1000, settle_ms=1000,
                 future_ms=60000, pow_bits=8, kinds=KINDS, r=3):
        pk, sk = nb.crypto_sign_keypair()
        self.name = name
        self.pow_bits = pow_bits
        body = arr([num(1), text(name), blob(pk), num(tick_ms),
                    num(settle_ms), num(future_ms), num(0), num(pow_bits),
                    arr([]), arr([arr([num(v) for v in k]) for k in kinds]),
                    num(r)])
        self.netid = b2(b"WarrenNet1", body)
        sig = nb.crypto_sign(b"warren/charter/1\0" + self.netid, sk)[:64]
        self.raw = arr([blob(body), blob(sig)])

    def write(self, path):
        with open(path, "wb") as f:
            f.write(self.raw)
        return path


def record_key(netid, kind, subject, name, author):
    return (bytes([kind]) + b2(b"WarrenSubj1", netid + subject)[:15] +
            b2(b"WarrenKey1", netid + bytes([kind, len(subject)]) + subject +
               bytes([len(name)]) + name + author)[:16])


class Record:
    """A signed record; .raw its bytes, .fields() what a request says."""

    def __init__(self, author, kind, subject, name=b"", hlc=None, flags=0,
                 w=0, payload=b""):
        self.kind, self.subject, self.name = kind, subject, name
        self.hlc = author.stamp() if hlc is None else hlc
        self.flags, self.w, self.payload = flags, w, payload
        self.author = author
        self.body = arr([num(1), num(kind), blob(subject), blob(name),
                         blob(author.pk), num(self.hlc), num(flags), num(w),
                         blob(payload)])
        self.rid = b2(b"WarrenRec1", self.body)
        self.sig = nb.crypto_sign(
            b"warren/rec/1\0" + author.netid + self.rid, author.sk)[:64]
        self.raw = arr([blob(self.body), blob(self.sig)])
        self.key = record_key(author.netid, kind, subject, name, author.pk)

    def signed(self):
        return {"author": self.author.pk.hex(), "hlc": str(self.hlc),
                "sig": self.sig.hex()}

    def fields(self):
        f = self.signed()
        f.update(kind=self.kind, subject=self.subject.hex(),
                 name=self.name.hex(), w=self.w, payload=self.payload.hex())
        if self.flags:
            f["tombstone"] = True
        return f


class Author:
    def __init__(self, charter, seed=None):
        self.pk, self.sk = (nb.crypto_sign_keypair() if seed is None else
                            nb.crypto_sign_seed_keypair(seed))
        self.netid = charter.netid
        self.charter = charter
        self.last = 0

    def stamp(self):
        self.last = max(now_hlc(), self.last + 1)
        return self.last

    def admission(self):
        n = 0
        while True:
            nonce = n.to_bytes(8, "big")
            h = int.from_bytes(b2(b"WarrenPow1", self.netid + self.pk +
                                  nonce), "big")
            if h >> (256 - self.charter.pow_bits) == 0:
                return Record(self, MEMBER, self.pk, payload=nonce)
            n += 1

    def record(self, kind, subject, **kw):
        return Record(self, kind, subject, **kw)

    def block(self, body, **kw):
        return Record(self, BLOCK, block_id(body), w=len(body), **kw)


def block_id(body):
    chunks = b"".join(b2(b"WarrenChk1", body[i:i + 65536])
                      for i in range(0, len(body), 65536))
    return b2(b"WarrenBlk1", struct.pack(">Q", len(body)) + chunks)


# --- reading msgpack: what proofs and claims are written in ---

class Reader:
    def __init__(self, data):
        self.d, self.i = data, 0

    def take(self, n):
        if self.i + n > len(self.d):
            raise ValueError("short")
        self.i += n
        return self.d[self.i - n:self.i]

    def value(self):
        t = self.take(1)[0]
        if t < 0x80:
            return t
        if t >= 0xe0:
            return t - 256
        if t & 0xf0 == 0x90:
            return [self.value() for _ in range(t & 15)]
        if t == 0xdc:
            return [self.value() for _ in
                    range(struct.unpack(">H", self.take(2))[0])]
        if t in (0xc4, 0xc5):
            n = int.from_bytes(self.take(1 if t == 0xc4 else 2), "big")
            return self.take(n)
        for base, fmt in ((0xcc, "BHIQ"), (0xd0, "bhiq")):
            if base <= t < base + 4:
                f = ">" + fmt[t - base]
                return struct.unpack(f, self.take(struct.calcsize(f)))[0]
        raise ValueError("type %#x" % t)


def unpack(data):
    r = Reader(data)
    v = r.value()
    if r.i != len(data):
        raise ValueError("something behind it")
    return v


# --- claims and proofs ---

class Claim:
    """A node's word on a root; the signature is checked here."""

    def __init__(self, raw, node=None):
        body, sig = unpack(raw)
        (self.netid, self.tick, self.root, self.count, self.sum, self.node,
         self.wall) = unpack(body)
        if node is not None and self.node != node:
            raise ValueError("another node's claim")
        # the body is signed itself, not wrapped
        nb.crypto_sign_open(sig + b"warren/claim/1\0" + body, self.node)


def bit(key, i):
    return key[i // 8] >> (7 - i % 8) & 1


def mask(key, bits):
    n = int.from_bytes(key, "big")
    return (n >> (256 - bits) << (256 - bits)).to_bytes(32, "big")


def leaf(entries):
    data = b"".join(k + r + struct.pack(">q", w) for k, r, w in entries)
    return (b2(b"WarrenLeaf1", data), len(entries),
            sum(w for _, _, w in entries))


def branch(b, key, left, right):
    data = b"".join(h + struct.pack(">Qq", c, s) for h, c, s in (left, right))
    h = b2(b"WarrenNode1", data + mask(key, b), struct.pack(">H", b))
    return h, left[1] + right[1], left[2] + right[2]


def verify(proof, claim, prefix, bits):
    """
    What is beneath the first bits bits of prefix, proven: (count, sum,
    entries), entries None where the proof does not go down to them.
    """
    tick, steps, end = unpack(proof)
    prefix = prefix.ljust(32, b"\0")
    if tick != claim.tick or len(steps) % 4:
        raise ValueError("of another tick")
    steps = [steps[i:i + 4] for i in range(0, len(steps), 4)]
    if any(s[0] >= bits for s in steps) or \
            any(a[0] >= b[0] for a, b in zip(steps, steps[1:])):
        raise ValueError("steps lead elsewhere")
    if end[0] == 0:
        flat = end[1]
        entries = [tuple(flat[i:i + 3]) for i in range(0, len(flat), 3)]
        if len(entries) > 8 or entries != sorted(set(entries)):
            raise ValueError("a leaf out of order")
        for k, _, _ in entries:
            if any(bit(k, s[0]) != bit(prefix, s[0]) for s in steps):
                raise ValueError("a leaf of another place")
        node = leaf(entries)
        found = [e for e in entries if mask(e[0], bits) == mask(prefix, bits)]
        got = len(found), sum(e[2] for e in found), found
        key = entries[0][0] if entries else prefix
    else:
        _, b, pre, lh, lc, ls, rh, rc, rs = end
        key = pre.ljust(32, b"\0")
        if steps and b <= steps[-1][0]:
            raise ValueError("a branch of another place")
        node = branch(b, key, (lh, lc, ls), (rh, rc, rs))
        n = min(b, bits)
        if mask(key, n) != mask(prefix, n):
            got = 0, 0, []
        elif b >= bits:
            got = node[1], node[2], None
        else:
            raise ValueError("stops short of an answer")
        for s in steps:
            if bit(key, s[0]) != bit(prefix, s[0]):
                raise ValueError("a branch of another place")
    for b, h, c, s in reversed(steps):
        sibling = (h, c, s)
        # The prefix of a branch is what all below it share.
        node = branch(b, key, *((node, sibling) if bit(prefix, b) == 0 else
                                (sibling, node)))
    root = b2(b"WarrenRoot1", claim.netid + struct.pack(">Q", tick) +
              node[0] + struct.pack(">Qq", node[1], node[2]))
    if root != claim.root or (node[1], node[2]) != (claim.count, claim.sum):
        raise ValueError("of another root")
    return got


if __name__ == "__main__":
    c = Charter(*(sys.argv[2:3] or ["lab"]))
    c.write(sys.argv[1])
    print(c.netid.hex())
