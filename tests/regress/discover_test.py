#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
How nodes find each other, with real nodes in a network namespace: DNS seeds
and names, LAN multicast, IPv6, a second address when the first is dead, the
address book, and what outlives a restart: peers added, bans, pins.

    127.0.0.2 hub  <-- everybody else, 127.0.0.x and fd00::x of one lo
    h1 192.168.7.1 ===== 192.168.7.2 h2         (multicast, a cable)
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab

netlab.reexec_unshared()

from warren import Node, check, finish, tmpdir, wait_for, Timeout  # noqa: E402

DNS_PORT = 5300
HUB, HUB6 = "127.0.0.2", "fd00::2"
TIMES = "timeout { retry 200ms, dial 2s, save 100ms, ping 2s, dead 6s }\n"
DNS = "dns server 127.0.0.1 port %d\n" % DNS_PORT
DEAD = "127.0.0.99"  # nobody listens there


def conf(ips, *lines):
    out = TIMES + DNS + "api http on 127.0.0.1 port 0\n"
    for ip in ips if isinstance(ips, (list, tuple)) else [ips]:
        out += "listen peer on %s port 38080\n" % ip
        out += "stun listen on %s port 3478\n" % ip
    return out + "".join(l + "\n" for l in lines)


def peers(node, node_id):
    return [p for p in node.ctl("show", "peers", "up")["data"]
            if p["nodeId"] == node_id]


def links(what, node, node_id, timeout=15):
    try:
        wait_for(what, lambda: peers(node, node_id), timeout)
        return check(what, True)
    except Timeout:
        return check(what, False, node.tail(12))


def forget(node, *names):
    """Of a stopped node, what it kept on disk; all of it without names."""
    where = os.path.join(node.dir, "state", "state")
    for f in os.listdir(where):
        if not names or f in names:
            os.unlink(os.path.join(where, f))


def kept(node, name):
    path = os.path.join(node.dir, "state", "state", name)
    return os.path.exists(path) and os.path.getsize(path)


def kill_9(node):
    pids = [p["pid"] for p in node.processes().values() if p["pid"]]
    node.proc.kill()
    node.proc.wait()
    wait_for("children gone", lambda: not [
        p for p in pids if os.path.exists("/proc/%d" % p)], 5)


def start_dns():
    """Serve the zone "test"; the server dies with us."""
    p = subprocess.Popen(
        ["dnsmasq", "--no-daemon", "--conf-file=/dev/null",
         "--user=root", "--pid-file=", "--no-resolv",
         "--no-hosts", "--no-negcache", "--local=/test/", "--bind-interfaces",
         "--listen-address=127.0.0.1", "--port=%d" % DNS_PORT,
         "--srv-host=_warren._tcp.seed.test,hub.test,38080",
         "--host-record=hub.test,%s,%s" % (HUB, HUB6),
         "--host-record=four.test,%s" % HUB,
         "--host-record=six.test,%s" % HUB6,
         "--host-record=plain.test,%s" % HUB,
         "--address=/two.test/%s" % DEAD, "--address=/two.test/%s" % HUB],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=open(os.path.join(tmpdir(), "dns.log"), "w"),
        preexec_fn=lambda: __import__("ctypes").CDLL(None).prctl(1, 9))

    def up():
        with open("/proc/net/udp") as f:
            return ":%04X " % DNS_PORT in f.read()
    wait_for("dnsmasq", lambda: p.poll() is not None or up(), 5)
    if p.poll() is not None:
        raise RuntimeError(open(os.path.join(tmpdir(), "dns.log")).read())
    return p


def newcomer(what, name, hub_id, ips, *lines):
    """A node that must link to the hub; stopped again."""
    n = Node(name, conf(ips, *lines)).start()
    links(what, n, hub_id)
    check("%s: stops cleanly" % name, n.stop() == 0, n.tail())
    return n


