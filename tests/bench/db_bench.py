#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
The database on real processes, beside its targets: a store of RECORDS (default
1,000,000) is made, a node serves it, a second node joins empty and fetches all
of it over loopback.  Slow; `make bench` runs it as the group "db".
"""
import json
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "regress"))
from dbctl import Author, Ctl, Network, RATING  # noqa: E402
from warren import Node, tmpdir, wait_for, B  # noqa: E402

N = int(os.environ.get("RECORDS", "1000000"))
CONF = """
listen peer on 127.0.7.%d port 38080
stun listen on 127.0.7.%d port 3478
api http on 127.0.7.%d port 0 { workers 1 }
store { cache 8M }
"""


def row(what, got, goal, good):
    print("  %-46s %-28s goal %-12s %s" %
          (what, got, goal, "met" if good else "NOT met"))
    sys.stdout.flush()


def smaps(pid, key):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        for line in f:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    return 0


def cpu(pid):
    with open("/proc/%d/stat" % pid) as f:
        v = f.read().rsplit(")", 1)[1].split()
    return (int(v[11]) + int(v[12])) / os.sysconf("SC_CLK_TCK")


def pid_of(node, name):
    return node.processes()[name]["pid"]


def settle_us(node):
    """The last settling that the log tells."""
    out = []
    with open(node.log_path, errors="replace") as f:
        for line in f:
            if " settled in " in line:
                w = line.split()
                out.append((int(w[w.index("in") + 1]),
                            int(w[w.index("us,") + 1])))
    return out


def main():
    d = tmpdir()
    law = os.path.join(d, "lab.charter")
    net = Network(law, tick_ms=10000, settle_ms=10000)
    a = Node("a", net.conf + CONF % (2, 2, 2))
    db = os.path.join(a.dir, "state", "store", "warren.db")
    os.makedirs(os.path.dirname(db))
    out = subprocess.run([os.path.join(B, "tests/bench/db_fill"), law, db,
                          str(N), "200"], stdout=subprocess.PIPE, check=True)
    f = json.loads(out.stdout)
    if os.geteuid() == 0:  # warrend gives the store a user of its own
        for name in os.listdir(os.path.dirname(db)):
            shutil.chown(os.path.join(os.path.dirname(db), name),
                         "_warren_store")
    raw = f["records"] / f["verify_s"]
    one = f["records"] / (f["verify_s"] + f["store_s"])
    print("store of %d records, %.0f MB, %s" %
          (N, os.path.getsize(db) / 1e6, f))
    row("row 11: verify and store, one thread", "%.0f rec/s" % one,
        "9000", one >= 9000)
    fall, own = (f[x][9] / f[x][0] - 1 for x in ("tenths_s",
                                                 "tenths_cpu_s"))
    row("row 11: last tenth slower than the first",
        "%.0f %% (processor %.0f %%)" % (fall * 100, own * 100),
        "20 %", fall <= 0.2)

    for what, drop, goal in (("warm", False, 1.0), ("cold cache", True, 3.0)):
        if drop:
            a.stop()
            try:
                subprocess.run(["sync"], check=True)
                with open("/proc/sys/vm/drop_caches", "w") as g:
                    g.write("3")
            except OSError:
                print("  cold cache: not allowed here")
                continue
        t = time.monotonic()
        a.start()
        c = Ctl(a.sock)
        wait_for("serving", lambda: c.db()["cnt"] >= N, 60, 0.01)
        took = time.monotonic() - t
        row("row 13: whole node restarted, serving, " + what,
            "%.2f s" % took, "%.1f s" % goal, took <= goal)
        c.close()
    pss = smaps(pid_of(a, "store"), "Pss")
    row("row 14: store's PSS a million records",
        "%.0f MB" % (pss / 1024 * 1e6 / N), "128 MB",
        pss / 1024 * 1e6 / N <= 128)

    c = Ctl(a.sock)
    parts, _, _ = c.ask(Ctl.LIST, [bytes(32), 0, False, bytes(32), 200,
                                   True])
    sizes = []
    for rec in parts[0][0]:
        p, code, text = c.ask(Ctl.PROVE, [rec[1], 256, None])
        sizes.append(len(p[0][4]))
    row("row 15: largest of %d proofs" % len(sizes), "%d B, mean %d" %
        (max(sizes), sum(sizes) / len(sizes)), "1500 B", max(sizes) <= 1500)

    b = Node("b", net.conf + CONF % (3, 3, 3) +
             "bootstrap 127.0.7.2 port 38080 static\n")
    t = time.monotonic()
    b.start()
    cb = Ctl(b.sock)

    def fetched():
        x = cb.db()
        return x["cnt"] + x["pending"] >= N
    wait_for("all records there", fetched, 900, 0.2)
    took = time.monotonic() - t
    row("row 17: an empty node has all of them", "%.0f s" % took,
        "90 s", took * 1e6 / N <= 90)
    rate = N / took
    row("row 11: ingest, two processes", "%.0f rec/s" % rate, "18000",
        rate >= 18000)
    row("row 11: of what verifying alone does", "%.0f %%" %
        (100 * rate / raw), "70 %", rate >= 0.7 * raw)
    wait_for("one root", lambda: (lambda x, y: x["tick"] == y["tick"] and
                                  x["root"] == y["root"])(c.db(), cb.db()),
             120, 0.3)
    print("  one root on both after %.0f s" % (time.monotonic() - t))

    author = Author(net)
    c.put([author.admission()[0]])
    for at in range(0, 10000, 100):
        c.put([author.record(RATING, (at + i).to_bytes(32, "big"), w=1)[0]
               for i in range(100)])
    seen = len(settle_us(a))
    wait_for("two more ticks", lambda: len(settle_us(a)) >= seen + 2, 40, 0.5)
    us, n = max(settle_us(a)[-3:], key=lambda x: x[1])
    row("row 12: a tick of %d changes, disk included" % n,
        "%.0f ms" % (us / 1000), "50 ms", us <= 50000)
    if os.environ.get("LOGS"):
        for n in (a, b):
            print("".join(x for x in open(n.log_path) if " store " in x or "peer" in x)[-6000:])
    for n in (a, b):
        n.stop()
    shutil.rmtree(d, ignore_errors=True)


main()
