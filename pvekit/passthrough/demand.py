"""What the ports of a machine ask for in memory: the devices that stay, and cards that are added. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.barmap import Placed, human
from pvekit.passthrough.boards import Board
from pvekit.passthrough.bootdisplay import places
from pvekit.passthrough.cards import MIB, Card, with_id
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.iomem import Iomem
from pvekit.passthrough.facts.windows import RootWindows
from pvekit.passthrough.placing import Block, pack
from pvekit.passthrough.slots import Slot
from pvekit.passthrough.topology import Topology

RESERVE = 32 * MIB
"""What is set aside for devices that a partial listing does not show: a guess, and named as one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A card for a slot, as asked for."""

    card: Card
    slot: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the sum, in bytes. ``low`` has to lie below 4 GiB; ``wide`` may lie above."""

    what: str
    slot: str
    low: int
    wide: int
    added: bool = False


@dataclass(frozen=True)
class Machine:
    """What is known of the machine."""

    board: Board | None
    slots: tuple[Slot, ...]
    devices: Devices | Missing
    windows: RootWindows | Missing
    iomem: Iomem | Missing
    topology: Topology


@dataclass
class Load:
    """What one port asks for. ``unread``: its regions are not known."""

    what: str
    slot: str
    low: list[int]
    wide: list[int]
    added: bool = False
    grain: int = MIB
    unread: bool = False

    def blocks(self) -> list[Block]:
        """Return the pieces that it needs: one that may lie above 4 GiB, and one that may not."""
        parts = (
            pack(f"{self.what} (64-bit)", self.wide, wide=True, grain=self.grain),
            pack(f"{self.what} (32-bit)", self.low, wide=False, grain=self.grain),
        )
        return [part for part in parts if part is not None]

    def row(self) -> Row:
        """Return its line of the sum."""
        sizes = {block.wide: block.size for block in self.blocks()}
        return Row(self.what, self.slot, sizes.get(False, 0), sizes.get(True, 0), self.added)


def rows_of(loads: Iterable[Load]) -> tuple[Row, ...]:
    """Return a row for each port, and one for all that is small."""
    rows = [row for load in loads if (row := load.row()).low or row.wide]
    small = [row for row in rows if row.low + row.wide < MIB and not row.added]
    if len(small) < 2:
        return tuple(rows)
    rest = Row("small regions on the root bus", "", sum(row.low for row in small), sum(row.wide for row in small))
    large = [row for row in rows if row not in small]
    return (*(row for row in large if not row.added), rest, *(row for row in large if row.added))


def present(machine: Machine, gone: frozenset[Bdf], notes: list[str]) -> list[Load]:
    """Return what the devices that stay ask for, by port."""
    if isinstance(machine.devices, Missing):
        notes.append("which cards are in the machine is not known; nothing is counted for them")
        return []
    loads: dict[str, Load] = {}
    silent = []
    for device in machine.devices:
        if device.bdf in gone:
            continue
        regions = _completed(device, places(device, machine.iomem))
        if not regions:
            silent += [device] if device.gpu else []
            continue
        for region in regions:
            _load(machine, device, region, loads)
    loads |= {str(device.bdf): Load(f"{device.bdf} [{device.id}]", "", [], [], unread=True) for device in silent}
    if not machine.devices.whole:
        notes.append(f"not all devices are listed: {human(RESERVE)} are set aside for those that are not")
        loads["rest"] = Load("devices that are not listed", "", [RESERVE // 2, RESERVE // 2], [], grain=MIB)
    return list(loads.values())


def _completed(device: Device, regions: tuple[Placed, ...]) -> tuple[Placed, ...]:
    """Add the regions that such a card has and that the bundle does not show."""
    card = with_id(device.id)
    if card is None:
        return regions
    there = {region.number for region in regions}
    more = [bar for bar in card.bars if bar.number not in there]
    return (*regions, *(Placed(bar.number, None, None, bar.size, bar.wide, bar.wide) for bar in more))


def _load(machine: Machine, device: Device, region: Placed, loads: dict[str, Load]) -> None:
    if not region.size:
        return
    port = machine.topology.port_of(device.bdf)
    slot = next((slot for slot in machine.slots if device.bdf.bus in slot.buses), None)
    if device.bdf.bus == 0:
        key, what, grain = f"{device.bdf} {region.number}", f"{device.bdf} [{device.id}]", 4096
    else:
        key = str(port) if port is not None else f"bus {device.bdf.bus:02x}"
        what, grain = f"{device.bdf} [{device.id}]", MIB
    load = loads.setdefault(key, Load(what, slot.key if slot is not None else "", [], [], grain=grain))
    (load.wide if region.wide and region.prefetchable else load.low).append(region.size)


def added(wish: Wish) -> Load:
    """Return what a card that is not there yet asks for."""
    low = [bar.size for bar in wish.card.bars if not bar.wide]
    low += [wish.card.others] if wish.card.others else []
    return Load(wish.card.title, wish.slot, low, [bar.size for bar in wish.card.bars if bar.wide], added=True)
