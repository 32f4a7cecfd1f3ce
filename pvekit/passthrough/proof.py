"""Judges whether a prepared host holds: the findings, the card in use without a VM, the card inside its VM. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pvekit.model.finding import Diagnosis, Layer, Verdict
from pvekit.model.guestpci import GuestDevice
from pvekit.model.proof import (
    Cycle,
    Function,
    GuestLook,
    Held,
    LayerProof,
    Probe,
    Proof,
    Region,
    Trouble,
    Use,
)
from pvekit.passthrough.barmap import human
from pvekit.passthrough.checks import all_checks
from pvekit.passthrough.proof_guest import shown

USE = "use"
"""Stands for an id where the use of the card itself is the proof."""
_NVIDIA = "10de"
_ALL_ONES = "ffffffff"
_PAGE = 4096
_WHY: Mapping[tuple[str, str], str] = {
    ("VFIO_SET_IOMMU", "EPERM"): (
        "the kernel says no where interrupts are not remapped (IR-01), or where the firmware claims memory that the "
        "card must reach (RM-01)"
    ),
    ("VFIO_GROUP_SET_CONTAINER", "EPERM"): "a driver of the host uses a device of the group",
    ("VFIO_GROUP_SET_CONTAINER", "EBUSY"): "a driver of the host uses a device of the group",
    ("VFIO_IOMMU_MAP_DMA", "ENOMEM"): "the memory may not be locked: a limit, or none is left",
    ("VFIO_IOMMU_MAP_DMA", "EINVAL"): "the IOMMU cannot address it, or the host reserves it",
    (
        "mmap",
        "EBUSY",
    ): "something on the host holds this memory, mostly its boot screen: see /proc/iomem (FB-01, FB-02)",
    ("open", "ENOENT"): "the modules vfio, vfio_iommu_type1 and vfio_pci make these nodes",
    ("VFIO_GROUP_GET_DEVICE_FD", "EINVAL"): "vfio-pci cannot switch the card on: a region without an address, or D3",
    ("VFIO_DEVICE_RESET", "ENOTTY"): "no reset method works",
}
"""What the kernel means by an error (drivers/vfio/group.c, vfio_iommu_type1.c, pci/vfio_pci_core.c)."""


def prove(
    diagnosis: Diagnosis, probe: Probe, *, card: str = "", guest: str = "", looks: Sequence[GuestLook] = (),
    starts: int = 0,
) -> Proof:  # fmt: skip
    """Judge it. ``card`` is the id that the VM ``guest`` has to show, ``starts`` how often it was to be started."""
    broken, open_, notes = list(_broken(probe)), [], list(_notes(probe))
    unused = _unused(probe)
    wrong, unseen, told = _judge_guest(probe, card, guest, looks, starts)
    broken += wrong
    open_ += unseen
    seen_inside = bool(guest) and not wrong and not unseen
    if unused and seen_inside:
        notes.insert(0, unused)
    elif unused:
        open_.insert(0, unused)
    held = Held.BROKEN if broken else Held.UNKNOWN if open_ else Held.PROVEN
    layers = (*_found(diagnosis), *(_used(probe) if not broken else ()))
    return Proof(held, tuple(broken or open_), (*notes, *told), layers, probe, guest, tuple(looks))


def sound(probe: Probe) -> bool:
    """Return whether nothing went wrong on the host."""
    return not any(_broken(probe))


def whole(probe: Probe) -> int:
    """Return how many cycles went well."""
    return sum(not list(_cycle_reasons(probe, cycle)) and cycle.held is None for cycle in probe.cycles)


# --- the host


def _broken(probe: Probe) -> Iterator[str]:
    for cycle in probe.cycles:
        reasons = list(_cycle_reasons(probe, cycle))
        again = cycle.number > 1 and bool(reasons)
        if again:
            ways = sorted({use.reset for done in probe.cycles[: cycle.number - 1] for use in done.uses if use.reset})
            how = f"a {' and a '.join(ways)} reset" if ways else "no reset of its own"
            yield (
                f"use {cycle.number} of the card fails, use {cycle.number - 1} did not: it does not come back from "
                f"having been used ({how}); a VM would start once and not again"
            )
        yield from reasons


def _cycle_reasons(probe: Probe, cycle: Cycle) -> Iterator[str]:
    if cycle.trouble is not None:
        yield _trouble(cycle.trouble, probe)
    for use in cycle.uses:
        if use.trouble is not None:
            yield _trouble(use.trouble, probe)
        function = next((item for item in probe.functions if item.bdf == use.bdf), None)
        if function is not None:
            yield from _silent(probe, cycle, function, use)
        for region in use.regions:
            if region.trouble is not None:
                yield _trouble(region.trouble, probe)


def _silent(probe: Probe, cycle: Cycle, function: Function, use: Use) -> Iterator[str]:
    """Yield that a function is not, or no longer, the one that it was."""
    if use.trouble is not None:
        return
    if use.id and use.id != function.id:
        yield f"{use.bdf} says that it is {use.id}, and /sys says {function.id}"
    for region in use.regions:
        if region.word == _ALL_ONES and _must_answer(probe, cycle, function, region):
            yield f"{use.bdf} {region.name} does not answer: every bit reads as one"


def _must_answer(probe: Probe, cycle: Cycle, function: Function, region: Region) -> bool:
    """Return whether ones only mean that nobody answers: registers that answered before, or tell the chip's number."""
    bar = next((item for item in function.bars if f"BAR{item.number}" == region.name), None)
    if bar is None or bar.ports or bar.prefetchable:
        return False
    if region.name == "BAR0" and function.id.startswith(_NVIDIA) and function.klass.startswith("03"):
        return True
    return any(
        other.name == region.name and other.word not in ("", _ALL_ONES)
        for done in probe.cycles[: cycle.number - 1]
        for use in done.uses
        if use.bdf == function.bdf
        for other in use.regions
    )


