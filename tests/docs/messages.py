#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each message of the tool and of the library that "uhmm run" loads stands in
docs/troubleshooting.md, with "..." for what is filled in."""
import glob
import os
import re

import manual

TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
CALL = re.compile(r'\b(complain|say|refuse)\(')
FILLED = re.compile(r'%[-0-9.*]*(?:ll|l|z|j)?[a-z]')


def arguments(text, start):
    """What stands between the parenthesis before START and its partner."""
    depth, end, quoted = 1, start, False
    while depth:
        char = text[end]
        if quoted and char == '\\':
            end += 1
        elif char == '"':
            quoted = not quoted
        elif not quoted:
            depth += {'(': 1, ')': -1}.get(char, 0)
        end += 1
    return text[start:end - 1]


def messages(text):
    for call in CALL.finditer(text):
        strings = re.findall(r'(?:"(?:[^"\\]|\\.)*"\s*)+',
                             arguments(text, call.end()))
        for string in strings:
            message = ''.join(TEXT.findall(string)).replace('\\"', '"')
            if FILLED.sub('', message).strip().count(' '):
                yield re.sub(r'(\.\.\.)+', '...',
                             FILLED.sub('...', message))


def wanted():
    found = set()
    for pattern in ('tools/uhmm/*.c', 'preload/*.c', 'preload/calls/*.c'):
        for path in glob.glob(os.path.join(manual.SOURCE, pattern)):
            with open(path, encoding='utf-8') as source:
                found.update(messages(source.read()))
    return found


def main():
    checks = manual.Checks()
    path = os.path.join(manual.SOURCE, 'docs', 'troubleshooting.md')
    with open(path, encoding='utf-8') as source:
        page = source.read()
    there = {re.sub(r'\s+', ' ', entry)
             for entry in re.findall(r'^\*\*`(.*?)`\*\*,?$', page, re.M)}
    for message in sorted(wanted()):
        checks.check(any(message.endswith(entry) for entry in there),
                     f'not in troubleshooting.md: {message}')
    checks.check(checks.number > 40, 'messages are not found in the source')
    checks.done()


main()
