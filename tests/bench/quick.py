#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every benchmark runs and says what it should, in the form it should.

No bar is asserted: a trial on a busy machine says nothing about speed. A few
ratios must be sane, though, or what is measured is not what is said."""
import json
import os
import subprocess
import sys

UHMM = os.environ['UHMM']
NUMBERS = ('median', 'p99', 'min', 'max', 'bare', 'ratio', 'bar')
CONDITIONS = (None, 'alone', 'second thread', 'side by side', '75% of RAM',
              '50% of RAM', '25% of RAM')
# what, at least, at most: ours / bare
SANE = {
    'fault-inline-p50': (0.2, 20),
    'fault-threads-p50': (0.2, 20),
    'out-huge': (0.02, 5),
    'in-4k-recycled': (0.02, 5),
}


def run(*args):
    p = subprocess.run([UHMM, 'bench', *args], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, check=False)
    assert p.returncode == 0, f'{args}: {p.returncode}: {p.stderr}'
    return p


def check_figure(f):
    for key in ('bench', 'name', 'unit'):
        assert isinstance(f[key], str) and f[key], f
    for key in NUMBERS:
        assert isinstance(f.get(key, 0.0), float) and f.get(key, 0.0) >= 0, f
    assert f.get('condition') in CONDITIONS, f
    assert ('bar' in f) == ('met' in f) == ('sense' in f), f
    assert ('bare' in f) == ('ratio' in f), f
    median = f.get('median', 0)
    assert f.get('min', median) <= median <= f.get('max', median), f


def check_sane(f):
    low, high = SANE.get(f['name'], (0, float('inf')))
    assert low <= f.get('ratio', low) <= high, f


def main():
    names = {line.split()[0] for line in run('--list').stdout.splitlines()}
    p = run('--quick', '--json')
    top = json.loads(p.stdout)
    assert top['machine']['cpus'] >= 1 and top['machine']['kernel'], top
    seen = {f['bench'] for f in top['figures']}
    for f in top['figures']:
        check_figure(f)
        check_sane(f)
    if 'cannot run it' in p.stderr:
        print(p.stderr, end='')
        return 77
    assert seen == names, names ^ seen
    return 0


sys.exit(main())
