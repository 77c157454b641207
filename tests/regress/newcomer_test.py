#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
What a node does that has just come.

Its record comes before its author's admission: the store holds it back, and
the node passes it on as soon as the admission is there, long before the next
tick and its sync would.

It joins while much is written: its ticks are those of the others at once, also
where a version was replaced that a tick counts.

Of two versions of a node's record, of two ticks, the older may come last: it
counts for its tick all the same.

The node that it knows is not up yet, or goes away: as long as it has no other
link, it tries again after seconds, whatever the pause it was told.
"""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "interop"))
import link_client  # noqa: E402
from dbctl import Author, Ctl, META, Network, NODE  # noqa: E402
from warren import Node, check, finish, wait_for, tmpdir  # noqa: E402

GOSSIP = 1
CONF = """
listen peer on 127.0.14.%d port 38080
stun listen no
stun clients 0
api http no
"""
PORT = 38080


def node_record(author, **kw):
    at = [0, 4, bytes([127, 0, 14, 9]), PORT, 0]
    payload = [1, 0, [at], [], 0, "", 0, [], "test", "newcomer"]
    return author.record(NODE, author.pk, payload=link_client.pack(payload),
                         **kw)


def seq_of(node, author):
    return [p["seq"] for p in node.ctl("show", "peers")["data"]
            if p["nodeId"] == author.pk.hex()]


def join(net):
    """Its first tick may have been settled before all was there."""
    lab = Network(os.path.join(tmpdir(), "join.charter"), tick_ms=3000,
                  settle_ms=3000)
    a = Node("e", lab.conf + CONF % 6)
    b = Node("f", lab.conf + CONF % 7 +
             "bootstrap 127.0.14.6 port 38080 static retry 300ms\n")
    a.start()
    ca, cb = Ctl(a.sock), Ctl(b.sock)
    authors = [Author(lab) for _ in range(20)]
    roots, at = ({}, {}), []
    ca.put([x.admission()[0] for x in authors])
    # Each key is written again every few seconds: most versions are replaced
    # before their tick is settled.
    end = time.time() + 24 - time.time() % 3
    n, started = 0, False
    while time.time() < end:
        time.sleep(0.01)
        x = authors[n % len(authors)]
        ca.put([x.record(META, bytes(32), name=b"k%d" % (n % 300 // 20))[0]])
        n += 1
        if n > 100 and not started and time.time() % 3 > 1:
            b.start(wait=False)
            started = True
        if n % 20 == 0:
            for r, c in zip(roots, (ca, cb) if started else (ca,)):
                try:
                    d = c.db()
                    r[d["tick"]] = d["root"]
                    if c is cb and d["neighbours"] and not at:
                        at.append(time.time())
                except (OSError, IndexError):
                    c.close()  # it is only starting
    both = [t for t in roots[1] if t in roots[0] and
            t * 3 > at[0]]  # settled three seconds later
    check("joined while %d records were written: the same root at each of "
          "%d ticks" % (n, len(both)), len(both) >= 3 and
          all(roots[0][t] == roots[1][t] for t in both),
          [(t, roots[0][t][:8], roots[1][t][:8]) for t in both])
    a.stop()
    b.stop()
    return net


def older_last(net):
    lab = Network(os.path.join(tmpdir(), "older.charter"), tick_ms=3000,
                  settle_ms=3000)
    a = Node("g", lab.conf + CONF % 8)
    a.start()
    ca, x = Ctl(a.sock), Author(lab)
    ca.put([x.admission()[0]])
    peer = link_client.Peer("127.0.14.8", PORT, lab.netid)
    peer.shake()
    time.sleep(3)
    while not 0.3 < time.time() % 3 < 0.6:
        time.sleep(0.01)
    now = int(time.time() * 1000)
    old, key, _, _ = node_record(x, hlc=(now - 1000) << 16)
    new, _, _, _ = node_record(x, hlc=now << 16)
    for raw in (new, old):
        peer.send(1, [GOSSIP, 0, [raw]])
        wait_for("it is there", lambda: ca.get(key) == new, 2)
    got = []

    def settled():
        v = ca.get(key, settled=True)
        if v and v not in got:
            got.append(v)
        return v == new
    wait_for("both ticks", settled, 12)
    check("the older of two versions came last: each tick counts its own",
          got == [old, new], [g.hex()[-8:] for g in got])
    peer.sock.close()
    a.stop()
    return net


def links(node):
    return len(node.ctl("show", "peers", "up")["data"])


def alone(net):
    a = Node("c", net.conf + CONF % 4)
    b = Node("d", net.conf + CONF % 5 +
             "bootstrap 127.0.14.4 port 38080 retry 1h max-retries 2\n")
    b.start()
    wait_for("d was refused", lambda: "not linked" in b.tail(), 10)
    time.sleep(1.5)
    a.start()
    check("alone: its bootstrap node is found soon after it came",
          wait_for("d is linked", lambda: links(b) == 1, 15))
    a.stop()
    wait_for("d is alone", lambda: links(b) == 0, 10)
    a.start()
    check("alone again: the same", wait_for("d is linked once more",
                                            lambda: links(b) == 1, 20))
    a.stop()
    b.stop()


def early_record():
    net = Network(os.path.join(tmpdir(), "lab.charter"), tick_ms=3600000)
    a = Node("a", net.conf + CONF % 2)
    b = Node("b", net.conf + CONF % 3 +
             "bootstrap 127.0.14.2 port 38080 static retry 300ms\n")
    a.start()
    b.start()
    ca, cb = Ctl(a.sock), Ctl(b.sock)
    wait_for("a and b are neighbours", lambda: [
        p["role"] for n in (a, b) for p in n.ctl("show", "peers", "up")["data"]
    ] == ["active", "pinned"], 20)
    x = Author(net)
    raw, key, _, _ = node_record(x)
    peer = link_client.Peer("127.0.14.2", PORT, net.netid)
    peer.shake()
    peer.send(1, [GOSSIP, 0, [raw]])
    wait_for("a knows of it", lambda: seq_of(a, x), 10)
    check("held back: b has not heard of it", not seq_of(b, x))
    check("held back: it is not in b's store", cb.get(key) is None)
    ca.put([x.admission()[0]])
    got = wait_for("admitted: b has it", lambda: cb.get(key), 10)
    check("admitted: a passes it on at once", got)
    check("admitted: b knows the node", seq_of(b, x))
    peer.sock.close()
    a.stop()
    b.stop()
    return net


alone(older_last(join(early_record())))
finish()
