"""What was measured and read, with what follows from it alone: the runs that count, ratios, a sweep's shape."""

from __future__ import annotations

from functools import cached_property
from math import log

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Isa
from pvekit.inference.observed import Observed, Run, Seen

_LEAST_PROMPT = 32
"""A prompt of fewer tokens does not show how fast a prompt is read."""
_CONTRAST = 1.8
"""Times that one run is faster than another, from where on it needs a reason."""
_ORDER = (Isa.SSE42, Isa.AVX, Isa.AVX2, Isa.AVX512, Isa.AVX512_VNNI, Isa.AMX)
_VARIANTS = {
    "x64": Isa.SSE42, "sse42": Isa.SSE42, "sandybridge": Isa.AVX, "ivybridge": Isa.AVX, "piledriver": Isa.AVX,
    "haswell": Isa.AVX2, "alderlake": Isa.AVX2, "zen3": Isa.AVX2, "skylakex": Isa.AVX512, "cannonlake": Isa.AVX512,
    "cascadelake": Isa.AVX512_VNNI, "icelake": Isa.AVX512_VNNI, "cooperlake": Isa.AVX512_VNNI,
    "zen4": Isa.AVX512_VNNI, "sapphirerapids": Isa.AMX,
}  # fmt: skip
"""What llama.cpp's CPU backends use (ggml/src/CMakeLists.txt)."""


class Ran:
    """An observation and what is derived from its runs and facts, once."""

    def __init__(self, observed: Observed) -> None:
        """Take an observation."""
        self.seen = observed
        self.guest = observed.guest
        self.host = observed.host

    def where(self, fact: str) -> Seen | None:
        """Return where a fact was read."""
        return self.seen.where.get(fact)

    def sign(self, name: str) -> Seen | None:
        """Return where a person says that he saw something."""
        return self.seen.signs.get(name)

    def said(self, *words: str) -> Seen | None:
        """Return the first line of a log that has one of these words."""
        for line in self.seen.errors:
            if any(word in line.text.lower() for word in words):
                return line
        return None

    @property
    def demand(self) -> Demand | None:
        """Return the model's demand; None where nobody knows the model."""
        return self.seen.demand

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Return the runs of the model that is looked at, for one client; a report may name speeds of others too."""
        single = tuple(run for run in self.seen.runs if run.clients == 1 and run.rate > 0)
        name = f"{self.demand.name} {self.demand.quant}" if self.demand else ""
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
    def contrast(self) -> tuple[float, float] | None:
        """Return the slowest and fastest speed where nothing that is known makes the difference."""
        for card in (False, True):
            runs = [run for run in self.decodes if self.on_cpu(run) is not card]
            if runs and (slowest := self.outlier(runs)) is not None:
                return slowest.rate, max(run.rate for run in runs if knobs(run) == knobs(slowest))
        return None

    def outlier(self, runs: list[Run]) -> Run | None:
        """Return the slowest run where others are far faster, and nothing that is known makes the difference."""
        slowest = min(runs, key=lambda run: run.rate)
        alike = [run.rate for run in runs if knobs(run) == knobs(slowest)]
        return slowest if max(alike) > _CONTRAST * slowest.rate else None

    @cached_property
    def without_card(self) -> bool:
        """Tell whether the card was left out on purpose: the runs say so, and no log says that it was not found."""
        said = bool(self.decodes) and all(run.device == "cpu" or run.gpu_layers == 0 for run in self.decodes)
        return said and self.guest.gpu_backend is not False and self.guest.gpu_layers is None

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
    def saturated(self) -> bool:
        """Tell whether more threads made nothing faster, by a sweep or by what is said: memory limits it then."""
        return self.sign("more_threads_no_gain") is not None or (self.slope is not None and self.slope < 0.4)

    @cached_property
    def moved(self) -> float | None:
        """Return the GB/s of weights that the fastest decode run on the CPU read; None where nobody knows the model."""
        rates = [run.rate for run in self.decodes if self.on_cpu(run)]
        return max(rates) * self.demand.read / 1e9 if rates and self.demand is not None else None

    @cached_property
    def too_large(self) -> bool:
        """Tell whether the model is larger than all cards' memory together."""
        cards = self.seen.hardware.gpus if self.seen.hardware else ()
        room = sum(card.memory for card in cards)
        return self.guest.gpu_short == "weights" or (bool(room) and self.demand is not None and self.demand.held > room)

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
        return max((run.threads for run in self.runs if run.threads), default=None) or self.guest.threads or None

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


def knobs(run: Run) -> tuple[object, ...]:
    """Return all that can make one run faster than another."""
    return (run.threads, run.gpu_layers, run.depth, run.batch, run.flash_attention, run.type_k, run.variant, run.device)


def below(isa: Isa, other: Isa) -> bool:
    """Tell whether one set of instructions of x86 is narrower than another; ARM's are never."""
    return isa in _ORDER and other in _ORDER and _ORDER.index(isa) < _ORDER.index(other)


def x86(isa: Isa) -> bool:
    """Tell whether these are instructions of x86."""
    return isa in _ORDER
