#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Apps of one node that are in each other's way, with real processes: one that
dies while it is not read, and one that wants all there is.
"""
import base64
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import apipe  # noqa: E402
from apipe import CREATE, SEND  # noqa: E402
from warren import Node, check, finish, wait_for  # noqa: E402

USER = 'user "nobody"' if os.geteuid() == 0 else ""

BASE = """
listen peer on 127.0.0.1 port 0
stun listen on 127.0.0.1 port 0
api http on 127.0.0.1 port 0 { workers 1 }
apps { confirm 1s }
"""


def hand(name, port=0):
    """An app of whoever runs this test."""
    return 'app "%s" {\n\tversion "1.0"\n\tcommand "/bin/false"\n%s%s}\n' % (
        name, "\tport %d\n" % port if port else "",
        "\t%s\n" % USER if USER else "")


def connect(node, name):
    p = apipe.knock(os.path.join(node.dir, "apps.sock"))
    if isinstance(p, str) or p.init(name) != (apipe.SUCCESS, 0, b"null"):
        raise OSError("%s: %r" % (name, p))
    return p


def connected(node):
    return {a["name"]: a for a in node.ctl("show", "apps")["data"][
        "connected"]}


def dialler(node, pk, told):
    """
    A process that sends for ever what nobody takes, and a byte to told after
    each Send that is in its pipe; its pid.
    """
    pid = os.fork()
    if pid != 0:
        return pid
    try:
        p = connect(node, "dialler")
        p.send(CREATE, 0, {"pk": pk, "port": 10})
        port = json.loads(p.recv()[2])["port"]
        body = json.dumps({"addr": {"port": port, "remote": {
            "pk": pk, "port": 10}}, "payload": apipe.b64(b"x" * 30000)})
        for i in range(250):
            p.send(SEND, i, body)
            os.write(told, b".")
    finally:
        os._exit(0)


def dies_stalled(node, pk):
    """One that is not read any more is killed, and no byte moves."""
    s = connect(node, "server")
    tell, told = os.pipe()
    pid = dialler(node, pk, told)
    os.close(told)
    s.ok(s.recv()[1])       # the loop
    _, first, _ = s.recv()  # a Send, which waits for its answer

    def stalled():          # above 1 MiB nothing is read
        n = connected(node)["dialler"]["bytes_in"]
        time.sleep(0.2)
        return n > 1 << 20 and n == connected(node)["dialler"]["bytes_in"]
    wait_for("it is not read", stalled)
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    wait_for("it is gone", lambda: "dialler" not in connected(node), 5)
    took = time.monotonic() - began
    check("a stalled app that dies is noticed (%.2f s)" % took, took < 1)
    check("and its port is free", limit(node, "local ports")["used"] == 1)
    # What was on its way arrives all the same, and then Close.
    s.ok(first)
    got = 30000
    while True:
        t, i, body = s.recv()
        s.ok(i)
        if t == apipe.CLOSE:
            break
        got += len(base64.b64decode(json.loads(body)["payload"]))
    sent = len(os.read(tell, 1000)) * 30000
    os.close(tell)
    check("what was on its way arrives: %d of %d bytes" % (got, sent),
          got >= sent > 1 << 20)
    s.close()


def limit(node, name):
    for l in node.ctl("show", "limits")["data"]:
        if l["process"] == "appd" and l["name"] == name:
            return l
    raise KeyError(name)


# Names in metrics of the counters app_foreign, app_malformed, app_timeouts.
WRONGS = [
    'warren_app_packets_bad_total{process="appd",reason="foreign"}',
    'warren_app_packets_bad_total{process="appd",reason="malformed"}',
    'warren_app_timeouts_total{process="appd"}',
]


def counted(node, pk):
    """What an app does wrong is seen by the operator."""
    def now():
        out = node.ctl("show", "metrics", raw=True)[1]
        found = dict(l.rsplit(" ", 1) for l in out.splitlines()
                     if l[0] != "#")
        return [int(found[name]) for name in WRONGS]
    s, c = connect(node, "server"), connect(node, "dialler")
    was = now()
    s.send(SEND, 1, "no JSON")
    check("a body that is none", s.recv() == (
        apipe.FAILURE, 1, b"invalid Send payload"))
    check("is counted as malformed",
          now() == [was[0], was[1] + 1, was[2]], (was, now()))
    c.send(SEND, 2, {"addr": {"port": 10, "remote": {"pk": pk, "port": 10}},
                     "payload": "AAAA"})
    check("another's port", c.recv() == (apipe.FAILURE, 2, b"unknown loop"))
    check("is counted as foreign",
          now() == [was[0] + 1, was[1] + 1, was[2]], (was, now()))
    c.send(CREATE, 3, {"pk": pk, "port": 10})
    check("who does not confirm in time", c.recv() == (
        apipe.FAILURE, 3, b"confirm: the app does not answer"))
    check("is counted among the timeouts",
          now() == [was[0] + 1, was[1] + 1, was[2] + 1], (was, now()))
    s.close()
    c.close()


def dials_many(node):
    """200 nodes that nobody knows, and another app that wants one."""
    x, c = connect(node, "dialler"), connect(node, "server")
    for i in range(200):
        x.send(CREATE, i, {"pk": os.urandom(32).hex(), "port": 10})
    c.send(CREATE, 0, {"pk": os.urandom(32).hex(), "port": 10})
    said = c.recv(20)[2]
    check("one app's dials leave room for another's",
          said == b"route finder: no such node", said)
    got = {}
    for i in range(200):
        text = x.recv(20)[2]
        got[text] = got.get(text, 0) + 1
    full = got.get(b"transport: too many nodes are looked for", 0)
    check("it is told that these are too many: %d" % full, full > 100, got)
    row = limit(node, "nodes dialled for an app")
    check("and so is the operator", row["refused"] == full and
          row["used"] == 0 and row["max"] == 8, row)
    x.close()
    c.close()


def main():
    node = Node("one", BASE + hand("server", 10) + hand("dialler"))
    node.start()
    dies_stalled(node, node.node_id())
    wait_for("both gone", lambda: not connected(node))
    dials_many(node)
    wait_for("both gone", lambda: not connected(node))
    counted(node, node.node_id())
    check("stops cleanly", node.stop() == 0)
    finish()


signal.alarm(120)
main()
