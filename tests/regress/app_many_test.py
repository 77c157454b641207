#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Many loops at a time, and many Sends on one: 1,000 loops that all carry bytes
and back, 200 Sends that nobody answered yet, both checked to the byte by the
load of the benchmark (tests/bench/app_load.c); and what a loop costs that
nobody uses.  Between two nodes, and between two apps of one.
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "bench"))
from warren import SANITIZED, check, finish, see_into_processes  # noqa: E402
import app_bench  # noqa: E402

see_into_processes()
# The nodes have addresses of their own: a benchmark may run beside this.
app_bench.Nodes.net = "127.0.11"
app_bench.Nodes.settle = False

# A node lets another open 1,000 at once, and then 500 a second.
OPEN_S = 2.2

# Name, and what app_load is told: MODE SIZE LOOPS INFLIGHT COUNT.
RUNS = [
    ("1,000 loops, bytes there and back", "e 64 1000 1 3000"),
    ("1,000 loops, there and back in large Sends", "e 20000 1000 1 1000"),
    ("200 Sends in flight on a loop keep their order", "s 999 1 200 20000"),
    ("and large ones too", "s 32768 1 60 1200"),
    ("16 loops with 15 in flight each", "s 32768 16 15 1600"),
]


def run_all(suite, where):
    for name, words in RUNS:
        if " 1000 " in words and where == "two nodes":
            time.sleep(OPEN_S)
        began = time.monotonic()
        try:
            suite.tell("run", *words.split())
            good, why = True, ""
        except RuntimeError as e:
            good, why = False, str(e)
        check("%s: %s (%.1f s)" % (where, name, time.monotonic() - began),
              good, why)
        if not good:
            for n in suite.nodes:
                print(n.tail())
            return


try:
    for which, two in (("two", True), ("one", False)):
        s = app_bench.Nodes(which, two)
        if two and not SANITIZED:
            for proc, kb, n in app_bench.idle_cost(s)[1]:
                check("an idle loop costs %s under 1 KiB: %d bytes" %
                      (proc, n), n < 1024)
        run_all(s, "two nodes" if two else "one node")
        app_bench.stop([s])
finally:
    app_bench.stop([])
finish()
