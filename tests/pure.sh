#!/bin/sh
# SPDX-License-Identifier: ISC
#
# Prove the cores pure: print every undefined symbol of theirs that is neither
# memcpy and its kin, nor the compiler's guards, nor libsodium's pure
# functions, nor our assert, nor another core.  Prints nothing when all is
# well.  What counts as a core says so: "Pure" in the header of its file, or
# at the top of the file itself where one header has several.
#   usage: pure.sh BUILDDIR
set -eu
B=$1
tmp=$(mktemp -d "${TMPDIR:-/tmp}/warren-pure.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

cores=
for h in common/*.h stund/*.h peerd/*.h apid/*.h appd/*.h cmd/warrend/*.h; do
	c=${h%.h}.c
	[ -f "$c" ] || continue
	# In the comment at the head of the file, so not by chance.
	sed -n '1,30p' "$h" | grep -Eq '(^| )Pure[ .;:,]' || continue
	cores="$cores $B/${c%.c}.o"
	# A header may speak for several files: x.h for x_read.c too.
	for more in "${h%.h}"_*.c; do
		if [ -f "$more" ] && [ ! -f "${more%.c}.h" ]; then
			cores="$cores $B/${more%.c}.o"
		fi
	done
done
for c in common/*.c stund/*.c peerd/*.c apid/*.c appd/*.c; do
	case " $cores " in *" $B/${c%.c}.o "*) continue ;; esac
	sed -n '1,10p' "$c" | grep -Eq '(^| )Pure[ .;:,]' && cores="$cores $B/${c%.c}.o"
done
[ -n "$cores" ] || { echo "pure: no core found"; exit 1; }

# shellcheck disable=SC2086
nm -A -P -u $cores | sed 's/:* / /' | awk '{ print $1, $2 }' > "$tmp/undef"
# shellcheck disable=SC2086
nm -P --defined-only $cores 2>/dev/null |
    awk 'NF >= 2 && $2 ~ /[TDBR]/ { print $1 }' | sort -u > "$tmp/own"

allowed='^(mem(cpy|move|set|cmp|chr)|str(len|nlen|cmp|ncmp|chr|rchr|str|spn|cspn|lcpy|lcat)|__mem(cpy|move|set)_chk|__stack_chk_fail|__strlcpy_chk|_GLOBAL_OFFSET_TABLE_|assert_fail|inet_(pton|ntop)|v?snprintf|__v?snprintf_chk|strto(ul|l|ull|ll)|__isoc(23|99)_.*|sodium_(memcmp|memzero|bin2hex|hex2bin|is_zero|increment)|crypto_[a-z0-9_]+|http_(parser|should)_[a-z_]+|strn?casecmp|llhttp_[a-z_]+|bsearch|qsort|__(ubsan|asan)_.*)$'
rc=0
while read -r obj sym; do
	echo "$sym" | grep -Eq "$allowed" && continue
	grep -qx "$sym" "$tmp/own" && continue
	echo "$obj needs $sym"
	rc=1
done < "$tmp/undef"
exit $rc
