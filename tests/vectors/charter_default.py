#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Make the default public charter and print it as common/charter_default.c.

A fresh root key signs it and is thrown away: the charter is meant never to
change.  Needs python3-nacl.  Running this again names another network.

    python3 tests/vectors/charter_default.py > common/charter_default.c
"""
import hashlib
import nacl.bindings as nb

from msgpack_min import arr, blob, num, text

DAY = 86400
KINDS = [
    # kind, pmax, ttl_s, quota, w_min, w_max
    (1, 256, 400 * DAY, 0, 0, 0),                # member
    (2, 768, 3600, 1, 0, 0),                     # node
    (16, 256, 90 * DAY, 65536, 0, 4194304),      # block, w = bytes
    (17, 64, 7 * DAY, 262144, 0, 0),             # location
    (18, 32, 7 * DAY, 65536, 0, 5000),           # temperature, w = milli
    (19, 4096, 400 * DAY, 16384, 0, 0),          # meta
    (20, 256, 400 * DAY, 16384, -100, 100),      # rating
    (32, 1024, 90 * DAY, 4096, 0, 0),            # 32-255, opaque
]


def make(name, root_pk, sign, admission=0, pow_bits=22, authorities=()):
    body = arr([
        num(1), text(name), blob(root_pk), num(10000), num(10000),
        num(60000), num(admission), num(pow_bits),
        arr([blob(a) for a in authorities]),
        arr([arr([num(v) for v in row]) for row in KINDS]), num(3),
    ])
    netid = hashlib.blake2b(
        body, digest_size=32, person=b"WarrenNet1").digest()
    sig = sign(b"warren/charter/1\0" + netid)
    return body, netid, arr([blob(body), blob(sig)])


def main():
    pk, sk = nb.crypto_sign_keypair()
    _, netid, charter = make(
        "main", pk, lambda m: nb.crypto_sign(m, sk)[:64])
    print("/* SPDX-License-Identifier: ISC */")
    print("/*")
    print(" * The public network's charter, \"main\".  Written by")
    print(" * tests/vectors/charter_default.py; do not edit.  netid")
    print(" * %s." % netid.hex())
    print(" */")
    print('#include "common/charter.h"')
    print()
    print("/* clang-format off */")
    print("const uint8_t charter_default[] = {")
    for at in range(0, len(charter), 12):
        row = charter[at:at + 12]
        print("\t" + " ".join("0x%02x," % b for b in row))
    print("};")
    print("/* clang-format on */")
    print()
    print("const size_t charter_default_len = sizeof(charter_default);")


if __name__ == "__main__":
    main()
