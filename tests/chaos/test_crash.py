"""`pvekit up` dies before and after each of its requests; the next one always ends in the same state.

The node is the embedded one with hollow machines, pvekit is pvekit: see ``runner``.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.chaos.arena import Arena, arena

WORKERS = 2
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arenas() -> Iterator[list[Arena]]:
    with arena() as first, arena() as second:
        yield [first, second]


@dataclass
class Sweep:
    """All deaths to die, who died where, and what went wrong."""

    deaths: deque[tuple[int, str]]
    killed: Counter[str] = field(default_factory=Counter)
    survived: int = 0
    wrong: list[str] = field(default_factory=list)

    def work(self, place: Arena, one: Callable[[Arena, int, str], str | None]) -> None:
        while self.deaths and len(self.wrong) < 5:
            at, when = self.deaths.popleft()
            try:
                request = one(place, at, when)
            except Exception as error:  # noqa: BLE001 - told below, with the death that led to it
                self.wrong.append(f"killed {when} request {at}: {type(error).__name__}: {error}")
                continue
            self.survived += request is None
            if request is not None:
                self.killed[f"{when} {request}"] += 1

    def run(self, arenas: list[Arena], one: Callable[[Arena, int, str], str | None]) -> None:
        threads = [threading.Thread(target=self.work, args=(place, one)) for place in arenas]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.wrong, "\n\n".join(self.wrong)


def deaths(count: int) -> deque[tuple[int, str]]:
    return deque((at, when) for at in range(1, count + 1) for when in ("before", "after"))


def finished(place: Arena, name: str, **order: Any) -> dict[str, Any]:
    """Run `up` to its end, then once more: it must find nothing to do and write nothing."""
    stack = place.folder / f"{name}.yaml"
    again = place.up(stack)
    assert (again["error"], again["text"]) == ("", "")
    assert again["left"] in ([], None)
    third = place.up(stack)
    assert third["error"] == ""
    assert third["planned"] == []
    assert [request for request in third["sent"] if not request.startswith("GET ")] == []
    return place.settled(name, **order)


def test_every_request(arenas: list[Arena]) -> None:
    first = arenas[0].name()
    whole = arenas[0].up(arenas[0].stack(first))
    assert whole["error"] == ""
    wanted = finished(arenas[0], first)
    assert set(wanted) == {"one", "two", "three"}
    assert {vm["mark"][1] for vm in wanted.values()} == {"ready"}
    count = len(whole["sent"])

    def one(place: Arena, at: int, when: str) -> str | None:
        name = place.name()
        died = place.up(place.stack(name), at=at, when=when)
        if "killed" not in died:
            assert died["error"] == ""
        assert finished(place, name) == wanted
        return where(whole["sent"], at) if "killed" in died else None

    begin = time.monotonic()
    sweep = Sweep(deaths(count))
    sweep.run(arenas, one)
    writes = {request for request in whole["sent"] if not request.startswith("GET ")}
    print(f"\nK = {count} requests, {2 * count} deaths, {sweep.survived} runs ended before theirs,", end=" ")
    print(f"{len(writes)} kinds of write, {time.monotonic() - begin:.0f} s")
    # How many polls a run needs varies a little, so its last request or two may not come.
    assert sweep.survived <= count // 10


def where(sent: list[str], at: int) -> str:
    return sent[at - 1] if at <= len(sent) else "later"


def test_requests_about_an_image(arenas: list[Arena]) -> None:
    """The image is shared by all stacks and so mostly there already: here each death has one of its own."""
    first = arenas[0].name()
    image = arenas[0].fresh_image()
    whole = arenas[0].up(arenas[0].stack(first, "  one: {}\n", image=image))
    assert whole["error"] == ""
    wanted = finished(arenas[0], first, image=image)
    count = whole["sent"].index("POST /nodes/pve/qemu")

    def one(place: Arena, at: int, when: str) -> str | None:
        name, fresh = place.name(), place.fresh_image()
        died = place.up(place.stack(name, "  one: {}\n", image=fresh), at=at, when=when)
        assert died["killed"]
        assert finished(place, name, image=fresh) == wanted
        return where(whole["sent"], at)

    sweep = Sweep(deaths(count))
    sweep.run(arenas, one)
    print(f"\n{count} requests until the VM is created, {2 * count} deaths")
