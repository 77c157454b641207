#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""
A node whose clock is 33 s ahead of those of six others says nothing in its own
name until the clock is right; records of others pass as ever.  The clock is
wrong for that node alone, by a library loaded before the others, which looks
at a file for how far it is off.
"""
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dbctl import Author, Ctl, Network, META, NEW, block_id, BLOCK  # noqa
from dbctl import LOCATION  # noqa: E402
from warren import (Node, B, SANITIZED, check, finish, skip,  # noqa
                    wait_for, tmpdir)

TICK_MS = 500
OTHERS = 6
SHIFT = r"""
#define _GNU_SOURCE
#include <sys/mman.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Milliseconds, in a page that the test writes to. */
static const volatile long *off;

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("CLOCK_SHIFT");
	int fd = path == NULL ? -1 : open(path, O_RDONLY);
	void *p;

	if (fd == -1)
		return;
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		off = p;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int rc;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	rc = real(id, ts);
	if (rc == 0 && id == CLOCK_REALTIME && off != NULL)
		ts->tv_sec += *off / 1000;
	return rc;
}
"""
CONF = """
listen peer on 127.0.13.%d port 38080
stun listen on 127.0.13.%d port 3478
api http on 127.0.13.%d port 38081 { workers 1 }
timeout { ping 1s, dead 10s }
supervise restarts 100000 per 1m
"""


def shifted(d, lib, shift):
    """A folder of programs that begin with that library: the launcher starts
    its children with an empty environment."""
    os.mkdir(d)
    for name in ("stund", "peerd", "store", "apid", "appd"):
        with open(os.path.join(d, name), "w") as f:
            f.write("#!/bin/sh\nexport LD_PRELOAD=%s CLOCK_SHIFT=%s\n"
                    "exec %s/%s-bin \"$@\"\n" % (lib, shift, B, name))
    for name in os.listdir(d):
        os.chmod(os.path.join(d, name), 0o755)
    os.symlink(os.path.join(B, "warrend"), os.path.join(d, "warrend"))
    return d


def set_shift(path, ms):
    with open(path, "r+b") as f:
        f.write(ms.to_bytes(8, sys.byteorder, signed=True))


def problems(node):
    s = node.ctl("show", "status")
    return {p["code"]: p["text"] for p in s["problems"]}


def main():
    d = tmpdir()
    lib, shift = os.path.join(d, "shift.so"), os.path.join(d, "shift")
    cc = shutil.which("cc") or shutil.which("gcc")
    with open(os.path.join(d, "shift.c"), "w") as f:
        f.write(SHIFT)
    if SANITIZED or cc is None or subprocess.run(
            [cc, "-shared", "-fPIC", "-o", lib, f.name, "-ldl"]).returncode:
        skip("a wrong clock", "no library can be loaded before the others")
        return finish()
    with open(shift, "wb") as f:
        f.write(bytes(4096))
    for p in (lib, shift, d):
        os.chmod(p, 0o755)
    net = Network(os.path.join(d, "lab.charter"), tick_ms=TICK_MS,
                  settle_ms=TICK_MS)
    boot = "".join("bootstrap 127.0.13.%d port 38080 static\n" % i
                   for i in range(3, 3 + OTHERS))
    others = [Node("n%d" % i, net.conf + CONF % (i, i, i))
              for i in range(3, 3 + OTHERS)]
    for n in others:
        n.start()
    node = Node("n2", net.conf + CONF % (2, 2, 2) + boot)
    node.bin = shifted(os.path.join(d, "bin"), lib, shift)
    node.start()
    ctl, far = Ctl(node.sock), Ctl(others[0].sock)
    wait_for("linked", lambda: len(
        node.ctl("show", "peers", "outbound")["data"]) >= 5, 30)
    author = Author(net)
    check("an author is admitted", far.put([author.admission()[0]]) == [NEW])
    wait_for("admitted, too", lambda: ctl.db()["admitted"], 30)
    check("with a right clock all is well",
          not {"clock-wrong", "clock-skew"} & set(problems(node)),
          problems(node))

    set_shift(shift, 33000)
    wait_for("it is told", lambda: "clock-wrong" in problems(node), 30)
    text = problems(node)["clock-wrong"]
    check("health: clock-wrong, and by how much",
          "ahead of" in text and ("33." in text or "32." in text), text)
    check("check: critical", node.ctl("check", raw=True)[0] == 2)
    check("the log says it once",
          node.tail(400).count("own records and claims wait") == 1)
    # A body is kept, and nothing said of it.
    body = os.urandom(3000)
    bid = block_id(body)
    raw = author.record(BLOCK, bid, w=len(body))[0]
    check("records of others pass", ctl.put([raw]) == [NEW])
    wait_for("and travel", lambda: far.get(author.key(BLOCK, bid)) == raw,
             10)
    check("a body is kept", ctl.block_put(body) == bid)
    me = bytes.fromhex(node.node_id())

    def announced():
        return me in {a for a, flags, _ in far.list(
            author.key(LOCATION, bid)[:16])}
    time.sleep(4 * TICK_MS / 1000)
    check("nothing is said of it", not announced())
    rc = node.ctl("proof", "kind", "member", raw=True)
    check("no root is signed", "NOT PROVEN: the root is not signed" in rc[1],
          rc)

    set_shift(shift, 0)
    wait_for("it is over", lambda: "clock-wrong" not in problems(node), 30)
    check("with the clock right again it is over", True)
    # It settled ticks of the future, and waits until they have come.
    wait_for("the body is announced", announced, 70)
    check("what was not said is said now", True)
    wait_for("roots are signed", lambda: node.ctl(
        "proof", "kind", "member", raw=True)[0] == 0, 30)
    check("and roots are signed again", True)
    for n in others + [node]:
        check("%s stops cleanly" % n.name, n.stop() == 0)
    finish()


main()
