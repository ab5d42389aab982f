#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Whatever cannot be done is refused before the program starts: the right exit
# status, one sentence that says what to do, and the program has not run.
. "$(dirname "$0")/lib.sh"
needs_userfaultfd

marker=$tmp/started

# refused STATUS PART-OF-THE-SENTENCE ARGUMENT...
refused()
{
	wanted=$1
	part=$2
	shift 2
	rm -f "$marker"
	"$UHMM" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	checks=$((checks + 1))
	[ "$status" -eq "$wanted" ] ||
		fail "$*: exit status $status, not $wanted"
	[ "$(wc -l <"$tmp/err")" -eq 1 ] ||
		fail "$*: not one line: $(cat "$tmp/err")"
	grep -qe "$part" "$tmp/err" ||
		fail "$*: no \"$part\" in: $(cat "$tmp/err")"
	grep -qE '^uhmm( [a-z]+)?: .{15,}' "$tmp/err" ||
		fail "$*: no sentence: $(cat "$tmp/err")"
	[ ! -s "$tmp/out" ] || fail "$*: something on standard output"
	[ ! -e "$marker" ] || fail "$*: the program was started"
}

# The tool itself
refused 2 'frobnicate is no command' help frobnicate
refused 2 'more is no command' help run more
refused 2 'no command frobnicate' frobnicate
refused 2 'no option --frob' --frob
refused 2 'no option --frob' providers --frob
refused 1 'no provider nosuch' providers nosuch
refused 1 'nosuch cannot be measured: nosuch: unknown provider' \
	providers --measure ram:64M nosuch
refused 1 'cannot be measured: .*room.*; give' providers --measure ram:1M
mkdir "$tmp/modules"
echo 'no module' >"$tmp/modules/broken.so"
UHMM_MODULES=$tmp/modules "$UHMM" providers --measure \
	>"$tmp/out" 2>"$tmp/err"
check "measured beside a module that is none" [ $? -eq 1 ]
check "which module: $(cat "$tmp/err")" \
	grep -q '^uhmm providers: module broken cannot be used: .*; rebuild' \
	"$tmp/err"
check "the table alone: $(cat "$tmp/out")" \
	[ "$(sed 's/^ *//; s/[: ].*//' "$tmp/out" | tr '\n' ' ')" = \
	'to GB/s ram zram ' ]
refused 2 'no option -x' bench -x
refused 2 'takes no value' bench --json=1
refused 2 'no benchmark has nosuch' bench nosuch

# Help is the same by either word; without a command it is what was wrong.
"$UHMM" --help >"$tmp/out"
"$UHMM" help | cmp - "$tmp/out" || fail "uhmm help"
"$UHMM" 2>"$tmp/err"
check "no command: exit status" [ $? -eq 2 ]
check "no command" cmp "$tmp/err" "$tmp/out"
sed -n 's/^  \([a-z]*\) .*/\1/p' "$tmp/out" >"$tmp/commands"
while read -r command; do
	"$UHMM" help "$command" >"$tmp/help" || fail "uhmm help $command"
	"$UHMM" "$command" --help | cmp - "$tmp/help" || fail "$command --help"
done <"$tmp/commands"

# Options of "uhmm run"
refused 125 'program is missing' run
refused 125 'program is missing' run --ram 64M --
refused 125 'no option --nosuch' run --nosuch -- touch "$marker"
refused 125 'no option -q' run -q touch "$marker"
refused 125 'needs a value' run --ram
refused 125 'takes no value' run --help=1 touch "$marker"
refused 125 'write it as 512M, 2G or 1.5GiB' run --ram 50% touch "$marker"
for size in '' 0 -1 2GB 12Q M 1e99G 99999999999999999999 ' ' 4x 1..5G; do
	refused 125 "^uhmm run: --ram .*$size" run --ram "$size" touch "$marker"
