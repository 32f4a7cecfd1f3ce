"""What a root action does when it is carried out: to put files, to take them away, or to set keys of a VM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pvekit.model.stack.home import PoolDisk
from pvekit.provision.rootstep.items import Item


@dataclass(frozen=True, slots=True)
class Put:
    """Bring one item onto its node.

    ``texts`` are the whole files by path, ``seen`` their digests as the plan saw them, ``keep`` the paths where
    something of somebody else's stands that is kept. ``before`` goes into the headers.
    """

    item: Item
    texts: Mapping[str, str]
    seen: Mapping[str, str]
    keep: frozenset[str]
    before: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Take:
    """Undo one item: files by path with the digests that were seen, and what live settings were before."""

    name: str
    node: str
    vm: str
    seen: Mapping[str, str]
    before: Mapping[str, str] = field(default_factory=dict)
    initramfs: bool = False

    @property
    def timers(self) -> tuple[str, ...]:
        """Return the timers among the files."""
        return tuple(sorted(path.rpartition("/")[2] for path in self.seen if path.endswith(".timer")))


@dataclass(frozen=True, slots=True)
class Keys:
    """Set or remove keys of a VM's configuration that PVE takes from root only. ``disk``: a disk given whole."""

    vm: str
    node: str
    key: str
    before: str | None
    after: str | None
    disk: PoolDisk | None = None


Todo = Put | Take | Keys
