#!/bin/sh
# SPDX-License-Identifier: ISC
#
# make sim-bench: the rows of the table of targets that the simulator can
# measure, at full size.  About twenty minutes; row 7 takes SEEDS seeds
# (default 10, the target speaks of 100).
#   usage: bench.sh BUILDDIR [ROW ...]
set -u
sim=$1/tests/sim/sim
shift
rows=${*:-1 3 4 5 6 7}
SEEDS=${SEEDS:-10}
rc=0
out=$(mktemp "${TMPDIR:-/tmp}/warren-sim.XXXXXX")
trap 'rm -f "$out"' EXIT

run() { # run ARGUMENTS...: the goals, the time, and what broke
	echo "# sim --goals $*"
	"$sim" --goals "$@" > "$out" 2>&1 || rc=1
	grep -E '^(goal|BROKEN|wall|trace)' "$out"
}

for row in $rows; do
	case $row in
	1)	# with 2, 4 at 10k, and 21
		run --scen bcast --nodes 10000 --seconds 60
		run --scen bcast --nodes 2000 --rate 200 --seconds 60
		;;
	3)	run --scen stall --nodes 10000 --seconds 45 ;;
	4)	run --scen bcast --nodes 100 --seconds 120
		run --scen bcast --nodes 1000 --seconds 60
		run --scen lan --nodes 1000 --seconds 60
		;;
	5)	run --scen crash --nodes 10000 --seconds 60 ;;
	6)	run --scen churn --nodes 2000 --seconds 120
		run --scen churn --nodes 10000 --seconds 45
		;;
	7)	seed=1
		while [ "$seed" -le "$SEEDS" ]; do
			run --scen join --nodes 10000 --seconds 5 --seed "$seed"
			seed=$((seed + 1))
		done
		;;
	19)	run --scen byz --nodes 1000 --seconds 60 ;;
	*)	echo "no such row: $row" >&2; exit 64 ;;
	esac
done
exit $rc
