#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Bad input at every entry of a real node, one table an entry: the configuration,
the command lines, HTTP, STUN, links, multicast, the control socket.  Each case
says what must come back, or that nothing may; and afterwards no process has
restarted or grown.
"""
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from warren import (Node, CTL, SANITIZED, WARREND, check,  # noqa: E402
                    finish, tmpdir, wait_for, see_into_processes)

HOST = "127.0.0.2"
CONF = """
listen peer on 127.0.0.2 port 0
stun listen on 127.0.0.2 port 0
stun rate 0/s global 0/s
api http on 127.0.0.2 port 0 { header-timeout 1s, body-timeout 1s, rate 0 per 30s }
timeout { handshake 1s }
limit { handshakes 1000/s, max-per-prefix 100 }
multicast on lo port 38984 group 239.255.38.81
address-policy allow private
"""

CONFIG = [  # (name, text, what the one line must hold)
    ("unknown word", "lisen peer on * port 1", "did you mean 'listen'"),
    ("port too large", "listen peer on * port 65536", "65535"),
    ("port negative", "listen peer on * port -1", "-1"),
    ("port no number", "listen peer on * port x", "x"),
    ("not an address", "listen peer on 300.1.2.3 port 1", "300.1.2.3"),
    ("unclosed block", "limit {\nmax-peers 3", "never closed"),
    ("unclosed quote", 'node name "abc', "a string must end"),
    ("set twice", "network \"main\"\nnetwork \"main\"", "twice"),
    ("key too short", 'peer "x" {\naddress 192.0.2.1 port 1\n'
     'public-key "abcd"\n}', "hex"),
    ("relative path", 'state "var"', "var"),
    ("no such unit", "stun keepalive 20q", "20q"),
    ("macro unknown", "listen peer on $nowhere port 1", "nowhere"),
    ("NUL byte", "network \"ma\0in\"", "0x00"),
    ("missing value", "stun keepalive", "wants a time"),
    ("network of no charter", 'network "other"', "charter"),
]

CLI = [  # (name, program, arguments, code, what stderr must hold)
    ("unknown flag", WARREND, ["-z"], 64, "usage"),
    ("argument left over", WARREND, ["now"], 64, "usage"),
    ("-f without a file", WARREND, ["-f"], 64, "usage"),
    ("-D without a value", WARREND, ["-D", "x"], 64, "name=value"),
    ("-N of no descriptor", WARREND, ["-N", "two"], 64, "-N two"),
    ("no such config", WARREND, ["-n", "-f", "/nonexistent"], 78,
     "/nonexistent"),
    ("a directory as config", WARREND, ["-n", "-f", "/"], 78, "/"),
    ("unknown flag", CTL, ["-z"], 64, "usage"),
    ("no such command", CTL, ["dance"], 64, "no such command"),
    ("ambiguous", CTL, ["s", "p"], 64, "ambiguous"),
    ("bad time-out", CTL, ["-t", "never", "show"], 64, "never"),
    ("no such socket", CTL, ["-s", "/nonexistent/s"], 69, "not running"),
    ("socket path too long", CTL, ["-s", "/" + "x" * 200], 64, "too long"),
]

HTTP = [  # (name, bytes, status or None for a close without an answer)
    ("no HTTP", b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
    ("header without colon", b"GET / HTTP/1.1\r\nHost x\r\n\r\n", b"400"),
    ("no host", b"GET /node/info HTTP/1.1\r\n\r\n", b"400"),
    ("header too large", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20000 +
     b"\r\n\r\n", b"431"),
    ("target too long", b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n"
     b"\r\n", b"414"),
    ("two lengths", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
     b"Content-Length: 2\r\n\r\nab", b"400"),
    ("length and chunks", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1"
     b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
    ("body too large", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: "
     b"99999999\r\n\r\n", b"413"),
    ("negative length", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1"
     b"\r\n\r\n", b"400"),
    ("bad chunk", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
     b"\r\n\r\nzz\r\n", b"400"),
    ("broken JSON", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
     b"{x", b"500"),
    ("no such path", b"GET /etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
    ("echo is off", b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
     b"\r\n", b"404"),
    ("head never ends", b"GET / HTTP/1.1\r\nHost: x\r\nA: b", b"408"),
    ("deep JSON", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"
     + b"[" * 5000, b"500"),
]

COOKIE = struct.pack(">I", 0x2112A442)
GOOD = b"\0\1\0\0" + COOKIE + b"t" * 12
STUN = [  # all in silence, over UDP
    ("empty", b""),
    ("one byte", b"\0"),
    ("half a header", GOOD[:10]),
    ("no cookie", b"\0\1\0\0" + b"\0" * 4 + b"t" * 12),
    ("length beyond the datagram", b"\0\1\0\x08" + COOKIE + b"t" * 12),
    ("length not of four", b"\0\1\0\3" + COOKIE + b"t" * 12 + b"abc"),
    ("top bits set", b"\xc0\1\0\0" + COOKIE + b"t" * 12),
    ("a response", b"\1\1\0\0" + COOKIE + b"t" * 12),
    ("allocate", b"\0\3\0\0" + COOKIE + b"t" * 12),
    ("attribute beyond the end", b"\0\1\0\4" + COOKIE + b"t" * 12 +
     b"\x80\x22\0\x40"),
    ("wrong fingerprint", b"\0\1\0\x08" + COOKIE + b"t" * 12 +
     b"\x80\x28\0\4\0\0\0\0"),
    ("twenty attributes", b"\0\1\0\x50" + COOKIE + b"t" * 12 +
     b"\x80\x22\0\0" * 20),
    ("64 KiB of zeros", b"\0" * 60000),
]

LINKS = [  # closed without a word of ours beyond the handshake
    ("nothing, then silence", b""),
    ("text", b"GET / HTTP/1.1\r\n\r\n"),
    ("length zero", b"\0\0"),
    ("length 65535", b"\xff\xff" + b"x" * 2000),
    ("a short first message", b"\0\x10" + b"x" * 16),
    ("a long first message", b"\0\x40" + b"x" * 64),
    ("a key of zeros", b"\0\x20" + b"\0" * 32),
    ("a key, then rubbish", b"\0\x20" + b"k" * 32 + b"\0\x40" + b"r" * 64),
    ("half a length", b"\0"),
    ("half a message", b"\0\x20" + b"k" * 10),
    ("two messages at once", (b"\0\x20" + b"k" * 32) * 2),
    ("a kilobyte at once", os.urandom(1500)),
]

MULTICAST = [
    ("empty", b""), ("text", b"hello"), ("zeros", b"\0" * 100),
    ("an array of nothing", b"\x90"), ("an array of two", b"\x92\x01\x02"),
    ("a record cut", b"\x92\xc4\x40" + b"x" * 20),
    ("a body that is no body", b"\x92\xc4\x04abcd\xc4\x40" + b"s" * 64),
    ("array32 bomb", b"\xdd\x7f\xff\xff\xff"),
    ("nested", b"\x91" * 400), ("random", os.urandom(600)),
    ("too long", b"\x92\xc5\x23\x00" + b"x" * 8900),
    ("node record of nobody", b"\x92\xc4\x3e\x99\x01\x02\xc4\x20" + b"i" * 32 +
     b"\xc4\0\xc4\x20" + b"i" * 20 + b"\xc4\x40" + b"s" * 64),
]

CONTROL = [  # each costs the client its connection, or is refused
    ("text", b"show status\n"),
    ("too long", struct.pack(">I", 1 << 24)),
    ("no msgpack", struct.pack(">I", 4) + b"\xc1\xc1\xc1\xc1"),
    ("array of two", struct.pack(">I", 3) + b"\x92\x66\x01"),
    ("unknown type", struct.pack(">I", 6) + b"\x93\xcd\xff\xff\x01\x90"),
    ("type of a child", struct.pack(">I", 4) + b"\x93\x03\x01\x90"),
    ("an answer, not a request", struct.pack(">I", 7) +
     b"\x93\x65\x01\x92\x00\xa1x"),
    ("body too short", struct.pack(">I", 4) + b"\x93\x67\x01\x90"),
    ("body mistyped", struct.pack(">I", 5) + b"\x93\x67\x01\x91\x01"),
    ("string too long", struct.pack(">I", 4 + 4 + 200 - 0) +
     b"\x93\x67\x01\x91\xda\x00\xc8" + b"x" * 201),
    ("control byte in a string", struct.pack(">I", 7) +
     b"\x93\x67\x01\x91\xa2\x1b["),
    ("array32 bomb", struct.pack(">I", 6) + b"\xdd\x7f\xff\xff\xff\0"),
]


def run(cmd):
    p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, timeout=20, stdin=subprocess.DEVNULL)
    return p.returncode, p.stdout, p.stderr


def test_config():
    path = os.path.join(tmpdir(), "bad.conf")
    for name, text, want in CONFIG:
        with open(path, "w") as f:
            f.write(text + "\n")
        os.chmod(path, 0o644)
        cmd = [WARREND, "-n", "-f", path]
        if name == "network of no charter":  # only the start can tell
            with open(path, "a") as f:
                f.write('state "%s/s"\nlisten peer no\nstun listen no\n'
                        'api http no\ncontrol "%s/c"\n' %
                        (tmpdir(), tmpdir()))
            cmd = [WARREND, "-d", "-f", path]
        rc, out, err = run(cmd)
        lines = [x for x in err.splitlines() if " info: " not in x]
        check("config: %s" % name, rc == 78 and len(lines) == 1 and
              want in err and (path in err or "-d" in cmd), (rc, err))


def test_cli():
    for name, prog, args, code, want in CLI:
        rc, out, err = run([prog] + args)
        check("command line: %s %s" % (os.path.basename(prog), name),
              rc == code and want in err, (rc, err))


def tcp(port, data, wait=3.0):
    s = socket.create_connection((HOST, port), 5)
    s.settimeout(wait)
    got = b""
    try:
        s.sendall(data)
        while True:
            d = s.recv(65536)
            if not d:
                return got, True
            got += d
            if len(got) > 12 and data[:1].isalpha():
                return got, False
    except socket.timeout:
        return got, False
    except OSError:
        return got, True
    finally:
        s.close()


def test_http(port):
    for name, data, want in HTTP:
        got, _ = tcp(port, data)
        check("HTTP: %s" % name, got[9:12] == want, got[:60])


def test_stun(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((HOST, 0))
    s.connect((HOST, port))
    s.settimeout(2)
    for name, data in STUN:
        # Bad, then good: the first answer must be the good one's.
        s.send(data)
        tid = os.urandom(12)
        s.send(b"\0\1\0\0" + COOKIE + tid)
        try:
            got = s.recv(2000)
        except socket.timeout:
            got = b""
        check("STUN: %s: silence" % name, got[:2] == b"\1\1" and
              got[8:20] == tid and len(got) == 32, got)


def test_links(port):
    for name, data in LINKS:
        got, closed = tcp(port, data, 4.0)
        check("link: %s: closed" % name, closed and len(got) < 400,
              (closed, len(got)))


def test_multicast(node):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                 socket.inet_aton("127.0.0.1"))
    before = node.rpc("getpeerinfo")
    for name, data in MULTICAST:
        try:
            s.sendto(data, ("239.255.38.81", 38984))
        except OSError as e:
            check("multicast: %s" % name, False, e)
            continue
        check("multicast: %s: nobody new" % name,
              node.rpc("getpeerinfo") == before)


def test_control(node):
    for name, data in CONTROL:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(3)
        s.connect(node.sock)
        got, closed = b"", False
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR) if name == "text" else None
            while not closed:
                d = s.recv(65536)
                closed = not d
                got += d
                if b"no such request" in got or b"only shows" in got:
                    break
        except OSError:
            closed = True
        s.close()
        check("control: %s" % name, closed or b"no such" in got, got[:80])
        check("control: others are served after %s" % name,
              node.ctl("show", "listeners")["v"] == 1)


def test_control_flood(node):
    """Whoever asks without reading waits; nothing is lost, nothing piles up."""
    ask = struct.pack(">I", 4) + b"\x93\x6b\x01\x90"  # show processes
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(node.sock)
    s.settimeout(1)
    data, sent = ask * 40000, 0
    try:
        while sent < len(data):
            sent += s.send(data[sent:])
    except OSError:
        pass
    check("control: who does not read is not read from either",
          0 < sent < len(data), sent)
    s.settimeout(10)
    ends, buf = 0, b""
    while ends < sent // len(ask):
        d = s.recv(1 << 20)
        if not d:
            break
        buf += d
        while len(buf) >= 4 and len(buf) >= 4 + struct.unpack(
                ">I", buf[:4])[0]:
            n = struct.unpack(">I", buf[:4])[0]
            ends += buf[5] == 0x65  # CTL_END
            buf = buf[4 + n:]
    s.close()
    check("control: and gets all answers once it reads",
          ends == sent // len(ask), (ends, sent // len(ask)))


def rss(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return sum(int(x.split()[1]) for x in f if x.startswith("Rss:"))


class N(Node):
    def rpc(self, method, params=None):
        import json
        import urllib.request
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method})
        url = "http://%s:%d/" % (HOST, self.port("http"))
        return json.load(urllib.request.urlopen(url, body.encode(),
                                                timeout=5))["result"]


def main():
    see_into_processes()
    test_config()
    test_cli()
    node = N("bad", CONF).start()
    ports = {(l["service"], l["proto"]): l["port"] for l in node.listeners()}
    # Once for warmth, then measured.
    tcp(ports["http", "tcp"], HTTP[0][1])
    tcp(ports["link", "tcp"], LINKS[1][1])
    node.rpc("getpeerinfo")
    before = {n: (p["pid"], rss(p["pid"]))
              for n, p in node.processes().items()}
    test_http(ports["http", "tcp"])
    test_stun(ports["stun", "udp"])
    test_links(ports["link", "tcp"])
    test_multicast(node)
    test_control(node)
    test_control_flood(node)
    procs = node.processes()
    for n, p in procs.items():
        check("%s: same process, not grown" % n, p["pid"] == before[n][0] and
              (SANITIZED or  # which keeps what was freed, to look at it
               rss(p["pid"]) <= before[n][1] * 1.25 + 512),
              (p, before[n], rss(p["pid"])))
    bad = [x for x in node.tail(5000).splitlines()
           if " warn: " in x or " error: " in x]
    check("nothing of it at warn or above", not bad, bad)
    check("stops cleanly", node.stop() == 0)
    finish()


main()
