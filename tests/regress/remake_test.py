#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
What is lost between two lives and between two processes: channels of siblings
that ended while both ends live on are made anew, and a node that was stopped
goes on in its neighbour's log where it stood, by the cursor it had kept.
"""
import ctypes
import json
import os
import re
import socket
import sys
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dbctl import Author, Ctl, Network, META, NEW  # noqa: E402
from warren import (Node, check, finish, see_into_processes, skip,  # noqa
                    wait_for, tmpdir)

TICK_MS = 300
CONF = """
listen peer on 127.0.12.%d port 38080
stun listen on 127.0.12.%d port 3478
api http on 127.0.12.%d port 38081 { workers 2 }
metrics on 127.0.12.%d port 38082
supervise restarts 100000 per 1m
"""
PIDFD_GETFD = 438


def siblings(pid):
    """The process's Unix sockets, but for the parent's and the log's."""
    libc = ctypes.CDLL(None, use_errno=True)
    p = os.pidfd_open(pid)
    out = []
    for n in os.listdir("/proc/%d/fd" % pid):
        link = os.readlink("/proc/%d/fd/%s" % (pid, n))
        if int(n) <= 4 or not link.startswith("socket:"):
            continue
        fd = libc.syscall(PIDFD_GETFD, p, int(n), 0)
        if fd == -1:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        s = socket.socket(fileno=fd)
        if s.family == socket.AF_UNIX:
            out.append(s)
        else:
            s.close()
    os.close(p)
    return out


def cut(pid):
    socks = siblings(pid)
    for s in socks:
        s.shutdown(socket.SHUT_RDWR)
        s.close()
    return len(socks)


def metric(i, name):
    text = urllib.request.urlopen(
        "http://127.0.12.%d:38082/metrics" % i).read().decode()
    return int(re.search(r'^warren_%s\{process="store"[^}]*\} (\d+)$' % name,
                         text, re.M).group(1))


def answers(i):
    """Does the API of node i know the database?"""
    try:
        q = {"jsonrpc": "2.0", "id": 1, "method": "getdbhash"}
        with urllib.request.urlopen(urllib.request.Request(
                "http://127.0.12.%d:38081/" % i, json.dumps(q).encode(),
                {"content-type": "application/json"}), timeout=5) as r:
            return "result" in json.load(r)
    except OSError:
        return False


def equal(a, b, n):
    x, y = a.db(), b.db()
    return x["tick"] == y["tick"] and x["root"] == y["root"] and \
        x["kinds"].get(META, (0,))[0] == n


def test_channels(nodes, ctls, author):
    a, b = ctls
    pids = {n: p["pid"] for n, p in nodes[0].processes().items()}
    for _ in range(20):
        if not answers(2):
            break
    try:
        n = cut(pids["store"])
    except OSError as e:
        skip("channels are made anew", "%s: not as this user" % e)
        return 1
    check("the store's channels are cut (%d)" % n, n == 3, n)
    raw, key, rid, _ = author.record(META, b"after the cut")
    wait_for("both workers are connected again", lambda: all(
        answers(2) for _ in range(10)), 10)
    check("apid has a channel to the store again", True)
    check("a record is taken", a.put([raw]) == [NEW])
    wait_for("it reaches the neighbour", lambda: b.get(key) == raw, 15)
    check("peerd has one, too: what is written travels", True)
    check("and nobody was restarted", {
        n: p["pid"] for n, p in nodes[0].processes().items()} == pids)
    wait_for("one root", lambda: equal(a, b, 2), 20)
    return 2


def test_cursor(nodes, ctls, author, n):
    a, b = ctls
    wait_for("one root", lambda: equal(a, b, n), 20)
    tick = b.db()["tick"]
    wait_for("on some ticks", lambda: b.db()["tick"] > tick + 3, 20)
    asked = metric(3, "sync_cursors_asked_total")
    check("nothing was asked by cursor so far", asked == 0, asked)
    check("b stops", nodes[1].stop() == 0)
    b.close()
    raws = [author.record(META, b"while b was away %d" % i)[0]
            for i in range(20)]
    check("a goes on", a.put(raws) == [NEW] * 20)
    wait_for("it is settled", lambda:
             a.db()["kinds"].get(META, (0,))[0] == n + 20, 20)
    nodes[1].start()
    wait_for("one root again", lambda: equal(a, b, n + 20), 30)
    asked = metric(3, "sync_cursors_asked_total")
    check("after a restart the neighbour's log goes on where it stood",
          asked >= 1, asked)


def main():
    see_into_processes()
    net = Network(os.path.join(tmpdir(), "lab.charter"), tick_ms=TICK_MS,
                  settle_ms=TICK_MS)
    nodes = [Node("n%d" % i, net.conf + CONF % (i, i, i, i) +
                  ("bootstrap 127.0.12.2 port 38080 static\n" if i > 2
                   else "")) for i in (2, 3)]
    for n in nodes:
        n.start()
    ctls = [Ctl(n.sock) for n in nodes]
    author = Author(net)
    check("an author is admitted",
          ctls[0].put([author.admission()[0],
                       author.record(META, b"first")[0]]) == [NEW, NEW])
    wait_for("one root", lambda: equal(*ctls, 1), 30)
    n = test_channels(nodes, ctls, author)
    test_cursor(nodes, ctls, author, n)
    for node in nodes:
        check("%s stops cleanly" % node.name, node.stop() == 0)
    finish()


main()
