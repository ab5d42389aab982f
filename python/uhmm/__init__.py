# SPDX-License-Identifier: MIT
"""uhmm: pages of this process on devices, from Python.

    import uhmm

    with uhmm.open() as u:
        zram = u.device('zram:64M')
        a = u.empty((1024, 1024))       # a NumPy array
        a[:] = 1
        with u.on(a, zram):             # its pages are compressed meanwhile
            print(u.where(a))           # {'zram:64M': 2048}
        print(a.sum())                  # home again

What is moved is whole pages; an array stays at its address, and each touch of a page
that is away brings it home.  A buffer is an array of NumPy, or anything writable
that has the buffer protocol: a bytearray, an mmap.  Its memory must be private and
anonymous.  See uhmm(7).
"""
from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import mmap
import os
from collections import Counter
from typing import Any, Dict, Iterator, List, Optional, Tuple

__all__ = ['Context', 'Device', 'open', 'version']

PAGE = 4096
_VALID, _ERROR = 1 << 63, 1 << 61

# The first version of each struct: the library knows it by its size.
_STATS = ('faults soft_faults zero_faults spurious to_device to_ram refused '
          'touched discarded evicted poisoned errors limit_waits '
          'limit_exceeded ram_pages ram_peak device_pages frozen_pages '
          'pool_pages blocked_ns fault_p50_ns fault_p99_ns '
          'fault_max_ns').split()

# In the order of enum uhmm_advice.
_ADVICE = 'normal random sequential willneed cold pageout'.split()


class _Params(ctypes.Structure):
    _fields_ = ([('size', ctypes.c_size_t)] +
                [(name, ctypes.c_uint32) for name in
                 ('fault_mode', 'flags', 'nr_threads', 'charge',
                  'watchdog_ms', 'reserved')] +
                [('ram_limit', ctypes.c_uint64),
                 ('pool_limit', ctypes.c_uint64),
                 ('features_off', ctypes.c_char_p)])


class _Stats(ctypes.Structure):
    _fields_ = ([('size', ctypes.c_size_t)] +
                [(name, ctypes.c_uint64) for name in _STATS])


class _Info(ctypes.Structure):
    _fields_ = ([('size', ctypes.c_size_t), ('id', ctypes.c_uint32),
                 ('flags', ctypes.c_uint32)] +
                [(name, ctypes.c_uint64) for name in
                 ('npages', 'used', 'stored_bytes', 'pages_in', 'pages_out',
                  'errors')] + [('name', ctypes.c_char * 32)])


try:
    _lib = ctypes.CDLL('libuhmm.so.0')
except OSError as error:
    raise ImportError(f'{error}; install libuhmm0') from None
_pointer, _length = ctypes.c_void_p, ctypes.c_size_t
_Log = ctypes.CFUNCTYPE(None, _pointer, ctypes.c_int, ctypes.c_char_p)
for _name, _result, _arguments in (
        ('open', ctypes.c_int, [_pointer, _pointer]),
        ('close', ctypes.c_int, [_pointer]),
        ('device_open', ctypes.c_int, [_pointer, ctypes.c_char_p, _pointer]),
        ('device_query', ctypes.c_int, [_pointer, _pointer]),
        ('device_remove', ctypes.c_int, [_pointer]),
        ('migrate', ctypes.c_ssize_t,
         [_pointer, _pointer, _length, _pointer]),
        ('advise', ctypes.c_int,
         [_pointer, _pointer, _length, ctypes.c_int]),
        ('snapshot', ctypes.c_int, [_pointer, _pointer, _length, _pointer]),
        ('pin', ctypes.c_int, [_pointer, _pointer, _length]),
        ('unpin', ctypes.c_int, [_pointer, _pointer, _length]),
        ('set_ram_limit', ctypes.c_int, [_pointer, ctypes.c_uint64]),
        ('stats', ctypes.c_int, [_pointer, _pointer]),
        ('set_log', None, [_pointer, _Log, _pointer]),
        ('version', ctypes.c_uint32, [])):
    try:
        _function = getattr(_lib, 'uhmm_' + _name)
    except AttributeError as error:
        raise ImportError(f'{error}; install libuhmm0 of the same version '
                          'as python3-uhmm') from None
    _function.restype, _function.argtypes = _result, _arguments


def _check(result: int, what: str) -> int:
    if result < 0:
        raise OSError(-result, f'{what}: {os.strerror(-result)}')
    return result


def _check_open(result: int) -> None:
    if result in (-errno.EPERM, -errno.ENOSYS):
        raise OSError(-result, 'open: userfaultfd(2) is refused: '
                      f'{os.strerror(-result)}; "uhmm doctor" says what would '
                      'allow it')
    if result == -errno.EINVAL:
        raise OSError(-result, 'open: features_off or UHMM_FEATURES_OFF names '
                      'an unknown feature, or the limit is not in whole '
                      'pages; see uhmm_open(3)')
    _check(result, 'open')


