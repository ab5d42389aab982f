#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""unmanaged.py PROGRAM MODE: --ram is for memory that is not managed as well.

The program has half of the limit in shared memory, and the limit in private
memory that compresses. Once it runs for a while it has the limit in RAM, what
is under way, and what the manual states: and the summary says what was not
managed.
"""
import os
import subprocess
import sys
import tempfile
import time

from outside import MODE, ON_THE_WAY, check, finish, memory

UHMM = os.environ['UHMM']
PROGRAM = sys.argv[1]
LIMIT = 48
SHARED = 24
OURS = 3  # uhmm-run(1), LIMITS
BEGIN = 1  # seconds


def main():
    peak = samples = 0
    with tempfile.NamedTemporaryFile('r') as summary, subprocess.Popen(
            [UHMM, 'run', '--mode', MODE, '--ram', f'{LIMIT}M',
             f'--summary={summary.name}', PROGRAM, str(SHARED),
             str(LIMIT)]) as process:
        begin = time.monotonic()
        while process.poll() is None:
            now = sum(memory(process.pid, 'Anonymous', 'Pss_Shmem'))
            if time.monotonic() - begin > BEGIN:
                peak = max(peak, now)
                samples += 1
            time.sleep(0.005)
        text = summary.read()
    print(f'{MODE}: {samples} samples, at most {peak:.1f} MiB')
    check(f'status {process.returncode}', process.returncode == 0)
    check(f'{samples} samples', samples > 3)
    check(f'{peak:.1f} MiB', peak <= LIMIT + ON_THE_WAY + OURS)
    check(text, f'at most: shared {SHARED}.0, huge pages 0.0' in text)


main()
finish()
