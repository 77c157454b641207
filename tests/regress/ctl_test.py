#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
warrenctl and the control sockets against a real node: every verb, text and
JSON, rights, exit codes, reload all or nothing, and that usage, completion and
the manual page name the same commands.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from warren import Node, CTL, WARREND, SRC, check, finish, wait_for  # noqa

CONF = """
control "%s" mode 0666 restricted
listen peer on 127.0.0.%d port 0
stun listen on 127.0.0.%d port 0
api http on 127.0.0.%d port 0 { rate 1000 per 30s }
metrics on 127.0.0.%d port %d
"""


def ctl(node, *words, sock=None):
    p = subprocess.run([CTL, "-s", sock or node.sock] + list(words),
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True)
    return p.returncode, p.stdout, p.stderr


def verbs():
    out = subprocess.run([CTL, "help"], stdout=subprocess.PIPE,
                         text=True).stdout
    return [l[:16].strip() for l in out.splitlines()
            if l and not l.startswith("See")]


def test_pages():
    page = open(os.path.join(SRC, "man/warrenctl.8")).read()
    plain = re.sub(r"\n\.(It )?|[\\&]|Cm |Oo |Oc |Op |Ar |No ", " ", page)
    missing = [v for v in verbs() if v not in plain and
               not all(w in plain for w in v.split())]
    check("every verb stands in warrenctl(8)", not missing, missing)
    bash = subprocess.run([CTL, "completion", "bash"],
                          stdout=subprocess.PIPE, text=True).stdout
    missing = [w for v in verbs() for w in v.split() if w not in bash]
    check("every word stands in the completion", not missing, missing)
    p = subprocess.run(["bash", "-n"], input=bash, text=True)
    check("the completion is bash", p.returncode == 0)
    for prog, name in ((WARREND, "warrend"), (CTL, "warrenctl")):
        p = subprocess.run([prog, "-?"], stderr=subprocess.PIPE, text=True)
        check("%s: bad option is 64, with usage" % name,
              p.returncode == 64 and "usage: " + name in p.stderr)
        page = open(os.path.join(SRC, "man/%s.8" % name)).read()
        opts = re.search(r"\.Op Fl (\w+)", page).group(1)
        usage = re.search(r"\[-(\w+)\]", p.stderr).group(1)
        check("%s: usage and page name the same flags" % name,
              sorted(opts) == sorted(usage), (opts, usage))


def test_show(a, b, ro):
    for what in ("status", "peers", "stun", "nat", "listeners", "processes",
                 "limits", "config", "bans", "relay"):
        rc, out, err = ctl(a, "show", what)
        check("show %s: text" % what, rc == 0 and out.count("\n") >= 1 and
              not err, (rc, out, err))
        j = a.ctl("show", what)
        check("show %s: JSON envelope" % what, j["v"] == 1 and
              j["command"] == "show " + what and j["data"] is not None and
              re.match(r"\d{4}-\d\d-\d\dT", j["time"]), j)
    j = a.ctl("show", "status")
    check("status: health and problems beside the API's object",
          j["health"] == "ok" and j["problems"] == [] and
          j["data"]["nodeId"] == a.node_id(), j)
    peers = a.ctl("show", "peers")["data"]
    check("show peers is getpeerinfo", [p["nodeId"] for p in peers] ==
          [b.node_id()] and peers[0]["status"] == "ACTIVE", peers)
    for who in (b.node_id(), b.node_id()[:8], "b", peers[0]["addr"]):
        rc, out, err = ctl(a, "show", "peer", who)
        check("show peer %s" % who[:20], rc == 0 and b.node_id() in out,
              (rc, out, err))
    rc, out, err = ctl(a, "show", "peer", "nobody")
    check("show peer nobody: 1 and a clear line", rc == 1 and
          "no such peer" in err, (rc, out, err))
    rc, out, err = ctl(a, "s", "lim")
    check("words may be cut", rc == 0 and "LIMIT" in out)
    rc, out, err = ctl(a, "show", "p")
    check("ambiguous words are 64 and list what fits", rc == 64 and
          "show peers" in err and "show processes" in err)
    rc, out, err = ctl(a)
    check("bare warrenctl is the status", rc == 0 and "health" in out)
    rc, out, err = ctl(a, "-q", "check")
    check("-q prints nothing", rc == 0 and out + err == "")
    rc, out, err = ctl(a, "check")
    check("check: one line, OK", rc == 0 and out.startswith("WARREN OK") and
          out.count("\n") == 1, out)
    rc, out, err = ctl(a, "show", "limits")
    check("every process has limits", all(
        p in out for p in ("warrend", "stund", "peerd", "apid 0", "resolver")))
    rc, out, err = ctl(a, "-j", "show", "config")
    lines = json.loads(out)["data"]
    check("show config says where each line is from",
          any("# default" in x for x in lines) and
          any("warren.conf:" in x for x in lines))
    rc, out, err = ctl(a, "show", "peers", sock=ro)
    check("restricted: may show", rc == 0, err)
    relay = a.ctl("show", "relay")["data"]
    check("show relay: what is allowed, and what there is",
          relay["enabled"] and relay["max_circuits"] == 128 and
          relay["reservation_bytes"] == 1 << 30 and relay["refused"] == 0 and
          relay["refusals"] == [] and relay["circuits"] == [] and
          relay["reservations"] == [] and relay["own_circuits"] == [] and
          relay["reserve"] == "auto", relay)
    for words in (("reload",), ("ban", "add", "192.0.2.1"), ("show", "config"),
                  ("show", "relay"), ("ping", "b"),
                  ("peer", "add", "127.0.0.9"), ("log", "debug")):
        rc, out, err = ctl(a, *words, sock=ro)
        check("restricted: %s is 77" % " ".join(words), rc == 77 and
              "only shows" in err, (rc, err))
    held = []
    for _ in range(40):
        s = socket.socket(socket.AF_UNIX)
        s.connect(ro)
        held.append(s)
    rc, out, err = ctl(a, "show", "limits")
    check("restricted: 40 who only look keep no operator out", rc == 0 and
          re.search(r"of them restricted +16 +16", out), (rc, out, err))
    rc, out, err = ctl(a, "show", "peers", sock=ro)
    check("restricted: one more is turned away: 75", rc == 75, (rc, err))
    for s in held:
        s.close()


