#!/bin/sh
# SPDX-License-Identifier: ISC
# Loops between peerd processes, with an appd of the test's at each.
#   environment: B, the build directory
exec "${B:-build}/tests/regress/loops_rig"
