#!/bin/sh
# SPDX-License-Identifier: MIT
# The library exports what the public headers declare, and nothing else.
set -eu

lib=$1
include=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$(dirname "$0")/../../scripts/public-functions" "$include"/*.h >"$dir/declared"
nm -D --defined-only "$lib" | awk '$2 ~ /[TDBRVWi]/ { print $3 }' |
	sed 's/@.*//' | sort -u >"$dir/exported"
diff -u "$dir/declared" "$dir/exported"
