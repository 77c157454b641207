#!/bin/sh
# SPDX-License-Identifier: ISC
#
# make soak: what takes too long for every day.  About half an hour.
#   usage: soak.sh BUILDDIR
set -u
B=$1
export B
PY=/usr/bin/python3
fail=0
run() { # run NAME COMMAND...
	name=$1
	shift
	began=$(date +%s)
	if "$@"; then
		echo "ok   $name ($(($(date +%s) - began)) s)"
	else
		echo "FAIL $name"
		fail=1
	fi
}
run "2,000 crashes of a simulated disk, and as many faults" \
    env CRASHES=2000 "$B/tests/unit/crash_test"
run "200 seeds of the record store against its model" \
    env SEEDS=200 "$B/tests/unit/recstore_test"
run "200 seeds of databases on failing disks, both ways" \
    env SEEDS=200 sh tests/sim/seeds.sh "$B" store
run "200 seeds of networks in which everything goes wrong, both ways" \
    env SEEDS=200 sh tests/sim/seeds.sh "$B" trees
run "1,000 SIGKILLs of the store under writes" \
    env KILLS=1000 $PY tests/regress/storekill_test.py
run "seven nodes for five minutes, cut and killed" \
    env SECONDS=300 $PY tests/regress/dblab_test.py
run "100 overlays of 10,000 nodes" env SEEDS=100 sh tests/sim/bench.sh "$B" 7
exit $fail
