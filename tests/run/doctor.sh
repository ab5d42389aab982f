#!/bin/sh
# SPDX-License-Identifier: MIT
#
# uhmm doctor: what it says is what "uhmm run" does, for each privilege.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd
deny=$1

# said WHAT HOW: does the last report say so?
# shellcheck disable=SC2317
said()
{
	grep -qE "^$1 +$2 " "$tmp/report"
}

# doctor COMMAND...: a report, by way of a command; does run agree with it?
doctor()
{
	"$@" "$UHMM" doctor >"$tmp/report" 2>"$tmp/err"
	status=$?
	"$@" "$UHMM" run true 2>/dev/null
	run=$?
	check "$*: standard error" [ ! -s "$tmp/err" ]
	[ $status -eq 0 ] && [ $run -eq 0 ] ||
		{ [ $status -eq 1 ] && [ $run -eq 125 ]; } ||
		fail "$*: doctor says $status, run $run"
}

# Are the kernel's own faults served to whoever runs this?
served='could be better'
if [ "$(id -u)" -eq 0 ] || [ -w /dev/userfaultfd ] ||
	[ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" = 1 ]; then
	served=ok
fi

doctor env
check "fit" [ $status -eq 0 ]
grep -qE '^move +ok ' "$tmp/report" &&
	check "rings" said io_uring "$served"
check "privilege" said privilege "$served"
check "calls" said 'system calls' "$served"
# Where the module is not loaded, the report says what the kernel could do.
if [ -e /dev/uhmm ]; then
	check "module" grep -qE '^kernel module +[a-z ]+ loaded: ' "$tmp/report"
else
	check "no module" said 'kernel module' 'could be better'
	grep -qE '(private and|coherent devices, no|neither private)' "$tmp/report" &&
		check "a remedy" grep -qE 'apt install|uhmm-kernel' "$tmp/report"
fi
check "providers" grep -qE '^providers +ok +ram, zram' "$tmp/report"

doctor env UHMM_FEATURES_OFF=move,procmap
check "no move" said move 'could be better'
check "no procmap" said procmap 'could be better'
check "stash" said stash ok
check "no rings" said io_uring 'could be better'
check "mend" grep -q 'Linux 6.8 or newer' "$tmp/report"

doctor env UHMM_FEATURES_OFF=kernel-faults
check "user mode only" said privilege 'could be better'
check "user mode only: status" [ $status -eq 0 ]
check "user mode only: rings" said io_uring 'could be better'
check "user mode only: calls" said 'system calls' 'could be better'
check "what is not covered" grep -q "of a program's own code" "$tmp/report"

doctor env UHMM_FEATURES_OFF=nosuch
check "unknown feature" grep -q 'unknown feature; the features are move, ' \
	"$tmp/report"
check "unknown feature: the rest is said" said privilege "$served"
check "unknown feature: nothing is refused" \
	sh -c "! grep -q refused '$tmp/report'"

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	plain="setpriv --reuid 65534 --clear-groups --bounding-set -all"
	chmod 755 "$tmp"
	# shellcheck disable=SC2086
	if $plain "$UHMM" --version >/dev/null 2>&1; then
		doctor $plain "$deny"
		check "refused" said privilege missing
		check "why" grep -q 'seccomp' "$tmp/report"
		check "filter" grep -q 'system calls are filtered' "$tmp/report"
		doctor $plain
		check "forks" said 'fork events' 'could be better'
		[ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" = 1 ] ||
			check "plain" said 'system calls' 'could be better'
	fi
fi

UHMM_PRELOAD=/nowhere.so "$UHMM" doctor >"$tmp/report" 2>/dev/null
check "no library: status" [ $? -eq 1 ]
check "no library" said preload missing
"$UHMM" doctor me >/dev/null 2>&1
check "argument" [ $? -eq 2 ]
finish
