"""What would make a machine faster: each upgrade predicted as the machine itself is, and compared with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Gpu, GpuClass, Hardware, Isa
from pvekit.inference.machines import gpus, match_cpu, match_gpu
from pvekit.inference.machines.names import plain
from pvekit.inference.predict.main import predict
from pvekit.inference.predict.probe import Probe
from pvekit.inference.prediction import Prediction, Range

CARDS = ("P106-100", "Tesla P40", "RTX 3060", "RTX 4060 Ti", "Arc B580", "RX 7900 XTX", "RTX 3090", "RTX 5090")
"""Cards that are looked at when nobody names one: cheap second-hand ones, and one of each larger size."""
_SMALLER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M")
_BOARD_WATTS = 50.0
"""Board, memory, disks and losses of the power supply beside the processor and the cards."""
_WIDER = {Isa.SSE42: Isa.AVX2, Isa.AVX: Isa.AVX2, Isa.AVX2: Isa.AVX512_VNNI}
_UNKNOWN_WATTS = 65.0


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to do. ``word`` is what a price names it by."""

    name: str
    word: str
    hardware: Hardware
    demand: Demand
    note: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """One option, predicted. Gains are in percent of the machine as it is; ``watts`` under load, of the whole."""

    name: str
    decode: Range
    prefill: Range
    decode_gain: float
    prefill_gain: float
    watts: float | None
    price: float | None
    fits: bool | None
    note: str = ""

    @property
    def per_watt(self) -> float | None:
        """Return tokens per second and watt, which is tokens per joule."""
        return self.decode.value / self.watts if self.watts else None

    @property
    def gain_per_price(self) -> float | None:
        """Return percent of decode gained per unit of money."""
        return self.decode_gain / self.price if self.price else None


def watts(hardware: Hardware) -> float | None:
    """Return what a machine draws under load: as stated, or its parts' ratings and a board."""
    if hardware.load_watts is not None:
        return hardware.load_watts
    known = match_cpu(hardware.cpu.name)
    if known is None or known.watts is None or any(card.watts is None for card in hardware.gpus):
        return None
    cards = [] if all(card.kind is GpuClass.APPLE for card in hardware.gpus) else hardware.gpus
    return _BOARD_WATTS + known.watts * hardware.cpu.sockets + sum(card.watts or 0 for card in cards)


def options(
    demand: Demand, hardware: Hardware, *, cards: Sequence[str] = (), smaller: Callable[[str], Demand] | None = None
) -> Iterator[Option]:
    """Yield what could be done: channels, instructions, cards, and with ``smaller`` other quantisations."""
    memory = hardware.memory
    if memory.populated is not None and memory.channels is not None:
        count = memory.populated * 2
        while count <= memory.channels:
            name = f"modules in {count} of {memory.channels} channels"
            yield Option(name, "channels", replace(hardware, memory=replace(memory, populated=count)), demand)
            count *= 2
    wider = _WIDER.get(hardware.cpu.isa) if hardware.cpu.isa is not None else None
    if wider is not None:
        cpu = replace(hardware.cpu, isa=wider)
        note = "the VM's CPU type may hide it" if hardware.cpu.isa in (Isa.SSE42, Isa.AVX) else "another processor"
        yield Option(f"{wider.value.upper()} instructions", wider.value, replace(hardware, cpu=cpu), demand, note)
    if all(card.kind is not GpuClass.APPLE for card in hardware.gpus):
        for card in _cards(cards or CARDS):
            yield Option(f"with {card.name}", card.name, _with(hardware, card), demand, f"{card.memory // 2**30} GiB")
    if smaller is not None and demand.quant in _SMALLER:
        for quant in _SMALLER[_SMALLER.index(demand.quant) + 1 :]:
            yield Option(f"quantised to {quant}", quant, hardware, smaller(quant), "another file, less exact")


def compared(
    demand: Demand, hardware: Hardware, found: Sequence[Option], *, context: int, depth: int, probe: Probe | None,
    prices: Mapping[str, float], budget: float | None,
) -> tuple[Advice, ...]:  # fmt: skip
    """Return the machine as it is, then every option within the budget of watts, largest gain of decode first."""
    base = predict(demand, hardware, context=context, depths=(depth,), probe=probe)
    first = _advice("as it is", base, base, hardware, hardware.price, "")
    rest = []
    for option in found:
        moved = probe if option.hardware.cpu.name == hardware.cpu.name else None
        there = predict(option.demand, option.hardware, context=context, depths=(depth,), probe=moved)
        price = _price(option.word, prices)
        advice = _advice(option.name, there, base, option.hardware, price, option.note)
        if budget is None or advice.watts is None or advice.watts <= budget:
            rest.append(advice)
    return first, *sorted(rest, key=lambda each: -each.decode_gain)


def _advice(
    name: str, there: Prediction, base: Prediction, hardware: Hardware, price: float | None, note: str
) -> Advice:  # fmt: skip
    fits = [each.fits for each in there.memory]
    now, then = base.decode[0].rate, there.decode[0].rate
    before, after = base.prefill[0].rate, there.prefill[0].rate
    return Advice(
        name, then, after, 100 * (then.value / now.value - 1), 100 * (after.value / before.value - 1), watts(hardware),
        price, False if False in fits else None if None in fits else True, note,
    )  # fmt: skip


def _price(word: str, prices: Mapping[str, float]) -> float | None:
    return next((amount for name, amount in prices.items() if plain(name) == plain(word)), None)


def _cards(names: Sequence[str]) -> Iterator[Gpu]:
    for name in names:
        found = gpus().get(name) or match_gpu(name)
        if found is not None:
            yield found


def _with(hardware: Hardware, card: Gpu) -> Hardware:
    load = hardware.load_watts
    more = load + (card.watts or _UNKNOWN_WATTS) if load is not None else None
    return replace(hardware, gpus=(*hardware.gpus, card), load_watts=more)
