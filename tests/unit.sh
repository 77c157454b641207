#!/bin/sh
# SPDX-License-Identifier: ISC
# Run every unit test of a build: unit.sh BUILDDIR [NAME ...]
B=$1
shift
rc=0
for t in "$B"/tests/unit/*_test; do
	n=$(basename "$t" _test)
	[ $# -gt 0 ] && case " $* " in *" $n "*) ;; *) continue ;; esac
	if out=$("$t" 2>&1); then
		echo "ok   $n"
	else
		echo "FAIL $n"
		printf '%s\n' "$out"
		rc=1
	fi
done
exit $rc
