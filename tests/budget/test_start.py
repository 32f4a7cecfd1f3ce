"""The memory is looked at again right before each start: refused, and gone on with when it is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pvekit import guests
from pvekit.adapters import pve as api
from pvekit.adapters.pve.node import NodeStatus
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PermissionDenied
from pvekit.model.stack import Stack, Vm
from tests.helpers.cli_room import Place

GIB = 1 << 30


@contextmanager
def memory(available: int, swap: int = 0) -> Iterator[None]:
    """Have every node say that so much is available, in bytes."""

    def status(_pve: api.Pve, _node: str) -> NodeStatus:
        return NodeStatus("", 8, 32 * GIB, available, swap)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "node_status", status)
        yield


def test_refused_and_gone_on_with(place: Place) -> None:
    stack = place.stack("tight", "  one: {memory: 2GiB, cores: 4}\n")
    with memory(2 * GIB):
        place.run("up", stack, "-y").ended(8).says(
            "pve has too little memory for one", "2.0 GiB + 0.2 for QEMU = 2.2 GiB", "2.0 GiB are free", "continues"
        )
    assert place.vms("tight")["one"]["status"] == "stopped"
    with memory(2 * GIB + GIB // 2):
        place.run("up", stack, "-y").ended(0)
    assert place.vms("tight")["one"]["status"] == "running"


def test_swap_helps_and_a_balloon_as_well(place: Place) -> None:
    with memory(GIB, swap=2 * GIB):
        place.run("up", place.stack("swap", "  one: {memory: 2GiB}\n"), "-y").ended(0)
    stack = place.stack("air", "  one: {memory: 8GiB, balloon: 512MiB}\n")
    with memory(GIB // 2):
        place.run("up", stack, "-y").ended(8).says("0.5 GiB (with its balloon full)")
    with memory(GIB):
        place.run("up", stack, "-y").ended(0)


def test_pinned_memory_must_be_free(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = guests.desired

    def with_pages(stack: Stack, vm: Vm) -> DesiredVm:
        made = real(stack, vm)
        return dataclasses.replace(made, config={**made.config, "balloon": "0", "hostpci0": "mapping=none"})

    stack = place.stack("card", "  one: {memory: 2GiB}\n")
    place.run("up", place.stack("card", "  one: {memory: 2GiB, state: stopped}\n", file="off.yaml"), "-y").ended(0)
    monkeypatch.setattr(guests, "desired", with_pages)
    monkeypatch.setattr("pvekit.provision.mappings.check", lambda *_: ())
    with memory(GIB, swap=64 * GIB):
        place.run("up", stack, "-y").ended(8).says("hostpci0 pins it", "1.0 GiB are free")


def test_a_token_that_may_not_see_it_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> NodeStatus:
        raise PermissionDenied("Permission check failed (/nodes/pve, Sys.Audit)", status=403)

    monkeypatch.setattr(api, "node_status", refused)
    place.run("up", place.stack("blind", "  one: {}\n"), "-y", "--json").ended(0).says("Sys.Audit on the node")


def test_a_restart_is_looked_at_as_well(place: Place) -> None:
    stack = place.stack("again", "  one: {memory: 1GiB}\n")
    place.run("up", stack, "-y").ended(0)
    stack.write_text(stack.read_text().replace("memory: 1GiB", "memory: 4GiB"))
    with memory(2 * GIB):
        place.run("up", stack, "-y", "--restart").ended(8).says("too little memory for one")
    with memory(8 * GIB):
        place.run("up", stack, "-y").ended(0)
