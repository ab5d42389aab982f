#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the public headers promise of structs and outputs.

Each struct begins with its size, so that it can grow, but for the few that say
that UHMM_PROVIDER_ABI fixes them. What a call makes is called ret_..."""
import glob
import re
import sys

STRUCT = re.compile(r'^struct (uhmm_\w+) \{\n(.*?)^\};', re.S | re.M)
MADE = re.compile(r'\*\*(?!ret_)(\w+)[,)]')


def main(folder):
    bad = []
    for path in sorted(glob.glob(folder + '/uhmm/*.h')):
        if path.endswith('.cl.h'):
            continue
        with open(path, encoding='utf-8') as file:
            text = file.read()
        for name, body in STRUCT.findall(text):
            comment = re.search(r'/\*\*\n \* struct %s - .*?\*/' % name, text,
                                re.S)
            if not comment:
                bad.append(f'{path}: struct {name} has no comment')
            elif 'Fixed by UHMM_PROVIDER_ABI' not in comment[0] and \
                    not body.startswith('\tsize_t size;\n'):
                bad.append(f'{path}: struct {name} does not begin with size')
        for name in MADE.findall(text):
            bad.append(f'{path}: output {name} is not called ret_{name}')
    print('\n'.join(bad))
    return 1 if bad else 0


sys.exit(main(sys.argv[1]))
