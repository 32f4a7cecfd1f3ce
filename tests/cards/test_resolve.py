"""Which devices of a node a card of the stack file means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.adapters.pve.node import PciDevice
from pvekit.model.pcimap import by_node, parts, same
from pvekit.model.stack.gpus import Gpu, GpuMatch
from pvekit.provision.gpus import read_slots, resolve
from tests.provision.world import stack_of

CASES = yaml.safe_load(Path(__file__).with_name("resolve.yaml").read_text())


def device(address: str, text: str) -> PciDevice:
    """Return a device from ``class ids subsystem group``."""
    pci_class, ids, subsystem, group = text.split()
    return PciDevice(address, pci_class, "", ids, subsystem.replace("-", ""), int(group))


def card(shape: dict[str, Any]) -> Gpu:
    """Return a card as the stack file's reader makes it; one with a slot is made here, as it needs a host."""
    if "slot" in shape["match"]:
        return Gpu("x", GpuMatch(slot=shape["match"]["slot"]))
    return stack_of({"a": {}}, gpus={"x": shape}).gpus["x"]


@pytest.mark.parametrize("case", CASES, ids=[case["about"] for case in CASES])
def test_cases(case: dict[str, Any]) -> None:
    rows = {
        node: [device(address, text) for address, text in found.items()]
        for node, found in case.items()
        if node.startswith("pve")
    }
    slots = {node: read_slots(text) for node, text in case.get("slots", {}).items()}
    found = resolve(card(case["gpu"]), rows, slots)
    assert {**{node: each.entry for node, each in found.cards.items()}, **found.problems} == case["is"]
    for name in ("functions", "neighbours"):
        for node, addresses in case.get(name, {}).items():
            assert [row.address for row in getattr(found.cards[node], name)] == addresses


ADDRESSES = st.builds("0000:{:02x}:{:02x}.{}".format, st.integers(0, 3), st.integers(0, 1), st.integers(0, 7))
TEXTS = st.builds("030000 {} 1043:85f4 {}".format, st.sampled_from(["10de:1c07", "10de:1b81"]), st.integers(-1, 2))
ROWS = st.dictionaries(ADDRESSES, TEXTS, max_size=8)


@given(ROWS, st.sampled_from(["all", "matched"]))
def test_what_is_found_is_what_was_asked_for(found: dict[str, str], functions: Any) -> None:
    """A card is either one place that matches, or there is a reason; its entry says the same in any order."""
    rows = [device(address, found[address]) for address in sorted(found)]
    gpu = Gpu("x", GpuMatch(id="10de:1c07"), functions=functions)
    about = resolve(gpu, {"pve": rows})
    assert about.cards.keys() | about.problems.keys() == {"pve"}
    matching = [row for row in rows if row.id == "10de:1c07"]
    places = {row.place if functions == "all" else row.address for row in matching}
    assert (len(places) == 1) == ("pve" in about.cards)
    for one in about.cards.values():
        assert any(row in matching for row in one.functions)
        assert not {row.address for row in one.neighbours} & {row.address for row in one.functions}
        assert all(row.group == one.group for row in one.neighbours)
        turned = ",".join(reversed(one.entry.split(",")))
        assert same(one.entry, turned)
        assert by_node([turned]) == {"pve": turned}
        assert parts(one.entry)["path"] in {one.first.place, one.first.address}
