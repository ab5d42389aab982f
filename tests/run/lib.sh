# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What the scripts of this folder share.  Each runs alone as well: it then
# takes the tool from build/ or from UHMM.

# Meson sets it; glibc then touches all of what it hands out, jemalloc does not.
unset MALLOC_PERTURB_

UHMM_SOURCE=${UHMM_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
UHMM_BUILD=${UHMM_BUILD:-$UHMM_SOURCE/build/gcc}
UHMM=${UHMM:-$UHMM_BUILD/tools/uhmm/uhmm}
UHMM_PRELOAD=${UHMM_PRELOAD:-$UHMM_BUILD/preload/libuhmm-preload.so}
CC=${CC:-cc}
export UHMM_PRELOAD LC_ALL=C

failures=0
checks=0

fail()
{
	echo "FAILED: $*" >&2
	failures=$((failures + 1))
}

check()
{
	what=$1
	shift
	checks=$((checks + 1))
	"$@" || fail "$what"
}

skip()
{
	echo "skipped: $*" >&2
	exit 77
}

finish()
{
	echo "$checks checks, $failures failed"
	[ "$failures" -eq 0 ] || exit 1
	exit 0
}

[ -x "$UHMM" ] || skip "there is no $UHMM"

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# Where the kernel gives no userfaultfd there is nothing to test.
needs_userfaultfd()
{
	"$UHMM" run true 2>"$tmp/probe" && return
	grep -q userfaultfd "$tmp/probe" && skip "$(cat "$tmp/probe")"
	fail "uhmm run true: $(cat "$tmp/probe")"
	finish
}
