#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
From inside every process, try what its sandbox forbids.  The build under B is
one with ATTACK=yes.  Each attempt must end in one of two ways, both reported:
the process dies of SIGSYS and the parent names the call, or the call returns
an error and the process says so.  Then the suite must be whole again.

Tried with the newest Landlock and with none (as on older kernels), as an
ordinary user, and as root with users of their own where that can be had.
"""
import os
import pwd
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "regress"))
from warren import Node, check, skip, finish, wait_for, SRC  # noqa: E402

CONF = """
listen peer on 127.0.0.1 port 0
stun listen on 127.0.0.1 port 0
api http on 127.0.0.1 port 0 { workers 1 }
supervise restarts 100000 per 1m
"""

# What the process's job allows, so that it is no attack from there.
ALLOWED = {("resolver", "socket"), ("resolver", "connect"),
           ("resolver", "open"), ("resolver", "read-key"),
           # Files are its job, but these are not its own.
           ("store", "open"), ("store", "read-key")}


def words():
    out = []
    with open(os.path.join(SRC, "common", "attack.h")) as f:
        for m in re.finditer(r'X\(ATTACK_\w+, "([\w-]+)"\)', f.read()):
            out.append(m.group(1))
    out.remove("assert")
    return out


def lines_since(node, offset):
    with open(node.log_path, errors="replace") as f:
        f.seek(offset)
        return f.read()


def outcome(node, offset, proc, word):
    text = lines_since(node, offset)
    mine = "\n".join(x for x in text.splitlines() if " %s " % proc in x)
    if "attack %s: SUCCEEDED" % word in mine:
        return "SUCCEEDED"
    if re.search(r"attack %s: denied \((.*)\)" % re.escape(word), mine):
        return "denied"
    m = re.search(r"%s pid \d+: forbidden system call (\S+)" % proc, mine)
    if m and "killed by signal 31" in mine:
        return "SIGSYS " + m.group(1)
    return None


def try_word(node, procs, word, mode):
    """All processes at once: each then has a second of life again."""
    offset = os.path.getsize(node.log_path)
    before = node.processes()
    tried = [p for p in procs if not (p == "resolver" and
                                      word in ("socket", "connect"))]
    for proc in tried:  # the resolver's job: name servers
        node.ctl("attack", proc, word, raw=True)
    died = False
    for proc in tried:
        name = "%s: %s cannot %s" % (mode, proc, word)
        how = wait_for(name, lambda: outcome(node, offset, proc, word), 10)
        died = died or how.startswith("SIGSYS")
        good = how != "SUCCEEDED"
        # These must be fatal, not merely refused.
        if (proc, word) not in ALLOWED:
            good = good and how.startswith("SIGSYS")
        check("%s (%s)" % (name, how), good)
        if how.startswith("SIGSYS"):
            wait_for("%s back" % proc,
                     lambda: node.processes()[proc]["state"] == "up" and
                     node.processes()[proc]["restarts"] >
                     before[proc]["restarts"], 10)
    if died:
        wait_for("all up for a second", lambda: all(
            node.processes()[p]["uptime_s"] >= 1 for p in procs), 10, 0.2)


def last_words(node, procs, mode):
    """A failed assertion is in the log, and only then the process dies."""
    offset = os.path.getsize(node.log_path)
    for proc in procs:
        node.ctl("attack", proc, "assert", raw=True)
    for proc in procs:
        died = re.compile(r"%s pid \d+: killed by signal (\d+)" % proc)
        sig = wait_for("%s dead" % proc, lambda: died.search(
            lines_since(node, offset)), 10).group(1)
        check("%s: %s says what broke, and aborts (signal %s)" %
              (mode, proc, sig), sig == "6" and
              " %s error: assertion failed: what != ATTACK_ASSERT, " % proc in
              lines_since(node, offset))


def run(mode, conf, env=None, as_user=None):
    if env:
        os.environ.update(env)
    node = Node("n-" + mode.replace(" ", "-"), CONF + conf, as_user=as_user)
    node.start()
    procs = node.processes()
    for proc in ("resolver", "stund", "peerd", "store", "apid 0", "appd"):
        check("%s: %s says what is in force: %s, uid %s" %
              (mode, proc, procs[proc]["sandbox"], procs[proc]["uid"]),
              "seccomp" in procs[proc]["sandbox"])
    want = "reduced" if os.environ.get("WARREN_LANDLOCK_MAX") == "0" else \
        "full"
    check("%s: getnodeinfo says the sandbox is %s" % (mode, want),
          node.rpc("getnodeinfo")["sandbox"] == want)
    for word in words():
        try_word(node, ("resolver", "stund", "peerd", "store", "apid 0", "appd"), word, mode)
    last_words(node, ("resolver", "stund", "peerd", "store", "apid 0", "appd"), mode)
    wait_for("all up", lambda: all(p["state"] == "up" for p in
                                   node.processes().values()), 10)
    check("%s: stops cleanly" % mode, node.stop() == 0)
    return procs


def have_users():
    try:
        for u in ("_warren_stun", "_warren_peer", "_warren_store", "_warren_api",
                  "_warren_app",
                  "_warren_res"):
            pwd.getpwnam(u)
        return True
    except KeyError:
        return False


def main():
    root = os.geteuid() == 0
    nobody = 65534
    who = nobody if root else None
    run("ordinary user", "", as_user=who)
    for abi in ("0", "2"):
        os.environ["WARREN_LANDLOCK_MAX"] = abi
        run("landlock abi %s" % abi, "", as_user=who)
        del os.environ["WARREN_LANDLOCK_MAX"]
    if not root:
        skip("root", "not root: chroot and users cannot be shown")
        finish()
    if not have_users():
        subprocess.run(["sh", os.path.join(SRC, "mk", "users.sh")], check=True)
    procs = run("root", "privdrop required\n")
    for proc in ("resolver", "stund", "peerd", "store", "apid 0", "appd"):
        check("root: %s runs as %s in a chroot" % (proc, procs[proc]["user"]),
              procs[proc]["user"].startswith("_warren_") and
              procs[proc]["uid"] == "dropped" and
              "chroot" in procs[proc]["sandbox"])
    finish()


signal.alarm(600)
main()
