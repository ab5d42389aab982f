# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
needs=/usr/bin/convert

prepare()
{
	/usr/bin/convert -seed 7 -size 3000x3000 plasma:red-blue large.ppm
}

job()
{
	"$@" /usr/bin/convert -limit thread 2 large.ppm -rotate 17 -blur 0x3 \
		-resize 70% -colors 200 ppm:-
}
