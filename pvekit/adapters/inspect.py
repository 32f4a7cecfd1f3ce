"""The one look at disks, read only, for hosts and guests: a script, and its answer as facts."""

from __future__ import annotations

import json
from pathlib import Path

from pvekit.adapters.data import data_dir
from pvekit.model.datadisk import Machine, read_machine

COMMAND = ("python3", "-")
"""Reads the script from standard input, as root."""


def script() -> Path:
    """Return where the script is. It needs Python's own library only."""
    return data_dir("templates") / "nas" / "look_disks.py"


def parse(text: str) -> Machine:
    """Return what the script printed. ValueError when it is something else."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ValueError(f"the look at the disks gave no JSON: {error}") from error
    return read_machine(document)
