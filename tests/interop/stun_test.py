#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
stund seen by clients and servers that share no line of code with it.

usage: stun_test.py [CASE ...]

Starts stund_rig of the build tree $B, talks STUN to it over UDP, TCP, IPv4
and IPv6, says many wrong things, and plays the servers that stund asks.
"""
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

BUILD = os.environ.get("B", "build")
COOKIE = 0x2112A442
SILENCE = 0.25  # seconds without an answer that count as none


# --- STUN, once more and independently (RFC 8489) ---

def crc32(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def attr(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def message(kind, attrs=b"", tid=None, cookie=COOKIE, length=None):
    tid = tid or os.urandom(12)
    size = len(attrs) if length is None else length
    return struct.pack("!HHI", kind, size, cookie) + tid + attrs


def fingerprinted(kind, attrs=b"", tid=None, spoil=0):
    head = message(kind, attrs, tid, length=len(attrs) + 8)
    return head + attr(0x8028, struct.pack("!I", crc32(head) ^ 0x5354554E ^ spoil))


def attributes(msg):
    kind, size, cookie = struct.unpack("!HHI", msg[:8])
    assert cookie == COOKIE and size == len(msg) - 20, msg.hex()
    found, at = {}, 20
    while at < len(msg):
        a, n = struct.unpack("!HH", msg[at:at + 4])
        found[a] = msg[at + 4:at + 4 + n]
        at += 4 + (n + 3) // 4 * 4
    return kind, msg[8:20], found


def xored(addr, tid):
    host, port = addr[:2]
    pad = struct.pack("!I", COOKIE) + tid
    v6 = ":" in host
    raw = socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET, host)
    return struct.pack("!BBH", 0, 2 if v6 else 1, port ^ COOKIE >> 16) + bytes(
        a ^ b for a, b in zip(raw, pad))


def check(answer, request, addr):
    """answer is what request deserves, asked from addr."""
    kind, tid, found = attributes(answer)
    assert kind == 0x0101, hex(kind)
    assert tid == request[8:20], "transaction id"
    assert found == {0x0020: xored(addr, tid)}, found
    assert len(answer) == (44 if ":" in addr[0] else 32), len(answer)


# --- the rig ---

class Rig:
    def __init__(self, **conf):
        args = [BUILD + "/tests/regress/stund_rig"]
        for name, value in conf.items():
            args += ["-D", f"{name}={value}"]
        self.proc = subprocess.Popen(
            args + [BUILD + "/stund-bin"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.more = [], threading.Condition()
        self.at = 0
        self.log = []
        threading.Thread(target=self.read, daemon=True).start()
        threading.Thread(target=self.read_log, daemon=True).start()
        self.await_ready()

    def read(self):
        for line in self.proc.stdout:
            with self.more:
                self.lines.append(line.rstrip("\n"))
                self.more.notify_all()

    def read_log(self):
        for line in self.proc.stderr:
            self.log.append(line.rstrip("\n"))

    def await_ready(self):
        words = self.expect(r"ready (.*)").group(1).split()
        self.pid = int(words[1])
        self.udp4, self.tcp4, self.udp6, self.tcp6 = (
            int(words[i]) for i in (3, 5, 7, 9))

    def say(self, text):
        self.proc.stdin.write(text + "\n")
        self.proc.stdin.flush()

    def expect(self, pattern, timeout=10):
        """The next line that matches; those before it are passed over."""
        end = time.monotonic() + timeout
        with self.more:
            while True:
                while self.at < len(self.lines):
                    self.at += 1
                    m = re.fullmatch(pattern, self.lines[self.at - 1])
                    if m:
                        return m
                left = end - time.monotonic()
                if left <= 0 or not self.more.wait(left):
                    raise AssertionError(
                        f"no line {pattern!r} in\n" + "\n".join(self.lines + self.log))

    def expect_all(self, *patterns):
        """The same in any order: two channels keep none."""
        start, ends, found = self.at, [], []
        for p in patterns:
            self.at = start
            found.append(self.expect(p, 15))
            ends.append(self.at)
        self.at = max(ends)
        return found

    def never(self, pattern, seconds):
        start = len(self.lines)
        time.sleep(seconds)
        for line in self.lines[start:]:
            assert not re.fullmatch(pattern, line), line

    def ask(self, command):
        """All lines up to the end of the answer."""
        self.at = start = len(self.lines)
        self.say(command)
        self.expect(r"end .*")
        return self.lines[start:self.at]

    def until(self, command, good):
        """Ask until the answer is good: two channels keep no order."""
        end = time.monotonic() + 5
        while not good(shown := self.ask(command)):
            assert time.monotonic() < end, shown
            time.sleep(0.02)

    def stats(self):
        return {w[1]: int(w[2]) for w in
                (line.split() for line in self.ask("stats")) if w[0] == "stat"}

    def close(self):
        self.proc.stdin.close()
        assert self.proc.wait(10) == 0, "\n".join(self.lines + self.log)
        bad = [line for line in self.lines if "forbidden" in line]
        assert not bad, bad

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            self.proc.kill()
            print("\n".join(self.lines + self.log), file=sys.stderr)
        else:
            self.close()


def udp(host, port):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET,
                      socket.SOCK_DGRAM)
    s.connect((host, port))
    s.settimeout(5)
    return s


def tcp(host, port):
    s = socket.create_connection((host, port), timeout=5)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def take(s, n):
    got = b""
    while len(got) < n:
        part = s.recv(n - len(got))
        assert part, "closed early"
        got += part
    return got


def silent(s, seconds=SILENCE):
    return not select.select([s], [], [], seconds)[0]


def alive(rig):
    s = udp("127.0.0.1", rig.udp4)
    req = message(1)
    s.send(req)
    check(s.recv(2000), req, s.getsockname())
    s.close()


# --- what is right ---

def case_udp(rig):
    for host, port in (("127.0.0.1", rig.udp4), ("::1", rig.udp6)):
        s = udp(host, port)
        for req in (message(1), fingerprinted(1), message(1, attr(0x8022, b"me")),
                    fingerprinted(1, attr(0xF57A, bytes(32)))):
            s.send(req)
            check(s.recv(2000), req, s.getsockname())


def case_udp_burst(rig):
    """More at once than one wakeup takes in."""
    s = udp("127.0.0.1", rig.udp4)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    reqs = {}
    for _ in range(500):
        req = message(1)
        reqs[req[8:20]] = req
        s.send(req)
    while reqs:
        answer = s.recv(2000)
        check(answer, reqs.pop(answer[8:20]), s.getsockname())


def case_udp_singly(rig):
    """One at a time long enough for the socket to be read singly."""
    s = udp("127.0.0.1", rig.udp4)
    for _ in range(200):
        req = message(1)
        s.send(req)
        check(s.recv(2000), req, s.getsockname())
    case_udp_burst(rig)


def case_tcp(rig):
    for host, port in (("127.0.0.1", rig.tcp4), ("::1", rig.tcp6)):
        s = tcp(host, port)
        size = 44 if ":" in host else 32
        for _ in range(3):
            req = fingerprinted(1)
            s.sendall(req)
            check(take(s, size), req, s.getsockname())


def case_tcp_pipelined(rig):
    s = tcp("127.0.0.1", rig.tcp4)
    reqs = [message(1, attr(0x8022, bytes(i % 40))) for i in range(1000)]
    threading.Thread(target=s.sendall, args=(b"".join(reqs),)).start()
    for req in reqs:
        check(take(s, 32), req, s.getsockname())


def case_tcp_byte_by_byte(rig):
    s = tcp("127.0.0.1", rig.tcp4)
    reqs = [fingerprinted(1), message(1)]
    for byte in b"".join(reqs):
        s.send(bytes([byte]))
        time.sleep(0.002)
    for req in reqs:
        check(take(s, 32), req, s.getsockname())


def case_tcp_cut_everywhere(rig):
    req = fingerprinted(1, attr(0x8022, b"x"))
    for cut in range(1, len(req)):
        s = tcp("127.0.0.1", rig.tcp4)
        s.send(req[:cut])
        time.sleep(0.003)
        s.send(req[cut:] + req)
        check(take(s, 32), req, s.getsockname())
        check(take(s, 32), req, s.getsockname())
        s.close()


def case_tcp_half_closed(rig):
    s = tcp("127.0.0.1", rig.tcp4)
    req = message(1)
    s.send(req)
    s.shutdown(socket.SHUT_WR)
    check(take(s, 32), req, s.getsockname())
    assert s.recv(10) == b""


def case_tcp_deaf(rig):
    """Answers are not read: stund stops reading, and serves others."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", rig.tcp4))
    s.setblocking(False)
    req = message(1)
    block, sent = req * 1001, 0
    while True:
        if not select.select([], [s], [], 1)[1]:
            break
        sent += s.send(block[sent % 20:])
        assert sent < 64 << 20, "it reads without end"
    alive(rig)
    s.settimeout(5)
    got = 0
    while got < sent // 20 * 32:
        part = s.recv(1 << 16)
        assert part, "closed"
        got += len(part)
    s.send(req[sent % 20:] + message(1))
    take(s, 32 * (1 + (sent % 20 != 0)))


