#!/bin/sh
# SPDX-License-Identifier: MIT
#
# direct.sh HOW PROGRAM...: programs with O_DIRECT, and others whose memory the
# kernel uses by itself, under a limit.  HOW is "threads", "user" (without the
# kernel's faults), "inline", "nobody" (really without privilege) or "bare";
# "rung-" before one of them is without UFFDIO_MOVE.
. "$(dirname "$0")/lib.sh"

how=$1
shift
off=
case $how in
rung-*)
	off=move
	how=${how#rung-}
	;;
esac

case $how in
bare)
	run() { "$1"; }
	;;
user)
	needs_userfaultfd
	run() { set_up threads "${off:+$off,}kernel-faults" "$1"; }
	;;
nobody)
	[ "$(id -u)" -eq 0 ] || skip "only root can become nobody"
	command -v setpriv >/dev/null || skip "there is no setpriv"
	plain="setpriv --reuid 65534 --clear-groups --bounding-set -all"
	chmod 777 "$tmp"
	# shellcheck disable=SC2086
	$plain "$UHMM" run true 2>"$tmp/err" || skip "$(cat "$tmp/err")"
	UHMM="$plain $UHMM"
	run() { set_up threads "$off" "$1"; }
	;;
*)
	needs_userfaultfd
	run() { set_up "$how" "$off" "$1"; }
	;;
esac

# Where no io_uring can work the program is to see none.
[ "$how$off" = threads ] || [ "$how" = bare ] || export RINGS=refused

set_up()
{
	# shellcheck disable=SC2086
	$UHMM run --resident 4M --device zram:1G --mode "$1" \
		${2:+--features-off "$2"} --summary="$tmp/sum" "$3"
}

for program in "$@"; do
	run "$program"
	status=$?
	[ $status -eq 77 ] && skip "$program"
	check "$how $off: $program: exit status $status" [ $status -eq 0 ]
	[ "$how" = bare ] || check "$program: nothing was demoted" \
		grep -q 'moved to devices  *[1-9]' "$tmp/sum"
done
finish
