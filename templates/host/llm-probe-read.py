"""Measure how fast this machine reads memory, by threads: GB/s as one JSON object. Sent to `python3 -` by pvekit.

The C library's memchr looks for a byte that is not there: it runs at full vector width and without Python's lock. Each
thread reads memory of its own, which it has written itself, so that it lies near its processor. The bytes are random:
equal pages would be merged, and read from the cache.
"""

import ctypes
import json
import os
import sys
import threading
import time

LIBC = ctypes.CDLL(None)
LIBC.memchr.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
LIBC.memchr.restype = ctypes.c_void_p
ABSENT = 255
WITHOUT = bytes(range(255)) + b"\xfe"


def fill(size):
    """Return a buffer of this many bytes, none of which is ABSENT."""
    buffer = ctypes.create_string_buffer(size)
    step = 1 << 22
    for at in range(0, size, step):
        count = min(step, size - at)
        ctypes.memmove(ctypes.addressof(buffer) + at, os.urandom(count).translate(WITHOUT), count)
    return buffer


def work(size, seconds, gate, rates, index):
    """Read the buffer over and over for some seconds; give bytes and time."""
    buffer = fill(size)
    at = ctypes.addressof(buffer)
    gate.wait()
    begun = time.perf_counter()
    passes = 0
    while time.perf_counter() - begun < seconds:
        if LIBC.memchr(at, ABSENT, size):
            raise RuntimeError("the byte is there")
        passes += 1
    rates[index] = passes * size / (time.perf_counter() - begun)


def measure(threads, each, seconds):
    """Return GB/s of some threads together."""
    gate = threading.Barrier(threads)
    rates = [0.0] * threads
    crew = [threading.Thread(target=work, args=(each, seconds, gate, rates, index)) for index in range(threads)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    return sum(rates) / 1e9


def main():
    """Take bytes in all, seconds per count, and the counts of threads; print what each reached."""
    total, seconds = int(sys.argv[1]), float(sys.argv[2])
    counts = [int(text) for text in sys.argv[3:]]
    print(json.dumps({str(count): round(measure(count, total // count, seconds), 2) for count in counts}))


main()
