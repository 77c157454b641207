#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Golden vectors for records and charters, made without our C code.

    python3 tests/vectors/rec_vectors.py > tests/vectors/rec.txt

Each case NAME gives its fields and NAME.body, .rid, .key, .sig, .record.
"""
import hashlib
import nacl.bindings as nb

import charter_default
from msgpack_min import arr, blob, num


def b2(person, data):
    return hashlib.blake2b(data, digest_size=32, person=person).digest()


def keypair(label):
    return nb.crypto_sign_seed_keypair(b2(b"WarrenTest1", label))


def out(name, value):
    print("%s = %s" % (name, value.hex() if isinstance(value, bytes)
                       else value))


def record(name, netid, keys, kind, subject, rname, hlc, flags, w, payload):
    pk, sk = keys
    body = arr([num(1), num(kind), blob(subject), blob(rname), blob(pk),
                num(hlc), num(flags), num(w), blob(payload)])
    rid = b2(b"WarrenRec1", body)
    sig = nb.crypto_sign(b"warren/rec/1\0" + netid + rid, sk)[:64]
    key = (bytes([kind]) + b2(b"WarrenSubj1", netid + subject)[:15] +
           b2(b"WarrenKey1", netid + bytes([kind, len(subject)]) + subject +
              bytes([len(rname)]) + rname + pk)[:16])
    out(name + ".kind", b"" + bytes([kind]))
    out(name + ".subject", subject)
    out(name + ".name", rname)
    out(name + ".author", pk)
    out(name + ".sk", sk)
    out(name + ".hlc", hlc.to_bytes(8, "big"))
    out(name + ".flags", bytes([flags]))
    out(name + ".w", (w & 0xffffffff).to_bytes(4, "big"))
    out(name + ".payload", payload)
    out(name + ".body", body)
    out(name + ".rid", rid)
    out(name + ".key", key)
    out(name + ".sig", sig)
    out(name + ".record", arr([blob(body), blob(sig)]))
    print()


def main():
    print("# Written by tests/vectors/rec_vectors.py; do not edit.")
    root = keypair(b"root")
    auth = [keypair(b"authority %d" % i)[0] for i in range(2)]
    sign = lambda m: nb.crypto_sign(m, root[1])[:64]
    body, netid, charter = charter_default.make("test", root[0], sign)
    out("charter.root_pk", root[0])
    out("charter.body", body)
    out("charter.netid", netid)
    out("charter.charter", charter)
    m_body, m_netid, m_charter = charter_default.make(
        "members", root[0], sign, admission=1, pow_bits=0, authorities=auth)
    out("members.root_pk", root[0])
    out("members.body", m_body)
    out("members.netid", m_netid)
    out("members.charter", m_charter)
    print()

    a, b = keypair(b"alice"), keypair(b"bob")
    hlc = 1766000000000 << 16
    block = b2(b"WarrenTest1", b"a block")
    record("node", netid, a, 2, a[0], b"", hlc, 0, 0, bytes(range(200)))
    record("block", netid, a, 16, block, b"", hlc + 1, 0, 65536, b"manifest")
    record("location", netid, b, 17, block, b"", hlc + 65535, 0, 0, b"")
    record("meta", netid, a, 19, b"greeting", b"lang", hlc + 2, 0, 0,
           b"hello, warren" * 30)
    record("rating", netid, b, 20, block, b"", hlc + 3, 0, -100, b"")
    record("rating_gone", netid, b, 20, block, b"", hlc + 65536, 1, 0, b"")
    record("opaque", netid, b, 77, b"\x00", bytes(64), 1, 0, 0, b"\xc1")
    record("longest", netid, a, 19, bytes(64), b"\xff" * 64, 2**64 - 1, 0, 0,
           b"\xa5" * 4096)


if __name__ == "__main__":
    main()
