#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
An app's last bytes: what it wrote before it left reaches the other end of its
loop, and then Close; nothing of it is left in the node meanwhile.
"""
import base64
import fcntl
import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import apipe  # noqa: E402
from apipe import CLOSE, CREATE, SEND, SUCCESS  # noqa: E402
from warren import Node, check, finish, wait_for, SRC  # noqa: E402

CHILD = os.path.join(SRC, "tests", "regress", "app_child.py")
USER = '\tuser "nobody"\n' if os.geteuid() == 0 else ""
# More than an app may owe: the rest waits in its pipe, and with appd.
SENDS = 38
F_SETPIPE_SZ = 1031

CONF = """
listen peer on 127.0.0.1 port 0
stun listen on 127.0.0.1 port 0
api http on 127.0.0.1 port 0 { workers 1 }
app "s" {
	version "1.0"
	command "/bin/false"
	port 10
%s}
app "c" {
	version "1.0"
	command "/bin/false"
%s}
""" % (USER, USER)


def one(name, pk):
    return 'app "%s" {\n\tversion "1.0"\n\tcommand "/usr/bin/python3"\n' \
        '\targuments "%s" "%s" "last" "%s" "10" "%d"\n\trestart never\n' \
        '%s}\n' % (name, CHILD, name, pk, SENDS, USER)


def names(node):
    return [c["name"] for c in node.ctl("show", "apps")["data"]["connected"]]


def until_close(s):
    """Bytes of Sends, each answered at once, until Close."""
    got = 0
    while True:
        t, i, body = s.recv(10)
        s.ok(i)
        if t == CLOSE:
            return got
        if t == SEND:
            got += len(base64.b64decode(json.loads(body)["payload"]))


node = Node("exit", CONF)
signal.alarm(120)
node.start()
node.write_conf(CONF + one("slow", node.node_id()))
node.ctl("reload")
s = apipe.knock(os.path.join(node.dir, "apps.sock"))
check("the receiver is here", s.init("s")[0] == SUCCESS)

# Nothing is answered until the sender is gone: most waits in its pipe.
node.ctl("app", "start", "slow")
s.ok(s.recv(10)[1])
wait_for("slow gone", lambda: names(node) == ["s"])
got = until_close(s)
check("all that was sent comes before Close", got == SENDS * 30000,
      "%d of %d" % (got, SENDS * 30000))

# By hand, and so not missed until an answer to it cannot be written.
c = apipe.knock(os.path.join(node.dir, "apps.sock"))
check("the sender is here", c.init("c")[0] == SUCCESS)
fcntl.fcntl(c.wfd, F_SETPIPE_SZ, 1 << 20)
c.send(CREATE, 0, {"pk": node.node_id(), "port": 10})
s.ok(s.recv()[1])
loop = {"port": json.loads(c.recv()[2])["port"],
        "remote": {"pk": node.node_id(), "port": 10}}
for n in range(SENDS):
    c.send(SEND, n, {"addr": loop, "payload": apipe.b64(b"x" * 30000)})
wait_for("what it owes is full", lambda: max(
    l["waiting"] for l in node.ctl("show", "loops")["data"]) >= 1000000)
c.close()
got = until_close(s)
check("the same of one who came by hand", got == SENDS * 30000,
      "%d of %d" % (got, SENDS * 30000))
wait_for("c gone", lambda: names(node) == ["s"])
wait_for("no loop is left", lambda: node.ctl("show", "loops")["data"] == [])
s.close()
check("appd lives", node.processes()["appd"]["restarts"] == 0)
check("stops cleanly", node.stop() == 0)
finish()
