#!/bin/sh
# SPDX-License-Identifier: MIT
#
# "uhmm run" with a device of OpenCL, in both ways of copying: a program gets
# the same result with a sixth of its memory in RAM.  And what "uhmm providers"
# and "uhmm doctor" say, with a platform and without.
#
# Functions are called by check.
# shellcheck disable=SC2317
. "$(dirname "$0")/../run/lib.sh"
needs_userfaultfd

no_platform()
{
	OCL_ICD_VENDORS=/nonexistent "$@"
}

"$UHMM" providers opencl >"$tmp/list" || fail "uhmm providers opencl"
grep -q '^    opencl:platform=0,device=0 ' "$tmp/list" ||
	skip "no device of OpenCL"
"$UHMM" doctor >"$tmp/report" 2>&1
check "doctor" grep -qE '^opencl +ok +opencl:platform=0,device=0, ' "$tmp/report"

no_platform "$UHMM" providers opencl >"$tmp/list"
check "no platform: list" grep -q 'none here: .*install' "$tmp/list"
no_platform "$UHMM" doctor >"$tmp/report" 2>&1
check "no platform: doctor" grep -qE '^opencl +could.*install' "$tmp/report"
no_platform "$UHMM" run --device opencl:64M true 2>"$tmp/err"
check "no platform: run" grep -q opencl "$tmp/err"

"$UHMM" providers --measure ram:64M >"$tmp/measured" || fail "--measure ram"
check "measured" grep -qE '^ram:64M +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+$' \
	"$tmp/measured"
check "too small" [ "$("$UHMM" providers --measure ram:1M 2>&1 >/dev/null |
	wc -l)" -eq 1 ]

seq 300000 | sort -R --random-source=/dev/zero >"$tmp/text"
sort --parallel=2 -S 60M "$tmp/text" >"$tmp/want"
for copy in direct queue; do
	"$UHMM" run --resident 4M --device "opencl:80M,copy=$copy" \
		--summary="$tmp/summary" \
		sort --parallel=2 -S 60M "$tmp/text" >"$tmp/got"
	check "$copy: status" [ $? -eq 0 ]
	check "$copy: result" cmp -s "$tmp/want" "$tmp/got"
	check "$copy: used" grep -qE 'moved to devices +[1-9]' "$tmp/summary"
done
finish
