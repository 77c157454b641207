#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Block bodies on five nodes with ticks of 200 ms: a body written on one is held
by three, one that lacks it fetches it of several, lost copies are made good,
damage is noticed by whoever fetches and by the holder, and a store killed in
the middle leaves nothing behind; and a node that runs out of room drops what
others hold in its stead, and nothing else.
"""
import json
import os
import re
import sys
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dbctl import (Author, Ctl, Network, block_id, BLOCK, LOCATION,  # noqa
                   MEMBER, NEW, NODE, TEMPERATURE)
from warren import Node, check, finish, wait_for, tmpdir  # noqa: E402

TICK_MS = 200
REPAIR_S = 1800 * TICK_MS / 10000
N = 5
BIG = 4 << 20


def conf(net, i):
    text = net.conf + """
listen peer on 127.0.5.%d port 38080
stun listen on 127.0.5.%d port 3478
api http on 127.0.5.%d port 38081 { workers 1 }
metrics on 127.0.5.%d port 38082
supervise restarts 100000 per 1m
""" % (i, i, i, i)
    for j in range(2, i):
        text += "bootstrap 127.0.5.%d port 38080\n" % j
    return text


class Lab:
    def __init__(self):
        self.net = Network(os.path.join(tmpdir(), "lab.charter"),
                           tick_ms=TICK_MS, settle_ms=TICK_MS)
        self.nodes = [Node("n%d" % i, conf(self.net, i))
                      for i in range(2, 2 + N)]
        for n in self.nodes:
            n.start()
        self.ctls = [Ctl(n.sock) for n in self.nodes]
        self.ids = [bytes.fromhex(n.node_id()) for n in self.nodes]
        self.author = Author(self.net)
        self.up = set(range(N))
        wait_for("linked", lambda: all(
            len(n.ctl("show", "peers", "up")["data"]) == N - 1
            for n in self.nodes), 20)
        check("admission is taken",
              self.ctls[0].put([self.author.admission()[0]]) == [NEW])
        wait_for("admissions and nodes everywhere", lambda: all(
            c.db()["kinds"].get(MEMBER, (0,))[0] == N + 1 and
            c.db()["kinds"].get(NODE, (0,))[0] == N for c in self.ctls), 30)

    def announce(self, at, body):
        bid = block_id(body)
        raw = self.author.record(BLOCK, bid, w=len(body))[0]
        if self.ctls[at].put([raw]) != [NEW]:
            raise OSError("not announced")
        return bid

    def write(self, at, body):
        bid = self.announce(at, body)
        if self.ctls[at].block_put(body) != bid:
            raise OSError("another id")
        return bid

    def holders(self, bid, at=None):
        """Which of the nodes announce it, as the settled tree of one says."""
        at = min(self.up) if at is None else at
        prefix = self.author.key(LOCATION, bid)[:16]
        said = {a for a, flags, _ in self.ctls[at].list(prefix, True)
                if not flags & 1}
        return {i for i in self.up if self.ids[i] in said}

    def files(self, i, bid):
        h = bid.hex()
        return os.path.join(self.nodes[i].dir, "state", "store", "blocks",
                            h[:2], h[2:])

    def metric(self, i, name):
        text = urllib.request.urlopen(
            "http://127.0.5.%d:38082/metrics" % (i + 2)).read().decode()
        return int(re.search(r'^warren_%s\{process="store"[^}]*\} (\d+)$' %
                             name, text, re.M).group(1))

    def spread(self, at, body):
        bid = self.write(at, body)
        wait_for("three copies", lambda: len(self.holders(bid)) >= 3, 20)
        # Whoever still fetches is done soon after.
        time.sleep(3 * TICK_MS / 1000)
        return bid

    def store_pid(self, i):
        return wait_for("the store is up", lambda: (
            lambda p: p["state"] == "up" and p["pid"])(
                self.nodes[i].processes()["store"]), 10)

    def kill_store(self, i):
        os.kill(self.store_pid(i), 9)
        self.ctls[i].close()


def test_spread(lab):
    body = os.urandom(BIG)
    lab.announce(0, body)
    try:
        lab.ctls[0].block_put(os.urandom(5))
        check("a body nobody announces is refused", False)
    except OSError as e:
        check("a body nobody announces is refused", "announces" in str(e), e)
    t = time.monotonic()
    bid = lab.spread(0, body)
    holders = lab.holders(bid)
    check("4 MiB written on one node: %d copies announced after %.1f s" %
          (len(holders), time.monotonic() - t), len(holders) >= 3, holders)
    check("the files are what was written", all(
        open(lab.files(i, bid), "rb").read() == body for i in holders))
    wait_for("nothing is below r", lambda: all(
        c.db()["below_r"] == 0 for c in lab.ctls), 20)
    check("no node knows of a block with too few copies", True)
    return bid, body


def test_fetch(lab):
    for _ in range(8):
        body = os.urandom(BIG - 7)
        bid = lab.spread(1, body)
        lacking = sorted(lab.up - lab.holders(bid))
        if lacking:
            break
    at = lacking[0]
    check("without being asked to fetch it says no",
          lab.ctls[at].block_get(bid) is None)
    before = {i: lab.metric(i, "block_chunks_served_total") for i in lab.up}
    t = time.monotonic()
    got = lab.ctls[at].block_get(bid, True)
    took = time.monotonic() - t
    check("a node that has it not fetches 4 MiB in %.0f ms" % (1000 * took),
          got == body)
    served = [lab.metric(i, "block_chunks_served_total") - before[i]
              for i in sorted(lab.up)]
    check("of several holders: chunks %s" % served,
          sum(served) >= 64 and len([s for s in served if s]) >= 2, served)
    wait_for("it announces it as well", lambda: at in lab.holders(bid), 10)
    check("a block nobody holds is not to be had", lab.ctls[at].block_get(
        bytes(32), True) is None)


def http_block(i, bid, query):
    """(status, body) of GET /blocks on node i, with the bytes as they are."""
    url = "http://127.0.5.%d:38081/blocks/%s?raw=1%s" % (2 + i, bid.hex(),
                                                       query)
    try:
        with urllib.request.urlopen(url, timeout=20) as r:
            return r.status, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def test_http(lab):
    for _ in range(8):
        body = os.urandom(300000)
        bid = lab.spread(1, body)
        lacking = sorted(lab.up - lab.holders(bid))
        if lacking:
            break
    status, text = http_block(lacking[0], bid, "")
    check("HTTP: 404 with locations where it is not held", status == 404 and
          len(json.loads(text)["error"]["data"]["locations"]) >= 3
          if b"data" in text else status == 404, text[:200])
    status, got = http_block(lacking[0], bid, "&fetch=1")
    check("HTTP: with fetch it comes from the others", status == 200 and
          got == body, (status, got[:100]))


def test_small(lab):
    bodies = [os.urandom(n) for n in (1, 32768, 32769, 65536, 65537, 100000)]
    bids = [lab.write(i % N, b) for i, b in enumerate(bodies)]
    wait_for("small ones have three copies", lambda: all(
        len(lab.holders(b)) >= 3 for b in bids), 30)
    good = [lab.ctls[i].block_get(bid, True) == body
            for bid, body in zip(bids, bodies) for i in sorted(lab.up)]
    check("bodies at the edges of chunks and halves, from every node",
          all(good), good)


def test_bad_holder(lab):
    """The holder served it once, so it has hashed it; then the disk lies."""
    for attempt in range(6):
        body = os.urandom(BIG)
        bid = lab.spread(2, body)
        holders = sorted(lab.holders(bid))
        at = holders[0]
        bad = holders[1]
        os.unlink(lab.files(at, bid))
        if lab.ctls[at].block_get(bid, True) != body:
            return check("fetched again after its file was lost", False)
        with open(lab.files(bad, bid), "r+b") as f:
            for i in range(64):
                f.seek(i * 65536 + 100)
                f.write(b"damaged!")
        os.unlink(lab.files(at, bid))
        refused = lab.metric(at, "block_chunks_refused_total")
        if lab.ctls[at].block_get(bid, True) != body:
            return check("the fetch succeeds from others", False)
        if lab.metric(at, "block_chunks_refused_total") > refused:
            break
    check("a damaged chunk is refused, and the fetch succeeds from others",
          lab.metric(at, "block_chunks_refused_total") > refused, attempt)
    peers = lab.nodes[at].ctl("show", "peers")["data"]
    scores = {p["nodeId"]: p["banscore"] for p in peers}
    check("that holder was scored",
          scores.get(lab.ids[bad].hex(), 0) < -30, scores)
    wait_for("the holder finds it itself and mends it", lambda: open(
        lab.files(bad, bid), "rb").read() == body, 90)
    check("the holder noticed, withdrew it and fetched it again",
          lab.metric(bad, "blocks_damaged_total") >= 1)


def three(lab, on=None):
    """A block with exactly three copies, one of them there."""
    for _ in range(40):
        bid = lab.spread(max(lab.up), os.urandom(70000))
        holders = lab.holders(bid)
        if len(holders) == 3 and (on is None or on in holders):
            return bid
    raise RuntimeError("no block with three copies")


def test_lost_node(lab, old, written):
    gone = max(lab.holders(old) - {0})
    young = three(lab, gone)
    wait_for("the old block is old", lambda:
             time.monotonic() - written > REPAIR_S + 2, REPAIR_S + 5)
    check("both have three copies", len(lab.holders(old)) == 3 and
          len(lab.holders(young)) == 3)
    check("a holder stops for good", lab.nodes[gone].stop() == 0)
    lab.ctls[gone].close()
    lab.up.discard(gone)
    t = time.monotonic()
    wait_for("its lack is noticed", lambda:
             lab.ctls[0].db()["below_r"] > 0, 20)
    check("too few copies are counted", True)
    wait_for("a young block is made good", lambda:
             len(lab.holders(young)) >= 3, REPAIR_S)
    took = time.monotonic() - t
    wait_for("so is an old one", lambda:
             len(lab.holders(old)) >= 3, REPAIR_S * 2 + 30)
    check("another took its place, %.0f s after for a young block, %.0f s "
          "for an old one" % (took, time.monotonic() - t),
          took < REPAIR_S * 0.8 and
          time.monotonic() - t > REPAIR_S * 0.9)
    wait_for("nothing is below r again", lambda: all(
        lab.ctls[i].db()["below_r"] == 0 for i in lab.up), REPAIR_S * 2 + 30)
    check("all blocks have three copies again", True)


def test_killed(lab):
    at = min(lab.up)
    other = max(lab.up)
    kept = []
    for k in range(5):
        body = os.urandom(BIG)
        bid = lab.announce(other, body)
        lab.ctls[other].block_put(body)
        kept.append((bid, body))
        asker = Ctl(lab.nodes[at].sock)

        def ask():
            try:
                asker.block_get(bid, True)
            except OSError:
                pass
        th = threading.Thread(target=ask)
        th.start()
        time.sleep(0.01 * k)
        lab.kill_store(at)
        th.join()
        asker.close()
    lab.store_pid(at)
    good = [wait_for("it is there", lambda: lab.ctls[at].block_get(b, True),
                     60, 0.2) == d for b, d in kept]
    check("killed five times in a fetch, each body is whole after it",
          all(good), good)
    left = [f for _, _, fs in os.walk(os.path.join(
        lab.nodes[at].dir, "state", "store", "blocks")) for f in fs
        if len(f) != 62]
    check("nothing half written is left", not left, left)


def test_leftovers(lab):
    """What a crash may leave, and what a disk may lose."""
    at = min(lab.up)
    body = os.urandom(50000)
    bid = lab.write(at, body)
    wait_for("three copies", lambda: len(lab.holders(bid)) >= 3, 20)
    path = lab.files(at, bid)
    made = [path + ".new", path[:-1] + ("0" if path[-1] != "0" else "1")]
    for p in made:
        with open(p, "wb") as f:
            f.write(b"half")
    with open(path, "r+b") as f:
        f.truncate(49999)
    lab.kill_store(at)
    lab.store_pid(at)
    wait_for("left-overs are gone", lambda: not any(
        os.path.exists(p) for p in made), 20)
    check("temporary files and files without a row are removed", True)
    wait_for("the cut body is whole again", lambda: os.path.exists(path) and
             open(path, "rb").read() == body, 30)
    check("a body cut short is forgotten and fetched again", True)
    db = os.path.join(lab.nodes[at].dir, "state", "store", "warren.db")
    lab.nodes[at].stop()
    lab.ctls[at].close()
    for end in ("", "-wal", "-shm", "-journal"):
        if os.path.exists(db + end):
            os.unlink(db + end)
    lab.nodes[at].start()
    wait_for("the body is held", lambda: lab.ctls[at].block_get(bid) == body,
             30)
    check("bodies outlive a lost database", True)


def test_warmth(lab):
    at = min(lab.up)
    body = os.urandom(1000)
    bid = lab.write(at, body)
    prefix = lab.author.key(TEMPERATURE, bid)[:16]
    for _ in range(120):
        lab.ctls[at].block_get(bid)
    level = wait_for("it is HOT", lambda: [
        w for _, _, w in lab.ctls[at].list(prefix, True)] == [4000], 20)
    check("120 reads in a day make a block HOT", level)
    for _ in range(900):
        lab.ctls[at].block_get(bid)
    wait_for("it is VIRAL", lambda: [
        w for _, _, w in lab.ctls[at].list(prefix, True)] == [5000], 20)
    check("1000 reads in an hour make it VIRAL", True)


def test_surplus(lab):
    """A copy beyond those that placement wants goes when room is short."""
    for _ in range(20):
        body = os.urandom(60000)
        bid = lab.spread(min(lab.up), body)
        lacking = sorted(lab.up - lab.holders(bid))
        if lacking:
            break
    at = lacking[0]
    check("it is read on a node that placement does not give it to",
          lab.ctls[at].block_get(bid, True) == body)
    wait_for("which announces it, too", lambda: at in lab.holders(bid), 10)
    time.sleep(REPAIR_S + 2)  # a young copy is left alone
    dropped = lab.metric(at, "blocks_dropped_total")
    check("while there is room it stays", os.path.exists(
        lab.files(at, bid)) and dropped == 0, dropped)
    node = lab.nodes[at]
    roomy = node.conf
    node.write_conf(roomy + "store { bodies 1K }\n")
    check("its room is taken by a reload",
          node.ctl("reload", raw=True)[0] == 0)
    wait_for("it is dropped", lambda: not os.path.exists(
        lab.files(at, bid)), 30)
    check("when there is none it goes",
          lab.metric(at, "blocks_dropped_total") > dropped)
    wait_for("it says so", lambda: at not in lab.holders(bid), 10)
    check("and says so; three others have it", len(lab.holders(bid)) >= 3)
    # What it is one of the first three for stays, room or not.
    time.sleep(5 * TICK_MS / 1000)
    below = {i: lab.ctls[i].db()["below_r"] for i in lab.up}
    check("nothing is below r for it", not any(below.values()),
          (at, below, {i: lab.nodes[i].ctl("show", "blocks")["data"]
                       for i in below if below[i]}))
    rows = node.ctl("show", "blocks")["data"]
    kept = [r for r in rows if os.path.exists(
        lab.files(at, bytes.fromhex(r["blockId"])))]
    check("%d bodies that are its own to hold are kept" % len(kept),
          len(kept) > 0 and len(kept) == len(rows), (len(kept), len(rows)))
    node.write_conf(roomy)
    check("and given back", node.ctl("reload", raw=True)[0] == 0)


def main():
    lab = Lab()
    test_leftovers(lab)  # a node that is away for it gives blocks more copies
    old = three(lab)
    written = time.monotonic()
    test_spread(lab)
    test_fetch(lab)
    test_http(lab)
    test_small(lab)
    test_warmth(lab)
    test_bad_holder(lab)
    test_killed(lab)
    test_surplus(lab)
    test_lost_node(lab, old, written)
    for i in sorted(lab.up):
        check("%s stops cleanly" % lab.nodes[i].name,
              lab.nodes[i].stop() == 0)
    finish()


main()
