#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""every.py [NAME...]: each program of /usr/bin, asked for its version and its
help, says the same under "uhmm run" as without, in both fault modes.

All constructors of all libraries run for that, in every language that there is.
What does not say the same twice without us is left out, and so is what "uhmm
run" refuses, which misuse.sh is about."""
import concurrent.futures
import os
import subprocess
import sys
import tempfile

UHMM = os.environ.get('UHMM', 'build/gcc/tools/uhmm/uhmm')
BIN = '/usr/bin'
MODES = ['threads', 'inline']
REFUSED = 125
# They do something all the same.
DANGEROUS = {'init', 'halt', 'poweroff', 'reboot', 'shutdown', 'telinit'}


def programs():
    for name in sorted(os.listdir(BIN)):
        path = f'{BIN}/{name}'
        if name in DANGEROUS or os.path.islink(path) or \
                not os.path.isfile(path) or not os.access(path, os.X_OK):
            continue
        with open(path, 'rb') as file:
            if file.read(4) == b'\x7fELF':
                yield path


def run(command, folder):
    """Exit status and output; None when it does not end."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, cwd=folder,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.returncode, done.stdout, done.stderr


def is_same(plain, ours, folder):
    """Once more where they differ: many programs print a time or a number."""
    got = run(ours, folder)
    if got is None or got[0] == REFUSED:
        return got is not None
    expected = run(plain, folder)
    return got == expected or run(ours, folder) == run(plain, folder)


def check(path):
    """How many times it was asked under us, and what went wrong."""
    asked, wrong = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for question in ['--version', '--help']:
            plain = [path, question]
            first = run(plain, folder)
            if first is None or first != run(plain, folder):
                continue
            for mode in MODES:
                ours = [UHMM, 'run', '--resident', '1M', '--device', 'zram:256M',
                        '--mode', mode, '--'] + plain
                asked += 1
                if not is_same(plain, ours, folder):
                    wrong.append(f'{path} {question}: {mode}')
    return asked, wrong


def main():
    paths = sys.argv[1:] or list(programs())
    asked, wrong = 0, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for n, bad in pool.map(check, paths):
            asked += n
            wrong += bad
    for line in wrong:
        print(f'FAILED: {line}')
    print(f'{len(paths)} programs, {asked} runs, {len(wrong)} failed')
    sys.exit(bool(wrong))


main()
