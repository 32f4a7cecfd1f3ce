"""`pvekit up` dies before and after each of its requests; the next one always ends in the same state.

The node is the embedded one with hollow machines, pvekit is pvekit: see ``runner``.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pvekit.model import mark
from tests.chaos.arena import CHANGED, VMS, Arena, arena
from tests.conftest import Figure

WORKERS = 2
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arenas() -> Iterator[list[Arena]]:
    with arena() as first, arena() as second:
        yield [first, second]


Death = dict[str, Any]
"""Where a run dies: ``at`` or ``like``, and ``when`` (see ``runner.Wire``)."""


@dataclass
class Sweep:
    """All deaths to die, who died where, and what went wrong."""

    one: Callable[[Arena, Death], str]
    deaths: deque[Death] = field(default_factory=deque)
    died: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def work(self, place: Arena) -> None:
        while self.deaths and len(self.wrong) < 5:
            death = self.deaths.popleft()
            try:
                self.died[death["when"], self.one(place, death)] += 1
            except Exception as error:  # noqa: BLE001 - told below, with the death that led to it
                self.wrong.append(f"{death}: {type(error).__name__}: {error}")

    def run(self, arenas: list[Arena], deaths: Iterable[Death]) -> None:
        self.deaths.extend(deaths)
        threads = [threading.Thread(target=self.work, args=(place,)) for place in arenas]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.wrong, "\n\n".join(self.wrong)


def deaths(count: int) -> list[Death]:
    return [{"at": at, "when": when} for at in range(1, count + 1) for when in ("before", "after")]


def finished(place: Arena, name: str, *, image: Path | None = None, restart: bool = False) -> dict[str, Any]:
    """Run `up` to its end, then once more: it must find nothing to do and write nothing."""
    stack = place.folder / f"{name}.yaml"
    again = place.up(stack, restart=restart)
    assert again["error"] == "", again["text"]
    assert again["left"] in ([], None)
    third = place.up(stack)
    assert third["error"] == ""
    assert third["planned"] == []
    assert [request for request in third["sent"] if not request.startswith("GET ")] == []
    return place.settled(name, image=image)


def test_every_request(arenas: list[Arena], figure: Figure) -> None:
    first = arenas[0].name()
    whole = arenas[0].up(arenas[0].stack(first))
    assert whole["error"] == ""
    wanted = finished(arenas[0], first)
    assert set(wanted) == {"one", "two", "three"}
    assert {vm["mark"][1] for vm in wanted.values()} == {"ready"}
    count = len(whole["sent"])

    def one(place: Arena, death: Death) -> str:
        name = place.name()
        died = place.up(place.stack(name), **death)
        assert finished(place, name) == wanted
        # How often a run asks for its tasks varies a little, so the last numbers may not come.
        return str(died.get("killed", "nowhere"))

    begin = time.monotonic()
    sweep = Sweep(one)
    sweep.run(arenas, deaths(count))
    missed = [{"like": kind, "when": when} for when in ("before", "after") for kind in kinds(whole, sweep, when)]
    sweep.run(arenas, missed)
    for when in ("before", "after"):
        assert kinds(whole, sweep, when) == []
    deadly = sweep.died.total() - nowhere(sweep)
    figure(f"K = {count} requests; {deadly} deaths, {nowhere(sweep)} runs ended before theirs")
    figure(f"{len(set(whole['sent']))} kinds of request, each met before and after; {time.monotonic() - begin:.0f} s")


def kinds(whole: dict[str, Any], sweep: Sweep, when: str) -> list[str]:
    """Return the kinds of request that nobody died at yet. A log's later pages come by chance."""
    return sorted({kind for kind in whole["sent"] if "log?start=" not in kind and not sweep.died[when, kind]})


def nowhere(sweep: Sweep) -> int:
    return sum(count for (_, kind), count in sweep.died.items() if kind == "nowhere")


