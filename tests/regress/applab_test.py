#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Apps on real nodes in network namespaces: P is public, S is a public server, A
and B are behind NATs of different kinds.  helloworld and forward, direct from
A to S and through P's relay from A to B: interactive and in bulk, over a cut,
with the other end killed, with a relay that has had enough.
"""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab

netlab.reexec_unshared()

from warren import Node, check, finish, wait_for, B, tmpdir  # noqa: E402

MB = int(os.environ.get("MB", "200"))
HERE = os.path.dirname(os.path.abspath(__file__))
PY = "/usr/bin/python3"
EXAMPLES = os.path.join(B, "examples")
P_ADDR = "198.51.100.10"

CONF = """
address-policy allow reserved
timeout { ping 2s, dead 6s, dial 3s, retry 1s }
api http on * port 38081 { workers 1 }
supervise restarts 1000 per 1m
"""

SERVER = """
app "helloworld-server" {
	version "1.0"
	command "%s/helloworld-server"
	port 10
	autostart yes
}
app "forward" {
	version "1.0"
	command "%s/forward"
	arguments "to" "127.0.0.1:8022"
	port 22
	autostart yes
}
""" % (EXAMPLES, EXAMPLES)

CLIENT = """
app "helloworld-client" { version "1.0" }
app "forward-client" { version "1.0" }
"""

# S is public, too: B could reserve there first, and A go by it to B.
NO_RELAY = "relay { enable no }\n"


class Lab:
    def __init__(self):
        self.net = netlab.Internet()
        boot = "bootstrap %s port 38080 static\n" % P_ADDR
        p = self.net.host("p", P_ADDR, "198.51.100.1")
        s = self.net.host("s", "203.0.113.10", "203.0.113.1")
        a = netlab.Nat(self.net, "a", "192.0.2.2", "192.0.2.1", "preserve")
        b = netlab.Nat(self.net, "b", "198.18.5.2", "198.18.5.1", "random")
        self.p = Node("p", CONF, ns=p)
        self.s = Node("s", CONF + boot + NO_RELAY + SERVER, ns=s)
        self.a = Node("a", CONF + boot + CLIENT, ns=a.host)
        self.b = Node("b", CONF + boot + SERVER, ns=b.host)
        self.procs = []

    def start(self):
        for n in (self.p, self.s, self.a, self.b):
            n.start()
        for n in (self.s, self.b):
            self.run(n, [PY, os.path.join(HERE, "tcp_both.py"), "serve",
                         "127.0.0.1", "8022"])

    def env(self, node):
        e = dict(os.environ)
        e["WARREN_APPS_SOCK"] = os.path.join(node.dir, "apps.sock")
        e["LD_LIBRARY_PATH"] = B
        return e

    def run(self, node, cmd):
        p = subprocess.Popen(node.wrap(cmd), stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True,
                             env=self.env(node))
        self.procs.append(p)
        return p

    def once(self, node, cmd, timeout=60):
        p = subprocess.run(node.wrap(cmd), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True,
                           timeout=timeout, env=self.env(node))
        return p.returncode, p.stdout

    def hello(self, node, pk):
        return self.once(node, [os.path.join(EXAMPLES, "helloworld-client"),
                                pk])

    def tcp(self, node, what, port, n, timeout=120):
        return self.once(node, [PY, os.path.join(HERE, "tcp_both.py"), what,
                                "127.0.0.1", str(port), str(n)], timeout)

    def forward(self, port, pk):
        p = self.run(self.a, [os.path.join(EXAMPLES, "forward"), "listen",
                              "127.0.0.1:%d" % port, "%s:22" % pk])
        wait_for("forward listens", lambda: self.listens(port, p))
        return p

    def listens(self, port, p):
        if p.poll() is not None:
            raise RuntimeError("forward: %s" % p.stdout.read())
        return (":%04X " % port) in self.a.ns.run("cat", "/proc/net/tcp")

    def cut(self, seconds):
        self.net.router.nft("""