def test_dns(hub_id):
    private = "address-policy allow private"
    newcomer("DNS seed: SRV", "srv", hub_id, "127.0.0.3",
             'dns seed "seed.test"')
    newcomer("DNS seed: SRV that points to an AAAA", "srv6", hub_id,
             "fd00::3", private, 'dns seed "seed.test"')
    newcomer("DNS seed: no SRV, an A", "a", hub_id, "127.0.0.3",
             'dns seed "four.test" port 38080')
    newcomer("DNS seed: no SRV, an AAAA", "aaaa", hub_id, "fd00::3", private,
             'dns seed "six.test"')
    newcomer("bootstrap by name", "name", hub_id, "127.0.0.3",
             "bootstrap plain.test port 38080")
    newcomer("bootstrap by a name with an AAAA", "name6", hub_id, "fd00::3",
             private, "bootstrap six.test")
    n = Node("nx", conf("127.0.0.3", "bootstrap nowhere.test retry 200ms",
                        'dns seed "nowhere.test"')).start()
    wait_for("a name that is not there", lambda: n.tail(200).count(
        "nowhere.test:38080: ") >= 4, 15)
    check("a name that is not there: asked again, said in the log",
          n.stop() == 0)


class SlowResolver(Node):
    """Its resolver starts when somebody writes to the /etc/hosts it has."""
    hosts = None

    def wrap(self, cmd):
        if "warrend" not in cmd[0]:
            return super().wrap(cmd)
        self.hosts = os.path.join(self.dir, "hosts")
        os.mkfifo(self.hosts)
        return ["unshare", "-m", "sh", "-c",
                'mount --bind "$0" /etc/hosts && exec "$@"', self.hosts] + cmd


def test_slow_resolver(hub_id):
    """A node that needs a name asks for it before its resolver is ready."""
    n = SlowResolver("slow", conf("127.0.0.3",
                                  "bootstrap plain.test port 38080"))
    n.start(wait=False)
    wait_for("all but the resolver are up", lambda: [
        k for k, p in n.processes().items() if p["state"] != "up"] ==
        ["resolver"])
    with open(n.hosts, "w"):
        pass
    n.wait_ready()
    links("bootstrap by name: asked before there was a resolver", n, hub_id)
    check("slow: it was told to wait, not to come again",
          "not linked" not in n.tail(200), n.tail())
    check("slow: stops cleanly", n.stop() == 0, n.tail())


def test_dead_first(hub_id):
    newcomer("bootstrap: the second line when the first is dead", "dead1",
             hub_id, "127.0.0.3",
             "bootstrap %s port 38080 retry 200ms max-retries 2" % DEAD,
             "bootstrap %s port 38080 retry 200ms max-retries 2" % HUB)
    newcomer("bootstrap: the second address when one is dead", "dead2",
             hub_id, "127.0.0.3",
             "bootstrap two.test port 38080 retry 200ms max-retries 2")


def test_ipv6():
    """Two nodes that speak IPv6 only, and two on ::1."""
    def pair(label, ip_a, port_a, ip_b, port_b, *more):
        def text(ip, port):
            return (TIMES + "api http on 127.0.0.1 port 0\n"
                    "listen peer on %s port %d\nstun listen on %s port %d\n" %
                    (ip, port, ip, port + 1) +
                    "".join(m + "\n" for m in more))
        a = Node("a-" + label, text(ip_a, port_a)).start()
        b = Node("b-" + label, text(ip_b, port_b) + "bootstrap %s port %d\n" %
                 (ip_a, port_a)).start()
        if links("IPv6 %s: linked" % label, b, a.node_id()):
            at = peers(b, a.node_id())[0]["addr"]
            check("IPv6 %s: over IPv6" % label, at == ip_a or
                  at == "[%s]:%d" % (ip_a, port_a), at)
        for node, ip, other in ((a, ip_a, b), (b, ip_b, a)):
            def mapped():
                # On one host the kernel may pick another source address.
                m = node.rpc("getnodeinfo")["stun"]["mappings"]
                return {x["proto"] for x in m
                        if x["via"] == other.node_id() and
                        x["stun_address"].rstrip("2345") ==
                        ip.rstrip("2345")} == {"udp", "tcp"}
            try:
                wait_for("mappings", mapped, 15)
                check("IPv6 %s: %s has UDP and TCP mappings" %
                      (label, node.name), True)
            except Timeout as e:
                check("IPv6 %s: %s has UDP and TCP mappings" %
                      (label, node.name), False,
                      (e, node.rpc("getnodeinfo")["stun"]))
        check("IPv6 %s: both stop cleanly" % label,
              b.stop() == 0 and a.stop() == 0)
    pair("fd00::", "fd00::4", 38080, "fd00::5", 38080,
         "address-policy allow private")
    pair("::1", "::1", 39000, "::1", 39010)


