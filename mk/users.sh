#!/bin/sh
# SPDX-License-Identifier: ISC
# Make the suite's users and the operators' group, where they are missing.
set -eu
group() {
	getent group "$1" >/dev/null || groupadd --system "$1"
}
for u in _warren_stun _warren_map _warren_peer _warren_store _warren_api \
    _warren_app _warren_res; do
	group $u
	getent passwd $u >/dev/null || useradd --system --no-create-home \
	    --home-dir /nonexistent --shell /usr/sbin/nologin -g $u $u
done
group _warrenctl
