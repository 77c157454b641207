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
if [ $undo = no ]; then
	"$B/warrenctl" completion bash > "$B/warrenctl.bash"
	[ -f "$dest$sysconf/warren/warren.conf" ] ||
	    put 0644 etc/warren.conf "$sysconf/warren/warren.conf"
fi
put 0644 "$B/warrenctl.bash" "$comp/warrenctl"
put 0755 etc/init/warren.sysvinit "$sysconf/init.d/warren"
put 0644 etc/init/warren.service "$prefix/lib/systemd/system/warren.service"
put 0644 etc/warren.nft "$prefix/share/doc/warren/warren.nft"
put 0644 etc/warren.sysusers "$prefix/lib/sysusers.d/warren.conf"
if [ $undo = yes ]; then
	rmdir "$dest$prefix/libexec/warren" 2>/dev/null || true
	echo "left alone: $dest$sysconf/warren, $dest$var/lib/warren"
	exit 0
fi
# On this very system, as root: the users the children become.
if [ -z "$dest" ] && [ "$(id -u)" = 0 ]; then
	sh mk/users.sh
fi
echo "installed under $dest$prefix; configuration $dest$sysconf/warren"
