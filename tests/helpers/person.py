"""Somebody at a terminal, in a folder with a stack file, who types pvekit's commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


class Person:
    """Runs commands as a person would; everything that they see is kept in ``seen``."""

    def __init__(self, folder: Path, stack: str) -> None:
        (folder / "stack.yaml").write_text(stack)
        self.folder = folder
        self.seen = ""
        self.env = {**os.environ, "XDG_DATA_HOME": str(folder / "data"), "PVEKIT_STACK": "stack.yaml"}

    def secret(self, name: str, text: str) -> None:
        """Keep a secret in a file that nobody else may read."""
        (self.folder / name).write_text(text + "\n")
        (self.folder / name).chmod(0o600)

    def types(self, *arguments: str, code: int = 0, timeout: float = 900) -> str:
        """Run pvekit and return what it prints; its exit status has to be ``code``."""
        return self.runs([sys.executable, "-m", "pvekit.cli", *arguments], code=code, timeout=timeout)

    def runs(self, argv: list[str], *, code: int = 0, timeout: float = 900, text: str = "") -> str:
        """Run any program in the folder."""
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=self.env,
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        self.seen += done.stdout + done.stderr
        assert done.returncode == code, f"{' '.join(argv)}: {done.stdout}\n{done.stderr}"
        return done.stdout
