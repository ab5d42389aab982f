#!/bin/sh
# SPDX-License-Identifier: MIT
#
# forks.sh MODE [FEATURES-OFF]: processes that a program makes have its data,
# and are managed too; "bare" is without us, to test the program.
. "$(dirname "$0")/lib.sh"

mode=${1:-threads}
off=${2:-}
forks=${FORKS:-$UHMM_BUILD/tests/run/forks}
ways="plain nested storm signal orphan spawn last first"

if [ "$mode" = bare ]; then
	for way in $ways; do
		check "bare: $way" "$forks" "$way"
	done
	finish
fi
needs_userfaultfd

# forks WAY [OPTION]...
forks()
{
	way=$1
	shift
	"$UHMM" run --resident 32M --device zram:1G --mode "$mode" \
		${off:+--features-off "$off"} "$@" "$forks" "$way"
}

# All, where all come home.
most=56
case $mode,$off, in
	*,fork,* | inline,*) most=140 ;;
esac

for way in $ways; do
	forks "$way" --summary="$tmp/sum"
	check "$way: exit status $?" [ $? -eq 0 ]
	check "$way: nothing was demoted" \
		grep -q 'moved to devices  *[1-9]' "$tmp/sum"
	# Pages that stay away during a fork do not pass the limit.
	peak=$(sed -n 's/.*peak managed RAM *\([0-9]*\).*/\1/p' "$tmp/sum")
	check "$way: $peak MiB in RAM" [ "$peak" -le "$most" ]
done

# What a child asks for by itself is limited, unless that is not wanted.  The
# 64 MiB of the parent may be in its RAM all the same, shared.
rss=$(forks rss)
check "a child has $rss MiB of RAM" [ "$rss" -le 130 ]
rss=$(forks rss --follow-fork=yes)
check "a child that is followed has $rss MiB of RAM" [ "$rss" -le 130 ]
rss=$(forks rss --follow-fork=no)
check "a child that is not followed has $rss MiB of RAM" [ "$rss" -ge 190 ]
finish
