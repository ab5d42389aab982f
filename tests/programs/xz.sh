# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
needs=xz

prepare()
{
	text text
}

job()
{
	"$@" xz -T2 -0 --block-size=4MiB -c text
}
