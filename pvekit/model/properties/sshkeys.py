"""``sshkeys``: public keys, one a line, URL-encoded as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

from pvekit.model.properties.base import PropertyInvalid


@dataclass(frozen=True, slots=True)
class SshKeys:
    """Public key lines."""

    keys: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> SshKeys:
        """Return the keys of a PVE string."""
        lines = (line.strip() for line in unquote(text).splitlines())
        return cls(tuple(line for line in lines if line))

    def __str__(self) -> str:
        """Return them URL-encoded; PVE wants every reserved character encoded, spaces as %20."""
        for item in self.keys:
            if not item.strip() or len(item.splitlines()) != 1 or item != item.strip():
                raise PropertyInvalid("an SSH key is one line without blanks around it")
        return quote("\n".join(self.keys), safe="")


parse = SshKeys.parse
