"""The embedded node from the command line. Hollow: the guests of it are tested elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from pvekit.lab import control
from pvekit.workflows.places import lab_state
from tests.helpers.cli_room import Place


@pytest.fixture(autouse=True)
def cleared(place: Place) -> Iterator[None]:
    assert lab_state().is_relative_to(place.folder)
    yield
    control.reset(lab_state())


def test_life(place: Place) -> None:
    place.run("lab", "status").ended(0).says("not running", "pvekit lab start")
    place.run("lab", "stop").ended(0).says("was not running")
    place.run("lab", "reset", "--yes").ended(0).says("nothing to delete")
    first = (
        place.run("lab", "start", "--hollow", "--node", "left", "--node", "right").ended(0).says("started: https://")
    )
    place.secrets += [control.status(lab_state()).token_secret, control.status(lab_state()).password]  # type: ignore[union-attr]
    again = place.run("lab", "start").ended(0).says("runs already")
    process = re.compile(r"process (\d+)")
    assert process.findall(first.out) == process.findall(again.out)
    status = json.loads(place.run("lab", "status", "--json").ended(0).out)
    assert status["hollow"]
    assert status["guests"] == []
    place.run("lab", "status").ended(0).says("running: https://127.0.0.1:", "no guests", "VMs only claim to run")
    stack = place.stack("inlab", "  one: {}\n  two: {}\n")
    place.run("up", stack, "-y", "--lab").ended(0)
    place.run("up", stack, "--lab").ended(0).says("no changes")
    place.run("lab", "status").ended(0).says("one", "two", "running", "pvekit.inlab")
    assert place.vms("inlab") == {}, "--lab must not touch the host that the stack names"
    place.run("lab", "stop").ended(0).says("stopped")
    place.run("lab", "status").ended(0).says("not running")
    place.run("lab", "start", "--hollow", "--node", "left", "--node", "right").ended(0)
    place.run("plan", stack, "--lab").ended(0)
    place.run("lab", "reset", typed="n\n").ended(1)
    place.run("lab", "reset").ended(1).says("--yes")
    place.run("lab", "reset", "--yes").ended(0).says("deleted")
    assert not lab_state().exists()
    place.run("lab", "stop").ended(0).says("was not running")


def test_host_lab_in_the_stack_file_starts_it(place: Place) -> None:
    place.run("lab", "start", "--hollow").ended(0)
    stack = place.stack("own", "  one: {}\n", host="host: lab\n")
    place.run("plan", stack).ended(2)
    place.run("up", stack, "-y").ended(0)
    place.run("down", stack, "--confirm", "own").ended(0)


def test_a_folder_that_is_no_node_is_not_deleted(place: Place) -> None:
    lab_state().mkdir()
    (lab_state() / "thesis.txt").write_text("mine")
    place.run("lab", "reset", "--yes").ended(15).says("does not look like an embedded node")
    assert (lab_state() / "thesis.txt").exists()
    (lab_state() / "thesis.txt").unlink()


def test_a_port_that_is_taken(place: Place) -> None:
    place.run("lab", "start", "--hollow", "--port", str(place.lab.server.port)).ended(15).says(
        "did not start", "daemon.log"
    )
