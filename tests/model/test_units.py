"""Sizes and durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit.model import units


@given(st.integers(1, 2**50))
def test_sizes_come_back(size: int) -> None:
    assert units.parse_pve_size(units.format_pve_size(size)) == size
    assert units.parse_size(units.format_size(size)) == size


@given(st.integers(1, 10**7))
def test_durations_come_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert units.parse_duration(units.format_duration(seconds)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "size"),
    [("20GiB", 20 * units.GIB), ("20G", 20 * units.GIB), ("1.5 TiB", 1536 * units.GIB), ("528K", 528 * units.KIB)],
)
def test_size(text: str, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4TB", 4 * 10**12),
        ("500 GB", 5 * 10**11),
        ("1.92TB", 1_920 * 10**9),
        ("1GiB", units.GIB),
        ("2T", 2 * units.TIB),
    ],
)
def test_disk_size(text: str, size: int) -> None:
    assert units.parse_disk_size(text) == size


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("20", "Write 20GiB"),
        ("2048", "Write 2048MiB"),
        ("20GB", "Write 20GiB"),
        ("20 gb", "Write 20GiB"),
        ("20 parsecs", "Known units"),
        ("-1GiB", "Write a number"),
        ("", "Write a number"),
        ("0.3KiB", "smaller unit"),
    ],
)
def test_size_refused(text: str, hint: str) -> None:
    with pytest.raises(units.UnitError) as caught:
        units.parse_size(text)
    assert hint in caught.value.hint


def test_durations() -> None:
    assert units.parse_duration("500ms") == 0.5
    assert units.parse_duration("2h") == 7200
    assert units.format_duration(0) == "0s"
    assert units.format_duration(300) == "5m"
    for text in ("5", "5 fortnights", "x"):
        with pytest.raises(units.UnitError):
            units.parse_duration(text)
    with pytest.raises(units.UnitError):
        units.parse_pve_size("20GiB")
