#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each command and option of uhmm(1) is completed by each shell; bash, where it
is there, really completes one, and other shells at least read the file."""
import os
import re
import shutil
import subprocess
import tempfile

import manual

COMMAND = re.compile(r'^  ([a-z]+)  ', re.M)
SCRIPT = os.path.join(manual.SOURCE, 'scripts/completions')


def completion(shell):
    return subprocess.run([SCRIPT, shell], check=True, text=True,
                          capture_output=True).stdout


def spelled(shell, option):
    return '-l ' + option[2:] if shell == 'fish' else option


def line_of(shell, text, command):
    """The lines about COMMAND."""
    start = {'bash': f'\t{command})', 'zsh': f'{command}:-*)',
             'fish': f"complete -c uhmm -n '__fish_seen_subcommand_from "
                     f"{command}'"}[shell]
    return '\n'.join(line for line in text.splitlines()
                     if line.startswith(start))


def check_syntax(checks, shell, text):
    if not shutil.which(shell):
        print(f'there is no {shell}, so its file is not read by it')
        return
    with tempfile.NamedTemporaryFile('w', suffix='.' + shell) as out:
        out.write(text)
        out.flush()
        done = subprocess.run([shell, '-n', out.name], check=False)
    checks.check(not done.returncode, f'{shell} cannot read its file')


def check_bash(checks, text):
    if not shutil.which('bash'):
        return
    script = text + ('\nCOMP_WORDS=(uhmm run --ra); COMP_CWORD=2; _uhmm; '
                     'echo "${COMPREPLY[@]}"')
    done = subprocess.run(['bash', '-c', script], check=False, text=True,
                          capture_output=True)
    checks.check(done.stdout == '--ram\n', f'bash: {done.stdout}{done.stderr}')


checks = manual.Checks()
commands = COMMAND.findall(manual.tool('--help'))
for shell in ('bash', 'zsh', 'fish'):
    text = completion(shell)
    check_syntax(checks, shell, text)
    for command in commands:
        checks.check(re.search(rf'\b{command}\b', text), f'{shell}: {command}')
        options = manual.long_options(manual.tool(command, '--help'))
        words = set(re.findall(r'-l [a-z-]+|--[a-z-]+',
                               line_of(shell, text, command)))
        for option in options:
            checks.check(spelled(shell, option) in words,
                         f'{shell}: {command} {option}')
check_bash(checks, completion('bash'))
checks.done()
