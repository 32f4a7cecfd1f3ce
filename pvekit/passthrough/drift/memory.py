"""Windows of the root buses, regions of cards, and memory that the firmware reserves: what drifted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from pvekit.model.missing import Missing
from pvekit.passthrough.barmap import human
from pvekit.passthrough.baseline import BarPlace, Baseline, Known, Span
from pvekit.passthrough.drift.devices import targets
from pvekit.passthrough.drift.kinds import Drift, Severity
from pvekit.passthrough.drift.places import Places

_HIGH = 1 << 32
_BIG = "A card with a large region gets no address."


def memory(before: Baseline, now: Baseline, places: Places) -> Iterator[Drift]:
    """Yield what drifted."""
    yield from _windows(before, now)
    yield from _rmrr(before, now)
    for old in sorted(places.same):
        one, other = places.before[old], places.now[places.same[old]]
        yield from _bars(one, other, now)
        yield from _reserved(one, other, before, now)


def _windows(before: Baseline, now: Baseline) -> Iterator[Drift]:
    old, new = before.windows, now.windows
    if isinstance(old, Missing) or isinstance(new, Missing) or set(old) == set(new):
        return
    lows = [sum(span.size for span in spans if span.start < _HIGH) for spans in (old, new)]
    highs = [sum(span.size for span in spans if span.start >= _HIGH) for spans in (old, new)]
    meaning, severity, hint = "They lie elsewhere, or are larger.", Severity.HARMLESS, ""
    if highs[0] and not highs[1]:
        meaning = f"The firmware offers no memory above 4 GiB any more. {_BIG}"
        severity, hint = Severity.LOOK, "Switch on Above 4G decoding in the firmware setup."
    elif highs[1] < highs[0] or lows[1] < lows[0]:
        where = "above" if highs[1] < highs[0] else "below"
        meaning, severity = f"There is less memory for devices {where} 4 GiB. A card more may not fit.", Severity.LOOK
        hint = "pvekit passthrough map shows what lies where."
    yield Drift("windows", "memory windows of the root buses", _spans(old), _spans(new), meaning, severity, hint,
                now.at("windows"))  # fmt: skip


def _spans(spans: Iterable[Span]) -> str:
    return ", ".join(f"{span.start:#x}-{span.end:#x} ({human(span.size)})" for span in spans) or "none"


def _rmrr(before: Baseline, now: Baseline) -> Iterator[Drift]:
    old, new = before.rmrr, now.rmrr
    if isinstance(old, Missing) or isinstance(new, Missing) or old == new:
        return
    same = Counter(span.size for span in old) == Counter(span.size for span in new)
    yield Drift(
        "rmrr",
        "memory that the firmware reserves (RMRR)",
        _spans(old),
        _spans(new),
        "They lie elsewhere and are as large as before."
        if same
        else "The firmware reserves other memory. A device that has such a region cannot be passed through.",
        Severity.HARMLESS if same else Severity.LOOK,
        evidence=now.at("rmrr"),
    )


def _reserved(one: Known, other: Known, before: Baseline, now: Baseline) -> Iterator[Drift]:
    if isinstance(before.reserved, Missing) or isinstance(now.reserved, Missing) or one.direct == other.direct:
        return
    if isinstance(before.groups, Missing) or isinstance(now.groups, Missing) or not before.groups or not now.groups:
        return
    old, new = (Counter(span.kind for span in item.direct) for item in (one, other))
    more = new["direct"] > old["direct"]
    meaning, severity = "The regions of this device lie elsewhere, or are fewer.", Severity.HARMLESS
    if more and other.bdf in targets(now):
        meaning, severity = "The firmware ties the card to this memory: it cannot be passed through.", Severity.BREAKS
    elif more:
        meaning, severity = (
            "The firmware ties the device to this memory: it could not be passed through.",
            Severity.LOOK,
        )
    yield Drift("reserved", f"reserved regions of {other}", _kinds(one.direct), _kinds(other.direct), meaning, severity)


def _kinds(spans: Iterable[Span]) -> str:
    return ", ".join(f"{span.kind} {span.start:#x}-{span.end:#x}" for span in spans) or "none"


def _bars(one: Known, other: Known, now: Baseline) -> Iterator[Drift]:
    """Compare the regions of a card; where one time none is known, nothing is said."""
    if not one.bars or not other.bars or one.bars == other.bars:
        return
    new = {bar.number: bar for bar in other.bars}
    lost = [bar for bar in one.bars if bar.start is not None and _unplaced(new.get(bar.number))]
    sizes = [bar for bar in one.bars if bar.size and _size(new.get(bar.number)) not in (None, bar.size)]
    meaning, severity, hint = "The regions lie elsewhere.", Severity.HARMLESS, ""
    if lost:
        numbers = ", ".join(str(bar.number) for bar in lost)
        meaning = f"Region {numbers} of the card has no address any more: no driver can use it, in a guest neither."
        severity, hint = Severity.BREAKS, "Look at the memory windows, and at Above 4G decoding in the firmware setup."
    elif sizes:
        meaning, severity = "A region has another size: Resizable BAR was switched on or off.", Severity.LOOK
    yield Drift("bars", f"memory regions of {other}", _places(one.bars), _places(other.bars), meaning, severity, hint,
                now.at(f"device {other.bdf}"))  # fmt: skip


def _unplaced(bar: BarPlace | None) -> bool:
    return bar is None or bar.start is None


def _size(bar: BarPlace | None) -> int | None:
    return None if bar is None else bar.size


def _places(bars: Iterable[BarPlace]) -> str:
    return ", ".join(_place(bar) for bar in bars)


def _place(bar: BarPlace) -> str:
    where = "no address" if bar.start is None else f"{bar.start:#x}"
    return f"{bar.number}: {where} ({human(bar.size)})" if bar.size else f"{bar.number}: {where}"
