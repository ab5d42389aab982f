# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
# Children that map much and fork again.
needs=stress-ng

job()
{
	"$@" stress-ng --quiet --verify --temp-path . --mmapfork 1 \
		--mmapfork-ops 2
	echo "ended with $?"
}
