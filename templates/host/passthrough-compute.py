"""A small job on every NVIDIA card of a VM: memory there is filled by the card, copied back and compared.

Python 3.9, standard library only; sent to ``python3 -`` by the guest agent. It speaks to libcuda alone, so no CUDA
toolkit is needed. The answer is one JSON object.
"""

from __future__ import annotations

import ctypes
import json
import sys

BYTES = 64 << 20
PATTERN = 0x5AC3967E


class Refused(Exception):
    """A call of the driver failed."""


class Cuda:
    """The driver's library; every call that fails is a Refused with its name and the error's."""

    def __init__(self, library):
        self.library = library

    def call(self, name, *arguments):
        """Call it."""
        try:
            function = getattr(self.library, name)
        except AttributeError as error:
            raise Refused(f"{name}: this driver does not have it") from error
        code = function(*arguments)
        if code:
            text = ctypes.c_char_p()
            if self.library.cuGetErrorName(code, ctypes.byref(text)) or text.value is None:
                raise Refused(f"{name}: error {code}")
            raise Refused(f"{name}: {text.value.decode()} ({code})")


def job(cuda, device):
    """Let one card work; return its name and address."""
    name, address = ctypes.create_string_buffer(100), ctypes.create_string_buffer(20)
    cuda.call("cuDeviceGetName", name, len(name), device)
    cuda.call("cuDeviceGetPCIBusId", address, len(address), device)
    context, memory = ctypes.c_void_p(), ctypes.c_uint64()
    cuda.call("cuCtxCreate_v2", ctypes.byref(context), ctypes.c_uint(0), device)
    try:
        cuda.call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(BYTES))
        try:
            cuda.call("cuMemsetD32_v2", memory, ctypes.c_uint(PATTERN), ctypes.c_size_t(BYTES // 4))
            # One word comes from here, so that both directions are used.
            word = ctypes.c_uint32(~PATTERN & 0xFFFFFFFF)
            cuda.call("cuMemcpyHtoD_v2", memory, ctypes.byref(word), ctypes.c_size_t(4))
            back = ctypes.create_string_buffer(BYTES)
            cuda.call("cuMemcpyDtoH_v2", back, memory, ctypes.c_size_t(BYTES))
            expected = bytes(word) + bytes(ctypes.c_uint32(PATTERN)) * (BYTES // 4 - 1)
            if back.raw != expected:
                raise Refused("the memory that came back is not what was written")
        finally:
            cuda.library.cuMemFree_v2(memory)
    finally:
        cuda.library.cuCtxDestroy_v2(context)
    return {"name": name.value.decode(errors="replace"), "address": address.value.decode().lower()}


def work(library):
    """Let every card work and return the answer."""
    cuda = Cuda(library)
    count = ctypes.c_int()
    try:
        cuda.call("cuInit", ctypes.c_uint(0))
        cuda.call("cuDeviceGetCount", ctypes.byref(count))
    except Refused as error:
        return {"cards": [], "error": str(error)}
    cards = []
    for number in range(count.value):
        device = ctypes.c_int()
        try:
            cuda.call("cuDeviceGet", ctypes.byref(device), number)
            cards.append({**job(cuda, device), "bytes": BYTES, "error": ""})
        except Refused as error:
            cards.append({"name": f"card {number}", "address": "", "bytes": 0, "error": str(error)})
    return {"cards": cards, "error": ""}


def main(load=ctypes.CDLL):
    """Print the answer."""
    try:
        library = load("libcuda.so.1")
    except OSError as error:
        answer = {"cards": [], "missing": str(error), "error": ""}
    else:
        answer = work(library)
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
