#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""libwarren's examples, and a client without the library, beside a node of
Python (fakenode.py): the session of warren-app(7) byte for byte, TCP carried
over loops, chat, refusals, and the node's death.

usage: libwarren_test.py [NAME ...]     the build tree is $B
"""
import hashlib
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fakenode  # noqa: E402
from fakenode import FAILURE, KEY, SUCCESS, FakeNode  # noqa: E402

BUILD = os.environ.get("B", "build")
BIN = os.path.join(os.path.abspath(BUILD), "examples")
CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "app_client.py")
PY = [sys.executable, CLIENT]
ADDR = "127.0.0.9"
MIB = 1 << 20


def example(name):
    return os.path.join(BIN, name)


def until(what, seconds=10):
    """Wait for something another process does."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.01)


def finish(app, seconds=10):
    out, _ = app.proc.communicate(timeout=seconds)
    return app.proc.returncode, out.decode()


def quit_app(app):
    app.proc.kill()
    app.proc.communicate()


class Node(FakeNode):
    """One that is gone at the end of the test, with its apps."""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        procs = [a.proc for a in self.apps if a.proc]
        self.stop()
        for p in procs:
            if p.poll() is None:
                p.kill()
            if p.stdout is None or p.stdout.closed:
                p.wait()
            else:
                p.communicate()

    def serving(self, name, argv, port, **kw):
        app = self.launch(name, argv, port, **kw)
        until(lambda: app.ready)
        return app


# --- the ping-pong ---

def body(text, port, rport):
    return ('{"addr":{"port":%d,"remote":{"pk":"%s","port":%d}},"payload":"%s"}'
            % (port, KEY, rport, text)).encode()


def loop(port, rport):
    return ('{"port":%d,"remote":{"pk":"%s","port":%d}}'
            % (port, KEY, rport)).encode()


def init(name):
    return ('{"app-name":"%s","app-version":"1.0","protocol-version":"0.0.1"}'
            % name).encode()


def session():
    """The reference session, as the trace has it, each app's own part."""
    s, c, null = "helloworld-server", "helloworld-client", b"null"
    server = [
        (s, "<", 0, 0, init(s)), (s, ">", SUCCESS, 0, null),
        (s, ">", 2, 0, ('[{"pk":"%s","port":10},{"pk":"%s","port":11}]'
                        % (KEY, KEY)).encode()),
        (s, "<", SUCCESS, 0, null),
        (s, ">", 3, 0, body("cGluZw==", 10, 11)), (s, "<", SUCCESS, 0, null),
        (s, "<", 3, 0, body("cG9uZw==", 10, 11)), (s, ">", SUCCESS, 0, null),
        (s, ">", 4, 0, loop(10, 11)), (s, "<", SUCCESS, 0, null)]
    client = [
        (c, "<", 0, 0, init(c)), (c, ">", SUCCESS, 0, null),
        (c, "<", 1, 0, ('{"pk":"%s","port":10}' % KEY).encode()),
        (c, ">", SUCCESS, 0, ('{"pk":"%s","port":11}' % KEY).encode()),
        (c, "<", 3, 0, body("cGluZw==", 11, 10)), (c, ">", SUCCESS, 0, null),
        (c, ">", 3, 0, body("cG9uZw==", 11, 10)), (c, "<", SUCCESS, 0, null),
        (c, "<", 4, 0, loop(11, 10)), (c, ">", SUCCESS, 0, null)]
    return server, client


def test_session():
    with Node() as n:
        s = n.serving("helloworld-server", [example("helloworld-server")], 10)
        c = n.launch("helloworld-client", [example("helloworld-client"), KEY])
        assert finish(c) == (0, "pong\n")
        until(lambda: len(n.trace) == 20)
        server, client = session()
        for name, want in ((s.name, server), (c.name, client)):
            assert [t for t in n.trace if t[0] == name] == want, n.trace
        assert 11 not in n.ports and n.ports[10] is s


def test_python_client():
    with Node() as n:
        n.serving("helloworld-server", [example("helloworld-server")], 10)
        for _ in range(3):
            c = n.launch("helloworld-client", PY + [KEY])
            assert finish(c) == (0, "pong\n")


