#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""selftests.py MODE: tests of the kernel's own for memory calls, compiled
unchanged, say the same under "uhmm run" as without.

Others of tools/testing/selftests/vm are not among them, since they
- look at their mappings in /proc/self/smaps by where they begin, while ours
  begin elsewhere: madv_populate;
- use userfaultfd(2) on private memory: userfaultfd with "anon";
- change settings of the whole machine: compaction_test, khugepaged, ksm_tests,
  split_huge_page_test, charge_reserved_hugetlb.sh and the other scripts;
- want huge pages of hugetlbfs, which are not managed: hugepage-*, hugetlb-*,
  map_hugetlb, thuge-gen; or another device: gup_test, hmm-tests (that is
  tests/dmirror), hmm with test_hmm.sh;
- want what is not everywhere: mlock-random-test and memfd_secret libcap's
  header, protection_keys keys, soft-dirty and mrelease_test a newer kernel;
- fill memory or addresses without end: transhuge-stress, migration,
  virtual_address_range, va_128TBswitch."""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(__file__) + '/..')
import linux_source  # pylint: disable=wrong-import-position

CC = os.environ.get('CC', 'cc').split()
TESTS = [
    ['map_fixed_noreplace'],
    ['map_populate'],
    ['mlock2-tests'],
    ['mremap_dontunmap'],
    ['mremap_test'],
    ['on-fault-limit'],
    ['userfaultfd', 'shmem', '16', '2'],
]
FILES = ['tools/testing/selftests/kselftest.h',
         'tools/testing/selftests/vm/*.[ch]']
# It is about a limit that who has this capability has not.
UNPRIVILEGED = ['setpriv', '--bounding-set', '-ipc_lock']


def compile_tests(folder, errors):
    selftests = folder + '/tools/testing/selftests'
    for name in {test[0] for test in TESTS}:
        source = f'{selftests}/vm/{name}.c'
        if not os.path.exists(source):
            sys.exit(f'FAILED: no {name}.c there\n{errors}')
        more = [f'{selftests}/vm/vm_util.c'] if name == 'userfaultfd' else []
        subprocess.run(CC + ['-w', '-O2', '-I', selftests, '-o',
                             f'{folder}/{name}', source] + more +
                       ['-lrt', '-lpthread'], check=True)


def results(command):
    """Exit status and what was said of each part, without times and counts."""
    run = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=60,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         encoding='utf-8', errors='replace', check=False)
    lines = [line for line in run.stdout.splitlines()
             if re.match(r'(ok|not ok|OK|\[|1\.\.|mmap |testing .*done)', line)]
    return run.returncode, lines, run.stdout


def main():
    mode = sys.argv[1]
    ours = [os.environ['UHMM'], 'run', '--resident', '4M', '--min-size', '4K',
            '--device', 'zram:256M', '--mode', mode]
    probe = subprocess.run(ours + ['true'], stderr=subprocess.PIPE, text=True,
                           check=False)
    if probe.returncode and 'userfaultfd' in probe.stderr:
        linux_source.skip(probe.stderr.strip())
    folder = linux_source.build('tests/run/selftests', FILES, compile_tests)
    failed = 0
    for test in TESTS:
        command = [f'{folder}/{test[0]}'] + test[1:]
        before = UNPRIVILEGED if test[0] == 'on-fault-limit' else []
        plain = results(before + command)
        got = results(before + ours + command)
        same = plain[:2] == got[:2]
        failed += not same
        print('same' if same else 'FAILED', *test, 'status', got[0],
              f'{len(got[1])} results')
        if not same:
            print('--- plain', plain[0], plain[2], '--- ours', got[0], got[2],
                  sep='\n')
    return failed != 0


sys.exit(main())
