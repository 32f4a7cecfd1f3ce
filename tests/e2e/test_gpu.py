"""Cards of the embedded node, given to a real guest and taken away again: what a person types and sees.

QEMU's own devices stand in for the cards, so that the guest really has them on its bus, behind a port of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.helpers.person import Person

pytestmark = [pytest.mark.guest, pytest.mark.slow]

HEAD = """\
pvekit: 1
name: cards
host: lab
defaults: {storage: local, updates: none}
images:
  debian-13: {build: debian-13}
"""
VM = "  play: {kind: debian, image: debian-13, memory: 1GiB, ready: {within: 8m}, disks: [{size: 3GiB}]%s}\n"
WITH = ", gpus: [edu, {name: test, rombar: false}]"
GPUS = """\
gpus:
  edu: {match: {id: "1234:11e8"}}
  test: {match: {address: "02:00.0", subsystem: "1af4:1100"}}
"""
CARDS = [
    {"id": "0000:01:00.0", "iommugroup": 1, "stand-in": "edu"},
    {"id": "0000:02:00.0", "iommugroup": 2, "stand-in": "pci-testdev"},
    {"id": "0000:02:00.1", "iommugroup": 2, "stand-in": "ich9-intel-hda"},
]


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    somebody = Person(tmp_path_factory.mktemp("home"), HEAD + "vms:\n" + VM % WITH + GPUS)
    cards = somebody.folder / "cards.json"
    cards.write_text(json.dumps(CARDS))
    somebody.env["PVEKIT_LAB_PCI"] = str(cards)
    yield somebody
    somebody.types("lab", "reset", "--yes")


def test_up_gives_the_guest_its_cards_and_proves_it(person: Person) -> None:
    out = person.types("up", "stack.yaml", "--yes", "--json", timeout=1800)
    assert "0000:01:00.0 of pve (1234:11e8 QEMU educational device)" in out
    assert "driver none yet, memory 1MiB" in out
    assert "0000:02:00.1 of pve (8086:293e QEMU audio controller)" in out
    seen = person.types("ssh", "play", "--", "cat /sys/bus/pci/devices/*/subsystem_vendor /proc/bus/pci/devices")
    assert "123411e8" in seen
    assert "1b360005" in seen
    assert "0x1af4" in seen


def test_a_second_run_changes_nothing(person: Person) -> None:
    assert "no changes" in person.types("up", "stack.yaml", "--yes")
    assert "no changes" in person.types("plan", "stack.yaml")


def test_without_its_cards_the_guest_has_none_and_the_mappings_are_gone(person: Person) -> None:
    (person.folder / "stack.yaml").write_text(HEAD + "vms:\n" + VM % "")
    out = person.types("up", "stack.yaml", "--yes", "--restart", timeout=1800)
    assert "resource mapping cards-edu ok" in out
    assert "resource mapping cards-test ok" in out
    seen = person.types("ssh", "play", "--", "cat /proc/bus/pci/devices")
    assert "123411e8" not in seen
    assert "1b360005" not in seen
    assert "no changes" in person.types("plan", "stack.yaml")
    person.types("down", "stack.yaml", "--confirm", "cards")
