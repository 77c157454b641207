#!/bin/sh
# SPDX-License-Identifier: ISC
#
# Run every fuzzer for a while, JOBS (2) at a time, from its corpus.  New inputs go
# to a scratch folder; what crashes stays in the build folder and is named.
#   usage: fuzz.sh BUILDDIR SECONDS [NAME ...]     environment: JOBS, TIMEOUT
set -u
B=$1 secs=$2
shift 2
rc=0
n=0
for t in "$B"/tests/fuzz/*_fuzz; do
	name=$(basename "$t" _fuzz)
	[ $# -gt 0 ] && case " $* " in *" $name "*) ;; *) continue ;; esac
	mkdir -p "$B/corpus/$name" "tests/fuzz/corpus/$name"
	(
		"$t" -max_total_time="$secs" -timeout="${TIMEOUT:-10}" -rss_limit_mb=2048 \
		    -max_len=9000 -artifact_prefix="$B/crash-$name-" \
		    "$B/corpus/$name" "tests/fuzz/corpus/$name" \
		    > "$B/fuzz-$name.log" 2>&1
		echo $? > "$B/fuzz-$name.rc"
	) &
	n=$((n + 1))
	[ $((n % ${JOBS:-2})) = 0 ] && wait
done
wait
for t in "$B"/tests/fuzz/*_fuzz; do
	name=$(basename "$t" _fuzz)
	[ -f "$B/fuzz-$name.rc" ] || continue
	runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$B/fuzz-$name.log")
	if [ "$(cat "$B/fuzz-$name.rc")" = 0 ]; then
		echo "ok   $name: ${runs:-?} runs in $secs s"
	else
		echo "FAIL $name: see $B/fuzz-$name.log"
		rc=1
	fi
	rm -f "$B/fuzz-$name.rc"
done
exit $rc
