# SPDX-License-Identifier: ISC
"""
Authors and the control socket, for tests of the database: charters with fast
ticks, records signed by keys of our own, and what the store says of them.
Written from warren-records(7), apart from the C code.
"""
import hashlib
import os
import socket
import struct
import sys
import time

import msgpack
import nacl.bindings as nb

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "vectors"))
import charter_default  # noqa: E402
from msgpack_min import arr, blob, num  # noqa: E402

MEMBER, NODE, BLOCK, LOCATION, TEMPERATURE, META, RATING = 1, 2, 16, 17, 18, \
    19, 20
NEW, OLD, EXPIRED, FUTURE, NOT_ADMITTED, OVER_QUOTA, BUSY = range(7)


def b2(person, data):
    return hashlib.blake2b(data, digest_size=32, person=person).digest()


def block_id(body):
    """The name of a block, by peerd/blocks.h."""
    hashes = b"".join(b2(b"WarrenChk1", body[i:i + 65536])
                      for i in range(0, len(body), 65536))
    return b2(b"WarrenBlk1", struct.pack(">Q", len(body)) + hashes)


class Network:
    """A charter, and what follows from it."""

    def __init__(self, path, tick_ms=1000, settle_ms=1000, pow_bits=8,
                 admission=0, authorities=()):
        pk, sk = nb.crypto_sign_keypair()
        body = arr([
            num(1), b"\xa3lab", blob(pk), num(tick_ms), num(settle_ms),
            num(60000), num(admission), num(pow_bits),
            arr([blob(a) for a in authorities]),
            arr([arr([num(v) for v in row]) for row in
                 charter_default.KINDS]), num(3)])
        self.netid = b2(b"WarrenNet1", body)
        self.pow_bits = pow_bits
        self.tick_ms, self.settle_ms = tick_ms, settle_ms
        sig = nb.crypto_sign(b"warren/charter/1\0" + self.netid, sk)[:64]
        with open(path, "wb") as f:
            f.write(arr([blob(body), blob(sig)]))
        os.chmod(path, 0o644)
        self.conf = 'network "lab" charter "%s"\n' % path


class Author:
    def __init__(self, net):
        self.net = net
        self.pk, self.sk = nb.crypto_sign_keypair()
        self.last = 0

    def stamp(self, ms=None):
        h = int((time.time() * 1000) if ms is None else ms) << 16
        self.last = max(h, self.last + 1)
        return self.last

    def record(self, kind, subject, w=0, name=b"", payload=b"", flags=0,
               hlc=None):
        """(raw, key, rid, hlc)"""
        hlc = self.stamp() if hlc is None else hlc
        body = arr([num(1), num(kind), blob(subject), blob(name),
                    blob(self.pk), num(hlc), num(flags), num(w),
                    blob(payload)])
        rid = b2(b"WarrenRec1", body)
        sig = nb.crypto_sign(
            b"warren/rec/1\0" + self.net.netid + rid, self.sk)[:64]
        return arr([blob(body), blob(sig)]), self.key(kind, subject, name), \
            rid, hlc

    def key(self, kind, subject, name=b""):
        netid = self.net.netid
        h1 = b2(b"WarrenSubj1", netid + subject)[:15]
        h2 = b2(b"WarrenKey1", netid + bytes([kind, len(subject)]) + subject +
                bytes([len(name)]) + name + self.pk)[:16]
        return bytes([kind]) + h1 + h2

    def admission(self):
        nonce = 0
        want = self.net.pow_bits
        while True:
            n = struct.pack(">Q", nonce)
            h = b2(b"WarrenPow1", self.net.netid + self.pk + n)
            if int.from_bytes(h, "big") >> (256 - want) == 0:
                return self.record(MEMBER, self.pk, payload=n)
            nonce += 1


class Ctl:
    """The control socket of one node."""
    SHOW_DB, CHECK, PUT, GET, LIST, PROVE = 125, 126, 144, 145, 146, 147
    BLOCK_PUT, BLOCK_GET = 154, 155
    END = 101
    PART = 128 << 10

    def __init__(self, path):
        self.path = path
        self.s = None

    def _recv(self, n):
        out = b""
        while len(out) < n:
            d = self.s.recv(n - len(out))
            if not d:
                raise OSError("control socket closed")
            out += d
        return out

    def _message(self):
        n = struct.unpack(">I", self._recv(4))[0]
        return msgpack.unpackb(self._recv(n), raw=True)

    def ask(self, typ, body=()):
        """([body of each part], code, text)"""
        if self.s is None:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(20)
            s.connect(self.path)
            self.s = s
            self._message()  # hello
        try:
            m = msgpack.packb([typ, 1, list(body)])
            self.s.sendall(struct.pack(">I", len(m)) + m)
            parts = []
            while True:
                t, _, b = self._message()
                if t == self.END:
                    return parts, b[0], b[1].decode()
                parts.append(b)
        except OSError:
            self.close()
            raise

    def close(self):
        if self.s is not None:
            self.s.close()
        self.s = None

    def put(self, raws):
        """A verdict for each: only those of NEW or OLD are acknowledged."""
        parts, code, text = self.ask(
            self.PUT, [[[r] for r in raws], False, bytes(32)])
        if not parts:
            raise OSError("%d %s" % (code, text))
        return [v[0] for v in parts[0][0]]

    def get(self, key, settled=False):
        parts, code, _ = self.ask(self.GET, [key, settled])
        if code == 1:
            return None
        if not parts:
            raise OSError(code)
        return parts[0][0][0][0]

    def db(self):
        parts, _, _ = self.ask(self.SHOW_DB)
        b = parts[0]
        return {"tick": b[0], "root": b[2].hex(), "cnt": b[3], "sum": b[4],
                "kinds": {k: (c, s) for k, c, s in b[5]}, "seq": b[7],
                "pending": b[8], "bodies": b[10], "below_r": b[12],
                "fetching": b[13], "neighbours": b[14], "equal": b[15],
                "admitted": b[16], "problem": b[17].decode()}

    def list(self, prefix, settled=False):
        """Records under a prefix of whole bytes: (author, flags, w)."""
        bits = 8 * len(prefix)
        parts, _, _ = self.ask(self.LIST, [
            prefix.ljust(32, b"\0"), bits, False, bytes(32), 256, settled])
        out = []
        for p in parts:
            for r in p[0]:
                if not r[0]:
                    continue  # settled, and replaced on disk already
                body = msgpack.unpackb(msgpack.unpackb(r[0], raw=True)[0],
                                       raw=True)
                out.append((body[4], body[6], body[7]))
        return out

    def block_put(self, body):
        """Its id; OSError when it is refused."""
        token = int.from_bytes(os.urandom(8), "big")
        parts = []
        for off in range(0, len(body), self.PART):
            parts, code, text = self.ask(self.BLOCK_PUT, [
                token, len(body), off, body[off:off + self.PART]])
            if code:
                raise OSError("%d %s" % (code, text))
        return parts[0][0]

    def block_get(self, bid, fetch=False):
        """The body; None when it is not to be had."""
        body = b""
        while True:
            parts, code, text = self.ask(
                self.BLOCK_GET, [bid, fetch, len(body)])
            if code == 1:
                return None
            if code:
                raise OSError("%d %s" % (code, text))
            size, off, data = parts[0]
            if off != len(body):
                raise OSError("part at %d, not %d" % (off, len(body)))
            body += data
            if len(body) >= size:
                return body
