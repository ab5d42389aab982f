# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
needs=zstd

prepare()
{
	text text
}

job()
{
	"$@" zstd -q -T2 -c text
}
