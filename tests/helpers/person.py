"""Somebody at a terminal, in a folder with a stack file, who types pvekit's commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers import autopsy, leaks


class Person:
    """Runs commands as a person would; everything that they see is kept in ``seen``."""

    def __init__(self, folder: Path, stack: str) -> None:
        (folder / "stack.yaml").write_text(stack)
        (folder / "tmp").mkdir()
        self.folder = folder
        self.seen = ""
        own = {"XDG_DATA_HOME": folder / "data", "TMPDIR": folder / "tmp", "PVEKIT_STACK": "stack.yaml"}
        self.env = {**os.environ, **{key: str(value) for key, value in own.items()}}
        self._secrets: dict[Path, str] = {}

    def secret(self, name: str, text: str) -> None:
        """Keep a secret in a file that nobody else may read."""
        (self.folder / name).write_text(text + "\n")
        (self.folder / name).chmod(0o600)
        self._secrets[self.folder / name] = text

    def watched(self) -> leaks.Watch:
        """Look for the secrets in the arguments of every process while something runs."""
        return leaks.Watch(self._secrets.values())

    def leaked(self) -> list[str]:
        """Return the files in which a secret stands: logs, configurations, descriptions, temporary files, CDs."""
        found = leaks.in_files(self._secrets.values(), [self.folder], apart=self._secrets)
        shown = [
            form for secret in self._secrets.values() for form in leaks.forms(secret) if form in self.seen.encode()
        ]
        return found + ["the terminal"] * bool(shown)

    def guests(self) -> str:
        """Return what became of the guests."""
        return autopsy.report(Path(self.env["XDG_DATA_HOME"]))

    def types(self, *arguments: str, code: int = 0, timeout: float = 900) -> str:
        """Run pvekit and return what it prints; its exit status has to be ``code``."""
        return self.runs([sys.executable, "-m", "pvekit.cli", *arguments], code=code, timeout=timeout)

    def runs(self, argv: list[str], *, code: int = 0, timeout: float = 900, text: str = "") -> str:
        """Run any program in the folder."""
        try:
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
        except subprocess.TimeoutExpired as late:
            shown = f"{late.stdout!r}\n{late.stderr!r}\n{self.guests()}"
            raise AssertionError(f"{' '.join(argv)}: no end after {timeout:.0f} s: {shown}") from None
        self.seen += done.stdout + done.stderr
        assert done.returncode == code, f"{' '.join(argv)}: {done.stdout}\n{done.stderr}\n{self.guests()}"
        return done.stdout
