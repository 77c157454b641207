#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
The main job on real input: two public nodes and two behind NATs of different
kinds learn their outside addresses through each other and publish them.

    P1 198.51.100.10     P2 203.0.113.10        (different networks)
            \\            /
              the router
            /            \\
    NAT a 192.0.2.2      NAT b 198.18.5.2
    keeps ports          random ports, a new one for each destination
    A 192.168.1.2        B 192.168.1.2          (the same subnet, on purpose)

A and B bootstrap from P1 only.  What the NATs really did is read from their
connection tracking.
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab

netlab.reexec_unshared()

from warren import Node, check, finish, wait_for, Timeout  # noqa: E402

CONF = """
network "main"
address-policy allow reserved
stun keepalive 20s
timeout { ping 5s, dead 12s, dial 3s }
api http on 127.0.0.1 port 0
"""
P1, P2 = "198.51.100.10", "203.0.113.10"


def mappings_of(node, proto=None):
    info = node.rpc("getnodeinfo")
    return [m for m in info["stun"]["mappings"]
            if proto in (None, m["proto"])]


def own_view(node, ids):
    """(proto, via) -> (address, port), from the node's own API."""
    return {(m["proto"], ids.get(m["via"], m["via"])):
            (m["stun_address"], m["stun_port"]) for m in mappings_of(node)}


def nat_truth(node, nat):
    """The same, as the NAT really did it."""
    truth = {}
    for m in mappings_of(node):
        for name, ip in (("p1", P1), ("p2", P2)):
            got = nat.mapping(m["proto"], m["local_port"], ip)
            # The link to 38080 is no mapping of ours: its port differs.
            if got:
                truth[(m["proto"], name)] = set(got)
    return truth


def agrees(node, nat, ids):
    want = {("udp", "p1"), ("udp", "p2"), ("tcp", "p1"), ("tcp", "p2")}
    mine, truth = own_view(node, ids), nat_truth(node, nat)
    if not want <= set(mine):
        return False
    return all(mine[k] in truth.get(k, ()) for k in want) and mine


def published(viewer, node_id):
    """(proto, via8) -> address, in another node's getpeerinfo."""
    for p in viewer.rpc("getpeerinfo"):
        if p["nodeId"] == node_id:
            return {(m["proto"], m["via"]): (m["stun_address"],
                                             m["stun_port"])
                    for m in p["stun"]["mappings"]}
    return {}


def is_published(viewer, node, mine, ids):
    want = {(proto, k[:16]): v for (proto, name), v in mine.items()
            for k, n in ids.items() if n == name}
    return published(viewer, node) == want


def main():
    net = netlab.Internet()
    p1 = net.host("p1", P1, "198.51.100.1")
    p2 = net.host("p2", P2, "203.0.113.1")
    na = netlab.Nat(net, "a", "192.0.2.2", "192.0.2.1", "preserve")
    nb = netlab.Nat(net, "b", "198.18.5.2", "198.18.5.1", "random")
    boot = "bootstrap %s port 38080\n" % P1
    nodes = {
        "p1": Node("p1", CONF, ns=p1), "p2": Node("p2", CONF + boot, ns=p2),
        "a": Node("a", CONF + boot, ns=na.host),
        "b": Node("b", CONF + boot, ns=nb.host),
    }
    began = time.monotonic()
    for n in nodes.values():
        n.start(wait=False)
    for n in nodes.values():
        n.wait_ready()
    ids = {n.node_id(): name for name, n in nodes.items()}
    by_name = {name: i for i, name in ids.items()}
    a, b = nodes["a"], nodes["b"]

    def all_known():
        for name, n in nodes.items():
            seen = {p["nodeId"] for p in n.rpc("getpeerinfo")
                    if p["seq"] is not None}
            if seen != set(ids) - {by_name[name]}:
                return False
        return True

    def step(what, fn, timeout):
        try:
            got = wait_for(what, fn, timeout)
            check("%s (%.1f s)" % (what, time.monotonic() - began), True)
            return got
        except Timeout as e:
            check(what, False, e)
            return None

    # Until a node is admitted only its neighbours know of it, and how long a
    # stamp of 22 bits takes is a matter of luck.
    step("all four are admitted", lambda: all(
        n.ctl("show", "db")["data"]["admitted"] for n in nodes.values()), 60)
    began = time.monotonic()
    step("all four know each other", all_known, 15)
    left = max(1, 15 - (time.monotonic() - began))
    ma = step("A holds four mappings that equal its NAT's",
              lambda: agrees(a, na, ids), left)
    mb = step("B holds four mappings that equal its NAT's",
              lambda: agrees(b, nb, ids), left)

    def shows(viewer, name, nat):
        def fn():   # what it has by now: a mapping may have changed since
            mine = agrees(nodes[name], nat, ids)
            return mine and is_published(viewer, by_name[name], mine, ids)
        return fn

    if ma and mb:
        step("B's getpeerinfo shows A's mappings", shows(b, "a", na),
             left + 3)
        step("A's getpeerinfo shows B's mappings", shows(a, "b", nb),
             left + 3)

    def nat_class(n, proto, mapping, ports):
        def fn():
            return [x for x in n.rpc("getnodeinfo")["stun"]["nats"]
                    if x["proto"] == proto and x["family"] in (4, "ipv4") and
                    x["mapping"] == mapping and x["ports"] == ports]
        return fn

    for proto in ("udp", "tcp"):
        step("A's %s NAT is independent, ports preserved" % proto,
             nat_class(a, proto, "independent", "preserved"), 15)
        step("B's %s NAT is dependent, ports random" % proto,
             nat_class(b, proto, "dependent", "random"), 15)
    mapping = {}
    for name in ("p1", "p2"):
        mapping[name] = [x["mapping"] for x in
                         nodes[name].rpc("getnodeinfo")["stun"]["nats"]]
    check("public nodes see no NAT or cannot tell yet",
          all(m in ("none", None) for ms in mapping.values() for m in ms),
          mapping)

    before = nat_truth(b, nb)
    changed = time.monotonic()
    nb.flush()

    def after_flush():
        mine = agrees(b, nb, ids)
        return (mine and mine != mb and
                all(is_published(n, by_name["b"], mine, ids)
                    for name, n in nodes.items() if name != "b"))
    try:
        wait_for("B's new mappings everywhere", after_flush, 30, 0.2)
        check("B's NAT flushed: published everywhere after %.1f s" %
              (time.monotonic() - changed), True)
    except Timeout as e:
        check("B's NAT flushed: published everywhere in 30 s", False,
              "%s before %s" % (e, before))
    changed = time.monotonic()
    na.renumber("192.0.2.77")

    def after_renumber():
        mine = agrees(a, na, ids)
        return (mine and {v[0] for v in mine.values()} == {"192.0.2.77"} and
                all(is_published(n, by_name["a"], mine, ids)
                    for name, n in nodes.items() if name != "a"))
    try:
        wait_for("A's new address everywhere", after_renumber, 30, 0.2)
        check("A's NAT renumbered: published everywhere after %.1f s" %
              (time.monotonic() - changed), True)
    except Timeout as e:
        check("A's NAT renumbered: published everywhere in 30 s", False, e)
    restarts = {n.name: {k: p["restarts"] for k, p in n.processes().items()
                         if p["restarts"]} for n in nodes.values()}
    check("no process restarted", not any(restarts.values()), restarts)
    for n in nodes.values():
        check("%s stops cleanly" % n.name, n.stop() == 0)
    finish()


main()