def test_python_server():
    with Node() as n:
        s = n.serving("helloworld-server", PY + ["serve", "2"], 10)
        c = n.launch("helloworld-client", [example("helloworld-client"), KEY])
        assert finish(c) == (0, "pong\n")
        c = n.launch("helloworld-client", PY + [KEY])
        assert finish(c) == (0, "pong\n")
        assert finish(s) == (0, "ping\nping\n")


def test_helloworld():
    with Node() as n:
        s = n.serving("helloworld", [example("helloworld")], 10)
        for _ in range(3):
            c = n.launch("helloworld", [example("helloworld"), KEY])
            assert finish(c) == (0, "pong\n")
        quit_app(s)


def test_many_clients():
    with Node() as n:
        n.serving("helloworld-server", [example("helloworld-server")], 10)
        cs = [n.launch("helloworld-client",
                       [example("helloworld-client"), KEY])
              for _ in range(12)]
        assert all(finish(c) == (0, "pong\n") for c in cs)
        until(lambda: list(n.ports) == [10])


def errors_of(node, name, argv, **kw):
    app = node.launch(name, argv, stderr=subprocess.PIPE, **kw)
    _, err = app.proc.communicate(timeout=20)
    return app.proc.returncode, err.decode()


def test_refusals():
    with Node() as n:
        hello = [example("helloworld-client"), KEY]
        assert errors_of(n, "another", hello) == (
            69, "helloworld-client: unexpected app\n")
        assert errors_of(n, "helloworld-client", hello) == (
            69, "helloworld-client: dial: confirm: port is not bound\n")
        rc, err = errors_of(n, "helloworld-client",
                            [example("helloworld-client"), "ab" * 32 + ":7"])
        assert (rc, err) == (
            69, "helloworld-client: dial: route setup: no nodes\n")
        for argv in (["helloworld-client"], ["helloworld-client", "ab"],
                     ["helloworld-client", KEY + ":70000"],
                     ["helloworld", "x"], ["helloworld-server", "x"],
                     ["forward"], ["forward", "to"], ["chat", "x"],
                     ["forward", "listen", "127.0.0.1:0", "x"],
                     ["forward", "-l", "0", "to", "127.0.0.1:1"]):
            rc, err = errors_of(n, "x", [example(argv[0])] + argv[1:])
            assert rc == 64 and err.startswith("usage: "), (argv, rc, err)


def test_socket():
    tmp = tempfile.mkdtemp()
    try:
        path = os.path.join(tmp, "apps.sock")
        env = dict(os.environ, WARREN_APPS_SOCK=path)
        with Node(path) as n:
            n.serving("helloworld-server", [example("helloworld-server")], 10)
            run = subprocess.run([example("helloworld-client"), KEY], env=env,
                                 capture_output=True, timeout=20)
            assert (run.returncode, run.stdout) == (0, b"pong\n"), run
            n.refuse["?"] = "you are not in the configuration"
            run = subprocess.run([example("helloworld-client"), KEY], env=env,
                                 capture_output=True, timeout=20)
            assert run.returncode == 69
            assert b"you are not in the configuration" in run.stderr
        env["WARREN_APPS_SOCK"] = os.path.join(tmp, "none")
        run = subprocess.run([example("helloworld-client"), KEY], env=env,
                             capture_output=True, timeout=20)
        assert run.returncode == 69 and b"No such file" in run.stderr
    finally:
        shutil.rmtree(tmp)


def test_node_dies():
    with Node() as n:
        apps = [
            n.serving("helloworld-server", [example("helloworld-server")], 10,
                      stderr=subprocess.PIPE),
            n.serving("forward", [example("forward"), "to", ADDR + ":9"], 20,
                      stderr=subprocess.PIPE),
            n.serving("chat", [example("chat")], 30, stderr=subprocess.PIPE),
            n.serving("helloworld", [example("helloworld")], 40,
                      stderr=subprocess.PIPE)]
        n.stop()
        for app in apps:
            _, err = app.proc.communicate(timeout=10)
            assert app.proc.returncode == 69, (app.name, err)
            assert b"the node is gone" in err
        n.apps = []
        n.stop = lambda: None


