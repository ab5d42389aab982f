#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Data that zstd packed come back, in a child and its child, too.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd
! "$UHMM" providers zram | grep -q 'zstd is not in this build' ||
	skip "this build has no zstd"

cat >"$tmp/data.py" <<'END'
import hashlib
import os
import zlib
data = bytearray(8 << 20)
for at in range(0, len(data), 64):
    data[at:at + 4] = zlib.crc32(at.to_bytes(8, 'little')).to_bytes(4, 'little')
print(hashlib.sha1(data).hexdigest(), flush=True)
for deep in range(2):
    child = os.fork()
    if child:
        break
    print(hashlib.sha1(data).hexdigest(), flush=True)
if child:
    print(deep, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
END
/usr/bin/python3 "$tmp/data.py" >"$tmp/want"

for mode in threads inline; do
	for level in -1 3 9; do
		timeout 100 "$UHMM" run --mode $mode --resident 4M \
			--device "zram:64M,algo=zstd,level=$level" \
			--summary="$tmp/sum" \
			/usr/bin/python3 "$tmp/data.py" >"$tmp/got" 2>"$tmp/err"
		check "$mode, $level: status $?" [ $? -eq 0 ]
		check "$mode, $level: data" cmp -s "$tmp/want" "$tmp/got"
		check "$mode, $level: $(cat "$tmp/err")" [ ! -s "$tmp/err" ]
		check "$mode, $level: $(cat "$tmp/sum")" \
			grep -Eq 'moved home +[1-9]' "$tmp/sum"
	done
done
finish
