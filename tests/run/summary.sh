#!/bin/sh
# SPDX-License-Identifier: MIT
#
# --summary: once, by the program that was named, wherever it was asked for,
# even where the program closed or moved its standard error.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd

lines()
{
	grep -c '^uhmm run: ' "$1"
}

"$UHMM" run --summary true 2>"$tmp/err" >"$tmp/out"
check "fits: standard error" grep -q 'everything fitted' "$tmp/err"
check "fits: nothing on standard output" [ ! -s "$tmp/out" ]

cd "$tmp" || exit 1
"$UHMM" run --summary=report sh -c 'cd /; true; true' 2>err
check "file: relative to where we started" grep -q 'everything fitted' report
check "file: nothing on standard error" [ ! -s err ]

"$UHMM" run --summary sh -c 'sh -c true; ls / | cat >/dev/null' 2>err
check "children are silent" [ "$(lines err)" -eq 1 ]
"$UHMM" run --summary sh -c 'exec sort /dev/null' 2>err
check "after exec, the last one writes" [ "$(lines err)" -eq 1 ]
"$UHMM" run --summary sh -c 'exec 2>/dev/null; sh -c "exit 3"' 2>err
check "exit status" [ $? -eq 3 ]
check "standard error moved" [ "$(lines err)" -eq 1 ]
"$UHMM" run --summary /usr/bin/python3 -c 'import os; os._exit(6)' 2>err
check "_exit: status" [ $? -eq 6 ]
check "_exit" [ "$(lines err)" -eq 1 ]
"$UHMM" run --summary=/dev/full sh -c 'exec 2>/dev/null; exit 4' 2>err
check "full: status $?" [ $? -eq 4 ]
check "full: $(cat err)" [ "$(lines err)" -eq 1 ]
check "full: $(cat err)" grep -q 'cannot be written to "/dev/full": No sp' err
"$UHMM" run --summary sh -c 'kill -9 $$' 2>err
check "killed: no summary" [ "$(lines err)" -eq 0 ]

# A program that needs more than its limit.
"$UHMM" run --ram 16M --device zram:1G --summary=report \
	/usr/bin/python3 -c 'x = b"0123456789abcdef" * (4 << 20); print(len(x))' \
	>out 2>err
check "limited: exit status" [ $? -eq 0 ]
check "limited: output" [ "$(cat out)" = 67108864 ]
check "limited: nothing on standard error" [ ! -s err ]
for line in 'peak managed RAM' 'moved to devices' 'moved home' 'faults' \
	'fault time' 'time blocked' 'compression ratio' 'limit exceeded'; do
	check "limited: $line" grep -q "$line" report
done
finish
