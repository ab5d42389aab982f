#!/bin/sh
# SPDX-License-Identifier: MIT
#
# "uhmm stat": the figures of a process are those of /proc, only its own user
# gets them, and whatever cannot be said is one clear sentence.  "uhmm limit":
# a limit is held that was given while the program ran.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd

XDG_RUNTIME_DIR=$tmp/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$XDG_RUNTIME_DIR"
sockets=$XDG_RUNTIME_DIR/uhmm

# refused_by COMMAND STATUS PART ARGUMENT...
refused_by()
{
	command=$1
	wanted=$2
	part=$3
	shift 3
	"$UHMM" "$command" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	checks=$((checks + 1))
	[ "$status" -eq "$wanted" ] ||
		fail "$command $*: exit status $status, not $wanted"
	[ "$(wc -l <"$tmp/err")" -eq 1 ] ||
		fail "$command $*: not one line: $(cat "$tmp/err")"
	grep -qe "$part" "$tmp/err" ||
		fail "$command $*: no \"$part\" in: $(cat "$tmp/err")"
	[ ! -s "$tmp/out" ] || fail "$command $*: something on standard output"
}

refused()
{
	refused_by stat "$@"
}

# Until a program says that it is ready, in the file $1.
wait_for()
{
	tries=100
	while [ ! -s "$1" ] && [ $tries -gt 0 ]; do
		sleep 0.1
		tries=$((tries - 1))
	done
	[ -s "$1" ] || fail "the program never got ready"
}

# Ends with its standard input, which is the pipe $tmp/hold.
cat >"$tmp/use.py" <<-'EOF2'
	import os, sys
	x = bytearray(int(sys.argv[1]) << 20)
	for i in range(0, len(x), 4096):
	    x[i] = 1
	with open(sys.argv[2], 'w') as ready:
	    ready.write(str(os.getpid()))
	sys.stdin.read()
EOF2

# use NAME MIB OPTION...: NAME is where its PID will be
use()
{
	ready=$tmp/$1
	mib=$2
	shift 2
	"$UHMM" run "$@" /usr/bin/python3 "$tmp/use.py" "$mib" "$ready" \
		<"$tmp/hold" 9>&- &
	wait_for "$ready"
}

mkfifo "$tmp/hold"
# Both ends, so that opening waits for nobody.
exec 9<>"$tmp/hold"

# What is wrong
refused 2 'give one process'
refused 2 'give one process' 1 2
refused 2 'no number' frob
refused 2 'no number' 12x
refused 2 'no number' -- -1
refused 2 'no number' 99999999999999999999
refused 2 'no option --frob' --frob 1
refused 2 'takes no value' --json=1 1
sh -c 'exit 0' &
dead=$!
wait $dead
refused 1 "no process $dead" $dead
refused 1 'nothing to tell' $$

# A program that fits, and one that does not
use fits 1 --resident 64M --device ram:64M
refused 1 'passed its limit' "$(cat "$tmp/fits")"
kill "$(cat "$tmp/fits")"
use big 64 --resident 16M --device ram:256M
big=$(cat "$tmp/big")
"$UHMM" stat "$big" >"$tmp/out" || fail "stat"
for word in "process $big" 'limit 16.0 MiB' 'on devices' 'first touches' \
	'device 1 ram'; do
	check "human: $word" grep -q "$word" "$tmp/out"
done
check "no ranges unless asked" [ "$(grep -c managed "$tmp/out")" -eq 0 ]
"$UHMM" stat --ranges "$big" >"$tmp/out" || fail "stat --ranges"
for word in ' managed$' '^Rss: .* kB' '^Frozen: .* kB' \
	'^Device1 (ram:256M): .* kB' '^Poisoned: .* kB' '^Empty: .* kB'; do
	check "ranges: $word" grep -q "$word" "$tmp/out"
done
agrees()
{
	"$UHMM" stat --json --ranges "$big" |
		"$(dirname "$0")/stat.py" >"$tmp/diff"
}
# the demoter may still be at work
tries=50
until agrees || [ $tries -eq 0 ]; do
	sleep 0.1
	tries=$((tries - 1))
done
check "agrees with smaps: $(cat "$tmp/diff")" agrees

