#!/bin/sh
# SPDX-License-Identifier: MIT
#
# real.sh JOB [MODE [FEATURES-OFF]]: a real program, plainly and then with a
# quarter of the RAM that it used: the same output and the same exit status.
#
# Functions are called by the name of the job.
# shellcheck disable=SC2317
. "$(dirname "$0")/lib.sh"

job=${1:?which job}
mode=${2:-auto}
off=${3-}
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
	text 80
}

job_sort()
{
	"$@" sort --parallel=2 -S 400M text >"$out"
}

prepare_sqlite()
{
	has sqlite3
	text 56
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
	text 12
}

job_xz()
{
	"$@" xz -T2 -0 --block-size=4MiB -c text >"$out"
}

prepare_python()
{
	[ -x /usr/bin/python3 ] || skip "there is no /usr/bin/python3"
	cat >job.py <<-EOF
		import zlib
		d = {}
		for i in range(300000):
		    d['key %d' % (i * 7919 % 1000003)] = [i, str(i * i)]
		total = 0
		for i in range(0, 300000, 3):
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

# A repository made, packed by threads, and read back.
prepare_git()
{
	has git
	cat >script <<-\EOF
		rm -rf repo
		export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_DATE=@0 \
			GIT_COMMITTER_DATE=@0 GIT_AUTHOR_NAME=a \
			GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a \
			GIT_COMMITTER_EMAIL=a
		git init -q repo
		cd repo || exit 1
		for i in 1 2 3 4 5; do
			split -n "$i$i" ../text part
			git add . && git commit -q -m "$i" || exit 1
		done
		git -c pack.threads=2 gc -q && git fsck --full && git log --stat
	EOF
	text 20
}

job_git()
{
	"$@" sh script >"$out"
}

# Files, sockets, children and threads, with much else in memory.
prepare_io()
{
	[ -x /usr/bin/python3 ] || skip "there is no /usr/bin/python3"
	cp "$UHMM_SOURCE/tests/run/real-io.py" job.py
}

job_io()
{
	"$@" /usr/bin/python3 job.py >"$out"
}

# Asked by its own client, saved by a child, and read again.
prepare_redis()
{
	has redis-server
	has redis-cli
	awk 'BEGIN {
		for (i = 0; i < 60000; i++) {
			v = sprintf("%d-%d", i, i * 7919 % 1000003)
			printf "SET key:%d %s%s%s%s%s%s%s%s\r\n", i,
				v, v, v, v, v, v, v, v
		}
		for (i = 0; i < 60000; i += 7)
			printf "DEL key:%d\r\n", i
		for (i = 1; i < 60000; i += 11)
			printf "GET key:%d\r\n", i
		print "BGSAVE\r"
	}' >commands
}

redis()
{
	redis-cli -s "$tmp/sock" "$@"
}

# A process that prints what it has, when it is told to go.
job_redis()
{
	rm -f dump.rdb
	"$@" redis-server --port 0 --unixsocket "$tmp/sock" --save '' \
		--dir "$tmp" --logfile "$tmp/log" --io-threads 2 &
	pid=$!
	until redis ping >/dev/null 2>&1; do
		kill -0 "$pid" 2>/dev/null || return 1
	done
	redis <commands | grep -v 'Background' >"$out"
	while redis info persistence | grep -q bgsave_in_progress:1; do :; done
	redis info persistence | grep last_bgsave_status >>"$out"
	redis dbsize >>"$out"
	redis shutdown nosave
	wait "$pid" || return
	cp dump.rdb "$out.rdb"
	redis-server --port 0 --unixsocket "$tmp/sock" --dir "$tmp" \
		--save '' --logfile "$tmp/log" &
	until redis dbsize 2>/dev/null | grep -q '^[1-9]'; do
		kill -0 $! 2>/dev/null || return 1
	done
	redis <commands | grep -v 'Background' >>"$out"
	redis shutdown nosave
	wait $!
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
timed run "$UHMM" run --resident $limit --device zram:1G --mode "$mode" \
	--features-off "$off" --summary="$tmp/sum" --
got=$?
read -r run_time run_peak <"$tmp/run.time"
echo "$job: plain $plain_time s, peak RSS $peak KiB"
echo "$job: uhmm run --resident $limit $run_time s, peak RSS $run_peak KiB"
cat "$tmp/sum"
check "$job: exit status $got, not $plain" [ $got -eq $plain ]
check "$job: the outputs differ" cmp "$tmp/plain.out" "$tmp/run.out"
# Their work is done by children.
[ "$job" = gcc ] || [ "$job" = git ] || check "$job: nothing was demoted" \
	grep -q 'moved to devices  *[1-9]' "$tmp/sum"
finish
