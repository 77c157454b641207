#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
The overlay on real nodes: too many for a full mesh, in a network namespace
of their own, each at an address 127.N.0.1 and so in a group of its own.

    A  1..12     B  13..24       two islands, each with its own bootstrap

Each island is one component.  One address of B, told to one node of A, makes
one network of them, through a feeler.  Records put anywhere arrive anywhere.
Then 30 % are killed at once, and the rest is one component again.  A node
that lost its address book comes back over its anchors.  The hidden link is
shown to operators alone.
"""
import os
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "interop"))
import netlab  # noqa: E402

netlab.reexec_unshared()

import link_client  # noqa: E402
from dbctl import Author, Ctl, Network, META, NEW, OLD  # noqa: E402
from warren import Node, check, finish, wait_for, tmpdir, Timeout  # noqa: E402

N = int(os.environ.get("NODES", "24"))
HALF = N // 2
DIALLED, ACCEPTED, SLOTS = 6, 6, 16
VIEW = ("active", "anchor", "pinned")
ADDR = 70
CONF = """
listen peer on %s port 38080
stun listen no
stun clients 0
timeout { feeler 1s, retry 300ms, dial 2s, save 200ms }
supervise restarts 100000 per 1m
"""
NO_API = "api http no\n"
START = time.monotonic()


def say(fmt, *args):
    print("# %5.1f s: %s" % (time.monotonic() - START, fmt % args))
    sys.stdout.flush()


def ip(i):
    return "127.%d.0.1" % i


class Lab:
    def __init__(self):
        self.net = Network(os.path.join(tmpdir(), "lab.charter"))
        self.nodes, self.ids, self.ctls = {}, {}, {}
        ro = os.path.join(tmpdir(), "ro.sock")
        for i in range(1, N + 1):
            boot = 1 if i <= HALF else HALF + 1
            conf = self.net.conf + CONF % ip(i)
            if i == 1:
                conf += ('api http on 127.0.0.1 port 38081 { workers 1 }\n'
                         'control "%s" mode 0666 restricted\n' % ro)
            else:
                conf += NO_API
            if i != boot:
                conf += "bootstrap %s port 38080 retry 300ms\n" % ip(boot)
            self.nodes[i] = Node("n%02d" % i, conf)
        self.ro = ro
        self.author = Author(self.net)
        self.admission = self.author.admission()[0]
        self.seq = 0

    def start(self, which):
        for i in which:
            self.nodes[i].start(wait=False)
        for i in which:
            self.nodes[i].wait_ready(30)
            self.ids[i] = self.nodes[i].node_id()
            self.ctls[i] = Ctl(self.nodes[i].sock)

    def links(self, i):
        """id -> (role, dialled) of a node's links."""
        up = self.nodes[i].ctl("show", "peers", "up")["data"]
        return {p["nodeId"]: (p["role"], not p["inbound"]) for p in up}

    def views(self, which):
        """node -> {neighbour: dialled}, of links both ends call active."""
        num = {self.ids[i]: i for i in which}
        said = {i: {num[k]: d for k, (r, d) in self.links(i).items()
                    if r in VIEW and k in num} for i in which}
        return {i: {j: d for j, d in said[i].items() if i in said[j]}
                for i in which}

    def put(self, i):
        self.seq += 1
        raw, key, _, _ = self.author.record(META, b"s%d" % self.seq)
        got = self.ctls[i].put([raw])
        if got not in ([NEW], [OLD]):
            raise OSError("put at %d: %s" % (i, got))
        return key

    def lacks(self, key, which):
        return [i for i in which if self.ctls[i].get(key) is None]


def component(views, start):
    seen, todo = {start}, [start]
    while todo:
        for j in views[todo.pop()]:
            if j not in seen:
                seen.add(j)
                todo.append(j)
    return seen


def whole(lab, which, least):
    """All of them are one component, none with too few or too many links."""
    views = lab.views(which)
    few = [i for i in which if len(views[i]) < least]
    if few or len(component(views, which[0])) != len(which):
        raise ValueError("few links %s, component of %d" % (
            {i: len(views[i]) for i in few},
            len(component(views, which[0]))))
    return views


def becomes_whole(what, lab, which, least, timeout):
    began = time.monotonic()
    try:
        views = wait_for(what, lambda: whole(lab, which, least), timeout, 0.1)
    except Timeout as e:
        check(what, False, e)
        return None
    degrees = [len(v) for v in views.values()]
    say("%s: %.1f s, %d links, degrees %d to %d", what,
        time.monotonic() - began, sum(degrees) // 2, min(degrees),
        max(degrees))
    check(what, True)
    return views


