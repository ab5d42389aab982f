#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC3045
#
# descriptors.sh PROGRAM MODE [FEATURES-OFF]: a program closes all descriptors
# that it does not know, by calls of the C library and past it.  Its data are
# right, or one sentence says why it ends.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd
[ "$(ulimit -H -n)" -gt 1024 ] || skip "the hard limit of descriptors is low"
program=$1
mode=$2
off=${3:+--features-off $3}

# try WAY LIMIT: with that soft limit of descriptors
try()
{
	# shellcheck disable=SC2086
	got=$(ulimit -S -n "$2" && timeout -s KILL 60 "$UHMM" run \
		--mode "$mode" --resident 1M --device zram:64M $off \
		"$program" "$1" 2>&1 </dev/null)
	status=$?
}

right()
{
	try "$1" "$2"
	check "$1, limit $2: status $status" [ $status -eq 0 ]
	check "$1, limit $2: $got" [ -z "$got" ]
}

# ends WAY LIMIT TEXT
ends()
{
	try "$1" "$2"
	check "$1, limit $2: status $status" [ $status -eq 125 ]
	case $got in
	"uhmm run: the program $3"*) ;;
	*) fail "$1, limit $2: $got" ;;
	esac
	check "$1, limit $2: more than a line: $got" \
		[ "$(echo "$got" | wc -l)" -eq 1 ]
}

# The hard limit cannot be passed: a child needs a descriptor, if it is told of.
ends_full()
{
	full=$(ulimit -n 256 && timeout -s KILL 60 "$UHMM" run --mode "$mode" \
		--ram 1M --device zram:64M "$program" full 2>&1 </dev/null)
	status=$?
	case $status in
	0) check "full, hard limit: $full" [ -z "$full" ] ;;
	*)
		check "full, hard limit: status $status" [ $status -eq 125 ]
		check "full, hard limit: $full" [ "$(echo "$full" | wc -l)" -eq 1 ]
		check "full, hard limit: $full" \
			expr "$full" : 'uhmm run: libuhmm needs a descriptor' \
			>/dev/null
		;;
	esac
}

if [ -n "$off" ]; then
	right close 1024
	"$program" can && right bare-range 1024
	finish
fi
for way in close closefrom close_range list dup2 dup3 daemon fork vfork numbers
do
	right $way 1024
done
right full 256
right none 1024
for way in close dup2 numbers; do
	right $way "$(ulimit -H -n)"
	right $way 300
done
if "$program" can; then
	right bare-close 1024
	right bare-range "$(ulimit -H -n)"
	right bare-fork 1024
	right bare-dup 1024
else
	ends bare-close 1024 "closed descriptors"
fi
ends_full
ends bare-dup "$(ulimit -H -n)" "put another file"
ends denied 1024 "closed descriptors"
finish
