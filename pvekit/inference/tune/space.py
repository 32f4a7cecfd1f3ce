"""Which values of which knob are worth a run on a machine, and where to start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pvekit.inference.tune.knobs import DEFAULTS, Knobs

_SATURATED = 0.95
"""Of the most that more threads read: from there on another thread only waits."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of the machine. ``threads`` is the number that llama.cpp takes by itself.

    ``reads`` are GB/s of streaming reads by threads. ``layers`` of the model are more than what fits where
    ``gpu_layers`` is smaller. ``cache_types`` allows KV types that are less exact.
    """

    objective: str
    cpus: int
    cores: int
    threads: int
    numa_nodes: int = 1
    gpu: bool = False
    layers: int | None = None
    gpu_layers: int | None = None
    depth: int = 0
    prompt: int = 512
    cache_types: bool = False
    reads: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Axis:
    """One knob, or two that only make sense together: every value is what it changes. The first leaves it alone."""

    name: str
    values: tuple[Mapping[str, object], ...]
    worth: float = 0.01
    """The least gain that is worth leaving the default: more where the setting has a price of its own."""

    def variants(self, base: Knobs) -> tuple[Knobs, ...]:
        """Return the settings along this knob that differ from ``base``."""
        found = (replace(base, **value) for value in self.values)  # type: ignore[arg-type]
        return tuple(dict.fromkeys(knobs for knobs in found if knobs != base))


def start(situation: Situation) -> Knobs:
    """Return where the facts say that the best lies; the search begins with it and the defaults."""
    threads = _start_threads(situation)
    layers = situation.gpu_layers if situation.gpu and situation.layers and situation.gpu_layers is not None else None
    fewer = threads != situation.threads
    return replace(
        DEFAULTS,
        threads=threads if fewer else None,
        threads_batch=situation.threads if fewer and situation.objective == "mixed" else None,
        gpu_layers=layers if layers is not None and situation.layers and layers < situation.layers else None,
    )


def axes(situation: Situation) -> tuple[Axis, ...]:
    """Return the knobs to try, those that move most first."""
    decode, prefill = situation.objective != "prefill", situation.objective != "decode"
    found = []
    # A model that fits is on the card by itself.
    if situation.gpu and situation.layers and (situation.gpu_layers or 0) < situation.layers:
        found.append(Axis("offload", _values("gpu_layers", _near(situation.gpu_layers or 0, situation.layers))))
    if decode:
        values = _values("threads", _threads(situation), situation.threads)
        if prefill:
            # Else prompts would lose the threads that decode does without.
            values = ({"threads": None, "threads_batch": None},
                      *({**value, "threads_batch": situation.threads} for value in values[1:]))  # fmt: skip
        found.append(Axis("threads", values))
    if prefill:
        name = "threads_batch" if decode else "threads"
        found.append(
            Axis(
                "prompt threads", _values(name, _threads(situation, prompt=True), None if decode else situation.threads)
            )
        )
        found.append(Axis("batch", _values("ubatch", _batches(situation.prompt))))
    if situation.numa_nodes > 1:
        found.append(Axis("numa", _values("numa", ("distribute", "isolate"))))
    found.append(Axis("flash attention", _values("flash_attention", (True, False))))
    if situation.cache_types:
        pair = {"type_k": "q8_0", "type_v": "q8_0", "flash_attention": True}
        found.append(Axis("cache", ({"type_k": None, "type_v": None}, pair), worth=0.03))
    if decode:
        found.append(Axis("waiting", _values("poll", (0, 100)), worth=0.02))
    found.append(Axis("loading", _values("load", ("none",)), worth=0.03))
    return tuple(axis for axis in found if len(axis.values) > 1)


def between(axis: Axis, knobs: Knobs) -> Axis | None:
    """Return a finer axis around the value that won, for numbers with room between them; else None."""
    name = next(iter(axis.values[0]))
    numbers = sorted(
        {value for each in axis.values if isinstance(value := each[name], int) and not isinstance(value, bool)}
    )
    best = getattr(knobs, name)
    if name not in ("threads", "threads_batch", "gpu_layers") or best not in numbers:
        return None
    at = numbers.index(best)
    beside = [numbers[index] for index in (at - 1, at + 1) if 0 <= index < len(numbers)]
    middles = [(best + other) // 2 for other in beside if abs(best - other) > 1]
    middles = [middle for middle in middles if middle not in numbers]
    return (
        Axis(f"{axis.name}, finer", tuple({**axis.values[-1], name: middle} for middle in middles)) if middles else None
    )


def grid(tried: tuple[Axis, ...]) -> int:
    """Return how many choices a full grid over the axes has."""
    count = 1
    for axis in tried:
        count *= len(axis.values)
    return count


def _values(name: str, numbers: tuple[object, ...], same: int | None = None) -> tuple[Mapping[str, object], ...]:
    return ({name: None}, *({name: number} for number in numbers if number != same))


def _start_threads(situation: Situation) -> int:
    if situation.reads and situation.objective != "prefill":
        most = max(situation.reads.values())
        enough = [count for count, rate in sorted(situation.reads.items()) if rate >= _SATURATED * most]
        # Kernels take time as well: one thread is never enough just because it can read alone.
        return max(min(enough[0] * 2, situation.cores), 1)
    return situation.cores


def _threads(situation: Situation, *, prompt: bool = False) -> tuple[int, ...]:
    cores = situation.cores
    numbers = {cores, situation.cpus, max(1, cores // 2), max(1, cores - 1), max(1, cores * 3 // 4)}
    if prompt:
        # Decode may have been given fewer than llama.cpp takes, which prompts then need back.
        numbers = {cores, situation.cpus, max(1, cores - 1), situation.threads}
    else:
        first = _start_threads(situation)
        numbers |= {first, max(1, first // 2), max(1, cores // situation.numa_nodes)}
    return tuple(sorted(numbers))


def _near(layers: int, most: int) -> tuple[int, ...]:
    return tuple(sorted({max(0, layers - 2), layers, min(most, layers + 2), most}))


def _batches(prompt: int) -> tuple[int, ...]:
    return tuple(size for size in (128, 256, 1024, 2048) if size <= max(256, 2 * prompt))
