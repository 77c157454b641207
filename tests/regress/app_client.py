# SPDX-License-Identifier: ISC
"""The ping-pong without our library: a Python app of the standard library
only, which reads descriptor 3 and writes descriptor 4 as warren-app(7) says.

usage: app_client.py [-n NAME] [-v VERSION] PK [PORT]
       app_client.py [-n NAME] [-v VERSION] serve [COUNT]

The first prints what the app beside PK answers to "ping"; the second answers
COUNT such pings, or all that come, with "pong".
"""
import base64
import getopt
import json
import os
import struct
import sys

INIT, CREATE_LOOP, CONFIRM_LOOP, SEND, CLOSE = range(5)
FAILURE, SUCCESS = 0xfe, 0xff


class Node:
    """The node, as an app sees it.  One request at a time, so its id is 0."""

    def __init__(self, rfd=3, wfd=4):
        self.rfd, self.wfd = rfd, wfd
        self.requests = []  # of the node's, which wait to be served

    def read(self, n):
        data = b""
        while len(data) < n:
            more = os.read(self.rfd, n - len(data))
            if not more:
                raise EOFError("the node is gone")
            data += more
        return data

    def read_packet(self):
        (length,) = struct.unpack(">H", self.read(2))
        data = self.read(length)
        return data[0], data[1], data[2:]

    def write_packet(self, kind, ident, body):
        data = struct.pack(">HBB", 2 + len(body), kind, ident) + body
        while data:
            data = data[os.write(self.wfd, data):]

    def write_json(self, kind, ident, value):
        self.write_packet(kind, ident, json.dumps(
            value, separators=(",", ":")).encode())

    def ask(self, kind, value):
        """Returns what the node's success says; exits with its failure."""
        self.write_json(kind, 0, value)
        while True:
            kind, ident, body = self.read_packet()
            if kind == FAILURE:
                sys.exit(body.decode())
            if kind == SUCCESS:
                return json.loads(body or b"null")
            self.requests.append((kind, ident, body))

    def request(self):
        """The next thing that the node asks of us."""
        while not self.requests:
            packet = self.read_packet()
            if packet[0] not in (FAILURE, SUCCESS):
                self.requests.append(packet)
        kind, ident, body = self.requests.pop(0)
        return kind, ident, json.loads(body)


def client(node, pk, port):
    remote = {"pk": pk, "port": port}
    local = node.ask(CREATE_LOOP, remote)
    loop = {"port": local["port"], "remote": remote}
    node.ask(SEND, {"addr": loop,
                    "payload": base64.b64encode(b"ping").decode()})
    while True:
        kind, ident, body = node.request()
        node.write_json(SUCCESS, ident, None)
        if kind == SEND:
            print(base64.b64decode(body["payload"]).decode(), flush=True)
            break
        if kind == CLOSE:
            sys.exit("closed without an answer")
    node.ask(CLOSE, loop)


def serve(node, count):
    while count != 0:
        kind, ident, body = node.request()
        node.write_json(SUCCESS, ident, None)
        if kind == SEND:
            said = base64.b64decode(body["payload"]).decode()
            print(said, flush=True)
            if said == "ping":
                node.ask(SEND, {"addr": body["addr"], "payload":
                                base64.b64encode(b"pong").decode()})
        elif kind == CLOSE:
            count -= 1


def main():
    name, version = None, "1.0"
    opts, args = getopt.getopt(sys.argv[1:], "n:v:")
    for opt, value in opts:
        if opt == "-n":
            name = value
        else:
            version = value
    if not 1 <= len(args) <= 2:
        sys.exit(__doc__)
    serving = args[0] == "serve"
    if name is None:
        name = "helloworld-server" if serving else "helloworld-client"
    number = int(args[1]) if len(args) == 2 else (-1 if serving else 10)
    node = Node()
    node.ask(INIT, {"app-name": name, "app-version": version,
                    "protocol-version": "0.0.1"})
    if serving:
        serve(node, number)
    else:
        client(node, args[0], number)


if __name__ == "__main__":
    main()
