#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
The main job of the database on real input.  Seven nodes in network
namespaces, two of them behind NATs of different kinds.  Thirty authors write
blocks, ratings, temperatures and metadata to any of them, 200 records a
second for a minute, while

    the internet is cut into two halves for 20 s,
    every 5 s a node is SIGKILLed and started again, until the cut heals,
    one node joins empty in the middle of it.

The first tick that begins 15 s after the cut healed has the same root, count
and sum of ratings on all seven when it is published, and every write that was
acknowledged is on all seven.
"""
import os
import random
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab

netlab.reexec_unshared()

from dbctl import (Author, Ctl, Network, BLOCK, META, RATING,  # noqa: E402
                   TEMPERATURE, NEW, OLD)
from warren import Node, check, finish, wait_for, tmpdir, Timeout  # noqa: E402

RATE = int(os.environ.get("RATE", "200"))
SECONDS = int(os.environ.get("SECONDS", "60"))
TICK_MS = int(os.environ.get("TICK_MS", "10000"))
CUT_AT, CUT_S, JOIN_AT = SECONDS / 4, SECONDS / 3, SECONDS / 3
AUTHORS = 30
SEED = int(os.environ.get("SEED", str(int(time.time()))))

HOSTS = {"p1": ("198.51.100.10", "198.51.100.1"),
         "p2": ("203.0.113.10", "203.0.113.1"),
         "p3": ("198.18.8.10", "198.18.8.1"),
         "p4": ("198.18.7.10", "198.18.7.1"),
         "p5": ("198.19.7.10", "198.19.7.1")}
NATS = {"a": ("192.0.2.2", "192.0.2.1", "preserve"),
        "b": ("198.18.5.2", "198.18.5.1", "random")}
# One half of the internet; the rest is the other.
HALF = ("198.51.100.10", "192.0.2.2", "198.19.7.10")
OTHER = ("203.0.113.10", "198.18.8.10", "198.18.7.10", "198.18.5.2")
CONF = """
address-policy allow reserved
timeout { ping 2s, dead 6s, dial 3s, retry 1s }
api http on * port 38081 { workers 1 }
supervise restarts 100000 per 1m
"""


class Lab:
    def __init__(self):
        self.net = netlab.Internet()
        self.law = Network(os.path.join(tmpdir(), "lab.charter"),
                           tick_ms=TICK_MS, settle_ms=TICK_MS)
        boot = "".join("bootstrap %s port 38080 static\n" % HOSTS[p][0]
                       for p in ("p1", "p2"))
        self.nodes, self.ctls, self.up = {}, {}, {}
        for name, (addr, gw) in HOSTS.items():
            self.add(name, self.net.host(name, addr, gw), boot)
        for name, (addr, gw, mode) in NATS.items():
            nat = netlab.Nat(self.net, name, addr, gw, mode)
            self.add(name, nat.host, boot)
        self.roots = {n: {} for n in self.nodes}
        self.lock = threading.Lock()
        self.acked = {}  # key -> (hlc, rid)
        self.refused = {}
        self.errors = 0
        self.sent = 0
        self.stop = self.quiet = False
        self.tried = {}  # rid -> hlc

    def add(self, name, ns, boot):
        self.nodes[name] = Node(name, self.law.conf + CONF + boot, ns=ns)
        self.up[name] = False

    def start(self, name, wait=True):
        self.nodes[name].start(wait=wait)
        self.up[name] = True

    def kill(self, name):
        """The store and all the others."""
        self.up[name] = False
        self.nodes[name].kill_9()

    def cut(self, on):
        if on:
            self.net.router.nft("""
