#!/bin/sh
# SPDX-License-Identifier: MIT
#
# To its caller a program under "uhmm run" is the program: exit status, signal,
# pid, descriptors, both outputs, environment as far as it is not ours.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd

# status WANTED COMMAND...
status()
{
	wanted=$1
	shift
	"$UHMM" run "$@" >/dev/null 2>&1
	got=$?
	check "$*: exit status $got, not $wanted" [ "$got" -eq "$wanted" ]
}

# same NAME COMMAND...: as without us, byte for byte on both outputs
same()
{
	name=$1
	shift
	"$@" >"$tmp/plain.out" 2>"$tmp/plain.err" <"$tmp/input"
	plain=$?
	"$UHMM" run "$@" >"$tmp/run.out" 2>"$tmp/run.err" <"$tmp/input"
	got=$?
	check "$name: exit status $got, not $plain" [ $got -eq $plain ]
	check "$name: standard output differs" \
		cmp "$tmp/plain.out" "$tmp/run.out"
	check "$name: standard error differs" \
		cmp "$tmp/plain.err" "$tmp/run.err"
}

seq 100000 >"$tmp/input"
status 0 true
status 1 false
status 7 sh -c 'exit 7'
status 125 sh -c 'exit 125'
status 137 sh -c 'kill -9 $$'
status 143 sh -c 'kill -TERM $$'
status 3 -- sh -c 'exit 3'
status 5 --ram 64M -- sh -c 'exit 5'
status 0 env -u PATH true

same cat cat
same sort sort -n
same stderr sh -c 'echo out; echo err >&2; exit 4'
same missing ls /no/such/file
same descriptors sh -c 'ls -l /proc/self/fd | wc -l; ls /proc/self/fd'
same threads sh -c 'ls /proc/$$/task | wc -l'
same signals grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status
same limits sh -c 'ulimit -a'
same python /usr/bin/python3 -c 'import sys; print(sys.stdin.read()[-6:])'
same arguments printf '<%s>' -- --ram 'a b' '' '*'
echo 'echo a text without a first line; exit 9' >"$tmp/text"
cat >"$tmp/script" <<-'END'
	#!/bin/sh
	echo "$0" "$@"
	exit 8
END
chmod +x "$tmp/text" "$tmp/script"
status 9 "$tmp/text"
same script "$tmp/script" one two

# The signal itself, not a status that looks like it.
check "killed by a signal" /usr/bin/python3 - "$UHMM" <<-'END'
	import os, subprocess, sys
	p = subprocess.run([sys.argv[1], 'run', 'sh', '-c', 'kill -SEGV $$'])
	sys.exit(p.returncode != -11)
END

# No process between: the program has the pid that was started.
"$UHMM" run sh -c 'echo $$' >"$tmp/pid" &
pid=$!
wait $pid
check "pid" [ "$pid" = "$(cat "$tmp/pid")" ]

# shellcheck disable=SC2016
# A preload library of the user's stays, after ours.
check "LD_PRELOAD" [ "$(LD_PRELOAD=libm.so.6 "$UHMM" run \
	sh -c 'echo "$LD_PRELOAD"' 2>/dev/null)" = \
	"$(realpath "$UHMM_PRELOAD"):libm.so.6" ]

# A reader that goes away ends the program, not with a message of ours.
"$UHMM" run --ram 16M yes 2>"$tmp/err" | head -n 1 >/dev/null
check "broken pipe" [ ! -s "$tmp/err" ]

finish
