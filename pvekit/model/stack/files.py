"""What a stack file may ask of the file system, as a door: the model itself opens nothing."""

from __future__ import annotations

from typing import Protocol


class Files(Protocol):
    """Files named in a stack. Both raise OSError or UnicodeDecodeError when it cannot be done."""

    def read(self, path: str) -> str:
        """Return the text of a file (keys, user data)."""

    def locate(self, path: str) -> str:
        """Return the absolute path of an existing file (images, playbooks)."""


class NoFiles:
    """Opens nothing: included texts are an error, other paths stay as written."""

    def read(self, path: str) -> str:
        """Refuse."""
        raise FileNotFoundError(2, "files are not read here", path)

    def locate(self, path: str) -> str:
        """Return the path as it is."""
        return path


def reason(error: OSError) -> str:
    """Return the system's reason, to stand inside a sentence."""
    text = error.strerror or "unknown reason"
    return text[:1].lower() + text[1:]


def why(error: OSError | UnicodeDecodeError) -> str:
    """Return the reason in a few words."""
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else reason(error)
