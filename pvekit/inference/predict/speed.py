"""Seconds of one token over all parts of a machine, with the terms of the sum and what binds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import CpuClass, Hardware, Isa
from pvekit.inference.predict.coefficients import coefficients
from pvekit.inference.predict.features import Device, cpu_device, gpu_device
from pvekit.inference.predict.formula import Shift, decode, prefill, share
from pvekit.inference.predict.probe import Probe
from pvekit.inference.predict.split import Part
from pvekit.inference.predict.work import Work, work
from pvekit.inference.prediction import Bound, Term

_LATENCY = 25e-6
"""Seconds until what one device computed is there for the next."""
_DISK = 1.5e9
"""Bytes per second at which weights that do not fit are read again from an SSD."""
_PAGE = 512
"""Tokens of a prefill batch, for which the weights of the processor's layers are copied to a card once."""


@dataclass(frozen=True, slots=True)
class Devices:
    """The processor and the cards of a machine, each with its distance from its kind."""

    cpu: Device
    isa: Isa | None
    cards: tuple[Device, ...]
    links: tuple[float, ...]
    cpu_shift: Shift | None = None
    card_shift: Shift | None = None

    def of(self, part: Part) -> tuple[Device, Shift]:
        """Return a part's device and distance."""
        if part.card is None:
            return self.cpu, self.cpu_shift or Shift()
        return self.cards[part.card], self.card_shift or Shift()

    def measured(self, part: Part) -> bool:
        """Return whether something was measured on a part's device."""
        return (self.cpu_shift if part.card is None else self.card_shift) is not None


@dataclass(frozen=True, slots=True)
class Sum:
    """One token. ``shares`` are each part's seconds, for the width of the interval."""

    terms: tuple[Term, ...]
    bound: Bound
    shares: Mapping[Part, float]

    @property
    def seconds(self) -> float:
        """Return the sum."""
        return sum(term.seconds for term in self.terms)


def devices(
    hardware: Hardware, threads: int | None, probe: Probe | None, *, localscore: bool = False
) -> Devices:  # fmt: skip
    """Return a machine's devices; ``probe`` moves them to where they were measured."""
    cpu = cpu_device(hardware.cpu, hardware.memory, threads=threads, localscore=localscore)
    board = hardware.cpu.kind is CpuClass.SBC and hardware.cpu.isa in (Isa.NEON, Isa.NEON_DOTPROD, Isa.NEON_I8MM)
    cards = tuple(gpu_device(card, localscore=localscore, weak_host=board) for card in hardware.gpus)
    on_cpu, on_card = None, None
    if probe is not None:
        with_threads = [each.threads for each in probe.measured if each.threads and not each.card]
        measured = cpu_device(hardware.cpu, hardware.memory, threads=max(with_threads, default=0) or threads,
                              localscore=localscore)  # fmt: skip
        on_cpu = probe.shift(measured, card=False)
        on_card = probe.shift(cards[0], card=True) if cards else None
    links = tuple((card.link or 4.0) * 1e9 for card in hardware.gpus)
    return Devices(cpu, hardware.cpu.isa, cards, links, on_cpu, on_card)


def decoded(demand: Demand, machine: Devices, parts: Sequence[Part], depth: int, missing: int = 0) -> Sum:
    """Return one decoded token. ``missing`` bytes of weights are read from disk, for memory is too small."""
    asked = [(part, work(demand, depth, machine.isa, part.on, head=part.head)) for part in parts if not part.empty]
    return summed(demand, machine, asked, missing)


