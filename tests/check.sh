#!/bin/sh
# SPDX-License-Identifier: ISC
#
# make check: everything that must hold, one line a test, and a last line
# that counts.  CHECK=word runs only the groups whose name holds the word.
# As root nothing may be skipped.
set -u
cd "$(dirname "$0")/.." || exit 70
pass=0 fail=0 skip=0
log=$(mktemp -d "${TMPDIR:-/tmp}/warren-check.XXXXXX")
trap 'rm -rf "$log"' EXIT
MAKE=${MAKE:-make}
PY=/usr/bin/python3
[ -x $PY ] || PY=python3

wanted() { case ${CHECK:-} in '') return 0 ;; esac
	case $1 in *"$CHECK"*) return 0 ;; esac
	return 1
}

# one NAME COMMAND...: a test that is one line
one() {
	name=$1
	shift
	wanted "$name" || return 0
	began=$(date +%s)
	if "$@" > "$log/out" 2>&1; then
		pass=$((pass + 1))
		echo "ok   $name ($(($(date +%s) - began)) s)"
	else
		fail=$((fail + 1))
		echo "FAIL $name"
		tail -n 60 "$log/out" | sed 's/^/     /'
	fi
}

# many NAME COMMAND...: a test that prints its own lines and counts them
many() {
	name=$1
	shift
	wanted "$name" || return 0
	began=$(date +%s)
	rc=0
	"$@" > "$log/out" 2>&1 || rc=$?
	last=$(tail -n 1 "$log/out")
	case $last in
	*" passed, "*" failed"*)
		p=$(echo "$last" | sed 's/ passed.*//')
		f=$(echo "$last" | sed 's/.*passed, //; s/ failed.*//')
		s=$(echo "$last" | sed -n 's/.*failed, \([0-9]*\) skipped.*/\1/p')
		pass=$((pass + p)) fail=$((fail + f)) skip=$((skip + ${s:-0}))
		if [ "$f" = 0 ] && [ $rc = 0 ]; then
			echo "ok   $name: $last ($(($(date +%s) - began)) s)"
			return 0
		fi
		[ "$f" != 0 ] || fail=$((fail + 1))
		;;
	*)	# it does not count itself: count its lines
		p=$(grep -c '^ok ' "$log/out")
		pass=$((pass + p))
		if [ $rc = 0 ] && [ "$p" -gt 0 ] && ! grep -q '^FAIL' "$log/out"
		then
			echo "ok   $name: $p passed ($(($(date +%s) - began)) s)"
			return 0
		fi
		fail=$((fail + 1))
		;;
	esac
	echo "FAIL $name (exit $rc)"
	grep -v '^ok ' "$log/out" | tail -n 60 | sed 's/^/     /'
}

build() { # build DIR TARGETS... with the environment given
	d=$1
	shift
	sh ./configure "$d" && $MAKE -s -j2 -f mk/build.mk B="$d" "$@"
}

units() { # units DIR LABEL
	for t in "$1"/tests/unit/*_test; do
		one "$2: $(basename "$t" _test)" "$t"
	done
}

corpora() { # corpora DIR LABEL
	for t in "$1"/tests/fuzz/*_fuzz; do
		n=$(basename "$t" _fuzz)
		[ -d "tests/fuzz/corpus/$n" ] || continue
		one "$2: corpus of $n" "$t" "tests/fuzz/corpus/$n"
	done
}

# Tests that mostly wait run beside the others: each has addresses or
# namespaces of its own.  Their lines come at the end.
SLOW="supervise dblab blocks dbconv applab overlay clock newcomer"
is_slow() {
	case " $SLOW " in *" $(basename "$1" _test.py) "*) return 0 ;; esac
	return 1
}

lane=
lane_start() {
	mkdir "$log/lane"
	(
		log=$log/lane
		trap - EXIT
		pass=0 fail=0 skip=0
		B=$PWD/build
		export B
		for t in tests/regress/*_test.py; do
			is_slow "$t" && many "$(basename "$t" .py)" $PY "$t"
		done
		echo "$pass $fail $skip" > "$log/counts"
	) > "$log/lane.lines" 2>&1 &
	lane=$!
}

lane_join() {
	wait "$lane" || true
	cat "$log/lane.lines"
	read -r p f s < "$log/lane/counts" || p=0 f=1 s=0
	pass=$((pass + p)) fail=$((fail + f)) skip=$((skip + s))
}

# --- the plain build ---
one "build: gcc, no warnings" sh -c "
	sh ./configure build && $MAKE -s -j2 -f mk/build.mk B=build all unit \
	    fuzzers tools 2>&1 | tee '$log/build' && ! grep -i warning '$log/build'"
lane_start
units build unit
corpora build fuzz
one "pure: cores touch nothing" sh tests/pure.sh build
many "sim" sh tests/sim/sim.sh build
one "lint" sh tests/lint.sh build
one "build: bmake reads the same Makefile" sh -c "
	command -v bmake >/dev/null && bmake -s B=build all"
one "build: bison takes the grammar" sh -c "
	command -v bison >/dev/null && bison -y -Werror=conflicts-sr \
	    -Werror=conflicts-rr -o '$log/parse.c' cmd/warrend/parse.y"

# --- real processes ---
B=$PWD/build
export B
for t in tests/regress/*_test.py tests/interop/*_test.py; do
	[ -f "$t" ] || continue
	is_slow "$t" || many "$(basename "$t" .py)" $PY "$t"
done
for t in tests/regress/*_test.sh; do
	[ -f "$t" ] || continue
	many "$(basename "$t" .sh)" sh "$t"
done
if wanted sandbox; then
	one "build: attack" env ATTACK=yes sh -c "
		sh ./configure build-attack &&
		$MAKE -s -j2 -f mk/build.mk B=build-attack all"
	B=$PWD/build-attack many "sandbox" $PY tests/sandbox/attack_test.py
fi

# --- the same under sanitizers ---
if wanted sanitize && command -v clang >/dev/null; then
	one "build: clang with sanitizers, no warnings" \
	    env CC=clang SANITIZE=yes sh -c "
		sh ./configure build-san && $MAKE -s -j2 -f mk/build.mk \
		    B=build-san all unit fuzzers tools 2>&1 |
		    tee '$log/build' && ! grep -i warning '$log/build'"
	units build-san sanitize
	corpora build-san sanitize
	B=$PWD/build-san
	export B
	for t in tests/regress/http_test.py tests/regress/badinput_test.py \
	    tests/regress/ctl_test.py tests/regress/db_api_test.py \
	    tests/regress/dbctl_test.py tests/regress/libwarren_test.py \
	    tests/interop/stun_test.py; do
		many "sanitize: $(basename "$t" .py)" $PY "$t"
	done
	many "sanitize: peerd_test" sh tests/regress/peerd_test.sh
	many "sanitize: loops_test" sh tests/regress/loops_test.sh
	many "sanitize: relay_test" sh tests/regress/relay_test.sh
fi

lane_join
if [ "$(id -u)" = 0 ] && [ $skip -gt 0 ]; then
	echo "FAIL $skip skipped, though this is root"
	fail=$((fail + skip))
	skip=0
fi
echo "$pass passed, $fail failed, $skip skipped"
[ $fail = 0 ] && [ $pass -gt 0 ]
