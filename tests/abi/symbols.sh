#!/bin/sh
# SPDX-License-Identifier: MIT
# The library exports what its public headers declare, and nothing else but, as a
# module, uhmm_module.
set -eu

lib=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$(dirname "$0")/../../scripts/public-functions" "$@" >"$dir/declared"
nm -D --defined-only "$lib" | awk '$2 ~ /[TDBRVWi]/ { print $3 }' |
	sed 's/@.*//' | grep -vx uhmm_module | sort -u >"$dir/exported"
diff -u "$dir/declared" "$dir/exported"
