#!/bin/sh
# SPDX-License-Identifier: MIT
#
# uhmm serve keeps the data of other processes' pages: several at a time, for
# each provider. It brings them home when it is told to end, and when it is
# killed its pages are lost and nothing else is.
. "$(dirname "$0")/lib.sh"
cd "$tmp" || exit 1

"$UHMM" serve >out 2>err
status=$?
check "no specification: $(cat err)" [ "$status" -eq 2 ]
"$UHMM" serve nix:64M >out 2>err
check "no such provider: $(cat err)" grep -q 'unknown provider' err
"$UHMM" serve --slots 3 ram:64M >out 2>err
check "slots: $(cat err)" grep -q 'no number from 16 to 4096' err
if [ ! -e /dev/uhmm ]; then
	"$UHMM" serve ram:64M >out 2>err
	check "no module: $(cat err)" grep -q 'is not loaded' err
	[ "$failures" -eq 0 ] || finish
	skip "no /dev/uhmm"
fi
[ -w /dev/uhmm ] || skip "no /dev/uhmm for this user"
needs_userfaultfd

# wait_for WHAT COMMAND...: until it succeeds
wait_for()
{
	what=$1
	tries=0
	shift
	until "$@"; do
		tries=$((tries + 1))
		if [ "$tries" -gt 600 ]; then
			fail "there is never $what: $(cat serve-err)"
			finish
		fi
		sleep 0.1
	done
}

# stop: it has no reason to complain
stop()
{
	kill "$daemon"
	wait "$daemon"
	status=$?
	check "ends well: $status $(cat serve-err)" [ "$status" -eq 0 ]
	check "says nothing: $(cat serve-err)" [ ! -s serve-err ]
}

# start SPECIFICATION: $daemon serves $device
start()
{
	: >device
	"$UHMM" serve "$1" >device 2>serve-err &
	daemon=$!
	wait_for "a device of $1" grep -q '^kmod:id=' device
	device=$(cat device)
}

# job NAME LETTER: 32 MiB, a half of it on the device
job()
{
	"$UHMM" run --resident 16M --device "$device" --summary="report-$1" \
		/usr/bin/python3 -c "
x = [b'$2%06d' % i * 1024 for i in range(4096)]
print(sum(x[i] == b'$2%06d' % i * 1024 for i in range(4096)))" \
		>"out-$1" 2>"err-$1"
}

# right NAME: the job's result, and that the device was used
right()
{
	check "$1: output: $(cat "out-$1" "err-$1")" [ "$(cat "out-$1")" = 4096 ]
	moved=$(sed -n 's/.*moved to devices *\([0-9.]*\).*/\1/p' "report-$1")
	check "$1: moved to the device: $moved" [ "${moved%.*}" -gt 0 ]
}

for spec in zram:128M ram:128M file:128M,path="$tmp/pages"; do
	start "$spec"
	job a A &
	first=$!
	job b B
	wait "$first"
	right a
	right b
	stop
done

# Told to end while pages are away: they come home, and the program goes on.
start zram:128M
cat >long.py <<'END'
import sys
x = [b'L%06d' % i * 1024 for i in range(4096)]
print('filled', flush=True)
sys.stdin.readline()
print(sum(x[i] == b'L%06d' % i * 1024 for i in range(4096)))
END
mkfifo go
"$UHMM" run --resident 16M --device "$device" /usr/bin/python3 long.py \
	<go >out-long 2>err-long &
long=$!
exec 9>go
wait_for "a filled program" grep -q filled out-long
stop
echo >&9
exec 9>&-
wait "$long"
check "goes on: $(cat out-long err-long)" grep -q '^4096$' out-long

# Killed: a device is gone, the next has its pages.
start ram:128M
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
"$UHMM" run --device "$device" /usr/bin/true >out 2>err
check "no such device: $(cat err)" grep -q 'there is no such device' err
start ram:128M
job c C
right c
stop
finish