table ip cut {
  chain f { type filter hook forward priority 0; drop; }
}
""")
        time.sleep(seconds)  # the length of the cut is what is tested
        self.net.router.nft("delete table ip cut")

    def close(self):
        for p in self.procs:
            if p.poll() is None:
                p.kill()
                p.wait()


def loops(node):
    return node.ctl("show", "loops")["data"]


def relay(lab):
    """Everybody on the way tells the same story."""
    ids = [n.node_id() for n in (lab.a, lab.b, lab.p)]
    wait_for("a MiB relayed", lambda: [
        x for x in lab.p.ctl("show", "relay")["data"]["circuits"]
        if x["bytes_from"] > 1 << 20], 10, 0.01)
    a, b, p = (n.ctl("show", "relay")["data"] for n in (lab.a, lab.b, lab.p))
    c = [x for x in p["circuits"] if (x["from"], x["to"]) == (ids[0], ids[1])]
    check("show relay, P: a circuit from A to B",
          c and c[0]["reserved"] and c[0]["bytes_from"] > 1 << 20, p)
    check("show relay, P: B has reserved", [
        x for x in p["reservations"] if x["node"] == ids[1] and
        x["circuits"] == 1 and 0 < x["bytes_left"] < 1 << 30], p)
    check("show relay, A: a link to B by P", [
        x for x in a["own_circuits"] if x["up"] and not x["inbound"] and
        (x["via"], x["node"]) == (ids[2], ids[1]) and x["loops"] > 0], a)
    check("show relay, B: reserved at P", b["reserving"] and [
        x for x in b["own_reservations"] if x["granted"] and
        x["node"] == ids[2]], b)
    links = lab.a.ctl("show", "peers", "loops")["data"]
    check("show peers, A: the link over the relay", [
        x for x in links if x["role"] == "circuit" and x["addr"] is None and
        (x["nodeId"], x["via"]) == (ids[1], ids[2])], links)
    rc, out, err = lab.a.ctl("show", "peers", raw=True)
    check("show peers, for people", rc == 0 and
          "relay " + ids[2][:8] in out, out + err)
    told = lab.a.rpc("getpeerinfo")
    check("getpeerinfo does not tell whom apps talk to", told and not [
        x for x in told if x["via"] or x["role"] in ("circuit", "loops")],
        told)
    rc, out, err = lab.p.ctl("show", "relay", raw=True)
    check("show relay, for people", rc == 0 and ids[0][:8] in out and
          "RESERVED BY" in out and "CIRCUIT OF" in out, out + err)
    rc, out, err = lab.b.ctl("show", "relay", raw=True)
    check("show relay, at an end", rc == 0 and "granted" in out and
          "LINK BY" in out, out + err)


def path(lab, to, name, port, relayed):
    """Everything from A to one of the servers."""
    pk = to.node_id()
    rc, out = wait_for("%s: hello" % name, lambda: (
        lambda r: r if "pong" in r[1] else None)(lab.hello(lab.a, pk)), 40, 1)
    check("%s: helloworld-client prints pong" % name, rc == 0, out)
    fwd = lab.forward(port, pk)
    rc, out = lab.tcp(lab.a, "talk", port, 200)
    check("%s: an interactive session of 200 lines" % name,
          out.startswith("equal 200"), out)
    bulk = lab.run(lab.a, [PY, os.path.join(HERE, "tcp_both.py"), "bulk",
                           "127.0.0.1", str(port), str(MB)])
    l = wait_for("a loop", lambda: [
        x for x in loops(lab.a)
        if x["state"] == "open" and x["bytes_in"] > 1 << 20][0], 10, 0.01)
    check("%s: show loops says %s" % (name, "relayed" if relayed else
                                     "direct"), l["relayed"] is relayed, l)
    if relayed:
        relay(lab)
    rc, talk = lab.tcp(lab.a, "talk", port, 20)
    check("%s: a second session beside the bulk" % name,
          talk.startswith("equal 20"), talk)
    lab.cut(2)
    out = bulk.communicate(timeout=240)[0]
    check("%s: %d MB each way at once, a cut of 2 s survived: %s" % (
        name, MB, out.strip()), out.startswith("equal %d" % MB), out)
    fwd.send_signal(signal.SIGTERM)
    fwd.wait()
    wait_for("%s: no loop left" % name, lambda: not loops(lab.a), 35)
    check("%s: no loop is left" % name, True)


def caps(lab):
    """A relay that has had enough, and one that is off."""
    pk = lab.b.node_id()
    lab.p.write_conf(CONF + "relay { reservations 0, unreserved 256K for 1m }\n")
    lab.p.stop()
    lab.p.start()
    rc, out = wait_for("hello again", lambda: (
        lambda r: r if "pong" in r[1] else None)(lab.hello(lab.a, pk)), 40, 1)
    check("caps: a small session fits", rc == 0, out)
    fwd = lab.forward(2230, pk)
    rc, out = lab.tcp(lab.a, "bulk", 2230, 2)
    check("caps: a large one is ended", "equal" not in out, out)
    fwd.send_signal(signal.SIGTERM)
    fwd.wait()
    for conf, want in (("circuits 0", "transport: relay refused: "),
                       ("enable no", "transport: ")):
        lab.p.write_conf(CONF + "relay { %s }\n" % conf)
        rc, out, err = lab.p.ctl("reload", raw=True)
        check("caps: %s by reload" % conf, rc == 0, out + err)
        rc, out = wait_for("refused", lambda: (
            lambda r: r if r[0] != 0 else None)(lab.hello(lab.a, pk)), 70, 1)
        check("caps: the client is told why: %s" % out.strip(),
              want in out, out)


def death(lab):
    """The other node dies: Close within a second of the link's death."""
    lab.forward(2240, lab.s.node_id())
    s = lab.run(lab.a, [PY, "-c", (
        "import socket,time\n"
        "s = socket.create_connection(('127.0.0.1', 2240))\n"
        "s.sendall(b'talk\\nx\\n')\n"
        "print(s.recv(10), flush=True)\n"
        "print(s.recv(10), flush=True)\n")])
    check("a session to the one who will die",
          s.stdout.readline().strip() == "b'X\\n'")
    for p in lab.s.processes().values():
        if p["pid"] > 1 and p["name"] in ("warrend", "launcher", "peerd"):
            try:
                os.kill(p["pid"], signal.SIGKILL)
            except ProcessLookupError:
                pass  # it went with the one before
    began = time.monotonic()
    line = s.stdout.readline().strip()
    took = time.monotonic() - began
    check("its death closes the session after %.2f s" % took,
          line == "b''" and took < 1.5, line)
    lab.s.proc.wait()


def main():
    lab = Lab()
    lab.start()
    try:
        path(lab, lab.s, "direct", 2222, False)
        path(lab, lab.b, "relayed", 2223, True)
        death(lab)
        caps(lab)
    finally:
        lab.close()
    for n in (lab.p, lab.a, lab.b):
        check("%s stops cleanly" % n.name, n.stop() == 0)
    finish()


signal.alarm(600)
main()
