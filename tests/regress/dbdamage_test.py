#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
A node whose database file was damaged while it was stopped: it starts, goes
on reading and writing, ticks go on, and it says what is damaged.
"""
import os
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dbctl import Author, Ctl, Network, META, NEW  # noqa: E402
from warren import Node, CTL, check, finish, wait_for, tmpdir  # noqa: E402

CONF = """
listen peer on 127.0.0.%d port 38080
stun listen on 127.0.0.%d port 0
api http on 127.0.0.%d port 0 { workers 1 }
supervise restarts 100000 per 1m
address-policy allow reserved
"""
ROW_CUT = "UPDATE rec SET sig = substr(sig, 1, 63) WHERE k = ?"

RID_CUT = "UPDATE rec SET rid = substr(rid, 1, 31) WHERE k = ?"
KEY_CUT = "UPDATE rec SET k = substr(k, 1, 31) WHERE k = ?"


def on(node, *words):
    p = subprocess.run([CTL, "-s", node.sock] + list(words),
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, timeout=60)
    return p.returncode, p.stdout, p.stderr


def spoil(node, sql, key):
    """The node is stopped."""
    db = sqlite3.connect(os.path.join(node.dir, "state", "store",
                                      "warren.db"))
    n = db.execute(sql, (key,)).rowcount
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    check("one row was changed: " + sql.split("SET ")[-1], n == 1, n)


def tick(node):
    c = Ctl(node.sock)
    try:
        return c.db()["tick"]
    finally:
        c.close()


def goes_on(node, author, other):
    """Reading, writing, ticks."""
    c = Ctl(node.sock)
    check("reads: another record", c.get(other[1]) == other[0])
    new = author.record(META, os.urandom(8))
    check("writes: a new record", c.put([new[0]]) == [NEW])
    check("reads: the new record", c.get(new[1]) == new[0])
    was = c.db()["tick"]
    c.close()
    wait_for("ticks go on", lambda: tick(node) >= was + 2, 15)
    check("ticks go on", True)
    wait_for("settled", lambda: settled(node, new[1]), 15)


def settled(node, key):
    c = Ctl(node.sock)
    try:
        return c.get(key, True)
    except OSError:
        return None
    finally:
        c.close()


def start_with(net, name, at):
    """A node, an author who is admitted, and records that are settled."""
    node = Node(name, net.conf + CONF % (at, at, at)).start()
    author = Author(net)
    c = Ctl(node.sock)
    wait_for("the database", lambda: c.db()["tick"], 20)
    c.put([author.admission()[0]])
    made = [author.record(META, b"page %d" % i) for i in range(20)]
    check("20 records", c.put([m[0] for m in made]) == [NEW] * 20)
    c.close()
    wait_for("settled", lambda: settled(node, made[19][1]), 15)
    return node, author, made


def says_damaged(node, what):
    rc, out, err = on(node, "check")
    check("check: %s is db-damaged, and what to do" % what, rc in (1, 2) and
          "db-damaged" in out and "warrenctl db check" in out and
          "db-disk" not in out, (rc, out))
    rc, out, err = on(node, "show", "db")
    check("show db: %s" % what, "db-damaged" in out and
          "warrenctl db check" in out, out)


def test_read(net):
    node, author, made = start_with(net, "a", 2)
    victim = made[5]
    node.stop()
    spoil(node, ROW_CUT, victim[1])
    node.start()
    wait_for("the database", lambda: tick(node), 20)
    rc, out, err = on(node, "get", victim[1].hex())
    check("get: the damaged one is an error", rc not in (0, 69), (rc, err))
    says_damaged(node, "a row that was read")
    rc, out, err = on(node, "db", "check")
    check("db check: names the row", rc == 1 and victim[1].hex() in out,
          (rc, out, err))
    says_damaged(node, "after db check")
    goes_on(node, author, made[6])
    c = Ctl(node.sock)
    check("a tick takes it out", c.get(victim[1]) is None)
    c.close()
    on(node, "db", "check")
    rc, out, err = on(node, "db", "check")
    check("db check: nothing more after it was told", rc == 0, (rc, out))
    check("check: no more of it", "db-" not in codes(node), codes(node))
    check("put: again by whoever has it", put(node, victim) == NEW)
    check("stops cleanly", node.stop() == 0)


def put(node, made):
    c = Ctl(node.sock)
    try:
        return c.put([made[0]])[0]
    finally:
        c.close()


def test_expiry(net):
    """A damaged row that a tick meets."""
    node, author, made = start_with(net, "d", 5)
    victim = made[5]
    node.stop()
    until = int(time.time()) + 6
    spoil(node, "UPDATE rec SET e = %d, sig = substr(sig, 1, 63) WHERE k = ?"
          % until, victim[1])
    node.start()
    wait_for("ticks beyond it", lambda: tick(node) > until + 1, 20)
    check("ticks go on beyond its end", True)
    says_damaged(node, "a row that a tick met")
    goes_on(node, author, made[6])
    check("stops cleanly", node.stop() == 0)


def test_unread(net):
    """Rows and a page that nobody asks for."""
    node, author, made = start_with(net, "e", 6)
    victim = made[5]
    node.stop()
    spoil(node, "UPDATE rec SET body = zeroblob(60) WHERE k = ?", victim[1])
    node.start()
    wait_for("db-damaged", lambda: "db-damaged" in codes(node), 20)
    says_damaged(node, "a row that nobody reads")
    rc, out, err = on(node, "db", "check")
    check("db check: names it", rc == 1 and victim[1].hex() in out,
          (rc, out, err))
    goes_on(node, author, made[6])
    node.stop()
    path = os.path.join(node.dir, "state", "store", "warren.db")
    db = sqlite3.connect(path)
    root, = db.execute("SELECT rootpage FROM sqlite_master WHERE"
                       " name = 'evidence'").fetchone()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with open(path, "r+b") as f:
        f.seek((root - 1) * 8192)
        f.write(b"\xff" * 64)
    node.start()
    wait_for("db-damaged", lambda: "db-damaged" in codes(node), 20)
    says_damaged(node, "a page that nobody reads")
    rc, out, err = on(node, "db", "check")
    check("db check: the file is damaged", rc == 1 and
          "the file is damaged" in out, (rc, out, err))
    says_damaged(node, "after db check")
    goes_on(node, author, made[6])
    check("stops cleanly", node.stop() == 0)


def codes(node):
    return on(node, "check")[1]


def test_start(net, how):
    """A row that cannot be read when the node starts, and a neighbour."""
    a, author, made = start_with(net, "b-" + how[0], 3)
    b = Node("c-" + how[0], net.conf + CONF % (4, 4, 4) +
             "bootstrap 127.0.0.3 port 38080\n").start()
    wait_for("the neighbour has it", lambda: settled(b, made[19][1]), 30)
    victim = made[7]
    a.stop()
    b.stop()
    spoil(b, how[1], victim[1])
    b.start()
    says_damaged(b, "a row without its " + how[0])
    c = Ctl(b.sock)
    check("the node is without it", c.get(victim[1]) is None)
    c.close()
    goes_on(b, author, made[6])
    rc, out, err = on(b, "db", "check")
    check("db check: names what was taken out", rc == 1 and
          " 1 of them bad" in out and
          (how[0] == "key" or victim[1].hex() in out), (rc, out, err))
    says_damaged(b, "after db check")
    a.start()
    wait_for("it comes back", lambda: settled(b, victim[1]), 30)
    c = Ctl(b.sock)
    check("a sync brings the record back", c.get(victim[1]) == victim[0])
    c.close()
    if how[0] == "key":  # nobody can tell whose row it was
        rc, out, err = on(b, "db", "check")
        check("db check: all is well", rc == 0, (rc, out, err))
    wait_for("all is well", lambda: "db-" not in codes(b), 30)
    check("check: no more of it", True)
    check("db check: all is well", on(b, "db", "check")[0] == 0)
    check("stop cleanly", a.stop() == 0 and b.stop() == 0)


def main():
    net = Network(os.path.join(tmpdir(), "lab.charter"))
    test_read(net)
    test_expiry(net)
    test_unread(net)
    for how in ("rid", RID_CUT), ("key", KEY_CUT):
        test_start(net, how)
    finish()


main()
