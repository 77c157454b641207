#!/bin/sh
# SPDX-License-Identifier: ISC
#
# make sim-bench: the rows of the table of targets that the simulator can
# measure, at full size.  About half an hour; row 7 takes SEEDS seeds (default
# 10, the target speaks of 100).  Links are those that the overlay makes,
# except where it says fixed.
#   usage: bench.sh BUILDDIR [ROW ...]
set -u
sim=$1/tests/sim/sim
shift
rows=${*:-1 3 4 5 6 7 8}
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
		run --scen bcast --nodes 10000 --seconds 60 --links fixed
		run --scen bcast --nodes 10000 --seconds 60 --links overlay
		run --scen bcast --nodes 2000 --rate 200 --seconds 60 \
		    --links overlay
		;;
	1x)	# the upper end of row 1: about ten minutes, and memory
		run --scen bcast --nodes 10000 --rate 200 --seconds 30 \
		    --links overlay
		;;
	3)	run --scen stall --nodes 10000 --seconds 45 --links overlay ;;
	4)	run --scen bcast --nodes 100 --seconds 120 --links overlay
		run --scen bcast --nodes 1000 --seconds 60 --links overlay
		run --scen lan --nodes 1000 --seconds 60 --links overlay
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
	8)	# with 10: a cut and its end, and then nothing to do
		run --scen heal --nodes 1000
		run --scen heal --nodes 1000 --links fixed
		;;
	19)	run --scen byz --nodes 1000 --seconds 60 ;;
	*)	echo "no such row: $row" >&2; exit 64 ;;
	esac
done
exit $rc
