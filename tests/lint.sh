#!/bin/sh
# SPDX-License-Identifier: ISC
# Linters: cppcheck on the C, shellcheck on the scripts, mandoc on the pages,
# and what no linter knows of our own rules.   usage: lint.sh BUILDDIR
set -u
rc=0
say() { echo "$@"; rc=1; }

if command -v cppcheck >/dev/null; then
	cppcheck -q --error-exitcode=1 --enable=warning,portability \
	    --inline-suppr --std=c11 -D__linux__ -I. \
	    --suppress=missingIncludeSystem --suppress=unusedFunction \
	    --suppress=uninitvar --suppress=ctuuninitvar `# blind to sys/queue.h` \
	    --suppress=preprocessorErrorDirective --suppress=syntaxError \
	    common stund peerd apid appd cmd || rc=1
else
	say "cppcheck is missing; run: make deps"
fi
if command -v shellcheck >/dev/null; then
	shellcheck -S warning configure mk/*.sh tests/*.sh tests/*/*.sh \
	    .ci/run etc/init/warren.sysvinit || rc=1
else
	say "shellcheck is missing; run: make deps"
fi
if command -v mandoc >/dev/null; then
	mandoc -Tlint -Wwarning man/*.[1-9] || rc=1
else
	say "mandoc is missing; run: make deps"
fi
for f in common/*.[ch] common/compat/*.[ch] stund/*.[ch] peerd/*.[ch] \
    apid/*.[ch] appd/*.[ch] \
    appd/libwarren/*.[ch] appd/libwarren/examples/*.c cmd/*/*.[chy] \
    etc/js/*.mjs; do
	head -n 1 "$f" | grep -q 'SPDX-License-Identifier: ISC' ||
	    say "$f: no licence line"
	grep -nE '\b(strcpy|sprintf|atoi|alloca|gets|strcat)\(' "$f" &&
	    say "$f: a function we do not use"
done
exit $rc
