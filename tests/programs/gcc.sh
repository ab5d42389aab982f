# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
needs='gcc tests/programs/large-c'

prepare()
{
	"$UHMM_SOURCE/tests/programs/large-c" 900 >large.c
}

# Its work is done by a child.
job()
{
	"$@" gcc -O2 -S -o - large.c
}
