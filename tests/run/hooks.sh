#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Our threads say that devices fail and are full while the heap is away, and the
# C library's tables with it.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd
program=$1

for mode in threads inline; do
	timeout 60 "$UHMM" run --mode $mode --resident 4M \
		--device 'error(op=to_dev,rate=1/8)/ram:8M' --device ram:4M \
		--summary="$tmp/summary" "$program" \
		>"$tmp/out" 2>"$tmp/err"
	status=$?
	check "$mode: status $status, $(cat "$tmp/err")" [ $status -eq 0 ]
	check "$mode: $(cat "$tmp/out")" \
		[ "$(cat "$tmp/out")" = '0 words are wrong' ]
	check "$mode: $(cat "$tmp/err")" grep -q 'devices are full' "$tmp/err"
	check "$mode: $(cat "$tmp/summary")" \
		grep -qE 'device errors +[1-9]' "$tmp/summary"
done
finish
