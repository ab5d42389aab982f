#!/bin/sh
# SPDX-License-Identifier: MIT
#
# dump.sh MODE: a program that dies has all its data in its core.  Where cores
# do not go to files next to it, root has them go there meanwhile.
. "$(dirname "$0")/lib.sh"

mode=${1:-threads}
crash=${CRASH:-$UHMM_BUILD/tests/run/crash}
pattern=/proc/sys/kernel/core_pattern
needs_userfaultfd

grep -q '^Max core file size.* unlimited  *bytes' /proc/self/limits ||
	skip "there may be no cores"
was=$(cat $pattern) || skip "there is no $pattern"
case $was in
	*[\|/@]*)
		echo core >$pattern 2>"$tmp/err" ||
			skip "cores go elsewhere: $was"
		trap 'echo "$was" >$pattern; rm -rf "$tmp"' EXIT
		;;
esac
check "$mode" /usr/bin/python3 "$UHMM_SOURCE/tests/run/dump.py" "$UHMM" \
	"$crash" "$mode" "$tmp"
finish
