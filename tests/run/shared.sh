#!/bin/sh
# SPDX-License-Identifier: MIT
#
# shared.sh MODE [FEATURES-OFF]: shared anonymous memory that is larger than the
# limit, managed and not; "bare" is without us, to test the program.
. "$(dirname "$0")/lib.sh"

mode=${1:-threads}
off=${2:-}
shared=${SHARED:-$UHMM_BUILD/tests/run/shared}
ways="pool change exec io many remove beside"

if [ "$mode" = bare ]; then
	for way in $ways; do
		check "bare: $way" "$shared" "$way"
	done
	finish
fi
needs_userfaultfd

# limited OPTION... PROGRAM [ARG]...
limited()
{
	"$UHMM" run --resident 16M --device zram:1G --mode "$mode" \
		${off:+--features-off "$off"} --summary="$tmp/sum" "$@"
}

for way in $ways; do
	limited --shared=anon "$shared" "$way"
	check "$way: exit status $?" [ $? -eq 0 ]
	check "$way: nothing was demoted" \
		grep -q 'moved to devices  *[1-9]' "$tmp/sum"
	check "$way: some was not managed" \
		[ "$(grep -c 'shared memory' "$tmp/sum")" -eq 0 ]
	limited --shared=no "$shared" "$way"
	check "$way, unmanaged: exit status $?" [ $? -eq 0 ]
	check "$way: the summary does not say that it was not managed" \
		grep -q 'shared memory  .*MiB not managed: --shared=no' \
		"$tmp/sum"
done

# What fits is managed too, from the first mapping on.
"$UHMM" run --ram 1G --mode "$mode" ${off:+--features-off "$off"} \
	--shared=anon "$shared" change
check "all fits: exit status $?" [ $? -eq 0 ]

if command -v python3 >/dev/null; then
	for which in anon no; do
		limited --shared=$which python3 "$UHMM_SOURCE/tests/run/shared.py"
		check "python, $which: exit status $?" [ $? -eq 0 ]
	done
fi
finish
