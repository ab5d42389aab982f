# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
# Its own checks say whether memory held what it should.
needs=stress-ng

job()
{
	"$@" stress-ng --quiet --verify --temp-path . --vm 2 --vm-bytes 128M \
		--vm-ops 4000 --malloc 1 --malloc-ops 20000 --brk 1 \
		--brk-ops 20000 --mremap 1 --mremap-ops 300 --stack 1 \
		--stack-ops 20 --madvise 1 --madvise-ops 200
	echo "ended with $?"
}
