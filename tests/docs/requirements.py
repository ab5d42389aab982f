#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each row of docs/hmm-cdm.md is there, its calls are public and its tests
exist. With a file of results, JSON lines of "meson test", they ran, too."""
import json
import os
import re
import subprocess
import sys

import manual

ROWS = [f'S{n}' for n in range(1, 17)]
NOT_BUILT = 'not built'
CALL = re.compile(r'`(uhmm_[a-z_]+)\(\)`')
TEST = re.compile(r'`([a-z0-9-]+)`')


def rows():
    """Number of the row to its cells."""
    path = os.path.join(manual.SOURCE, 'docs/hmm-cdm.md')
    with open(path, encoding='utf-8') as source:
        lines = [line.strip().strip('|') for line in source
                 if line.startswith('| S')]
    cells = [[cell.strip() for cell in line.split(' | ')] for line in lines]
    return {row[0]: row for row in cells}


def known_tests():
    path = os.path.join(manual.BUILD, 'meson-info/intro-tests.json')
    with open(path, encoding='utf-8') as info:
        return [test['name'] for test in json.load(info)]


# Suite and name, or name.
FOREIGN = re.compile(r'\+kmod |\bnode-')


def ran(path):
    """Names of the tests that ran: not those that were skipped, but for want
    of a second NUMA node, or of the kernel module."""
    with open(path, encoding='utf-8') as log:
        results = [json.loads(line) for line in log]
    return [re.split(r'[ /]+', test['name'])[-1] for test in results
            if test['result'] != 'SKIP' or FOREIGN.search(test['name'])]


def is_among(test, names):
    return any(name == test or name.startswith(test + '-') for name in names)


def public():
    include = os.path.join(manual.SOURCE, 'include/uhmm')
    headers = [os.path.join(include, name) for name in os.listdir(include)]
    script = os.path.join(manual.SOURCE, 'scripts/public-functions')
    return subprocess.run([script, *headers], check=True, text=True,
                          capture_output=True).stdout.split()


checks = manual.Checks()
table = rows()
functions = public()
tests = ran(sys.argv[1]) if len(sys.argv) > 1 else known_tests()
checks.check(list(table) == ROWS, f'rows are {list(table)}')
for number, cells in table.items():
    if not checks.check(len(cells) == 6, f'{number} has {len(cells)} cells'):
        continue
    proofs = TEST.findall(cells[5])
    checks.check(proofs or NOT_BUILT in cells[4], f'{number} has no test')
    for call in CALL.findall(' '.join(cells)):
        checks.check(call in functions, f'{number}: there is no {call}()')
    for test in proofs:
        checks.check(is_among(test, tests), f'{number}: {test} is not there')
checks.done()
