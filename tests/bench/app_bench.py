#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Loops between apps in one alternating run: two nodes, one node, the floor and
socat carry the bytes of the same two programs (app_load.c).  What counts is
the median of the per-round ratios of Sends per CPU second of all processes of
a suite, the apps included; wall-clock figures are on the side.

    app_bench.py      ROUNDS=5 LOAD=1

LOAD is a factor to how much is sent.  SUITES=two,floor and CASES=0,3,idle
choose among what is measured; PARTS=1 tells what each process of the last
round cost.  All runs on one core, which CORES=1 names: on a virtual machine
waking another core costs more than all else, and how often that happens is
chance.  CORES=0,1 is two of them, for figures by the wall clock.
"""
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "regress"))
from warren import Node, B, wait_for, tmpdir  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
LOAD = float(os.environ.get("LOAD", "1"))
CORES = os.environ.get("CORES", str(max(os.sched_getaffinity(0))))
TOOLS = os.path.join(B, "tests/bench")
PIPE_BYTES = 256 * 1024
F_SETPIPE_SZ = 1031
_started = []


def tree(pid):
    """pid and all below it."""
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        try:
            for t in os.listdir("/proc/%d/task" % p):
                with open("/proc/%d/task/%s/children" % (p, t)) as f:
                    todo += [int(x) for x in f.read().split()]
        except OSError:
            pass
    return out


def cpu_of(pid):
    total = 0
    try:
        for t in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, t)) as f:
                total += int(f.read().split()[0])
    except OSError:
        pass
    return total / 1e9


def name_of(pid):
    try:
        with open("/proc/%d/cmdline" % pid) as f:
            return os.path.basename(f.read().split("\0")[0])
    except OSError:
        return "?"


def pss(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1])


def popen(cmd, **more):
    p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL,
                         start_new_session=True, **more)
    _started.append(p)
    return p


class Suite:
    """Two apps and what is between them; the client obeys a socket."""

    def __init__(self, name, *args):
        self.name = name
        self.home = os.path.join(tmpdir(), name)
        os.makedirs(self.home)
        os.chmod(self.home, 0o777)
        self.load = os.path.join(self.home, "app_load")
        shutil.copy(os.path.join(TOOLS, "app_load"), self.load)
        self.path = os.path.join(self.home, "control")
        door = socket.socket(socket.AF_UNIX)
        door.bind(self.path)
        os.chmod(self.path, 0o777)
        door.listen(1)
        door.settimeout(60)
        self.roots = []
        self.start(*args)
        self.ctl = door.accept()[0].makefile("rw")
        assert self.ctl.readline() == "hello\n"
        door.close()
        for p in self.pids():
            subprocess.run(["taskset", "-a", "-p", "-c", CORES, str(p)],
                           stdout=subprocess.DEVNULL)

    def pids(self):
        return [p for r in self.roots for p in tree(r)]

    def tell(self, *words):
        self.ctl.write(" ".join(map(str, words)) + "\n")
        self.ctl.flush()
        line = self.ctl.readline()
        if not line:
            raise RuntimeError("%s: the client died at %r" %
                               (self.name, words))
        return line.split()


class Nodes(Suite):
    net = "127.0.10"
    settle = True  # wait until the nodes have done all they do when new

    def conf(self, ip, apps):
        ip = "%s.%d" % (self.net, ip)
        return ('listen peer on %s port 38080\nstun listen on %s port 3478\n'
                'api http on %s port 38081\nlog stderr level warn\n'
                'apps { socket "%s/%s.sock" }\n%s' %
                (ip, ip, ip, self.home, ip, apps))

    def app(self, name, port, *args):
        return 'app "%s" { version "1.0", command "%s", arguments %s%s, ' \
            'autostart %s, restart never%s }\n' % (
                name, self.load, " ".join('"%s"' % a for a in args),
                ", port %d" % port if port else "", "yes" if port else "no",
                ', user "nobody"' if os.geteuid() == 0 else "")

    def server(self):
        return self.app("server", 10, "server", "server")

    def client(self, pk):
        return self.app("client", 0, "client", "client", pk, self.path)

    def start(self, two):
        a = Node(self.name + "-a", self.conf(1 if two else 3, self.server()))
        a.start()
        pk = a.node_id()
        self.nodes = [a]
        if two:
            b = Node(self.name + "-b", self.conf(2, self.client(pk)) +
                     "bootstrap %s.1 port 38080 static\n" % self.net)
            b.start()
            self.nodes.append(b)
            wait_for("link", lambda: b.ctl("show", "peers")["data"], 30)
        else:
            b = a
            a.write_conf(self.conf(3, self.server() + self.client(pk)))
            a.ctl("reload")
        for n in self.nodes if self.settle else []:
            wait_for("admitted", lambda: n.ctl("show", "db")["data"][
                "admitted"], 120)
        wait_for("client", lambda: b.ctl(
            "app", "start", "client", raw=True)[0] == 0, 10)
        self.roots = [n.pid() for n in self.nodes]
        below = self.pids()
        self.roots += [p["pid"] for n in self.nodes
                       for p in n.processes().values()
                       if p["pid"] not in below]


class Floor(Suite):
    def start(self, two, hop="", port="38683"):
        zero = "0" * 64
        floor = os.path.join(TOOLS, "app_floor")
        server = [self.load, "server", "server"]
        client = [self.load, "client", "client", zero, self.path]
        if two:
            self.roots = [
                popen([floor, hop + "listen", port] + server).pid,
                popen([floor, hop + "connect", port] + client).pid]
        else:
            self.roots = [
                popen([floor, "local"] + server + ["--"] + client).pid]


class Socat(Suite):
    def start(self):
        """Pipes over TCP: what is written to one comes out of the other."""
        import fcntl

        def app(*args):
            down, up = os.pipe(), os.pipe()
            for p in (down, up):
                fcntl.fcntl(p[1], F_SETPIPE_SZ, PIPE_BYTES)

            def place():
                r = fcntl.fcntl(down[0], fcntl.F_DUPFD, 100)
                w = fcntl.fcntl(up[1], fcntl.F_DUPFD, 100)
                os.dup2(r, 3)
                os.dup2(w, 4)
            self.roots.append(popen([self.load, "-d"] + list(args),
                                    close_fds=False, preexec_fn=place).pid)
            os.close(down[0])
            os.close(up[1])
            return up[0], down[1]

        def carry(fds, tcp):
            self.roots.append(popen(
                ["socat", "-b", "65536", "FD:%d!!FD:%d" % fds,
                 tcp], pass_fds=fds).pid)
            for fd in fds:
                os.close(fd)
        carry(app("server", "server"),
              "TCP-LISTEN:38684,bind=127.0.0.1,reuseaddr,nodelay")
        time.sleep(0.3)
        carry(app("client", "client", "0" * 64, self.path),
              "TCP:127.0.0.1:38684,nodelay")


# Name, mode, bytes of a Send, loops, in flight on each, Sends, goal.
CASES = [
    ("ping-pong 64 B, 1 loop", "e", 64, 1, 1, 20000, 0.6),
    ("ping-pong 64 B, 16 loops", "e", 64, 16, 1, 96000, 0.6),
    ("stream 32 KiB, 1 loop", "s", 32768, 1, 1, 12000, 0.7),
    ("stream 32 KiB, 16 loops", "s", 32768, 16, 1, 16000, 0.7),
    ("stream 32 KiB, 16 in flight", "s", 32768, 1, 16, 16000, 0.7),
    ("stream 1 KiB, 1 loop", "s", 1024, 1, 1, 40000, 0.7),
    ("stream 1 KiB, 16 loops", "s", 1024, 16, 1, 160000, 0.7),
    ("stream 1 KiB, 16 in flight", "s", 1024, 1, 16, 160000, 0.7),
]

# Skywire's node of 2019 with the same C app, where it was measured.
SKYWIRE = {
    "ping-pong 64 B, 1 loop": (4700, 4), "ping-pong 64 B, 16 loops":
    (7600, 15), "stream 32 KiB, 1 loop": (2750, 3.5),
    "stream 32 KiB, 16 loops": (3360, 3.5),
    "stream 1 KiB, 16 loops": (13300, 10),
}


def measure(s, mode, size, loops, inflight, count):
    """Sends per CPU second, per wall second, us of a round trip."""
    pids = s.pids()
    before = {p: cpu_of(p) for p in pids}
    wall, p50 = map(float, s.tell("run", mode, size, loops, inflight, count))
    used = {p: cpu_of(p) - before[p] for p in pids}
    s.used = used
    return count / sum(used.values()), count / wall, p50


def run_case(suites, name, mode, size, loops, inflight, count, goal):
    count = max(loops, int(count * LOAD)) // loops * loops
    rows = {s.name: [] for s in suites}
    for r in range(ROUNDS):
        for s in (suites if r % 2 == 0 else suites[::-1]):
            rows[s.name].append(measure(s, mode, size, loops, inflight,
                                        count))
    print("\n%s" % name)

    def mid(who, i, over=None):
        return statistics.median(
            x[i] / (y[i] if over else 1) for x, y in zip(
                rows[who], rows[over or who]))
    for s in suites:
        line = "  %-10s %8.0f per CPU s %8.0f per s" % (
            s.name, mid(s.name, 0), mid(s.name, 1))
        if mode == "s":
            line += " %6.0f MB/s" % (mid(s.name, 1) * size / 1e6)
        else:
            line += "  p50 %4.0f us" % mid(s.name, 2)
        for over, good in (("floor", goal), ("floor-one", goal),
                           ("floor-hop", None), ("socat", None)):
            mine = "one" if over == "floor-one" else "two"
            if s.name not in (mine, "one", "floor-hop") or \
                    over not in rows or over == s.name:
                continue
            ratio = mid(s.name, 0, over)
            line += "; %.2fx %s" % (ratio, over)
            if good is not None and (s.name == "two") == (over == "floor"):
                line += " (goal %.1fx: %s)" % (
                    good, "met" if ratio >= good else "NOT met")
            line += ", wall %.2fx" % mid(s.name, 1, over)
        if s.name == "two" and name in SKYWIRE:
            base, want = SKYWIRE[name]
            line += "; background: %.1fx (of %.1fx) Skywire's node" % (
                mid(s.name, 1) / base, want)
        print(line)
        if os.environ.get("PARTS"):
            print("     " + ", ".join("%s %.0f ms" % (
                name_of(p), t * 1e3) for p, t in s.used.items() if t > 2e-3))
    sys.stdout.flush()


def idle_cost(suite):
    """What 1,000 loops cost that nobody uses: (process, kB, bytes a loop)."""
    procs = [p for n in suite.nodes for p in n.processes().values()
             if p["name"] in ("appd", "peerd")]
    suite.tell("open", 1)
    suite.tell("close")
    time.sleep(0.5)
    before = [pss(p["pid"]) for p in procs]
    suite.tell("open", 1000)
    time.sleep(0.5)
    after = [pss(p["pid"]) for p in procs]
    total = sum(pss(p) for p in suite.pids())
    suite.tell("close")
    return total, [(p["name"], a, (a - b) * 1024 / 1000)
                   for p, b, a in zip(procs, before, after)]


def idle(suite):
    total, each = idle_cost(suite)
    print("\n1,000 idle loops: all of %d nodes and 2 apps %.1f MB PSS" %
          (len(suite.nodes), total / 1024))
    for name, kb, n in each:
        print("  %-6s %5d kB, %4.0f bytes a loop  (goal 1024: %s)" % (
            name, kb, n, "met" if n < 1024 else "NOT met"))
    sys.stdout.flush()


def stop(suites):
    for p in _started:
        if p.poll() is None:
            os.killpg(p.pid, 15)
    for s in suites:
        for n in getattr(s, "nodes", []):
            n.stop()


def main():
    want = os.environ.get("SUITES", 
                          "two,floor,floor-hop,one,floor-one,socat").split(",")
    make = {"two": lambda: Nodes("two", True),
            "one": lambda: Nodes("one", False),
            "floor": lambda: Floor("floor", True),
            "floor-hop": lambda: Floor("floor-hop", True, "hop-", "38685"),
            "floor-one": lambda: Floor("floor-one", False),
            "socat": lambda: Socat("socat")}
    suites = []
    try:
        for name in want:
            if name == "socat" and not shutil.which("socat"):
                print("bench: no socat to measure against: not installed")
                continue
            suites.append(make[name]())
        only = os.environ.get("CASES")
        for i, case in enumerate(CASES):
            if only is None or str(i) in only.split(","):
                run_case(suites, *case)
        if only is None or "idle" in only:
            for s in suites:
                if s.name == "two":
                    idle(s)
    finally:
        stop(suites)


if __name__ == "__main__":
    main()
