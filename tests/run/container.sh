#!/bin/sh
# SPDX-License-Identifier: MIT
#
# container.sh PROGRAM: in a memory cgroup a program of twice what that allows
# is killed.  Under "uhmm run" without --ram it ends well, and nothing is killed.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd
program=$1
[ "$(id -u)" -eq 0 ] || skip "only root makes cgroups"

MIB=48
limit=$((MIB << 20))

# Version 2 where the controller is there, or can be mounted; else version 1.
find_controller()
{
	at=$(awk '$(NF - 2) == "cgroup2" { print $5; exit }' \
		/proc/self/mountinfo)
	if [ -z "$at" ]; then
		at=$tmp/cgroup
		mkdir "$at" && mount -t cgroup2 none "$at" 2>/dev/null &&
			mounted=$at
	fi
	group=$at/uhmm-test.$$
	echo +memory 2>/dev/null >"$at/cgroup.subtree_control"
	mkdir "$group" 2>/dev/null && [ -e "$group/memory.max" ] && return
	rmdir "$group" 2>/dev/null
	group=$(awk '$(NF - 2) == "cgroup" && $NF ~ /(^|,)memory(,|$)/ {
		print $5; exit }' /proc/self/mountinfo)/uhmm-test.$$
	mkdir "$group" 2>/dev/null && [ -e "$group/memory.limit_in_bytes" ]
}

# shellcheck disable=SC2317 # the trap calls it
clean_up()
{
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		rmdir "$group" 2>/dev/null && break
		sleep 0.1
	done
	[ -z "$mounted" ] || umount "$mounted"
	rm -rf "$tmp"
}

set_limit()
{
	if [ -e "$group/memory.max" ]; then
		echo $limit >"$group/memory.max" || return
		echo 0 2>/dev/null >"$group/memory.swap.max"
		return 0
	fi
	echo $limit >"$group/memory.limit_in_bytes" || return
	echo $limit 2>/dev/null >"$group/memory.memsw.limit_in_bytes"
	return 0
}

# inside COMMAND [ARG]...
inside()
{
	# shellcheck disable=SC2016
	sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$@"
}

killed()
{
	sed -n 's/^oom_kill //p' "$group/memory.events" \
		"$group/memory.oom_control" 2>/dev/null
}

mounted=
trap clean_up EXIT
find_controller || skip "there is no memory controller for us"
set_limit || skip "the memory controller takes no limit"
inside "$program" $((2 * MIB)) 1 >"$tmp/out" 2>&1
status=$?
[ $status -eq 137 ] || skip "the kernel does not kill here: status $status," \
	"$(cat "$tmp/out")"
before=$(killed)
for mode in threads inline; do
	inside "$UHMM" run --mode $mode --summary="$tmp/sum" \
		"$program" $((2 * MIB)) 1 >"$tmp/out" 2>&1
	status=$?
	check "$mode: exit status $status, $(cat "$tmp/out" "$tmp/sum")" \
		[ $status -eq 0 ]
	check "$mode: nothing left" \
		grep -Eq 'moved to devices +[1-9]' "$tmp/sum"
done
check "$(killed) were killed, $before before" [ "$(killed)" = "$before" ]
inside "$UHMM" doctor >"$tmp/out"
check "doctor: $(cat "$tmp/out")" \
	grep -q "a program has $((MIB - 16)) MiB of it" "$tmp/out"
finish
