#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
warrenctl and the database: a network founded by "charter new", records signed
by "record sign" and by Python alike, proofs, db check and db verify on equal
and on changed databases, backup and restore.
"""
import http.server
import json
import os
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request

import nacl.bindings as nb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dbctl import Author, Ctl, META, RATING, b2  # noqa: E402
from warren import Node, CTL, SRC, check, finish, wait_for, tmpdir  # noqa

CONF = """
listen peer on 127.0.0.%d port 38080
stun listen on 127.0.0.%d port 3478
api http on 127.0.0.%d port 38081 { workers 1 }
supervise restarts 100000 per 1m
address-policy allow reserved
"""


def run(*words, stdin=None):
    p = subprocess.run([CTL] + list(words), input=stdin,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, timeout=60)
    return p.returncode, p.stdout, p.stderr


def data(*words, stdin=None):
    rc, out, err = run("-j", *words, stdin=stdin)
    return json.loads(out)["data"]


def on(node, *words, **kw):
    return run("-s", node.sock, *words, **kw)


class Net:
    """What dbctl.Author needs of a network, from "charter show"."""

    def __init__(self, path):
        c = data("charter", "show", path)
        self.netid = bytes.fromhex(c["netid"])
        self.pow_bits = c["bits"]
        self.conf = 'network "%s" charter "%s"\n' % (c["name"], path)


def author_of(net, keyfile):
    """A Python author with the key that "record key" made."""
    a = Author(net)
    seed = bytes.fromhex(open(keyfile).read().strip())
    a.pk, a.sk = nb.crypto_sign_seed_keypair(seed)
    return a


# --- without a node ---

def test_charter(d):
    path = os.path.join(d, "lab.charter")
    rc, out, err = run("charter", "new", path, "name", "lab", "tick", "1s",
                       "settle", "1s", "bits", "8")
    check("charter new", rc == 0 and "netid" in out, (rc, out, err))
    check("its root key is for its owner alone",
          os.stat(path + ".key").st_mode & 0o777 == 0o600)
    c = data("charter", "show", path)
    check("charter show: what was asked for, the rest of the public network",
          c["name"] == "lab" and c["tickMs"] == 1000 and c["bits"] == 8 and
          c["admission"] == "open" and c["r"] == 3 and
          [k["name"] for k in c["kinds"]][-2] == "rating", c)
    seed = bytes.fromhex(open(path + ".key").read().strip())
    check("the root is the key in the file", c["root"] ==
          nb.crypto_sign_seed_keypair(seed)[0].hex())
    rc, out, err = run("charter", "new", path, "name", "lab", "key",
                       path + ".key")
    check("charter new overwrites nothing", rc == 73 and "exists" in err, err)
    for bad in (("name", "x" * 33), ("name", "x", "admission", "members"),
                ("name", "x", "tick", "1ms"), ("name", "x", "r", "17"),
                ("name", "x", "authority", "00"), ("tick", "1s")):
        rc, out, err = run("charter", "new", path + ".bad", *bad)
        check("charter new refuses %s" % " ".join(bad)[:40], rc == 64 and
              not os.path.exists(path + ".bad"), (rc, err))
        if os.path.exists(path + ".bad.key"):
            os.unlink(path + ".bad.key")
    raw = bytearray(open(path, "rb").read())
    raw[20] ^= 1
    open(path + ".cut", "wb").write(raw)
    rc, out, err = run("charter", "show", path + ".cut")
    check("charter show: a changed one is refused", rc == 65, (rc, err))
    return path


def test_records(d, charter):
    net = Net(charter)
    key = os.path.join(d, "author.key")
    rc, out, err = run("record", "key", key)
    a = author_of(net, key)
    check("record key: made, 0600, and told again", rc == 0 and
          out.strip() == a.pk.hex() and run("record", "key", key)[1] == out
          and os.stat(key).st_mode & 0o777 == 0o600, (rc, out, err))
    hlc = a.stamp()
    for name, words, args in (
            ("rating", ("kind", "rating", "subject", "aa" * 32, "w", "-7"),
             dict(kind=RATING, subject=b"\xaa" * 32, w=-7)),
            ("meta", ("kind", "19", "subject", "page one", "name", "feed",
                      "payload", "00ff10"),
             dict(kind=META, subject=b"page one", name=b"feed",
                  payload=b"\x00\xff\x10")),
            ("tombstone", ("kind", "meta", "subject", "text:beef",
                           "tombstone"),
             dict(kind=META, subject=b"beef", flags=1))):
        j = data("record", "sign", "key", key, "charter", charter, "hlc",
                 str(hlc), *words)
        raw, k, rid, _ = a.record(hlc=hlc, **args)
        check("record sign: %s is, byte for byte, what Python signs" % name,
              j == {"key": k.hex(), "rid": rid.hex(), "hlc": str(hlc),
                    "record": raw.hex()}, j)
    stamps, good = [0], True
    for _ in range(50):
        before = int(time.time() * 1000)
        stamps.append(int(data("record", "sign", "key", key, "charter",
                               charter, "kind", "meta", "subject",
                               "now")["hlc"]))
        good = good and stamps[-1] > stamps[-2] and \
            before <= stamps[-1] >> 16 <= int(time.time() * 1000)
    check("record sign: stamps are the time, and grow", good, stamps)
    with open(os.path.join(d, "body"), "wb") as f:
        f.write(b"from a file")
    rc, out, err = run("record", "sign", "key", key, "charter", charter,
                       "kind", "meta", "subject", "x", "payload",
                       "@" + f.name)
    check("record sign: a payload of a file", rc == 0 and
          b"from a file".hex() in out, err)
    rc, out, err = run("record", "sign", "key", key, "charter", charter,
                       "kind", "rating", "subject", "x", "w", "101")
    check("record sign: what the charter forbids is 65", rc == 65, (rc, err))
    one, two = (run("record", "sign", "key", key, "charter", charter, "kind",
                    "meta", "subject", "x")[1] for _ in "12")
    check("two records in a row have different stamps", one != two)
    os.chmod(key, 0o644)
    rc, out, err = run("record", "sign", "key", key, "charter", charter,
                       "kind", "meta", "subject", "x")
    check("a key that others may read is refused", rc == 77, (rc, err))
    os.chmod(key, 0o600)
    return net, key


def test_members(d, charter):
    """An authority admits, and a stranger cannot."""
    auth, other = os.path.join(d, "auth.key"), os.path.join(d, "other.key")
    pk = run("record", "key", auth)[1].strip()
    member = run("record", "key", other)[1].strip()
    path = os.path.join(d, "members.charter")
    rc, out, err = run("charter", "new", path, "name", "club", "admission",
                       "members", "authority", pk, "tick", "500ms",
                       "settle", "500ms")
    check("charter new: members", rc == 0 and pk in out, (rc, err))
    rc, adm, err = run("record", "admit", "key", auth, "member", member,
                       "charter", path)
    check("record admit by an authority", rc == 0, err)
    rc, out, err = run("record", "admit", "key", other, "member", member,
                       "charter", path)
    check("record admit by another is refused", rc == 77, (rc, err))
    rc, out, err = run("record", "admit", "key", auth, "charter", path)
    check("record admit: members are named", rc == 64, (rc, err))
    n = Node("club", Net(path).conf + CONF % (9, 9, 9)).start()
    rating = run("record", "sign", "key", other, "charter", path, "kind",
                 "rating", "subject", "x", "w", "1")[1].strip()
    check("a stranger's record is not admitted",
          on(n, "put", rating)[0] == 1)
    rc, out, err = on(n, "put", adm.strip(), rating)
    check("a member's is", rc == 0 and out.count("new") == 2, (rc, out))
    wait_for("not-admitted", lambda: "not-admitted" in
             on(n, "check")[1], 15)
    check("check: a node whom no authority admitted says so",
          on(n, "check")[0] == 1)
    own = run("record", "admit", "key", auth, "member", n.node_id(),
              "charter", path)[1].strip()
    on(n, "put", own)
    wait_for("admitted", lambda: on(n, "check")[0] == 0, 15)
    check("check: the node is admitted and well", True)
    gone = run("record", "admit", "key", auth, "member", member, "revoke",
               "charter", path)[1].strip()
    rc, out, err = on(n, "put", gone)
    check("record admit revoke", rc == 0, (rc, out, err))
    wait_for("revoked", lambda: on(n, "get", "kind", "rating", "settled")[1]
             == "", 15)
    check("the records of a revoked member are gone", True)
    check("club stops cleanly", n.stop() == 0)


def test_page():
    """The worked example of warren-records(7), by the vectors and hashlib."""
    page = open(os.path.join(SRC, "man/warren-records.7")).read()
    page = re.sub(r"\s", "", page)
    v = {}
    for line in open(os.path.join(SRC, "tests/vectors/rec.txt")):
        name, _, value = line.strip().partition(" =")
        v[name] = value.strip()
    for name in ("charter.netid", "rating.body", "rating.rid", "rating.key"):
        check("warren-records(7): %s" % name, v[name] in page)
    w = struct.unpack(">i", bytes.fromhex(v["rating.w"]))[0]
    leaf = b2(b"WarrenLeaf1", bytes.fromhex(v["rating.key"] +
                                            v["rating.rid"]) +
              struct.pack(">q", w))
    tick = -(-(int(v["rating.hlc"], 16) >> 16) // 10000)
    root = b2(b"WarrenRoot1", bytes.fromhex(v["charter.netid"]) +
              struct.pack(">Q", tick) + leaf + struct.pack(">Qq", 1, w))
    check("warren-records(7): tick, leaf and root", str(tick) in page and
          leaf.hex() in page and root.hex() in page,
          (tick, leaf.hex(), root.hex()))


# --- with nodes ---

def settled(node, n):
    s = data("-s", node.sock, "show", "db")
    return s if s["pending"] == 0 and sum(
        k["count"] for k in s["kinds"] if k["kind"] in (META, RATING)) == n \
        else None


def test_put(node, net, key):
    adm = on(node, "record", "admit", "key", key)[1].strip()
    one = on(node, "record", "sign", "key", key, "kind", "rating", "subject",
             "song", "w", "40")[1].strip()
    rc, out, err = on(node, "put", one)
    check("put: an author not admitted is 1", rc == 1 and
          "not admitted" in out, (rc, out))
    rc, out, err = on(node, "put", "-", stdin="%s\n%s\n" % (adm, one))
    check("put from stdin, admission first", rc == 0 and
          out.count("new") == 2, (rc, out, err))
    rc, out, err = on(node, "put", one)
    check("put again is old, and fine", rc == 0 and "old" in out, out)
    rc, out, err = on(node, "put", "zz")
    check("put: no hex is 65", rc == 65, (rc, err))
    rc, out, err = on(node, "rate", "song", "50", "key", key)
    check("rate: a later word replaces the earlier", rc == 0 and
          "new" in out, (rc, out, err))
    # Many, by a Python author: more than one message.
    a = author_of(net, key)
    raws = [a.record(META, b"page %d" % i, payload=b"x" * 700)[0].hex()
            for i in range(500)]
    rc, out, err = on(node, "put", "-", stdin="\n".join(raws))
    check("put: 500 records of Python, in several messages", rc == 0 and
          out.count("new") == 500, (rc, err))
    wait_for("settled", lambda: settled(node, 501), 15)
    return 501


def test_get(node, key):
    j = data("-s", node.sock, "get", "kind", "rating", "subject", "song")
    check("get kind and subject", len(j["records"]) == 1 and
          j["records"][0]["w"] == 50 and j["more"] is None and
          j["records"][0]["subject"] == b"song".hex(), j)
    k = j["records"][0]["key"]
    one = data("-s", node.sock, "get", k)
    check("get KEY", one == j["records"][0], one)
    check("get of nothing is 1", on(node, "get", "00" * 32)[0] == 1)
    seen, after = [], []
    while True:
        j = data("-s", node.sock, "get", "kind", "meta", "limit", "300",
                 *after)
        seen += [r["key"] for r in j["records"]]
        if j["more"] is None:
            break
        after = ["after", j["more"]]
    check("get in parts: all, once, in order", len(seen) == 500 and
          seen == sorted(set(seen)))
    return k


def test_proof(node, k):
    p = data("-s", node.sock, "proof", k)
    check("proof: included", p["verified"] and p["found"] and
          p["nodeId"] == node.node_id(), p)
    p = data("-s", node.sock, "proof", "14" + "00" * 31)
    check("proof: absent", p["verified"] and not p["found"], p)
    p = data("-s", node.sock, "proof", "kind", "rating")
    check("proof: so many ratings with sum so much", p["verified"] and
          p["count"] == 1 and p["sum"] == 50, p)
    p = data("-s", node.sock, "proof", "kind", "meta", "subject", "page 7")
    check("proof: one subject", p["verified"] and p["count"] == 1, p)
    rc, out, err = on(node, "proof", k, "tick", "1")
    check("proof: of a tick that is not kept is 75", rc == 75, (rc, err))


def test_show(node, n):
    s = data("-s", node.sock, "show", "db")
    check("show db: kinds by name", {k["name"]: k["count"]
                                     for k in s["kinds"]}["meta"] == n - 1, s)
    for what in ("db", "health"):
        rc, out, err = on(node, "show", what)
        check("show %s: text" % what, rc == 0 and out and not err, err)
    h = data("-s", node.sock, "show", "health")
    check("show health: proven", h["proven"] and h["activeNodes"] >= 1 and
          h["target"] == 3, h)
    api = json.load(urllib.request.urlopen("http://127.0.0.2:38081/node/health"))
    check("show health -j: the names of gethealth",
          set(api.get("data", api)) <= set(h), (api, h))
    rc, out, err = on(node, "show", "status")
    check("show status has the database", "database  tick" in out, out)
    rc, out, err = on(node, "db", "check")
    check("db check: good", rc == 0 and " 0 of them bad" in out, out)
    rc, out, err = on(node, "db", "compact")
    check("db compact", rc == 0 and "bytes" in out + err, (rc, out, err))


def test_backup(node, d, root):
    path = os.path.join(d, "a.tar")
    small = {"peers.book", "peers.anchors", "peers.added", "peers.allowed",
             "bans", "apps.stopped"}
    for name in small:  # as a node has them in the course of time
        open(os.path.join(node.dir, "state", "state", name), "ab").close()
    rc, out, err = on(node, "backup", path)
    check("backup", rc == 0 and os.stat(path).st_mode & 0o777 == 0o600,
          (rc, out, err))
    with tarfile.open(path) as t:
        names = t.getnames()
    check("backup: tar reads it", {"warren.conf", "charter", "node.key",
                                   "store/warren.db"} <= set(names), names)
    check("backup: all that was learned and ordered, no ports", {
        n[6:] for n in names if n.startswith("state/")} == small, names)
    rc, out, err = on(node, "backup", path)
    check("backup overwrites nothing", rc == 73, (rc, err))
    if os.geteuid() == 0:
        os.chmod(node.sock, 0o666)
        p = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534",
                            "--clear-groups", CTL, "-s", node.sock, "backup",
                            "/tmp/warren-nobody-%d.tar" % os.getpid()],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True)
        check("backup: 77 for a group that may steer the node but not see "
              "its key", p.returncode == 77 and "only root" in p.stderr,
              (p.returncode, p.stderr))
        os.chmod(node.sock, 0o600)
    p = subprocess.run([CTL, "-s", node.sock, "backup", "-"],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check("backup to stdout", p.returncode == 0 and
          p.stdout[257:262] == b"ustar", p.stderr)
    rc, out, err = run("restore", path, "config", node.conf_path)
    check("restore: not while warrend runs", rc == 75 and "running" in err,
          (rc, err))
    return path


def test_restore(node, path, want):
    """The node is stopped; what it said before must be there again."""
    state = os.path.join(node.dir, "state")
    rc, out, err = run("restore", path, "config", node.conf_path)
    check("restore overwrites nothing without force", rc == 73 and
          "force" in err, (rc, err))
    old = open(os.path.join(state, "node.key")).read()
    shutil.rmtree(state)
    with open(path, "rb") as f:
        cut = f.read()[:-40000]
    with open(path + ".cut", "wb") as f:
        f.write(cut)
    rc, out, err = run("restore", path + ".cut", "config", node.conf_path)
    left = [f for _, _, fs in os.walk(state) for f in fs]
    check("restore of half an archive changes nothing", rc == 65 and
          not left, (rc, err, left))
    rc, out, err = run("restore", path, "config", node.conf_path)
    check("restore", rc == 0, (rc, out, err))
    check("restore: the key is the old one",
          open(os.path.join(state, "node.key")).read() == old)
    check("restore: and so are the small files", {
        "peers.anchors", "apps.stopped"} <= set(
            os.listdir(os.path.join(state, "state"))))
    node.start()
    wait_for("settled", lambda: settled(node, want), 20)
    rc, out, err = on(node, "db", "check")
    check("restore: every record is there and good", rc == 0, (rc, out, err))
    rc, out, err = run("restore", path, "config", node.conf_path, "force")
    check("restore with force: not while warrend runs either", rc == 75)
    node.stop()
    rc, out, err = run("restore", path, "config", node.conf_path, "force")
    check("restore with force", rc == 0, (rc, out, err))
    node.start()
    wait_for("settled", lambda: settled(node, want), 20)


# --- several nodes ---

class Api:
    """
    getdbclaim and getproof of warren-api(7), answered out of the control
    socket: what db verify asks, from a node whose API is off.
    """

    def __init__(self, node, spoil=None):
        ctl, lock = Ctl(node.sock), threading.Lock()

        def result(method, params):
            tick = params.get("tick")
            prefix = bytes.fromhex(params.get("prefix", "")).ljust(32, b"\0")
            with lock:
                parts, code, text = ctl.ask(Ctl.PROVE, [
                    prefix, params.get("bits", 0),
                    None if tick is None else int(tick)])
            if code:
                return {"error": {"code": code, "message": text}}
            t, root, cnt, total, proof, claim = parts[0]
            r = {"tick": t, "root": root.hex(), "count": cnt, "sum": total,
                 "claim": claim.hex() or None}
            if method == "getproof":
                r["proof"] = proof.hex()
            if spoil:
                spoil(method, r)
            return {"result": r}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                q = json.loads(self.rfile.read(
                    int(self.headers["Content-Length"])))
                out = json.dumps(dict(result(q["method"], q["params"]),
                                      jsonrpc="2.0", id=q["id"])).encode()
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                half = len(out) // 2
                for part in (out[:half], out[half:], b""):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.close_connection = True

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.at = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()


def where(node, i):
    """The node's own API when it knows the method, else ours."""
    try:
        at = "127.0.0.%d:38081" % i
        body = json.dumps({"jsonrpc": "2.0", "id": 1,
                           "method": "getdbclaim", "params": {}}).encode()
        q = urllib.request.Request("http://%s/" % at, body, {
            "content-type": "application/json"})
        if "result" in json.load(urllib.request.urlopen(q, timeout=5)):
            return at
    except OSError:
        pass
    return Api(node).at


