"""The fixed scripts under templates/host: their texts, and running one on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from pvekit.adapters.data import data_dir
from pvekit.model.errors import PvekitError


def text(name: str) -> bytes:
    """Return a script."""
    return (data_dir("templates") / "host" / name).read_bytes()


def run_here(name: str, arguments: Sequence[str] = (), *, timeout: float = 120.0) -> str:
    """Run a script on this machine and return what it prints. Raises PvekitError."""
    try:
        done = subprocess.run(
            ["/bin/sh", "-s", "--", *arguments], input=text(name), capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PvekitError(f"{name} did not end within {timeout:.0f} s", where="this machine") from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()[-300:]
        raise PvekitError(f"{name} ended with {done.returncode}: {words}", where="this machine")
    return done.stdout.decode(errors="replace")
