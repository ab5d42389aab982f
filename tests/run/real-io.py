# SPDX-License-Identifier: MIT
"""Files, pipes, sockets, children and threads, with much else in memory."""
import hashlib
import os
import socket
import subprocess
import tempfile
import threading

ballast = [bytes([i % 251]) * 65536 for i in range(600)]


def sweep():
    """Have what was not used for a while go."""
    return sum(b[i % 65536] for i, b in enumerate(ballast))


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def check_files():
    data = os.urandom(1) * 0 + b''.join(ballast[100:164])
    with tempfile.TemporaryFile() as f:
        f.write(data)
        sweep()
        f.seek(0)
        print('file', digest(f.read()))
        f.seek(0)
        buf = bytearray(len(data))
        sweep()
        print('readinto', f.readinto(buf), digest(buf))
        vec = [bytearray(100000) for _ in range(20)]
        sweep()
        print('preadv', os.preadv(f.fileno(), vec, 0), digest(b''.join(vec)))


def check_stream():
    a, b = socket.socketpair()
    data = b''.join(ballast[200:264])
    t = threading.Thread(target=lambda: (a.sendall(data), a.close()))
    t.start()
    got = bytearray()
    while True:
        part = b.recv(1 << 20)
        if not part:
            break
        got += part
        sweep()
    t.join()
    print('stream', len(got), digest(got))


def check_datagrams():
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    total = hashlib.sha256()
    bufs = [bytearray(60000) for _ in range(40)]
    for i, buf in enumerate(bufs):
        sweep()
        a.send(ballast[i][:60000])
        n = b.recv_into(buf)
        total.update(buf[:n])
    print('datagrams', total.hexdigest()[:16])


def check_children():
    for i in range(5):
        sweep()
        p = subprocess.run(['sha256sum'], input=ballast[i] * 8,
                           stdout=subprocess.PIPE, check=True)
        print('child', p.stdout[:16].decode())
    print('shell', subprocess.getoutput('echo $((6 * 7))'))


check_files()
check_stream()
check_datagrams()
check_children()
print('sum', sweep())