def verify(node, *where):
    rc, out, err = on(node, "-j", "db", "verify", *where)
    return rc, json.loads(out)["data"], err


BAD_ANSWERS = [
    b"", b"nonsense", b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"fffffffffffffffe\r\n{}\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}",
    b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100000,
    b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (2 << 20),
    b'HTTP/1.1 200 OK\r\n\r\n{"result":[]}',
    b'HTTP/1.1 200 OK\r\n\r\n{"result":{"claim":"zz"}}',
    b'HTTP/1.1 200 OK\r\n\r\n{"result":{"claim":"' + b"00" * 5000 + b'"}}',
    b'HTTP/1.1 200 OK\r\n\r\n{"error":{"code":1,"message":"no tick"}}']


def test_bad_answers(node):
    """Whatever a stranger's server says costs an exit code, no more."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        at = "127.0.0.1:%d" % s.getsockname()[1]

        def serve():
            for answer in BAD_ANSWERS:
                c, _ = s.accept()
                try:
                    c.recv(65536)
                    c.sendall(answer)
                except OSError:
                    pass
                c.close()

        t = threading.Thread(target=serve, daemon=True)
        t.start()
        for i, answer in enumerate(BAD_ANSWERS):
            rc, out, err = on(node, "-j", "db", "verify", at)
            check("db verify: bad answer %d" % i, rc in (1, 69, 75) and
                  not json.loads(out)["data"]["nodes"][1].get("equal"),
                  (rc, out, err))
        t.join(10)


def start_three(net):
    nodes = []
    for i in (2, 3, 4):
        n = Node("n%d" % i, net.conf + CONF % (i, i, i) + "".join(
            "bootstrap 127.0.0.%d port 38080\n" % j for j in range(2, i)))
        nodes.append(n.start())
    wait_for("linked", lambda: all(
        len(data("-s", n.sock, "show", "peers", "up")) == 2 for n in nodes),
        20)
    return nodes


def same_root(nodes, n):
    s = [data("-s", x.sock, "show", "db") for x in nodes]
    return len({(x["tick"], x["root"]) for x in s}) == 1 and sum(
        k["count"] for k in s[0]["kinds"] if k["kind"] in (META, RATING)) == n


def change_row(node, net, key):
    """Another weight in one row: the node is stopped."""
    db = sqlite3.connect(os.path.join(node.dir, "state", "store",
                                      "warren.db"))
    n = db.execute("UPDATE rec SET w = w + 3 WHERE k = ?", (key,)).rowcount
    db.commit()
    mode = db.execute("PRAGMA journal_mode").fetchone()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    check("one row was changed", n == 1, (n, mode))


def test_verify(net, key):
    nodes = start_three(net)
    a, b, c = nodes
    adm = on(a, "record", "admit", "key", key)[1].strip()
    author = author_of(net, key)
    made = [author.record(RATING, b"song %d" % i, w=i % 50)
            for i in range(120)]
    made += [author.record(META, b"page %d" % i) for i in range(120)]
    rc, out, err = on(a, "put", "-", stdin="\n".join(
        [adm] + [m[0].hex() for m in made]))
    check("240 records on one of three nodes", rc == 0, err)
    wait_for("one root", lambda: same_root(nodes, 240), 30)
    at = [where(n, i) for n, i in ((b, 3), (c, 4))]
    rc, j, err = verify(a, *at)
    check("db verify: three equal", rc == 0 and
          [v["equal"] for v in j["nodes"]] == [True] * 3 and
          not j["differences"], (rc, j, err))
    rc, out, err = on(a, "db", "verify", *at)
    check("db verify: text", rc == 0 and out.count("equal") == 3, (out, err))
    rc, j, err = verify(a, at[0], "127.0.0.1:9")
    check("db verify: one that does not answer is 69, and named", rc == 69 and
          j["nodes"][2]["state"] == "away", (rc, j))
    if at[0] == "127.0.0.3:38081":  # the nodes' own API
        wait_for("addresses of the API", lambda: len(
            verify(a, "peers", "2")[1]["nodes"]) == 3, 10)
        rc, j, err = verify(a)
        check("db verify: peers, as they tell their addresses", rc == 0 and
              [v["equal"] for v in j["nodes"]] == [True] * 3, (rc, j))
    test_bad_answers(a)
    rc, out, err = on(a, "db", "verify", "no..such..host")
    check("db verify: nobody to compare with is 69", rc == 69, (rc, out))

    def forge(method, r):
        if method == "getdbclaim" and r["claim"]:
            r["claim"] = r["claim"][:-1] + "%x" % (
                int(r["claim"][-1], 16) ^ 1)

    rc, j, err = verify(a, at[1], Api(b, forge).at)
    check("db verify: a claim that its node did not sign is named", rc == 1
          and j["nodes"][2]["state"] == "not-proven" and
          "signed" in j["nodes"][2]["why"] and j["nodes"][1]["equal"],
          (rc, j))

    # One row of one node is changed on disk.
    b.stop()
    victim = made[77]
    change_row(b, net, victim[1])
    b.start()
    wait_for("linked again", lambda: len(
        data("-s", b.sock, "show", "peers", "up")) == 2, 20)
    wait_for("settled", lambda: settled(b, 240), 20)
    rc, out, err = on(b, "check")
    check("check: the changed node is critical", rc == 2 and
          "db-root-differs" in out, (rc, out))
    rc, out, err = on(b, "db", "check")
    check("db check: names the row, 1", rc == 1 and victim[1].hex() in out
          and " 1 of them bad" in out, (rc, out))
    at[0] = where(b, 3)

    def compared():
        """Once it has the node records that were made while it joined."""
        v = verify(a, *at)
        return "node" not in [d["name"] for d in v[1]["differences"]] and v
    rc, j, err = wait_for("node records alike", compared, 20)
    ds = j["differences"]
    check("db verify: names node, kind and key", rc == 1 and len(ds) == 1 and
          ds[0]["nodeId"] == b.node_id() and ds[0]["name"] == "rating" and
          ds[0]["keys"] == [victim[1].hex()] and
          ds[0]["there"]["sum"] - ds[0]["here"]["sum"] == 3 and
          ds[0]["hereIn"]["count"] <= 8 and
          victim[1].hex()[:ds[0]["bits"] // 4] ==
          ds[0]["prefix"][:ds[0]["bits"] // 4], (rc, j))
    check("db verify: the third is equal", j["nodes"][2]["equal"], j)
    rc, out, err = on(a, "db", "verify", *at)
    check("db verify: text of a difference", rc == 1 and
          "DIFFERS" in out and "kind 20 rating" in out and
          victim[1].hex() in out, out)

    def spoil(method, r):
        if method == "getproof":
            p = bytearray.fromhex(r["proof"])
            p[-1] ^= 1
            r["proof"] = p.hex()

    rc, j, err = verify(a, Api(b, spoil).at)
    check("db verify: a node whose proof does not verify is named", rc == 1
          and j["nodes"][1]["state"] == "not-proven" and
          "proof" in j["nodes"][1]["why"], (rc, j))
    wait_for("diverged", lambda: "db-diverged" in on(b, "check")[1], 40)
    check("check: whose neighbours differ for long says so", True)
    for n in nodes:
        check("%s stops cleanly" % n.name, n.stop() == 0)


def add_body(node, body):
    """A block body held by a stopped node; its id."""
    chunk = b2(b"WarrenChk1", body)
    bid = b2(b"WarrenBlk1", struct.pack(">Q", len(body)) + chunk)
    store = os.path.join(node.dir, "state", "store")
    path = os.path.join(store, "blocks", bid.hex()[:2])
    st = os.stat(store)
    os.makedirs(path, 0o700, exist_ok=True)
    os.chown(path, st.st_uid, st.st_gid)
    path = os.path.join(path, bid.hex()[2:])
    with open(path, "wb") as f:
        f.write(body)
    os.chown(path, st.st_uid, st.st_gid)
    db = sqlite3.connect(os.path.join(store, "warren.db"))
    db.execute("INSERT INTO body VALUES(?,?,1795276660,1795276660,0,0,0,0)",
               (bid, len(body)))
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    for f in os.listdir(store):
        os.chown(os.path.join(store, f), st.st_uid, st.st_gid)
    return bid.hex()


def test_bodies(node, d, key):
    """The node is stopped."""
    body = os.urandom(5000)
    bid = add_body(node, body)
    node.start()
    rec = on(node, "record", "sign", "key", key, "kind", "block", "subject",
             bid, "w", "5000")[1].strip()
    check("a block is announced", on(node, "put", rec)[0] == 0)
    for words, want in (((), False), (("bodies",), True)):
        path = os.path.join(d, "b%d.tar" % len(words))
        rc, out, err = on(node, "backup", path, *words)
        name = "store/blocks/%s/%s" % (bid[:2], bid[2:])
        with tarfile.open(path) as t:
            there = name in t.getnames() and \
                t.extractfile(name).read() == body
        check("backup %s: bodies are %s" % (" ".join(words), "in" if want
                                            else "left out"),
              rc == 0 and there == want, (rc, out, err))
    node.stop()
    held = os.path.join(node.dir, "state", name)
    os.unlink(held)
    rc, out, err = run("restore", path, "config", node.conf_path, "force")
    check("restore: the body is back", rc == 0 and
          open(held, "rb").read() == body, (rc, out, err))
    node.start()
    wait_for("up", lambda: on(node, "show", "db")[0] == 0, 10)


def test_blocks(node, d, key):
    body = os.urandom(300000)
    chunks = b"".join(b2(b"WarrenChk1", body[i:i + 65536])
                      for i in range(0, len(body), 65536))
    bid = b2(b"WarrenBlk1", struct.pack(">Q", len(body)) + chunks).hex()
    path, out = os.path.join(d, "body"), os.path.join(d, "body.out")
    with open(path, "wb") as f:
        f.write(body)
    rc, text, err = on(node, "block", "put", path)
    check("block put: nobody announced it", rc == 64 and "announces" in err,
          (rc, text, err))
    rc, text, err = on(node, "block", "put", path, "key", key)
    check("block put: announced and stored", rc == 0 and
          text.startswith(bid + "  stored, 300000 bytes"), (rc, text, err))
    j = json.loads(on(node, "-j", "block", "put", path)[1])["data"]
    check("block put: again, as JSON",
          j == {"blockId": bid, "size": 300000}, j)
    rows = json.loads(on(node, "-j", "show", "blocks")[1])["data"]
    mine = [r for r in rows if r["blockId"] == bid]
    check("show blocks", len(mine) == 1 and mine[0]["size"] == 300000 and
          mine[0]["temperature"] == "FROZEN" and mine[0]["lastRead"] is None,
          rows)
    check("show blocks, for people", any(
        line.startswith(bid + "   300000  FROZEN") for line in
        on(node, "show", "blocks")[1].splitlines()))
    rc, text, err = on(node, "block", "get", bid, out)
    check("block get", rc == 0 and "verified" in text and
          open(out, "rb").read() == body, (rc, text, err))
    rc, text, err = on(node, "block", "get", bid, out)
    check("block get overwrites nothing", rc == 73, (rc, err))
    p = subprocess.run([CTL, "-s", node.sock, "block", "get", bid, "-"],
                       stdout=subprocess.PIPE)
    check("block get -", p.returncode == 0 and p.stdout == body)
    rc, text, err = on(node, "block", "get", "00" * 32, out + "2")
    check("block get: one that is not held is 1", rc == 1 and
          not os.path.exists(out + "2"), (rc, err))
    with open(path, "wb") as f:
        f.write(bytes((4 << 20) + 1))
    check("block put: more than 4 MiB is refused",
          on(node, "block", "put", path)[0] == 65)


def test_evidence(node, net, d):
    a = Author(net)
    ctl = Ctl(node.sock)
    check("db evidence: none yet", on(node, "db", "evidence") == (0, "", ""))
    ctl.put([a.admission()[0]])
    tick = ctl.db()["tick"]
    wait_for("admitted", lambda: ctl.db()["tick"] >= tick + 3, 20)
    hlc = a.stamp()
    two = [a.record(META, b"both", payload=p, hlc=hlc) for p in (b"1", b"2")]
    ctl.put([two[0][0]])
    ctl.put([two[1][0]])
    ctl.put([r[0] for r in two])

    def shown():
        j = json.loads(on(node, "-j", "show", "db")[1])["data"]
        return j["evidence"] == 1
    wait_for("show db tells the number", shown, 10)
    check("show db: one pair of records is kept", "evidence    1 pairs" in
          on(node, "show", "db")[1])
    ctl.close()
    node.stop()
    node.start()
    j = json.loads(on(node, "-j", "db", "evidence")[1])["data"]
    check("db evidence: both records, after a restart as well",
          len(j) == 1 and j[0]["author"] == a.pk.hex() and
          j[0]["hlc"] == str(hlc) and
          {j[0]["record"], j[0]["other"]} == {r[0].hex() for r in two}, j)
    rc, text, err = on(node, "db", "evidence")
    check("db evidence, for people", rc == 0 and
          text.startswith(two[0][1].hex()), (rc, text, err))


def main():
    test_page()
    d = os.path.join(tmpdir(), "files")
    os.makedirs(d)
    charter = test_charter(d)
    net, key = test_records(d, charter)
    test_members(d, charter)
    a = Node("a", net.conf + CONF % (2, 2, 2)).start()
    n = test_put(a, net, key)
    k = test_get(a, key)
    test_proof(a, k)
    test_show(a, n)
    path = test_backup(a, d, None)
    a.stop()
    test_restore(a, path, n)
    a.stop()
    test_bodies(a, d, key)
    test_blocks(a, d, key)
    test_evidence(a, net, d)
    check("a stops cleanly", a.stop() == 0)
    test_verify(net, key)
    finish()


main()
