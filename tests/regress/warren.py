# SPDX-License-Identifier: ISC
"""
Running real nodes in tests: start one, wait for it, ask it, stop it.

Nothing sleeps to wait for a fixed time: wait_for() polls a condition until it
holds or a deadline passes, and says what it saw last.
"""
import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SRC = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
B = os.environ.get("B", os.path.join(SRC, "build"))
if not os.path.isabs(B):
    B = os.path.join(SRC, B)
WARREND = os.path.join(B, "warrend")
# Within the sandbox a sanitizer build cannot look for leaks: it would ptrace.
with open(WARREND, "rb") as _f:
    SANITIZED = b"__asan_init" in _f.read()
if SANITIZED:
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")
CTL = os.path.join(B, "warrenctl")

_tmp = tempfile.mkdtemp(prefix="warren-test.")
os.chmod(_tmp, 0o755)
_nodes = []
results = {"ok": 0, "fail": 0, "skip": 0}


def _cleanup():
    for n in _nodes:
        n.kill()
    if os.environ.get("KEEP"):
        print("kept", _tmp)
    else:
        shutil.rmtree(_tmp, ignore_errors=True)


atexit.register(_cleanup)
signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))


def tmpdir():
    return _tmp


def check(name, good, detail=""):
    results["ok" if good else "fail"] += 1
    print("%s %s%s" % ("ok  " if good else "FAIL", name,
                       "" if good or not detail else ": %s" % (detail,)))
    sys.stdout.flush()
    return good


def skip(name, why):
    results["skip"] += 1
    print("skip %s: %s" % (name, why))


def finish():
    r = results
    print("%d passed, %d failed, %d skipped" % (r["ok"], r["fail"], r["skip"]))
    sys.stdout.flush()
    sys.exit(1 if r["fail"] else 0)


_user_bin = None


def bin_for_user():
    """The programs where every user may run them, wherever the tree lies."""
    global _user_bin
    if _user_bin is None:
        _user_bin = os.path.join(_tmp, "bin")
        os.makedirs(_user_bin)
        for f in ("warrend", "warrenctl", "stund-bin", "peerd-bin",
                  "store-bin", "apid-bin", "appd-bin"):
            shutil.copy(os.path.join(B, f), _user_bin)
    return _user_bin


class Timeout(Exception):
    pass


def wait_for(what, fn, timeout=10.0, step=0.05):
    """Poll fn until it returns something true; that is returned."""
    end = time.monotonic() + timeout
    last = None
    while True:
        try:
            last = fn()
            if last:
                return last
        except (OSError, ValueError, KeyError, IndexError, TypeError) as e:
            last = e
        if time.monotonic() > end:
            raise Timeout("%s: not within %g s; last: %r" %
                          (what, timeout, last))
        time.sleep(step)


