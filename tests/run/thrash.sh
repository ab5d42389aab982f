#!/bin/sh
# SPDX-License-Identifier: MIT
#
# thrash.sh PROGRAM MODE: a program that loops over half as much again as its
# limit is told so once, with the addresses; one that does so for a moment only
# is not.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd
program=$1
mode=$2

run()
{
	"$UHMM" run --mode "$mode" --ram 16M --summary="$tmp/sum" \
		"$program" 0 24 "$1" 2>"$tmp/err"
}

run 8
check "status $?" [ $? -eq 0 ]
check "said once: $(cat "$tmp/err")" \
	[ "$(grep -c 'again and again: .* in 0x[0-9a-f]*-0x' "$tmp/err")" = 1 ]
check "said no more: $(cat "$tmp/err")" [ "$(wc -l <"$tmp/err")" = 1 ]
check "$(cat "$tmp/sum")" grep -q 'thrashing .* most at 0x' "$tmp/sum"
run 1
check "for a moment: status $?" [ $? -eq 0 ]
check "for a moment: $(cat "$tmp/err")" [ ! -s "$tmp/err" ]
finish