def test_lan():
    h1, h2 = netlab.Ns("h1"), netlab.Ns("h2")
    netlab.link(h1, "eth0", "192.168.7.1/24,fd07::1/64",
                h2, "eth0", "192.168.7.2/24,fd07::2/64")
    text = (TIMES + "address-policy allow private\n"
            "multicast on eth0 interval 1s timeout 5s\n"
            "api http on 127.0.0.1 port 0\n")
    a = Node("lan1", text, ns=h1).start()
    b = Node("lan2", text, ns=h2).start()
    links("multicast: two nodes with no peer configured", a, b.node_id())
    links("multicast: and the other way", b, a.node_id())
    check("multicast: groups are shown", len(
        [l for l in a.listeners() if l["service"] == "multicast"]) == 2,
        a.listeners())
    check("multicast: both stop cleanly", a.stop() == 0 and b.stop() == 0)
    # Both families on their own; one host with two nodes last.
    for label, group in (("IPv4", "239.255.1.2"), ("IPv6", "ff02::1:2")):
        for ns in (h1, h2):
            ns.run("ip", "addr", "flush", "dev", "eth0")
            net = "192.168.7.%d/24" if label == "IPv4" else "fd07::%d/64"
            ns.run("ip", "addr", "add", net % (1 if ns is h1 else 2), "dev",
                   "eth0", *([] if label == "IPv4" else ["nodad"]))
        text = (TIMES + "address-policy allow private\nmulticast on eth0 "
                "group %s port 38999 interval 1s\n"
                "api http on 127.0.0.1 port 0\n" % group)
        a = Node("only1-" + label, text, ns=h1).start()
        b = Node("only2-" + label, text, ns=h2).start()
        links("multicast: %s alone, a group and port of one's own" % label,
              a, b.node_id())
        check("multicast: %s: both stop cleanly" % label,
              a.stop() == 0 and b.stop() == 0)
    netlab.sh("ip", "link", "set", "lo", "multicast", "on")
    netlab.sh("ip", "route", "replace", "multicast", "239.0.0.0/8", "dev",
              "lo")
    twins = [Node("twin%d" % i, conf("127.0.0.%d" % (10 + i),
                                     "multicast on lo interval 1s")).start()
             for i in (1, 2)]
    links("multicast: two nodes of one host", twins[0], twins[1].node_id())
    check("multicast: twins stop cleanly", all(t.stop() == 0 for t in twins))


def test_book(hub):
    """What is known survives; the hub forgets, so that only n can dial."""
    hub_id = hub.node_id()
    boot = "bootstrap %s port 38080" % HUB
    n = Node("book", conf("127.0.0.6", boot)).start()
    links("address book: linked by bootstrap", n, hub_id)
    wait_for("book on disk", lambda: kept(n, "peers.book"), 5)
    for how in ("a restart", "kill -9"):
        if how == "kill -9":
            kill_9(n)
        else:
            check("address book: stops cleanly", n.stop() == 0)
        hub.stop()
        forget(hub)
        hub.start()
        n.conf = conf("127.0.0.6")
        n.start()
        links("address book: linked without bootstrap after %s" % how, n,
              hub_id)
        wait_for("book on disk", lambda: kept(n, "peers.book"), 5)
    check("address book: stops cleanly at the end", n.stop() == 0)


def test_pin(hub):
    wrong = "ab" * 32
    n = Node("pin", conf("127.0.0.7", 'peer "hub" { address %s port 38080, '
                         'public-key "%s", retry 200ms }' % (HUB, wrong)))
    n.start()
    try:
        line = wait_for("refusal in the log", lambda: [
            l for l in n.tail(200).splitlines() if HUB + ":38080" in l and
            "key" in l and " warn: " in l], 10)
        check("pinned key: the mismatch is a clear line", "hub" in line[0],
              line[0])
    except Timeout:
        check("pinned key: the mismatch is a clear line", False, n.tail(12))
    check("pinned key: no link", not n.ctl("show", "peers", "up")["data"],
          n.ctl("show", "peers", "up")["data"])
    lines = [l for l in n.tail(500).splitlines() if " warn: " in l and
             HUB in l]
    check("pinned key: not a line for each retry", len(lines) <= 2, lines)
    n.conf = n.conf.replace(wrong, hub.node_id())
    n.write_conf()
    check("pinned key: reload of the right one",
          n.ctl("reload", raw=True)[0] == 0)
    links("pinned key: then linked", n, hub.node_id())
    check("pinned key: stops cleanly", n.stop() == 0)


