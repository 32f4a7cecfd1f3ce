"""What guests say about their devices, and what a look into one concludes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.adapters.pve.node import PciDevice
from pvekit.model.guestpci import Bar, GuestDevice, linux_devices, read_bars, windows_devices
from pvekit.provision.apply.prove import faults
from pvekit.provision.gpus import Card

SAID = yaml.safe_load(Path(__file__).with_name("guests.yaml").read_text())
GPU = PciDevice("0000:01:00.0", "030000", "P106-100", "10de:1c07", "1043:85f4", 1)
SOUND = PciDevice("0000:01:00.1", "040300", "", "10de:10f1", "1043:85f4", 1)
CARD = Card("pve", "0000:01:00", (GPU, SOUND))
GOOD = (Bar(0, 0xDE000000, 16 << 20),)
PORTS, NOWHERE = Bar(5, 0xE000, 128, ports=True), Bar(1, 0, 256 << 20)


@pytest.mark.parametrize("case", SAID["linux"])
def test_linux(case: dict[str, Any]) -> None:
    assert [[each.id, each.address, each.driver] for each in linux_devices(case["text"])] == case["is"]


@pytest.mark.parametrize("case", SAID["windows"])
def test_windows(case: dict[str, Any]) -> None:
    assert [[each.id, each.wrong, bool(each.driver)] for each in windows_devices(case["text"])] == case["is"]


@pytest.mark.parametrize("case", SAID["bars"], ids=lambda case: case["about"])
def test_bars(case: dict[str, Any]) -> None:
    found = read_bars(case["text"].splitlines())
    assert [bar.size for bar in found if bar.start and not bar.ports] == case["memory"]
    assert sum(bar.ports and bar.start > 0 for bar in found) == case["ports"]
    assert sum(not bar.start for bar in found) == case["unassigned"]


@given(st.text())
def test_anything_is_read(text: str) -> None:
    """A guest may say what it likes."""
    read_bars(text.splitlines())
    assert all(len(each.id) == 9 for each in (*linux_devices(text), *windows_devices(text)))


def look(
    present: list[GuestDevice], about: tuple[Bar, ...] | None, cards: tuple[Card, ...] = (CARD,)
) -> tuple[list[str], list[str]]:
    """Return what is wrong, and what was told."""
    told: list[str] = []
    return list(faults(cards, present, lambda _device: about, told.append)), told


def test_all_functions_are_there() -> None:
    seen = [GuestDevice("10de:10f1", "0000:02:00.1"), GuestDevice("10de:1c07", "0000:02:00.0", "nvidia")]
    wrong, told = look(seen, GOOD)
    assert wrong == []
    assert told == [
        "0000:01:00.0 of pve (10de:1c07 P106-100): 0000:02:00.0, driver nvidia, memory 16MiB",
        "0000:01:00.1 of pve (10de:10f1): 0000:02:00.1, driver none yet, memory 16MiB",
    ]


def test_one_device_is_no_proof_of_two_cards() -> None:
    twice = (Card("pve", "0000:01:00", (GPU,)), Card("pve", "0000:02:00", (GPU,)))
    wrong, _told = look([GuestDevice("10de:1c07", "0000:02:00.0")], GOOD, twice)
    assert wrong == ["the guest does not see 0000:01:00.0 of pve (10de:1c07 P106-100)"]


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ((*GOOD, NOWHERE), "one of its address ranges got no address"),
        ((NOWHERE, NOWHERE), "its address ranges got no address"),
        ((PORTS,), "it has no memory there"),
        ((), "it has no memory there"),
    ],
)
def test_a_card_without_room_is_told(about: tuple[Bar, ...], words: str) -> None:
    wrong, _told = look([GuestDevice("10de:1c07", "0000:02:00.0")], about, (Card("pve", "0000:01:00", (GPU,)),))
    assert len(wrong) == 1
    assert words in wrong[0]
    assert "0000:02:00.0" in wrong[0]


def test_windows_tells_whether_it_works() -> None:
    failed = "Error CM_PROB_FAILED_POST_START"
    wrong, told = look([GuestDevice("10de:1c07", "P106-100", wrong=failed), GuestDevice("10de:10f1", "Sound")], None)
    assert wrong == [f"the guest sees 0000:01:00.0 of pve (10de:1c07 P106-100) at P106-100, but {failed}"]
    assert told == ["0000:01:00.1 of pve (10de:10f1): Sound, with no driver yet"]