done
refused 125 'too small' run --ram 4K touch "$marker"
refused 125 'too small' run --min-size 1 touch "$marker"
refused 125 'no size' run --min-size huge touch "$marker"
refused 125 'no or anon' run --shared=all touch "$marker"
refused 125 '--mode sometimes is no mode; write' run --mode sometimes touch "$marker"
refused 125 'unknown feature; the features are move, ' \
	run --features-off nosuchfeature touch "$marker"
UHMM_FEATURES_OFF=nosuch refused 125 'unknown feature; the features are' \
	run touch "$marker"
for mode in auto threads inline; do
	"$UHMM" run --mode $mode --features-off kernel-faults true ||
		fail "$mode needs no kernel faults"
done

# Devices
for spec in '' nosuch:1G ram ram: ram:0 ram:-1 ram:12Q zram:1G,nosuch=1 \
	zram:1G,level=frob ram:99999999G 'delay(/ram:1M' error/nosuch:1M; do
	refused 125 "--device $spec cannot be opened: .*; " \
		run --device "$spec" touch "$marker"
done
refused 125 'no device memory' \
	run --device dax:2M,path=/proc/self/comm touch "$marker"
refused 125 '--device .*line break' run --device 'ram:1M
ram:1M' touch "$marker"
many=$(seq -f '--device ram:%gM' 17)
# shellcheck disable=SC2086
refused 125 'more than 16 devices; .* --device' run $many touch "$marker"

