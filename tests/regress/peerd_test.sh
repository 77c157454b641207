#!/bin/sh
# SPDX-License-Identifier: ISC
# peerd as processes, and a peer written from warren-protocol(7) alone.
#   environment: B, the build directory
exec "${B:-build}/tests/regress/peerd_rig" -i tests/interop/link_client.py
