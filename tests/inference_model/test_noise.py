"""Laws of made-up weights, read back by the reference library."""

from __future__ import annotations

import random

import gguf
import numpy as np
import pytest

from pvekit.inference.models.noise import KINDS, noise
from pvekit.model.ggml import BY_NAME

_ROWS = 2000


@pytest.mark.parametrize("name", sorted(KINDS))
def test_made_up_weights_are_small_finite_numbers_of_many_sizes(name: str) -> None:
    kind = BY_NAME[name]
    raw = b"".join(noise(kind, kind.bytes * _ROWS, random.Random(3)))
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(_ROWS, kind.bytes)
    weights = gguf.quants.dequantize(rows, gguf.GGMLQuantizationType[name]).reshape(_ROWS, -1)
    assert np.isfinite(weights).all()
    assert 0 < np.abs(weights).max() < 10
    if name != "MXFP4":
        # A single scale would be faster than a real model's: it is looked up in a table.
        assert len(np.unique(np.abs(weights).max(axis=1))) > _ROWS / 20
