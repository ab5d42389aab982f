# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
needs='clang tests/programs/large-c'

prepare()
{
	"$UHMM_SOURCE/tests/programs/large-c" 900 >large.c
}

job()
{
	"$@" clang -O2 -S -o - large.c
}
