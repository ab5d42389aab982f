# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
needs=sqlite3

prepare()
{
	text text
	cat >sql <<-END
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
	END
}

job()
{
	"$@" sqlite3 ':memory:' <sql
}
