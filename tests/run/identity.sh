#!/bin/sh
# SPDX-License-Identifier: MIT
#
# identity.sh PROGRAM MODE [FEATURES-OFF]: a program changes the user it runs as,
# its rights or its root, before and after its memory grew.  As root and, where
# that can be, as a plain user.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd
program=$1
mode=$2
off=${3:+--features-off $3}

try()
{
	# shellcheck disable=SC2086
	got=$(TMPDIR=/tmp $as timeout -s KILL 60 "$UHMM" run --mode "$mode" \
		--resident 2M --device zram:64M $off "$program" "$1" "$2" 2>&1)
	status=$?
	check "${as:+as nobody: }$1 $2: status $status" [ $status -eq 0 ]
	check "${as:+as nobody: }$1 $2: $got" [ -z "$got" ]
}

as=
for way in same undumpable powerless nobody; do
	try $way before
	try $way after
done
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	as="setpriv --reuid 65534 --clear-groups --bounding-set -all"
	try same after
	try undumpable before
fi
finish
