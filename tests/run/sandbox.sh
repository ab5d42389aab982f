#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sandbox.sh PROGRAM MODE [FEATURES-OFF]: a program gives up system calls, files
# or its place in the system, before, between and after its memory grew.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd
program=$1
mode=$2
off=${3:+--features-off $3}
shared=no
how=
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
		--resident 2M --device zram:64M --shared="$shared" $off \
		"$program" "$1" "$2" $how >"$tmp/out" 2>&1
	status=$?
}

same()
{
	can "$1" || return 0
	run "$1" "$2"
	check "$1 $2: status $status" [ $status -eq 0 ]
	check "$1 $2: $(cat "$tmp/out")" [ ! -s "$tmp/out" ]
}

# It works, and one sentence says that the limit does not hold any more.
said()
{
	run "$1" "$2"
	check "$1 $2: status $status" [ $status -eq 0 ]
	check "$1 $2: $(cat "$tmp/out")" grep -q "a filter that forbids" \
		"$tmp/out"
	check "$1 $2: $(cat "$tmp/out")" [ "$(wc -l <"$tmp/out")" -eq 1 ]
}

said no-ioctl before
said kills-ioctl between
said kills-ioctl-sync after
said only-few before
said only-few-sync after
said strict after
same new-user after
same own-mounts between
same mourns after
same new-mounts between
same harmless between
same kills-leases between
shared=anon how=shared
said kills-leases between
said kills-memfd between
said kills-remove between
said kills-dofork after
finish
