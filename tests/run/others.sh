#!/bin/sh
# SPDX-License-Identifier: MIT
#
# others.sh MODE PROGRAM LIBRARY BETWEEN: beside other allocators and other
# libraries for LD_PRELOAD, and programs that use such, where they are there.
# MODE is "user" for threads that do not serve the kernel's faults, and "bare"
# is without us.
. "$(dirname "$0")/lib.sh"

mode=$1
program=$2
library=$3
between=$4

if [ "$mode" = bare ]; then
	check "bare" "$program" "$library"
	LD_PRELOAD=$between "$program" "$library" between
	check "bare, between: exit status $?" [ $? -eq 0 ]
	finish
fi
needs_userfaultfd

set_up()
{
	off=
	how=$mode
	[ "$mode" = user ] && off="--features-off kernel-faults" && how=threads
	# shellcheck disable=SC2086
	timeout 100 "$UHMM" run --resident 4M --device zram:1G --mode $how $off "$@"
}

set_up --summary="$tmp/sum" "$program" "$library"
check "exit status $?" [ $? -eq 0 ]
check "nothing was demoted" grep -q 'moved to devices  *[1-9]' "$tmp/sum"

# Its read() is past that of a library which is loaded with RTLD_DEEPBIND.
LD_PRELOAD=$between set_up "$program" "$library" names figures alignment between
check "a library behind us: exit status $?" [ $? -eq 0 ]
set_up env LD_PRELOAD="$between:$UHMM_PRELOAD" "$program" "$library"
check "a library in front of us: exit status $?" [ $? -eq 0 ]

# ---- Real ones ----------------------------------------------------------

others()
{
	[ "$mode" = threads ] || return
	echo libjemalloc.so.2 libtcmalloc_minimal.so.4 libeatmydata.so
}

for name in $(others); do
	path=/usr/lib/$(uname -m)-linux-gnu/$name
	[ -e "$path" ] || {
		echo "$name is not here"
		continue
	}
	LD_PRELOAD=$path set_up "$program" "$library" deep names
	check "$name behind us: exit status $?" [ $? -eq 0 ]
	set_up env LD_PRELOAD="$path:$UHMM_PRELOAD" "$program" "$library" \
		between
	check "$name in front of us: exit status $?" [ $? -eq 0 ]
done

if command -v fakeroot >/dev/null; then
	set_up fakeroot "$program" "$library" deep between
	check "with fakeroot: exit status $?" [ $? -eq 0 ]
	got=$(set_up fakeroot sh -c "touch $tmp/f && chown 1 $tmp/f &&
		stat -c %u $tmp/f")
	check "fakeroot: $got" [ "$got" = 1 ]
	off=
	[ "$mode" = user ] && off="--features-off kernel-faults"
	# shellcheck disable=SC2086
	timeout 100 fakeroot "$UHMM" run --resident 4M --device zram:1G \
		--mode "${mode%user}${off:+threads}" $off \
		"$program" "$library" between
	check "in fakeroot: exit status $?" [ $? -eq 0 ]
else
	echo "fakeroot is not here"
fi

if command -v faketime >/dev/null; then
	got=$(set_up faketime '2001-02-03 00:00:00' date +%Y)
	check "faketime: $got" [ "$got" = 2001 ]
	set_up faketime '2001-02-03 00:00:00' "$program" "$library" between
	check "with faketime: exit status $?" [ $? -eq 0 ]
else
	echo "faketime is not here"
fi

# shellcheck disable=SC2016
if command -v php >/dev/null; then
	got=$(set_up php -d memory_limit=-1 -r '
		for ($i = 0; $i < 100000; $i++) $a[] = md5((string)$i);
		echo count($a), " ", sha1(implode("", $a));')
	want=$(php -d memory_limit=-1 -r '
		for ($i = 0; $i < 100000; $i++) $a[] = md5((string)$i);
		echo count($a), " ", sha1(implode("", $a));')
	check "php: $got, not $want" [ "$got" = "$want" ]
else
	echo "php is not here"
fi
finish
