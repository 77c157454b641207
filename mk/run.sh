#!/bin/sh
# SPDX-License-Identifier: ISC
#
# One node in the foreground, on loopback, with its state under ./run.
#   usage: run.sh BUILDDIR          (make run)
set -eu
B=$1
R=$PWD/run
mkdir -p "$R" 2>/dev/null || { echo "run: cannot make $R" >&2; exit 77; }

if [ ! -f "$R/warren.conf" ]; then
	cat > "$R/warren.conf" <<CONF
# Made by "make run"; change it as you like.  See warren.conf(5).
state "$R/state"
chroot "$R/empty"
libexec "$PWD/$B"
control "$R/warren.sock" mode 0600
log file "$R/warren.log"
listen peer on 127.0.0.1 port 38080
stun listen on 127.0.0.1 port 3478
api http on 127.0.0.1 port 38081
CONF
fi
ctl="$B/warrenctl -s $R/warren.sock"

# Ctrl-C reaches the node as well, which takes its ready file away when it
# begins to stop; a second signal would cut that short.
pid='' up=no ready=$R/ready.$$
stop() { # stop TENTHS: how long to see whether it stops by itself
	tenths=$1
	while [ $up = yes ] && [ -f "$ready" ] && [ "$tenths" -gt 0 ]; do
		tenths=$((tenths - 1))
		sleep 0.1
	done
	if [ $up = no ] || [ -f "$ready" ]; then
		[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	fi
	wait || true
	rm -f "$ready"
	exit 0
}
trap 'stop 10' INT
trap 'stop 0' TERM
"$B/warrend" -F -f "$R/warren.conf" -R "$ready" & # logs to run/warren.log
pid=$!
while [ ! -f "$ready" ]; do
	if ! kill -0 "$pid" 2>/dev/null; then
		rc=0
		wait "$pid" || rc=$?
		exit "$rc"
	fi
	sleep 0.1
done
up=yes
id=$($ctl -j key show | sed 's/.*"nodeId":"\([0-9a-f]*\)".*/\1/')
echo "node    $id"
$ctl show listeners | awk 'NR > 1 { printf "listen  %-6s %-4s %s\n", $1, $2, $3 }'
echo "reach   this machine only: every listener is on loopback"
echo "log     run/warren.log    state run/state    config run/warren.conf"
echo "try     $B/warrenctl -s run/warren.sock"
echo "        curl -s http://127.0.0.1:38081/node/info"
echo "stop    Ctrl-C; the node keeps its key and what it learnt"
rc=0
wait "$pid" || rc=$?
exit "$rc"
