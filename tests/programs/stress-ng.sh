# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
# Its own checks say whether memory held what it should. Not among them are brk,
# which uses what malloc() of the C library happens to have below the break, and
# mmapfork, which takes as much as is free on the machine.
needs=stress-ng

job()
{
	"$@" stress-ng --quiet --verify --temp-path . --vm 2 --vm-bytes 64M \
		--vm-ops 4000 --malloc 1 --malloc-bytes 16M --malloc-ops 4000 \
		--mremap 1 --mremap-bytes 4M --mremap-ops 20 --stack 1 \
		--stack-ops 2 --madvise 1 --madvise-ops 100
	echo "ended with $?"
}
