#!/bin/sh
# SPDX-License-Identifier: ISC
#
# Warren as a new user meets it: make run and make demo in a fresh clone, the
# ways to be told "ready", and one clear line with the right exit code for
# each thing that goes wrong at start.
set -u
# The default ports lie where connections of other programs take theirs from:
# a network of our own, where we may have one.
if [ -z "${OWN_NET:-}" ] && unshare -n true 2>/dev/null; then
	OWN_NET=yes exec unshare -n sh "$0"
fi
[ -z "${OWN_NET:-}" ] || ip link set lo up
cd "$(dirname "$0")/../.." || exit 70
SRC=$PWD
B=${B:-$SRC/build}
case $B in /*) ;; *) B=$SRC/$B ;; esac
PY=/usr/bin/python3
[ -x $PY ] || PY=python3
T=$(mktemp -d "${TMPDIR:-/tmp}/warren-user.XXXXXX")
chmod 755 "$T"
pass=0 fail=0 skip=0 started=

cleanup() {
	for p in $started; do kill "$p" 2>/dev/null; done
	wait
	rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

ok() { pass=$((pass + 1)) && echo "ok   $1"; }
bad() { fail=$((fail + 1)) && echo "FAIL $1: $2"; }
skipped() { skip=$((skip + 1)) && echo "skip $1: $2"; }
# check NAME WHY COMMAND...
check() {
	c_name=$1 c_why=$2
	shift 2
	if "$@"; then ok "$c_name"; else bad "$c_name" "$c_why"; fi
}
# until_true TENTHS COMMAND...: poll it
until_true() {
	u_left=$1
	shift
	until "$@" 2>/dev/null; do
		u_left=$((u_left - 1))
		[ $u_left -gt 0 ] || return 1
		sleep 0.1
	done
}
gone() { ! kill -0 "$1" 2>/dev/null; }
text() { tr '\n' '|' < "$1" | cut -c 1-400; }
# A session of its own, as a terminal has, that takes SIGINT.
cat > "$T/session.py" <<'PY'
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.setsid()
os.execvp(sys.argv[1], sys.argv[1:])
PY
# The user whose name is in $who: "root" or "user" other than root, or self.
as_who() {
	if [ "$who" = user ]; then
		set -- setpriv --reuid 65534 --regid 65534 --clear-groups \
		    env "HOME=$T/home" "$@"
	fi
	"$@"
}

# --- a clone ---

clone() { # clone DIR
	git clone -q "$SRC" "$1" 2>/dev/null && return
	mkdir "$1"
	for f in *; do
		case $f in build* | run) ;; *) cp -R "$f" "$1/" ;; esac
	done
}

default_ports_free() {
	$PY - <<'PY'
import socket, sys
for ip in ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"):
    for kind, port in ((1, 38080), (1, 38081), (1, 3478), (2, 3478)):
        s = socket.socket(socket.AF_INET, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == 1)
        try:
            s.bind((ip, port))
        except OSError:
            sys.exit(1)
PY
}

said_stop() { grep -q '^stop ' "$T/run.out"; }
node_of() { sed -n 's/^node  *\([0-9a-f]\{64\}\)$/\1/p' "$T/run.out"; }

run_start() { # in the background; its pid in $run
	: > "$T/run.out"
	(cd "$C" && as_who $PY "$T/session.py" make B="$bname" run) \
	    > "$T/run.out" 2>&1 &
	run=$!
	started="$started $run"
	until_true 300 said_stop
}
# make is the session's leader; mk/run.sh its shell.
find_session() { session_id=$(ps -o pid= --ppid "$run" | tr -d ' '); }
run_sh() { ps -eo pid=,sid=,args= | awk -v s="$session_id" \
    '$2 == s && $4 == "mk/run.sh" { print $1; exit }'; }
nobody_in_session() { ! ps -eo sid= | grep -q "^ *$session_id\$"; }

run_as() { # make run twice, stopped both ways
	who=$1
	if ! run_start; then
		bad "make run as $who" "no start: $(text "$T/run.out")"
		return
	fi
	lines=$(wc -l < "$T/run.out")
	check "make run as $who: at most 15 lines" "$lines lines" \
	    [ "$lines" -le 15 ]
	id=$(node_of)
	check "make run as $who: shows the node's id" "$(text "$T/run.out")" \
	    [ ${#id} = 64 ]
	check "make run as $who: shows each listener" "$(text "$T/run.out")" \
	    [ "$(grep -c '^listen .* 127.0.0.1:' "$T/run.out")" = 4 ]
	check "make run as $who: shows what to try next" \
	    "$(text "$T/run.out")" grep -q '^try  *.*warrenctl' "$T/run.out"
	ctl=$(sed -n 's/^try  *//p' "$T/run.out")
	(cd "$C" && as_who sh -c "$ctl") > "$T/out" 2>&1
	check "make run as $who: that command works" "$(text "$T/out")" \
	    grep -q health "$T/out"
	curl -s http://127.0.0.1:38081/node/info > "$T/out"
	check "make run as $who: and the other one too" "$(text "$T/out")" \
	    grep -q "$id" "$T/out"
	# Two in one folder: the second says so and the first goes on.
	(cd "$C" && as_who timeout 20 sh mk/run.sh "$bname") > "$T/out" 2>&1
	rc=$?
	check "a second run as $who: 69 and why" "$rc: $(text "$T/out")" \
	    sh -c "[ $rc = 69 ] && grep -q 'already running' '$T/out'"
	find_session
	kill -TERM "$(run_sh)"
	wait "$run"
	rc=$?
	check "make run as $who: TERM ends it with 0" "$rc $(text "$T/run.out")" \
	    [ "$rc" = 0 ]
	run_start || bad "make run as $who, again" "$(text "$T/run.out")"
	check "make run as $who: the same id again" "$id $(node_of)" \
	    [ "$id" = "$(node_of)" ]
	find_session
	kill -INT -"$session_id" # as Ctrl-C: to make and all below it
	wait "$run"
	check "make run as $who: Ctrl-C leaves no process" \
	    "$(ps -o pid,args --sid "$session_id")" \
	    until_true 30 nobody_in_session
	check "make run as $who: Ctrl-C lets the node stop in peace" \
	    "$(tail -n 4 "$C/run/warren.log")" sh -c "tail -n 1 \
	    '$C/run/warren.log' | grep -q stopped &&
	    ! grep -q 'did not stop' '$C/run/warren.log'"
}

