#!/bin/sh
# SPDX-License-Identifier: MIT
#
# record.sh LIBRARY RECORD: the library has the ABI of the record.  Calls and
# enumerators may be added and structs may grow at their end; then the record
# wants refreshing.  Of enumerations, those count that a call or a struct names.
set -u

here=$(cd "$(dirname "$0")" && pwd)
library=$1
record=$2

# machine RECORD
machine()
{
	sed -n "1s/.* architecture='\([^']*\)'.*/\1/p" "$1"
}

# only_additions REPORT: there are some, and no line says anything else.
only_additions()
{
	awk '
	BEGIN { size = -1 }
	{ sub(/^ +/, "") }
	/^$/ || / summary: / { next }
	/^[0-9]+ Added (function|variable)s?:$/ { next }
	/^\[A\] / { added++; next }
	/^\047(struct|enum) .*\047 changed:$/ { size = -1; next }
	/^type size has(n\047t| not) changed$/ { next }
	/^type size changed from [0-9]+ to [0-9]+ / && $7 > $5 { size = $5; next }
	/^[0-9]+ (data member|enumerator) insertions?:$/ { next }
	/^\047.*\047, at offset [0-9]+ / && size >= 0 {
		sub(/.*, at offset /, "")
		if ($1 + 0 >= size + 0) {
			added++
			next
		}
	}
	/^\047.*\047 value \047-?[0-9]+\047$/ { added++; next }
	{ other++ }
	END { exit !added || other }' "$1"
}

if ! command -v abidiff >/dev/null 2>&1; then
	echo "abidiff is not there (Debian: abigail-tools)"
	exit 77
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

"$here/../../scripts/record-abi" --print "$library" >"$dir/built" || exit 1
if ! grep -q '<abi-instr' "$dir/built"; then
	echo "$library has no debug information"
	exit 77
fi
if [ "$(machine "$dir/built")" != "$(machine "$record")" ]; then
	echo "the record is of another machine: $(machine "$record")"
	exit 77
fi

if abidiff --no-default-suppression --harmless --leaf-changes-only \
	"$record" "$dir/built" >"$dir/report" 2>&1; then
	exit 0
fi
cat "$dir/report"
if ! only_additions "$dir/report"; then
	echo "The ABI changed incompatibly. If it should: scripts/record-abi BUILD"
	exit 1
fi
echo "The record wants refreshing: scripts/record-abi BUILD"