def bounded(views):
    """A view may be above its bounds for moments: within the mesh, a swap."""
    return all(sum(v.values()) <= DIALLED and
               len(v) - sum(v.values()) <= ACCEPTED for v in views.values())


def arrives(what, lab, at, which, timeout=5):
    began = time.monotonic()
    key = lab.put(at)
    try:
        wait_for(what, lambda: not lab.lacks(key, which), timeout, 0.02)
        say("%s: %.2f s", what, time.monotonic() - began)
        return check(what, True)
    except Timeout:
        return check(what, False, lab.lacks(key, which))


def tell(lab, a, b):
    """As a peer of a, name b's address to it."""
    real = socket.create_connection
    socket.create_connection = lambda to, timeout: real(
        to, timeout=timeout, source_address=("127.200.0.1", 0))
    try:
        p = link_client.Peer(ip(a), 38080, lab.net.netid)
    finally:
        socket.create_connection = real
    p.shake()
    p.send(link_client.LANE_CONTROL, [
        ADDR, [[bytes.fromhex(lab.ids[b]), 4, socket.inet_aton(ip(b)),
                38080]]])
    return p


class Writers:
    """Records go on in both islands, so that their roots do differ."""

    def __init__(self, lab, at):
        self.lab, self.stop = lab, False
        self.ctls = [Ctl(lab.nodes[i].sock) for i in at]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        author = Author(self.lab.net)
        raw = author.admission()[0]
        for c in self.ctls:
            c.put([raw])
        n = 0
        while not self.stop:
            n += 1
            for c in self.ctls:
                try:
                    c.put([author.record(META, b"w%d" % n)[0]])
                except OSError:
                    pass
            time.sleep(0.1)

    def end(self):
        self.stop = True
        self.thread.join()


def satisfied(lab, which):
    """
    A node that looks for others by its feelers alone, since it has dialled
    enough.  Views must have settled: the first links came up in a mesh.
    """
    def fn():
        views = lab.views(which)
        return bounded(views) and [
            i for i in which if sum(views[i].values()) == DIALLED]
    return wait_for("settled views, and a node that dials no more", fn, 30)[0]


def heal(lab, a_side, b_side):
    everybody = a_side + b_side
    a, b = satisfied(lab, a_side), b_side[-1]
    writers = Writers(lab, (a_side[2], b_side[2]))
    apart = [k for i in a_side for k in lab.links(i)
             if k in {lab.ids[j] for j in b_side}]
    check("the islands know nothing of each other", not apart, apart)
    peer = tell(lab, a, b)
    say("node %d is told of node %d", a, b)
    becomes_whole("one address makes one network of two", lab, everybody, 6,
                  40)
    peer.sock.close()
    writers.end()
    log = lab.nodes[a].tail(100000)
    first = [l for l in log.splitlines()
             if lab.ids[b][:8] in l and "link up" in l][:1]
    check("and the first link between them was a feeler",
          first and "quiet" in first[0], first)
    # Two ticks of two roots, or sooner: the sync on the feeler brought the
    # other island's node records, and somebody who has room dialled.
    found = [i for i in everybody if "another part of the network was found"
             in lab.nodes[i].tail(100000)]
    say("feelers that took the place of a link: at %s", found or "none")


def kill_9(nodes):
    """All processes of all of them, as if the power had gone."""
    pids = []
    for n in nodes:
        pids += [n.pid()] + [p["pid"] for p in n.processes().values()
                             if p["pid"] > 1]
    for pid in pids:
        try:
            os.kill(pid, 9)
        except OSError:
            pass
    for n in nodes:
        n.proc.wait()


def kept_anchors(node):
    path = os.path.join(node.dir, "state", "state", "peers.anchors")
    with open(path, "rb") as f:
        r = link_client.Reader(f.read())
    out = []
    while r.at < len(r.data):
        _, node_id, _, _ = r.value()
        out.append(node_id.hex())
    return out


