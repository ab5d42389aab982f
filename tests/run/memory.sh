#!/bin/sh
# SPDX-License-Identifier: MIT
#
# memory.sh MODE [FEATURES-OFF]: programs that do with their memory what
# programs do find their data; "bare" is without us, to test the programs.
. "$(dirname "$0")/lib.sh"

mode=${1:-threads}
off=${2:-}
programs=${MEMORY:-$UHMM_BUILD/tests/run}
names="remap advice locks signals stacks remote nofork"

# What these rungs are about.
case $off in
	move) names="remap advice" ;;
	fork) names="nofork" ;;
	kernel-faults) names="advice remote" ;;
esac

if [ "$mode" = bare ]; then
	for name in $names; do
		check "bare: $name" "$programs/memory-$name"
	done
	finish
fi
needs_userfaultfd

# Other processes cannot have what is away where their faults are not served.
[ "$mode" = inline ] || [ "$off" = kernel-faults ] &&
	export MEMORY_REMOTE=error

export MEMORY_LIMITED=yes
for name in $names; do
	"$UHMM" run --resident 4M --device zram:1G --mode "$mode" \
		${off:+--features-off "$off"} --summary="$tmp/sum" \
		"$programs/memory-$name"
	check "$mode $off: $name: exit status $?" [ $? -eq 0 ]
	check "$mode $off: $name: nothing was demoted" \
		grep -q 'moved to devices  *[1-9]' "$tmp/sum"
done
finish
