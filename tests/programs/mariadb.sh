# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
# Clients that insert, update, delete and select, in a pool of buffers that is
# about as large as the half of what the server takes; its files are read and
# written past the page cache.  A plain server then finds the same data.  For
# root, it gives its privileges up when it has begun.
needs='mariadbd mariadb mariadb-admin mariadb-install-db'

rows=300000
clients=4

as=
[ "$(id -u)" -ne 0 ] || as=--user=nobody

# What client $1 does is no matter of the others: each has rows of its own.
statements()
{
	awk -v rows="$rows" -v nr="$clients" -v me="$1" 'BEGIN {
		srand(me + 1)
		for (i = 0; i < 1500; i++) {
			id = int(rand() * rows / nr) * nr + me + 1
			if (i % 10 == 9)
				printf "BEGIN; DELETE FROM t WHERE id = %d; " \
					"INSERT INTO t VALUES (%d, %d, " \
					"MD5(%d), REPEAT(\"%d\", 20)); " \
					"COMMIT;\n", id, id, i, i, i
			else if (i % 3)
				printf "UPDATE t SET k = k + 1, c = MD5(c) " \
					"WHERE id = %d;\n", id
			else
				printf "SELECT SUM(CRC32(pad)) FROM t WHERE " \
					"id BETWEEN %d AND %d AND " \
					"id %% %d = %d;\n",
					id, id + 400, nr, (me + 1) % nr
		}
	}'
}

prepare()
{
	chmod 777 .
	for i in $(seq 0 $((clients - 1))); do
		statements "$i" >"load.$i"
	done
}

ask()
{
	mariadb --no-defaults -u root -S "$PWD/socket" -N "$@"
}

# server COMMAND...
server()
{
	"$@" mariadbd --no-defaults $as --datadir="$PWD/data" \
		--socket="$PWD/socket" --pid-file="$PWD/pid" --skip-networking \
		--innodb-buffer-pool-size=96M --innodb-flush-method=O_DIRECT \
		--innodb-log-file-size=16M \
		--transaction-isolation=READ-COMMITTED >>server.log 2>&1 &
}

await()
{
	for _ in $(seq 600); do
		ask -e 'SELECT 1' >/dev/null 2>&1 && return
		sleep 0.1
	done
	return 1
}

load()
{
	ask -e "CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY,
		k INT, c CHAR(100), pad CHAR(80), KEY (k)) ENGINE=InnoDB;
		INSERT INTO t SELECT seq, seq * 7919 % 100003,
			CONCAT(MD5(seq), MD5(seq + 1)), SHA1(seq)
			FROM seq_1_to_$rows;"
	for i in $(seq 0 $((clients - 1))); do
		ask d <"load.$i" >"answers.$i" &
		eval "client$i=\$!"
	done
	for i in $(seq 0 $((clients - 1))); do
		eval "wait \$client$i" || echo "client $i: $?"
		cksum <"answers.$i"
	done
}

look()
{
	ask d -e "SELECT COUNT(*), SUM(k), SUM(CRC32(c)), SUM(CRC32(pad))
		FROM t; SELECT COUNT(*), SUM(id) FROM t FORCE INDEX (k)
		WHERE k > 1000; CHECKSUM TABLE t; CHECK TABLE t EXTENDED;"
	mariadb-admin --no-defaults -u root -S "$PWD/socket" shutdown
}

job()
{
	rm -rf data socket server.log
	mkdir data
	[ -z "$as" ] || chown nobody data
	mariadb-install-db --no-defaults $as --datadir="$PWD/data" \
		--auth-root-authentication-method=normal --skip-test-db \
		>install.log 2>&1 || return
	server "$@"
	await && load && look
	wait $! || return
	server env
	await && look
	wait $!
}
