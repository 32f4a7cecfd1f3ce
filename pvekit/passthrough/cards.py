"""Graphics cards by name, for questions about a card that is not in the machine yet.

Only cards whose memory regions were seen in a dump or are told by the maker: each names where. Sizes are those without
resizable BAR; ``resized`` is what the large region grows to with it. All these cards also have a sound function (16
KiB) or none, and a ROM that is mapped only when it is read; both are counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pvekit.passthrough.pattern import Pattern

MIB = 1 << 20
GIB = 1 << 30

_ROM = MIB // 2


@dataclass(frozen=True, slots=True)
class CardBar:
    """One memory region. ``wide``: 64-bit and prefetchable, so that it may lie above 4 GiB."""

    number: int
    size: int
    wide: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One card. ``klass`` 0302: no outputs. ``power`` is what it may draw, in watts; None where no source was read.

    ``others`` is the memory of its other functions and its ROM. ``sources`` say where the sizes are from.
    """

    name: str
    title: str
    id: str
    klass: str
    bars: tuple[CardBar, ...]
    sources: tuple[str, ...]
    lanes: int = 16
    power: int | None = None
    resized: int | None = None
    others: int = _ROM

    @property
    def outputs(self) -> bool:
        """Return whether a monitor can be connected."""
        return self.klass != "0302"

    @property
    def wide(self) -> int:
        """Return the bytes that may lie above 4 GiB."""
        return sum(bar.size for bar in self.bars if bar.wide)

    @property
    def low(self) -> int:
        """Return the bytes that have to lie below 4 GiB."""
        return sum(bar.size for bar in self.bars if not bar.wide) + self.others


def _nvidia(large: int = 256 * MIB) -> tuple[CardBar, ...]:
    return (CardBar(0, 16 * MIB, False), CardBar(1, large, True), CardBar(3, 32 * MIB, True))


def _amd(registers: int) -> tuple[CardBar, ...]:
    return (CardBar(0, 256 * MIB, True), CardBar(2, 2 * MIB, True), CardBar(5, registers, False))


_PI = "geerlingguy/raspberry-pi-pcie-devices"
_POWER_P40 = "NVIDIA Tesla P40 product brief, PB-08338-001 (250 W)"

