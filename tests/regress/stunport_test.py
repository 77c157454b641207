#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
"stun listen ... port 0" finds a number that is free in UDP and in TCP, where
all but one of those that the system may choose are taken in TCP; and says so
when there is none.
"""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
if os.environ.get("IN_NAMESPACE") is None:
    os.environ["IN_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "-Urn", sys.executable] + sys.argv)
from warren import Node, check, finish  # noqa: E402

FIRST, LAST, FREE = 40000, 40015, 40009
CONF = """
listen peer on 127.0.0.1 port 38080
stun listen on 127.0.0.1 port 0
stun tcp no
api http on 127.0.0.1 port 38081 { workers 1 }
"""


def main():
    os.system("ip link set lo up")
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as f:
        f.write("%d %d" % (FIRST, LAST))
    taken = []
    for port in range(FIRST, LAST + 1):
        s = socket.socket()
        s.bind(("127.0.0.1", port))
        s.listen()
        taken.append(s)
    a = Node("a", CONF)
    a.start(wait=False)
    check("no number free in both: EX_UNAVAILABLE", a.proc.wait(15) == 69)
    check("and it says which", "address already in use" in
          a.tail(20).lower(), a.tail(20))
    taken[FREE - FIRST].close()
    a.start()
    ports = {l["proto"]: l["port"] for l in a.listeners()
             if l["service"] == "stun"}
    check("the only number free in both is found",
          ports == {"udp": FREE, "tcp": FREE}, ports)
    check("it stops cleanly", a.stop() == 0)
    finish()


main()
