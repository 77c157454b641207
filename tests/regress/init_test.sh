#!/bin/sh
# SPDX-License-Identifier: ISC
#
# The service files: the sysvinit script for real in a directory of its own,
# the systemd unit verified, the OpenBSD script read.
set -u
cd "$(dirname "$0")/../.." || exit 70
SRC=$PWD
B=${B:-$SRC/build}
case $B in /*) ;; *) B=$SRC/$B ;; esac
T=$(mktemp -d "${TMPDIR:-/tmp}/warren-init.XXXXXX")
pass=0 fail=0

cleanup() {
	left=$(node_pid)
	[ -z "$left" ] || kill "$left" 2>/dev/null
	rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

ok() { pass=$((pass + 1)) && echo "ok   $1"; }
bad() { fail=$((fail + 1)) && echo "FAIL $1: $2"; }
check() { # check NAME WHY COMMAND...
	c_name=$1 c_why=$2
	shift 2
	if "$@"; then ok "$c_name"; else bad "$c_name" "$c_why"; fi
}
text() { tr '\n' '|' < "$T/out" | cut -c 1-400; }

# --- sysvinit ---

WARREND=$B/warrend
WARRENCTL=$B/warrenctl
WARREN_CONF=$T/warren.conf
WARREN_PIDFILE=$T/warrend.pid
WARREN_SOCKET=$T/warren.sock
export WARREND WARRENCTL WARREN_CONF WARREN_PIDFILE WARREN_SOCKET

write_conf() { # write_conf [LINE]
	cat > "$WARREN_CONF" <<-CONF
	state "$T/state"
	chroot "$T/empty"
	control "$WARREN_SOCKET" mode 0600
	log file "$T/log"
	listen peer on 127.0.0.1 port 0
	stun listen on 127.0.0.1 port 0
	api http on 127.0.0.1 port 0
	${1:-}
	CONF
}

# action NAME CODE WORDS ACTION: what the script says, and its exit code
action() {
	timeout 60 sh etc/init/warren.sysvinit "$4" > "$T/out" 2>&1
	rc=$?
	if [ $rc = "$2" ] && { [ -z "$3" ] || grep -q "$3" "$T/out"; }; then
		ok "sysvinit: $1: $2"
	else
		bad "sysvinit: $1" "code $rc, not $2: $(text)"
	fi
}
answers() { "$WARRENCTL" -q -s "$WARREN_SOCKET" check; }
node_pid() { cat "$WARREN_PIDFILE" 2>/dev/null; }
runs_on() { answers && [ "$(node_pid)" = "$pid" ]; }

test_sysvinit() {
	action "status before anything" 3 "not running" status
	action "start without a configuration" 6 "no $WARREN_CONF" start
	action "stop when stopped" 0 "not running" stop
	action "reload when stopped" 7 "not running" reload
	action "try-restart when stopped" 0 "" try-restart
	check "sysvinit: that started nothing" "it runs" [ ! -e "$T/log" ]
	write_conf 'lisen peer'
	action "start with a bad configuration" 6 "did you mean" start
	write_conf
	action "start" 0 "started" start
	check "sysvinit: ready when start returns" "it is not" answers
	pid=$(node_pid)
	check "sysvinit: the pid file is right" "'$pid'" sh -c \
	    "ps -o args= -p ${pid:-0} | grep -q '^warrend: parent'"
	action "start again" 0 "already running, pid $pid" start
	check "sysvinit: the first one runs on" "it does not" runs_on
	action "status" 0 "running, pid $pid" status
	write_conf 'node region "eu-1"'
	action "reload" 0 "reloaded" reload
	check "sysvinit: reload applied it" "it did not" sh -c \
	    "'$WARRENCTL' -j -s '$WARREN_SOCKET' show status | grep -q eu-1"
	write_conf 'lisen peer'
	action "reload with a bad configuration" 78 "did you mean" reload
	action "restart with a bad configuration" 6 "did you mean" restart
	check "sysvinit: the old one runs on" "it does not" runs_on
	action "try-restart with a bad one" 6 "did you mean" try-restart
	check "sysvinit: and on" "it does not" runs_on
	write_conf
	action "try-restart" 0 "started" try-restart
	check "sysvinit: a new process answers" "$pid $(node_pid)" sh -c \
	    "[ '$(node_pid)' != '$pid' ] && '$WARRENCTL' -q -s \
	    '$WARREN_SOCKET' check"
	pid=$(node_pid)
	action "restart" 0 "started" restart
	check "sysvinit: another one answers" "$pid $(node_pid)" sh -c \
	    "[ '$(node_pid)' != '$pid' ] && '$WARRENCTL' -q -s \
	    '$WARREN_SOCKET' check"
	pid=$(node_pid)
	action "stop" 0 "stopped" stop
	check "sysvinit: nothing is left" "$(ls "$T")" sh -c \
	    "[ ! -e '$WARREN_PIDFILE' ] && [ ! -e '$WARREN_SOCKET' ] &&
	    ! kill -0 $pid 2>/dev/null"
	action "stop again" 0 "not running" stop
	action "status when stopped" 3 "not running" status
	echo "$pid" > "$WARREN_PIDFILE"
	action "status of a dead one" 1 "dead, but $WARREN_PIDFILE" status
	action "start over a stale pid file" 0 "started" start
	action "status of the new one" 0 "pid $(node_pid)" status
	action "stop of the new one" 0 "stopped" stop
	action "restart when stopped" 0 "started" restart
	pid=$(node_pid)
	kill -9 "$pid"
	while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
	action "status after kill -9" 1 "dead" status
	action "start after kill -9" 0 "started" start
	action "stop after that" 0 "stopped" stop
	action "no word" 2 "usage:" ""
	action "a bad word" 2 "usage:" jump
	WARREND=/nonexistent/warrend
	action "start, the program gone" 0 "" start
	action "status, the program gone" 4 "" status
	WARREND=$B/warrend
	for w in Provides Required-Start Required-Stop Default-Start \
	    Default-Stop Short-Description; do
		check "sysvinit: header $w" "missing" \
		    grep -q "^# $w: *[^ ]" etc/init/warren.sysvinit
	done
}

# --- systemd ---

unit=etc/init/warren.service
unit_value() { sed -n "s|^$1=||p" $unit; }

test_systemd() {
	known="Description Documentation After Wants
	    Type NotifyAccess ExecStartPre ExecStart ExecReload Restart
	    RestartSec RestartPreventExitStatus TimeoutStopSec LimitNOFILE
	    RuntimeDirectory StateDirectory StateDirectoryMode
	    CapabilityBoundingSet NoNewPrivileges ProtectSystem ReadWritePaths
	    ProtectHome PrivateTmp PrivateDevices ProtectHostname ProtectClock
	    ProtectKernelTunables ProtectKernelModules ProtectKernelLogs
	    ProtectControlGroups ProtectProc RestrictAddressFamilies
	    RestrictNamespaces RestrictRealtime RestrictSUIDSGID
	    LockPersonality MemoryDenyWriteExecute RemoveIPC
	    SystemCallArchitectures SystemCallFilter SystemCallErrorNumber
	    UMask WantedBy Alias"
	strange=$(sed -n '/^[[#]/d; s/^\([A-Za-z]*\)=.*/\1/p' $unit |
	    while read -r key; do
		# shellcheck disable=SC2086
		printf '%s\n' $known | grep -qx "$key" || echo "$key"
	    done)
	check "systemd: every key is known" "$strange" [ -z "$strange" ]
	odd=$(grep -v '^#\|^$\|^\[[A-Z][a-z]*\]$\|^[A-Za-z]*=.' $unit)
	check "systemd: every line is well formed" "$odd" [ -z "$odd" ]
	sbin=$(sed -n 's/^PREFIX = //p' Makefile)/sbin
	for key in ExecStartPre ExecStart ExecReload; do
		check "systemd: $key lies where make install puts it" \
		    "$(unit_value $key)" sh -c \
		    "case '$(unit_value $key)' in $sbin/warren*) ;; *) false ;;
		    esac"
	done
	check "systemd: Type=notify needs -F, not -d" "$(unit_value ExecStart)" \
	    sh -c "echo '$(unit_value ExecStart)' | grep -q -- ' -F '"
	check "systemd: state and run directories are the default ones" \
	    "$(unit_value StateDirectory) $(unit_value RuntimeDirectory)" \
	    [ "$(unit_value StateDirectory)$(unit_value RuntimeDirectory)" = \
	    warrenwarren ]
	if ! command -v systemd-analyze >/dev/null; then
		return # the list above is the check then
	fi
	# With programs that are there, or it complains of their absence.
	sed "s|$sbin/|$B/|" $unit > "$T/warren.service"
	SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no \
	    "$T/warren.service" > "$T/all" 2>&1
	grep 'warren.service' "$T/all" > "$T/out"
	check "systemd: systemd-analyze has nothing to say" "$(text)" \
	    [ ! -s "$T/out" ]
}