def _trouble(trouble: Trouble, probe: Probe) -> str:
    why = _WHY.get((trouble.call, trouble.errno), "")
    if trouble.call == "VFIO_GROUP_GET_STATUS" and not trouble.errno:
        why = _others(probe, trouble.on.rpartition("/")[2])
    return f"{trouble}{f' ({why})' if why else ''}"


def _others(probe: Probe, group: str) -> str:
    """Return who else is in a group with a driver of the host."""
    found = dict.fromkeys(
        f"{bdf} is with {driver}"
        for function in probe.functions
        if function.group == group
        for bdf, driver in function.members
        if driver and not driver.replace("_", "-").endswith(("vfio-pci", "pcieport", "pci-stub"))
    )
    return ", ".join(found)


def _unused(probe: Probe) -> str:
    """Return why the card was not used on the host; "" when it was."""
    if probe.holder is not None:
        return f"{probe.functions[0].bdf} is {probe.holder}, so it was not used without a VM"
    if probe.cycles:
        return ""
    if not probe.functions:
        return "no function of the card is known"
    away = [function for function in probe.functions if not _vfio(function)]
    names = ", ".join(f"{item.bdf} is with {item.driver or 'no driver'}" for item in away)
    return f"not used without a VM: {names}; Proxmox VE takes it when a VM starts, so only a VM can show it"


def _vfio(function: Function) -> bool:
    return bool(function.group) and function.driver.replace("_", "-").endswith("vfio-pci")


def _notes(probe: Probe) -> Iterator[str]:
    done = [use for cycle in probe.cycles for use in cycle.uses if use.trouble is None]
    if done and not any(use.reset for use in done):
        taken = sorted({bdf for use in done for bdf in use.depends_on} - {item.bdf for item in probe.functions})
        more = f": a reset of its bus takes {', '.join(taken)} along" if taken else ""
        yield f"the card cannot be reset while it is open{more}"
    slow = ((use.bdf, region.name) for use in done for region in use.regions if _slow(region))
    for bdf, region in dict.fromkeys(slow):
        yield f"{bdf} {region} cannot be mapped; every access to it goes through QEMU"


def _slow(region: Region) -> bool:
    return not region.mappable and region.size >= _PAGE and region.name != "ROM"


# --- what shows it


