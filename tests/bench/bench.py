#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Warren against its peers, in one alternating run: everything is up at once, the
same load goes to each in turn (A B C, C B A, ...), and what counts is the
median of the per-round ratios of answers per CPU second of the server's whole
process group.  Wall-clock figures are on the side: machines are noisy.

    bench.py [stun] [http] [idle] [tree] [db] [app]    ROUNDS=5 SECONDS=2

db is in db_bench.py, app in app_bench.py.
"""
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "regress"))
from warren import Node, B, wait_for, tmpdir  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = os.environ.get("SECONDS", "2")
SERVER_CORE, LOAD_CORE = "0", "1"
CONF = """
listen peer on 127.0.0.1 port 0
stun listen on 127.0.0.1 port 0
stun rate 0/s global 0/s
api http on 127.0.0.1 port 0 { rate 0 per 30s, workers 2 }
limit { api-clients 4096, api-clients-per-prefix 4096 }
"""
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


def cpu(pids):
    """Seconds that these processes spent on a core so far."""
    total = 0
    for p in pids:
        try:
            for t in os.listdir("/proc/%d/task" % p):
                with open("/proc/%d/task/%s/schedstat" % (p, t)) as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass
    return total / 1e9


class Peer:
    def __init__(self, name, cmd, port, host="127.0.0.1"):
        self.name, self.port, self.host = name, port, host
        self.log = open(os.path.join(tmpdir(), name + ".log"), "ab")
        self.proc = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE] + cmd, stdout=self.log,
            stderr=self.log, stdin=subprocess.DEVNULL,
            start_new_session=True)
        _started.append(self.proc)

    def pids(self):
        return tree(self.proc.pid)


class Warren:
    name = "warren"

    def __init__(self, conf=CONF):
        self.node = Node("bench", conf)
        self.node.start()
        # A new node works on its stamp of admission for a second or so.
        wait_for("admitted", lambda: self.node.ctl("show", "db")["data"][
            "admitted"], 120)
        for p in self.node.processes().values():
            subprocess.run(["taskset", "-a", "-p", "-c", SERVER_CORE,
                            str(p["pid"])], stdout=subprocess.DEVNULL)
        self.host = "127.0.0.1"

    def pids(self):
        return [p["pid"] for p in self.node.processes().values()]


def alternate(servers, load):
    """load(server) -> answers; returns {name: [per CPU s, ...]}."""
    per_cpu = {s.name: [] for s in servers}
    extra = {s.name: [] for s in servers}
    for r in range(ROUNDS):
        for s in (servers if r % 2 == 0 else servers[::-1]):
            pids = s.pids()
            before = cpu(pids)
            answers, note = load(s)
            used = cpu(pids) - before
            per_cpu[s.name].append(answers / max(used, 0.01))
            extra[s.name].append(note)
    return per_cpu, extra


def report(title, per_cpu, goals, extra):
    print("\n%s" % title)
    mine = per_cpu["warren"]
    print("  %-12s %9.0f per CPU s   %s" % (
        "warren", statistics.median(mine), extra["warren"][-1]))
    for name, theirs in per_cpu.items():
        if name == "warren":
            continue
        ratio = statistics.median(a / b for a, b in zip(mine, theirs))
        goal = goals.get(name)
        print("  %-12s %9.0f per CPU s   %s   warren is %.2fx%s" % (
            name, statistics.median(theirs), extra[name][-1], ratio,
            "" if goal is None else "  (goal %.2fx: %s)" % (
                goal, "met" if ratio >= goal else "NOT met")))
    sys.stdout.flush()


def stun_load(sockets, inflight, port_of, *flags):
    def load(s):
        out = subprocess.run(
            ["taskset", "-c", LOAD_CORE,
             os.path.join(B, "tests/bench/stun_load"), "-s", str(sockets),
             "-k", str(inflight), "-d", SECONDS, *flags, s.host,
             str(port_of(s))],
            stdout=subprocess.PIPE, text=True).stdout
        j = json.loads(out)
        note = "p50 %d p99 %d us, lost %d" % (
            j["p50_us"], j["p99_us"], j["lost"])
        if j["wrong"]:
            note += ", WRONG %d" % j["wrong"]
        return j["answers"], note
    return load


def answers_stun(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
        u.settimeout(0.2)
        u.sendto(bytes.fromhex("000100002112a442") + os.urandom(12),
                 ("127.0.0.1", port))
        return u.recv(1000)


def bench_stun(w):
    udp = w.node.port("stun", "udp")
    servers = [w]
    if shutil.which("turnserver"):
        servers.append(Peer("coturn", [
            "turnserver", "-m", "0", "-n", "--no-auth", "--no-tls",
            "--no-dtls", "--no-cli", "--log-file=/dev/null",
            "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1",
            "-p", "38478", "--pidfile=" + os.path.join(tmpdir(), "t.pid"),
            "--no-stdout-log"], 38478))
    udp_only = []
    if os.path.exists("/usr/sbin/stund"):
        udp_only.append(Peer("stund", [
            "/usr/sbin/stund", "-h", "127.0.0.1", "-a", "127.0.0.2", "-p",
            "38578", "-o", "38579"], 38578))
    udp_only.append(Peer("floor", [
        os.path.join(B, "tests/bench/stun_floor"), "38678"], 38678))
    for p in servers[1:] + udp_only:
        wait_for(p.name + " answers", lambda: answers_stun(p.port), 10)

    def port_of(s):
        return udp if s.name == "warren" else s.port
    # A generator that sleeps has each answer pay for waking its core; see
    # stun_load.c.  The floor tells what that leaves to be gained.
    for title, sock, k, goals, flags in (
            ("STUN UDP, 16 sockets x 16 in flight", 16, 16,
             {"coturn": 1.5, "stund": 1.2}, ()),
            ("STUN UDP, one at a time, generator awake", 1, 1,
             {"coturn": 1.5}, ("-b",)),
            ("STUN UDP, one at a time, generator asleep in between", 1, 1,
             {"coturn": 1.5}, ())):
        r, e = alternate(servers + udp_only,
                         stun_load(sock, k, port_of, *flags))
        report(title, r, goals, e)
    for title, k, goals in (
            ("STUN TCP, 64 connections x 1 in flight", 1, {"coturn": 1.6}),
            ("STUN TCP, 64 connections x 8 in flight", 8, {"coturn": 2.5})):
        r, e = alternate(servers, stun_load(64, k, port_of, "-t"))
        report(title, r, goals, e)


def wrk(path, conns, script=None):
    def load(s):
        cmd = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", "-c%d" % conns,
               "-d%ss" % SECONDS, "--latency"]
        if script:
            cmd += ["-s", script]
        out = subprocess.run(
            cmd + ["http://%s:%d%s" % (s.host, s.port, path)],
            stdout=subprocess.PIPE, text=True, check=True).stdout
        n, note = 0, ""
        for line in out.splitlines():
            w = line.split()
            if " requests in " in line:
                n = int(w[0])
            elif w[:1] in (["50%"], ["99%"]):
                note += "p%s %s " % (w[0].strip("%"), w[1])
            elif "Non-2xx" in line or "Socket errors" in line:
                note += line.strip()
        return n, note
    return load


def express():
    """Where Express is: fetched once into the build directory, or None."""
    home = os.path.join(B, "bench-node")
    modules = os.path.join(home, "node_modules")
    if os.path.isdir(os.path.join(modules, "express")):
        return modules
    if not shutil.which("npm"):
        return None
    print("bench: npm install express@5 into", home)
    os.makedirs(home, exist_ok=True)
    try:
        subprocess.run(["npm", "install", "--prefix", home, "--no-audit",
                        "--no-fund", "--silent", "express@5"], timeout=120,
                       stdin=subprocess.DEVNULL, check=True)
        return modules
    except (OSError, subprocess.SubprocessError):
        shutil.rmtree(home, ignore_errors=True)
        return None


def absent(name, why):
    print("bench: no %s to measure against: %s" % (name, why))


def node_peers(info):
    """Servers in JavaScript that give the same answer, where they run."""
    node = shutil.which("node") or shutil.which("nodejs")
    if not node:
        absent("node:http and Express", "node is not installed")
        return []
    path = os.path.join(tmpdir(), "info.json")
    with open(path, "wb") as f:
        f.write(info)
    js = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "node_server.js")
    peers = [Peer("node:http", [node, js, "http", "38683", path], 38683)]
    modules = express()
    if modules:
        peers.append(Peer("express", [
            "env", "NODE_PATH=" + modules, node, js, "express", "38684",
            path], 38684))
    else:
        absent("Express", "npm could not install it")
    return peers


def tells_info(server, post=None):
    """The fields of a server's answer, which has to be right."""
    req = urllib.request.Request(
        "http://%s:%d%s" % (server.host, server.port,
                            "/" if post else "/node/info"), post,
        {"Content-Type": "application/json"})
    with urllib.request.urlopen(req, timeout=5) as r:
        answer = json.load(r)
    return sorted(answer["result"] if post else answer)


