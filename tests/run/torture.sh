#!/bin/sh
# SPDX-License-Identifier: MIT
#
# torture.sh MODE: the torture program with a limit far below what it holds;
# "bare" is the preload library without a limit.
. "$(dirname "$0")/lib.sh"

mode=${1:-threads}
torture=${TORTURE:-$UHMM_BUILD/tests/run/torture}
operations=20000
[ -z "${UHMM_SOAK-}" ] || operations=2000000

if [ "$mode" = bare ]; then
	LD_PRELOAD=$UHMM_PRELOAD "$torture" 6 $operations 8 10
	check "bare: exit status $?" [ $? -eq 0 ]
	finish
fi

needs_userfaultfd
"$UHMM" run --resident 16M --device zram:1G --mode "$mode" \
	--summary="$tmp/sum" \
	"$torture" 4 $operations 16 10 "$mode"
check "$mode: exit status $?" [ $? -eq 0 ]
cat "$tmp/sum"
check "$mode: nothing was demoted" grep -q 'moved to devices  *[1-9]' "$tmp/sum"
finish
