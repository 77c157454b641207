#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Turn published Noise vectors (JSON: a "vectors" list of cacophony's shape)
into the plain lines our test reads, keeping Noise_XX_25519_ChaChaPoly_BLAKE2b.

    python3 tests/vectors/noise_vectors.py FILE > tests/vectors/noise.txt
"""
import json
import sys

NAME = "Noise_XX_25519_ChaChaPoly_BLAKE2b"
FIELDS = ("init_prologue", "init_static", "init_ephemeral", "resp_prologue",
          "resp_static", "resp_ephemeral", "handshake_hash")


def main():
    with open(sys.argv[1]) as f:
        vectors = json.load(f)["vectors"]
    print("# %s, written by tests/vectors/noise_vectors.py." % NAME)
    print("# From cacophony (Unlicense), snow (MIT or Apache-2.0, (c) the")
    print("# snow authors) and flynn/noise (BSD-3-Clause, (c) 2015 Prime")
    print("# Directive, Inc.).")
    case = 0
    for v in vectors:
        if v["protocol_name"] != NAME:
            continue
        print("\n# %s, %s" % (v["source"], v["licence"]))
        for field in FIELDS:
            if field in v:
                print("%d.%s = %s" % (case, field, v[field]))
        for i, m in enumerate(v["messages"]):
            print("%d.%d.from = %02x" % (case, i, ord(m["from"])))
            print("%d.%d.payload = %s" % (case, i, m["payload"]))
            print("%d.%d.ciphertext = %s" % (case, i, m["ciphertext"]))
        case += 1


if __name__ == "__main__":
    main()