def anchors(lab, i, everybody):
    n = lab.nodes[i]

    def both():
        shown = [k for k, (r, _) in lab.links(i).items() if r == "anchor"]
        kept = kept_anchors(n)
        if len(kept) != 2 or sorted(kept) != sorted(shown):
            raise ValueError((kept, shown))
        return True
    try:
        check("the two links that are up for longest are the anchors kept",
              wait_for("anchors on disk", both, 10))
    except Timeout as e:
        check("the two links that are up for longest are the anchors kept",
              False, e)
    check("node %d stops cleanly" % i, n.stop() == 0)
    kept = kept_anchors(n)
    os.unlink(os.path.join(n.dir, "state", "state", "peers.book"))
    # Nobody else may dial it either: anchors are all it has.
    n.conf = "limit { max-inbound 0 }\n" + "".join(
        l + "\n" for l in n.conf.splitlines()
        if not l.startswith("bootstrap"))
    began = time.monotonic()
    lines = n.tail(100000).count("\n")
    lab.start([i])
    log = wait_for("a link", lambda: [
        l for l in n.tail(100000).splitlines()[lines:] if "link up" in l], 10)
    say("back after %.1f s: %s", time.monotonic() - began, log[0])
    dialled = [l.split("peer ")[-1][:8] for l in log if "dialled" in l]
    check("without a book it comes back over its anchors",
          dialled and dialled[0] in {k[:8] for k in kept}, (log, kept))
    becomes_whole("and is a neighbour like others", lab, everybody, 6, 20)


def hidden(lab):
    """Operators see it; whoever may only look, and the API, do not."""
    n = lab.nodes[1]

    def one():
        return [k for k, (r, _) in lab.links(1).items() if r == "hidden"]
    try:
        who = wait_for("a hidden link", one, 40, 0.2)[0]
    except Timeout as e:
        check("there is a hidden link", False, e)
        return
    real, n.sock = n.sock, lab.ro
    shown = {p["nodeId"]: p for p in n.ctl("show", "peers")["data"]}
    n.sock = real
    check("a socket that only shows: the node is there, the link is not",
          shown[who]["role"] is None and shown[who]["inbound"] is None and
          shown[who]["pingtime"] is None and
          "hidden" not in str([p["role"] for p in shown.values()]),
          shown[who])
    api = [p for p in n.rpc("getpeerinfo") if p["nodeId"] == who]
    check("nor is it in getpeerinfo",
          all(p["role"] is None and p["inbound"] is None and
              p["status"] != "ACTIVE" for p in api), api)
    log = [l for l in n.tail(100000).splitlines()
           if who[:8] in l and "link up" in l][-1:]
    check("nor in the log for all", "quiet" in log[0], log)


def run(lab):
    a_side = list(range(1, HALF + 1))
    b_side = list(range(HALF + 1, N + 1))
    everybody = a_side + b_side
    lab.start(everybody)
    say("%d nodes are ready", N)
    views = becomes_whole("island A is one component", lab, a_side, 6, 30)
    becomes_whole("island B is one component", lab, b_side, 6, 30)
    check("no full mesh: a view is bounded", views and
          all(len(v) <= SLOTS for v in views.values()), views)
    for i in everybody:  # so that no write comes before its admission
        lab.ctls[i].put([lab.admission])
    arrives("a record of A is with all of A", lab, 5, a_side)
    arrives("a record of B is with all of B", lab, HALF + 5, b_side)
    heal(lab, a_side, b_side)
    arrives("a record of A is with all", lab, 3, everybody)
    arrives("a record of B is with all", lab, N - 3, everybody)
    try:
        wait_for("views within bounds",
                 lambda: bounded(lab.views(everybody)), 15)
        check("six dialled and six accepted links at most", True)
    except Timeout:
        check("six dialled and six accepted links at most", False,
              {i: (sum(v.values()), len(v)) for i, v in
               lab.views(everybody).items()})
    hidden(lab)

    dead = [i for i in everybody if i % 10 in (2, 5, 8)]
    kill_9([lab.nodes[i] for i in dead])
    say("%d of %d are dead", len(dead), N)
    alive = [i for i in everybody if i not in dead]
    arrives("a record is with all who live, at once", lab, 1, alive)
    becomes_whole("the rest is one component again", lab, alive, 6, 20)
    arrives("a record is with all who live", lab, N, alive)
    anchors(lab, alive[-2], alive)
    arrives("a record is with all in the end", lab, alive[3], alive)

    restarts = {(i, k): p["restarts"] for i in alive
                for k, p in lab.nodes[i].processes().items() if p["restarts"]}
    check("no process died", not restarts, restarts)
    for i in alive:
        lab.nodes[i].proc.terminate()
    check("all stop cleanly", all(
        lab.nodes[i].proc.wait(15) == 0 for i in alive))
    say("the end")


def main():
    netlab.sh("ip", "link", "set", "lo", "up")
    try:
        run(Lab())
    except Timeout as e:
        check("all that was waited for came", False, e)
    finish()


main()
