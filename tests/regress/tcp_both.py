#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
Both ends of a TCP session for tests of tunnels.

  tcp_both.py serve HOST PORT       serve sessions for ever
  tcp_both.py bulk HOST PORT MB     MB MiB each way at once
  tcp_both.py talk HOST PORT N      N lines, each answered before the next

A session begins with a line "bulk MB SEED" or "talk".  Bulk data is a stream
made from a seed, so that both ends know what must come.  Prints "equal N" or
what differs.
"""
import hashlib
import os
import socket
import sys
import threading
import time

PIECE = 1 << 20


def stream(seed, mb):
    """mb MiB that no compression and no cache would make easier."""
    block = hashlib.blake2b(b"%d" % seed).digest() * (PIECE // 64)
    for i in range(mb):
        yield i.to_bytes(8, "big") + block[8:]


def digest(seed, mb):
    h = hashlib.sha256()
    for piece in stream(seed, mb):
        h.update(piece)
    return h.hexdigest()


def send_all(s, seed, mb):
    for piece in stream(seed, mb):
        s.sendall(piece)


def recv_all(s, n):
    h = hashlib.sha256()
    while n > 0:
        data = s.recv(min(n, PIECE))
        if not data:
            raise EOFError("%d bytes missing" % n)
        h.update(data)
        n -= len(data)
    return h.hexdigest()


def bulk(s, out_seed, in_seed, mb):
    t = threading.Thread(target=send_all, args=(s, out_seed, mb), daemon=True)
    t.start()
    got = recv_all(s, mb * PIECE)
    t.join()
    return got == digest(in_seed, mb)


def session(s):
    f = s.makefile("rb", buffering=0)
    words = f.readline().split()
    if words[:1] == [b"bulk"]:
        good = bulk(s, int(words[2]) + 1, int(words[2]), int(words[1]))
        s.sendall(b"equal\n" if good else b"differs\n")
    else:
        while True:
            line = f.readline()
            if not line:
                break
            s.sendall(line.upper())
    s.close()


def main():
    what, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if what == "serve":
        lst = socket.create_server((host, port))
        print("serving", flush=True)
        while True:
            s, _ = lst.accept()
            threading.Thread(target=session, args=(s,), daemon=True).start()
    n = int(sys.argv[4])
    s = socket.create_connection((host, port))
    s.settimeout(60)
    began = time.monotonic()
    if what == "bulk":
        seed = os.getpid()
        s.sendall(b"bulk %d %d\n" % (n, seed))
        good = bulk(s, seed, seed + 1, n)
        theirs = s.makefile("rb").readline()
        print("equal %d in %.2f s" % (n, time.monotonic() - began) if good and
              theirs == b"equal\n" else "differs: %s %r" % (good, theirs))
    else:
        f = s.makefile("rb", buffering=0)
        s.sendall(b"talk\n")
        for i in range(n):
            s.sendall(b"line %d\n" % i)
            line = f.readline()
            if line != b"LINE %d\n" % i:
                print("differs: %r" % line)
                return
        print("equal %d in %.2f s" % (n, time.monotonic() - began))


main()
