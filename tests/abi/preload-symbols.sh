#!/bin/sh
# SPDX-License-Identifier: MIT
#
# preload-symbols.sh LIBRARY: what is loaded into programs exports the functions
# of its table, those are the recorded ones, and each that is written by hand
# stands in the file that the table names.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
table=$root/preload/calls/calls.table
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
LC_ALL=C
export LC_ALL

"$root/scripts/calls-to-c" --names "$table" | sort >"$dir/listed"
nm -D --defined-only "$1" | awk '$2 ~ /[TWi]/ { print $3 }' | sort -u \
	>"$dir/exported"
diff -u "$dir/listed" "$dir/exported"
diff -u "$here/preload-symbols.txt" "$dir/exported"
"$root/scripts/calls-to-c" --own "$table" | while read -r file name; do
	grep -qw -e "$name" "$root/preload/$file" ||
		echo "$file does not have $name"
done | (! grep .)