def case_unknown_attribute(rig):
    """420 names what is not understood, unless longer than the request."""
    req = message(1, attr(0x0003, bytes(16)) + attr(0x7F01, bytes(4)))
    for s in (udp("127.0.0.1", rig.udp4), tcp("127.0.0.1", rig.tcp4)):
        s.send(req)
        kind, tid, found = attributes(s.recv(2000))
        assert kind == 0x0111 and tid == req[8:20]
        assert found[0x0009][2:4] == bytes([4, 20]), found
        assert found[0x000A] == struct.pack("!HH", 0x0003, 0x7F01), found
    req = message(1, attr(0x7F01, b""))
    s = udp("127.0.0.1", rig.udp4)
    s.send(req)
    assert silent(s), "a 420 longer than the request"


# --- what is wrong: name, bytes; no answer, and over TCP no connection ---

BAD = [
    ("empty", b""),
    ("one byte", b"\0"),
    ("header cut", message(1)[:19]),
    ("top bits", b"\x80" + message(1)[1:]),
    ("RFC 3489, no cookie", message(1, cookie=0x12345678)),
    ("length not a multiple of 4", message(1, b"\0\0\0", length=3)),
    ("longer than the datagram", message(1, length=8)),
    ("shorter than the datagram", message(1, attr(0x8022, b"abcd"), length=0)),
    ("attribute beyond the end", message(1, struct.pack("!HH", 0x8022, 100) + bytes(4))),
    ("attribute header cut", message(1, b"\x80\x22\0\0"[:4] + b"\0\1\0\7")),
    ("seventeen attributes", message(1, attr(0x8022, b"") * 17)),
    ("fingerprint wrong", fingerprinted(1, spoil=1)),
    ("fingerprint not last", message(1, fingerprinted(1)[20:] + attr(0x8022, b"x"))),
    ("a response", message(0x0101, attr(0x0020, bytes(8)))),
    ("an error response", message(0x0111)),
    ("indication", message(0x0011)),
    ("TURN Allocate", message(0x0003)),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("DTLS hello", b"\x16\xfe\xfd" + bytes(60)),
    ("RTP", b"\x80\x60" + os.urandom(30)),
    ("noise", b"\xff" * 1200),
    ("too long", message(1, attr(0x8022, bytes(8000)))),
    ("cut to our buffer", message(1, attr(0x8022, bytes(1256)) + bytes(400), length=1260)),
]
QUIET_ON_TCP = {"a response", "an error response", "indication", "TURN Allocate",
                "one byte", "header cut", "longer than the datagram"}