def _reason(spec: bytes, result: int) -> Optional[str]:
    """Why a device cannot be opened, in the library's words.

    The device is opened once more, in a context that manages nothing.  A thread
    that serves a fault may write to another context's log, and would wait there
    for the interpreter, which the faulting thread may hold.
    """
    said: List[bytes] = []
    log = _Log(lambda _, level, text: said.append(text))
    context, device = _pointer(), _pointer()
    params = _Params(size=ctypes.sizeof(_Params))
    if _lib.uhmm_open(ctypes.byref(params), ctypes.byref(context)) < 0:
        return None
    _lib.uhmm_set_log(context, log, None)
    again = _lib.uhmm_device_open(context, spec, ctypes.byref(device))
    _lib.uhmm_close(context)
    return said[0].decode(errors='replace') if said and again == result \
        else None


def _package(name: str, what: str, package: str) -> Any:
    """An optional package."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f'{what} needs {name}: {error}; install {package}',
                          name=name) from None


def _span(buffer: Any) -> Tuple[int, int]:
    """Address and length in bytes."""
    array = getattr(buffer, '__array_interface__', None)
    if array is not None:
        if array['strides'] is not None:
            raise ValueError('the array is not contiguous')
        return array['data'][0], buffer.nbytes
    view = memoryview(buffer)
    return (ctypes.addressof(ctypes.c_char.from_buffer(buffer)), view.nbytes)


def _inner(buffer: Any) -> Tuple[int, int]:
    """The whole pages in it."""
    start, length = _span(buffer)
    end = (start + length) & -PAGE
    start = -(-start & -PAGE)
    return start, max(end - start, 0)


def _outer(buffer: Any) -> Tuple[int, int]:
    """All pages that it has a byte in."""
    start, length = _span(buffer)
    end = -(-(start + length) & -PAGE)
    return start & -PAGE, end - (start & -PAGE)


class Device:
    """Memory that pages can go to; made by Context.device()."""

    def __init__(self, context: 'Context', spec: str) -> None:
        self._as_parameter_ = _pointer()
        self.spec = spec
        result = _lib.uhmm_device_open(context, spec.encode(),
                                       ctypes.byref(self._as_parameter_))
        if result < 0:
            raise OSError(-result, _reason(spec.encode(), result) or
                          f'device {spec}: {os.strerror(-result)}')

    def info(self) -> Dict[str, int]:
        """Counters, as uhmm_device_query(3) has them."""
        self._alive()
        info = _Info(size=ctypes.sizeof(_Info))
        _check(_lib.uhmm_device_query(self, ctypes.byref(info)), self.spec)
        return {name: getattr(info, name) for name, _ in _Info._fields_[1:-1]}

    def _alive(self) -> None:
        """A null device would mean home; a removed one is no memory of ours."""
        if not self._as_parameter_.value:
            raise OSError(errno.ENODEV, f'device {self.spec} was removed')

    def _forget(self) -> None:
        self._as_parameter_ = _pointer()

    def __repr__(self) -> str:
        return f'<uhmm.Device {self.spec}>'


class Context:
    """What uhmm_open(3) gives; a context manager.  See open()."""

    def __init__(self, ram_limit: int = 0,
                 features_off: Optional[str] = None) -> None:
        off = features_off.encode() if features_off else None
        params = _Params(size=ctypes.sizeof(_Params), ram_limit=ram_limit,
                         features_off=off)
        self._as_parameter_ = _pointer()
        self._devices: List[Device] = []
        _check_open(_lib.uhmm_open(ctypes.byref(params),
                                   ctypes.byref(self._as_parameter_)))

    def __enter__(self) -> 'Context':
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Bring all pages home, and end.  Twice is once."""
        if self._as_parameter_.value:
            context, self._as_parameter_ = self._as_parameter_, _pointer()
            for device in self._devices:
                device._forget()
            self._devices.clear()
            _check(_lib.uhmm_close(context), 'close')

    def device(self, spec: str) -> Device:
        """A device made from a specification: 'zram:64M'."""
        self._alive()
        device = Device(self, spec)
        self._devices.append(device)
        return device

    def remove(self, device: Device) -> None:
        """Bring its pages home, and forget it."""
        self._alive()
        device._alive()
        _check(_lib.uhmm_device_remove(device), device.spec)
        device._forget()
        self._devices.remove(device)

    @property
    def devices(self) -> List[Device]:
        """Those made by device() and not removed."""
        return list(self._devices)

    def limit(self, ram: int) -> None:
        """Bytes of RAM that managed memory may have; 0: no limit."""
        self._alive()
        _check(_lib.uhmm_set_ram_limit(self, ram), 'limit')

    def stats(self) -> Dict[str, int]:
        """Counters, as uhmm_stats(3) has them."""
        self._alive()
        stats = _Stats(size=ctypes.sizeof(_Stats))
        _check(_lib.uhmm_stats(self, ctypes.byref(stats)), 'stats')
        return {name: getattr(stats, name) for name in _STATS}

    def migrate(self, buffer: Any, device: Optional[Device] = None) -> int:
        """Move the whole pages of a buffer to a device, or home with None.
        How many of them are there."""
        self._alive()
        if device is not None:
            device._alive()
        start, length = _inner(buffer)
        if not length:
            return 0
        return _check(_lib.uhmm_migrate(self, start, length, device),
                      'migrate')

    def advise(self, buffer: Any, advice: str) -> None:
        """Say how the whole pages of a buffer will be used: 'normal',
        'random', 'sequential', 'willneed', 'cold' or 'pageout', as
        uhmm_advise(3) has them.  A hint, which never changes what is there."""
        self._alive()
        if advice not in _ADVICE:
            raise ValueError(f'advice {advice!r}: it is one of '
                             f'{", ".join(_ADVICE)}')
        start, length = _inner(buffer)
        if length:
            _check(_lib.uhmm_advise(self, start, length,
                                    _ADVICE.index(advice)), 'advise')

    def snapshot(self, buffer: Any) -> List[Optional[str]]:
        """For each page where it is: None for nothing, 'ram', 'lost', or the
        specification of its device."""
        self._alive()
        start, length = _outer(buffer)
        entries = (ctypes.c_uint64 * (length // PAGE))()
        if length:
            _check(_lib.uhmm_snapshot(self, start, length, entries),
                   'snapshot')
        names = {0: 'ram'}
        names.update({device.info()['id']: device.spec
                      for device in self._devices})
        return ['lost' if pfn & _ERROR else
                names.get(pfn >> 48 & 0xff, '?') if pfn & _VALID else None
                for pfn in entries]

    def where(self, buffer: Any) -> Dict[Optional[str], int]:
        """How many pages of a buffer are where."""
        return dict(Counter(self.snapshot(buffer)))

    @contextlib.contextmanager
    def on(self, buffer: Any, device: Device) -> Iterator[Any]:
        """A buffer is on a device inside, and home again after."""
        self.migrate(buffer, device)
        try:
            yield buffer
        finally:
            self.migrate(buffer)

    @contextlib.contextmanager
    def pinned(self, buffer: Any) -> Iterator[Any]:
        """All pages of a buffer are in RAM inside, and stay there."""
        self._alive()
        start, length = _outer(buffer)
        if length:
            _check(_lib.uhmm_pin(self, start, length), 'pin')
        try:
            yield buffer
        finally:
            if length:
                _check(_lib.uhmm_unpin(self, start, length), 'unpin')

    def empty(self, shape: Any, dtype: Any = float) -> Any:
        """An array of NumPy that begins and ends with a page, of zeroes."""
        numpy = _package('numpy', 'empty()', 'python3-numpy')
        dtype = numpy.dtype(dtype)
        count = int(numpy.prod(shape))
        memory = mmap.mmap(-1, max(count * dtype.itemsize, 1),
                           flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return numpy.frombuffer(memory, dtype, count).reshape(shape)

    def heat_map(self, buffer: Any, axes: Any = None,
                 columns: int = 64) -> Any:
        """Draw where each page of a buffer is, by matplotlib; the axes."""
        plot = _package('matplotlib.pyplot', 'heat_map()',
                        'python3-matplotlib')
        where = self.snapshot(buffer)
        names = sorted({name or 'nothing' for name in where})
        numbers = [names.index(name or 'nothing') for name in where]
        numbers += [-1] * (-len(numbers) % columns)
        rows = [numbers[i:i + columns]
                for i in range(0, len(numbers), columns)]
        axes = axes or plot.gca()
        image = axes.imshow(rows, aspect='auto', vmin=-1,
                            vmax=len(names) - 1, interpolation='nearest')
        bar = axes.figure.colorbar(image, ax=axes, ticks=range(len(names)))
        bar.ax.set_yticklabels(names)
        axes.set_xlabel('page')
        axes.set_ylabel(f'each row {columns} pages')
        return axes

    def _alive(self) -> None:
        if not self._as_parameter_.value:
            raise OSError(errno.EBADF, 'the context is closed')


def open(ram_limit: int = 0,  # pylint: disable=redefined-builtin
         features_off: Optional[str] = None) -> Context:
    """A context, which manages memory of this process; see uhmm_open(3)."""
    return Context(ram_limit, features_off)


def version() -> Tuple[int, int, int]:
    """The version of the library."""
    number = _lib.uhmm_version()
    return number >> 16, number >> 8 & 0xff, number & 0xff
