#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Each rung of privilege works as far as it can, says what it lost, and is what
# "uhmm doctor" takes it for: root, one capability, the device file, the sysctl,
# a plain user, and one to whom userfaultfd(2) is refused. The file and the
# sysctl are set where UHMM_TEST_OWNS_MACHINE says that nobody else is here.
#
# ladder.sh DENY LIBRARY-TEST
. "$(dirname "$0")/lib.sh"
deny=$1
library=$2
sysctl=/proc/sys/vm/unprivileged_userfaultfd
device=/dev/userfaultfd
group=65000

[ "$(id -u)" -eq 0 ] || skip "only root can go down the ladder"
command -v setpriv >/dev/null || skip "there is no setpriv"
needs_userfaultfd
chmod 755 "$tmp"
plain="setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all"
# shellcheck disable=SC2086
$plain "$UHMM" --version >/dev/null 2>&1 ||
	skip "a plain user cannot reach $UHMM"

# More than the limit below, with forks and pipes on the way.
awk 'BEGIN { for (i = 0; i < 40000; i++) print i * 7919 % 40009 }' >"$tmp/input"
job="sort -n $tmp/input | md5sum; sort -r $tmp/input"
sh -c "$job" >"$tmp/wanted"

# doctor RUNG...: what it says of the present rung
doctor()
{
	"$@" "$UHMM" doctor >"$tmp/report" 2>&1
}

# said WHAT HOW [TEXT]
# shellcheck disable=SC2317
said()
{
	grep -E "^$1 +$2 " "$tmp/report" | grep -qF -- "${3:-}"
}

# run MODE RUNG...: the job; $status is 125 after one sentence, or the output is
# that of the plain run
run()
{
	mode=$1
	shift
	"$@" "$UHMM" run --resident 2M --mode "$mode" sh -c "$job" \
		>"$tmp/out" 2>"$tmp/err"
	status=$?
	if [ $status -eq 125 ]; then
		check "$*: --mode $mode: one sentence: $(cat "$tmp/err")" \
			[ "$(wc -l <"$tmp/err")" -eq 1 ]
		check "$*: --mode $mode: half started" [ ! -s "$tmp/out" ]
		return
	fi
	check "$*: --mode $mode: status $status: $(cat "$tmp/err")" \
		[ $status -eq 0 ]
	check "$*: --mode $mode: output" cmp "$tmp/wanted" "$tmp/out"
}

# serves NAME FORKS RUNG...: the kernel's own faults are served here
serves()
{
	name=$1
	forks=$2
	shift 2
	doctor "$@"
	check "$name: doctor: $(cat "$tmp/report")" said privilege ok "$name"
	check "$name: forks" said 'fork events' "$forks"
	for mode in auto threads; do
		run $mode "$@"
		check "$name: --mode $mode was refused" [ $status -eq 0 ]
	done
	UHMM_TEST_MODE=threads "$@" "$library" >"$tmp/out" 2>&1
	status=$?
	check "$name: library: $status $(cat "$tmp/out")" [ $status -eq 0 ]
}

serves root ok env
serves CAP_SYS_PTRACE ok setpriv --reuid 65534 --regid 65534 --clear-groups \
	--inh-caps -all,+sys_ptrace --ambient-caps -all,+sys_ptrace \
	--bounding-set -all,+sys_ptrace

if [ -n "${UHMM_TEST_OWNS_MACHINE:-}" ]; then
	echo 0 >$sysctl
	if [ -e $device ]; then
		chgrp $group $device && chmod 660 $device
		serves 'access to /dev/userfaultfd' 'could be better' \
			setpriv --reuid 65534 --regid 65534 --groups $group \
			--bounding-set -all
		chgrp 0 $device && chmod 600 $device
	fi
	echo 1 >$sysctl
	# shellcheck disable=SC2086
	serves vm.unprivileged_userfaultfd=1 'could be better' $plain
	echo 0 >$sysctl
fi

if [ "$(cat $sysctl)" = 0 ]; then
	# shellcheck disable=SC2086
	doctor $plain
	check "plain user: doctor: $(cat "$tmp/report")" \
		grep -qE '^privilege .*plain user' "$tmp/report"
	for mode in auto threads inline; do
		# shellcheck disable=SC2086
		run $mode $plain
		check "plain user: --mode $mode was refused" [ $status -eq 0 ]
	done
	for mode in threads inline; do
		# shellcheck disable=SC2086
		UHMM_TEST_MODE=$mode $plain "$library" >"$tmp/out" 2>&1
		status=$?
		check "plain user: library: $(cat "$tmp/out")" [ $status -eq 0 ]
	done
fi

# shellcheck disable=SC2086
doctor $plain "$deny"
check "refused: doctor" said privilege missing 'is refused'
for mode in auto threads inline; do
	# shellcheck disable=SC2086
	run $mode $plain "$deny"
	check "refused: --mode $mode: $status" [ $status -eq 125 ]
	check "refused: $(cat "$tmp/err")" grep -q userfaultfd "$tmp/err"
done
# shellcheck disable=SC2086
$plain "$deny" "$library" >"$tmp/out" 2>&1
check "refused: library" grep -q '^skipped: no userfaultfd' "$tmp/out"

finish
