# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
# What it holds is the same after a load, while it saves and rewrites its log
# and others write, and after a plain server has read both.
needs='redis-server redis-cli redis-benchmark'

prepare()
{
	awk 'BEGIN { srand(5); for (i = 0; i < 300000; i++) {
		v = ""
		for (j = 0; j < 12; j++) v = v sprintf("%d,", rand() * 1e9)
		printf "SET key:%d %s\r\n", i, v } }' >load
}

ask()
{
	redis-cli -s ./socket "$@"
}

await()
{
	for _ in $(seq 600); do
		[ "$(ask ping 2>/dev/null)" = PONG ] && return
		sleep 0.1
	done
	return 1
}

digest()
{
	ask debug digest
	ask dbsize
}

served()
{
	await || return
	if [ "$1" = load ]; then
		ask --pipe <load | tail -n 1
		digest
		ask bgsave >/dev/null
		redis-benchmark -s ./socket --dbnum 1 -q -n 40000 -r 20000 \
			-d 200 -t set,get,lpush,lpop >/dev/null
		ask bgrewriteaof >/dev/null
		redis-benchmark -s ./socket --dbnum 1 -q -n 40000 -r 20000 \
			-d 200 -t set,get >/dev/null
		ask -n 1 flushdb
		while ask info persistence |
			grep -qE 'in_progress:1|scheduled:1'; do
			sleep 0.1
		done
		ask info persistence | tr -d '\r' | grep _status
	fi
	digest
	ask shutdown save
}

# server COMMAND...
server()
{
	"$@" redis-server --port 0 --unixsocket ./socket --save '' \
		--appendonly yes --enable-debug-command yes --daemonize no \
		--logfile log &
}

job()
{
	rm -rf socket log dump.rdb appendonlydir
	server "$@"
	served load
	wait $! || return
	server env
	served look
	wait $!
}
