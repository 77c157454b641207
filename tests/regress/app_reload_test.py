#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
What a reload means to apps that are connected: their entry gets another port
or another version, or is gone.
"""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import apipe  # noqa: E402
from warren import Node, check, finish, wait_for, SRC  # noqa: E402

CHILD = os.path.join(SRC, "tests", "regress", "app_child.py")
USER = '\tuser "nobody"\n' if os.geteuid() == 0 else ""

BASE = """
listen peer on 127.0.0.1 port 0
stun listen on 127.0.0.1 port 0
api http on 127.0.0.1 port 0 { workers 1 }
supervise restarts 1000 per 1m
"""


def entry(name, *options):
    return 'app "%s" {\n\tcommand "/usr/bin/python3"\n%s%s}\n' % (
        name, "".join("\t%s\n" % o for o in options), USER)


def launched(name, what, *options):
    return entry(name, 'version "1.0"', 'arguments "%s" "%s" "%s"' % (
        CHILD, name, what), "autostart yes", *options)


def connected(node):
    """Those that said Init, by name."""
    return {c["name"]: c for c in
            node.ctl("show", "apps")["data"]["connected"] if c["ready"]}


def reload(node, conf):
    node.write_conf(BASE + conf)
    rc, out, err = node.ctl("reload", raw=True)
    if rc != 0:
        raise OSError(out + err)


def appd_lives(node, what):
    check("%s: appd lives" % what, node.processes()["appd"]["restarts"] == 0,
          node.tail())


def port_of_launched():
    """A launched app whose port changes holds the new one soon after."""
    node = Node("launched", BASE + launched("server", "serve", "port 10"))
    node.start()
    old = wait_for("server", lambda: connected(node)["server"])
    check("it holds its port", old["port"] == 10)
    reload(node, launched("server", "serve", "port 20"))
    new = wait_for("server anew", lambda: connected(node)["server"]["pid"] !=
                   old["pid"] and connected(node)["server"])
    check("started anew with another port", new["port"] == 20)
    appd_lives(node, "a launched app's port")
    check("stops cleanly", node.stop() == 0)


def swapped():
    """Two exchange their ports, a third has the port of one that leaves; and
    whoever hears that its port is bound would stay down."""
    def conf(a, b, *more):
        return launched("a", "deaf", "port %d" % a, "restart never",
                        "stop 3s") + \
            launched("b", "serve", "port %d" % b, "restart never") + \
            "".join(more)

    def ports(node):
        return {n: c["port"] for n, c in connected(node).items()}
    node = Node("swapped", BASE + conf(10, 20))
    node.start()
    wait_for("both", lambda: ports(node) == {"a": 10, "b": 20})
    reload(node, conf(20, 10))
    check("exchanged", wait_for(
        "both anew", lambda: ports(node) == {"a": 20, "b": 10}))
    reload(node, launched("c", "serve", "port 20", "restart never"))
    said = node.ctl("app", "start", "c", raw=True)
    check("who starts it meanwhile hears what it waits for",
          said[0] == 0 and "starts when port 20 is free" in said[1], said)
    check("handed on", wait_for(
        "the third", lambda: ports(node) == {"c": 20}))
    with open(node.log_path) as f:
        check("none was refused its port", "already bound" not in f.read())
    appd_lives(node, "swapped ports")
    check("stops cleanly", node.stop() == 0)


def dead(p):
    """The node has closed our pipes."""
    try:
        while True:
            p.recv(3)
    except apipe.Closed:
        return True
    except TimeoutError:
        return False


def come(node, name, version="1.0"):
    p = apipe.knock(os.path.join(node.dir, "apps.sock"))
    if isinstance(p, str):
        raise OSError(p)
    if p.init(name, version)[0] != apipe.SUCCESS:
        raise OSError("init %s %s" % (name, version))
    return p


def hand(name, port, version="1.0", user=None, more=""):
    return 'app "%s" {\n\tversion "%s"\n\tcommand "/bin/false"\n' \
        '\tport %d\n%s%s}\n' % (
            name, version, port,
            USER if user is None else '\tuser "%s"\n' % user, more)


# What becomes of app "a" with port 10, and of its slot.
CHANGES = [
    ("another version", hand("a", 10, "2.0")),
    ("another port", hand("a", 20)),
    ("by-hand withdrawn", hand("a", 10, more="\tby-hand no\n")),
    ("its slot another's", hand("c", 20)),
]
if USER:
    CHANGES.append(("another user", hand("a", 10, user="daemon")))


def by_hand():
    """What came by hand goes when its entry changes, others stay."""
    other = hand("b", 30)
    node = Node("hand", BASE + hand("a", 10) + other)
    node.start()
    b = come(node, "b")
    for what, conf in CHANGES:
        p = come(node, "a")
        reload(node, conf + other)
        check("%s: disconnected" % what, dead(p))
        names = sorted(connected(node))
        check("%s: the other stays" % what, names == ["b"], names)
        p.close()
        reload(node, hand("a", 10) + other)
    p = come(node, "a")
    reload(node, hand("a", 10, more="\tstop 3s\n") + other)
    check("what it was not let in by may change", p.silent() is None and
          sorted(connected(node)) == ["a", "b"])
    p.close()
    b.close()
    wait_for("all gone", lambda: not connected(node))
    with open(node.log_path) as f:
        check("the log says why",
              "app a pid %d: its configuration changed; disconnected" %
              os.getpid() in f.read())
    appd_lives(node, "by hand")
    check("stops cleanly", node.stop() == 0)


signal.alarm(120)
port_of_launched()
swapped()
by_hand()
finish()
