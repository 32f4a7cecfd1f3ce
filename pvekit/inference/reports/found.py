"""What the readers found so far: facts with their places, runs, names of models and of parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pvekit.inference.hardware import Hardware
from pvekit.inference.observed import Run, Seen
from pvekit.inference.reports.lines import Line

PRINTED = 2
"""A program printed it."""
SAID = 1
"""A person wrote it."""

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of one name at one place."""

    value: Value
    seen: Seen
    strength: int


@dataclass(frozen=True, slots=True)
class ModelSeen:
    """A model as something named it. ``size`` billions of parameters, ``bytes`` of its weights or its file."""

    text: str
    family: str = ""
    size: float | None = None
    quant: str = ""
    bytes: int | None = None
    layers: int | None = None
    embedding: int | None = None
    vocabulary: int | None = None
    heads: int | None = None
    cache_width: int | None = None
    experts: int | None = None
    experts_used: int | None = None
    strength: int = SAID
    guessed: bool = False
    seen: Seen | None = None

    @property
    def key(self) -> tuple[str, float | None]:
        """Return what makes it the same model as another."""
        return self.family, self.size


@dataclass(frozen=True, slots=True)
class Part:
    """A processor or a card by its name. ``count`` is None where nobody says how many."""

    name: str
    seen: Seen
    strength: int
    count: int | None = None
    memory: int | None = None


@dataclass(slots=True)
class Found:
    """Everything read. Readers add to it; nothing is ever taken away."""

    facts: dict[str, list[Fact]] = field(default_factory=dict)
    runs: list[tuple[Run, ModelSeen | None]] = field(default_factory=list)
    models: list[ModelSeen] = field(default_factory=list)
    kinds: set[ModelSeen] = field(default_factory=set)
    """The models without their places."""
    cpus: list[Part] = field(default_factory=list)
    gpus: list[Part] = field(default_factory=list)
    errors: list[Seen] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    about: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Names of processors and cards beside a speed, by the number of the run."""
    machine: Hardware | None = None
    """The whole machine, where a probe described it."""
    taken: set[tuple[str, int]] = field(default_factory=set)
    """Lines that a reader of a program's output has read: they are no prose."""

    def say(self, name: str, value: Value | None, at: Line | Seen, strength: int = PRINTED) -> None:
        """Keep one fact; None is no fact."""
        if value is None:
            return
        self.facts.setdefault(name, []).append(Fact(value, at.seen() if isinstance(at, Line) else at, strength))

    def model(self, model: ModelSeen) -> None:
        """Keep a model once, whoever names it how often."""
        key = replace(model, seen=None, text="")
        if key not in self.kinds:
            self.kinds.add(key)
            self.models.append(model)

    def run(self, run: Run, model: ModelSeen | None = None) -> None:
        """Keep one measured speed, unless it is none."""
        if 0 < run.rate < 1e7:
            self.runs.append((run, model))

    def take(self, *lines: Line) -> None:
        """Say that these lines are a program's output."""
        self.taken.update((line.file, line.number) for line in lines)

    def note(self, text: str) -> None:
        """Keep a remark once."""
        if text not in self.notes:
            self.notes.append(text)

    def error(self, line: Line) -> None:
        """Keep a line that a hypothesis may know, once per text."""
        seen = line.seen()
        if len(self.errors) < 200 and all(one.text != seen.text for one in self.errors):
            self.errors.append(seen)

    def settled(self, name: str) -> Fact | None:
        """Return the fact of a name: the printed one before the said one, and none where they contradict."""
        facts = self.facts.get(name, [])
        if not facts:
            return None
        best = max(fact.strength for fact in facts)
        kept = [fact for fact in facts if fact.strength == best]
        return kept[0] if _agree(fact.value for fact in kept) else None

    def value(self, name: str) -> Value | None:
        """Return the value of a settled fact."""
        fact = self.settled(name)
        return None if fact is None else fact.value


def _agree(values: Iterable[Value]) -> bool:
    first, *others = values
    if isinstance(first, float):
        return all(isinstance(one, (int, float)) and abs(one - first) <= 0.02 * abs(first) for one in others)
    return all(one == first for one in others)
