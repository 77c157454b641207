#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
A peer written from warren-protocol(7) alone, to show that the page suffices.

Links to a node, checks its certificate, takes its node record off the wire,
verifies and prints it, answers and sends a ping, and says goodbye.  Shares
no line with the C code: Noise is written out here over hashlib's BLAKE2b and
PyNaCl's X25519, ChaCha20-Poly1305 and Ed25519.

usage: link_client.py HOST PORT NETID [NODE_ID]
"""
import hashlib
import hmac
import json
import os
import socket
import struct
import sys
import time

from nacl import bindings
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

PROTOCOL = b"Noise_XX_25519_ChaChaPoly_BLAKE2b"
GOSSIP, CREDIT, PING, PONG, BYE = 1, 64, 65, 66, 67
LANE_CONTROL, LANE_GOSSIP = 0, 1
WINDOW = {0: 65536, 1: 262144, 2: 262144, 3: 1048576}


# --- canonical msgpack -----------------------------------------------------

def pack(v):
    """Shortest forms only; no maps, floats, nil, booleans or extensions."""
    if isinstance(v, list):
        head = bytes([0x90 | len(v)]) if len(v) < 16 else \
            b"\xdc" + struct.pack(">H", len(v))
        return head + b"".join(pack(x) for x in v)
    if isinstance(v, bytes):
        if len(v) < 256:
            return b"\xc4" + bytes([len(v)]) + v
        return b"\xc5" + struct.pack(">H", len(v)) + v
    if isinstance(v, str):
        b = v.encode()
        return (bytes([0xa0 | len(b)]) if len(b) < 32 else
                b"\xd9" + bytes([len(b)])) + b
    if v < 0:
        raise ValueError("negative numbers are not needed here")
    if v < 128:
        return bytes([v])
    for tag, form, top in ((0xcc, ">B", 8), (0xcd, ">H", 16),
                           (0xce, ">I", 32), (0xcf, ">Q", 64)):
        if v < 1 << top:
            return bytes([tag]) + struct.pack(form, v)
    raise ValueError("too large")


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        part = self.data[self.at:self.at + n]
        if len(part) != n:
            raise ValueError("cut short")
        self.at += n
        return part

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self):
        t = self.number(">B")
        if t < 0x80:
            return t
        if t >= 0xe0:
            return t - 256
        if 0x90 <= t < 0xa0:
            return [self.value() for _ in range(t & 15)]
        if t == 0xdc:
            return [self.value() for _ in range(self.number(">H"))]
        if 0xa0 <= t < 0xc0:
            return self.take(t & 31).decode()
        if t == 0xd9:
            return self.take(self.number(">B")).decode()
        if t in (0xc4, 0xc5):
            return self.take(self.number(">B" if t == 0xc4 else ">H"))
        forms = {0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q",
                 0xd0: ">b", 0xd1: ">h", 0xd2: ">i", 0xd3: ">q"}
        return self.number(forms[t])


def unpack(data):
    r = Reader(data)
    v = r.value()
    if r.at != len(data):
        raise ValueError("something follows")
    if pack_back(v) != data:
        raise ValueError("not canonical")
    return v


def pack_back(v):
    """As pack(), but lets w of a record be negative."""
    if isinstance(v, list):
        head = bytes([0x90 | len(v)]) if len(v) < 16 else \
            b"\xdc" + struct.pack(">H", len(v))
        return head + b"".join(pack_back(x) for x in v)
    if isinstance(v, int) and v < 0:
        if v >= -32:
            return bytes([v & 0xff])
        for tag, form, low in ((0xd0, ">b", 7), (0xd1, ">h", 15),
                               (0xd2, ">i", 31), (0xd3, ">q", 63)):
            if v >= -(1 << low):
                return bytes([tag]) + struct.pack(form, v)
    return pack(v)


def b2(person, data):
    return hashlib.blake2b(data, digest_size=32, person=person).digest()


# --- Noise_XX_25519_ChaChaPoly_BLAKE2b, the initiator ----------------------

def blake(data):
    return hashlib.blake2b(data).digest()


def hkdf(ck, ikm):
    def mac(key, data):
        return hmac.new(key, data, hashlib.blake2b).digest()
    temp = mac(ck, ikm)
    one = mac(temp, b"\x01")
    return one, mac(temp, one + b"\x02")


def nonce(n):
    return b"\0\0\0\0" + struct.pack("<Q", n)


class Cipher:
    def __init__(self, key):
        self.k, self.n = key, 0

    def seal(self, ad, text):
        out = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
            text, ad, nonce(self.n), self.k)
        self.n += 1
        return out

    def open(self, ad, text):
        out = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
            text, ad, nonce(self.n), self.k)
        self.n += 1
        return out


class Noise:
    def __init__(self, prologue):
        self.s = os.urandom(32)
        self.e = os.urandom(32)
        self.h = PROTOCOL.ljust(64, b"\0") if len(PROTOCOL) <= 64 \
            else blake(PROTOCOL)
        self.ck = self.h
        self.cs = None
        self.mix_hash(prologue)

    @staticmethod
    def public(secret):
        return bindings.crypto_scalarmult_base(secret)

    def mix_hash(self, data):
        self.h = blake(self.h + data)

    def mix_key(self, secret, public):
        self.ck, k = hkdf(self.ck, bindings.crypto_scalarmult(secret, public))
        self.cs = Cipher(k[:32])

    def seal(self, text):
        out = self.cs.seal(self.h, text)
        self.mix_hash(out)
        return out

    def open(self, text):
        out = self.cs.open(self.h, text)
        self.mix_hash(text)
        return out

    def first(self):
        e = self.public(self.e)
        self.mix_hash(e)
        self.mix_hash(b"")  # an empty payload, no key yet
        return e

    def second(self, msg):
        """Returns the payload; their static key is in self.rs."""
        re = msg[:32]
        self.mix_hash(re)
        self.mix_key(self.e, re)
        self.rs = self.open(msg[32:80])
        self.mix_key(self.e, self.rs)
        self.re = re
        return self.open(msg[80:])

    def third(self, payload):
        s = self.seal(self.public(self.s))
        self.mix_key(self.s, self.re)
        return s + self.seal(payload)

    def split(self):
        a, b = hkdf(self.ck, b"")
        return Cipher(a[:32]), Cipher(b[:32])


# --- the link --------------------------------------------------------------

class Peer:
    def __init__(self, host, port, netid):
        self.sock = socket.create_connection((host, port), timeout=5)
        self.netid = netid
        self.key = SigningKey.generate()
        self.owed = {lane: 0 for lane in WINDOW}

    def exactly(self, n):
        data = b""
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise EOFError("the node hung up")
            data += part
        return data

    def get(self):
        return self.exactly(struct.unpack(">H", self.exactly(2))[0])

    def put(self, data):
        self.sock.sendall(struct.pack(">H", len(data)) + data)

    def certificate(self, pk, start, end):
        return (b"warren/noise/1\0" + self.netid + pk +
                struct.pack(">QQ", start, end))

    def hello(self, noise):
        start = int(time.time()) - 60
        end = start + 86400
        sig = self.key.sign(self.certificate(
            noise.public(noise.s), start, end)).signature
        return pack([1, 1, 0, bytes(self.key.verify_key), start, end, sig])

    def check(self, hello, pk):
        low, high, caps, identity, start, end, sig = hello
        VerifyKey(identity).verify(self.certificate(pk, start, end), sig)
        now = time.time()
        assert low <= 1 <= high, "no common version"
        assert start - 60 <= now < end + 60 and 0 < end - start <= 86400
        self.node_id, self.caps = identity, caps

    def shake(self):
        noise = Noise(b"warren/link/1\0" + self.netid)
        self.put(noise.first())
        self.check(unpack(noise.second(self.get())), noise.rs)
        self.put(noise.third(self.hello(noise)))
        self.tx, self.rx = noise.split()

    def send(self, lane, *messages):
        plain = bytes([lane])
        for m in messages:
            body = pack(m)
            plain += struct.pack(">H", len(body)) + body
        self.put(self.tx.seal(b"", plain))

    def receive(self):
        """The messages of one frame; grants credit as it is consumed."""
        plain = self.rx.open(b"", self.get())
        lane, at, out = plain[0], 1, []
        while at < len(plain):
            n = struct.unpack(">H", plain[at:at + 2])[0]
            body = plain[at + 2:at + 2 + n]
            assert len(body) == n and n > 0, "the frame is not filled exactly"
            at += 2 + n
            m = unpack(body)
            out.append((lane, m))
            if m[0] != CREDIT:
                self.owed[lane] += n
        if self.owed[lane] >= WINDOW[lane] // 4:
            self.send(LANE_CONTROL, [CREDIT, lane, self.owed[lane]])
            self.owed[lane] = 0
        return out


# --- records ---------------------------------------------------------------

def address(ip, port):
    if not ip:
        return "(where you reached it):%d" % port
    text = socket.inet_ntop(
        socket.AF_INET if len(ip) == 4 else socket.AF_INET6, ip)
    return "%s:%d" % (text, port)


def read_record(raw, netid):
    body, sig = unpack(raw)
    version, kind, subject, name, author, hlc, flags, w, payload = \
        unpack(body)
    rid = b2(b"WarrenRec1", body)
    VerifyKey(author).verify(b"warren/rec/1\0" + netid + rid, sig)
    assert version == 1 and hlc != 0
    return {"kind": kind, "subject": subject, "author": author, "hlc": hlc,
            "tombstone": bool(flags & 1), "payload": payload, "rid": rid}


def show(rec):
    _, caps, addrs, stun, nat, region, free, vias, agent, name = \
        unpack(rec["payload"])
    services = ["link", "http", "ws", "wsudp", "stun/udp", "stun/tcp"]
    print(json.dumps({
        "nodeId": rec["author"].hex(), "name": name, "agent": agent,
        "region": region, "caps": caps, "nat": nat, "freeGib": free,
        "stamp": rec["hlc"] >> 16, "rid": rec["rid"].hex(),
        "vias": [v.hex() for v in vias],
        "addresses": [{"service": services[p] if p < 6 else p,
                       "address": address(ip, port), "source": src}
                      for p, _, ip, port, src in addrs],
        "stun": [{"proto": "tcp" if p else "udp", "mapped": address(ip, port),
                  "via": via.hex(), "since": since, "seen": seen,
                  "verified": [None, True, False][v]}
                 for p, _, ip, port, via, since, seen, v in stun],
    }, indent=1))


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    netid = bytes.fromhex(sys.argv[3])
    peer = Peer(sys.argv[1], int(sys.argv[2]), netid)
    peer.shake()
    if len(sys.argv) == 5 and peer.node_id.hex() != sys.argv[4]:
        sys.exit("another node answered: " + peer.node_id.hex())
    token = int.from_bytes(os.urandom(7), "big")
    peer.send(LANE_CONTROL, [PING, token, int(time.time() * 1000)])
    ponged = shown = False
    until = time.time() + 10
    while not (ponged and shown) and time.time() < until:
        for lane, m in peer.receive():
            if m[0] == PING:
                peer.send(LANE_CONTROL, [PONG, m[1], int(time.time() * 1000)])
            elif m[0] == PONG:
                ponged = ponged or m[1] == token
            elif m[0] == GOSSIP:
                assert lane == LANE_GOSSIP
                for raw in m[2]:
                    rec = read_record(raw, netid)
                    if rec["author"] == peer.node_id and rec["kind"] == 2:
                        show(rec)
                        shown = True
    peer.send(LANE_CONTROL, [BYE, 1])
    if not (ponged and shown):
        sys.exit("no node record, or no PONG")


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, BadSignatureError, EOFError, ValueError,
            OSError) as e:
        sys.exit("link_client: %s: %s" % (type(e).__name__, e))
