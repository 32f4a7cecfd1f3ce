"""Memory modules: which channels have one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.adapters.llm_probe_dmi import parse, populated

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases/modules.yaml").read_text())
Z440 = Path(__file__).parents[3] / "shared/data/z440/dmi"


def printed(slots: str) -> str:
    """Return it as dmidecode prints it."""
    blocks = []
    for number, line in enumerate(slots.strip().splitlines(), 10):
        bank, locator, size, speed = (part.strip() for part in line.split("|"))
        there = size != "-"
        blocks.append(
            f"Handle 0x{number:04X}, DMI type 17, 40 bytes\nMemory Device"
            f"\n\tTotal Width: {'72 bits' if there else 'Unknown'}"
            f"\n\tData Width: {'64 bits' if there else 'Unknown'}\n\tSize: {size if there else 'No Module Installed'}"
            f"\n\tLocator: {locator}\n\tBank Locator: {bank}\n\tType: DDR4\n\tSpeed: {speed if there else 'Unknown'}"
            f"\n\tConfigured Memory Speed: {speed if there else 'Unknown'}\n"
        )
    return "# dmidecode 3.4\nGetting SMBIOS data from sysfs.\n\n" + "\n".join(blocks)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_modules_are_counted_by_channel(case: dict[str, Any]) -> None:
    found = parse(printed(case["slots"]))
    assert found is not None
    assert (found.channels, found.populated, found.megatransfers) == (
        case["channels"],
        case["populated"],
        case["speed"],
    )
    if "of_four" in case:
        assert populated(found, 4) == case["of_four"]


def test_a_text_without_memory_has_none() -> None:
    assert parse("# dmidecode 3.4\n# No SMBIOS nor DMI entry point found, sorry.\n") is None


def test_flash_is_no_memory() -> None:
    text = printed("ROM | SYSTEM ROM | 16 MB | 33 MT/s\nCHANNEL A | DIMM 0 | 8 GB | 3200 MT/s")
    found = parse(text)
    assert found is not None
    assert (found.slots, found.modules) == (1, 1)


@pytest.mark.skipif(not Z440.is_dir(), reason="the recordings are not here")
def test_recorded_workstations_fill_what_their_modules_can() -> None:
    for path in sorted(Z440.glob("*.txt")):
        found = parse(path.read_text())
        assert found is not None
        assert found.slots == 8
        # The board's manual puts the first four modules into a channel each.
        filled = {number for _, number in found.places}
        if filled in ({1}, {1, 8}, {1, 3, 6, 8}):
            assert populated(found, 4) == len(filled)