def case_bad_udp(rig):
    socks = []
    for name, data in BAD:
        s = udp("127.0.0.1", rig.udp4)
        s.send(data)
        socks.append((name, s))
    time.sleep(SILENCE)
    for name, s in socks:
        assert silent(s, 0), name
        req = message(1)
        s.send(req)
        check(s.recv(2000), req, s.getsockname())
        s.close()


def case_bad_tcp(rig):
    for name, data in BAD:
        if not data or name in ("shorter than the datagram", "cut to our buffer"):
            continue  # on a stream those are nothing, or a message and more
        s = tcp("127.0.0.1", rig.tcp4)
        s.send(data)
        if name in QUIET_ON_TCP:
            assert silent(s), name
        else:
            try:
                assert s.recv(100) == b"", name
            except ConnectionResetError:
                pass
        s.close()
        alive(rig)


# --- limits; each with a stund of its own ---

def own_rate_limit():
    with Rig(rate=10, burst=20) as rig:
        s = udp("127.0.0.1", rig.udp4)
        for _ in range(200):
            s.send(message(1))
        time.sleep(0.2)
        n = 0
        while not silent(s, 0):
            s.recv(2000)
            n += 1
        assert 20 <= n <= 25, n
        assert rig.stats()["stun_dropped_net_rate"] == 200 - n
        rig.say("set rate 0")
        rig.say("reload")
        rig.ask("stun")
        for _ in range(50):
            alive(rig)


