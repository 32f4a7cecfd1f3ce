"""What all file systems of an image have in common: folders, entries, and finding a file by its path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pvekit.adapters.media.source import ByteSource

# A real folder of installation media has some hundred entries: 40 to 300 bytes each.
MAX_FOLDER = 4 << 20
MAX_ENTRIES = 50_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder. ``open`` gives a file's bytes or a folder's own bytes."""

    name: str
    folder: bool
    open: Callable[[], ByteSource]


class Volume(Protocol):
    """One way to read the names of an image. ``kind`` is UDF, Joliet or ISO 9660."""

    kind: str
    label: str

    def root(self) -> list[Entry]:
        """Return the entries of the top folder. Raises ImageInvalid."""
        ...

    def entries(self, folder: Entry) -> list[Entry]:
        """Return the entries of a folder. Raises ImageInvalid."""
        ...


def find(volume: Volume, path: str) -> Entry | None:
    """Return the entry at ``path`` (slashes, no difference of case, as Windows looks it up); None if not there."""
    entries = volume.root()
    found: Entry | None = None
    for part in path.strip("/").split("/"):
        if found is not None:
            if not found.folder:
                return None
            entries = volume.entries(found)
        found = next((each for each in entries if each.name.casefold() == part.casefold()), None)
        if found is None:
            return None
    return found


def find_file(volume: Volume, path: str) -> ByteSource | None:
    """Return the bytes of the file at ``path``; None when there is no such file."""
    entry = find(volume, path)
    return entry.open() if entry is not None and not entry.folder else None
