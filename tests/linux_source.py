# SPDX-License-Identifier: MIT
"""Files of the kernel's source, as Debian packs it, for tests that compile its
selftests. They are unpacked under the build folder; nothing of them is in our
tree. UHMM_HMM_SOURCE names another tarball than that of Linux 6.1."""
import fcntl
import glob
import os
import shutil
import subprocess
import sys

BUILD = os.environ['UHMM_BUILD']


def skip(why):
    print('skipped:', why)
    sys.exit(77)


def find_tarball():
    wanted = os.environ.get('UHMM_HMM_SOURCE')
    if wanted:
        return wanted
    found = glob.glob('/usr/src/linux-source-*.tar.xz')
    for tarball in found:
        if tarball.endswith('-6.1.tar.xz'):
            return tarball
    if found:
        return min(found)
    if not os.path.exists('/etc/debian_version'):
        skip("no source of the kernel as Debian packs it")
    sys.exit('FAILED: install linux-source-6.1 or run ./setup')


def unpack(tarball, folder, names):
    """Takes some 15 s: all of the tarball has to be read."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    reader = ['tar', '-x', '--xz', '-f', tarball, '-C', folder,
              '--strip-components=1', '--wildcards']
    run = subprocess.run(reader + ['*/' + name for name in names],
                         stderr=subprocess.PIPE, text=True, check=False)
    return run.stderr


def newest():
    """The tarball of the newest kernel, fetched by whoever comes first."""
    folder = BUILD + '/newest-source'
    with open(folder + '.lock', 'w', encoding='utf-8') as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        run = subprocess.run(
            [os.environ['UHMM_SOURCE'] + '/scripts/vm-kernel', 'source',
             folder], stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode == 77:
        skip(run.stdout.strip())
    found = glob.glob(folder + '/kernel/usr/src/linux-source-*.tar.xz')
    return found[0] if found else sys.exit('FAILED: ' + run.stdout)


def build(place, names, make, tarball=None):
    """The folder, under PLACE of the build folder, with the files NAMES and
    what make(folder, errors of tar) made of them; once, by whoever comes
    first."""
    tarball = tarball or find_tarball()
    stat = os.stat(tarball)
    folder = f'{BUILD}/{place}/{os.path.basename(tarball)}.d'
    stamp = f'{tarball} {stat.st_size} {stat.st_mtime_ns}'
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with open(folder + '.stamp', 'a+', encoding='utf-8') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if file.read() != stamp or not os.path.isdir(folder):
            file.truncate(0)
            make(folder, unpack(tarball, folder, names))
            file.write(stamp)
    return folder
