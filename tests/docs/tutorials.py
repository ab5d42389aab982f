#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A page of docs/ works as it stands: each block of shell runs, in the order
of the page, in one empty folder, where the blocks of C are the files that the
line before names."""
import os
import re
import subprocess
import sys
import tempfile

import manual

PAGE = sys.argv[1]
BLOCK = re.compile(r'(?:^`([\w.-]+)`:\n\n)?^```(c|sh)\n(.*?)^```$',
                   re.M | re.S)


def environment():
    lib = os.path.dirname(manual.LIBRARY)
    env = dict(os.environ, LC_ALL='C')
    env['PATH'] = os.path.dirname(manual.TOOL) + ':' + env['PATH']
    env['PKG_CONFIG_PATH'] = os.path.join(manual.BUILD, 'meson-uninstalled')
    env['LD_LIBRARY_PATH'] = lib
    return env


def run(script, folder, env):
    # What one block exports the next has as well.
    script += f'\nexport -p >"{folder}/.env"\n'
    if os.path.exists(f'{folder}/.env'):
        script = f'. "{folder}/.env"\n' + script
    return subprocess.run(['sh', '-e', '-c', script], cwd=folder, env=env,
                          check=False, text=True, capture_output=True)


def main():
    path = os.path.join(manual.SOURCE, 'docs', PAGE + '.md')
    with open(path, encoding='utf-8') as source:
        text = source.read()
    env = environment()
    checks = manual.Checks()
    probe = subprocess.run([manual.TOOL, 'run', 'true'], env=env, check=False,
                           text=True, capture_output=True)
    if 'userfaultfd' in probe.stderr:
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        for name, kind, block in BLOCK.findall(text):
            if kind == 'c':
                with open(os.path.join(folder, name), 'w',
                          encoding='utf-8') as out:
                    out.write(block)
                continue
            done = run(block, folder, env)
            if not checks.check(not done.returncode,
                                f'{block}{done.stdout}{done.stderr}'):
                break
    checks.check(checks.number, 'there is nothing to run')
    checks.done()


main()
