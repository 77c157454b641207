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


signal.alarm(120)
port_of_launched()
finish()
