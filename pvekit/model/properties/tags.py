"""``tags``: PVE sorts them and writes ``a;b``; it also reads commas and spaces."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pvekit.model.properties.base import PropertyInvalid

_TAG = re.compile(r"[a-z0-9_][a-z0-9_+.-]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tags:
    """A set of tags, sorted."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, *names: str) -> Tags:
        """Return the tags, sorted and once each. PropertyInvalid for a name that PVE refuses."""
        for name in names:
            if not _TAG.fullmatch(name):
                raise PropertyInvalid(f"{name!r} is not a tag that PVE allows")
        return cls(tuple(sorted(set(names))))

    @classmethod
    def parse(cls, text: str) -> Tags:
        """Return the tags of a PVE string."""
        return cls.of(*(name for name in re.split(r"[;,\s]+", text) if name))

    def __str__(self) -> str:
        """Return them as PVE writes them."""
        return ";".join(self.names)

    def __contains__(self, name: str) -> bool:
        """Return whether the tag is there."""
        return name in self.names


parse = Tags.parse
