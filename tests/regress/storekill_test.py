#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
SIGKILL at random instants of the store while four writers keep it busy and
ticks of half a second are settled: no acknowledged record is lost, and after
no restart does the tree differ from the root that was written.

KILLS (default 40; 1000 in make soak) says how many.
"""
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dbctl import Author, Ctl, Network, META, RATING, NEW, OLD  # noqa: E402
from warren import Node, check, finish, wait_for, tmpdir  # noqa: E402

KILLS = int(os.environ.get("KILLS", "40"))
SEED = int(os.environ.get("SEED", str(int(time.time()))))
WRITERS = 4
CONF = """
listen peer on 127.0.0.2 port 0
stun listen on 127.0.0.2 port 0
api http on 127.0.0.2 port 0 { workers 1 }
supervise restarts 100000 per 1m
"""


class Load:
    def __init__(self, node, net):
        self.node, self.net = node, net
        self.lock = threading.Lock()
        self.acked, self.tried = {}, {}
        self.puts = self.errors = 0
        self.stop = False
        self.odd = set()

    def write(self, author, rng):
        ctl = Ctl(self.node.sock)
        while not self.stop:
            raws, keys = [], []
            for _ in range(rng.randrange(1, 20)):
                raw, key, rid, hlc = author.record(
                    rng.choice((META, RATING)),
                    rng.randrange(400).to_bytes(32, "big"),
                    payload=rng.randbytes(rng.randrange(60)))
                raws.append(raw)
                keys.append((key, rid, hlc))
            with self.lock:
                self.puts += len(raws)
                for key, rid, hlc in keys:
                    self.tried[rid] = hlc
            try:
                verdicts = ctl.put(raws)
            except OSError:
                ctl.close()
                self.errors += 1
                time.sleep(0.002)
                continue
            with self.lock:
                for v, (key, rid, hlc) in zip(verdicts, keys):
                    if v in (NEW, OLD):
                        if hlc > self.acked.get(key, 0):
                            self.acked[key] = hlc
                    else:
                        self.odd.add(v)


def hlc_of(load, ctl, key):
    parts, _, _ = ctl.ask(Ctl.GET, [key, False])
    return load.tried.get(parts[0][0][0][2], 0) if parts else 0


def main():
    rng = random.Random(SEED)
    print("# SEED=%d KILLS=%d" % (SEED, KILLS))
    net = Network(os.path.join(tmpdir(), "lab.charter"), tick_ms=500,
                  settle_ms=500)
    node = Node("n", net.conf + CONF).start()
    authors = [Author(net) for _ in range(WRITERS)]
    ctl = Ctl(node.sock)
    for a in authors:
        ctl.put([a.admission()[0]])
    load = Load(node, net)
    threads = [threading.Thread(target=load.write, daemon=True, args=(
        a, random.Random(SEED + i))) for i, a in enumerate(authors)]
    for t in threads:
        t.start()
    last, kills = 0, 0
    while kills < KILLS:
        p = wait_for("the store is up", lambda: (
            lambda p: p if p["state"] == "up" and p["pid"] not in
            (0, last) else None)(
                node.processes()["store"]), 15, 0.01)
        time.sleep(rng.random() * 0.8)
        os.kill(p["pid"], 9)
        last = p["pid"]
        kills += 1
    wait_for("the store is up", lambda: node.processes()["store"]["state"] ==
             "up", 15)
    time.sleep(1)
    load.stop = True
    for t in threads:
        t.join(10)
    check("%d kills, %d records put, %d of their keys acknowledged" %
          (KILLS, load.puts, len(load.acked)), len(load.acked) > 100)
    check("no verdict but new and old", not load.odd, load.odd)
    ctl.close()
    lost = [k for k, h in load.acked.items() if hlc_of(load, ctl, k) < h]
    check("no acknowledged record lost", not lost, len(lost))
    parts, code, text = ctl.ask(Ctl.CHECK)
    check("db check finds nothing wrong in %d rows" % parts[-1][0],
          code == 0 and parts[-1][1] == 0, (parts[-1], code, text))
    with open(node.log_path, errors="replace") as f:
        log = f.read()
    check("it died of nothing else", len(re.findall(r"store pid \d+: (?!killed by signal 9)", log)) == 0)
    check("no root differed after a restart", "its root is not" not in log)
    check("no row was damaged", "database: row" not in log)
    check("stops cleanly", node.stop() == 0)
    finish()


main()
