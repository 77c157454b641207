#!/bin/sh
# SPDX-License-Identifier: ISC
#
# Put the suite in place, or with -u take it away again (state, keys and
# configuration are left alone).
#   usage: install.sh [-u] DESTDIR PREFIX SYSCONFDIR LOCALSTATEDIR BUILDDIR
set -eu
undo=no
[ "$1" = -u ] && { undo=yes; shift; }
dest=$1 prefix=$2 sysconf=$3 var=$4 B=$5
comp=$prefix/share/bash-completion/completions
apps=$prefix/libexec/warren/apps
doc=$prefix/share/doc/warren

put() { # put MODE FILE TARGET
	if [ $undo = yes ]; then
		rm -f "$dest$3"
	else
		mkdir -p "$dest$(dirname "$3")"
		install -m "$1" "$2" "$dest$3"
	fi
}

put 0755 "$B/warrend" "$prefix/sbin/warrend"
put 0755 "$B/warrenctl" "$prefix/sbin/warrenctl"
for d in stund peerd store apid appd; do
	put 0755 "$B/$d-bin" "$prefix/libexec/warren/$d"
done
for m in man/*.[1-9]; do
	put 0644 "$m" "$prefix/share/man/man${m##*.}/${m#man/}"
done
# libwarren, a page for each of its functions, and the examples.
for f in $(sed -n 's/^	\(warren_[a-z_]*\);$/\1/p' appd/libwarren/libwarren.map); do
	[ $undo = yes ] || echo ".so man3/warren_app.3" > "$B/$f.3"
	put 0644 "$B/$f.3" "$prefix/share/man/man3/$f.3"
done
for n in helloworld helloworld-server helloworld-client forward chat; do
	[ $undo = yes ] || echo ".so man1/warren-examples.1" > "$B/$n.1"
	put 0644 "$B/$n.1" "$prefix/share/man/man1/warren-$n.1"
done
put 0644 appd/libwarren/warren_app.h "$prefix/include/warren_app.h"
put 0755 "$B/libwarren.so.0" "$prefix/lib/libwarren.so.0"
put 0644 "$B/libwarren.a" "$prefix/lib/libwarren.a"
if [ $undo = yes ]; then
	rm -f "$dest$prefix/lib/libwarren.so"
else
	ln -sf libwarren.so.0 "$dest$prefix/lib/libwarren.so"
	sed "s|@prefix@|$prefix|" appd/libwarren/libwarren.pc.in > "$B/libwarren.pc"
fi
put 0644 "$B/libwarren.pc" "$prefix/lib/pkgconfig/libwarren.pc"
for e in appd/libwarren/examples/*.c; do
	n=$(basename "$e" .c)
	put 0755 "$B/examples/$n" "$apps/$n"
	put 0644 "$e" "$doc/examples/$n.c"
done
# Those that people run themselves, within everybody's path.
for n in helloworld-client forward chat; do
	if [ $undo = yes ]; then
		rm -f "$dest$prefix/bin/warren-$n"
	else
		mkdir -p "$dest$prefix/bin"
		ln -sf "../libexec/warren/apps/$n" "$dest$prefix/bin/warren-$n"
	fi
done
if [ $undo = no ]; then
	"$B/warrenctl" completion bash > "$B/warrenctl.bash"
	[ -f "$dest$sysconf/warren/warren.conf" ] ||
	    put 0644 etc/warren.conf "$sysconf/warren/warren.conf"
fi
put 0644 "$B/warrenctl.bash" "$comp/warrenctl"
put 0755 etc/init/warren.sysvinit "$sysconf/init.d/warren"
put 0644 etc/init/warren.service "$prefix/lib/systemd/system/warren.service"
for f in etc/js/*.mjs; do
	put 0644 "$f" "$prefix/share/warren/js/${f#etc/js/}"
done
put 0644 etc/warren.nft "$prefix/share/doc/warren/warren.nft"
put 0644 etc/warren.sysctl "$prefix/share/doc/warren/warren.sysctl"
put 0644 etc/warren.sysusers "$prefix/lib/sysusers.d/warren.conf"
if [ $undo = yes ]; then
	rmdir "$dest$apps" "$dest$prefix/libexec/warren" "$dest$doc/examples" \
	    "$dest$doc" "$dest$prefix/share/warren/js" \
	    "$dest$prefix/share/warren" 2>/dev/null || true
	echo "left alone: $dest$sysconf/warren, $dest$var/lib/warren"
	exit 0
fi
# On this very system, as root: the users the children become.
if [ -z "$dest" ] && [ "$(id -u)" = 0 ]; then
	sh mk/users.sh
fi
echo "installed under $dest$prefix; configuration $dest$sysconf/warren"
