# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
# A cluster, pgbench on it, and a query that sorts in memory of its own. It is
# not for root, so it keeps the one capability that the kernel asks for.
bin=$(find /usr/lib/postgresql -path '*/bin/postgres' -printf '%h\n' 2>/dev/null |
	sort -V | tail -n 1)
needs="${bin:-postgres}/postgres ${bin:-postgres}/pgbench setpriv"

as=env
[ "$(id -u)" -ne 0 ] || as='setpriv --reuid 65534 --regid 65534 --clear-groups
	--inh-caps -all,+sys_ptrace --ambient-caps -all,+sys_ptrace'

# shellcheck disable=SC2086
user()
{
	$as "$@"
}

job()
{
	rm -rf data
	user "$bin/initdb" -N -A trust -D data >initdb.log 2>&1 || return
	# shellcheck disable=SC2086
	"$@" $as "$bin/postgres" -D data -k "$PWD" -c listen_addresses= \
		-c work_mem=300MB -c max_parallel_workers_per_gather=0 \
		>server.log 2>&1 &
	for _ in $(seq 600); do
		user "$bin/pg_isready" -q -h "$PWD" && break
		sleep 0.1
	done
	user "$bin/pgbench" -h "$PWD" -i -q -s 4 postgres >/dev/null 2>&1
	user "$bin/pgbench" -h "$PWD" -n -c 4 -t 400 --random-seed=5 postgres \
		>/dev/null 2>&1
	user "$bin/psql" -h "$PWD" -At postgres <<-END
		SELECT count(*) FROM pgbench_history;
		SELECT (SELECT sum(abalance) FROM pgbench_accounts) =
			(SELECT sum(tbalance) FROM pgbench_tellers);
		SELECT count(*), md5(string_agg(h, '')) FROM (
			SELECT md5(i::text) h FROM generate_series(1, 1500000) i
			ORDER BY 1) t;
	END
	kill -INT "$(head -n 1 data/postmaster.pid)"
	wait $!
}