def test_act(a, b):
    rc, out, err = ctl(a, "ping", "b", "count", "2")
    check("ping: two round trips", rc == 0 and out.count("time ") == 2,
          (rc, out, err))
    rc, out, err = ctl(a, "ping", "nobody")
    check("ping nobody: 1", rc == 1, (rc, out, err))
    rc, out, err = ctl(a, "netcheck")
    check("netcheck: shows the NAT", rc == 0 and "MAPPING" in out,
          (rc, out, err))
    mon = subprocess.Popen([CTL, "-j", "-s", a.sock, "monitor", "peer"],
                           stdout=subprocess.PIPE, text=True)
    wait_for("monitor client", lambda: [
        l for l in a.ctl("show", "limits")["data"]
        if l["name"] == "control clients" and l["used"] >= 2], 5)
    rc, out, err = ctl(a, "peer", "disconnect", "b")
    check("peer disconnect", rc == 0, (rc, err))
    line = mon.stdout.readline()
    mon.terminate()
    mon.wait()
    e = json.loads(line)
    check("monitor: the event, in JSON", e["kind"] == "peer" and
          e["v"] == 1 and e["process"] == "peerd", e)
    rc, out, err = ctl(a, "peer", "connect", "b")
    check("peer connect", rc == 0, (rc, err))
    wait_for("linked again", lambda: a.ctl("show", "peers", "up")["data"], 10)
    rc, out, err = ctl(a, "ban", "add", b.node_id(), "for", "1h", "reason",
                       "a test")
    check("ban add", rc == 0, err)
    wait_for("link ended by the ban",
             lambda: not a.ctl("show", "peers", "up")["data"], 5)
    bans = a.ctl("show", "bans")["data"]
    check("show bans: who, why, by whom", len(bans) == 1 and
          bans[0]["what"] == b.node_id() and bans[0]["manual"] and
          bans[0]["reason"] == "a test", bans)
    rc, out, err = ctl(a, "unban", b.node_id())
    check("unban", rc == 0 and not a.ctl("show", "bans")["data"], err)
    rc, out, err = ctl(a, "unban", b.node_id())
    check("unban twice: 1", rc == 1, (rc, out, err))
    rc, out, err = ctl(a, "log", "debug", "peerd", "for", "1m")
    check("log debug peerd for 1m", rc == 0, err)
    rc, out, err = ctl(a, "log", "debug", "nothing")
    check("log of no process: 1", rc == 1 and "no process" in err, err)
    rc, out, err = ctl(a, "peer", "add", "127.0.0.9", "port", "9", "name",
                       "ghost")
    check("peer add", rc == 0, err)
    allowed = os.path.join(a.dir, "state", "state", "peers.allowed")
    check("peer add: its host is trusted", "127.0.0.9 ghost" in
          open(allowed).read())
    rc, out, err = ctl(a, "peer", "delete", "ghost")
    check("peer delete", rc == 0, (rc, err))
    check("peer delete: its host is not, any more", "127.0.0.9" not in
          open(allowed).read())


