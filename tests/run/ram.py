#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""ram.py PROGRAM MODE: --ram is for all RAM, as an observer outside sees it.

The program has twice the limit of data that compress. At each sampled instant
it has at most the limit in RAM, 2 MiB for what is under way, and what the
manual states for the library itself. Data that do not compress pass the limit:
that is said once, and they take no more than without a limit, and what the
manual states.
"""
import os
import subprocess
import sys
import time

from outside import MODE, ON_THE_WAY, check, finish, memory

UHMM = os.environ['UHMM']
PROGRAM = sys.argv[1]
LIMIT = 16
DATA = 2 * LIMIT
OURS = 3  # uhmm-run(1), LIMITS


def run(command):
    """Exit status, standard error, peaks of both figures, and samples."""
    peak = anonymous = samples = 0
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            now = memory(process.pid, 'Rss', 'Anonymous')
            peak = max(peak, now[0])
            anonymous = max(anonymous, now[1])
            samples += 1
            time.sleep(0.005)
        return (process.returncode, process.stderr.read().decode(), peak,
                anonymous, samples)


def main():
    limited = [UHMM, 'run', '--mode', MODE, '--ram', f'{LIMIT}M']
    for eighths, fits in (('1', True), ('8', False)):
        program = [PROGRAM, str(DATA), eighths]
        status, _, plain_all, plain, _ = run(program)
        check(f'plain: {status}', status == 0)
        status, said, peak_all, peak, samples = run(limited + program)
        print(f'{MODE}, {eighths}/8 random: plain {plain_all:.1f} MiB, '
              f'{plain:.1f} without files; {samples} samples, at most '
              f'{peak_all:.1f} MiB, {peak:.1f} without files')
        check(f'exit status {status}', status == 0)
        check(f'only {samples} samples', samples > 10)
        if fits:
            check(f'said: {said}', said == '')
            check(f'{peak:.1f} MiB', peak <= LIMIT + ON_THE_WAY + OURS)
        else:
            check(f'{peak:.1f} MiB', peak <= plain + 2 * ON_THE_WAY + OURS)
            check(f'said: {said}', said.count('\n') == 1 and
                  'is passed: the program does not fit' in said)


main()
finish()
