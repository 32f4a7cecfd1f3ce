"""PVE's task identifiers: ``UPID:node:pid:pstart:starttime:type:id:user:``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHAPE = re.compile(
    r"UPID:([a-zA-Z0-9.\-]+):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8}):([^:\s]+):([^:\s]*):([^:\s]+):"
)


@dataclass(frozen=True, slots=True)
class Upid:
    """The parts of a task identifier; ``start`` is in seconds since 1970, ``pstart`` in ticks since boot."""

    node: str
    pid: int
    pstart: int
    start: int
    kind: str
    subject: str
    auth_id: str

    def __str__(self) -> str:
        return (
            f"UPID:{self.node}:{self.pid:08X}:{self.pstart:08X}:{self.start:08X}:"
            f"{self.kind}:{self.subject}:{self.auth_id}:"
        )

    @property
    def user(self) -> str:
        """Return the user without a token's name."""
        return self.auth_id.partition("!")[0]

    @property
    def token(self) -> str:
        """Return the token's name, empty for a user."""
        return self.auth_id.partition("!")[2]


def parse_upid(text: str) -> Upid | None:
    """Return the parts, None for a text that is no task identifier."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    node, pid, pstart, start, kind, subject, auth_id = match.groups()
    return Upid(node, int(pid, 16), int(pstart, 16), int(start, 16), kind, subject, auth_id)
