# SPDX-License-Identifier: ISC
"""A node of Python as far as its apps can see: one key, loops between its own
apps, pipes for those that it launches and a socket for the others.  What
libwarren and the examples are tested with when no real node is wanted.

Everything that passes is kept in .trace as (app, "<" or ">", type, id, body),
"<" being what the app said.
"""
import array
import json
import os
import selectors
import socket
import struct
import subprocess
import threading

INIT, CREATE, CONFIRM, SEND, CLOSE = range(5)
FAILURE, SUCCESS = 0xfe, 0xff
KEY = "4ec47420176680816e0406250e7156465e4531f5b26057c9f6297bb0303558c7"


# 3 and 4 are taken here, so that whatever a child is given there has another
# number before.
while os.open(os.devnull, os.O_RDONLY) < 5:
    pass


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


class App:
    def __init__(self, node, name, rfd, wfd, port=None):
        self.node, self.name, self.port = node, name, port
        self.rfd, self.wfd = rfd, wfd
        self.inbuf, self.out = b"", bytearray()
        self.busy = {}      # our ids that it owes: function(success, body)
        self.ready = False
        self.loops = {}     # (local port, remote port) -> (App, local, remote)
        self.proc = None
        os.set_blocking(rfd, False)
        os.set_blocking(wfd, False)

    def ask(self, kind, body, then):
        ident = min(set(range(255)) - set(self.busy))
        self.busy[ident] = then
        self.put(kind, ident, body)

    def put(self, kind, ident, body):
        if self.rfd is None:
            return
        self.node.note(self.name, ">", kind, ident, body)
        self.out += struct.pack(">HBB", 2 + len(body), kind, ident) + body
        self.node.flush(self)