test_clone() {
	bname=$(basename "$B")
	C=$T/clone
	clone "$C"
	(cd "$C" && sh configure "$bname" && make -n -f mk/build.mk \
	    B="$bname" all) > "$T/out" 2>&1
	check "an unbuilt clone knows how to build" "$(text "$T/out")" \
	    grep -q 'cmd/warrend/warrend.c' "$T/out"
	rm -rf "${C:?}/$bname"
	# One build for all: nothing in it is older than a source.
	mkdir "$C/$bname"
	(cd "$B" && tar cf - --exclude=tests .) | (cd "$C/$bname" && tar xf -)
	find "$C" -type f -exec touch -r "$T/out" {} +
	if ! default_ports_free; then
		skipped "make run and demo" "the default ports are taken"
		return
	fi
	if [ "$(id -u)" = 0 ]; then
		run_as root
		rm -rf "$C/run"
		mkdir -p "$T/home"
		if setpriv --reuid 65534 true 2>/dev/null; then
			chown -R 65534:65534 "$C" "$T/home"
			run_as user
		fi # else a user namespace that has root alone
	else
		run_as self
	fi
	mkdir "$T/demo"
	chmod 1777 "$T/demo"
	(cd "$C" && as_who env TMPDIR="$T/demo" make B="$bname" demo) \
	    > "$T/out" 2>&1
	rc=$?
	check "make demo: ends with 0" "$rc: $(text "$T/out")" [ $rc = 0 ]
	check "make demo: three tables with two peers each" \
	    "$(text "$T/out")" sh -c "
	    [ \$(grep -c '^\\$ warrenctl show peers' '$T/out') = 3 ] &&
	    [ \$(grep -c ACTIVE '$T/out') = 6 ]"
	check "make demo: leaves no file" "$(ls -A "$T/demo")" \
	    [ -z "$(ls -A "$T/demo")" ]
	check "make demo: leaves no listener" "ports still taken" \
	    default_ports_free
}