def test_bans(hub):
    hub_id = hub.node_id()
    n = Node("bans", conf("127.0.0.8", "bootstrap %s port 38080 "
                          "retry 200ms max-retries 0" % HUB))
    n.start()
    links("ban: linked before", n, hub_id)
    for what, words in (("key", (hub_id, "for", "1h", "reason", "a test")),
                        ("prefix", ("192.0.2.0/24",))):
        check("ban add: a %s" % what,
              n.ctl("ban", "add", *words, raw=True)[0] == 0)
    want = {hub_id, "192.0.2.0/24"}
    for how in ("a restart", "kill -9"):
        if how == "kill -9":
            n.ctl("ban", "add", "198.51.100.7", raw=True)
            want.add("198.51.100.7")
            size = kept(n, "bans")
            wait_for("ban on disk", lambda: kept(n, "bans") > size, 5)
            kill_9(n)
        else:
            check("ban: stops cleanly", n.stop() == 0)
        n.start()
        bans = n.ctl("show", "bans")["data"]
        got = {b["what"].replace("/32", "") for b in bans}
        check("ban: all there after %s" % how, got == want and
              [b["reason"] for b in bans if b["what"] == hub_id] ==
              ["a test"], bans)
        check("ban: in force after %s" % how, not peers(n, hub_id))
    check("ban: lifted", n.ctl("unban", hub_id, raw=True)[0] == 0)
    links("ban: linked once it is lifted", n, hub_id)
    size = kept(n, "bans")
    check("ban: stops cleanly at the end", n.stop() == 0)
    n.start()
    got = {b["what"].replace("/32", "") for b in
           n.ctl("show", "bans")["data"]}
    check("ban: the lifted one does not come back", got == want - {hub_id},
          got)
    n.stop()


def test_added(hub):
    hub_id = hub.node_id()
    n = Node("added", conf("127.0.0.9")).start()
    for host, key in ((HUB, None), ("hub.test", hub_id)):
        words = ["peer", "add", host, "port", "38080", "name", "thehub"]
        if key:
            words += ["key", key]
        rc, out, err = n.ctl(*words, raw=True)
        check("peer add %s" % host, rc == 0, (out, err))
        links("peer add %s: linked" % host, n, hub_id)
        wait_for("peer on disk", lambda: kept(n, "peers.added"), 5)
        for how in ("a restart", "kill -9"):
            if how == "kill -9":
                kill_9(n)
            else:
                check("added: stops cleanly", n.stop() == 0)
            # Only the added peer leads there.
            hub.stop()
            forget(hub)
            hub.start()
            forget(n, "peers.book")
            n.start()
            links("peer add %s: linked again after %s" % (host, how), n,
                  hub_id)
        rc, out, err = n.ctl("peer", "delete", "thehub", raw=True)
        check("peer delete by its name", rc == 0, (out, err))
        check("added: stops cleanly", n.stop() == 0)
        n.start()
        rc, out, err = n.ctl("peer", "delete", "thehub", raw=True)
        check("peer delete survives a restart", rc == 1, (rc, out, err))
    n.stop()


def main():
    netlab.sh("ip", "link", "set", "lo", "up")
    for i in range(2, 6):
        netlab.sh("ip", "addr", "add", "fd00::%d/128" % i, "dev", "lo",
                  "nodad")
    dns = start_dns()
    hub = Node("hub", conf([HUB, HUB6], "address-policy allow private",
                           "limit { max-per-prefix 64 }"))
    hub.start()
    test_dns(hub.node_id())
    test_slow_resolver(hub.node_id())
    test_dead_first(hub.node_id())
    test_ipv6()
    test_lan()
    test_book(hub)
    test_pin(hub)
    test_bans(hub)
    test_added(hub)
    restarts = {k: p["restarts"] for k, p in hub.processes().items()
                if p["restarts"]}
    check("the hub lost no process", not restarts, restarts)
    check("the hub stops cleanly", hub.stop() == 0)
    dns.terminate()
    dns.wait()
    finish()


main()