class FakeNode:
    def __init__(self, sock_path=None):
        self.sel = selectors.DefaultSelector()
        self.apps, self.ports, self.trace = [], {}, []
        self.keep_trace = True
        self.lock = threading.RLock()
        self.refuse = {}    # app name -> reason, at the socket
        self.static = {}    # app name -> port, for those at the socket
        self.wake_r, self.wake_w = os.pipe()
        self.sel.register(self.wake_r, selectors.EVENT_READ, None)
        self.listener = None
        if sock_path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(sock_path)
            self.listener.listen(8)
            self.next_name = "?"
            self.sel.register(self.listener, selectors.EVENT_READ, "door")
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def note(self, *what):
        if self.keep_trace:
            self.trace.append(what)

    # --- apps come and go ---

    def add(self, name, port):
        down, up = os.pipe(), os.pipe()
        app = App(self, name, up[0], down[1], port)
        with self.lock:
            self.apps.append(app)
            if port is not None:
                self.ports[port] = app
            self.sel.register(app.rfd, selectors.EVENT_READ, app)
        os.write(self.wake_w, b"x")
        return app, down[0], up[1]

    def launch(self, name, argv, port=None, **kw):
        """Start argv with the pipes as descriptors 3 and 4."""
        app, rfd, wfd = self.add(name, port)

        def place():
            os.dup2(rfd, 3)
            os.dup2(wfd, 4)

        app.proc = subprocess.Popen(
            argv, pass_fds=(3, 4), preexec_fn=place, stdout=subprocess.PIPE,
            stdin=kw.pop("stdin", subprocess.DEVNULL), **kw)
        os.close(rfd)
        os.close(wfd)
        return app

    def door(self):
        s, _ = self.listener.accept()
        if self.refuse.get(self.next_name):
            s.sendall(b"\1" + self.refuse[self.next_name].encode())
        else:
            _, rfd, wfd = self.add(self.next_name,
                                   self.static.get(self.next_name))
            s.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                 array.array("i", [rfd, wfd]))])
            os.close(rfd)
            os.close(wfd)
        s.close()

    def gone(self, app):
        self.sel.unregister(app.rfd)
        if app.out:
            try:
                self.sel.unregister(app.wfd)
            except KeyError:
                pass
        os.close(app.rfd)
        os.close(app.wfd)
        app.rfd = app.wfd = None
        self.apps.remove(app)
        for port in [p for p, a in self.ports.items() if a is app]:
            del self.ports[port]
        for key in list(app.loops):
            self.close_loop(app, key)

    def stop(self):
        """Vanish: every pipe ends."""
        self.stopping = True
        os.write(self.wake_w, b"x")
        self.thread.join()
        for app in list(self.apps):
            self.gone(app)
        if self.listener:
            self.listener.close()

    # --- bytes ---

    def run(self):
        while not self.stopping:
            for key, events in self.sel.select():
                with self.lock:
                    if key.data is None:
                        os.read(self.wake_r, 64)
                    elif key.data == "door":
                        self.door()
                    elif key.data.rfd is None:
                        pass
                    elif key.fd == key.data.wfd:
                        self.flush(key.data)
                    else:
                        self.receive(key.data)

    def flush(self, app):
        was = app in self.waiting()
        try:
            while app.out:
                del app.out[:os.write(app.wfd, app.out[:65536])]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            app.out.clear()
        if app.out and not was:
            self.sel.register(app.wfd, selectors.EVENT_WRITE, app)
        elif not app.out and was:
            self.sel.unregister(app.wfd)

    def waiting(self):
        return [k.data for k in self.sel.get_map().values()
                if isinstance(k.data, App) and k.fd == k.data.wfd]

    def receive(self, app):
        try:
            data = os.read(app.rfd, 262144)
        except BlockingIOError:
            return
        if not data:
            self.gone(app)
            return
        app.inbuf += data
        at = 0
        while len(app.inbuf) - at >= 2:
            (n,) = struct.unpack_from(">H", app.inbuf, at)
            if len(app.inbuf) - at < 2 + n:
                break
            frame = app.inbuf[at + 2:at + 2 + n]
            at += 2 + n
            self.packet(app, frame[0], frame[1], frame[2:])
        app.inbuf = app.inbuf[at:]

    # --- packets ---

    def packet(self, app, kind, ident, body):
        self.note(app.name, "<", kind, ident, body)
        if kind in (SUCCESS, FAILURE):
            then = app.busy.pop(ident, None)
            if then:
                then(kind == SUCCESS, body)
            return
        what = {INIT: self.init, CREATE: self.create, SEND: self.send,
                CLOSE: self.close}.get(kind)
        if what is None:
            app.put(FAILURE, ident, b"unexpected frame")
        elif kind != INIT and not app.ready:
            app.put(FAILURE, ident, b"app is not initialised")
        else:
            what(app, ident, json.loads(body or b"null"))

    def init(self, app, ident, body):
        if app.name == "?":
            app.name = body["app-name"]
        if body["protocol-version"] != "0.0.1":
            app.put(FAILURE, ident, b"unsupported protocol version")
        elif body["app-name"] != app.name:
            app.put(FAILURE, ident, b"unexpected app")
        elif body["app-version"] != "1.0":
            app.put(FAILURE, ident, b"unexpected app version")
        else:
            app.ready = True
            if app.name in self.static:
                self.ports[self.static[app.name]] = app
            app.put(SUCCESS, ident, b"null")

    def create(self, app, ident, body):
        other = self.ports.get(body["port"])
        if body["pk"] != KEY:
            app.put(FAILURE, ident, b"route setup: no nodes")
            return
        if other is None or not other.ready:
            app.put(FAILURE, ident, b"confirm: port is not bound")
            return
        port = next(p for p in range(10, 65535) if p not in self.ports)
        self.ports[port] = app
        rport = body["port"]
        # Known before it is confirmed: a fast acceptor writes at once.
        app.loops[(port, rport)] = other
        other.loops[(rport, port)] = app

        def confirmed(good, text):
            if good:
                app.put(SUCCESS, ident, compact({"pk": KEY, "port": port}))
                return
            self.ports.pop(port, None)
            app.loops.pop((port, rport), None)
            other.loops.pop((rport, port), None)
            app.put(FAILURE, ident, b"confirm: " + text)

        other.ask(CONFIRM, compact([{"pk": KEY, "port": rport},
                                    {"pk": KEY, "port": port}]), confirmed)

    @staticmethod
    def addr(port, rport):
        return {"port": port, "remote": {"pk": KEY, "port": rport}}

    def send(self, app, ident, body):
        key = (body["addr"]["port"], body["addr"]["remote"]["port"])
        other = app.loops.get(key)
        if other is None:
            app.put(FAILURE, ident, b"unknown loop")
            return

        def taken(good, text):
            app.put(SUCCESS if good else FAILURE, ident, text)

        # One at a time would be the node's duty; the order is kept anyway.
        other.ask(SEND, compact({"addr": self.addr(key[1], key[0]),
                                 "payload": body["payload"]}), taken)

    def close_loop(self, app, key):
        other = app.loops.pop(key, None)
        if self.ports.get(key[0]) is app and key[0] != app.port and \
                key[0] != self.static.get(app.name):
            del self.ports[key[0]]
        if other is not None and other.loops.pop((key[1], key[0]), None):
            if other.rfd is not None:
                other.ask(CLOSE, compact(self.addr(key[1], key[0])),
                          lambda good, text: None)

    def close(self, app, ident, body):
        self.close_loop(app, (body["port"], body["remote"]["port"]))
        app.put(SUCCESS, ident, b"null")
