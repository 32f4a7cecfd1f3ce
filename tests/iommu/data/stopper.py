"""Runs on the host: the program that changes it, which stands still at one moment and says so, for the power to go."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from typing import Any

program, kind, which, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
spec = importlib.util.spec_from_file_location("pvekit_host", program)
assert spec is not None
assert spec.loader is not None
host = importlib.util.module_from_spec(spec)
spec.loader.exec_module(host)


def stand_still() -> None:
    """Say so, and wait for the power to go."""
    time.sleep(seconds)
    os.write(1, b"NOW\n")
    time.sleep(3600)


def rename(source: str, target: str, real: Any = os.rename) -> None:
    """Stand still before a file gets its name."""
    if kind == "rename" and target == which:
        stand_still()
    real(source, target)


def note(self: Any, real: Any = host.Journal.note, **record: Any) -> None:
    """Stand still before something is written into the journal."""
    if kind == "note" and which in (f"{record.get('op')}:{record.get('state')}", f"phase:{record.get('phase')}"):
        stand_still()
    real(self, **record)


def run(argv: list[str], real: Any = subprocess.run, **options: Any) -> Any:
    """Stand still some time after a command began, which goes on."""
    if kind == "command" and argv[0].endswith(f"/{which}"):
        threading.Thread(target=stand_still, daemon=True).start()
    return real(argv, **options)


setattr(os, "rename", rename)  # noqa: B010 - their types are not these
setattr(subprocess, "run", run)  # noqa: B010
host.Journal.note = note
sys.exit(host.main(["apply"]))
