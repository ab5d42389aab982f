#!/bin/sh
# SPDX-License-Identifier: MIT
#
# heaps.sh PROGRAM MODE: programs that make a heap of their own, of small pieces
# or by syscall(2), are managed by default: the limit is held and said so.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd

for how in pieces raw; do
	timeout 100 "$UHMM" run --ram 16M --mode "$2" --summary="$tmp/summary" \
		"$1" "$how"
	check "$how: exit status $?" [ $? -eq 0 ]
	check "$how: managed" grep -q 'peak managed RAM' "$tmp/summary"
	moved=$(sed -n 's/.*moved to devices *\([0-9]*\)\..* MiB.*/\1/p' \
		"$tmp/summary")
	check "$how: ${moved:-0} MiB left" [ "${moved:-0}" -ge 24 ]
	cat "$tmp/summary" >&2
done
finish