# --- forward ---

class TcpServer:
    """A service of the test's; serve(sock) runs in a thread of each."""

    def __init__(self, serve):
        self.s = socket.socket()
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.s.bind((ADDR, 0))
        self.s.listen(64)
        self.port = self.s.getsockname()[1]
        self.serve = serve
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        with c:
            try:
                self.serve(c)
            except OSError:
                pass


def free_port():
    with socket.socket() as s:
        s.bind((ADDR, 0))
        return s.getsockname()[1]


def echo(c):
    while True:
        data = c.recv(65536)
        if not data:
            return
        c.sendall(data)


class Forward:
    """Both ends of a forward to server, beside one node."""

    def __init__(self, node, target_port, *opts):
        self.to = node.serving("forward", [example("forward")] + list(opts) +
                               ["to", "%s:%d" % (ADDR, target_port)], 20,
                               stderr=subprocess.DEVNULL)
        self.port = free_port()
        self.listen = node.serving(
            "forward-client", [example("forward")] + list(opts) +
            ["listen", "%s:%d" % (ADDR, self.port), KEY + ":20"], None,
            stderr=subprocess.DEVNULL)

    def connect(self):
        s = socket.create_connection((ADDR, self.port), timeout=20)
        return s


def recv_all(s, n=None):
    data = b""
    while n is None or len(data) < n:
        more = s.recv(65536)
        if not more:
            break
        data += more
    return data


def test_forward_echo():
    server = TcpServer(echo)
    with Node() as n:
        f = Forward(n, server.port)
        socks = [f.connect() for _ in range(40)]
        for r in range(3):
            for i, s in enumerate(socks):
                s.sendall(b"%d-%d\n" % (i, r) * 10)
            for i, s in enumerate(socks):
                want = b"%d-%d\n" % (i, r) * 10
                assert recv_all(s, len(want)) == want
        for s in socks:
            s.close()


