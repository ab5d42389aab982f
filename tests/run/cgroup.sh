#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Without --ram, "uhmm run" keeps to what the process's cgroup allows.  Another
# limit is mounted over the real one, where no other process sees it.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd

[ "$(id -u)" -eq 0 ] || skip "only root can mount over a cgroup"
at=$(awk '$(NF - 2) == "cgroup2" { print $5; exit }' /proc/self/mountinfo)
here=$(sed -n 's/^0:://p' /proc/self/cgroup)
[ -n "$at" ] || skip "there is no cgroup v2"

# limited BYTES OPTION...: the limit that the summary speaks of
limited()
{
	bytes=$1
	shift
	# shellcheck disable=SC2016
	unshare -m sh -c '
		mount -t tmpfs tmpfs "$1" && mkdir -p "$1$2" &&
			echo "$3" >"$1$2/memory.max" || exit 99
		shift 3
		exec "$@"' sh "$at" "$here" "$bytes" \
		"$UHMM" run --summary="$tmp/summary" "$@" true
	status=$?
	[ $status -ne 99 ] || skip "nothing can be mounted here"
	sed -n 's/.*of \([0-9.]* MiB\) .*/\1/p' "$tmp/summary"
}

unshare -m true 2>/dev/null || skip "there are no mount namespaces"
check "256 MiB: an eighth less" [ "$(limited 268435456)" = "224.0 MiB" ]
check "64 MiB: 16 MiB less" [ "$(limited 67108864)" = "48.0 MiB" ]
check "very little" [ "$(limited 4096)" = "1.0 MiB" ]
none=$(limited max)
check "none: $none" [ "${none%%.*}" -gt 224 ]
check "--ram counts more" [ "$(limited 67108864 --ram 32M)" = "32.0 MiB" ]
finish
