"""Where the foreign clients are, and why a test is skipped when they are not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pvekit.lab import control
from tests.foreign.install import COLLECTION, FOLDER

HINT = "not installed: python -m tests.foreign.install"


def folder() -> Path:
    """Return the environment that holds the clients (``PVEKIT_FOREIGN`` names another)."""
    return Path(os.environ.get("PVEKIT_FOREIGN", FOLDER))


def program(name: str) -> Path:
    """Return a client's program; skips the test if it is not installed."""
    path = folder() / "bin" / name
    if not path.exists():
        pytest.skip(f"{name} is {HINT}")
    return path


def collections() -> Path:
    """Return the folder with the Ansible collection; skips the test if it is not installed."""
    path = folder() / "collections"
    if not (path / COLLECTION).is_dir():
        pytest.skip(f"community.proxmox is {HINT}")
    return path


def run(argv: list[str], env: Mapping[str, str], cwd: Path, seconds: float = 300) -> str:
    """Run a client and return all it says; the test fails if it does."""
    done = subprocess.run(
        argv, env={**os.environ, **env}, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{argv[0]} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[control.Running]:
    """Run a hollow node in a process of its own."""
    state = tmp_path / "lab"
    yield control.start(state, hollow=True, cpus=4)
    control.reset(state)