test_configure() {
	mkdir "$T/conf" && cp -R "$SRC/configure" "$T/conf/"
	(cd "$T/conf" && PKG_CONFIG_LIBDIR=/nonexistent PKG_CONFIG_PATH='' \
	    sh configure b) > "$T/out" 2>&1
	rc=$?
	check "configure without a library: 69, one line, make deps named" \
	    "$rc: $(text "$T/out")" sh -c "[ $rc = 69 ] &&
	    [ \$(wc -l < '$T/out') = 1 ] && grep -q 'make deps' '$T/out'"
	(cd "$T/conf" && CC=/nonexistent/cc sh configure b) > "$T/out" 2>&1
	rc=$?
	check "configure without a compiler: 69, one line, make deps named" \
	    "$rc: $(text "$T/out")" sh -c "[ $rc = 69 ] &&
	    [ \$(wc -l < '$T/out') = 1 ] && grep -q 'make deps' '$T/out'"
}

# --- one node ---

# The programs where every user may run them, wherever the tree lies.
mkdir "$T/prog"
for f in warrend warrenctl stund-bin peerd-bin store-bin apid-bin appd-bin; do
	cp "$B/$f" "$T/prog/"
done

conf() { # conf DIR [LINE...]: a node whose listeners have port 0
	rm -rf "$1"
	mkdir -p "$1"
	dir=$1
	shift
	{
		echo "state \"$dir/state\""
		echo "control \"$dir/sock\" mode 0600"
		echo "chroot \"$dir/empty\""
		echo "log file \"$dir/log\""
		for l in "listen peer" "stun listen" "api http"; do
			given=no
			for x; do case $x in "$l "*) given=yes ;; esac; done
			[ $given = yes ] || echo "$l on 127.0.0.1 port 0"
		done
		for x; do echo "$x"; done
	} > "$dir/conf"
}

# refuses NAME CODE WORDS COMMAND...: one line that has the words
refuses() {
	r_name=$1 r_code=$2 r_words=$3
	shift 3
	timeout 20 "$@" > "$T/all" 2>&1
	r_rc=$?
	grep -v ' info: ' "$T/all" > "$T/out"
	r_lines=$(wc -l < "$T/out")
	if [ $r_rc = "$r_code" ] && [ "$r_lines" = 1 ] &&
	    grep -q "$r_words" "$T/out"; then
		ok "$r_name: $r_code and one line"
	else
		bad "$r_name" "code $r_rc, $r_lines lines: $(text "$T/out")"
	fi
}

# hold TYPE: take a port of 127.0.0.1; its number in $port, holder in $holder
hold() {
	rm -f "$T/port"
	$PY -c '
import os, socket, sys, time
s = socket.socket(socket.AF_INET, getattr(socket, sys.argv[1]))
s.bind(("127.0.0.1", 0))
if sys.argv[1] == "SOCK_STREAM":
    s.listen(1)
with open(sys.argv[2] + ".new", "w") as f:
    f.write("%d\n" % s.getsockname()[1])
os.rename(sys.argv[2] + ".new", sys.argv[2])
time.sleep(600)' "$1" "$T/port" &
	holder=$!
	started="$started $holder"
	until_true 100 [ -s "$T/port" ]
	read -r port < "$T/port"
}

W=$T/prog/warrend
N=$T/node

