"""One observation beside what its machine would do if nothing were wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import hypot, log

from pvekit.inference.explain.ran import Ran, below, x86
from pvekit.inference.hardware import Hardware, Isa
from pvekit.inference.observed import Run
from pvekit.inference.prediction import Range

__all__ = ["Case", "Speed", "below", "x86"]

_DOUBT = 0.3
_LARGEST, _SMALLEST = 0.57, 1.3
"""Speed of Q8_0 and of Q2_K beside that of Q4_K_M, which stands for a quantisation that nobody names."""
_OLD = (0.45, 0.65)
"""On the lower end and the middle of what processors without AVX2 are said to do: all four public ones are slower."""


@dataclass(frozen=True, slots=True)
class Speed:
    """A measured decode rate beside what the healthy machine is said to do."""

    run: Run
    healthy: Range
    doubt: float = 0.0
    """Standard deviation (of the logarithm) that an unknown quantisation adds."""

    @property
    def part(self) -> float:
        """Return the measured part of the healthy speed."""
        return self.run.rate / self.healthy.value

    @property
    def spread(self) -> float:
        """Return the standard deviation of the healthy speed's logarithm."""
        return hypot(max(0.08, log(self.healthy.high / self.healthy.low) / 2.563), self.doubt)

    @property
    def said(self) -> tuple[float, float]:
        """Return the ends of the healthy speed, the doubt about the quantisation with them."""
        if not self.doubt:
            return self.healthy.low, self.healthy.high
        return self.healthy.low * _LARGEST, self.healthy.high * _SMALLEST


class Case(Ran):
    """An observation, and healthy speeds to compare it with."""

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

    @property
    def unknown(self) -> str:
        """Return in words what is not known of model, machine and speed, with its verb."""
        parts = {"the model": self.demand, "the machine": self.hardware, "a speed of decode": self.decodes or None}
        lacking = [name for name, value in parts.items() if value is None] or ["enough of the machine"]
        return f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'}"

    def knows(self, fact: str) -> bool:
        """Tell whether somebody looked at a fact of guest, host or run."""
        side, _, name = fact.partition(".")
        if side == "run":
            return name == "threads" and self.threads is not None
        return getattr({"guest": self.guest, "host": self.host}.get(side), name, None) is not None

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
        best = self.outlier(shallow) or max(shallow, key=lambda run: run.rate)
        healthy, doubt = self.healthy(best.depth, gpu=gpu), _DOUBT if self.seen.quant_guessed else 0.0
        return None if healthy is None or healthy.value <= 0 or healthy.low <= 0 else Speed(best, healthy, doubt)

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
            if self.hardware.cpu.name == "unknown processor" and self.hardware.memory.channels is None:
                return None
            bare = replace(self.hardware, gpus=())
            found = expected_decode(self.demand, bare, isa=isa, channels=channels, threads=threads, depth=depth)
        except (ValueError, ArithmeticError, LookupError):
            return None
        if self.able is not None and below(self.able, Isa.AVX2):
            return Range(found.low * _OLD[0], found.value * _OLD[1], found.high)
        return found

    @cached_property
    def limited(self) -> float:
        """Return the part of the healthy speed that the processors it may use leave: other causes come on top."""
        counts = [one for one in (self.usable[0] if self.usable else None, self.threads) if one]
        if not counts or self.cores is None or min(counts) >= self.cores:
            return 1.0
        some, full = self.healthy(threads=min(counts)), self.healthy()
        return min(1.0, some.value / full.value) if some and full and full.value > 0 else 1.0

    @cached_property
    def whole_on_card(self) -> bool:
        """Tell whether the speed is a card's that holds all of the model: the processor then hardly matters."""
        if self.gpu is None or self.demand is None or self.hardware is None:
            return False
        room = sum(card.memory for card in self.hardware.gpus) - 500 * 2**20 * len(self.hardware.gpus)
        layers = self.guest.gpu_layers if self.guest.gpu_layers is not None else self.gpu.run.gpu_layers
        on_it = layers is None or layers >= len(self.demand.layers)
        return on_it and self.demand.held <= room