table ip cut {
  chain f { type filter hook forward priority 0;
    ip saddr { %s } ip daddr { %s } drop
    ip saddr { %s } ip daddr { %s } drop
  }
}
""" % (", ".join(HALF), ", ".join(OTHER), ", ".join(OTHER), ", ".join(HALF)))
        else:
            self.net.router.nft("delete table ip cut")

    def watch(self):
        """Remember each node's root of each tick."""
        ctls = {n: Ctl(node.sock) for n, node in self.nodes.items()}
        while not self.stop:
            for name, c in ctls.items():
                if not self.up[name]:
                    c.close()
                    continue
                try:
                    d = c.db()
                    self.roots[name][d["tick"]] = (
                        d["root"], d["cnt"], d["kinds"].get(RATING, (0, 0))[1])
                except (OSError, IndexError):
                    c.close()
            time.sleep(0.2)

    def write(self, authors, rng):
        """One of the writers: its authors, at its part of the rate."""
        ctls = {n: Ctl(node.sock) for n, node in self.nodes.items()}
        gap = AUTHORS / RATE / AUTHORS * WRITERS
        due = time.monotonic()
        while not self.quiet:
            due += gap
            time.sleep(max(0, due - time.monotonic()))
            a = rng.choice(authors)
            kind = rng.choice((BLOCK, RATING, RATING, TEMPERATURE, META))
            w = {BLOCK: rng.randrange(1, 4194304),
                 RATING: rng.randrange(-100, 101),
                 TEMPERATURE: rng.randrange(0, 5001), META: 0}[kind]
            subject = rng.randrange(2000).to_bytes(32, "big")
            name = b"k%d" % rng.randrange(8) if kind == META else b""
            payload = rng.randbytes(rng.randrange(
                {BLOCK: 200, RATING: 60, TEMPERATURE: 8, META: 400}[kind]))
            raw, key, rid, hlc = a.record(kind, subject, w, name, payload)
            up = [n for n in self.nodes if self.up[n]]
            where = rng.choice(up)
            with self.lock:
                self.sent += 1
                self.tried[rid] = hlc
            try:
                v = ctls[where].put([raw])[0]
            except (OSError, IndexError):
                ctls[where].close()
                with self.lock:
                    self.errors += 1
                continue
            with self.lock:
                if v in (NEW, OLD):
                    if hlc > self.acked.get(key, (0,))[0]:
                        self.acked[key] = (hlc, rid)
                else:
                    self.refused[v] = self.refused.get(v, 0) + 1


WRITERS = 6


def get_rid(ctl, key):
    parts, code, _ = ctl.ask(Ctl.GET, [key, False])
    return parts[0][0][0][2] if parts else None