def _found(diagnosis: Diagnosis) -> Iterator[LayerProof]:
    layer = {check.id: check.layer for check in all_checks()}
    proven = [item for item in diagnosis.findings if item.verdict is Verdict.PASS and item.evidence]
    for finding in sorted(proven, key=lambda item: (layer[item.id].rank, item.id)):
        yield LayerProof(layer[finding.id], finding.id, finding.message, finding.evidence)


def _used(probe: Probe) -> Iterator[LayerProof]:
    """Yield what the use of the card shows."""
    if not whole(probe):
        return
    uses = probe.cycles[0].uses
    groups = ", ".join(dict.fromkeys(function.group for function in probe.functions))
    yield LayerProof(Layer.TRANSLATION, USE, "memory was mapped for the card and unmapped again", ())
    yield LayerProof(Layer.GROUPS, USE, f"/dev/vfio/{groups} is viable", ())
    yield LayerProof(Layer.BINDING, USE, "vfio-pci gave every function away", ())
    mapped = [region for use in uses for region in use.regions if region.mapped]
    if mapped:
        size = human(sum(region.size for region in mapped))
        yield LayerProof(Layer.BARS, USE, f"{len(mapped)} regions were mapped and read, {size}", ())
    ways = sorted({use.reset for cycle in probe.cycles for use in cycle.uses if use.reset})
    if ways and whole(probe) > 1:
        yield LayerProof(Layer.RESET, USE, f"it came back from {whole(probe)} uses ({' and '.join(ways)} reset)", ())


# --- the VM


_Judged = tuple[list[str], list[str], list[str]]


def _judge_guest(probe: Probe, card: str, guest: str, looks: Sequence[GuestLook], starts: int) -> _Judged:
    """Return what is broken, what is not known, and what is worth knowing."""
    if not guest:
        return [], [], []
    broken: list[str] = []
    open_: list[str] = []
    notes: list[str] = []
    answered = False
    for look in looks:
        when = f"{guest}, start {look.number}" if look.number else guest
        if look.failed:
            broken.append(f"{when}: it does not start: {look.failed}")
            continue
        if look.silent:
            # Once it has answered, a start that does not is what a card that does not come back looks like.
            (broken if answered else open_).append(f"{when}: {look.silent}")
            continue
        answered = True
        wrong = list(_inside(probe, card, look))
        broken += [f"{when}: {text}" for text in wrong]
        if wrong and look.cause:
            broken.append(f"{when}: the checks name {look.cause}")
        if not look.complete:
            notes.append(f"{when}: Windows is asked only whether the device is there and works")
        elif look.compute.done is None and look.compute.text:
            notes.append(f"{when}: {look.compute.text}")
    if not looks:
        open_.append(f"{guest} was not looked at")
    done = sum(bool(look.number) and not (look.silent or look.failed) for look in looks)
    if done < starts and not broken and not open_:
        open_.append(f"{guest} was seen after {done} of {starts} starts")
    return broken, open_, list(dict.fromkeys(notes))


def _inside(probe: Probe, card: str, look: GuestLook) -> Iterator[str]:
    found = [device for device in look.devices if device.id == card]
    if not found:
        yield f"there is no device {card} in the guest"
        return
    for device in found:
        if device.wrong:
            yield f"{device.address} ({card}): {device.wrong}"
    if look.complete:
        for device in found:
            yield from _placed(probe, device)
        if not any(device.driver for device in found):
            yield f"no driver of the guest has {found[0].address} ({card})"
    if look.log:
        yield f"the guest's kernel log says: {shown(look.log)}"
    if look.compute.done is False:
        yield f"the compute job failed: {look.compute.text}"


def _placed(probe: Probe, device: GuestDevice) -> Iterator[str]:
    """Yield the regions that have no address. A kernel that gave up on one shows nothing at its place."""
    inside = {bar.number: bar for bar in device.bars}
    host = next((item for item in probe.functions if item.id == device.id), None)
    for bar in device.bars if host is None or not host.bars else host.bars:
        if bar.ports:
            continue
        seen = inside.get(bar.number)
        if seen is None or not seen.start:
            yield f"BAR{bar.number} of {device.address} ({human(bar.size)}) has no address in the guest"