def bench_http(w):
    w.port = w.node.port("http")
    info = urllib.request.urlopen(
        "http://127.0.0.1:%d/node/info" % w.port).read()
    assert json.loads(info)["nodeId"] == w.node.node_id()
    servers = [w, Peer("evhttp", [
        os.path.join(B, "tests/bench/evhttp_server"), "127.0.0.1", "38681"],
        38681)]
    if shutil.which("nginx"):
        d = tempfile.mkdtemp(dir=tmpdir())
        with open(d + "/nginx.conf", "w") as f:
            f.write("""
daemon off; worker_processes 1; pid %s/pid; error_log %s/err;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000;
  client_body_temp_path %s; proxy_temp_path %s; fastcgi_temp_path %s;
  uwsgi_temp_path %s; scgi_temp_path %s;
  server { listen 127.0.0.1:38682; default_type application/json;
    location / { return 200 '%s'; } } }
""" % (d, d, d, d, d, d, d, ("{" + "x" * (len(info) - 2) + "}")))
        os.chmod(d, 0o777)
        servers.append(Peer("nginx", ["nginx", "-c", d + "/nginx.conf"],
                            38682))
    in_js = node_peers(info)
    time.sleep(1)
    call = b'{"jsonrpc":"2.0","id":1,"method":"getnodeinfo"}'
    for p in in_js:
        for post in (None, call):
            wait_for("%s's answer as Warren's" % p.name, lambda:
                     set(tells_info(p, post)) >= set(tells_info(w, post)))
    servers += in_js
    r, e = alternate(servers, wrk("/node/info", 64))
    report("GET /node/info, 64 connections, %d bytes" % len(info), r,
           {"evhttp": 1.8, "nginx": 0.85, "node:http": 2.8, "express": 15},
           e)
    r, e = alternate(servers, wrk("/node/info", 1000))
    report("GET /node/info, 1000 connections", r, {"evhttp": 2.0}, e)
    post = os.path.join(tmpdir(), "post.lua")
    with open(post, "w") as f:
        f.write('wrk.method="POST" wrk.body=\'%s\' '
                'wrk.headers["Content-Type"]="application/json"' %
                call.decode())
    r, e = alternate(servers, wrk("/", 64, post))
    report("POST getnodeinfo, 64 connections", r,
           {"node:http": 2.5, "express": 13}, e)