def own_connection_cap():
    with Rig(conns=5) as rig:
        kept = [tcp("127.0.0.1", rig.tcp4) for _ in range(5)]
        for s in kept:
            s.send(message(1))
            take(s, 32)
        s = tcp("127.0.0.1", rig.tcp4)
        try:
            assert s.recv(10) == b""
        except ConnectionResetError:
            pass
        assert rig.stats()["stun_tcp_refused"] == 1
        assert rig.stats()["stun_tcp_connections"] == 5
        kept.pop().close()
        s = tcp("127.0.0.1", rig.tcp4)
        s.send(message(1))
        take(s, 32)


def own_idle():
    """Bytes that complete no request do not keep a connection open."""
    with Rig(idle=1500) as rig:
        idle, slow, busy = (tcp("127.0.0.1", rig.tcp4) for _ in range(3))
        start, ended, byte = time.monotonic(), {}, 0
        drip = fingerprinted(1, attr(0x8022, bytes(400)))
        while len(ended) < 2:
            assert time.monotonic() - start < 8, ended
            busy.send(message(1))
            take(busy, 32)
            for name, s in (("idle", idle), ("slow", slow)):
                if name in ended:
                    continue
                try:
                    if name == "slow":
                        s.send(drip[byte:byte + 1])
                        byte += 1
                    if not silent(s, 0.1):
                        assert s.recv(10) == b""
                        ended[name] = time.monotonic() - start
                except (ConnectionResetError, BrokenPipeError):
                    ended[name] = time.monotonic() - start
        assert all(1.4 < t < 4 for t in ended.values()), ended
        assert rig.stats()["stun_tcp_connections"] == 1


def own_limits_shown():
    with Rig() as rig:
        alive(rig)
        names = [line.split(" ", 6)[6] for line in rig.ask("limits")
                 if line.startswith("limit ")]
        for want in ("STUN TCP connections", "STUN clients", "STUN mappings",
                     "STUN requesters", "STUN rate-limit table"):
            assert want in names, names
        shown = rig.ask("stun")
        assert any(line.startswith("requester udp 127.0.0.1:") for line in shown), shown
        rig.say("set requesters 0")
        rig.say("reload")
        assert not any(line.startswith("requester") for line in rig.ask("stun"))


# --- stund as a client ---

class Server:
    """A STUN server that says what it is told to."""

    def __init__(self, host="127.0.0.1", mapped=None, reply=None):
        self.mapped, self.reply, self.asked, self.run = mapped, reply, 0, True
        self.conns = []
        self.u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.u.bind((host, 0))
        self.t = socket.socket()
        self.t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.t.bind((host, 0))
        self.t.listen(16)
        self.udp = "%s:%u" % self.u.getsockname()
        self.tcp = "%s:%u" % self.t.getsockname()
        threading.Thread(target=self.serve, daemon=True).start()

    def answer(self, req, addr):
        self.asked += 1
        kind, tid, found = attributes(req)
        assert kind == 1 and len(req) >= 64 and 0x8028 in found
        if self.reply:
            return self.reply(req, self.mapped or addr)
        return message(0x0101, attr(0x0020, xored(self.mapped or addr, tid)), tid)

    def serve(self):
        while self.run:
            for s in select.select([self.u, self.t] + self.conns, [], [], 0.05)[0]:
                if s is self.u:
                    req, addr = s.recvfrom(2000)
                    s.sendto(self.answer(req, addr), addr)
                elif s is self.t:
                    self.conns.append(s.accept()[0])
                else:
                    self.serve_tcp(s)

    def serve_tcp(self, s):
        try:
            req = s.recv(2000)
            if req:
                s.send(self.answer(req, s.getpeername()))
                return
        except OSError:
            pass
        self.conns.remove(s)
        s.close()

    def close(self):
        self.run = False
        time.sleep(0.1)
        for s in [self.u, self.t] + self.conns:
            s.close()


