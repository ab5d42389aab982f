# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
needs='/usr/bin/python3 /usr/lib/python3/dist-packages/numpy'

prepare()
{
	cat >job.py <<-'END'
		import hashlib
		import numpy
		a = numpy.arange(3_000_000, dtype=numpy.float64)
		a = (a * 7919) % 1000003
		order = numpy.argsort(a, kind='stable')
		b = numpy.cumsum(a[order])
		words = {}
		for i in range(0, 3_000_000, 12):
		    words['%d' % a[i]] = [i, str(b[i])]
		m = a[:1_000_000].reshape(1000, 1000)
		h = hashlib.sha256()
		for part in (a, order, b, m @ m.T, numpy.sort(b[::-1])):
		    h.update(numpy.ascontiguousarray(part).tobytes())
		h.update(repr(sorted(words.items())).encode())
		print(len(words), h.hexdigest())
	END
}

job()
{
	"$@" /usr/bin/python3 job.py
}
