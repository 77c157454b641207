#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
stund against coturn and Debian's stun-server: answers per CPU second of all
a server's processes, in one alternating run on loopback.

usage: stun_bench.py [BUILDDIR [ROUNDS [SECONDS]]]

Each server is pinned to one core, the load to another.  Ratios are medians
over the rounds, with the smallest and the largest.
"""
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
SECONDS = sys.argv[3] if len(sys.argv) > 3 else "2"
CORES = sorted(os.sched_getaffinity(0))
NULL = subprocess.DEVNULL

# name, options of stun_load, peers, goals against them
LOADS = [
    ("udp 16x16", [], {"coturn": 1.5, "stun-server": 1.2}),
    # Nearly all of it the kernel putting both ends to sleep: no goal.
    ("udp 1x1", ["-s", "1", "-k", "1"], {"coturn": None, "stun-server": None}),
    ("tcp 64x1", ["-t", "-s", "64", "-k", "1"], {"coturn": 1.6}),
    ("tcp 64x8", ["-t", "-s", "64", "-k", "8"], {"coturn": 2.5}),
]


def free_port():
    """A port that is free for UDP and TCP."""
    while True:
        with socket.socket() as t, socket.socket(type=socket.SOCK_DGRAM) as u:
            t.bind(("127.0.0.1", 0))
            try:
                u.bind(t.getsockname())
            except OSError:
                continue
            return u.getsockname()[1]


def pin(core):
    return lambda: os.sched_setaffinity(0, {core})


class Server:
    def __init__(self, name, argv, port, pid=None, **kw):
        self.name, self.port = name, port
        self.proc = subprocess.Popen(argv, preexec_fn=pin(CORES[0]), **kw)
        self.pid = pid or self.proc.pid

    def wait(self):
        """Until it answers."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            u.settimeout(0.1)
            for _ in range(100):
                u.sendto(bytes.fromhex("000100002112a442") + bytes(12),
                         ("127.0.0.1", self.port))
                try:
                    return u.recv(1000)
                except OSError:
                    time.sleep(0.1)
        sys.exit(f"{self.name} does not answer")

    def cpu(self):
        """Nanoseconds spent by all its threads so far."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
        return total


def start_ours():
    port = free_port()
    s = Server("stund", [BUILD + "/tests/regress/stund_rig", "-p", str(port),
                         BUILD + "/stund-bin"], port,
               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=NULL, text=True)
    s.pid = int(s.proc.stdout.readline().split()[2])
    return s


def start_coturn():
    port = free_port()
    return Server("coturn", [
        "turnserver", "-m", "0", "-n", "--no-auth", "--no-tls", "--no-dtls", "--no-cli",
        "--listening-ip", "127.0.0.1", "-p", str(port), "--log-file", "/dev/null",
        "--pidfile", "/dev/null", "--no-stdout-log"], port,
        stdin=NULL, stdout=NULL, stderr=NULL)


def start_stun_server():
    port = free_port()
    return Server("stun-server", ["/usr/sbin/stund", "-h", "127.0.0.1", "-a", "127.0.0.2",
                                  "-p", str(port), "-o", str(free_port())], port,
                  stdin=NULL, stdout=NULL, stderr=NULL)


def load(server, options):
    before = server.cpu()
    out = subprocess.run(
        [BUILD + "/tests/bench/stun_load", "-d", SECONDS] + options +
        ["127.0.0.1", str(server.port)], preexec_fn=pin(CORES[-1]),
        stdout=subprocess.PIPE, text=True).stdout
    got = json.loads(out)
    got["cpu"] = (server.cpu() - before) / 1e9
    got["per_cpu"] = got["answers"] / got["cpu"]
    return got


def main():
    servers = [start_ours()]
    if shutil.which("turnserver"):
        servers.append(start_coturn())
    if os.path.exists("/usr/sbin/stund"):
        servers.append(start_stun_server())
    for s in servers:
        s.wait()
    missed = 0
    try:
        for name, options, goals in LOADS:
            these = [s for s in servers if s.name == "stund" or s.name in goals]
            runs = {s.name: [] for s in these}
            for i in range(ROUNDS):
                for s in these if i % 2 == 0 else reversed(these):
                    runs[s.name].append(load(s, options))
            for s in these:
                r = runs[s.name]
                line = "%-10s %-12s %8.0f/cpu-s %8.0f/s  p50 %5d p99 %5d us  lost %d wrong %d" % (
                    name, s.name, statistics.median(x["per_cpu"] for x in r),
                    statistics.median(x["answers"] / x["seconds"] for x in r),
                    statistics.median(x["p50_us"] for x in r),
                    statistics.median(x["p99_us"] for x in r),
                    sum(x["lost"] for x in r), sum(x["wrong"] for x in r))
                if s.name != "stund":
                    q = [a["per_cpu"] / b["per_cpu"] for a, b in zip(runs["stund"], r)]
                    line += "  ratio %.2f [%.2f-%.2f]" % (statistics.median(q), min(q), max(q))
                    if goals[s.name]:
                        good = statistics.median(q) >= goals[s.name]
                        missed += not good
                        line += " goal %.1f %s" % (goals[s.name], "met" if good else "MISSED")
                print(line, flush=True)
            missed += any(x["lost"] or x["wrong"] for x in runs["stund"])
    finally:
        for s in servers:
            if s.name == "stund":
                s.proc.stdin.close()
            else:
                s.proc.send_signal(signal.SIGTERM)
            s.proc.wait(10)
    return 1 if missed else 0


sys.exit(main())
