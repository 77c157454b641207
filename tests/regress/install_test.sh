#!/bin/sh
# SPDX-License-Identifier: ISC
# make install, uninstall and dist, into a directory of the test's own.
set -u
cd "$(dirname "$0")/../.." || exit 70
D=$(mktemp -d "${TMPDIR:-/tmp}/warren-install.XXXXXX")
trap 'rm -rf "$D"' EXIT
pass=0 fail=0
check() {
	name=$1
	shift
	if "$@" > "$D/out" 2>&1; then
		pass=$((pass + 1))
		echo "ok   $name"
	else
		fail=$((fail + 1))
		echo "FAIL $name"
		sed 's/^/     /' "$D/out" | tail -n 20
	fi
}
make=${MAKE:-make}
root=$D/root
check "make install DESTDIR=" $make -s install DESTDIR="$root" PREFIX=/usr
for f in usr/sbin/warrend usr/sbin/warrenctl usr/libexec/warren/stund \
    usr/libexec/warren/peerd usr/libexec/warren/apid \
    usr/libexec/warren/appd \
    usr/share/man/man8/warrend.8 usr/share/man/man5/warren.conf.5 \
    usr/share/man/man7/warren-protocol.7 etc/warren/warren.conf \
    etc/init.d/warren usr/lib/systemd/system/warren.service \
    usr/lib/sysusers.d/warren.conf usr/share/doc/warren/warren.sysctl \
    usr/share/bash-completion/completions/warrenctl \
    usr/include/warren_app.h usr/lib/libwarren.so usr/lib/libwarren.so.0 \
    usr/lib/libwarren.a usr/lib/pkgconfig/libwarren.pc \
    usr/share/man/man3/warren_app.3 usr/share/man/man3/warren_dial.3 \
    usr/share/man/man7/warren-app.7 usr/bin/warren-helloworld-client \
    usr/libexec/warren/apps/helloworld-server \
    usr/libexec/warren/apps/forward usr/libexec/warren/apps/chat \
    usr/share/doc/warren/examples/forward.c \
    usr/share/warren/js/warren-verify.mjs usr/share/warren/js/blake2b.mjs; do
	check "installed: $f" test -s "$root/$f"
done
check "the sample configuration is good" \
    "$root/usr/sbin/warrend" -n -f "$root/etc/warren/warren.conf"
# Programs are built with what was installed, shared and static.
export PKG_CONFIG_PATH="$root/usr/lib/pkgconfig"
export PKG_CONFIG_SYSROOT_DIR="$root"
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
example=$root/usr/share/doc/warren/examples/helloworld.c
said() { # said PROGRAM: asked for too much, it says how it is used
	rc=0
	LD_LIBRARY_PATH="$root/usr/lib" "$1" a b > "$D/said" 2>&1 || rc=$?
	[ $rc = 64 ] && grep -q usage "$D/said"
}
# shellcheck disable=SC2046
check "an app is built with pkg-config" ${CC:-cc} -o "$D/hello" "$example" \
    $(pkg-config --cflags --libs libwarren)
check "and runs with the shared library" said "$D/hello"
check "which is asked for by its version" sh -c "
	objdump -p '$D/hello' | grep -q 'NEEDED.*libwarren.so.0' &&
	objdump -p '$D/hello' | grep -q LIBWARREN_0.1"
# shellcheck disable=SC2046
check "and with the static one" ${CC:-cc} -o "$D/hello-static" "$example" \
    $(pkg-config --cflags libwarren) "$root/usr/lib/libwarren.a"
check "which runs by itself" said "$D/hello-static"
check "libwarren shows its own names only" sh -c "
	[ -z \"\$(nm -D --defined-only '$root/usr/lib/libwarren.so' |
	    grep -v -e ' warren_' -e LIBWARREN_)\" ]"
# The installed programs run from where they were put.
cat > "$D/run.conf" <<CONF
state "$D/state"
chroot "$D/empty"
libexec "$root/usr/libexec/warren"
control "$D/sock" mode 0600
listen peer on 127.0.0.1 port 0
stun listen on 127.0.0.1 port 0
api http on 127.0.0.1 port 0
CONF
"$root/usr/sbin/warrend" -d -f "$D/run.conf" -R "$D/ready" 2> "$D/log" &
pid=$!
n=0
while [ ! -f "$D/ready" ] && [ $n -lt 100 ] && kill -0 $pid 2>/dev/null; do
	sleep 0.1
	n=$((n + 1))
done
check "the installed suite runs" \
    "$root/usr/sbin/warrenctl" -s "$D/sock" check
kill $pid
rc=0
wait $pid || rc=$?
check "and stops" test $rc = 0
echo "# edited" >> "$root/etc/warren/warren.conf"
check "installing again" $make -s install DESTDIR="$root" PREFIX=/usr
check "keeps an edited configuration" \
    grep -q '# edited' "$root/etc/warren/warren.conf"
check "make uninstall DESTDIR=" $make -s uninstall DESTDIR="$root" PREFIX=/usr
check "uninstalled, the configuration left" sh -c "
	[ ! -e '$root/usr/sbin/warrend' ] && [ ! -e '$root/usr/libexec/warren' ] &&
	[ ! -e '$root/usr/share/warren' ] &&
	[ ! -e '$root/etc/init.d/warren' ] && [ -e '$root/etc/warren/warren.conf' ] &&
	[ -z \"\$(find '$root/usr' -type f -o -type l)\" ]"
if [ -d .git ] || [ -f .git ]; then
	check "make dist" $make -s dist
	check "the tarball builds" sh -c "
		tar xzf warren-0.1.0.tar.gz -C '$D' && cd '$D/warren-0.1.0' &&
		sh ./configure && $make -n -f mk/build.mk B=build all >/dev/null"
	rm -f warren-0.1.0.tar.gz
fi
echo "$pass passed, $fail failed, 0 skipped"
[ $fail = 0 ]
