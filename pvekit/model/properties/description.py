"""``description``: notes in Markdown. PVE keeps them to the byte, comments included."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.properties.base import PropertyInvalid

LIMIT = 8192


@dataclass(frozen=True, slots=True)
class Description:
    """Free text of at most 8192 characters."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Description:
        """Return the text as it is."""
        return cls(text)

    def __str__(self) -> str:
        """Return the text as it is. PropertyInvalid when it is too long for PVE."""
        if len(self.text) > LIMIT:
            raise PropertyInvalid(f"a description has at most {LIMIT} characters, this one has {len(self.text)}")
        return self.text


parse = Description.parse