CARDS: tuple[Card, ...] = (
    Card(
        "p106", "NVIDIA P106-100 (mining card, GTX 1060 class)", "10de:1c07", "0302", _nvidia(),
        ("lshw of two hosts with a P106-100: 16, 256 and 32 MiB, no port and no ROM region",), others=0,
    ),
    Card(
        "p106-90", "NVIDIA P106-090 (mining card)", "10de:1c09", "0302", _nvidia(),
        ("lshw of a host with a P106-090: 16, 256 and 32 MiB",), others=0,
    ),
    Card(
        "1060", "NVIDIA GeForce GTX 1060 6GB", "10de:1c03", "0300", _nvidia(),
        ("lshw of four hosts with a GTX 1060 [10de:1c03]",), others=_ROM + (16 << 10),
    ),
    Card(
        "1080", "NVIDIA GeForce GTX 1080", "10de:1b80", "0300", _nvidia(), (f"lspci in {_PI}#123",),
        others=_ROM + (16 << 10),
    ),
    Card(
        "1080ti", "NVIDIA GeForce GTX 1080 Ti", "10de:1b06", "0300", _nvidia(),
        ("lshw of three hosts with a GTX 1080 Ti",), others=_ROM + (16 << 10),
    ),
    Card(
        "gt1030", "NVIDIA GeForce GT 1030", "10de:1d01", "0300", _nvidia(),
        ("kernel log of an HP Z440, linux-hardware.org probe C9D708E504",), lanes=4, others=_ROM + (16 << 10),
    ),
    Card(
        "m2000", "NVIDIA Quadro M2000", "10de:1430", "0300", _nvidia(),
        ("kernel log of an HP Z440, linux-hardware.org probe F202F01728",), others=_ROM + (16 << 10),
    ),
    Card(
        "p40", "NVIDIA Tesla P40 (24 GB)", "10de:1b38", "0302", _nvidia(32 * GIB),
        ("nvidia-smi -q of a Tesla P40 on Proxmox VE, driver 535.129.03: BAR1 32768 MiB",
         "the other regions as on all cards with a GP102 chip", _POWER_P40),
        power=250,
    ),
    Card(
        "m40", "NVIDIA Tesla M40 (24 GB)", "10de:17fd", "0302", _nvidia(32 * GIB),
        ("kernel log in xCuri0/ReBarUEFI#395: a window of 48 GiB is asked for, which holds 32 GiB and 32 MiB",
         "xCuri0/ReBarUEFI#45 and #77 (the card with 12 GB asks for 16 GiB)"),
    ),
    Card(
        "t4", "NVIDIA Tesla T4", "10de:1eb8", "0302", _nvidia(), ("lspci in cloud-hypervisor/cloud-hypervisor#434",),
    ),
    Card(
        "3060", "NVIDIA GeForce RTX 3060", "10de:2504", "0300", _nvidia(),
        ("kernel log of an HP Z440, linux-hardware.org probe 0EA1AD02F7", "lshw of four hosts with an RTX 3060"),
        others=_ROM + (16 << 10),
    ),
    Card(
        "3090", "NVIDIA GeForce RTX 3090 (24 GB)", "10de:2204", "0300", _nvidia(),
        ("lspci in HeyMeco/Rockchip-pcie-devices#2", "noonghunna/club-3090#734: some boards offer 256 MiB only",
         "lspci of a host with an RTX 3090 Ti [10de:2203]: 32 GiB with resizable BAR"),
        resized=32 * GIB, others=_ROM + (16 << 10),
    ),
    Card(
        "4090", "NVIDIA GeForce RTX 4090 (24 GB)", "10de:2684", "0300", _nvidia(),
        (f"lspci in {_PI}#504", "lspci in tinygrad/open-gpu-kernel-modules#28: 32 GiB with resizable BAR"),
        resized=32 * GIB, others=_ROM + (16 << 10),
    ),
    Card(
        "rx550", "AMD Radeon RX 550", "1002:699f", "0300", _amd(256 << 10),
        ("kernel log of an HP Z440, linux-hardware.org probe C9D708E504", f"lspci in {_PI}#6"), lanes=8,
        others=(128 << 10) + (16 << 10),
    ),
    Card(
        "rx580", "AMD Radeon RX 470 to RX 590", "1002:67df", "0300", _amd(256 << 10),
        ("lshw of a host with [1002:67df]: 256 MiB, 2 MiB and 256 KiB",
         "lspci in twifty/aura-gpu#5: 8 GiB with resizable BAR"),
        resized=8 * GIB, others=(128 << 10) + (16 << 10),
    ),
    Card(
        "rx6800", "AMD Radeon RX 6800 to RX 6900 XT", "1002:73bf", "0300", _amd(MIB),
        (f"lspci in {_PI}#222 (Navi 22, the same regions)",
         "lshw of a host with a Navi 21: 16 GiB, 2 MiB, 1 MiB with resizable BAR, and 1 MiB for the USB function"),
        resized=16 * GIB, others=MIB + (256 << 10),
    ),
    Card(
        "a770", "Intel Arc A770", "8086:56a0", "0300", (CardBar(0, 16 * MIB, False), CardBar(2, 256 * MIB, True)),
        ("lspci in ProjectPhysX/OpenCL-Benchmark#19: 16 GiB with resizable BAR",
         "lspci in raspberrypi/linux#6621 and xCuri0/ReBarUEFI#7: 256 MiB without (A750, A380)"),
        resized=16 * GIB, others=2 * MIB + (16 << 10),
    ),
)  # fmt: skip
"""Every card that is known by name. No entry without a source: A2 and RTX 4060 Ti are left out for want of one."""


_MAKER = Pattern(r"^(?:nvidia|amd|intel|geforce|tesla|radeon|quadro|arc|rtx|gtx)[\s_-]*(?=\w)")
_ALIASES = {
    "p106-100": "p106", "p106-090": "p106-90", "p106-6g": "p106", "1030": "gt1030", "550": "rx550", "570": "rx580",
    "580": "rx580", "590": "rx580", "rx570": "rx580", "rx590": "rx580", "6800": "rx6800", "rx6800xt": "rx6800",
    "rx6900xt": "rx6800",
}  # fmt: skip


def with_id(text: str) -> Card | None:
    """Return the card with this PCI id."""
    return next((card for card in CARDS if card.id == text), None)


def find(name: str) -> Card | None:
    """Return the card of that name (``p106``, ``RTX 3090``) or PCI id (``10de:1c07``); None when it is not known."""
    wanted, before = name.strip().lower(), ""
    while wanted != before:
        wanted, before = _MAKER.sub("", wanted), wanted
    wanted = re.sub(r"[\s_]+", "", wanted)
    wanted = _ALIASES.get(wanted, wanted)
    return next((card for card in CARDS if wanted in (card.name, card.id)), None)
