#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Golden vectors for the tree and its proofs, made without our C code.

    python3 tests/vectors/tree_vectors.py > tests/vectors/tree.txt

Set N holds the records 0..N-1; record i is made of h(label) =
BLAKE2b-256(person "WarrenTest1", label):

    key = kind | h("s" i/3)[0..14] | h("k" i)[0..15]
    rid = h("r" i)     w = i * 7919 mod 2001 - 1000
    kind = the (i mod 4)th of 2, 16, 18, 20            i as u32, big-endian

SET.top is h | cnt | sum, SET.root the root of tick 1000 + N for the netid
h("netid").  SET.NAME.ask is the prefix asked for, .bits how much of it counts
(u16), .proof the proof, .set what it proves: h | cnt | sum.
"""
import hashlib
import struct

from msgpack_min import arr, blob, num

KINDS = (2, 16, 18, 20)


def b2(person, data, salt=b""):
    return hashlib.blake2b(data, digest_size=32, person=person,
                           salt=salt).digest()


def label(text, i=None):
    return b2(b"WarrenTest1",
              text + (b"" if i is None else struct.pack(">I", i)))


def record(i):
    key = (bytes([KINDS[i % 4]]) + label(b"s", i // 3)[:15] +
           label(b"k", i)[:16])
    return key, label(b"r", i), i * 7919 % 2001 - 1000


def bits_of(key):
    return "".join(format(b, "08b") for b in key)


def side(node):
    return node["h"] + struct.pack(">Qq", node["cnt"], node["sum"])


def mask(bits):
    return int(bits.ljust(256, "0"), 2).to_bytes(32, "big")


def build(recs):
    """The tree over sorted records, straight from the definition."""
    if len(recs) <= 8:
        data = b"".join(k + r + struct.pack(">q", w) for k, r, w in recs)
        return {"h": b2(b"WarrenLeaf1", data), "cnt": len(recs),
                "sum": sum(r[2] for r in recs), "recs": recs}
    texts = [bits_of(r[0]) for r in recs]
    b = next(i for i in range(256) if len({t[i] for t in texts}) == 2)
    left = build([r for r, t in zip(recs, texts) if t[b] == "0"])
    right = build([r for r, t in zip(recs, texts) if t[b] == "1"])
    salt = struct.pack(">H", b) + bytes(14)
    data = side(left) + side(right) + mask(texts[0][:b])
    return {"h": b2(b"WarrenNode1", data, salt), "bit": b, "left": left,
            "right": right, "cnt": left["cnt"] + right["cnt"],
            "sum": left["sum"] + right["sum"], "prefix": texts[0][:b]}


def items(node):
    return [blob(node["h"]), num(node["cnt"]), num(node["sum"])]


def prove(tick, node, asked):
    """asked: the bits asked for, as text."""
    steps = []
    while "bit" in node:
        b = node["bit"]
        if b >= len(asked) or not asked.startswith(node["prefix"]):
            break
        near, far = "left", "right"
        if asked[b] == "1":
            near, far = far, near
        steps += [num(b)] + items(node[far])
        node = node[near]
    if "bit" in node:
        n = (node["bit"] + 7) // 8
        end = [num(1), num(node["bit"]), blob(mask(node["prefix"])[:n])]
        end += items(node["left"]) + items(node["right"])
    else:
        end = [num(0), arr([x for k, r, w in node["recs"]
                            for x in (blob(k), blob(r), num(w))])]
    return arr([num(tick), arr(steps), arr(end)])


def out(name, value):
    print("%s = %s" % (name, value.hex()))


def main():
    print("# Written by tests/vectors/tree_vectors.py; do not edit.")
    netid = label(b"netid")
    out("netid", netid)
    for n in (0, 1, 8, 9, 100, 3000):
        recs = sorted(record(i) for i in range(n))
        top = build(recs)
        tick = 1000 + n
        name = "set%d" % n
        root = b2(b"WarrenRoot1", netid + struct.pack(">Q", tick) + side(top))
        out(name + ".top", side(top))
        out(name + ".root", root)
        asks = {
            "there": (record(n // 2)[0], 256),
            "absent": (record(n + 4)[0], 256),
            "far": (bytes([255]) * 32, 256),
            "kind": (bytes([20]) + bytes(31), 8),
            "nokind": (bytes([19]) + bytes(31), 8),
            "subject": (record(n // 2)[0][:16] + bytes(16), 128),
            "odd": (record(n // 3)[0], 13),
            "all": (bytes(32), 0),
        }
        for ask, (key, bits) in asks.items():
            asked = bits_of(key)[:bits]
            under = build([r for r in recs
                           if bits_of(r[0]).startswith(asked)])
            out("%s.%s.ask" % (name, ask), key)
            out("%s.%s.bits" % (name, ask), struct.pack(">H", bits))
            out("%s.%s.proof" % (name, ask), prove(tick, top, asked))
            out("%s.%s.set" % (name, ask), side(under))
        print()
    body = arr([blob(netid), num(4000), blob(root), num(top["cnt"]),
                num(top["sum"]), blob(label(b"node")), num(1700000000000)])
    out("claim.body", body)  # of set 3000


if __name__ == "__main__":
    main()
