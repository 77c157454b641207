#!/bin/sh
# SPDX-License-Identifier: ISC
# make bench: see bench.py.   usage: bench.sh BUILDDIR [GROUP ...]
B=$1
shift
export B
exec /usr/bin/python3 "$(dirname "$0")/bench.py" "$@"
