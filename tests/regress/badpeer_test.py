#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Hostile peers against the database: each links to a node with a key and an
address of its own and does one thing that no honest node does.  Nothing of it
is stored, no process dies, the node goes on agreeing with an honest neighbour
and never bans it.
"""
import os
import select
import socket
import sys
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "interop"))
import link_client  # noqa: E402
from dbctl import (Author, Ctl, Network, MEMBER, META, RATING,  # noqa: E402
                   NEW)
from warren import Node, check, finish, wait_for, tmpdir, Timeout  # noqa: E402

GOSSIP, ROOT, RANGE, RECS, SINCE, FETCH, GETMAN, GET = 1, 16, 17, 20, 22, 24, \
    32, 34
ITEMS, FETCHED = 18, 25
JOIN, NEIGHBOR, DISCONNECT, SWAP = 6, 7, 8, 9
FLOOD = 450  # of 140 bytes each, and 65536 may be sent without a grant
LANE_SYNC, LANE_BULK = 2, 3
CONF = """
listen peer on 127.0.4.%d port 38080
stun listen on 127.0.4.%d port 0
api http on 127.0.4.%d port 0 { workers 1 }
limit { max-per-prefix 1000, handshakes 1000/s }
supervise restarts 100000 per 1m
"""


class Hostile(link_client.Peer):
    count = 10

    def __init__(self, net):
        Hostile.count += 1
        self.at = "127.0.4.%d" % Hostile.count
        real = socket.create_connection
        socket.create_connection = lambda a, timeout: real(
            a, timeout=timeout, source_address=(self.at, 0))
        try:
            super().__init__("127.0.4.2", 38080, net.netid)
        finally:
            socket.create_connection = real
        self.shake()

    def is_cut(self, seconds=3):
        """Read until the node hangs up."""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                self.sock.settimeout(max(0.05, end - time.monotonic()))
                self.receive()
        except socket.timeout:
            return False
        except (OSError, EOFError, ValueError, AssertionError):
            return True
        return False

    def gossip(self, *raws, hops=0):
        self.send(1, [GOSSIP, hops, list(raws)])


class Stage:
    def __init__(self):
        self.net = Network(os.path.join(tmpdir(), "lab.charter"))
        self.v = Node("victim", self.net.conf + CONF % (2, 2, 2) +
                      "metrics on 127.0.4.2 port 38085\n")
        self.h = Node("honest", self.net.conf + CONF % (3, 3, 3) +
                      "bootstrap 127.0.4.2 port 38080 static retry 1s\n")
        self.v.start()
        self.h.start()
        self.cv, self.ch = Ctl(self.v.sock), Ctl(self.h.sock)
        self.author = Author(self.net)
        self.cv.put([self.author.admission()[0]])
        wait_for("linked and agreed", self.agree, 20)
        wait_for("admitted", lambda: self.ch.db()["kinds"].get(1, (0,))[0] ==
                 3, 20)

    def agree(self):
        a, b = self.cv.db(), self.ch.db()
        return a["tick"] == b["tick"] and a["root"] == b["root"] and a

    def stands(self, name):
        """The node is whole, agrees with the honest one, and takes writes."""
        raw, key, _, _ = self.author.record(META, os.urandom(32))
        good = self.ch.put([raw]) == [NEW]
        try:
            # By gossip at once; by a sync, some ticks later, where those
            # who shout have crowded the honest one out of the view.
            wait_for("the honest record arrives",
                     lambda: self.cv.get(key) is not None, 25)
            wait_for("agreement", self.agree, 15)
        except Timeout as e:
            good = False
            print("#", e)
        died = {n: p["restarts"] for n, p in self.v.processes().items()
                if p["restarts"]}
        bans = self.v.ctl("show", "bans")["data"]
        honest = self.h.node_id()
        check("%s: the node stands, agrees and bans no honest peer" % name,
              good and not died and honest not in str(bans), (died, bans))


def node_at(node_id, host):
    return [node_id, 4, bytes([127, 0, 9, host]), 1]


def count(p, seconds, *types):
    """Messages of these types that come within the time."""
    end, n = time.monotonic() + seconds, 0
    try:
        while time.monotonic() < end:
            p.sock.settimeout(max(0.05, end - time.monotonic()))
            n += sum(m[0] in types for _, m in p.receive())
    except (OSError, EOFError):
        pass
    return n


def dialled():
    """Connections that the victim asked for, ever."""
    with urllib.request.urlopen("http://127.0.4.2:38085/metrics") as r:
        for line in r.read().decode().splitlines():
            if line.startswith("warren_dials_total"):
                return int(line.split()[-1])
    raise KeyError("dials")


def refused(stage, keys):
    return all(stage.cv.get(k) is None for k in keys)


def case_malformed(s):
    p = Hostile(s.net)
    p.gossip(b"\x92\xc4\x01\x00\xc4\x01\x00")
    check("malformed: the link ends", p.is_cut())


def case_signature(s):
    p = Hostile(s.net)
    raw, key, _, _ = s.author.record(META, os.urandom(32))
    p.gossip(raw[:-1] + bytes([raw[-1] ^ 1]))
    check("bad signature: the link ends", p.is_cut())
    check("bad signature: not stored", refused(s, [key]))


def case_oversized(s):
    p = Hostile(s.net)
    raw, key, _, _ = s.author.record(META, os.urandom(32),
                                     payload=bytes(9000))
    try:
        p.gossip(raw)
        cut = p.is_cut()
    except OSError:
        cut = True
    check("oversized: the link ends", cut)
    check("oversized: not stored", refused(s, [key]))


def case_future(s):
    p = Hostile(s.net)
    other = Author(s.net)
    s.cv.put([other.admission()[0]])
    keys = []
    for _ in range(100):
        raw, key, _, _ = other.record(
            META, os.urandom(32), hlc=int((time.time() + 300) * 1000) << 16)
        keys.append(key)
        p.gossip(raw)
    check("future: the link stays", not p.is_cut(1))
    check("future: not stored", refused(s, keys))
    p.sock.close()


def case_not_admitted(s):
    p = Hostile(s.net)
    keys = []
    for _ in range(10):
        stranger = Author(s.net)
        raws = []
        for _ in range(60):
            raw, key, _, _ = stranger.record(RATING, os.urandom(32), w=100)
            raws.append(raw)
            keys.append(key)
        p.gossip(*raws)
    check("not admitted: the link stays", not p.is_cut(1))
    check("not admitted: not shown", refused(s, keys))
    wait_for("forgotten", lambda: s.cv.db()["pending"] < 50, 10)
    check("not admitted: forgotten after a tick", True)
    p.sock.close()


def case_charter(s):
    p = Hostile(s.net)
    keys = []
    try:
        for _ in range(8):
            raw, key, _, _ = s.author.record(RATING, os.urandom(32), w=1000)
            keys.append(key)
            p.gossip(raw)
        cut = p.is_cut()
    except OSError:
        cut = True
    check("against the charter, again and again: the link ends", cut)
    check("against the charter: not stored", refused(s, keys))


def case_stamp(s):
    p = Hostile(s.net)
    cheat = Author(s.net)
    raw, key, _, _ = cheat.record(MEMBER, cheat.pk, payload=b"\xff" * 8)
    p.gossip(raw)
    time.sleep(0.3)
    check("a stamp without work: not stored", refused(s, [key]))
    p.sock.close()


def root(tick, value, cnt=0):
    return [ROOT, tick, value, cnt, 0, int(time.time() * 1000), 1, bytes(16)]


def case_lying_root(s):
    p = Hostile(s.net)
    # Ever another root, and the claim to have a hundred million records.
    for _ in range(6):
        db = s.cv.db()
        p.send(LANE_SYNC, root(db["tick"], os.urandom(32), 10**8))
        p.is_cut(1.1)
    p.sock.close()


def case_future_root(s):
    p = Hostile(s.net)
    p.send(LANE_SYNC, root(2**63, os.urandom(32), 2**63))
    p.is_cut(0.5)
    p.sock.close()


class Talker(Hostile):
    """One that goes on talking beside the test: act(message or None)."""
    def __init__(self, net, act):
        super().__init__(net)
        self.act, self.over = act, threading.Event()
        self.met = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while not self.over.is_set():
                if select.select([self.sock], [], [], 1)[0]:
                    self.sock.settimeout(5)
                    for _, m in self.receive():
                        self.act(self, m)
                else:
                    self.act(self, None)
        except (OSError, EOFError):
            pass

    def stop(self):
        self.over.set()
        self.thread.join()
        self.sock.close()


def is_compared_with(s, seconds):
    """A neighbour whose root differs: does the victim begin a session?"""
    p = Hostile(s.net)
    end = time.monotonic() + seconds
    met = 0
    while not met and time.monotonic() < end:
        db = s.cv.db()
        p.send(LANE_SYNC, root(db["tick"], os.urandom(32), db["cnt"]))
        met = count(p, 1.1, RANGE, ITEMS)
    p.sock.close()
    return met > 0


def case_lying_helper(s):
    """It has everything, it says, and whatever is asked of it goes on."""
    def act(p, m):
        if m is None:
            p.send(LANE_SYNC, [FETCHED, 0, 1, os.urandom(32)])
        elif m[0] == FETCH:
            p.met.set()
            after = m[3][:1] + time.time_ns().to_bytes(31, "big")
            p.send(LANE_SYNC, [FETCHED, m[1], 1, after])

    p = Talker(s.net, act)
    p.send(LANE_SYNC, root(s.cv.db()["tick"] + 1, os.urandom(32), 2**60))
    check("a huge count: it is asked for everything", p.met.wait(5))
    check("a huge count: others are compared with", is_compared_with(s, 25))
    s.stands("while it goes on")
    p.stop()


def case_held_session(s):
    """Asked for a session, it sends one record for ever."""
    raw = s.author.record(META, os.urandom(32))[0]

    def act(p, m):
        if m is not None and m[0] in (RANGE, ITEMS):
            p.met.set()
        elif m is None:
            p.send(LANE_SYNC, [RECS, 7, [raw]])

    p = Talker(s.net, act)
    p.send(LANE_SYNC, root(s.cv.db()["tick"], os.urandom(32),
                           s.cv.db()["cnt"]))
    check("a dripping session: it begins", p.met.wait(25))
    check("a dripping session: others are compared with",
          is_compared_with(s, 25))
    s.stands("while it drips")
    p.stop()


def case_garbage_sync(s):
    p = Hostile(s.net)
    p.send(LANE_SYNC, [RANGE, 1])
    check("a RANGE of nothing: the link ends", p.is_cut())


def case_wrong_lane(s):
    p = Hostile(s.net)
    p.send(LANE_BULK, root(1, bytes(32)))
    check("ROOT on the bulk lane: the link ends", p.is_cut())


def case_fetch_flood(s):
    p = Hostile(s.net)
    try:
        for i in range(400):
            p.send(LANE_SYNC, [FETCH, i, 0, bytes(32), b""])
            p.send(LANE_SYNC, [SINCE, i, bytes(16), 0])
    except OSError:
        pass
    check("400 FETCHes at once: the store answers others",
          s.cv.db()["tick"] > 0)
    p.sock.close()


def case_slow_reader(s):
    ps = [Hostile(s.net) for _ in range(8)]
    for p in ps:
        try:
            for i in range(16):
                p.send(LANE_SYNC, [FETCH, i, 0, bytes(32), b""])
                p.send(LANE_BULK, [GETMAN, os.urandom(32)])
                p.send(LANE_BULK, [GET, os.urandom(32), 0, 16])
        except OSError:
            pass
    s.stands("eight that ask and never read")
    for p in ps:
        p.sock.close()


def case_credit(s):
    p = Hostile(s.net)
    raws = [s.author.record(META, os.urandom(32), payload=bytes(1000))[0]
            for _ in range(40)]
    try:
        for _ in range(400):  # and never a look at what was granted
            p.gossip(*raws)
        p.is_cut()
    except OSError:
        pass
    p.sock.close()


def case_unasked(s):
    """Valid records that nobody wanted are taken: they are records."""
    p = Hostile(s.net)
    raw, key, _, _ = s.author.record(META, os.urandom(32))
    p.send(LANE_SYNC, [RECS, 7, [raw]])
    wait_for("taken", lambda: s.cv.get(key) is not None, 5)
    check("unasked RECS of valid records are taken", True)
    p.sock.close()


def limit(s, name):
    rows = s.v.ctl("show", "limits")["data"]
    return [r for r in rows if r["name"] == name][0]


def limited(s):
    return limit(s, "requests of a link at once")["refused"]


def case_overlay_lie(s):
    """A newcomer that gives another id than its own."""
    p = Hostile(s.net)
    p.send(0, [JOIN, 6, node_at(os.urandom(32), 9)])
    check("JOIN for somebody else: the link ends", p.is_cut())
    p = Hostile(s.net)
    p.send(0, [SWAP, node_at(os.urandom(32), 9)])
    check("SWAP for somebody else: the link ends", p.is_cut())


def case_overlay_flood(s):
    """
    Requests above a link's budget are lost, counted, and not answered.  They
    fit into the window of their lane: whether more is granted in time is not
    ours to say.
    """
    before, dials = limited(s), dialled()
    p = Hostile(s.net)
    own = bytes(p.key.verify_key)
    try:
        for i in range(FLOOD):
            p.send(0, [NEIGHBOR, i % 2], [JOIN, 6, node_at(own, 9)],
                   [JOIN, 6, node_at(os.urandom(32), 10 + i % 200)],
                   [SWAP, node_at(os.urandom(32), 10 + i % 200)])
    except OSError:
        pass
    answers = count(p, 1.5, NEIGHBOR, DISCONNECT, JOIN, SWAP)
    check("%d requests on a link: at most 40 answers" % (4 * FLOOD),
          answers <= 40, answers)
    check("and the rest is counted", limited(s) >= before + 4 * FLOOD - 100,
          limited(s) - before)
    n = dialled() - dials
    check("and of %d addresses few are dialled" % (2 * FLOOD), 0 < n <= 60,
          n)
    p.sock.close()


def case_overlay_crowd(s):
    """Forty that all have too few links, they say."""
    ps = [Hostile(s.net) for _ in range(40)]
    for _ in range(10):
        for p in ps:
            p.send(0, [NEIGHBOR, 1])
    time.sleep(0.5)
    used = limit(s, "gossip links, accepted")["used"] + \
        limit(s, "gossip links, dialled")["used"]
    check("forty that ask for a place: a view of 16 at most", used <= 16,
          used)
    for p in ps:
        p.sock.close()


def case_overlay_disconnect(s):
    """DISCONNECT of every kind, over and over, from inside and outside."""
    p = Hostile(s.net)
    for i in range(300):
        p.send(0, [NEIGHBOR, 0], [DISCONNECT, i % 8], [NEIGHBOR, 2])
    check("DISCONNECT 300 times: the link is theirs to close",
          not p.is_cut(0.5))
    p.sock.close()


def main():
    s = Stage()
    for name, fn in sorted(globals().items()):
        if name.startswith("case_"):
            fn(s)
            s.stands(name[5:].replace("_", " "))
    rss = 0
    with open("/proc/%d/status" % s.v.processes()["store"]["pid"]) as f:
        for line in f:
            if line.startswith("VmRSS:"):
                rss = int(line.split()[1])
    check("the store is small after it all (%d kB)" % rss, rss < 65536)
    check("victim stops cleanly", s.v.stop() == 0)
    check("honest stops cleanly", s.h.stop() == 0)
    finish()


main()
