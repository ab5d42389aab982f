#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A coherent device that is named on the command line is used like any other.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd
cd "$tmp" || exit 1

"$UHMM" run --resident 16M --device dax:128M --summary=report \
	/usr/bin/python3 -c 'x = b"0123456789abcdef" * (4 << 20)
print(len(x), x.count(b"0123456789abcdef"))' >out 2>err
check "exit status" [ $? -eq 0 ]
check "output" [ "$(cat out)" = "67108864 4194304" ]
check "nothing on standard error" [ ! -s err ]
moved=$(sed -n 's/.*moved to devices *\([0-9.]*\).*/\1/p' report)
check "moved to the device: $moved" [ "${moved%.*}" -gt 0 ]
finish
