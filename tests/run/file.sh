#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Data that are in a file come back, in a child, too; the file has no name.  Pages
# that are only read are not written again.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd

cat >"$tmp/data.py" <<'END'
import hashlib
import os
data = bytearray(16 << 20)
for at in range(0, len(data), 4096):
    data[at:at + 8] = at.to_bytes(8, 'little')
print(hashlib.sha1(data).hexdigest())
child = os.fork()
print(hashlib.sha1(data).hexdigest(), flush=True)
if not child:
    os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
END
/usr/bin/python3 "$tmp/data.py" >"$tmp/want"
mkdir "$tmp/folder"

for mode in threads inline; do
	for spec in "$tmp/folder" "$tmp/folder/name,direct=no"; do
		timeout 60 "$UHMM" run --mode $mode --resident 4M \
			--device "file:64M,path=$spec" --summary="$tmp/sum" \
			/usr/bin/python3 "$tmp/data.py" >"$tmp/got" 2>"$tmp/err"
		check "$mode, $spec: status $?" [ $? -eq 0 ]
		check "$mode, $spec: data" cmp -s "$tmp/want" "$tmp/got"
		check "$mode, $spec: $(cat "$tmp/err")" [ ! -s "$tmp/err" ]
		check "$mode, $spec: $(cat "$tmp/sum")" \
			grep -Eq 'moved home +[1-9]' "$tmp/sum"
		check "$mode, $spec: a name" [ -z "$(ls "$tmp/folder")" ]
	done
done

# Compressed pages go down to the file.
timeout 60 "$UHMM" run --resident 4M --device zram:4M --device \
	"file:64M,path=$tmp/folder" --summary="$tmp/sum" \
	/usr/bin/python3 "$tmp/data.py" >"$tmp/got"
check "two tiers: data" cmp -s "$tmp/want" "$tmp/got"
check "two tiers: $(cat "$tmp/sum")" \
	grep -Eq 'sank to lower tiers +[0-9.]*[1-9]' "$tmp/sum"

# What is only read is written once.
cat >"$tmp/read.py" <<'END'
data = bytearray(16 << 20)
for at in range(0, len(data), 4096):
    data[at:at + 8] = at.to_bytes(8, 'little')
for again in range(6):
    print(sum(data[1::4096]))
END
"$UHMM" run --mode inline --resident 4M --summary="$tmp/sum" \
	--device "file:128M,path=$tmp/folder" \
	/usr/bin/python3 "$tmp/read.py" >/dev/null 2>"$tmp/err"
check "reads: status $?" [ $? -eq 0 ]
home=$(awk '/moved home/ { printf "%d", $3 }' "$tmp/sum")
out=$(awk '/moved to devices/ { printf "%d", $4 }' "$tmp/sum")
check "reads: $home MiB came home" [ "$home" -gt 48 ]
check "reads: $(cat "$tmp/sum")" grep -Eq 'left unchanged +[1-9]' "$tmp/sum"
check "reads: $out MiB written" [ "$out" -lt $((home / 2)) ]

echo precious >"$tmp/file"
"$UHMM" run --resident 4M --device "file:64M,path=$tmp/file" true 2>"$tmp/err"
check "there already: status $?" [ $? -ne 0 ]
check "there already: lost" [ "$(cat "$tmp/file")" = precious ]
check "there already: $(cat "$tmp/err")" grep -q overwrite "$tmp/err"
finish
