"""The header of a model on another machine: read piece by piece, the same as here."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from pvekit.adapters import gguf
from pvekit.adapters.llm_probe_gguf import header
from pvekit.adapters.runner import Local
from pvekit.adapters.ssh import Completed
from pvekit.model.errors import NotFound
from pvekit.workflows.llm_probe_model import counted
from tests.llama.model import gemma


class Elsewhere:
    """A machine that is not this one, with the same files."""

    where = "elsewhere"

    def __init__(self) -> None:
        self.moved = 0

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 60.0,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        done = subprocess.run(argv, capture_output=True, input=stdin, timeout=timeout, check=False)
        self.moved += len(done.stdout)
        return Completed(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_it_is_the_same_as_read_here_and_the_file_stays_there() -> None:
    machine = Elsewhere()
    assert replace(header(machine, str(gemma())), where="") == replace(gguf.read(gemma()), where="")
    assert machine.moved < gemma().stat().st_size / 8


def test_what_the_model_asks_for_is_counted_from_it() -> None:
    there, here = counted(Elsewhere(), str(gemma())), counted(Local(), str(gemma()))
    assert there == here
    assert there is not None
    assert there.read == 246_587_904


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFound, match="cannot be read"):
        header(Elsewhere(), "/nowhere/model.gguf")
    assert counted(Elsewhere(), "/nowhere/model.gguf") is None
