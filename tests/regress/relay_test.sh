#!/bin/sh
# SPDX-License-Identifier: ISC
# Relays: loops between peerd processes that nobody can dial.
#   environment: B, the build directory
exec "${B:-build}/tests/regress/relay_rig"
