# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
needs=gawk

prepare()
{
	text text
}

job()
{
	# shellcheck disable=SC2016
	"$@" gawk '{ for (i = 1; i <= NF; i++) n[$i] = n[$i] + NR }
		END { for (w in n) print n[w], w }' text
}