def test_forward_bulk():
    """20 MiB each way at once, and the same bytes."""
    size = 20 * MIB
    blob = os.urandom(MIB) * (size // MIB)
    want = hashlib.sha256(blob).digest()
    got = {}

    def pump(name, c):
        def sender():
            c.sendall(blob)

        t = threading.Thread(target=sender)
        t.start()
        h, n = hashlib.sha256(), 0
        while n < size:
            data = c.recv(262144)
            if not data:
                break
            h.update(data)
            n += len(data)
        t.join()
        got[name] = h.digest()

    server = TcpServer(lambda c: pump("server", c))
    with Node() as n:
        n.keep_trace = False
        f = Forward(n, server.port)
        s = f.connect()
        began = time.monotonic()
        pump("client", s)
        until(lambda: "server" in got)
        s.close()
        assert got["client"] == want and got["server"] == want
        print("     %.0f MB/s each way" %
              (size / (time.monotonic() - began) / 1e6))


def test_forward_stall():
    """Clients and servers that do not read hold up nobody else."""
    def serve(c):
        kind = c.recv(1)
        if kind == b"e":
            echo(c)
        elif kind == b"f":      # floods a client that does not read
            c.sendall(b"x" * (64 * MIB))
        else:                   # never reads
            c.recv(1, socket.MSG_PEEK)
            threading.Event().wait(30)

    server = TcpServer(serve)
    with Node() as n:
        n.keep_trace = False
        f = Forward(n, server.port)
        lazy, flooded = f.connect(), f.connect()
        flooded.sendall(b"f")
        lazy.sendall(b"n")
        lazy.setblocking(False)
        sent, quiet = 0, 0
        while quiet < 20:       # until every buffer on the way is full
            try:
                sent += lazy.send(b"y" * 65536)
                quiet = 0
            except BlockingIOError:
                quiet += 1
                time.sleep(0.01)
        assert sent < 64 * MIB
        for _ in range(5):
            s = f.connect()
            began = time.monotonic()
            s.sendall(b"e" + b"z" * 100000)
            assert recv_all(s, 100000) == b"z" * 100000
            assert time.monotonic() - began < 5
            s.close()
        with open("/proc/%d/status" % f.to.proc.pid) as status:
            rss = [int(x.split()[1]) for x in status if "VmRSS" in x][0]
        assert rss < 32 * 1024, rss
        lazy.close()
        flooded.close()


def test_forward_slow_reader():
    """One who begins late, reads slowly and says nothing misses nothing."""
    size = 12 * MIB
    server = TcpServer(lambda c: c.sendall(b"x" * size))
    with Node() as n:
        n.keep_trace = False
        f = Forward(n, server.port)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            s.settimeout(5)
            s.connect((ADDR, f.port))
            time.sleep(0.3)             # every buffer on the way is full
            left = size
            while left > 0:
                got = len(s.recv(65536))
                assert got > 0
                left -= got
                time.sleep(0.001)


def test_forward_half_close():
    """A client that closes its side still gets the answer."""
    def serve(c):
        data = recv_all(c, 5)
        time.sleep(0.2)
        c.sendall(data[::-1] * 50000)

    server = TcpServer(serve)
    with Node() as n:
        f = Forward(n, server.port)
        s = f.connect()
        s.sendall(b"abcde")
        s.shutdown(socket.SHUT_WR)
        assert recv_all(s) == b"edcba" * 50000
        s.close()
        until(lambda: not f.to.loops and not f.listen.loops)


def test_forward_linger():
    """But not for ever, when the server never answers."""
    server = TcpServer(lambda c: threading.Event().wait(20))
    with Node() as n:
        f = Forward(n, server.port, "-l", "1")
        s = f.connect()
        s.sendall(b"abcde")
        s.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        assert recv_all(s) == b""
        assert 0.5 < time.monotonic() - began < 5
        s.close()


def test_forward_refused():
    with Node() as n:
        f = Forward(n, free_port())     # nobody listens there
        s = f.connect()
        assert recv_all(s) == b""
        s.close()
        quit_app(f.to)                  # and now no app either
        until(lambda: 20 not in n.ports)
        s = f.connect()
        try:
            assert recv_all(s) == b""
        except ConnectionResetError:
            pass
        s.close()
        until(lambda: not f.listen.loops)


def test_forward_peer_dies():
    server = TcpServer(echo)
    with Node() as n:
        f = Forward(n, server.port)
        s = f.connect()
        s.sendall(b"hello")
        assert recv_all(s, 5) == b"hello"
        quit_app(f.to)
        assert recv_all(s) == b""
        s.close()


# --- chat ---

def test_chat():
    with Node() as n:
        a = n.serving("chat", [example("chat")], 1, stdin=subprocess.PIPE,
                      stderr=subprocess.DEVNULL)
        b = n.launch("chat-client", [example("chat"), KEY],
                     stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        who = KEY[:8].encode()

        def say(app, text):
            app.proc.stdin.write(text)
            app.proc.stdin.flush()

        def heard(app):
            ready, _, _ = select.select([app.proc.stdout], [], [], 10)
            assert ready
            return app.proc.stdout.readline()

        say(b, b"hello\n")
        assert heard(a) == who + b": hello\n"
        say(a, b"how \x1b[31mare\x07 y\xc3\xb6u\xc2\x9b?\n")
        assert heard(b) == who + b": how ?[31mare? y\xc3\xb6u???\n"
        say(b, b"x" * 3000 + b"\n")
        assert heard(a) == who + b": " + b"x" * 1024 + b"\n"
        assert heard(a) == who + b": " + b"x" * 1024 + b"\n"
        assert heard(a) == who + b": " + b"x" * 952 + b"\n"
        say(b, b"bye")
        b.proc.stdin.close()
        assert heard(a) == who + b": bye\n"
        assert b.proc.wait(10) == 0
        assert a.proc.wait(10) == 0
        b.proc.stdin = a.proc.stdin = None


def main():
    tests = [(k[5:], v) for k, v in sorted(globals().items())
             if k.startswith("test_")]
    passed = failed = 0
    for name, test in tests:
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        try:
            test()
            print("ok   %s" % name, flush=True)
            passed += 1
        except Exception as e:  # the others are worth running too
            import traceback
            traceback.print_exc()
            print("FAIL %s: %r" % (name, e), flush=True)
            failed += 1
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