def own_client():
    """Two peers agree: no NAT here.  The view comes on every change."""
    a, b = Server(), Server("127.0.0.2")
    with Rig(keepalive=300) as rig:
        rig.say(f"peer alice {a.udp} {a.tcp} out")
        rig.say(f"peer bob {b.udp} {b.tcp} in")
        rig.expect_all(
            r"event stun udp mapping new: .* is 127\.0\.0\.1:.* via 616c6963",
            r"event stun tcp mapping new: .* is 127\.0\.0\.1:.* via 616c6963",
            r"event stun udp mapping new: .* is 127\.0\.0\.1:.* via 626f6200",
            r"event stun tcp mapping new: .* is 127\.0\.0\.1:.* via 626f6200",
            r"view nats 2 mappings 4",
            r"nat udp4 none ports preserved networks 2 endpoint 127\.0\.0\.1:\d+",
            r"nat tcp4 none ports preserved networks 2 endpoint 127\.0\.0\.1:\d+")
        before = a.asked
        time.sleep(1.2)
        assert a.asked - before >= 4, "keepalives"
        # A new peerd is told at once, and names its peers again.
        rig.say("channel")
        rig.expect(r"view nats 2 mappings 4", 1)
        rig.say(f"peer alice {a.udp} {a.tcp} out")
        rig.say(f"peer bob {b.udp} {b.tcp} in")
        rig.never(r"(socket|drop) .*", 1)
        # Gone: held for two keepalives, then let go.
        start = time.monotonic()
        rig.say("down alice")
        rig.expect_all(r"event stun udp mapping lost: .*", r"drop (udp|tcp) alice")
        assert 0.5 < time.monotonic() - start < 2
        # Back within that time: nothing happened.
        rig.say("down bob")
        rig.say(f"peer bob {b.udp} {b.tcp} in")
        rig.never(r"drop .* bob", 1.2)
    a.close()
    b.close()


def own_nat_dependent():
    a, b = Server(mapped=("9.9.9.9", 4000)), Server("127.0.0.2", ("9.9.9.9", 4001))
    with Rig() as rig:
        rig.say(f"peer alice {a.udp} - out")
        rig.say(f"peer bob {b.udp} - out")
        rig.expect(r"nat udp4 dependent ports (sequential|random) networks 2 endpoint -", 15)
        b.mapped = ("9.9.9.9", 4000)
        rig.at = len(rig.lines)
        rig.say("check")
        rig.expect(r"event stun udp mapping changed: .* is 9\.9\.9\.9:4000 .*")
        rig.expect(r"stun nats 1 mappings 2")
        rig.expect(r"nat udp4 independent ports random networks 2 endpoint 9\.9\.9\.9:4000")
        rig.expect(r"end 0 ?")
    a.close()
    b.close()


def own_netcheck_times_out():
    a = Server()
    with Rig() as rig:
        rig.say(f"peer alice {a.udp} - out")
        rig.expect(r"event stun udp mapping new: .*")
        a.reply = lambda req, addr: b"no"
        start = time.monotonic()
        assert "stun nats 1 mappings 1" in rig.ask("check")
        took = time.monotonic() - start
        assert 1.4 < took < 3.5, took
    a.close()


def own_odd_answers():
    """Wrong answers are silence; a stream of junk is opened anew, later."""
    odd = [
        lambda r, a: b"HTTP/1.0 200 OK\r\n\r\n",
        lambda r, a: message(0x0101, attr(0x20, xored(a, os.urandom(12)))),
        lambda r, a: message(0x0101, attr(0x20, xored(("0.0.0.0", 5), r[8:20])), r[8:20]),
        lambda r, a: message(0x0101, b"", r[8:20]),
        lambda r, a: message(0x0101, attr(0x20, bytes(3)), r[8:20]),
        lambda r, a: message(0x0111, attr(0x9, bytes([0, 0, 3, 0])), r[8:20]),
        lambda r, a: message(0x0101, attr(0x20, xored(a, r[8:20])), r[8:20])[:-1],
        lambda r, a: bytes(3000),
    ]
    for reply in odd:
        a = Server(reply=reply)
        with Rig() as rig:
            rig.say(f"peer alice {a.udp} {a.tcp} out")
            rig.expect(r"socket udp alice")
            time.sleep(0.7)
            assert rig.stats()["stun_mappings"] == 0
            alive(rig)
        a.close()


def own_kept():
    """stund dies: its mappings do not."""
    a = Server()
    with Rig(keepalive=5000) as rig:
        rig.say(f"peer alice {a.udp} {a.tcp} out")
        m = rig.expect_all(r"event stun udp mapping new: (\S+) .*",
                           r"event stun tcp mapping new: .*")[0]
        rig.say("restart")
        rig.await_ready()
        start = rig.at
        rig.expect_all(r"event stun udp mapping new: %s .*" % re.escape(m.group(1)),
                       r"event stun tcp mapping new: .*")
        assert not any(line.startswith("socket") for line in rig.lines[start:])
        rig.say(f"peer alice {a.udp} {a.tcp} out")
        rig.never(r"(socket|drop) .*", 0.5)
    # It died amid an answer: the stream is junk, and opened anew at once.
    with Rig(keepalive=5000) as rig:
        rig.say(f"peer alice - {a.tcp} out")
        rig.expect(r"event stun tcp mapping new: .*")
        os.kill(rig.pid, signal.SIGSTOP)  # stopped, so that it reads none of this
        a.conns[-1].send(b"\x01" * 7)
        rig.say("restart")
        rig.await_ready()
        rig.expect(r"socket tcp alice", 2)
        rig.expect(r"event stun tcp mapping new: .*", 2)
        # Another address for the same peer: the kept socket is of no use.
        rig.say(f"peer alice {a.udp} - out")
        rig.expect(r"drop tcp alice")
        rig.expect(r"socket udp alice")
    a.close()


