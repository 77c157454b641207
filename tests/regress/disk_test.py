#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
The disk of the store, a real file system under a real node: it fills up while
clients write and gets room again, it is full when the node starts, it becomes
read-only, and a table of the database is spoilt.  What warrenctl and the API
say of it meanwhile, that what was acknowledged is there whatever happens, that
reading goes on, and that writing goes on by itself.

Runs in namespaces of its own, for it mounts.

usage: disk_test.py [NAME ...]     the build tree is $B
"""
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request


def enter():
    """Namespaces in which to mount; as root there is no excuse."""
    if os.environ.get("DISK_NS") == "1":
        return
    root = os.geteuid() == 0
    flags = "-nm" if root else "-Urnm"
    if not root and subprocess.run(
            ["unshare", flags, "mount", "-t", "tmpfs", "none", "/mnt"],
            stderr=subprocess.DEVNULL).returncode != 0:
        print("skip disk_test: no namespace to mount in\n"
              "0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    os.environ["DISK_NS"] = "1"
    os.execvp("unshare", ["unshare", flags, sys.executable] + sys.argv)


enter()
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dbctl import (Author, BLOCK, Ctl, META, Network, NEW, OLD,  # noqa: E402
                   block_id)
from warren import Node, check, finish, tmpdir, wait_for  # noqa: E402

NOT_ADMITTED, DISK = 4, 10
CRITICAL, OK = 2, 0
CALL_DISK = -32017
CONF = """
listen peer on 127.0.0.1 port 0
stun listen on 127.0.0.1 port 0
api http on 127.0.0.1 port 0 { workers 1 }
supervise restarts 1000 per 1m
"""


def run(*cmd):
    return subprocess.run(cmd, stderr=subprocess.DEVNULL).returncode == 0


class Disk:
    """A node whose store has a file system of its own."""

    def __init__(self, name, size="6m"):
        self.net = Network(os.path.join(tmpdir(), name + ".charter"),
                           tick_ms=500, settle_ms=500)
        self.node = Node(name, self.net.conf + CONF)
        self.dir = os.path.join(self.node.dir, "state", "store")
        self.filler = os.path.join(self.dir, "fill")
        os.makedirs(self.dir, 0o700)
        os.chmod(os.path.dirname(self.dir), 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700,size=" + size,
                        "none", self.dir], check=True)
        self.author = Author(self.net)
        self.acked = {}  # key: (hlc, raw), the latest acknowledged
        self.count = 0
        self.start()
        wait_for("admission", lambda: NEW in self.put(
            [self.author.admission()]), 20)
        self.first = self.records(1)
        wait_for("a record", lambda: self.put(self.first) in ([NEW], [OLD]),
                 20)

    def start(self):
        self.node.start()
        wait_for("a tick", lambda: self.db()["tick"], 20)

    def end(self):
        check("%s stops cleanly" % self.node.name, self.node.stop() == 0)
        run("umount", self.dir)

    def store_pid(self):
        return wait_for("the store is up", lambda: (
            lambda p: p["state"] == "up" and p["pid"])(
                self.node.processes()["store"]), 20)

    # --- writing and reading ---

    def records(self, n, size=100):
        self.count += n
        return [self.author.record(META, b"r%d" % (self.count - i),
                                   payload=os.urandom(size))
                for i in range(n)]

    def put(self, records):
        verdicts = self.ask(Ctl.put, [r[0] for r in records])
        for v, (raw, key, _, hlc) in zip(verdicts, records):
            if v in (NEW, OLD) and hlc > self.acked.get(key, (0,))[0]:
                self.acked[key] = hlc, raw
        return verdicts

    def ask(self, method, *args):
        ctl = Ctl(self.node.sock)
        try:
            return method(ctl, *args)
        finally:
            ctl.close()

    def db(self):
        return self.ask(Ctl.db)

    def lost(self):
        """Acknowledged records that are not there."""
        ctl = Ctl(self.node.sock)
        lost = [k.hex() for k, (_, raw) in self.acked.items()
                if ctl.get(k) != raw]
        ctl.close()
        return lost

    def rpc(self, method, **params):
        r = urllib.request.Request(
            "http://127.0.0.1:%d/" % self.node.port("http"),
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                        "params": params}).encode(),
            {"content-type": "application/json"})
        with urllib.request.urlopen(r, timeout=20) as f:
            return json.load(f)

    def body(self):
        """A block of 3,000 bytes that is announced: its id and itself."""
        b = os.urandom(3000)
        raw = self.author.record(BLOCK, block_id(b), w=len(b))
        wait_for("the block is announced", lambda: self.put([raw])
                 in ([NEW], [OLD]), 10)
        return block_id(b), b

    def files(self):
        return [os.path.join(d, f) for d, _, fs in
                os.walk(os.path.join(self.dir, "blocks")) for f in fs]

    # --- the disk ---

    def fill(self):
        with open(self.filler, "ab", buffering=0) as f:
            for piece in (65536, 512):
                try:
                    while True:
                        f.write(bytes(piece))
                except OSError:
                    pass

    def free(self):
        os.unlink(self.filler)

    # --- what is said ---

    def health(self):
        """(exit code of check, {code: text}, its line)"""
        rc, line, _ = self.node.ctl("check", raw=True)
        p = self.node.ctl("check")["problems"]
        return rc, {q["code"]: q["text"] for q in p}, line

    def log_has(self, text, since=0):
        with open(self.node.log_path, errors="replace") as f:
            f.seek(since)
            return f.read().count(text)

    def log_size(self):
        return os.path.getsize(self.node.log_path)


def says_full(d):
    """Every place that tells of the disk."""
    rc, codes, line = d.health()
    text = codes.get("db-disk", "")
    check("check: CRITICAL, db-disk, disk full, nothing is written",
          rc == CRITICAL and line.startswith("WARREN CRITICAL - db-disk: ") and
          text.endswith(": disk full; nothing is written"), (rc, line))
    _, status, _ = d.node.ctl("show", "status", raw=True)
    check("show status says it", "health    CRITICAL  db-disk: " + text
          in status, status)
    _, show, _ = d.node.ctl("show", "db", raw=True)
    check("show db says it", show.startswith("PROBLEM ") and
          "disk full\n" in show.splitlines(True)[0], show)


def says_good(d, what):
    rc, codes, line = d.health()
    check("%s: check is OK, show db names no problem" % what,
          rc == OK and not codes and d.db()["problem"] == "", line)


def write_until_full(d):
    """A writer meets the full disk in the middle of its work."""
    seen, stop = [], threading.Event()

    def write():
        while not stop.is_set():
            seen.append(set(d.put(d.records(5, 200))))

    t = threading.Thread(target=write)
    t.start()
    wait_for("some writes", lambda: len(seen) > 20, 20)
    d.fill()
    wait_for("refusals", lambda: sum(v == {DISK} for v in seen) > 5, 20)
    stop.set()
    t.join()
    check("%d batches were taken, then all are refused" %
          sum(v == {NEW} for v in seen),
          all(v in ({NEW}, {DISK}) for v in seen) and seen[-1] == {DISK}, seen)


def test_full(d):
    bid, body = d.body()
    d.ask(Ctl.block_put, body)
    late, late_body = d.body()
    log = d.log_size()
    write_until_full(d)
    says_full(d)
    refused = d.records(3)
    check("a record twice in one message: neither is acknowledged",
          d.put([refused[0], refused[0]]) == [DISK, DISK])
    check("nor by itself", d.put(refused) == [DISK] * 3)
    check("what was refused is not there",
          all(d.ask(Ctl.get, r[1]) is None for r in refused))
    stranger = Author(d.net).record(META, b"x")
    check("an old record is old, a stranger's is refused",
          d.put(d.first + [stranger]) == [OLD, NOT_ADMITTED])
    says_full(d)
    r = d.rpc("putrecord", record=refused[0][0].hex())
    check("API: %d, %s" % (CALL_DISK, r.get("error", {}).get("message")),
          r.get("error", {}).get("code") == CALL_DISK, r)
    try:
        d.ask(Ctl.block_put, late_body)
        check("a body is refused", False)
    except OSError as e:
        check("a body is refused: %s" % e, "disk full" in str(e), e)
    check("all that was acknowledged can be read, %d records" % len(d.acked),
          not d.lost())
    check("by the API as well", d.rpc("getrecord", key=d.first[0][1].hex())
          .get("result", {}).get("record") == d.first[0][0].hex())
    check("and bodies", d.ask(Ctl.block_get, bid) == body)
    check("nothing half written is left", len(d.files()) == 1, d.files())
    tick = d.db()["tick"]
    d.free()
    wait_for("writing again", lambda: d.db()["problem"] == "", 10)
    says_good(d, "with room again, nothing was done to it")
    check("ticks go on", wait_for("ticks", lambda: d.db()["tick"] > tick))
    check("what was refused is new", d.put(refused) == [NEW] * 3)
    check("a body is taken", d.ask(Ctl.block_put, late_body) == late)
    check("the log says each once",
          d.log_has("disk full; reading goes on", log) == 1 and
          d.log_has("database: writing again", log) == 1, d.node.tail())
    os.kill(d.store_pid(), signal.SIGKILL)
    wait_for("the store is back", lambda: d.db()["tick"] > tick, 20)
    check("after SIGKILL all %d acknowledged records are there" % len(d.acked),
          not d.lost())
    says_good(d, "after SIGKILL")


def test_full_at_start(d):
    """Nothing can be written from the first moment on."""
    bid, body = d.body()
    d.ask(Ctl.block_put, body)
    d.fill()
    d.node.stop()
    d.fill()  # what its end gave back
    d.start()
    wait_for("a problem", lambda: d.db()["problem"], 10)
    says_full(d)
    check("a node that starts on a full disk answers what it has",
          not d.lost() and d.ask(Ctl.block_get, bid) == body)
    d.free()
    wait_for("writing again", lambda: d.db()["problem"] == "", 10)
    check("and writes when there is room", d.put(d.records(3)) == [NEW] * 3)


def remount(d, how):
    """
    A file system does not become read-only under files that are open for
    writing, unless by itself: the store is ended, and meets it in its next
    life, which begins at once.
    """
    for _ in range(200):
        os.kill(d.store_pid(), signal.SIGKILL)
        for _ in range(20):
            if run("mount", "-o", "remount,bind," + how, d.dir):
                return True
            time.sleep(0.001)
    return False


def test_read_only(d):
    tick = d.db()["tick"]
    check("the disk becomes read-only", remount(d, "ro"))
    wait_for("a problem", lambda: "db-unusable" in d.health()[1], 20)
    rc, codes, line = d.health()
    check("check: " + codes["db-unusable"], rc == CRITICAL and
          codes == {"db-unusable": "cannot open: read-only"}, line)
    _, show, _ = d.node.ctl("show", "db", raw=True)
    check("show db says it", show.startswith("PROBLEM ") and
          "cannot open: read-only\n" in show, show)
    check("a write is refused", d.put(d.records(2)) == [DISK, DISK])
    r = d.rpc("putrecord", record=d.records(1)[0][0].hex())
    check("API: %s" % r.get("error"), r["error"]["code"] == CALL_DISK, r)
    r = d.rpc("getrecord", key=d.first[0][1].hex())
    check("a read says why not: %s" % r.get("error"),
          r["error"]["code"] == CALL_DISK, r)
    check("the node goes on without", "nodeId" in d.rpc("getnodeinfo")["result"])
    pid, log = d.store_pid(), d.log_size()
    check("it can be written to again", run(
        "mount", "-o", "remount,bind,rw", d.dir))
    wait_for("ticks go on", lambda: d.db()["tick"] > tick, 20)
    says_good(d, "writable again, nothing else was done")
    check("by the same process, which says so", d.store_pid() == pid and
          d.log_has("store info: database: open\n", log) == 1, d.node.tail())
    check("the API serves again",
          d.rpc("getrecord", key=d.first[0][1].hex()).get("result"))
    check("nothing acknowledged is lost, %d records" % len(d.acked),
          not d.lost() and d.put(d.records(2)) == [NEW, NEW])


def test_damaged_bodies(d):
    """A table that cannot be read is no reason to remove files."""
    bodies = [d.body() for _ in range(8)]
    for _, b in bodies:
        d.ask(Ctl.block_put, b)
    files = sorted(d.files())
    check("8 bodies are files", len(files) == 8)
    d.node.stop()
    path = os.path.join(d.dir, "warren.db")
    with sqlite3.connect(path) as db:
        root, = db.execute("SELECT rootpage FROM sqlite_master "
                           "WHERE name='body'").fetchone()
        page, = db.execute("PRAGMA page_size").fetchone()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    st = os.stat(path)
    with open(path, "r+b") as f:
        f.seek((root - 1) * page)
        good = f.read(page)
        f.seek((root - 1) * page)
        f.write(b"\xff" * 64)
    os.chown(path, st.st_uid, st.st_gid)
    log = d.log_size()
    # What nobody could have written for us stays, too; half a body goes.
    stray = os.path.join(os.path.dirname(files[0]), "notes")
    for f in (stray, files[0] + ".new"):
        with open(f, "w") as g:
            g.write("x")
    d.start()
    wait_for("the files were seen", lambda: d.log_has(
        "blocks: 8 files stay without being held", log), 20)
    check("with the table of bodies damaged all their files stay",
          sorted(d.files()) == sorted(files + [stray]), d.files())
    check("and the log says why",
          d.log_has("corrupt; its file stays as it is", log) == 1,
          d.node.tail())
    check("records are not concerned", not d.lost())
    d.node.stop()
    with open(path, "r+b") as f:
        f.seek((root - 1) * page)
        f.write(good)
    d.start()
    check("the table is mended: all bodies are served", all(
        d.ask(Ctl.block_get, bid) == b for bid, b in bodies))


TESTS = {"full": test_full, "start": test_full_at_start,
         "readonly": test_read_only, "bodies": test_damaged_bodies}


def main():
    run("ip", "link", "set", "lo", "up")
    for name in sys.argv[1:] or TESTS:
        print("# " + name)
        d = Disk(name)
        try:
            TESTS[name](d)
        except Exception as e:
            check(name, False, "%r\n%s" % (e, d.node.tail(30)))
        d.end()
    finish()


if __name__ == "__main__":
    main()
