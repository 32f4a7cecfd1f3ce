"""One observation, with what follows from it: healthy speeds, ratios and the shape of a sweep over threads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from math import log

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Hardware, Isa
from pvekit.inference.observed import Observed, Run, Seen
from pvekit.inference.prediction import Range

_LEAST_PROMPT = 32
"""A prompt of fewer tokens does not show how fast a prompt is read."""
_CONTRAST = 1.8
"""Times that one run is faster than another, from where on it needs a reason."""
_OLD = (0.45, 0.65)
"""On the lower end and the middle of what processors without AVX2 are said to do: all four public ones are slower."""
_ORDER = (Isa.SSE42, Isa.AVX, Isa.AVX2, Isa.AVX512, Isa.AVX512_VNNI, Isa.AMX)
_VARIANTS = {
    "x64": Isa.SSE42, "sse42": Isa.SSE42, "sandybridge": Isa.AVX, "ivybridge": Isa.AVX, "piledriver": Isa.AVX,
    "haswell": Isa.AVX2, "alderlake": Isa.AVX2, "zen3": Isa.AVX2, "skylakex": Isa.AVX512, "cannonlake": Isa.AVX512,
    "cascadelake": Isa.AVX512_VNNI, "icelake": Isa.AVX512_VNNI, "cooperlake": Isa.AVX512_VNNI,
    "zen4": Isa.AVX512_VNNI, "sapphirerapids": Isa.AMX,
}  # fmt: skip
"""What llama.cpp's CPU backends use (ggml/src/CMakeLists.txt)."""


@dataclass(frozen=True, slots=True)
class Speed:
    """A measured decode rate beside what the healthy machine is said to do."""

    run: Run
    healthy: Range

    @property
    def part(self) -> float:
        """Return the measured part of the healthy speed."""
        return self.run.rate / self.healthy.value

    @property
    def spread(self) -> float:
        """Return the standard deviation of the healthy speed's logarithm."""
        return max(0.08, log(self.healthy.high / self.healthy.low) / 2.563)


