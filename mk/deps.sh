#!/bin/sh
# SPDX-License-Identifier: ISC
#
# Install what is missing from the distribution's packages, saying so first.
#
#   usage: deps.sh build|check|bench ...
#
# As root the packages are installed; with sudo, by sudo; otherwise the exact
# line to run is printed and the exit code is 69.
set -eu
need="$*"

want_build() {
	case $1 in
	apt)	echo "gcc make pkg-config byacc libevent-dev libsodium-dev
		    libmsgpack-dev libseccomp-dev libjansson-dev libsqlite3-dev
		    $(first_apt libllhttp-dev libhttp-parser-dev)" ;;
	apk)	echo "gcc make musl-dev linux-headers pkgconf byacc libevent-dev
		    libsodium-dev msgpack-c-dev libseccomp-dev jansson-dev sqlite-dev
		    llhttp-dev" ;;
	dnf)	echo "gcc make pkgconf byacc libevent-devel libsodium-devel
		    msgpack-devel libseccomp-devel jansson-devel sqlite-devel
		    llhttp-devel" ;;
	pkg_add) echo "libevent libsodium msgpack jansson sqlite3 llhttp" ;;
	esac
}
want_check() {
	case $1 in
	apt)	echo "libcmocka-dev python3 curl iproute2 nftables conntrack
		    procps mandoc shellcheck cppcheck bmake bison clang
		    $(first_apt libclang-rt-14-dev libclang-rt-19-dev)
		    coturn prometheus python3-aioice python3-nacl
		    python3-msgpack dnsmasq-base $(unless node nodejs)" ;;
	apk)	echo "cmocka-dev python3 curl iproute2 nftables
		    conntrack-tools procps mandoc shellcheck cppcheck bmake
		    bison clang compiler-rt coturn py3-pynacl py3-msgpack
		    dnsmasq $(unless node nodejs)" ;;
	dnf)	echo "libcmocka-devel python3 curl iproute nftables
		    conntrack-tools procps-ng mandoc ShellCheck cppcheck bmake
		    bison clang compiler-rt coturn python3-pynacl
		    python3-msgpack dnsmasq $(unless node nodejs)" ;;
	pkg_add) echo "cmocka python3 curl shellcheck cppcheck bison coturn
		    py3-pynacl py3-msgpack $(unless node node)" ;;
	esac
}
want_bench() {
	case $1 in
	apt)	echo "coturn stun-server nginx-light wrk socat $(unless npm nodejs npm)" ;;
	apk)	echo "coturn nginx wrk socat $(unless npm nodejs npm)" ;;
	dnf)	echo "coturn nginx wrk socat $(unless npm nodejs nodejs-npm)" ;;
	pkg_add) echo "coturn nginx wrk socat $(unless npm node)" ;;
	esac
}

# unless PROGRAM PACKAGE...: these, unless the program came from elsewhere, as
# node and npm often do.  The benchmark itself has npm put Express into its
# build directory.
unless() {
	command -v "$1" >/dev/null && return
	shift
	echo "$*"
}

# The first of these names that apt knows.
first_apt() {
	for p; do
		if apt-cache show "$p" >/dev/null 2>&1; then
			echo "$p"
			return
		fi
	done
	echo "$1"
}

if command -v apt-get >/dev/null; then
	mgr=apt
	has() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null |
	    grep -q 'ok installed'; }
	install="apt-get install -y --no-install-recommends"
elif command -v apk >/dev/null; then
	mgr=apk
	has() { apk info -e "$1" >/dev/null 2>&1; }
	install="apk add"
elif command -v dnf >/dev/null; then
	mgr=dnf
	has() { rpm -q "$1" >/dev/null 2>&1; }
	install="dnf install -y"
elif command -v pkg_add >/dev/null; then
	mgr=pkg_add
	has() { pkg_info -e "$1->0" >/dev/null 2>&1; }
	install="pkg_add"
else
	echo "deps: no package manager known here (apt, apk, dnf, pkg_add);" \
	    "see mk/deps.sh for the names" >&2
	exit 69
fi

# A machine that never fetched its lists knows none of the names.
fetch_lists() {
	[ $mgr = apt ] || return 0
	apt-cache show libevent-dev >/dev/null 2>&1 ||
	    $1 apt-get update -qq >/dev/null 2>&1 || true
}

as=
if [ "$(id -u)" != 0 ]; then
	as=sudo
	command -v sudo >/dev/null && sudo -n true 2>/dev/null || as=none
fi
[ "$as" = none ] || fetch_lists "$as"

missing=
for n in $need; do
	for p in $(want_"$n" $mgr); do
		has "$p" || missing="$missing $p"
	done
done
if [ -z "$missing" ]; then
	echo "deps   ok"
	exit 0
fi
if [ "$as" = none ]; then
	echo "deps   missing:$missing" >&2
	echo "deps   run: sudo $install$missing" >&2
	exit 69
fi
echo "deps   installing by $install:$missing"
# shellcheck disable=SC2086
if ! DEBIAN_FRONTEND=noninteractive $as $install $missing \
    > "${TMPDIR:-/tmp}/warren-deps.$$" 2>&1; then
	tail -n 5 "${TMPDIR:-/tmp}/warren-deps.$$" >&2
	rm -f "${TMPDIR:-/tmp}/warren-deps.$$"
	echo "deps   could not install them; run: $install$missing" >&2
	exit 69
fi
rm -f "${TMPDIR:-/tmp}/warren-deps.$$"
echo "deps   ok"
