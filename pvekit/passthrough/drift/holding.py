"""The card that goes to the guest: its driver and the ways to reset it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pvekit.model.missing import Missing
from pvekit.passthrough.baseline import Baseline, Held
from pvekit.passthrough.drift.kinds import Drift, Severity
from pvekit.passthrough.drift.places import Places


def holding(before: Baseline, now: Baseline, places: Places) -> Iterator[Drift]:
    """Yield what drifted. A card that vfio-pci took is no drift: the start of its VM does that."""
    if isinstance(before.target, Missing) or isinstance(now.target, Missing):
        return
    present = {item.bdf: item for item in now.target}
    for old in before.target:
        new = present.get(places.at(old.bdf))
        if new is not None:
            yield from _driver(old, new, now)
            yield from _reset(old, new, now)


def _driver(old: Held, new: Held, now: Baseline) -> Iterator[Drift]:
    if isinstance(old.driver, Missing) or isinstance(new.driver, Missing):
        return
    if new.driver in (old.driver, "vfio-pci"):
        return
    freed = old.driver == "vfio-pci" and new.driver
    yield Drift(
        "driver",
        f"driver of {new.bdf}",
        old.driver or "none",
        new.driver or "none",
        f"{new.driver} has the card. Proxmox VE takes it from there when the VM starts, if that driver lets go of it."
        if freed
        else "Another driver of the host has it.",
        Severity.LOOK if freed else Severity.HARMLESS,
        "If it was set aside at boot: pvekit passthrough diagnose tells why it is not any more." if freed else "",
        now.at(f"driver {new.bdf}"),
    )


def _reset(old: Held, new: Held, now: Baseline) -> Iterator[Drift]:
    if isinstance(old.reset, Missing) or isinstance(new.reset, Missing) or set(old.reset) == set(new.reset):
        return
    lost = sorted(set(old.reset) - set(new.reset))
    meaning, severity = "There are more ways to reset it.", Severity.HARMLESS
    if not new.reset:
        meaning, severity = "It cannot be reset any more: the second start of the VM may fail.", Severity.LOOK
    elif lost:
        meaning, severity = f"The way {', '.join(lost)} is gone: the second start of the VM may fail.", Severity.LOOK
    hint = (
        ""
        if severity is Severity.HARMLESS
        else "After an update of the kernel: is a module such as vendor-reset built?"
    )
    yield Drift("reset", f"reset of {new.bdf}", " ".join(old.reset) or "none", " ".join(new.reset) or "none", meaning,
                severity, hint, now.at(f"driver {new.bdf}"))  # fmt: skip
