#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A device of the kernel module that is named on the command line is used like
# any other, also by children.
. "$(dirname "$0")/lib.sh"
[ -w /dev/uhmm ] || skip "no /dev/uhmm for this user"
needs_userfaultfd
cd "$tmp" || exit 1

"$UHMM" doctor >report
check "doctor" grep -qE '^kernel module +ok +loaded: private and coherent ' report

# job LIMIT...: in 64 MiB of memory, and in a child of the process
job()
{
	"$UHMM" run "$@" --device kmod:128M --summary=report \
		/usr/bin/python3 -c 'import os
x = b"0123456789abcdef" * (4 << 20)
if os.fork() == 0:
    os._exit(x.count(b"fedcba") != 0 or x.count(b"0123456789abcdef") != 4 << 20)
print(len(x), x.count(b"0123456789abcdef"), os.wait()[1])' >out 2>err
	check "$*: exit status" [ $? -eq 0 ]
	check "$*: output: $(cat out)" [ "$(cat out)" = "67108864 4194304 0" ]
	moved=$(sed -n 's/.*moved to devices *\([0-9.]*\).*/\1/p' report)
	check "$*: moved to the device: $moved" [ "${moved%.*}" -gt 0 ]
}

job --resident 16M
check "nothing on standard error: $(cat err)" [ ! -s err ]
job --resident 16M --follow-fork=no
check "nothing on standard error: $(cat err)" [ ! -s err ]
# The module keeps the data in RAM, so nothing is gained, and one is told so.
job --ram 16M
check "it is told" grep -q 'or a device that is not RAM' err
finish
