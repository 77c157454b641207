#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""One apid worker under apid_rig, asked everything over real sockets.

usage: http_test.py [NAME ...]     the build tree is $B
"""
import http.client
import json
import os
import re
import select
import socket
import subprocess
import sys
import time

BUILD = os.environ.get("B", "build")
RIG = os.path.join(BUILD, "tests/regress/apid_rig")
APID = os.path.join(BUILD, "apid-bin")


class Rig:
    """A worker with settings of its own."""

    def __init__(self, **conf):
        args = [RIG, APID] + ["%s=%s" % kv for kv in conf.items()]
        self.p = subprocess.Popen(args, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.vals = {}
        while True:
            line = self.p.stdout.readline()
            assert line, "the rig died"
            if line == "ready\n":
                break
            key, val = line.split()
            self.vals[key] = int(val)
        self.port = self.vals["http"]
        self.until(lambda: len(self.get("/node/peers")[2]) > 3 or True)

    def until(self, what):
        for _ in range(100):
            if what():
                return
        raise AssertionError("never came true")

    def say(self, word):
        """Give the rig a word; returns its lines up to "done"."""
        self.p.stdin.write(word + "\n")
        self.p.stdin.flush()
        lines = []
        while True:
            line = self.p.stdout.readline().strip()
            assert line or self.p.poll() is None, "the rig died"
            if line == "done":
                return lines
            lines.append(line)

    def call(self, method, path, body=None, headers=None, port=None):
        c = http.client.HTTPConnection("127.0.0.1", port or self.port,
                                       timeout=10)
        headers = headers or {}
        c.request(method, path, body, headers,
                  encode_chunked="Transfer-Encoding" in headers)
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, {k.lower(): v for k, v in r.getheaders()}, data

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def rpc(self, req, path="/"):
        body = req if isinstance(req, (bytes, str)) else json.dumps(req)
        s, h, d = self.call("POST", path, body)
        return s, json.loads(d) if d else None

    def sock(self, port=None):
        s = socket.create_connection(("127.0.0.1", port or self.port))
        s.settimeout(10)
        return s

    def raw(self, data, port=None, shut=False):
        """Send bytes, read until the worker closes."""
        s = self.sock(port)
        s.sendall(data)
        if shut:
            s.shutdown(socket.SHUT_WR)
        out = b""
        try:
            while True:
                part = s.recv(65536)
                if not part:
                    break
                out += part
        except ConnectionResetError:
            pass
        s.close()
        return out

    def alive(self):
        assert self.get("/node/info")[0] == 200
        os.kill(self.vals["pid"], 0)

    def close(self):
        self.p.stdin.close()
        assert self.p.wait() == 0, "the worker did not live to the end"
        self.p.stdout.close()


def eq(a, b):
    assert a == b, "%r is not %r" % (a, b)


def status_of(raw):
    m = re.match(rb"HTTP/1\.1 (\d+) ", raw)
    return int(m.group(1)) if m else None


def read_answers(s, n):
    """n answers off one socket, in order."""
    f = s.makefile("rb")
    out = []
    for _ in range(n):
        status = int(f.readline().split()[1])
        length = 0
        head = {}
        while True:
            line = f.readline().strip()
            if not line:
                break
            k, v = line.split(b": ", 1)
            head[k.lower().decode()] = v.decode()
        length = int(head.get("content-length", 0))
        out.append((status, head, f.read(length)))
    return out


# --- endpoints ---

def test_rest():
    r = Rig()
    r.until(lambda: len(json.loads(r.get("/node/peers")[2])) == 3)
    s, h, d = r.get("/node/info")
    info = json.loads(d)
    eq(s, 200)
    eq(h["content-type"], "application/json")
    eq(info["nodeId"], "ab" * 32)
    eq(info["publicKey"], info["nodeId"])
    eq(info["ports"]["http"], r.port)
    eq(info["wsPort"], None)
    eq(info["stun"]["nat"]["mapping"], "independent")
    eq(info["stun"]["nat"]["filtering"], None)
    eq(info["stun"]["mappings"][0]["stun_port"], 61022)
    eq(info["stun"]["mappings"][0]["verified"], None)
    peers = json.loads(r.get("/node/peers")[2])
    eq([p["nodeId"][:2] for p in peers], ["01", "02", "03"])
    eq([p["status"] for p in peers], ["OFFLINE", "PENDING", "ACTIVE"])
    eq([p["inbound"] for p in peers], [None, None, False])
    for word, n in (("ACTIVE", 1), ("PENDING", 1), ("OFFLINE", 1)):
        got = json.loads(r.get("/node/peers?status=" + word)[2])
        eq([p["status"] for p in got], [word] * n)
    for bad in ("active", "", "ACTIVE%20", "X" * 200, "\xff".encode()[:0].
                decode() + "%ff"):
        eq(r.get("/node/peers?status=" + bad)[0], 400)
    eq(r.get("/node/peers?other=1")[0], 200)
    st = json.loads(r.get("/node/status")[2])
    eq(st["status"], "online")
    eq(st["metrics"]["peers"], 1)
    eq(st["metrics"]["blocks"], None)
    eq(st["metrics"]["bandwidth"], {"in": 1000, "out": 2000})
    eq((st["health"], st["db"]), (None, None))
    r.say("gone")
    r.until(lambda: len(json.loads(r.get("/node/peers")[2])) == 2)
    r.say("stund")  # what stund told stands until a new one tells
    eq(json.loads(r.get("/node/info")[2])["stun"]["nat"]["mapping"],
       "independent")
    s, h, d = r.call("HEAD", "/node/info")
    eq((s, d), (200, b""))
    assert int(h["content-length"]) > 500
    s, h, d = r.get("/nothing")
    eq(s, 404)
    eq(json.loads(d)["error"]["code"], "not_found")
    s, h, d = r.get("/")
    eq((s, h["allow"]), (405, "POST, OPTIONS"))
    eq(d, b"JSONRPC server handles only POST requests\n")
    s, h, d = r.call("POST", "/node/info", "{}")
    eq((s, h["allow"]), (405, "GET, HEAD, OPTIONS"))
    eq(r.call("DELETE", "/node/info")[0], 405)
    eq(r.call("PUT", "/nothing", "x")[0], 404)
    eq(r.get("http://somewhere.example/node/info")[0], 200)
    eq(r.get("/metrics")[0], 404)
    eq(r.call("POST", "/echo", "x")[0], 404)
    r.close()


def test_rpc2():
    r = Rig(batch_max=4)
    v = {"jsonrpc": "2.0", "id": 1}
    for path in ("/", "/public/", "/public", "/post/", "/rpc/public/"):
        s, a = r.rpc(dict(v, method="gettime"), path)
        eq(s, 200)
        eq((a["id"], a["jsonrpc"]), (1, "2.0"))
        assert abs(a["result"]["time"] - time.time()) < 5
        assert "error" not in a
    for name in ("getnodeinfo", "getpeerinfo", "getstatus", "help",
                 "rpc.discover"):
        s, a = r.rpc(dict(v, method=name))
        assert "result" in a, name
    eq(r.rpc(dict(v, method="getpeerinfo", params=["ACTIVE"]))[0], 200)
    a = r.rpc(dict(v, method="getpeerinfo", params={"status": "ACTIVE"}))[1]
    assert all(p["status"] == "ACTIVE" for p in a["result"])
    table = [
        ({"method": "nope"}, -32601),
        ({"method": 5}, -32600),
        ({}, -32600),
        ({"method": "gettime", "params": 3}, -32600),
        ({"method": "gettime", "params": "x"}, -32600),
        ({"method": "gettime", "params": [1]}, -32602),
        ({"method": "gettime", "params": {"x": 1}}, -32602),
        ({"method": "getpeerinfo", "params": ["x"]}, -32602),
        ({"method": "getpeerinfo", "params": [1]}, -32602),
        ({"method": "gettime", "id": {}}, -32600),
        ({"method": "gettime", "id": [1]}, -32600),
    ]
    for req, code in table:
        s, a = r.rpc(dict(v, **req))
        eq((s, a["error"]["code"]), (200, code))
        eq(a["id"], None if "id" in req else 1)
    for ident in ("x", 0, -5, 2.5, None, 9007199254740993, "\u00e9\n\""):
        eq(r.rpc({"jsonrpc": "2.0", "method": "gettime",
                  "id": ident})[1]["id"], ident)
    # notifications
    eq(r.rpc({"jsonrpc": "2.0", "method": "gettime"}), (204, None))
    eq(r.rpc({"jsonrpc": "2.0", "method": "nope"}), (204, None))
    eq(r.rpc([{"jsonrpc": "2.0", "method": "gettime"}] * 3), (204, None))
    # batches
    s, a = r.rpc([dict(v, id=3, method="gettime"), 7,
                  {"jsonrpc": "2.0", "method": "gettime"},
                  dict(v, id=4, method="nope")])
    eq(s, 200)
    eq([x["id"] for x in a], [3, None, 4])
    eq([x.get("error", {}).get("code") for x in a], [None, -32600, -32601])
    s, a = r.rpc("[]")
    eq((s, a["error"]["code"], a["id"]), (200, -32600, None))
    s, a = r.rpc([dict(v, method="gettime")] * 5)
    eq((s, a["error"]["code"]), (200, -32600))
    # bytes that are no JSON
    for body in ('{"jsonrpc":"2.0","method"', '{"jsonrpc":"2.0"}}',
                 '{"jsonrpc":"2.0","a":1,"a":2}'):
        s, a = r.rpc(body)
        eq((s, a["error"]["code"], a["id"]), (200, -32700, None))
    doc = r.rpc(dict(v, method="rpc.discover"))[1]["result"]
    names = [m["name"] for m in doc["methods"]]
    text = r.rpc(dict(v, method="help"))[1]["result"]
    eq([line.split()[0] for line in text.split("\n") if line], names)
    r.close()


def test_bastyon():
    r = Rig()
    s, h, d = r.call("POST", "/", '{"method":"gettime","id":7}')
    eq(s, 200)
    assert d.endswith(b"}\n")
    a = json.loads(d)
    eq(sorted(a), ["error", "id", "result"])
    eq((a["error"], a["id"]), (None, 7))
    eq(r.rpc({"method": "gettime", "id": None})[1]["id"], None)
    eq(r.rpc({"method": "gettime"})[1]["id"], None)
    eq(r.rpc({"method": "gettime", "params": None})[0], 200)
    eq(r.rpc({"method": "gettime", "jsonrpc": "1.0"})[1]["error"], None)
    table = [
        ('{"method":', 500, -32700, "Parse error"),
        ("", 500, -32700, "Parse error"),
        ("3", 500, -32700, "Top-level object parse error"),
        ('"x"', 500, -32700, "Top-level object parse error"),
        ("{}", 400, -32600, "Missing method"),
        ('{"method":1}', 400, -32600, "Method must be a string"),
        ('{"method":"gettime","params":1}', 400, -32600,
         "Params must be an array or object"),
        ('{"method":"nope"}', 404, -32601, "Method not found"),
        ('{"method":"help","params":{"X":1}}', 500, -8,
         "Unknown named parameter X"),
    ]
    for body, status, code, message in table:
        s, a = r.rpc(body)
        eq((s, a["result"], a["error"]), (status, None,
                                          {"code": code, "message": message}))
    s, a = r.rpc([{"method": "gettime", "id": 1}, {"method": "nope", "id": 2}])
    eq(s, 200)
    eq([x["id"] for x in a], [1, 2])
    eq(a[1]["error"]["code"], -32601)
    # the proxy's dress
    s, a = r.rpc({"parameters": [], "method": "gettime", "options": {}},
                 "/rpc/gettime")
    eq((s, list(a)), (200, ["data"]))
    eq(list(r.rpc("", "/rpc/gettime")[1]), ["data"])
    eq(list(r.rpc("{}", "/rpc/gettime")[1]), ["data"])
    s, a = r.rpc({"parameters": []}, "/rpc/nope")
    eq((s, a["error"]["code"]), (404, -32601))
    s, a = r.rpc({"params": [], "id": 3}, "/rpc/gettime")
    eq((s, a["id"], a["error"]), (200, 3, None))
    s, a = r.rpc({"jsonrpc": "2.0", "id": 3}, "/rpc/gettime")
    eq((s, a["jsonrpc"], a["id"]), (200, "2.0", 3))
    eq(r.call("POST", "/rpc/" + "x" * 100, "{}")[0], 404)
    eq(r.get("/rpc/gettime")[0], 405)
    r.close()


def test_cors():
    r = Rig()
    s, h, d = r.call("OPTIONS", "/", headers={"Origin": "http://a"})
    eq((s, d), (204, b""))
    eq(h["access-control-allow-origin"], "*")
    eq(h["access-control-allow-methods"], "POST, GET, OPTIONS")
    assert "content-length" not in h
    eq(r.get("/node/info")[1]["access-control-allow-origin"], "*")
    eq(r.get("/nothing")[1]["access-control-allow-origin"], "*")
    r.say("set allow_origin=https://app.example")
    h = r.get("/node/info")[1]
    eq(h["access-control-allow-origin"], "https://app.example")
    eq(h["vary"], "Origin")
    r.say("set allow_origin=")
    h = r.call("OPTIONS", "/")[1]
    assert not [k for k in h if k.startswith("access-control")]
    r.close()


def test_echo():
    r = Rig(test_echo=1)
    for body, ctype in ((b"", "text/plain"), (b"\0\xff" * 999, "x/y"),
                        (b"z" * 60000, "application/json")):
        s, h, d = r.call("POST", "/echo", body, {"Content-Type": ctype})
        eq((s, h["content-type"], d), (200, ctype, body))
    s, h, d = r.call("POST", "/echo", iter([b"ab", b"c" * 5000, b"d"]),
                     {"Transfer-Encoding": "chunked"})
    eq(d, b"ab" + b"c" * 5000 + b"d")
    eq(r.get("/echo")[0], 405)
    # one byte at a time, chunked, with extension and trailer
    wire = (b"\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked"
            b"\r\n\r\n3;a=b\r\nabc\r\n00a\r\n0123456789\r\n0\r\nT: x\r\n\r\n"
            b"GET /node/status HTTP/1.1\r\nHost: x\r\n\r\n")
    s = r.sock()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for i in range(len(wire)):
        s.sendall(wire[i:i + 1])
    a = read_answers(s, 2)
    eq((a[0][0], a[0][2]), (200, b"abc0123456789"))
    eq(a[1][0], 200)
    s.close()
    r.close()


# --- the wire ---

def test_pipeline():
    r = Rig(test_echo=1)
    s = r.sock()
    wire = b""
    for i in range(200):
        body = b"%d" % i
        wire += (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d"
                 b"\r\n\r\n%s" % (len(body), body))
        wire += b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n"
    s.sendall(wire)
    a = read_answers(s, 400)
    eq([x[2] for x in a[::2]], [b"%d" % i for i in range(200)])
    eq(set(x[0] for x in a[1::2]), {404})
    s.close()
    # a late answer keeps its place
    s = r.sock(r.vals["metrics"])
    s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
              b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    eq([x[0] for x in read_answers(s, 6)], [200, 404] * 3)
    s.close()
    # a client that takes nothing, then everything
    s = r.sock()
    one = (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n"
           + b"q" * 50000)
    n = 0
    s.setblocking(False)
    buf = b""
    for _ in range(400):
        buf += one
        n += 1
        try:
            while buf:
                buf = buf[s.send(buf):]
        except BlockingIOError:
            break
    r.alive()
    s.setblocking(True)
    got = 0
    while got < n * 50000:
        rd, wr, _ = select.select([s], [s] if buf else [], [], 10)
        assert rd or wr
        if wr:
            buf = buf[s.send(buf[:65536]):]
        if rd:
            got += s.recv(65536).count(b"q")
    eq(got, n * 50000)
    s.close()
    r.close()


def test_connection():
    r = Rig()
    get = b"GET /node/status HTTP/1.%d\r\nHost: x\r\n%s\r\n"
    a = r.raw(get % (0, b""))
    eq(status_of(a), 200)
    assert b"Connection: close" in a
    a = r.raw(get % (1, b"Connection: close\r\n"))
    assert b"Connection: close" in a
    s = r.sock()
    for _ in range(3):
        s.sendall(get % (0, b"Connection: keep-alive\r\n"))
        eq(read_answers(s, 1)[0][1]["connection"], "keep-alive")
    s.close()
    s = r.sock()
    for _ in range(3):
        s.sendall(get % (1, b""))
        a = read_answers(s, 1)[0]
        assert "connection" not in a[1] and "date" in a[1]
    s.close()
    # half-closed clients get their answers
    eq(status_of(r.raw(get % (1, b""), shut=True)), 200)
    eq(status_of(r.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
                       port=r.vals["metrics"], shut=True)), 200)
    # Expect: 100-continue
    s = r.sock()
    s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n"
              b"Expect: 100-continue\r\n\r\n")
    eq(s.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
    s.sendall(b'{"method":"gettime"}')
    eq(read_answers(s, 1)[0][0], 200)
    s.close()
    # HEAD answers carry no body: the next one follows at once
    s = r.sock()
    s.sendall(b"HEAD /node/info HTTP/1.1\r\nHost: x\r\n\r\n")
    eq(s.recv(4096)[-4:], b"\r\n\r\n")
    s.close()
    r.close()


BAD = [
    ("binary", b"\x16\x03\x01\x02\x00\x01", 400),
    ("lower case", b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("unknown method", b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    ("no version", b"GET /\r\n\r\n", 505),
    ("version 2", b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    ("version 1.2", b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505),
    ("no host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
    ("bare LF", b"GET / HTTP/1.1\nHost: x\n\n", 400),
    ("bare LF in head", b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400),
    ("bare CR", b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", 400),
    ("folded", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
    ("space before colon", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    ("space in name", b"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", 400),
    ("no colon", b"GET / HTTP/1.1\r\nHost: x\r\nabc\r\n\r\n", 400),
    ("NUL in value", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400),
    ("NUL in name", b"GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n", 400),
    ("high byte in target", b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("TE and CL", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("CL and TE", b"POST / HTTP/1.1\r\nHost: x\r\n"
     b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
    ("CL twice", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
     b"Content-Length: 3\r\n\r\nabc", 400),
    ("CL list", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\n"
     b"abc", 400),
    ("CL sign", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\n"
     b"abc", 400),
    ("CL negative", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n"
     b"\r\n", 400),
    ("CL hex", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\n"
     b"abc", 400),
    ("CL empty", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n",
     400),
    ("CL huge", b"POST / HTTP/1.1\r\nHost: x\r\n"
     b"Content-Length: 99999999999999999999\r\n\r\n", 400),
    ("CL above cap", b"POST / HTTP/1.1\r\nHost: x\r\n"
     b"Content-Length: 65537\r\n\r\n", 413),
    ("no length", b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", 411),
    ("TE unknown", b"POST / HTTP/1.1\r\nHost: x\r\n"
     b"Transfer-Encoding: gzip\r\n\r\n", 501),
    ("TE list", b"POST / HTTP/1.1\r\nHost: x\r\n"
     b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("TE twice", b"POST / HTTP/1.1\r\nHost: x\r\n"
     b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("TE in 1.0", b"POST / HTTP/1.0\r\nHost: x\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunk size", b"POST / HTTP/1.1\r\nHost: x\r\n"
     b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    ("chunk without size", b"POST / HTTP/1.1\r\nHost: x\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n\r\n", 400),
    ("chunk end", b"POST / HTTP/1.1\r\nHost: x\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n", 400),
    ("chunk bare LF", b"POST / HTTP/1.1\r\nHost: x\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400),
    ("chunk huge", b"POST / HTTP/1.1\r\nHost: x\r\n"
     b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n", 400),
    ("chunk above cap", b"POST / HTTP/1.1\r\nHost: x\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n10001\r\n", 413),
    ("expectation", b"GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 417),
    ("target too long", b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: x\r\n"
     b"\r\n", 414),
    ("endless target", b"GET /" + b"a" * 9000, 414),
    ("head too large", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 +
     b"\r\n\r\n", 431),
    ("many headers", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 2000 +
     b"\r\n", 431),
    ("CONNECT", b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
     b"\r\n", 404),
]


def test_bad():
    r = Rig()
    for name, data, want in BAD:
        got = status_of(r.raw(data))
        assert got == want, "%s: %s is not %s" % (name, got, want)
        r.alive()
    # what follows a refused request is never run
    a = r.raw(BAD[8][1] + b"GET /node/info HTTP/1.1\r\nHost: x\r\n\r\n")
    eq(a.count(b"HTTP/1.1 "), 1)
    # bodies that lie
    for body in (b"\0", b"[" * 60000, b'{"a":' * 12000, b"\xff\xfe",
                 b'"' + b"\\u0000" * 100 + b'"', b"1" * 60000, b"[[],"):
        s, a = r.rpc(body)
        eq((s, a["error"]["code"]), (500, -32700))
    r.close()


# --- limits ---

def test_slow():
    r = Rig(header_ms=1000, body_ms=1000, idle_ms=1000)
    t = time.monotonic()
    for name, data, want in (
            ("idle", b"", None),
            ("head", b"GET / HTTP/1.1\r\nHo", 408),
            ("body", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
             b"\r\nabc", 408)):
        eq(status_of(r.raw(data)), want)
    # a client that takes no answers
    s = r.sock()
    s.setblocking(False)
    buf = b""
    try:
        while True:
            buf = buf or (b"GET /node/info HTTP/1.1\r\nHost: x\r\n\r\n"
                          * 500)
            buf = buf[s.send(buf):]
    except BlockingIOError:
        pass
    s.setblocking(True)
    p = select.poll()
    p.register(s, select.POLLHUP | select.POLLERR)
    assert p.poll(10000), "a client that takes nothing was kept"
    s.close()
    # dripping does not help
    s = r.sock()
    s.sendall(b"GET / HTTP/1.1\r\n")
    out = b""
    while not out:
        s.sendall(b"A: b\r\n")
        if select.select([s], [], [], 0.2)[0]:
            out = s.recv(1000)
    eq(status_of(out), 408)
    s.close()
    assert time.monotonic() - t < 15
    r.alive()
    r.close()


def test_caps():
    r = Rig(conns_max=8, conns_per_prefix=4)
    held = [r.sock() for _ in range(4)]
    for s in held:
        s.sendall(b"GET /node/status HTTP/1.1\r\nHost: x\r\n\r\n")
        eq(read_answers(s, 1)[0][0], 200)
    eq(r.raw(b""), b"")  # the fifth of this prefix is closed at once
    lines = r.say("limits")
    held.pop().close()
    r.until(lambda: r.raw(b"GET /node/status HTTP/1.0\r\n\r\n") != b"")
    m = [x for x in lines if x.startswith("limit http connections:")]
    eq(m[0].split(": ")[1].split()[:2], ["4", "8"])
    for s in held:
        s.close()
    # at the cap nobody is refused: the next one waits its turn
    r.say("set conns_per_prefix=0")
    r.say("set conns_max=2")
    r.until(lambda: r.raw(b"GET /node/status HTTP/1.0\r\n\r\n") != b"")
    a, b = r.sock(), r.sock()
    for s in (a, b):
        s.sendall(b"GET /node/status HTTP/1.1\r\nHost: x\r\n\r\n")
        eq(read_answers(s, 1)[0][0], 200)
    c = r.sock()
    c.sendall(b"GET /node/status HTTP/1.1\r\nHost: x\r\n\r\n")
    eq(select.select([c], [], [], 0.2)[0], [])
    a.close()
    eq(read_answers(c, 1)[0][0], 200)
    b.close()
    c.close()
    r.close()


def test_rate():
    r = Rig(max_requests=20, window_ms=600000, blacklist_threshold=1,
            blacklist_ms=600000)
    used = 1  # the rig's own
    while used < 10:
        eq(r.get("/nothing")[0], 404)
        used += 1
    # a batch counts each of its items
    batch = [{"method": "gettime", "id": i} for i in range(11)]
    s, h, d = r.call("POST", "/", json.dumps(batch))
    eq(s, 429)
    s, a = r.rpc(batch[:9])
    eq((s, len(a)), (200, 9))
    s, h, d = r.get("/node/info")
    eq(s, 429)
    assert 0 < int(h["retry-after"]) <= 600
    eq(json.loads(d)["error"]["code"], "rate_limited")
    # loopback is never blacklisted, and more room is room at once
    r.say("set max_requests=1000")
    eq(r.get("/node/info")[0], 200)
    r.say("ban 127.0.0.1")
    eq(r.get("/node/info")[0], 200)
    r.say("ban 203.0.113.1")
    lines = r.say("limits")
    assert "limit blacklisted prefixes: 1 4096 0" in lines, lines
    r.close()
    # shares of several workers
    r = Rig(max_requests=8, workers=4, window_ms=600000)
    eq(r.get("/node/info")[0], 200)
    eq(r.get("/node/info")[0], 429)
    r.close()
    # a window that ends
    r = Rig(max_requests=2, window_ms=300)
    r.until(lambda: r.get("/node/info")[0] == 429)
    end = time.monotonic() + 5
    while r.get("/node/info")[0] != 200:
        assert time.monotonic() < end
        time.sleep(0.02)
    r.close()


def test_metrics():
    r = Rig()
    port = r.vals["metrics"]
    s, h, d = r.get("/metrics", port=port)
    eq(s, 200)
    assert h["content-type"].startswith(
        "application/openmetrics-text; version=1.0.0")
    assert "access-control-allow-origin" not in h
    text = d.decode()
    assert text.endswith("# EOF\n")
    assert 'warren_stun_requests_total{process="stund"} 7\n' in text
    assert 'warren_build_info{version="0.1.0"} 1\n' in text
    assert "no_such_counter" not in text
    eq(r.get("/node/info", port=port)[0], 404)
    eq(r.call("POST", "/metrics", "", port=port)[0], 405)
    # several at once share one question; some go away before the answer
    socks = [r.sock(port) for _ in range(12)]
    for s in socks:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    for s in socks[::2]:
        s.close()
    for s in socks[1::2]:
        eq(read_answers(s, 1)[0][0], 200)
        s.close()
    # no answer from the parent: 503 in time; too many waiting: 503 at once
    r.say("mute")
    socks = [r.sock(port) for _ in range(20)]
    for s in socks:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    t = time.monotonic()
    for s in socks:
        eq(read_answers(s, 1)[0][0], 503)
        s.close()
    assert time.monotonic() - t < 4
    r.alive()
    r.close()


def main():
    names = sys.argv[1:]
    bad = 0
    for name, fn in list(globals().items()):
        if not name.startswith("test_") or (names and name[5:] not in names):
            continue
        try:
            fn()
            print("ok   http %s" % name[5:])
        except Exception as e:  # a failed test, told with its place
            bad += 1
            tb = e.__traceback__
            while tb.tb_next and tb.tb_next.tb_frame.f_code.co_filename == \
                    __file__:
                tb = tb.tb_next
            print("FAIL http %s: line %d: %r" % (name[5:], tb.tb_lineno, e))
        sys.stdout.flush()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
