"""Runs under seeded faults: each converges or ends with a PvekitError, and the next one without faults converges.

``PVEKIT_CHAOS_SEED=N`` runs one seed, ``PVEKIT_CHAOS_SEEDS=N`` so many from 0.
"""

from __future__ import annotations

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
from tests.chaos.faults import profile

PACE = 0.1
"""Pauses (of retries, polls, looks) are a tenth as long as in real life."""
LIMIT = 60
"""Seconds after which a run counts as hung."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def arenas() -> Iterator[list[Arena]]:
    with arena() as first, arena() as second:
        yield [first, second]


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
                self.wrong.append(f"PVEKIT_CHAOS_SEED={seed}: {type(error).__name__}: {error}\n  {told}")

    def one(self, place: Arena, seed: int) -> None:
        """Two of three schedules strike a cold `up`, the third a change of a VM that runs."""
        dice = random.Random(f"stack {seed}")
        name = place.name()
        login = dice.random() < 0.5
        if seed % 3 == 2:
            assert place.up(place.stack(name, VMS["two"], login=login), pace=PACE)["error"] == ""
            stack, wanted = place.stack(name, CHANGED, login=login), self.changed
        else:
            names = dice.choice((["one"], ["two"], ["three"], ["one", "three"]))
            stack = place.stack(name, "".join(VMS[vm] for vm in names), login=login)
            wanted = {vm: self.cold[vm] for vm in names}
        place.faults(asdict(profile(seed)))
        bad = place.up(stack, pace=PACE, limit=LIMIT, restart=True)
        self.faults.update(told.partition(":")[0] for told in place.faults({}))
        self.ends[bad["error"] or "converged"] += 1
        if bad["error"]:
            good = place.up(stack, pace=PACE, limit=LIMIT, restart=True)
            assert good["error"] == "", f"after {bad['error']}: {bad['text']}\nnow {good['error']}: {good['text']}"
            assert good["left"] in ([], None)
        else:
            assert bad["left"] == []
        assert place.settled(name) == wanted


def seeds() -> list[int]:
    one = os.environ.get("PVEKIT_CHAOS_SEED")
    return [int(one)] if one else list(range(int(os.environ.get("PVEKIT_CHAOS_SEEDS", "500"))))


def test_fault_schedules(arenas: list[Arena]) -> None:
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
    print(f"\n{total} schedules in {time.monotonic() - begin:.0f} s, {storm.faults.total()} faults")
    for title, counted in (("ends", storm.ends), ("faults", storm.faults)):
        print(f"{title}: " + ", ".join(f"{name} {count}" for name, count in counted.most_common()))
    assert not storm.wrong, "\n\n".join(storm.wrong)