def main():
    rng = random.Random(SEED)
    print("# SEED=%d" % SEED)
    lab = Lab()
    names = list(lab.nodes)
    joiner = "p5"
    for n in names:
        if n != joiner:
            lab.start(n, wait=False)
    for n in names:
        if n != joiner:
            lab.nodes[n].wait_ready()
    authors = [Author(lab.law) for _ in range(AUTHORS)]
    for i, a in enumerate(authors):
        Ctl(lab.nodes[names[i % 4]].sock).put([a.admission()[0]])
    wait_for("all admitted everywhere", lambda: all(
        Ctl(lab.nodes[n].sock).db()["kinds"].get(1, (0,))[0] ==
        AUTHORS + 6 for n in names if n != joiner), 4 * TICK_MS / 1000 + 20,
        0.5)
    check("%d authors admitted on six nodes" % AUTHORS, True)

    threads = [threading.Thread(target=lab.watch, daemon=True)]
    for i in range(WRITERS):
        threads.append(threading.Thread(
            target=lab.write, daemon=True,
            args=(authors[i::WRITERS], random.Random(SEED + i))))
    t0 = time.monotonic()
    for t in threads:
        t.start()
    cut = joined = False
    next_kill, kills, dead = t0 + 5, 0, None
    while True:
        now = time.monotonic() - t0
        if not cut and now >= CUT_AT:
            lab.cut(True)
            cut = True
        if not joined and now >= JOIN_AT:
            lab.start(joiner, wait=False)
            joined = True
        if time.monotonic() >= next_kill:
            victim = rng.choice([n for n in names if lab.up[n]])
            lab.kill(victim)
            kills += 1
            next_kill += 5
            lab.start(victim, wait=False)
        if now >= CUT_AT + CUT_S:
            break
        time.sleep(0.05)
    for n in names:
        lab.nodes[n].wait_ready()
    lab.cut(False)
    healed = time.time()
    print("# healed after %.1f s, %d kills" % (time.monotonic() - t0, kills))
    while time.monotonic() - t0 < SECONDS:
        time.sleep(0.1)
    tick = int(-(-(healed + 15) * 1000 // TICK_MS))
    lab.quiet = True
    wait_for("tick %d published by all" % tick, lambda: all(
        tick in r or max(r, default=0) > tick
        for r in lab.roots.values()), 4 * TICK_MS / 1000 + 30, 0.2)
    lab.stop = True
    for t in threads:
        t.join(5)
    at = {n: lab.roots[n].get(tick) for n in names}
    for n in names:
        print("# %s %s" % (n, at[n]))
    check("the first tick that began 15 s after the cut: one root, count and "
          "sum of ratings on all seven", len(set(at.values())) == 1 and
          None not in at.values(), at)
    print("# sent %d, acknowledged keys %d, errors %d, refused %s" %
          (lab.sent, len(lab.acked), lab.errors, lab.refused))
    check("most writes were acknowledged", len(lab.acked) > 0 and
          lab.errors < lab.sent / 3)
    # The last writes need a moment to travel.
    missing = {}

    def all_there():
        missing.clear()
        for n in names:
            c = Ctl(lab.nodes[n].sock)
            for key, (hlc, rid) in lab.acked.items():
                # A later one, whose answer was lost, may stand there.
                if lab.tried.get(get_rid(c, key), 0) < hlc:
                    missing.setdefault(n, []).append(key)
            c.close()
        return not missing
    try:
        wait_for("acknowledged writes everywhere", all_there, 40, 1)
        check("all %d acknowledged writes are on all seven" %
              len(lab.acked), True)
    except Timeout:
        check("all %d acknowledged writes are on all seven" % len(lab.acked),
              False, {n: len(k) for n, k in missing.items()})
    compare(lab, names)
    damage(lab, names)
    for n in names:
        check("%s stops cleanly" % n, lab.nodes[n].stop() == 0)
    finish()


def verify(lab, on):
    """db verify on one node, asking all that it can reach by their API."""
    code, out, err = lab.nodes[on].ctl(
        "db", "verify", *["%s:38081" % HOSTS[h][0] for h in HOSTS
                          if h != on], raw=True)
    return code, out + err


def compare(lab, names):
    """Nobody writes any more: all agree, says db verify."""
    def agreed():
        return verify(lab, "a")[0] == 0
    try:
        wait_for("db verify agrees", agreed, 4 * TICK_MS / 1000 + 20, 2)
    except Timeout:
        pass
    code, out = verify(lab, "a")
    check("db verify: behind a NAT, asking the five in public", code == 0,
          out)
    print("# " + out.replace("\n", "\n# "))


def damage(lab, names):
    """One byte changed by hand in one node's store."""
    victim = lab.nodes["p3"]
    ident = victim.node_id()
    victim.stop()
    path = os.path.join(victim.dir, "state", "store", "warren.db")
    db = sqlite3.connect(path)
    row, w = db.execute("SELECT id,w FROM rec WHERE kind=20 AND w<100 "
                        "ORDER BY id LIMIT 1").fetchone()
    db.execute("UPDATE rec SET w=? WHERE id=?", (w + 1, row))
    db.commit()
    db.close()
    lab.start("p3")
    code, out, err = victim.ctl("db", "check", raw=True)
    check("a changed byte is found by db check", code == 1 and
          "weight" in out + err, (code, out, err))
    found = {}

    def named():
        found["code"], found["out"] = verify(lab, "p1")
        return found["code"] == 1 and HOSTS["p3"][0] in found["out"]
    try:
        wait_for("db verify names it", named, 3 * TICK_MS / 1000 + 20, 1)
    except Timeout:
        pass
    out = found["out"]
    check("and by the others: db verify names the node, the kind and a range",
          found["code"] == 1 and (HOSTS["p3"][0] in out or ident[:8] in out)
          and "rating" in out, out)
    print("# " + out.replace("\n", "\n# "))


main()
