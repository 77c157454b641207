#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Five nodes on loopback with ticks of a second: records written to any of them
are on all; a node that was down, and one that joins empty, get what they
lack; the same tick has the same root everywhere.
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dbctl import Author, Ctl, Network, META, RATING, NEW, OLD  # noqa: E402
from warren import Node, check, finish, wait_for, tmpdir  # noqa: E402

N = int(os.environ.get("RECORDS", "2000"))


def conf(net, i):
    text = net.conf + """
listen peer on 127.0.6.%d port 38080
stun listen on 127.0.6.%d port 3478
api http on 127.0.6.%d port 38081 { workers 1 }
supervise restarts 100000 per 1m
""" % (i, i, i)
    for j in range(2, i):
        text += "bootstrap 127.0.6.%d port 38080\n" % j
    return text


def same(ctls):
    """One tick that all have settled, with one root; else None."""
    dbs = [c.db() for c in ctls]
    if len({(d["tick"], d["root"]) for d in dbs}) == 1:
        return dbs[0]
    return None


def write(author, ctl, base, n):
    raws, keys = [], []
    for i in range(n):
        subject = (base + i).to_bytes(32, "big")
        kind = RATING if i % 2 else META
        raw, key, _, _ = author.record(kind, subject,
                                       w=(i % 201 - 100) if i % 2 else 0,
                                       payload=b"x" * (i % 60))
        raws.append(raw)
        keys.append(key)
    verdicts = []
    for at in range(0, n, 100):
        verdicts += ctl.put(raws[at:at + 100])
    return keys, verdicts


def main():
    net = Network(os.path.join(tmpdir(), "lab.charter"))
    nodes = [Node("n%d" % i, conf(net, i)) for i in range(2, 7)]
    for n in nodes[:4]:
        n.start()
    ctls = [Ctl(n.sock) for n in nodes]
    authors = [Author(net) for _ in range(4)]
    wait_for("linked", lambda: all(
        len(n.ctl("show", "peers", "up")["data"]) == 3 for n in nodes[:4]),
        20)
    for a, c in zip(authors, ctls):
        check("admission is taken", c.put([a.admission()[0]]) == [NEW])
    wait_for("admissions everywhere", lambda: (same(ctls[:4]) or {
        "kinds": {}})["kinds"].get(1, (0,))[0] == 8, 20)

    keys = []
    for k, (a, c) in enumerate(zip(authors, ctls)):
        got, verdicts = write(a, c, k * 100000, N // 4)
        keys += got
        check("%d records of author %d are new" % (N // 4, k),
              set(verdicts) == {NEW}, verdicts[:5])
    db = wait_for("the same root on four nodes", lambda: (
        lambda d: d if d and sum(d["kinds"].get(x, (0,))[0]
                                 for x in (META, RATING)) == N else None)(
                                     same(ctls[:4])), 30)
    check("all %d on all four, sum of ratings %d" %
          (N, db["kinds"][RATING][1]), True)

    # One is away while others write, then comes back.
    nodes[3].stop()
    more, _ = write(authors[0], ctls[0], 900000, 500)
    keys += more
    nodes[3].start()
    ctls[3].close()
    wait_for("the one that was away caught up", lambda: (
        lambda d: d and sum(d["kinds"].get(x, (0,))[0]
                            for x in (META, RATING)) == N + 500)(
                                same(ctls[:4])), 40)
    check("a node that was away has the same root again", True)

    # One joins empty.
    nodes[4].start()
    d = wait_for("the new one has all", lambda: (
        lambda d: d if d and sum(d["kinds"].get(x, (0,))[0]
                                 for x in (META, RATING)) == N + 500
        else None)(same(ctls)), 60)
    check("a node that joined empty has the same root", True)
    lost = [k for k in keys if ctls[4].get(k) is None]
    check("every record can be read there", not lost, len(lost))

    # Killing the store costs nothing that was acknowledged.
    acked = []
    for i in range(10):
        os.kill(wait_for("the store is up", lambda: (
            lambda p: p["state"] == "up" and p["pid"])(
                nodes[1].processes()["store"]), 10), 9)
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            raw, key, _, _ = authors[1].record(META, os.urandom(32))
            try:
                if ctls[1].put([raw])[0] in (NEW, OLD):
                    acked.append(key)
            except OSError:
                ctls[1].close()
                time.sleep(0.01)
    wait_for("the store is back", lambda: ctls[1].db()["tick"], 10)
    lost = [k for k in acked if ctls[1].get(k) is None]
    check("10 kills of the store under writes, %d acknowledged, none lost" %
          len(acked), acked and not lost, len(lost))
    wait_for("the same root after it all", lambda: (
        lambda d: d and d["kinds"][META][0] >= len(acked))(same(ctls)), 40)
    check("the same root on all five in the end", True)
    for n in nodes:
        check("%s stops cleanly" % n.name, n.stop() == 0)
    finish()


main()