# --- OpenBSD ---

test_openbsd() {
	rcd=etc/init/warrend.rcd
	sh -n $rcd > "$T/out" 2>&1
	check "rc.d: the shell reads it" "$(text)" [ ! -s "$T/out" ]
	sbin=$(sed -n 's/^PREFIX = //p' Makefile)/sbin
	check "rc.d: the daemon lies where make install puts it" \
	    "$(grep '^daemon=' $rcd)" grep -q "^daemon=\"$sbin/warrend\"" $rcd
	conf=$(sed -n 's/^daemon_flags="-f \(.*\)"/\1/p' $rcd)
	check "rc.d: the configuration is that of warren.conf(5)" "$conf" \
	    grep -q "^\.It Pa $conf\$" man/warren.conf.5
	check "rc.d: rc_cmd comes last" "$(tail -n 1 $rcd)" \
	    [ "$(tail -n 1 $rcd)" = 'rc_cmd $1' ]
	write_conf
	"$WARREND" -f "$WARREN_CONF" -R "$WARREN_PIDFILE" > "$T/out" 2>&1
	pexp=$(sed -n 's/^pexp="\(.*\)"/\1/p' $rcd)
	title=$(ps -o args= -p "$(node_pid)")
	# One look at them all, and then at this node alone: others on this
	# machine come and go.
	ps -eo pid=,ppid=,args= > "$T/all"
	found=$(awk -v top="$(node_pid)" -v pexp="^$pexp\$" '
		{ n = pid[NR] = $1; up[n] = $2 }
		{ sub(/^ *[0-9]+ +[0-9]+ /, ""); args[n] = $0 }
		END { for (i = 1; i <= NR; i++) {
			n = pid[i]
			if (args[n] ~ pexp && (n == top || up[n] == top ||
			    up[up[n]] == top))
				print n
		} }' "$T/all")
	check "rc.d: pexp finds the parent" "'$pexp', '$title' $(text)" sh -c \
	    "echo '$found' | grep -qx '$(node_pid)'"
	check "rc.d: and none of its children" "$found" \
	    [ "$found" = "$(node_pid)" ]
	pid=$(node_pid)
	kill "$pid"
	while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}

test_sysvinit
test_systemd
test_openbsd
echo "$pass passed, $fail failed, 0 skipped"
[ $fail = 0 ]
