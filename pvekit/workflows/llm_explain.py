"""Explains why a machine is as fast as it is, from whatever a person has."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pvekit.adapters.bundle import LARGEST_FILE, read_bundle
from pvekit.model.bundle import Bundle
from pvekit.model.errors import BundleInvalid

if TYPE_CHECKING:
    from pvekit.inference.explanation import Explanation
    from pvekit.inference.observed import Observed, Run

STDIN = "-"


def observe(paths: Sequence[str], *, stdin: BinaryIO | None = None) -> Observed:
    """Return what the files, folders, archives and ``-`` (what is piped in) say together.

    What cannot be read inside one of them is a note. Raises BundleInvalid.
    """
    from pvekit.inference.reports import read

    files: dict[str, str] = {}
    notes: list[str] = []
    for path in paths:
        bundle = _piped(stdin or sys.stdin.buffer) if path == STDIN else read_bundle(Path(path))
        # A file alone is its own name already; two folders may hold files of one name.
        many = len(paths) > 1 and set(bundle.files) != {bundle.name}
        for name, text in bundle.files.items():
            key = f"{bundle.name}/{name}" if many else name
            while key in files:
                key = f"{key}'"
            files[key] = text
        notes += [f"{name} was left out: {why}." for name, why in bundle.left_out.items()]
    observed = read(files, ", ".join(paths))
    return replace(observed, notes=(*observed.notes, *notes))


def _piped(stream: BinaryIO) -> Bundle:
    """Return what is piped in, as text or as an archive, with the limits of a file."""
    data = stream.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise BundleInvalid(
            f"there is more than {LARGEST_FILE // 1024 // 1024} MiB of it", where="standard input",
            hint="Keep the lines around the speeds and around the start.",
        )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="pvekit-explain-") as folder:
        path = Path(folder) / "stdin"
        path.write_bytes(data)
        return read_bundle(path)


def explain(observed: Observed) -> Explanation:
    """Return what makes it as fast as it is."""
    from pvekit.inference.explain import explain as judge

    return judge(observed)


def with_runs(observed: Observed, runs: Sequence[Run], model: str, read: int | None) -> Observed:
    """Return the case with the runs of an experiment added.

    ``model`` is the file they were made with, ``read`` the bytes a token reads of it: runs of another model than the
    case's carry its name.
    """
    same = observed.demand is None or (read is not None and abs(read - observed.demand.read) <= 0.02 * read)
    name = None if same else Path(model).stem
    return replace(observed, runs=(*observed.runs, *(replace(run, model=name) for run in runs)))
