#!/bin/sh
# SPDX-License-Identifier: ISC
#
# Many seeds of scenario store, of three to nine nodes, in both modes; prints
# those that fail.   usage: [SEEDS=200 FROM=1] store.sh BUILDDIR
set -u
sim=$1/tests/sim/sim
from=${FROM:-1}
until=$((from + ${SEEDS:-200}))
out=$(mktemp "${TMPDIR:-/tmp}/warren-store.XXXXXX")
trap 'rm -f "$out"' EXIT
seed=$from fail=0
while [ "$seed" -lt "$until" ]; do
	nodes=$((3 + seed % 7))
	for mode in safety liveness; do
		if ! "$sim" --scen store --seed "$seed" --nodes $nodes \
		    --mode $mode > "$out" 2>&1; then
			fail=$((fail + 1))
			echo "FAIL --scen store --seed $seed --nodes $nodes" \
			    "--mode $mode"
			grep -E 'BROKEN|roots equal' "$out"
		fi
	done
	seed=$((seed + 1))
done
echo "store: seeds $from to $((until - 1)), $fail failed"
[ $fail = 0 ]
