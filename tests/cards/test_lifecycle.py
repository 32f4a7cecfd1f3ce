"""One card from nothing to a VM that has it, through changes, and back to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.lab import hollow
from pvekit.model.pcimap import by_node
from tests.helpers.cli_room import Place

REFUSED = Path(__file__).with_name("refused.yaml")
P106 = "gpus:\n  p106: {match: {id: '10de:1c07'}}\n"
ENTRY = "node=pve,path=0000:01:00,id=10de:1c07,subsystem-id=1043:85f4,iommugroup=1"


def mappings(place: Place) -> dict[str, dict[str, Any]]:
    """Return the mappings by name."""
    return {row["id"]: row for row in place.api.get("/cluster/mapping/pci")}


def test_a_card_comes_stays_and_goes(place: Place) -> None:
    stack = place.stack("home", "  play: {node: pve, gpus: [{name: p106, primary: true, rombar: false}]}\n" + P106)
    place.run("plan", stack).ended(2).says(
        "1 resource mapping to write", f"home-p106: the card p106 has no resource mapping\n      {ENTRY}",
        "hostpci0: mapping=home-p106,pcie=1,rombar=0,x-vga=1", "verify, look for the cards in the guest",
    )  # fmt: skip
    result = place.run("up", stack, "-y", "--json").ended(0)
    result.says("0000:01:00.0 of pve (10de:1c07 P106-100): 0000:01:00.0, driver none yet, memory 16MiB")
    result.says("0000:01:00.1 of pve (10de:10f1 GP106 Audio)")
    found = mappings(place)["home-p106"]
    assert by_node(found["map"]) == {"pve": ENTRY}
    assert found["description"].startswith("pvekit.home: the card p106")
    vmid = place.vms("home")["play"]["vmid"]
    config = place.config(vmid)
    assert config["hostpci0"] == "mapping=home-p106,pcie=1,rombar=0,x-vga=1"
    assert (config["machine"], config["balloon"]) == ("q35", 0)
    begun = place.wrote()
    place.run("plan", stack).ended(0).says("no changes")
    place.run("up", stack, "-y").ended(0)
    assert begun() == 0

    without = place.stack("home", "  play: {node: pve}\n")
    place.run("plan", without).ended(2).says("hostpci0: mapping=home-p106", "(removed)", "used by no VM")
    place.run("up", without, "-y", "--restart").ended(0)
    assert mappings(place) == {}
    assert "hostpci0" not in place.config(vmid)
    place.run("plan", without).ended(0).says("no changes")


def test_another_match_changes_the_mapping_and_says_that_a_restart_is_due(place: Place) -> None:
    first = place.stack("move", "  play: {node: pve, gpus: [card]}\ngpus: {card: {match: {address: '02:00.0'}}}\n")
    place.run("up", first, "-y").ended(0)
    other = place.stack("move", "  play: {node: pve, gpus: [card]}\ngpus: {card: {match: {subsystem: '1462:3302'}}}\n")
    place.run("plan", other).ended(2).says(
        "path=0000:02:00", "-> node=pve,path=0000:03:00", "keeps card as it was until its restart"
    )
    place.run("plan", other, "--restart").ended(2).says("restart: its card changes", "look for the cards in the guest")
    place.run("up", other, "-y", "--restart", "--json").ended(0).says("0000:03:00.0 of pve")
    assert "path=0000:03:00" in mappings(place)["move-card"]["map"][0]
    place.run("plan", other).ended(0)
    matched = place.stack(
        "move", "  play: {node: pve, gpus: [card]}\ngpus: {card: {match: {id: '10de:1c07'}, functions: matched}}\n"
    )
    place.run("up", matched, "-y", "--restart").ended(0)
    assert "path=0000:01:00.0," in mappings(place)["move-card"]["map"][0]
    place.run("down", matched, "--confirm", "move").ended(0).says("resource mapping move-card")
    assert mappings(place) == {}


def test_a_mapping_has_one_entry_for_each_node(place: Place) -> None:
    vms = "  one: {node: pve, gpus: [p106]}\n  two: {node: pve2, gpus: [p106]}\n"
    stack = place.stack("both", vms + P106)
    place.run("up", stack, "-y", "--only", "one").ended(0)
    assert set(by_node(mappings(place)["both-p106"]["map"])) == {"pve"}
    place.run("up", stack, "-y").ended(0)
    assert by_node(mappings(place)["both-p106"]["map"]) == {"pve": ENTRY, "pve2": ENTRY.replace("pve", "pve2")}
    place.run("plan", stack).ended(0)
    place.run("plan", stack, "--only", "two").ended(0)
    place.run("down", stack, "--only", "two", "--confirm", "both").ended(0)
    assert set(by_node(mappings(place)["both-p106"]["map"])) == {"pve", "pve2"}


def test_a_new_vm_goes_where_its_card_is(place: Place) -> None:
    stack = place.stack("where", "  one: {gpus: [edu]}\ngpus: {edu: {match: {id: '1234:11e8'}}}\n")
    place.run("up", stack, "-y", "--json").ended(0).says("0000:06:00.0 of pve2 (1234:11e8")
    assert place.vms("where")["one"]["node"] == "pve2"
    fixed = place.stack("fixed", "  one: {gpus: [p106]}\ngpus: {p106: {match: {id: '10de:1c07'}, node: pve2}}\n")
    place.run("up", fixed, "-y").ended(0)
    assert place.vms("fixed")["one"]["node"] == "pve2"


@pytest.mark.parametrize("case", yaml.safe_load(REFUSED.read_text()), ids=lambda case: case["about"])
def test_what_cannot_work_is_refused_before_anything_is_done(place: Place, case: dict[str, Any]) -> None:
    begun = place.wrote()
    stack = place.stack("bad", f"  {case['vms']}\ngpus:\n  {case['gpus']}\n")
    place.run("up", stack, "-y").ended(8).says(*case["says"])
    assert begun() == 0


def test_what_the_node_loses_with_the_card_is_said(place: Place) -> None:
    stack = place.stack("group", "  a: {node: pve, gpus: [x]}\ngpus: {x: {match: {address: '04:00.0'}}}\n")
    place.run("plan", stack).ended(2).says("a: x shares IOMMU group 4 of pve with 0000:04:01.0 [8086:1521] I350")


def test_somebody_elses_mapping_is_left_alone(place: Place) -> None:
    place.api.post("/cluster/mapping/pci", id="theirs-p106", map=ENTRY)
    stack = place.stack("theirs", "  a: {node: pve, gpus: [p106]}\n" + P106)
    place.run("up", stack, "-y").ended(8).says("there is a PCI mapping theirs-p106 that pvekit did not make")
    place.run("down", stack, "--confirm", "theirs").ended(0)
    assert "theirs-p106" in mappings(place)


def test_a_card_that_the_guest_does_not_see_is_told_until_it_is_there(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = place.stack("blind", "  a: {node: pve, gpus: [p106]}\n" + P106)
    with monkeypatch.context() as patched:
        patched.setattr(hollow, "pci_files", lambda _cards: {"/proc/bus/pci/devices": b""})
        result = place.run("up", stack, "-y").ended(12)
    vmid = place.vms("blind")["a"]["vmid"]
    result.says("the guest does not see 0000:01:00.0 of pve", f"pvekit passthrough diagnose root@pve --vm {vmid}")
    place.run("plan", stack).ended(2).says("is the card in the guest")
    place.run("up", stack, "-y").ended(0)
    place.run("plan", stack).ended(0)


def test_a_stack_without_cards_asks_for_nothing_about_them(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from pvekit.adapters import pve as api

    asked: list[str] = []
    real = api.Pve.request

    def request(self: Any, method: str, path: str, *rest: Any, **named: Any) -> Any:
        asked.append(path)
        return real(self, method, path, *rest, **named)

    monkeypatch.setattr(api.Pve, "request", request)
    stack = place.stack("plain", "  a: {node: pve}\n" + P106)
    place.run("up", stack, "-y").ended(0)
    place.run("plan", stack).ended(0)
    assert not [path for path in asked if "pci" in path]