test_refusals() {
	for one in "SOCK_STREAM:listen peer" "SOCK_DGRAM:stun listen" \
	    "SOCK_STREAM:stun listen" "SOCK_STREAM:api http"; do
		hold "${one%%:*}"
		conf "$N" "${one#*:} on 127.0.0.1 port $port"
		refuses "${one#*:} port taken (${one%%:*})" 69 \
		    "127.0.0.1:$port.*already in use" "$W" -F -f "$N/conf"
		refuses "the same in the background" 69 \
		    "127.0.0.1:$port.*already in use" "$W" -f "$N/conf"
		kill "$holder"
	done
	conf "$N" 'listen peeer on *'
	refuses "broken configuration" 78 "conf:8: .*did you mean" \
	    "$W" -F -f "$N/conf"
	refuses "no such configuration" 78 "/nonexistent/conf" \
	    "$W" -F -f /nonexistent/conf
	conf "$N"
	chmod 664 "$N/conf"
	refuses "configuration others may write" 78 "writable by group" \
	    "$W" -F -f "$N/conf"
	conf "$N" 'libexec "/nonexistent/libexec"'
	refuses "programs missing" 71 "/nonexistent/libexec/stund" \
	    "$W" -F -f "$N/conf"
	conf "$N"
	mkdir -p "$N/state"
	printf '%064d\n' 7 > "$N/state/node.key"
	chmod 640 "$N/state/node.key"
	refuses "key that others may read" 77 "node.key: others may read" \
	    "$W" -F -f "$N/conf"
	refuses "the same in the background" 77 "node.key: others may read" \
	    "$W" -f "$N/conf"
	chmod 600 "$N/state/node.key"
	echo no key at all > "$N/state/node.key"
	refuses "key that is none" 78 "node.key: not a node key" \
	    "$W" -F -f "$N/conf"
	conf "$N"
	# A directory of our own that is closed, for one without root's powers.
	mkdir "$N/state" && chmod 500 "$N/state"
	if [ "$(id -u)" = 0 ]; then
		set -- setpriv --bounding-set=-all
	else
		set -- env
	fi
	refuses "state directory closed" 77 "$N/state" "$@" "$W" -F -f "$N/conf"
	chmod 700 "$N/state"
	if setpriv --reuid 65534 true 2>/dev/null; then
		refuses "state directory of somebody else" 77 "$N/state" \
		    setpriv --reuid 65534 --regid 65534 --clear-groups \
		    "$W" -F -f "$N/conf"
	fi
	conf "$N" 'metrics on 0.0.0.0 port 0'
	refuses "--test-echo in public" 78 "must be on loopback" \
	    "$W" -F -f "$N/conf" --test-echo
	conf "$N" 'api http on :: port 0'
	refuses "--test-echo in public, IPv6" 78 "must be on loopback" \
	    "$W" -F -f "$N/conf" --test-echo
	refuses "bad option" 64 "usage: warrend" sh -c \
	    "'$W' -Z 2>&1 | grep -v option | head -n 1; exit 64"
}

# A connection has the port of our listener: waited for, not given up.
test_lent_port() {
	rm -f "$T/port" "$T/end"
	$PY - "$T/port" "$T/end" <<'PY' &
import os, socket, struct, sys, time
server = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(server.getsockname()[:2],
                             source_address=("127.0.0.1", 0))
with open(sys.argv[1] + ".new", "w") as f:
    f.write("%d\n" % c.getsockname()[1])
os.rename(sys.argv[1] + ".new", sys.argv[1])
for i in range(600):
    if os.path.exists(sys.argv[2]):
        break
    time.sleep(0.1)
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
c.close()
time.sleep(60)
PY
	holder=$!
	started="$started $holder"
	until_true 100 [ -s "$T/port" ]
	read -r port < "$T/port"
	conf "$N" "listen peer on 127.0.0.1 port $port"
	"$W" -F -f "$N/conf" -R "$N/ready" > "$T/node.out" 2>&1 &
	node=$!
	started="$started $node"
	check "port lent to a connection: says what it waits for" \
	    "$(text "$T/node.out")" until_true 100 grep -q \
	    "listen 127.0.0.1:$port .*a connection has the port" "$T/node.out"
	check "port lent to a connection: waits" "$(text "$T/node.out")" \
	    sh -c "kill -0 $node && [ ! -e '$N/ready' ]"
	: > "$T/end"
	check "port lent to a connection: starts when it is back" \
	    "$(text "$T/node.out")" until_true 150 [ -s "$N/ready" ]
	stop_node
	kill "$holder"
}

