# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
# All of the text in gawk's memory, from the first line to the last and back.
needs=gawk

prepare()
{
	text text
}

job()
{
	# shellcheck disable=SC2016
	"$@" gawk '{ line[NR] = $0; words += NF }
		END { for (i = NR; i; i--) print line[i]; print words }' text
}
