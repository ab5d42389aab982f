#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Python's shared memory between processes, of both kinds: mmap(-1), which
--shared=anon manages, and multiprocessing.shared_memory, which stays as it is."""
import mmap
import multiprocessing
from multiprocessing import shared_memory

SIZE = 24 << 20
STEP = 4096


def change(name, pool, which):
    """In a worker: its own bytes of each page, in both memories."""
    named = shared_memory.SharedMemory(name)
    for at in range(0, SIZE, STEP):
        assert pool[at] == at // STEP % 251, at
        pool[at + which] = which
        named.buf[at + which] = which
    named.close()


def main():
    pool = mmap.mmap(-1, SIZE)
    named = shared_memory.SharedMemory(create=True, size=SIZE)
    for at in range(0, SIZE, STEP):
        pool[at] = at // STEP % 251
    fork = multiprocessing.get_context('fork')
    for turn in range(2):
        workers = [fork.Process(target=change, args=(named.name, pool, which))
                   for which in range(1 + 3 * turn, 4 + 3 * turn)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
        for at in range(0, SIZE, STEP):
            want = bytes(range(1, 4 + 3 * turn))
            assert pool[at + 1:at + 4 + 3 * turn] == want, at
            assert named.buf[at + 1:at + 4 + 3 * turn] == want, at
    named.close()
    named.unlink()
    pool.close()


main()
