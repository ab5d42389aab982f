# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
needs=sort

prepare()
{
	text text
}

job()
{
	"$@" sort --parallel=2 -S $((text_mib * 3))M text
}
