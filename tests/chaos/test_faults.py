"""Runs under seeded faults: each converges or ends with a PvekitError, and the next one without faults converges.

``PVEKIT_CHAOS_SEEDS=N`` runs the one seed N, ``PVEKIT_CHAOS_SEEDS=M:N`` those from M to before N.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

from tests.chaos.arena import CHANGED, VMS, Arena, arena
from tests.chaos.faults import OTHERS, REQUESTS, profile
from tests.conftest import Figure

PACE = 0.1
"""Pauses (of retries, polls, looks) are a tenth as long as in real life."""
READ = "1s"
"""A node that stays silent is silent for longer than that."""
LIMIT = 60
"""Seconds after which a run counts as hung."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def arenas() -> Iterator[list[Arena]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(arena()) for _ in range(3)]


@dataclass
class Storm:
    """All seeds still to try, how runs ended, which faults there were, and what went wrong."""

    cold: dict[str, Any]
    changed: dict[str, Any]
    seeds: deque[int]
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def work(self, place: Arena) -> None:
        while self.seeds and len(self.wrong) < 5:
            seed = self.seeds.popleft()
            try:
                self.one(place, seed)
            except Exception as error:  # noqa: BLE001 - told below, with its seed
                told = "\n  ".join(place.faults({}))
                self.wrong.append(f"PVEKIT_CHAOS_SEEDS={seed}: {type(error).__name__}: {error}\n  {told}")

    def one(self, place: Arena, seed: int) -> None:
        """Two of three schedules strike a cold `up`, the third a change of a VM that runs."""
        dice = random.Random(f"stack {seed}")
        name = place.name()
        login = dice.random() < 0.5
        names = dice.choice((["one"], ["two"], ["three"], ["one", "three"]))
        vms, wanted = "".join(VMS[vm] for vm in names), {vm: self.cold[vm] for vm in names}
        if seed % 3 == 2:
            assert place.up(place.stack(name, VMS["two"], login=login), pace=PACE)["error"] == ""
            vms, wanted = CHANGED, self.changed
        place.faults(asdict(profile(seed)))
        stack = place.stack(name, vms, login=login, read=READ)
        bad = place.up(stack, pace=PACE, limit=LIMIT, restart=True)
        self.faults.update(told.partition(":")[0] for told in place.faults({}))
        self.ends[bad["error"] or "converged"] += 1
        if bad["error"]:
            stack = place.stack(name, vms, login=login)
            good = place.up(stack, pace=PACE, limit=LIMIT, restart=True)
            assert good["error"] == "", f"after {bad['error']}: {bad['text']}\nnow {good['error']}: {good['text']}"
            assert good["left"] in ([], None)
        else:
            assert bad["left"] == []
        assert place.settled(name) == wanted


def seeds() -> range:
    first, _, last = os.environ.get("PVEKIT_CHAOS_SEEDS", "0:500").partition(":")
    return range(int(first), int(last or int(first) + 1))


def test_fault_schedules(arenas: list[Arena], figure: Figure) -> None:
    place, name = arenas[0], arenas[0].name()
    assert place.up(place.stack(name), pace=PACE)["error"] == ""
    cold = place.settled(name)
    assert place.up(place.stack(name, CHANGED), pace=PACE, restart=True)["error"] == ""
    changed = {"two": place.settled(name)["two"]}
    begin = time.monotonic()
    storm = Storm(cold, changed, deque(seeds()))
    total = len(storm.seeds)
    threads = [threading.Thread(target=storm.work, args=(place,)) for place in arenas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    figure(f"{total} schedules in {time.monotonic() - begin:.0f} s, {storm.faults.total()} faults")
    for title, counted in (("ends", storm.ends), ("faults", storm.faults)):
        figure(f"{title}: " + ", ".join(f"{name} {count}" for name, count in counted.most_common()))
    assert not storm.wrong, "\n\n".join(storm.wrong)
    if total >= 500:
        assert set(storm.faults) == {*REQUESTS, *OTHERS}
        assert storm.ends["converged"] > total / 2
