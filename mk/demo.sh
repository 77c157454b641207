#!/bin/sh
# SPDX-License-Identifier: ISC
#
# Three nodes on 127.0.0.2-4 that find each other, shown and stopped.
#   usage: demo.sh BUILDDIR         (make demo)
set -eu
B=$1
D=$(mktemp -d "${TMPDIR:-/tmp}/warren-demo.XXXXXX")
pids=

stop() {
	for p in $pids; do kill "$p" 2>/dev/null || true; done
	for p in $pids; do wait "$p" 2>/dev/null || true; done
	rm -rf "$D"
}
trap 'stop; exit 130' INT TERM

name_of() { case $1 in 2) echo fern ;; 3) echo oak ;; 4) echo thorn ;; esac; }

for n in 2 3 4; do
	mkdir "$D/$n"
	cat > "$D/$n/warren.conf" <<CONF
node name "$(name_of $n)"
state "$D/$n/state"
chroot "$D/$n/empty"
libexec "$PWD/$B"
control "$D/$n/sock" mode 0600
log file "$D/$n/log"
listen peer on 127.0.0.$n port 38080
stun listen on 127.0.0.$n port 3478
api http on 127.0.0.$n port 38081
CONF
	[ $n = 2 ] || echo "bootstrap 127.0.0.2 port 38080" >> "$D/$n/warren.conf"
	"$B/warrend" -F -f "$D/$n/warren.conf" -R "$D/$n/ready" &
	pids="$pids $!"
	tries=0
	while [ ! -f "$D/$n/ready" ]; do
		tries=$((tries + 1))
		if [ $tries -gt 100 ] || ! kill -0 $! 2>/dev/null; then
			rc=0
			wait $! || rc=$?
			echo "demo: node $(name_of $n) did not start" >&2
			stop
			exit "$rc"
		fi
		sleep 0.1
	done
	echo "node  $(name_of $n)  link 127.0.0.$n:38080  http://127.0.0.$n:38081"
done

up() { "$B/warrenctl" -s "$D/$1/sock" show peers up | grep -c ACTIVE || true; }
tries=0
while [ "$(up 2)$(up 3)$(up 4)" != 222 ]; do
	tries=$((tries + 1))
	if [ $tries -gt 150 ]; then
		echo "demo: the nodes did not find each other in 15 s" >&2
		cat "$D"/*/log >&2
		stop
		exit 70
	fi
	sleep 0.1
done
for n in 2 3 4; do
	echo
	echo "\$ warrenctl show peers        # on $(name_of $n)"
	"$B/warrenctl" -s "$D/$n/sock" show peers
done
echo
echo "all three know each other; stopping them"
stop
