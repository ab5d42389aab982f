#!/bin/sh
# SPDX-License-Identifier: MIT
#
# large.sh PROGRAM: calls on more memory than the limit is, in both modes.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd

for how in '--mode inline' '--features-off kernel-faults' '--mode threads'; do
	# shellcheck disable=SC2086
	timeout 100 "$UHMM" run --resident 1M --device zram:64M $how "$1" "$tmp/file"
	check "$how: exit status $?" [ $? -eq 0 ]
done
finish
