# SPDX-License-Identifier: MIT
"""What the tests of the manual share: its pages, cut into parts."""
import os
import re
import subprocess
import sys

SOURCE = os.environ.get('UHMM_SOURCE') or os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('UHMM_BUILD') or os.path.join(SOURCE, 'build/gcc')
TOOL = os.environ.get('UHMM') or os.path.join(BUILD, 'tools/uhmm/uhmm')
LIBRARY = os.environ.get('UHMM_LIB') or os.path.join(BUILD, 'src/libuhmm.so')
MAN = os.path.join(SOURCE, 'man')


class Checks:
    """Counts; done() ends the test."""

    def __init__(self):
        self.number = 0
        self.failed = 0

    def check(self, good, what):
        self.number += 1
        if not good:
            self.failed += 1
            print('FAILED:', what)
        return good

    def same(self, ours, theirs, what):
        for name in sorted(set(ours) - set(theirs)):
            self.check(False, f'{what}: {name} is not in the manual')
        for name in sorted(set(theirs) - set(ours)):
            self.check(False, f'{what}: {name} is in the manual only')
        self.number += len(set(ours) & set(theirs))

    def done(self):
        print(f'{self.number} checks, {self.failed} failed')
        sys.exit(1 if self.failed else 0)


def pages():
    """Names of all pages, as uhmm_open.3."""
    return sorted(name[:-len('.scd')] for name in os.listdir(MAN)
                  if name.endswith('.scd'))


def read(page):
    with open(os.path.join(MAN, page + '.scd'), encoding='utf-8') as source:
        return source.read()


def fences(text):
    """Yield (line, text) of each literal block."""
    start, lines = 0, []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith('```'):
            if start:
                yield start, '\n'.join(lines) + '\n'
            start, lines = (0, []) if start else (number + 1, [])
        elif start:
            lines.append(line)


def sources():
    """Yield (name, text) of all that holds examples."""
    for page in pages():
        yield f'man/{page}.scd', read(page)
    with open(os.path.join(SOURCE, 'README.md'), encoding='utf-8') as source:
        yield 'README.md', source.read()


def sections(page):
    """The text below each heading; subsections are 'HEADING/name'."""
    found, heading, name = {}, '', ''
    for line in read(page).splitlines():
        if line.startswith('# '):
            heading = name = line[2:]
        elif line.startswith('## '):
            name = f'{heading}/{line[3:]}'
        else:
            found[name] = found.get(name, '') + line + '\n'
    return found


def names(page):
    """The names in the NAME section."""
    left = sections(page)['NAME'].split(' - ')[0]
    return [name.strip() for name in left.split(',')]


def tool(*arguments):
    result = subprocess.run([TOOL, *arguments], check=True, text=True,
                            capture_output=True, stdin=subprocess.DEVNULL)
    return result.stdout


def long_options(text):
    return set(re.findall(r'(?<![\w-])(--[a-z][a-z-]*)', text))