def test_reload(a):
    good = a.conf
    rc, out, err = ctl(a, "reload")
    check("reload: nothing changed", rc == 0, (rc, out, err))
    a.write_conf(good + "\nlisen peer\n")
    rc, out, err = ctl(a, "reload")
    check("reload of a broken file: 78, file, line, suggestion",
          rc == 78 and "did you mean 'listen'" in out + err and
          "warren.conf:" in out + err and "unchanged" in out + err,
          (rc, out, err))
    a.write_conf(good + "\nnode region \"eu-1\"\nstun keepalive 17s\n")
    rc, out, err = ctl(a, "reload")
    check("reload: says what changed", rc == 0 and "stun keepalive" in out,
          (rc, out, err))
    check("reload: applied", a.ctl("show", "status")["data"]["region"] ==
          "eu-1")
    a.write_conf(good + "\nlisten peer on 127.0.0.9 port 0\n")
    rc, out, err = ctl(a, "reload")
    check("reload: says what waits for a restart", rc == 0 and
          "restart" in out, (rc, out, err))
    a.proc.send_signal(1)
    wait_for("SIGHUP reloads", lambda: a.tail(60).count("reloaded ") >= 4, 5)
    check("SIGHUP reloads, and says so", True)
    a.write_conf(good)
    procs = a.processes()
    check("no process restarted by reloads",
          not [p for p in procs.values() if p["restarts"]], procs)


def test_metrics(a):
    import shutil
    import urllib.request
    l = [x for x in a.listeners() if x["service"] == "metrics"][0]
    url = "http://%s:%d/metrics" % (l["address"], l["port"])
    text = urllib.request.urlopen(url).read().decode()
    check("metrics: OpenMetrics with its end", text.endswith("# EOF\n"))
    unknown = re.findall(r"unknown_stats_total.* (\d+)", text)
    check("metrics: the table names every counter",
          unknown and set(unknown) == {"0"}, unknown)
    for proc in ("warrend", "stund", "peerd", "apid 0", "apid 1"):
        check("metrics: %s is there" % proc, 'process="%s"' % proc in text)
    old = urllib.request.urlopen(url + "?format=prometheus").read().decode()
    lines = [x for x in old.splitlines() if not x.startswith("#")]
    typed = set(re.findall(r"# TYPE (\S+) (?:counter|gauge)\n", old))
    check("metrics: every sample has its type, once", typed and all(
        re.match(r'(\w+)\{[^{}]*\} \d+$', x) and
        x.split("{")[0] in typed for x in lines))
    if shutil.which("promtool"):
        p = subprocess.run(["promtool", "check", "metrics"], input=old,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True)
        check("metrics: promtool finds nothing", p.returncode == 0, p.stdout)


def scrape(a):
    url = "http://127.0.0.2:%d/metrics" % a.metrics_port
    return urllib.request.urlopen(url, timeout=5).read().decode()


def test_stopped_child(a):
    """A process that does not answer costs its own counters, no more."""
    pid = a.processes()["resolver"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        for n in (1, 2):
            text = scrape(a)
            check("scrape %d beside a stopped process" % n,
                  'process="peerd"' in text and text.endswith("# EOF\n"),
                  text[-300:])
    finally:
        os.kill(pid, signal.SIGCONT)
    check("the process answers again", ctl(a, "show", "limits")[0] == 0 and
          scrape(a).endswith("# EOF\n"))


def test_exits(a):
    rc, out, err = ctl(a, "nonsense")
    check("no such command: 64", rc == 64 and "valid commands" in err)
    rc, out, err = ctl(a, sock="/nonexistent/sock")
    check("not running: 69 and where it looked", rc == 69 and
          "not running (no socket at /nonexistent/sock)" in err, err)
    rc, out, err = ctl(a, "-j", sock="/nonexistent/sock")
    check("not running, JSON: the error on stdout",
          rc == 69 and json.loads(out)["error"]["name"] == "unavailable")
    if os.geteuid() == 0:
        p = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534",
                            "--clear-groups", CTL, "-s", a.sock],
                           stderr=subprocess.PIPE, text=True)
        # The test's directory is open, the socket is 0600.
        check("not permitted: 77 and the cure", p.returncode == 77 and
              "adduser" in p.stderr, (p.returncode, p.stderr))


def main():
    test_pages()
    a = Node("a", "")
    ro = os.path.join(a.dir, "ro.sock")
    with socket.create_server(("127.0.0.2", 0)) as s:
        a.metrics_port = s.getsockname()[1]  # it is shown nowhere
    a.conf = CONF % (ro, 2, 2, 2, 2, a.metrics_port)
    a.start()
    link = [l for l in a.listeners() if l["service"] == "link"][0]
    b = Node("b", "")
    b.conf = CONF % (os.path.join(b.dir, "ro"), 3, 3, 3, 3, 0) + \
        'peer "a" { address %s port %d }\n' % (link["address"], link["port"])
    b.start()
    wait_for("linked", lambda: a.ctl("show", "peers", "up")["data"] and
             a.ctl("show", "stun")["data"]["mappings"] is not None, 15)
    wait_for("named", lambda: a.ctl("show", "peers")["data"][0]["name"], 10)
    test_show(a, b, ro)
    test_act(a, b)
    test_reload(a)
    test_metrics(a)
    test_stopped_child(a)
    test_exits(a)
    check("b stops cleanly", b.stop() == 0)
    check("a stops cleanly", a.stop() == 0)
    finish()


main()