def own_cap():
    """clients_max, with those we dialled first."""
    servers = [Server() for _ in range(4)]
    with Rig(clients=2, tcp=0) as rig:
        for i, s in enumerate(servers):
            rig.say(f"peer p{i} {s.udp} {s.tcp} in")
        rig.expect_all(r"socket udp p0", r"socket udp p1")
        rig.never(r"socket .*", 0.3)
        rig.say(f"peer dialled {servers[3].udp} - out")
        rig.expect_all(r"drop udp p1", r"socket udp dialled")
        assert rig.stats()["stun_clients"] == 2
        rig.say("set tcp 1")
        rig.say("set clients 1")
        rig.say("reload")
        rig.expect(r"drop udp p0")
        rig.say("set clients 2")
        rig.say("reload")
        rig.expect(r"socket udp p0")
        rig.expect(r"socket tcp p0")
        shown = rig.ask("stun")
    for s in servers:
        s.close()
    assert sum(line.startswith("mapping") for line in shown) <= 3, shown


def own_no_socket():
    """The parent cannot connect: back off five seconds and try again."""
    a = Server()
    with Rig() as rig:
        rig.say("fail 2")
        rig.say(f"peer alice {a.udp} {a.tcp} out")
        rig.expect_all(r"failed udp alice", r"failed tcp alice")
        rig.never(r"(failed|socket) .*", 1)
        shown = rig.ask("check")
        assert sum(line.startswith("socket ") for line in shown) == 2, shown
        assert rig.stats()["stun_client_timeouts"] == 2
        time.sleep(0.3)
        assert rig.stats()["stun_mappings"] == 2
    a.close()


def own_authenticated():
    """Who asks from the address of a linked peer is that peer."""
    with Rig(tcp=0) as rig:
        alive(rig)
        assert any(re.fullmatch(r"requester udp .* count 1 -", line)
                   for line in rig.ask("stun"))
        rig.say("peer alice - 127.0.0.1:9 out")
        rig.until("stun", lambda shown: any(
            re.fullmatch(r"requester udp .* count 1 alice", x) for x in shown))
        alive(rig)
        assert sum(line.endswith(" alice") for line in rig.ask("stun")) == 2
        rig.say("hangup")
        rig.until("stun", lambda shown: not any(x.endswith(" alice") for x in shown))


# --- others' clients, where they are installed ---

def case_turnutils(rig):
    exe = shutil.which("turnutils_stunclient")
    if not exe:
        return "turnutils_stunclient is not installed"
    out = subprocess.run([exe, "-p", str(rig.udp4), "127.0.0.1"], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20).stdout
    assert "reflexive addr: 127.0.0.1:" in out, out


def case_aioice(rig):
    try:
        import aioice.stun as stun
    except ImportError:
        return "aioice is not installed"
    s = udp("127.0.0.1", rig.udp4)
    req = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    s.send(bytes(req))
    answer = stun.parse_message(s.recv(2000))
    assert answer.message_class == stun.Class.RESPONSE
    assert answer.transaction_id == req.transaction_id
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == s.getsockname()


def main():
    only, counts = sys.argv[1:], {"ok": 0, "FAIL": 0, "skip": 0}
    shared = Rig()
    for name, fn in list(globals().items()):
        if not name.startswith(("case_", "own_")):
            continue
        word, note = name.split("_", 1)[1], None
        if only and word not in only:
            continue
        try:
            note = fn(shared) if name.startswith("case_") else fn()
            if name.startswith("case_"):
                alive(shared)
            how = "skip" if note else "ok"
        except Exception as e:
            how, note = "FAIL", f"{type(e).__name__} {e}"
        counts[how] += 1
        print(f"{how:4} {word}" + (f": {note}" if note else ""), flush=True)
    shared.close()
    print("{ok} passed, {FAIL} failed, {skip} skipped".format(**counts))
    return 1 if counts["FAIL"] or not counts["ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
