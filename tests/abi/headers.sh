#!/bin/sh
# SPDX-License-Identifier: MIT
# Each public header compiles alone, in strict C11 and C17 and, where there is
# a compiler for it, in C++, without a warning.
set -eu

include=$1
for header in "$include"/uhmm/*.h; do
	case $header in
	*.cl.h) continue ;; # OpenCL C: compiled with each kernel
	esac
	for std in c11 c17; do
		# CC may be a command with arguments.
		# shellcheck disable=SC2086
		$CC -std=$std -Wall -Wextra -Wpedantic -Werror -I "$include" \
			-fsyntax-only -x c "$header"
	done
	if command -v c++ >/dev/null; then
		c++ -std=c++11 -Wall -Wextra -Werror -I "$include" \
			-fsyntax-only -x c++ "$header"
	fi
done
