# SPDX-License-Identifier: ISC
"""
An app for tests, launched by warrend: app_child.py NAME WHAT [ARG ...]

  serve             answer what is sent with the same, port 10
  sleep             Init, then nothing until the pipes close
  deaf              Init, then nothing whatever happens; SIGTERM ignored
  exit CODE         Init, then leave
  say TEXT ...      print, then sleep
  ping PK PORT N    dial, exchange N bytes, print "echoed"
  last PK PORT N    dial, N Sends of 30,000 bytes, leave without an answer
  child             leave a grandchild behind
"""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import apipe  # noqa: E402

SELF = "%s" % sys.argv[1]


def serve(p):
    while True:
        t, i, body = p.recv(1e9)
        if t in (apipe.CONFIRM, apipe.CLOSE):
            p.ok(i)
        elif t == apipe.SEND:
            p.ok(i)
            p.send(apipe.SEND, 1, body)


def wait(p):
    while True:
        t, i, _ = p.recv(1e9)
        if t < apipe.FAILURE:
            p.ok(i)


def ping(p, pk, port, n):
    p.send(apipe.CREATE, 0, {"pk": pk, "port": int(port)})
    t, _, body = p.recv(30)
    if t != apipe.SUCCESS:
        print("refused: %s" % body.decode(), flush=True)
        return wait(p)
    addr = {"port": json.loads(body)["port"],
            "remote": {"pk": pk, "port": int(port)}}
    data, got = os.urandom(int(n)), b""
    p.send(apipe.SEND, 0, {"addr": addr, "payload": apipe.b64(data)})
    while len(got) < len(data):
        t, i, body = p.recv(10)
        if t == apipe.SEND:
            import base64
            got += base64.b64decode(json.loads(body)["payload"])
            p.ok(i)
    print("echoed" if got == data else "garbled", flush=True)
    p.send(apipe.CLOSE, 2, addr)
    return wait(p)


def last(p, pk, port, n):
    p.send(apipe.CREATE, 0, {"pk": pk, "port": int(port)})
    local = json.loads(p.recv(30)[2])["port"]
    addr = {"port": local, "remote": {"pk": pk, "port": int(port)}}
    data = apipe.b64(b"x" * 30000)
    for i in range(int(n)):
        p.send(apipe.SEND, i, {"addr": addr, "payload": data})
    os._exit(0)


def main():
    what, args = sys.argv[2], sys.argv[3:]
    p = apipe.Pipe(3, 4)
    if what == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    t, _, body = p.init(SELF)
    print("init %s" % ("ok" if t == apipe.SUCCESS else body.decode()),
          flush=True)
    print("fds %s" % sorted(int(x) for x in os.listdir("/proc/self/fd")),
          flush=True)
    if what == "exit":
        os._exit(int(args[0]))
    elif what == "say":
        for a in args:
            print(a, flush=True)
        print("no newline at the end", end="", flush=True)
        wait(p)
    elif what == "deaf":
        while True:
            time.sleep(3600)
    elif what == "child":
        if os.fork() == 0:
            while True:
                time.sleep(3600)
        print("grandchild", flush=True)
        wait(p)
    elif what == "ping":
        ping(p, *args)
    elif what == "last":
        last(p, *args)
    elif what == "serve":
        serve(p)
    else:
        wait(p)


try:
    main()
except (apipe.Closed, BrokenPipeError):
    sys.exit(0)
