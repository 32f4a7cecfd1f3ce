"""PCI mappings are asked for before anything is done: PVE itself would write an unknown one without a word."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pvekit import guests
from pvekit.model.desired import DesiredVm
from tests.helpers.cli_room import Place
from tests.workflows.conftest import MAPPED

Passes = Callable[[str], None]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Passes:
    """Return what gives every VM of a stack this hostpci0; the stack file has no word for it yet."""
    desired = guests.desired

    def install(value: str) -> None:
        def with_card(*arguments: Any) -> DesiredVm:
            vm = desired(*arguments)
            return dataclasses.replace(vm, config={**vm.config, "hostpci0": value})

        monkeypatch.setattr(guests, "desired", with_card)

    return install


@pytest.fixture
def gpu(place: Place) -> Iterator[None]:
    """A mapping that fits, on the first node only, and one that does not fit its card any more."""
    moved = MAPPED.format(node="pve").replace("10de:1b81", "10de:ffff")
    for name, entry in {"gpu": MAPPED.format(node="pve"), "moved": moved}.items():
        answer = place.api.ask("POST", "/cluster/mapping/pci", {"id": name, "map": entry})
        assert answer.status == 200, answer.body
    yield
    for name in ("gpu", "moved"):
        place.api.delete(f"/cluster/mapping/pci/{name}")


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("value", "node", "words"),
    [
        ("mapping=gqu,pcie=1", "pve", "there is no PCI mapping gqu. Did you mean gpu?"),
        ("mapping=card", "pve", "There are: gpu, moved"),
        ("mapping=gpu", "pve2", "has no device on pve2"),
        ("mapping=moved", "pve", "does not fit pve: "),
    ],
)
def test_what_cannot_be_passed_is_refused(place: Place, passes: Passes, value: str, node: str, words: str) -> None:
    passes(value)
    begun = place.wrote()
    stack = place.stack("mapped", f"  one: {{node: {node}}}\n")
    place.run("up", stack, "-y").ended(8).says("one: hostpci0: ", words)
    assert begun() == 0
    assert place.vms("mapped") == {}


@pytest.mark.usefixtures("gpu")
def test_what_fits_goes_through(place: Place, passes: Passes) -> None:
    passes("mapping=gpu,pcie=1")
    stack = place.stack("fits", "  one: {node: pve}\n")
    place.run("up", stack, "-y").ended(0)
    assert place.config(place.vms("fits")["one"]["vmid"])["hostpci0"] == "mapping=gpu,pcie=1"
    place.run("plan", stack).ended(0)
    place.run("down", stack, "--confirm", "fits").ended(0)


def test_without_any_mapping_the_hint_says_where_to_make_one(place: Place, passes: Passes) -> None:
    passes("mapping=gpu")
    place.run("plan", place.stack("none", "  one: {}\n")).ended(8).says("Resource Mappings", "Mapping.Audit")
