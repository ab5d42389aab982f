#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Run the kernel's selftests for HMM, unchanged, against the shim.

    hmm.py [--nobody | --newest] LIBRARY...
    hmm.py --compile [--newest]     print where the program is

They are unpacked from Debian's package of the kernel's source and compiled
here; nothing of them is in our tree. UHMM_HMM_SOURCE names another tarball
than that of Linux 6.1; --newest takes that of the newest kernel that Debian's
newer suites offer. Every test must pass. One is skipped where the system has no
huge pages; as root we lend it some. The one named snapshot may fail where
reading untouched memory gives it a page of its own, and not that of zeroes.

LIBRARY: the shim, then what it needs; copied to where anybody may read."""
import contextlib
import ctypes
import errno
import fcntl
import glob
import mmap
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(__file__) + '/..')
import linux_source  # pylint: disable=wrong-import-position

CC = os.environ.get('CC', 'cc').split()
FILES = ['tools/testing/selftests/kselftest.h',
         'tools/testing/selftests/kselftest_harness.h',
         'tools/testing/selftests/vm/hmm-tests.c',
         'tools/testing/selftests/mm/hmm-tests.c',
         'lib/test_hmm_uapi.h', 'mm/gup_test.h']
NEWER_FILES = ['tools/testing/selftests/mm/vm_util.[ch]',
               'tools/testing/selftests/mm/hugepage_settings.[ch]',
               'include/uapi/linux/fs.h', 'include/uapi/linux/userfaultfd.h']
NEWER_FLAGS = ['-D__packed=__attribute__((packed))', '-Iinclude/uapi',
               '-Itools/testing/selftests', '-Itools/testing/selftests/mm']
NOBODY = 65534
# Seconds; the suite of the newest kernel has a benchmark.
TIMEOUT = 170
NEWEST_TIMEOUT = 500
REPEATED = 50
HUGE_PAGES = '/proc/sys/vm/nr_hugepages'
HUGE_LOCK = '/run/lock/uhmm-hmm'
LENT = 16


# ---- The program

def compile_tests(folder, errors):
    source = glob.glob('tools/testing/selftests/*/hmm-tests.c',
                       root_dir=folder)
    if not source:
        sys.exit(f'FAILED: no hmm-tests.c there\n{errors}')
    more = [name for stem in ('vm_util', 'hugepage_settings') for name in
            glob.glob(f'tools/testing/selftests/mm/{stem}.c', root_dir=folder)]
    subprocess.run(CC + ['-w', '-O2', '-I.'] + (NEWER_FLAGS if more else []) +
                   ['-o', 'hmm-tests', source[0]] + more + ['-lpthread'],
                   check=True, cwd=folder)


def build(tarball=None):
    """The path of the compiled tests."""
    return linux_source.build(
        'tests/dmirror', FILES + (NEWER_FILES if tarball else []),
        compile_tests, tarball) + '/hmm-tests'


# ---- Huge pages

def read_number(path):
    with open(path, encoding='ascii') as file:
        return int(file.read())


def free_huge_pages():
    with open('/proc/meminfo', encoding='ascii') as file:
        return int(re.search(r'HugePages_Free: *(\d+)', file.read())[1])


def set_huge_pages(number):
    with open(HUGE_PAGES, 'w', encoding='ascii') as file:
        file.write(str(number))


@contextlib.contextmanager
def huge_pages():
    """Who comes first lends huge pages, who goes last takes them back.

    The second lock is shared by those who use them: it tells who is last, also
    when one was killed. The file holds how many there were before."""
    if os.geteuid() != 0:
        yield
        return
    with (open(HUGE_LOCK + '.lock', 'w', encoding='ascii') as turn,
          open(HUGE_LOCK + '.before', 'a+', encoding='ascii') as users):
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        users.seek(0)
        if not users.read():
            before = read_number(HUGE_PAGES)
            users.write(str(before))
            users.flush()
            set_huge_pages(before + LENT)
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(turn, fcntl.LOCK_EX)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                users.seek(0)
                set_huge_pages(int(users.read()))
                users.truncate(0)


# ---- Running

def has_zero_page():
    """Is what was read and never written to shared by all who read?"""
    memory = mmap.mmap(-1, mmap.PAGESIZE,
                       flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    sum(memory[:1])
    first = ctypes.c_char.from_buffer(memory)
    address = ctypes.addressof(first)
    with open('/proc/self/pagemap', 'rb') as pagemap:
        pagemap.seek(address // mmap.PAGESIZE * 8)
        entry = int.from_bytes(pagemap.read(8), 'little')
    return not entry >> 56 & 1


def needs_userfaultfd(library):
    uhmm = ctypes.CDLL(library)
    context = ctypes.c_void_p()
    err = -uhmm.uhmm_open(None, ctypes.byref(context))
    if err in (errno.ENOSYS, errno.EPERM):
        linux_source.skip('no userfaultfd for us')
    if not err:
        uhmm.uhmm_close(context)


def kill_session(leader, spared=0):
    """The tests run in process groups of their own, which outlive a kill."""
    for path in glob.glob('/proc/[0-9]*/stat'):
        with contextlib.suppress(OSError):
            with open(path, encoding='utf-8', errors='replace') as file:
                fields = file.read().rpartition(')')[2].split()
            if int(fields[3]) == leader and int(fields[2]) != spared:
                os.kill(int(path.split('/')[2]), signal.SIGKILL)


def read_output(child):
    """A test that fails may say so again and again until its time is up: one
    that does is killed, and the program that runs the tests goes on."""
    lines = []
    repeated = 0
    for line in child.stdout:
        if line not in lines[-2:]:
            lines.append(line)
            repeated = 0
            continue
        repeated += 1
        if repeated == REPEATED:
            kill_session(child.pid, child.pid)
    return ''.join(lines)


def run_tests(program, libraries, nobody, seconds):
    identity = {}
    if nobody:
        identity = {'user': NOBODY, 'group': NOBODY, 'extra_groups': []}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        shutil.copy(program, folder)
        for path in libraries:
            name = re.sub(r'(\.so\.\d+).*', r'\1', os.path.basename(path))
            shutil.copy(path, f'{folder}/{name}')
        env = dict(os.environ, LD_LIBRARY_PATH=folder,
                   LD_PRELOAD=f'{folder}/{os.path.basename(libraries[0])}')
        # Meson sets it; one of the tests writes beyond what it allocated.
        env.pop('MALLOC_PERTURB_', None)
        with subprocess.Popen(
                [folder + '/' + os.path.basename(program)], env=env, cwd='/',
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True,
                encoding='utf-8', errors='replace', **identity) as child:
            timer = threading.Timer(seconds, kill_session, [child.pid])
            timer.start()
            output = read_output(child)
            timer.cancel()
            kill_session(child.pid)
            return child.wait(), output


def judge(status, output, may_skip):
    plan = re.search(r'^1\.\.(\d+)', output, re.M)
    total = int(plan[1]) if plan else 0
    results = re.findall(r'^(ok|not ok) \d+ (.*)', output, re.M)
    failed = [name for ok, name in results if ok != 'ok']
    # Not what the results say: some count a skipped test as one that passed.
    skipped = re.findall(r'^# +SKIP +(.*)', output, re.M)
    excused = [] if has_zero_page() else [
        name for name in failed if name.strip().endswith('.snapshot')]
    failed = [name for name in failed if name not in excused]
    passed = len(results) - len(failed) - len(skipped) - len(excused)
    bad = [why for why in skipped if not may_skip or 'uge page' not in why]
    good = ((not status or excused) and total and len(results) == total
            and not failed and not bad)
    if not good:
        print(output)
    for name in failed:
        print('failed:', name.strip())
    for why in skipped:
        print('skipped:', why.strip())
    for name in excused:
        print('skipped: nothing here reads as the page of zeroes:', name)
    missing = total - len(results)
    print(f'{passed} passed, {len(failed)} failed, '
          f'{len(skipped) + len(excused)} skipped of {total}' +
          (f', {missing} not run' if missing else ''))
    return good


def main():
    args = sys.argv[1:]
    if args[0] == '--compile':
        newest = '--newest' in args
        print(build(linux_source.newest() if newest else None))
        return 0
    nobody = args[0] == '--nobody'
    newest = args[0] == '--newest'
    libraries = args[nobody or newest:]
    if nobody and os.geteuid() != 0:
        linux_source.skip('we are without privilege already')
    needs_userfaultfd(libraries[1])
    program = build(linux_source.newest() if newest else None)
    with huge_pages():
        may_skip = free_huge_pages() == 0
        status, output = run_tests(
            program, libraries, nobody,
            NEWEST_TIMEOUT if newest else TIMEOUT)
    return 0 if judge(status, output, may_skip) else 1


sys.exit(main())
