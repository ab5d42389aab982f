#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each public function has a page under its own name, each page is built, and
every page that is referred to exists."""
import os
import re
import subprocess

import manual

REFERENCE = re.compile(r'\*(uhmm[a-z_-]*)\*\(([137])\)')


def functions():
    include = os.path.join(manual.SOURCE, 'include/uhmm')
    headers = sorted(os.path.join(include, name)
                     for name in os.listdir(include)
                     if not name.endswith('.cl.h'))
    script = os.path.join(manual.SOURCE, 'scripts/public-functions')
    result = subprocess.run([script, *headers], check=True, text=True,
                            capture_output=True)
    return set(result.stdout.split())


def built():
    """What man/meson.build has: page to its other names."""
    with open(os.path.join(manual.MAN, 'meson.build'),
              encoding='utf-8') as source:
        text = source.read()
    return {page: re.findall(r"'([^']+)'", rest) for page, rest in
            re.findall(r"^  '([^']+)': \[(.*?)\],$", text, re.M | re.S)}


checks = manual.Checks()
aliases = built()
checks.same(manual.pages(), aliases, 'man/meson.build')
in_section_3 = []
for page in manual.pages():
    name, section = page.rsplit('.', 1)
    names = manual.names(page)
    checks.check(names[0] == name, f'{page}: NAME begins with {names[0]}')
    checks.same(names[1:], aliases.get(page, []), f'{page}: other names')
    if section == '3':
        in_section_3 += names
    for other, number in REFERENCE.findall(manual.read(page)):
        known = f'{other}.{number}' in aliases or any(
            other in aliases[p] and p.endswith('.' + number) for p in aliases)
        checks.check(known, f'{page} refers to {other}({number})')
checks.same(functions(), in_section_3, 'functions')
checks.done()
