"""UPIDs: the names of PVE's tasks, ``UPID:node:pid:pstart:starttime:type:id:user:`` with hexadecimal numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

# pve-common, PVE/Tools.pm upid_decode. The user may be a token (user@realm!name); the id may be empty or escaped.
_UPID = re.compile(
    r"UPID:(?P<node>[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?):(?P<pid>[0-9A-Fa-f]{8}):(?P<pstart>[0-9A-Fa-f]{8,9}):"
    r"(?P<starttime>[0-9A-Fa-f]{8}):(?P<type>[^:\s]+):(?P<id>[^:\s]*):(?P<user>[^:\s]+):"
)


@dataclass(frozen=True, slots=True)
class Upid:
    """The parts of a UPID. ``starttime`` in Unix seconds, ``pstart`` in jiffies; ``user`` keeps the token's name."""

    node: str
    pid: int
    pstart: int
    starttime: int
    type: str
    id: str
    user: str

    def __str__(self) -> str:
        """Return the UPID as PVE writes it."""
        return (
            f"UPID:{self.node}:{self.pid:08X}:{self.pstart:08X}:{self.starttime:08X}:{self.type}:{self.id}:{self.user}:"
        )

    @property
    def token(self) -> str:
        """The token's name without its user, empty if a ticket started the task."""
        return self.user.partition("!")[2]


def parse_upid(text: str) -> Upid:
    """Read a UPID. ValueError for other text."""
    found = _UPID.fullmatch(text)
    if not found:
        raise ValueError(f"not a UPID: {text!r}")
    return Upid(
        node=found["node"],
        pid=int(found["pid"], 16),
        pstart=int(found["pstart"], 16),
        starttime=int(found["starttime"], 16),
        type=found["type"],
        id=found["id"],
        user=found["user"],
    )
