#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tree.py PROGRAM MODE: --ram is one limit for all processes of the command.

Three processes that run at once have three times the limit of data: at each
sampled instant all together have at most the limit, and what the manual states
for each process that is managed. A process that comes late gets its part of what
the others have; one that is killed leaves its part.
"""
import os
import signal
import subprocess
import sys
import time

from outside import MODE, ON_THE_WAY, check, finish, memory

UHMM = os.environ['UHMM']
PROGRAM = sys.argv[1]
LIMIT = 24
DATA = LIMIT
OURS = 4  # a process: uhmm-run(1), LIMITS


def family(pid):
    found = [pid]
    for parent in found:
        try:
            with open(f'/proc/{parent}/task/{parent}/children',
                      encoding='ascii') as children:
                found += map(int, children.read().split())
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def anonymous(pids):
    return sum(sum(memory(pid, 'Anonymous')) for pid in pids)


def run(script, *options, at_sample=None):
    """Exit status, standard error, the peak of all, most processes at once."""
    peak = most = 0
    command = [UHMM, 'run', '--mode', MODE, '--ram', f'{LIMIT}M', *options,
               '--', 'sh', '-c', script]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            pids = family(process.pid)
            peak = max(peak, anonymous(pids))
            most = max(most, len(pids))
            if at_sample:
                at_sample(pids)
            time.sleep(0.005)
        return process.returncode, process.stderr.read().decode(), peak, most


def together():
    one = f'{PROGRAM} {DATA} 1'
    script = f'{one} & a=$!; {one} & b=$!; {one} && wait $a && wait $b'
    status, said, peak, most = run(script)
    allowed = LIMIT + ON_THE_WAY + 3 * OURS
    print(f'{MODE}: 3 processes of {DATA} MiB: {peak:.1f} MiB at most')
    check(f'exit status {status}, said: {said}', status == 0 and not said)
    check(f'only {most} processes at once', most >= 4)
    check(f'{peak:.1f} MiB, allowed are {allowed}', peak <= allowed)
    status, _, alone, _ = run(script, '--per-process')
    print(f'{MODE}: with --per-process: {alone:.1f} MiB at most')
    check(f'--per-process: exit status {status}', status == 0)
    check('--per-process does not differ', alone > allowed)


def summed():
    script = f'{PROGRAM} {DATA} 1 & wait; {PROGRAM} {DATA} 1; :'
    status, said, _, _ = run(script, '--summary')
    check(f'exit status {status}', status == 0)
    check(f'summary: {said}', 'processes  ' in said and
          'all together' in said)


def killed():
    """The part of the one that is killed is there for the other."""
    done = []

    def kill_one(pids):
        big = [pid for pid in pids if anonymous([pid]) > LIMIT / 4]
        if len(big) > 1 and not done:
            os.kill(big[0], signal.SIGKILL)
            done.append(big[0])

    script = (f'{PROGRAM} {DATA} 1 & {PROGRAM} {DATA} 1 & wait; '
              f'{PROGRAM} {LIMIT - 6} 1')
    status, said, peak, _ = run(script, '--summary', at_sample=kill_one)
    check(f'exit status {status}', status == 0)
    check('none was killed', done)
    check(f'{peak:.1f} MiB', peak <= LIMIT + ON_THE_WAY + 3 * OURS)
    return said


def main():
    together()
    summed()
    killed()


main()
finish()