def test_requests_about_an_image(arenas: list[Arena], figure: Figure) -> None:
    """The image is shared by all stacks and so mostly there already: here each death has one of its own."""
    first = arenas[0].name()
    image = arenas[0].fresh_image()
    whole = arenas[0].up(arenas[0].stack(first, "  one: {}\n", image=image))
    assert whole["error"] == ""
    wanted = finished(arenas[0], first, image=image)
    count = whole["sent"].index("POST /nodes/pve/qemu")

    def one(place: Arena, death: Death) -> str:
        name, fresh = place.name(), place.fresh_image()
        died = place.up(place.stack(name, "  one: {}\n", image=fresh), **death)
        assert finished(place, name, image=fresh) == wanted
        return str(died["killed"])

    Sweep(one).run(arenas, deaths(count))
    figure(f"{count} requests until the VM is created, {2 * count} deaths")


def test_tasks_that_go_on_after_the_death(arenas: list[Arena]) -> None:
    """The node is slow: the task that the dead run began is still at work when the next run comes."""
    first = arenas[0].name()
    whole = arenas[0].up(arenas[0].stack(first, VMS["one"]))
    wanted = finished(arenas[0], first)
    slow = {"seed": 0, "rate": 1.0, "kinds": ["slow task"], "slow": 0.7}

    def one(place: Arena, death: Death) -> str:
        name = place.name()
        place.faults(slow)
        died = place.up(place.stack(name, VMS["one"]), **death)
        place.faults({})
        assert finished(place, name) == wanted
        return str(died["killed"])

    writes = sorted({kind for kind in whole["sent"] if not kind.startswith("GET ")})
    assert len(writes) >= 7
    Sweep(one).run(arenas, [{"like": kind, "when": "after"} for kind in writes])


def test_left_over_lock(arenas: list[Arena]) -> None:
    """A node died while it made a VM: its VMID is passed over, and nobody waits for the lock."""
    place, name = arenas[0], arenas[0].name()
    with place.half_made(mark.vmid_for(name, "one")):
        begin = time.monotonic()
        ended = place.up(place.stack(name, VMS["one"]))
        assert ended["error"] == "", ended["text"]
        assert time.monotonic() - begin < 30
    assert set(finished(place, name)) == {"one"}
    assert place.look(name)["vms"][0]["vmid"] == mark.vmid_for(name, "one", 1)


def test_requests_of_a_change(arenas: list[Arena], figure: Figure) -> None:
    """A VM that runs gets other settings, larger disks, one more, and a restart."""

    def change(place: Arena, name: str, death: Death) -> dict[str, Any]:
        assert place.up(place.stack(name, VMS["two"]))["error"] == ""
        return place.up(place.stack(name, CHANGED), restart=True, **death)

    first = arenas[0].name()
    whole = change(arenas[0], first, {})
    assert whole["error"] == ""
    assert {"two:configure", "two:resize:scsi0", "two:resize:scsi1", "two:restart"} <= set(whole["planned"])
    wanted = finished(arenas[0], first, restart=True)
    assert wanted["two"]["config"]["cores"] == "2"
    assert {"scsi0", "scsi1", "scsi2"} <= set(wanted["two"]["config"])

    def one(place: Arena, death: Death) -> str:
        name = place.name()
        died = change(place, name, death)
        assert finished(place, name, restart=True) == wanted
        return str(died.get("killed", "nowhere"))

    Sweep(one).run(arenas, deaths(len(whole["sent"])))
    figure(f"{len(whole['sent'])} requests of a change, {2 * len(whole['sent'])} deaths")


def test_stop_at_every_request(arenas: list[Arena], figure: Figure) -> None:
    """Ctrl-C at each request: the run ends cleanly, as stopped or (too late) done, and the next one goes on."""
    first, image = arenas[0].name(), arenas[0].fresh_image()
    whole = arenas[0].up(arenas[0].stack(first, VMS["two"], image=image))
    wanted = finished(arenas[0], first, image=image)

    def one(place: Arena, death: Death) -> str:
        name, fresh = place.name(), place.fresh_image()
        ended = place.up(place.stack(name, VMS["two"], image=fresh), **death)
        assert ended["error"] in ("Interrupted", ""), ended["text"]
        assert finished(place, name, image=fresh) == wanted
        return str(ended["error"] or "done")

    count = len(whole["sent"])
    sweep = Sweep(one)
    sweep.run(arenas, [{"at": at, "when": "stop"} for at in range(1, count + 1)])
    figure(f"stopped at {count} requests: {dict(sweep.died)}")
