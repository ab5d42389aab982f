#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/results.md and the figure of the README are what scripts/draw-bench
makes of docs/bench.json, and name figures that "uhmm bench" has."""
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
DOCS = os.path.join(ROOT, 'docs')


def load():
    sys.dont_write_bytecode = True
    path = os.path.join(ROOT, 'scripts', 'draw-bench')
    loader = importlib.machinery.SourceFileLoader('draw_bench', path)
    spec = importlib.util.spec_from_loader('draw_bench', loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def read(name):
    with open(os.path.join(DOCS, name), encoding='utf-8') as f:
        return f.read()


def main():
    tool = load()
    result = json.loads(read('bench.json'))
    failed = [f'docs/{name} is not what scripts/draw-bench makes'
              for name, content in tool.made(result).items()
              if read(name) != content]
    measured = {f['name'] for f in result['figures'] if 'ratio' in f}
    failed += [f'the figure shows {name}, which was not measured'
               for name, _ in tool.SHOWN if name not in measured]
    listed = subprocess.run([os.environ['UHMM'], 'bench', '--list'],
                            capture_output=True, text=True, check=True).stdout
    known = {line.split()[0] for line in listed.splitlines() if line.strip()}
    failed += [f'uhmm bench has no {name}, see docs/bench.json'
               for name in {f['bench'] for f in result['figures']} - known]
    print('\n'.join(failed))
    sys.exit(bool(failed))


main()
