#!/bin/sh
# SPDX-License-Identifier: MIT
#
# real.sh JOB: a real program, plainly and then with a quarter of the RAM that
# it used: the same output and the same exit status.
#
# Functions are called by the name of the job.
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"

job=${1:?which job}
mode=${2:-auto}
cd "$tmp" || exit 1

has()
{
	command -v "$1" >/dev/null || skip "there is no $1"
}

text()
{
	"$UHMM_SOURCE/scripts/pack-text" "$1" "$tmp/text"
}

# Each job writes its result to $out; "$@" goes before the program.

prepare_sort()
{
	text 120
}

job_sort()
{
	"$@" sort --parallel=2 -S 400M text >"$out"
}

prepare_sqlite()
{
	has sqlite3
	text 80
	cat >sql <<-EOF
		.bail on
		PRAGMA temp_store = memory;
		CREATE TABLE text (body TEXT);
		.mode ascii
		.separator "\037" "\n"
		.import text text
		CREATE INDEX word ON text (substr(body, 1, 24));
		SELECT count(*), sum(length(body)) FROM text;
		SELECT substr(body, 1, 24), count(*), max(rowid)
		  FROM text GROUP BY 1 ORDER BY 1;
	EOF
}

job_sqlite()
{
	"$@" sqlite3 :memory: <sql >"$out"
}

prepare_xz()
{
	has xz
	text 24
}

job_xz()
{
	"$@" xz -T2 -1 --block-size=12MiB -c text >"$out"
}

prepare_python()
{
	[ -x /usr/bin/python3 ] || skip "there is no /usr/bin/python3"
	cat >job.py <<-EOF
		import zlib
		d = {}
		for i in range(700000):
		    d['key %d' % (i * 7919 % 1000003)] = [i, str(i * i)]
		total = 0
		for i in range(0, 700000, 3):
		    v = d.get('key %d' % (i * 104729 % 1000003))
		    if v:
		        total += v[0]
		        v.append(i)
		crc = 0
		for k, v in d.items():
		    crc = zlib.crc32(repr((k, v)).encode(), crc)
		print(len(d), total, crc)
	EOF
}

job_python()
{
	"$@" /usr/bin/python3 job.py >"$out"
}

prepare_gcc()
{
	has gcc
	seq 700 | awk '{
		printf "int f%d(int *a, int n)\n{\n\tint s = %d;\n", $1, $1
		print "\tfor (int i = 0; i < n; i++) {"
		printf "\t\tif (a[i] %% %d == 0)\n", $1 % 97 + 2
		printf "\t\t\ts += a[i] * %d;\n\t\telse\n", $1 % 31
		printf "\t\t\ts ^= a[n - i - 1] + i;\n\t}\n"
		print "\treturn s;\n}"
	}' >job.c
}

job_gcc()
{
	"$@" gcc -O1 -S -o "$out" job.c
}

# timed NAME COMMAND...: $out and NAME.time with seconds and peak RSS in KiB
timed()
{
	name=$1
	shift
	out=$tmp/$name.out
	"job_$job" /usr/bin/time -q -o "$tmp/$name.time" -f '%e %M' "$@"
}

[ -x /usr/bin/time ] || skip "there is no /usr/bin/time"
needs_userfaultfd
"prepare_$job"
timed plain
plain=$?
read -r plain_time peak <"$tmp/plain.time"
limit=$((peak / 4))K
timed run "$UHMM" run --ram $limit --device zram:1G --mode "$mode" \
	--summary="$tmp/sum" --
got=$?
read -r run_time run_peak <"$tmp/run.time"
echo "$job: plain $plain_time s, peak RSS $peak KiB"
echo "$job: uhmm run --ram $limit $run_time s, peak RSS $run_peak KiB"
cat "$tmp/sum"
check "$job: exit status $got, not $plain" [ $got -eq $plain ]
check "$job: the outputs differ" cmp "$tmp/plain.out" "$tmp/run.out"
# gcc's work is done by a child.
[ "$job" = gcc ] || check "$job: nothing was demoted" \
	grep -q 'moved to devices  *[1-9]' "$tmp/sum"
finish
