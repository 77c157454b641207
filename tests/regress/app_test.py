#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Apps on one node, real processes: the reference's session over raw pipes,
launching and its policies, apps started by hand, reload, apps that attack,
appd killed.
"""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import apipe  # noqa: E402
from apipe import (CLOSE, CONFIRM, CREATE, FAILURE, INIT, SEND,  # noqa: E402
                   SUCCESS)
from warren import Node, check, finish, wait_for, SRC  # noqa: E402

CHILD = os.path.join(SRC, "tests", "regress", "app_child.py")
USER = 'user "nobody"' if os.geteuid() == 0 else ""

BASE = """
listen peer on 127.0.0.1 port 0
stun listen on 127.0.0.1 port 0
api http on 127.0.0.1 port 0 { workers 1 }
supervise restarts 1000 per 1m
"""


def app(name, what, *options):
    return 'app "%s" {\n\tversion "1.0"\n\tcommand "/usr/bin/python3"\n' \
        '\targuments "%s" "%s" %s\n%s}\n' % (
            name, CHILD, name,
            " ".join('"%s"' % w for w in what.split()),
            "".join("\t%s\n" % o for o in options + ((USER,) if USER else ())))


def hand(name, port=0):
    """An app of whoever runs this test."""
    return 'app "%s" {\n\tversion "1.0"\n\tcommand "/bin/false"\n%s%s}\n' % (
        name, "\tport %d\n" % port if port else "",
        "\t%s\n" % USER if USER else "")


def rows(node):
    return {a["name"]: a for a in node.ctl("app", "list")["data"]["apps"]}


def state(node, name):
    return rows(node)[name]["state"]


def log_has(node, text):
    with open(node.log_path, errors="replace") as f:
        return text in f.read()


def connect(node, name, want=(SUCCESS, 0, b"null")):
    p = apipe.knock(os.path.join(node.dir, "apps.sock"))
    if isinstance(p, str):
        raise OSError(p)
    got = p.init(name)
    if got != want:
        raise OSError("init %s: %r" % (name, got))
    return p


def session(node, pk):
    """seed-features.md 1.7 with a key of 64 digits."""
    s, c = connect(node, "helloworld-server"), connect(node,
                                                       "helloworld-client")
    a10 = '{"pk":"%s","port":10}' % pk
    a11 = '{"pk":"%s","port":11}' % pk
    at_s = '{"port":10,"remote":%s}' % a11
    at_c = '{"port":11,"remote":%s}' % a10
    c.send(CREATE, 0, a10)
    check("CreateLoop reaches the server as ConfirmLoop",
          s.recv() == (CONFIRM, 0, ("[%s,%s]" % (a10, a11)).encode()))
    s.ok(0)
    check("the client hears its own address",
          c.recv() == (SUCCESS, 0, a11.encode()))
    c.send(SEND, 0, '{"addr":%s,"payload":"cGluZw=="}' % at_c)
    check("ping arrives", s.recv() == (
        SEND, 0, ('{"addr":%s,"payload":"cGluZw=="}' % at_s).encode()))
    s.ok(0)
    check("the node answers the client", c.recv() == (SUCCESS, 0, b"null"))
    s.send(SEND, 0, '{"addr":%s,"payload":"cG9uZw=="}' % at_s)
    check("pong arrives", c.recv() == (
        SEND, 0, ('{"addr":%s,"payload":"cG9uZw=="}' % at_c).encode()))
    c.ok(0)
    check("the node answers the server", s.recv() == (SUCCESS, 0, b"null"))
    c.send(CLOSE, 0, at_c)
    check("Close is answered", c.recv() == (SUCCESS, 0, b"null"))
    check("the server hears Close", s.recv() == (CLOSE, 0, at_s.encode()))
    s.ok(0)
    check("nothing else is said", s.silent() is None and c.silent() is None)
    check("no loop is left", node.ctl("show", "loops")["data"] == [])
    s.close()
    c.close()


def by_hand(node, pk):
    """Who may come by the socket, and what becomes of ports."""
    wait_for("both gone", lambda: not node.ctl("show", "apps")["data"][
        "connected"])
    p = apipe.knock(os.path.join(node.dir, "apps.sock"))
    p.send(SEND, 3, "{}")
    check("Init comes first", p.recv() == (
        FAILURE, 3, b"app is not initialised"))
    check("an unknown name", p.init("nobody") == (
        FAILURE, 0, b"unexpected app"))
    check("another version", p.init("helloworld-server", "2.0") == (
        FAILURE, 0, b"unexpected app version"))
    check("another protocol", p.init("helloworld-server", "1.0", "0.0.2") == (
        FAILURE, 0, b"unsupported protocol version"))
    p.send(INIT, 0, "nonsense")
    check("no JSON", p.recv() == (FAILURE, 0, b"invalid Init payload"))
    check("the right one", p.init("helloworld-server")[0] == SUCCESS)
    q = apipe.knock(os.path.join(node.dir, "apps.sock"))
    check("a second one has no port", q.init("helloworld-server") == (
        FAILURE, 0, b"port 10 is already bound"))
    p.close()
    wait_for("the port is free", lambda: q.init("helloworld-server")[0] ==
             SUCCESS, 2)
    check("the port is free once its holder is gone", True)
    q.close()


def survives(node, name, attack):
    """attack() hurts nobody but the app that does it."""
    s, c = connect(node, "helloworld-server"), connect(node,
                                                       "helloworld-client")
    x = connect(node, "attacker")
    pk = node.node_id()
    c.send(CREATE, 0, {"pk": pk, "port": 10})
    _, i, _ = s.recv()
    s.ok(i)
    addr = json.loads(c.recv()[2])
    loop = {"port": addr["port"], "remote": {"pk": pk, "port": 10}}
    said = attack(x, pk, loop)
    data = os.urandom(1000)
    c.send(SEND, 1, {"addr": loop, "payload": apipe.b64(data)})
    t, i, body = s.recv()
    while t in (CONFIRM, CLOSE):  # of the attacker
        s.ok(i)
        t, i, body = s.recv()
    good = t == SEND and json.loads(body)["payload"] == apipe.b64(data)
    s.ok(i)
    good = good and c.recv() == (SUCCESS, 1, b"null")
    check("%s: the others go on" % name, good)
    if said is not None:
        check("%s: %s" % (name, said[0]), said[1])
    for p in (s, c, x):
        if p.rfd is not None:
            p.close()
    wait_for("all closed", lambda: not node.ctl("show", "apps")["data"][
        "connected"])


def dead(p):
    """The node has closed our pipes."""
    try:
        while True:
            p.recv(3)
    except apipe.Closed:
        return True
    except TimeoutError:
        return False


def a_send(x, pk, loop):
    x.send(SEND, 1, {"addr": loop, "payload": "AAAA"})
    return "answered unknown loop", x.recv() == (FAILURE, 1, b"unknown loop")


def a_close(x, pk, loop):
    x.send(CLOSE, 1, loop)
    x.send(CLOSE, 2, {"port": 10, "remote": {"pk": pk,
                                             "port": loop["port"]}})
    return "answered unknown loop", x.recv()[2] == b"unknown loop" and \
        x.recv()[2] == b"unknown loop"


def a_len0(x, pk, loop):
    x.raw(b"\0\0\0\0")
    return "disconnected", dead(x)


def a_len1(x, pk, loop):
    x.raw(b"\0\1\3")
    return "disconnected", dead(x)


def a_longest(x, pk, loop):
    x.send(SEND, 9, b"{" + b" " * 65530)
    return "refused", x.recv() == (FAILURE, 9, b"invalid Send payload")


def a_noaddr(x, pk, loop):
    x.send(SEND, 9, {"payload": "AAAA"})
    return "refused", x.recv() == (FAILURE, 9, b"invalid Send payload")


def a_types(x, pk, loop):
    good = True
    for t in list(range(5, 254)) + [CONFIRM]:
        x.send(t, t % 250, b"\xff\x00")
        good = good and x.recv() == (FAILURE, t % 250, b"unexpected frame")
    return "unexpected frame", good


def a_flood(x, pk, loop):
    """10,000 CreateLoops to one who never confirms: itself."""
    refused = 0
    for n in range(10000):
        x.send(CREATE, n % 255, {"pk": pk, "port": 20})
        while True:
            try:
                p = x.recv(0)
            except TimeoutError:
                break
            refused += p[0] == FAILURE
    return "refused from some point on (%d)" % refused, refused > 8000


def a_neverread(x, pk, loop):
    """Packets by the megabyte, and no answer is read."""
    os.set_blocking(x.wfd, False)
    n = 0
    try:
        while n < 64 << 20:
            n += os.write(x.wfd, b"\0\2\x77\0" * 16384)
    except BlockingIOError:
        pass
    return "stopped after %d KiB" % (n >> 10), n < 8 << 20


def a_readlate(x, pk, loop):
    """As many packets as go in, and all the answers only then."""
    os.set_blocking(x.wfd, False)
    n, got = 0, 0
    try:
        while n < 64 << 20:
            n += os.write(x.wfd, b"\0\2\x77\0" * 16384)
    except BlockingIOError:
        pass
    want = n // 4 * len(b"\0\x12\xfe\0unexpected frame")
    try:
        while got < want:
            x.more(5)
            got += len(x.buf)
            x.buf = b""
    except TimeoutError:
        pass
    return "%d of %d bytes" % (got, want), got == want


def a_neveranswer(x, pk, loop):
    """Loops to itself, data into them, nothing answered."""
    for i in range(40):
        x.send(CREATE, i, {"pk": pk, "port": 20})
    for i in range(40):
        x.recv()
    return None


def a_responses(x, pk, loop):
    for i in range(256):
        x.send(SUCCESS, i, "null")
        x.send(FAILURE, i, "no")
    return None


def a_die(x, pk, loop):
    x.send(CREATE, 0, {"pk": pk, "port": 10})
    x.close()
    return None


ATTACKS = [
    ("Send for another's loop", a_send),
    ("Close of another's loop", a_close),
    ("length 0", a_len0),
    ("length 1", a_len1),
    ("length 65,535", a_longest),
    ("a Send without an address", a_noaddr),
    ("unknown types", a_types),
    ("10,000 CreateLoops", a_flood),
    ("an app that never reads", a_neverread),
    ("an app that reads late", a_readlate),
    ("an app that never answers", a_neveranswer),
    ("answers to nothing", a_responses),
    ("one that dies while it dials", a_die),
]


def limit(node, name):
    for l in node.ctl("show", "limits")["data"]:
        if l["process"] == "appd" and l["name"] == name:
            return l
    raise KeyError(name)


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith("VmRSS"):
                return int(line.split()[1])
    return 0


def attacks(node):
    before = rss_kb(node.processes()["appd"]["pid"])
    for name, fn in ATTACKS:
        survives(node, name, fn)
    p = node.processes()["appd"]
    check("appd lives, %d KiB more" % (rss_kb(p["pid"]) - before),
          p["restarts"] == 0 and rss_kb(p["pid"]) - before < 16384)
    check("no loop, no port and no byte is left", wait_for("at rest", lambda:
          limit(node, "loops")["used"] == 0 and
          limit(node, "local ports")["used"] == 0 and
          limit(node, "bytes of loops waiting")["used"] == 0, 5))
    check("limits say what was refused", limit(node, "loops")["refused"] > 0)


def launching():
    """autostart, restart policies, stop and start, logs, reload."""
    node = Node("launch", BASE +
                app("server", "serve", "port 10", "autostart yes") +
                app("idle", "sleep", "restart never") +
                app("fails", "exit 3", "autostart yes",
                    "restart on-failure") +
                app("done", "exit 0", "autostart yes",
                    "restart on-failure") +
                app("deaf", "deaf", "stop 300ms") +
                app("talk", "say first second", "autostart yes") +
                app("family", "child") +
                app("few", "sleep", "open-files 16", "restart never") +
                app("nothing", "x").replace("/usr/bin/python3",
                                            "/nonexistent"))
    node.start()
    pk = node.node_id()
    wait_for("server runs", lambda: state(node, "server") == "running")
    wait_for("its Init", lambda: log_has(node, "app server info: init ok"))
    check("autostart", True)
    wait_for("its descriptors", lambda: log_has(
        node, "app server info: fds [0, 1, 2, 3, 4, "))
    check("an app has descriptors 0-4 only (and the one that looked)", log_has(
        node, "app server info: fds [0, 1, 2, 3, 4, 5]"))
    check("not every app starts by itself", state(node, "idle") == "stopped")
    wait_for("done", lambda: rows(node)["done"]["last"] ==
             "exited with code 0")
    wait_for("fails twice", lambda: rows(node)["fails"]["restarts"] >= 2, 15)
    check("on-failure restarts what failed, with pauses",
          rows(node)["fails"]["last"] == "exited with code 3")
    check("on-failure leaves alone what is done",
          rows(node)["done"]["restarts"] == 0)
    rc, out, _ = node.ctl("app", "log", "talk", raw=True)
    check("what an app prints is kept",
          rc == 0 and "first\nsecond\n" in out, out)
    check("and logged under its name", log_has(node, "app talk info: second"))

    rc, _, err = node.ctl("app", "start", "server", raw=True)
    check("start what runs", rc == 1 and
          "App server is already started" in err, err)
    rc, _, err = node.ctl("app", "start", "nobody", raw=True)
    check("an unknown app", rc == 1 and "unknown app" in err, err)
    rc, _, err = node.ctl("app", "start", "nothing", raw=True)
    check("a program that is not there", rc == 1 and
          "failed to run app executable: /nonexistent" in err, err)
    node.ctl("app", "start", "few")
    wait_for("few", lambda: state(node, "few") in ("running", "failed"))
    check("the fewest descriptors are enough to start",
          state(node, "few") == "running", rows(node)["few"]["last"])
    with open("/proc/%d/limits" % rows(node)["few"]["pid"]) as f:
        check("and the most it may have", any(
            l.split()[:4] == ["Max", "open", "files", "16"] for l in f))
    node.ctl("app", "start", "deaf")
    wait_for("deaf runs", lambda: log_has(node, "app deaf info: init ok"))
    node.ctl("app", "stop", "deaf")
    wait_for("deaf killed", lambda: "signal 9" in rows(node)["deaf"]["last"])
    check("one that ignores SIGTERM is killed", log_has(
        node, "did not stop in time; killed"))
    node.ctl("app", "start", "family")
    wait_for("a grandchild", lambda: log_has(node, "family info: grandchild"))
    pid = rows(node)["family"]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for("family gone", lambda: state(node, "family") != "running")

    def left():
        return [p for p in os.listdir("/proc")
                if p.isdigit() and grp_of(p) == pid]
    until = time.monotonic() + 3    # SIGKILL takes a moment
    while left() and time.monotonic() < until:
        time.sleep(0.02)
    check("its whole process group goes with it", not left(), left())

    # An operator's stop is remembered apart from a crash.
    node.ctl("app", "stop", "server")
    wait_for("server stopped", lambda: state(node, "server") == "stopped")
    check("the suite stops cleanly", node.stop() == 0)
    node.start()
    wait_for("talk again", lambda: state(node, "talk") == "running")
    check("stopped by an operator: not started with the node",
          state(node, "server") == "stopped")
    node.ctl("app", "start", "server")
    wait_for("server again", lambda: state(node, "server") == "running")

    # appd dies: apps are started anew with it.
    old = rows(node)["server"]["pid"]
    os.kill(node.processes()["appd"]["pid"], signal.SIGKILL)
    wait_for("server anew", lambda: state(node, "server") == "running" and
             rows(node)["server"]["pid"] not in (0, old), 15)
    wait_for("connected anew", lambda: any(
        c["name"] == "server" and c["ready"] for c in
        node.ctl("show", "apps")["data"]["connected"]))
    check("after appd's death the apps run again", True)

    reload(node, pk)
    check("stops cleanly", node.stop() == 0)


def grp_of(pid):
    try:
        with open("/proc/%s/stat" % pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return int(fields[2]) if fields[0] != "Z" else None
    except (OSError, IndexError):
        return None


def reload(node, pk):
    """Starts, stops and keeps as the file says."""
    keep = rows(node)["server"]["pid"]
    node.write_conf(BASE +
                    app("server", "serve", "port 10", "autostart yes") +
                    app("talk", "say third", "autostart yes") +
                    app("new", "ping %s 10 3000" % pk, "autostart yes"))
    rc, out, err = node.ctl("reload", raw=True)
    check("reload", rc == 0 and "app" in out, out + err)
    wait_for("new pings", lambda: log_has(node, "app new info: echoed"))
    check("a new app is started, and reaches one that was kept", True)
    check("what is unchanged is kept", rows(node)["server"]["pid"] == keep)
    wait_for("changed", lambda: log_has(node, "app talk info: third"))
    check("what is changed is started anew", True)
    wait_for("others gone", lambda: sorted(rows(node)) ==
             ["new", "server", "talk"])
    check("what is not there any more is stopped and forgotten", True)
    node.write_conf(BASE + 'app "x" { port 1 }\n' + 'app "y" { }\n')
    rc, out, err = node.ctl("reload", raw=True)
    check("a wrong file changes nothing", rc != 0 and
          state(node, "server") == "running", out + err)


def config_errors():
    node = Node("conf", "")
    import subprocess
    for text, want in (
            ('app "a" { version "1" port 1 }',
             "can't bind to reserved port 1"),
            ('app "chat" { version "1" port 1 }', "configuration OK"),
            ('app "a" { version "1" port 10 }\n'
             'app "b" { version "1" port 10 }', "port 10 is already bound"),
            ('app "a" { version "1" }\napp "a" { version "2" }',
             "the same name"),
            ('app "a" { }', "app: wants a version"),
            ('app "../a" { version "1" }', "is no name"),
            ('app "a"', "wants a block"),
            ('app "a" { version "1", ports 10 }', "ports"),
            ('apps { loops 1 }', "loops")):
        node.write_conf(text.replace(" port", ", port") + "\n")
        p = subprocess.run([os.path.join(node.bin, "warrend"), "-n", "-f",
                            node.conf_path], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
        check("config: %s" % want, want in p.stdout, p.stdout)


def main():
    config_errors()
    node = Node("one", BASE + hand("helloworld-server", 10) +
                hand("helloworld-client") + hand("attacker", 20))
    node.start()
    session(node, node.node_id())
    by_hand(node, node.node_id())
    attacks(node)
    check("stops cleanly", node.stop() == 0)
    launching()
    finish()


signal.alarm(300)
main()
