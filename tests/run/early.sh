#!/bin/sh
# SPDX-License-Identifier: MIT
#
# early.sh EARLY LOADING LIBRARY: the constructors of libraries may run before
# ours, and use managed memory while the loader's lock is held.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd

for mode in threads inline; do
	got=$("$UHMM" run --mode $mode "$1" 2>&1)
	check "early, $mode: $got" [ "$got" = well ]
	got=$(timeout 50 "$UHMM" run --mode $mode --resident 1M --device zram:64M \
		"$2" "$3" 2>&1)
	check "loading, $mode: $got" [ "$got" = well ]
done
finish
