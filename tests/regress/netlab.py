# SPDX-License-Identifier: ISC
"""
A small internet of network namespaces for tests: hosts, a router, NATs.

Run inside `unshare -Urn` (or as root): nothing leaves the machine.  Every
namespace is held by a process that dies with this one.  NATs are nftables on
the real kernel; what they really did is read from conntrack.
"""
import os
import re
import signal
import subprocess
import sys


def reexec_unshared():
    """Run this script again in a user and network namespace of its own."""
    if os.environ.get("NETLAB") == "1":
        return
    os.environ["NETLAB"] = "1"
    cmd = ["unshare", "-Urn", sys.executable or "/usr/bin/python3"]
    os.execvp(cmd[0], cmd + sys.argv)


def sh(*cmd, check=True):
    p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True)
    if check and p.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(cmd), p.stdout))
    return p.stdout


class Ns:
    """One network namespace."""
    count = 0

    def __init__(self, name):
        self.name = name
        self.holder = subprocess.Popen(
            ["unshare", "-n", "sleep", "900"],
            preexec_fn=lambda: __import__("ctypes").CDLL(None).prctl(
                1, signal.SIGKILL))
        self.pid = self.holder.pid
        # The holder must have left our namespace before we use its pid.
        mine = os.readlink("/proc/self/ns/net")
        while os.readlink("/proc/%d/ns/net" % self.pid) == mine:
            os.sched_yield()
        self.run("ip", "link", "set", "lo", "up")

    def wrap(self, cmd):
        return ["nsenter", "-t", str(self.pid), "-n", "--"] + list(cmd)

    def run(self, *cmd, check=True):
        return sh(*self.wrap(cmd), check=check)

    def popen(self, cmd, **kw):
        return subprocess.Popen(self.wrap(cmd), **kw)

    def nft(self, rules):
        p = subprocess.run(self.wrap(["nft", "-f", "-"]), input=rules,
                           text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
        if p.returncode != 0:
            raise RuntimeError("nft: " + p.stdout)

    def close(self):
        self.holder.kill()
        self.holder.wait()


def link(a, a_if, a_addr, b, b_if, b_addr):
    """A cable between two namespaces, addresses as "ip/len"."""
    tmp_a, tmp_b = "t%da" % Ns.count, "t%db" % Ns.count
    Ns.count += 1
    sh("ip", "link", "add", tmp_a, "type", "veth", "peer", "name", tmp_b)
    sh("ip", "link", "set", tmp_a, "netns", str(a.pid))
    sh("ip", "link", "set", tmp_b, "netns", str(b.pid))
    for ns, tmp, ifname, addr in ((a, tmp_a, a_if, a_addr),
                                  (b, tmp_b, b_if, b_addr)):
        ns.run("ip", "link", "set", tmp, "name", ifname)
        for one in addr.split(","):
            ns.run("ip", "addr", "add", one, "dev", ifname,
                   *(["nodad"] if ":" in one else []))
        ns.run("ip", "link", "set", ifname, "up")


class Internet:
    """A router in the middle; every public host is one hop from it."""

    def __init__(self):
        self.router = Ns("router")
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.nets = 0

    def attach(self, ns, ifname, addr, gw):
        """Give ns the public address addr/24 behind gateway gw."""
        rif = "r%d" % self.nets
        self.nets += 1
        link(ns, ifname, addr + "/24", self.router, rif, gw + "/24")
        ns.run("ip", "route", "add", "default", "via", gw)

    def host(self, name, addr, gw):
        ns = Ns(name)
        self.attach(ns, "wan", addr, gw)
        return ns


class Nat:
    """A home: a NAT with one host behind it at 192.168.1.2."""

    def __init__(self, net, name, outside, gw, mode):
        self.ns = Ns(name + "-nat")
        self.host = Ns(name)
        self.gw = gw
        self.mode = mode
        self.outside = outside
        net.attach(self.ns, "wan", outside, gw)
        link(self.host, "lan", "192.168.1.2/24", self.ns, "lan",
             "192.168.1.1/24")
        self.host.run("ip", "route", "add", "default", "via", "192.168.1.1")
        self.ns.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.rules()

    def rules(self):
        how = {"preserve": "", "random": " fully-random"}[self.mode]
        self.ns.nft("""
flush ruleset
table ip nat {
    chain post {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "wan" masquerade%s
    }
}
table ip filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        ct state established,related accept
        icmp type echo-request accept
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
        iifname "lan" accept
        ct state established,related accept
    }
}
""" % how)

    def flush(self):
        """Forget every mapping, as a rebooted home router does."""
        self.ns.run("conntrack", "-F", check=False)

    def renumber(self, outside):
        """A new outside address, as after a new lease."""
        self.ns.run("ip", "addr", "del", self.outside + "/24", "dev", "wan")
        self.ns.run("ip", "addr", "add", outside + "/24", "dev", "wan")
        self.ns.run("ip", "route", "replace", "default", "via", self.gw)
        self.outside = outside
        self.flush()

    def mapping(self, proto, inside_port, to):
        """Outside (ip, port) really used from inside_port toward `to`."""
        out = self.ns.run("conntrack", "-L", "-p", proto, "--dst", to,
                          check=False)
        found = []
        for line in out.splitlines():
            m = re.search(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+).*"
                          r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)",
                          line)
            if m and int(m.group(3)) == inside_port:
                found.append((m.group(6), int(m.group(8)),
                              "TIME_WAIT" in line or "CLOSE" in line))
        live = [f for f in found if not f[2]] or found
        return [(f[0], f[1]) for f in live]
