#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each literal block of the manual and the README that begins with
#include compiles, in strict C17 without a warning; one with a main() links,
runs, and exits with 0. C that does not begin so could not be checked, and so
may not be there."""
import os
import re
import shlex
import subprocess
import sys
import tempfile

import manual

COMPILER = shlex.split(os.environ.get('CC') or 'cc')
OPENCL = os.environ.get('UHMM_OPENCL_LIB')
FLAGS = ['-std=c17', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-O1',
         '-I', os.path.join(manual.SOURCE, 'include')]


def can_open(folder):
    """Does this machine give us a userfaultfd(2)?"""
    source = ('#include <uhmm/uhmm.h>\n'
              'int main(void) { struct uhmm *u; '
              'return uhmm_open(0, &u) || uhmm_close(u); }\n')
    program, message = build(source, folder, 'probe')
    if not program:
        sys.exit(f'the library cannot be linked:\n{message}')
    return subprocess.run([program], check=False).returncode == 0


def link(needed, path):
    """What links the library PATH, if the program needs it."""
    if not needed:
        return []
    folder = os.path.dirname(path)
    return ['-L', folder, '-luhmm-opencl', '-Wl,-rpath,' + folder]


def build(text, folder, name):
    """Compile TEXT, and link it if it is a program.  Return path, message."""
    path = os.path.join(folder, name)
    with open(path + '.c', 'w', encoding='utf-8') as source:
        source.write(text)
    is_program = re.search(r'^\s*int main\(', text, re.M)
    command = COMPILER + FLAGS + [path + '.c']
    if is_program:
        lib = os.path.dirname(manual.LIBRARY)
        command += ['-o', path, *link('uhmm/opencl.h' in text, OPENCL),
                    '-L', lib, '-luhmm', '-Wl,-rpath,' + lib]
    else:
        command += ['-fsyntax-only']
    result = subprocess.run(command, check=False, text=True,
                            capture_output=True)
    if result.returncode:
        return None, result.stderr
    return path if is_program else '', ''


def run(program):
    try:
        result = subprocess.run([program], check=False, text=True, timeout=20,
                                capture_output=True, cwd='/')
    except subprocess.TimeoutExpired:
        return 'still runs after 20 s'
    if result.returncode == 0:
        return None
    return f'exit status {result.returncode}\n{result.stdout}{result.stderr}'


def main():
    checks = manual.Checks()
    with tempfile.TemporaryDirectory() as folder:
        may_run = can_open(folder)
        for source, whole in manual.sources():
            for line, text in manual.fences(whole):
                where = f'{source}:{line}'
                if not text.startswith('#include'):
                    checks.check(not re.search(r'[;{]$', text, re.M),
                                 f'{where}: C without #include')
                    continue
                if 'uhmm/opencl.h' in text and not OPENCL:
                    continue  # it was not built
                name = re.sub(r'[/.:]', '-', where)
                program, message = build(text, folder, name)
                checks.check(program is not None, f'{where}: {message}')
                if program and may_run:
                    message = run(program)
                    checks.check(not message, f'{where}: {message}')
    if not may_run and not checks.failed:
        print('programs compiled but not run: no userfaultfd(2) here')
        sys.exit(77)
    checks.done()


main()
