#!/bin/sh
# SPDX-License-Identifier: MIT
#
# calls.sh HOW PROGRAM...: system calls on memory that is away.  HOW is "served"
# (by the kernel's faults), "user" (in threads, without those), "inline", or
# "nobody": really without privilege.
. "$(dirname "$0")/lib.sh"

how=$1
shift
set_up()
{
	"$UHMM" run --resident 4M --device zram:256M --summary="$tmp/sum" "$@"
}

case $how in
served)
	needs_userfaultfd
	"$UHMM" doctor | grep -q '^system calls *ok' ||
		skip "faults of the kernel are not served here"
	run() { set_up --mode threads "$1" served; }
	;;
user)
	needs_userfaultfd
	run() { set_up --features-off kernel-faults "$1"; }
	;;
inline)
	needs_userfaultfd
	run() { set_up --mode inline "$1"; }
	;;
nobody)
	[ "$(id -u)" -eq 0 ] || skip "only root can become nobody"
	command -v setpriv >/dev/null || skip "there is no setpriv"
	plain="setpriv --reuid 65534 --clear-groups --bounding-set -all"
	chmod 777 "$tmp"
	# shellcheck disable=SC2086
	$plain "$UHMM" run true 2>"$tmp/err" || skip "$(cat "$tmp/err")"
	# shellcheck disable=SC2086
	$plain "$UHMM" doctor | grep -q '^system calls *ok' &&
		skip "nobody may serve faults of the kernel here"
	UHMM="$plain $UHMM"
	run()
	{
		# shellcheck disable=SC2086
		$UHMM run --resident 4M --device zram:256M \
			--summary="$tmp/sum" "$1"
	}
	;;
esac

for program in "$@"; do
	run "$program"
	check "$program: exit status $?" [ $? -eq 0 ]
	cat "$tmp/sum"
	[ "$how" = served ] || check "$program: nothing was made again" \
		grep -q 'system calls *[1-9][0-9]* made again' "$tmp/sum"
	[ "$how" = served ] && check "$program: something was lost" \
		sh -c "! grep -q 'made again' $tmp/sum"
done
finish
