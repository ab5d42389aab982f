#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A program whose locale is on the heap makes threads while its heap is away.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd
program=$1
LC_ALL=C.UTF-8
export LC_ALL

for mode in threads inline; do
	got=$("$UHMM" run --mode $mode --resident 4M --device zram:256M \
		"$program" 2>&1)
	status=$?
	[ $status -eq 77 ] && skip "there is no locale C.UTF-8"
	check "$mode: status $status" [ $status -eq 0 ]
	check "$mode: $got" [ "$got" = "100 threads" ]
done
finish
