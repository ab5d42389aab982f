#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The options that uhmm(1) and the providers have are those of the manual."""
import os
import re
import subprocess

import manual

OPTION = re.compile(r'^\*(--[a-z-]+)', re.M)
COMMAND = re.compile(r'^  ([a-z]+)  ', re.M)
# "*level=1*" or "*size=...*", alone on its line
KEY = re.compile(r'^\*([a-z0-9_-]+)=([^*]*)\*$', re.M)
FEATURE = re.compile(r'^\t{ "([a-z-]+)", offsetof\(', re.M)


def page_of(command):
    name = f'uhmm-{command}.1'
    return name if name in manual.pages() else 'uhmm.1'


def section_of(command):
    """Where the options of COMMAND stand."""
    page = page_of(command)
    if page != 'uhmm.1':
        return manual.sections(page)['OPTIONS']
    return manual.sections(page).get(f'COMMANDS/{command}', '')


def check_commands(checks):
    text = manual.tool('--help')
    commands = COMMAND.findall(text)
    top = manual.sections('uhmm.1')
    described = re.findall(r'^\*uhmm ([a-z]+)\*', top['COMMANDS'], re.M)
    checks.same(commands, described, 'commands')
    ours = manual.long_options(text) | {'--help'}
    checks.same(ours, OPTION.findall(top['OPTIONS']), 'uhmm')
    for command in commands:
        ours = manual.long_options(manual.tool(command, '--help'))
        theirs = set(OPTION.findall(section_of(command)))
        # That there is --help is said once, in uhmm(1).
        checks.same(ours - {'--help'}, theirs - {'--help'},
                    f'uhmm {command}')


def provider_options():
    """(provider, key, fallback) of all that the tool lists."""
    name, found = None, set()
    for line in manual.tool('providers').splitlines():
        word = line.split()[0]
        if not line.startswith(' '):
            name = word
            found.add((name, '', ''))
        elif re.match(r'none|[a-z]+:', word):
            continue  # what there is of it here
        else:
            found.add((name, *word.split('=', 1)))
    return found


def documented_options():
    found = set()
    for heading, text in manual.sections('uhmm.7').items():
        part, _, name = heading.partition('/')
        if part not in ('PROVIDERS', 'WRAPPERS') or not name:
            continue
        found.add((name, '', ''))
        found.update((name, *option) for option in KEY.findall(text))
    return found


def features():
    """The names that the backend knows, in use on this machine or not."""
    path = os.path.join(manual.SOURCE, 'src/mm/uffd/probe.c')
    with open(path, encoding='utf-8') as source:
        return FEATURE.findall(source.read())


def listed_features():
    """The names that the tool lists where one is unknown."""
    result = subprocess.run([manual.TOOL, 'run', '--features-off', 'nosuch',
                             'true'], check=False, text=True,
                            capture_output=True)
    return re.split('[, \n]+', result.stderr.split(' are ')[-1].strip())


checks = manual.Checks()
check_commands(checks)
described = manual.sections('uhmm.7')['FEATURES']
checks.same(features(), re.findall(r'^\*([a-z-]+)\*$', described, re.M),
            'features')
checks.same(features(), listed_features(), 'features that the tool lists')
listed = provider_options()
described = documented_options()
if ('opencl', '', '') not in listed:  # it was not built
    described = {option for option in described if option[0] != 'opencl'}
checks.same(listed, described, 'providers')
checks.done()