start_node() { # start_node [OPTION]: $N/conf in the foreground, until ready
	rm -f "$N/ready"
	"$W" -F -f "$N/conf" -R "$N/ready" ${1:+"$1"} > "$T/node.out" 2>&1 &
	node=$!
	started="$started $node"
	until_true 150 [ -s "$N/ready" ]
}
stop_node() { kill "$node" && wait "$node"; }
ctl() { "$T/prog/warrenctl" -s "$N/sock" "$@"; }
http_port() { ctl -j show listeners | $PY -c 'import json, sys
print([l["port"] for l in json.load(sys.stdin)["data"]
       if l["service"] == "http"][0])'; }
echo_code() { curl -s -o "$T/body" -w '%{http_code}' -d 'hello there' \
    "http://127.0.0.1:$(http_port)/echo"; }

test_ready() {
	conf "$N"
	check "-R: the file holds the pid" "no file" start_node --test-echo
	check "-R: the pid is right" "$(cat "$N/ready") is not $node" \
	    [ "$(cat "$N/ready")" = "$node" ]
	port=$(http_port)
	check "port 0: show listeners tells the real one" "'$port'" \
	    [ "${port:-0}" -gt 0 ]
	code=$(echo_code)
	check "--test-echo: POST /echo is answered" "$code $(text "$T/body")" \
	    sh -c "[ $code = 200 ] && grep -q 'hello there' '$T/body'"
	check "--test-echo: the status says so" "it does not" \
	    sh -c "'$T/prog/warrenctl' -s '$N/sock' | grep -qi echo"
	refuses "another warrend on this control socket" 69 \
	    "sock: another warrend is already running" "$W" -F -f "$N/conf"
	refuses "the same in the background" 69 \
	    "sock: another warrend is already running" "$W" -f "$N/conf"
	# Numbers begin anew at some time: a child may come before its parent.
	ps -eo pid=,ppid=,args= | awk -v top="$node" '
		{ n = pid[NR] = $1; up[n] = $2 }
		{ sub(/^ *[0-9]+ +[0-9]+ /, ""); args[n] = $0 }
		END { for (i = 1; i <= NR; i++) {
			n = pid[i]
			if (n == top || up[n] == top || up[up[n]] == top)
				print args[n]
		} }' | sort > "$T/out"
	check "ps tells the processes apart" "$(text "$T/out")" sh -c "
	    [ \$(wc -l < '$T/out') = 9 ] && [ -z \"\$(uniq -d < '$T/out')\" ] &&
	    [ \$(grep -c '^warrend: ' '$T/out') = 9 ]"
	stop_node
	rc=$?
	check "TERM: stops with 0" "$rc" [ $rc = 0 ]
	check "TERM: ready file and socket are gone" "$(ls "$N")" \
	    sh -c "[ ! -e '$N/ready' ] && [ ! -e '$N/sock' ]"
	start_node -v
	code=$(echo_code)
	check "without --test-echo: 404" "$code" [ "$code" = 404 ]
	stop_node
	mkfifo "$T/fifo"
	"$W" -F -f "$N/conf" -N 7 7> "$T/fifo" > "$T/node.out" 2>&1 &
	node=$!
	started="$started $node"
	timeout 20 cat "$T/fifo" > "$T/out"
	check "-N: a newline, then the end" "$(od -c "$T/out")" \
	    [ "$(od -An -c "$T/out" | tr -d ' ')" = '\n' ]
	check "-N: ready indeed" "warrenctl check says no" ctl -q check
	stop_node
	$PY - "$T/notify" > "$T/out" 2>&1 <<'PY' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(20)
for i in range(2):
    print(s.recv(4096).decode().replace("\n", " "), flush=True)
PY
	listener=$!
	started="$started $listener"
	until_true 100 [ -S "$T/notify" ]
	NOTIFY_SOCKET=$T/notify "$W" -F -f "$N/conf" > "$T/node.out" 2>&1 &
	node=$!
	started="$started $node"
	check "NOTIFY_SOCKET: READY=1 and the main pid" "$(text "$T/out")" \
	    until_true 150 grep -q "^READY=1 MAINPID=$node\$" "$T/out"
	stop_node
	wait $listener
	check "NOTIFY_SOCKET: STOPPING=1" "$(text "$T/out")" \
	    grep -q '^STOPPING=1' "$T/out"
}

test_daemon() {
	conf "$N" "pid-file \"$N/pid\""
	# Who reads what it prints must not wait for the node to end.
	rm -f "$T/fifo"
	mkfifo "$T/fifo"
	"$W" -f "$N/conf" > "$T/fifo" 2>&1 &
	starter=$!
	timeout 20 cat "$T/fifo" > "$T/out"
	check "in the background: lets go of our pipe" "it holds it" [ $? = 0 ]
	wait $starter
	rc=$?
	check "in the background: 0, nothing said" "$rc $(text "$T/out")" \
	    sh -c "[ $rc = 0 ] && [ ! -s '$T/out' ]"
	check "in the background: ready when it returns" "it is not" \
	    ctl -q check
	node=$(cat "$N/pid")
	started="$started $node"
	check "in the background: the pid file is right" "$node" sh -c \
	    "ps -o args= -p ${node:-0} | grep -q '^warrend: parent'"
	kill "$node"
	check "in the background: stops" "still there" until_true 100 gone "$node"
	check "in the background: the pid file is gone" "it is there" \
	    [ ! -e "$N/pid" ]
}

test_configure
test_refusals
test_lent_port
test_ready
test_daemon
test_clone
echo "$pass passed, $fail failed, $skip skipped"
[ $fail = 0 ]
