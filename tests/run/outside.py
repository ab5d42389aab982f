# SPDX-License-Identifier: MIT
"""outside.py - for tests that look at a program's memory from outside."""
import sys

MODE = sys.argv[-1]
ON_THE_WAY = 2  # MiB
failures = 0


def check(what, ok):
    global failures
    if not ok:
        print(f'FAILED: {MODE}: {what}', file=sys.stderr)
        failures += 1


def memory(pid, *names):
    """MiB by lines of smaps_rollup; 0 when the process is gone."""
    seen = dict.fromkeys(names, 0)
    try:
        with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as rollup:
            for line in rollup:
                key = line.split()[0].rstrip(':')
                if key in seen:
                    seen[key] = int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return [seen[name] for name in names]


def finish():
    sys.exit(failures != 0)
