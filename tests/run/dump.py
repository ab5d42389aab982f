# SPDX-License-Identifier: MIT
"""A core has all data, wherever they were, and says why the program died.

dump.py UHMM CRASH MODE DIRECTORY
"""
import glob
import os
import resource
import signal
import struct
import subprocess
import sys

uhmm, crash, mode, directory = sys.argv[1:5]
PAGE = 4096
WAYS = {
    'abort': (6, -6), 'segv': (11, 1), 'fpe': (8, 1), 'trap': (4, 2),
    'quit': (3, 0), 'overflow': (11, 1), 'thread': (11, 2),
    'blocked': (11, 1), 'once': (11, 1), 'back': (11, 1), 'child': (11, 1),
    'stack': (11, 1),
}
failures = 0


def fail(*what):
    global failures
    failures += 1
    print('FAILED:', mode, *what, file=sys.stderr)


def limits():
    # A shell ignores it for what it runs in the background.
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


class Core:
    def __init__(self, path):
        self.file = open(path, 'rb')
        head = self.file.read(64)
        at, = struct.unpack_from('<Q', head, 32)
        size, nr = struct.unpack_from('<HH', head, 54)
        self.loads, self.notes = [], b''
        if nr == 0xffff:
            raise ValueError('too many segments')
        for i in range(nr):
            self.file.seek(at + i * size)
            kind, _, offset, va, _, length, _, _ = struct.unpack(
                '<IIQQQQQQ', self.file.read(56))
            if kind == 1:
                self.loads.append((va, length, offset))
            elif kind == 4:
                self.file.seek(offset)
                self.notes = self.file.read(length)

    def read(self, va, length):
        data = b''
        for start, size, offset in self.loads:
            at = va + len(data)
            if start <= at < start + size and len(data) < length:
                self.file.seek(offset + at - start)
                data += self.file.read(min(length - len(data),
                                           start + size - at))
        return data

    def siginfo(self):
        """signo, code, address"""
        at = 0
        while at + 12 <= len(self.notes):
            name, desc, kind = struct.unpack_from('<III', self.notes, at)
            at += 12 + (name + 3 & ~3)
            if kind == 0x53494749:
                signo, _, code = struct.unpack_from('<iii', self.notes, at)
                return signo, code, struct.unpack_from('<Q', self.notes,
                                                       at + 16)[0]
            at += desc + 3 & ~3
        return None


def check_pages(core, way, text):
    bad = nr = 0
    for line in text.splitlines():
        where, length, first = line.split()
        data = core.read(int(where, 16), int(length))
        for i in range(int(length) // PAGE):
            word = struct.pack('<Q', 0x5eed << 48 | int(first) + i)
            bad += data[i * PAGE:(i + 1) * PAGE] != word * (PAGE // 8)
            nr += 1
    if bad or nr != 64 << 8:
        fail(way, f'{bad} of {nr} pages are wrong in the core')


def run(way, device):
    for old in glob.glob(directory + '/core*'):
        os.unlink(old)
    done = subprocess.run(
        [uhmm, 'run', '--resident', '8M', '--device', device, '--mode', mode,
         crash, way], cwd=directory, preexec_fn=limits, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
        check=False)
    return done, glob.glob(directory + '/core*')


def check(way):
    signo, code = WAYS[way]
    done, cores = run(way, 'zram:1G')
    if done.returncode != -signo or done.stderr:
        fail(way, 'ended with', done.returncode, done.stderr)
    if len(cores) != 1:
        fail(way, 'there are', len(cores), 'cores')
        return
    core = Core(cores[0])
    size = sum(length for _, length, _ in core.loads)
    if size > 256 << 20:  # the program has 64 MiB
        fail(way, f'the core has {size >> 20} MiB')
    check_pages(core, way, done.stdout)
    info = core.siginfo()
    if info[:2] != (signo, code):
        fail(way, 'the core says', info)
    if code == 1 and signo == 11 and way not in ('overflow', 'thread') and \
            info[2] != 16:
        fail(way, 'the address is', hex(info[2]))


# What cannot come home is not left out in silence; the program may miss it.
def check_lost():
    done, cores = run('segv', 'error(op=to_ram)/ram:1G')
    if done.returncode not in (-11, -7) or len(cores) != 1 or \
            'the core dump lacks' not in done.stderr:
        fail('lost:', done.returncode, cores, done.stderr)


for one in WAYS:
    check(one)
check_lost()
print(len(WAYS) + 1, 'ways to die,', failures, 'failures')
sys.exit(failures != 0)
