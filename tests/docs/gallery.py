#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each example is shorter than 100 lines, says in its first comment how it is
built, and can be built so. docs/examples.md lists it, with a sentence."""
import os
import re
import shlex
import subprocess
import tempfile

import manual

FOLDER = os.path.join(manual.SOURCE, 'examples')
LINE = re.compile(r'^ \* cc(?: (-D\w+))? -o (\w.* \$\('
                  r'pkg-config --cflags --libs (.*)\))$', re.M)
ROW = re.compile(r'^\| \[(\S+)\]\(\.\./examples/(\S+)\) \| [A-Z].*\. \|$', re.M)
ENV = dict(os.environ,
           PKG_CONFIG_PATH=os.path.join(manual.BUILD, 'meson-uninstalled'))


def examples():
    for where in ('', 'opencl/'):
        for name in sorted(os.listdir(os.path.join(FOLDER, where))):
            if name.endswith('.c'):
                yield where + name


def read(*path):
    with open(os.path.join(*path), encoding='utf-8') as source:
        return source.read()


def is_there(packages):
    return subprocess.run(['pkg-config', '--exists', *packages.split()],
                          check=False, env=ENV).returncode == 0


def build(checks, name, define, rest, folder):
    """As the line says, but into FOLDER and with all warnings."""
    command = ' '.join([os.environ.get('CC') or 'cc', define or '',
                        '-Wall -Werror -o', shlex.quote(folder) + '/' + rest])
    done = subprocess.run(['sh', '-c', command], check=False, text=True,
                          capture_output=True, env=ENV,
                          cwd=os.path.join(FOLDER, os.path.dirname(name)))
    checks.check(not done.returncode, f'{name}: {command}\n{done.stderr}')


def main():
    checks = manual.Checks()
    listed = ROW.findall(read(manual.SOURCE, 'docs', 'examples.md'))
    checks.check(all(a == b for a, b in listed), 'docs/examples.md: a link')
    checks.same(list(examples()), [name for name, _ in listed], 'docs/examples.md')
    checks.check('(docs/examples.md)' in read(manual.SOURCE, 'README.md'),
                 'README.md has no link to docs/examples.md')
    with tempfile.TemporaryDirectory() as folder:
        for name in examples():
            text = read(FOLDER, name)
            checks.check(text.count('\n') < 100, f'{name}: 100 lines or more')
            stem = os.path.basename(name)[:-2]
            found = LINE.search(text.split('*/')[0])
            if checks.check(found and found[2].startswith(
                    f'{stem} {stem}.c '), f'{name}: no line with cc'):
                if is_there(found[3]):
                    build(checks, name, found[1], found[2], folder)
                else:
                    print(f'{name} is not built: no {found[3]}')
    checks.done()


main()
