#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A program that stays within its limit is left alone: no thread, no
# descriptor, no registered range.  One that passes it is managed as a whole.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd

cat >"$tmp/look.py" <<-'EOF'
	import os, sys
	x = bytearray(int(sys.argv[1]) << 20)
	managed = 0
	for line in open('/proc/self/smaps'):
	    if line.startswith('VmFlags:') and (' um' in line or ' uw' in line):
	        managed += 1
	threads = len(os.listdir('/proc/self/task'))
	files = len(os.listdir('/proc/self/fd'))
	print('managed' if managed else 'unmanaged', threads, files)
EOF

# look MIB OPTION...
look()
{
	mib=$1
	shift
	"$UHMM" run --resident 64M --device ram:256M "$@" \
		/usr/bin/python3 "$tmp/look.py" "$mib"
}

plain=$(/usr/bin/python3 "$tmp/look.py" 16)
check "fits" [ "$(look 16)" = "$plain" ]
check "does not fit" [ "$(look 96 | cut -d' ' -f1)" = managed ]
check "does not fit, inline" \
	[ "$(look 96 --mode inline | cut -d' ' -f1)" = managed ]
finish
