# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
needs=node

prepare()
{
	cat >job.js <<-'END'
		const crypto = require('crypto');
		const m = new Map();
		for (let i = 0; i < 600000; i++)
			m.set('key ' + i * 7919 % 1000003, { i, s: 'x' + i * i });
		for (let r = 0; r < 3; r++)
			for (let i = 0; i < 600000; i += 3) {
				const v = m.get('key ' + i * 104729 % 1000003);
				if (v)
					v.s = [...v.s].reverse().join('');
			}
		const h = crypto.createHash('sha256');
		for (const [k, v] of m)
			h.update(k + JSON.stringify(v));
		console.log(m.size, h.digest('hex'));
	END
}

job()
{
	"$@" node --max-old-space-size=2048 job.js
}