class Node:
    """One warrend, in the foreground, with its own directories."""

    def __init__(self, name, conf, ns=None, args=(), as_user=None):
        self.name = name
        self.ns = ns
        self.dir = os.path.join(_tmp, name)
        os.makedirs(self.dir, exist_ok=True)
        self.sock = os.path.join(self.dir, "ctl.sock")
        self.conf_path = os.path.join(self.dir, "warren.conf")
        self.ready = os.path.join(self.dir, "ready")
        self.log_path = os.path.join(self.dir, "log")
        self.args = list(args)
        self.as_user = as_user
        self.bin = bin_for_user() if as_user else B
        self.conf = conf
        self.proc = None
        _nodes.append(self)

    def write_conf(self, conf=None):
        if conf is not None:
            self.conf = conf
        base = ('state "%s/state"\nnode name "%s"\ncontrol "%s" mode 0600\n'
                'chroot "%s/empty"\nlibexec "%s"\n' %
                (self.dir, self.name, self.sock, self.dir, self.bin))
        with open(self.conf_path, "w") as f:
            f.write(base + self.conf)
        os.chmod(self.conf_path, 0o644)

    def wrap(self, cmd):
        if self.as_user:
            cmd = ["setpriv", "--reuid", str(self.as_user), "--regid",
                   str(self.as_user), "--clear-groups"] + list(cmd)
        return self.ns.wrap(cmd) if self.ns else list(cmd)

    def start(self, wait=True, timeout=15):
        self.write_conf()
        if os.path.exists(self.ready):
            os.unlink(self.ready)
        if self.as_user:
            os.chown(self.dir, self.as_user, self.as_user)
        self.log = open(self.log_path, "ab")
        self.proc = subprocess.Popen(
            self.wrap([os.path.join(self.bin, "warrend"), "-d", "-v", "-f", self.conf_path, "-R",
                       self.ready] + self.args),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        if wait:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=15):
        def fn():
            if self.proc.poll() is not None:
                raise RuntimeError("%s exited %d:\n%s" % (
                    self.name, self.proc.returncode, self.tail()))
            return os.path.exists(self.ready)
        wait_for(self.name + " ready", fn, timeout)

    def tail(self, n=20):
        with open(self.log_path, errors="replace") as f:
            return "".join(f.readlines()[-n:])

    def pid(self):
        return self.proc.pid

    def stop(self, timeout=15):
        if self.proc is None or self.proc.poll() is not None:
            return self.proc.returncode if self.proc else None
        self.proc.terminate()
        try:
            return self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            return -9

    def kill(self):
        if self.proc is not None and self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(12)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()

    def kill_9(self):
        """
        As if the power had gone.  None is left when this returns: whoever
        starts it again at once finds its ports free.
        """
        pids = [self.proc.pid]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGSTOP)  # it makes no child unseen
                with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
                    pids += [int(p) for p in f.read().split()]
            except OSError:
                pass
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self.proc.wait()
        wait_all_gone(pids, 10)

    def ctl(self, *words, check_rc=None, raw=False):
        """Run warrenctl -j; its JSON, or with raw (code, out, err)."""
        cmd = [CTL, "-s", self.sock] + ([] if raw else ["-j"]) + list(words)
        p = subprocess.run(self.wrap(cmd), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
        if raw:
            return p.returncode, p.stdout, p.stderr
        return json.loads(p.stdout)

    def api(self, path, body=None, port=None):
        """curl to the node's own HTTP API; decoded JSON."""
        port = port or self.port("http")
        cmd = ["curl", "-sS", "-m", "5", "http://127.0.0.1:%d%s" %
               (port, path)]
        if body is not None:
            cmd += ["-H", "content-type: application/json", "-d",
                    json.dumps(body)]
        p = subprocess.run(self.wrap(cmd), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
        if p.returncode != 0:
            raise OSError(p.stderr)
        return json.loads(p.stdout)

    def rpc(self, method, params=None):
        r = self.api("/", {"jsonrpc": "2.0", "id": 1, "method": method,
                           "params": params or []})
        return r["result"]

    def listeners(self):
        return self.ctl("show", "listeners")["data"]

    def port(self, service, proto=None):
        for l in self.listeners():
            if l["service"] == service and proto in (None, l["proto"]):
                return l["port"]
        raise KeyError(service)

    def processes(self):
        return {p["name"]: p for p in self.ctl("show", "processes")["data"]}

    def node_id(self):
        return self.ctl("key", "show")["data"]["nodeId"]


def see_into_processes():
    """
    The suite's processes are not dumpable: only root may look at their
    descriptors and memory, or the root of a user namespace they run in.
    """
    if os.geteuid() != 0:
        os.execvp("unshare", ["unshare", "-Ur", sys.executable] + sys.argv)


def wait_all_gone(pids, timeout=3.0):
    def fn():
        return not [p for p in pids if os.path.exists("/proc/%d" % p) and
                    open("/proc/%d/stat" % p).read().split(")")[1].split()[0]
                    != "Z"]
    wait_for("processes gone", fn, timeout)