def pss(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1])


def bench_idle():
    began = time.monotonic()
    n = Node("idle", CONF).start()
    took = time.monotonic() - began
    time.sleep(1)
    procs = n.processes()
    sizes = {name: pss(p["pid"]) for name, p in procs.items()}
    print("\nidle suite: %.1f MB PSS  (goal 10 MB: %s), ready after %.0f ms" %
          (sum(sizes.values()) / 1024,
           "met" if sum(sizes.values()) <= 10240 else "NOT met",
           took * 1000))
    print("  " + "  ".join("%s %d kB" % x for x in sizes.items()))
    two = [Node("l%d" % i, CONF.replace("127.0.0.1", "127.0.0.%d" % i) + (
        "" if i == 5 else "bootstrap 127.0.0.5 port %d\n" % 38980))
        for i in (5, 6)]
    two[0].conf = two[0].conf.replace(
        "listen peer on 127.0.0.5 port 0", "listen peer on 127.0.0.5 port "
        "38980")
    for x in two:
        x.start()
    wait_for("link", lambda: [p for p in two[1].rpc_peers()
                              if p["status"] == "ACTIVE"], 20)
    pids = [p["pid"] for x in two for p in x.processes().values()]
    a = cpu(pids)
    time.sleep(10)
    print("idle link: %.1f ms CPU in 10 s, both nodes, all processes" %
          ((cpu(pids) - a) * 1000))


# The goals of the tree and of anti-entropy, at a million records.
TREE_GOALS = {
    "build_1000000": 350, "tree_held": 110, "proof_max": 1536,
    "proof_verify": 100, "apply_10000_avg": 50, "recon_d1": 1200,
    "recon_d1000": 350 * 1000, "recon_d100000": 100 * 100000,
}


def bench_tree():
    print("\nthe tree, one million records")
    for tool in ("tree_bench", "recon_bench"):
        out = subprocess.run(["%s/tests/bench/%s" % (B, tool)], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        for line in out.splitlines():
            name, value = line.split()[:2]
            goal = TREE_GOALS.get(name)
            print("  %s%s" % (line, "" if goal is None else
                              "  (goal %d: %s)" % (
                                  goal, "met" if float(value) <= goal
                                  else "NOT met")))
        # The last is the one that no rate paces.
        rtts = re.findall(r"^recon_d100000 .* (\d+) RTT", out, re.M)
        if rtts:
            print("  recon_d100000_rtt %s  (goal 5: %s)" % (
                rtts[-1], "met" if int(rtts[-1]) <= 5 else "NOT met"))
        sys.stdout.flush()


def rpc_peers(self):
    port = self.port("http")
    host = [l["address"] for l in self.listeners()
            if l["service"] == "http"][0]
    return json.load(urllib.request.urlopen(
        "http://%s:%d/node/peers" % (host, port)))


Node.rpc_peers = rpc_peers


def main():
    groups = sys.argv[1:] or ["stun", "http", "idle", "tree", "db", "app"]
    for group in ("db", "app"):
        if group in groups:
            subprocess.run([sys.executable, os.path.join(os.path.dirname(
                os.path.abspath(__file__)), group + "_bench.py")],
                check=False)
    try:
        if "tree" in groups:
            bench_tree()
        if "idle" in groups:
            bench_idle()
        if "stun" in groups or "http" in groups:
            w = Warren()
        if "stun" in groups:
            bench_stun(w)
        if "http" in groups:
            bench_http(w)
    finally:
        for p in _started:
            try:
                os.killpg(p.pid, signal.SIGTERM)
            except OSError:
                pass


main()
