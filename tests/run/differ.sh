#!/bin/sh
# SPDX-License-Identifier: MIT
#
# differ.sh DIFFER MODE: what a program says that does random things is the same
# with and without us. The seeds are always the same; in ./check soak they are
# new ones, and the runs are long.
. "$(dirname "$0")/lib.sh"

differ=${1:-$UHMM_BUILD/tests/run/differ}
mode=${2:-threads}
seeds='1 2 3'
steps=50
if [ -n "${UHMM_SOAK-}" ]; then
	seeds=
	now=$(date +%s)
	for i in 1 2 3 4 5 6 7 8 9 10; do
		seeds="$seeds $((now * 10 + i))"
	done
	steps=5000
fi
[ -z "${UHMM_TEST_SEED-}" ] || seeds=$UHMM_TEST_SEED
steps=${DIFFER_STEPS:-$steps}

needs_userfaultfd
: >"$tmp/sums"
for seed in $seeds; do
	"$differ" "$seed" "$steps" >"$tmp/bare" 2>&1
	check "seed $seed, bare: exit status $?" [ $? -eq 0 ]
	"$UHMM" run --resident 1M --min-size 64K --device zram:1G \
		--mode "$mode" --summary="$tmp/sum" \
		"$differ" "$seed" "$steps" >"$tmp/ours" 2>&1
	check "seed $seed, $mode: exit status $?" [ $? -eq 0 ]
	cat "$tmp/sum" >>"$tmp/sums"
	if ! cmp "$tmp/bare" "$tmp/ours" >/dev/null; then
		fail "differ $seed $steps, $mode: < without us, > with us:"
		diff "$tmp/bare" "$tmp/ours" | head -n 4 >&2
	fi
done
check "$mode: nothing was demoted" \
	grep -q 'moved to devices  *[1-9]' "$tmp/sums"
finish
