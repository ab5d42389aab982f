#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The package uhmm: arrays go to devices, come home, and keep their data; what
is wrong is an exception."""
import ctypes
import errno
import os
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

import uhmm

try:
    import numpy
except ImportError:
    numpy = None

try:
    import matplotlib
    matplotlib.use('Agg')
except ImportError:
    matplotlib = None


class Structs(unittest.TestCase):
    def test_layout(self):
        """Each field lies where the headers say."""
        source = ('#include <stdio.h>\n#include <uhmm/advise.h>\n'
                  '#include <uhmm/uhmm.h>\nint main(void){')
        wanted = []
        for number, name in enumerate(uhmm._ADVICE):
            source += f'printf("%d\\n", UHMM_ADVICE_{name.upper()});'
            wanted.append(number)
        for name, struct in (('params', uhmm._Params), ('stats', uhmm._Stats),
                             ('device_info', uhmm._Info)):
            for field, _ in struct._fields_:
                source += (f'printf("%zu\\n", offsetof(struct uhmm_{name}, '
                           f'{field}));')
                wanted.append(getattr(struct, field).offset)
        with tempfile.TemporaryDirectory() as folder:
            with open(f'{folder}/a.c', 'w', encoding='utf-8') as out:
                out.write(source + 'return 0;}\n')
            subprocess.run([*os.environ.get('CC', 'cc').split(), '-include',
                            'stddef.h', '-I', os.environ['UHMM_INCLUDE'],
                            '-o', f'{folder}/a', f'{folder}/a.c'], check=True)
            found = subprocess.run([f'{folder}/a'], check=True, text=True,
                                   capture_output=True).stdout.split()
        self.assertEqual([int(n) for n in found], wanted)


class Missing(unittest.TestCase):
    """What is not installed is named, and what to install."""

    def refused(self, library, part):
        """The package, where ctypes.CDLL is a function called LIBRARY."""
        result = subprocess.run(
            [sys.executable, '-c',
             f'import ctypes\n{library}\nctypes.CDLL = load\nimport uhmm'],
            check=False, text=True, capture_output=True)
        self.assertIn('ImportError: ', result.stderr)
        self.assertIn(part, result.stderr)

    def test_library(self):
        self.refused('def load(name): raise OSError(name + ": no file")',
                     'libuhmm.so.0: no file; install libuhmm0')

    def test_older_library(self):
        self.refused('def load(name): return object()',
                     "'uhmm_open'; install libuhmm0 of the same version")

    def test_packages(self):
        try:
            u = uhmm.open()
        except OSError as error:
            self.skipTest(f'no userfaultfd(2) here: {error}')
        self.addCleanup(u.close)
        with unittest.mock.patch.dict(sys.modules, {'numpy': None}):
            with self.assertRaisesRegex(ImportError, r'empty\(\) needs numpy: '
                                        '.*; install python3-numpy'):
                u.empty(8)
        with unittest.mock.patch.dict(sys.modules,
                                      {'matplotlib.pyplot': None}):
            with self.assertRaisesRegex(ImportError, r'heat_map\(\) needs '
                                        'matplotlib.*; install '
                                        'python3-matplotlib'):
                u.heat_map(bytearray(4096))


class Moves(unittest.TestCase):
    def setUp(self):
        try:
            self.u = uhmm.open()
        except OSError as error:
            self.skipTest(f'no userfaultfd(2) here: {error}')
        self.zram = self.u.device('zram:64M')
        self.addCleanup(self.u.close)

    def test_bytes(self):
        data = bytearray(os.urandom(4096)) * 64
        copy = bytes(data)
        moved = self.u.migrate(data, self.zram)
        self.assertGreaterEqual(moved, 62)
        self.assertEqual(self.u.where(data)['zram:64M'], moved)
        self.assertEqual(self.zram.info()['used'], moved)
        self.assertEqual(data, copy)
        self.assertNotIn('zram:64M', self.u.where(data))
        self.assertEqual(self.u.stats()['to_device'], moved)

    def test_pinned(self):
        data = bytearray(4096 * 16)
        with self.u.pinned(data):
            self.assertEqual(self.u.migrate(data, self.zram), 0)
        self.assertGreaterEqual(self.u.migrate(data, self.zram), 14)

    def test_advice(self):
        data = bytearray(os.urandom(4096)) * 64
        self.u.migrate(data)            # managed from now on
        self.u.advise(data, 'pageout')
        self.assertGreaterEqual(self.u.where(data)['zram:64M'], 62)
        copy = bytes(data)
        self.u.advise(data, 'cold')
        self.u.advise(data, 'normal')
        self.assertEqual(data, copy)
        with self.assertRaisesRegex(ValueError, 'it is one of normal, '):
            self.u.advise(data, 'hot')
        with self.assertRaises(TypeError):
            self.u.advise(b'not writable' * 4096, 'cold')
        self.u.advise(bytearray(8), 'cold')

    def test_errors(self):
        with self.assertRaises(OSError) as caught:
            self.u.device('nosuch:1M')
        self.assertEqual(caught.exception.errno, errno.ENOENT)
        self.assertIn('device nosuch:1M: nosuch: unknown provider; ',
                      str(caught.exception))
        with self.assertRaisesRegex(OSError, 'scrub=1: write yes or no'):
            self.u.device('ram:1M,scrub=1')
        with self.assertRaisesRegex(OSError, 'names an unknown feature'):
            uhmm.open(features_off='nosuch')
        with self.assertRaises(TypeError):
            self.u.migrate(b'not writable' * 4096, self.zram)
        self.assertEqual(self.u.migrate(bytearray(8), self.zram), 0)
        self.u.close()
        self.u.close()
        with self.assertRaises(OSError):
            self.u.stats()

    def test_removed(self):
        data = bytearray(4096) * 16
        self.u.remove(self.zram)
        for call in (self.zram.info, lambda: self.u.remove(self.zram),
                     lambda: self.u.migrate(data, self.zram)):
            with self.assertRaises(OSError):
                call()
        other = self.u.device('ram:1M')
        self.u.close()
        with self.assertRaises(OSError):
            other.info()

    @unittest.skipUnless(numpy, 'there is no NumPy')
    def test_array(self):
        a = self.u.empty((256, 1024))
        a[:] = numpy.arange(1024)
        with self.u.on(a, self.zram):
            self.assertEqual(self.u.where(a), {'zram:64M': 512})
            self.assertEqual(a[3, 7], 7)
            self.assertEqual(self.u.where(a)['ram'], 1)
        self.assertEqual(self.u.where(a), {'ram': 512})
        self.assertEqual(a.sum(), 256 * 1023 * 512)
        with self.assertRaises(ValueError):
            self.u.migrate(a[:, ::2], self.zram)

    @unittest.skipUnless(numpy and matplotlib, 'there is no matplotlib')
    def test_heat_map(self):
        """Where half an array is away, half of the map has another colour."""
        a = self.u.empty(65536)
        a[:] = 1
        self.u.migrate(a[:32768], self.zram)
        axes = self.u.heat_map(a)
        rows = axes.images[0].get_array()
        self.assertEqual(rows.shape, (2, 64))
        self.assertEqual([len(set(row)) for row in rows.tolist()], [1, 1])
        self.assertNotEqual(rows[0, 0], rows[1, 0])
        with tempfile.TemporaryFile() as out:
            axes.figure.savefig(out, format='png')
            self.assertGreater(out.tell(), 1000)


result = unittest.main(exit=False).result
for test, why in result.skipped:
    print(f'skipped: {test}: {why}')
sys.exit(not result.wasSuccessful())
