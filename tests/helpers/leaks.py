"""Looks for secrets where none may be: in the arguments of every process while something runs, in files afterwards."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, quote_plus

DISKS = frozenset({".qcow2", ".raw"})
"""The guests' own disks: a guest may know its own passwords."""


def forms(secret: str) -> list[bytes]:
    """Return a secret in the ways in which it could stand somewhere without being hidden."""
    plain = secret.encode()
    texts = {plain, secret.encode("utf-16-le"), quote(secret).encode(), quote_plus(secret).encode()}
    texts |= {base64.b64encode(each) for each in (plain, secret.encode("utf-16-le"))}
    texts.add(secret.encode("unicode_escape"))
    return sorted(texts)


def in_files(secrets: Iterable[str], roots: Iterable[Path], *, apart: Iterable[Path] = ()) -> list[str]:
    """Return the files below ``roots`` that hold a secret, but disks of guests and the files ``apart``."""
    wanted = [form for secret in secrets for form in forms(secret)]
    kept = set(apart)
    return sorted(
        str(path)
        for root in roots
        for path in root.rglob("*")
        if path not in kept and path.is_file() and not path.is_symlink() and path.suffix not in DISKS
        if _holds(path, wanted)
    )


def _holds(path: Path, wanted: list[bytes]) -> bool:
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return any(form in data for form in wanted)


class Watch:
    """Looks at the arguments of every process, again and again, while the block runs. ``found`` has what it saw."""

    def __init__(self, secrets: Iterable[str], pause: float = 0.02) -> None:
        self.found: set[str] = set()
        self._wanted = [form for secret in secrets for form in forms(secret)]
        self._pause = pause
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                self._read(entry)
            if self._end.wait(self._pause):
                return

    def _read(self, entry: Path) -> None:
        try:
            line = entry.read_bytes()
        except OSError:
            return  # it has ended
        if any(form in line for form in self._wanted):
            self.found.add(line.replace(b"\0", b" ").decode(errors="replace"))
