"""Weights of random bytes that are as fast as real ones: the scales are small numbers of any value, all else is noise.

One scale for all blocks is 5 to 7 % too fast: llama.cpp looks scales up in a table of 256 KiB, and one entry of it
stays in the nearest cache.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from pvekit.model.ggml import Kind

_PIECE = 4 * 2**20
_SCALES = {
    "Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2), "Q8_0": (0,), "Q2_K": (80, 82), "Q3_K": (108,),
    "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,), "IQ4_NL": (0,), "IQ4_XS": (0,), "IQ2_XXS": (0,), "IQ2_XS": (0,),
    "IQ2_S": (0,), "IQ3_XXS": (0,), "IQ3_S": (0,), "IQ1_S": (0,),
}  # fmt: skip
"""Where in a block its half-precision scales lie (ggml-common.h)."""

_SIGNED = frozenset({"Q4_0", "Q5_0", "Q3_K", "Q6_K", "IQ4_NL", "IQ4_XS"})
"""Types whose quantiser makes half of the scales negative."""

_POSITIVE = bytes(4 + byte % 8 for byte in range(256))
_EITHER = bytes(byte & 0x80 | 4 + byte % 8 for byte in range(256))
"""The high byte of a scale: two exponents of half precision, 6e-5 to 2.4e-4, about as wide as real ones lie."""

_HALF = bytes(byte & 0x80 | 0x20 | byte & 3 for byte in range(256))
_BRAIN = bytes(byte & 0x80 | 0x3C for byte in range(256))
_E8M0 = 118
"""An exponent of MXFP4: 2 to the power of -9."""

KINDS = frozenset({*_SCALES, "F32", "F16", "BF16", "MXFP4"})
"""The types that can be made up."""


def noise(kind: Kind, size: int, rng: random.Random) -> Iterator[bytes]:
    """Yield ``size`` bytes of a tensor of this type. No two blocks are alike: KSM and ZFS would merge them."""
    piece = _PIECE // kind.bytes * kind.bytes
    for begin in range(0, size, piece):
        data = bytearray(rng.randbytes(min(piece, size - begin)))
        high = _EITHER if kind.name in _SIGNED else _POSITIVE
        for offset in _SCALES.get(kind.name, ()):
            data[offset + 1 :: kind.bytes] = data[offset + 1 :: kind.bytes].translate(high)
        if kind.name == "F16":
            data[1::2] = data[1::2].translate(_HALF)
        elif kind.name == "BF16":
            data[1::2] = data[1::2].translate(_BRAIN)
        elif kind.name == "F32":
            data[3::4] = data[3::4].translate(_BRAIN)
            data[2::4] = bytes(byte & 0x7F for byte in data[2::4])
        elif kind.name == "MXFP4":
            data[0 :: kind.bytes] = bytes([_E8M0]) * (len(data) // kind.bytes)
        yield bytes(data)


def same(number: float, size: int) -> Iterator[bytes]:
    """Yield a tensor of one number in single precision: a norm of ones changes nothing, nor does a bias of zeros."""
    piece = struct.pack("<f", number) * (_PIECE // 4)
    for begin in range(0, size, len(piece)):
        yield piece[: size - begin]
