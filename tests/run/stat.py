#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The JSON of "uhmm stat --ranges" on standard input against the smaps of a
process that stands still: ranges have the Rss that is said, and so have the
frames."""
import json
import re
import sys

FRAMES = 16384 * 512 * 4  # kB of addresses that they are in
HEAD = re.compile(r'([0-9a-f]+)-([0-9a-f]+) ')


def mappings(pid):
    """start, end, Rss in kB, whether a fork leaves it out"""
    found = []
    with open(f'/proc/{pid}/smaps', encoding='utf-8') as smaps:
        for line in smaps:
            head = HEAD.match(line)
            if head:
                found.append([int(head[1], 16), int(head[2], 16), 0, False])
            elif line.startswith('Rss:'):
                found[-1][2] = int(line.split()[1])
            elif line.startswith('VmFlags:'):
                found[-1][3] = ' dc ' in line
    return found


def runs(maps):
    """Mappings that touch, as one."""
    merged = []
    for start, end, rss, _ in maps:
        if merged and merged[-1][1] == start:
            merged[-1][1] = end
            merged[-1][2] += rss
        else:
            merged.append([start, end, rss])
    return merged


answer = json.load(sys.stdin)
maps = mappings(answer['pid'])
context, = answer['contexts']
bad = total = 0
for r in context['ranges']:
    start, end = int(r['start'], 16), int(r['end'], 16)
    rss = sum(m[2] for m in maps if start <= m[0] and m[1] <= end)
    said = 4 * r['ram_pages']
    pages = sum(r[k + '_pages'] for k in
                ('ram', 'frozen', 'device', 'poisoned', 'empty'))
    total += r['ram_pages'] + r['frozen_pages']
    if said != rss or pages * 4096 != end - start:
        print(f'{r}: smaps says {rss} kB')
        bad += 1
stats = context['stats']
if total + stats['pool_pages'] != stats['ram_pages']:
    print(f'{total} pages in ranges, {stats}')
    bad += 1
frames = 4 * (stats['frozen_pages'] + stats['pool_pages'])
areas = [m[2] for m in runs(m for m in maps if m[3])
         if m[1] - m[0] >= FRAMES * 1024]
if areas != [frames]:
    print(f'frames: {frames} kB, but smaps says {areas}')
    bad += 1
sys.exit(bad > 0)
