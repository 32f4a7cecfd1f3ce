"""What a page shows of one results file. Every text in here is scrubbed; what is absent is None or empty, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pvekit.inference.explanation import Explanation
from pvekit.inference.hardware import Hardware


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of llama-bench. ``phase`` is decode, prefill or both; ``rate`` and ``samples`` in tokens/s."""

    key: str
    phase: str
    rate: float
    samples: tuple[float, ...]
    deviation: float | None
    prompt: int
    generated: int
    depth: int
    knobs: Mapping[str, str]
    """What was set, by the option of llama-bench (``-t``)."""
    threads: int | None
    ubatch: int | None
    gpu_layers: int | None
    size: float | None
    """Bytes of the model's tensors."""
    parameters: float | None
    model: str
    file: str
    cpu: str
    gpu: str
    backends: str
    build: str
    variant: str

    @property
    def on_gpu(self) -> bool:
        """Return whether layers lay on a card: there is a backend for one, and it was not told 0 layers."""
        names = {name.strip().casefold() for name in self.backends.split(",")} - {"", "cpu", "blas", "rpc"}
        return bool(names) and self.gpu_layers != 0


@dataclass(frozen=True, slots=True)
class Load:
    """One run over HTTP. Times in seconds; ``gaps`` lie between the tokens of one answer."""

    key: str
    clients: int
    prompt: int | None
    generated: int | None
    first: tuple[float, ...]
    gaps: tuple[float, ...]
    rate: float | None
    samples: tuple[float, ...]
    wall: float | None
    errors: int | None


@dataclass(frozen=True, slots=True)
class Energy:
    """Electricity of one run. ``per_token`` in joules; ``idle`` in watts."""

    key: str
    source: str
    joules: float | None
    seconds: float | None
    idle: float | None
    per_token: float | None


@dataclass(frozen=True, slots=True)
class Span:
    """A predicted speed with ``depth`` tokens already there, in tokens/s."""

    depth: int
    low: float
    value: float
    high: float
    bound: str


@dataclass(frozen=True, slots=True)
class Expected:
    """The prediction that was stored before the measurement."""

    hardware: str
    basis: str
    decode: tuple[Span, ...]
    prefill: tuple[Span, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that did not work: what, and the last lines of what it said."""

    key: str
    what: str
    tail: str


@dataclass(frozen=True, slots=True)
class Machine:
    """One results file. ``complete`` is None where no end was written: the run was stopped, or still goes on."""

    label: str
    model: str
    suite: str
    command: str
    started: str
    seconds: float | None
    complete: bool | None
    facts: tuple[tuple[str, str], ...]
    known: Mapping[str, object]
    """The facts by their dotted names, unformatted."""
    lacking: tuple[tuple[str, tuple[str, ...]], ...]
    """Why facts could not be read, and which."""
    expected: Expected | None
    benches: tuple[Bench, ...]
    loads: tuple[Load, ...]
    energies: tuple[Energy, ...]
    failures: tuple[Failure, ...]
    read_bytes: float | None = None
    """Bytes of weights read for one token, where the header says so."""
    active: float | None = None
    """Parameters that take part in one token, where the header says so."""
    explanation: Explanation | None = None
    hardware: Hardware | None = None

    def of(self, phase: str) -> tuple[Bench, ...]:
        """Return the runs of one phase."""
        return tuple(bench for bench in self.benches if bench.phase == phase)

    def best(self, phase: str) -> Bench | None:
        """Return the fastest run of a phase with the fewest tokens before it."""
        runs = self.of(phase)
        least = min((run.depth for run in runs), default=0)
        return max((run for run in runs if run.depth == least), key=lambda run: run.rate, default=None)


@dataclass(frozen=True, slots=True)
class Figure:
    """One plot: the picture, what it says in words, and its key. ``svg`` is markup of our own making."""

    id: str
    title: str
    svg: str
    says: tuple[str, ...] = ()
    key: tuple[tuple[int, str, str], ...] = field(default=())
    """Style number, form (point, line, dash, band) and name of each series."""
