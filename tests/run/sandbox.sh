#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sandbox.sh PROGRAM MODE [FEATURES-OFF]: a program gives up files, its place in
# the system or limits, before, between and after its memory grew.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd
program=$1
mode=$2
off=${3:+--features-off $3}
mkdir "$tmp/root" && chmod 755 "$tmp" && cd "$tmp/root" || exit 1

# Where it cannot be done without us there is nothing to compare with.
can()
{
	TMPDIR=/tmp timeout -s KILL 60 "$program" "$1" before >"$tmp/bare" 2>&1
}

run()
{
	# shellcheck disable=SC2086
	TMPDIR=/tmp timeout -s KILL 60 "$UHMM" run --mode "$mode" \
		--ram 2M --device zram:64M $off "$program" "$1" "$2" \
		>"$tmp/out" 2>&1
	status=$?
}

same()
{
	can "$1" || return 0
	run "$1" "$2"
	check "$1 $2: status $status" [ $status -eq 0 ]
	check "$1 $2: $(cat "$tmp/out")" [ ! -s "$tmp/out" ]
}

same mourns after
same new-mounts between
same harmless between
finish