# Another limit: all that the program has, then little
ram_is()
{
	"$UHMM" stat --json "$big" | /usr/bin/python3 -c '
import json, sys
context = json.load(sys.stdin)["contexts"][0]
assert context["ram_limit"] == int(sys.argv[1]), context["ram_limit"]
sys.exit(context["stats"]["ram_pages"] * 4096 > int(sys.argv[1]))' "$1"
}
refused_by limit 2 'give one process and a limit' "$big"
refused_by limit 2 'give one process and a limit' --ram 64M
refused_by limit 2 'too small' "$big" --ram 1
refused_by limit 2 'no size' "$big" --ram much
refused_by limit 2 'no number' frob --ram 64M
refused_by limit 1 "no process $dead" $dead --ram 64M
refused_by limit 1 'takes no limit' $$ --ram 64M
for mib in 128 4 8; do
	"$UHMM" limit "$big" --ram ${mib}M >"$tmp/out" 2>&1
	check "limit: $? $(cat "$tmp/out")" [ ! -s "$tmp/out" ]
	tries=100
	until ram_is $((mib << 20)) || [ $tries -eq 0 ]; do
		sleep 0.1
		tries=$((tries - 1))
	done
	check "limit of $mib MiB is not held" [ $tries -gt 0 ]
done

# Who may ask
check "folder is private" [ "$(stat -c %a "$sockets")" = 700 ]
check "socket is private" [ "$(stat -c %a "$sockets/$big-0")" = 600 ]
if [ "$(id -u)" -eq 0 ]; then
	other='import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
os.execv(sys.argv[1], sys.argv[1:])'
	chmod 711 "$tmp"
	/usr/bin/python3 -c "$other" /bin/sleep 100 &
	sleeper=$!
	until [ "$(stat -c %u "/proc/$sleeper")" -eq 65534 ]; do
		sleep 0.1
	done
	refused 1 'not yours' $sleeper
	kill $sleeper
	# the tool itself may be where the other user cannot go
	cp "$UHMM" "$tmp/uhmm"
	ldd "$UHMM" | awk '/libuhmm/ { print $3 }' |
		xargs -I '{}' cp '{}' "$tmp/"
	LD_LIBRARY_PATH=$tmp /usr/bin/python3 -c "$other" "$tmp/uhmm" stat \
		"$big" >"$tmp/out" 2>"$tmp/err"
	check "another user: $(cat "$tmp/err")" \
		grep -q "not yours" "$tmp/err"
fi

# A process that is stopped is given up; one that was killed leaves nothing.
kill -STOP "$big"
refused 1 'did not answer' "$big"
refused_by limit 1 'did not answer' "$big" --ram 64M
kill -9 "$big"
wait_gone=50
while [ -e "/proc/$big" ] && [ $wait_gone -gt 0 ]; do
	sleep 0.1
	wait_gone=$((wait_gone - 1))
done
refused 1 "no process $big" "$big"
check "swept" [ ! -e "$sockets/$big-0" ]

# A folder that others may enter is not used.
chmod 755 "$sockets"
use open 64 --resident 16M --device ram:256M
check "no socket there" [ ! -e "$sockets/$(cat "$tmp/open")-0" ]
check "but elsewhere" [ -S "/tmp/uhmm-$(id -u)/$(cat "$tmp/open")-0" ]
"$UHMM" stat "$(cat "$tmp/open")" >"$tmp/out" || fail "in the other folder"
kill -9 "$(cat "$tmp/open")"
chmod 700 "$sockets"

# Contexts, groups, a child
"$UHMM_BUILD/tests/run/served" <"$tmp/hold" >"$tmp/served" 9>&- &
served=$!
wait_for "$tmp/served"
"$UHMM" stat "$served" >"$tmp/out" || fail "stat of two contexts"
check "two contexts" [ "$(grep -c '^process' "$tmp/out")" -eq 2 ]
check "group: $(cat "$tmp/out")" grep -q \
	'group cache  *1.0 MiB RAM; device 1 1.0 MiB, limit 8.0 MiB' "$tmp/out"
check "the group above" grep -q \
	'group front  *1.0 MiB RAM, limit 64.0 MiB; device 1 1.0 MiB' "$tmp/out"
refused 1 'nothing to tell' "$(cat "$tmp/served")"
exec 9>&- # all of them end
wait $served
check "its own exit status" [ $? -eq 0 ]
check "nothing is left: $(ls "$sockets")" [ -z "$(ls "$sockets")" ]
"$UHMM" stat 1 >/dev/null 2>&1 # sweeps the one in the other folder
finish
