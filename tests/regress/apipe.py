# SPDX-License-Identifier: ISC
"""
The app protocol over two descriptors, in nothing but Python's standard
library: what a client without libwarren has to do.  See warren-app(7).
"""
import base64
import json
import os
import select
import socket
import struct
import time

INIT, CREATE, CONFIRM, SEND, CLOSE, FAILURE, SUCCESS = 0, 1, 2, 3, 4, 254, 255


class Closed(Exception):
    pass


class Pipe:
    """One app's end: rfd is read, wfd written."""

    def __init__(self, rfd, wfd):
        self.rfd, self.wfd = rfd, wfd
        self.buf = b""

    def close(self):
        for fd in (self.rfd, self.wfd):
            if fd is not None:
                os.close(fd)
        self.rfd = self.wfd = None

    def raw(self, data):
        while data:
            data = data[os.write(self.wfd, data):]

    def send(self, kind, ident, body):
        if not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else \
                json.dumps(body, separators=(",", ":")).encode()
        self.raw(struct.pack(">HBB", 2 + len(body), kind, ident) + body)

    def more(self, timeout):
        if not select.select([self.rfd], [], [], timeout)[0]:
            raise TimeoutError("no packet within %g s" % timeout)
        data = os.read(self.rfd, 1 << 20)
        if not data:
            raise Closed()
        self.buf += data

    def recv(self, timeout=5.0):
        """(type, id, body) of the next packet."""
        end = time.monotonic() + timeout
        while True:
            if len(self.buf) >= 2:
                n, = struct.unpack(">H", self.buf[:2])
                if len(self.buf) >= 2 + n:
                    p, self.buf = self.buf[2:2 + n], self.buf[2 + n:]
                    return p[0], p[1], p[2:]
            self.more(max(0, end - time.monotonic()))

    def silent(self, timeout=0.1):
        try:
            return self.recv(timeout)
        except TimeoutError:
            return None

    def init(self, name, version="1.0", protocol="0.0.1"):
        self.send(INIT, 0, {"app-name": name, "app-version": version,
                            "protocol-version": protocol})
        return self.recv()

    def ok(self, ident):
        self.send(SUCCESS, ident, "null")


def knock(path):
    """The two pipes of apps.sock; a string is why not."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.settimeout(5)
    data, fds, _, _ = socket.recv_fds(s, 256, 2)
    while True:
        more = s.recv(256)
        if not more:
            break
        data += more
    s.close()
    if data[:1] == b"\0" and len(fds) == 2:
        return Pipe(fds[0], fds[1])
    return data[1:].decode()


def b64(data):
    return base64.b64encode(data).decode()
