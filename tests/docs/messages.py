#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each message of the tool, of the library, of its providers and of the library
that "uhmm run" loads, and of the package for Python, stands in
docs/troubleshooting.md, with "..." for what is filled in.  Those of the tool say
what to do, behind a semicolon."""
import ast
import glob
import os
import re

import manual

STRING = r'"(?:[^"\\]|\\.)*"'
STRINGS = re.compile(rf'(?:{STRING}\s*)+')
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
FILLED = re.compile(r'%[-#0-9.*]*(?:ll|l|z|j)?[a-z]')
RETURNED = re.compile(rf'\breturn\b[^;"]*((?:{STRING}[\s:]*)+);')
# A hint() is a remedy, or nothing behind a reason that has one; a module's has.
REMEDY = re.compile(r';|hint\(|\bwhy$')

TOOL = r'\b(?:complain|refuse)\('
BENCH = r'\bfprintf\((?=stderr)'
# Files, the call that makes the message, and what makes it one that users see.
CALLS = (
    ('tools/uhmm/*.c', TOOL, ''),
    ('bench/*.c', BENCH, ''),
    ('preload/**/*.c', r'\bsay\(', ''),
    ('preload/summary.c', r'\badd\(',
     r'\b(?:not|cannot|exceeded|errors|fitted)\b'),
    ('src/**/*.c', r'\bsys_logf\(', r'\bSYS_(?:ERR|WARN)\b'),
    ('src/**/module.c', r'\bsys_format\((?=why)', ''),
    ('src/provider.c', r'\brefuse_word\(', ''),
    ('src/spec.c', r'\bmalformed\(', ''),
    ('src/sys/holder.c', r'\bend_process\(', ''),
    ('providers/**/*.[ch]', r'\buhmm_provider_fail\(', ''),
    ('opencl/*.c', r'\b(?:uhmm_provider_fail\(|snprintf\((?=why))', ''),
)
# Functions that return reasons are all that return texts of several words.
RETURNING = ('src/provider.c', 'src/sys/holder.c', 'providers/file/open.c')


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


def messages(call):
    """Texts of several words; what begins with a blank is a part of one."""
    for strings in STRINGS.findall(call):
        message = ''.join(TEXT.findall(strings)).replace('\\"', '"')
        message = re.sub(r'(?:\s|\\n)+', ' ', message)
        words = FILLED.sub('', message)
        if words.strip().count(' ') and not re.match(r' [^ ]', message):
            yield re.sub(r'(\.\.\.)+', '...',
                         FILLED.sub('...', message)).strip()


def files(pattern):
    for path in glob.glob(os.path.join(manual.SOURCE, pattern),
                          recursive=True):
        with open(path, encoding='utf-8') as source:
            yield source.read()


def calls(pattern, call, seen):
    """The arguments of each CALL that have SEEN in them."""
    for text in files(pattern):
        for found in re.finditer(call, text):
            inside = arguments(text, found.end())
            if re.search(seen, inside):
                yield inside


def filled(text):
    """A string or f-string of Python, with "..." for what is filled in."""
    return ''.join(part.value if isinstance(part, ast.Constant) else '...'
                   for part in getattr(text, 'values', [text]))


def raised():
    """What the package for Python raises."""
    for text in files('python/uhmm/*.py'):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Raise) and node.exc:
                message = filled(node.exc.args[-1])
                if message.count(' ') > 1:
                    yield message


def wanted():
    found = set(raised())
    for where in CALLS:
        for call in calls(*where):
            found.update(messages(call))
    for pattern in RETURNING:
        for text in files(pattern):
            for texts in RETURNED.findall(text):
                found.update(messages(texts))
    return found


def entries():
    path = os.path.join(manual.SOURCE, 'docs', 'troubleshooting.md')
    with open(path, encoding='utf-8') as source:
        page = source.read()
    return {re.sub(r'\s+', ' ', entry)
            for entry in re.findall(r'^\*\*`(.*?)`\*\*,?$', page, re.M)}


def is_on(page, message):
    """An entry may lack the beginning, and say what is filled in."""
    if any(message.endswith(entry) for entry in page):
        return True
    pattern = re.escape(message).replace(r'\.\.\.', '.*')
    return any(re.fullmatch(pattern, entry) for entry in page)


def main():
    checks = manual.Checks()
    page = entries()
    for message in sorted(wanted()):
        checks.check(is_on(page, message),
                     f'not in troubleshooting.md: {message}')
    checks.check(checks.number > 150, 'messages are not found in the source')
    for where in CALLS[:2]:
        for call in calls(*where):
            for message in messages(call):
                checks.check(REMEDY.search(call),
                             f'says no remedy: {message}')
    checks.done()


main()
