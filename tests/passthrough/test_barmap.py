"""The BAR map: whose memory lies where, and what it adds up to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough import barmap
from pvekit.passthrough.facts.devices import Device
from pvekit.passthrough.facts.iomem import Iomem, Range
from pvekit.passthrough.facts.sysfs import Resource, SysfsDevice
from pvekit.passthrough.facts.windows import RootWindows, Window

GIB = 1 << 30
CARD = Bdf.parse("02:00.0")
LINE = Line("iomem.txt", 1, "")


def card(*resources: Resource) -> Device:
    """Return a card with these BARs."""
    sysfs = SysfsDevice(CARD, "vfio-pci", None, None, None, None, None, resources, {}, LINE)
    return Device(CARD, "0302", "10de", "1b38", "", "", "vfio-pci", 1, None, LINE, None, sysfs)


def memory(*ranges: tuple[int, int, str]) -> Iomem:
    """Return a map with these ranges."""
    return Iomem(tuple(Range(start, end, owner, depth, LINE) for depth, (start, end, owner) in enumerate(ranges)))


def test_ports_and_the_rom_are_no_memory_bars() -> None:
    found = barmap.bars(
        card(
            Resource(0, 0xFA000000, 0xFAFFFFFF, 0x40200),
            Resource(5, 0xE000, 0xE07F, 0x40101),
            Resource(6, 0xFB000000, 0xFB07FFFF, 0x46200),
        )
    )
    assert [(bar.number, bar.size) for bar in found] == [(0, 16 << 20)]


def test_a_bar_without_an_address_keeps_its_size() -> None:
    (bar,) = barmap.bars(card(Resource(1, 0, 32 * GIB - 1, 0x2014220C)))
    assert bar.start is None
    assert bar.size == 32 * GIB
    assert bar.wide
    assert bar.prefetchable


def test_the_map_itself_tells_the_bars_where_nothing_else_does() -> None:
    device = Device(CARD, "0300", "", "", "", "", None, None, None, LINE)
    (bar,) = barmap.bars(device, memory((0xC0000000, 0xCFFFFFFF, str(CARD)), (0xC0000000, 0xC07E8FFF, "BOOTFB")))
    assert (bar.start, bar.end) == (0xC0000000, 0xCFFFFFFF)


def test_only_a_framebuffer_inside_a_bar_is_a_claim() -> None:
    where = memory(
        (0xC0000000, 0xDFFFFFFF, "PCI Bus 0000:00"),
        (0xC0000000, 0xCFFFFFFF, str(CARD)),
        (0xC0000000, 0xC07E8FFF, "BOOTFB"),
        (0xD0000000, 0xD07E8FFF, "efifb"),
    )
    (claim,) = barmap.claims(where, CARD, ())
    assert claim.kind == barmap.BOOT


def test_what_has_no_address_counts_where_it_could_lie() -> None:
    low = Window("0000:00", 0xC0000000, 0xFBFFFFFF, LINE)
    high = Window("0000:00", 56 << 40, (56 << 40) + 2 * GIB - 1, LINE)
    windows = RootWindows((low, high))
    found = barmap.add_up(
        [card(Resource(0, 0xFA000000, 0xFAFFFFFF, 0x40200), Resource(1, 0, 32 * GIB - 1, 0x2014220C))], windows
    )
    assert (found.low, found.high) == (16 << 20, 32 * GIB)
    assert (found.low_window, found.high_window) == (960 << 20, 2 * GIB)
    assert [bar.number for _, bar in found.unplaced] == [1]


def test_without_windows_nothing_is_claimed_about_them() -> None:
    found = barmap.add_up([], Missing("dmesg.txt", "not in the bundle"))
    assert (found.low_window, found.high_window) == (0, 0)


@given(st.integers(0, 2**46), st.integers(0, 2**32), st.integers(0, 2**46), st.integers(0, 2**32))
def test_a_claim_always_lies_inside_a_bar(start: int, size: int, other: int, length: int) -> None:
    where = memory((other, other + length, "efifb"))
    bar = barmap.Placed(0, start, start + size, size + 1)
    found = barmap.claims(where, CARD, [bar])
    assert bool(found) is (start <= other and other + length <= start + size)


@given(st.integers(1, 1023), st.sampled_from("KMGT"))
def test_a_size_is_read_as_it_is_written(number: int, unit: str) -> None:
    assert barmap.human(barmap.size(f"{number}{unit}B")) == f"{number} {unit}iB"
    assert barmap.size(f"{number}{unit}") == barmap.size(f"{number}{unit}B")


@given(st.text())
def test_any_text_has_a_size(text: str) -> None:
    assert barmap.size(text) >= 0