class Case:
    """An observation and what is derived from it, once."""

    def __init__(self, observed: Observed) -> None:
        """Take an observation."""
        self.seen = observed
        self.guest = observed.guest
        self.host = observed.host

    def where(self, fact: str) -> Seen | None:
        """Return where a fact was read."""
        return self.seen.where.get(fact)

    @property
    def demand(self) -> Demand | None:
        """Return the model's demand; None where nobody knows the model."""
        return self.seen.demand

    @cached_property
    def hardware(self) -> Hardware | None:
        """Return the machine as it ought to be: every channel with a module."""
        found = self.seen.hardware
        if found is None:
            return None
        channels = self.host.channels if self.host.channels is not None else found.memory.channels
        memory = replace(found.memory, channels=channels, populated=channels)
        if self.host.megatransfers is not None and memory.megatransfers is None:
            memory = replace(memory, megatransfers=self.host.megatransfers)
        return replace(found, memory=memory)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Return the runs of the model that is looked at, for one client; a report may name speeds of others too."""
        single = tuple(run for run in self.seen.runs if run.clients == 1 and run.rate > 0)
        name = self.demand.name if self.demand else ""
        mine = tuple(run for run in single if run.model is None or (name and run.model.startswith(name)))
        return mine or single

    @cached_property
    def decodes(self) -> tuple[Run, ...]:
        """Return the decode runs."""
        return tuple(run for run in self.runs if run.phase == "decode")

    def on_cpu(self, run: Run) -> bool:
        """Tell whether a run used no card."""
        if run.device == "cpu" or run.gpu_layers == 0 or self.guest.gpu_backend is False:
            return True
        if run.device == "gpu" or (run.gpu_layers or 0) > 0:
            return False
        return not (self.seen.hardware and self.seen.hardware.gpus)

    @cached_property
    def cpu(self) -> Speed | None:
        """Return the best decode rate on the CPU alone."""
        return self._speed([run for run in self.decodes if self.on_cpu(run)], gpu=False)

    @cached_property
    def gpu(self) -> Speed | None:
        """Return the best decode rate with a card."""
        if not (self.seen.hardware and self.seen.hardware.gpus):
            return None
        return self._speed([run for run in self.decodes if not self.on_cpu(run)], gpu=True)

    @cached_property
    def fallen(self) -> Speed | None:
        """Return the rate on the CPU beside what the machine would do with its card."""
        if self.gpu is not None or not (self.seen.hardware and self.seen.hardware.gpus):
            return None
        return self._speed([run for run in self.decodes if self.on_cpu(run)], gpu=True)

    def _speed(self, runs: list[Run], *, gpu: bool) -> Speed | None:
        if not runs or self.demand is None or self.hardware is None:
            return None
        shallow = [run for run in runs if run.depth <= min(one.depth for one in runs) + 512]
        best = self._contrast(shallow) or max(shallow, key=lambda run: run.rate)
        healthy = self.healthy(best.depth, gpu=gpu)
        return None if healthy is None or healthy.value <= 0 or healthy.low <= 0 else Speed(best, healthy)

    @cached_property
    def contrast(self) -> tuple[float, float] | None:
        """Return the slowest and fastest speed where nothing that is known makes the difference."""
        for card in (False, True):
            runs = [run for run in self.decodes if self.on_cpu(run) is not card]
            if runs and (slowest := self._contrast(runs)) is not None:
                return slowest.rate, max(run.rate for run in runs if _knobs(run) == _knobs(slowest))
        return None

    def _contrast(self, runs: list[Run]) -> Run | None:
        """Return the slowest run where others are far faster, and nothing that is known makes the difference."""
        slowest = min(runs, key=lambda run: run.rate)
        alike = [run.rate for run in runs if _knobs(run) == _knobs(slowest)]
        return slowest if max(alike) > _CONTRAST * slowest.rate else None

    def healthy(
        self, depth: int = 0, *, gpu: bool = False, isa: Isa | None = None, channels: int | None = None,
        threads: int | None = None,
    ) -> Range | None:  # fmt: skip
        """Return what the machine would do; with ``gpu`` with as many layers on its cards as fit."""
        from pvekit.inference.predict import expected_decode, predict

        if self.demand is None or self.hardware is None:
            return None
        try:
            if gpu:
                # A long context that pushes layers off the card is a cause, so the healthy speed goes without.
                return predict(self.demand, self.hardware, context=max(depth, 4096), depths=(depth,)).decode[0].rate
            bare = replace(self.hardware, gpus=())
            found = expected_decode(self.demand, bare, isa=isa, channels=channels, threads=threads, depth=depth)
        except (ValueError, ArithmeticError, LookupError):
            return None
        if self.able is not None and below(self.able, Isa.AVX2):
            return Range(found.low * _OLD[0], found.value * _OLD[1], found.high)
        return found

    @cached_property
    def without_card(self) -> bool:
        """Tell whether the card was left out on purpose: the runs say so, and no log says that it was not found."""
        said = bool(self.decodes) and all(run.device == "cpu" or run.gpu_layers == 0 for run in self.decodes)
        return said and self.guest.gpu_backend is not False and self.guest.gpu_layers is None

    @cached_property
    def whole_on_card(self) -> bool:
        """Tell whether the speed is a card's that holds all of the model: the processor then hardly matters."""
        if self.gpu is None or self.demand is None or self.hardware is None:
            return False
        room = sum(card.memory for card in self.hardware.gpus) - 500 * 2**20 * len(self.hardware.gpus)
        layers = self.guest.gpu_layers if self.guest.gpu_layers is not None else self.gpu.run.gpu_layers
        on_it = layers is None or layers >= len(self.demand.layers)
        return on_it and self.demand.held <= room

    @cached_property
    def ratio(self) -> float | None:
        """Return prefill over decode on the CPU: what batches gain is what instructions give."""
        prompts = [
            run.rate
            for run in self.runs
            if run.phase == "prefill" and (run.tokens or _LEAST_PROMPT) >= _LEAST_PROMPT and self.on_cpu(run)
        ]
        tokens = [run.rate for run in self.decodes if self.on_cpu(run)]
        return max(prompts) / max(tokens) if prompts and tokens else None

    @cached_property
    def slope(self) -> float | None:
        """Return how decode grows with threads: 1 in proportion, 0 not at all. None without a sweep."""
        rates: dict[int, float] = {}
        most = self.cores or 10_000
        for run in self.decodes:
            if run.threads and run.threads <= most and self.on_cpu(run):
                rates[run.threads] = max(run.rate, rates.get(run.threads, 0.0))
        if len(rates) < 2:
            return None
        low, high = min(rates), max(rates)
        return log(rates[high] / rates[low]) / log(high / low)

    @cached_property
    def cores(self) -> int | None:
        """Return the processor's cores; what a VM or container sees of them may be fewer."""
        known = self.seen.hardware.cpu.cores if self.seen.hardware else None
        return known or self.host.cores

    @cached_property
    def usable(self) -> tuple[int, str] | None:
        """Return how many processors the program can have at most, and the fact that says so; None for all."""
        counts = [(self.host.vcpus, "host.vcpus")]
        if self.guest.virtual:
            counts.append((self.guest.cpus, "guest.cpus"))
        if self.cores is not None and self.host.cores is not None and self.host.cores < self.cores:
            counts.append((self.host.cores, "host.cores"))
        known = [(count, fact) for count, fact in counts if count]
        return min(known, default=None)

    @cached_property
    def threads(self) -> int | None:
        """Return the threads of the fastest decode run on the CPU, or of other runs, where they are known."""
        runs = [run for run in self.decodes if self.on_cpu(run)] or list(self.decodes)
        best = max(runs, key=lambda run: run.rate, default=None)
        if best is not None and best.threads:
            return best.threads
        return max((run.threads for run in self.runs if run.threads), default=None)

    @cached_property
    def isa(self) -> tuple[Isa, str] | None:
        """Return the instructions that were really used or can be seen, and the fact that says so."""
        for run in self.runs:
            if run.variant in _VARIANTS and len({one.variant for one in self.runs}) == 1:
                return _VARIANTS[run.variant], "run.variant"
        if self.guest.variant in _VARIANTS:
            return _VARIANTS[self.guest.variant], "guest.variant"
        if self.guest.isa is not None:
            return self.guest.isa, "guest.isa"
        return None

    @cached_property
    def able(self) -> Isa | None:
        """Return the instructions that the processor itself has."""
        return self.seen.hardware.cpu.isa if self.seen.hardware else None

    def said(self, *words: str) -> Seen | None:
        """Return the first line of a log that has one of these words."""
        for line in self.seen.errors:
            if any(word in line.text.lower() for word in words):
                return line
        return None


def _knobs(run: Run) -> tuple[object, ...]:
    return (run.threads, run.gpu_layers, run.depth, run.batch, run.flash_attention, run.type_k, run.variant, run.device)


def below(isa: Isa, other: Isa) -> bool:
    """Tell whether one set of instructions of x86 is narrower than another; ARM's are never."""
    return isa in _ORDER and other in _ORDER and _ORDER.index(isa) < _ORDER.index(other)


def x86(isa: Isa) -> bool:
    """Tell whether these are instructions of x86."""
    return isa in _ORDER


def first(runs: Iterable[Run]) -> Seen | None:
    """Return where the first of these was read."""
    return next((run.seen for run in runs if run.seen is not None), None)
