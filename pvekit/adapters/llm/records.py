"""Results of a benchmark as a file: one JSON object per line, each on disk before the next measurement starts."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from pvekit.adapters.files import write_atomic
from pvekit.model.benchmark import KINDS, VERSION, Record
from pvekit.model.errors import Conflict, PvekitError

SAME = ("suite", "target", "model")
"""What of the header has to be the same for a run to go on."""
_HEAD = "header"


def now() -> str:
    """Return the time as records write it."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def line(record: Record) -> str:
    """Return a record as one line, without its end."""
    row = {"kind": record.kind, "key": record.key, "at": record.at, "data": record.data, "version": record.version}
    return json.dumps(row)


def parse(text: str) -> Record:
    """Return the record in a line. Raises ValueError when it is none."""
    try:
        row = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(row, dict) or row.get("kind") not in KINDS or not isinstance(row.get("data"), dict):
        raise ValueError("it is not a record of a benchmark")
    key, at, version = row.get("key"), row.get("at"), row.get("version", VERSION)
    if not (isinstance(key, str) and isinstance(at, str) and isinstance(version, int)):
        raise ValueError("it is not a record of a benchmark")  # noqa: TRY004 - of a text, not of an argument
    if version > VERSION:
        raise ValueError(f"it is of form {version}, and this pvekit knows {VERSION}")
    return Record(row["kind"], key, at, row["data"], version)


def load(path: Path) -> list[Record]:
    """Return the records of a file, without a last line that a killed run left half written.

    Raises PvekitError when the file cannot be read or another line is no record.
    """
    try:
        return _records(path.read_bytes(), path)[0]
    except OSError as error:
        raise PvekitError(f"cannot be read: {error.strerror}", where=str(path), hint="Is it a results file?") from error


class Store:
    """An open results file. ``records`` is what it holds; ``note`` says what was wrong with its end, or nothing."""

    def __init__(self, path: Path, file: IO[bytes], records: list[Record], note: str) -> None:
        """Take over a locked file; use ``opened``."""
        self.path = path
        self.records = records
        self.note = note
        self._file = file

    def has(self, kind: str, key: str) -> bool:
        """Return whether this measurement is there."""
        return any(record.kind == kind and record.key == key for record in self.records)

    def append(self, kind: str, key: str, data: Mapping[str, Any]) -> Record:
        """Write one record and return when it is on disk. Raises PvekitError, such as for a full disk."""
        record = Record(kind, key, now(), data)
        start = self._file.tell()
        try:
            self._file.write(f"{line(record)}\n".encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            # Half a line would spoil the one after it.
            os.ftruncate(self._file.fileno(), start)
            raise PvekitError(
                f"cannot be written: {error.strerror}",
                where=str(self.path),
                hint="What is there stays. Make room, then go on with --resume.",
            ) from error
        self.records.append(record)
        return record


@contextmanager
def opened(path: Path, header: Mapping[str, Any], *, resume: bool = False) -> Iterator[Store]:
    """Open a results file for one run and lock it; a new one begins with ``header``.

    Raises Conflict when another run has it open, when it is there and ``resume`` is not asked for, or when it belongs
    to another suite, target or model; PvekitError when it cannot be read or written.
    """
    if not resume:
        if path.exists():
            raise Conflict("is there already", status=0, where=str(path),
                           hint="Go on with it: --resume. Or name another file with -o.")  # fmt: skip
        first = Record(_HEAD, _HEAD, now(), header)
        write_atomic(path, f"{line(first)}\n".encode(), exclusive=True)
    elif not path.exists():
        raise PvekitError("is not there", where=str(path), hint="Name the file to go on with: -o FILE. Or leave out "
                          "--resume.")  # fmt: skip
    try:
        file = path.open("r+b", buffering=0)
    except OSError as error:
        raise PvekitError(f"cannot be written: {error.strerror}", where=str(path), hint="Whose is it?") from error
    with file:
        _lock(file, path)
        records, whole = _records(file.read(), path)
        _refuse_other(records, header, path)
        cut = file.seek(0, os.SEEK_END) - whole
        if cut:
            file.truncate(whole)
        file.seek(whole)
        note = f"the last line was half written ({cut} bytes) and is dropped: it is measured again" if cut else ""
        yield Store(path, file, records, note)


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise Conflict("another run writes it now", status=0, where=str(path),
                       hint="Wait for its end, or name another file with -o.") from error  # fmt: skip


def _records(content: bytes, path: Path) -> tuple[list[Record], int]:
    """Return the records, and how many bytes they are; what a killed run began at the end does not count."""
    found: list[Record] = []
    whole = 0
    lines = content.splitlines(keepends=True)
    for number, raw in enumerate(lines, 1):
        last = number == len(lines)
        if last and not raw.endswith(b"\n"):
            break
        try:
            if raw.strip():
                found.append(parse(raw.decode()))
        except ValueError as error:
            # A machine that lost power may leave zeros where the last line should be.
            if last:
                break
            why = "it is not text" if isinstance(error, UnicodeDecodeError) else str(error)
            raise PvekitError(f"cannot be read: {why}", where=f"{path}:{number}",
                              hint="Is it a results file of pvekit llm bench?") from error  # fmt: skip
        whole += len(raw)
    return found, whole


def _refuse_other(records: list[Record], header: Mapping[str, Any], path: Path) -> None:
    if not records or records[0].kind != _HEAD:
        raise Conflict("it does not begin as results of a benchmark do", status=0, where=str(path),
                       hint="Name another file with -o.")  # fmt: skip
    for name in SAME:
        was, wanted = records[0].data.get(name), header.get(name)
        if was != wanted:
            raise Conflict(f"it belongs to another run: its {name} is {was}, and {wanted} is asked for", status=0,
                           where=str(path), hint="Ask for the same, or name another file with -o.")  # fmt: skip
