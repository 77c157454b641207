#!/bin/sh
# SPDX-License-Identifier: ISC
#
# Many seeds of a scenario in which everything goes wrong, of several sizes
# and in both modes, every other one of store with rare branches; prints what
# fails.   usage: [SEEDS=200 FROM=1] seeds.sh BUILDDIR [store | trees]
set -u
sim=$1/tests/sim/sim
scen=${2:-store}
from=${FROM:-1}
until=$((from + ${SEEDS:-200}))
out=$(mktemp "${TMPDIR:-/tmp}/warren-seeds.XXXXXX")
trap 'rm -f "$out"' EXIT
seed=$from fail=0
while [ "$seed" -lt "$until" ]; do
	case $scen in
	store)	nodes=$((3 + seed % 7)) ;;
	*)	nodes=$((8 + seed * 7 % 90)) ;;
	esac
	rare=
	[ $((seed % 2)) = 0 ] && rare=--buggify
	for mode in safety liveness; do
		course="--scen $scen --seed $seed --nodes $nodes --mode $mode $rare"
		# shellcheck disable=SC2086
		if ! "$sim" $course > "$out" 2>&1; then
			fail=$((fail + 1))
			echo "FAIL $course"
			grep -E 'BROKEN|roots equal' "$out"
		fi
	done
	seed=$((seed + 1))
done
echo "$scen: seeds $from to $((until - 1)), $fail failed"
[ $fail = 0 ]
