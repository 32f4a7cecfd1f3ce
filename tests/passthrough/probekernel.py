"""A kernel's VFIO doors for the probe program: what it is asked is checked as the kernel does, and can be refused."""

from __future__ import annotations

import errno
import importlib.util
import mmap
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from pvekit.adapters.data import data_dir

PROGRAM = data_dir("templates") / "host" / "passthrough-probe.py"


def load() -> ModuleType:
    """Return the program as a module."""
    spec = importlib.util.spec_from_file_location("pvekit_passthrough_probe", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROBE = load()
SHIFT = 40
"""Where vfio-pci puts the number of a region in an offset."""
GPU, AUDIO = "0000:01:00.0", "0000:01:00.1"


@dataclass
class Card:
    """One function. ``bars`` are sizes with whether they can be mapped."""

    id: str = "10de:1c07"
    klass: str = "030200"
    driver: str = "vfio-pci"
    group: str = "12"
    bars: dict[int, tuple[int, bool]] = field(default_factory=lambda: {0: (16 << 20, True), 1: (256 << 20, True)})
    reset: bool = True
    word: int = 0x136000A1


@dataclass
class Kernel:
    """What the fake knows. ``refuse`` gives the error of a call by its name, or by name and cycle."""

    cards: dict[str, Card] = field(default_factory=lambda: {GPU: Card(), AUDIO: Card("10de:10f1", "040300")})
    refuse: dict[Any, int] = field(default_factory=dict)
    viable: bool = True
    dead_in: int = 0
    depends: tuple[tuple[int, int, int], ...] = ()
    calls: list[str] = field(default_factory=list)
    cycle: int = 0
    opened: dict[int, str] = field(default_factory=dict)
    container: set[int] = field(default_factory=set)
    translated: bool = False
    mapped: dict[int, int] = field(default_factory=dict)
    resets: list[str] = field(default_factory=list)

    def check(self, name: str) -> None:
        """Refuse a call where the test says so."""
        self.calls.append(name)
        number = self.refuse.get(name) or self.refuse.get((name, self.cycle))
        if number:
            raise OSError(number, os.strerror(number))


def tree(root: Path, kernel: Kernel, reserved: str = "") -> Path:
    """Write the /sys and /proc that the program reads."""
    for bdf, card in kernel.cards.items():
        here = root / "sys/bus/pci/devices" / bdf
        here.mkdir(parents=True)
        vendor, device = card.id.split(":")
        texts = {
            "vendor": f"0x{vendor}",
            "device": f"0x{device}",
            "class": f"0x{card.klass}",
            "reset_method": "flr bus",
        }
        for name, text in texts.items():
            (here / name).write_text(text + "\n")
        lines = ["0x0000000000000000 0x0000000000000000 0x0000000000000000"] * 13
        for number, (size, _) in card.bars.items():
            flags = 0x40200 if number == 0 else 0x14220C
            start = 0xF0000000 + (number << 28)
            lines[number] = f"{start:#018x} {start + size - 1:#018x} {flags:#018x}"
        (here / "resource").write_text("\n".join(lines) + "\n")
        if card.driver:
            (here / "driver").symlink_to(f"../../../bus/pci/drivers/{card.driver}")
        (here / "iommu_group").symlink_to(f"../../../kernel/iommu_groups/{card.group}")
        group = root / "sys/kernel/iommu_groups" / card.group
        (group / "devices" / bdf).mkdir(parents=True)
        (group / "reserved_regions").write_text(reserved or "0x00000000fee00000 0x00000000feefffff msi\n")
    (root / "proc/sys/kernel/random").mkdir(parents=True)
    (root / "proc/sys/kernel/osrelease").write_text("6.8.12-2-pve\n")
    (root / "proc/sys/kernel/random/boot_id").write_text("6f3c\n")
    return root


class _Door(PROBE.Door):  # type: ignore[misc,name-defined]
    """The doors of one kernel."""

    kernel: Kernel

    def open(self, path: str) -> int:
        try:
            if path == "/dev/vfio/vfio":
                self.kernel.cycle += 1
            self.kernel.check(f"open {path}")
        except OSError as error:
            raise PROBE.Trouble("open", path, error.errno) from error
        return self._new(path)

    def _new(self, what: str) -> int:
        handle = 100 + len(self.kernel.calls)
        self.kernel.opened[handle] = what
        return handle

    def close(self, handle: int) -> None:
        what = self.kernel.opened.pop(handle)
        self.kernel.calls.append(f"close {what}")
        if what in self.kernel.cards:
            self.kernel.resets.append(f"close {what}")
        elif what != "/dev/vfio/vfio":
            assert not any(card.group == what.rpartition("/")[2] and bdf in self.kernel.opened.values()
                           for bdf, card in self.kernel.cards.items()), "a device is open still"  # fmt: skip
            self.kernel.container.discard(handle)
        else:
            assert not self.kernel.mapped, "memory is mapped still"
            self.kernel.translated = False

    def ioctl(self, handle: int, call: Any, argument: Any = 0, on: str = "") -> int:
        try:
            self.kernel.check(call.name)
            return self._do(self.kernel.opened[handle], handle, call, argument)
        except OSError as error:
            raise PROBE.Trouble(call.name, on, error.errno) from error

    def _do(self, what: str, handle: int, call: Any, argument: Any) -> int:
        name = call.name
        if name == "VFIO_GET_API_VERSION":
            return 0
        if name == "VFIO_CHECK_EXTENSION":
            return int(argument in (1, 3))
        if name == "VFIO_GROUP_GET_STATUS":
            assert struct.unpack("=II", argument)[0] == 8
            argument[:] = struct.pack("=II", 8, int(self.kernel.viable))
            return 0
        if name == "VFIO_GROUP_SET_CONTAINER":
            assert self.kernel.opened[struct.unpack("=i", argument)[0]] == "/dev/vfio/vfio"
            self.kernel.container.add(handle)
            return 0
        if name == "VFIO_SET_IOMMU":
            assert self.kernel.container, "no group is in the container"
            assert argument == 3
            self.kernel.translated = True
            return 0
        if name == "VFIO_IOMMU_MAP_DMA":
            size, flags, address, iova, length = struct.unpack("=IIQQQ", argument)
            assert self.kernel.translated
            assert (size, flags) == (32, 3)
            assert address
            assert address % mmap.PAGESIZE == 0
            self.kernel.mapped[iova] = length
            return 0
        if name == "VFIO_IOMMU_UNMAP_DMA":
            size, flags, iova, length = struct.unpack("=IIQQ", argument)
            assert (size, flags) == (24, 0)
            argument[:] = struct.pack("=IIQQ", 24, 0, iova, self.kernel.mapped.pop(iova))
            return 0
        if name == "VFIO_GROUP_GET_DEVICE_FD":
            assert self.kernel.translated
            bdf = bytes(argument).split(b"\0")[0].decode()
            assert self.kernel.cards[bdf].group == what.rpartition("/")[2]
            return self._new(bdf)
        return self._device(self.kernel.cards[what], what, name, argument)

    def _device(self, card: Card, bdf: str, name: str, argument: Any) -> int:
        if name == "VFIO_DEVICE_GET_INFO":
            assert struct.unpack("=I", argument[:4])[0] == 24
            argument[:] = struct.pack("=IIIIII", 24, 2 | int(card.reset), 9, 5, 0, 0)
        elif name == "VFIO_DEVICE_GET_REGION_INFO":
            size, _, index, _, _, _ = struct.unpack("=IIIIQQ", argument)
            assert size == 32
            length, maps = {7: (4096, False)}.get(index) or card.bars.get(index, (0, False))
            flags = (3 | (4 if maps else 0)) if length else 0
            argument[:] = struct.pack("=IIIIQQ", 32, flags, index, 0, length, index << SHIFT)
        elif name == "VFIO_DEVICE_RESET":
            assert card.reset
            self.kernel.resets.append(bdf)
        elif name == "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO":
            if not self.kernel.depends:
                raise OSError(errno.ENODEV, "No such device")
            struct.pack_into("=III", argument, 0, len(argument), 0, len(self.kernel.depends))
            for place, (group, bus, devfn) in enumerate(self.kernel.depends):
                struct.pack_into("=IHBB", argument, 12 + 8 * place, group, 0, bus, devfn)
        elif name == "VFIO_DEVICE_PCI_HOT_RESET":
            size, flags, count = struct.unpack_from("=III", argument)
            assert (size, flags) == (12 + 4 * count, 0)
            assert set(struct.unpack_from(f"={count}i", argument, 12)) == self.kernel.container
            self.kernel.resets.append("bus")
        else:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        return 0

    def read(self, handle: int, count: int, offset: int, on: str) -> bytes:
        index, bdf = offset >> SHIFT, self.kernel.opened[handle]
        try:
            self.kernel.check(f"pread {index}")
        except OSError as error:
            raise PROBE.Trouble("pread", on, error.errno) from error
        if self.kernel.cycle == self.kernel.dead_in:
            return b"\xff" * count
        if index == 7:
            vendor, device = (int(word, 16) for word in self.kernel.cards[bdf].id.split(":"))
            return struct.pack("<HH", vendor, device)
        return struct.pack("<I", self.kernel.cards[bdf].word)[:count]

    def map(self, handle: int, length: int, offset: int, on: str) -> None:
        index, bdf = offset >> SHIFT, self.kernel.opened[handle]
        assert self.kernel.cards[bdf].bars[index][1]
        assert length % mmap.PAGESIZE == 0
        try:
            self.kernel.check(f"mmap {index}")
        except OSError as error:
            raise PROBE.Trouble("mmap", on, error.errno) from error

    def word(self, handle: int, offset: int, on: str) -> int:
        self.kernel.calls.append(f"word {offset >> SHIFT}")
        return (
            0xFFFFFFFF
            if self.kernel.cycle == self.kernel.dead_in
            else self.kernel.cards[self.kernel.opened[handle]].word
        )


def door_of(kernel: Kernel) -> Any:
    """Return a maker of doors to this kernel."""
    return type("Door", (_Door,), {"kernel": kernel})
