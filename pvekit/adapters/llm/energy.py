"""Energy while something runs: the processor's own counters (RAPL), nvidia-smi, or a plug. Absent is None, never 0."""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests

from pvekit.adapters.runner import Local, Runner
from pvekit.model.errors import PvekitError

# Packages, and memory beside them; cores and graphics are parts of a package.
_RAPL = r"""for d in /sys/class/powercap/intel-rapl:*; do
  n=$(cat "$d/name" 2>/dev/null) || continue
  case "$n" in package-*|dram) ;; *) continue ;; esac
  e=$(cat "$d/energy_uj" 2>/dev/null) && echo "$d $e $(cat "$d/max_energy_range_uj" 2>/dev/null)"
done; true"""
_SMI = ("nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits")
_EVERY = 1.0
_IDLE_SECONDS = 3.0


class Source(Protocol):
    """Something that knows power or energy. ``name`` is rapl, nvidia-smi or plug."""

    name: str

    def joules(self, at: float) -> float | None:
        """Return the joules since the last call at the time ``at``; None at the first, or without an answer."""


@dataclass(slots=True)
class Rapl:
    """The counters of the packages and of memory; each begins again at its own maximum."""

    runner: Runner
    name: str = "rapl"
    _last: dict[str, int] = field(default_factory=dict)

    def joules(self, _at: float) -> float | None:
        """Return what the counters went on by. None when none can be read: that takes root."""
        now = counters(self.runner.run(["sh", "-c", _RAPL], timeout=20).out)
        both = [name for name in now if name in self._last]
        used = sum(since(self._last[name], *now[name]) for name in both) / 1e6
        self._last = {name: value for name, (value, _) in now.items()}
        return used if both else None


@dataclass(slots=True)
class Power:
    """A source of watts; between two readings power changes along a straight line."""

    name: str
    watts: Callable[[], float | None]
    _last: tuple[float, float] | None = None

    def joules(self, at: float) -> float | None:
        """Return the area below the last two readings."""
        now = self.watts()
        if now is None:
            return None
        before, self._last = self._last, (at, now)
        return None if before is None else (at - before[0]) * (now + before[1]) / 2


@dataclass(frozen=True, slots=True)
class Used:
    """What one source saw. ``joules`` None: it gave nothing."""

    source: str
    joules: float | None
    seconds: float
    idle_watts: float | None


def counters(text: str) -> Mapping[str, tuple[int, int]]:
    """Return value and maximum of every counter in microjoules."""
    found = {}
    for line in text.splitlines():
        parts = line.split()
        if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
            found[parts[0]] = int(parts[1]), int(parts[2])
    return found


def since(before: int, now: int, most: int) -> int:
    """Return what a counter went on by, which begins again at 0 after ``most``."""
    return now - before if now >= before else now + most - before


def sources(runner: Runner, node: Runner | None = None, plug: str = "") -> list[Source]:
    """Return the sources that give something. ``node`` is the machine below a VM, whose processor has the counters.

    ``plug`` is ``cmd:COMMAND``, which prints watts, or an address that gives JSON: ``http://plug/status#meter.power``.
    Raises PvekitError for a plug that gives no number.
    """
    found: list[Source] = []
    rapl = Rapl(node or runner)
    with suppress(PvekitError):
        if counters(rapl.runner.run(["sh", "-c", _RAPL], timeout=20).out):
            found.append(rapl)
    card = Power("nvidia-smi", lambda: _smi(runner))
    with suppress(PvekitError):
        if card.watts() is not None:
            found.append(card)
    if plug:
        power = Power("plug", lambda: _plug(plug))
        if power.watts() is None:
            raise PvekitError("the plug gives no number of watts", where=plug.partition(":")[0],
                              hint="Write cmd:COMMAND or http://address/path#name.of.watts.")  # fmt: skip
        found.append(power)
    return found


@contextmanager
def measured(
    found: Sequence[Source], idle: Mapping[str, float | None], clock: Callable[[], float] = time.monotonic
) -> Iterator[list[Used]]:
    """Measure while the block runs; the list is filled at its end. Nothing is there without sources."""
    made: list[Used] = []
    if not found:
        yield made
        return
    sums: dict[str, float | None] = {source.name: None for source in found}
    stop = threading.Event()
    begun = clock()

    def look() -> None:
        for source in found:
            # A reading more or less: what is being measured must go on.
            with suppress(PvekitError):
                used = source.joules(clock())
                if used is not None:
                    sums[source.name] = (sums[source.name] or 0.0) + used

    def work() -> None:
        while not stop.wait(_EVERY):
            look()

    look()
    sums = dict.fromkeys(sums)
    thread = threading.Thread(target=work, name="energy", daemon=True)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join()
        look()
        seconds = clock() - begun
        made += [Used(name, joules, seconds, idle.get(name)) for name, joules in sums.items()]


def idle(found: Sequence[Source], seconds: float = _IDLE_SECONDS) -> dict[str, float | None]:
    """Return the watts of every source while nothing runs."""
    with measured(found, {}) as used:
        if found:
            time.sleep(seconds)
    return {
        one.source: one.joules / one.seconds if one.joules is not None and one.seconds > 0 else None for one in used
    }


def _smi(runner: Runner) -> float | None:
    done = runner.run(list(_SMI), timeout=20)
    return _sum(done.out.splitlines()) if done.rc == 0 else None


def _sum(lines: Sequence[str]) -> float | None:
    """Return the sum of the numbers; a card that tells none (``[N/A]``) makes the sum unknown."""
    try:
        values = [float(line) for line in lines if line.strip()]
    except ValueError:
        return None
    return sum(values) if values else None


def _plug(plug: str) -> float | None:
    if plug.startswith("cmd:"):
        done = Local().run(shlex.split(plug[4:]), timeout=10)
        return _sum(done.out.splitlines()[-1:]) if done.rc == 0 else None
    address, _, path = plug.partition("#")
    try:
        with requests.Session() as session:
            session.trust_env = False
            response = session.get(address, timeout=5)
        value: Any = response.json()
        for name in [part for part in path.split(".") if part]:
            value = value[int(name)] if isinstance(value, list) else value[name]
        return float(value)
    except (requests.RequestException, json.JSONDecodeError, KeyError, IndexError, TypeError, ValueError):
        return None