def summed(demand: Demand, machine: Devices, asked: Sequence[tuple[Part, Work]], missing: int = 0) -> Sum:
    """Return one decoded token whose work is already shared out."""
    terms: list[Term] = []
    shares: dict[Part, float] = {}
    bounds: dict[Bound, float] = {}
    for part, each in asked:
        device, moved = machine.of(part)
        group = coefficients().groups[device.model]
        found = decode(group, device, each, moved)
        where, what = ("memory", "processor") if part.card is None else ("card", "card")
        rate = device.bandwidth * share(group, device, moved.reading)
        memory = found.reading + found.cache
        rates = f"{each.read / 1e9:.2f} GB at {rate:.0f} of {device.bandwidth:.0f} GB/s"
        terms.append(Term(f"weights from {where}", found.reading, rates))
        if found.cache:
            terms.append(Term(f"KV cache from {where}", found.cache, f"{each.cache / 1e6:.0f} MB"))
        beyond = max(found.stream - memory, 0.0)
        how = f"{found.kernel * 1e3:.1f} ms of it, most while reading"
        terms.append(Term(f"arithmetic beyond reading ({what})", beyond, how))
        how = f"{each.layers:.0f} layers of {found.layers / max(each.layers, 1) * 1e6:.0f} us"
        terms.append(Term(f"per layer ({what})", found.layers, how))
        shares[part] = found.seconds
        slow = machine.isa in (Isa.SSE42, Isa.AVX) and part.card is None
        kind = Bound.BANDWIDTH if memory >= found.kernel else Bound.INSTRUCTIONS if slow else Bound.COMPUTE
        bounds[kind] = bounds.get(kind, 0.0) + found.stream
        bounds[Bound.OVERHEAD] = bounds.get(Bound.OVERHEAD, 0.0) + found.layers
    crossings = [machine.links[part.card] for part, _ in asked if part.card is not None]
    if crossings:
        seconds = sum(2 * (demand.width * 4 / link + _LATENCY) for link in crossings)
        terms.append(Term("over PCIe", seconds, f"{len(crossings) * 2} times {demand.width * 4 / 1000:.0f} KB"))
        bounds[Bound.PCIE] = seconds
    if missing > 0:
        terms.append(Term("from disk", missing / _DISK, f"{missing / 1e9:.1f} GB do not fit"))
        bounds[Bound.CAPACITY] = missing / _DISK
    terms = [term for term in terms if term.seconds > 0]
    return Sum(tuple(terms), max(bounds, key=lambda kind: bounds[kind]) if bounds else Bound.COMPUTE, shares)


def prefilled(demand: Demand, machine: Devices, parts: Sequence[Part], depth: int, missing: int = 0) -> Sum:
    """Return one prompt token. Layers in main memory are computed where that is faster: here, or copied to a card."""
    terms: list[Term] = []
    shares: dict[Part, float] = {}
    bounds: dict[Bound, float] = {}
    for part in parts:
        if part.empty:
            continue
        asked = work(demand, depth, None, part.on, head=False)
        device, moved = machine.of(part)
        seconds = prefill(coefficients().groups[device.model], device, asked, moved)
        kind, how = Bound.COMPUTE, f"{2 * asked.parameters / 1e9:.1f} GFLOP"
        if part.card is None and machine.isa in (Isa.SSE42, Isa.AVX):
            kind = Bound.INSTRUCTIONS
        if part.card is None and machine.cards:
            best = max(range(len(machine.cards)), key=lambda index: machine.cards[index].bandwidth)
            copied = asked.read / machine.links[best] / _PAGE
            other = prefill(coefficients().groups["gpu"], machine.cards[best], asked, machine.card_shift or Shift())
            if copied + other < seconds:
                terms.append(Term("weights over PCIe", copied, f"{asked.read / 1e9:.1f} GB per {_PAGE} tokens"))
                bounds[Bound.PCIE] = copied
                seconds, how = other, "on the card"
        place = "memory" if part.card is None else "card"
        terms.append(Term(f"layers in {place}", seconds, how))
        shares[part] = seconds
        bounds[kind] = bounds.get(kind, 0.0) + seconds
    if missing > 0:
        terms.append(Term("from disk", missing / _DISK / _PAGE, f"{missing / 1e9:.1f} GB do not fit"))
        bounds[Bound.CAPACITY] = missing / _DISK / _PAGE
    return Sum(tuple(terms), max(bounds, key=lambda kind: bounds[kind]), shares)