# Addresses: a limit is named, and what is needed; else less is reserved.
seq 200000 | sort -r >"$tmp/input"
sort -S 20M "$tmp/input" >"$tmp/sorted"
tool=$UHMM
for limit in v:AS:350000 d:DATA:250000; do
	option=${limit%%:*}
	enough=${limit##*:}
	limit=${limit#*:}
	for kib in 60000 "$enough"; do
		printf '#!/bin/sh\nulimit -%s %s\nexec %s "$@"\n' \
			"$option" "$kib" "$tool" >"$tmp/few"
		chmod +x "$tmp/few"
		UHMM=$tmp/few
		[ "$kib" = "$enough" ] || refused 125 \
			"RLIMIT_${limit%:*} (ulimit -$option) .* MiB.*; raise" \
			run --ram 4M touch "$marker"
	done
	"$UHMM" run --ram 4M --summary="$tmp/summary" \
		sort -S 20M "$tmp/input" >"$tmp/out" 2>"$tmp/err"
	check "few addresses, $option: $?, $(cat "$tmp/err")" \
		cmp "$tmp/sorted" "$tmp/out"
	check "few addresses, $option: $(cat "$tmp/err")" [ ! -s "$tmp/err" ]
	check "few addresses, $option: nothing was demoted" \
		grep -q 'moved to devices  *[1-9]' "$tmp/summary"
	UHMM=$tool
done

# The summary
refused 125 'names no file' run --summary= touch "$marker"
refused 125 'No such file' run --summary="$tmp/no/file" touch "$marker"
refused 125 'Is a directory' run --summary="$tmp" touch "$marker"
refused 125 'too long' \
	run --summary="$(seq -s / 2000)" touch "$marker"

# Programs that are not there, or are none
mkdir "$tmp/dir"
touch "$tmp/plain"
printf '#!%s/nosuch\n' "$tmp" >"$tmp/lost"
printf '#!%s\n' "$tmp/loop" >"$tmp/loop"
printf 'a\0b' >"$tmp/data"
chmod +x "$tmp/lost" "$tmp/loop" "$tmp/data"
refused 127 'in no directory of PATH' run no-such-program-here
refused 127 'No such file' run "$tmp/nosuch"
refused 127 'Not a directory' run "$tmp/plain/x"
refused 127 'name of the program is empty' run ''
refused 126 'is a directory' run "$tmp/dir"
refused 126 'not executable' run "$tmp/plain"
refused 126 'interpreter .*nosuch' run "$tmp/lost"
refused 126 'interpreter' run "$tmp/loop"
refused 126 'neither a program nor a script' run "$tmp/data"

# Programs that cannot be served
true=$(command -v touch)
head -c 40 "$true" >"$tmp/short"
head -c 70 "$true" >"$tmp/torn"
cp "$true" "$tmp/foreign"
printf '\377\177' | dd of="$tmp/foreign" bs=1 seek=18 conv=notrunc 2>/dev/null
sed 's/ld-linux-/ld-other-/' "$true" >"$tmp/otherlibc"
chmod +x "$tmp/short" "$tmp/torn" "$tmp/otherlibc"
refused 126 'damaged' run "$tmp/short" "$marker"
refused 126 'damaged' run "$tmp/torn" "$marker"
refused 125 'another machine' run "$tmp/foreign" "$marker"
# 32-bit x86, 64-bit ARM, RISC-V; the class of 32 bits, the other byte order
for patch in '18 \003\000' '18 \267\000' '18 \363\000' '4 \001' '5 \002'; do
	cp "$true" "$tmp/foreign"
	# shellcheck disable=SC2059
	printf "${patch#* }" | dd of="$tmp/foreign" bs=1 seek="${patch% *}" \
		conv=notrunc 2>/dev/null
	refused 125 'another machine' run "$tmp/foreign" "$marker"
done
printf '#!%s\n' "$tmp/foreign" >"$tmp/script"
chmod +x "$tmp/script"
refused 125 'another machine' run "$tmp/script" "$marker"
refused 125 'another C library' run "$tmp/otherlibc" "$marker"
echo 'int main(void) { return 0; }' >"$tmp/main.c"
if $CC -static -o "$tmp/static" "$tmp/main.c" 2>/dev/null; then
	refused 125 'linked statically' run "$tmp/static"
fi
if $CC -static-pie -o "$tmp/static" "$tmp/main.c" 2>/dev/null; then
	refused 125 'linked statically' run "$tmp/static"
fi

# Programs with a sanitizer.  As children they are what they are by themselves,
# but that a runtime which insists on coming first says that it does not.
cat >"$tmp/san.c" <<-'END'
	#include <pthread.h>
	#include <stdio.h>
	#include <stdlib.h>
	#include <sys/mman.h>
	#define LEN (8ul << 20)
	static void *fill(void *p)
	{
		for (size_t i = 0; i < LEN / 8; i++)
			((size_t *)p)[i] = i * 77;
		return NULL;
	}
	int main(void)
	{
		size_t *p = malloc(LEN), wrong = 0;
		size_t *q = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		pthread_t t;

		pthread_create(&t, NULL, fill, p);
		fill(q);
		pthread_join(t, NULL);
		for (size_t i = 0; i < LEN / 8; i++)
			wrong += p[i] != i * 77 || q[i] != i * 77;
		printf("%zu words are wrong\n", wrong);
		free(p);
		return 3;
	}
END
# Their shadow memory does not fit every layout of addresses.
fixed='setarch -R'
$fixed true 2>/dev/null || fixed=
sanitizers=
for how in address thread 'address -static-libasan' 'thread -static-libtsan'; do
	# shellcheck disable=SC2086
	$CC -pthread -fsanitize=$how -o "$tmp/san" "$tmp/san.c" 2>/dev/null ||
		continue
	$fixed "$tmp/san" >"$tmp/wanted" 2>/dev/null
	[ $? -eq 3 ] || continue
	sanitizers="$sanitizers $how,"
	refused 125 'sanitizer' run "$tmp/san"
	printf '#!%s\n' "$tmp/san" >"$tmp/script"
	chmod +x "$tmp/script"
	refused 125 'sanitizer' run "$tmp/script"

	for mode in threads inline; do
		$fixed "$UHMM" run --resident 4M --mode $mode \
			sh -c "\"$tmp/san\"; exit \$?" >"$tmp/out" 2>"$tmp/err"
		status=$?
		what="child, $how, $mode: $status, $(cat "$tmp/out" "$tmp/err")"
		if ldd "$tmp/san" | grep -q libasan; then
			check "$what" [ $status -ne 0 ]
			check "$what" [ ! -s "$tmp/out" ]
			check "$what" grep -q 'does not come first' "$tmp/err"
			continue
		fi
		check "$what" [ $status -eq 3 ]
		check "$what" cmp "$tmp/wanted" "$tmp/out"
		# Its symbols cannot be found: libuhmm says that it cannot work.
		case $how in *-static-libtsan) continue ;; esac
		check "$what" [ ! -s "$tmp/err" ]
	done
done
echo "sanitizers of $CC:${sanitizers:- none, so they are not tested}"
if [ "$(id -u)" -eq 0 ]; then
	cp "$true" "$tmp/setuid"
	chown 65534 "$tmp/setuid" && chmod u+s,a+rx "$tmp/setuid"
	refused 125 'setuid' run "$tmp/setuid" "$marker"
	chown 0:65534 "$tmp/setuid" && chmod u-s,g+s "$tmp/setuid"
	refused 125 'setgid' run "$tmp/setuid" "$marker"
	printf '#!%s\n' "$tmp/setuid" >"$tmp/script"
	refused 125 'setgid' run "$tmp/script" "$marker"
fi
chmod 755 "$tmp"
# A plain user with the one capability that is needed
cat >"$tmp/uhmm" <<-END
	#!/bin/sh
	exec setpriv --reuid 65534 --regid 65534 --clear-groups \\
		--bounding-set -all,+sys_ptrace,+net_raw \\
		--inh-caps -all,+sys_ptrace --ambient-caps -all,+sys_ptrace \\
		"$UHMM" "\$@"
END
chmod +x "$tmp/uhmm"
if [ "$(id -u)" -eq 0 ] && "$tmp/uhmm" --version >/dev/null 2>&1; then
	tool=$UHMM
	UHMM=$tmp/uhmm
	refused 125 'Permission denied' \
		run --summary="$tmp/summary" touch "$marker"
	cp "$true" "$tmp/capable"
	if setcap cap_net_raw+ep "$tmp/capable" 2>/dev/null; then
		refused 125 'capabilities' run "$tmp/capable" "$marker"
	fi
	UHMM=$tool
fi

# No room on the device is no reason to lose anything: the limit is exceeded,
# which is said once, and the summary says so.
"$UHMM" run --resident 4M --device ram:1M --summary="$tmp/summary" \
	sort -S 20M "$tmp/input" >"$tmp/out" 2>"$tmp/err"
status=$?
check "full device: status $status" [ $status -eq 0 ]
check "full device: output" cmp "$tmp/sorted" "$tmp/out"
check "full device: $(cat "$tmp/err")" grep -q 'devices are full' "$tmp/err"
check "full device: $(cat "$tmp/err")" [ "$(wc -l <"$tmp/err")" -eq 1 ]
check "full device: summary" grep -qE 'limit exceeded +[1-9]' "$tmp/summary"

# The preload library
UHMM_PRELOAD=$tmp/nosuch.so refused 125 'UHMM_PRELOAD names' \
	run touch "$marker"
echo 'no library' >"$tmp/text.so"
UHMM_PRELOAD=$tmp/text.so refused 125 'cannot be preloaded: .*; install' \
	run touch "$marker"
ln -s "$UHMM_PRELOAD" "$tmp/link.so"
UHMM_PRELOAD=$tmp/link.so "$UHMM" run true || fail "a link to the library"
mkdir "$tmp/a b" && cp "$UHMM_PRELOAD" "$tmp/a b/x.so"
UHMM_PRELOAD="$tmp/a b/x.so" refused 125 'a blank or a colon' \
	run touch "$marker"

finish
