#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   headers.sh BFS
#
# examples/opencl/bfs.c over headers that are made here: in a chain, as a tree,
# and all in one.  Few pages, so that the word which says that a step found
# something is the last that a work-item misses.
#
# Functions are called by check.
# shellcheck disable=SC2317
. "$(dirname "$0")/../run/lib.sh"
needs_userfaultfd

# made NAME: that kind of folder, of 3000 headers
made()
{
	mkdir "$tmp/$1" && awk -v kind="$1" -v folder="$tmp/$1" -v n=3000 '
		function include(file, to) {
			if (to < n)
				printf "#include <h%04d.h>\n", to >file
		}
		BEGIN {
			for (i = 0; i < n; i++) {
				file = sprintf("%s/h%04d.h", folder, i)
				printf "" >file
				if (kind == "chain")
					include(file, i + 1)
				for (k = 0; kind == "tree" && k < 2; k++)
					include(file, 2 * i + k)
				for (k = 0; kind == "star" && !i && k < n; k++)
					include(file, k)
				close(file)
			}
		}'
}

for kind in chain tree star; do
	made "$kind" || fail "cannot make headers"
	"$1" opencl:1M "$tmp/$kind" >"$tmp/out" 2>&1
	status=$?
	[ "$status" -ne 77 ] || skip "no device of OpenCL"
	check "$kind: levels" [ "$status" -eq 0 ]
	check "$kind: nodes" grep -q '^3000 of 3000 nodes' "$tmp/out"
done
finish
